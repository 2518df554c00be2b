"""The recipes: what models start from, and the settings that make a training the headline one."""

import jax
import numpy as np
import pytest
from flax import nnx
from small import assert_equal_weights, weights

from helpers import recipes
from helpers.generation import nearest_shape
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import autoencoder_loss
from helpers.shapes import SHAPES, shape_world


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where checkpoints go."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    return tmp_path / "data" / "checkpoints"


def make(seed):
    return Autoencoder(2, **recipes.SMALL, rngs=nnx.Rngs(seed))


def test_the_best_start_is_the_one_with_the_lowest_loss():
    images = recipes.training_shapes(512)
    settings = {"epochs": 1, "learning_rate": 1e-3}
    found = recipes.best_starts("test", make, images, autoencoder_loss, seeds=[0, 2], **settings)
    for seed, model in zip((0, 2), found, strict=True):
        numbers = range(recipes.STARTS * seed, recipes.STARTS * (seed + 1))
        starts = [make(number) for number in numbers]
        losses = [autoencoder_loss] * len(starts)
        histories = recipes.train_many(
            [f"alone-{number}" for number in numbers], starts, images, losses, seeds=numbers,
            **settings,
        )  # fmt: skip
        best = np.argmin([history.loss.iloc[-1] for history in histories])
        assert_equal_weights(model, weights(starts[best]), atol=1e-6)


def test_starts_are_a_share_of_the_training_and_loaded_the_second_time(folder):
    images = recipes.training_shapes(256)
    settings = {"seeds": [1], "epochs": 2 * recipes.EPOCHS, "learning_rate": 1e-3}
    recipes.best_starts("test", make, images, autoencoder_loss, **settings)
    names = sorted(path.name for path in folder.glob("*.npz"))
    epochs = 2 * recipes.START_EPOCHS
    assert names == [f"test-start{n}-{epochs}-epochs.npz" for n in (3, 4, 5)]
    times = [path.stat().st_mtime_ns for path in sorted(folder.glob("*.npz"))]
    recipes.best_starts("test", make, images, autoencoder_loss, **settings)
    assert times == [path.stat().st_mtime_ns for path in sorted(folder.glob("*.npz"))]


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
def test_headline_models_learn_from_random_shapes_and_are_judged_by_the_world(kind):
    images, world = recipes.training_shapes(1024), shape_world(("circle",))
    (model,), (history,) = recipes.headline_models(kind, images, world.images, seeds=[0], epochs=2)
    assert len(history) == 2
    assert {"loss", "test_loss"} <= set(history)
    assert model.reconstruct(world.images[:5]).shape == (5, 28, 28)


def test_training_images_are_as_many_random_shapes_as_asked_for_and_none_of_the_world():
    images = recipes.training_shapes(300)
    assert (images.shape, images.dtype) == ((300, 28, 28), np.float32)
    np.testing.assert_array_equal(recipes.training_shapes(300), images)
    known = {image.tobytes() for image in shape_world().images}
    assert not known & {image.tobytes() for image in np.asarray(images)}
    nearest = nearest_shape(images)
    assert nearest.valid(1e-2).mean() > 0.98
    assert np.bincount(nearest.shape).min() > 50
    crosses = recipes.training_shapes(5, ("cross",), 20)
    assert crosses.shape == (5, 20, 20)
    assert nearest_shape(crosses).valid().all()
    assert set(nearest_shape(crosses).shape) == {SHAPES.index("cross")}


def test_c_falls_geometrically_for_70_percent_of_the_epochs_then_rests():
    c = [float(loss.keywords["c"]) for loss in recipes.vae_losses(20, c=0.1, c_start=1.6)]
    np.testing.assert_allclose(c[:14], 1.6 * (0.1 / 1.6) ** (np.arange(14) / 14))
    np.testing.assert_allclose(c[14:], 0.1)
    assert {loss.keywords["beta"] for loss in recipes.vae_losses(20)} == {1.0}


def test_a_single_shape_has_a_loss_for_every_epoch_of_every_schedule():
    schedules = recipes.single_shape_losses(7, population=512)
    assert all(len(losses) == 7 for losses in schedules.values())
    images = recipes.training_shapes(256, ("circle",))
    model = VariationalAutoencoder(recipes.SINGLE_LATENTS, **recipes.SMALL, rngs=nnx.Rngs(0))
    for losses in schedules.values():
        loss, _ = losses[-1](model, images[:32], jax.random.key(0))
        assert np.isfinite(loss)
