"""The code made by hand: its exact account against drawing, and against what must be."""

import jax
import numpy as np
import pytest

from helpers.handmade import HandMade, hand_made, measure, optimised
from helpers.information import bayes_decode, rate_audit
from helpers.objectives import squared_error
from helpers.shapes import shape_world


@pytest.fixture(scope="module")
def world():
    """Three shapes in 4 x 2 places and 2 sizes: 48 images."""
    whole = shape_world(("circle", "cross", "square"))
    _, x, y, size = whole.factors.T
    some = np.flatnonzero(np.isin(x, [8, 9, 12, 15]) & np.isin(y, [8, 10]) & np.isin(size, [3, 5]))
    images, factors = whole.images[some], whole.factors[some]
    return whole._replace(images=images, factors=factors, cardinalities=(3, 4, 2, 2))


def codes(code, world, order):
    """(mean, log_variance) of all images, (n, 4), written out."""
    values = [np.searchsorted(np.unique(f), f) for f in world.factors.T]
    values[0] = np.argsort(order)[values[0]]
    return (np.stack([p[v] for p, v in zip(part, values, strict=True)], axis=1) for part in code)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_exact_account_is_that_of_draws(world, order):
    code = hand_made(world.cardinalities, share=0.45)
    found = measure(code, world, order)
    mean, log_variance = codes(code, world, order)
    keys = jax.random.split(jax.random.key(0))
    audit = rate_audit(mean, log_variance, key=keys[0], draws=400)
    assert found["kl"] == pytest.approx(audit.kl, rel=1e-5)
    error = audit.stderr["mutual_information"]
    assert found["mutual_information"] == pytest.approx(audit.mutual_information, abs=5 * error)
    assert audit.mutual_information < np.log2(48) - 0.5  # there is something to confuse

    draws = 400
    rows = np.tile(np.arange(48), draws)
    eps = np.asarray(jax.random.normal(keys[1], (len(rows), 4)))
    z = mean[rows] + np.exp(log_variance[rows] / 2) * eps
    best = bayes_decode(mean, log_variance, world.images, z).reconstruction
    errors = np.asarray(squared_error(world.images[rows], best))
    assert found["distortion"] == pytest.approx(
        errors.mean(), abs=5 * errors.std() / np.sqrt(len(errors))
    )
    assert found["distortion"] > 0.5


def test_without_noise_all_bits_and_with_too_much_none(world):
    exact = measure(hand_made(world.cardinalities, share=0.01), world)
    assert exact["mutual_information"] == pytest.approx(np.log2(48), abs=1e-5)
    assert exact["distortion"] == pytest.approx(0, abs=1e-4)
    nothing = HandMade(*(tuple(np.zeros(k) for k in world.cardinalities) for _ in range(2)))
    found = measure(nothing, world)
    assert found["kl"] == pytest.approx(0, abs=1e-6)
    assert found["mutual_information"] == pytest.approx(0, abs=1e-6)
    variance = world.images.reshape(48, -1).var(axis=0, dtype=float).sum()
    assert found["distortion"] == pytest.approx(variance, rel=1e-5)


def test_the_optimum_beats_its_start_and_says_its_loss(world):
    rows = optimised(world, [1.0, 0.1], steps=40)
    assert [row["c"] for row in rows] == [0.1, 1.0]
    start = measure(hand_made(world.cardinalities), world)
    for row in rows:
        loss = row["distortion"] / (2 * row["c"]) + row["kl"] * np.log(2)
        assert row["loss"] == pytest.approx(loss, rel=1e-4)
        assert row["loss"] < start["distortion"] / (2 * row["c"]) + start["kl"] * np.log(2) - 0.3
        assert row["mutual_information"] < np.log2(48) + 1e-6
    assert rows[0]["distortion"] < rows[1]["distortion"]
    assert rows[0]["kl"] > rows[1]["kl"]
    (much,) = optimised(world, [1000.0], steps=200)  # an error costs nothing: say nothing
    assert much["kl"] < 0.2


def test_what_does_not_fit_is_refused(world):
    with pytest.raises(ValueError, match=r"code: expected values \(3, 4, 2, 2\), got \(4, 4\)"):
        measure(hand_made((4, 4)), world)
    code = hand_made(world.cardinalities)
    for order in ((0, 0, 1), (0, 1), (1, 2, 3)):
        with pytest.raises(ValueError, match="order: expected each of 0 to 2 once"):
            measure(code, world, order)
    with pytest.raises(ValueError, match="cardinalities, share: expected"):
        hand_made((1, 4))
    with pytest.raises(ValueError, match="cardinalities, share: expected"):
        hand_made((2, 4), share=0)
    with pytest.raises(ValueError, match="cs: expected numbers > 0"):
        optimised(world, [0.1, 0])
