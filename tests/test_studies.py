"""The studies' models and measures, on small stand-ins for the digits and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import nnx
from scipy.spatial.distance import cdist

from helpers import studies
from helpers.layers import perceptron
from helpers.objectives import binary_cross_entropy, cross_entropy_vae_loss


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where checkpoints are written."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def bars():
    """600 images of ten classes: a bright row in one of ten places, and noise; their labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 600)
    images = generator.uniform(0, 0.2, (600, 28, 28)).astype(np.float32)
    images[np.arange(600), 4 + 2 * labels] = 0.9
    return images, labels


class Fixed(nnx.Module):
    """A posterior N(mean, 1) and a decoder that ignores z: its likelihood is known."""

    def __init__(self, mean):
        self.mean = mean

    def encode(self, x):
        return jnp.full((len(x), 2), self.mean), jnp.zeros((len(x), 2))

    def decode_logits(self, z):
        return jnp.full((len(z), 28, 28), 0.3)


def test_the_likelihood_of_a_decoder_that_ignores_z_is_its_cross_entropy(bars):
    images = bars[0][:4]
    exact = -binary_cross_entropy(jnp.full(images.shape, 0.3), images)
    at_prior = studies.log_likelihood(Fixed(0.0), images, jax.random.key(0), samples=5)
    np.testing.assert_allclose(at_prior, exact, rtol=1e-5)
    off_prior = studies.log_likelihood(Fixed(0.5), images, jax.random.key(0), samples=5000)
    np.testing.assert_allclose(off_prior, exact, atol=0.2)
    many = jnp.tile(images, (150, 1, 1))
    one = studies.log_likelihood(Fixed(0.5), many, jax.random.key(1), samples=1)
    assert np.mean(one) < np.mean(exact) - 0.1  # the ELBO: lower by the KL, 0.25


def test_a_vae_of_the_group_report_is_trained_and_measured(bars, folder):
    images, test_images = bars[0][:500], bars[0][500:]
    model, history = studies.group_model("VAE", 3, images, test_images, epochs=2)
    numbers = studies.measure_group(model, history, test_images, jax.random.key(0), n=50)
    assert numbers["final_test_elbo"] == -history["test_loss"].iloc[-1]
    assert numbers["average_train_elbo"] == -history["loss"].mean()
    assert len(numbers["bits_per_latent"]) == 3
    assert np.all(np.diff(numbers["bits_per_latent"]) <= 0)
    assert 0 <= numbers["active_units"] <= 3
    kl = numbers["bits_per_latent"].sum() * np.log(2)
    _, terms = cross_entropy_vae_loss(model, test_images, jax.random.key(1))
    assert kl == pytest.approx(float(terms["kl"]), rel=1e-4)


def test_other_weights_are_other_models(bars, folder):
    images, test_images = bars[0][:500], bars[0][500:]
    kls = []
    for beta in (0, 1):
        _, history = studies.group_model("VAE", 2, images, test_images, epochs=3, beta=beta)
        kls.append(history["kl"].iloc[-1])
    assert kls[0] > kls[1]
    model, history = studies.group_model("AE", 2, images, test_images, epochs=1)
    assert {"loss", "cross_entropy", "test_loss", "test_cross_entropy"} < set(history)
    assert model.encode(test_images).shape == (100, 2)


def test_a_judge_of_classes_takes_0_to_9(bars):
    images, labels = bars[0][:20], np.arange(20)
    with pytest.raises(ValueError, match="test_labels: expected classes 0 to 9"):
        studies.classifier("bars", images, labels % 10, images, labels)


def sizes(perceptron):
    """Of the layers' weights."""
    return [layer.kernel.shape for layer in perceptron.layers if hasattr(layer, "kernel")]


def test_the_reports_networks_are_those_that_they_print(bars, folder):
    images, test_images = bars[0][:500], bars[0][500:]
    model, _ = studies.report_model("MLP", 2, images, test_images, data="bars", epochs=1)
    assert sizes(model.encoder) == [(784, 300), (300, 100), (100, 10), (10, 4)]
    assert sizes(model.decoder) == [(2, 10), (10, 100), (100, 300), (300, 784)]
    assert (model.encoder.layers[1], model.variance) == (nnx.elu, "softplus")
    for kind, outputs in (("AE", 2), ("VAE", 4)):
        model, _ = studies.group_model(kind, 2, images, test_images, epochs=1)
        assert sizes(model.encoder) == [(784, 512), (512, outputs)]
        assert sizes(model.decoder) == [(2, 512), (512, 784)]
        assert model.encoder.layers[1] == nnx.relu
    assert model.variance == "log"


def test_models_of_another_data_set_have_files_of_their_own(bars, folder):
    images, test_images = bars[0][:500], bars[0][500:]
    for data in ("mnist", "fashion_mnist"):
        studies.group_model("AE", 2, images, test_images, data=data, epochs=1)
    files = [path.name for path in folder.glob("data/checkpoints/*.npz")]
    assert sorted("fashion_mnist" in file for file in files) == [False, True]


def test_the_judge_learns_and_measures(bars, folder):
    images, labels = bars
    data = images[:500], labels[:500], images[500:], labels[500:]
    judge, history = studies.classifier("bars", *data, epochs=10)
    assert history["test_accuracy"].iloc[-1] > 0.9
    p = studies.class_probabilities(judge, images[500:])
    assert p.shape == (100, 10)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (p.argmax(axis=1) == labels[500:]).mean() == pytest.approx(
        history["test_accuracy"].iloc[-1], abs=0.011
    )

    model, history = studies.report_model("MLP", 2, data[0], data[2], data="bars", epochs=2)
    numbers = studies.measure_report(model, history, data[0], data[2], judge, jax.random.key(0), 50)
    assert 0 <= numbers["sure"] <= 1
    assert 0 <= numbers["class_entropy_bits"] <= np.log2(10) + 1e-6
    assert numbers["loss"] == pytest.approx(numbers["reconstruction"] + numbers["kl"])
    assert numbers["information_bits"] <= np.log2(100) + 0.01
    assert -0.1 < numbers["granularity_bits"] < numbers["prior_divergence_bits"] + 0.1


def test_many_independent_latents_show_a_divergence_that_is_all_granularity(bars):
    """200 codes of eight independent latents, whose KL is far above log2 200."""
    means = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)

    class Codes(nnx.Module):
        latent_size = 8

        def encode(self, x):
            return means[: len(x)], np.full((len(x), 8), -5, np.float32)

        def decode(self, z):
            return np.zeros((len(z), 28, 28), np.float32)

    images, history = bars[0][:200], pd.DataFrame({"loss": [1.0], "kl": [0.5], "test_loss": [1.0]})
    numbers = studies.measure_report(
        Codes(), history, images[:50], images, perceptron([784, 10], rngs=nnx.Rngs(0)),
        jax.random.key(0), 20,
    )  # fmt: skip
    assert numbers["information_bits"] == pytest.approx(np.log2(200), abs=0.05)
    left = numbers["prior_divergence_bits"] - numbers["granularity_bits"]
    assert numbers["granularity_bits"] > 10
    assert left < 0.2 * numbers["granularity_bits"]


def test_nearest_distance_against_all_pairs(bars):
    some, others = bars[0][:20], bars[0][20:300]
    pairs = cdist(some.reshape(20, -1), others.reshape(280, -1), "sqeuclidean")
    np.testing.assert_allclose(studies.nearest_distance(some, others), pairs.min(axis=1), rtol=1e-3)
    np.testing.assert_allclose(studies.nearest_distance(some, some), 0, atol=1e-3)
