"""The sweep: stopped at any moment it loses no finished group, and writes only what is whole."""

import json

import numpy as np
import pytest

from helpers import checkpoints
from helpers.files import recorded
from helpers.shapes import shape_world
from tools import sweeps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the sweep writes."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    return tmp_path / "figures"


@pytest.fixture
def small_world(monkeypatch):
    """Circles and crosses of two sizes in 8 x 8 places instead of the world: 256 images, 8 bits."""
    whole = shape_world(("circle", "cross"))
    _, x, y, size = whole.factors.T
    some = np.flatnonzero((x < 14) & (y < 14) & np.isin(size, np.unique(size)[:2]))
    world = whole._replace(images=whole.images[some], factors=whole.factors[some])
    monkeypatch.setattr(sweeps, "shape_world", lambda *shapes: world)
    assert len(world.images) == 256
    return world


def test_a_stopped_sweep_goes_on_where_it_was(folder, small_world, monkeypatch):
    fit_many, groups = checkpoints.fit_many, []

    def until_stopped(models, *arguments, **settings):
        groups.append(type(models[0]).__name__)
        if len(groups) == 2:
            raise KeyboardInterrupt
        return fit_many(models, *arguments, **settings)

    monkeypatch.setattr(checkpoints, "fit_many", until_stopped)
    with pytest.raises(KeyboardInterrupt):
        sweeps.headline(seeds=range(2), epochs=1)
    assert not (folder / "sweep.json").exists()

    sweeps.headline(seeds=range(2), epochs=1)
    assert groups == ["Autoencoder", "VariationalAutoencoder", "VariationalAutoencoder"]
    sweep = json.loads((folder / "sweep.json").read_text())
    assert sweep["seeds"] == [0, 1]
    assert all(len(sweep[key]["values"]) == 2 for key in sweep if key not in ("seeds", "settings"))


def test_the_limit_is_computed_once(folder, small_world, monkeypatch):
    sweeps.limit(slopes=(1.0, 0.1), tolerance=1e-2)
    curves = recorded("limit")
    assert curves["world"]["slope"] == [1.0, 0.1]
    assert all(rate <= 8 for rate in curves["world"]["rate"])

    monkeypatch.setattr(sweeps, "image_rate_distortion", None)  # calling it would fail
    sweeps.limit(slopes=(1.0, 0.1), tolerance=1e-2)
    with pytest.raises(TypeError):
        sweeps.limit(slopes=(1.0, 0.2), tolerance=1e-2)


def test_every_model_of_the_plane_has_an_account_that_closes(folder, small_world, monkeypatch):
    monkeypatch.setattr(sweeps, "PLANE_C", (0.1,))
    monkeypatch.setattr(sweeps, "BETAS", (4,))
    monkeypatch.setattr(sweeps, "IDEAS_C", (0.6,))
    monkeypatch.setattr(sweeps, "IDEAS", {"wider decoder": sweeps.IDEAS["wider decoder"]})
    sweeps.plane(epochs=1)
    models = recorded("plane")["models"]
    assert [(m["group"], m["c"], m["beta"]) for m in models] == [
        ("VAE", 0.1, 1),
        ("beta-VAE", 0.1, 4),
        ("idea", 0.6, 1),
    ]
    for m in models:
        parts = ("mutual_information", "total_correlation", "negentropy", "prior_mismatch")
        assert sum(m[part] for part in parts) == pytest.approx(m["kl"], abs=0.2)
        assert 0 <= m["mutual_information"] <= 8
        assert m["bayes_distortion"] < m["distortion"]


def test_the_single_shape_keeps_every_schedule_and_seed(folder):
    sweeps.single_shape(seeds=range(2), epochs=2)
    schedules = recorded("single_shape")["schedules"]
    assert len(schedules) == 3
    for schedule in schedules.values():
        assert len(schedule["mig"]["values"]) == len(schedule["bits"]) == 2
        assert all(0 <= value <= 1 for value in schedule["mig"]["values"])
        assert set(schedule["bits"][0]) == {"x", "y", "size"}
