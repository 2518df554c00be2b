"""What notebook 05 says in words, held against its recorded numbers and the files it reads."""

import numpy as np
import pandas as pd
import pytest
from small import committed

from helpers import recipes
from helpers.shapes import shape_world

FALLING = ("c falls", "c falls, dependence penalised", f"c falls to {recipes.SAME_RATE_C:g}")


@pytest.fixture(scope="module")
def found():
    return committed("05_the_limit")


@pytest.fixture(scope="module")
def account():
    return committed("04_latent_information")


@pytest.fixture(scope="module")
def limit():
    return pd.DataFrame(committed("limit")["world"])


@pytest.fixture(scope="module")
def plane(limit):
    """The models of the plane, with the limit and the code made by hand at their distortion."""
    models, hand = pd.DataFrame(committed("plane")["models"]), committed("hand_made")
    models["gap"] = models["kl"] - upper(limit, models["distortion"])
    models["training"] = models["kl"] - np.interp(
        models["distortion"], hand["distortion"], hand["kl"]
    )
    return models


@pytest.fixture(scope="module")
def vaes(plane):
    return plane[plane["group"] == "VAE"].set_index("c")


def upper(limit, distortion):
    """R(D) from above, bits."""
    mean_image = shape_world().images.var(axis=0, dtype=float).sum()
    ds, rates = [0, *limit["distortion"], mean_image], [13, *limit["rate"], 0]
    return np.interp(distortion, ds, rates)


def lower(limit, distortion):
    """R(D) from below, bits."""
    slopes = limit["slope"].to_numpy() / np.log(2)
    return (limit["dual"].to_numpy() - np.outer(distortion, slopes)).max(axis=1)


def test_the_limit_is_narrow_convex_and_has_the_known_ends(limit, found):
    assert found["limit_width_bits"] == pytest.approx(limit["gap"].max(), rel=1e-3)
    assert found["limit_width_bits"] <= 0.02
    assert limit["rate"].iloc[0] > 12.95
    assert limit["distortion"].iloc[0] < 0.01
    assert limit["rate"].iloc[-1] < 0.05
    mean_image = shape_world().images.var(axis=0, dtype=float).sum()
    assert limit["distortion"].iloc[-1] == pytest.approx(mean_image, rel=0.05)
    apart = limit[limit["distortion"].diff().abs().fillna(1) > 1e-3]
    falls = np.diff(apart["rate"]) / np.diff(apart["distortion"])
    assert (np.diff(falls) > -0.02).all(), "convex, but for the rounding in the file"
    assert limit["reproductions"].iloc[-1] == 1, "said: one picture is enough"


def test_no_model_lies_below_the_limit(limit, plane, account):
    for error in ("distortion", "bayes_distortion"):
        assert (plane["mutual_information"] > lower(limit, plane[error]) - 0.02).all()
    noisy = np.array(account["ae_mutual_information_bits"])
    assert (noisy > lower(limit, account["ae_distortion"])).all()
    of_vae = lower(limit, [account["vae_bayes_distortion"]])
    assert account["vae_mutual_information_bits"] > of_vae


def test_the_gap_is_that_of_notebook_04_s_numbers(found, limit, account):
    at_vae = upper(limit, account["vae_distortion"])
    assert found["limit_bits_at_vae_distortion"] == pytest.approx(at_vae, abs=0.02)
    gap = found["limit_gap_bits_at_vae_distortion"]
    assert gap == pytest.approx(account["vae_kl_bits"] - at_vae, abs=0.03)
    assert sum(found["causes"].values()) == pytest.approx(gap, abs=0.05)
    for cause in ("granularity", "negentropy", "excess_dependence"):
        assert found["causes"][cause] == pytest.approx(account[f"vae_{cause}_bits"], abs=0.01)
    assert max(found["causes"], key=found["causes"].get) == "granularity"


def test_the_code_made_by_hand_is_far_better_than_the_trained_one(found, account):
    curve = pd.DataFrame(found["hand_made"])
    losses = curve["distortion"] / (2 * curve["c"]) + curve["kl"] * np.log(2)
    np.testing.assert_allclose(losses, curve["loss"], rtol=2e-3)
    at_vae = account["vae_distortion"] / (2 * recipes.C) + account["vae_kl_bits"] * np.log(2)
    assert found["vae_loss_over_hand_made_nats"] == pytest.approx(at_vae - losses[0], abs=0.05)
    assert 4 < found["vae_loss_over_hand_made_nats"] < 10
    start = found["hand_made_a_fifth"]
    first = start["distortion"] / (2 * recipes.C) + start["kl"] * np.log(2)
    assert losses[0] < first < at_vae
    fifth = start["distortion"] / (2 * curve["c"]) + start["kl"] * np.log(2) - losses
    assert curve["c"][fifth.idxmin()] == 0.3, "said: nearly right"
    assert fifth.min() < 0.5


def test_most_of_that_is_the_decoder_and_not_the_code(found, account):
    own = account["vae_distortion"] / (2 * recipes.C)
    best = account["vae_bayes_distortion"] / (2 * recipes.C)
    of_the_code = found["vae_loss_over_hand_made_nats"] - (own - best)
    assert 1 < of_the_code < 0.4 * found["vae_loss_over_hand_made_nats"]


def test_training_is_behind_the_hand_at_small_errors_and_ahead_from_about_5_on(vaes):
    assert (vaes["training"][vaes["distortion"] < 4] > 0.5).all()
    assert (vaes["training"][vaes["distortion"] > 5] < 0).all()
    assert vaes["training"][0.06] > 0.6 * vaes["gap"][0.06], "said: most of the gap"
    hand = committed("hand_made")
    code = vaes["kl"] - np.interp(vaes["bayes_distortion"], hand["distortion"], hand["kl"])
    assert 0.5 < code[0.06] / vaes["training"][0.06] < 0.65, "said: nearly half is the decoder"


def test_granularity_leads_at_small_c_and_is_gone_at_large(vaes):
    causes = ["granularity", "excess_dependence", "negentropy", "prior_mismatch"]
    small = vaes.loc[[0.06, 0.1, 0.15]]
    assert (small[causes].idxmax(axis=1) == "granularity").all()
    assert (small["granularity"] > 0.5 * small["gap"]).all()
    assert (vaes["granularity"][vaes.index >= 0.9] < 0.05).all()


def test_the_vae_pays_fewer_bits_than_the_ae_carries_from_about_5_on(vaes, account):
    further = vaes[vaes["distortion"].between(5, 20)]
    carried = np.interp(
        further["distortion"], account["ae_distortion"], account["ae_mutual_information_bits"]
    )
    assert len(further) > 3
    assert (further["kl"] < carried).all()


def test_constant_weights_trained_better_at_small_balances(plane):
    balance = (plane["c"] * plane["beta"]).round(6)
    loss = plane["distortion"] / (2 * balance) + plane["kl"] * np.log(2)
    constant = (plane["group"] == "beta-VAE") | (plane["name"] == "c constant")
    ways = pd.DataFrame({
        "falls": loss[plane["group"] == "VAE"].groupby(balance).first(),
        "constant": loss[constant].groupby(balance).first(),
    }).dropna()  # fmt: skip
    more = ways["falls"] - ways["constant"]
    assert more.index.tolist() == [0.15, 0.3, 0.6, 1.25]
    assert (more.iloc[:2] > 0.3).all()
    assert more.max() > 1.5, "said: at one balance by far"
    assert (more.iloc[2:].abs() < 0.2).all()


def test_of_the_ideas_only_the_unfair_one_brings_a_vae_nearer(plane):
    for c, ideas in plane[plane["group"] == "idea"].groupby("c"):
        plain = plane["gap"][(plane["group"] == "VAE") & (plane["c"] == c)].iloc[0]
        nearer = ideas["name"][ideas["gap"] < plain - 0.05]
        assert nearer.tolist() == ["trained on the grid"]


def test_the_smallest_gaps_are_recorded(plane, found):
    fair = plane[(plane["name"] != "trained on the grid") & (plane["distortion"] < 10)]
    assert found["limit_gap_bits_best"] == pytest.approx(fair["gap"].min(), abs=0.01)
    around = fair["gap"][fair["distortion"].between(4, 6)]
    assert found["limit_gap_bits_at_distortion_5"] == pytest.approx(around.min(), abs=0.01)


@pytest.fixture(scope="module")
def schedules():
    return committed("single_shape")["schedules"]


def test_a_falling_c_brings_axes_and_factors_together_but_for_a_seed(schedules, found):
    migs = {name: np.array(runs["mig"]["values"]) for name, runs in schedules.items()}
    assert found["single_shape_mig_values"] == {name: list(m) for name, m in migs.items()}
    assert migs["c constant"].max() < 0.3
    for name in FALLING:
        assert (migs[name] < 0.2).sum() == 1, "said: one seed of five fails"
        assert np.median(migs[name]) > 0.5
        assert np.median(schedules[name]["mig_of_first_batch"]) > 0.5
    assert found["single_shape_mig_median"] == pytest.approx(max(map(np.median, migs.values())))
    assert all(min(runs["mutual_information"]["values"]) > 10.8 for runs in schedules.values())


def test_most_of_what_the_penalty_gains_comes_with_the_lower_rate(schedules):
    falls, penalised, as_few = (np.median(schedules[name]["mig"]["values"]) for name in FALLING)
    assert 0.5 < (as_few - falls) / (penalised - falls) < 1
    rates = [schedules[name]["kl"]["mean"] for name in FALLING[1:]]
    assert abs(rates[0] - rates[1]) < 0.5


def test_one_vae_is_worse_than_its_neighbour_in_rate_and_in_error(vaes):
    assert vaes["kl"][0.1] > vaes["kl"][0.15]
    assert vaes["distortion"][0.1] > vaes["distortion"][0.15]


def test_two_constant_runs_of_one_balance_end_apart(plane):
    constant = plane[(plane["group"] == "beta-VAE") | (plane["name"] == "c constant")]
    loss = constant["distortion"] / (2 * constant["c"] * constant["beta"])
    loss += constant["kl"] * np.log(2)
    same = loss[np.isclose(constant["c"] * constant["beta"], 0.6)]
    assert len(same) == 2
    assert 0.1 < np.ptp(same) < 0.2, "said: a difference of a tenth or two says little"


def test_a_lower_rate_costs_more_than_twice_the_error_and_is_most_of_the_gain():
    schedules = committed("single_shape")["schedules"]
    falls, penalised, as_few = (schedules[name] for name in FALLING)
    for other in (penalised, as_few):
        assert other["distortion"]["mean"] > 2 * falls["distortion"]["mean"]
    mig = [np.median(runs["mig"]["values"]) for runs in (falls, as_few, penalised)]
    assert 0.5 < (mig[1] - mig[0]) / (mig[2] - mig[0]) < 0.7, "said: more than half"
