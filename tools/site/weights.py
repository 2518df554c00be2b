"""The decoders as the explorer loads them: integers, 10 bits a weight after compression.

Two decoders in float16 take 2.8 MB; integers that are rounded one by one move single pixels by more
than 0.01 at 2 MB. Here the rounding error of each row is made up for in the rows below it, as far
as the activations that the codes cause allow (optimal brain surgeon, as in GPTQ, arXiv:2210.17323).
"""

import zlib

import jax.numpy as jnp
import numpy as np
from flax import nnx

from helpers.plotting import evenly

STEPS, FIRST_STEPS = 110, 4000  # to a standard deviation of a layer's weights, of the first one's
CALIBRATION = 8192  # codes that the rounding is made and judged on


def within_reach(units, furthest):
    """Codes u (n, L) that the explorer can reach: half of the world's, half uniform in its box.

    units: the world's codes in standard deviations from their mean, as all codes of this file.
    """
    half = CALIBRATION // 2
    box = np.random.default_rng(0).uniform(-furthest, furthest, (half, units.shape[1]))
    return np.concatenate([units[evenly(len(units), half)], box])


def _round(kernel, inputs, steps):
    """Integers (n_in, n_out) and the step that they are multiples of; inputs: (n, n_in)."""
    step = kernel.std() / steps
    gram = inputs.T @ inputs / len(inputs)
    gram += 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram))  # for units that never speak
    upper = np.linalg.cholesky(np.linalg.inv(gram)).T
    left, integers = kernel.copy(), np.empty(kernel.shape, np.int16)
    for i, row in enumerate(upper):
        integers[i] = np.round(left[i] / step)
        error = (left[i] - integers[i] * step) / row[i]
        left[i + 1 :] -= np.outer(row[i + 1 :], error)
    return integers, float(step)


def rounded_decoder(model, mean, std, u):
    """A decoder's layers as (integers, step, bias); the first takes u, for z = mean + std * u.

    u: (n, L), on which the rounding is to matter least.
    """
    layers, h = [], u
    for layer in model.decoder.layers:
        if isinstance(layer, nnx.Linear):
            kernel, bias = (np.asarray(p[...], np.float64) for p in (layer.kernel, layer.bias))
            if not layers:
                kernel, bias = std[:, None] * kernel, bias + mean @ kernel
            steps = STEPS if layers else FIRST_STEPS
            layers.append((*_round(kernel, h, steps), bias.round(6)))
            h = np.asarray(nnx.gelu(h @ kernel + bias), np.float64)
    return layers


def decode(layers, u):
    """What the explorer computes: u (n, L) -> pixels (n, 784)."""
    h = jnp.asarray(u, jnp.float32)
    for i, (integers, step, bias) in enumerate(layers):
        h = (nnx.gelu(h) if i else h) @ (integers * np.float32(step)) + bias
    return nnx.sigmoid(h)


def pack(decoders):
    """The integers of several decoders, one after the other, as bytes.

    Compressed by zlib: the low bytes of all, then the high bytes, which compress.
    """
    integers = np.concatenate([kernel.ravel() for layers in decoders for kernel, _, _ in layers])
    return zlib.compress(integers.astype("<i2").view(np.uint8).reshape(-1, 2).T.tobytes(), 9)
