"""Codes of labelled images: the noisy code's price, bits about the class, files of codes."""

import jax
import numpy as np
import pytest

from helpers import codes
from helpers.information import query_information
from helpers.mixtures import at, latent_factors, mixture
from helpers.objectives import gaussian_kl


@pytest.fixture(scope="module")
def blobs():
    """Codes of 1,200 images in four places of a plane, by class: 900 of the source, 300 ask."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 1200)
    places = np.array([[-3, 0], [3, 0], [0, 3], [0, -3]], float)
    mean = places[labels] + generator.normal(size=(1200, 2))
    code = mean, np.full(mean.shape, np.log(0.1))
    source, asking = ([part[rows] for part in code] for rows in (slice(900), slice(900, None)))
    return source, labels[:900], asking, labels[900:]


def information(blobs, labels=None, **settings):
    source, own, asking, query_labels = blobs
    settings = {"key": jax.random.key(0), "choosers": 200} | settings
    labels = own if labels is None else labels
    return codes.class_information(source, labels, asking, query_labels, **settings)


def test_a_noisy_code_costs_what_it_should():
    generator = np.random.default_rng(1)
    points = generator.normal(size=(500, 6)) * [1, 2, 3, 4, 5, 6] + 7
    mean, log_variance = codes.noisy_code(points, 12.0)
    assert gaussian_kl(mean, log_variance).mean() / np.log(2) == pytest.approx(12, rel=1e-5)
    np.testing.assert_allclose(mean.var(axis=0) + np.exp(log_variance[0]), 1)
    others, _ = codes.noisy_code(points, 12.0, points[:3])
    np.testing.assert_allclose(others, mean[:3])
    with pytest.raises(ValueError, match="bits: expected a number > 0"):
        codes.noisy_code(points, 0)


def test_at_power_1_it_is_what_q_of_z_says(blobs):
    source, labels, asking, query_labels = blobs
    found = information(blobs)
    asked = query_information(
        *source, asking, key=jax.random.key(1), draws=16, factors=labels[:, None],
        query_factors=query_labels[:, None], names=["class"],
    )  # fmt: skip
    assert found.bits_as_is == pytest.approx(asked.factor_bits["class"], abs=4 * found.stderr)
    assert found.error_as_is == pytest.approx(1 - asked.accuracy["class"], abs=0.04)


def test_bits_about_the_class_are_between_0_and_its_entropy_and_shuffled_labels_have_none(blobs):
    found = information(blobs)
    assert 1.2 < found.bits <= 2
    assert found.bits >= found.bits_as_is - found.stderr
    shuffled = np.random.default_rng(2).permutation(blobs[1])
    null = information(blobs, shuffled)
    assert abs(null.bits) < 0.02 + 3 * null.stderr


def test_a_finer_code_keeps_more_of_the_class(blobs):
    source, labels, asking, query_labels = blobs
    bits = []
    for extra in (30.0, 3.0, 0.0):
        code, queries = ((m, np.log(np.exp(v) + extra)) for m, v in (source, asking))
        bits.append(information((code, labels, queries, query_labels)).bits)
    assert bits == sorted(bits)


def test_a_label_that_the_source_lacks_is_refused(blobs):
    source, labels, asking, query_labels = blobs
    with pytest.raises(ValueError, match="query_labels: expected labels that occur"):
        information((source, labels, asking, query_labels + 1))


def test_labels_and_queries_that_do_not_fit_are_refused(blobs):
    source, labels, asking, query_labels = blobs
    with pytest.raises(ValueError, match="query_labels: expected 300, one for each code, got 299"):
        information((source, labels, asking, query_labels[1:]))
    with pytest.raises(ValueError, match="labels: expected 900, one for each code, got 899"):
        information((source, labels[1:], asking, query_labels))
    narrow = [part[:, :1] for part in asking]
    with pytest.raises(ValueError, match=r"queries: expected \(m, 2\), got \(300, 1\)"):
        information((source, labels, narrow, query_labels))


def test_the_fast_product_equals_the_exact_differences_on_4096_images():
    generator = np.random.default_rng(3)
    mean = generator.normal(size=(4096, 20))
    log_variance = np.log(generator.uniform(0.02, 0.5, mean.shape))
    q = mixture(mean, log_variance)
    z = (mean[:256] + np.exp(log_variance[:256] / 2) * generator.normal(size=(256, 20))) / q.scale
    z -= q.centre / q.scale
    labels = generator.integers(0, 10, 4096)
    terms = np.eye(10, dtype=np.float32)[labels], labels, np.float32(codes.POWERS)
    assert q.by_product
    fast, slow = (
        at(codes._class_terms, q._replace(by_product=by), np.arange(256), z, *terms)
        for by in (True, False)
    )
    np.testing.assert_allclose(fast[0], slow[0], atol=0.02)


def test_a_latent_alone_holds_the_bits_that_the_quadrature_finds(blobs):
    source, labels, *_ = blobs
    bits = codes.latent_class_bits(source, np.array(list("abcd"))[labels])
    np.testing.assert_allclose(bits, latent_factors(mixture(*source), labels) / np.log(2))
    assert (bits > 0.5).all()


def test_an_account_holds_what_the_study_records(blobs):
    source, labels, asking, query_labels = blobs
    settings = {"key": jax.random.key(2), "sample": 100}
    found = codes.account(source, labels, asking, query_labels, **settings)
    assert {"kl_bits", "granularity_bits", "class_bits_error", "knn_error"} < set(found)
    assert 0 < found["information_bits"] <= np.log2(900) + 0.01
    assert found["active_units"] == 2
    for reader in ("bayes_error", "logistic_error", "knn_error"):
        assert 0 < found[reader] < 0.2


def test_codes_of_a_file_are_split_and_counted(blobs, tmp_path, monkeypatch):
    source, labels, *_ = blobs
    monkeypatch.setattr(codes, "CHOOSERS", 200)
    names = np.array(["cat", "dog", "hen", "cow"])[labels]
    np.savez(tmp_path / "codes.npz", mean=source[0], log_variance=source[1], labels=names)
    found = codes.account_of_file(tmp_path / "codes.npz", key=jax.random.key(3))
    assert 1 < found["class_bits"] <= 2


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"labels": None}, {}, r"path: expected mean, .* got none named \['labels'\]"),
        ({"labels": np.zeros(9, int)}, {}, r"path: expected as many of .*, got \[900, 900, 9\]"),
        ({}, {"held_out": 0}, "held_out: expected a share that leaves both sides, got 0"),
    ],
)
def test_a_file_that_does_not_do_is_named(blobs, tmp_path, change, settings, message):
    (mean, log_variance), labels, *_ = blobs
    arrays = {"mean": mean, "log_variance": log_variance, "labels": labels} | change
    given = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "codes.npz", **given)
    with pytest.raises(ValueError, match=message):
        codes.account_of_file(tmp_path / "codes.npz", key=jax.random.key(3), **settings)


def test_pictures_are_drawn_from_three_densities():
    class Same:
        latent_size = 3

        def decode(self, z):
            return np.asarray(z)

    z = np.random.default_rng(4).normal(5, 1, (400, 3)).astype(np.float32)
    found = codes.drawings(Same(), z, jax.random.key(4), 50, components=(1, 2))
    assert list(found) == ["N(0, I)", "one Gaussian", "mixture"]
    assert all(drawn.shape == (50, 3) for drawn in found.values())
    assert abs(found["N(0, I)"].mean()) < 1 < found["mixture"].mean()
