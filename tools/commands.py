"""The commands behind the Makefile: `python -m tools.commands <command>`."""

import argparse
import os
import platform
import re
import sys
import time
import tomllib
from importlib.metadata import version

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import run_sync

from helpers.files import ROOT, output_folder, record, write_atomically
from tools.pairs import CommandError, read_ipynb, sync, write_ipynb
from tools.readme import TIMED, read_numbers, readme_text, results_of

QUIET = {"LATENT_BITS_PROGRESS": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
WALK = ("01_", "02_", "03_", "04_")


def _failure(path, number, error):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback).strip()
    summary = f"{error.ename}: {error.evalue}".splitlines()[0]
    traceback = "\n".join(f"    {line}" for line in plain.splitlines()[-12:])
    return f"{path.name}, code cell {number}: {summary}\n{traceback}\n{path.name} is unchanged."


def _execute(path, tell):
    """Execute a notebook in a fresh kernel; write it only if it ran to its end unedited.

    tell: called with the number of each cell that starts, and the number of all cells.
    """
    before, notebook = path.read_bytes(), read_ipynb(path)
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, record_timing=False)
    client.extra_arguments = ["--log-level=CRITICAL"]  # what goes wrong is told below
    client.store_widget_state = False
    client.on_cell_start = lambda cell, cell_index: tell(cell_index + 1, len(notebook.cells))
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
    write_ipynb(path, notebook)


def _timed(path):
    """The seconds that a notebook takes; in a terminal one line, written anew, counts its cells."""
    again = "\r\x1b[K" if sys.stdout.isatty() else ""

    def tell(number, of):
        if again:
            print(f"{again}{path.stem}: cell {number} of {of}", end="", flush=True)

    if not again:
        print(f"{path.stem}: running", flush=True)
    start = time.perf_counter()
    try:
        _execute(path, tell)
    finally:
        print(end=again)
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


def run(root=ROOT, names=(), times=False):
    """Sync, then execute notebooks 01 to 04, or those named, in order, each in a fresh kernel.

    An executed notebook replaces its file only if it ran to its end. With `times`, what `make run`
    or `make studies` takes is recorded. Raises CommandError for a cell that fails, and where times
    are asked for but something was trained or compiled before.
    """
    data = output_folder("data")
    if times and (any(data.glob("checkpoints/*.npz")) or any(data.glob("compiled/*"))):
        raise CommandError(
            "TIMES: expected nothing trained or compiled before, got data/checkpoints or "
            "data/compiled with files in it: remove both and try again."
        )
    if times and "JAX_COMPILATION_CACHE_DIR" in os.environ:
        raise CommandError("TIMES: expected no JAX_COMPILATION_CACHE_DIR: unset it and try again.")
    sync(root)
    seconds = {path.stem: _timed(path) for path in _chosen(root, names)}
    if times and tuple(names) in TIMED:
        machine = {"platform": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "jax": version("jax")}
        record(
            TIMED[tuple(names)],
            seconds=seconds,
            total_seconds=sum(seconds.values()),
            **machine,
            **versions,
        )
    readme(root)
    print("", *results_of(read_numbers(output_folder("figures")), list(seconds)), "", sep="\n")
    print("Look at the notebooks in notebooks/, the figures and numbers in figures/.")


def readme(root=ROOT):
    """Put the numbers of figures/*.json into README.md."""
    path = root / "README.md"
    old = path.read_text("utf-8")
    new = readme_text(old, read_numbers(root / "figures"))
    if new != old:
        write_atomically(path, new.encode())


def sweep(root=ROOT):
    """Compute what is too long for `run` (seeds, rate-distortion plane, limit), fill README.md."""
    from tools.sweeps import PARTS

    for part in PARTS:
        part()
    readme(root)


def address(root=ROOT, repo=""):
    """Write another repository address, owner/name, into badges, set-up cells, links to the site
    and pyproject.toml.

    In both halves of every pair, so that they agree and keep their outputs.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise CommandError(f"REPO: expected owner/name as on GitHub, got {repo!r}.")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    old = project["urls"]["Repository"].removeprefix("https://github.com/")
    places = re.compile(rf"(github\.com/|/github/){re.escape(old)}(?![\w.-])")
    old_site, new_site = ("{}.github.io/{}".format(*address.split("/")) for address in (old, repo))
    notebooks = [*root.glob("notebooks_py/*.py"), *root.glob("notebooks/*.ipynb")]
    for path in (root / "pyproject.toml", root / "README.md", *sorted(notebooks)):
        text = path.read_text("utf-8").replace(old_site, new_site)
        write_atomically(path, places.sub(rf"\g<1>{repo}", text).encode())
    print(f"The notebooks now come from https://github.com/{repo}.")


def site(root=ROOT):
    """Build site/: the notebooks as pages, an index, an explorer that decodes in the browser."""
    from tools.site import build

    text = readme_text((root / "README.md").read_text("utf-8"), read_numbers(root / "figures"))
    target = build(root, text)
    print(f"Look at it: python3 -m http.server -d {target.name}, then http://localhost:8000")


def main(arguments=None, root=ROOT) -> int:
    """Run one command; what a user can mend is told in a line on stderr, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.commands")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (run, sync, readme, sweep, address, site):
        commands.add_parser(command.__name__, help=command.__doc__.splitlines()[0])
    commands.choices["run"].add_argument("names", nargs="*", help="starts of names, such as 02")
    commands.choices["run"].add_argument("--times", action="store_true")
    commands.choices["address"].add_argument("repo", help="owner/name on GitHub")
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
