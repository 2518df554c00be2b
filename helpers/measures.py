"""What is measured of a trained model: how well it draws, what it merges and resists, its bits.

All of it on the whole world, or on as many draws as a share needs.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .generation import coverage, fit_density, nearest_shape, sample_prior, validity
from .information import bayes_decode, factor_information, mutual_information_gap, rate_audit
from .objectives import squared_error
from .shapes import render

N_SAMPLES = 2000  # generated images that are judged
N_CODES = 2**13  # codes of training images that a density is fitted to
NOISES = (0.1, 0.2, 0.4)  # standard deviations, of a pixel
AUDITED = (
    "kl", "mutual_information", "granularity", "excess_dependence", "total_correlation",
    "negentropy", "prior_mismatch", "channel_rate",
)  # fmt: skip


def quality(model, images, world, key, n=N_SAMPLES) -> dict:
    """How well a model rebuilds the world, which it has not seen, and what n new codes decode to.

    Args:
        images: training images, to whose codes densities are fitted.

    Returns:
        test_squared_error (of a VAE at the posterior mean), reconstruction_validity;
        prior_validity, prior_validity_strict and prior_coverage of z ~ N(0, I);
        fitted_gaussian_validity and fitted_mixture_validity of z from one Gaussian, and from a
        mixture of so many as held-out codes want, fitted_mixture_components.
    """
    rebuilt = model.reconstruct(world.images)
    codes = model.codes(images[:N_CODES])
    gaussian, mixture = fit_density(codes, (1,)), fit_density(codes)
    prior = nearest_shape(sample_prior(model, key, n))
    return {
        "test_squared_error": float(squared_error(world.images, rebuilt).mean()),
        "reconstruction_validity": validity(rebuilt),
        "prior_validity": validity(prior),
        "prior_validity_strict": validity(prior, 0.02),
        "prior_coverage": coverage(prior),
        "fitted_gaussian_validity": validity(model.decode(gaussian.draw(n))),
        "fitted_mixture_validity": validity(model.decode(mixture.draw(n))),
        "fitted_mixture_components": mixture.mixture.n_components,
    }


def merging(model, world, key, pairs=1000) -> dict:
    """What the middle between the codes of two images of the world decodes to, by the oracle.

    Returns:
        merged_validity: the share of valid pictures. Of these, merged_parent_shape: the share whose
        shape is that of a parent, and merged_place: the median distance of their (x, y) from the
        middle of the parents' places, as a share of the distance from there to a parent: 0 is
        halfway, 1 as far as a parent. (Both 0 where none is valid.) The same with `_null`: of
        pictures that know nothing of the parents, those of other pairs.
    """
    a, b = np.asarray(jax.random.randint(key, (2, pairs), 0, len(world.images)))
    codes = model.codes(world.images)
    near = nearest_shape(model.decode((codes[a] + codes[b]) / 2))
    valid = near.valid()
    parents = world.factors[[a, b]][:, valid]  # (2, valid pairs, 4)
    shape, place = near.shape[valid], np.stack([near.x, near.y], axis=1)[valid]
    halfway = parents[..., 1:3].mean(axis=0)
    reach = np.linalg.norm(parents[0, :, 1:3] - halfway, axis=1)

    def compared(shape, place):
        """The share with a parent's shape, the median distance from halfway."""
        like_parent = (shape == parents[..., 0]).any(axis=0)
        off = np.linalg.norm(place - halfway, axis=1)[reach > 0] / reach[reach > 0]
        return [
            float(f(of)) if len(of) else 0.0 for f, of in ((np.mean, like_parent), (np.median, off))
        ]

    found, null = compared(shape, place), compared(np.roll(shape, 1), np.roll(place, 1, axis=0))
    return {
        "merged_validity": float(valid.mean()),
        "merged_parent_shape": found[0],
        "merged_place": found[1],
        "merged_parent_shape_null": null[0],
        "merged_place_null": null[1],
    }


def robustness(model, world, key) -> dict:
    """Squared errors on disturbed images of the world: moved by half a pixel, and noisy.

    Returns:
        By the disturbance's name ("moved", "noise 0.1", ...) the mean error to the clean picture.
    """
    shape, x, y, size = world.factors.T
    inner = (x < x.max()) & (y < y.max())
    moved = np.asarray(render(shape[inner], x[inner] + 0.5, y[inner] + 0.5, size[inner]))
    inputs = {"moved": (moved, moved)}
    for noise, noise_key in zip(NOISES, jax.random.split(key, len(NOISES)), strict=True):
        noisy = world.images + noise * np.asarray(jax.random.normal(noise_key, world.images.shape))
        inputs[f"noise {noise:g}"] = (noisy, world.images)
    return {
        name: float(squared_error(clean, model.reconstruct(seen)).mean())
        for name, (seen, clean) in inputs.items()
    }


def bits(mean, log_variance, decode, images, key, draws=2) -> dict:
    """The account of one code and its decoder over all images, z drawn: bits and squared errors.

    mean, log_variance: (n, L), the code of images (n, 28, 28), as in `rate_audit`; decode: from z
    to images. negentropy, prior_mismatch and channel_rate are summed over the latents.
    """
    audit_key, z_key = jax.random.split(key)
    audit = rate_audit(mean, log_variance, key=audit_key, draws=draws)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(z_key, mean.shape)
    best = bayes_decode(mean, log_variance, images, z).reconstruction
    terms = {name: float(np.sum(getattr(audit, name))) for name in AUDITED}
    return terms | {
        "distortion": float(squared_error(images, decode(z)).mean()),
        "bayes_distortion": float(squared_error(images, best).mean()),
    }


def mig(model, world, key) -> float:
    """The mutual information gap of a VAE's latents over the factors of the world, 0 to 1."""
    table, _ = factor_information(*model.encode(world.images), world.factors, key=key, draws=2)
    return mutual_information_gap(table, np.log2(world.cardinalities))
