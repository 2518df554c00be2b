"""The settings of the headline models, in one place, and what is measured of them.

Notebooks 02 to 04 and `make sweep` train from the same recipes, so that a checkpoint made by one is
good for the others, and an AE and a VAE that are compared have the same budget.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.tree_util import Partial

from .checkpoints import fit_many_or_load
from .checks import check_count
from .files import checkpoint
from .information import bayes_decode, rate_audit
from .models import Autoencoder, VariationalAutoencoder
from .objectives import (
    autoencoder_loss,
    squared_error,
    total_correlation_loss,
    vae_loss,
)
from .optimizers import warmup_stable_decay
from .runs import rows
from .shapes import split

LATENT_SIZE = 4
EPOCHS = 100  # of the headline models
SWEEP_EPOCHS = 20  # of models that are compared in a sweep
SMALL = {"encoder_widths": (128, 128), "decoder_widths": (128, 256)}  # and of what widths
SINGLE_LATENTS = 3  # of the models of a single shape, which has three factors: x, y and size
SINGLE_EPOCHS = 280
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
C_START, C = 0.3, 0.1  # pixel variance of the VAE's likelihood, lowered in training
N_SAMPLES = 2000  # generated images that are judged
AUDITED = (
    "kl", "mutual_information", "total_correlation", "negentropy", "prior_mismatch", "channel_rate"
)  # fmt: skip


def world_split(world):
    """The project's one split: (train, test) indices, 10 % held out."""
    return split(len(world.images), jax.random.key(13))


def train_many(
    names,
    models,
    data,
    losses,
    *,
    epochs,
    seeds,
    test_data=None,
    batch_size=BATCH_SIZE,
    learning_rate=LEARNING_RATE,
):
    """`fit_many_or_load` by the recipe: Adam, its rate rising, resting and falling.

    Args:
        names: of the checkpoints, one for each model: data/checkpoints/<name>-<epochs>-epochs.npz,
            so that a shortened run never overwrites a full one.
        seeds: one for each model, of the training's key.
        learning_rate: the peak of `warmup_stable_decay`, or a schedule.
        models, data, losses, epochs, test_data, batch_size: as in `fit_many`.

    Returns:
        A history for each model.
    """
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    if not callable(learning_rate):
        steps = epochs * (rows(data) // batch_size)
        learning_rate = warmup_stable_decay(learning_rate, steps)
    return fit_many_or_load(
        [checkpoint(f"{name}-{epochs}-epochs") for name in names],
        models,
        data,
        losses,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        # nnx.Rngs(seed) draws from the key itself
        keys=[jax.random.fold_in(jax.random.key(seed), 1) for seed in seeds],
        test_data=test_data,
    )


def train(name, model, data, loss, *, seed=0, **settings):
    """`train_many` of one model; returns its history."""
    (history,) = train_many([name], [model], data, [loss], seeds=[seed], **settings)
    return history


def vae_losses(epochs, c=C, c_start=C_START):
    """The VAE's loss for every epoch: c falls geometrically for 70 % of the epochs, then rests.

    While c is high the KL weighs more, so that every image can first find a place near the prior.
    """
    progress = np.minimum(np.arange(epochs) / (0.7 * epochs), 1.0)
    return [Partial(vae_loss, c=c, beta=1.0) for c in c_start * (c / c_start) ** progress]


def headline_models(kind: type, images, test_images, *, seeds, epochs=EPOCHS):
    """The headline models of a kind, `Autoencoder` or `VariationalAutoencoder`, as one program.

    Args:
        images, test_images: (n, side, side), to train on and held out.
        seeds: one for each model.

    Returns:
        The models, trained or loaded, and their histories.
    """
    name, loss = ("autoencoder", autoencoder_loss)
    if kind is VariationalAutoencoder:
        name, loss = "vae", vae_losses(epochs)
    side = images.shape[1]
    models = [kind(LATENT_SIZE, images=images, side=side, rngs=nnx.Rngs(seed)) for seed in seeds]
    names = [f"{name}-seed{seed}" for seed in seeds]
    settings = {"epochs": epochs, "seeds": seeds, "test_data": test_images}
    return models, train_many(names, models, images, [loss] * len(models), **settings)


def autoencoder(images, test_images, *, seed=0, epochs=EPOCHS):
    """The headline AE, trained or loaded: (model, history)."""
    found = headline_models(Autoencoder, images, test_images, seeds=[seed], epochs=epochs)
    return found[0][0], found[1][0]


def variational_autoencoder(images, test_images, *, seed=0, epochs=EPOCHS):
    """The headline VAE, trained or loaded: (model, history)."""
    kind = VariationalAutoencoder
    found = headline_models(kind, images, test_images, seeds=[seed], epochs=epochs)
    return found[0][0], found[1][0]


def _geometric(epochs, milestones, values):
    """A value for every epoch, falling or rising geometrically between milestones in [0, 1]."""
    return np.exp(np.interp(np.arange(epochs) / epochs, milestones, np.log(values)))


def single_shape_losses(epochs, population) -> dict:
    """Schedules for three latents and one shape: a loss for every epoch, by the schedule's name.

    "c falls" is the headline recipe; "beta 4 to 1" the warm-down of beta at its last c. In "one
    latent after another" the third latent is held shut (its KL costs 20 times) while the other two
    find x and y; then it opens, c falls, and a penalty on the total correlation rises at the end.
    population: the number of training images.
    """
    beta = _geometric(epochs, (0, 0.7), (4.0, 1.0))
    milestones = np.array((0, 70, 90, 120, 130, 280)) / 280
    c = _geometric(epochs, milestones, (1.5, 1.5, 1.0, 0.3, 0.2, C))
    third = _geometric(epochs, milestones, (20.0, 20.0, 5.0, 1.0, 1.0, 1.0))
    gamma = _geometric(epochs, milestones, (5.0, 5.0, 1.0, 1.0, 5.0, 5.0))
    return {
        "c falls": vae_losses(epochs),
        "beta 4 to 1": [Partial(vae_loss, c=C, beta=b) for b in beta],
        "one latent after another": [
            Partial(
                total_correlation_loss,
                population=float(population),
                c=a,
                beta=jnp.array([1, 1, b]),
                gamma=g,
            )
            for a, b, g in zip(c, third, gamma, strict=True)
        ],
    }


def single_shapes(name, losses, images, *, seeds):
    """The VAEs with three latents of a single shape, trained or loaded: a list of models.

    Args:
        name: of the schedule in `single_shape_losses`.
        losses: the schedule, one an epoch.
        images: (n, 28, 28), to train on.
        seeds: one for each model.
    """
    settings = {"images": images, **SMALL}
    models = [
        VariationalAutoencoder(SINGLE_LATENTS, rngs=nnx.Rngs(seed), **settings) for seed in seeds
    ]
    names = [f"circles-{name.replace(' ', '-')}-seed{seed}" for seed in seeds]
    all_losses = [losses] * len(models)
    train_many(names, models, images, all_losses, epochs=len(losses), seeds=seeds)
    return models


def single_shape(name, losses, images, *, seed=0):
    """`single_shapes` of one seed: the model."""
    (model,) = single_shapes(name, losses, images, seeds=[seed])
    return model


def measure_bits(mean, log_variance, decode, images, key, draws=2) -> dict:
    """The account of one code and its decoder over all images, z drawn: bits and squared errors.

    mean, log_variance: (n, L), the code of images (n, 28, 28), as in `rate_audit`; decode: from z
    to images. negentropy, prior_mismatch and channel_rate are summed over the latents.
    """
    audit_key, z_key = jax.random.split(key)
    audit = rate_audit(mean, log_variance, key=audit_key, draws=draws)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(z_key, mean.shape)
    best = bayes_decode(mean, log_variance, images, z).reconstruction
    bits = {name: float(np.sum(getattr(audit, name))) for name in AUDITED}
    return bits | {
        "distortion": float(squared_error(images, decode(z)).mean()),
        "bayes_distortion": float(squared_error(images, best).mean()),
    }
