"""The oracle, calibrated on pictures whose answer is known; sampling; densities; interpolation."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import entropy, multivariate_normal

from helpers import generation
from helpers.generation import (
    NearestShape,
    coverage,
    fit_density,
    interpolate,
    nearest_shape,
    sample_prior,
    validity,
)
from helpers.models import Autoencoder
from helpers.shapes import SHAPES, SIZES, random_shapes, render, shape_world, signed_distances

BLENDS = [
    ("square", "cross"),
    ("square", "triangle"),
    ("circle", "triangle"),
    ("cross", "triangle"),
]


def part(nearest, which):
    return NearestShape(*(array[which] for array in nearest[:5]))


@pytest.fixture(scope="module")
def pictures():
    """Pictures by kind: true shapes, blends of two shapes, noise, blank and faint ones."""
    true, parameters = random_shapes(jax.random.key(0), 400)
    places = parameters[:80, 1:].T
    kinds = {"true": true}
    for pair in BLENDS:
        one, other = (np.asarray(render(shape, *places)) for shape in pair)
        kinds[pair] = (one + other) / 2
    kinds["noise"] = np.asarray(jax.random.uniform(jax.random.key(1), (20, 28, 28)))
    kinds["faint 0.9"], kinds["faint 0.5"] = 0.9 * true[:25], 0.5 * true[:25]
    kinds["blank"] = np.zeros((10, 28, 28), np.float32)
    return kinds | {"parameters": parameters}


@pytest.fixture(scope="module")
def found(pictures):
    """The nearest shape of every picture, by kind, from one call."""
    kinds = {kind: images for kind, images in pictures.items() if kind != "parameters"}
    nearest = nearest_shape(np.concatenate(list(kinds.values())))
    ends = np.cumsum([len(images) for images in kinds.values()])
    return {
        kind: part(nearest, slice(end - len(kinds[kind]), end))
        for kind, end in zip(kinds, ends, strict=True)
    }


# The oracle


def test_true_shapes_are_valid(found):
    assert validity(found["true"]) == 1.0
    assert validity(found["true"], tolerance=0.02) >= 0.99


def test_true_shapes_are_recognised(found, pictures):
    np.testing.assert_array_equal(found["true"].shape, pictures["parameters"][:, 0])


def test_x_y_and_size_of_true_shapes_are_recovered(found, pictures):
    nearest = found["true"]
    estimates = np.stack([nearest.x, nearest.y, nearest.size], axis=1)
    errors = np.abs(estimates - pictures["parameters"][:, 1:])
    assert np.quantile(errors, 0.98) < 0.01
    assert errors.max() < 0.5


@pytest.mark.parametrize("pair", BLENDS)
def test_half_and_half_blends_of_two_shapes_are_mostly_invalid(found, pair):
    assert validity(found[pair]) <= 0.12
    assert validity(found[pair], tolerance=0.02) == 0


def test_white_noise_is_invalid(found):
    assert found["noise"].residual_share.min() > 0.5
    assert validity(found["noise"], tolerance=0.5) == 0


def test_blank_images_are_infinitely_far_from_every_shape(found):
    np.testing.assert_array_equal(found["blank"].residual_share, np.inf)
    assert validity(found["blank"], tolerance=1e9) == 0
    assert not found["blank"].valid().any()


def test_faint_shapes_are_as_far_as_their_missing_brightness(found):
    # A shape times a keeps the residual (1 - a)^2 / a^2 against itself; another may lie nearer.
    for kind, a in (("faint 0.9", 0.9), ("faint 0.5", 0.5)):
        share = found[kind].residual_share
        assert np.quantile(share, 0.8) <= (1 - a) ** 2 / a**2
        assert np.all(share > 0.2 * (1 - a) ** 2 / a**2)
    assert validity(found["faint 0.9"]) == 1
    assert validity(found["faint 0.5"]) == 0


def test_the_residual_share_belongs_to_the_shape_that_is_named(found, pictures):
    for kind in ("true", BLENDS[0], BLENDS[2], "noise", "faint 0.5"):
        nearest, images = found[kind], pictures[kind]
        rendered = np.asarray(render(nearest.shape, nearest.x, nearest.y, nearest.size))
        error, energy = ((images - rendered) ** 2).sum((1, 2)), (images**2).sum((1, 2))
        np.testing.assert_allclose(nearest.residual_share, error / energy, rtol=1e-3, atol=1e-4)


def test_no_image_of_the_world_is_nearer_than_the_nearest_shape(found, pictures):
    world = shape_world().images.reshape(8192, -1)
    for kind in (*BLENDS, "faint 0.5"):
        images = pictures[kind].reshape(len(pictures[kind]), -1)
        energy = (images**2).sum(1)
        nearest = ((world**2).sum(1) - 2 * images @ world.T).min(axis=1) + energy
        assert np.all(found[kind].residual_share <= nearest / energy + 1e-4)


@pytest.mark.parametrize("side", [28, 19])
def test_the_fit_starts_at_the_nearest_of_all_templates_drawn_whole(side):
    shapes = SHAPES[2:]
    true, _ = random_shapes(jax.random.key(3), 60, shapes, side)
    noise = np.asarray(jax.random.uniform(jax.random.key(4), true.shape))
    images = np.concatenate([true, (true + true[::-1]) / 2, noise, 1 - true])
    distances = tuple(signed_distances(shapes).items())
    starts = np.asarray(generation._starts(images, *generation._templates(distances)))
    half_pixels = np.arange(6, side - 6.5, 0.5)
    grid = np.meshgrid(half_pixels, half_pixels, SIZES, indexing="ij")
    places = np.stack([axis.ravel() for axis in grid])
    flat = images.reshape(len(images), -1).astype(float)
    for shape, start in zip(shapes, starts, strict=True):
        drawn = np.asarray(render(shape, *places, side=side), float).reshape(places.shape[1], -1)
        nearest = ((drawn**2).sum(axis=1) / 2 - flat @ drawn.T).argmin(axis=1)
        np.testing.assert_array_equal(start, places[:, nearest].T)


def test_the_nearest_shape_lies_inside_the_ranges_of_the_world(found):
    for nearest in found.values():
        assert set(nearest.shape) <= set(range(len(SHAPES)))
        assert np.all((nearest.x >= 6) & (nearest.x <= 21))
        assert np.all((nearest.y >= 6) & (nearest.y <= 21))
        assert np.all((nearest.size >= 2.5) & (nearest.size <= 6))


@pytest.mark.parametrize("n", [1, 257])
def test_an_image_has_the_same_nearest_shape_in_any_company(n, found, pictures):
    alone = nearest_shape(pictures["true"][:n])
    for array, expected in zip(alone[:5], part(found["true"], slice(n))[:5], strict=True):
        assert array.shape == (n,)
        np.testing.assert_allclose(array, expected, atol=1e-4)


def test_validity_and_coverage_take_images_or_what_was_found_for_them(found, pictures):
    assert validity(pictures["true"], 0.001) == validity(found["true"], 0.001)
    assert coverage(pictures["true"], 0.001) == coverage(found["true"], 0.001)
    assert 0.5 < validity(found["true"], 0.001) < 1


@pytest.mark.parametrize("function", [nearest_shape, validity, coverage])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((28, 28)), r"images: expected \(n, side, side\).*\(28, 28\)"),
        (np.zeros((3, 784)), r"images: expected \(n, side, side\).*\(3, 784\)"),
        (np.zeros((3, 28, 27)), r"images: expected \(n, side, side\).*\(3, 28, 27\)"),
        (np.zeros((0, 28, 28)), r"images: .*n >= 1.*\(0, 28, 28\)"),
        (np.full((1, 28, 28), np.nan), "images: expected finite entries"),
        (np.full((1, 28, 28), np.inf), "images: expected finite entries"),
    ],
)
def test_the_oracle_refuses_what_are_no_images(function, images, message):
    with pytest.raises(ValueError, match=message):
        function(images)


# Validity and coverage of what was found


def findings(shape, x, y, size, residual_share=0.0):
    arrays = np.broadcast_arrays(residual_share, shape, x, y, size)
    return NearestShape(*(np.atleast_1d(array) for array in arrays))


@pytest.fixture
def every_cell():
    """The middle of each of the 256 cells: 4 shapes x 4 ranges of x, of y and of size."""
    quarters = (np.arange(4) + 0.5) / 4
    grid = np.meshgrid(range(4), 6 + 15 * quarters, 6 + 15 * quarters, 2.5 + 3.5 * quarters)
    return findings(*map(np.ravel, grid))


def test_validity_is_the_share_at_or_under_the_tolerance():
    shares = findings(0, 10, 10, 3, residual_share=[0.0, 0.03, 0.05, 0.08, np.inf])
    np.testing.assert_array_equal(shares.valid(), [True, True, True, False, False])
    np.testing.assert_array_equal(shares.valid(0.02), [True, False, False, False, False])
    assert validity(shares) == pytest.approx(3 / 5)
    assert validity(shares, tolerance=0.02) == pytest.approx(1 / 5)
    assert validity(shares, tolerance=0.10) == pytest.approx(4 / 5)


def test_uniform_draws_cover_the_world(found):
    assert coverage(found["true"]) == pytest.approx(1, abs=0.06)


def test_one_image_repeated_covers_one_cell(found):
    repeated = part(found["true"], np.zeros(5000, int))
    assert coverage(repeated) == pytest.approx(1 / 256, rel=1e-6)


def test_all_cells_reached_are_compared_with_what_uniform_draws_reach(every_cell):
    assert coverage(every_cell) == pytest.approx(1 / (1 - (255 / 256) ** 256))
    many = part(every_cell, np.arange(256 * 20) % 256)
    assert coverage(many) == pytest.approx(1, abs=1e-6)


def test_only_valid_images_cover(every_cell):
    half_invalid = every_cell._replace(residual_share=np.repeat([0.0, 0.06], 128))
    assert coverage(half_invalid) == pytest.approx(coverage(every_cell) / 2)
    assert coverage(half_invalid, tolerance=0.1) == coverage(every_cell)
    assert coverage(every_cell._replace(residual_share=np.full(256, np.inf))) == 0


def test_the_ends_of_the_ranges_belong_to_the_outermost_cells():
    ends = findings(0, x=[20.9, 21, 6, 6.1], y=[20.9, 21, 6, 6.1], size=[5.9, 6, 2.5, 2.6])
    assert coverage(ends) == pytest.approx(2 / 256 / (1 - (255 / 256) ** 4))


# Sampling and interpolation

codes_as_they_are = SimpleNamespace(latent_size=2, decode=lambda z: z)


def test_prior_samples_and_paths_are_images():
    model = Autoencoder(2, encoder_widths=(8,), decoder_widths=(8,), rngs=nnx.Rngs(0))
    samples = sample_prior(model, jax.random.key(0), 5)
    path = interpolate(model, np.array([-1.0, 0.0]), np.array([2.0, 1.0]), 4)
    assert (samples.shape, path.shape) == ((5, 28, 28), (4, 28, 28))
    ends = model.decode(jnp.array([[-1.0, 0.0], [2.0, 1.0]]))
    np.testing.assert_allclose(path[jnp.array([0, -1])], ends, atol=1e-5)


def test_prior_samples_decode_standard_normal_codes():
    z = sample_prior(codes_as_they_are, jax.random.key(0), 20_000)
    np.testing.assert_allclose(z.mean(axis=0), [0, 0], atol=5 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=5 * np.sqrt(2 / 20_000))
    assert not np.array_equal(z, sample_prior(codes_as_they_are, jax.random.key(1), 20_000))


def test_prior_samples_depend_on_the_key_alone():
    key = jax.random.key(3)
    z = sample_prior(codes_as_they_are, key, 4)
    np.testing.assert_array_equal(z, sample_prior(codes_as_they_are, jax.random.clone(key), 4))


# Densities of codes

TWO = np.array([[3.0, 0.0], [-3.0, 1.0]])  # the middles of two clusters
COVARIANCE = np.array([[2.0, 0.9], [0.9, 0.5]])


def gaussian(n):
    return np.random.default_rng(0).multivariate_normal([1, -2], COVARIANCE, n)


def two_clusters(n):
    """Of three and one quarters, with standard deviation 0.2."""
    numbers = np.random.default_rng(0)
    return TWO[(numbers.random(n) > 0.75).astype(int)] + 0.2 * numbers.normal(size=(n, 2))


def test_one_component_is_the_gaussian_of_mean_and_covariance():
    codes = gaussian(4000)
    density = fit_density(codes, (1,))
    fitted = codes[1000:]  # the first quarter is held out
    np.testing.assert_allclose(density.mixture.means_[0], fitted.mean(axis=0), rtol=1e-6)
    covariance = np.cov(fitted.T, bias=True)
    np.testing.assert_allclose(density.mixture.covariances_[0], covariance, rtol=1e-4)
    z = density.draw(50_000)
    assert (z.shape, z.dtype) == ((50_000, 2), np.float32)
    np.testing.assert_allclose(z.mean(axis=0), fitted.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=0.05)


def test_scores_are_mean_log_densities_of_the_held_out_codes():
    codes = gaussian(4000)
    held_out, fitted = codes[:1000], codes[1000:]
    density = multivariate_normal(fitted.mean(axis=0), np.cov(fitted.T, bias=True))
    scores = fit_density(codes, (1, 4)).scores
    assert list(scores) == [1, 4]
    assert scores[1] == pytest.approx(density.logpdf(held_out).mean(), abs=1e-4)


def test_a_gaussian_gets_one_component_and_two_clusters_get_two():
    assert fit_density(gaussian(1000), (1, 16)).mixture.n_components == 1
    density = fit_density(two_clusters(2000), (1, 2, 64))
    assert density.mixture.n_components == 2
    order = np.argsort(-density.mixture.weights_)
    np.testing.assert_allclose(density.mixture.weights_[order], [0.75, 0.25], atol=0.04)
    np.testing.assert_allclose(density.mixture.means_[order], TWO, atol=0.05)
    alike = np.tile(0.04 * np.eye(2), (2, 1, 1))
    np.testing.assert_allclose(density.mixture.covariances_, alike, atol=0.01)
    # Their entropy, by which no density is likelier: that of the choice and of a Gaussian.
    most = -entropy([0.75, 0.25]) - np.log(2 * np.pi * np.e * 0.04)
    assert density.scores[2] == pytest.approx(most, abs=0.1)
    assert density.scores[1] < most - 1


def test_codes_are_drawn_again_alike_and_in_random_order():
    density = fit_density(two_clusters(2000), (2,))
    z = density.draw(400)
    np.testing.assert_array_equal(z, density.draw(400))
    right = z[:, 0] > 0
    assert right.mean() == pytest.approx(0.75, abs=0.09)
    assert right[:40].mean() == pytest.approx(0.75, abs=0.28)  # not the first cluster first
    assert right[-40:].mean() == pytest.approx(0.75, abs=0.28)
    other = fit_density(two_clusters(2000), (2,), seed=1)
    assert not np.array_equal(np.sort(z, axis=0), np.sort(other.draw(400), axis=0))


@pytest.mark.parametrize(
    ("codes", "components", "message"),
    [
        (np.zeros((8, 2)), (), "components: expected at least one number of Gaussians, got none"),
        (np.zeros(8), (1,), r"codes: expected \(m, L\), m >= 4, got \(8,\)"),
        (np.zeros((8, 2, 1)), (1,), r"codes: expected \(m, L\), m >= 4, got \(8, 2, 1\)"),
        (np.zeros((63, 2)), (16, 2), r"codes: expected \(m, L\), m >= 64, got \(63, 2\)"),
        (np.full((8, 2), np.nan), (1,), "codes: expected finite entries, got nan or inf"),
    ],
)
def test_what_no_density_can_be_fitted_to_is_refused(codes, components, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        fit_density(codes, components)


def test_as_few_codes_as_are_asked_for_and_codes_that_are_all_alike_have_a_density():
    assert fit_density(gaussian(64), (1, 16)).draw(3).shape == (3, 2)
    np.testing.assert_allclose(fit_density(np.ones((8, 2)), (1,)).draw(2), 1, atol=0.01)


# Paths


def test_interpolation_walks_the_straight_line_in_equal_steps():
    path = interpolate(codes_as_they_are, [0.0, 1.0], [4.0, -1.0], 5)
    np.testing.assert_allclose(path, [[0, 1], [1, 0.5], [2, 0], [3, -0.5], [4, -1]], atol=1e-6)


def test_the_middle_of_three_steps_merges_the_two_codes():
    path = interpolate(codes_as_they_are, [0.0, 1.0], [4.0, -1.0], 3)
    np.testing.assert_allclose(path[1], [2, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("start", "end"), [([0.0], [1.0]), ([0.0, 0.0], [1.0]), ([[0.0, 0.0]], [[1.0, 1.0]])]
)
def test_codes_of_another_size_are_refused(start, end):
    with pytest.raises(ValueError, match=r"start, end: expected codes of shape \(2,\), got"):
        interpolate(codes_as_they_are, start, end, 3)
