"""Sampling, interpolation, and the validity oracle: is a generated picture a shape of the world?"""

import warnings
from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Real
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from .checks import check_count, check_finite, check_pixels, check_tolerance
from .shapes import SHAPES, SIDE, SIZES, ShapesLike, draw, positions, signed_distances

_GAUSS_NEWTON_STEPS = 12
_MIXTURE = {"init_params": "random_from_data", "tol": 1e-2, "max_iter": 25}
_WINDOW = 2 * int(SIZES[-1]) + 1  # pixels that the largest size may brighten, wherever it is
_CHUNK = 256  # images fitted at a time: compiled once, and once for 1, whatever n is


class NearestShape(NamedTuple):
    """For each of n images the nearest rendered shape.

    residual_share: min over shapes s of ||g - s||^2 / ||g||^2, inf for a blank image; shape: index
    in `shapes`; x, y, size: of that nearest shape, in pixels; side: of the canvas.
    """

    residual_share: Float[np.ndarray, " n"]
    shape: Int[np.ndarray, " n"]
    x: Float[np.ndarray, " n"]
    y: Float[np.ndarray, " n"]
    size: Float[np.ndarray, " n"]
    side: int = SIDE

    def valid(self, tolerance: float = 0.05) -> Bool[np.ndarray, " n"]:
        """Which images have a residual share of at most `tolerance`; blank ones never do.

        0.05 is the standard tolerance, 0.02 the strict and 0.10 the lenient one. Raises ValueError
        for a tolerance that is not finite and > 0.
        """
        check_tolerance("tolerance", tolerance)
        return self.residual_share <= tolerance


def _ranges(side):
    """The least and the largest (x, y, size) of the world."""
    places = positions(side)
    low, high = ([places[i], places[i], SIZES[i]] for i in (0, -1))
    return np.array(low, np.float32), np.array(high, np.float32)


@cache
def _templates(distances):
    """Every size in the middle of a window, and half a pixel to the right and below of it:
    x, y, size (m, 3), x and y counted from the window's first pixel; images (shapes, m, window²).

    distances: tuple of (name, signed distance). m is 32, the window just holds the largest size.
    """
    middle = SIZES[-1]
    grid = np.meshgrid([middle, middle + 0.5], [middle, middle + 0.5], SIZES, indexing="ij")
    parameters = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float32)
    drawn = [jax.vmap(partial(draw, distance, side=_WINDOW))(*parameters.T)
             for _, distance in distances]  # fmt: skip
    return jnp.asarray(parameters), jnp.stack(drawn).reshape(len(distances), len(parameters), -1)


def _starts(images, parameters, templates):
    """For each shape and image the nearest of the templates at all places: (shapes, n, 3).

    A template is dark outside of its window, so only that much of the image meets it.
    """
    n, side, _ = images.shape
    n_shapes, m, pixels = templates.shape
    known = templates.reshape(-1, pixels)
    half_energy = (known**2).sum(axis=1, keepdims=True) / 2
    places = jnp.arange(side - _WINDOW + 1)
    number = (places * m + jnp.arange(m)[:, None]).reshape(-1, 1)  # of a row and a template
    # Half a pixel beyond the last place lies outside of the world.
    inside = parameters[:, :2, None] + places <= positions(side)[-1]  # (m, x or y, places)

    def of_column(column):
        """The least error and its number, of the windows that begin in this column."""
        strip = jax.lax.dynamic_slice_in_dim(images, column, _WINDOW, axis=2)
        windows = jnp.stack([strip[:, row : row + _WINDOW] for row in range(len(places))])
        errors = half_energy - known @ windows.reshape(-1, pixels).T
        allowed = inside[:, 0, column, None] & inside[:, 1]  # (m, rows)
        errors = jnp.where(allowed[..., None], errors.reshape(n_shapes, m, -1, n), jnp.inf)
        errors = errors.reshape(n_shapes, -1, n)
        least = errors.min(axis=1, keepdims=True)  # and then where: XLA's argmin takes longer
        return least[:, 0], jnp.where(errors == least, number, number.max()).min(axis=1)

    least, found = jax.lax.map(of_column, places)
    column = least.argmin(axis=0)
    row, template = jnp.divmod(jnp.take_along_axis(found, column[None], 0)[0], m)
    return parameters[template] + jnp.stack([column, row, jnp.zeros_like(row)], axis=-1)


def _refine(shape, distances, images, parameters):
    """Damped Gauss-Newton (Levenberg-Marquardt) on (x, y, size), kept inside the world's ranges."""
    low, high = _ranges(images.shape[1])

    def residual(p, image):
        """What is left of the image where the shape (x, y, size) = p is drawn: all its pixels."""
        branches = [partial(draw, distance, side=len(image)) for _, distance in distances]
        return (jax.lax.switch(shape, branches, *p) - image).ravel()

    def one(image, start):
        """The best (x, y, size) for one image and one shape, by Levenberg and Marquardt."""

        def step(carry, _):
            """One trial: taken, with less damping, if it lowers the error; else more damping."""
            p, error, damping = carry
            r, jacobian = residual(p, image), jax.jacfwd(residual)(p, image)
            normal = jacobian.T @ jacobian + damping * jnp.eye(3)
            trial = jnp.clip(p - jnp.linalg.solve(normal, jacobian.T @ r), low, high)
            trial_error = jnp.sum(residual(trial, image) ** 2)
            better = trial_error < error
            damping = jnp.where(better, damping / 4, damping * 4)
            return (jnp.where(better, trial, p), jnp.minimum(error, trial_error), damping), None

        carry = (start, jnp.sum(residual(start, image) ** 2), jnp.float32(1.0))
        (p, error, _), _ = jax.lax.scan(step, carry, length=_GAUSS_NEWTON_STEPS)
        return p, error

    return jax.vmap(one)(images, parameters)


@partial(jax.jit, static_argnames="distances")
def _nearest(distances, images, parameters, templates):
    """For each shape, of images (n, side, side): parameters (shapes, n, 3), errors (shapes, n)."""
    starts = _starts(images, parameters, templates)

    def of_shape(shape):
        """For every image the best fit of this shape."""
        return _refine(shape, distances, images, starts[shape])

    return jax.lax.map(of_shape, jnp.arange(len(distances)))


def _check_images(images):
    shape = jnp.shape(images)
    if len(shape) != 3 or shape[1] != shape[2] or shape[0] == 0 or len(positions(shape[1])) == 0:
        raise ValueError(
            f"images: expected (n, side, side), n >= 1, such as (1, 28, 28), got {shape}"
        )
    check_finite(images=images)
    check_pixels("images", images)


def nearest_shape(
    images: Real[ArrayLike, "n side side"], shapes: ShapesLike = SHAPES
) -> NearestShape:
    """Find the nearest shape of the world, x, y and size continuous, to each image.

    For each of the shapes: the nearest template on a half-pixel grid, then 12 damped Gauss-Newton
    steps on (x, y, size) through the renderer. The best is returned.

    Args:
        images: white is 1, black 0; noise may reach beyond.
        shapes: of the world, as in `shape_world`.

    Raises:
        ValueError: another shape of array, or pixels that are not finite or in 0..255.
    """
    _check_images(images)
    distances = tuple(signed_distances(shapes).items())
    images = np.asarray(images, np.float32)
    chunks = [images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK)]
    found = [_nearest_in_chunk(distances, chunk) for chunk in chunks]
    return NearestShape(*map(np.concatenate, zip(*found, strict=True)), images.shape[1])


def _nearest_in_chunk(distances, images):
    n = len(images)
    filled = np.zeros((1 if n == 1 else _CHUNK, *images.shape[1:]), np.float32)
    filled[:n] = images
    parameters, errors = (
        np.asarray(a)[:, :n] for a in _nearest(distances, filled, *_templates(distances))
    )
    best = errors.argmin(axis=0)
    x, y, size = parameters[best, np.arange(n)].T
    energy = (images**2).sum(axis=(1, 2))
    # A blank picture has no energy to share out: it is infinitely far from every shape.
    share = np.divide(errors.min(axis=0), energy, out=np.full(n, np.inf), where=energy > 0)
    return share, best, x, y, size


def _as_nearest(images, shapes):
    return images if isinstance(images, NearestShape) else nearest_shape(images, shapes)


def validity(
    images: Real[ArrayLike, "n side side"] | NearestShape,
    tolerance: float = 0.05,
    *,
    shapes: ShapesLike = SHAPES,
) -> float:
    """The share of images that are valid by `NearestShape.valid(tolerance)`, 0 to 1.

    Args:
        images: as in `nearest_shape`, or what it found for them.

    Raises:
        ValueError: as `nearest_shape` and `NearestShape.valid` do.
    """
    return float(np.mean(_as_nearest(images, shapes).valid(tolerance)))


def coverage(
    images: Real[ArrayLike, "n side side"] | NearestShape,
    tolerance: float = 0.05,
    *,
    shapes: ShapesLike = SHAPES,
) -> float:
    """How much of the world n images validly reach; 1 is as much as n uniform draws do.

    The world is cut by shape and 4 x 4 x 4 equal ranges of x, y and size: 256 cells for four
    shapes. The share of cells that hold a valid image is divided by the share 1 - (1 - 1/256)^n
    that n uniform draws reach on average. Arguments and errors as in `validity`.
    """
    nearest = _as_nearest(images, shapes)
    low, high = _ranges(nearest.side)
    valid = nearest.valid(tolerance)
    parameters = np.stack([nearest.x, nearest.y, nearest.size], axis=1)[valid]
    coarse = np.minimum((parameters - low) / (high - low) * 4, 3).astype(int)
    cells = np.unique(np.column_stack([nearest.shape[valid], coarse]), axis=0)
    n_cells = len(signed_distances(shapes)) * 4**3
    expected = 1 - (1 - 1 / n_cells) ** len(nearest.shape)
    return len(cells) / n_cells / expected


def sample_prior(model: nnx.Module, key: PRNGKeyArray, n: int) -> Float[np.ndarray, "n side side"]:
    """Decode n codes drawn from N(0, I). Raises ValueError for n < 1."""
    check_count("n", n)
    return model.decode(jax.random.normal(key, (n, model.latent_size)))


class FittedDensity(NamedTuple):
    """A density of codes, fitted after the training of the model that they come from.

    mixture: scikit-learn's, of so many Gaussians that held-out codes are likeliest; scores: the
    mean log density (nats) of the held-out codes by number of components.
    """

    mixture: GaussianMixture
    scores: dict[int, float]

    def draw(self, n: int) -> Float[np.ndarray, "n L"]:
        """n codes; the same ones at every call. Raises ValueError for n < 1."""
        check_count("n", n)
        codes, _ = self.mixture.sample(n)  # sorted by their Gaussians
        shuffled = np.random.default_rng(self.mixture.random_state).permutation(codes)
        return shuffled.astype(np.float32)


def fit_density(
    codes: Float[ArrayLike, "m L"],
    components: Sequence[int] = (1, 16, 64, 256),
    *,
    seed: int = 0,
) -> FittedDensity:
    """Fit mixtures of Gaussians to three quarters of codes, and choose one by the last quarter.

    So an autoencoder gets the density of codes that it lacks (Ghosh et al. 2020, arXiv:1903.12436).

    Args:
        codes: of training images, in random order.
        components: numbers of Gaussians to choose from; 1 is the Gaussian with the mean and the
            covariance of the codes.
        seed: of the fit's start and of what is drawn.

    Raises:
        ValueError: no components, codes that are not (m, L) or finite, fewer than four for each
            component.
    """
    codes = np.asarray(codes, float)
    if not len(components):
        raise ValueError("components: expected at least one number of Gaussians, got none")
    for k in components:
        check_count("components", k)
    if codes.ndim != 2 or len(codes) < 4 * max(components):
        raise ValueError(f"codes: expected (m, L), m >= {4 * max(components)}, got {codes.shape}")
    check_finite(codes=codes)
    held_out = len(codes) // 4
    fitted, scores = {}, {}
    for k in components:
        mixture = GaussianMixture(k, random_state=seed, **_MIXTURE)
        with warnings.catch_warnings():  # a fit that is stopped early is a density too, and judged
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(codes[held_out:])
        fitted[k], scores[k] = mixture, float(mixture.score(codes[:held_out]))
    return FittedDensity(fitted[max(scores, key=scores.get)], scores)


def interpolate(
    model: nnx.Module, start: Float[ArrayLike, " L"], end: Float[ArrayLike, " L"], steps: int
) -> Float[np.ndarray, "steps side side"]:
    """Decode equal steps on the straight line between two codes, both ends included.

    The middle of three steps is the merge of the two codes.

    Raises:
        ValueError: steps < 2, or codes that are not two vectors of the model's latent size.
    """
    start, end = np.asarray(start), np.asarray(end)
    if start.shape != (model.latent_size,) or end.shape != (model.latent_size,):
        raise ValueError(
            f"start, end: expected codes of shape ({model.latent_size},), "
            f"got {start.shape} and {end.shape}"
        )
    check_count("steps", steps, least=2)
    return model.decode(np.linspace(start, end, steps, dtype=np.float32))
