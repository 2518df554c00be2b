"""Training speed of the CNN: our layers against XLA's convolutions, scanned and step by step.

    .venv/bin/python benchmarks/convolutions.py

Machines are noisy: read the ratios of one run, not the images per second.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from helpers import models
from helpers.objectives import vae_loss
from helpers.training import fit, train_step

BATCH, BATCHES = 256, 8
LAYOUT = ("NHWC", "HWIO", "NHWC")


class XlaConvolution(models.Convolution):
    """The same layer by lax.conv_general_dilated."""

    def __call__(self, x):
        strides = (self.stride, self.stride)
        padding = ((1, 1), (1, 1))
        product = jax.lax.conv_general_dilated(
            x, self.kernel[...], strides, padding, dimension_numbers=LAYOUT
        )
        return product + self.bias


class XlaTransposedConvolution(models.TransposedConvolution):
    """The same layer by a convolution with the input dilated."""

    def __call__(self, x):
        padding = ((1, 1 + self.extra),) * 2
        product = jax.lax.conv_general_dilated(
            x,
            jnp.flip(self.kernel[...], (0, 1)),
            (1, 1),
            padding,
            lhs_dilation=(2, 2),
            dimension_numbers=LAYOUT,
        )
        return product + self.bias


def network(kind):
    """The CNN with these layers, freshly initialised: equal weights for equal kinds of layers."""
    ours = models.Convolution, models.TransposedConvolution
    if kind == "xla":
        models.Convolution, models.TransposedConvolution = XlaConvolution, XlaTransposedConvolution
    try:
        return models.ConvolutionalVariationalAutoencoder(2, rngs=nnx.Rngs(0))
    finally:
        models.Convolution, models.TransposedConvolution = ours


def scanned(model, images, optimizer, epochs):
    """Seconds of `epochs` epochs by `fit`."""
    settings = {"batch_size": BATCH, "optimizer": optimizer, "key": jax.random.key(1)}
    start = time.perf_counter()
    fit(model, images, vae_loss, epochs=epochs, **settings)
    return time.perf_counter() - start


def stepped(model, images, optimizer, epochs):
    """Seconds of as many jitted steps in a Python loop."""
    state = nnx.Optimizer(model, optimizer, wrt=nnx.Param)
    start = time.perf_counter()
    for key in jax.random.split(jax.random.key(1), epochs * BATCHES):
        terms = train_step(model, state, vae_loss, images[:BATCH], key)
    jax.block_until_ready(terms)
    return time.perf_counter() - start


def main():
    images = jax.random.uniform(jax.random.key(0), (BATCH * BATCHES, 28, 28))
    optimizer = optax.adam(1e-3)
    x = images[:4]
    one, other = network("ours"), network("xla")
    assert jnp.allclose(one.encode(x)[0], other.encode(x)[0], atol=1e-4)
    assert jnp.allclose(one.decode(one.encode(x)[0]), other.decode(one.encode(x)[0]), atol=1e-4)
    print(f"{'layers':8}{'loop':10}{'images/s':>10}{'ratio':>8}")
    speeds = {}
    for layers in ("ours", "xla"):
        for loop in (scanned, stepped):
            model = network(layers)
            once = loop(model, images, optimizer, 1)  # compiles
            seconds = loop(model, images, optimizer, 3) if once < 60 else once
            epochs = 3 if once < 60 else 1
            speeds[layers, loop.__name__] = epochs * len(images) / seconds
            ratio = speeds[layers, loop.__name__] / speeds["ours", "scanned"]
            print(f"{layers:8}{loop.__name__:10}{epochs * len(images) / seconds:10.0f}{ratio:8.2f}")


if __name__ == "__main__":
    main()
