"""Training throughput: `fit` against a Python loop of jitted steps, PyTorch and the arithmetic.

Everything is the same for all: architecture, loss, Adam, a shuffle of the same images in memory
every epoch, the remainder of an epoch dropped; float32 on the CPU. A time is that of a run of some
epochs, since nobody calls `fit` for one. PyTorch runs as it comes, with its fused Adam, and with
that and the step compiled; the best of the three is what `fit` is held against.
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
    MOST_LOG_VARIANCE,
    RANK,
    Autoencoder,
    ConvolutionalVariationalAutoencoder,
    VariationalAutoencoder,
)
from helpers.objectives import autoencoder_loss, vae_loss
from helpers.shapes import SIDE
from helpers.training import fit

LATENTS, C = recipes.LATENT_SIZE, recipes.C
IMAGES, CNN_IMAGES = 2**13, 2**11
BATCHES, CNN_BATCH = (64, 128, 256), 256
EPOCHS, ROUNDS = 5, 7  # of a timed run; how often each is timed
RATE = 1e-3  # Adam's
PYTORCH = {  # kind: what its loop is told
    "eager": {},
    "eager, fused Adam": {"fused": True},
    "compiled, fused Adam": {"fused": True, "compiled": True},
}


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


class TorchModel(nn.Module):
    """The same networks in PyTorch. Of a VAE the encoder has `latents` outputs twice, the second
    half the log variance, which stays within `most`; None: it may be anything."""

    def __init__(self, encoder, decoder, *, variational=True, most=MOST_LOG_VARIANCE):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.variational, self.most = variational, most

    def loss(self, x):
        code, kl = self.encoder(x), 0.0
        if self.variational:
            mean, log_variance = code.chunk(2, dim=1)
            if self.most is not None:
                log_variance = self.most * torch.tanh(log_variance / self.most)
            code = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
            kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1).mean()
        x_hat = torch.sigmoid(self.decoder(code)).reshape(x.shape)
        error = ((x - x_hat) ** 2).flatten(1).sum(1).mean()
        return error / (2 * C) + kl if self.variational else error


class TorchOuterProducts(nn.Module):
    """`OuterProducts` in PyTorch."""

    def __init__(self, widths):
        super().__init__()
        self.profiles = torch_perceptron(widths)
        self.bias = nn.Parameter(torch.zeros(SIDE, SIDE))

    def forward(self, z):
        rows, columns = self.profiles(z).unflatten(1, (2, RANK, SIDE)).unbind(1)
        return torch.einsum("nki,nkj->nij", rows, columns) + self.bias


def torch_perceptron(widths):
    layers = []
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
    return TorchModel(encoder, decoder, most=None)


def torch_loop(model, images, batch, *, fused=None, compiled=False):
    """A Python loop in PyTorch. fused: one kernel for all of Adam; compiled: the whole step."""
    images = torch.tensor(np.asarray(images))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=fused)

    def step(x):
        optimizer.zero_grad()
        value = model.loss(x)
        value.backward()
        optimizer.step()
        return value

    if compiled:
        step = torch.compile(step, dynamic=False)

    def run():
        steps = len(images) // batch
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(images))[: steps * batch].reshape(steps, batch):
                value = step(images[rows])
        return value.item()

    return run


def _torch_loops(make, images, batch):
    """(loops by name, why the others do not run): compiling asks for a C++ compiler.

    make: a new model.
    """
    loops, why_not = {}, {}
    for kind, how in PYTORCH.items():
        name = f"PyTorch, {kind}"
        loops[name] = torch_loop(make(), images, batch, **how)
        if "compiled" not in how:
            continue
        try:
            loops[name]()
        except RuntimeError as error:
            del loops[name]
            why_not[name] = str(error).strip().splitlines()[0]
            print(f"{name} is not measured: {why_not[name]}", flush=True)
    return loops, why_not


def _perceptron_flops(widths):
    """Multiplications and additions of a training step per image: forward, and the gradients by
    the weights and (but for the first layer) by the input."""
    products = [2 * n_in * n_out for n_in, n_out in pairwise(widths)]
    return 3 * sum(products) - products[0]


def _decoder_flops(widths):
    """The same of an `OuterProducts`, whose code and both profiles have gradients, too."""
    return _perceptron_flops(widths) + 2 * widths[0] * widths[1] + 3 * 2 * RANK * SIDE**2


def _cnn_flops():
    layers = [(1, 32, 14), (32, 64, 7), (64, 32, 4), (32, 64, 4), (64, 32, 7), (32, 32, 14)]
    layers += [(32, 1, 28)]  # (channels in, out, side of the smaller picture)
    products = [2 * 9 * n_in * n_out * side**2 for n_in, n_out, side in layers]
    linear = [2 * 512 * 2 * LATENTS, 2 * LATENTS * 512]
    return 3 * (sum(products) + sum(linear)) - products[0]


def _row(name, contestants, make_torch, images, batch, flops):
    product, product_flops = large_product()
    loops, why_not = _torch_loops(make_torch, images, batch)
    times = in_turns(contestants | loops | {"product": product}, ROUNDS)
    peak = product_flops / times.pop("product")
    n = EPOCHS * (len(images) // batch) * batch
    best = min(loops, key=times.get)
    row = {
        "model": name,
        "batch": batch,
        "images_per_second": {who: n / t for who, t in times.items()},
        "fit_over": {who: t / times["fit"] for who, t in times.items() if who != "fit"},
        "best_pytorch": best.removeprefix("PyTorch, "),
        "fit_over_best_pytorch": times[best] / times["fit"],
        "peak_gflops": 1e-9 * peak,
        "share_of_the_limit": n * flops / peak / times["fit"],
    }
    if why_not:
        row["not_measured"] = why_not
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
        encoder = [SIDE**2, *ENCODER_WIDTHS, kind.outputs_per_latent * LATENTS]
        decoder = [LATENTS, *DECODER_WIDTHS, 2 * RANK * SIDE]
        flops = _perceptron_flops(encoder) + _decoder_flops(decoder)

        def torch_model(encoder=encoder, decoder=decoder, variational=name == "VAE"):
            """The same, freshly initialised."""
            first = nn.Sequential(nn.Flatten(), torch_perceptron(encoder))
            return TorchModel(first, TorchOuterProducts(decoder), variational=variational)

        for batch in BATCHES:
            model = partial(kind, LATENTS, images=images)
            contestants = {
                "fit": scanned(model(rngs=nnx.Rngs(0)), images, loss, batch),
                "a loop of nnx.jit": flax_loop(model(rngs=nnx.Rngs(0)), images, loss, batch),
            }
            yield _row(name, contestants, torch_model, images, batch, flops)


def convolutional(images):
    """The row of study 07's CNN."""
    loss = Partial(vae_loss, c=C, beta=1.0)
    model = ConvolutionalVariationalAutoencoder(LATENTS, rngs=nnx.Rngs(0))
    contestants = {"fit": scanned(model, images, loss, CNN_BATCH)}
    return _row("CNN", contestants, torch_cnn, images, CNN_BATCH, _cnn_flops())


def measure():
    """Images per second of every contestant, ratios, and shares of the machine's peak."""
    images = recipes.training_shapes(IMAGES)
    torch.set_num_threads(len(cores()))
    rows = [*perceptrons(images), convolutional(images[:CNN_IMAGES])]
    return {"images": len(images), "rows": rows, "epochs": EPOCHS, "rounds": ROUNDS}


if __name__ == "__main__":
    measure()
