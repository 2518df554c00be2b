"""Training speed of the CNN: our layers against XLA's convolutions, scanned and step by step."""

import time

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from machine import ROOT  # noqa: F401 (puts the project on Python's path)

from helpers import models
from helpers.objectives import vae_loss
from helpers.training import fit, train_step

BATCH, BATCHES, EPOCHS = 256, 4, 3
RATE = 1e-3


class XlaConvolution(models.Convolution):
    """The same layer by XLA on the CPU too."""

    def __call__(self, x):
        return self.by_xla(x, self.kernel[...], self.bias[...])


class XlaTransposedConvolution(models.TransposedConvolution):
    """The same layer by XLA on the CPU too."""

    def __call__(self, x):
        return self.by_xla(x, self.kernel[...], self.bias[...])


def network(kind):
    """The CNN with these layers, freshly initialised: equal weights for equal kinds of layers."""
    ours = models.Convolution, models.TransposedConvolution
    if kind == "xla":
        models.Convolution, models.TransposedConvolution = XlaConvolution, XlaTransposedConvolution
    try:
        return models.ConvolutionalVariationalAutoencoder(2, rngs=nnx.Rngs(0))
    finally:
        models.Convolution, models.TransposedConvolution = ours


def scanned(model, images, epochs):
    """Seconds of `epochs` epochs by `fit`."""
    settings = {"batch_size": BATCH, "learning_rate": RATE, "key": jax.random.key(1)}
    start = time.perf_counter()
    fit(model, images, vae_loss, epochs=epochs, **settings)
    return time.perf_counter() - start


def stepped(model, images, epochs):
    """Seconds of as many jitted steps in a Python loop."""
    state = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    start = time.perf_counter()
    for key in jax.random.split(jax.random.key(1), epochs * BATCHES):
        terms = train_step(model, state, vae_loss, images[:BATCH], key)
    jax.block_until_ready(terms)
    return time.perf_counter() - start


def measure():
    """A row for each kind of layers and of loop: images per second, and how many times as fast as
    the slowest."""
    images = jax.random.uniform(jax.random.key(0), (BATCH * BATCHES, 28, 28))
    x = images[:4]
    one, other = network("ours"), network("xla")
    assert jnp.allclose(one.encode(x)[0], other.encode(x)[0], atol=1e-4)
    assert jnp.allclose(one.decode(one.encode(x)[0]), other.decode(one.encode(x)[0]), atol=1e-4)
    rows = []
    for layers in ("ours", "xla"):
        for loop in (scanned, stepped):
            model = network(layers)
            loop(model, images, 1)  # compiles
            seconds = loop(model, images, EPOCHS)
            speed = EPOCHS * len(images) / seconds
            rows.append({"layers": layers, "loop": loop.__name__, "images_per_second": speed})
    slowest = min(row["images_per_second"] for row in rows)
    for row in rows:
        row["over_the_slowest"] = row["images_per_second"] / slowest
        print(row, flush=True)
    return rows


if __name__ == "__main__":
    measure()
