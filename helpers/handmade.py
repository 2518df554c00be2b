"""A code made by hand: every factor of the world in a latent of its own.

Value k of factor i is sent as N(m_ik, s_ik^2) in latent i. Factors are independent and uniform, and
so are then the latents: everything about the code is a sum or a product over one-dimensional
mixtures, which quadrature gives exactly. It is a Gaussian channel like a VAE's encoder, so what it
reaches a VAE could reach.
"""

from itertools import permutations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.optimize import minimize
from scipy.special import ndtri

from .shapes import ShapeWorld

_STEPS = np.linspace(-6, 6, 97)  # of z around each mean, in standard deviations
_WEIGHTS = np.exp(-(_STEPS**2) / 2) / np.exp(-(_STEPS**2) / 2).sum()


class HandMade(NamedTuple):
    """Means and log variances of the values of every factor, a pair of arrays (K_i,) for each."""

    means: tuple[Float[Array, " K"], ...]
    log_variances: tuple[Float[Array, " K"], ...]


def hand_made(cardinalities: tuple[int, ...], share: float = 0.2) -> HandMade:
    """Values at the quantiles of N(0, 1), with noise that is a share of the distance between them.

    Args:
        cardinalities: the number of values of each factor, at least 2.
        share: the standard deviation of a value, over the distance to its neighbours, > 0.

    Raises:
        ValueError: a factor with fewer than two values, or a share that is not > 0.
    """
    if min(cardinalities) < 2 or not share > 0:
        raise ValueError(
            f"cardinalities, share: expected values >= 2 and a number > 0, "
            f"got {cardinalities} and {share}"
        )
    means = [ndtri((np.arange(k) + 0.5) / k) for k in cardinalities]
    return HandMade(tuple(means), tuple(2 * np.log(share * np.gradient(m)) for m in means))


def _one_latent(mean, log_variance):
    """(KL, I, C) of one latent: nats, nats, and C[u, v] = E_z P(u|z) P(v|z), (K, K)."""
    z = mean[:, None] + jnp.exp(log_variance / 2)[:, None] * _STEPS  # (K, steps)
    log_density = -((z - mean[:, None, None]) ** 2 / jnp.exp(log_variance)[:, None, None])
    log_p = jax.nn.log_softmax((log_density - log_variance[:, None, None]) / 2, axis=0)
    weights = _WEIGHTS / len(mean)
    own = jnp.diagonal(log_p, axis1=0, axis2=1).T  # log P(k|z) at the z of k itself
    information = jnp.log(len(mean)) + (weights * own).sum()
    p = jnp.exp(log_p)
    confusion = jnp.einsum("ukj,vkj,j->uv", p, p, weights, precision="highest")
    kl = (mean**2 + jnp.exp(log_variance) - log_variance - 1).mean() / 2
    return kl, information, confusion


@jax.jit
def _numbers(code, order, distances):
    """KL and I (nats), and the distortion of the best decoder.

    E||x - E[x|z]||^2 is half of E||x_m - x_n||^2, with m and n drawn independently from P(.|z): a
    sum over all pairs of images, each weighed by the product of the C of its factors.
    """
    kl, information, confusions = zip(*(_one_latent(*pair) for pair in code), strict=True)
    shape, x, y, size = confusions
    place = jnp.argsort(order)  # of each shape along its latent
    front, back = jnp.kron(shape[place][:, place], x), jnp.kron(y, size)
    pairs = distances.reshape(front.size, back.size)
    distortion = front.ravel() @ jnp.matmul(pairs, back.ravel(), precision="highest")
    return sum(kl), sum(information), distortion


def _distances(world):
    """Half of ||x_m - x_n||^2 for (shape, x) of m and of n, then (y, size) of both."""
    shapes, xs, ys, sizes = world.cardinalities
    pixels = world.images.reshape(len(world.images), -1).astype(float)
    pixels = pixels - pixels.mean(axis=0)
    energy = (pixels**2).sum(axis=1)
    rows = []
    for some, own in zip(*(np.split(a, shapes * xs) for a in (pixels, energy)), strict=True):
        half = (own[:, None] + energy) / 2 - some @ pixels.T  # (y, size) by all
        rows.append(half.reshape(ys * sizes, shapes * xs, -1).swapaxes(0, 1).astype(np.float32))
    return jnp.asarray(np.maximum(rows, 0))


def measure(code: HandMade, world: ShapeWorld, order=None) -> dict:
    """The account of a hand-made code over the whole world, exact up to quadrature.

    Args:
        code: a pair for each of the world's factors.
        order: of the shapes along their latent, by index; as in `world.shapes` by default.

    Returns:
        kl, mutual_information (bits per image) and distortion, E||x - E[x|z]||^2 of the best
        decoder, which looks all images up.

    Raises:
        ValueError: a code that does not fit the world.
    """
    sizes = tuple(map(len, code.means))
    if sizes != tuple(world.cardinalities):
        raise ValueError(f"code: expected values {tuple(world.cardinalities)}, got {sizes}")
    order = range(world.cardinalities[0]) if order is None else order
    return _measured(_pairs(code), np.array(order), _distances(world))


def _measured(pairs, order, distances):
    kl, information, distortion = _numbers(pairs, order, distances)
    bits = np.array([kl, information], float) / np.log(2)
    return {"kl": bits[0], "mutual_information": bits[1], "distortion": float(distortion)}


def _pairs(code):
    return [tuple(map(jnp.asarray, pair)) for pair in zip(*code, strict=True)]


@jax.jit
def _loss(code, order, distances, c):
    kl, _, distortion = _numbers(code, order, distances)
    return distortion / (2 * c) + kl


_loss_and_gradient = jax.jit(jax.value_and_grad(_loss))


def optimised(world: ShapeWorld, cs, *, share: float = 0.2, steps: int = 60) -> list[dict]:
    """For every c the hand-made code with the least VAE loss, distortion / (2 c) + KL.

    Means and variances of all values are free, from those of `hand_made` on; each c starts from the
    code of the last smaller one too, and keeps the better; the order of the shapes is the best of
    all at the start. A local optimum of one layout, so only a bound: Gaussian posteriors need no
    more than this.

    Args:
        cs: variances of a pixel, > 0.
        steps: of L-BFGS, at most.

    Returns:
        By rising c: c, kl and mutual_information (bits), distortion, loss (nats), order.
    """
    cs = np.sort(np.asarray(cs, float).ravel())
    if not len(cs) or not (cs > 0).all():
        raise ValueError(f"cs: expected numbers > 0, got {cs}")
    start = _pairs(hand_made(world.cardinalities, share))
    distances = _distances(world)
    orders = [np.array(o) for o in permutations(range(world.cardinalities[0])) if o[0] < o[-1]]
    order = min(orders, key=lambda order: float(_loss(start, order, distances, cs[0])))
    flat, unravel = ravel_pytree(start)

    def objective(parameters, c):
        code = unravel(jnp.asarray(parameters, flat.dtype))
        value, gradient = _loss_and_gradient(code, order, distances, c)
        return float(value), np.asarray(ravel_pytree(gradient)[0], float)

    rows, last = [], flat
    for c in cs:
        found = [
            minimize(objective, x, (c,), jac=True, method="L-BFGS-B", options={"maxiter": steps})
            for x in ((flat, last) if rows else (flat,))
        ]
        best = min(found, key=lambda result: result.fun)
        last = best.x
        code = unravel(jnp.asarray(last, flat.dtype))
        numbers = _measured(code, order, distances)
        rows.append({"c": c} | numbers | {"loss": float(best.fun), "order": order.tolist()})
    return rows
