"""What study 09 says in words, held against its recorded numbers."""

import numpy as np
import pytest
from small import committed

SIZES = (2, 10, 20, 50)
LIST_BITS, CLASS_BITS = np.log2(60_000), np.log2(10)


@pytest.fixture(scope="module")
def found():
    return committed("09_real_images")


@pytest.fixture(scope="module")
def models(found):
    return {
        (data, name): row for data, rows in found["models"].items() for name, row in rows.items()
    }


def test_a_data_set_is_a_source_of_the_logarithm_of_its_images(found):
    for source in found["sources"].values():
        assert LIST_BITS - 0.01 < source["image (bits)"] <= LIST_BITS + 0.001
        assert 3.3 < source["class (bits)"] <= CLASS_BITS + 0.001


def test_every_code_of_the_studies_is_there(models):
    sizes = {"AE": SIZES, "VAE": SIZES, "MLP": (2, 3, 20), "CNN": (2, 3, 20)}
    missing = [
        f"{kind} of {latents} latents on {data}"
        for data in ("mnist", "fashion_mnist")
        for kind in sizes
        for latents in sizes[kind]
        if (data, f"{kind}, {latents} latents") not in models
    ]
    if missing:
        pytest.skip(f"not yet run by `make sweep`: {', '.join(missing)}")


def test_no_code_tells_more_than_there_is(models):
    for row in models.values():
        assert row["information_bits"] <= LIST_BITS + 0.01
        assert row["information_bits"] <= row["kl_bits"] + 0.01
        assert 0 < row["class_bits"] <= CLASS_BITS
        assert row["class_bits"] >= row["class_bits_as_is"] - 0.01
        parts = row["information_bits"] + row["granularity_bits"] + row["excess_dependence_bits"]
        assert parts <= row["kl_bits"] + 0.1


def test_the_code_of_20_latents_nearly_names_its_image_and_that_of_2_does_not(models):
    two, twenty = (models["mnist", f"VAE, {latents} latents"] for latents in (2, 20))
    assert twenty["information_bits"] > LIST_BITS - 0.6
    assert twenty["granularity_bits"] > 10
    assert two["information_bits"] > 0.8 * two["kl_bits"]
    assert two["information_bits"] < 12


def test_the_ae_costs_what_the_vae_costs(models):
    for data in ("mnist", "fashion_mnist"):
        for latents in SIZES:
            ae, vae = (models.get((data, f"{kind}, {latents} latents")) for kind in ("AE", "VAE"))
            if ae is None or vae is None:  # not yet run by `make sweep`
                continue
            assert ae["kl_bits"] == pytest.approx(vae["kl_bits"], rel=1e-3)


def test_more_latents_and_finer_codes_tell_more_of_the_class(found, models):
    rows = [models["mnist", f"VAE, {latents} latents"] for latents in SIZES]
    assert rows[0]["class_bits"] + 0.3 < rows[1]["class_bits"]
    bits = list(found["finer_class_bits"].values())
    assert bits == sorted(bits)
    assert abs(found["shuffled_labels_class_bits"]) < 0.02


def test_an_autoencoder_draws_once_its_codes_have_a_density(found):
    for data in ("mnist", "fashion_mnist"):
        drawn = found["drawing"][f"{data}, three seeds"]
        assert drawn["AE, mixture"]["sure"] > drawn["AE, N(0, I)"]["sure"]
        for row in drawn.values():
            assert row["class_entropy_bits"] <= CLASS_BITS + 0.001
            assert 0 <= row["nearest_is_training"] <= 1
    assert found["claims"]


def test_the_judge_of_clothes_is_surer_of_smudges_and_mixtures_are_about_equal():
    drawn = committed("real_images")["drawings"]

    def mean(data, kind, density, what):
        """Over the seeds."""
        runs = [run for run in drawn if (run["data"], run["kind"]) == (data, kind)]
        return np.mean([run["judged"][density][what] for run in runs])

    clothes = {kind: [mean("fashion_mnist", kind, "N(0, I)", what) for what in ("sure", "distance")]
               for kind in ("AE", "VAE")}  # fmt: skip
    assert clothes["AE"][0] > clothes["VAE"][0]
    assert clothes["AE"][1] > 2 * clothes["VAE"][1]
    for data in ("mnist", "fashion_mnist"):
        ae, vae = (mean(data, kind, "mixture", "sure") for kind in ("AE", "VAE"))
        assert ae == pytest.approx(vae, abs=0.05)


@pytest.mark.parametrize("latents", [10, 20, 50])
def test_at_the_ceiling_the_excess_is_what_the_information_lacks(models, latents):
    row = models["mnist", f"VAE, {latents} latents"]
    lacks = LIST_BITS - row["information_bits"]
    assert row["excess_dependence_bits"] == pytest.approx(lacks, abs=0.03)
