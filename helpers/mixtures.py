"""The aggregate posterior q(z) = sum_n p_n N(z; mean_n, diag(exp(log_variance_n))): a mixture with
one Gaussian for each image, and how it is evaluated.

Each latent is centred and scaled in float64 first, which changes no information. Jointly the
mixture is then seen through draws of z, in float32, shared out over JAX's devices; of one latent
alone, everything is an integral that NumPy does by quadrature.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PRNGKeyArray
from scipy.sparse import csr_array
from scipy.special import xlogy
from scipy.stats import norm, t

from .checks import check_finite, check_probabilities

Codes = Float[ArrayLike, "n L"]
AT_ONCE = 2**21  # numbers of memory: so many draws of z are held against all images at a time
LARGEST_ERROR = 5e-3  # nats of a log q(z) by one product; its mean is off by 1e-4, E H(X|z) by 1e-5
FINEST = 1e-10  # of a latent's standard deviation: less noise than this counts as this much
_REACH = 8.5  # standard deviations: beyond, a Gaussian is 0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)  # of a panel as wide as a deviation


class Mixture(NamedTuple):
    """Images of positive probability, each latent of mean 0 and variance 1 over images and noise.

    centre, scale: z of the code is centre + scale * z here. by_product: whether the squared
    distances may be taken apart into one matrix product, which is fast and less exact.
    """

    mean: Float[np.ndarray, "n L"]
    log_variance: Float[np.ndarray, "n L"]
    p: Float[np.ndarray, " n"]
    centre: Float[np.ndarray, " L"]
    scale: Float[np.ndarray, " L"]
    by_product: bool


def check_codes(mean, log_variance, names="mean, log_variance"):
    """The two as float64 arrays (n, L), n >= 1. Raises ValueError where they are none, by name."""
    mean, log_variance = np.asarray(mean, float), np.asarray(log_variance, float)
    if mean.ndim != 2 or mean.shape != log_variance.shape or mean.size == 0:
        raise ValueError(
            f"{names}: expected two arrays of one shape (n, L), n >= 1, "
            f"got {mean.shape} and {log_variance.shape}"
        )
    check_finite(**dict(zip(names.split(", "), (mean, log_variance), strict=True)))
    return mean, log_variance


def moments(mean, log_variance, p):
    """Mean m_i and variance v_i of z_i over images and noise, (L,) each.

    Raises ValueError where a variance is not finite or is 0, with the argument that makes it so.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        start = mean[p.argmax()]  # so that a latent that is constant has a variance of exactly 0
        moved = mean - start
        m = p @ moved
        spread, noise = p @ (moved - m) ** 2, p @ np.exp(log_variance)
    for name, variance in (("mean", spread), ("log_variance", noise)):
        if not np.all(np.isfinite(variance)):
            raise ValueError(f"{name}: expected entries whose variance is finite, got larger ones")
    if not np.all(spread + noise > 0):
        raise ValueError("log_variance: expected noise wherever all means are one, got exp(..) = 0")
    return start + m, spread + noise


def mixture(mean, log_variance, probabilities=None) -> Mixture:
    """The aggregate posterior of checked codes (n, L). Raises ValueError for bad probabilities."""
    p = check_probabilities(probabilities, len(mean))
    mean, log_variance, p = mean[p > 0], log_variance[p > 0], p[p > 0]
    centre, variance = moments(mean, log_variance, p)
    return _scaled(mean, log_variance, p, centre, np.sqrt(variance))


def _scaled(mean, log_variance, p, centre, scale):
    mean = (mean - centre) / scale
    log_variance = np.maximum(log_variance - 2 * np.log(scale), 2 * np.log(FINEST))
    # The product's terms are about as large as this, and float32 keeps 24 bits of them.
    terms = p @ ((mean**2 + 1) * np.exp(-log_variance)).sum(axis=1)
    by_product = bool(terms * 2**-24 < LARGEST_ERROR)
    return Mixture(mean, log_variance, p, centre, scale, by_product)


def queries_of(q: Mixture, mean, log_variance) -> Mixture:
    """Other codes, in the coordinates of q."""
    n = len(mean)
    return _scaled(mean, log_variance, np.full(n, 1 / n), q.centre, q.scale)


def _halves(a):
    """A float64 array as the sum of two of float32, the second with what the first leaves over."""
    first = np.asarray(a, np.float32)
    return first, np.asarray(a - first, np.float32)


def _log_joint(z, q, by_product):
    """log p_n q(z|n) of one z and every n, nats, (n,); z and the means in halves."""
    z, z_rest = z
    (mean, mean_rest), log_variance, log_p = q
    constant = log_p - (log_variance + jnp.log(2 * jnp.pi)).sum(axis=1) / 2
    precision = jnp.exp(-log_variance)
    if by_product:
        linear = jnp.concatenate([-precision / 2, mean * precision], axis=1)
        constant = constant - (mean**2 * precision).sum(axis=1) / 2
        features = jnp.concatenate([z**2, z])
        return jnp.matmul(features, linear.T, precision="highest") + constant
    # Latents on axis 0, so that the processor takes many images at a time: half the time.
    z, z_rest = z[:, None], z_rest[:, None]
    scaled = ((z - mean.T) + (z_rest - mean_rest.T)) * jnp.sqrt(precision.T)
    return constant - (scaled**2).sum(axis=0) / 2


@partial(jax.jit, static_argnames=("statistics", "by_product"))
def _over(statistics, rows, z, q, by_product, *arguments):
    """statistics(row, log_joint of its z, ...) for every z, in chunks, on every device a share."""
    numbers = len(q[1]) if by_product else q[1].size  # for each z
    size = max(AT_ONCE // numbers, 1)

    def share(rows, z, q, arguments):
        def one(row_and_z):
            row, z = row_and_z
            return statistics(row, _log_joint(z, q, by_product), *arguments)

        return jax.lax.map(one, (rows, z), batch_size=size)

    mesh = jax.sharding.Mesh(jax.local_devices(), "devices")
    shared, whole = PartitionSpec("devices"), PartitionSpec()
    specs = (shared, shared, whole, whole)
    return jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=shared)(rows, z, q, arguments)


def over_draws(statistics, q: Mixture, key: PRNGKeyArray, draws: int, *arguments, of=None):
    """(log q(z|n), statistics(n, log_joint, *arguments)) for `draws` z of every image: (draws, n).

    statistics: a function of the module (for jit) of an image's index, log p_n q(z|n) of all n for
    one of its z, (n,) nats, and arrays.
    of: the codes that z is drawn from, q itself by default.
    """
    source = q if of is None else of
    n, latents = source.mean.shape
    eps = np.asarray(jax.random.normal(key, (draws, n, latents)), float)
    z = source.mean + np.exp(source.log_variance / 2) * eps
    own = -(eps**2 + source.log_variance + np.log(2 * np.pi)).sum(axis=2) / 2
    z, rows = z.reshape(draws * n, -1), np.tile(np.arange(n), draws)
    # In a mean over many z a few may be less exact.
    values = at(statistics, q, rows, z, *arguments, error=10 * LARGEST_ERROR)
    return own, jax.tree.map(lambda a: a.reshape(draws, n, *a.shape[1:]), values)


def at(statistics, q: Mixture, rows, z, *arguments, error=LARGEST_ERROR):
    """As `over_draws`, for given z (m, L) in the coordinates of q: leaves (m, ...), NumPy."""
    # A z far from all images makes the product's terms larger than `_scaled` could know.
    farthest = (z**2 @ (q.p @ np.exp(-q.log_variance))).max(initial=0)
    by_product = q.by_product and bool(farthest * 2**-24 < error)
    more = -len(z) % jax.local_device_count()  # every device takes as many
    rows, z = np.pad(rows, (0, more)), np.pad(z, [(0, more), (0, 0)])
    codes = _halves(q.mean), np.float32(q.log_variance), np.float32(np.log(q.p))
    values = _over(statistics, rows, _halves(z), codes, by_product, *arguments)
    return jax.tree.map(lambda a: np.asarray(a)[: len(a) - more], values)


def mean_and_error(values, p=None):
    """The mean over images and draws of values (draws, n, ...), and its standard error.

    With p every image has its own draws (a stratified sample): only the spread within an image
    counts. Without, the images are a sample too. Few draws say little of their spread: the error is
    widened to what Student's t makes of it, so that 68 % of the means lie within it.
    """
    values = np.asarray(values, float)
    if p is None:  # one value for each image that was asked: its draws are no images of their own
        values, p = values.mean(axis=0)[:, None], np.ones(1)
    draws, n = values.shape[:2]
    error = np.sqrt(np.tensordot(p**2, values.var(axis=0, ddof=1) / draws, 1))
    error = error * t.ppf(norm.cdf(1), n * (draws - 1))
    return np.tensordot(p, values.mean(axis=0), 1)[()], error[()]  # [()]: a number where (n,)


# One latent


def _panels(mean, deviation):
    """Edges of panels that are as wide as the narrowest Gaussian nearby, at most."""
    edges = []
    level = np.floor(np.log2(deviation)).astype(int)
    for k in np.unique(level):
        some, step = level == k, 2.0**k  # lattices of these steps lie in one another
        low = np.floor((mean[some] - _REACH * deviation[some]) / step)
        high = np.ceil((mean[some] + _REACH * deviation[some]) / step)
        starts, counts = low, (high - low).astype(int) + 1
        own = np.repeat(starts - np.r_[0, np.cumsum(counts)[:-1]], counts)
        edges.append(np.unique(own + np.arange(counts.sum())) * step)
    return np.unique(np.concatenate(edges))


def _density(z, mean, deviation, p, groups=None):
    """sum_n p_n N(z; mean_n, deviation_n^2) at sorted z, (m,); with groups, a sparse (n, k) of 0
    and 1, the sums over each, (m, k). Only Gaussians within reach are looked at."""
    order = np.argsort(mean)
    mean, deviation, p = mean[order], deviation[order], p[order]
    level = np.floor(np.log2(deviation)).astype(int)
    found = np.zeros(len(z) if groups is None else (len(z), groups.shape[1]))
    groups = groups if groups is None else groups[order]
    for k in np.unique(level):
        some = np.flatnonzero(level == k)
        m, s, w = mean[some], deviation[some], p[some] / np.sqrt(2 * np.pi)
        own = groups if groups is None else groups[some]
        reach = _REACH * 2.0 ** (k + 1)
        for start in range(0, len(z), 64):
            block = z[start : start + 64]
            first, last = np.searchsorted(m, (block[0] - reach, block[-1] + reach))
            for at_once in range(first, last, 2048):  # so that it stays in the processor's cache
                near = slice(at_once, min(at_once + 2048, last))
                steps = ((block[:, None] - m[near]) / s[near]).astype(np.float32)
                densities = np.exp(steps * steps * np.float32(-0.5))
                heights = (w[near] / s[near]).astype(np.float32)
                found[start : start + 64] += (
                    densities @ heights if own is None else (densities * heights) @ own[near]
                )
    return found


def _quadrature(edges):
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half) + half * _NODES
    return z.ravel(), (half * _WEIGHTS).ravel()


def _of_each_latent(q, measure):
    """measure(mean, deviation, z, weights) of every latent, (L, ...); weights: of the integral."""

    def one(mean, log_variance):
        deviation = np.exp(log_variance / 2)
        return measure(mean, deviation, *_quadrature(_panels(mean, deviation)))

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # NumPy lets others compute meanwhile
        return np.array(list(pool.map(one, q.mean.T, q.log_variance.T)))


def latent_information(q: Mixture) -> Float[np.ndarray, " L"]:
    """I(X; Z_i) of every latent alone, nats: h(Z_i) - h(Z_i|X) by quadrature, without drawing."""

    def entropy(mean, deviation, z, weights):
        density = _density(z, mean, deviation, q.p)
        return -weights @ xlogy(density, density)

    noise = (np.log(2 * np.pi * np.e) + q.p @ q.log_variance) / 2
    return _of_each_latent(q, entropy) - noise


def latent_factors(q: Mixture, index: Int[np.ndarray, " n"]) -> Float[np.ndarray, " L"]:
    """I(f; Z_i) of a factor and every latent alone, nats, by quadrature; index: f of each image."""
    groups = csr_array((np.ones(len(index)), (np.arange(len(index)), index)))
    share = np.bincount(index, q.p)

    def information(mean, deviation, z, weights):
        joint = _density(z, mean, deviation, q.p, groups)
        apart = joint.sum(axis=1, keepdims=True) * share
        ratio = np.divide(joint, apart, out=np.ones_like(joint), where=joint > 0)
        return weights @ xlogy(joint, ratio).sum(axis=1)

    return _of_each_latent(q, information)
