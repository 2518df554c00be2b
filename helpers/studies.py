"""The studies of real images (notebooks 07 to 09): settings of two reports, and what is measured.

The MLP and the CNN of the VAE report (S. Zhao 2023) and the AE and VAE of the group report
(E. Edvinsson and others 2025), with the budgets that they state; where they state none, ours.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.scipy.special import entr, logsumexp
from jax.scipy.stats import norm
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from . import recipes
from .checks import check_count, check_pixels
from .generation import sample_prior
from .information import rate_audit
from .layers import perceptron
from .models import Autoencoder, ConvolutionalVariationalAutoencoder, VariationalAutoencoder
from .objectives import (
    binary_cross_entropy,
    cross_entropy_autoencoder_loss,
    cross_entropy_vae_loss,
    gaussian_kl_per_latent,
    squared_error,
    vae_loss,
)

GROUP = {"encoder_widths": (512,), "decoder_widths": (512,), "activation": nnx.relu, "rank": None}
GROUP_EPOCHS, GROUP_BATCH, GROUP_RATE = 50, 100, 3e-4  # the batch is our reading of its sums
MLP = {"encoder_widths": (300, 100, 10), "decoder_widths": (10, 100, 300), "activation": nnx.elu}
MLP["rank"] = None
REPORT_EPOCHS, REPORT_BATCH, REPORT_C = 15, 256, 0.05
REPORT_RATES = {"MLP": 2.5e-3, "CNN": 1.5e-3}
CLASSES = 10
SURE = 0.9  # a classifier that gives one class more than this is sure of an image


def group_model(
    kind,
    latents,
    images,
    test_images,
    *,
    data="mnist",
    seed=0,
    epochs=GROUP_EPOCHS,
    weight=1.0,
    beta=1.0,
):
    """The group report's "AE" or "VAE", trained or loaded: (model, history).

    data: the name of the data set, for the checkpoint; the report's is "mnist".
    """
    if kind == "AE":
        model = Autoencoder(latents, rngs=nnx.Rngs(seed), **GROUP)
        loss = cross_entropy_autoencoder_loss
    else:
        model = VariationalAutoencoder(latents, variance="log", rngs=nnx.Rngs(seed), **GROUP)
        loss = Partial(cross_entropy_vae_loss, weight=float(weight), beta=float(beta))
    name = f"group-{kind}-{latents}-weight{weight:g}-beta{beta:g}-seed{seed}"
    name += "" if data == "mnist" else f"-{data}"
    history = recipes.train(
        name,
        model,
        images,
        loss,
        epochs=epochs,
        batch_size=GROUP_BATCH,
        learning_rate=optax.constant_schedule(GROUP_RATE),
        test_data=test_images,
        seed=seed,
    )
    return model, history


def report_model(
    kind,
    latents,
    images,
    test_images,
    *,
    data,
    c=REPORT_C,
    seed=0,
    epochs=REPORT_EPOCHS,
    improved=False,
):
    """The VAE report's "MLP" or "CNN", trained or loaded: (model, history).

    data: the name of the data set, for the checkpoint. improved: with the project's schedule
    (the rate rises, rests and falls to zero) and, the MLP, starting from the mean image.
    """
    settings = {"variance": "softplus", "rngs": nnx.Rngs(seed)}
    if kind == "CNN":
        model = ConvolutionalVariationalAutoencoder(latents, **settings)
    else:
        start = images if improved else None
        model = VariationalAutoencoder(latents, images=start, **settings, **MLP)
    rate = REPORT_RATES[kind]
    history = recipes.train(
        f"report-{kind}-{data}-{latents}-c{c:g}-{'improved-' * improved}seed{seed}",
        model,
        images,
        Partial(vae_loss, c=float(c), beta=1.0),
        epochs=epochs,
        batch_size=REPORT_BATCH,
        test_data=test_images,
        seed=seed,
        learning_rate=rate if improved else optax.constant_schedule(rate),
    )
    return model, history


@partial(jax.jit, static_argnames=("graphdef", "samples"))
def _log_likelihoods(graphdef, state, images, keys, samples):
    model = nnx.merge(graphdef, state)

    def one(image, key):
        """The bound of one image, from its own draws."""
        mean, log_variance = model.encode(image[None])
        z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, (samples, mean.shape[1]))
        log_q = norm.logpdf(z, mean, jnp.exp(log_variance / 2)).sum(axis=1)
        log_p = norm.logpdf(z).sum(axis=1)
        pixels = jnp.broadcast_to(image, (samples, *image.shape))
        error = binary_cross_entropy(model.decode_logits(z), pixels)
        return logsumexp(log_p - error - log_q) - jnp.log(samples)

    return jax.lax.map(lambda own: one(*own), (images, keys))


def log_likelihood(
    model: nnx.Module, images: Float[ArrayLike, "n side side"], key, samples: int = 500
) -> Float[Array, " n"]:
    """log p(x) of images under Bernoulli pixels, by importance weights, in nats per image.

    The log of the mean over `samples` draws z ~ q(z|x) of p(x, z) / q(z|x): at least the ELBO, and
    rising to log p(x) with their number (Burda et al. 2015, arXiv:1509.00519, eq. 8).
    """
    check_pixels("images", images)
    check_count("samples", samples)
    keys = jax.random.split(key, len(images))
    return _log_likelihoods(*nnx.split(model), jnp.asarray(images), keys, samples)


def _steadiness(history, last=10):
    """Of the test ELBO: its deviation from its straight trend over the last epochs, what was lost
    since the best one, nats; and how many epochs it takes to come within 5 nats of the end."""
    elbo = -history["test_loss"].to_numpy()
    late, epochs = elbo[-last:], np.arange(len(elbo[-last:]))
    trend = np.polyval(np.polyfit(epochs, late, min(1, len(late) - 1)), epochs)
    return {
        "wobble": float(np.std(late - trend)),
        "lost_since_best": elbo.max() - elbo[-1],
        "epochs_to_5_nats": int(np.argmax(elbo > elbo[-1] - 5)) + 1,
    }


def measure_group(model, history, test_images, key, n=1000) -> dict:
    """What the group report tells of a VAE, and what it does not: nats per image, bits."""
    likelihood_key, elbo_key = jax.random.split(key)
    mean, log_variance = model.encode(test_images)
    kl = np.asarray(gaussian_kl_per_latent(mean, log_variance).mean(axis=0))
    return _steadiness(history) | {
        "final_train_elbo": -history["loss"].iloc[-1],
        "final_test_elbo": -history["test_loss"].iloc[-1],
        "average_train_elbo": -history["loss"].mean(),
        "average_test_elbo": -history["test_loss"].mean(),
        "generalisation_gap": history["test_loss"].iloc[-1] - history["loss"].iloc[-1],
        "test_log_likelihood": float(log_likelihood(model, test_images[:n], likelihood_key).mean()),
        "test_elbo_of_these": -float(cross_entropy_vae_loss(model, test_images[:n], elbo_key)[0]),
        "active_units": int((mean.var(axis=0) > 0.01).sum()),  # as Burda et al. count them
        "bits_per_latent": np.sort(kl)[::-1] / np.log(2),
        "test_mse_per_pixel": float(squared_error(test_images, model.decode(mean)).mean()) / 784,
        "train_elbo": -history["loss"].to_numpy(),
        "test_elbo": -history["test_loss"].to_numpy(),
    }


def _classifier_loss(model, batch, key):
    del key
    images, labels = batch
    log_p = jax.nn.log_softmax(model(images.reshape(len(images), -1)))
    loss = -(jax.nn.one_hot(labels, CLASSES) * log_p).sum(axis=1).mean()
    return loss, {"loss": loss, "accuracy": (log_p.argmax(1) == labels).mean()}


def classifier(data, images, labels, test_images, test_labels, *, epochs=10, widths=(512, 256)):
    """An MLP that tells the ten classes apart, the judge of generated images: (model, history).

    images: or codes (n, L). model(rows (n, pixels)) -> logits (n, 10). data: for the checkpoint.
    Raises ValueError for labels that are not 0 to 9.
    """
    for name, own in (("labels", labels), ("test_labels", test_labels)):
        if not np.isin(own, range(CLASSES)).all():
            raise ValueError(f"{name}: expected classes 0 to {CLASSES - 1}, got {np.unique(own)}")
    inputs = int(np.prod(images.shape[1:]))
    model = perceptron([inputs, *widths, CLASSES], rngs=nnx.Rngs(0))
    history = recipes.train(
        f"classifier-{data}",
        model,
        (images, labels),
        _classifier_loss,
        epochs=epochs,
        learning_rate=2e-3,
        test_data=(test_images, test_labels),
    )
    return model, history


def class_probabilities(judge, images):
    """P(class | image), (n, 10), by a `classifier`."""
    return np.asarray(jax.nn.softmax(judge(jnp.asarray(images).reshape(len(images), -1))))


def nearest_distance(images, others):
    """||x - y||^2 from each image to the nearest of the others, (n,)."""
    images, others = (jnp.asarray(a).reshape(len(a), -1) for a in (images, others))
    energy = (others**2).sum(axis=1)

    def one(x):
        """The least squared distance of one image."""
        products = jnp.matmul(others, x, precision="highest")  # a GPU's quick ones lose small d
        return jnp.min(energy - 2 * products) + x @ x

    return np.maximum(jax.lax.map(one, images, batch_size=64), 0)


def judged(samples, judge, train_images, test_images) -> dict:
    """Numbers for what is else judged by eye in generated images.

    sure: share of which the judge is sure; class_entropy_bits: of its guesses; distance: median
    squared distance to the nearest real image; nearest_is_training: how often that is a training
    image, n_train / (n_train + n_test) where nothing is memorised.
    """
    p = class_probabilities(judge, samples)
    to_train, to_test = (nearest_distance(samples, a) for a in (train_images, test_images))
    return {
        "sure": float((p.max(axis=1) > SURE).mean()),
        "class_entropy_bits": float(entr(p.mean(axis=0)).sum() / np.log(2)),
        "distance": float(np.median(np.minimum(to_train, to_test))),
        "nearest_is_training": float((to_train < to_test).mean()),
    }


def measure_report(model, history, train_images, test_images, judge, key, n=1000) -> dict:
    """The report's losses, and n samples from the prior, `judged`.

    prior_divergence_bits: KL(q(z) || N(0, I)) with q(z) the mixture of 2,000 test images, of whose
    log2 2000 bits information_bits can show no more: where it does, the divergence is an upper
    bound. granularity_bits: what of the divergence the same codes show with every latent shuffled
    by itself over the images, its null (`RateAudit`).
    """
    sample_key, audit_key = jax.random.split(key)
    samples = sample_prior(model, sample_key, n)
    mean, log_variance = model.encode(test_images[:2000])
    audit = rate_audit(mean, log_variance, key=audit_key, draws=2)
    last = history.iloc[-1]
    return {
        "loss": last["loss"],
        "reconstruction": last["loss"] - last["kl"],
        "kl": last["kl"],
        "test_loss": last["test_loss"],
        **judged(samples, judge, train_images, test_images),
        "prior_divergence_bits": audit.kl - audit.mutual_information,
        "granularity_bits": audit.granularity,
        "information_bits": audit.mutual_information,
    }
