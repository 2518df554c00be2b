"""Reconstruction errors, the KL divergence, and the losses.

Everything is summed over pixels and latents: nats per image. A loss is the mean over the batch; it
takes (model, images, key) and returns (loss, terms), the terms being a dict of batch means with the
loss itself under "loss".
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

Images = Float[ArrayLike, "n side side"]
Loss = tuple[Float[Array, ""], dict[str, Float[Array, ""]]]


def _check_same_shape(**arrays):
    shapes = {name: jnp.shape(a) for name, a in arrays.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected arrays of one shape, got {listed}")


def _flat(images):
    """One axis for all pixels, over which XLA's loops are fast."""
    return images.reshape(len(images), -1)


def _sum_per_image(values):
    return _flat(values).sum(axis=1)


def squared_error(
    x: Float[ArrayLike, "n ..."], x_hat: Float[ArrayLike, "n ..."]
) -> Float[Array, " n"]:
    """||x - x_hat||^2 per image, summed over pixels.

    Divided by 2c it is the negative log-likelihood under N(x_hat, c I), in nats, less a constant.

    Raises:
        ValueError: arrays whose shapes disagree.
    """
    _check_same_shape(x=x, x_hat=x_hat)
    return ((_flat(x) - _flat(x_hat)) ** 2).sum(axis=1)


def binary_cross_entropy(
    logits: Float[ArrayLike, "n ..."], x: Float[ArrayLike, "n ..."]
) -> Float[Array, " n"]:
    """-sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)], nats per image, with p = sigmoid(logits).

    For grey x (0 < x < 1) it does not reach 0: its floor is the entropy of the pixels.

    Raises:
        ValueError: arrays whose shapes disagree.
    """
    _check_same_shape(logits=logits, x=x)
    return _sum_per_image(jnp.logaddexp(0, logits) - x * logits)


def _twice_the_kl(mean, log_variance):
    _check_same_shape(mean=mean, log_variance=log_variance)
    # expm1 keeps what is left near the prior, where exp(v) - 1 - v loses every digit.
    return mean**2 + jnp.expm1(log_variance) - log_variance


def gaussian_kl_per_latent(
    mean: Float[ArrayLike, "*n L"], log_variance: Float[ArrayLike, "*n L"]
) -> Float[Array, "*n L"]:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of every latent by itself, nats.

    1/2 (mean^2 + variance - log variance - 1), never negative, 0 only at the prior (Kingma and
    Welling 2013, arXiv:1312.6114, appendix B, with the sign of a divergence).

    Raises:
        ValueError: arrays whose shapes disagree.
    """
    return _twice_the_kl(mean, log_variance) / 2


def gaussian_kl(
    mean: Float[ArrayLike, "n L"], log_variance: Float[ArrayLike, "n L"]
) -> Float[Array, " n"]:
    """KL(N(mean, diag(exp(log_variance))) || N(0, I)), nats per image: the sum over the latents.

    Raises:
        ValueError: arrays whose shapes disagree.
    """
    return _sum_per_image(_twice_the_kl(mean, log_variance)) / 2


def autoencoder_loss(model: nnx.Module, images: Images, key: PRNGKeyArray | None) -> Loss:
    """E ||x - D(E(x))||^2 (the key is not used: nothing here is random)."""
    del key
    error = squared_error(images, model.decode(model.encode(images))).mean()
    return error, {"loss": error, "squared_error": error}


def denoising_loss(model: nnx.Module, images: Images, key: PRNGKeyArray, noise: float) -> Loss:
    """E ||x - D(E(x + noise * eps))||^2: clean images from noisy ones (Vincent et al. 2008).

    Args:
        noise: standard deviation per pixel.
    """
    noisy = images + noise * jax.random.normal(key, images.shape)
    error = squared_error(images, model.decode(model.encode(noisy))).mean()
    return error, {"loss": error, "squared_error": error}


def vae_loss(
    model: nnx.Module, images: Images, key: PRNGKeyArray, c: float = 0.05, beta: float = 1.0
) -> Loss:
    """squared_error / (2c) + beta * KL, one draw of z per image: nats per image.

    With beta = 1 it is minus the ELBO for the likelihood N(D(z), c I), less the constant
    392 log(2 pi c) of 784 pixels (Kingma and Welling 2013, eq. 10).

    Args:
        c: the variance of a pixel.
        beta: the weight of the KL, as in the beta-VAE (Higgins et al. 2017).
    """
    mean, log_variance = model.encode(images)
    x_hat = model.decode(model.sample(mean, log_variance, key))
    error = squared_error(images, x_hat).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    loss = error / (2 * c) + beta * kl
    return loss, {"loss": loss, "squared_error": error, "kl": kl}


def cross_entropy_autoencoder_loss(
    model: nnx.Module, images: Images, key: PRNGKeyArray | None
) -> Loss:
    """Cross-entropy of D(E(x)) against x: nats per image (the key is not used)."""
    del key
    error = binary_cross_entropy(model.decode_logits(model.encode(images)), images).mean()
    return error, {"loss": error, "cross_entropy": error}


def cross_entropy_vae_loss(
    model: nnx.Module, images: Images, key: PRNGKeyArray, weight: float = 1.0, beta: float = 1.0
) -> Loss:
    """weight * cross-entropy + beta * KL, one draw of z per image: nats per image.

    With both 1 it is minus the ELBO of Bernoulli pixels (Kingma and Welling 2013, appendix C.1);
    grey pixels are taken as probabilities, so it cannot fall below their entropy.
    """
    mean, log_variance = model.encode(images)
    logits = model.decode_logits(model.sample(mean, log_variance, key))
    error = binary_cross_entropy(logits, images).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    loss = weight * error + beta * kl
    return loss, {"loss": loss, "cross_entropy": error, "kl": kl}


def total_correlation_loss(
    model: nnx.Module,
    images: Images,
    key: PRNGKeyArray,
    population: float,
    c: float,
    beta: Float[ArrayLike, " L"],
    gamma: float,
) -> Loss:
    """squared_error / (2c) + sum_i beta_i KL_i + gamma TC: nats per image.

    TC = KL(q(z) || prod_i q(z_i)), with q(z) from the posteriors of the batch: the image's own has
    weight 1 / population, as in the whole mixture, and the others stand for all the rest (Chen et
    al. 2018, arXiv:1802.04942, appendix C.2).

    Args:
        population: the number of training images.
        c: the variance of a pixel.
        beta: the weight of each latent's KL; gamma: that of TC.
    """
    mean, log_variance = model.encode(images)
    z = model.sample(mean, log_variance, key)
    error = squared_error(images, model.decode(z)).mean()
    kl = gaussian_kl_per_latent(mean.T, log_variance.T).mean(axis=1)

    n = len(images)
    density = -((z[:, None] - mean) ** 2 * jnp.exp(-log_variance) + log_variance) / 2  # (n, n, L)
    others = jnp.log((population - 1) / population / (n - 1))
    weight = jnp.where(jnp.eye(n, dtype=bool), -jnp.log(population), others)
    together = logsumexp(density.sum(axis=2) + weight, axis=1)
    alone = logsumexp(density + weight[..., None], axis=1).sum(axis=1)
    total_correlation = (together - alone).mean()
    loss = error / (2 * c) + (beta * kl).sum() + gamma * total_correlation
    terms = {"squared_error": error, "kl": kl.sum(), "total_correlation": total_correlation}
    return loss, {"loss": loss, **terms}
