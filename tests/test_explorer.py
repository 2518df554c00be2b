"""The explorer: sliders move the picture, the oracle judges it, and print has a still."""

import numpy as np
import pytest
from flax import nnx
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import Image

from helpers.explorer import Explorer, describe
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.shapes import render

WIDGET = "application/vnd.jupyter.widget-view+json"
STILL = Image(data=b"\x89PNG a still", format="png", metadata={"alt": "A still picture"})


@pytest.fixture(params=[Autoencoder, VariationalAutoencoder])
def model(request):
    return request.param(3, encoder_widths=(8,), decoder_widths=(8,), rngs=nnx.Rngs(0))


@pytest.fixture
def images():
    return np.stack([render("circle", 10.0, 12.0, 4.0), render("square", 15.0, 9.0, 3.0)])


def test_a_slider_moves_the_picture(model, images):
    explorer = Explorer(model, images, STILL)
    explorer.start.value = None
    assert [slider.value for slider in explorer.sliders] == [0, 0, 0]
    before = bytes(explorer.picture.value)
    explorer.sliders[1].value = 2.0
    assert bytes(explorer.picture.value).startswith(b"\x89PNG")
    assert explorer.picture.value != before
    explorer.sliders[1].value = 0.0
    assert explorer.picture.value == before


def test_it_starts_from_the_code_of_a_picture_and_reaches_it(model, images):
    last = model.encoder.layers[-1].kernel
    last[...] = 1000 * last[...]  # far codes
    explorer = Explorer(model, images, STILL)
    explorer.start.value = 1
    code = model.codes(images)[1]
    reached = [slider.value for slider in explorer.sliders]
    np.testing.assert_allclose(reached, code, rtol=1e-5)
    assert max(abs(code)) <= explorer.sliders[0].max
    explorer.start.value = None
    assert [slider.value for slider in explorer.sliders] == [0, 0, 0]


def test_the_words_are_the_oracles(images):
    words = describe(images[0], np.zeros(2))
    assert words.startswith("<b>valid</b><br>nearest shape: circle<br>x 10.0, y 12.0, size 4.0")
    assert f"log p(z) = {-np.log(2 * np.pi):.2f} nats" in words
    blend = (images[0] + images[1]) / 2
    assert describe(blend, np.zeros(2)).startswith("<b>not valid</b>")


def test_without_a_kernel_the_still_is_shown(model, images):
    explorer = Explorer(model, images, STILL)
    shown, about = InteractiveShell.instance().display_formatter.format(explorer)
    assert {"image/png", "text/plain", WIDGET} == set(shown)
    assert shown[WIDGET]["model_id"] == explorer.model_id
    assert shown["text/plain"] == "An explorer of 3 latents"
    assert about["image/png"]["alt"] == "A still picture"


def test_training_the_model_further_leaves_the_explorer_as_it_is(model, images):
    explorer = Explorer(model, images, STILL)
    explorer.start.value = None
    before = bytes(explorer.picture.value)
    model.decoder.bias[...] += 5
    explorer.sliders[0].value = 1.0
    explorer.sliders[0].value = 0.0
    assert explorer.picture.value == before
