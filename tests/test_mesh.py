"""One batch, or a group, over several devices and processes: the history stays what it was."""

import json
import os
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh
from jax.tree_util import Partial
from small import (
    BATCH,
    N,
    assert_equal_weights,
    autoencoder,
    fit_by_hand,
    scaled_loss,
    settings,
)

from helpers.checkpoints import fit_or_load
from helpers.files import ROOT
from helpers.objectives import autoencoder_loss
from helpers.training import AXES, fit

MORE_WORK = (
    4  # times as many processor seconds as one device, if every device did the whole work: 8
)


def start(program, *arguments, devices):
    return subprocess.Popen(
        [sys.executable, ROOT / "tests" / "programs" / program, *map(str, arguments)],
        env=os.environ
        | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
        | {"LATENT_BITS_PROGRESS": "0", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    """What they found, which is the same in all of them, and the processor seconds of all."""
    try:
        results = [process.communicate(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, results, strict=True):
        assert process.returncode == 0, errors
    told = [json.loads(output.splitlines()[-1]) for output, _ in results]  # after what Gloo says
    for other in told[1:]:
        assert_same(other["found"], told[0]["found"])
    return told[0]["found"], sum(each["seconds"] for each in told)


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("network", ["MLP", pytest.param("CNN", marks=pytest.mark.slow)])
def test_eight_devices_and_two_processes_give_the_history_of_one(network):
    alone, seconds = finish(start("share_a_batch.py", network, devices=1))
    shared, of_all = finish(start("share_a_batch.py", network, devices=8))
    assert_same(shared, alone)
    assert of_all < MORE_WORK * seconds, "every device works on its own part of the batch"
    with socket.socket() as free:  # at the last moment: another program may take it now
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    job = [start("share_a_batch.py", network, each, 2, port, devices=4) for each in (0, 1)]
    joined, _ = finish(*job)  # in which processes wait for each other, busily
    assert_same(joined, alone)


def test_five_models_are_spread_over_four_devices():
    alone, seconds = finish(start("spread_models.py", devices=1))
    spread, of_all = finish(start("spread_models.py", devices=4))
    assert_same(spread, alone)
    assert of_all < MORE_WORK / 2 * seconds, "two models of the filled up group on each device"


def test_an_account_is_shared_out_over_three_devices():
    alone, seconds = finish(start("share_an_account.py", devices=1))
    shared, of_all = finish(start("share_an_account.py", devices=3))
    assert_same(shared, alone)
    assert of_all < MORE_WORK / 2 * seconds, "every device asks for its own draws"


@pytest.mark.parametrize(
    ("batch_size", "devices", "message"),
    [
        (20, 8, "a multiple of 8, the devices that share a batch, such as 16 or 24, got 20"),
        (4, 8, "a multiple of 8, the devices that share a batch, such as 8, got 4"),
        (2, 128, f"a multiple of 128, the devices .*, and there are {N} rows, got 2"),
    ],
)
def test_a_batch_that_does_not_divide_over_the_mesh_is_refused(batch_size, devices, message):
    mesh = Mesh(np.array([jax.devices()[:1] * devices]), AXES)
    given = settings(batch_size=batch_size, mesh=mesh)
    with pytest.raises(ValueError, match=f"^batch_size: expected {message}"):
        fit(autoencoder(), np.zeros((N, 28, 28)), autoencoder_loss, **given)


def test_a_mesh_with_other_axes_is_refused():
    mesh = Mesh(np.array(jax.devices()[:1]), ("batch",))
    with pytest.raises(ValueError, match=r"^mesh: expected a mesh with the axes .*\('batch',\)"):
        fit(autoencoder(), np.zeros((N, 28, 28)), autoencoder_loss, **settings(mesh=mesh))


@pytest.fixture
def one_device():
    return Mesh(np.array([jax.devices()[:1]]), AXES)


def test_after_an_error_on_a_mesh_the_model_is_at_home_with_the_last_epoch(one_device):
    images = np.random.default_rng(0).random((2 * BATCH, 28, 28), np.float32)
    fine, bad = Partial(scaled_loss, scale=1.0), Partial(scaled_loss, scale=np.nan)
    broken, whole = autoencoder(), autoencoder()
    with pytest.raises(FloatingPointError, match=r"epoch 2, step 1 of 2; .* weights of epoch 1"):
        fit(broken, images, [fine, bad, fine], **settings(mesh=one_device))
    fit_by_hand(whole, images, fine, **settings(), epochs_done=1)
    assert_equal_weights(broken, whole, rtol=1e-5, atol=1e-6)
    for leaf in jax.tree.leaves(nnx.state(broken)):
        assert not leaf.committed, "bound to no device of the mesh"


def test_a_checkpoint_is_good_with_and_without_a_mesh(one_device, tmp_path):
    images = np.random.default_rng(0).random((2 * BATCH, 28, 28), np.float32)
    path, models = tmp_path / "model.npz", [autoencoder(), autoencoder()]
    made = fit_or_load(path, models[0], images, autoencoder_loss, **settings(mesh=one_device))
    written = path.stat().st_mtime_ns
    loaded = fit_or_load(path, models[1], images, autoencoder_loss, **settings())
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(loaded["loss"], made["loss"])
    assert_equal_weights(*models)
