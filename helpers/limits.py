"""The rate-distortion limit: the fewest bits that any code of a source needs for a given error.

R(D) is convex; a point of it is named by its slope s = -dR/dD, in nats per unit of distortion
(a VAE whose pixels have variance c trades error for rate at s = 1 / 2c). Rates are in bits.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike
from jaxtyping import Float, Real
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import entr

from .checks import check_count, check_finite, check_probabilities, check_tolerance

AT_ONCE = 2**23  # numbers of memory: so many images are held against all reproductions at a time
STEP = 512  # reproductions are padded to multiples of this, so that few programs are compiled


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


@jax.jit
def _pull(sources, p, reproductions, slope, log_q=None, log_z=None):
    """One pass over all sources: (c, means, log_z).

    With d = ||x - y||^2 and log z(x) = log sum_y q(y) exp(-s d) (from log_q, if it is not given):
    c(y) = E exp(-s d) / z(x), and means, the average of x under these weights: where y is best put.
    """
    energies = (reproductions**2).sum(axis=1)
    product = partial(jnp.matmul, precision="highest")  # a GPU's quick products lose small d

    def chunk(sums, batch):
        """The sums so far with those of some more sources, and their log z."""
        x, p, given = batch
        d = (x**2).sum(axis=1)[:, None] + energies - 2 * product(x, reproductions.T)
        exponent = -slope * jnp.maximum(d, 0)
        log_z = logsumexp(exponent + log_q, axis=1) if given is None else given
        weights = p[:, None] * jnp.exp(exponent - log_z[:, None])
        return (sums[0] + weights.sum(axis=0), sums[1] + product(weights.T, x)), log_z

    start = jnp.zeros(len(reproductions)), jnp.zeros_like(reproductions)
    (c, sums), log_z = jax.lax.scan(chunk, start, (sources, p, log_z))
    return c, sums / jnp.maximum(c, 1e-30)[:, None], log_z


def _in_chunks(images, p):
    """Sources (k, at once, pixels) and their p, the last chunk filled with p = 0."""
    size = min(max(AT_ONCE // len(images), 1), len(images))
    empty = -len(images) % size
    padded = np.pad(images, ((0, empty), (0, 0))).reshape(-1, size, images.shape[1])
    return jnp.asarray(padded), jnp.asarray(np.pad(p, (0, empty)).reshape(-1, size), jnp.float32)


def _merge(reproductions, q, slope):
    """Make one of reproductions that have met; drop those that nothing is sent as."""
    y, q = np.asarray(reproductions)[q > 1e-9], q[q > 1e-9]
    energies = (y**2).sum(axis=1)
    met = slope * (energies[:, None] + energies - 2 * y @ y.T) < 1e-2
    count, group = connected_components(csr_array(met), directed=False)
    members = csr_array((q, (group, np.arange(len(q)))), shape=(count, len(q)))
    total = np.bincount(group, q)
    return (members @ y / total[:, None]).astype(np.float32), total / total.sum()


def _padded(reproductions, q):
    empty = -len(q) % min(STEP, 2 ** int(np.ceil(np.log2(len(q)))))
    with np.errstate(divide="ignore"):
        log_q = np.log(np.pad(q, (0, empty)))
    return jnp.asarray(np.pad(reproductions, ((0, empty), (0, 0)))), jnp.asarray(log_q, jnp.float32)


class _Minimum(NamedTuple):
    """Reproductions y with log q, what one more pass makes of them, and -E log z, nats."""

    y: jax.Array
    log_q: jax.Array
    c: jax.Array
    means: jax.Array
    log_z: jax.Array
    free_energy: float


def _minimise(sources, p, y, log_q, slope, tolerance, max_iterations):
    """Move reproductions and their probabilities until -E log z gains less than the tolerance."""
    free_energy = np.inf
    for _ in range(max_iterations):
        c, means, log_z = _pull(sources, p, y, slope, log_q=log_q)
        last, free_energy = free_energy, -float((p * log_z).sum())
        found = _Minimum(y, log_q, c, means, log_z, free_energy)
        if last - free_energy < tolerance:
            break
        y, log_q = means, log_q + jnp.log(c)
    return found


def _log_supremum(sources, p, images, found, slope):
    """log sup_y c(y), climbed to from every image and from the best reproductions."""
    best, starts = 0.0, []
    for candidates in (images, found.y):
        c, means, _ = _pull(sources, p, candidates, slope, log_z=found.log_z)
        best = max(best, float(c.max()))
        starts.append(means[jnp.argsort(-c)[:STEP]])
    y = jnp.concatenate(starts)
    for _ in range(100):
        last = best
        c, y, _ = _pull(sources, p, y, slope, log_z=found.log_z)
        best = max(best, float(c.max()))
        if best < last * (1 + 1e-5):
            break
    return np.log(best)


def image_rate_distortion(
    images: Real[ArrayLike, "n ..."],
    slopes: Real[ArrayLike, " k"],
    *,
    probabilities: Float[ArrayLike, " n"] | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> pd.DataFrame:
    """The limit of images under squared error, with free reproductions.

    Between two updates of Blahut and Arimoto every reproduction moves to the mean of what it stands
    for (Rose 1994, IEEE Trans. Inf. Theory 40(6)); reproductions that meet are merged.

    Args:
        images: pixels in any shape.
        slopes: s > 0, nats per unit of ||x - y||^2, taken from the steepest, where every image is
            its own reproduction.
        probabilities: of the images, uniform by default.
        tolerance: nats; the updates end when one gains less.
        max_iterations: and no later than this.

    Returns:
        A row per slope: slope, rate (bits), distortion, lower_bound (bits), reproductions (their
        number). (distortion, rate) is reached by a channel, so it is an upper bound on R(D), and a
        local optimum. lower_bound is the best of Csiszar's duals (one per slope) at that
        distortion; their supremum over all pictures is climbed to from every image, not certified:
        an estimate.

    Raises:
        ValueError: an argument that does not fit, by name.
    """
    if np.ndim(images) < 2 or np.size(images) == 0:
        raise ValueError(f"images: expected (n, ...) with n >= 1, got {np.shape(images)}")
    pixels = np.asarray(images, np.float32).reshape(len(images), -1)
    check_finite(images=pixels)
    slopes, p = _check_slopes(slopes), check_probabilities(probabilities, len(pixels))
    check_tolerance("tolerance", tolerance)
    check_count("max_iterations", max_iterations)
    sources, weights = _in_chunks(pixels, p)
    energy = p @ (pixels.astype(float) ** 2).sum(axis=1)
    y, q, rows = pixels, p, []
    for slope in slopes:
        found = _minimise(sources, weights, *_padded(y, q), slope, tolerance, max_iterations)
        c = np.maximum(np.asarray(found.c, float), 1e-30)  # 0 where nothing is near: the padding
        q = np.exp(np.asarray(found.log_q, float)) * c
        # The channel at hand, with its own output probabilities q and the means as reproductions.
        error = energy - q @ (np.asarray(found.means, float) ** 2).sum(axis=1)
        moved = q @ (np.asarray(found.means - found.y, float) ** 2).sum(axis=1)
        rate = found.free_energy - slope * (error + moved) - q @ np.log(c)
        highest = _log_supremum(sources, weights, jnp.asarray(pixels), found, slope)
        y, q = _merge(found.means, q, slope)
        rows.append((slope, rate, max(error, 0.0), found.free_energy - highest, len(q)))
    columns = ["slope", "rate", "distortion", "lower_bound", "reproductions"]
    table = pd.DataFrame(rows, columns=columns)
    # Every slope gives a straight line below the whole curve: the highest of them counts.
    lines = table["lower_bound"].to_numpy() - np.outer(table["distortion"], table["slope"])
    table["lower_bound"] = np.maximum(lines.max(axis=1), 0)
    return table.assign(**table[["rate", "lower_bound"]] / np.log(2))
