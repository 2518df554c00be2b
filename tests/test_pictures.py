"""The first page's picture shows what is recorded, and frames what the judge says."""

import json

import numpy as np
import pytest
from flax import nnx
from matplotlib.colors import to_rgba

from helpers.plotting import VALID
from helpers.shapes import shape_world
from tools import pictures


class Drawer(nnx.Module):
    """Decodes any code to an image of the world, the last code to noise."""

    latent_size = 2

    def __init__(self, images):
        self.images = nnx.Variable(images)

    def decode(self, z):
        images = np.array(self.images[...][: len(z)])
        images[-1] = np.random.default_rng(1).uniform(size=images[-1].shape)
        return images


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Drawn from numbers and models made up for it."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    (tmp_path / "figures").mkdir()
    numbers = {
        "02_autoencoder": {"ae_prior_validity": 0.512},
        "03_variational_autoencoder": {"vae_prior_validity": 0.937},
        "04_latent_information": {
            "source_entropy_bits": 13.0,
            "ae_mutual_information_bits": [12.99, 8.1],
            "vae_mutual_information_bits": 12.88,
        },
    }
    for name, found in numbers.items():
        (tmp_path / "figures" / f"{name}.json").write_text(json.dumps(found))
    world = shape_world()
    model = Drawer(world.images[::900])
    return pictures.front_page(world, {"AE": (model, None), "VAE": (model, None)})


def test_each_row_says_what_was_recorded(figure):
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert [label.replace("\n", " ") for label in labels] == [
        "the world: 8,192 images, 13 bits each",
        "drawn by the AE: 51 % valid, codes keep 13.0 bits",
        "drawn by the VAE: 94 % valid, codes keep 12.9 bits",
    ]


def test_frames_are_those_of_the_judge(figure):
    rows = np.reshape(figure.axes, (3, pictures.SHOWN))
    framed = [[axes.spines["top"].get_visible() for axes in row] for row in rows]
    assert framed == [[False] * pictures.SHOWN] + 2 * [[True] * pictures.SHOWN]
    blue = [axes.spines["top"].get_edgecolor() == to_rgba(VALID) for axes in rows[1]]
    assert blue == [True] * (pictures.SHOWN - 1) + [False]
    assert rows[1, 0].spines["top"].get_linestyle() == "-"
