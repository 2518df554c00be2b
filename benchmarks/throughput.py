"""Training throughput: `fit` against a Python loop of jitted steps, PyTorch and the arithmetic.

Everything is the same for all: architecture, loss, Adam, a shuffle of the same images in memory
every epoch, the remainder of an epoch dropped; float32 on the CPU. A time is that of a run of some
epochs, since nobody calls `fit` for one.
"""

from functools import partial
from itertools import pairwise

import jax
import numpy as np
import optax
import torch
from flax import nnx
from jax.tree_util import Partial
from machine import cores, in_turns, large_product
from torch import nn

from helpers import recipes
from helpers.models import (
    DECODER_WIDTHS,
    ENCODER_WIDTHS,
    Autoencoder,
    ConvolutionalVariationalAutoencoder,
    VariationalAutoencoder,
)
from helpers.objectives import autoencoder_loss, vae_loss
from helpers.shapes import shape_world
from helpers.training import fit

LATENTS, C = recipes.LATENT_SIZE, recipes.C
BATCHES, CNN_BATCH = (64, 128, 256), 256
EPOCHS, ROUNDS = 5, 7  # of a timed run; how often each is timed
RATE = 1e-3  # Adam's


@nnx.jit
def _step(model, optimizer, loss, images, key):
    """The step of Flax's tutorial."""
    (value, _), gradients = nnx.value_and_grad(loss, has_aux=True)(model, images, key)
    optimizer.update(model, gradients)
    return value


def flax_loop(model, images, loss, batch):
    """A Python loop of jitted steps; NumPy picks the batches, which is faster here than to let JAX
    pick them outside of a compiled function."""
    optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    rng = np.random.default_rng(0)

    def run():
        steps = len(images) // batch
        for epoch_key in jax.random.split(jax.random.key(1), EPOCHS):
            order = rng.permutation(len(images))[: steps * batch].reshape(steps, batch)
            for rows, key in zip(order, jax.random.split(epoch_key, steps), strict=True):
                value = _step(model, optimizer, loss, images[rows], key)
        return value

    return run


def scanned(model, images, loss, batch):
    """`fit`."""
    settings = {
        "epochs": EPOCHS,
        "batch_size": batch,
        "learning_rate": RATE,
        "key": jax.random.key(1),
    }
    return lambda: fit(model, images, loss, **settings)


class TorchVAE(nn.Module):
    """The same networks in PyTorch; `latents` outputs of the encoder twice for a VAE."""

    def __init__(self, encoder, decoder, variational):
        super().__init__()
        self.encoder, self.decoder, self.variational = encoder, decoder, variational

    def loss(self, x):
        code, kl = self.encoder(x), 0.0
        if self.variational:
            mean, log_variance = code.chunk(2, dim=1)
            code = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
            kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1).mean()
        x_hat = torch.sigmoid(self.decoder(code)).reshape(x.shape)
        error = ((x - x_hat) ** 2).flatten(1).sum(1).mean()
        return error / (2 * C) + kl if self.variational else error


def torch_mlp(widths):
    layers = [nn.Flatten()]
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.GELU("tanh")]
    return nn.Sequential(*layers[:-1])


def torch_cnn():
    def block(layer, features):
        return [layer, nn.BatchNorm2d(features), nn.ELU()]

    down = partial(nn.Conv2d, kernel_size=3, stride=2, padding=1)
    up = partial(nn.ConvTranspose2d, kernel_size=3, stride=2, padding=1)
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28)), *block(down(1, 32), 32), *block(down(32, 64), 64),
        *block(down(64, 32), 32), nn.Flatten(), nn.Linear(512, 2 * LATENTS),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(LATENTS, 512), nn.Unflatten(1, (32, 4, 4)), *block(up(32, 64), 64),
        *block(up(64, 32, output_padding=1), 32), *block(up(32, 32, output_padding=1), 32),
        nn.Conv2d(32, 1, 3, padding=1),
    )  # fmt: skip
    return TorchVAE(encoder, decoder, True)


def torch_loop(model, images, batch):
    """A Python loop in PyTorch eager."""
    images = torch.tensor(np.asarray(images))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def run():
        steps = len(images) // batch
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(images))[: steps * batch].reshape(steps, batch):
                optimizer.zero_grad()
                value = model.loss(images[rows])
                value.backward()
                optimizer.step()
        return value.item()

    return run


def _mlp_flops(widths):
    """Multiplications and additions of a training step per image: forward, and the gradients by
    the weights and (but for the first layer) by the input."""
    products = [2 * n_in * n_out for n_in, n_out in pairwise(widths)]
    return 3 * sum(products) - products[0]


def _cnn_flops():
    layers = [(1, 32, 14), (32, 64, 7), (64, 32, 4), (32, 64, 4), (64, 32, 7), (32, 32, 14)]
    layers += [(32, 1, 28)]  # (channels in, out, side of the smaller picture)
    products = [2 * 9 * n_in * n_out * side**2 for n_in, n_out, side in layers]
    linear = [2 * 512 * 2 * LATENTS, 2 * LATENTS * 512]
    return 3 * (sum(products) + sum(linear)) - products[0]


def _row(name, contestants, images, batch, flops):
    product, product_flops = large_product()
    times = in_turns(contestants | {"product": product}, ROUNDS)
    peak = product_flops / times.pop("product")
    n = EPOCHS * (len(images) // batch) * batch
    row = {
        "model": name,
        "batch": batch,
        "images_per_second": {who: n / t for who, t in times.items()},
        "fit_over": {who: t / times["fit"] for who, t in times.items() if who != "fit"},
        "peak_gflops": 1e-9 * peak,
        "share_of_the_limit": n * flops / peak / times["fit"],
    }
    ratios = ", ".join(f"{r:.2f} x {who}" for who, r in row["fit_over"].items())
    print(f"{name}, batch {batch}: {n / times['fit']:,.0f} images/s, {ratios}, "
          f"{row['share_of_the_limit']:.2f} of the limit", flush=True)  # fmt: skip
    return row


def perceptrons(images):
    """Rows for the notebooks' AE and VAE at three sizes of batch."""
    for name, kind, loss in (
        ("AE", Autoencoder, Partial(autoencoder_loss)),
        ("VAE", VariationalAutoencoder, Partial(vae_loss, c=C, beta=1.0)),
    ):
        outputs = kind.outputs_per_latent * LATENTS
        encoder = [784, *ENCODER_WIDTHS, outputs]
        decoder = [LATENTS, *DECODER_WIDTHS, 784]
        flops = _mlp_flops(encoder) + _mlp_flops(decoder) + 2 * LATENTS * DECODER_WIDTHS[0]
        for batch in BATCHES:
            network = TorchVAE(torch_mlp(encoder), torch_mlp(decoder), name == "VAE")
            model = partial(kind, LATENTS, images=images)
            yield _row(name, {
                "fit": scanned(model(rngs=nnx.Rngs(0)), images, loss, batch),
                "a loop of nnx.jit": flax_loop(model(rngs=nnx.Rngs(0)), images, loss, batch),
                "eager PyTorch": torch_loop(network, images, batch),
            }, images, batch, flops)  # fmt: skip


def convolutional(images):
    """The row of study 06's CNN."""
    loss = Partial(vae_loss, c=C, beta=1.0)
    model = ConvolutionalVariationalAutoencoder(LATENTS, rngs=nnx.Rngs(0))
    contestants = {
        "fit": scanned(model, images, loss, CNN_BATCH),
        "eager PyTorch": torch_loop(torch_cnn(), images, CNN_BATCH),
    }
    return _row("CNN", contestants, images, CNN_BATCH, _cnn_flops())


def measure():
    """Images per second of every contestant, ratios, and shares of the machine's peak."""
    world = shape_world()
    images = world.images[recipes.world_split(world)[0]]
    torch.set_num_threads(len(cores()))
    rows = [*perceptrons(images), convolutional(images[:2048])]
    return {"rows": rows, "epochs": EPOCHS, "rounds": ROUNDS}


if __name__ == "__main__":
    measure()
