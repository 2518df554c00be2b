"""The rate-distortion limit, against closed forms and its own laws."""

import numpy as np
import pytest

from helpers.limits import blahut_arimoto, image_rate_distortion


def binary_entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


@pytest.mark.parametrize(("p", "rate"), [(0.5, 0.531004), (0.2, 0.252933)])
def test_a_binary_source_under_hamming_distortion(p, rate):
    point = blahut_arimoto(1 - np.eye(2), [np.log(9)], probabilities=[1 - p, p]).iloc[0]
    assert point["distortion"] == pytest.approx(0.1, abs=1e-5)
    assert point["rate"] == pytest.approx(rate, abs=1e-5)
    assert point["rate"] - 1e-6 <= point["lower_bound"] <= point["rate"]


def test_a_thousand_symbols_under_hamming_distortion():
    slope = np.log(0.7 * 999 / 0.3)
    point = blahut_arimoto(1 - np.eye(1000), [slope]).iloc[0]
    assert point["distortion"] == pytest.approx(0.3, abs=1e-6)
    assert point["rate"] == pytest.approx(6.095191, abs=1e-6)


def test_a_gaussian_on_a_fine_grid():
    grid = np.linspace(-5, 5, 301)
    p = np.exp(-(grid**2) / 2)
    table = blahut_arimoto(
        (grid[:, None] - grid) ** 2, [1, 2, 5], probabilities=p / p.sum(), tolerance=1e-4
    )
    np.testing.assert_allclose(table["rate"], np.log2(1 / table["distortion"]) / 2, atol=5e-4)
    assert list(table["slope"]) == [5, 2, 1]
    assert ((table["rate"] - table["lower_bound"]).between(0, 1e-4)).all()


def test_distortions_that_would_underflow_do_no_harm():
    point = blahut_arimoto(1e6 * (1 - np.eye(3)) + 5e5, [2.0]).iloc[0]
    assert point["rate"] == pytest.approx(np.log2(3), abs=1e-6)
    assert point["distortion"] == pytest.approx(5e5)


def test_a_reproduction_unused_at_one_slope_comes_back_at_another():
    # A middle reproduction serves at the flat slope only, whatever came before.
    d = np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 0.3]])
    both = blahut_arimoto(d, [50, 0.5])
    alone = blahut_arimoto(d, [0.5])
    np.testing.assert_allclose(both.iloc[1], alone.iloc[0], atol=1e-5)
    assert alone["distortion"][0] == pytest.approx(0.3, abs=1e-3)


def test_too_few_iterations_are_an_error_that_says_how_far_it_came():
    with pytest.raises(RuntimeError, match=r"slope 1: the bounds differ by .* after 3 iterations"):
        blahut_arimoto(
            np.abs(np.arange(20)[:, None] - np.arange(20)), [1], tolerance=1e-9, max_iterations=3
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distortion": np.zeros(3)}, r"distortion: expected \(n, m\).*\(3,\)"),
        ({"distortion": np.full((2, 2), np.nan)}, "distortion: .*finite"),
        ({"slopes": []}, "slopes: .*> 0"),
        ({"slopes": [-1.0]}, r"slopes: .*> 0.*-1\."),
        ({"slopes": [np.inf]}, "slopes: .*finite.*inf"),
        ({"probabilities": [0.5, 0.6]}, "probabilities: .*sum to 1"),
    ],
)
def test_blahut_arimoto_refuses_bad_input_by_name(change, message):
    good = {"distortion": 1 - np.eye(2), "slopes": [1.0]}
    with pytest.raises(ValueError, match=message):
        blahut_arimoto(**(good | change))


def test_two_pictures_have_a_limit_in_closed_form():
    # Reproductions +-b and a symmetric channel of error e: D = 4 a^2 e (1 - e), R = 1 - h(e).
    a = 1.5
    table = image_rate_distortion(np.array([[-a], [a]]), [2.0, 1.0, 0.5], tolerance=1e-7)
    e = (1 - np.sqrt(1 - table["distortion"] / a**2)) / 2
    np.testing.assert_allclose(table["rate"], 1 - binary_entropy(e), atol=1e-4)
    np.testing.assert_allclose(table["lower_bound"], table["rate"], atol=1e-3)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((60, 5, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def curve(pictures):
    return image_rate_distortion(pictures, [40, 8, 5, 4, 3.5, 3, 2.5, 2, 0.5], tolerance=1e-5)


def test_the_curve_runs_from_every_picture_exact_to_the_mean_picture(pictures, curve):
    assert curve["rate"].iloc[0] == pytest.approx(np.log2(60), abs=1e-3)
    assert curve["distortion"].iloc[0] == pytest.approx(0, abs=1e-3)
    spread = ((pictures - pictures.mean(axis=0)) ** 2).sum(axis=(1, 2)).mean()
    assert curve["rate"].iloc[-1] == pytest.approx(0, abs=1e-4)
    assert curve["distortion"].iloc[-1] == pytest.approx(spread, rel=1e-4)
    assert curve["reproductions"].iloc[-1] == 1


def test_the_curve_falls_and_the_lower_estimate_stays_below_it(curve):
    assert (np.diff(curve["rate"]) <= 1e-6).all()
    assert (np.diff(curve["distortion"]) >= -1e-6).all()
    assert (curve["lower_bound"] <= curve["rate"] + 1e-4).all()
    assert (curve["rate"] - curve["lower_bound"]).max() < 0.3


def test_its_slope_is_the_slope_asked_for(pictures):
    near = image_rate_distortion(pictures, [8.2, 8.0, 7.8], tolerance=1e-7)
    measured = -np.diff(near["rate"])[1] / np.diff(near["distortion"])[1] * np.log(2)
    assert measured == pytest.approx(7.9, rel=0.02)


def test_free_reproductions_go_below_those_of_the_data_set(pictures, curve):
    flat = pictures.reshape(60, -1)
    d = ((flat[:, None] - flat) ** 2).sum(axis=2)
    fixed = blahut_arimoto(d, curve["slope"], tolerance=1e-4)
    # At one slope both minimise rate + slope * distortion, and only one may move its pictures.
    cost = {
        name: t["rate"] * np.log(2) + t["slope"] * t["distortion"]
        for name, t in (("free", curve), ("fixed", fixed))
    }
    assert (cost["free"] <= cost["fixed"] + 1e-3).all()
    assert (cost["free"] < cost["fixed"] - 0.1).any()


def test_the_order_of_pixels_and_pictures_does_not_matter(pictures, curve):
    rng = np.random.default_rng(1)
    moved = pictures.reshape(60, -1)[rng.permutation(60)][:, rng.permutation(25)]
    again = image_rate_distortion(moved, curve["slope"][:4], tolerance=1e-5)
    np.testing.assert_allclose(again["rate"], curve["rate"][:4], atol=1e-3)


def test_copies_of_a_picture_are_one_picture_of_that_probability():
    pictures = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    copies = np.repeat(pictures, [515, 206, 206, 103, 53], axis=0)  # more than one chunk holds
    p = np.array([515, 206, 206, 103, 53]) / 1083
    many = image_rate_distortion(copies, [2.0, 0.3], tolerance=1e-6)
    few = image_rate_distortion(pictures, [2.0, 0.3], probabilities=p, tolerance=1e-6)
    for name in ("rate", "distortion", "lower_bound"):
        np.testing.assert_allclose(many[name], few[name], atol=2e-3)
    assert many["reproductions"][0] <= 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((0, 4))}, r"images: expected .*n >= 1.*\(0, 4\)"),
        ({"images": np.full((2, 4), np.nan)}, "images: .*finite"),
        ({"slopes": [0.0]}, "slopes: .*> 0"),
        ({"probabilities": [1.0]}, "probabilities: expected 3"),
    ],
)
def test_image_rate_distortion_refuses_bad_input_by_name(change, message):
    good = {"images": np.eye(3), "slopes": [1.0]}
    with pytest.raises(ValueError, match=message):
        image_rate_distortion(**(good | change))
