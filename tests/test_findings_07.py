"""What notebook 07 says in words, held against its recorded numbers."""

import numpy as np
import pytest
from small import committed

REPORT = {"MLP, mnist": 307, "MLP, fashion_mnist": 229}

SIZES = "1 latent", "2 latents", "3 latents", "20 latents"


@pytest.fixture(scope="module")
def found():
    return committed("07_mlp_and_cnn")


@pytest.fixture(scope="module")
def runs(found):
    return found["sizes_and_balances"]


@pytest.mark.parametrize("name", REPORT)
def test_the_mlp_reaches_the_report_and_the_improved_one_is_better(found, name):
    plain = found["losses"][name]
    better = found["losses"][name.replace("MLP", "MLP improved")]
    assert better["loss"] < plain["loss"] <= REPORT[name]
    assert better["test_loss"] < plain["test_loss"]


def test_the_kl_of_the_report_is_higher(found):
    assert found["losses"]["MLP, mnist"]["kl"] < 14 - 4


def test_the_judge_knows_digits_and_is_sure_of_them(found):
    assert found["judge_accuracy"]["mnist"] > 0.98
    assert found["judge_accuracy"]["fashion_mnist"] > 0.88
    assert found["real"]["sure"] > 0.97
    assert found["real"]["class entropy (bits)"] == pytest.approx(np.log2(10), abs=0.01)
    assert found["shuffled_pixels"]["sure"] < found["real"]["sure"] - 0.2


def test_the_same_settings_are_the_same_model(runs):
    assert runs["2 latents"] == runs["c = 0.05"]


def test_the_loss_falls_with_more_latents(runs):
    losses = [runs[name]["test_loss"] for name in SIZES]
    assert np.all(np.diff(losses) < 0)


def test_granularity_is_a_part_of_the_divergence_and_none_with_one_latent(runs):
    for numbers in runs.values():
        assert -0.05 < numbers["granularity_bits"] <= numbers["prior_divergence_bits"] + 0.05
        assert numbers["information_bits"] < np.log2(2000) + 0.02
    assert abs(runs["1 latent"]["granularity_bits"]) < 0.05


def test_with_20_latents_most_of_the_divergence_is_granularity(runs):
    many = runs["20 latents"]
    assert many["granularity_bits"] > many["prior_divergence_bits"] / 2
    assert many["information_bits"] > np.log2(2000) - 0.05


def test_over_the_granularity_lies_about_a_bit_with_20_latents_as_with_1(runs):
    for size in SIZES:
        numbers = runs[size]
        over = numbers["prior_divergence_bits"] - numbers["granularity_bits"]
        assert 0.7 < over < 1.3


def test_at_the_smallest_c_it_is_otherwise(runs):
    small = runs["c = 0.0001"]
    assert small["prior_divergence_bits"] - small["granularity_bits"] > 20
    assert small["granularity_bits"] < small["prior_divergence_bits"] / 2


def test_only_at_the_smallest_c_are_training_images_nearest_too_often(found, runs):
    expected = found["nearest_is_training_expected"]
    error = found["nearest_is_training_standard_error"]
    assert runs["c = 0.0001"]["nearest_is_training"] > expected + 4 * error
    for name in set(runs) - {"c = 0.0001"}:
        assert abs(runs[name]["nearest_is_training"] - expected) < 4 * error


def test_every_claim_has_a_verdict(found):
    words = {row["verdict"] for row in found["claims"].values()}
    assert words <= {"reached", "not reached", "confirmed", "refuted", "undecided"}
    assert len(found["claims"]) == 13
