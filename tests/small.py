"""What tests share: a small world, small models, their losses, one training as a plain loop."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx
from jax.tree_util import Partial

from helpers.files import ROOT
from helpers.models import RANK, SMALL_CODES, Autoencoder, VariationalAutoencoder
from helpers.objectives import autoencoder_loss, vae_loss
from helpers.shapes import SHAPES, shape_world

SMALL = {"encoder_widths": (8,), "decoder_widths": (8,)}
N = 70  # four batches of 16; six images are left over in every epoch
BATCH = 16
STEPS = N // BATCH
BUDGET = {"epochs": 3, "batch_size": BATCH}
RULE = {"optimizer": partial(optax.sgd, momentum=0.9), "learning_rate": 1e-3}

COMPILED = []  # what XLA was asked for in this process, as JAX itself reports it


@jax.monitoring.register_event_duration_secs_listener
def _heard(event, seconds, **about):
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(about)


def settings(**changes):
    """Of `fit`."""
    return {**BUDGET, **RULE, "key": jax.random.key(2), **changes}


def few_shapes():
    """A world of 256 images, 8 bits: circles and crosses of two sizes in 8 x 8 places."""
    whole = shape_world()
    shape, x, y, size = whole.factors.T
    some = np.isin(shape, [SHAPES.index("circle"), SHAPES.index("cross")])
    some &= (x < 14) & (y < 14) & np.isin(size, np.unique(size)[:2])
    return whole._replace(
        images=whole.images[some],
        factors=whole.factors[some],
        cardinalities=(2, 8, 8, 2),
        entropy_bits=8.0,
    )


def autoencoder(seed=0):
    return Autoencoder(2, **SMALL, rngs=nnx.Rngs(seed))


def vae(seed=0, latents=2, **changes):
    """Its codes are as far apart as if it started by Flax: near 0 there is no KL to be weighted."""
    model = VariationalAutoencoder(latents, **SMALL | changes, rngs=nnx.Rngs(seed))
    if changes.get("rank", RANK) is not None:
        last = model.encoder.layers[-1].kernel
        last[...] = last[...] / SMALL_CODES
    return model


def elbo(c=0.5, beta=1.0):
    return Partial(vae_loss, c=c, beta=beta)


class Counting(Autoencoder):
    """Carries two things that no gradient changes: a step count and a running mean."""

    def __init__(self, dtype=jnp.float32):
        rngs = nnx.Rngs(0)
        super().__init__(2, **SMALL, rngs=rngs)
        self.steps = nnx.Variable(jnp.zeros((), dtype))
        self.norm = nnx.BatchNorm(2, rngs=rngs)

    def encode(self, x):
        return self.norm(super().encode(x))


def counting_loss(model, images, key, nan_from_step=jnp.inf):
    """The squared error, which becomes nan at a step of our choice (from 1)."""
    model.steps[...] += 1
    error, _ = autoencoder_loss(model, images, key)
    error = jnp.where(model.steps[...] >= nan_from_step, jnp.nan, error)
    return error, {"loss": error}


def scaled_loss(model, images, key, scale):
    """The squared error times a setting, which may be nan."""
    error, _ = autoencoder_loss(model, images, key)
    return error * scale, {"loss": error * scale}


@nnx.jit
def step_by_hand(model, optimizer, loss, batch, key):
    step = nnx.value_and_grad(loss, has_aux=True, allow_int=True)  # ints: counters of a dropout
    (_, terms), gradients = step(model, batch, key)
    optimizer.update(model, gradients)
    return terms


def fit_by_hand(
    model, data, loss, *, epochs, batch_size, learning_rate, optimizer, key, epochs_done=None
):
    """`fit` as a plain Python loop over jitted steps; stopped after `epochs_done`, if given.

    It draws its keys as the code did by which the published numbers were made.
    """
    data = jax.tree.map(jnp.asarray, data)
    n = len(jax.tree.leaves(data)[0])
    steps = n // batch_size
    optimizer = nnx.Optimizer(model, optimizer(learning_rate), wrt=nnx.Param)
    losses = loss if isinstance(loss, list) else [loss] * epochs
    keys = jax.random.split(jax.random.clone(key), epochs)
    rows = []
    for loss, epoch_key in list(zip(losses, keys, strict=True))[:epochs_done]:
        shuffle_key, noise_key, _ = jax.random.split(epoch_key, 3)
        order = jax.random.permutation(shuffle_key, n)[: steps * batch_size]
        for chosen, step_key in zip(
            order.reshape(steps, -1), jax.random.split(noise_key, steps), strict=True
        ):
            batch = jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], data)
            model.train()
            rows.append(step_by_hand(model, optimizer, Partial(loss), batch, step_key))
            model.eval()
    by_step = pd.DataFrame(jax.device_get(rows)).astype(float)
    return by_step.groupby(np.arange(len(by_step)) // steps).mean()


def weights(model):
    """All arrays of a model; a key as its numbers."""
    leaves = jax.tree.leaves(nnx.state(model))
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    return [np.array(jax.random.key_data(leaf) if is_key(leaf) else leaf) for leaf in leaves]


def assert_equal_weights(model, expected, rtol=0, atol=0):
    """Of two models; or of one, with what `weights` gave before."""
    expected = expected if isinstance(expected, list) else weights(expected)
    for ours, theirs in zip(weights(model), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


def moved(model, before):
    return any(not np.array_equal(a, b) for a, b in zip(weights(model), before, strict=True))


def raising_on_call(number, function, error):
    """`function`, but its call of that number (from 1) raises instead."""
    calls = []

    def wrapped(*args, **kwargs):
        calls.append(1)
        if len(calls) == number:
            raise error
        return function(*args, **kwargs)

    return wrapped


def committed(name):
    """The numbers of the committed run in figures/<name>.json.

    `recorded` would read those of a shortened run, where the tests have run a notebook before.
    """
    return json.loads((ROOT / f"figures/{name}.json").read_text("utf-8"))
