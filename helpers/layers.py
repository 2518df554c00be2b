"""What the networks are made of: perceptrons, their first weights, and a decoder that draws."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from .checks import check_count

AT_ONCE = 2**16  # first weights that are drawn at a time
SD_OF_CUT_NORMAL = 0.87962566  # of a standard normal that is cut at +- 2
SMALL_START = 0.3  # of the last weights of the outer products, small beside the mean image

Codes = Float[Array, "n L"]


def _library(array):
    """NumPy, which compiles nothing; inside a trace JAX's."""
    return jnp if isinstance(array, jax.core.Tracer) else np


@jax.jit
def _some_normals(key, number):
    return jax.random.truncated_normal(jax.random.fold_in(key, number), -2, 2, (AT_ONCE,))


def lecun_normal(
    key: PRNGKeyArray, shape: tuple[int, int], dtype=jnp.float32
) -> Float[Array, "..."]:
    """Flax's first weights of a linear layer, drawn by one program whatever their shape.

    Normal of variance 1 / n_in, cut at two standard deviations (LeCun et al. 1998).
    """
    n = math.prod(shape)
    drawn = [_some_normals(key, number) for number in range(-(-n // AT_ONCE))]
    flat = _library(key).concatenate(drawn)[:n] / (SD_OF_CUT_NORMAL * math.sqrt(shape[0]))
    return jnp.asarray(flat.reshape(shape), dtype)


def perceptron(
    sizes: Sequence[int], *, activation: Callable = nnx.gelu, rngs: nnx.Rngs, **settings
) -> nnx.Sequential:
    """Linear layers of the given sizes with the activation between them (none after the last).

    settings: of every `nnx.Linear`.
    """
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nnx.Linear(n_in, n_out, rngs=rngs, **settings), activation]
    return nnx.Sequential(*layers[:-1])


def scale(kernel: nnx.Param, by: float):
    """Multiply first weights in place."""
    kernel[...] = _library(kernel[...]).multiply(kernel[...], np.float32(by))


class OuterProducts(nnx.Module):
    """A decoder whose logits are a matrix of low rank: sum_k row_k column_k^T + bias.

    A perceptron turns the code into `rank` row profiles and `rank` column profiles of `side`
    numbers each, so its last layer is 2 rank / side the size of one that puts out every pixel. The
    singular value decomposition writes any matrix as such a sum; shapes need few terms.

    Args:
        latent_size: L.
        widths: of the hidden layers.
        rank: the number of outer products.
        side: of the canvas.
        **settings: of the `perceptron`.
    """

    def __init__(self, latent_size, widths, rank, *, side, **settings):
        check_count("rank", rank)
        self.rank, self.side = rank, side
        sizes = [latent_size, *widths, 2 * rank * side]
        self.profiles = perceptron(sizes, **settings)
        scale(self.profiles.layers[-1].kernel, SMALL_START)
        self.bias = nnx.Param(jnp.zeros((side, side)))

    def __call__(self, z: Codes) -> Float[Array, "n pixels"]:
        """The logits of the images, pixel after pixel: XLA's loops over the pixels of a row take
        three times as long."""
        n = z.shape[:-1]
        halves = jnp.split(self.profiles(z), 2, axis=-1)
        rows, columns = (half.reshape(*n, self.rank, self.side) for half in halves)
        products = jnp.einsum("...ki,...kj->...ij", rows, columns)
        return products.reshape(*n, -1) + self.bias[...].reshape(-1)
