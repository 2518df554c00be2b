"""Checkpoints: loaded if they hold this very training, refused with the reason if not."""

import os
import subprocess
import sys
from functools import partial

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx
from jax.tree_util import Partial
from small import (
    SMALL,
    STEPS,
    Counting,
    N,
    assert_equal_weights,
    autoencoder,
    counting_loss,
    elbo,
    moved,
    raising_on_call,
    settings,
    vae,
    weights,
)

from helpers import checkpoints, training
from helpers.checkpoints import (
    fit_many_or_load,
    fit_or_load,
    load_checkpoint,
    save_checkpoint,
)
from helpers.files import ROOT, save_arrays
from helpers.models import Autoencoder
from helpers.objectives import autoencoder_loss, denoising_loss
from helpers.shapes import random_shapes
from helpers.training import fit


@pytest.fixture(scope="module")
def images():
    return random_shapes(jax.random.key(0), N)[0]


@pytest.fixture(scope="module")
def test_images():
    return random_shapes(jax.random.key(1), 10)[0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoints" / "model.npz"


def fit_vae_or_load(path, data, c=0.5, beta=1.0, model=None, **changes):
    model = model or vae()
    loss = [elbo(each, beta) for each in c] if isinstance(c, list) else elbo(c, beta)
    return model, fit_or_load(path, model, data, loss, **settings(**changes))


@pytest.fixture
def no_training(monkeypatch):
    """Calling what it gives makes every further training fail."""

    def fail(*args, **kwargs):
        raise AssertionError("trained again instead of loading")

    return lambda: monkeypatch.setattr(checkpoints, "fit_many", fail)


@pytest.fixture
def trainings(monkeypatch):
    """How many models each training had; it is as short as can be, the models stay as they are."""
    groups = []

    def record(models, *args, **kwargs):
        groups.append(len(models))
        return [pd.DataFrame({"epoch": [1], "loss": [float(len(groups))]}) for _ in models]

    monkeypatch.setattr(checkpoints, "fit_many", record)
    return groups


def test_the_second_call_loads_what_the_first_trained_as_fit_does(
    path, images, test_images, no_training
):
    model, history = fit_vae_or_load(path, images, test_data=test_images)
    alone = vae()
    expected = fit(alone, images, elbo(), **settings(test_data=test_images))
    pd.testing.assert_frame_equal(history, expected)
    assert_equal_weights(model, alone)
    no_training()
    again, loaded = fit_vae_or_load(path, images, test_data=test_images)
    pd.testing.assert_frame_equal(loaded, history)
    assert_equal_weights(again, model)
    np.testing.assert_array_equal(again.encode(images)[0], model.encode(images)[0])
    assert moved(again, weights(vae()))


def test_state_that_is_not_trained_is_stored_too(path, images, no_training):
    model, again = Counting(), Counting()
    fit_or_load(path, model, images, counting_loss, **settings())
    no_training()
    fit_or_load(path, again, images, counting_loss, **settings())
    assert again.steps[...] == 3 * STEPS
    assert_equal_weights(again, model)


def test_a_checkpoint_is_recognised_by_another_process(path, trainings):
    fit_vae_or_load(path, np.ones((N, 28, 28), np.float32))
    assert trainings == [1]
    program = ROOT / "tests" / "programs" / "load_checkpoint.py"
    environment = os.environ | {
        "PYTHONHASHSEED": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
    }
    subprocess.run([sys.executable, program, path], check=True, env=environment)


PARTS = {
    "program", "initial weights", "data", "learning rates", "loss settings", "key", "budget"
}  # fmt: skip
OTHERS = {
    "another c": ({"c": 0.6}, "loss settings"),
    "another beta": ({"beta": 2.0}, "loss settings"),
    "another c in the last epoch": ({"c": [0.5, 0.5, 0.6]}, "loss settings"),
    "another epoch": ({"epochs": 4}, "budget, loss settings, learning rates"),
    "another key": ({"key": jax.random.key(99)}, "key"),
    "other images": ({"data": "shifted"}, "data"),
    "other held-out images": ({"test_data": "shifted"}, "data"),
    "another seed": ({"model": vae(1)}, "initial weights"),
    "another width": ({"model": vae(decoder_widths=(9,))}, "program, initial weights"),
    "another rank": ({"model": vae(rank=2)}, "program, initial weights"),
    "a perceptron as the decoder": ({"model": vae(rank=None)}, "program, initial weights"),
    "another variance": ({"model": vae(variance="log")}, "program"),
    "another momentum": ({"optimizer": partial(optax.sgd, momentum=0.8)}, "program"),
    "another optimizer": ({"optimizer": optax.adam}, "program"),
    "another rate": ({"learning_rate": 2e-3}, "learning rates"),
    "a falling rate": (
        {"learning_rate": optax.linear_schedule(1e-3, 5e-4, 12)},
        "learning rates",
    ),
    "another batch": ({"batch_size": 8}, "program, budget, learning rates"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_something_else_is_refused_and_trained_anew(
    other, path, images, test_images, trainings, capsys
):
    changes, differing = OTHERS[other]
    asked = {"data": images, "test_data": test_images}
    fit_vae_or_load(path, **asked)
    assert (len(trainings), capsys.readouterr().out) == (1, "")
    for name, value in changes.items():
        asked[name] = np.roll(asked[name], 1, axis=2) if name.endswith("data") else value
    model = asked.pop("model", vae())
    before = weights(model)
    _, history = fit_vae_or_load(path, model=model, **asked)
    assert len(trainings) == 2
    message = capsys.readouterr().out
    assert message.startswith("Training anew: model.npz was trained with a different ")
    assert {part for part in PARTS if part in message} == set(differing.split(", "))
    assert_equal_weights(model, before)  # nothing of the refused file got in
    fit_vae_or_load(path, model=model, **asked)
    assert len(trainings) == 2  # the new result has taken the place of the old
    assert history["loss"].iloc[0] == 2


def test_the_loss_of_every_epoch_is_part_of_the_fingerprint(path, images, trainings):
    noisy, plain = Partial(denoising_loss, noise=0.3), autoencoder_loss
    for losses in ([noisy, noisy, plain], [noisy, plain, noisy]):
        fit_or_load(path, autoencoder(), images, losses, **settings())
    assert len(trainings) == 2


@pytest.mark.parametrize(
    "left",
    [
        "half of it",
        "nothing",
        "something else",
    ],
)
def test_a_damaged_checkpoint_is_refused_and_trained_anew(left, path, images, trainings, capsys):
    fit_vae_or_load(path, images)
    data = path.read_bytes()
    rest = {"half of it": data[: len(data) // 2], "nothing": b"", "something else": 99 * b"no zip"}
    path.write_bytes(rest[left])
    _, history = fit_vae_or_load(path, images)
    message = capsys.readouterr().out
    assert message.startswith("Training anew: ")
    assert "model.npz is damaged" in message
    assert len(trainings) == history["loss"].iloc[0] == 2
    fit_vae_or_load(path, images)
    assert len(trainings) == 2


def test_a_file_that_is_no_checkpoint_is_refused_and_trained_anew(path, images, trainings, capsys):
    save_arrays(path, {"something": np.zeros(3)}, {"else": 1})
    fit_vae_or_load(path, images)
    assert "Training anew: " in capsys.readouterr().out
    assert len(trainings) == 1


def test_a_path_may_be_a_string_and_nothing_else_is_left_beside_it(path, images, trainings, capsys):
    for c in (0.5, 0.5, 0.6):
        fit_vae_or_load(str(path), images, c=c)
    assert len(trainings) == 2
    assert "model.npz was trained with a different loss settings" in capsys.readouterr().out
    assert os.listdir(path.parent) == ["model.npz"]


def test_an_interrupted_training_leaves_no_checkpoint(path, images, monkeypatch):
    fetch = raising_on_call(2, jax.device_get, KeyboardInterrupt)
    monkeypatch.setattr(training.jax, "device_get", fetch)
    with pytest.raises(KeyboardInterrupt):
        fit_vae_or_load(path, images)
    assert not path.parent.exists() or os.listdir(path.parent) == []


def test_of_a_group_only_what_is_missing_is_trained(images, tmp_path, no_training, monkeypatch):
    paths = [tmp_path / f"{seed}.npz" for seed in range(3)]
    losses = [elbo(c) for c in (0.1, 0.5, 2.0)]
    plan = settings()
    del plan["key"]

    def group():
        models, keys = [vae(seed) for seed in range(3)], list(map(jax.random.key, range(3)))
        return models, fit_many_or_load(paths, models, images, losses, keys=keys, **plan)

    first = vae()
    alone = fit_or_load(paths[0], first, images, losses[0], key=jax.random.key(0), **plan)
    sizes, fit_many = [], checkpoints.fit_many
    monkeypatch.setattr(
        checkpoints, "fit_many", lambda m, *a, **k: sizes.append(len(m)) or fit_many(m, *a, **k)
    )
    models, histories = group()
    assert sizes == [2]
    pd.testing.assert_frame_equal(histories[0], alone)
    assert_equal_weights(models[0], first)
    no_training()
    again, loaded = group()
    for number in range(3):
        pd.testing.assert_frame_equal(loaded[number], histories[number])
        assert_equal_weights(again[number], models[number])


def test_a_group_needs_a_path_for_each_model(images):
    models, plan = [autoencoder(seed) for seed in range(2)], settings()
    del plan["key"]
    keys = list(map(jax.random.key, range(2)))
    with pytest.raises(ValueError, match="paths: expected different ones, got one of them twice"):
        fit_many_or_load(["a", "a"], models, images, [autoencoder_loss] * 2, keys=keys, **plan)


def test_several_processes_are_sent_to_fit(path, images, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="processes: expected one, got 2: use `fit`"):
        fit_vae_or_load(path, images)


def test_a_checkpoint_can_be_saved_and_loaded_by_hand(path):
    model, other = autoencoder(), autoencoder(1)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.5, 2.25]})
    save_checkpoint(path, model, history, {"part": [1, 2.5, "three"]})
    pd.testing.assert_frame_equal(
        load_checkpoint(path, other, {"part": [1, 2.5, "three"]}), history
    )
    assert_equal_weights(other, model)


def test_loading_what_is_not_there_or_does_not_match_changes_nothing(path):
    model = autoencoder()
    before = weights(model)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(path, model, {})
    save_checkpoint(path, autoencoder(1), pd.DataFrame({"epoch": [1]}), {"a": 1, "b": 2, "c": 3})
    with pytest.raises(ValueError, match=r"model\.npz was trained with a different a and c"):
        load_checkpoint(path, model, {"a": 0, "b": 2, "c": 0})
    assert_equal_weights(model, before)


def test_a_group_that_is_not_alike_is_refused_before_anything_is_loaded(tmp_path, images):
    paths = [tmp_path / f"{number}.npz" for number in range(2)]
    group = {"keys": [jax.random.key(2)] * 2, **{k: v for k, v in settings().items() if k != "key"}}
    fit_or_load(paths[0], autoencoder(), images, autoencoder_loss, **settings())
    mixed = [autoencoder_loss, Partial(denoising_loss, noise=0.1)]
    with pytest.raises(ValueError, match="losses: expected one function"):
        fit_many_or_load(paths, [autoencoder(), autoencoder(1)], images, mixed, **group)
    two = [autoencoder(), autoencoder(1)]
    with pytest.raises(ValueError, match="paths: expected 2, one for each model, got 1"):
        fit_many_or_load(paths[:1], two, images, [autoencoder_loss] * 2, **group)
    assert not paths[1].exists()


class Dropping(Autoencoder):
    """Holds a key of its own, as a module with dropout does."""

    def __init__(self, seed):
        super().__init__(2, **SMALL, rngs=nnx.Rngs(seed))
        self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(seed + 10))

    def encode(self, x):
        return self.dropout(super().encode(x))


def test_a_model_that_holds_a_key_is_stored_with_it(path, images, capsys):
    trained, loaded = Dropping(0), Dropping(0)
    fit_or_load(path, trained, images, autoencoder_loss, **settings())
    fit_or_load(path, loaded, images, autoencoder_loss, **settings())
    assert capsys.readouterr().out == ""  # loaded, not trained anew
    for model in (trained, loaded):
        model.train()
    np.testing.assert_array_equal(loaded.encode(images), trained.encode(images))


def test_a_folder_that_cannot_be_made_is_told_before_training(tmp_path, images, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(checkpoints, "fit_many", None)  # calling it would fail
    with pytest.raises(OSError, match="file"):
        fit_or_load(tmp_path / "file" / "a.npz", vae(), images, elbo(), **settings())
