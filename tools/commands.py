"""The commands behind the Makefile: `python -m tools.commands <command>`."""

import argparse
import asyncio
import os
import platform
import re
import signal
import sys
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers.files import ROOT, output_folder, record, write_atomically
from tools.pairs import CommandError, read_ipynb, sync, write_ipynb
from tools.readme import PAGES, STUDIES, TIMED, WALK, filled, read_numbers, results_of

AT_ONCE = min(2, os.cpu_count() or 1)  # notebooks: one alone keeps two cores busy half of the time
KERNEL = {  # the environment of the kernels: quiet; one GPU and the cores are enough for all
    "LATENT_BITS_PROGRESS": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / AT_ONCE:g}",
    # NumPy's threads wait busily for each other: more of them than cores cost a third of the time.
    "OPENBLAS_NUM_THREADS": f"{max((os.cpu_count() or 1) // AT_ONCE, 1)}",
}
PATIENCE = 10  # seconds that a notebook gets to stop, before it is told again
AFTER = {"09_real_images": ("07_mlp_and_cnn", "08_latent_dimension")}  # whose models it loads
GROUPS = {  # of notebooks, by how their names start
    "walk": [name[:3] for name in WALK],
    "studies": [name[:3] for name in STUDIES],
}


def _failure(path, number, error):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback).strip()
    summary = f"{error.ename}: {error.evalue}".splitlines()[0]
    traceback = "\n".join(f"    {line}" for line in plain.splitlines()[-12:])
    return f"{path.name}, code cell {number}: {summary}\n{traceback}\n{path.name} is unchanged."


def _stop_at_ctrl_c(task):
    """Ctrl-C cancels the task. (nbclient's own answer to it stops one kernel only.)"""
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)


async def _execute(path, tell, whole):
    """Execute a notebook in a fresh kernel; write it only if it ran to its end unedited.

    tell: called with the number of each cell that starts, and the number of all cells.
    whole: the task that Ctrl-C cancels.
    """
    before, notebook = path.read_bytes(), read_ipynb(path)
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, record_timing=False)
    client.extra_arguments = ["--log-level=CRITICAL"]  # what goes wrong is told below
    client.store_widget_state = False
    client.on_notebook_start = lambda notebook: _stop_at_ctrl_c(whole)
    client.on_cell_start = lambda cell, cell_index: tell(cell_index + 1, len(notebook.cells))
    kernel = client.create_kernel_manager()
    try:
        environment = os.environ | KERNEL
        await client.async_execute(cwd=str(path.parent), env=environment, cleanup_kc=False)
    except CellExecutionError as error:
        raise CommandError(_failure(path, client.code_cells_executed, error)) from error
    except DeadKernelError as error:
        cause = "interrupted, or out of memory?"
        raise CommandError(f"{path.name} is unchanged: its kernel died ({cause}).") from error
    finally:
        await kernel.shutdown_kernel(now=True)
    if path.read_bytes() != before:
        raise CommandError(f"{path.name} was edited while it ran and is left so: run it again.")
    write_ipynb(path, notebook)


async def _execute_all(paths):
    """Execute notebooks, `AT_ONCE` at a time, each after those that it waits for; return the
    seconds of each by its name.

    In a terminal one line, written anew, counts the cells of those that run. The first that fails
    stops the others.
    """
    again = "\r\x1b[K" if sys.stdout.isatty() else ""
    seconds, places, slots = {}, {}, asyncio.Semaphore(AT_ONCE)
    whole = asyncio.current_task()
    done = {path.stem: asyncio.Event() for path in paths}

    async def timed(path):
        def tell(number, of):
            places[path.stem] = f"{path.stem}: cell {number} of {of}"
            if again:
                print(end=again + ", ".join(places.values()), flush=True)

        for earlier in AFTER.get(path.stem, ()):
            if earlier in done:
                await done[earlier].wait()
        async with slots:
            if not again:
                print(f"{path.stem}: running", flush=True)
            start = time.perf_counter()
            try:
                await _execute(path, tell, whole)
            finally:
                _stop_at_ctrl_c(whole)
                places.pop(path.stem, None)
                print(end=again)
            seconds[path.stem] = round(time.perf_counter() - start, 1)
            print(f"{path.stem}: done in {seconds[path.stem]:.0f} s", flush=True)
            done[path.stem].set()

    tasks = [asyncio.create_task(timed(path)) for path in paths]
    try:
        for finished in asyncio.as_completed(tasks):
            await finished
    finally:
        # More than once: a cancellation that comes while a kernel starts can be lost on the way.
        while not all(task.done() for task in tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=PATIENCE)
        await asyncio.gather(*tasks, return_exceptions=True)  # one failure is told, the first
    return dict(sorted(seconds.items()))


def _chosen(root, names):
    available = sorted(root.glob("notebooks/*.ipynb"))
    starts = tuple(start for name in names for start in GROUPS.get(name, [name]))
    chosen = [path for path in available if path.name.startswith(starts)]
    if not chosen:
        wanted, listed = " ".join(names), " ".join(path.stem for path in available)
        raise CommandError(f"No notebook starts with {wanted}; there are: {listed or 'none'}.")
    return chosen


def run(root=ROOT, names=("walk",), times=False):
    """Sync, then execute the walk, or what is named, each in a fresh kernel, two at a time.

    names: the walk, the studies, or starts of names of notebooks, such as 02. An executed notebook
    replaces its file only if it ran to its end. With `times`, what `make run` or `make studies`
    takes is recorded. Raises CommandError for a cell that fails, and where times are asked for of
    anything else, or after something was trained or compiled.
    """
    if times and tuple(names) not in TIMED:
        raise CommandError(f"TIMES: expected the walk or the studies, got {' '.join(names)}.")
    data = output_folder("data")
    if times and (any(data.glob("checkpoints/*.npz")) or any(data.glob("compiled/*"))):
        raise CommandError(
            "TIMES: expected nothing trained or compiled before, got data/checkpoints or "
            "data/compiled with files in it: remove both and try again."
        )
    if times and "JAX_COMPILATION_CACHE_DIR" in os.environ:
        raise CommandError("TIMES: expected no JAX_COMPILATION_CACHE_DIR: unset it and try again.")
    sync(root)
    start = time.perf_counter()
    seconds = asyncio.run(_execute_all(_chosen(root, names)))
    total = round(time.perf_counter() - start, 1)
    if times:
        machine = {"platform": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "jax": version("jax")}
        record(
            TIMED[tuple(names)],
            seconds=seconds,
            total_seconds=total,
            at_once=AT_ONCE,
            **machine,
            **versions,
        )
    readme(root)
    print("", *results_of(read_numbers(output_folder("figures")), list(seconds)), "", sep="\n")
    print("Look at the notebooks in notebooks/, the figures and numbers in figures/.")


def readme(root=ROOT):
    """Put the numbers of figures/*.json into README.md and those of notebooks and benchmarks."""
    for page, text in filled(root).items():
        if text != (root / page).read_text("utf-8"):
            write_atomically(root / page, text.encode())


def sweep(root=ROOT):
    """Compute what is too long for `run` (seeds, plane, limit), fill the READMEs."""
    from tools import image_sweeps, sweeps

    for part in (*sweeps.PARTS, *image_sweeps.PARTS):
        part()
    readme(root)


def address(root=ROOT, repo=""):
    """Write another repository address, owner/name, into badges, set-up cells, links to the site,
    CITATION.cff and pyproject.toml.

    In both halves of every pair, so that they agree and keep their outputs.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise CommandError(f"REPO: expected owner/name as on GitHub, got {repo!r}.")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    old = project["urls"]["Repository"].removeprefix("https://github.com/")
    places = re.compile(rf"(github\.com/|/github/){re.escape(old)}(?![\w.-])")
    old_site, new_site = ("{}.github.io/{}".format(*address.split("/")) for address in (old, repo))
    notebooks = [*root.glob("notebooks_py/*.py"), *root.glob("notebooks/*.ipynb")]
    pages = [root / page for page in ("pyproject.toml", "CITATION.cff", *PAGES)]
    for path in (*filter(Path.exists, pages), *sorted(notebooks)):
        text = path.read_text("utf-8").replace(old_site, new_site)
        write_atomically(path, places.sub(rf"\g<1>{repo}", text).encode())
    print(f"The notebooks now come from https://github.com/{repo}.")


def site(root=ROOT):
    """Build site/: the notebooks as pages, an index, an explorer that decodes in the browser."""
    from tools.site import build

    target = build(root, filled(root)["README.md"])
    print(f"Look at it: python3 -m http.server -d {target.name}, then http://localhost:8000")


def main(arguments=None, root=ROOT) -> int:
    """Run one command; what a user can mend is told in a line on stderr, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.commands")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (run, sync, readme, sweep, address, site):
        commands.add_parser(command.__name__, help=command.__doc__.splitlines()[0])
    commands.choices["run"].add_argument(
        "names", nargs="*", default=["walk"], help="walk, studies, or starts of names such as 02"
    )
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
