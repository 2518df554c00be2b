"""The site in a headless browser: decodes as JAX does; keys, mouse and touch, offline."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from playwright.sync_api import expect

import tools.site
from helpers.files import ROOT
from helpers.generation import nearest_shape
from helpers.shapes import random_shapes, render, shape_world
from tools.commands import read_numbers, readme_text

SCREENSHOTS = Path(__file__).with_name("screenshots")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True,
         "device_scale_factor": 2}  # fmt: skip
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
        readme = readme_text((ROOT / "README.md").read_text("utf-8"), read_numbers())
        folder = tools.site.build(ROOT, readme, tmp_path_factory.mktemp("built") / "site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def visit(chromium, address):
    """Open a page; at the end: it asked for nothing elsewhere and complained of nothing."""
    contexts, outside, complaints = [], [], []

    def open_page(name, **settings):
        context = chromium.new_context(**settings)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)

        def route(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                return route.continue_()
            outside.append(route.request.url)
            return route.abort()

        context.route("**/*", route)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.goto(f"{address}/{name}.html")
        if name == "explorer":
            page.evaluate("window.latentBits.ready.then(() => latentBits.explorer.centre())")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert outside == []
    assert complaints == []


def code(page, name="AE"):
    return np.array(page.evaluate("name => latentBits.code(name)", name))


def pad(page, name="AE"):
    return page.locator(f"[data-model={name}] .pad")


def decoded(page, name, codes):
    run = "([name, codes]) => codes.map(z => Array.from(latentBits.decode(name, z)))"
    return np.array(page.evaluate(run, [name, np.asarray(codes, float).tolist()]))


def finished_map(page):
    page.wait_for_function(
        "latentBits.explorer.panels.every(p => p.share.textContent.includes('%'))"
    )


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_decodes_as_jax_does(visit, models, name):
    model, codes = models[name]
    codes = np.asarray(codes)
    drawn = codes.mean(0) + codes.std(0) * np.random.default_rng(1).normal(size=(250, 4))
    z = np.concatenate([codes[::32], drawn])
    exact = np.asarray(model.decode(jnp.asarray(z, jnp.float32))).reshape(len(z), -1)
    worst = np.abs(decoded(visit("explorer"), name, z) - exact).max()
    print(f"{name}: worst pixel {worst:.4f}")
    assert worst < 1e-2


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_the_picture_shown_is_the_decoded_code(visit, models, name):
    page = visit("explorer")
    slider = page.get_by_label(f"{name}, dimension 3, in standard deviations", exact=True)
    slider.fill("1.25")
    page.wait_for_timeout(300)
    model, codes = models[name]
    u = code(page, name)
    np.testing.assert_allclose(u, [0, 0, 1.25, 0])
    z = np.asarray(codes).mean(0) + np.asarray(codes).std(0) * u
    read = "c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data)"
    shown = np.array(page.locator(f"[data-model={name}] .picture").evaluate(read))[::4] / 255
    exact = np.asarray(model.decode(jnp.asarray(z[None], jnp.float32))).ravel()
    np.testing.assert_allclose(shown, exact, atol=1e-2 + 0.5 / 255)


def test_shapes_are_rendered_as_in_python(visit):
    import jax

    page = visit("explorer")
    _, parameters = random_shapes(jax.random.key(2), 60)
    parameters = np.concatenate([parameters, shape_world().factors[::400]])
    run = "all => all.map(p => Array.from(latentBits.render(...p)))"
    shown = np.array(page.evaluate(run, parameters.astype(float).tolist()))
    exact = render(parameters[:, 0].astype(int), *parameters[:, 1:].T).reshape(len(shown), -1)
    np.testing.assert_allclose(shown, exact, atol=1e-5)


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_judges_as_the_oracle_of_the_notebooks_does(visit, models, name):
    model, codes = models[name]
    mean, std = np.asarray(codes).mean(0), np.asarray(codes).std(0)
    z = mean + std * np.random.default_rng(3).normal(size=(60, 4))
    images = np.asarray(model.decode(jnp.asarray(z, jnp.float32)))
    page = visit("explorer")
    page.wait_for_function("latentBits.explorer.world.templates")
    run = "all => all.map(p => latentBits.nearest(Float32Array.from(p)).share)"
    shares = np.array(page.evaluate(run, images.reshape(len(z), -1).astype(float).tolist()))
    exact = nearest_shape(images).residual_share
    print(f"{name}: shares differ by at most {np.abs(shares - exact).max():.5f}")
    np.testing.assert_allclose(shares, exact, atol=5e-3)


def test_keys_move_the_code(visit):
    page = visit("explorer")
    pad(page).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    np.testing.assert_allclose(code(page), [0.1, 0.5, 0, 0])
    np.testing.assert_allclose(code(page, "VAE"), [0.1, 0.5, 0, 0])
    page.keyboard.press("Home")
    np.testing.assert_allclose(code(page), 0)
    page.get_by_label("AE, dimension 4, in standard deviations", exact=True).focus()
    page.keyboard.press("ArrowRight")
    np.testing.assert_allclose(code(page), [0, 0, 0, 0.05])


def test_a_drag_moves_the_code_in_the_chosen_plane(visit):
    page = visit("explorer")
    page.get_by_label("across", exact=True).select_option("2")
    page.get_by_label("up", exact=True).select_option("3")
    pad(page, "VAE").scroll_into_view_if_needed()
    box = pad(page, "VAE").bounding_box()
    at = lambda a, b: (box["x"] + a * box["width"], box["y"] + b * box["height"])  # noqa: E731
    page.mouse.move(*at(0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*at(0.75, 0.25), steps=4)
    page.mouse.up()
    page.mouse.move(*at(0.1, 0.1))  # no longer held: to no effect
    np.testing.assert_allclose(code(page, "VAE"), [0, 0, 1.5, 1.5], atol=0.05)
    np.testing.assert_allclose(code(page, "AE"), [0, 0, 1.5, 1.5], atol=0.05)


def test_apart_only_one_of_them_moves(visit):
    page = visit("explorer")
    page.get_by_label("move both together").uncheck()
    pad(page).focus()
    page.keyboard.press("ArrowLeft")
    np.testing.assert_allclose(code(page), [-0.1, 0, 0, 0])
    np.testing.assert_allclose(code(page, "VAE"), 0)


def test_starts_from_a_picture_in_both_spaces(visit):
    page = visit("explorer")
    button = page.locator("#starts button").nth(2)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert np.any(code(page) != code(page, "VAE"))
    page.wait_for_function("latentBits.explorer.panels.every(p => p.verdict.textContent !== '…')")
    for name in ("AE", "VAE"):
        verdict = page.locator(f"[data-model={name}] .verdict")
        expect(verdict).to_contain_text("valid: triangle", timeout=PATIENCE)
    finished_map(page)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.set_viewport_size({"width": 1100, "height": 900})
    page.wait_for_timeout(500)
    page.screenshot(path=SCREENSHOTS / "explorer.png", full_page=True)


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


def test_how_long_a_frame_takes(visit):
    page = visit("explorer")
    page.wait_for_function("latentBits.explorer.world.templates")
    run = """() => {
      const [panel] = latentBits.explorer.panels, time = (task, n) => {
        task(); const start = performance.now();
        for (let i = 0; i < n; i++) task();
        return (performance.now() - start) / n;
      };
      return [time(() => panel.decoder.at(panel.u), 50), time(() => panel.judge(), 20)];
    }"""
    decode, judge = page.evaluate(run)
    print(f"decode {decode:.2f} ms, verdict {judge:.2f} ms")
    assert decode < 100


@pytest.mark.parametrize("name", ["index", "03_variational_autoencoder"])
@pytest.mark.parametrize("settings", [{"color_scheme": "dark"}, PHONE], ids=["desk", "phone"])
def test_pages_load_with_their_mathematics(visit, name, settings, request):
    page = visit(name, **settings)
    if name != "index":
        page.wait_for_selector("mjx-container svg", state="attached")
        assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
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
