"""Bits of a latent code: bounds, the exact audit, what the bits mean, and the best decoder.

A noisy latent code is a channel: image n, of probability p_n, is sent as
N(mean_n, diag(exp(log_variance_n))). An autoencoder with added noise and a VAE are the same thing
here. The aggregate posterior q(z) = sum_n p_n q(z|n) is a mixture with one Gaussian per image, so
what other projects bound is computed, as a mean over draws of z. Everything is in bits, per image.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, Real
from scipy.special import entr

from .checks import check_count, check_finite, check_probabilities
from .mixtures import (
    Codes,
    check_codes,
    latent_information,
    mean_and_error,
    mixture,
    moments,
    over_draws,
)
from .posteriors import (  # this room's too, for those who import them
    bayes_decode,
    factor_information,
    mutual_information_gap,
    query_information,
)


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
    mean, log_variance = check_codes(mean, log_variance)
    p = check_probabilities(probabilities, len(mean))
    _, v = moments(mean, log_variance, p)
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


SHUFFLES = 4, 8  # of the latents for the null: for a standard error, and at most


class RateAudit(NamedTuple):
    """Where the bits of a latent code go, bits per image.

    kl = mutual_information + total_correlation + sum(negentropy) + sum(prior_mismatch) exactly,
    total_correlation = granularity + excess_dependence, and sum(channel_rate) is the KL without the
    mismatch. granularity is the null: the total correlation of the same code with every latent
    shuffled by itself over the images, where the latents know nothing of each other. It is what a
    code pays for precision that its n images cannot use, since I cannot exceed log2 n.
    direct_route is the mutual information again, as E log q(z|x) / q(z), from the same draws.
    stderr: the standard error of each field by its name, 0 for what is not drawn.
    """

    kl: float
    mutual_information: float
    granularity: float
    excess_dependence: float
    total_correlation: float
    negentropy: Float[np.ndarray, " L"]
    prior_mismatch: Float[np.ndarray, " L"]
    channel_rate: Float[np.ndarray, " L"]
    direct_route: float
    stderr: dict[str, float | Float[np.ndarray, " L"]]

    def table(self) -> pd.DataFrame:
        """The account line by line: bits and their standard errors."""
        lines = {
            "I(X; Z)": "mutual_information",
            "+ granularity (the TC of the shuffled code)": "granularity",
            "+ excess dependence": "excess_dependence",
            "+ negentropy": "negentropy",
            "= channel rate R": "channel_rate",
            "+ mismatch with the prior": "prior_mismatch",
            "= KL to the prior": "kl",
            "I(X; Z) again, the direct route": "direct_route",
        }
        rows = {
            line: (np.sum(getattr(self, name)), np.linalg.norm(self.stderr[name]))
            for line, name in lines.items()
        }
        return pd.DataFrame(rows, index=["bits", "standard error"]).T


def _joint_terms(_, log_joint):
    """log q(z) and H(X|z), nats."""
    top = log_joint.max()
    below = jnp.maximum(log_joint - top, -200)  # exp is 0 there, and 0 times it is 0, not nan
    weights = jnp.exp(below)
    total = weights.sum()
    return top + jnp.log(total), jnp.log(total) - (weights * below).sum() / total


def _shuffled(q, key):
    """q with every latent's images in an order of its own."""
    numbers = np.random.default_rng(np.asarray(jax.random.bits(key, (4,))))
    orders = numbers.permuted(np.tile(np.arange(len(q.p))[:, None], q.mean.shape[1]), axis=0)
    mean, log_variance = (np.take_along_axis(part, orders, 0) for part in q[:2])
    return q._replace(mean=mean, log_variance=log_variance)


def _sampled(q, key, sample):
    """The codes that z is drawn from: all images, or `sample` of them, drawn by their p."""
    if sample is None:
        return q
    rows = np.asarray(jax.random.choice(key, len(q.p), (sample,), p=jnp.asarray(q.p)))
    return q._replace(mean=q.mean[rows], log_variance=q.log_variance[rows])


def _shuffled_correlation(q, keys, draws, sample, alone):
    """TC of q with every latent shuffled by itself, nats, of one shuffle; alone: sum I_i."""
    shuffle_key, sample_key, z_key = keys
    shuffled = _shuffled(q, shuffle_key)
    if np.ptp(q.p) > 0:  # otherwise the latents alone are what they were
        alone = latent_information(shuffled).sum()
    source = _sampled(shuffled, sample_key, sample)
    _, (_, unknown) = over_draws(_joint_terms, shuffled, z_key, draws, of=source)
    unknown = np.average(unknown.mean(axis=0), weights=q.p if sample is None else None)
    return alone - (entr(q.p).sum() - unknown)


def _closed_terms(mean, log_variance, p, alone):
    """What has a closed form, bits, by name, with N(0, I) as the prior; alone: I(X; Z_i), nats."""
    rate, (m, v) = channel_rate(mean, log_variance, probabilities=p), moments(mean, log_variance, p)
    with np.errstate(over="ignore"):
        kl = (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1) / 2
        mismatch = (m**2 + v - np.log(v) - 1) / np.log(4)
    terms = {"channel_rate": rate, "negentropy": rate - alone / np.log(2)}
    return terms | {"prior_mismatch": mismatch, "kl": p @ kl / np.log(2)}


def _drawn_terms(q, keys, draws, sample, alone):
    """What is a mean over draws of z, by name: (mean, standard error), nats; alone: sum I_i."""
    own_key, sample_key, shuffle_key = keys
    source, weights = _sampled(q, sample_key, sample), q.p if sample is None else None
    own, (log_q, unknown) = over_draws(_joint_terms, q, own_key, draws, of=source)
    shuffles = int(np.clip(draws, *SHUFFLES))
    # One value for each shuffle: they differ by their orders and by what is drawn.
    nulls = [
        _shuffled_correlation(q, some, -(-draws // shuffles), sample, alone)
        for some in jax.random.split(shuffle_key, (shuffles, 3))
    ]
    return {
        "mutual_information": mean_and_error(entr(q.p).sum() - unknown, weights),
        "direct_route": mean_and_error(own - log_q, weights),
        "granularity": mean_and_error([nulls]),
    }


def rate_audit(
    mean: Codes,
    log_variance: Codes,
    *,
    key: PRNGKeyArray,
    draws: int = 8,
    sample: int | None = None,
    probabilities: Float[ArrayLike, " n"] | None = None,
    log_prior: Callable[[Float[Array, "m L"]], Float[ArrayLike, " m"]] | None = None,
) -> RateAudit:
    """Account for every bit of the code N(mean, diag(exp(log_variance))).

    With q(z) = sum_n p_n q(z|n) over all n images and m_i, v_i the mean and variance of z_i,

        E KL(q(z|x) || N(0, I)) = I(X;Z) + TC + sum_i negentropy_i + sum_i prior_mismatch_i,

    TC = KL(q(z) || prod_i q(z_i)), negentropy_i = KL(q(z_i) || N(m_i, v_i)), prior_mismatch_i =
    KL(N(m_i, v_i) || N(0, 1)): the decomposition of Chen et al. 2018 (arXiv:1802.04942, eq. 2)
    with its last term split in two, and TC split by its null. I = H(X) - E H(X|Z) is a mean over
    draws of z, with q(z) exact; KL, mismatch and channel rate are closed forms in float64, the
    negentropies integrals, and TC = sum_i I(X;Z_i) - I(X;Z).

    Args:
        mean, log_variance: any arrays (n, L): NumPy's, JAX's, PyTorch's, or a DataFrame. Codes
            nearer to each other than 1e-10 of a latent's standard deviation are not told apart.
        draws: of z per image, at least 2; at least as many for the null, over 4 to 8 shuffles.
        sample: so many images, drawn at random, are asked where n is larger; q(z) holds all of
            them still. The standard error says what that costs.
        probabilities: p_n, uniform by default.
        log_prior: of the prior in the place of N(0, I), log density in nats of z (m, L); the KL is
            then a mean over the draws, and prior_mismatch one number, KL - R, below 0 where the
            prior fits better than a Gaussian of the right moments.

    Raises:
        ValueError: codes or probabilities that do not fit or are not finite, fewer than 2 draws.
    """
    mean, log_variance = check_codes(mean, log_variance)
    check_count("draws", draws, least=2)  # for a standard error
    if sample is not None:
        check_count("sample", sample, least=2)
        sample = sample if sample < len(mean) else None
    p = check_probabilities(probabilities, len(mean))
    q = mixture(mean, log_variance, p)
    own_key, sample_key, prior_key, shuffle_key = jax.random.split(key, 4)
    alone = latent_information(q)
    terms = _closed_terms(mean, log_variance, p, alone)
    stderr = {name: np.zeros_like(value) for name, value in terms.items()}
    if log_prior is not None:
        terms["kl"], error = _kl_to(log_prior, prior_key, draws, mean, log_variance, p)
        terms["prior_mismatch"] = np.array([terms["kl"] - terms["channel_rate"].sum()])
        stderr |= {"kl": error, "prior_mismatch": np.array([error])}
    elif not np.isfinite(terms["kl"]):
        raise ValueError(f"mean: expected finite squares, got entries up to {abs(mean).max():g}")
    keys = own_key, sample_key, shuffle_key
    for name, (value, error) in _drawn_terms(q, keys, draws, sample, alone.sum()).items():
        terms[name], stderr[name] = value / np.log(2), error / np.log(2)
    terms["total_correlation"] = alone.sum() / np.log(2) - terms["mutual_information"]
    terms["excess_dependence"] = terms["total_correlation"] - terms["granularity"]
    stderr["total_correlation"] = stderr["mutual_information"]
    stderr["excess_dependence"] = np.hypot(stderr["mutual_information"], stderr["granularity"])
    return RateAudit(**terms, stderr=stderr)


def _kl_to(log_prior, key, draws, mean, log_variance, p):
    """E KL(q(z|x) || prior) and its standard error, bits, over draws of z."""
    eps = np.asarray(jax.random.normal(key, (draws, *mean.shape)), float)
    z = mean + np.exp(log_variance / 2) * eps
    log_density = np.stack([np.asarray(log_prior(some), float) for some in z])
    if log_density.shape != z.shape[:2]:
        raise ValueError(
            f"log_prior: expected {z.shape[1]} values, one per z, got {log_density.shape[1:]}"
        )
    check_finite(log_prior=log_density)
    own = -(log_variance + np.log(2 * np.pi * np.e)).sum(axis=1) / 2
    return (x / np.log(2) for x in mean_and_error(own - log_density, p))


__all__ = [
    "RateAudit",
    "bayes_decode",
    "channel_rate",
    "factor_information",
    "mutual_information_gap",
    "query_information",
    "rate_audit",
    "textbook_rate",
]
