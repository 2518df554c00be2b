"""One batch over several devices, and over several processes: the history stays what it was."""

import json
import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from helpers.storage import ROOT
from helpers.training import fit

# Run in processes of their own: the number of devices is fixed once JAX has started.
PROGRAM = """
import json, sys
import jax
network, devices, process, processes, port = sys.argv[1], *map(int, sys.argv[2:])
jax.config.update("jax_num_cpu_devices", devices)
if processes > 1:
    jax.distributed.initialize(f"localhost:{port}", processes, process)
import numpy as np, optax
from flax import nnx
from jax.sharding import AxisType
from helpers.models import ConvolutionalVariationalAutoencoder, VariationalAutoencoder
from helpers.objectives import vae_loss
from helpers.shapes import random_shapes
from helpers import training
from helpers.training import fit

# A bias before batch normalisation has no gradient but rounding, of which Adam makes whole steps.
optimizer = {"MLP": optax.adam(1e-3), "CNN": optax.sgd(1e-5)}[network]
kind = {"MLP": VariationalAutoencoder, "CNN": ConvolutionalVariationalAutoencoder}[network]
images, _ = random_shapes(jax.random.key(0), 44)
model = kind(2, rngs=nnx.Rngs(0))
mesh = None
if devices * processes > 1:
    mesh = jax.make_mesh((devices * processes,), ("batch",), axis_types=(AxisType.Explicit,))
    assert len(mesh.devices.flat) == len(jax.devices()) == devices * processes
history = fit(
    model, images[:36], vae_loss, epochs=2, batch_size=16, optimizer=optimizer,
    key=jax.random.key(1), test_images=images[36:], mesh=mesh,
)
assert training._epoch._cache_size() == 1, "one program for all epochs"
code, _ = model.encode(images[:3])  # the caller's model is at home on one device again
assert np.isfinite(np.asarray(code)).all()
if process == 0:
    print(json.dumps(history.to_dict("list") | {"code": np.asarray(code).tolist()}))
"""

MANY = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[2]))
import optax
from flax import nnx
from helpers import training
from helpers.models import VariationalAutoencoder
from helpers.objectives import vae_loss
from helpers.shapes import random_shapes

used = training._device_mesh(4)
assert len(jax.devices()) == (1 if used is None else 2 * used.size)
images, _ = random_shapes(jax.random.key(0), 36)
models = [VariationalAutoencoder(2, rngs=nnx.Rngs(seed)) for seed in range(4)]
histories = training.fit_many(
    models, images, [vae_loss] * 4, epochs=2, batch_size=16, optimizer=optax.adam(1e-3),
    keys=list(jax.random.split(jax.random.key(1), 4)),
)
assert training._epoch_of_many._cache_size() == 1, "one program for all epochs"
assert all(len(leaf.devices()) == 1 for leaf in jax.tree.leaves(nnx.state(models[-1])))
print(json.dumps({f"loss {i}": list(history["loss"]) for i, history in enumerate(histories)}))
"""


def start(network, devices, process=0, processes=1, port=0, program=PROGRAM):
    arguments = map(str, (network, devices, process, processes, port))
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "LATENT_BITS_PROGRESS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    try:
        results = [process.communicate(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, results, strict=True):
        assert process.returncode == 0, errors
    return json.loads(results[0][0].splitlines()[-1])  # after what Gloo says of itself


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("network", ["MLP", pytest.param("CNN", marks=pytest.mark.slow)])
def test_eight_devices_and_two_processes_give_the_history_of_one(network):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    alone = finish(start(network, 1))
    assert_same(finish(start(network, 8)), alone)
    joined = [start(network, 4, process, 2, port) for process in (0, 1)]
    assert_same(finish(*joined), alone)


def test_many_models_are_spread_over_the_devices_that_their_number_divides_over():
    assert_same(finish(start("MLP", 8, program=MANY)), finish(start("MLP", 1, program=MANY)))


@pytest.mark.parametrize(
    ("batch_size", "message"),
    [
        (20, "batch_size: expected a multiple of 8, the devices of the mesh, such as 16 or 24"),
        (4, "batch_size: expected a multiple of 8, the devices of the mesh, such as 8, got 4"),
    ],
)
def test_a_batch_that_does_not_divide_over_the_mesh_is_refused(batch_size, message):
    mesh = Mesh(np.array([jax.devices()[0]] * 8), ("batch",))
    with pytest.raises(ValueError, match=message):
        fit(
            None, np.zeros((40, 28, 28)), None, epochs=1, batch_size=batch_size, optimizer=None,
            key=None, mesh=mesh,
        )  # fmt: skip
