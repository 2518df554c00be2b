"""Where the time of the walk-through goes: notebooks 01 to 05 from nothing, in real kernels."""

import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat
from machine import ROOT
from nbclient import NotebookClient

# Put before the notebook's own cells. Each clock runs only while no other one does, but compiling,
# which JAX reports of itself, is taken from whatever it happened in.
CLOCKS = """
def _clocks():
    import sys, time
    sys.path.insert(0, {root!r})
    from functools import wraps
    from helpers.environment import prepare
    prepare()  # before JAX, as the notebooks do
    import jax
    spent, running = {{}}, []
    compiled = [0.0]

    def of_jax(event, seconds, **_):
        if event.startswith("/jax/core/compile/"):
            compiled[0] += seconds

    jax.monitoring.register_event_duration_secs_listener(of_jax)

    def clock(name, function):
        @wraps(function)
        def timed(*args, **kwargs):
            if running:
                return function(*args, **kwargs)
            running.append(name)
            start, before = time.perf_counter(), compiled[0]
            try:
                return function(*args, **kwargs)
            finally:
                running.pop()
                seconds = time.perf_counter() - start - (compiled[0] - before)
                spent[name] = spent.get(name, 0.0) + seconds
        return timed

    from matplotlib.backend_bases import FigureCanvasBase
    import helpers.plotting, helpers.training
    helpers.training.fit = clock("training", helpers.training.fit)
    helpers.training.fit_many = clock("training", helpers.training.fit_many)
    FigureCanvasBase.print_figure = clock("drawing", FigureCanvasBase.print_figure)
    for name, value in vars(helpers.plotting).items():
        if callable(value) and getattr(value, "__module__", "") == "helpers.plotting":
            setattr(helpers.plotting, name, clock("drawing", value))
    return spent, compiled

_spent, _compiled = _clocks()
"""
REPORT = 'import json; print(json.dumps(_spent | {"compile": _compiled[0]}))'


def _is_import(source):
    lines = [line for line in source.splitlines() if line and not line.startswith((" ", "#", ")"))]
    return all(line.startswith(("import ", "from ")) for line in lines)


def split_of(name, environment):
    """Seconds of a notebook by part."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    clocks = nbformat.v4.new_code_cell(CLOCKS.format(root=str(ROOT)))
    notebook.cells = [clocks, *notebook.cells, nbformat.v4.new_code_cell(REPORT)]
    client = NotebookClient(notebook, timeout=None, resources={"metadata": {"path": ROOT}})
    times, start = Counter(), time.perf_counter()
    with client.setup_kernel(env=os.environ | environment):
        client.wait_for_reply(client.kc.kernel_info())
        times["kernel start"] = time.perf_counter() - start
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            begun = time.perf_counter()
            client.execute_cell(cell, number)
            spent = time.perf_counter() - begun
            imports = number == 0 or _is_import(cell.source) or "prepare(" in cell.source
            times["import" if imports else "analysis"] += spent
    inside = json.loads(notebook.cells[-1].outputs[0].text)
    times["analysis"] -= sum(inside.values())
    return dict(times | Counter(inside))


def measure():
    """Seconds of each notebook by part, trained from nothing into an empty folder."""
    result = {}
    with tempfile.TemporaryDirectory() as empty:
        outputs = {"LATENT_BITS_OUTPUT_DIR": empty, "LATENT_BITS_PROGRESS": "0"}
        for name in sorted(p.stem for p in Path(ROOT, "notebooks").glob("0[1-5]_*.ipynb")):
            result[name] = split_of(name, outputs)
            result[name]["all"] = sum(result[name].values())
            print(name, {part: round(s, 1) for part, s in result[name].items()}, flush=True)
    return result


if __name__ == "__main__":
    measure()
