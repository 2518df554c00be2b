"""What notebook 03 says in words, held against the numbers that it and `make sweep` recorded."""

import numpy as np
import pytest
from small import committed

BOTH, LARGE_C = "both, c = 0.1", "both, c = 1"


@pytest.fixture(scope="module")
def found():
    return committed("03_variational_autoencoder")


def pairs(of_ae, of_vae):
    """Mean paired difference and its standard error."""
    differences = np.subtract(of_vae, of_ae)
    return differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))


def test_the_kl_counts_more_bits_than_an_image_holds(found):
    assert 15 < found["vae_test_kl_bits"] < 21


def test_the_vae_draws_valid_shapes_from_the_prior_and_the_autoencoder_about_half(found):
    assert found["vae_prior_validity"] > 0.85
    assert 0.4 < found["ae_prior_validity"] < 0.65
    assert found["vae_prior_coverage"] > 0.95
    seed_0 = committed("sweep")["vae_prior_validity"]["values"][0]
    assert found["vae_prior_validity"] == pytest.approx(seed_0, abs=0.03)


def test_each_term_alone_fails_and_both_together_do_not(found):
    balance = found["balance"]
    order = ["only reconstruction", BOTH, LARGE_C, "only KL"]
    assert list(balance) == order
    kl = [balance[name]["KL (bits)"] for name in order]
    error = [balance[name]["squared error"] for name in order]
    assert kl == sorted(kl, reverse=True)
    assert error == sorted(error)
    assert kl[-1] < 0.01
    assert error[1] < 1.05 * error[0], "said: hardly larger"
    valid = {name: balance[name]["sample validity"] for name in order}
    assert max(valid["only reconstruction"], valid["only KL"]) < 0.05
    assert min(valid[BOTH], valid[LARGE_C]) > 0.15
    assert max(valid.values()) < 0.5, "said: few are valid even with both terms"


def test_draws_of_the_prior_miss_by_tens_of_nats_until_they_are_very_many(found):
    elbo, weighted, as_many, very_many = found["bounds"].values()
    assert elbo < weighted
    assert 20 < elbo - as_many < 300
    assert very_many > weighted - 15


def test_a_good_draw_of_the_prior_is_rarer_than_13_bits_and_less_rare_than_the_kl(found):
    assert 13.5 < found["good_prior_draw_bits"] < found["kl_bits_of_the_bounds"] - 1


def test_the_largest_squares_are_the_least_often_valid(found):
    shares = found["vae_validity_by_kind"]
    least = min((share, name, size) for name, of in shares.items() for size, share in of.items())
    assert least[1:] == ("square", "6.0")
    assert np.median([share for of in shares.values() for share in of.values()]) > 0.85


def test_merging_chooses_a_shape_and_averages_the_places(found):
    for name in ("AE", "VAE"):
        merged, null = found["merging"][name], found["merging"][f"{name}, null"]
        _, shape, distance = merged.values()
        _, shape_null, distance_null = null.values()
        assert shape > shape_null + 0.1
        assert distance < 0.5
        assert distance_null > 1.2
    assert found["merging"]["VAE"]["valid"] > found["merging"]["AE"]["valid"] + 0.1


def test_over_seeds_the_same_holds_for_merged_codes():
    sweep = committed("sweep")
    for kind in ("ae", "vae"):
        shape, null, place, place_null = (
            np.array(sweep[f"{kind}_merged_{part}"]["values"])
            for part in ("parent_shape", "parent_shape_null", "place", "place_null")
        )
        assert (shape > null + 0.1).all()
        assert (place < 0.5 * place_null).all()


def test_over_seeds_the_vae_draws_better_and_resists_noise_worse(found):
    sweep = committed("sweep")
    better = {"prior_validity", "fitted_gaussian_validity", "fitted_mixture_validity"}
    better |= {"prior_coverage", "merged_validity"}
    worse = {"noise 0.1", "noise 0.4"}
    undecided = {"test_squared_error", "moved", "reconstruction_validity"}
    for key in better | worse | undecided:
        mean, error = pairs(sweep[f"ae_{key}"]["values"], sweep[f"vae_{key}"]["values"])
        assert (abs(mean) > 3 * error) == (key not in undecided), key
        assert key in undecided or mean > 0, key
    mean, error = pairs(sweep["ae_prior_validity"]["values"], sweep["vae_prior_validity"]["values"])
    row = found["over_seeds"]["valid, N(0, I)"]
    assert row["VAE - AE"] == pytest.approx(mean, rel=1e-3)
    assert row["standard error"] == pytest.approx(error, rel=1e-3)


def test_with_few_training_images_the_autoencoder_has_the_lower_error():
    numbers = committed("generalisation")
    of_ae, of_vae = numbers["errors"]["ae"], numbers["errors"]["vae"]
    clear = {}
    for size, *values in zip(numbers["sizes"], of_ae, of_vae, strict=True):
        mean, error = pairs(*values)
        clear[size] = abs(mean) > 3 * error
        assert mean > 0 or not clear[size], "said: nowhere is the VAE the better one"
    assert clear == {512: False, 1024: True, 4096: True, 16384: False, 65536: False}


def test_trained_on_the_grid_only_the_samples_of_the_autoencoder_are_clearly_worse():
    numbers = committed("generalisation")["held_out_of_the_grid"]
    clear = {}
    for name in ("AE", "VAE"):
        for key in ("test_squared_error", "prior_validity"):
            values = [
                numbers[f"{name}, trained on {images}"][key]["values"]
                for images in ("random shapes", "the grid")
            ]
            mean, error = pairs(*values)
            clear[name, key] = abs(mean) > 3 * error
            assert name == "VAE" or key == "test_squared_error" or mean < 0
    assert [which for which, is_clear in clear.items() if is_clear] == [("AE", "prior_validity")]


def test_softplus_leaves_the_unit_interval():
    assert round(float(np.log1p(np.exp(5))), 3) == 5.007
