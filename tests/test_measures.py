"""What is measured, of models whose numbers are known."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy.stats import norm
from small import few_shapes

from helpers import measures
from helpers.generation import nearest_shape
from helpers.objectives import gaussian_kl
from helpers.shapes import SHAPES, render, shape_world

SQUARE, CIRCLE, CROSS = (SHAPES.index(name) for name in ("square", "circle", "cross"))


@pytest.fixture(scope="module")
def world():
    return few_shapes()


def key():
    return jax.random.key(4)


# Merging


def of(*factors):
    """A world of these images."""
    factors = np.array(factors, np.float32)
    return SimpleNamespace(images=np.asarray(render(*factors.T)), factors=factors)


@pytest.fixture(scope="module")
def two():
    """A circle and a square 5.39 pixels from the middle between them, (13, 10)."""
    return of([CIRCLE, 8, 8, 4], [SQUARE, 18, 12, 4])


def merging(world, shape, where=lambda x: True, dx=0.0, dy=0.0):
    """Measured of a model whose code is a place, and which draws one shape dx, dy off it; nothing
    where `where` does not hold for its x."""

    def decode(codes):
        pictures = np.asarray(render(shape, codes[:, 0] + dx, codes[:, 1] + dy, 4.0))
        return pictures * np.array([where(x) for x in codes[:, 0]])[:, None, None]

    model = SimpleNamespace(codes=lambda _: world.factors[:, 1:3], decode=decode)
    return measures.merging(model, world, key(), pairs=200)


def test_a_model_that_draws_the_middle_merges_at_distance_0(two):
    found = merging(two, "circle")
    assert found["merged_validity"] == 1
    assert found["merged_place"] == pytest.approx(0, abs=1e-3)
    assert found["merged_parent_shape"] == pytest.approx(3 / 4, abs=0.13)  # all but two squares
    assert merging(two, "cross")["merged_parent_shape"] == 0
    # Another pair's picture may lie as far off as a parent.
    assert found["merged_place_null"] > 0.3
    assert found["merged_parent_shape_null"] == pytest.approx(3 / 4, abs=0.13)


def test_the_place_of_a_merge_is_measured_in_distances_to_a_parent(two):
    reach = np.hypot(5, 2)
    assert merging(two, "circle", dx=2, dy=1)["merged_place"] == pytest.approx(
        np.hypot(2, 1) / reach, abs=1e-3
    )
    as_far = merging(two, "circle", where=lambda x: x == 13, dx=5, dy=2)
    assert as_far["merged_place"] == pytest.approx(1, abs=1e-3)


def test_of_merges_that_are_no_shapes_only_their_number_counts(two):
    found = merging(two, "circle", where=lambda x: x == 13)  # of a circle and a square
    assert found["merged_validity"] == pytest.approx(1 / 2, abs=0.15)
    assert found["merged_parent_shape"] == 1
    assert found["merged_place"] == pytest.approx(0, abs=1e-3)
    found = merging(two, "circle", where=lambda x: x == 18)  # of two squares
    assert found["merged_validity"] == pytest.approx(1 / 4, abs=0.13)
    assert found["merged_parent_shape"] == 0
    assert merging(two, "circle", where=lambda x: False)["merged_validity"] == 0
    three = of([CIRCLE, 8, 8, 4], [SQUARE, 18, 12, 4], [CROSS, 10, 18, 4])  # middles: x 13, 9, 14
    found = merging(three, "circle", where=lambda x: x == 13, dx=2, dy=1)
    assert found["merged_place"] == pytest.approx(np.hypot(2, 1) / np.hypot(5, 2), abs=1e-3)


def test_any_shape_is_a_parent_s_in_7_of_16_pairs():
    world = shape_world()
    some = np.random.default_rng(0).permutation(len(world.images))[:512]
    few = world._replace(images=world.images[some], factors=world.factors[some])
    found = merging(few, "triangle")
    assert found["merged_validity"] == 1
    assert found["merged_parent_shape"] == pytest.approx(7 / 16, abs=0.15)


# Robustness


def test_a_model_that_hands_through_keeps_all_noise_and_no_move(world):
    found = measures.robustness(SimpleNamespace(reconstruct=lambda x: x), world, key())
    assert list(found) == ["moved", *(f"noise {noise:g}" for noise in measures.NOISES)]
    assert found["moved"] == 0
    for noise in measures.NOISES:
        few = 5 * noise**2 * np.sqrt(2 * 784 / len(world.images))  # five standard errors
        assert found[f"noise {noise:g}"] == pytest.approx(784 * noise**2, abs=few)


def test_a_model_that_sees_nothing_has_the_energy_of_what_it_should_see(world):
    black = SimpleNamespace(reconstruct=lambda x: 0 * x)
    found = measures.robustness(black, world, key())
    noiseless = (world.images**2).sum(axis=(1, 2)).mean()
    for noise in measures.NOISES:
        assert found[f"noise {noise:g}"] == pytest.approx(noiseless, rel=1e-5)


def test_a_model_sees_all_that_can_be_moved_and_each_noise_once(world):
    seen = []
    model = SimpleNamespace(reconstruct=lambda x: seen.append(np.asarray(x)) or x)
    measures.robustness(model, world, key())
    moved, *noisy = seen
    inner = world.factors[(world.factors[:, 1:3] < 13).all(axis=1)]
    assert len(inner) == 2 * 7 * 7 * 2
    nearest = nearest_shape(moved)
    np.testing.assert_array_equal(nearest.shape, inner[:, 0])
    np.testing.assert_allclose(nearest.x, inner[:, 1] + 0.5, atol=0.01)
    np.testing.assert_allclose(nearest.y, inner[:, 2] + 0.5, atol=0.01)
    draws = np.stack([images - world.images for images in noisy]).reshape(3, -1)
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.02


# Quality


@pytest.fixture(scope="module")
def shades():
    """A circle that is valid strictly, one that is valid only by the standard, and nothing."""
    circle = np.asarray(render("circle", 13.0, 13.0, 5.0))
    soft = circle + np.where(circle > 0, 0, 0.05).astype(np.float32)
    share = nearest_shape(soft[None]).residual_share
    assert 0.02 < share < 0.025
    return np.stack([circle, soft, np.zeros_like(circle)])


def test_quality_of_a_model_whose_validity_depends_on_one_latent(shades, world):
    numbers = np.random.default_rng(0)
    codes = np.where(numbers.random((1024, 2)) < 0.5, -3, 3) + 0.1 * numbers.normal(size=(1024, 2))
    images = np.zeros((1024, 28, 28), np.float32)
    images[:, 0, :2] = codes  # so that the stand-in for an encoder finds them

    def decode(z):
        return shades[np.select([z[:, 0] > 1, z[:, 0] < -1], [0, 1], default=2)]

    def reconstruct(x):
        return np.concatenate([x[:192], 0 * x[192:]])

    model = SimpleNamespace(
        latent_size=2, codes=lambda x: x[:, 0, :2], decode=decode, reconstruct=reconstruct
    )
    found = measures.quality(model, images, world, key(), n=500)
    lost = (world.images[192:] ** 2).sum(axis=(1, 2)).mean() / 4
    assert found["test_squared_error"] == pytest.approx(lost, rel=1e-5)
    assert found["reconstruction_validity"] == 3 / 4
    assert found["prior_validity"] == pytest.approx(2 * norm.sf(1), abs=0.08)
    assert found["prior_validity_strict"] == pytest.approx(norm.sf(1), abs=0.08)
    cell = 1 / 256 / (1 - (255 / 256) ** 500)  # one is all that is reached
    assert found["prior_coverage"] == pytest.approx(cell)
    fitted = 2 * norm.sf(1, scale=np.std(codes[:, 0]))
    assert found["fitted_gaussian_validity"] == pytest.approx(fitted, abs=0.08)
    assert found["fitted_mixture_validity"] == 1
    assert found["fitted_mixture_components"] == 16


# Bits


def posterior(world, latents):
    """A code that names factors exactly, each by a latent of its own, as narrow as can be told."""
    mean = world.factors[:, latents] - world.factors[:, latents].mean(axis=0)
    return mean, np.full_like(mean, -8.0)


def test_the_account_of_a_code_that_knows_every_image(world):
    mean, _ = code = posterior(world, [0, 1, 2, 3])

    def decode(z):  # every pixel is off by the noise of a latent
        return world.images + (z - mean)[:, 3, None, None]

    found = measures.bits(*code, decode, world.images, key())
    assert found["mutual_information"] == pytest.approx(8, abs=1e-3)
    assert found["kl"] == pytest.approx(float(gaussian_kl(*code).mean()) / np.log(2), rel=1e-4)
    assert found["total_correlation"] == pytest.approx(0, abs=0.02)
    assert found["distortion"] == pytest.approx(784 * np.exp(-8), rel=5 * np.sqrt(2 / 256))
    assert found["bayes_distortion"] == pytest.approx(0, abs=1e-3)


def test_the_gap_is_1_for_a_latent_a_factor_and_0_for_two(world):
    for latents, gap in (([0, 1, 2, 3], 1), ([0, 1, 2, 3, 3, 2, 1, 0], 0), ([1, 2, 1], 1 / 4)):
        model = SimpleNamespace(encode=lambda _, latents=latents: posterior(world, latents))
        assert measures.mig(model, world, key()) == pytest.approx(gap, abs=0.01)
