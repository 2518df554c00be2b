"""Bits of a latent code, against known answers, laws, quadrature and brute force."""

import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.information import (
    bayes_decode,
    channel_rate,
    factor_information,
    mutual_information_gap,
    rate_audit,
    textbook_rate,
)

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


def test_an_image_of_double_probability_counts_like_two():
    mean, log_variance = np.random.default_rng(0).normal(size=(2, 3, 2))
    twice = channel_rate(mean[[0, 0, 1, 2]], log_variance[[0, 0, 1, 2]])
    weighted = channel_rate(mean, log_variance, probabilities=[0.5, 0.25, 0.25])
    np.testing.assert_allclose(weighted, twice, rtol=1e-12)


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


def some_key():
    return jax.random.key(5)  # made anew for each use, as a key may be used once only


LEVELS = np.linspace(-1, 1, 28) / np.linspace(-1, 1, 28).std()


def constant_noise(mean, variance):
    return np.full_like(mean, np.log(variance))


def agree(value, expected, stderr, at_least=1e-4):
    return abs(value - expected) < 4 * stderr + at_least


def brute_force(mean, log_variance, z, p):
    """log p(n) q(z|n) for every z and n, nats, (m, n), in the plainest way."""
    d = -((z[:, None] - mean) ** 2 / np.exp(log_variance) + log_variance + np.log(2 * np.pi)) / 2
    return np.log(p) + d.sum(axis=2)


@pytest.fixture
def random_code():
    rng = np.random.default_rng(0)
    return rng.normal(size=(37, 3)), rng.normal(-1.5, 0.7, size=(37, 3))


@pytest.mark.parametrize(("snr", "exact"), [(1, 0.48594), (4, 0.91282), (16, 0.99987)])
def test_audit_of_a_binary_input(snr, exact):
    mean = np.array([[-1.0], [1.0]])
    audit = rate_audit(mean, constant_noise(mean, 1 / snr), key=some_key(), draws=20_000)
    assert agree(audit.mutual_information, exact, audit.stderr["mutual_information"])
    assert agree(audit.direct_route, exact, audit.stderr["direct_route"])
    assert agree(audit.total_correlation, 0, audit.stderr["total_correlation"])
    assert agree(audit.granularity, 0, audit.stderr["granularity"])
    for name in ("mutual_information", "granularity"):
        assert 0 < audit.stderr[name] < 0.01, name


@pytest.mark.parametrize(
    ("snr", "exact"), [(1, 0.49615), (10, 1.64350), (100, 3.13847), (1000, 4.62232)]
)
def test_audit_of_28_levels(snr, exact):
    mean = LEVELS[:, None]
    audit = rate_audit(mean, constant_noise(mean, 1 / snr), key=some_key(), draws=2000)
    assert agree(audit.mutual_information, exact, audit.stderr["mutual_information"])
    assert agree(audit.direct_route, exact, audit.stderr["direct_route"])


def test_audit_of_noise_that_varies_by_image(narrow_and_wide):
    audit = rate_audit(*narrow_and_wide, key=some_key(), draws=400)
    assert agree(audit.mutual_information, 3.2566, audit.stderr["mutual_information"])
    assert audit.channel_rate[0] == pytest.approx(3.4342, abs=1e-4)
    assert agree(audit.negentropy[0], 3.4342 - 3.2566, audit.stderr["negentropy"][0], 2e-4)


@pytest.mark.parametrize("snr", [1, 10])
def test_gaussian_codes_reach_the_gaussian_rate(snr):
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(4000, 1))
    mean = (mean - mean.mean()) / mean.std()
    audit = rate_audit(mean, constant_noise(mean, 1 / snr), key=some_key(), draws=4)
    assert audit.mutual_information == pytest.approx(np.log2(1 + snr) / 2, abs=0.01)
    assert abs(audit.negentropy[0]) < 0.01


def test_the_dependence_of_correlated_gaussian_codes():
    rng = np.random.default_rng(2)
    mean = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=4000)
    audit = rate_audit(mean, constant_noise(mean, 0.2), key=some_key(), draws=4)
    correlation = np.cov(mean.T) + 0.2 * np.eye(2)
    correlation = correlation / np.sqrt(np.outer(np.diag(correlation), np.diag(correlation)))
    expected = -np.log2(np.linalg.det(correlation)) / 2
    assert audit.total_correlation == pytest.approx(expected, abs=0.02)


def test_every_sampled_term_against_brute_force(random_code):
    mean, log_variance = random_code
    p = np.random.default_rng(3).dirichlet(np.ones(37))
    audit = rate_audit(mean, log_variance, key=some_key(), draws=400, probabilities=p)
    rng = np.random.default_rng(4)
    n = rng.choice(37, size=40_000, p=p)
    z = mean[n] + np.exp(log_variance[n] / 2) * rng.normal(size=(40_000, 3))
    joint = brute_force(mean, log_variance, z, p)
    log_q = np.logaddexp.reduce(joint, axis=1)
    log_q_i = [
        np.logaddexp.reduce(brute_force(mean[:, [i]], log_variance[:, [i]], z[:, [i]], p), axis=1)
        for i in range(3)
    ]
    posterior = np.exp(joint - log_q[:, None])
    entropy = -np.sum(posterior * np.log(posterior + 1e-300), axis=1)
    own = joint[np.arange(40_000), n] - np.log(p[n])
    expected = {
        "mutual_information": own - log_q,
        "total_correlation": log_q - np.sum(log_q_i, axis=0),
        "direct_route": -np.sum(p * np.log(p)) - entropy,
    }
    for name, values in expected.items():
        error = np.hypot(values.std() / 200 / np.log(2), audit.stderr[name])
        assert agree(getattr(audit, name), values.mean() / np.log(2), error), name


def test_negentropy_against_quadrature(random_code):
    mean, log_variance = random_code
    audit = rate_audit(mean, log_variance, key=some_key(), draws=400)
    for i in range(3):
        exact = channel_rate(mean, log_variance)[i] - exact_information(
            mean[:, [i]], log_variance[:, [i]]
        )
        assert agree(audit.negentropy[i], exact, audit.stderr["negentropy"][i], 1e-3)


def test_the_terms_add_up(random_code):
    audit = rate_audit(*random_code, key=some_key(), draws=400)
    three = audit.mutual_information + audit.total_correlation + audit.negentropy.sum()
    assert three == pytest.approx(audit.channel_rate.sum(), abs=0.05)
    assert three + audit.prior_mismatch.sum() == pytest.approx(audit.kl, abs=0.05)
    np.testing.assert_allclose(audit.channel_rate, channel_rate(*random_code), rtol=1e-6)
    assert audit.channel_rate.sum() + audit.prior_mismatch.sum() == pytest.approx(audit.kl, 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_information_is_below_entropy_and_every_bound(seed):
    rng = np.random.default_rng(seed)
    mean, log_variance = rng.normal(size=(50, 2)), rng.normal(-4 + seed, 1, size=(50, 2))
    audit = rate_audit(mean, log_variance, key=some_key(), draws=100)
    slack = 4 * audit.stderr["mutual_information"] + 1e-5
    for bound in (np.log2(50), audit.channel_rate.sum(), audit.kl):
        assert -slack < audit.mutual_information < bound + slack


def test_a_code_that_ignores_the_image_holds_nothing():
    mean = np.tile([0.3, -1.0], (20, 1))
    audit = rate_audit(mean, constant_noise(mean, 0.5), key=some_key())
    for term in (*audit.negentropy, audit.mutual_information, audit.total_correlation):
        assert term == pytest.approx(0, abs=1e-5)
    assert audit.direct_route == pytest.approx(0, abs=1e-5)
    assert audit.kl == pytest.approx(audit.prior_mismatch.sum(), rel=1e-5)


def test_without_noise_every_bit_is_kept():
    mean = np.random.default_rng(0).normal(size=(256, 2))
    audit = rate_audit(mean, constant_noise(mean, 1e-10), key=some_key())
    assert audit.mutual_information == pytest.approx(8, abs=1e-4)
    assert audit.direct_route == pytest.approx(8, abs=1e-4)


def test_without_noise_the_entropy_of_an_uneven_source_is_kept():
    p = np.array([0.5, 0.25, 0.25, 0.0])
    mean = np.arange(4.0)[:, None]
    audit = rate_audit(mean, constant_noise(mean, 1e-6), key=some_key(), probabilities=p)
    assert audit.mutual_information == pytest.approx(1.5, abs=1e-4)
    assert audit.direct_route == pytest.approx(1.5, abs=1e-4)


def test_an_image_of_probability_zero_is_not_there(random_code):
    mean, log_variance = random_code
    p = np.r_[np.zeros(7), np.full(30, 1 / 30)]
    with_it = rate_audit(mean, log_variance, key=some_key(), draws=400, probabilities=p)
    without = rate_audit(mean[7:], log_variance[7:], key=some_key(), draws=400)
    for name in ("mutual_information", "total_correlation", "direct_route"):
        assert agree(getattr(with_it, name), getattr(without, name), with_it.stderr[name], 0.01)
    assert with_it.kl == pytest.approx(without.kl, rel=1e-5)


def test_the_order_of_latents_does_not_matter(random_code):
    mean, log_variance = random_code
    order = [2, 0, 1]
    a = rate_audit(mean, log_variance, key=some_key(), draws=400)
    b = rate_audit(mean[:, order], log_variance[:, order], key=some_key(), draws=400)
    assert agree(a.mutual_information, b.mutual_information, a.stderr["mutual_information"], 0.01)
    assert agree(a.total_correlation, b.total_correlation, a.stderr["total_correlation"], 0.01)
    np.testing.assert_allclose(a.negentropy[order], b.negentropy, atol=0.02)
    np.testing.assert_allclose(a.channel_rate[order], b.channel_rate, rtol=1e-6)


def test_rotating_isotropic_noise_moves_bits_between_the_terms_of_form():
    corners = np.array([[x, y] for x in np.linspace(-1, 1, 9) for y in np.linspace(-1, 1, 9)])
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    noise = constant_noise(corners, 0.02)
    straight = rate_audit(corners, noise, key=some_key(), draws=200)
    turned = rate_audit(corners @ turn, noise, key=some_key(), draws=200)
    assert straight.mutual_information == pytest.approx(turned.mutual_information, abs=0.01)
    assert straight.total_correlation == pytest.approx(0, abs=0.01)
    assert turned.total_correlation > 0.2
    assert turned.negentropy.sum() < straight.negentropy.sum() - 0.2


def test_standard_errors_are_honest(random_code):
    audits = [
        rate_audit(*random_code, key=key, draws=4) for key in jax.random.split(some_key(), 60)
    ]
    for name in ("mutual_information", "total_correlation", "direct_route"):
        spread = np.std([getattr(audit, name) for audit in audits], ddof=1)
        claimed = np.mean([audit.stderr[name] for audit in audits])
        assert 0.7 < spread / claimed < 1.4, name


def test_the_same_key_gives_the_same_audit_and_closed_forms_have_no_error(random_code):
    a, b, c = (rate_audit(*random_code, key=jax.random.key(seed)) for seed in (1, 1, 2))
    assert a.mutual_information == b.mutual_information != c.mutual_information
    assert set(a.stderr) == set(a._fields) - {"stderr"}
    for name in ("kl", "prior_mismatch", "channel_rate"):
        assert np.all(np.asarray(a.stderr[name]) == 0)
        np.testing.assert_array_equal(getattr(a, name), getattr(c, name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros((3, 2))}, r"mean, log_variance: .*\(3, 2\) and \(4, 2\)"),
        (
            {"mean": np.zeros((0, 2)), "log_variance": np.zeros((0, 2))},
            "mean, log_variance: .*n >= 1",
        ),
        ({"log_variance": np.full((4, 2), np.inf)}, "log_variance: .*finite"),
        ({"probabilities": np.full(4, 0.3)}, r"probabilities: .*sum to 1.*1\.2"),
        ({"probabilities": np.array([1.5, -0.5, 0, 0])}, "probabilities: .*none negative"),
        ({"probabilities": np.full(3, 1 / 3)}, r"probabilities: expected 4.*\(3,\)"),
        ({"probabilities": np.array([np.nan, 0.5, 0.5, 0])}, "probabilities: .*nan"),
        ({"draws": 1}, "draws: .*>= 2.*1"),
    ],
)
def test_rate_audit_refuses_bad_input_by_name(change, message):
    good = {"mean": np.zeros((4, 2)), "log_variance": np.zeros((4, 2))}
    with pytest.raises(ValueError, match=message):
        rate_audit(**(good | change), key=some_key())


@pytest.fixture
def grid():
    """Factors (48, 2): 4 values of one, 12 of the other."""
    return np.array([[a, b] for a in range(4) for b in range(12)], float)


def test_a_latent_per_factor_and_a_latent_for_nothing(grid):
    mean = np.column_stack([grid[:, 1], grid[:, 0], np.zeros(48)])
    bits, stderr = factor_information(
        mean, constant_noise(mean, 1e-4), grid, key=some_key(), names=("a", "b")
    )
    assert list(bits.index) == ["z1", "z2", "z3", "all"]
    expected = [[0, np.log2(12)], [2, 0], [0, 0], [2, np.log2(12)]]
    np.testing.assert_allclose(bits, expected, atol=1e-4)
    assert mutual_information_gap(bits, [2, np.log2(12)]) == pytest.approx(1, abs=1e-4)
    assert np.all(stderr < 1e-4)


def test_a_factor_split_over_two_latents_is_known_only_by_both():
    factors = np.array([[a, b] for a in (0, 1) for b in (0, 1)] * 3, float)
    mean = np.column_stack([(factors[:, 0] + factors[:, 1]) % 2, factors[:, 1]])
    bits, _ = factor_information(
        mean, constant_noise(mean, 1e-4), factors, key=some_key(), names="ab"
    )
    np.testing.assert_allclose(bits, [[0, 0], [0, 1], [1, 1]], atol=1e-4)


def test_the_image_itself_as_a_factor_gives_the_mutual_information(random_code):
    image = np.arange(37.0)[:, None]
    bits, stderr = factor_information(
        *random_code, image, key=some_key(), draws=400, names=["image"]
    )
    audit = rate_audit(*random_code, key=some_key(), draws=400)
    error = stderr.loc["all", "image"]
    assert agree(bits.loc["all", "image"], audit.mutual_information, error, 0.01)
    assert error == pytest.approx(audit.stderr["mutual_information"], rel=0.3)
    for i in range(3):
        exact = exact_information(random_code[0][:, [i]], random_code[1][:, [i]])
        assert agree(bits.iloc[i, 0], exact, stderr.iloc[i, 0], 1e-3)


def test_factor_information_is_below_entropy_and_grows_with_more_latents(random_code):
    rng = np.random.default_rng(0)
    factors = np.column_stack([rng.integers(0, 3, 37), np.zeros(37)]).astype(float)
    bits, stderr = factor_information(
        *random_code, factors, key=some_key(), draws=100, names=["a", "no"]
    )
    share = np.unique(factors[:, 0], return_counts=True)[1] / 37
    slack = 4 * stderr["a"].max()
    assert bits.loc["all", "a"] < -np.sum(share * np.log2(share)) + slack
    assert bits.loc["all", "a"] > bits["a"].drop("all").max() - slack
    np.testing.assert_allclose(bits["no"], 0, atol=1e-5)


def test_factors_that_do_not_fit_are_refused(grid):
    code = np.zeros((48, 1))
    with pytest.raises(ValueError, match=r"factors: expected \(48, 4\).*\(48, 2\)"):
        factor_information(code, code, grid, key=some_key())
    with pytest.raises(ValueError, match=r"factors: .*finite"):
        factor_information(code, code, grid * np.nan, key=some_key(), names="ab")


def test_the_mutual_information_gap_of_a_known_table():
    bits = pd.DataFrame(
        {"x": [3.0, 1.0, 0.0, 4.0], "y": [0.5, 0.5, 0.0, 1.0]}, index=["z1", "z2", "z3", "all"]
    )
    assert mutual_information_gap(bits, [4, 2]) == pytest.approx((2 / 4 + 0 / 2) / 2)
    assert mutual_information_gap(bits.drop("all"), [4, 2]) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="entropies: expected 2 values > 0"):
        mutual_information_gap(bits, [4, 0])
    with pytest.raises(ValueError, match="bits: expected at least 2 latents, got 1"):
        mutual_information_gap(bits.loc[["z1", "all"]], [4, 2])


def test_bayes_decoding_against_brute_force(random_code):
    mean, log_variance = random_code
    images = np.random.default_rng(1).random((37, 5, 4))
    z = np.random.default_rng(2).normal(size=(100, 3))
    decoded = bayes_decode(mean, log_variance, images, z)
    joint = brute_force(mean, log_variance, z, np.full(37, 1 / 37))
    posterior = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    np.testing.assert_array_equal(decoded.most_likely, posterior.argmax(axis=1))
    np.testing.assert_allclose(decoded.probability, posterior.max(axis=1), rtol=1e-4)
    expected = np.tensordot(posterior, images, 1)
    assert decoded.reconstruction.shape == (100, 5, 4)
    np.testing.assert_allclose(decoded.reconstruction, expected, atol=1e-5)


def test_bayes_decoding_of_a_code_without_noise_is_exact():
    images = np.random.default_rng(1).random((20, 4, 4))
    mean = np.arange(20.0)[:, None]
    decoded = bayes_decode(mean, constant_noise(mean, 1e-4), images, mean)
    np.testing.assert_array_equal(decoded.most_likely, range(20))
    np.testing.assert_allclose(decoded.reconstruction, images, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 4))}, "images: expected 2, one per code, got 3"),
        ({"z": np.zeros((5, 2))}, r"z: expected \(m, 1\), got \(5, 2\)"),
        ({"z": np.full((5, 1), np.nan)}, "z: .*finite"),
    ],
)
def test_bayes_decoding_refuses_bad_input_by_name(change, message):
    good = {"images": np.zeros((2, 4)), "z": np.zeros((5, 1))}
    with pytest.raises(ValueError, match=message):
        bayes_decode(np.zeros((2, 1)), np.zeros((2, 1)), **(good | change))
