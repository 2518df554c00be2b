"""Bits of a latent code: bounds, the exact audit, what the bits mean, and the best decoder.

A noisy latent code is a channel: image n, of probability p_n, is sent as
N(mean_n, diag(exp(log_variance_n))). An autoencoder with added noise and a VAE are the same thing
here. The aggregate posterior q(z) = sum_n p_n q(z|n) is a mixture with one Gaussian per image, so
what other projects bound is computed, as a mean over draws of z. Everything is in bits.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.scipy.special import entr, logsumexp

from .checks import check_finite, check_probabilities
from .objectives import gaussian_kl
from .shapes import FACTORS

AT_ONCE = 2**20  # numbers of memory: so many draws of z are held against all images at a time


def _check_codes(mean, log_variance):
    mean, log_variance = np.asarray(mean, float), np.asarray(log_variance, float)
    if mean.ndim != 2 or mean.shape != log_variance.shape or mean.size == 0:
        raise ValueError(
            "mean, log_variance: expected two arrays of one shape (n, L), n >= 1, "
            f"got {mean.shape} and {log_variance.shape}"
        )
    check_finite(mean=mean, log_variance=log_variance)
    return mean, log_variance


def _check_draws(draws):
    if draws < 2:
        raise ValueError(f"draws: expected at least 2, for a standard error, got {draws}")


def _moments(mean, log_variance, p):
    """Mean m_i and variance v_i of z_i over images and noise, (L,) each."""
    m = p @ mean
    return m, p @ ((mean - m) ** 2 + np.exp(log_variance))


def _channel_rate(mean, log_variance, p):
    _, v = _moments(mean, log_variance, p)
    return (np.log2(v) - p @ log_variance / np.log(2)) / 2


def channel_rate(mean, log_variance):
    """The Gaussian-channel rate of every latent dimension, (L,) bits per image.

    1/2 [log2(Var mean_i + E variance_i) - E log2 variance_i], the variance and the means taken
    over the n images of mean, log_variance (n, L). Right for noise that differs from image to
    image; equal to `textbook_rate` where it does not. Summed over i it is an upper bound on
    I(X; Z). Raises ValueError for shapes that disagree, no images, or entries not finite.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    return _channel_rate(mean, log_variance, check_probabilities(None, len(mean)))


def textbook_rate(signal_variance, noise_variance):
    """1/2 log2(1 + signal_variance / noise_variance), bits: the capacity of a Gaussian channel.

    (Cover and Thomas, Elements of Information Theory, eq. 9.17.) signal_variance is that of the
    noiseless code. Scalars or arrays (L,). Raises ValueError for a negative or non-finite signal
    variance or a noise variance that is not positive.
    """
    signal, noise = np.asarray(signal_variance, float), np.asarray(noise_variance, float)
    if not (np.all(signal >= 0) and np.all(np.isfinite(signal))):
        raise ValueError(f"signal_variance: expected finite values >= 0, got {signal_variance}")
    if not (np.all(noise > 0) and np.all(np.isfinite(noise))):
        raise ValueError(f"noise_variance: expected finite values > 0, got {noise_variance}")
    return np.log2(1 + signal / noise) / 2


def _chunk(mean):
    """How many draws of z are held against n images in L dimensions at once."""
    return max(AT_ONCE // mean.size, 1)


def _log_density(z, mean, log_variance):
    """log q(z_i|n) in nats, broadcast over images and dimensions."""
    scaled = (z - mean) * jnp.exp(-log_variance / 2)
    return -(scaled**2 + log_variance + jnp.log(2 * jnp.pi)) / 2


@partial(jax.jit, static_argnames=("statistics", "draws"))
def _over_draws(statistics, draws, key, mean, log_variance, *arguments):
    """statistics(n, z, ...) for `draws` z from each posterior q(z|n): leaves (draws, n, ...).

    In chunks, so that memory grows with n x L only beyond AT_ONCE.
    """
    n = len(mean)
    chunk = _chunk(mean)
    eps = jax.random.normal(key, (draws, *mean.shape))
    z = (mean + jnp.exp(log_variance / 2) * eps).reshape(draws * n, -1)
    rows = jnp.tile(jnp.arange(n), draws)
    values = jax.lax.map(
        lambda row: statistics(*row, mean, log_variance, *arguments), (rows, z), batch_size=chunk
    )
    return jax.tree.map(lambda a: a.reshape(draws, n, *a.shape[1:]), values)


def _mean_and_error(values, p):
    """The mean over images and draws of values (draws, n, ...), and its standard error.

    Every image has its own draws (a stratified sample): only the spread within an image counts.
    """
    values = np.asarray(values, float)
    within = values.var(axis=0, ddof=1) / len(values)
    error = np.sqrt(np.tensordot(p**2, within, 1))
    return np.tensordot(p, values.mean(axis=0), 1)[()], error[()]  # [()]: a number where (n,)


class RateAudit(NamedTuple):
    """Where the bits of a latent code go: bits per image, for L latent dimensions.

    kl = mutual_information + total_correlation + sum(negentropy) + sum(prior_mismatch), and
    sum(channel_rate) is the first three. posterior_route is the mutual information again, as
    H(X) - E H(X|Z); prior_mass is E over q(z) of N(z; 0, I) / q(z), a check on q, 1 where its
    variance is finite. stderr: the standard error of each field by its name, 0 for closed forms.
    """

    kl: float
    mutual_information: float
    total_correlation: float
    negentropy: np.ndarray
    prior_mismatch: np.ndarray
    channel_rate: np.ndarray
    posterior_route: float
    prior_mass: float
    stderr: dict


def _audit_terms(n, z, mean, log_variance, log_p, m, log_v):
    """What is averaged over z, for one z drawn from image n: nats."""
    log_density = _log_density(z, mean, log_variance)
    log_joint = log_p + log_density.sum(axis=1)
    log_q = logsumexp(log_joint)
    log_q_i = logsumexp(log_p[:, None] + log_density, axis=0)
    return {
        "mutual_information": log_density[n].sum() - log_q,
        "total_correlation": log_q - log_q_i.sum(),
        "negentropy": log_q_i - _log_density(z, m, log_v),
        "posterior_route": -entr(jnp.exp(log_joint - log_q)).sum(),
        "log_prior_ratio": _log_density(z, 0.0, 0.0).sum() - log_q,
    }


def rate_audit(mean, log_variance, *, key, draws=8, probabilities=None) -> RateAudit:
    """Account for every bit of the code N(mean, diag(exp(log_variance))), both (n, L).

    With q(z) = sum_n p_n q(z|n) over all n images and m_i, v_i the mean and variance of z_i,

        E KL(q(z|x) || N(0, I)) = I(X;Z) + TC + sum_i negentropy_i + sum_i prior_mismatch_i,

    TC = KL(q(z) || prod_i q(z_i)), negentropy_i = KL(q(z_i) || N(m_i, v_i)), prior_mismatch_i =
    KL(N(m_i, v_i) || N(0, 1)): the decomposition of Chen et al. 2018 (arXiv:1802.04942, eq. 2)
    with its last term split in two. KL, mismatch and channel rate are closed forms; the others are
    means over `draws` z per image. probabilities: p_n, (n,), uniform by default.

    Raises ValueError for shapes that disagree, no images, entries not finite, probabilities that
    do not sum to 1, or fewer than 2 draws.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    p = check_probabilities(probabilities, len(mean))
    _check_draws(draws)
    sent = p > 0
    mean, log_variance, p = mean[sent], log_variance[sent], p[sent]
    m, v = _moments(mean, log_variance, p)
    values = _over_draws(_audit_terms, draws, key, mean, log_variance, np.log(p), m, np.log(v))
    prior_ratio = np.exp(np.asarray(values.pop("log_prior_ratio"), float))
    prior_mass, prior_mass_error = _mean_and_error(prior_ratio, p)
    terms = {name: _mean_and_error(value / np.log(2), p) for name, value in values.items()}
    sampled = {name: term for name, (term, _) in terms.items()}
    sampled["posterior_route"] += float(entr(p).sum()) / np.log(2)
    closed = {
        "kl": float(p @ np.asarray(gaussian_kl(mean, log_variance), float)) / np.log(2),
        "prior_mismatch": np.asarray(gaussian_kl(m[:, None], np.log(v)[:, None])) / np.log(2),
        "channel_rate": _channel_rate(mean, log_variance, p),
    }
    stderr = {name: error for name, (_, error) in terms.items()}
    stderr |= {name: np.zeros_like(value) for name, value in closed.items()}
    return RateAudit(
        **sampled, **closed, prior_mass=prior_mass, stderr=stderr | {"prior_mass": prior_mass_error}
    )


class FactorInformation(NamedTuple):
    """bits, stderr: DataFrames, a row for each of z1..zL and `all`, a column for each factor."""

    bits: pd.DataFrame
    stderr: pd.DataFrame


def _factor_terms(n, z, mean, log_variance, levels):
    """H(factor | z_i) for every latent i and for all of them, (L + 1, factors), nats."""
    log_density = _log_density(z, mean, log_variance).T
    log_joint = jnp.concatenate([log_density, log_density.sum(axis=0, keepdims=True)])
    posterior = jax.nn.softmax(log_joint, axis=1)  # P(image | z_i), and P(image | z)
    return jnp.stack([entr(posterior @ level).sum(axis=1) for level in levels], axis=1)


def factor_information(
    mean, log_variance, factors, *, key, draws=8, names=FACTORS
) -> FactorInformation:
    """I(factor; Z) = H(factor) - E H(factor | z), bits, for each latent alone and for all.

    mean, log_variance: (n, L), the n images equally likely; factors: (n, F), the value of each
    factor in each image, any finite set of values; names: of the F factors. P(factor | z) is the
    posterior over images, q(z|n) / sum_m q(z|m), summed over the images of that value: nothing is
    binned and nothing fitted. Raises ValueError as `rate_audit` does, and for other shapes.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    _check_draws(draws)
    factors = np.asarray(factors, float)
    if factors.shape != (len(mean), len(names)):
        raise ValueError(
            f"factors: expected ({len(mean)}, {len(names)}), images by names, got {factors.shape}"
        )
    check_finite(factors=factors)
    levels = tuple(
        (column[:, None] == np.unique(column)).astype(np.float32) for column in factors.T
    )
    entropies = np.array([entr(level.mean(axis=0)).sum() for level in levels])
    values = _over_draws(_factor_terms, draws, key, mean, log_variance, levels)
    remaining, stderr = _mean_and_error(values, check_probabilities(None, len(mean)))
    rows = [*(f"z{i + 1}" for i in range(mean.shape[1])), "all"]
    tables = [(entropies - remaining) / np.log(2), stderr / np.log(2)]
    return FactorInformation(*(pd.DataFrame(t, index=rows, columns=list(names)) for t in tables))


def mutual_information_gap(bits, entropies) -> float:
    """MIG: the mean over factors of (best latent's bits - second best's) / H(factor), 0 to 1.

    bits: DataFrame as in `FactorInformation` (a row `all` is not a latent and is left out);
    entropies: of its columns, in their order, bits. (Chen et al. 2018, arXiv:1802.04942, eq. 6.)
    Raises ValueError for an entropy that is not positive, fewer than 2 latents, or other shapes.
    """
    latents = np.asarray(bits.drop(index="all", errors="ignore"), float)
    entropies = np.asarray(entropies, float)
    if len(latents) < 2:
        raise ValueError(f"bits: expected at least 2 latents, got {len(latents)}")
    if entropies.shape != latents.shape[1:] or not np.all(entropies > 0):
        raise ValueError(
            f"entropies: expected {latents.shape[1]} values > 0, one per factor, got {entropies}"
        )
    ranked = np.sort(latents, axis=0)
    return float(((ranked[-1] - ranked[-2]) / entropies).mean())


class BayesDecoding(NamedTuple):
    """Of each of m codes: the most likely image (m,), its probability (m,), E[x|z] (m, ...)."""

    most_likely: np.ndarray
    probability: np.ndarray
    reconstruction: np.ndarray


@jax.jit
def _decode(z, mean, log_variance, images):
    def one(z):
        """The answers for one z."""
        posterior = jax.nn.softmax(_log_density(z, mean, log_variance).sum(axis=1))
        return posterior.argmax(), posterior.max(), posterior @ images

    return jax.lax.map(one, z, batch_size=_chunk(mean))


def bayes_decode(mean, log_variance, images, z) -> BayesDecoding:
    """The best that can be made of codes z (m, L): guess and reconstruction by P(n|z).

    mean, log_variance: (n, L), the code of each of the equally likely images (n, ...).
    E[x|z] = sum_n P(n|z) x_n has the least expected squared error of all decoders.
    Raises ValueError for shapes that disagree or entries not finite.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    images, z = np.asarray(images, np.float32), np.asarray(z, np.float32)
    if len(images) != len(mean):
        raise ValueError(f"images: expected {len(mean)}, one per code, got {len(images)}")
    if z.ndim != 2 or z.shape[1] != mean.shape[1]:
        raise ValueError(f"z: expected (m, {mean.shape[1]}), got {z.shape}")
    check_finite(images=images, z=z)
    decoded = _decode(z, mean, log_variance, images.reshape(len(images), -1))
    most_likely, probability, pixels = map(np.asarray, decoded)
    return BayesDecoding(most_likely, probability, pixels.reshape(len(z), *images.shape[1:]))
