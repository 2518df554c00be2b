"""The site: pages that lead to each other, fetch nothing from elsewhere, and hold the weights."""

import json
import re
import shutil
import zlib
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tools.site
from helpers.files import ROOT
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.shapes import shape_world
from tools.commands import main, read_numbers, readme_text
from tools.pairs import CommandError
from tools.site import build, pages, weights

NAMES = [path.stem for path in sorted(ROOT.glob("notebooks/*.ipynb"))]
RESOURCES = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Links(HTMLParser):
    """What a page links to, what it loads, and the pictures without words."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.wordless = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a":
            self.links.append(attributes.get("href", ""))
        if attributes.get(RESOURCES.get(tag)):
            self.loads.append(attributes[RESOURCES[tag]])
        if tag == "img" and not attributes.get("alt"):
            self.wordless.append(attributes.get("src", "")[:60])


def small_models(world):
    """Untrained, of the headline models' form but small, with their codes."""
    widths = {"encoder_widths": (16,), "decoder_widths": (16, 32, 32)}
    ae = Autoencoder(4, **widths, rngs=nnx.Rngs(0))
    vae = VariationalAutoencoder(4, **widths, rngs=nnx.Rngs(1))
    images = jnp.asarray(world.images)
    return {"AE": (ae, ae.encode(images)), "VAE": (vae, vae.encode(images)[0])}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of the committed notebooks, with small models, on a machine without npm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path_factory.mktemp("output")))
        patch.setattr(tools.site, "headline_models", small_models)
        patch.setattr(pages.shutil, "which", lambda name: None)
        readme = readme_text((ROOT / "README.md").read_text("utf-8"), read_numbers())
        yield build(ROOT, readme, tmp_path_factory.mktemp("built") / "site")


@pytest.fixture(params=["index", "explorer", *NAMES])
def page(request, site):
    return (site / f"{request.param}.html").read_text("utf-8")


def test_a_page_has_a_title_a_description_and_no_mark_left(page):
    assert re.search(r"<title>.{20,}</title>", page)
    assert "Latent Bits" in re.search(r"<title>(.*)</title>", page)[1]
    assert re.search(r'<meta name="description" content="[^"]{60,}">', page)
    assert not re.search(r"\$(title|body|description|scripts|notebooks|kind)\b", page)


def test_titles_differ(site):
    titles = [
        re.search(r"<title>(.*)</title>", p.read_text("utf-8"))[1] for p in site.glob("*.html")
    ]
    assert len(set(titles)) == len(titles) == len(NAMES) + 2


def test_every_link_within_the_site_leads_somewhere(page, site):
    links = Links(page).links
    assert {"index.html", "explorer.html", *(f"{name}.html" for name in NAMES)} <= set(links)
    for link in links:
        path, _, _ = link.partition("#")
        if path and not path.startswith(("https://", "http://")):
            assert (site / path).is_file(), link


def test_nothing_is_loaded_from_elsewhere_but_mathjax(page, site):
    for address in Links(page).loads:
        if address != pages.MATHJAX_CDN and not address.startswith("data:"):
            assert (site / address).is_file(), address


def test_every_picture_is_described(page):
    assert Links(page).wordless == []


def test_neighbours_are_a_page_away(site):
    text = (site / f"{NAMES[1]}.html").read_text("utf-8")
    assert f'rel="prev" href="{NAMES[0]}.html"' in text
    assert f'rel="next" href="{NAMES[2]}.html"' in text


def test_the_index_shows_the_numbers_that_were_recorded(site):
    text = (site / "index.html").read_text("utf-8")
    assert str(read_numbers()["03_variational_autoencoder"]["vae_prior_validity"]) in text
    assert "figures/04_rate_and_distortion.png" in text


def _unpacked(site):
    """The layers by model, read as explorer.js reads them."""
    about = json.loads((site / "explorer.json").read_text())
    raw = zlib.decompress((site / "decoders.bin").read_bytes())
    layers = [layer for model in about["models"].values() for layer in model["layers"]]
    whole = sum(int(np.prod(layer["shape"])) for layer in layers if layer["rounded"])
    floats = np.frombuffer(raw, "<f4", (len(raw) - 2 * whole) // 4)
    low = np.frombuffer(raw, np.uint8, whole, floats.nbytes).astype(np.int16)
    high = np.frombuffer(raw, np.int8, whole, floats.nbytes + whole).astype(np.int16)
    integers = iter(high * 256 + low)
    floats = iter(floats)

    def take(values, shape):
        return np.array([next(values) for _ in range(int(np.prod(shape)))]).reshape(shape)

    return {
        name: [
            (take(integers if layer["rounded"] else floats, layer["shape"]), layer["step"],
             take(floats, layer["shape"][1:]))
            for layer in model["layers"]
        ]
        for name, model in about["models"].items()
    }  # fmt: skip


def test_the_packed_decoders_decode_as_jax_does(site):
    models, unpacked = small_models(shape_world()), _unpacked(site)
    for name, (model, codes) in models.items():
        z = np.asarray(codes[::16])
        exact = np.asarray(model.decode(jnp.asarray(z))).reshape(len(z), -1)
        np.testing.assert_allclose(weights.decode(unpacked[name], z), exact, atol=1e-2)


def test_rounding_with_regard_to_the_inputs_beats_rounding_alone():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(64, 32))
    inputs = rng.normal(size=(500, 8)) @ rng.normal(size=(8, 64))  # of 8 directions, as codes' are
    integers, step = weights._round(kernel, inputs)
    alone = np.round(kernel / step) * step
    errors = [np.abs(inputs @ (k - kernel)).max() for k in (integers * step, alone)]
    assert errors[0] < 0.5 * errors[1]


def test_weights_that_grow_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 10)
    world = shape_world()
    with pytest.raises(CommandError, match="10 is the most: lower STEPS"):
        tools.site._export(tmp_path, world, small_models(world))


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one notebook and the old site."""
    monkeypatch.setattr(pages.shutil, "which", lambda name: None)
    for folder in ("notebooks", "figures", "site"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copy(ROOT / "notebooks" / f"{NAMES[4]}.ipynb", tmp_path / "notebooks")
    (tmp_path / "site" / "old.html").write_text("old")
    return tmp_path


def test_a_build_that_fails_leaves_the_old_site(repository, monkeypatch):
    def fail(world):
        raise CommandError("no models today")

    monkeypatch.setattr(tools.site, "headline_models", fail)
    assert main(["site"], repository) == 1
    assert [path.name for path in (repository / "site").iterdir()] == ["old.html"]
    assert list(repository.glob(".site-*")) == []


def test_a_build_replaces_the_old_site_and_repeats_itself(repository, monkeypatch):
    monkeypatch.setattr(tools.site, "headline_models", small_models)
    built = []
    for _ in range(2):
        assert main(["site"], repository) == 0
        files = [path for path in (repository / "site").rglob("*") if path.is_file()]
        built.append({path.name: path.read_bytes() for path in files})
    assert "old.html" not in built[0]
    assert built[0] == built[1]


def test_what_is_missing_is_named(repository, capsys):
    readme = repository / "README.md"
    readme.write_text(readme.read_text("utf-8").replace(pages.END, ""), "utf-8")
    assert main(["site"], repository) == 1
    assert "README.md lacks the mark <!-- /site -->" in capsys.readouterr().err
    shutil.rmtree(repository / "notebooks")
    assert main(["site"], repository) == 1
    assert "`make run` makes them" in capsys.readouterr().err
