"""What notebook 08 says in words, held against its recorded numbers."""

import numpy as np
import pytest
from small import committed

SIZES = ["2", "10", "20", "50"]


@pytest.fixture(scope="module")
def found():
    return committed("08_latent_dimension")


def test_the_floor_is_the_entropy_of_the_pixels(found):
    assert found["cross_entropy_floor"] == pytest.approx(45.53, abs=0.01)


def test_the_elbos_are_near_the_report_s_but_for_two_latents(found):
    report = {"10": -105.28, "20": -101.90, "50": -102.18}
    for size, elbo in report.items():
        assert found["final_test_elbo"][size] == pytest.approx(elbo, abs=3)
    assert found["final_test_elbo"]["2"] > -174.34 + 3


def test_importance_weights_tighten_the_bound(found):
    assert all(found["test_log_likelihood"][k] > found["final_test_elbo"][k] for k in SIZES)


def test_pca_is_what_it_is_elsewhere(found):
    known = [0.06073, 0.05567, 0.05161, 0.03407, 0.02354, 0.01149]
    np.testing.assert_allclose(list(found["pca_test_mse_per_pixel"].values()), known, atol=2e-5)


def test_both_networks_beat_pca_and_the_vae_gains_less_and_less(found):
    pca, vae = (found[f"{kind}_test_mse_per_pixel"] for kind in ("pca", "vae"))
    assert all(vae[k] < pca[k] for k in SIZES)
    assert pca["50"] / pca["20"] == pytest.approx(0.5, abs=0.03)
    assert 0.8 < vae["50"] / vae["20"] < 1
    assert found["ae_test_mse_per_pixel"]["20"] < vae["20"]


def test_a_vae_of_50_latents_leaves_some_unused(found):
    active = found["active_units"]
    assert [active[k] for k in SIZES[:3]] == [2, 10, 20]
    assert 20 < active["50"] < 50


def test_the_account_meets_its_ceiling_and_the_rest_is_mostly_granularity(found):
    ceiling = np.log2(2000)
    assert found["account"]["2"]["kl"] < ceiling
    for size in SIZES[1:]:
        account = found["account"][size]
        assert ceiling - 0.12 < account["mutual_information"] < ceiling + 0.02
        rest = account["kl"] - account["mutual_information"]
        assert account["granularity"] > 0.7 * rest
        assert abs(account["excess_dependence"]) < 0.2 * rest


def test_each_part_of_the_loss_does_what_it_says(found):
    bits = found["bits_of_parts"]
    assert bits["only KL"] < 0.01 < bits["both"] < bits["only reconstruction"] / 3


def test_cross_entropy_is_ahead_in_both_columns(found):
    by_entropy, by_square = (found["trained_by"][f"trained by {n}"]
                             for n in ("cross-entropy", "squared error"))  # fmt: skip
    assert all(by_entropy[name] < by_square[name] for name in by_entropy)


def test_the_judge_takes_a_blend_for_a_parent_nearly_as_often(found):
    parent = {name: shares["surely a parent"] for name, shares in found["merging"].items()}
    assert max(parent.values()) - min(parent.values()) < 0.1
    assert found["claims"]["merged VAE codes give one parent"]["verdict"] == "undecided"


def test_the_ae_with_a_fitted_gaussian_does_about_as_well_as_the_vae(found):
    sure = found["random_sure"]
    fitted, vae = sure["AE, z from a fitted Gaussian"], sure["VAE, z ~ N(0, I)"]
    assert fitted == pytest.approx(vae, abs=0.08)
    assert sure["AE, z ~ N(0, I)"] < vae - 0.1
    assert sure["their pixels, shuffled"] < sure["real test digits"] - 0.2
    assert found["judge_accuracy"] > 0.98


def test_every_claim_has_a_verdict(found):
    words = {row["verdict"] for row in found["claims"].values()}
    assert words <= {"in range", "not reproduced", "confirmed", "refuted", "in part", "undecided"}
    assert len(found["claims"]) == 11
