"""Checks of arguments: what passes, and what the error names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.checks import check_count, check_pixels, check_tolerance
from helpers.generation import (
    FittedDensity,
    NearestShape,
    fit_density,
    interpolate,
    nearest_shape,
    sample_prior,
)
from helpers.information import bayes_decode, factor_information, rate_audit
from helpers.limits import blahut_arimoto, image_rate_distortion
from helpers.shapes import random_shapes, render, shape_world, split

KEY = jax.random.key(0)
IMAGES = np.asarray(render("circle", 13.0, 13.0, 5.0))[None]
CODES = np.zeros((2, 1))
FOUND = NearestShape(*np.zeros((5, 1)))


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(200)])
def test_integers_are_counts(value):
    check_count("n", value, least=2)


@pytest.mark.parametrize("value", [1, 0, -3, "3", 2.5, 2.0, np.nan, None, True, [2]])
def test_what_is_no_count_is_named(value):
    with pytest.raises(ValueError, match=r"^n: expected an integer >= 2, got ") as error:
        check_count("n", value, least=2)
    assert str(error.value).endswith(repr(value))


@pytest.mark.parametrize("value", [1e-9, 1, np.float32(0.5)])
def test_positive_numbers_are_tolerances(value):
    check_tolerance("tolerance", value)


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "0.1", None, True])
def test_what_is_no_tolerance_is_named(value):
    with pytest.raises(ValueError, match=r"^tolerance: expected a finite number > 0, got "):
        check_tolerance("tolerance", value)


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
@pytest.mark.parametrize(
    "images",
    [
        IMAGES,
        IMAGES > 0.5,
        np.float16(IMAGES),
        IMAGES + np.random.default_rng(0).normal(0, 1, (9, 28, 28)),
        np.zeros((0, 28, 28)),
        np.random.default_rng(0).normal(0, 100, (50, 2)),  # points of a plane
        np.full((50, 2), 100.0),
        np.full((3, 4, 4), 9.0),  # too small to be pictures
        np.full((3, 20, 3), 9.0),
        np.eye(10, dtype=np.int64),  # classes, one-hot
        np.arange(9),
    ],
)
def test_pictures_in_0_to_1_noisy_ones_and_points_pass(array, images):
    check_pixels("images", array(images))


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("scale", [3, 255])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int32])
def test_pictures_whose_white_is_not_1_are_refused(array, scale, dtype):
    name = np.dtype(dtype).name
    message = (
        rf"^images: expected pixels in \[0, 1\], got {name} up to {scale}: divide by .* 255 in"
    )
    with pytest.raises(ValueError, match=message):
        check_pixels("images", array((scale * IMAGES).astype(dtype)))


@pytest.mark.parametrize("shape", [(1, 784), (1, 28, 28, 1), (1, 14, 56)])
def test_pictures_are_known_in_any_shape(shape):
    with pytest.raises(ValueError, match=r"^x: .*up to 255: divide by"):
        check_pixels("x", 255 * IMAGES.reshape(shape))
    with pytest.raises(ValueError, match=r"^x: .*got int64 up to 1: divide by"):
        check_pixels("x", (IMAGES > 0.5).astype(np.int64).reshape(shape))


def test_under_jit_there_is_nothing_to_look_at():
    @jax.jit
    def doubled(images):
        check_pixels("images", images)
        return 2 * images

    np.testing.assert_array_equal(doubled(255 * IMAGES), 510 * IMAGES)


@pytest.mark.parametrize(
    "call",
    [
        lambda images: nearest_shape(images),
        lambda images: bayes_decode(CODES, CODES, np.repeat(images, 2, axis=0), CODES),
    ],
)
def test_the_oracle_and_the_best_decoder_refuse_8_bit_pictures(call):
    for images in (255 * IMAGES, np.uint8(255 * IMAGES)):
        with pytest.raises(ValueError, match=r"^images: expected pixels in \[0, 1\].*up to 255"):
            call(images)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("n", lambda count: random_shapes(KEY, count)),
        ("n", lambda count: split(count, KEY)),
        ("side", lambda count: shape_world(side=count)),
        ("side", lambda count: render("circle", 6, 6, 2, side=count)),
        ("n", lambda count: sample_prior(None, KEY, count)),
        ("n", lambda count: FittedDensity(None, {}).draw(count)),
        ("components", lambda count: fit_density(CODES, (1, count))),
        ("draws", lambda count: rate_audit(CODES, CODES, key=KEY, draws=count)),
        ("draws", lambda count: factor_information(CODES, CODES, CODES, key=KEY, draws=count,
                                                   names="a")),
        ("max_iterations", lambda count: blahut_arimoto(np.eye(2), [1], max_iterations=count)),
        ("max_iterations", lambda count: image_rate_distortion(np.eye(2), [1],
                                                               max_iterations=count)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [0, "3", 2.5, None, True])
def test_counts_are_checked_everywhere(name, call, count):
    with pytest.raises(ValueError, match=rf"^{name}: expected an integer >= \d+, got {count!r}$"):
        call(count)


@pytest.mark.parametrize(
    "call",
    [
        FOUND.valid,
        lambda tolerance: blahut_arimoto(np.eye(2), [1], tolerance=tolerance),
        lambda tolerance: image_rate_distortion(np.eye(2), [1], tolerance=tolerance),
    ],
)
@pytest.mark.parametrize("tolerance", [-0.05, np.nan, np.inf, "0.05"])
def test_tolerances_are_checked_everywhere(call, tolerance):
    with pytest.raises(ValueError, match=r"^tolerance: expected a finite number > 0, got "):
        call(tolerance)


@pytest.mark.parametrize("steps", [1, "3", 2.5])
def test_a_path_has_two_ends(steps):
    class Line:
        latent_size = 1

    with pytest.raises(ValueError, match=rf"^steps: expected an integer >= 2, got {steps!r}$"):
        interpolate(Line(), [0.0], [1.0], steps)
