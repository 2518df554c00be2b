"""Reconstruction errors, the KL divergence and the losses, against closed forms and sampling."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.information import rate_audit
from helpers.objectives import (
    autoencoder_loss,
    binary_cross_entropy,
    denoising_loss,
    gaussian_kl,
    gaussian_kl_per_latent,
    squared_error,
    total_correlation_loss,
    vae_loss,
)

law = settings(deadline=None, max_examples=100, derandomize=True, database=None)


def vectors(low, high, shape=(3, 2)):
    return arrays(np.float32, shape, elements=st.floats(low, high, width=32))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((6, 28, 28), dtype=np.float32)


@pytest.fixture(scope="module")
def autoencoder():
    return small.autoencoder()


@pytest.fixture(scope="module")
def vae():
    return small.vae()


# Squared error


@law
@given(vectors(-10, 10, (3, 4, 4)), vectors(-10, 10, (3, 4, 4)))
def test_squared_error_is_the_squared_distance_of_each_image(x, x_hat):
    expected = np.sum((x.astype(float) - x_hat) ** 2, axis=(1, 2))
    np.testing.assert_allclose(squared_error(x, x_hat), expected, rtol=1e-4, atol=1e-6)


def test_squared_error_is_summed_over_pixels_not_averaged():
    error = squared_error(jnp.ones((2, 28, 28)), jnp.zeros((2, 28, 28)))
    np.testing.assert_allclose(error, [784, 784])


def test_squared_error_takes_vectors_as_well_as_images():
    np.testing.assert_allclose(squared_error(np.eye(3), np.zeros((3, 3))), [1, 1, 1])


# Binary cross entropy


def entropy_of_pixels(x):
    x = x.astype(float)
    return -(x * np.log(x) + (1 - x) * np.log(1 - x)).sum(axis=1)


@law
@given(vectors(-8, 8), vectors(0, 1))
def test_binary_cross_entropy_is_its_definition(logits, x):
    p = 1 / (1 + np.exp(-logits.astype(float)))
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(binary_cross_entropy(logits, x), expected, rtol=1e-4, atol=1e-5)


@law
@given(vectors(-8, 8), vectors(0.015625, 0.984375))
def test_the_floor_of_binary_cross_entropy_is_the_entropy_of_the_pixels(logits, x):
    floor = entropy_of_pixels(x)
    assert np.all(binary_cross_entropy(logits, x) >= floor - 1e-4)
    at_logit = binary_cross_entropy(np.log(x / (1 - x)), x)
    np.testing.assert_allclose(at_logit, floor, rtol=1e-4, atol=1e-5)


slope = jax.jit(jax.grad(lambda logits, x: binary_cross_entropy(logits, x).sum()))


@law
@given(vectors(0.015625, 0.984375))
def test_binary_cross_entropy_is_stationary_at_the_logit_of_the_image_only(x):
    best = np.log(x / (1 - x))
    np.testing.assert_allclose(slope(best, x), 0, atol=1e-5)
    assert np.all(slope(best + 0.1, x) > 0)
    assert np.all(slope(best - 0.1, x) < 0)


def test_binary_cross_entropy_stays_finite_for_certain_logits():
    logits = jnp.array([[1000.0, -1000.0]])
    np.testing.assert_allclose(binary_cross_entropy(logits, jnp.array([[1.0, 0.0]])), [0])
    np.testing.assert_allclose(binary_cross_entropy(logits, jnp.array([[0.0, 1.0]])), [2000])


# KL divergence


@law
@given(vectors(-30, 30), vectors(-15, 15))
def test_kl_is_never_negative_and_matches_its_closed_form(mean, log_variance):
    kl = np.asarray(gaussian_kl(mean, log_variance))
    m, v = mean.astype(float), log_variance.astype(float)
    assert np.all(kl >= 0)
    expected = 0.5 * (m**2 + np.exp(v) - v - 1).sum(axis=1)
    np.testing.assert_allclose(kl, expected, rtol=1e-4, atol=1e-5)


def test_kl_is_never_negative_even_within_rounding_of_the_prior():
    tiny = np.geomspace(1e-12, 1e-2, 20001, dtype=np.float32)
    for log_variance in (tiny, -tiny):
        assert np.all(gaussian_kl(np.zeros_like(tiny)[:, None], log_variance[:, None]) >= 0)


def test_kl_is_zero_at_the_prior():
    np.testing.assert_array_equal(gaussian_kl(jnp.zeros((4, 3)), jnp.zeros((4, 3))), np.zeros(4))


@law
@given(st.floats(-3, 3, width=32), st.floats(-3, 3, width=32))
def test_kl_is_positive_away_from_the_prior(mean, log_variance):
    if max(abs(mean), abs(log_variance)) > 1e-3:
        assert gaussian_kl(jnp.array([[0.0, mean]]), jnp.array([[log_variance, 0.0]]))[0] > 0


@pytest.mark.parametrize(
    ("mean", "log_variance"), [((0.0, 0.0), (-2.0, 1.0)), ((1.5, -0.5), (0.0, -3.0))]
)
def test_kl_agrees_with_monte_carlo(mean, log_variance):
    mean, deviation = np.array(mean), np.exp(np.array(log_variance) / 2)
    z = mean + deviation * np.asarray(jax.random.normal(jax.random.key(0), (200_000, 2)))
    log_q = jax.scipy.stats.norm.logpdf(z, mean, deviation).sum(axis=1)
    log_p = jax.scipy.stats.norm.logpdf(z).sum(axis=1)
    ratio = np.asarray(log_q - log_p)
    closed_form = gaussian_kl(mean[None], np.array([log_variance]))[0]
    assert abs(ratio.mean() - closed_form) < 4 * ratio.std() / np.sqrt(len(ratio))


def test_kl_adds_up_over_latents():
    mean, log_variance = np.random.default_rng(1).normal(size=(2, 5, 3))
    parts = gaussian_kl_per_latent(mean, log_variance)
    assert parts.shape == (5, 3)
    np.testing.assert_allclose(gaussian_kl(mean, log_variance), parts.sum(axis=1), rtol=1e-6)
    for i in range(3):
        alone = gaussian_kl(mean[:, [i]], log_variance[:, [i]])
        np.testing.assert_array_equal(parts[:, i], alone)
        np.testing.assert_array_equal(gaussian_kl_per_latent(mean[0], log_variance[0])[i], alone[0])


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (squared_error, ("x", "x_hat")),
        (binary_cross_entropy, ("logits", "x")),
        (gaussian_kl, ("mean", "log_variance")),
        (gaussian_kl_per_latent, ("mean", "log_variance")),
    ],
)
def test_shapes_that_disagree_are_named(function, names):
    with pytest.raises(ValueError, match=rf"{names[0]} \(3, 2\), {names[1]} \(2,\)"):
        function(jnp.zeros((3, 2)), jnp.zeros(2))


# Losses


def test_autoencoder_loss_is_the_mean_squared_error_per_image(autoencoder, images):
    loss, terms = autoencoder_loss(autoencoder, images, jax.random.key(0))
    x_hat = np.asarray(autoencoder.decode(autoencoder.encode(images)))
    expected = np.mean(np.sum((np.asarray(images) - x_hat) ** 2, axis=(1, 2)))
    assert loss == pytest.approx(expected, rel=1e-5)
    assert terms == {"loss": loss, "squared_error": loss}


def test_autoencoder_loss_ignores_the_key(autoencoder, images):
    losses = {float(autoencoder_loss(autoencoder, images, key)[0]) for key in (None, "no key")}
    assert losses == {float(autoencoder_loss(autoencoder, images, jax.random.key(1))[0])}


def test_denoising_loss_without_noise_is_the_autoencoder_loss(autoencoder, images):
    plain = autoencoder_loss(autoencoder, images, None)[0]
    noiseless = denoising_loss(autoencoder, images, jax.random.key(0), noise=0.0)[0]
    assert noiseless == pytest.approx(float(plain), rel=1e-6)


def test_denoising_loss_compares_clean_images_with_what_noisy_ones_decode_to(autoencoder, images):
    key = jax.random.key(0)
    loss, terms = denoising_loss(autoencoder, images, key, noise=0.7)
    noisy = images + 0.7 * jax.random.normal(jax.random.clone(key), images.shape)
    expected = squared_error(images, autoencoder.decode(autoencoder.encode(noisy))).mean()
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert terms == {"loss": loss, "squared_error": loss}
    assert loss != denoising_loss(autoencoder, images, jax.random.key(1), noise=0.7)[0]


def test_vae_loss_is_its_terms_weighted_by_c_and_beta(vae, images):
    loss, terms = vae_loss(vae, images, jax.random.key(0), c=0.3, beta=2.5)
    assert set(terms) == {"loss", "squared_error", "kl"}
    assert terms["loss"] == loss
    assert loss == pytest.approx(float(terms["squared_error"] / 0.6 + 2.5 * terms["kl"]), rel=1e-6)


def test_vae_loss_draws_one_code_per_image_from_its_key(vae, images):
    key = jax.random.key(0)
    _, terms = vae_loss(vae, images, key)
    mean, log_variance = vae.encode(images)
    x_hat = vae.decode(vae.sample(mean, log_variance, jax.random.clone(key)))
    assert terms["squared_error"] == pytest.approx(float(squared_error(images, x_hat).mean()))
    assert terms["kl"] == pytest.approx(float(gaussian_kl(mean, log_variance).mean()))
    assert terms["squared_error"] != vae_loss(vae, images, jax.random.key(1))[1]["squared_error"]


def test_vae_loss_is_minus_the_elbo_less_its_constant(vae, images):
    key, c = jax.random.key(2), 0.05
    loss, terms = vae_loss(vae, images, key, c=c)
    mean, log_variance = vae.encode(images)
    x_hat = vae.decode(vae.sample(mean, log_variance, jax.random.clone(key)))
    log_likelihood = jax.scipy.stats.norm.logpdf(images, x_hat, jnp.sqrt(c)).sum(axis=(1, 2))
    elbo = log_likelihood.mean() - terms["kl"]
    assert loss + 392 * np.log(2 * np.pi * c) == pytest.approx(-float(elbo), rel=1e-4)


@pytest.fixture(scope="module")
def gradient(vae, images):
    """The gradient of the VAE's loss as a function of beta."""

    @nnx.jit
    def gradient(model, beta):
        return nnx.grad(lambda model: vae_loss(model, images, jax.random.key(0), beta=beta)[0])(
            model
        )

    return lambda beta: nnx.to_pure_dict(nnx.state(gradient(vae, beta)))


def flat(gradients):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradients)])


def test_every_weight_learns_through_the_sampled_code(gradient):
    gradients = gradient(beta=1.0)
    last = jax.tree.leaves(gradients["encoder"]["layers"][2]["kernel"])[0]
    assert np.all(np.abs(last).max(axis=0) > 0)  # means and log variances
    assert np.abs(flat(gradients["decoder"])).max() > 0


def test_the_kl_pulls_on_the_encoder_alone_and_beta_scales_it(gradient):
    at = {beta: gradient(beta) for beta in (0.0, 1.0, 3.0)}
    np.testing.assert_allclose(flat(at[0.0]["decoder"]), flat(at[3.0]["decoder"]), rtol=1e-5)
    once = flat(at[1.0]["encoder"]) - flat(at[0.0]["encoder"])
    thrice = flat(at[3.0]["encoder"]) - flat(at[0.0]["encoder"])
    assert np.abs(once).max() > 1e-3
    np.testing.assert_allclose(thrice, 3 * once, atol=1e-3 * np.abs(thrice).max())


def test_total_correlation_loss_without_its_penalty_is_the_vae_loss(vae, images):
    settings = {"population": 100.0, "c": 0.2, "beta": jnp.full(2, 4.0), "gamma": 0.0}
    loss, terms = total_correlation_loss(vae, images, jax.random.key(1), **settings)
    expected, _ = vae_loss(vae, images, jax.random.key(1), c=0.2, beta=4.0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert set(terms) == {"loss", "squared_error", "kl", "total_correlation"}


def test_total_correlation_loss_weighs_each_latent(vae, images):
    settings = {"population": 100.0, "c": 1.0, "gamma": 0.0}
    losses = [
        total_correlation_loss(vae, images, jax.random.key(1), beta=jnp.array(beta), **settings)
        for beta in ([1.0, 1.0], [3.0, 1.0])
    ]
    mean, log_variance = vae.encode(images)
    first = gaussian_kl(mean[:, :1], log_variance[:, :1]).mean()
    np.testing.assert_allclose(losses[1][0] - losses[0][0], 2 * first, rtol=1e-3)


def test_total_correlation_agrees_with_the_audit():
    """A code on a circle, whose coordinates depend on each other, half of it in every batch."""

    class Ring:
        def encode(self, x):
            return x, jnp.full_like(x, jnp.log(0.05))

        def sample(self, mean, log_variance, key):
            return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)

        def decode(self, z):
            return z

    angle = np.linspace(0, 2 * np.pi, 600, endpoint=False)
    points = jnp.stack([np.cos(angle), np.sin(angle)], axis=1)
    audit = rate_audit(points, np.full(points.shape, np.log(0.05)), key=jax.random.key(0))
    settings = {"population": 600.0, "c": 1.0, "beta": jnp.ones(2), "gamma": 1.0}
    loss_of = jax.jit(partial(total_correlation_loss, Ring(), **settings))
    estimates = []
    for key in jax.random.split(jax.random.key(1), 40):
        batch_key, draw_key = jax.random.split(key)
        batch = jax.random.choice(batch_key, points, (300,), replace=False)
        loss, terms = loss_of(batch, draw_key)
        estimates.append(float(terms["total_correlation"]) / np.log(2))
        np.testing.assert_allclose(
            loss, terms["squared_error"] / 2 + terms["kl"] + terms["total_correlation"], rtol=1e-5
        )
    assert audit.total_correlation > 0.3
    assert np.mean(estimates) == pytest.approx(audit.total_correlation, rel=0.05)
