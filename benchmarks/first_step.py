"""Seconds until a first epoch of one step is done, by part, in a process of its own."""

import json
import time

start = time.perf_counter()

import jax  # noqa: E402
from flax import nnx  # noqa: E402
from jax.tree_util import Partial  # noqa: E402
from machine import ROOT  # noqa: E402, F401 (puts the project on Python's path)

from helpers.models import VariationalAutoencoder  # noqa: E402
from helpers.objectives import vae_loss  # noqa: E402
from helpers.optimizers import warmup_stable_decay  # noqa: E402
from helpers.runs import prepare  # noqa: E402
from helpers.shapes import random_shapes  # noqa: E402
from helpers.training import fit, programs  # noqa: E402

imported = time.perf_counter()
images, _ = random_shapes(jax.random.key(0), 128)
model = VariationalAutoencoder(4, images=images, rngs=nnx.Rngs(0))
loss, key = Partial(vae_loss, c=0.1, beta=1.0), jax.random.key(1)
settings = {"epochs": 1, "batch_size": 128, "learning_rate": warmup_stable_decay(1e-3, 100)}
run = prepare([model], images, [loss], keys=[key], **settings)
prepared = time.perf_counter()
programs(run)
traced = time.perf_counter()
fit(model, images, loss, key=key, **settings)
done = time.perf_counter()
print(
    json.dumps(
        {
            "import": imported - start,
            "data and weights": prepared - imported,
            "trace": traced - prepared,
            "compile and first step": done - traced,
        }
    )
)
