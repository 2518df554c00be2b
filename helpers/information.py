"""Bits of a latent code: bounds, the exact audit, what the bits mean, and the best decoder.

A noisy latent code is a channel: image n, of probability p_n, is sent as
N(mean_n, diag(exp(log_variance_n))). An autoencoder with added noise and a VAE are the same thing
here. The aggregate posterior q(z) = sum_n p_n q(z|n) is a mixture with one Gaussian per image, so
what other projects bound is computed, as a mean over draws of z. Everything is in bits, per image.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.scipy.special import entr, logsumexp
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PRNGKeyArray, Real

from .checks import check_count, check_finite, check_pixels, check_probabilities
from .objectives import gaussian_kl, gaussian_kl_per_latent
from .shapes import FACTORS

Codes = Float[ArrayLike, "n L"]
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


def _moments(mean, log_variance, p):
    """Mean m_i and variance v_i of z_i over images and noise, (L,) each."""
    m = p @ mean
    return m, p @ ((mean - m) ** 2 + np.exp(log_variance))


def channel_rate(
    mean: Codes, log_variance: Codes, *, probabilities: Float[ArrayLike, " n"] | None = None
) -> Float[np.ndarray, " L"]:
    """The Gaussian-channel rate of every latent dimension, bits.

    1/2 [log2(Var mean_i + E variance_i) - E log2 variance_i], the variance and the means taken
    over the n images. Right for noise that differs from image to image; equal to `textbook_rate`
    where it does not. Summed over i it is an upper bound on I(X; Z).

    Args:
        probabilities: of the images, uniform by default.

    Raises:
        ValueError: codes or probabilities that do not fit or are not finite.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    p = check_probabilities(probabilities, len(mean))
    _, v = _moments(mean, log_variance, p)
    return (np.log2(v) - p @ log_variance / np.log(2)) / 2


def textbook_rate(
    signal_variance: Real[ArrayLike, "*L"], noise_variance: Real[ArrayLike, "*L"]
) -> Float[np.ndarray, "*L"]:
    """1/2 log2(1 + signal_variance / noise_variance), bits: the capacity of a Gaussian channel.

    (Cover and Thomas, Elements of Information Theory, eq. 9.17.)

    Args:
        signal_variance: of the noiseless code, >= 0.
        noise_variance: > 0.

    Raises:
        ValueError: variances outside these ranges, or not finite.
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
    """Where the bits of a latent code go.

    kl = mutual_information + total_correlation + sum(negentropy) + sum(prior_mismatch), and
    sum(channel_rate) is the first three. posterior_route is the mutual information again, as
    H(X) - E H(X|Z); prior_mass is E over q(z) of N(z; 0, I) / q(z), a check on q, 1 where its
    variance is finite. stderr: the standard error of each field by its name, 0 for closed forms.
    """

    kl: float
    mutual_information: float
    total_correlation: float
    negentropy: Float[np.ndarray, " L"]
    prior_mismatch: Float[np.ndarray, " L"]
    channel_rate: Float[np.ndarray, " L"]
    posterior_route: float
    prior_mass: float
    stderr: dict[str, float | Float[np.ndarray, " L"]]


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


def rate_audit(
    mean: Codes,
    log_variance: Codes,
    *,
    key: PRNGKeyArray,
    draws: int = 8,
    probabilities: Float[ArrayLike, " n"] | None = None,
) -> RateAudit:
    """Account for every bit of the code N(mean, diag(exp(log_variance))).

    With q(z) = sum_n p_n q(z|n) over all n images and m_i, v_i the mean and variance of z_i,

        E KL(q(z|x) || N(0, I)) = I(X;Z) + TC + sum_i negentropy_i + sum_i prior_mismatch_i,

    TC = KL(q(z) || prod_i q(z_i)), negentropy_i = KL(q(z_i) || N(m_i, v_i)), prior_mismatch_i =
    KL(N(m_i, v_i) || N(0, 1)): the decomposition of Chen et al. 2018 (arXiv:1802.04942, eq. 2)
    with its last term split in two. KL, mismatch and channel rate are closed forms; the others are
    means over draws of z.

    Args:
        draws: of z per image, at least 2.
        probabilities: p_n, uniform by default.

    Raises:
        ValueError: codes or probabilities that do not fit or are not finite, fewer than 2 draws.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    p = check_probabilities(probabilities, len(mean))
    check_count("draws", draws, least=2)  # for a standard error
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
        "prior_mismatch": np.asarray(gaussian_kl_per_latent(m, np.log(v))) / np.log(2),
        "channel_rate": channel_rate(mean, log_variance, probabilities=p),
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
    mean: Codes,
    log_variance: Codes,
    factors: Real[ArrayLike, "n F"],
    *,
    key: PRNGKeyArray,
    draws: int = 8,
    names: Sequence[str] = FACTORS,
) -> FactorInformation:
    """I(factor; Z) = H(factor) - E H(factor | z), bits, for each latent alone and for all.

    The images are equally likely. P(factor | z) is the posterior over images, q(z|n) / sum_m
    q(z|m), summed over the images of that value: nothing is binned and nothing fitted.

    Args:
        factors: the value of each factor in each image, any finite set of values.
        draws: of z per image, at least 2.
        names: of the F factors.

    Raises:
        ValueError: as `rate_audit` does, and for factors that do not fit or are not finite.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    check_count("draws", draws, least=2)  # for a standard error
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


def mutual_information_gap(bits: pd.DataFrame, entropies: Real[ArrayLike, " F"]) -> float:
    """MIG: the mean over factors of (best latent's bits - second best's) / H(factor), 0 to 1.

    (Chen et al. 2018, arXiv:1802.04942, eq. 6.)

    Args:
        bits: as in `FactorInformation`, two latents or more (a row `all` is none and left out).
        entropies: of its columns, in their order, bits, > 0.

    Raises:
        ValueError: fewer than 2 latents, or entropies that do not fit or are not positive.
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
    """Of each of m codes: the index of the most likely image, its probability, and E[x|z]."""

    most_likely: Int[np.ndarray, " m"]
    probability: Float[np.ndarray, " m"]
    reconstruction: Float[np.ndarray, "m ..."]


@jax.jit
def _decode(z, mean, log_variance, images):
    def one(z):
        """The answers for one z."""
        posterior = jax.nn.softmax(_log_density(z, mean, log_variance).sum(axis=1))
        return posterior.argmax(), posterior.max(), posterior @ images

    return jax.lax.map(one, z, batch_size=_chunk(mean))


def bayes_decode(
    mean: Codes, log_variance: Codes, images: Real[ArrayLike, "n ..."], z: Float[ArrayLike, "m L"]
) -> BayesDecoding:
    """The best that can be made of codes z: guess and reconstruction by P(n|z).

    E[x|z] = sum_n P(n|z) x_n has the least expected squared error of all decoders.

    Args:
        mean, log_variance: the code of each of the equally likely images.
        images: in [0, 1].

    Raises:
        ValueError: shapes that disagree, entries not finite, pixels that are integers or in 0..255.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    check_pixels("images", images)
    images, z = np.asarray(images, np.float32), np.asarray(z, np.float32)
    if len(images) != len(mean):
        raise ValueError(f"images: expected {len(mean)}, one per code, got {len(images)}")
    if z.ndim != 2 or z.shape[1] != mean.shape[1]:
        raise ValueError(f"z: expected (m, {mean.shape[1]}), got {z.shape}")
    check_finite(images=images, z=z)
    decoded = _decode(z, mean, log_variance, images.reshape(len(images), -1))
    most_likely, probability, pixels = map(np.asarray, decoded)
    return BayesDecoding(most_likely, probability, pixels.reshape(len(z), *images.shape[1:]))
