"""Another shape and another canvas, by arguments alone, from the images to the account in bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import recipes
from helpers.generation import coverage, nearest_shape, sample_prior, validity
from helpers.information import factor_information, rate_audit
from helpers.limits import image_rate_distortion
from helpers.shapes import SIGNED_DISTANCES, SIZES, random_shapes, render, shape_world

SIDE = 20


def ring(dx, dy, size):
    """Half as wide inside as outside."""
    return jnp.abs(jnp.sqrt(dx**2 + dy**2 + 1e-12) - 0.75 * size) - 0.25 * size


SHAPES = SIGNED_DISTANCES | {"ring": ring}


@pytest.fixture(scope="module")
def world():
    return shape_world(SHAPES, SIDE)


def test_it_can_be_counted(world):
    places = SIDE - 2 * int(SIZES[-1])
    assert world.cardinalities == (5, places, places, 8)
    assert world.images.shape == (5 * 8 * places**2, SIDE, SIDE)
    assert world.entropy_bits == pytest.approx(np.log2(5) + 2 * np.log2(places) + 3)
    assert len(np.unique(world.images.reshape(len(world.images), -1), axis=0)) == len(world.images)
    assert world.shapes[-1] == "ring"
    edges = [world.images[:, 0], world.images[:, -1], world.images[..., 0], world.images[..., -1]]
    assert max(edge.max() for edge in edges) <= 0.5


def test_a_ring_has_a_hole_and_is_drawn_alike_everywhere(world):
    image = render("ring", 12.0, 10.0, 6.0, shapes=SHAPES, side=SIDE)
    assert float(image[10, 12]) == 0
    assert float(image[10, 16]) == 1
    same = (world.factors == [4, 12, 10, 6]).all(axis=1)
    np.testing.assert_array_equal(image, world.images[same][0])


def test_the_oracle_knows_it():
    images, parameters = random_shapes(jax.random.key(0), 200, SHAPES, SIDE)
    nearest = nearest_shape(images, SHAPES)
    assert validity(nearest) == 1
    np.testing.assert_array_equal(nearest.shape, parameters[:, 0])
    np.testing.assert_allclose(nearest.x, parameters[:, 1], atol=0.05)
    np.testing.assert_allclose(nearest.size, parameters[:, 3], atol=0.2)
    assert coverage(nearest, shapes=SHAPES) == pytest.approx(1, abs=0.15)
    rings = images[parameters[:, 0] == 4]
    assert validity(rings, shapes=SHAPES) == 1
    assert validity(rings) < 0.1, "without the fifth shape a ring is no shape"


def test_models_account_and_limit_follow(world, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    images = recipes.training_shapes(4096, SHAPES, SIDE)
    model, history = recipes.variational_autoencoder(images, world.images, epochs=2)
    assert history["test_squared_error"].iloc[-1] < history["squared_error"].iloc[0]
    mean, log_variance = model.encode(world.images)
    assert sample_prior(model, jax.random.key(1), 3).shape == (3, SIDE, SIDE)
    assert model.reconstruct(world.images).shape == world.images.shape
    audit = rate_audit(mean, log_variance, key=jax.random.key(2), draws=2)
    assert 0 < audit.mutual_information <= world.entropy_bits + 0.1
    bits, _ = factor_information(mean, log_variance, world.factors, key=jax.random.key(3), draws=2)
    assert (bits.to_numpy() > -0.1).all()
    limit = image_rate_distortion(world.images[::40], (0.05, 1.0), tolerance=1e-2)
    assert limit["rate"].max() <= 6 + 1e-6


@pytest.mark.parametrize("side", [0, 12])
def test_a_canvas_that_holds_no_shape_is_refused(side):
    with pytest.raises(ValueError, match=rf"side: expected an integer >= 13, got {side}"):
        shape_world(side=side)
