"""The committed notebooks: pairs that agree, executed in order, free of what is not theirs."""

import ast
import json
import re
import tomllib

import jupytext
import nbformat
import pytest

from helpers.files import ROOT
from tools.pairs import normalised, pair_problems

NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
WALK = {
    "01_data_generation",
    "02_autoencoder",
    "03_variational_autoencoder",
    "04_latent_information",
    "05_the_limit",
}
PICTURES = ("image/png", "image/jpeg")
MACHINE_PATH = re.compile(r"/(root|work|tmp|home)/")
DEBRIS = re.compile(r"\r|it/s|s/it|epoch/s")
MOST_LINES, MOST_BYTES = 25, 1_500_000


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def _readable(notebook):
    """What a reader sees: everything but the pictures' bytes."""
    shown = json.loads(json.dumps(notebook))
    for cell in shown["cells"]:
        for output in cell.get("outputs", []):
            for kind in PICTURES:
                output.get("data", {}).pop(kind, None)
    return shown


def test_the_notebooks_of_the_walk_are_there():
    assert {path.stem for path in NOTEBOOKS} >= WALK


def test_every_pair_has_both_halves_and_they_agree():
    assert pair_problems() == []


def test_jupyterlab_sees_no_difference_between_the_halves(path, notebook):
    """It compares their text, and opens no pair that differs where the .ipynb is the newer half."""
    source = ROOT / f"notebooks_py/{path.stem}.py"
    assert jupytext.writes(notebook, fmt="py:percent") == source.read_text("utf-8")


def test_is_a_valid_notebook_of_the_one_kernel(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.display_name == "Python 3"


def test_ran_to_its_end_in_order(notebook):
    counts = [cell.execution_count for cell in _code(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_shows_no_error(notebook):
    kinds = [output.output_type for cell in _code(notebook) for output in cell.outputs]
    assert "error" not in kinds


def test_holds_nothing_that_changes_from_run_to_run(path, notebook):
    assert normalised(notebook) == path.read_text("utf-8"), "run `make sync`"


def _texts(value):
    """All strings within nested dicts and lists."""
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in _texts(item)]


def test_holds_no_debris_of_a_progress_bar(notebook):
    outputs = [cell.get("outputs", []) for cell in _readable(notebook)["cells"]]
    assert [text for text in _texts(outputs) if DEBRIS.search(text)] == []
    assert "jupyter.widget" not in json.dumps(outputs)


def test_names_no_path_of_a_machine(notebook):
    assert [text for text in _texts(_readable(notebook)) if MACHINE_PATH.search(text)] == []


def test_is_small(path):
    assert path.stat().st_size < MOST_BYTES


def test_code_cells_are_short(notebook):
    lengths = {n: len(cell.source.splitlines()) for n, cell in enumerate(_code(notebook), start=1)}
    assert {n: length for n, length in lengths.items() if length > MOST_LINES} == {}


def test_opens_with_a_title_and_its_own_colab_badge(path, notebook):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    repository = project["urls"]["Repository"].removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{path.name}"
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert f"({link})" in first.source


def test_every_notebook_opens_with_the_same_set_up():
    cells = {_code(nbformat.read(path, as_version=4))[0].source for path in NOTEBOOKS}
    assert len(cells) == 1, "each notebook stands alone, so the set-up cell is in all: edit all"


def test_the_packages_are_checked_before_they_are_imported():
    for path in NOTEBOOKS:
        imports = _code(nbformat.read(path, as_version=4))[1].source
        assert re.search(r"prepare\(install=root == places\[-1\]\)\s+import", imports), path.name


def test_every_picture_says_in_words_what_it_shows(notebook):
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    told = [o.metadata.get("image/png", {}).get("alt", "") for o in pictures]
    assert all(len(words) >= 30 for words in told), told


def test_every_mocked_cell_assigns_what_is_mocked(notebook):
    for cell in notebook.cells:
        if mocked := cell.metadata.get("nbmake", {}).get("mock"):
            assert set(mocked) <= _assigned(cell.source)


def _assigned(source):
    """The names that a cell assigns at its top level."""
    statements = ast.parse(source).body
    targets = [t for s in statements if isinstance(s, ast.Assign) for t in s.targets]
    targets += [s.target for s in statements if isinstance(s, ast.AnnAssign) and s.value]
    names = [node for target in targets for node in ast.walk(target)]
    return {node.id for node in names if isinstance(node, ast.Name)}
