"""What a reader does in JupyterLab: run a notebook, edit either half of a pair, open a `.py`."""

import re

import pytest
from conftest import git, shoot
from playwright.sync_api import expect

from helpers.files import ROOT
from tools.pairs import pair_problems, read_ipynb, sync

expect.set_options(timeout=120_000)
TEN_MINUTES = 600_000  # milliseconds
IPYNB, PY = "notebooks/02_autoencoder.ipynb", "notebooks_py/02_autoencoder.py"
FIGURES = ".jp-OutputArea-output img"


def wait_until_open(page, title):
    """Wait for the notebook's heading and for its kernel."""
    expect(page.get_by_role("heading", name=re.compile(title))).to_be_visible()
    expect(page.locator("#jp-main-statusbar").get_by_text("| Idle")).to_be_visible()


@pytest.fixture
def notebook(visit, page):
    """Notebook 02, open; the other tests may have run or changed it."""
    visit(IPYNB)
    wait_until_open(page, "02 · The autoencoder")
    return page


def choose(page, menu, entry):
    page.locator("#jp-MainMenu").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()


def save(page):
    """Save as a user does, until the server has written both halves."""
    with page.expect_response(lambda r: r.request.method == "PUT" and IPYNB in r.url) as saved:
        page.keyboard.press("Control+s")
    assert saved.value.ok, saved.value.text()
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)


def code_cells(path):
    return [cell for cell in read_ipynb(path).cells if cell.cell_type == "code" and cell.source]


def with_figures(cells):
    """The numbers of the cells that show a figure."""
    kinds = [{kind for o in cell.outputs for kind in o.get("data", {})} for cell in cells]
    return [number for number, shown in enumerate(kinds, start=1) if "image/png" in shown]


def wait_until_run(page):
    """Wait until every cell has run."""
    running = page.locator(".jp-InputPrompt").get_by_text("[*]:")
    expect(running).not_to_have_count(0)
    shoot(page, "1_running")
    expect(running).to_have_count(0, timeout=TEN_MINUTES)


def test_1_run_all(notebook, tree):
    page = notebook
    assert with_figures(code_cells(tree / IPYNB)) == []
    expect(page.locator(".jp-Cell")).to_have_count(len(read_ipynb(tree / IPYNB).cells))
    shoot(page, "1_opened")
    choose(page, "Run", "Run All Cells")
    wait_until_run(page)
    save(page)
    assert git(tree, "status", "--porcelain").split() == ["M", IPYNB]
    cells = code_cells(tree / IPYNB)
    assert [o for cell in cells for o in cell.outputs if o.output_type == "error"] == []
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    figures = with_figures(cells)
    assert figures == with_figures(code_cells(ROOT / IPYNB))
    assert page.locator(FIGURES).count() == len(figures)
    for number in range(len(figures)):
        figure = page.locator(FIGURES).nth(number)
        figure.scroll_into_view_if_needed()
        assert figure.evaluate("image => image.naturalWidth") > 100
        shoot(page, f"1_figure_{number + 1}")


def test_1_after_a_second_run_a_save_and_a_sync_there_is_nothing_to_commit(notebook, tree):
    page = notebook
    sync(tree)
    git(tree, "commit", "--quiet", "--all", "--message", "Executed")
    choose(page, "File", "Reload Notebook from Disk")
    choose(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.locator(".jp-Dialog-button.jp-mod-accept").click()
    wait_until_run(page)
    save(page)
    sync(tree)
    assert git(tree, "diff") == ""


def test_2_what_is_edited_and_saved_in_the_browser_is_in_the_py(notebook, tree):
    before = (tree / PY).read_text("utf-8")
    knob = notebook.locator(".jp-CodeCell .cm-content", has_text="TRAINING_IMAGES = 1024")
    knob.click()
    notebook.keyboard.press("Control+End")
    notebook.keyboard.type("\n# Written in the browser.")
    shoot(notebook, "2_edited")
    save(notebook)
    old, new = "\nTRAINING_IMAGES = 1024\n", "\nTRAINING_IMAGES = 1024\n# Written in the browser.\n"
    assert before.count(old) == 1
    assert (tree / PY).read_text("utf-8") == before.replace(old, new)
    assert pair_problems(tree) == []


def test_3_what_is_edited_in_the_py_is_in_the_reloaded_notebook(notebook, tree):
    old, new = "All knobs stand in one cell.", "All knobs stand in one cell, says the file."
    before = (tree / PY).read_text("utf-8")
    assert before.count(old) == 1
    prose = notebook.locator(".jp-MarkdownOutput").get_by_text(new)
    figures = len(with_figures(code_cells(tree / IPYNB)))
    expect(notebook.locator(FIGURES)).to_have_count(figures)
    (tree / PY).write_text(before.replace(old, new), "utf-8")
    expect(prose).to_have_count(0)
    choose(notebook, "File", "Reload Notebook from Disk")
    prose.scroll_into_view_if_needed()
    expect(prose).to_be_visible()
    expect(notebook.locator(FIGURES)).to_have_count(figures)


def test_4_a_py_opens_as_a_notebook_with_the_outputs_of_its_pair(visit, page, tree):
    name = "03_variational_autoencoder"
    visit("notebooks_py")
    page.locator(".jp-DirListing-item", has_text=f"{name}.py").click(button="right")
    page.locator(".lm-Menu-itemLabel").get_by_text("Open With", exact=True).hover()
    notebook = page.locator(".lm-Menu-itemLabel").get_by_text("Notebook", exact=True)
    expect(notebook).to_be_visible()
    shoot(page, "4_open_with")
    notebook.click()
    wait_until_open(page, "03 · ")
    pair = tree / f"notebooks/{name}.ipynb"
    expect(page.locator(".jp-Cell")).to_have_count(len(read_ipynb(pair).cells))
    expect(page.locator(FIGURES)).to_have_count(len(with_figures(code_cells(pair))))
    page.locator(FIGURES).first.scroll_into_view_if_needed()
