"""The generated world: what is drawn, where, how often, and what is refused."""

from functools import partial
from math import pi, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.shapes import (
    FACTORS,
    POSITIONS,
    SHAPES,
    SIDE,
    SIGNED_DISTANCES,
    SIZES,
    draw,
    random_shapes,
    render,
    shape_world,
    split,
)

law = settings(deadline=None, max_examples=50, derandomize=True, database=None)


@pytest.fixture(scope="module")
def world():
    return shape_world()


@st.composite
def placements(draw_value, room=0):
    """A shape anywhere on the canvas, with `room` pixels to spare on the right and below."""
    shape = draw_value(st.sampled_from(SHAPES))
    size = draw_value(st.floats(1, 6, width=32))
    position = st.floats(size, SIDE - 1 - size - room)
    return shape, draw_value(position), draw_value(position), size


# The whole world


def test_the_world_holds_8192_different_images_and_13_bits(world):
    assert world.images.shape == (8192, 28, 28)
    assert len(np.unique(world.images.reshape(8192, -1), axis=0)) == 8192
    assert world.entropy_bits == 13.0
    assert world.cardinalities == (4, 16, 16, 8)
    assert world.shapes == SHAPES == ("square", "circle", "triangle", "cross")


def test_world_images_are_float32_and_use_the_whole_range_from_0_to_1(world):
    assert world.images.dtype == np.float32
    assert (world.images.min(), world.images.max()) == (0.0, 1.0)
    assert np.all(world.images.max(axis=(1, 2)) == 1.0)


def test_factors_are_every_combination_of_shape_x_y_size_once(world):
    assert FACTORS == ("shape", "x", "y", "size")
    assert world.factors.dtype == np.float32
    for column, values in enumerate(
        (range(4), range(6, 22), range(6, 22), np.arange(2.5, 6.5, 0.5))
    ):
        np.testing.assert_array_equal(np.unique(world.factors[:, column]), values)
    assert len(np.unique(world.factors, axis=0)) == 8192


def test_world_images_are_what_render_draws_from_their_factors(world):
    np.testing.assert_allclose(world.images, render(*world.factors.T), atol=1e-6)


def test_moving_a_shape_over_the_grid_loses_none_of_its_ink(world):
    ink = world.images.sum(axis=(1, 2)).reshape(4, 256, 8)
    np.testing.assert_allclose(ink, np.broadcast_to(ink[:, :1], ink.shape), rtol=1e-5)


def test_a_world_of_one_shape_holds_2048_images_and_11_bits(world):
    triangles = shape_world(("triangle",))
    assert triangles.cardinalities == (1, 16, 16, 8)
    assert triangles.entropy_bits == 11.0
    assert triangles.shapes == ("triangle",)
    expected = world.images[world.factors[:, 0] == 2]
    np.testing.assert_allclose(triangles.images, expected, atol=1e-6)


def test_a_world_of_chosen_shapes_numbers_them_in_the_order_given(world):
    chosen = shape_world(["cross", "circle"])
    assert chosen.entropy_bits == 12.0
    for index, name in enumerate(("cross", "circle")):
        expected = world.images[world.factors[:, 0] == SHAPES.index(name)]
        images = chosen.images[chosen.factors[:, 0] == index]
        np.testing.assert_allclose(images, expected, atol=1e-6)


# Rendering


def test_render_draws_one_image_for_scalars_and_n_for_arrays():
    assert render("circle", 10, 11, 3).shape == (28, 28)
    assert render("circle", np.array([10, 12]), 11, 3).shape == (2, 28, 28)
    assert render("circle", 10, 11, 3).dtype == jnp.float32


@pytest.mark.parametrize("shape", SHAPES)
def test_render_takes_a_name_an_index_or_an_array_of_indices(shape):
    by_name = render(shape, 10.3, 11.6, 4)
    np.testing.assert_array_equal(by_name, render(SHAPES.index(shape), 10.3, 11.6, 4))
    np.testing.assert_array_equal(by_name, render([SHAPES.index(shape)], 10.3, 11.6, 4)[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_draw_is_render_without_the_checks(shape):
    np.testing.assert_allclose(draw(shape, 10.3, 11.6, 4), render(shape, 10.3, 11.6, 4), atol=1e-6)


def test_a_circle_is_the_clipped_distance_from_its_rim():
    rows, columns = np.mgrid[:28, :28]
    expected = np.clip(0.5 - (np.hypot(columns - 10.3, rows - 15.7) - 4.2), 0, 1)
    np.testing.assert_allclose(render("circle", 10.3, 15.7, 4.2), expected, atol=1e-5)


def test_a_square_on_whole_pixels_is_full_inside_and_a_fraction_at_its_edge():
    half_side = 3.25
    image = render("square", 10, 15, 2 * half_side / sqrt(pi))
    expected = np.zeros((28, 28))
    expected[15 - 4 : 15 + 5, 10 - 4 : 10 + 5] = 0  # |d| = 4 lies 3/4 outside: empty
    expected[15 - 3 : 15 + 4, 10 - 3 : 10 + 4] = 0.75  # |d| = 3 lies 1/4 inside
    expected[15 - 2 : 15 + 3, 10 - 2 : 10 + 3] = 1
    np.testing.assert_allclose(image, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "area"),
    [("square", pi), ("circle", pi), ("triangle", 3 * sqrt(3) / 4), ("cross", 20 / 9)],
)
def test_the_ink_of_a_shape_is_its_area(shape, area):
    assert float(render(shape, 13, 13, 6).sum()) == pytest.approx(area * 6**2, rel=0.03)


@law
@given(placements())
def test_x_points_right_and_y_points_down(placement):
    shape, x, y, size = placement
    image = np.asarray(render(shape, x, y, size))
    rows, columns = np.mgrid[:28, :28]
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=0.3)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=0.5)


def test_a_triangle_points_up():
    rows_of_ink = np.asarray(render("triangle", 13, 13, 6)).sum(axis=1)
    rows_of_ink = rows_of_ink[rows_of_ink > 0]
    assert np.all(np.diff(rows_of_ink[:-1]) > 0)  # the last row is the half-covered base


@pytest.mark.parametrize("shape", ["square", "circle", "cross"])
def test_square_circle_and_cross_look_alike_from_all_four_sides(shape):
    image = render(shape, 13.5, 13.5, 5)
    np.testing.assert_allclose(image, jnp.rot90(image), atol=1e-6)
    np.testing.assert_allclose(image, image.T, atol=1e-6)


@law
@given(placements())
def test_no_shape_reaches_beyond_the_canvas(placement):
    shape, x, y, size = placement
    rows, columns = np.mgrid[-4 : SIDE + 4, -4 : SIDE + 4]
    outside = (rows < 0) | (rows >= SIDE) | (columns < 0) | (columns >= SIDE)
    distance = np.asarray(SIGNED_DISTANCES[shape](columns - x, rows - y, size))
    assert distance[outside].min() >= 0.5  # brightness clip(1/2 - distance, 0, 1) = 0


@law
@given(placements(room=1))
def test_one_pixel_further_is_the_image_rolled_by_one_pixel(placement):
    shape, x, y, size = placement
    image = render(shape, x, y, size)
    np.testing.assert_allclose(render(shape, x + 1, y, size), jnp.roll(image, 1, 1), atol=1e-5)
    np.testing.assert_allclose(render(shape, x, y + 1, size), jnp.roll(image, 1, 0), atol=1e-5)


@law
@given(placements(), st.floats(1, 6, width=32))
def test_a_larger_shape_covers_a_smaller_one(placement, other_size):
    shape, x, y, size = placement
    smaller, larger = sorted((size, min(other_size, size)))
    difference = np.asarray(render(shape, x, y, larger) - render(shape, x, y, smaller))
    assert difference.min() >= -1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_agree_with_finite_differences(shape):
    weights = jax.random.normal(jax.random.key(0), (28, 28))
    place = np.array([12.34, 13.21, 4.56])

    @jax.jit
    def weighted(place):
        return jnp.sum(weights * draw(shape, *place))

    gradient = jax.grad(weighted)(jnp.asarray(place, jnp.float32))
    step = 2e-3
    numeric = [
        float(weighted(place + step * e) - weighted(place - step * e)) / (2 * step)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=0.02, atol=0.02)
    assert np.abs(numeric).min() > 0.05  # all three move the image


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_finite_in_every_pixel_even_with_the_centre_on_one(shape, world):
    grid = world.factors[world.factors[:, 0] == SHAPES.index(shape)][::16, 1:]
    jacobian = jax.vmap(jax.jacfwd(lambda place: draw(shape, *place)))(jnp.asarray(grid))
    assert np.all(np.isfinite(jacobian))


def test_render_itself_can_be_differentiated():
    places = jnp.array([[10.3, 11.6, 4.0], [13.0, 13.0, 4.0], [15.2, 10.1, 3.0], [9.0, 9.5, 5.0]])
    shapes = np.arange(4)
    gradient = jax.grad(lambda places: jnp.sum(render(shapes, *places.T) ** 2))(places)
    ink = jax.jit(lambda shape, place: jnp.sum(draw(shape, *place) ** 2), static_argnums=0)
    expected = [jax.grad(ink, 1)(*pair) for pair in zip(SHAPES, places, strict=True)]
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3)
    assert np.all(gradient[:, 2] > 1)  # a larger size, more ink


def test_render_can_be_jitted():
    jitted = jax.jit(partial(render, "cross"))(10.3, 11.6, 4.0)
    np.testing.assert_allclose(jitted, render("cross", 10.3, 11.6, 4.0), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("star", 10, 10, 3), "shape.*square, circle, triangle, cross.*'star'"),
        ((4, 10, 10, 3), "shape.*0 to 3.*4"),
        ((-1, 10, 10, 3), "shape.*0 to 3.*-1"),
        (("circle", 2.5, 10, 3), r"x: .*3 to 24.*2\.5"),
        (("circle", 24.5, 10, 3), r"x: .*3 to 24.*24\.5"),
        (("circle", 10, 25, 3), "y: .*3 to 24.*25"),
        (("circle", 10, float("nan"), 3), "y: .*3 to 24.*nan"),
        (("circle", 10, 10, 0.5), r"size: .*1 to 6.*0\.5"),
        (("circle", 13, 13, 6.5), r"size: .*1 to 6.*6\.5"),
        (("circle", [10, 2], 10, 3), "x: .*3 to 24.*2"),
        (("circle", 10, [10, 26], [3, 2]), "y: .*3 to 24.*26"),
    ],
)
def test_render_refuses_what_would_leave_the_canvas(arguments, message):
    with pytest.raises(ValueError, match=message):
        render(*arguments)


def test_render_takes_the_outermost_places_of_the_world():
    for x, y in ((6, 21), (21, 6)):
        render("circle", x, y, 6)


@pytest.mark.parametrize("call", [shape_world, partial(random_shapes, jax.random.key(0), 3)])
def test_unknown_or_no_shapes_are_refused_by_name(call):
    with pytest.raises(ValueError, match=r"shape.*square, circle, triangle, cross.*'star'"):
        call(shapes=("circle", "star"))
    with pytest.raises(ValueError, match=r"shapes.*square, circle, triangle, cross.*none"):
        call(shapes=())


# Random draws


@pytest.fixture(scope="module")
def drawn():
    return random_shapes(jax.random.key(0), 4000)


def test_random_shapes_fill_the_ranges_of_the_world(drawn):
    images, parameters = drawn
    assert images.shape == (4000, 28, 28)
    assert parameters.shape == (4000, 4)
    assert images.dtype == parameters.dtype == np.float32
    lows, highs = [6, 6, 2.5], [21, 21, 6]
    assert np.all((parameters[:, 1:] >= lows) & (parameters[:, 1:] <= highs))
    np.testing.assert_allclose(parameters[:, 1:].min(axis=0), lows, atol=0.05)
    np.testing.assert_allclose(parameters[:, 1:].max(axis=0), highs, atol=0.05)
    assert (POSITIONS[0], POSITIONS[-1], SIZES[0], SIZES[-1]) == (6, 21, 2.5, 6)


def test_random_shapes_are_uniform_and_their_factors_independent(drawn):
    _, parameters = drawn
    counts = np.bincount(parameters[:, 0].astype(int), minlength=4)
    assert np.all(np.abs(counts - 1000) < 5 * sqrt(4000 * 3 / 16))
    np.testing.assert_allclose(parameters[:, 1:].mean(axis=0), [13.5, 13.5, 4.25], atol=0.35)
    np.testing.assert_allclose(np.corrcoef(parameters.T), np.eye(4), atol=0.08)
    assert len(np.unique(parameters[:, 1])) > 3900  # continuous, not on the grid


def test_random_images_are_what_render_draws_from_their_parameters(drawn):
    images, parameters = drawn
    np.testing.assert_allclose(images, render(*parameters.T), atol=1e-5)


def test_random_shapes_depend_on_the_key_alone(drawn):
    again = random_shapes(jax.random.key(0), 4000)
    np.testing.assert_array_equal(again[0], drawn[0])
    np.testing.assert_array_equal(again[1], drawn[1])
    other = random_shapes(jax.random.key(1), 4000)[1]
    assert np.all(np.mean(other == drawn[1], axis=0) < [0.5, 0.1, 0.1, 0.1])


def test_random_shapes_of_chosen_shapes_number_them_in_the_order_given():
    images, parameters = random_shapes(jax.random.key(3), 4000, shapes=("cross", "circle"))
    assert set(parameters[:, 0]) == {0, 1}
    names = np.array([SHAPES.index("cross"), SHAPES.index("circle")])
    shape = names[parameters[:, 0].astype(int)]
    np.testing.assert_allclose(images, render(shape, *parameters[:, 1:].T), atol=1e-5)


# The split


@law
@given(
    n=st.sampled_from([2, 11, 400]),
    seed=st.integers(0, 2**31 - 1),
    holdout=st.sampled_from([0.3, 0.5, 0.7]),
)
def test_a_split_partitions_the_indices(n, seed, holdout):
    train, test = split(n, jax.random.key(seed), holdout)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    assert len(test) == round(n * holdout)
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(test) > 0)


def test_a_split_holds_out_a_tenth_unless_told_otherwise():
    train, test = split(8192, jax.random.key(0))
    assert (len(train), len(test)) == (7373, 819)


def test_a_split_is_seeded_and_spreads_over_the_whole_range():
    key = jax.random.key(7)
    _, test = split(1000, key)
    np.testing.assert_array_equal(test, split(1000, jax.random.clone(key))[1])
    assert not np.array_equal(test, split(1000, jax.random.key(8))[1])
    assert abs(test.mean() - 499.5) < 5 * 1000 / sqrt(12 * 100)


@pytest.mark.parametrize("holdout", [0, 1, -0.1, 1.5, 0.001])
def test_a_split_refuses_a_holdout_that_leaves_a_side_empty(holdout):
    with pytest.raises(ValueError, match=f"holdout: .*between 0 and 1.*10 indices.*{holdout}"):
        split(10, jax.random.key(0), holdout)
