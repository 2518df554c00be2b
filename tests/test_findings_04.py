"""What notebook 04 says in words, held against its recorded numbers."""

import numpy as np
import pytest
from scipy.stats import norm
from small import committed

ENTROPIES = {"shape": 2, "x": 4, "y": 4, "size": 3}
LIKE = "AE, as many bits as the VAE"


@pytest.fixture(scope="module")
def found():
    return committed("04_latent_information")


@pytest.fixture(scope="module")
def vae(found):
    """The terms of the VAE's account."""
    prefix, suffix = "vae_", "_bits"
    return {
        name.removeprefix(prefix).removesuffix(suffix): value
        for name, value in found.items()
        if name.startswith(prefix) and name.endswith(suffix) and isinstance(value, float)
    }


@pytest.fixture(scope="module")
def ae(found):
    names = ("mutual_information", "channel_rate", "granularity", "excess_dependence")
    return {name: np.array(found[f"ae_{name}_bits"]) for name in names}


def test_the_account_adds_up(vae):
    terms = ("mutual_information", "total_correlation", "negentropy")
    assert sum(vae[term] for term in terms) == pytest.approx(vae["channel_rate"], abs=0.01)
    assert vae["channel_rate"] + vae["prior_mismatch"] == pytest.approx(vae["kl"], abs=0.01)
    parts = vae["granularity"] + vae["excess_dependence"]
    assert parts == pytest.approx(vae["total_correlation"], abs=0.02)
    assert vae["direct_route"] == pytest.approx(vae["mutual_information"], abs=0.02)


def test_the_vae_keeps_nearly_all_bits_and_on_the_world_hardly_an_excess_shows(vae):
    assert 12.5 < vae["mutual_information"] < 13
    assert abs(vae["excess_dependence"]) < 0.3
    beyond = vae["kl"] - vae["mutual_information"]
    assert vae["granularity"] > 0.8 * beyond, "said: most of what it pays beyond the information"


def test_a_part_of_the_total_correlation_is_forced(vae):
    room = vae["channel_rate"] - vae["negentropy"]
    assert room > 13
    assert vae["total_correlation"] > room - 13


def test_the_textbook_rate_is_wrong(found, vae):
    assert vae["textbook_rate"] < vae["channel_rate"]
    example = found["varying_noise_example"]
    assert example["textbook"] < example["exact"] < example["channel_rate"]


def test_the_varying_noise_example_by_another_quadrature(found):
    means, deviations = np.linspace(-1, 1, 200), np.tile([1e-2, 2.0], 100)
    z = np.concatenate([np.linspace(-1.2, 1.2, 48_001), np.linspace(-14, 14, 28_001)])
    z = np.unique(z)
    q = np.mean([norm.pdf(z, m, s) for m, s in zip(means, deviations, strict=True)], axis=0)
    noise = np.mean(np.log2(np.sqrt(2 * np.pi * np.e) * deviations))
    entropy = -np.trapezoid(q * np.log2(np.maximum(q, 1e-300)), z)
    assert found["varying_noise_example"]["exact"] == pytest.approx(entropy - noise, rel=1e-3)


def test_noise_costs_the_ae_information_and_the_rate_runs_away(ae):
    information, rate = ae["mutual_information"], ae["channel_rate"]
    assert (np.diff(information) < 0).all()
    assert (information < rate).all()
    assert information[0] > 12.99
    assert 2.5 < rate[0] / 13 < 3, "said: almost three times"
    assert ae["granularity"][0] > 5 * abs(ae["excess_dependence"][0])


def test_the_ae_has_an_excess_that_shows_at_middle_noise(ae):
    excess = ae["excess_dependence"]
    assert excess.max() > 0.5
    assert 0 < excess.argmax() < len(excess) - 1
    assert excess[0] < 0.05


def test_more_images_turn_granularity_into_information(found):
    world, *continuous = found["source_granularity_bits"]
    assert (np.diff(continuous) < -1).all()
    _, *excess = found["source_excess_dependence_bits"]
    assert (np.diff(excess) > 0.02).all(), "said: granularity hid it"
    assert 0.1 < excess[-1] < 0.5
    assert world == pytest.approx(found["vae_granularity_bits"], rel=1e-3)


def test_all_latents_together_hold_nearly_every_factor(found):
    for name, entropy in ENTROPIES.items():
        assert 0.93 * entropy < found["vae_factor_bits"][name] < entropy + 0.01
    assert found["vae_mig"] > 0.2


def test_a_linear_probe_does_not_find_the_size_in_the_ae(found):
    assert abs(found["linear_probe"][LIKE]["size"]) < 0.1
    for scores in (found["linear_probe"], found["neighbour_probe"]):
        assert set(scores) == {"VAE", LIKE}
    for model, scores in found["neighbour_probe"].items():
        assert all(scores[f] > found["linear_probe"][model][f] for f in ENTROPIES)


def test_most_of_the_error_is_the_decoder_s(found):
    assert found["vae_bayes_distortion"] < 0.2 * found["vae_distortion"]
    assert found["vae_fano_error_rate"] < found["vae_bayes_error_rate"] < 0.1


def test_the_noisy_code_errs_more_than_the_one_without_noise(found):
    at_the_mean = committed("03_variational_autoencoder")["vae_test_squared_error"]
    assert found["vae_distortion"] > at_the_mean
    noiseless = committed("02_autoencoder")["ae_test_squared_error"]
    assert (np.diff([noiseless, *found["ae_distortion"]]) > 0).all()


def test_sampling_the_ae_fails_in_mean_and_variance_and_the_null_is_as_large_as_the_rest(found):
    prior, fitted = found["prior_divergence_bits"], found["fitted_gaussian_divergence_bits"]
    null = found["fitted_gaussian_null_bits"]
    assert prior[LIKE] > 2 * prior["VAE"]
    assert prior[LIKE] - fitted[LIKE] > 0.5 * prior[LIKE]
    for name in ("VAE", LIKE):
        assert abs(fitted[name] - null[name]) < 0.6
        assert abs(fitted[name] - null[name]) < 0.1 * fitted[name]
    for name in ("AE, noise 0.15 sd", "AE, noise 0.4 sd"):
        assert 0.25 < fitted[name] - null[name] < 0.8, "said: about half a bit"


def test_a_fitted_gaussian_mends_few_samples_and_a_mixture_many():
    share = committed("02_autoencoder")
    prior, gaussian, mixture = (
        share[f"ae_{density}_validity"]
        for density in ("prior", "fitted_gaussian", "fitted_mixture")
    )
    assert gaussian - prior < mixture - gaussian
    assert mixture > 0.8
