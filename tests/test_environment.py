"""What the set-up cell does about packages: nothing, a command that mends, or an installation."""

import os
import subprocess
import sys

import pytest

from helpers import environment
from helpers.environment import prepare, required
from helpers.files import ROOT

CACHE = "JAX_COMPILATION_CACHE_DIR"
COMPILING = """
from helpers.environment import prepare
prepare()
import jax
missed = []
jax.monitoring.register_event_listener(
    lambda event, **_: missed.append(event) if event.endswith("/cache_misses") else None
)
jax.numpy.arange(3) + 1.5
print(len(missed))
"""


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """No cache is set, and none is left set."""
    least = ("COMPILE_TIME_SECS", "ENTRY_SIZE_BYTES")
    for name in (CACHE, *(f"JAX_PERSISTENT_CACHE_MIN_{of}" for of in least)):
        monkeypatch.setenv(name, "")  # so that it is undone, whatever the test sets
        monkeypatch.delenv(name)


@pytest.fixture
def machine(monkeypatch):
    """A machine with just the oldest versions; a test changes them."""
    versions = {r.name: next(iter(r.specifier)).version for r in required()}
    monkeypatch.setattr(environment, "_installed", versions.get)
    return versions


@pytest.fixture
def pip(monkeypatch):
    """The pip commands that would be run, with the constraints of each."""
    calls, failure = [], []

    def run(command, **_):
        with open(command[command.index("-c") + 1]) as constraints:
            calls.append((command, constraints.read().splitlines()))
        return subprocess.CompletedProcess(command, bool(failure), stderr="".join(failure))

    monkeypatch.setattr(environment.subprocess, "run", run)
    return calls, failure


def test_every_requirement_states_its_oldest_version():
    assert {"jax", "flax", "optax"} <= {r.name for r in required()}
    assert all([s.operator for s in r.specifier] == [">="] for r in required())


def test_this_environment_will_do():
    prepare()


def test_what_jax_compiles_is_kept_with_the_data_unless_the_reader_keeps_it_elsewhere(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    prepare()
    assert os.environ[CACHE] == str(tmp_path / "data" / "compiled")
    monkeypatch.setenv(CACHE, "elsewhere")
    prepare()
    assert os.environ[CACHE] == "elsewhere"


def test_a_second_kernel_compiles_nothing_again(tmp_path):
    environment = os.environ | {"LATENT_BITS_OUTPUT_DIR": str(tmp_path), "JAX_PLATFORMS": "cpu"}

    def misses():
        run = [sys.executable, "-c", COMPILING]
        done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert misses() > 0
    assert list(tmp_path.glob("data/compiled/*"))
    assert misses() == 0


def test_the_oldest_versions_will_do(machine, pip):
    prepare(install=True)
    assert pip[0] == []


@pytest.mark.parametrize("install", [False, True])
def test_a_package_that_is_too_old_is_named_with_the_command_that_mends_it(machine, pip, install):
    machine["flax"] = "0.10.2"
    with pytest.raises(RuntimeError, match=r'flax 0\.10\.2\. Run %pip install --upgrade "flax>='):
        prepare(install=install)
    assert pip[0] == []


def test_a_missing_package_is_installed_and_the_others_are_held(machine, pip):
    del machine["optax"]
    prepare(install=True)
    ((command, constraints),) = pip[0]
    assert [part for part in command if ">=" in part] == [
        str(r) for r in required() if r.name == "optax"
    ]
    assert f"jax=={machine['jax']}" in constraints
    assert len(constraints) == len(required()) - 1


def test_on_the_readers_own_machine_nothing_is_installed(machine, pip):
    del machine["optax"]
    with pytest.raises(RuntimeError, match="Not installed: optax"):
        prepare()
    assert pip[0] == []


def test_an_installation_that_fails_says_why_and_what_to_do(machine, pip):
    del machine["optax"]
    pip[1].append("no matching distribution")
    with pytest.raises(RuntimeError, match=r"no matching distribution\n.*%pip install \"optax"):
        prepare(install=True)
