"""The generated world: 4 shapes x 16 x-positions x 16 y-positions x 8 sizes = 2^13 images.

A shape is a signed-distance function (negative inside, in pixels); a pixel is as bright as
`clip(1/2 - distance, 0, 1)`, a one-pixel anti-aliased edge. Everything is differentiable in
x, y and size, and lies wholly inside the canvas for every position and size of the world.

Another world takes two arguments, here and in `generation`: `shapes`, names of these shapes or a
dict from names to signed distances of your own, and `side`, that of the canvas.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import log2, pi, sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray, Real

from .checks import check_count

SignedDistance = Callable[[ArrayLike, ArrayLike, ArrayLike], Array]  # (dx, dy, size) -> pixels
ShapesLike = Collection[str] | Mapping[str, SignedDistance]

SIDE = 28
FACTORS = ("shape", "x", "y", "size")
SIZES = np.arange(2.5, 6.5, 0.5)


def _box(dx, dy, half_width, half_height):
    return jnp.maximum(jnp.abs(dx) - half_width, jnp.abs(dy) - half_height)


def _square(dx, dy, size):
    half_side = sqrt(pi) / 2 * size  # the area of the circle of the same size
    return _box(dx, dy, half_side, half_side)


def _circle(dx, dy, size):
    # The tiny constant keeps the gradient finite in the pixel at the very centre.
    return jnp.sqrt(dx**2 + dy**2 + 1e-12) - size


def _triangle(dx, dy, size):
    # Equilateral, point up, corners at distance `size`: three half-planes at distance size / 2.
    return jnp.maximum(dy, sqrt(3) / 2 * jnp.abs(dx) - dy / 2) - size / 2


def _cross(dx, dy, size):
    return jnp.minimum(_box(dx, dy, size, size / 3), _box(dx, dy, size / 3, size))


SIGNED_DISTANCES = {"square": _square, "circle": _circle, "triangle": _triangle, "cross": _cross}
SHAPES = tuple(SIGNED_DISTANCES)


def positions(side: int = SIDE) -> Float[np.ndarray, " p"]:
    """The x and y of the world's grid: every pixel where the largest size stays on the canvas."""
    return np.arange(SIZES[-1], side - SIZES[-1])


POSITIONS = positions()


class ShapeWorld(NamedTuple):
    """Every image of the world, once.

    images: in [0, 1]; factors: columns as in `FACTORS`: the index of the shape in `shapes`, then x,
    y and size in pixels; cardinalities: the number of values of each factor; entropy_bits: log2 n,
    the entropy of an image drawn uniformly.
    """

    images: Float32[np.ndarray, "n side side"]
    factors: Float32[np.ndarray, "n 4"]
    cardinalities: tuple[int, ...]
    entropy_bits: float
    shapes: tuple[str, ...]


def draw(
    shape: str | SignedDistance,
    x: Real[ArrayLike, ""],
    y: Real[ArrayLike, ""],
    size: Real[ArrayLike, ""],
    side: int = SIDE,
) -> Float[Array, "side side"]:
    """One image of a shape, a name of `SHAPES` or a signed distance, unchecked: for use in jit."""
    distance = shape if callable(shape) else SIGNED_DISTANCES[shape]
    rows, columns = jnp.mgrid[:side, :side]
    return jnp.clip(0.5 - distance(columns - x, rows - y, size), 0.0, 1.0)


@partial(jax.jit, static_argnames=("distances", "side"))
def _draw_all(distances, side, indices, x, y, size):
    def one(index, x, y, size):
        """One picture, by the distance that its index names."""
        branches = [partial(draw, distance, side=side) for distance in distances]
        return jax.lax.switch(index, branches, x, y, size)

    return jax.vmap(one)(indices, x, y, size)


def signed_distances(shapes: ShapesLike) -> dict[str, SignedDistance]:
    """The signed distances of names of `SHAPES`, by name; such a dict itself is given back.

    Raises:
        ValueError: a name that is not there, one given twice, or none.
    """
    shapes = shapes if isinstance(shapes, Mapping) else tuple(shapes)
    if not shapes:
        raise ValueError(f"shapes: expected at least one of {', '.join(SHAPES)}, got none")
    if isinstance(shapes, Mapping):
        return dict(shapes)
    for shape in shapes:
        if shape not in SIGNED_DISTANCES:
            raise ValueError(f"shape: expected one of {', '.join(SHAPES)}, got {shape!r}")
    if len(set(shapes)) < len(shapes):
        raise ValueError(f"shapes: expected each at most once, got {', '.join(shapes)}")
    return {shape: SIGNED_DISTANCES[shape] for shape in shapes}


def _check_range(name, value, low, high, side):
    if isinstance(value, jax.core.Tracer):
        return  # under jit or grad there is no value to look at
    value = np.asarray(value, float)
    if not np.all((value >= low) & (value <= high)):
        wrong = value[~((value >= low) & (value <= high))].flat[0]
        raise ValueError(f"{name}: expected {low:g} to {high:g} so that every shape stays on the "
                         f"{side}x{side} canvas, got {wrong:g}")  # fmt: skip


def render(
    shape: str | Real[ArrayLike, "*n"],
    x: Real[ArrayLike, "*n"],
    y: Real[ArrayLike, "*n"],
    size: Real[ArrayLike, "*n"],
    *,
    shapes: ShapesLike = SHAPES,
    side: int = SIDE,
) -> Float32[Array, "*n side side"]:
    """Draw shapes, differentiably in x, y and size.

    Args:
        shape: a name of `shapes`, or the index of one.
        x, y, size: pixels, x to the right and y down, (0, 0) the centre of the first pixel.
        shapes, side: the world, as in `shape_world`.

    Returns:
        Images in [0, 1]; for scalars one image.

    Raises:
        ValueError: an unknown shape, or a size or position that would leave the canvas.
    """
    check_count("side", side)
    distances = signed_distances(shapes)
    names = list(distances)
    if isinstance(shape, str):
        if shape not in names:
            raise ValueError(f"shape: expected one of {', '.join(names)}, got {shape!r}")
        shape = names.index(shape)
    if not isinstance(shape, jax.core.Tracer) and not np.isin(shape, range(len(names))).all():
        raise ValueError(f"shape: expected a name or an index 0 to {len(names) - 1}, got {shape}")
    largest = 0.0 if isinstance(size, jax.core.Tracer) else float(np.max(size))
    _check_range("size", size, 1, SIZES[-1], side)
    for name, value in (("x", x), ("y", y)):
        _check_range(name, value, largest, side - 1 - largest, side)
    arrays = jnp.broadcast_arrays(*(jnp.asarray(a, jnp.float32) for a in (shape, x, y, size)))
    flat = [a.reshape(-1) for a in arrays]
    images = _draw_all(tuple(distances.values()), side, flat[0].astype(int), *flat[1:])
    return images.reshape(*arrays[0].shape, side, side)


def _check_side(side):
    check_count("side", side, least=int(2 * SIZES[-1]) + 1)  # the largest shape, at one position


def shape_world(shapes: ShapesLike = SHAPES, side: int = SIDE) -> ShapeWorld:
    """Enumerate the world: every shape at every grid position in every size.

    Args:
        shapes: names of `SHAPES`, or a dict from names to signed distances, of shapes that reach
            no further than `size` from their centre along x and y.
        side: of the canvas, pixels.

    Returns:
        Every image once; with the four shapes on 28x28 these are 8,192, and 13 bits.

    Raises:
        ValueError: an unknown shape, or a side that holds none.
    """
    distances = signed_distances(shapes)
    _check_side(side)
    places = positions(side)
    grid = np.meshgrid(np.arange(len(distances)), places, places, SIZES, indexing="ij")
    factors = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float32)
    index, *place = factors.T
    images = np.asarray(_draw_all(tuple(distances.values()), side, index.astype(int), *place))
    cardinalities = (len(distances), len(places), len(places), len(SIZES))
    return ShapeWorld(images, factors, cardinalities, log2(len(images)), tuple(distances))


def random_shapes(
    key: PRNGKeyArray, n: int, shapes: ShapesLike = SHAPES, side: int = SIDE
) -> tuple[Float32[np.ndarray, "n side side"], Float32[np.ndarray, "n 4"]]:
    """Draw n images with uniform shape and uniform continuous x, y, size in the world's ranges.

    Args:
        shapes, side: the world, as in `shape_world`.

    Returns:
        Images in [0, 1] and their parameters, columns as in `FACTORS`.

    Raises:
        ValueError: n < 1, an unknown shape, or a side that holds none.
    """
    distances = signed_distances(shapes)
    _check_side(side)
    check_count("n", n)
    shape_key, position_key, size_key = jax.random.split(key, 3)
    index = jax.random.randint(shape_key, (n,), 0, len(distances))
    low, high = positions(side)[[0, -1]]
    x, y = jax.random.uniform(position_key, (2, n), minval=low, maxval=high)
    size = jax.random.uniform(size_key, (n,), minval=SIZES[0], maxval=SIZES[-1])
    images = _draw_all(tuple(distances.values()), side, index, x, y, size)
    return np.asarray(images), np.stack([index, x, y, size], axis=1).astype(np.float32)


def split(
    n: int, key: PRNGKeyArray, holdout: float = 0.1
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Hold out a random share of range(n).

    Returns:
        The indices to train on and those held out, each sorted.

    Raises:
        ValueError: n < 1, or a holdout that leaves one of the two without an index.
    """
    check_count("n", n)
    n_test = round(n * holdout) if 0 < holdout < 1 else 0
    if not 0 < n_test < n:
        raise ValueError(f"holdout: expected a share between 0 and 1 that leaves both sides of "
                         f"{n} indices non-empty, got {holdout}")  # fmt: skip
    order = np.asarray(jax.random.permutation(key, n))
    return np.sort(order[n_test:]), np.sort(order[:n_test])
