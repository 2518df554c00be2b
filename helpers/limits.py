"""The rate-distortion limit: the fewest bits that any code of a source needs for a given error.

R(D) is convex; a point of it is named by its slope s = -dR/dD, in nats per unit of distortion
(a VAE whose pixels have variance c trades error for rate at s = 1 / 2c). Rates are in bits.
"""

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.typing import ArrayLike
from jaxtyping import Float, Real
from scipy.special import entr

from .checks import check_count, check_finite, check_probabilities, check_tolerance
from .reproductions import merge, solve


def _check_slopes(slopes):
    slopes = np.atleast_1d(np.asarray(slopes, float))
    if slopes.ndim != 1 or slopes.size == 0 or not np.all((slopes > 0) & np.isfinite(slopes)):
        raise ValueError(f"slopes: expected finite values > 0 (s = -dR/dD, nats), got {slopes}")
    return np.sort(slopes)[::-1]


def blahut_arimoto(
    distortion: Real[ArrayLike, "n m"],
    slopes: Real[ArrayLike, " k"],
    *,
    probabilities: Float[ArrayLike, " n"] | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
) -> pd.DataFrame:
    """R(D) of a finite source with given reproductions.

    Args:
        distortion: of each source symbol under each reproduction.
        slopes: s > 0, nats per unit of distortion.
        probabilities: of the symbols, uniform by default.
        tolerance: bits, between the bounds.

    Returns:
        A row per slope, the steepest first: slope, rate, distortion, lower_bound. rate (bits) is
        that of a channel with that distortion, lower_bound (bits) what no channel goes below
        (Blahut 1972, IEEE Trans. Inf. Theory 18(4), theorem 6).

    Raises:
        ValueError: an argument that does not fit, by name.
        RuntimeError: max_iterations do not reach the tolerance.
    """
    d = np.asarray(distortion, float)
    if d.ndim != 2 or d.size == 0:
        raise ValueError(f"distortion: expected (n, m), n and m at least 1, got {d.shape}")
    check_finite(distortion=d)
    slopes, p = _check_slopes(slopes), check_probabilities(probabilities, len(d))
    check_tolerance("tolerance", tolerance)
    check_count("max_iterations", max_iterations)
    least = d.min(axis=1)
    excess = d - least[:, None]  # the exponential of -s d itself would underflow
    q, rows = np.full(d.shape[1], 1 / d.shape[1]), []
    for slope in slopes:
        # Warm start from the last slope, but never from an exact zero, which could not come back.
        q = 0.99 * q + 0.01 / len(q)
        kernel = np.exp(-slope * excess)
        for _ in range(max_iterations):
            z = kernel @ q
            c = (p / z) @ kernel
            gap = np.log(c.max()) + entr(c) @ q
            if gap < tolerance * np.log(2):
                break
            q = q * c
        else:
            raise RuntimeError(
                f"slope {slope:g}: the bounds differ by {gap / np.log(2):.2g} bits after "
                f"{max_iterations} iterations, more than the tolerance {tolerance:g}"
            )
        error = p @ (least + (kernel * excess) @ q / z)
        dual = p @ (slope * least - np.log(z)) - slope * error
        bits = np.array([dual + entr(c) @ q, dual - np.log(c.max())]) / np.log(2)
        rows.append((slope, bits[0], error, bits[1]))
    return pd.DataFrame(rows, columns=["slope", "rate", "distortion", "lower_bound"])


def _convex(table):
    """Time sharing: each slope takes the row best for it, and each row the best of all duals."""
    slopes = table["slope"].to_numpy() / np.log(2)
    best = (table["rate"].to_numpy() + np.outer(slopes, table["distortion"])).argmin(axis=1)
    reached = ["rate", "distortion", "reproductions"]
    table = table.assign(**{name: table[name].to_numpy()[best] for name in reached})
    lines = table["dual"].to_numpy() - np.outer(table["distortion"], slopes)
    table.insert(3, "lower_bound", np.clip(lines.max(axis=1), 0, table["rate"]))
    return table


def image_rate_distortion(
    images: Real[ArrayLike, "n ..."],
    slopes: Real[ArrayLike, " k"],
    *,
    probabilities: Float[ArrayLike, " n"] | None = None,
    tolerance: float = 0.01,
    max_iterations: int = 1000,
) -> pd.DataFrame:
    """The limit of images under squared error, with free reproductions.

    This is the likeliest mixture of Gaussians of variance 1 / 2s, a convex problem (Lindsay 1983,
    Ann. Statist. 11(1)). Between updates of Blahut and Arimoto every reproduction moves to the mean
    of what it stands for (Rose 1994, IEEE Trans. Inf. Theory 40(6)), both over-relaxed; those that
    meet are merged; pictures that would lower rate + s distortion become reproductions.

    Args:
        images: pixels in any shape. n x n float32 numbers are held in memory.
        slopes: s > 0, nats per unit of ||x - y||^2, taken from the steepest, where every image is
            its own reproduction.
        probabilities: of the images, uniform by default.
        tolerance: bits, between the bounds.
        max_iterations: at each slope.

    Returns:
        A row per slope, the steepest first: slope, rate (bits), distortion, lower_bound (bits),
        reproductions (how many its channel uses), dual (bits). (distortion, rate) is reached by a
        channel: an upper bound on R(D). For every D, R(D) >= dual - slope D / ln 2 (Csiszar 1974,
        Studia Sci. Math. Hungar. 9); lower_bound is the best of these lines at the row's
        distortion. The supremum in the dual is climbed to from images and reproductions, not
        certified: an estimate.

    Raises:
        ValueError: an argument that does not fit, by name.
        RuntimeError: max_iterations do not reach the tolerance.
    """
    if np.ndim(images) < 2 or np.size(images) == 0:
        raise ValueError(f"images: expected (n, ...) with n >= 1, got {np.shape(images)}")
    pixels = np.asarray(images, float).reshape(len(images), -1)
    check_finite(images=pixels)
    slopes, p = _check_slopes(slopes), check_probabilities(probabilities, len(pixels))
    check_tolerance("tolerance", tolerance)
    check_count("max_iterations", max_iterations)
    # Numbers near 1 around 0: float32 has few digits for ||x - y||^2 where ||x||^2 is far larger.
    pixels = pixels - p @ pixels
    with np.errstate(over="ignore"):
        unit = np.sqrt(p @ (pixels**2).sum(axis=1)) or 1.0
    if not np.isfinite(unit):
        raise ValueError(f"images: expected finite squares, got pixels up to {pixels.max():g}")
    x = jnp.asarray(pixels / unit, jnp.float32)
    rng, rows, (y, q) = np.random.default_rng(0), [], merge(x, p, 1e-12)
    for slope in slopes:
        try:
            found, rate, error, dual, used = solve(
                x, p, y, q, slope * unit**2, tolerance, rng, max_iterations
            )
        except RuntimeError as problem:
            raise RuntimeError(f"slope {slope:g}: {problem}") from problem
        y, q = found.y, found.q
        rows.append((slope, rate / np.log(2), error * unit**2, used, dual / np.log(2)))
    columns = ["slope", "rate", "distortion", "reproductions", "dual"]
    return _convex(pd.DataFrame(rows, columns=columns))
