"""What the set-up cell does about packages: nothing, a command that mends, or an installation."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache
from packaging.requirements import Requirement

from helpers import environment
from helpers.environment import prepare, required
from helpers.files import ROOT

KEPT = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs",
        "persistent_cache_min_entry_size_bytes")  # fmt: skip


@pytest.fixture(autouse=True)
def no_cache():
    """No cache is set, and the one that was is set again."""
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in KEPT}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


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


def test_the_versions_of_colab_will_do():
    lines = (ROOT / "tests/colab-requirements.txt").read_text().splitlines()
    colab = {r.name: r for r in (Requirement(line) for line in lines if not line.startswith("#"))}
    for needed in required():
        (pin,) = colab[needed.name].specifier
        assert needed.specifier.contains(pin.version), needed


def test_this_environment_will_do():
    prepare()


def test_what_jax_compiles_is_kept_with_the_data_unless_the_reader_keeps_it_elsewhere(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    prepare()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "data" / "compiled")
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    prepare()
    assert jax.config.jax_compilation_cache_dir == "elsewhere"


def test_a_second_kernel_compiles_nothing_again_even_where_jax_ran_before(tmp_path):
    settings = {"LATENT_BITS_OUTPUT_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    inherited = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}

    def misses():
        run = [sys.executable, Path(__file__).parent / "programs" / "compile_after_prepare.py"]
        done = subprocess.run(run, env=inherited | settings, capture_output=True, text=True)
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
