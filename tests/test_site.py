"""The site: pages that lead to each other, fetch nothing from elsewhere, and hold the weights."""

import json
import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser

import jax
import nbformat
import numpy as np
import pytest
from flax import nnx

import tools.site
from helpers.files import ROOT
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.shapes import shape_world
from tools.commands import main
from tools.pairs import CommandError
from tools.readme import filled, read_numbers
from tools.site import build, pages

NAMES = [path.stem for path in sorted(ROOT.glob("notebooks/*.ipynb"))]
NODE = shutil.which("node")
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


@cache
def models():
    """Untrained, of the headline models' form but small, with their codes."""
    images = shape_world().images
    settings = {"encoder_widths": (16,), "decoder_widths": (16, 32, 32), "images": images}
    ae = Autoencoder(4, **settings, rngs=nnx.Rngs(0))
    vae = VariationalAutoencoder(4, **settings, rngs=nnx.Rngs(1))
    return {name: (model, model.codes(images)) for name, model in (("AE", ae), ("VAE", vae))}


@pytest.fixture(autouse=True, scope="module")
def on_a_small_budget():
    """Small models, no npm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tools.site, "headline_models", lambda world: models())
        patch.setattr(pages.shutil, "which", lambda name: None)
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of the committed notebooks, without a copy of MathJax."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path_factory.mktemp("output")))
        readme = filled()["README.md"]
        return build(ROOT, readme, tmp_path_factory.mktemp("built") / "site")


@pytest.fixture(params=["index", "explorer", *NAMES])
def page(request, site):
    return (site / f"{request.param}.html").read_text("utf-8")


def test_a_page_has_a_title_a_description_and_no_mark_left(page):
    assert re.search(r"<title>.{20,}</title>", page)
    assert "Latent Bits" in re.search(r"<title>(.*)</title>", page)[1]
    assert re.search(r'<meta name="description" content="[^"]{60,}">', page)
    assert not re.search(r"\$(title|body|description|scripts|navigation|kind|repository)\b", page)


def test_titles_differ(site):
    titles = [
        re.search(r"<title>(.*)</title>", p.read_text("utf-8"))[1] for p in site.glob("*.html")
    ]
    assert len(set(titles)) == len(titles) == len(NAMES) + 2


def test_every_link_within_the_site_leads_somewhere(page, site):
    links = Links(page).links
    assert {"index.html", "explorer.html", *(f"{name}.html" for name in NAMES)} <= set(links)
    for link in links:
        path, _, anchor = link.partition("#")
        if path.startswith(("https://", "http://")):
            assert ".github.io" not in path, "a link to the published site leaves a local one"
            continue
        if path:
            assert (site / path).is_file(), link
        elif anchor:
            assert f'id="{anchor}"' in page, link


def test_nothing_is_loaded_from_elsewhere_but_mathjax(page, site):
    for address in Links(page).loads:
        if address != pages.MATHJAX_CDN and not address.startswith("data:"):
            assert (site / address).is_file(), address


def test_every_picture_is_described(page):
    assert Links(page).wordless == []


def test_neighbours_are_a_page_away(site):
    text = (site / f"{NAMES[1]}.html").read_text("utf-8")
    turn = re.search(r'<nav class="turn".*?</nav>', text)[0]
    assert Links(turn).links == [f"{NAMES[0]}.html", f"{NAMES[2]}.html"]


def test_the_navigation_names_the_notebooks_and_marks_the_page(site):
    text = (site / f"{NAMES[1]}.html").read_text("utf-8")
    assert f'<a href="{NAMES[1]}.html" aria-current="page">02 · The autoencoder</a>' in text
    assert text.count("aria-current=") == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_lists_its_sections_and_folds_its_set_up(site, name):
    text = (site / f"{name}.html").read_text("utf-8")
    contents = re.search(r'<details class="contents">.*?</details>', text)[0]
    assert len(Links(contents).links) == len(re.findall(r"<h2[ >]", text)) > 5
    assert ">References</a>" in contents
    folded = re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", text, re.S)
    (first, set_up), (last, _) = folded[0], folded[-1]
    assert "REPOSITORY" in set_up
    assert text.count("REPOSITORY") == set_up.count("REPOSITORY")
    assert first == "Set-up: find this project's helpers, or fetch them, as in Colab"
    assert last == "Record the numbers, show the versions"


def test_a_cell_that_hides_its_source_is_folded_and_shows_its_output(repository):
    path = repository / "notebooks" / f"{NAMES[4]}.ipynb"
    notebook = nbformat.read(path, 4)
    output = nbformat.v4.new_output("stream", text="what it shows")
    hidden = {"jupyter": {"source_hidden": 1}}
    notebook.cells.append(
        nbformat.v4.new_code_cell("its_source", metadata=hidden, outputs=[output])
    )
    nbformat.write(notebook, path)
    pages.write_pages(repository / "new", repository, (ROOT / "README.md").read_text("utf-8"))
    text = (repository / "new" / path.with_suffix(".html").name).read_text("utf-8")
    folded = re.findall(r"<details><summary>Code</summary>(.*?)</details>", text, re.S)
    assert "its_source" in folded[-1]
    assert "what it shows" not in folded[-1]
    assert "what it shows" in text


def test_the_index_shows_the_numbers_that_were_recorded(site):
    text = (site / "index.html").read_text("utf-8")
    assert f"{100 * read_numbers()['sweep']['vae_prior_validity']['mean']:.0f} ± " in text
    assert "figures/front_page.png" in text


def _run_by_node(site, script):
    """What `script` gives that follows explorer.js, in Node, without a page."""
    page = "const window = {}, fetch = () => new Promise(() => {});"
    read = """
    const {{ readFileSync }} = require("fs"), about = JSON.parse(readFileSync("explorer.json"));
    unpack(about, new Float32Array(new Uint8Array(readFileSync("decoders.bin")).buffer));
    console.log(JSON.stringify({}));
    """
    whole = page + (site / "explorer.js").read_text("utf-8") + read.format(script)
    run = [NODE, "-"]
    ran = subprocess.run(run, input=whole, cwd=site, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.skipif(NODE is None, reason="there is no Node to run explorer.js")
@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_explorer_js_decodes_as_jax_does(site, name):
    model, codes = models()[name]
    z = codes[::128]
    u = ((z - codes.mean(axis=0, dtype=float)) / codes.std(axis=0, dtype=float)).tolist()
    pixels = _run_by_node(site, f"{u}.map((u) => [...decode(about.models.{name}, u)])")
    np.testing.assert_allclose(pixels, model.decode(z).reshape(len(z), -1), atol=1e-5)


def test_a_decoders_weights_fill_the_file(site):
    weights = jax.tree.leaves([nnx.state(model.decoder) for model, _ in models().values()])
    assert (site / "decoders.bin").stat().st_size == 4 * sum(array.size for array in weights)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one notebook and the old site."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path / "output"))
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


def test_an_explorer_too_large_is_refused(repository, monkeypatch, capsys):
    monkeypatch.setattr(tools.site, "MOST_BYTES", 10)
    assert main(["site"], repository) == 1
    assert "at most 10 bytes: narrower decoders fit" in capsys.readouterr().err
    assert [path.name for path in (repository / "site").iterdir()] == ["old.html"]


def test_a_build_replaces_the_old_site_and_repeats_itself(repository):
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
