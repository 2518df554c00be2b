"""3x3 convolutions for the CNN of the studies.

On a CPU, within a scan, XLA's own strided convolutions are many times slower than the same sums
written as slices and one matrix product; elsewhere XLA's are used. Both are tested to be equal.
"""

from functools import cache

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

DIMENSIONS = ("NHWC", "HWIO", "NHWC")  # how XLA is told what is which axis


@cache  # one function for one fan_in: older Flax tells architectures apart by it
def pytorch_start(fan_in: int) -> dict:
    """PyTorch's default start, as the report's networks have it: U(-b, b) with b = fan_in^-1/2.

    Biases too: with biases of 0 the layers of a decoder of two latents all bend at z = 0.

    Returns:
        `kernel_init` and `bias_init`, as Flax's layers take them.
    """

    def start(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -1, 1) / fan_in**0.5

    return {"kernel_init": start, "bias_init": start}


class _Kernel(nnx.Module):
    """Weights (3, 3, n_in, n_out) and a bias (n_out,), started as PyTorch does.

    The products below take the weights as (n_out, ...).T: so XLA forms their gradient without first
    copying its other factor, the largest array there is, into another order.
    """

    def __init__(self, n_in, n_out, *, fan_in=None, rngs: nnx.Rngs):
        start = pytorch_start(9 * (fan_in or n_in))
        self.kernel = nnx.Param(start["kernel_init"](rngs.params(), (3, 3, n_in, n_out)))
        self.bias = nnx.Param(start["bias_init"](rngs.params(), (n_out,)))

    def __call__(self, x: Float[Array, "n h w n_in"]) -> Float[Array, "n h2 w2 n_out"]:
        branches = {"cpu": self.by_products, "default": self.by_xla}
        return jax.lax.platform_dependent(x, self.kernel[...], self.bias[...], **branches)


class Convolution(_Kernel):
    """3x3, padding 1: x (n, h, w, n_in) -> (n, ceil(h / stride), ceil(w / stride), n_out)."""

    def __init__(self, n_in, n_out, *, stride=2, rngs: nnx.Rngs):
        super().__init__(n_in, n_out, rngs=rngs)
        self.stride = stride

    def by_xla(self, x, kernel, bias):
        """The sums by XLA's convolution."""
        strides = (self.stride, self.stride)
        padding = ((1, 1), (1, 1))
        sums = jax.lax.conv_general_dilated(
            x, kernel, strides, padding, dimension_numbers=DIMENSIONS
        )
        return sums + bias

    def by_products(self, x, kernel, bias):
        """The sums as nine shifted slices and one matrix product."""
        (_, h, w, _), s = x.shape, self.stride
        *_, n_in, n_out = kernel.shape
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        # Slices of what is smaller: of x, or, where few channels come out, of its products.
        multiply_first = s**2 * n_out < n_in
        if multiply_first:
            x = x @ kernel.transpose(0, 1, 3, 2).reshape(-1, n_in).T
        taps = [x[:, i : i + h : s, j : j + w : s] for i in range(3) for j in range(3)]
        if multiply_first:
            taps = [tap[..., k * n_out : (k + 1) * n_out] for k, tap in enumerate(taps)]
            return sum(taps) + bias
        weights = kernel.transpose(3, 0, 1, 2).reshape(n_out, -1)
        return jnp.concatenate(taps, axis=3) @ weights.T + bias


class TransposedConvolution(_Kernel):
    """3x3, stride 2, padding 1: x (n, h, w, n_in) -> (n, 2h - 1 + extra, 2w - 1 + extra, n_out).

    The gradient of `Convolution`, as in PyTorch's ConvTranspose2d (extra: its output_padding, 0 or
    1). An even row 2m of the output sees row m of x through kernel row 1; an odd row 2m + 1 sees
    rows m and m + 1 through kernel rows 2 and 0. Columns do the same: four phases, interleaved.
    """

    def __init__(self, n_in, n_out, *, extra=1, rngs: nnx.Rngs):
        super().__init__(n_in, n_out, fan_in=n_out, rngs=rngs)  # as PyTorch counts it
        self.extra = extra

    def by_xla(self, x, kernel, bias):
        """The sums by XLA's convolution of the input with zeros between its pixels."""
        sums = jax.lax.conv_general_dilated(
            x,
            jnp.flip(kernel, (0, 1)),
            window_strides=(1, 1),
            padding=((1, 1 + self.extra),) * 2,
            lhs_dilation=(2, 2),
            dimension_numbers=DIMENSIONS,
        )
        return sums + bias

    def by_products(self, x, kernel, bias):
        """The sums as four phases, each one matrix product of slices, interleaved."""
        n, h, w, _ = x.shape
        kernel = kernel.transpose(0, 1, 3, 2)
        padded = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        seen = {0: ((0, 1),), 1: ((0, 2), (1, 0))}  # phase: (shift of x, row of the kernel)

        def phase(rows, columns):
            """The output pixels in these rows and columns of every 2 x 2 block."""
            taps = [(di, dj, kernel[i, j]) for di, i in seen[rows] for dj, j in seen[columns]]
            inputs = jnp.concatenate([padded[:, a : a + h, b : b + w] for a, b, _ in taps], axis=3)
            return inputs @ jnp.concatenate([weights for *_, weights in taps], axis=1).T

        rows = [jnp.stack([phase(i, 0), phase(i, 1)], axis=3) for i in (0, 1)]
        whole = jnp.stack(rows, axis=2).reshape(n, 2 * h, 2 * w, -1) + bias
        return whole[:, : 2 * h - 1 + self.extra, : 2 * w - 1 + self.extra]
