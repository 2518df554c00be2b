"""A copy of the repository, `make lab` in it, and a headless Chromium that looks at it.

Nothing outside temporary folders is written but the screenshots and JupyterLab's log.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import jupytext
import pytest
from playwright.sync_api import sync_playwright

from helpers.files import ROOT
from tools.pairs import read_py, sync

DEFAULT_SHOTS = Path(__file__).parent / "screenshots"
SHOTS = Path(os.environ.get("LATENT_BITS_SCREENSHOTS", DEFAULT_SHOTS)).resolve()
BROWSERS = ("chromium", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
WINDOW = {"width": 1300, "height": 1700}  # tall, for screenshots that show whole figures
SETTINGS = {
    "jupyter_server_config.json": {"ServerApp": {"open_browser": False, "allow_root": True}},
    # The question about Jupyter's news, which needs the network.
    "labconfig/page_config.json": {
        "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
    },
}
FOREIGN = ("MAKE", "MFLAGS", "JUPYTER")  # what the make that runs these tests has put there
TWO_MINUTES = 120
HALF_A_MINUTE = 30
YESTERDAY = time.time() - 86_400


def wait_for(condition, what, seconds=TWO_MINUTES):
    """The first true value of `condition()`; fails, saying what was awaited, after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.1)
    return value


def _shorten(source):
    """Write the nbmake mocks of a .py into its knob cells: minutes become a minute."""
    notebook = read_py(source.read_text("utf-8"))
    for cell in notebook.cells:
        mock = cell.metadata.get("nbmake", {}).get("mock", {})
        cell.source += "".join(f"\n{name} = {value!r}" for name, value in mock.items())
    source.write_text(jupytext.writes(notebook, fmt="py:percent"), "utf-8")


def git(root, *arguments):
    """What git prints, run in `root`."""
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", str(root), *author, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A copy of what git tracks, with notebook 02 on its short budget and without any output, as
    a git repository of its own."""
    root = tmp_path_factory.mktemp("tree")
    for name in git(ROOT, "ls-files", "-z").rstrip("\0").split("\0"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    _shorten(root / "notebooks_py/02_autoencoder.py")
    (root / "notebooks/02_autoencoder.ipynb").unlink()
    sync(root, force=True)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "As it is published")
    for source in root.glob("notebooks_py/*.py"):  # as after `make run`: JupyterLab is strict then
        os.utime(source, (YESTERDAY, YESTERDAY))
    return root


def _environment(folder):
    """The environment of a user without settings or history of Jupyter."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    for name, content in SETTINGS.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    jupyter = {f"JUPYTER_{part.upper()}_DIR": part for part in ("config", "data", "runtime")}
    own = {**jupyter, "IPYTHONDIR": "ipython"}
    return inherited | {key: str(folder / name) for key, name in own.items()}


def _started(process, runtime):
    """The address and token of the server, or None as long as it does not answer."""
    assert process.poll() is None, f"`make lab` ended with {process.returncode}: see lab.log"
    for path in runtime.glob("jpserver-*.json"):
        server = json.loads(path.read_text() or "null")
        if server:
            return SimpleNamespace(url=server["url"], token=server["token"])
    return None


def _listens(server):
    address = urlsplit(server.url)
    try:
        socket.create_connection((address.hostname, address.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _ask_to_stop(server):
    """JupyterLab's own Shut Down, which ends the kernels first."""
    headers = {"Authorization": f"token {server.token}"}
    request = urllib.request.Request(f"{server.url}api/shutdown", method="POST", headers=headers)
    urllib.request.urlopen(request, timeout=HALF_A_MINUTE).close()


@pytest.fixture(scope="session")
def lab(tree, tmp_path_factory):
    """JupyterLab, started in the copy by `make lab` itself, with the Python of these tests."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    folder = tmp_path_factory.mktemp("jupyter")
    command = ["make", "lab", f"VENV={sys.executable}", "--old-file=.venv/.installed"]
    with (SHOTS / "lab.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=tree,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            server = wait_for(lambda: _started(process, folder / "runtime"), "JupyterLab to start")
            wait_for(lambda: _listens(server), "JupyterLab to listen")
            yield server
            _ask_to_stop(server)
            process.wait(HALF_A_MINUTE)
        finally:  # kernels end by themselves where their server is gone
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="session")
def chromium():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "There is no Chromium: install it, with `apt-get install chromium` on Debian."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


def shoot(page, name):
    """Keep a screenshot, under the name of the step that it shows."""
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def page(chromium, request):
    """A fresh window; a screenshot shows how its test ended; no error may have popped up."""
    context = chromium.new_context(viewport=WINDOW)
    page = context.new_page()
    page.set_default_timeout(1000 * TWO_MINUTES)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    shoot(page, request.node.name.removeprefix("test_"))
    complaints += page.locator(".jp-Dialog-content, .Toastify__toast").all_inner_texts()
    context.close()
    assert complaints == []


@pytest.fixture
def visit(lab, page):
    """Opens a file or folder of the copy in JupyterLab, with nothing else open."""

    def go(path):
        page.goto(f"{lab.url}lab/tree/{path}?token={lab.token}&reset")
        page.locator("#jupyterlab-splash").wait_for(state="detached")

    return go
