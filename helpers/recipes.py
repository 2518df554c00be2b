"""The settings of the headline models, in one place.

Notebooks 02 to 05 and `make sweep` train from the same recipes, so that a checkpoint made by one is
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
from .models import Autoencoder, VariationalAutoencoder
from .objectives import autoencoder_loss, total_correlation_loss, vae_loss
from .optimizers import warmup_stable_decay
from .runs import rows
from .shapes import SHAPES, SIDE, random_shapes, split

LATENT_SIZE = 4
TRAINING_IMAGES = 2**16  # random shapes; the world itself is never trained on
EPOCHS = 20  # of the headline models
STARTS, START_EPOCHS = 3, 3  # of the short trainings of which the best goes on
SMALL_IMAGES, SMALL_EPOCHS = 2**14, 12  # of models that are compared in a notebook,
SMALL = {"encoder_widths": (128, 128), "decoder_widths": (64, 64, 128)}  # and of what widths
SINGLE_LATENTS = 3  # of the models of a single shape, which has three factors: x, y and size
SINGLE_EPOCHS = 40
SAME_RATE_C = 0.19  # at which one pays as few bits as with a penalty on the total correlation
BATCH_SIZE = 128
LEARNING_RATE = 2.5e-3
AE_LEARNING_RATE = 4e-3  # each the best of those tried on a further random draw
C_START, C = 1.0, 0.06  # pixel variance of the VAE's likelihood, lowered in training


def training_shapes(n=TRAINING_IMAGES, shapes=SHAPES, side=SIDE):
    """The random shapes that models are trained on: images (n, side, side) in [0, 1].

    n, shapes, side: as in `random_shapes`.
    """
    return random_shapes(jax.random.key(13), n, shapes, side)[0]


def world_split(world):
    """For what is fitted to the world itself: (train, test) indices, 10 % held out."""
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
        # The first of these keys is one that nnx.Rngs(seed) drew a layer from, too: it does no harm
        # between weights and shuffles, and every recorded number hangs on it.
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


def best_starts(name, make, images, loss, *, seeds, epochs, learning_rate, batch_size=BATCH_SIZE):
    """For every seed the best of a few short trainings, to go on with.

    Which latents find which factors is decided in the first epochs, and some starts tangle them
    for good. Most of these show early by a higher loss.

    Args:
        name: of the checkpoints.
        make: from a seed to an untrained model.
        loss: of every epoch.
        epochs: of the training that follows; short ones, of fewer epochs, start more briefly.

    Returns:
        A model for each seed, the one of `STARTS` with the lowest loss in its last epoch.
    """
    numbers = [STARTS * seed + start for seed in seeds for start in range(STARTS)]
    models = [make(number) for number in numbers]
    histories = train_many(
        [f"{name}-start{number}" for number in numbers],
        models,
        images,
        [loss] * len(models),
        epochs=max(round(epochs * START_EPOCHS / EPOCHS), 1),
        seeds=numbers,
        learning_rate=learning_rate,
        batch_size=batch_size,
    )
    last = np.reshape([history.loss.iloc[-1] for history in histories], (-1, STARTS))
    return [models[STARTS * row + best] for row, best in enumerate(last.argmin(axis=1))]


def _headline_settings(kind, images, epochs):
    """(name, losses, learning rate) of the headline models of a kind."""
    name, losses, rate = "autoencoder", [autoencoder_loss] * epochs, AE_LEARNING_RATE
    if kind is VariationalAutoencoder:
        name, losses, rate = "vae", vae_losses(epochs), LEARNING_RATE
    rate = warmup_stable_decay(rate, epochs * (len(images) // BATCH_SIZE))
    return f"{name}-{len(images)}-images", losses, rate


def headline_starts(kind: type, images, *, seeds, epochs=EPOCHS):
    """The `best_starts` of the headline models, one for each seed."""
    name, losses, rate = _headline_settings(kind, images, epochs)
    images = jax.device_put(images)  # once, and on a CPU without a copy

    def make(seed):
        """Untrained."""
        return kind(LATENT_SIZE, images=images, side=images.shape[1], rngs=nnx.Rngs(seed))

    settings = {"seeds": seeds, "epochs": epochs, "learning_rate": rate}
    return best_starts(name, make, images, losses[0], **settings)


def headline_models(kind: type, images, test_images, *, seeds, epochs=EPOCHS):
    """The headline models of a kind, `Autoencoder` or `VariationalAutoencoder`, by one program.

    Args:
        images, test_images: (n, side, side), to train on and held out.
        seeds: one for each model.

    Returns:
        The models, trained or loaded, and their histories from the chosen start on.
    """
    name, losses, rate = _headline_settings(kind, images, epochs)
    models = headline_starts(kind, images, seeds=seeds, epochs=epochs)
    names = [f"{name}-seed{seed}" for seed in seeds]
    settings = {"epochs": epochs, "seeds": seeds, "test_data": test_images, "learning_rate": rate}
    return models, train_many(names, models, images, [losses] * len(models), **settings)


def _of_one_seed(kind, images, test_images, seed, epochs):
    (model,), (history,) = headline_models(kind, images, test_images, seeds=[seed], epochs=epochs)
    return model, history


def autoencoder(images, test_images, *, seed=0, epochs=EPOCHS):
    """The headline AE, trained or loaded: (model, history)."""
    return _of_one_seed(Autoencoder, images, test_images, seed, epochs)


def variational_autoencoder(images, test_images, *, seed=0, epochs=EPOCHS):
    """The headline VAE, trained or loaded: (model, history)."""
    return _of_one_seed(VariationalAutoencoder, images, test_images, seed, epochs)


def single_shape_losses(epochs, population) -> dict:
    """Schedules for three latents and one shape: a loss for every epoch, by the schedule's name.

    "c falls" is the headline recipe; "c constant" its last c from the beginning; the third adds a
    penalty on the total correlation to the first (Chen et al. 2018, arXiv:1802.04942), which costs
    rate; so the fourth has no penalty, but a last c at which it pays about as few bits.
    population: the number of training images.
    """
    falls = vae_losses(epochs)
    penalty = {"population": float(population), "beta": jnp.ones(SINGLE_LATENTS), "gamma": 2.0}
    return {
        "c constant": [falls[-1]] * epochs,
        "c falls": falls,
        "c falls, dependence penalised": [
            Partial(total_correlation_loss, c=loss.keywords["c"], **penalty) for loss in falls
        ],
        f"c falls to {SAME_RATE_C:g}": vae_losses(epochs, c=SAME_RATE_C),
    }


def single_shapes(name, losses, images, *, seeds):
    """The VAEs with three latents of a single shape, trained or loaded: a list of models.

    Args:
        name: of the schedule in `single_shape_losses`.
        losses: the schedule, one an epoch.
        images: (n, 28, 28), to train on.
        seeds: one for each model.
    """
    name, epochs = f"circles-{name.replace(', ', '-').replace(' ', '-')}", len(losses)
    rate = warmup_stable_decay(LEARNING_RATE, epochs * (len(images) // BATCH_SIZE))

    def make(seed):
        """Untrained."""
        settings = {"images": images, "rngs": nnx.Rngs(seed)}
        return VariationalAutoencoder(SINGLE_LATENTS, **settings, **SMALL)

    settings = {"seeds": seeds, "epochs": epochs, "learning_rate": rate}
    models = best_starts(name, make, images, losses[0], **settings)
    names = [f"{name}-seed{seed}" for seed in seeds]
    train_many(names, models, images, [losses] * len(models), **settings)
    return models


def single_shape(name, losses, images, *, seed=0):
    """`single_shapes` of one seed: the model."""
    (model,) = single_shapes(name, losses, images, seeds=[seed])
    return model
