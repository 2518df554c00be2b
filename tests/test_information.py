"""Rates of the Gaussian channel, against known answers and exact quadrature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.information import channel_rate, textbook_rate

law = settings(deadline=None, max_examples=100, derandomize=True, database=None)


def codes(n, latents, low=-5, high=5):
    return arrays(np.float64, (n, latents), elements=st.floats(low, high))


def exact_information(mean, log_variance):
    """I(X;Z) in bits of a code (n, 1), by quadrature over z."""
    deviation = np.exp(log_variance / 2)
    z = np.linspace((mean - 9 * deviation).min(), (mean + 9 * deviation).max(), 40_001)
    density = np.exp(-(((z - mean) / deviation) ** 2) / 2) / np.sqrt(2 * np.pi) / deviation
    mixture = density.mean(axis=0)
    log_mixture = np.log2(mixture, out=np.zeros_like(mixture), where=mixture > 0)
    entropy_of_z = -np.trapezoid(mixture * log_mixture, z)
    return entropy_of_z - np.mean(np.log2(2 * np.pi * np.e) + log_variance / np.log(2)) / 2


@pytest.fixture
def narrow_and_wide():
    """200 images whose noise variance is 1e-4 and 4 in turn."""
    mean = np.linspace(-1, 1, 200)[:, None]
    return mean, np.log(np.tile([1e-4, 4.0], 100))[:, None]


def test_the_rate_of_noise_that_varies_by_image(narrow_and_wide):
    assert channel_rate(*narrow_and_wide) == pytest.approx(3.4342, abs=1e-4)


def test_the_textbook_rate_with_mean_noise_falls_far_below_the_truth(narrow_and_wide):
    mean, log_variance = narrow_and_wide
    textbook = textbook_rate(mean.var(), np.exp(log_variance).mean())
    assert textbook == pytest.approx(0.1122, abs=1e-4)
    exact = exact_information(mean, log_variance)
    assert exact == pytest.approx(3.2566, abs=1e-3)
    assert textbook < exact < channel_rate(mean, log_variance)[0]


@pytest.mark.parametrize(
    ("snr", "rate", "exact"), [(1, 0.5, 0.48594), (4, 1.161, 0.91282), (16, 2.044, 0.99987)]
)
def test_the_rate_of_a_binary_input(snr, rate, exact):
    mean, log_variance = np.array([[-1.0], [1.0]]), np.full((2, 1), -np.log(snr))
    assert channel_rate(mean, log_variance) == pytest.approx(rate, abs=5e-4)
    assert exact_information(mean, log_variance) == pytest.approx(exact, abs=1e-4)


@law
@given(codes(12, 1, -3, 3), codes(12, 1, -3, 3))
def test_the_rate_is_never_below_the_exact_information(mean, log_variance):
    assert channel_rate(mean, log_variance)[0] >= exact_information(mean, log_variance) - 1e-6


@law
@given(codes(10, 3), arrays(np.float64, 3, elements=st.floats(-5, 5)))
def test_for_constant_noise_the_rate_is_the_textbook_rate(mean, log_noise):
    rate = channel_rate(mean, np.tile(log_noise, (10, 1)))
    expected = textbook_rate(mean.var(axis=0), np.exp(log_noise))
    np.testing.assert_allclose(rate, expected, rtol=1e-9, atol=1e-9)


@law
@given(codes(10, 3), codes(10, 3))
def test_the_rate_is_never_negative(mean, log_variance):
    assert np.all(channel_rate(mean, log_variance) >= -1e-12)


@law
@given(codes(10, 3), codes(10, 3), st.randoms(use_true_random=False))
def test_the_order_of_images_and_of_latents_does_not_matter(mean, log_variance, random):
    rows, columns = random.sample(range(10), 10), random.sample(range(3), 3)
    rate = channel_rate(mean, log_variance)
    np.testing.assert_allclose(channel_rate(mean[rows], log_variance[rows]), rate, atol=1e-9)
    shuffled = channel_rate(mean[:, columns], log_variance[:, columns])
    np.testing.assert_allclose(shuffled, rate[columns], atol=1e-9)


@law
@given(codes(10, 2), codes(10, 2), st.floats(0.1, 10), st.floats(-10, 10))
def test_stretching_and_shifting_a_code_changes_no_rate(mean, log_variance, factor, shift):
    moved = channel_rate(factor * mean + shift, log_variance + 2 * np.log(factor))
    np.testing.assert_allclose(moved, channel_rate(mean, log_variance), rtol=1e-6, atol=1e-9)


def test_a_code_that_ignores_the_image_has_no_rate():
    np.testing.assert_allclose(
        channel_rate(np.full((5, 2), 3.0), np.full((5, 2), -1.0)), 0, atol=1e-12
    )


def test_a_code_with_the_same_mean_but_different_noise_still_has_a_rate():
    rate = channel_rate(np.zeros((2, 1)), np.log([[1.0], [3.0]]))
    assert rate == pytest.approx(0.5 * (1 - np.log2(3) / 2))  # log2 of mean 2 less mean log2


def test_the_rate_has_one_number_per_latent():
    assert channel_rate(np.zeros((7, 3)), np.zeros((7, 3))).shape == (3,)


def test_one_image_carries_nothing():
    np.testing.assert_allclose(channel_rate([[1.0, 2.0]], [[0.5, -3.0]]), 0, atol=1e-12)


@pytest.mark.parametrize(("signal", "bits"), [(0, 0), (1, 0.5), (3, 1), (15, 2), (255, 4)])
def test_the_textbook_rate_is_half_the_log_of_one_plus_signal_to_noise(signal, bits):
    assert textbook_rate(signal, 1) == pytest.approx(bits)
    assert textbook_rate(5 * signal, 5) == pytest.approx(bits)


def test_the_textbook_rate_takes_one_pair_per_latent():
    np.testing.assert_allclose(textbook_rate([3.0, 30.0], [1.0, 2.0]), [1.0, 2.0])


@pytest.mark.parametrize(
    ("mean", "log_variance", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), r"\(n, L\).*\(3, 2\) and \(3, 1\)"),
        (np.zeros(3), np.zeros(3), r"\(n, L\).*\(3,\) and \(3,\)"),
        (np.zeros((0, 2)), np.zeros((0, 2)), r"n >= 1.*\(0, 2\)"),
        (np.array([[np.nan]]), np.zeros((1, 1)), "^mean: .*finite.*nan"),
        (np.zeros((1, 1)), np.array([[-np.inf]]), "^log_variance: .*finite.*inf"),
    ],
)
def test_channel_rate_refuses_bad_codes_by_name(mean, log_variance, message):
    with pytest.raises(ValueError, match=message):
        channel_rate(mean, log_variance)


@pytest.mark.parametrize(
    ("signal", "noise", "message"),
    [
        (-1.0, 1.0, r"signal_variance: .*>= 0.*-1\.0"),
        (np.inf, 1.0, "signal_variance: .*finite.*inf"),
        (1.0, 0.0, r"noise_variance: .*> 0.*0\.0"),
        (1.0, [1.0, -2.0], r"noise_variance: .*> 0.*-2\.0"),
        (1.0, np.nan, "noise_variance: .*finite.*nan"),
    ],
)
def test_textbook_rate_refuses_bad_variances_by_name(signal, noise, message):
    with pytest.raises(ValueError, match=message):
        textbook_rate(signal, noise)
