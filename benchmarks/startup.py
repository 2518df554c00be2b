"""Time to the first training step, in fresh processes: import, trace, compile, run; and again with
JAX's persistent compilation cache."""

import json
import os
import subprocess
import sys
import tempfile
from statistics import median

from machine import ROOT

PROGRAM = """
import json, time
start = time.perf_counter()
import jax
from flax import nnx
from helpers import recipes
from helpers.models import VariationalAutoencoder
from helpers.shapes import random_shapes
from helpers.training import _epoch, _split, adam
from helpers.objectives import vae_loss
from jax.tree_util import Partial
imported = time.perf_counter()
images, _ = random_shapes(jax.random.key(0), 128)
model = VariationalAutoencoder(4, images=images, rngs=nnx.Rngs(0))
graphdef, state = _split(model, adam(1e-3, 100))
jax.block_until_ready(state)
prepared = time.perf_counter()
arguments = graphdef, state, Partial(vae_loss, c=0.1, beta=1.0), images, None, jax.random.key(1)
lowered = _epoch.lower(*arguments, batch_size=128)
traced = time.perf_counter()
compiled = lowered.compile()
ready = time.perf_counter()
jax.block_until_ready(compiled(*arguments[1:]))
done = time.perf_counter()
print(json.dumps({
    "import": imported - start, "data and weights": prepared - imported,
    "trace": traced - prepared, "compile": ready - traced, "first step": done - ready,
}))
"""


def _once(cache):
    cached = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    others = {name: value for name, value in os.environ.items() if name not in cached}
    environment = others | cached if cache else others
    command = [sys.executable, "-c", PROGRAM]
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
