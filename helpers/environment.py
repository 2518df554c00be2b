"""The packages that the notebooks need: installed where missing, named where too old.

Their oldest versions stand in pyproject.toml, nowhere else. Needs nothing but the standard library
and `packaging`, so that it can be imported where those packages are not there yet, as in Colab.
"""

import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def required(project: Path = PROJECT) -> list[Requirement]:
    """The packages that the notebooks import, each with its oldest version.

    Args:
        project: the pyproject.toml that lists them; installed by pip, the package itself does.
    """
    lines = (
        tomllib.loads(project.read_text())["project"]["dependencies"]
        if project.exists()
        else requires("latent-bits")
    )
    return list(map(Requirement, lines))


def _installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def prepare(install: bool = False) -> None:
    """See to it that every required package is there and recent enough, and that what JAX compiles
    is kept in data/compiled (JAX's persistent cache), for the next notebook and the next run.

    Args:
        install: whether to install what is missing, by pip and without touching what is there; for
            a machine that is not the reader's own, such as Colab's.

    Raises:
        RuntimeError: a package is too old, or is missing and not installed; with the command that
            mends it.
    """
    there = {r: _installed(r.name) for r in required()}
    old = [r for r, found in there.items() if found and not r.specifier.contains(found, True)]
    if old:
        raise RuntimeError(
            f"Too old for these notebooks: {', '.join(f'{r.name} {there[r]}' for r in old)}. Run "
            f"{_command('--upgrade', old)} and restart the kernel."
        )
    missing = [r for r, found in there.items() if not found]
    if missing and not install:
        raise RuntimeError(
            f"Not installed: {', '.join(r.name for r in missing)}. Choose the kernel of the "
            f"environment that `make` set up, or run {_command('', missing)}"
        )
    if missing:
        _install(missing, {r.name: found for r, found in there.items() if found})
    _keep_compiled()


def _keep_compiled():
    import jax  # not before it is installed
    from jax.experimental.compilation_cache import compilation_cache

    if jax.config.jax_compilation_cache_dir:  # the reader keeps it elsewhere
        return
    from .files import output_folder

    jax.config.update("jax_compilation_cache_dir", str(output_folder("data") / "compiled"))
    # The notebooks' programs are many and small: keep them all.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # where something was compiled before, JAX asks no more


def _command(option, requirements):
    return " ".join(["%pip install", option, *(f'"{r}"' for r in requirements)]).replace("  ", " ")


def _install(missing, kept):
    """Install by pip, with what is there held at its version: it may be built for this machine."""
    print("Installing", ", ".join(r.name for r in missing), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{name}=={found}\n" for name, found in kept.items()))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "-c", str(constraints)]
        done = subprocess.run([*command, *map(str, missing)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"Installing failed:\n{done.stderr.strip()}\n"
            f"Check the network, or run {_command('', missing)}"
        )
