"""What a benchmark needs of the machine: its name, its float32 peak, timings in turns."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # of the processes started from here, too

import platform
import sys
import time
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def about():
    """Machine, versions and date, for the record."""
    packages = ("jax", "flax", "optax", "numpy", "torch")
    return {
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cores": len(cores()),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "date": date.today().isoformat(),
    }


def _processor():
    """The processor's name: Python's own answer is empty or the architecture on most Linux."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else ()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def cores():
    """The processor cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count())


def seconds(work):
    """How long a call takes until what it returns is ready."""
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


def in_turns(contestants, rounds):
    """Median seconds of each contestant (a dict from name to a call), all of them in every round,
    after one round that compiles: a slow minute of the machine is everybody's."""
    for work in contestants.values():
        seconds(work)
    times = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            times[name].append(seconds(work))
    return {name: median(of_one) for name, of_one in times.items()}


def large_product(size=2048):
    """A call that multiplies two large float32 matrices, and its multiplications and additions: in
    turns with others it measures the machine's peak at their time."""
    a = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(partial(jnp.matmul, precision="highest"))
    return lambda: product(a, a), 2 * size**3
