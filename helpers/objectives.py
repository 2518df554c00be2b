"""Reconstruction errors, the KL divergence, and the losses.

Everything is summed over pixels and latents: nats per image, (n,) for n images. A loss is the
mean over the batch; it takes (model, images, key) and returns (loss, terms), the terms being a
dict of batch means with the loss itself under "loss".
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp


def _check_same_shape(**arrays):
    shapes = {name: jnp.shape(a) for name, a in arrays.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected arrays of one shape, got {listed}")


def _sum_per_image(values):
    return values.reshape(len(values), -1).sum(axis=1)


def squared_error(x, x_hat):
    """||x - x_hat||^2 per image, (n,), summed over pixels, for x and x_hat of one shape (n, ...).

    Divided by 2c it is the negative log-likelihood under N(x_hat, c I), in nats, less a constant.
    """
    _check_same_shape(x=x, x_hat=x_hat)
    return _sum_per_image((x - x_hat) ** 2)


def binary_cross_entropy(logits, x):
    """-sum_i x_i log p_i + (1 - x_i) log(1 - p_i) per image, (n,) nats, with p = sigmoid(logits).

    For grey x (0 < x < 1) it does not reach 0: its floor is the entropy of the pixels.
    """
    _check_same_shape(logits=logits, x=x)
    return _sum_per_image(jnp.logaddexp(0, logits) - x * logits)


def gaussian_kl(mean, log_variance):
    """KL(N(mean, diag(exp(log_variance))) || N(0, I)) per image, (n,) nats, for inputs (n, L).

    1/2 sum_i (mean_i^2 + variance_i - log variance_i - 1), never negative, 0 only at the prior
    (Kingma and Welling 2013, appendix B, with the sign of a divergence).
    """
    _check_same_shape(mean=mean, log_variance=log_variance)
    # expm1 keeps what is left near the prior, where exp(v) - 1 - v loses every digit.
    return _sum_per_image(mean**2 + jnp.expm1(log_variance) - log_variance) / 2


def autoencoder_loss(model, images, key):
    """E ||x - D(E(x))||^2 (the key is not used: nothing here is random)."""
    del key
    error = squared_error(images, model.decode(model.encode(images))).mean()
    return error, {"loss": error, "squared_error": error}


def denoising_loss(model, images, key, noise):
    """E ||x - D(E(x + noise * eps))||^2: clean images from noisy ones (Vincent et al. 2008).

    noise: standard deviation per pixel.
    """
    noisy = images + noise * jax.random.normal(key, images.shape)
    error = squared_error(images, model.decode(model.encode(noisy))).mean()
    return error, {"loss": error, "squared_error": error}


def vae_loss(model, images, key, c=0.05, beta=1.0):
    """squared_error / (2c) + beta * KL, one draw of z per image: nats per image.

    With beta = 1 it is minus the ELBO for the likelihood N(D(z), c I), less the constant
    392 log(2 pi c); c is the variance of a pixel, beta that of beta-VAE (Higgins et al. 2017).
    """
    mean, log_variance = model.encode(images)
    x_hat = model.decode(model.sample(mean, log_variance, key))
    error = squared_error(images, x_hat).mean()
    kl = gaussian_kl(mean, log_variance).mean()
    loss = error / (2 * c) + beta * kl
    return loss, {"loss": loss, "squared_error": error, "kl": kl}


def cross_entropy_autoencoder_loss(model, images, key):
    """Cross-entropy of D(E(x)) against x: nats per image (the key is not used)."""
    del key
    error = binary_cross_entropy(model.decode_logits(model.encode(images)), images).mean()
    return error, {"loss": error, "cross_entropy": error}


def cross_entropy_vae_loss(model, images, key, weight=1.0, beta=1.0):
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


def total_correlation_loss(model, images, key, population, c, beta, gamma):
    """squared_error / (2c) + sum_i beta_i KL_i + gamma TC: nats per image.

    KL_i is that of latent i, beta (L,) its weight. TC = KL(q(z) || prod_i q(z_i)), with q(z) from
    the posteriors of the batch: the image's own has weight 1 / population, as in the whole
    mixture, and the others stand for all the rest (Chen et al. 2018, arXiv:1802.04942, appendix
    C.2). population: the number of training images.
    """
    mean, log_variance = model.encode(images)
    z = model.sample(mean, log_variance, key)
    error = squared_error(images, model.decode(z)).mean()
    kl = jax.vmap(lambda m, v: gaussian_kl(m[:, None], v[:, None]).mean())(mean.T, log_variance.T)

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
