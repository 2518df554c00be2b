"""The sweep: stopped at any moment it loses no finished group, and writes only what is whole."""

import json

import numpy as np
import pytest
from flax import nnx

from helpers import checkpoints, recipes
from helpers.files import recorded
from helpers.shapes import shape_world
from tools import image_sweeps, sweeps


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
        if len(groups) == 4:  # the AEs' starts, the AEs, the VAEs' starts, the VAEs
            raise KeyboardInterrupt
        return fit_many(models, *arguments, **settings)

    monkeypatch.setattr(checkpoints, "fit_many", until_stopped)
    with pytest.raises(KeyboardInterrupt):
        sweeps.headline(seeds=range(2), epochs=1, n=1024)
    assert not (folder / "sweep.json").exists()

    sweeps.headline(seeds=range(2), epochs=1, n=1024)
    assert groups == ["Autoencoder"] * 2 + ["VariationalAutoencoder"] * 3
    sweep = json.loads((folder / "sweep.json").read_text())
    assert sweep["seeds"] == [0, 1]
    assert all(len(sweep[key]["values"]) == 2 for key in sweep if key not in ("seeds", "settings"))
    assert sweep["settings"]["training_images"] == 1024
    for name in ("test_squared_error", "reconstruction_validity", "prior_validity", "moved",
                 "prior_validity_strict", "prior_coverage", "fitted_gaussian_validity",
                 "fitted_mixture_validity", "merged_validity", "noise 0.1"):  # fmt: skip
        assert {f"ae_{name}", f"vae_{name}"} <= sweep.keys()
    assert 0 <= sweep["vae_mig"]["mean"] <= 1


def test_all_sizes_of_the_generalisation_see_as_many_batches(folder, monkeypatch):
    steps = []

    def counted(kind, images, test_images, *, seeds, epochs):
        steps.append(epochs * (len(images) // recipes.BATCH_SIZE))
        model = kind(2, images=images[:64], rngs=nnx.Rngs(0), **recipes.SMALL)
        return [model] * len(seeds), None

    monkeypatch.setattr(recipes, "headline_models", counted)
    sweeps.generalisation(seeds=range(2), epochs=4, n=2048, fewer=(512, 1024))
    found = recorded("generalisation")
    assert found["sizes"] == [512, 1024, 2048]
    assert np.shape(found["errors"]["vae"]) == (3, 2)
    assert max(steps) == found["steps"] == 64
    assert min(steps) > 0.85 * 64  # an epoch of the grid is 57 batches
    assert len(found["held_out_of_the_grid"]) == 4


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
    ideas = {name: sweeps.IDEAS[name] for name in ("perceptron as decoder", "trained on the grid")}
    monkeypatch.setattr(sweeps, "IDEAS", ideas)
    sweeps.plane(epochs=1, n=1024)
    models = recorded("plane")["models"]
    assert [(m["group"], m["c"], m["beta"]) for m in models] == [
        ("VAE", 0.1, 1),
        ("beta-VAE", recipes.C, 4),
        ("idea", 0.6, 1),
        ("idea", 0.6, 1),
    ]
    for m in models:
        parts = ("mutual_information", "total_correlation", "negentropy", "prior_mismatch")
        assert sum(m[part] for part in parts) == pytest.approx(m["kl"], abs=0.2)
        assert 0 <= m["mutual_information"] <= 8
        assert m["bayes_distortion"] < m["distortion"]


def test_the_code_made_by_hand_is_there_for_every_c(folder, small_world, monkeypatch):
    monkeypatch.setattr(sweeps, "shape_world", lambda: small_world._replace(
        cardinalities=(2, 8, 8, 2)))  # fmt: skip
    sweeps.hand_made(cs=(0.1, 1.0))
    found = recorded("hand_made")
    assert found["c"] == [0.1, 1.0]
    assert found["kl"][0] > found["kl"][1]
    assert found["mutual_information"][0] <= 8


def test_the_single_shape_keeps_every_schedule_and_seed(folder):
    sweeps.single_shape(batches=([1], [2, 3]), epochs=2, n=512)
    found = recorded("single_shape")
    assert (found["first_batch"], found["seeds"]) == ([1], [2, 3])
    schedules = found["schedules"]
    assert len(schedules) == 4
    for schedule in schedules.values():
        assert len(schedule["mig"]["values"]) == len(schedule["bits"]) == 2
        assert all(0 <= value <= 1 for value in schedule["mig"]["values"])
        assert set(schedule["bits"][0]) == {"x", "y", "size"}
        assert len(schedule["mig_of_first_batch"]) == 1


def test_the_account_of_real_images_goes_on_where_it_was(folder, monkeypatch):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 2600)
    images = generator.uniform(0, 0.2, (2600, 28, 28)).astype(np.float32)
    images[np.arange(2600), 4 + 2 * labels] = 0.9
    parts = {"train": (images[:2400], labels[:2400]), "test": (images[2400:], labels[2400:])}
    monkeypatch.setattr(image_sweeps, "load_digits", lambda name, part: parts[part])
    monkeypatch.setattr(image_sweeps.codes, "COMPONENTS", (1, 2))
    runs = [("mnist", kind, 20, 0) for kind in ("VAE", "AE")]
    epochs = dict.fromkeys(("AE", "VAE", "MLP", "CNN"), 1)
    image_sweeps.real_images(runs[:1], epochs, n=20)
    monkeypatch.setattr(image_sweeps.studies, "judged", lambda *_: {"sure": 0.5})  # the AE's alone
    image_sweeps.real_images(runs, epochs, n=20)
    found = recorded("real_images")
    assert [run["kind"] for run in found["runs"]] == ["VAE", "AE"]
    vae, ae = found["runs"]
    assert ae["kl_bits"] == pytest.approx(vae["kl_bits"], rel=1e-3)
    assert "class_entropy_bits" in found["drawings"][0]["judged"]["mixture"]
    assert found["drawings"][1]["judged"]["mixture"] == {"sure": 0.5}
