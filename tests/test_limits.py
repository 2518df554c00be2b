"""The rate-distortion limit, against closed forms and its own laws."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.special import ive, softmax

from helpers.limits import _convex, blahut_arimoto, image_rate_distortion
from helpers.reproductions import _channel, _improve, merge, solve


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


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e7])
def test_two_pictures_have_a_limit_in_closed_form(offset):
    # Reproductions +-b and a symmetric channel of error e: D = 4 a^2 e (1 - e), R = 1 - h(e).
    a = 1.5
    table = image_rate_distortion(
        np.array([[offset - a], [offset + a]]), [9.0, 1.0, 0.5], tolerance=1e-4
    )
    assert table["rate"][0] == pytest.approx(1, abs=1e-5)
    table = table[1:]
    e = (1 - np.sqrt(1 - table["distortion"] / a**2)) / 2
    np.testing.assert_allclose(table["rate"], 1 - binary_entropy(e), atol=2e-4)
    np.testing.assert_allclose(table["lower_bound"], table["rate"], atol=2e-4)


def test_a_circle_of_pictures_has_a_limit_in_closed_form():
    # A uniform angle: reproductions on a circle of radius r = I1(2 s r) / I0(2 s r), D = 1 - r^2.
    angle = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    pictures = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    table = image_rate_distortion(pictures, [20, 5, 2], tolerance=2e-3)
    for s, rate, distortion, bound in table[
        ["slope", "rate", "distortion", "lower_bound"]
    ].to_numpy():
        r = 1.0
        for _ in range(1000):
            r = ive(1, 2 * s * r) / ive(0, 2 * s * r)
        log_i0 = np.log(ive(0, 2 * s * r)) + 2 * s * r
        free_energy = s * (1 + r**2) - log_i0
        assert (rate * np.log(2) + s * distortion) == pytest.approx(free_energy, abs=2e-3)
        assert distortion == pytest.approx(1 - r**2, abs=3e-3)
        assert rate - 2e-3 <= bound <= rate
    assert table["rate"][1] == pytest.approx(2.18, abs=0.01)


def test_leaders_do_not_chain():
    line = np.linspace(0, 1, 101, dtype=np.float32)[:, None]  # each near the next
    y, q = merge(line, np.full(101, 1 / 101), 0.015**2)
    assert 34 <= len(y) <= 101
    assert np.ptp(y) > 0.95
    assert q @ y[:, 0] == pytest.approx(0.5, abs=1e-6)


def test_a_gaussian_with_free_reproductions():
    grid = np.linspace(-5, 5, 301)
    p = np.exp(-(grid**2) / 2)
    table = image_rate_distortion(grid[:, None], [1, 2, 5], probabilities=p / p.sum())
    s = table["slope"]
    cost = np.log(2 * s) / 2 + 0.5  # R + s D at D = 1 / 2s
    np.testing.assert_allclose(table["rate"] * np.log(2) + s * table["distortion"], cost, atol=7e-3)
    np.testing.assert_allclose(table["distortion"], 1 / (2 * s), rtol=0.05)


def test_unlikely_pictures_against_fine_fixed_reproductions():
    points, p = np.array([[0.0, 0], [2, 0], [2, 1]]), np.array([0.7, 0.25, 0.05])
    x, y = np.meshgrid(np.linspace(0, 2, 81), np.linspace(0, 1, 41))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    d = ((points[:, None] - grid) ** 2).sum(axis=2)
    slopes = [6, 1.5, 0.7]
    fixed = blahut_arimoto(d, slopes, probabilities=p, tolerance=1e-3)
    free = image_rate_distortion(points, slopes, probabilities=p, tolerance=1e-3)
    cost = [t["rate"] * np.log(2) + t["slope"] * t["distortion"] for t in (free, fixed)]
    np.testing.assert_allclose(*cost, atol=2e-3)


def test_rows_lie_on_their_convex_hull_and_use_as_many_reproductions_as_they_need(curve):
    steepness = -np.diff(curve["rate"]) / np.diff(curve["distortion"])
    assert (np.diff(steepness) <= 1e-6).all()
    assert (curve["rate"] <= np.log2(curve["reproductions"]) + 1e-9).all()
    # Between two rows the line of each dual stays below time sharing.
    lines = curve["dual"].to_numpy() - np.outer(curve["distortion"], curve["slope"]) / np.log(2)
    np.testing.assert_allclose(curve["lower_bound"], np.maximum(lines.max(axis=1), 0))


def test_the_duals_stay_below_other_channels_than_the_one_they_came_from(pictures, curve):
    flat = pictures.reshape(60, -1).astype(float)
    i, j = np.triu_indices(60)
    others = np.concatenate([(flat[i] + flat[j]) / 2, flat.mean(axis=0)[None]])
    d = ((flat[:, None] - others) ** 2).sum(axis=2)
    fixed = blahut_arimoto(d, curve["slope"], tolerance=0.01)
    cost = fixed["rate"] + fixed["slope"] * fixed["distortion"] / np.log(2)
    assert (curve["dual"] <= cost + 1e-4).all()


def test_a_row_is_a_channel_s_own_rate_and_distortion_however_far_from_the_best():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(5, 4))
    p, q, slope = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(5)), 0.4
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, p, y, q)]
    found = _improve(*arrays, slope, np.inf, jnp.ones(12))  # q as it stands
    d = ((x[:, None] - y) ** 2).sum(axis=2)
    channel = softmax(np.log(q) - slope * d, axis=1)
    sent = p @ channel
    means = (p[:, None] * channel).T @ x / sent[:, None]
    error = (p[:, None] * channel * ((x[:, None] - means) ** 2).sum(axis=2)).sum()
    rate = (p[:, None] * channel * np.log(channel / sent)).sum()
    assert _channel(arrays[0], p, found) == pytest.approx((rate, error, 5), rel=1e-4)


def test_time_sharing_replaces_a_row_that_two_others_beat():
    columns = ["slope", "rate", "distortion", "reproductions", "dual"]
    rows = [(3, 4.0, 1.0, 40, 8.0), (2, 3.5, 2.0, 30, 6.5), (1, 1.0, 3.0, 2, 5.0)]
    table = _convex(pd.DataFrame(rows, columns=columns))
    assert list(table["rate"]) == [4, 4, 1]
    assert list(table["distortion"]) == [1, 1, 3]
    assert list(table["reproductions"]) == [40, 40, 2]
    # dual - slope D / ln 2 at D = 1 and 3, the highest of the three.
    at = [max(dual - s * d / np.log(2) for s, *_, dual in rows) for d in (1, 1, 3)]
    np.testing.assert_allclose(table["lower_bound"], np.maximum(at, 0))


def test_the_minimum_is_found_from_a_single_reproduction_too(pictures, curve):
    flat = pictures.reshape(60, -1) - pictures.reshape(60, -1).mean(axis=0)
    row = curve[curve["slope"] == 2.5].iloc[0]
    start = np.zeros((1, 25), np.float32), np.ones(1)
    p = np.full(60, 1 / 60)
    rng = np.random.default_rng(1)
    _, rate, error, *_ = solve(jnp.asarray(flat), p, *start, 2.5, 1e-3, rng, 1000)
    cost = row["rate"] * np.log(2) + 2.5 * row["distortion"]
    assert rate + 2.5 * error == pytest.approx(cost, abs=1e-3)


def test_a_merge_that_costs_something_is_undone(pictures, monkeypatch):
    monkeypatch.setattr("helpers.reproductions.MET", 50.0)  # merges all pictures at this slope
    table = image_rate_distortion(pictures, [8])
    assert table["rate"][0] == pytest.approx(np.log2(60), abs=1e-2)


def test_slopes_so_steep_that_float32_knows_no_distance_still_give_every_picture_its_own():
    pictures = 3 + np.random.default_rng(0).random((64, 30))
    table = image_rate_distortion(pictures, [1e4, 1e2])
    np.testing.assert_allclose(table["rate"], 6, atol=1e-4)
    np.testing.assert_allclose(table["lower_bound"], 6, atol=1e-2)
    assert (table["lower_bound"] <= table["rate"]).all()
    np.testing.assert_allclose(table["distortion"], 0, atol=1e-5)


def test_a_limit_that_is_not_reached_is_an_error_that_says_how_far_it_came(pictures):
    with pytest.raises(RuntimeError, match=r"slope 2: the bounds differ by .* after 2 iterations"):
        image_rate_distortion(pictures, [2], tolerance=1e-4, max_iterations=2)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((60, 5, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def curve(pictures):
    return image_rate_distortion(pictures, [40, 8, 5, 4, 3.5, 3, 2.5, 2, 0.5], tolerance=1e-3)


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
    assert (curve["rate"] - curve["lower_bound"]).between(-1e-6, 1e-3).all()


def test_its_slope_is_the_slope_asked_for(pictures):
    near = image_rate_distortion(pictures, [3.2, 3.0, 2.8], tolerance=1e-4)
    measured = -np.diff(near["rate"])[1] / np.diff(near["distortion"])[1] * np.log(2)
    assert measured == pytest.approx(2.9, rel=0.02)


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
    again = image_rate_distortion(moved, curve["slope"][:4], tolerance=1e-3)
    np.testing.assert_allclose(again["rate"], curve["rate"][:4], atol=1e-3)


def test_copies_of_a_picture_are_one_picture_of_that_probability():
    pictures = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    copies = np.repeat(pictures, [515, 206, 206, 103, 53], axis=0)
    p = np.array([515, 206, 206, 103, 53]) / 1083
    many = image_rate_distortion(copies, [2.0, 0.3], tolerance=1e-4)
    few = image_rate_distortion(pictures, [2.0, 0.3], probabilities=p, tolerance=1e-4)
    for name in ("rate", "distortion", "lower_bound"):
        np.testing.assert_allclose(many[name], few[name], atol=2e-3)
    assert many["reproductions"][0] <= 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((0, 4))}, r"images: expected .*n >= 1.*\(0, 4\)"),
        ({"images": np.full((2, 4), np.nan)}, "images: .*finite"),
        ({"images": 1e200 * np.eye(3)}, "images: expected finite squares"),
        ({"slopes": [0.0]}, "slopes: .*> 0"),
        ({"probabilities": [1.0]}, "probabilities: expected 3"),
    ],
)
def test_image_rate_distortion_refuses_bad_input_by_name(change, message):
    good = {"images": np.eye(3), "slopes": [1.0]}
    with pytest.raises(ValueError, match=message):
        image_rate_distortion(**(good | change))
