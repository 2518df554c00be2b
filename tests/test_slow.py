"""What takes long, run by `make test-all`: other modes of Flax and JAX, and a fresh clone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from helpers.files import ROOT
from tools.commands import read_numbers

pytestmark = pytest.mark.slow

TREE_MODE = {"NNX_GRAPH_MODE": "false", "NNX_GRAPH_UPDATES": "false"}
KEY_REUSE = {"JAX_DEBUG_KEY_REUSE": "1"}
# What this test run, or the make or git that started it, has put into the environment.
FOREIGN = ("LATENT_BITS_OUTPUT_DIR", "LATENT_BITS_PROGRESS", "PYTEST_", "MAKE", "MFLAGS")
FOREIGN += ("LATENT_BITS_TEST_DIR", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
HALF_AN_HOUR = 1800
# How far a rerun on another machine may lie from the committed numbers: rounding alone moves what
# is computed (01); training is chaotic and turns rounding into what another seed would change, here
# a tenth of the number and a tenth of a share (02 to 04). Counts may not differ.
COMPUTED = {"relative": 1e-3, "absolute": 1e-6}
TRAINED = {"relative": 0.1, "absolute": 0.1}
TOLERANCE = {"01": COMPUTED, "02": TRAINED, "03": TRAINED, "04": TRAINED}
MAY_CHANGE = ("figures/", "notebooks/", "README.md")


def call(*command, cwd=ROOT, **environment):
    """Run a command that must succeed, as from a shell that knows nothing of this test run."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=HALF_AN_HOUR)
    except BaseException:  # out of time, or Ctrl-C: end the command with all that it started
        os.killpg(process.pid, signal.SIGKILL)
        print(process.communicate()[0])
        raise
    assert process.returncode == 0, f"{command} ended with {process.returncode}:\n{output}"
    return output


def unit_tests(folder=ROOT, python=sys.executable, **environment):
    """The unit tests, by a process of their own; those of the commands know nothing of modes."""
    ignored = ["--ignore=tests/test_commands.py"] if environment else []
    command = [python, "-m", "pytest", "-q", "-m", "not slow", *ignored, "tests"]
    return call(*command, cwd=folder, **environment)


def notebook_tests(pattern, output_dir, **environment):
    """Notebooks by nbmake, in a folder that their next run reads."""
    notebooks = sorted(ROOT.glob(f"notebooks/{pattern}.ipynb"))
    assert notebooks, f"no notebooks match {pattern}"
    settings = {"LATENT_BITS_OUTPUT_DIR": str(output_dir), "LATENT_BITS_TEST_DIR": str(output_dir)}
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", *notebooks]
    return call(*command, **settings, **environment)


@pytest.mark.parametrize("mode", [TREE_MODE, KEY_REUSE], ids=["tree mode", "key reuse"])
def test_the_unit_tests_pass_in_this_mode(mode):
    unit_tests(**mode)


def test_the_notebooks_that_train_run_in_tree_mode(tmp_path):
    notebook_tests("0[2-4]*", tmp_path, **TREE_MODE)


def test_the_notebooks_never_use_a_key_twice(tmp_path):
    notebook_tests("0[1-4]*", tmp_path, **KEY_REUSE)


SMALLEST = """
import growth, startup
growth.SIZES = {what: sizes[:1] for what, sizes in growth.SIZES.items()}
assert all(row["seconds"] > 0 for rows in growth.measure().values() for row in rows)
assert min(startup._once(None).values()) > 0
"""


def test_the_benchmarks_that_need_no_pytorch_run():
    call(sys.executable, "-c", SMALLEST, PYTHONPATH=str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The present work tree, committed or not, as a repository to clone from: its address."""
    folder = tmp_path_factory.mktemp("repository") / "origin"
    listed = call("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in listed:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    call("git", "init", "--quiet", cwd=folder)
    call("git", "add", "--all", cwd=folder)
    call(*git, "commit", "--quiet", "--message", "The work tree", cwd=folder)
    return folder.as_uri()


@pytest.mark.parametrize("number", ["01", "02", "03", "04"])
def test_a_notebook_alone_in_colab_fetches_the_rest_and_runs(tmp_path, repository, number):
    (source,) = ROOT.glob(f"notebooks/{number}_*.ipynb")
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    text = source.read_text("utf-8")
    quoted = json.dumps(f'"{address}"')[1:-1]
    assert text.count(quoted) == 1
    alone, colab = tmp_path / "content", tmp_path / "colab" / "google" / "colab"
    alone.mkdir()
    colab.mkdir(parents=True)
    (colab / "__init__.py").write_text("")
    (alone / source.name).write_text(text.replace(quoted, json.dumps(f'"{repository}"')[1:-1]))
    settings = {"PYTHONPATH": str(tmp_path / "colab"), "LATENT_BITS_PROGRESS": "0"}
    in_colab = "import google.colab, importlib.util as u; assert u.find_spec('helpers') is None"
    call(sys.executable, "-c", in_colab, cwd=alone, **settings)
    call(sys.executable, "-m", "pytest", "-q", "--nbmake", source.name, cwd=alone, **settings)
    fetched = alone / "latent-bits" / "data" / "checkpoints"
    assert number == "01" or any(fetched.glob("*.npz")), "it ran in the fetched repository"


def close(one, other, relative, absolute):
    """Whether two recorded values agree within these tolerances: counts and words exactly."""
    tolerances = (relative, absolute)
    if isinstance(one, dict) and isinstance(other, dict):
        same = one.keys() == other.keys()
        return same and all(close(one[key], other[key], *tolerances) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            close(a, b, *tolerances) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= relative * abs(other) + absolute
    return one == other


def status(folder):
    """What git calls changed: the paths."""
    lines = call("git", "status", "--porcelain", cwd=folder).splitlines()
    return sorted(line[3:] for line in lines)


@pytest.fixture(scope="module")
def committed_numbers():
    """figures/*.json as git's HEAD has them."""
    names = call("git", "ls-tree", "--name-only", "HEAD", "figures/").split()
    shown = {name: call("git", "show", f"HEAD:{name}") for name in names if name.endswith(".json")}
    return {Path(name).stem: json.loads(text) for name, text in shown.items()}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone of HEAD in which `make run` has run once, in an environment of its own."""
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    call("git", "clone", "--quiet", ROOT, folder)
    call("make", "run", f"PYTHON={sys.executable}", cwd=folder)
    return folder


@pytest.mark.parametrize("number", TOLERANCE)
def test_a_fresh_run_finds_the_committed_numbers(clone, committed_numbers, number):
    (name,) = (name for name in committed_numbers if name.startswith(f"{number}_"))
    found, committed = read_numbers(clone / "figures")[name], committed_numbers[name]
    assert found.keys() == committed.keys()
    tolerance = TOLERANCE[number]
    differing = {
        key: (found[key], committed[key])
        for key in found
        if not close(found[key], committed[key], **tolerance)
    }
    assert differing == {}, "(found, committed)"


def test_a_run_changes_nothing_but_what_it_shows(clone):
    assert [path for path in status(clone) if not path.startswith(MAY_CHANGE)] == []


def test_a_second_run_trains_nothing_again(clone):
    def trained():
        paths = sorted(clone.glob("data/checkpoints/*.npz"))
        return {path.name: path.stat().st_mtime_ns for path in paths}

    before = trained()
    assert before
    call("make", "run", cwd=clone)
    assert trained() == before


def test_the_unit_tests_pass_in_the_clone_and_leave_no_trace(clone):
    before = status(clone)
    unit_tests(clone, clone / ".venv" / "bin" / "python")
    assert status(clone) == before
