"""The site in a headless browser: decodes as JAX does; keys, mouse and touch, offline."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jax
import numpy as np
import pytest
from playwright.sync_api import expect

import tools.site
from helpers.files import ROOT
from helpers.generation import nearest_shape
from helpers.shapes import random_shapes, render, shape_world
from tools.readme import filled

SCREENSHOTS = Path(__file__).with_name("screenshots")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True,
         "device_scale_factor": 2}  # fmt: skip
SCREEN = {"width": 1366, "height": 657}  # what a small laptop's browser leaves for a page
PATIENCE = 120_000  # milliseconds: a busy machine is slow, not wrong


class Quiet(SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def models():
    """The headline models with their codes, from this repository's data/ (trained if missing)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LATENT_BITS_OUTPUT_DIR", raising=False)
        return tools.site.headline_models(shape_world())


@pytest.fixture(scope="session")
def address(models, tmp_path_factory):
    """The address of the site, built anew and served from files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LATENT_BITS_OUTPUT_DIR", raising=False)  # where MathJax is kept too
        patch.setattr(tools.site, "headline_models", lambda world: models)
        readme = filled()["README.md"]
        folder = tools.site.build(ROOT, readme, tmp_path_factory.mktemp("built") / "site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browse(chromium, address):
    """Open a page in a window of its own; what it asks for elsewhere or complains of is kept."""
    complaints = []

    def route(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        complaints.append(route.request.url)
        return route.abort()

    def open_page(name, **settings):
        context = chromium.new_context(**settings)
        context.set_default_timeout(PATIENCE)
        context.route("**/*", route)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.goto(f"{address}/{name}.html")
        if name == "explorer":
            page.evaluate("window.latentBits.ready.then(() => latentBits.explorer.centre())")
        return page

    open_page.complaints = complaints
    return open_page


@pytest.fixture
def visit(browse):
    """Open a page for one test."""
    pages = []

    def open_page(name, **settings):
        pages.append(browse(name, **settings))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    assert browse.complaints == []


@pytest.fixture(scope="session")
def opened(browse):
    return browse("explorer", viewport=SCREEN)


@pytest.fixture
def explorer(opened, browse):
    """The explorer's page, opened once, as it is after `Mean code`."""
    opened.set_viewport_size(SCREEN)
    opened.get_by_label("across", exact=True).select_option("0")
    opened.get_by_label("up", exact=True).select_option("1")
    opened.get_by_label("move both together").check()
    opened.get_by_role("button", name="Mean code").click()
    opened.evaluate("scrollTo(0, 0)")
    yield opened
    assert browse.complaints == []


def code(page, name="AE"):
    return np.array(page.evaluate("name => latentBits.code(name)", name))


def pad(page, name="AE"):
    return page.locator(f"[data-model={name}] .pad")


def decoded(page, name, u):
    run = "([name, codes]) => codes.map(u => Array.from(latentBits.decode(name, u)))"
    return np.array(page.evaluate(run, [name, np.asarray(u, float).tolist()]))


def exact(models, name, u):
    """What JAX decodes codes u (n, L), in standard deviations from the mean, to: (n, 28, 28)."""
    model, codes = models[name]
    codes = np.asarray(codes, float)
    return model.decode(np.asarray(codes.mean(0) + codes.std(0) * u, np.float32))


def finished_map(page):
    page.wait_for_function(
        "latentBits.explorer.panels.every(p => p.share.textContent.includes('%'))"
    )


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_decodes_as_jax_does(explorer, models, name):
    codes = np.asarray(models[name][1], float)[::32]
    drawn = np.random.default_rng(1).normal(size=(250, 4))
    u = np.concatenate([(codes - codes.mean(0)) / codes.std(0), drawn])
    wanted = exact(models, name, u).reshape(len(u), -1)
    worst = np.abs(decoded(explorer, name, u) - wanted).max()
    print(f"{name}: worst pixel {worst:.1e}")
    assert worst < 1e-4


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_the_picture_shown_is_the_decoded_code(explorer, models, name):
    slider = explorer.get_by_label(f"{name}, dimension 3, in standard deviations", exact=True)
    slider.fill("1.25")
    explorer.wait_for_function("!latentBits.explorer.drawing")
    u = code(explorer, name)
    np.testing.assert_allclose(u, [0, 0, 1.25, 0])
    read = "c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data)"
    shown = np.array(explorer.locator(f"[data-model={name}] .picture").evaluate(read))[::4] / 255
    wanted = exact(models, name, u[None]).ravel()
    np.testing.assert_allclose(shown, wanted, atol=1e-4 + 0.5 / 255)


def test_shapes_are_rendered_as_in_python(explorer):
    _, parameters = random_shapes(jax.random.key(2), 60)
    parameters = np.concatenate([parameters, shape_world().factors[::400]])
    run = "all => all.map(p => Array.from(latentBits.render(...p)))"
    shown = np.array(explorer.evaluate(run, parameters.astype(float).tolist()))
    wanted = render(parameters[:, 0].astype(int), *parameters[:, 1:].T).reshape(len(shown), -1)
    np.testing.assert_allclose(shown, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_judges_as_the_oracle_of_the_notebooks_does(explorer, models, name):
    """Both search from the nearest template. Where two templates are as near to float32, they may
    start from different ones and end in different minima: in few pictures, and no verdict turns."""
    images = exact(models, name, np.random.default_rng(3).normal(size=(200, 4)))
    explorer.wait_for_function("latentBits.explorer.world.templates")
    run = "all => all.map(p => latentBits.nearest(Float32Array.from(p)).share)"
    shares = np.array(explorer.evaluate(run, images.reshape(200, -1).astype(float).tolist()))
    wanted = nearest_shape(images).residual_share
    apart = np.abs(shares - wanted)
    print(f"{name}: median {np.median(apart):.1e}, worst {apart.max():.5f}")
    assert np.median(apart) < 1e-4
    assert np.mean(apart > 5e-3) <= 0.02
    clear = np.abs(wanted - 0.05) > 0.01
    np.testing.assert_array_equal((shares <= 0.05)[clear], (wanted <= 0.05)[clear])


def test_keys_move_the_code(explorer):
    pad(explorer).focus()
    explorer.keyboard.press("ArrowRight")
    explorer.keyboard.press("Shift+ArrowUp")
    np.testing.assert_allclose(code(explorer), [0.1, 0.5, 0, 0])
    np.testing.assert_allclose(code(explorer, "VAE"), [0.1, 0.5, 0, 0])
    explorer.keyboard.press("Home")
    np.testing.assert_allclose(code(explorer), 0)
    explorer.get_by_label("AE, dimension 4, in standard deviations", exact=True).focus()
    explorer.keyboard.press("ArrowRight")
    np.testing.assert_allclose(code(explorer), [0, 0, 0, 0.05])


def test_a_drag_moves_the_code_in_the_chosen_plane(explorer):
    explorer.get_by_label("across", exact=True).select_option("2")
    explorer.get_by_label("up", exact=True).select_option("3")
    pad(explorer, "VAE").scroll_into_view_if_needed()
    box = pad(explorer, "VAE").bounding_box()
    at = lambda a, b: (box["x"] + a * box["width"], box["y"] + b * box["height"])  # noqa: E731
    explorer.mouse.move(*at(0.5, 0.5))
    explorer.mouse.down()
    explorer.mouse.move(*at(0.75, 0.25), steps=4)
    explorer.mouse.up()
    explorer.mouse.move(*at(0.1, 0.1))  # no longer held: to no effect
    np.testing.assert_allclose(code(explorer, "VAE"), [0, 0, 1.5, 1.5], atol=0.05)
    np.testing.assert_allclose(code(explorer, "AE"), [0, 0, 1.5, 1.5], atol=0.05)


def test_apart_only_one_of_them_moves(explorer):
    explorer.get_by_label("move both together").uncheck()
    pad(explorer).focus()
    explorer.keyboard.press("ArrowLeft")
    np.testing.assert_allclose(code(explorer), [-0.1, 0, 0, 0])
    np.testing.assert_allclose(code(explorer, "VAE"), 0)


def test_starts_from_a_picture_in_both_spaces(explorer):
    button = explorer.locator("#starts button").nth(6)  # a triangle that both models rebuild
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert np.any(code(explorer) != code(explorer, "VAE"))
    explorer.wait_for_function(
        "latentBits.explorer.panels.every(p => p.verdict.textContent !== '…')"
    )
    for name in ("AE", "VAE"):
        verdict = explorer.locator(f"[data-model={name}] .verdict")
        expect(verdict).to_contain_text("valid: triangle", timeout=PATIENCE)
    finished_map(explorer)
    SCREENSHOTS.mkdir(exist_ok=True)
    explorer.screenshot(path=SCREENSHOTS / "explorer.png")


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_the_map_stands_beside_the_picture_and_no_one_needs_to_scroll(explorer, name):
    part = lambda kind: explorer.locator(f"[data-model={name}] .{kind}").bounding_box()  # noqa: E731
    picture, map_ = part("picture"), part("pad")
    assert picture["y"] == pytest.approx(map_["y"], abs=1)
    assert picture["x"] + picture["width"] <= map_["x"]
    assert map_["width"] >= 240
    needed = [explorer.locator(s).bounding_box() for s in ("#settings", "#legend")]
    needed += [picture, map_, part("verdict"), part("sliders")]
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= SCREEN["height"] for box in needed)
    assert explorer.evaluate("scrollY") == 0


def test_a_resize_keeps_the_start_and_all_else(explorer):
    start = explorer.locator("#starts button").nth(4)
    start.click()
    explorer.get_by_label("across", exact=True).select_option("2")
    explorer.get_by_label("move both together").uncheck()
    before = code(explorer), code(explorer, "VAE")
    sides = []
    for size in ({"width": 800, "height": 900}, {"width": 1700, "height": 900}, SCREEN):
        explorer.set_viewport_size(size)
        explorer.wait_for_timeout(200)
        np.testing.assert_equal((code(explorer), code(explorer, "VAE")), before)
        assert explorer.locator("#starts [aria-pressed=true]").count() == 1
        assert start.get_attribute("aria-pressed") == "true"
        assert explorer.get_by_label("across", exact=True).input_value() == "2"
        assert not explorer.get_by_label("move both together").is_checked()
        drawn, shown = pad(explorer).evaluate("pad => [pad.width, pad.clientWidth]")
        assert drawn == shown
        sides.append(shown)
    assert len(set(sides)) == 3  # the map was drawn anew in each size


def test_touch_moves_the_code_on_a_phone_and_nothing_is_cut_off(visit):
    page = visit("explorer", **PHONE)
    pad(page).scroll_into_view_if_needed()
    box = pad(page).bounding_box()
    page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    np.testing.assert_allclose(code(page), [1.5, 0, 0, 0], atol=0.1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finished_map(page)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "explorer-phone.png", full_page=True)


def test_how_long_a_frame_takes(explorer):
    explorer.wait_for_function("latentBits.explorer.world.templates")
    run = """() => {
      const [panel] = latentBits.explorer.panels, time = (task, n) => {
        task(); const start = performance.now();
        for (let i = 0; i < n; i++) task();
        return (performance.now() - start) / n;
      };
      return [time(() => decode(panel.model, panel.u), 50), time(() => panel.judge(), 20)];
    }"""
    decode, judge = explorer.evaluate(run)
    print(f"decode {decode:.2f} ms, verdict {judge:.2f} ms")
    assert decode < 5


@pytest.mark.parametrize("name", ["index", "03_variational_autoencoder"])
@pytest.mark.parametrize(
    "settings", [{"color_scheme": "dark", "viewport": SCREEN}, PHONE], ids=["desk", "phone"]
)
def test_pages_load_with_their_mathematics(visit, name, settings, request):
    page = visit(name, **settings)
    if name != "index":
        page.wait_for_selector("mjx-container svg", state="attached")
        assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
        contents, text = page.locator(".contents"), page.locator("article")
        beside = "is_mobile" not in settings
        assert contents.locator("a").first.is_visible() == beside
        edge = contents.bounding_box(), text.bounding_box()
        axis, extent = ("x", "width") if beside else ("y", "height")
        assert edge[0][axis] + edge[0][extent] <= edge[1][axis]
        assert not page.get_by_text("places =").is_visible()  # the set-up is folded
        page.get_by_text("Set-up: find").first.click()
        assert page.get_by_text("places =").is_visible()
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("innerWidth")
    SCREENSHOTS.mkdir(exist_ok=True)
    device = request.node.callspec.id.split("-")[0]
    page.screenshot(path=SCREENSHOTS / f"{name[:5]}-{device}.png")
    page.evaluate("scrollTo({top: 2600, behavior: 'instant'})")
    page.screenshot(path=SCREENSHOTS / f"{name[:5]}-{device}-below.png")


def test_a_file_opened_without_a_server_is_told_of(chromium, address):
    page = chromium.new_page()
    page.route("**/decoders.bin", lambda route: route.abort())
    page.goto(f"{address}/explorer.html")
    expect(page.locator("#problem")).to_contain_text("could not start")
    page.close()
