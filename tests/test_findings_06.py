"""What notebook 06 says in words, held against its recorded numbers."""

import numpy as np
import pytest
from small import committed


@pytest.fixture(scope="module")
def found():
    return committed("06_vae_by_hand")


def test_the_gradients_on_paper_are_right(found):
    assert found["largest_gradient_difference"] < 1e-12


def test_by_hand_and_by_fit_end_at_the_same_loss(found):
    by_hand, by_fit = (list(found["final_loss"][name].values()) for name in ("by hand", "fit"))
    np.testing.assert_allclose(by_hand, by_fit, atol=0.1)


def test_the_bounds_are_in_order(found):
    elbo, likelihood = found["test_elbo_nats"], found["test_log_likelihood_nats"]
    assert elbo < likelihood < -found["true_entropy_nats"]
    gap = -found["true_entropy_nats"] - likelihood
    assert found["density_divergence_nats"]["0"] == pytest.approx(gap, abs=0.01)


def test_the_learned_density_is_nearer_than_one_gaussian_with_every_seed(found):
    divergences = list(found["density_divergence_nats"].values())
    assert len(divergences) == 3
    assert 0.1 < min(divergences) <= max(divergences) < 0.6
    assert max(divergences) < found["density_divergence_of_one_gaussian_nats"] / 3


def test_the_learned_density_is_one(found):
    assert found["learned_mass"] == pytest.approx(1, abs=0.05)


def test_the_account_needs_no_granularity_here(found):
    assert abs(found["granularity_bits"]) < 0.05
    assert np.log2(3) < found["mutual_information_bits"] < found["kl_bits"] < np.log2(3000)
    assert found["direct_route_bits"] == pytest.approx(found["mutual_information_bits"], abs=0.05)


def test_the_score_function_varies_more(found):
    low, high = found["score_function_variance_ratio_of_80_per_cent"]
    assert 1 < low < found["score_function_variance_ratio"] < high
