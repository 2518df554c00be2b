"""The commands behind the Makefile: `python -m helpers.commands run|sync|readme|sweep`.

A notebook is a pair: notebooks_py/<name>.py, which is edited, and notebooks/<name>.ipynb, which is
executed. The halves are compared by content (cell type, source, tags and nbmake mocks), never by
file time, and only ever written from the .py to the .ipynb.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from itertools import zip_longest

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import run_sync

from helpers.storage import ROOT, write_atomically

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
QUIET = {"LATENT_BITS_PROGRESS": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
WALK = ("01_", "02_", "03_", "04_")
NOT_YET = "not yet run"
HEADLINES = (  # number of the notebook, key in its figures/*.json, the key in words
    ("01", "distinct_images", "different images in the world"),
    ("01", "entropy_bits", "bits that tell one of them from all others"),
    ("02", "pca_test_squared_error", "PCA, 4 components: squared error per held-out image"),
    ("02", "ae_test_squared_error", "AE, 4 latents: squared error per held-out image"),
    ("03", "vae_test_squared_error", "VAE, 4 latents: squared error per held-out image"),
    ("02", "ae_prior_validity", "AE: valid samples, z ~ N(0, I)"),
    ("02", "ae_fitted_gaussian_validity", "AE: valid samples, z ~ a Gaussian fitted to its codes"),
    ("03", "vae_prior_validity", "VAE: valid samples, z ~ N(0, I)"),
    ("03", "vae_prior_validity_strict", "VAE: valid samples by the strict tolerance"),
    ("03", "vae_prior_coverage", "VAE: coverage of the world by its valid samples"),
)


class CommandError(Exception):
    """What went wrong and what to do about it, in words for the user."""


def _read_py(text):
    return jupytext.reads(text, fmt="py:percent")


def _read_ipynb(path):
    try:
        return nbformat.reads(path.read_text("utf-8"), as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        advice = "delete it and run `make sync`"
        raise CommandError(f"{path.name} is not a readable notebook: {advice}.") from error


def _write_ipynb(path, notebook):
    """Write it without what changes from run to run: times, versions, cuts within a stream."""
    language = dict(notebook.metadata.get("language_info", {"name": "python"}))
    language.pop("version", None)
    metadata = {"jupytext": notebook.metadata.get("jupytext", {}), "kernelspec": KERNEL}
    notebook.metadata = nbformat.from_dict(metadata | {"language_info": language})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _coalesced(cell.outputs)
    write_atomically(path, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())


def _coalesced(outputs):
    joined = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _content(cell):
    metadata = {key: cell.metadata[key] for key in ("tags", "nbmake") if cell.metadata.get(key)}
    return cell.cell_type, cell.source, metadata


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
        elif cells := _differing_cells(_read_py(source.read_text("utf-8")), _read_ipynb(target)):
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
        for cell in _read_py(text).cells
    }
    cells = enumerate(_read_ipynb(target).cells, start=1)
    if edited := [n for n, cell in cells if cell.source.strip() not in known | {""}]:
        raise CommandError(
            f"{target.name} holds edits in cells {edited} that {source.name} lacks: carry them "
            "over to the .py, or drop them with `make sync FORCE=1`."
        )


def _combined(new, old, name):
    """The cells of `new`; those unchanged in `old` keep their id, outputs and other metadata."""
    header = {
        k: v for k, v in new.metadata.get("jupytext", {}).items() if k != "text_representation"
    }
    new.metadata["jupytext"] = {"cell_metadata_filter": "tags,nbmake,-all"}
    combined = combine_inputs_with_outputs(new, old, fmt="py:percent")
    combined.metadata["jupytext"] = header  # JupyterLab opens a pair only if the headers agree
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
    new = _read_py(text)
    old = _read_ipynb(target) if target.exists() else nbformat.v4.new_notebook()
    if not target.exists() or _differing_cells(new, old):
        _write_ipynb(target, _combined(new, old, target.stem))
        print(f"Synced {target.name}.", flush=True)
    if not synced.exists() or synced.read_text("utf-8") != text:
        write_atomically(synced, text.encode())


def sync(root=ROOT, force=False):
    """Carry the cells of every notebooks_py/*.py over to its notebooks/*.ipynb.

    Pairs that agree are left alone; a missing .ipynb is made. Outputs, ids and other metadata of
    unchanged cells are kept, the outputs of changed cells are dropped. Raises CommandError, before
    anything is written, where an .ipynb holds edits that its .py lacks; `force` drops those.
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


def _failure(path, number, error):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback).strip()
    summary = f"{error.ename}: {error.evalue}".splitlines()[0]
    traceback = "\n".join(f"    {line}" for line in plain.splitlines()[-12:])
    return f"{path.name}, code cell {number}: {summary}\n{traceback}\n{path.name} is unchanged."


def _execute(path):
    """Execute a notebook in a fresh kernel; write it only if it ran to its end unedited."""
    before, notebook = path.read_bytes(), _read_ipynb(path)
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, record_timing=False)
    client.extra_arguments = ["--log-level=CRITICAL"]  # what goes wrong is told below
    client.store_widget_state = False
    kernel = client.create_kernel_manager()
    try:
        # Stopped by us, for nbclient fails to stop it twice where Ctrl-C has stopped it before.
        client.execute(cwd=str(path.parent), env=os.environ | QUIET, cleanup_kc=False)
    except CellExecutionError as error:
        raise CommandError(_failure(path, client.code_cells_executed, error)) from error
    except DeadKernelError as error:
        cause = "interrupted, or out of memory?"
        raise CommandError(f"{path.name} is unchanged: its kernel died ({cause}).") from error
    finally:
        run_sync(kernel.shutdown_kernel)(now=True)
    if path.read_bytes() != before:
        raise CommandError(f"{path.name} was edited while it ran and is left so: run it again.")
    _write_ipynb(path, notebook)


def _timed(path):
    print(f"{path.stem}: running", flush=True)
    start = time.perf_counter()
    _execute(path)
    seconds = time.perf_counter() - start
    print(f"{path.stem}: done in {seconds:.0f} s", flush=True)
    return round(seconds, 1)


def _chosen(root, names):
    available = sorted(root.glob("notebooks/*.ipynb"))
    chosen = [path for path in available if path.name.startswith(tuple(names) or WALK)]
    if not chosen:
        wanted, listed = " ".join(names or WALK), " ".join(path.stem for path in available)
        raise CommandError(f"No notebook starts with {wanted}; there are: {listed or 'none'}.")
    return chosen


def run(root=ROOT, names=()):
    """Sync, then execute notebooks 01 to 04, or those named, in order, each in a fresh kernel.

    An executed notebook replaces its file only if it ran to its end. Times are recorded in
    figures/run.json where nothing was trained before. Raises CommandError for a cell that fails.
    """
    from helpers.results import output_folder, record

    sync(root)
    trained_before = any(output_folder("data").glob("checkpoints/*.npz"))
    seconds = {path.stem: _timed(path) for path in _chosen(root, names)}
    if not (names or trained_before):
        machine = {"platform": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "jax": version("jax")}
        record("run", seconds=seconds, total_seconds=sum(seconds.values()), **machine, **versions)
    readme(root)
    rows = [row for row in _headlines(read_numbers(output_folder("figures"))) if row[1] != NOT_YET]
    print("", *(f"{words:<55} {value:>8}  {where}" for words, value, _, where in rows), sep="\n")
    print("\nLook at the notebooks in notebooks/, the figures and numbers in figures/.")


def read_numbers(folder=ROOT / "figures") -> dict:
    """What the notebooks recorded: the numbers of each JSON file in `folder`, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _headlines(numbers):
    """(words, value, mean ± sd over the seeds of the sweep, notebook) of each headline number."""
    for number, key, words in HEADLINES:
        notebook = next((name for name in numbers if name.startswith(f"{number}_")), number)
        value = numbers.get(notebook, {}).get(key)
        seeds = numbers.get("sweep", {}).get(key)
        spread = "" if number == "01" or "sweep" in numbers else NOT_YET
        if seeds:
            spread = f"{seeds['mean']:.3g} ± {seeds['sd']:.2g}"
        yield words, NOT_YET if value is None else f"{value:,}", spread, notebook


def _headline_table(numbers):
    seeds = len(numbers.get("sweep", {}).get("seeds", [])) or "several"
    lines = [f"| | this run | over {seeds} seeds | notebook |", "| --- | --: | --: | --- |"]
    for *row, name in _headlines(numbers):
        link = f"[{name[:2]}](notebooks/{name}.ipynb)" if name in numbers else name
        lines.append(f"| {' | '.join(row)} | {link} |")
    return "\n".join(lines)


def _times_sentence(numbers):
    if "run" not in numbers:
        return f"`make run`, from nothing trained: {NOT_YET}."
    run = numbers["run"]
    each = ", ".join(f"{name[:2]}: {seconds:.0f} s" for name, seconds in run["seconds"].items())
    return (
        f"With the packages installed and nothing trained, `make run` takes "
        f"{run['total_seconds']:.0f} s ({each}) on {run['cores']} cores "
        f"({run['platform']}, Python {run['python']}, JAX {run['jax']})."
    )


def _fill(readme, name, text):
    before, start, rest = readme.partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not end:
        raise CommandError(f"README.md lacks the marks <!-- {name} --> and <!-- /{name} -->.")
    return f"{before}{start}\n{text}\n{end}{after}"


def readme_text(readme: str, numbers: dict) -> str:
    """README.md's text with what is between its headline and times marks made from `numbers`."""
    readme = _fill(readme, "headline", _headline_table(numbers))
    return _fill(readme, "times", _times_sentence(numbers))


def readme(root=ROOT):
    """Put the numbers of figures/*.json into README.md."""
    path = root / "README.md"
    old = path.read_text("utf-8")
    new = readme_text(old, read_numbers(root / "figures"))
    if new != old:
        write_atomically(path, new.encode())


def sweep(root=ROOT):
    """Train the headline models over several seeds, then put the numbers into README.md."""
    from helpers.recipes import run_sweep

    run_sweep()
    readme(root)


def main(arguments=None, root=ROOT) -> int:
    """Run one command; what a user can mend is told in a line on stderr, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m helpers.commands")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (run, sync, readme, sweep):
        commands.add_parser(command.__name__, help=command.__doc__.splitlines()[0])
    commands.choices["run"].add_argument("names", nargs="*", help="starts of names, such as 02")
    commands.choices["sync"].add_argument("--force", action="store_true")
    options = vars(parser.parse_args(arguments))
    try:
        globals()[options.pop("command")](root, **options)
    except (CommandError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
