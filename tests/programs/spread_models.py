"""Train five models spread over the devices of this process, and print what came of it.

JAX_NUM_CPU_DEVICES says how many devices there are. Run by tests/test_mesh.py in a process of its
own: the number is fixed once JAX has started.
"""

import json
import time

import jax
import optax
from flax import nnx
from small import COMPILED, elbo

from helpers.models import VariationalAutoencoder
from helpers.shapes import random_shapes
from helpers.training import fit_many

images, _ = random_shapes(jax.random.key(0), 256)
keys = list(jax.random.split(jax.random.key(1), 5))
losses = [elbo(c) for c in (0.1, 0.2, 0.4, 0.8, 1.6)]
rule = {"epochs": 4, "batch_size": 128, "optimizer": optax.adam, "learning_rate": 1e-3}


def train():
    """The models, their histories, the processor's seconds, and how much was compiled."""
    models = [VariationalAutoencoder(2, rngs=nnx.Rngs(seed)) for seed in range(5)]
    start, before = time.process_time(), len(COMPILED)
    histories = fit_many(models, images, losses, keys=keys, **rule)
    return models, histories, time.process_time() - start, len(COMPILED) - before


train()
models, histories, seconds, compiled = train()
assert compiled == 0, "the second training compiles nothing again"
for model in models:  # each is on one device again
    assert all(len(leaf.devices()) == 1 for leaf in jax.tree.leaves(nnx.state(model)))
found = {f"loss {i}": list(history["loss"]) for i, history in enumerate(histories)}
print(json.dumps({"found": found, "seconds": seconds}))
