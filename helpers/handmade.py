"""A code made by hand: every factor of the world in a latent of its own.

Value k of factor i is sent as N(m_ik, s_ik^2) in latent i. Factors are independent and uniform, and
so are then the latents: everything about the code is a sum or a product over one-dimensional
mixtures, which quadrature gives exactly, in float64. It is a Gaussian channel like a VAE's encoder,
so what it reaches a VAE could reach.
"""

from itertools import permutations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import ndtri

from .shapes import ShapeWorld

# A switch for double precision: JAX 0.8 moved it.
_enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64

_STEPS = np.linspace(-6, 6, 97)  # of z around each mean, in standard deviations
_WEIGHTS = np.exp(-(_STEPS**2) / 2) / np.exp(-(_STEPS**2) / 2).sum()


class HandMade(NamedTuple):
    """Means and log variances of the values of every factor, a pair of arrays (K_i,) for each."""

    means: tuple[Float[np.ndarray, " K"], ...]
    log_variances: tuple[Float[np.ndarray, " K"], ...]


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
    confusion = jnp.einsum("ukj,vkj,j->uv", p, p, weights)
    kl = (mean**2 + jnp.exp(log_variance) - log_variance - 1).mean() / 2
    return kl, information, confusion


@jax.jit
def _numbers(code, order, images):
    """KL and I (nats), and the distortion of the best decoder.

    E||x - E[x|z]||^2 = E||x||^2 - E||E[x|z]||^2, and the last is a sum over all pairs of images of
    their scalar product, weighed by the product of the C of their factors.
    images: (shape, x, y and size, pixels).
    """
    kl, information, confusions = zip(*(_one_latent(*pair) for pair in code), strict=True)
    shape, x, y, size = confusions
    front, back = jnp.kron(shape, x), jnp.kron(y, size)
    images = images[order].reshape(len(front), len(back), -1)  # shapes as along their latent
    products = jnp.einsum("abp,acp->bc", images, jnp.tensordot(front, images, 1))
    energy = (images**2).sum() / (len(front) * len(back))
    return sum(kl), sum(information), energy - (back * products).sum()


def _images(world):
    """The pixels about their mean, in float64, as `_numbers` takes them."""
    shapes, xs, *_ = world.cardinalities
    pixels = world.images.reshape(len(world.images), -1).astype(float)
    return (pixels - pixels.mean(axis=0)).reshape(shapes, xs, -1, pixels.shape[1])


def measure(code: HandMade, world: ShapeWorld, order=None) -> dict:
    """The account of a hand-made code over the whole world, exact up to quadrature.

    Args:
        code: a pair for each of the world's factors.
        order: of the shapes along their latent, by index; as in `world.shapes` by default.

    Returns:
        kl, mutual_information (bits per image) and distortion, E||x - E[x|z]||^2 of the best
        decoder, which looks all images up.

    Raises:
        ValueError: a code that does not fit the world, an order that is none.
    """
    sizes = tuple(map(len, code.means))
    if sizes != tuple(world.cardinalities):
        raise ValueError(f"code: expected values {tuple(world.cardinalities)}, got {sizes}")
    shapes = world.cardinalities[0]
    order = np.arange(shapes) if order is None else np.asarray(order)
    if sorted(order.tolist()) != list(range(shapes)):
        raise ValueError(f"order: expected each of 0 to {shapes - 1} once, got {order.tolist()}")
    with _enable_x64(True):
        return _measured(_pairs(code), order, _images(world))


def _measured(pairs, order, images):
    kl, information, distortion = _numbers(pairs, order, images)
    bits = np.array([kl, information], float) / np.log(2)
    return {"kl": bits[0], "mutual_information": bits[1], "distortion": float(distortion)}


def _pairs(code):
    return [tuple(map(jnp.asarray, pair)) for pair in zip(*code, strict=True)]


@jax.jit
def _loss(code, order, images, c):
    kl, _, distortion = _numbers(code, order, images)
    return distortion / (2 * c) + kl


_loss_and_gradient = jax.jit(jax.value_and_grad(_loss))


def optimised(world: ShapeWorld, cs, *, steps: int = 60) -> list[dict]:
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

    Raises:
        ValueError: no c, one that is not > 0, or a factor of the world with fewer than two values.
    """
    cs = np.sort(np.asarray(cs, float).ravel())
    if not len(cs) or not (cs > 0).all():
        raise ValueError(f"cs: expected numbers > 0, got {cs}")
    with _enable_x64(True):
        return _optimised(_pairs(hand_made(world.cardinalities)), _images(world), cs, steps)


def _optimised(start, images, cs, steps):
    images = jnp.asarray(images)
    orders = [np.array(o) for o in permutations(range(len(images))) if o[0] < o[-1]]
    order = min(orders, key=lambda order: float(_loss(start, order, images, cs[0])))
    flat, unravel = ravel_pytree(start)

    def objective(parameters, c):
        value, gradient = _loss_and_gradient(unravel(parameters), order, images, c)
        return float(value), np.asarray(ravel_pytree(gradient)[0])

    rows, last = [], flat
    for c in cs:
        found = [
            minimize(objective, x, (c,), jac=True, method="L-BFGS-B", options={"maxiter": steps})
            for x in ((flat, last) if rows else (flat,))
        ]
        best = min(found, key=lambda result: result.fun)
        last = best.x
        numbers = _measured(unravel(last), order, images)
        rows.append({"c": c} | numbers | {"loss": float(best.fun), "order": order.tolist()})
    return rows
