"""Pairs of notebooks: notebooks_py/<name>.py is edited, notebooks/<name>.ipynb is executed.

The halves are compared by content (cell type, source and the metadata that pyproject.toml lets into
the .py), never by file time, and only ever written from the .py to the .ipynb.
"""

import hashlib
import shutil
import subprocess
from itertools import zip_longest

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from jupytext.config import load_jupytext_configuration_file
from jupytext.metadata_filter import filter_metadata

from helpers.files import ROOT, write_atomically

WIDGET = "application/vnd.jupyter.widget-view+json"  # says nothing without a running kernel
JUPYTEXT = load_jupytext_configuration_file(str(ROOT / "pyproject.toml"))
FILTERS = {  # as JupyterLab writes them; without, it would miss a header in the .py
    name: getattr(JUPYTEXT, name) for name in ("cell_metadata_filter", "notebook_metadata_filter")
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class CommandError(Exception):
    """What went wrong and what to do about it, in words for the user."""


def read_py(text):
    """The notebook of a percent-format .py, from its text."""
    return jupytext.reads(text, fmt="py:percent")


def read_ipynb(path):
    """The notebook of an .ipynb; raises CommandError if it is none."""
    try:
        return nbformat.reads(path.read_text("utf-8"), as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        advice = "delete it and run `make sync`"
        raise CommandError(f"{path.name} is not a readable notebook: {advice}.") from error


def normalised(notebook) -> str:
    """The text of an .ipynb without what changes from run to run or from one machine to another:
    times, versions, the kernel's name, widgets, cuts in a stream, empty outputs, folded cells."""
    language = dict(notebook.metadata.get("language_info", {"name": "python"}))
    language.pop("version", None)
    metadata = {"jupytext": FILTERS, "kernelspec": KERNEL, "language_info": language}
    notebook.metadata = nbformat.from_dict(metadata)
    for cell in notebook.cells:
        spacing = {k: v for k, v in cell.metadata.items() if k == "lines_to_next_cell"}
        cell.metadata = nbformat.from_dict(_shared(cell) | spacing)
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
            cell.outputs = _coalesced(filter(_shows, cell.outputs))
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write_ipynb(path, notebook):
    """Write a notebook, normalised."""
    write_atomically(path, normalised(notebook).encode())


def _shows(output):
    return output.get("text") or output.get("data") or output.output_type == "error"


def _coalesced(outputs):
    joined = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _content(cell):
    return cell.cell_type, cell.source, _shared(cell)


def _shared(cell):
    """The metadata that both halves hold."""
    return filter_metadata(cell.metadata, JUPYTEXT.cell_metadata_filter)


def _differing_cells(one, other):
    halves = zip_longest(map(_content, one.cells), map(_content, other.cells))
    return [number for number, (a, b) in enumerate(halves, start=1) if a != b]


def pair_problems(root=ROOT) -> list[str]:
    """A line for every notebook under `root` that lacks a half or whose halves disagree."""
    files = [*root.glob("notebooks_py/*.py"), *root.glob("notebooks/*.ipynb")]
    problems = []
    for name in sorted({path.stem for path in files}):
        source, target = root / f"notebooks_py/{name}.py", root / f"notebooks/{name}.ipynb"
        if not (source.exists() and target.exists()):
            problems.append(f"{name} has no {'.ipynb' if source.exists() else '.py'}")
        elif cells := _differing_cells(read_py(source.read_text("utf-8")), read_ipynb(target)):
            problems.append(f"{name}: .py and .ipynb differ in cells {cells}")
    return problems


def _committed(root, source):
    """The .py in git's HEAD; empty where there is no git, or where it is not committed yet."""
    if not shutil.which("git"):
        return ""
    command = ["git", "-C", str(root), "show", f"HEAD:./notebooks_py/{source.name}"]
    shown = subprocess.run(command, capture_output=True, encoding="utf-8")
    return shown.stdout if shown.returncode == 0 else ""


def _stop_if_edited(root, source, synced, target):
    """Stop where cells of the .ipynb come from no .py: today's, the last synced, the committed."""
    texts = [path.read_text("utf-8") for path in (source, synced) if path.exists()]
    known = {
        cell.source.strip()
        for text in (*texts, _committed(root, source))
        for cell in read_py(text).cells
    }
    cells = enumerate(read_ipynb(target).cells, start=1)
    if edited := [n for n, cell in cells if cell.source.strip() not in known | {""}]:
        raise CommandError(
            f"{target.name} holds edits in cells {edited} that {source.name} lacks: carry them "
            "over to the .py, or drop them with `make sync FORCE=1`."
        )


def _combined(new, old, name):
    """The cells of `new`; those unchanged in `old` keep their id, outputs and other metadata."""
    new.metadata["jupytext"] = FILTERS
    combined = combine_inputs_with_outputs(new, old, fmt="py:percent")
    combined.nbformat_minor = 5
    before = {cell.get("id"): cell for cell in old.cells}
    for number, cell in enumerate(combined.cells):
        kept = before.get(cell.get("id"))
        if kept is None:  # an id by content: whoever syncs gets the same notebook
            cell["id"] = hashlib.sha256(f"{name} {number} {cell.source}".encode()).hexdigest()[:8]
        elif cell.cell_type == "code" and kept.source != cell.source:
            cell.outputs, cell.execution_count = [], None
    return combined


def _carry_over(source, synced, target):
    text = source.read_text("utf-8")
    new = read_py(text)
    old = read_ipynb(target) if target.exists() else nbformat.v4.new_notebook()
    if _differing_cells(new, old):
        old = _combined(new, old, target.stem)
    synced_text = normalised(old)
    if not target.exists() or target.read_text("utf-8") != synced_text:
        write_atomically(target, synced_text.encode())
        print(f"Synced {target.name}.", flush=True)
    if not synced.exists() or synced.read_text("utf-8") != text:
        write_atomically(synced, text.encode())


def sync(root=ROOT, force=False):
    """Carry the cells of every notebooks_py/*.py over to its notebooks/*.ipynb.

    A missing .ipynb is made. Outputs and ids of unchanged cells are kept, the outputs of changed
    cells are dropped, and what an editor adds to a notebook goes (see `normalised`).

    Args:
        root: the repository.
        force: whether to drop edits of an .ipynb that its .py lacks.

    Raises:
        CommandError: an .ipynb holds such edits and is not forced; before anything is written.
    """
    triples = [
        (path, root / "data/synced" / path.name, root / f"notebooks/{path.stem}.ipynb")
        for path in sorted(root.glob("notebooks_py/*.py"))
    ]
    for source, synced, target in triples:
        if target.exists() and not force:
            _stop_if_edited(root, source, synced, target)
    for triple in triples:
        _carry_over(*triple)
