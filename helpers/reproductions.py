"""Where to put the reproductions of images at one slope of R(D), so that the bounds meet.

`limits.image_rate_distortion` says how that is done and who found it. Here rates are in nats, and
slopes in nats per unit of ||x - y||^2.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

STEP = 512  # reproductions are padded to multiples of this, so that few programs are compiled
OVER = 1.8  # updates go so much further than Blahut, Arimoto and Rose say: same end, sooner
MET = 1e-2  # nats: reproductions nearer than this, slope times squared distance, may be merged
STARTS, CLIMBS = 128, 60  # climbs to a higher c: from so many of three kinds, and so many steps


_product = partial(jnp.matmul, precision="highest")  # a GPU's quick ones lose small distances


def _exponents(x, y, slope):
    """-s ||x - y||^2."""
    d = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * _product(x, y.T)
    return -slope * jnp.maximum(d, 0)


def _means(weights, x):
    """(sums, means of x) under weights (n, m), for each of m."""
    sums = weights.sum(axis=0)
    return sums, _product(weights.T, x) / jnp.maximum(sums, 1e-30)[:, None]


class _Found(NamedTuple):
    """Reproductions y with q, and what one more pass makes of them.

    With z(x) = sum_y q(y) exp(-s d) and c(y) = E exp(-s d) / z(x), q c are the output probabilities
    of the channel that q gives; means are the averages of x over that channel: where y is best put;
    spent is the average of s d for each x.
    """

    y: Float[jax.Array, "m d"]
    q: Float[jax.Array, " m"]
    c: Float[jax.Array, " m"]
    means: Float[jax.Array, "m d"]
    log_z: Float[jax.Array, " n"]
    spent: Float[jax.Array, " n"]

    def free_energy(self, p):
        """-E log z, nats."""
        return -float(p @ np.asarray(self.log_z, float))

    def moves(self):
        """The squared way of each reproduction to its mean, 0 for the padding."""
        moves = ((self.means - self.y) ** 2).sum(axis=1)
        return np.asarray(jnp.where(self.q > 0, moves, 0), float)


@jax.jit
def _improve(x, p, y, q, slope, tolerance, chance):
    """A better q for these y, and the means of images with the probabilities p * chance."""
    exponents = _exponents(x, y, slope)
    top = jnp.where(q > 0, exponents, -jnp.inf).max(axis=1)
    kernel = jnp.where(q > 0, jnp.exp(exponents - top[:, None]), 0)

    def output(q):
        return _product(p / _product(kernel, q), kernel)

    def step(state):
        i, q, c = state
        q = q * c**OVER
        q = q / q.sum()
        return i + 1, q, output(q)

    def unfinished(state):
        i, _, c = state
        return (i < 60) & (c.max() > 1 + tolerance)

    _, q, c = jax.lax.while_loop(unfinished, step, (0, q, output(q)))
    z = _product(kernel, q)
    _, means = _means(kernel * (p * chance / z)[:, None], x)
    spent = -_product(kernel * exponents, q) / z
    return _Found(y, q, c, means, jnp.log(z) + top, spent)


@jax.jit
def _pull(x, p, log_z, y, slope):
    """(c, means) of any pictures y."""
    return _means(p[:, None] * jnp.exp(_exponents(x, y, slope) - log_z[:, None]), x)


def _kept(y, q, least):
    """Those with q >= least, padded with q = 0."""
    y, q = np.asarray(y), np.asarray(q, float)
    y, q = y[q >= least], q[q >= least] / q[q >= least].sum()
    empty = -len(q) % min(STEP, 2 ** int(np.ceil(np.log2(len(q)))))
    return np.pad(y, ((0, empty), (0, 0))), np.pad(q, (0, empty)).astype(np.float32)


def merge(y, q, radius):
    """One of those within the squared radius of a leader, the likeliest first: so none chain.

    Returns:
        Their means under q (k, d), float32, and the sums of q (k,).
    """
    y, q = np.asarray(y)[np.asarray(q) > 0], np.asarray(q, float)[np.asarray(q) > 0]
    energies = (y**2).sum(axis=1)
    near = energies[:, None] + energies - 2 * y @ y.T < radius
    leader = np.full(len(q), -1)
    for i in np.argsort(-q, kind="stable"):
        if leader[i] < 0:
            leader[near[i] & (leader < 0)] = i
            leader[i] = i
    _, group = np.unique(leader, return_inverse=True)
    members = csr_array((q, (group, np.arange(len(q)))))
    total = np.bincount(group, q)
    return (members @ y / total[:, None]).astype(np.float32), total


def _minimise(x, p, y, q, slope, tolerance, max_passes, chance=None):
    """(found, passes): y and q are moved, by chance at first if it is given, until no move matters:
    one by r raises log c by about slope r^2, which the tolerance (nats) limits.
    """
    least = 1e-3 * p[p > 0].min()  # what serves a thousandth of the rarest image is dropped
    weights, still = jnp.asarray(p, jnp.float32), np.ones(len(p))

    def improve(y, q, chance=still):
        return _improve(x, weights, *_kept(y, q, least), slope, tolerance, chance)

    passes = 1
    if chance is not None:
        found, passes = improve(y, q, chance), 2
        y, q = found.means, found.q
    found = improve(y, q)
    while slope * found.moves().max() > tolerance and passes < max_passes:
        found = improve(found.y + OVER * (found.means - found.y), found.q)
        passes += 1
    y, q = merge(found.means, found.q, MET / slope)
    if len(q) < np.count_nonzero(found.q):
        merged, passes = improve(y, q), passes + 1
        if merged.free_energy(p) < found.free_energy(p) + tolerance / 10:
            found = merged
    return found, passes


def _climb(x, p, found, slope, rng):
    """(sup c, peaks, their c), climbed to from images and reproductions."""
    p, log_z, some = jnp.asarray(p, jnp.float32), found.log_z, min(STARTS, len(x))
    c, y = _pull(x, p * rng.uniform(0.5, 1.5, len(p)), log_z, x, slope)
    likely, others = jnp.argsort(-c)[:some], rng.permutation(len(x))[:some]
    used = rng.choice(np.flatnonzero(found.q), some)
    y = jnp.concatenate([y[likely], y[others], found.y[used]])
    best, height = float(found.c.max()), np.full(len(y), -np.inf)
    for _ in range(CLIMBS):
        c, means = _pull(x, p, log_z, y, slope)
        last, height = height, np.log(np.maximum(c, 1e-30))
        best = max(best, float(c.max()))
        # None would pass the best in twenty more steps at the pace of this one.
        if (height + 20 * (height - last)).max() < np.log(best) + 1e-4:
            break
        y = y + OVER * (means - y)
    return best, y, np.asarray(c, float)


def solve(x, p, y, q, slope, tolerance, rng, max_passes):
    """The best reproductions of images x (n, d) of probabilities p (n,) at one slope.

    Args:
        y, q: reproductions to start from (m, d), and how often each is sent (m,).
        tolerance: bits, between the bounds.
        rng: NumPy's, for what is left to chance.
        max_passes: of all reproductions over all images.

    Returns:
        (found, rate, distortion, dual, reproductions used), rate and dual in nats.

    Raises:
        RuntimeError: max_passes do not suffice, or a rate above what so many can tell apart.
    """
    # Images weighed by chance take y off a saddle, halfway between what it might split into.
    nats, passes, chance = tolerance * np.log(2), 0, rng.uniform(0.5, 1.5, len(p))
    while True:
        found, more = _minimise(x, p, y, q, slope, nats / 5, max_passes - passes, chance)
        rate, error, used = _channel(x, p, found)
        highest, peaks, heights = _climb(x, p, found, slope, rng)
        dual = min(found.free_energy(p) - np.log(highest), rate + slope * error)
        gap, passes = rate + slope * error - dual, passes + more
        if gap <= nats:
            return found, rate, error, dual, used
        if passes >= max_passes or not np.isfinite(gap):
            raise RuntimeError(
                f"the bounds differ by {gap / np.log(2):.2g} bits after {passes} iterations, "
                f"more than the tolerance {tolerance:g}"
            )
        y, q, chance = np.asarray(found.y), np.asarray(found.q, float), None
        better = heights > 1 + nats / 4
        if better.any():
            new, _ = merge(np.asarray(peaks)[better], heights[better], MET / slope)
            y = np.concatenate([y, new])
            q = np.concatenate([0.9 * q, np.full(len(new), 0.1 / len(new))])


def _channel(x, p, found):
    """(rate in nats, distortion, reproductions used) of the channel at hand, which sends to means.

    Raises RuntimeError for more bits than so many reproductions can tell apart.
    """
    c, means = np.asarray(found.c, float), np.asarray(found.means, float)
    sent = np.asarray(found.q, float) * c
    sent /= sent.sum()  # 1 but for rounding
    energy = p @ (np.asarray(x, float) ** 2).sum(axis=1)
    error = energy - sent @ (means**2).sum(axis=1)
    divergence = sent @ np.log(np.where(sent > 0, c, 1))  # of what is sent from q
    # By the very d that made the channel: a steep slope magnifies what float32 loses of them.
    rate = found.free_energy(p) - p @ np.asarray(found.spent, float) - divergence
    used = np.count_nonzero(sent)
    if not rate <= np.log(used) + 1e-4:
        raise RuntimeError(f"expected at most log2({used}) bits, got {rate / np.log(2):g}")
    return np.clip(rate, 0, np.log(used)), max(error, 0.0), used
