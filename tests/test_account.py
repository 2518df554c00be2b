"""The account where it is hard: nulls, extremes, weights, other arrays, held-out codes."""

from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.special import entr, expit, logsumexp, softmax
from scipy.stats import multivariate_normal

from helpers import information, mixtures
from helpers.information import (
    bayes_decode,
    factor_information,
    query_information,
    rate_audit,
)


def key(seed=5):
    return jax.random.key(seed)


def closes(audit):
    """Whether the terms add up, and none is what it cannot be."""
    parts = audit.mutual_information + audit.total_correlation + audit.negentropy.sum()
    assert parts == pytest.approx(audit.channel_rate.sum(), rel=1e-9, abs=1e-9)
    assert parts + audit.prior_mismatch.sum() == pytest.approx(audit.kl, rel=1e-6)
    both = audit.granularity + audit.excess_dependence
    assert both == pytest.approx(audit.total_correlation, rel=1e-9, abs=1e-9)
    assert all(np.all(np.isfinite(value)) for value in audit[:-1])
    return True


def noise(mean, variance):
    return np.full_like(mean, np.log(variance))


# The null


def test_independent_latents_have_granularity_and_no_excess():
    mean = np.random.default_rng(0).normal(size=(2048, 4))
    audit = rate_audit(mean, noise(mean, 0.002), key=key(), draws=2)
    assert closes(audit)
    assert audit.channel_rate.sum() > 11 + 4  # far more room than images
    # The law: I <= log2 N, so TC >= R - negentropies - log2 N, whatever the latents hold.
    least = audit.channel_rate.sum() - audit.negentropy.sum() - 11
    assert audit.total_correlation > least > 4
    assert abs(audit.excess_dependence) < 0.05
    assert audit.granularity == pytest.approx(audit.total_correlation, abs=0.05)


def test_latents_that_are_copies_have_an_excess():
    one = np.random.default_rng(0).normal(size=(2048, 1))
    mean = np.hstack([one, one])
    audit = rate_audit(mean, noise(mean, 0.02), key=key(), draws=2)
    assert closes(audit)
    # Two looks at one Gaussian of variance 1 through noise of 0.02 each.
    correlation = 1 / 1.02
    assert audit.total_correlation == pytest.approx(-np.log2(1 - correlation**2) / 2, abs=0.05)
    assert audit.granularity < 0.2
    assert audit.excess_dependence > 2


def test_the_null_is_the_account_of_a_code_that_is_shuffled_by_hand():
    rng = np.random.default_rng(1)
    one = rng.normal(size=(512, 1))
    mean = np.hstack([one, one + 0.1 * rng.normal(size=(512, 1)), rng.normal(size=(512, 1))])
    log_variance = rng.normal(-4, 0.5, mean.shape)
    audit = rate_audit(mean, log_variance, key=key(), draws=8)
    found = []
    for seed in range(8):
        order = np.random.default_rng(seed)
        rows = np.stack([order.permutation(512) for _ in range(3)], axis=1)
        shuffled = (np.take_along_axis(a, rows, 0) for a in (mean, log_variance))
        found.append(rate_audit(*shuffled, key=key(seed), draws=2).total_correlation)
    assert audit.granularity == pytest.approx(np.mean(found), abs=0.03)
    assert audit.excess_dependence > 0.5


# References in float64


def reference(mean, log_variance, p, draws, seed=0):
    """(I, TC) in bits, I from draws and sum I_i by a fine sum, in NumPy's float64."""
    rng, deviation = np.random.default_rng(seed), np.exp(log_variance / 2)
    values = []
    for n in range(len(mean)):
        z = mean[n] + deviation[n] * rng.normal(size=(draws, mean.shape[1]))
        joint = np.stack([
            multivariate_normal.logpdf(z, m, np.diag(d**2)).reshape(draws)
            for m, d in zip(mean, deviation, strict=True)
        ])  # fmt: skip
        log_q = logsumexp(joint, axis=0, b=p[:, None])
        values.append((joint[n] - log_q).mean())
    information = p @ np.array(values) / np.log(2)
    alone = 0.0
    for m, d in zip(mean.T, deviation.T, strict=True):
        z = np.linspace((m - 9 * d).min(), (m + 9 * d).max(), 60_001)
        density = np.exp(-(((z - m[:, None]) / d[:, None]) ** 2) / 2) / d[:, None]
        q = p @ density / np.sqrt(2 * np.pi)
        entropy = -np.trapezoid(q * np.log(np.where(q > 0, q, 1)), z)
        alone += entropy - p @ (np.log(2 * np.pi * np.e) / 2 + np.log(d))
    return information, alone / np.log(2) - information


@pytest.mark.parametrize("by_product", [True, False])
def test_unequal_images_and_duplicates_against_float64(by_product, monkeypatch):
    rng = np.random.default_rng(3)
    mean, log_variance = rng.normal(size=(24, 3)), rng.normal(-2, 1, size=(24, 3))
    mean[12:16], log_variance[12:16] = mean[:4], log_variance[:4]  # twice the same code
    p = rng.dirichlet(np.ones(24))
    scaled = mixtures._scaled
    monkeypatch.setattr(mixtures, "_scaled", lambda *a: scaled(*a)._replace(by_product=by_product))
    audit = rate_audit(mean, log_variance, key=key(), draws=300, probabilities=p)
    information, correlation = reference(mean, log_variance, p, 300)
    error = audit.stderr["mutual_information"]
    assert audit.mutual_information == pytest.approx(information, abs=8 * error)
    assert audit.total_correlation == pytest.approx(correlation, abs=8 * error)
    assert audit.direct_route == pytest.approx(information, abs=8 * audit.stderr["direct_route"])
    assert closes(audit)


@pytest.mark.parametrize("latents", [1, 2, 8])
def test_correlated_gaussian_codes_have_the_closed_form(latents):
    rng = np.random.default_rng(latents)
    mix = rng.normal(size=(latents, latents)) / np.sqrt(latents)
    mean = rng.normal(size=(6000, latents)) @ mix
    log_variance = noise(mean, 1.0)
    audit = rate_audit(mean, log_variance, key=key(), draws=2, sample=1500)
    signal, total = np.cov(mean.T).reshape(latents, -1), np.eye(latents)
    total = total + signal
    information = np.linalg.slogdet(total)[1] / 2 / np.log(2)
    rate = np.log2(np.diag(total)).sum() / 2
    assert audit.mutual_information == pytest.approx(information, abs=0.05 + 0.01 * latents)
    assert audit.excess_dependence == pytest.approx(rate - information, abs=0.06 + 0.01 * latents)
    assert abs(audit.negentropy).max() < 0.01


def test_a_sample_of_images_says_what_all_say_within_its_error():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(1024, 3)), rng.normal(-4, 0.5, (1024, 3))
    whole = rate_audit(mean, log_variance, key=key(), draws=2)
    some = [rate_audit(mean, log_variance, key=key(s), draws=2, sample=128) for s in range(20)]
    for name in ("mutual_information", "granularity", "direct_route"):
        off = np.array([getattr(a, name) - getattr(whole, name) for a in some])
        claimed = np.mean([a.stderr[name] for a in some])
        assert abs(off.mean()) < 4 * claimed / np.sqrt(20), name
        assert 0.6 < off.std(ddof=1) / claimed < 1.6, name


def test_the_error_of_a_sample_sees_that_images_differ():
    mean = np.r_[10.0 * np.arange(256), np.zeros(256)][:, None]  # known exactly, and not at all
    log_variance = np.full_like(mean, -2.0)
    settings = {"draws": 8, "sample": 32}
    audits = [
        rate_audit(mean, log_variance, key=k, **settings) for k in jax.random.split(key(), 30)
    ]
    spread = np.std([a.mutual_information for a in audits], ddof=1)
    assert spread > 0.3
    claimed = np.mean([a.stderr["mutual_information"] for a in audits])
    assert 0.7 < spread / claimed < 1.4


def test_a_sample_larger_than_the_source_is_the_source():
    mean = np.random.default_rng(0).normal(size=(50, 2))
    whole, some = (
        rate_audit(mean, noise(mean, 0.1), key=key(), sample=sample) for sample in (None, 4096)
    )
    pd.testing.assert_frame_equal(whole.table(), some.table())


@pytest.mark.parametrize("draws", [2, 8])
def test_the_error_of_the_null_sees_that_shuffles_differ(draws):
    mean = np.random.default_rng(0).normal(size=(24, 3))
    audits = [rate_audit(mean, noise(mean, 0.05), key=key(s), draws=draws) for s in range(40)]
    spread = np.std([a.granularity for a in audits], ddof=1)
    claimed = np.sqrt(np.mean([a.stderr["granularity"] ** 2 for a in audits]))
    assert 0.6 < spread / claimed < 1.4


# Numerics


def test_an_offset_and_a_scale_change_nothing_but_the_prior():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(200, 2)), rng.normal(-3, 1, (200, 2))
    plain = rate_audit(mean, log_variance, key=key(), draws=4)
    for offset, scale in ((1e3, 1.0), (-1e6, 1e-3), (1e20, 1e9)):
        moved = rate_audit(
            offset + scale * mean, log_variance + 2 * np.log(scale), key=key(), draws=4
        )
        tolerance = 1e-3 if offset < 1e19 else 2.0  # float64 itself keeps few digits there
        assert moved.mutual_information == pytest.approx(plain.mutual_information, abs=tolerance)
        assert moved.channel_rate.sum() == pytest.approx(plain.channel_rate.sum(), abs=tolerance)
        closes(moved)


@pytest.mark.parametrize("log_variance", [-40.0, -300.0])
def test_next_to_no_noise_keeps_every_bit_and_the_account_closes(log_variance):
    mean = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    audit = rate_audit(mean, np.full((4, 2), log_variance), key=key(), draws=4)
    assert closes(audit)
    assert audit.mutual_information == pytest.approx(2, abs=1e-6)
    assert audit.total_correlation == pytest.approx(0, abs=1e-5)  # a grid: 1 bit in each latent


def test_noise_that_differs_beyond_all_bounds():
    mean = 1e3 + np.arange(6.0)[:, None]
    for extreme in (-22.0, -300.0, 200.0):
        log_variance = np.r_[np.zeros(5), extreme][:, None]
        audit = rate_audit(mean, log_variance, key=key(), draws=50)
        assert closes(audit)
        assert 0 <= audit.mutual_information < np.log2(6) + 1e-6
    with pytest.raises(ValueError, match="log_variance: expected entries whose variance"):
        rate_audit(mean, np.full((6, 1), 800.0), key=key())
    with pytest.raises(ValueError, match="mean: expected entries whose variance"):
        rate_audit(mean * 1e200, np.zeros((6, 1)), key=key())


def test_what_is_not_finite_is_an_error_that_names_its_cause():
    with pytest.raises(ValueError, match="mean: expected finite squares"):
        rate_audit(np.full((3, 1), 1e200), np.zeros((3, 1)), key=key())
    with pytest.raises(ValueError, match="log_variance: expected noise"):
        rate_audit(np.ones((3, 1)), np.full((3, 1), -800.0), key=key())


def test_a_far_z_is_decoded_to_the_widest_or_nearest_image():
    mean, log_variance = np.array([[0.0], [1.0], [2.0]]), np.zeros((3, 1))
    images = np.eye(3)
    for z, nearest in ((1e15, 2), (-1e15, 0), (1e300, 2)):
        found = bayes_decode(mean, log_variance, images, [[z]])
        assert found.most_likely[0] == nearest
        np.testing.assert_allclose(found.reconstruction[0], images[nearest], atol=1e-6)
    wide = np.log([[1.0], [9.0], [1.0]])
    assert bayes_decode(mean, wide, images, [[1e15]]).most_likely[0] == 1


def test_a_constant_latent_has_no_rate_however_little_noise_it_has():
    for value, log_variance, n in ((0.3, -90.0, 10), (1e20, 0.0, 49)):
        mean = np.full((n, 1), value)
        assert np.full(n, 1 / n) @ mean != value  # rounded
        audit = rate_audit(mean, np.full((n, 1), log_variance), key=key())
        assert audit.channel_rate[0] == pytest.approx(0, abs=1e-9)
        assert audit.mutual_information == pytest.approx(0, abs=1e-6)


def test_an_image_of_probability_zero_may_be_anywhere():
    mean, p = np.array([[1e20], [0.0], [1.0]]), [0, 0.5, 0.5]
    audit = rate_audit(mean, noise(mean, 1e-4), key=key(), probabilities=p)
    assert audit.mutual_information == pytest.approx(1, abs=1e-6)
    assert audit.channel_rate[0] == pytest.approx(np.log2(2501) / 2)


@pytest.mark.parametrize("apart", [1e4, 1e7])
def test_two_groups_far_apart_hide_nothing_of_what_is_in_them(apart):
    near = np.random.default_rng(0).normal(size=(400, 1))
    mean = np.r_[near, apart + near]
    one = rate_audit(near, noise(near, 0.02), key=key(), draws=20)
    both = rate_audit(mean, noise(mean, 0.02), key=key(6), draws=20)
    error = np.hypot(one.stderr["mutual_information"], both.stderr["mutual_information"])
    assert both.mutual_information == pytest.approx(1 + one.mutual_information, abs=4 * error)
    error = np.hypot(one.stderr["direct_route"], both.stderr["direct_route"])
    assert both.direct_route == pytest.approx(1 + one.direct_route, abs=4 * error)
    assert abs(both.total_correlation) < 4 * both.stderr["mutual_information"]  # one latent


@pytest.mark.parametrize(("n", "draws"), [(2, 50), (3, 2), (40, 2)])
def test_the_error_covers_the_truth_two_times_in_three(n, draws):
    rng = np.random.default_rng(n)
    mean = rng.normal(size=(n, 1))
    log_variance = noise(mean, 0.3)
    (exact,) = mixtures.latent_information(mixtures.mixture(mean, log_variance)) / np.log(2)
    audits = [
        rate_audit(mean, log_variance, key=k, draws=draws) for k in jax.random.split(key(), 60)
    ]
    within = [abs(a.mutual_information - exact) < a.stderr["mutual_information"] for a in audits]
    assert 0.5 < np.mean(within) < 0.9


@pytest.mark.parametrize(("log_variance", "by_product"), [(-2, True), (-8, True), (-14, False)])
def test_the_matrix_product_is_taken_where_it_is_as_good_as_float64(
    log_variance, by_product, monkeypatch
):
    mean = np.random.default_rng(0).normal(size=(2000, 3))
    q = mixtures.mixture(mean, np.full_like(mean, log_variance))
    assert q.by_product == by_product
    some = q._replace(mean=q.mean[:200], log_variance=q.log_variance[:200])
    eps = np.asarray(jax.random.normal(key(), (2, 200, 3)), float)
    over, taken = mixtures._over, []
    monkeypatch.setattr(mixtures, "_over", lambda *a: taken.append(a[4]) or over(*a))
    _, found = mixtures.over_draws(information._joint_terms, q, key(), 2, of=some)
    assert taken == [by_product]
    z = (some.mean + np.exp(some.log_variance / 2) * eps)[:, :, None]
    joint = -((z - q.mean) ** 2 / np.exp(q.log_variance) + q.log_variance + np.log(2 * np.pi)) / 2
    joint = joint.sum(axis=3) - np.log(2000)
    log_q = logsumexp(joint, axis=2)
    unknown = entr(softmax(joint, axis=2)).sum(axis=2)
    np.testing.assert_allclose(found[0], log_q, atol=mixtures.LARGEST_ERROR)
    np.testing.assert_allclose(found[1], unknown, atol=mixtures.LARGEST_ERROR)
    assert np.mean(found[1] - unknown) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("share", [0.5, 1e-6])
def test_the_product_is_as_good_as_the_images_that_are_sent(share):
    mean, log_variance = np.zeros((1000, 1)), np.r_[-16.0, np.zeros(999)][:, None]
    mean[1:, 0] = np.random.default_rng(0).normal(size=999)
    p = np.r_[share, np.full(999, (1 - share) / 999)]
    assert mixtures.mixture(mean, log_variance, p).by_product == (share < 0.5)


def test_a_z_between_far_images_is_decoded_as_in_float64():
    mean = np.r_[np.random.default_rng(0).normal(size=(2000, 1)), [[40.0], [40.1]]]
    log_variance = noise(mean, 0.002)
    z = np.linspace(39.9, 40.2, 31)[:, None]
    images = np.zeros((2002, 3))
    images[-1] = 1
    found = bayes_decode(mean, log_variance, images, z)
    pull = (z[:, 0] - 40.05) * 0.1 / 0.002  # the log odds of the two
    np.testing.assert_allclose(found.reconstruction[:, 0], expit(pull), atol=2e-3)


# Integrals over one latent


@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0])
def test_one_latent_by_quadrature_against_a_fine_sum(spread):
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=60), rng.normal(-3, spread, 60).clip(-14, 3)
    p = rng.dirichlet(np.ones(60))
    q = mixtures.mixture(mean[:, None], log_variance[:, None], p)
    deviation = np.exp(log_variance / 2)
    # Around every mean a fine grid, so that the narrowest is seen.
    z = np.unique(mean[:, None] + deviation[:, None] * np.linspace(-9, 9, 2001))
    density = sum(w * np.exp(-(((z - m) / d) ** 2) / 2) / d / np.sqrt(2 * np.pi)
                  for w, m, d in zip(p, mean, deviation, strict=True))  # fmt: skip
    entropy = -np.trapezoid(density * np.log(np.where(density > 0, density, 1)), z)
    exact = entropy - p @ (np.log(2 * np.pi * np.e) + log_variance) / 2
    assert mixtures.latent_information(q)[0] == pytest.approx(exact, abs=2e-4)
    index = np.arange(60) % 3
    parts = [density_of(z, mean, deviation, p * (index == k)) for k in range(3)]
    share = np.bincount(index, p)
    bits = sum(
        np.trapezoid(j * np.log(np.where(j > 0, j / (s * density), 1)), z)
        for j, s in zip(parts, share, strict=True)
    )
    assert mixtures.latent_factors(q, index)[0] == pytest.approx(bits, abs=2e-4)


def density_of(z, mean, deviation, weights):
    scaled = (z[:, None] - mean) / deviation
    return np.exp(-(scaled**2) / 2) @ (weights / deviation / np.sqrt(2 * np.pi))


# Reach


def test_any_array_and_any_hashable_value_will_do():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(30, 2)), rng.normal(-2, 1, (30, 2))
    plain = rate_audit(mean, log_variance, key=key(), draws=4).mutual_information

    def foreign(a):  # such as a PyTorch tensor
        return SimpleNamespaceArray(a)

    for kind in (pd.DataFrame, jax.numpy.asarray, foreign, np.ndarray.tolist):
        found = rate_audit(kind(mean), kind(log_variance), key=key(), draws=4)
        assert found.mutual_information == pytest.approx(plain, abs=1e-5)

    numbers = np.arange(30)[:, None] % 3
    words = pd.DataFrame({"name": [("a", "b", "c")[k] for k in numbers[:, 0]]})
    mixed = np.array([["x"], [2], [(3,)]], dtype=object)[numbers[:, 0]]
    by_number, _ = factor_information(mean, log_variance, numbers, key=key(), names=["f"])
    for values in (words, mixed):
        other, _ = factor_information(mean, log_variance, values, key=key(), names=["f"])
        pd.testing.assert_frame_equal(other, by_number)
    with pytest.raises(ValueError, match="factors: expected finite entries, none missing"):
        factor_information(mean, log_variance, words.replace("a", None), key=key(), names=["f"])


class SimpleNamespaceArray(SimpleNamespace):
    """No array, but something that NumPy can make one of."""

    def __init__(self, array):
        super().__init__(array=array)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


def test_every_image_its_own_value_needs_no_table_of_all_pairs(monkeypatch):
    from helpers import posteriors

    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(50, 2)), rng.normal(-2, 1, (50, 2))
    own = np.arange(50)[:, None]
    table, _ = factor_information(mean, log_variance, own, key=key(), names=["image"])
    monkeypatch.setattr(posteriors, "MOST_LEVELS", 10)
    scattered, _ = factor_information(mean, log_variance, own, key=key(), names=["image"])
    np.testing.assert_allclose(scattered, table, atol=1e-5)


def test_weights_count_images_as_often_as_they_say():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(20, 2)), rng.normal(-2, 1, (20, 2))
    factors, images = rng.integers(0, 3, (20, 1)), rng.random((20, 9))
    twice = np.r_[np.arange(20), np.arange(5)]
    p = np.r_[np.full(5, 2 / 25), np.full(15, 1 / 25)]
    weighted, error = factor_information(
        mean, log_variance, factors, key=key(), draws=800, names=["f"], probabilities=p
    )
    repeated, _ = factor_information(
        mean[twice], log_variance[twice], factors[twice], key=key(6), draws=800, names=["f"]
    )
    np.testing.assert_allclose(weighted, repeated, atol=5 * float(error.max().max()) + 1e-5)
    np.testing.assert_allclose(weighted.drop("all"), repeated.drop("all"), atol=1e-5)
    z = rng.normal(size=(7, 2))
    a = bayes_decode(mean, log_variance, images, z, probabilities=p).reconstruction
    b = bayes_decode(mean[twice], log_variance[twice], images[twice], z).reconstruction
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_held_out_codes_are_asked_of_the_given_ones():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(40, 2)), rng.normal(-2, 0.5, (40, 2))
    labels = np.where(mean[:, 0] > 0, "right", "left")[:, None]
    other = rng.normal(size=(60, 2)), np.full((60, 2), -3.0)
    other_labels = np.where(other[0][:, 0] > 0, "right", "left")[:, None]
    p = rng.dirichlet(np.ones(40))
    p[3] = 0
    p /= p.sum()
    found = query_information(
        mean, log_variance, other, key=key(), draws=200, factors=labels,
        query_factors=other_labels, names=["side"], probabilities=p,
    )  # fmt: skip

    eps = np.random.default_rng(1).normal(size=(200, 60, 2))
    z = other[0] + np.exp(other[1] / 2) * eps
    joint = -((z[:, :, None] - mean) ** 2 / np.exp(log_variance) + log_variance).sum(axis=3) / 2
    posterior = softmax(joint + np.log(np.maximum(p, 1e-300)), axis=2)
    right = posterior @ (labels[:, 0] == "right")
    own = np.where(other_labels[:, 0] == "right", right, 1 - right)
    share = p @ (labels[:, 0] == "right")
    entropy = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    bits = entropy + np.log2(own).mean()
    assert found.factor_bits["side"] == pytest.approx(
        bits, abs=8 * found.stderr["factor_bits"]["side"]
    )
    assert found.accuracy["side"] == pytest.approx((own > 0.5).mean(), abs=0.02)
    unknown = -np.where(posterior > 0, posterior * np.log2(np.maximum(posterior, 1e-300)), 0)
    narrowed = -(p[p > 0] @ np.log2(p[p > 0])) - unknown.sum(axis=2).mean()
    assert found.image_bits == pytest.approx(narrowed, abs=8 * found.stderr["image_bits"])
    at_mean = -((other[0][:, None] - mean) ** 2 / np.exp(log_variance) + log_variance).sum(axis=2)
    expected = (at_mean / 2 + np.log(np.maximum(p, 1e-300))).argmax(axis=1)
    np.testing.assert_array_equal(found.most_likely, expected)


def test_labels_that_know_nothing_give_no_bits():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(400, 2)), np.full((400, 2), -2.0)
    labels = rng.integers(0, 4, (400, 1))
    asked = rng.normal(size=(300, 2)), np.full((300, 2), -2.0)
    found = query_information(
        mean, log_variance, asked, key=key(), factors=labels,
        query_factors=rng.integers(0, 4, (300, 1)), names=["label"],
    )  # fmt: skip
    assert found.factor_bits["label"] < 0.05
    assert found.accuracy["label"] == pytest.approx(1 / 4, abs=0.08)
    with pytest.raises(ValueError, match="query_factors: expected values that factors have"):
        query_information(
            mean, log_variance, asked, key=key(), factors=labels,
            query_factors=np.full((300, 1), 9), names=["label"],
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"queries: expected \(m, 2\), got \(300, 1\)"):
        query_information(mean, log_variance, (asked[0][:, :1], asked[1][:, :1]), key=key())


def test_another_prior_takes_the_place_of_the_standard_one():
    rng = np.random.default_rng(0)
    mean, log_variance = 3 + rng.normal(size=(500, 2)), noise(np.zeros((500, 2)), 0.1)
    standard = rate_audit(mean, log_variance, key=key(), draws=8)

    def log_prior(z):
        return multivariate_normal.logpdf(z, np.zeros(2))

    same = rate_audit(mean, log_variance, key=key(), draws=8, log_prior=log_prior)
    assert same.kl == pytest.approx(standard.kl, abs=5 * same.stderr["kl"])
    assert same.prior_mismatch.sum() == pytest.approx(
        standard.prior_mismatch.sum(), abs=5 * same.stderr["kl"]
    )
    own = multivariate_normal(mean.mean(axis=0), np.cov(mean.T) + np.eye(2) / 10)
    fitted = rate_audit(mean, log_variance, key=key(), draws=8, log_prior=own.logpdf)
    assert abs(fitted.prior_mismatch.sum()) < 0.05 < standard.prior_mismatch.sum() - 5
    with pytest.raises(ValueError, match="log_prior: expected 500 values"):
        rate_audit(mean, log_variance, key=key(), log_prior=lambda z: np.zeros((len(z), 2)))
    with pytest.raises(ValueError, match="log_prior: expected finite entries"):
        rate_audit(mean, log_variance, key=key(), log_prior=lambda z: np.full(len(z), np.nan))


def test_the_table_has_a_line_for_every_term():
    mean = np.random.default_rng(0).normal(size=(50, 2))
    audit = rate_audit(mean, noise(mean, 0.1), key=key())
    table = audit.table()
    assert list(table.columns) == ["bits", "standard error"]
    assert table.loc["= KL to the prior", "bits"] == audit.kl
    plus = table["bits"][[line for line in table.index if line.startswith("+")]].sum()
    assert table.loc["I(X; Z)", "bits"] + plus == pytest.approx(audit.kl, rel=1e-6)
