"""Bits of a latent code: rates of the Gaussian channel from image to z.

A noisy latent code is a channel: image n is sent as N(mean_n, diag(exp(log_variance_n))). An
autoencoder with added noise and a VAE are the same thing here. Everything is in bits.
"""

import numpy as np


def _check_codes(mean, log_variance):
    mean, log_variance = np.asarray(mean, float), np.asarray(log_variance, float)
    if mean.ndim != 2 or mean.shape != log_variance.shape or mean.size == 0:
        raise ValueError(
            "mean, log_variance: expected two arrays of one shape (n, L), n >= 1, "
            f"got {mean.shape} and {log_variance.shape}"
        )
    for name, array in (("mean", mean), ("log_variance", log_variance)):
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name}: expected finite entries, got nan or inf")
    return mean, log_variance


def channel_rate(mean, log_variance):
    """The Gaussian-channel rate of every latent dimension, (L,) bits per image.

    1/2 [log2(Var mean_i + E variance_i) - E log2 variance_i], the variance and the means taken
    over the n images of mean, log_variance (n, L). Right for noise that differs from image to
    image; equal to `textbook_rate` where it does not. Summed over i it is an upper bound on
    I(X; Z). Raises ValueError for shapes that disagree, no images, or entries not finite.
    """
    mean, log_variance = _check_codes(mean, log_variance)
    total = mean.var(axis=0) + np.exp(log_variance).mean(axis=0)
    return (np.log2(total) - log_variance.mean(axis=0) / np.log(2)) / 2


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
