"""`fit_many` against `fit` for one model after the other, on models such as `make sweep` trains."""

from functools import partial

import jax
from flax import nnx
from jax.tree_util import Partial
from machine import in_turns
from throughput import IMAGES, LATENTS, RATE, C

from helpers import recipes
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import autoencoder_loss, vae_loss
from helpers.training import fit, fit_many

EPOCHS, ROUNDS = 10, 2  # few epochs would measure what a call costs, which is paid once
GROUPS = (  # kind, loss, models, of what widths
    ("AE", Autoencoder, Partial(autoencoder_loss), 5, {}),
    ("VAE", VariationalAutoencoder, Partial(vae_loss, c=C, beta=1.0), 13, {}),
    ("small VAE", VariationalAutoencoder, Partial(vae_loss, c=C, beta=1.0), 5, recipes.SMALL),
)


def _contestants(kind, loss, models, widths, images):
    settings = {"epochs": EPOCHS, "batch_size": recipes.BATCH_SIZE, "learning_rate": RATE}
    keys = list(jax.random.split(jax.random.key(1), models))
    made = [kind(LATENTS, images=images, rngs=nnx.Rngs(n), **widths) for n in range(models)]

    def one_after_the_other():
        for model, key in zip(made, keys, strict=True):
            fit(model, images, loss, key=key, **settings)

    together = partial(fit_many, made, images, [loss] * models, keys=keys, **settings)
    return {"together": together, "one after the other": one_after_the_other}


def measure():
    """A row for each group: how many times as fast it is together."""
    images = recipes.training_shapes(IMAGES)
    rows = []
    for name, kind, loss, models, widths in GROUPS:
        times = in_turns(_contestants(kind, loss, models, widths, images), ROUNDS)
        ratio = times["one after the other"] / times["together"]
        rows.append({"model": name, "models": models, "seconds": times, "together": ratio})
        print(f"{models} x {name}: {ratio:.2f} times as fast together", flush=True)
    return rows


if __name__ == "__main__":
    measure()
