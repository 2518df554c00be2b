"""One batch over several devices, and over several processes: the history stays what it was."""

import json
import os
import socket
import subprocess
import sys

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import Mesh
from jax.tree_util import Partial

from helpers import training
from helpers.files import ROOT
from helpers.models import Autoencoder
from helpers.objectives import autoencoder_loss
from helpers.training import fit, fit_or_load

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
from jax.tree_util import Partial
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
texts, run = [], training._epoch
def seen(*arguments):
    if not texts:  # the same for every epoch
        texts.append(run.lower(*arguments).compile().as_text())
    return run(*arguments)
training._epoch = seen
c = jax.numpy.float32(0.1)
if mesh is not None:  # a setting may lie on a device of its own
    c = jax.device_put(c, jax.local_devices()[-1])
loss = Partial(vae_loss, c=c, beta=1.0)
history = fit(
    model, images[:36], loss, epochs=2, batch_size=16, optimizer=optimizer,
    key=jax.random.key(1), test_images=images[36:], mesh=mesh,
)
training._epoch = run
shared = devices * processes > 1
assert ("all-reduce" in texts[0]) == shared, "every device works on its own part of the batch"
own_part = f"f32[{16 // (devices * processes)},"
assert own_part in texts[0] and (not shared or "f32[16,256]" not in texts[0])
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
from jax.tree_util import Partial
from helpers import training
from helpers.devices import device_mesh
from helpers.models import VariationalAutoencoder
from helpers.objectives import vae_loss
from helpers.shapes import random_shapes

used = device_mesh(3)
assert (used is None and len(jax.devices()) == 1) or used.size == 2
images, _ = random_shapes(jax.random.key(0), 36)
models = [VariationalAutoencoder(2, rngs=nnx.Rngs(seed)) for seed in range(3)]
placements, run = set(), training._epoch_of_many
def seen(*arguments):
    states, *terms = run(*arguments)
    leaves = jax.tree.leaves(states)
    placements.update((len(leaf), len(leaf.addressable_shards[0].data)) for leaf in leaves)
    return states, *terms
training._epoch_of_many = seen
histories = training.fit_many(
    models, images, [Partial(vae_loss, c=c, beta=1.0) for c in (0.1, 0.2, 0.4)], epochs=2,
    batch_size=16, optimizer=optax.adam(1e-3), keys=list(jax.random.split(jax.random.key(1), 3)),
    rates=(1.0, 0.5, 2.0),
)
training._epoch_of_many = run
assert placements == ({(3, 3)} if used is None else {(4, 2)}), "two of the filled up group each"
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
    alone = finish(start(network, 1))
    assert_same(finish(start(network, 8)), alone)
    with socket.socket() as free:  # at the last moment: another program may take it now
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    joined = [start(network, 4, process, 2, port) for process in (0, 1)]
    assert_same(finish(*joined), alone)


def test_three_models_are_spread_over_two_devices():
    assert_same(finish(start("MLP", 2, program=MANY)), finish(start("MLP", 1, program=MANY)))


@pytest.mark.parametrize(
    ("batch_size", "message"),
    [
        (20, "batch_size: expected a multiple of 8, the devices of the mesh, such as 16 or 24"),
        (4, "batch_size: expected a multiple of 8, the devices of the mesh, such as 8, got 4"),
        (2, "batch_size: expected a multiple of 64, the devices of .*, and there are 40 images"),
    ],
)
def test_a_batch_that_does_not_divide_over_the_mesh_is_refused(batch_size, message):
    mesh = Mesh(np.array([jax.devices()[0]] * (8 if batch_size > 2 else 64)), ("batch",))
    with pytest.raises(ValueError, match=message):
        fit(
            None, np.zeros((40, 28, 28)), None, epochs=1, batch_size=batch_size, optimizer=None,
            key=None, mesh=mesh,
        )  # fmt: skip


@pytest.fixture
def one_device():
    return Mesh(np.array(jax.devices()[:1]), ("batch",))


def small():
    return Autoencoder(2, encoder_widths=(8,), decoder_widths=(8,), rngs=nnx.Rngs(0))


SETTINGS = {"batch_size": 8, "optimizer": optax.adam(1e-3)}


def nan_after(model, images, key, scale):
    error, _ = autoencoder_loss(model, images, key)
    return error * scale, {"loss": error * scale}


def test_after_an_error_on_a_mesh_the_model_is_at_home_with_the_last_epoch(one_device):
    images = np.random.default_rng(0).random((16, 28, 28), np.float32)
    losses = [Partial(nan_after, scale=scale) for scale in (1.0, np.nan)]
    broken, whole = small(), small()
    with pytest.raises(FloatingPointError, match=r"epoch 2, step 1 of 2; .* weights of epoch 1"):
        fit(broken, images, losses, epochs=2, mesh=one_device, key=jax.random.key(1), **SETTINGS)
    first_key = jax.random.split(jax.random.key(1), 2)[0]
    graphdef, state = training._split(whole, SETTINGS["optimizer"])
    state, *_ = training._epoch(graphdef, state, losses[0], images, None, first_key, 8)
    nnx.update(whole, nnx.state(nnx.merge(graphdef, state)[0]))
    for ours, theirs in zip(*(jax.tree.leaves(nnx.state(m)) for m in (broken, whole)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
        assert not ours.committed, "bound to no device of the mesh"


def test_a_checkpoint_is_good_with_and_without_a_mesh(one_device, tmp_path, monkeypatch):
    images = np.random.default_rng(0).random((16, 28, 28), np.float32)

    def run(**mesh):
        key, path = jax.random.key(1), tmp_path / "model.npz"
        settings = {"key": key, "epochs": 1} | SETTINGS | mesh
        return fit_or_load(path, small(), images, autoencoder_loss, **settings)

    made = run(mesh=one_device)
    monkeypatch.setattr(training, "fit", None)  # calling it would fail
    np.testing.assert_array_equal(run()["loss"], made["loss"])
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="mesh: expected one process, got 2: use `fit`"):
        run(mesh=one_device)
