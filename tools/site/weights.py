"""The decoders as the explorer loads them: rounded, 10 bits a weight after compression.

Plain 8 bits move single pixels by up to 0.1. Here a kernel's weights are multiples of one step,
and the rounding error of each row is made up for in the rows below it, as far as the activations
that the codes cause allow (optimal brain surgeon, as in GPTQ, arXiv:2210.17323).
"""

import zlib

import jax.numpy as jnp
import numpy as np
from flax import nnx

MOST_BYTES = 2_000_000
STEPS = 140  # to a standard deviation of a layer's weights
CALIBRATION = 8192  # codes that the rounding is made and judged on


def within_reach(codes, furthest):
    """Codes (n, L) that the explorer can reach: half of the world, half uniform in its box."""
    mean, std = codes.mean(axis=0), codes.std(axis=0)
    box = np.random.default_rng(0).uniform(-furthest, furthest, (CALIBRATION // 2, len(mean)))
    take = np.linspace(0, len(codes) - 1, CALIBRATION // 2).astype(int)
    return np.concatenate([codes[take], mean + std * box])


def _round(kernel, inputs):
    """Integers (n_in, n_out) and the step that they are multiples of; inputs: (n, n_in)."""
    step = kernel.std() / STEPS
    gram = inputs.T @ inputs / len(inputs)
    gram += 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram))  # for units that never speak
    upper = np.linalg.cholesky(np.linalg.inv(gram)).T
    left, integers = kernel.copy(), np.empty(kernel.shape, np.int16)
    for i, row in enumerate(upper):
        integers[i] = np.round(left[i] / step)
        error = (left[i] - integers[i] * step) / row[i]
        left[i + 1 :] -= np.outer(row[i + 1 :], error)
    return integers, np.float32(step)


def rounded_decoder(model, codes):
    """A decoder's layers as (kernel, step, bias): first kernel in float32, step 1, then integers.

    codes: (n, L), on which the rounding is to matter least.
    """
    linear = [layer for layer in model.decoder.layers if isinstance(layer, nnx.Linear)]
    layers, h = [], np.asarray(codes, np.float64)
    for layer in linear:
        kernel, bias = np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])
        rounded = _round(kernel.astype(np.float64), h) if layers else (kernel, np.float32(1))
        layers.append((*rounded, bias))
        h = np.asarray(nnx.gelu(h @ kernel + bias), np.float64)
    return layers


def decode(layers, z):
    """What the explorer computes: z (n, L) -> pixels (n, 784)."""
    h = jnp.asarray(z, jnp.float32)
    for i, (kernel, step, bias) in enumerate(layers):
        h = (nnx.gelu(h) if i else h) @ (kernel * step) + bias
    return nnx.sigmoid(h)


def worst_pixel(model, layers, codes) -> float:
    """The largest difference between a pixel of the rounded decoder and one of the model's."""
    exact = model.decode(jnp.asarray(codes, jnp.float32)).reshape(len(codes), -1)
    return float(jnp.abs(decode(layers, codes) - exact).max())


def pack(decoders):
    """Layers by model name -> (bytes, header by name), the bytes compressed by zlib.

    Little-endian: all float32 (first kernels, biases), then the low bytes of all integers, then
    the high bytes, which compress; each part in the order of models and layers.
    """
    floats, integers, header = [], [], {}
    for name, layers in decoders.items():
        header[name] = [
            {"shape": kernel.shape, "rounded": kernel.dtype == np.int16, "step": float(step)}
            for kernel, step, _ in layers
        ]
        for kernel, _, bias in layers:
            (integers if kernel.dtype == np.int16 else floats).append(kernel.ravel())
            floats.append(bias)
    halves = np.concatenate(integers).astype("<i2").view(np.uint8).reshape(-1, 2)
    parts = (np.concatenate(floats).astype("<f4"), halves[:, 0], halves[:, 1])
    return zlib.compress(b"".join(part.tobytes() for part in parts), 9), header
