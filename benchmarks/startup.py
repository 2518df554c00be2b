"""Time to the first training step, in fresh processes: import, trace, compile, run; and again with
JAX's persistent compilation cache."""

import json
import os
import subprocess
import sys
import tempfile
from statistics import median

from machine import ROOT

PROGRAM = ROOT / "benchmarks" / "first_step.py"


def _once(cache):
    cached = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    others = {name: value for name, value in os.environ.items() if name not in cached}
    environment = others | cached if cache else others
    command = [sys.executable, str(PROGRAM)]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def measure(rounds=3):
    """Seconds by part, median of `rounds` processes each: without a cache, and with a warm one."""
    with tempfile.TemporaryDirectory() as cache:
        _once(cache)
        runs = [(_once(None), _once(cache)) for _ in range(rounds)]
    result = {}
    for name, of_kind in zip(("no cache", "warm cache"), zip(*runs, strict=True), strict=True):
        result[name] = {part: median(run[part] for run in of_kind) for part in of_kind[0]}
        result[name]["all"] = sum(result[name].values())
        print(name, {part: round(s, 2) for part, s in result[name].items()}, flush=True)
    return result


if __name__ == "__main__":
    measure()
