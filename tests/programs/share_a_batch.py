"""Train one model with its batches over all devices of a job, and print what came of it.

NETWORK [PROCESS PROCESSES PORT]; JAX_NUM_CPU_DEVICES says how many devices each process has. Run by
tests/test_mesh.py in processes of their own: the number is fixed once JAX has started.
"""

import json
import sys
import time

import jax
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh
from small import COMPILED, elbo

from helpers.models import ConvolutionalVariationalAutoencoder, VariationalAutoencoder
from helpers.shapes import random_shapes
from helpers.training import AXES, fit

network, *job = sys.argv[1:]
if job:
    process, processes, port = map(int, job)
    jax.distributed.initialize(f"localhost:{port}", processes, process)
everywhere = jax.devices()
mesh = Mesh(np.array(everywhere)[None], AXES) if len(everywhere) > 1 else None

# A bias before batch normalisation has no gradient but rounding, of which Adam makes whole steps.
kind, rows, rule = {
    "MLP": (VariationalAutoencoder, 2048, {"optimizer": optax.adam, "learning_rate": 1e-3}),
    "CNN": (
        ConvolutionalVariationalAutoencoder,
        64,
        {"optimizer": optax.sgd, "learning_rate": 1e-6},
    ),
}[network]
images, _ = random_shapes(jax.random.key(0), 2 * rows + 8)
rule |= {"batch_size": rows, "test_data": images[2 * rows :], "epochs": 2, "mesh": mesh}
c = jax.device_put(0.1, jax.local_devices()[-1])  # a setting may lie on a device of its own


def train():
    """A model, its history, the processor's seconds, and how much was compiled."""
    model = kind(2, rngs=nnx.Rngs(0))
    start, before = time.process_time(), len(COMPILED)
    history = fit(model, images[: 2 * rows], elbo(c), key=jax.random.key(1), **rule)
    return model, history, time.process_time() - start, len(COMPILED) - before


train()
model, history, seconds, compiled = train()
assert compiled == 0, "the second training compiles nothing again"
code, _ = model.encode(images[:3])  # the caller's model is on one device again
found = history.to_dict("list") | {"code": np.asarray(code).tolist()}
print(json.dumps({"found": found, "seconds": seconds}))
