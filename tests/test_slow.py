"""What takes long, run by `make test-all`: other modes of Flax and JAX, and a fresh clone.

The tests of one clone stay together (xdist_group); what is left runs beside them.
"""

import json
import os
import re
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
# What a mode can break. Tree mode: whatever splits, merges or differentiates a module. Key reuse:
# whatever draws.
MODES = {
    "tree mode": (TREE_MODE, "training fit_many checkpoints models studies"),
    "key reuse": (KEY_REUSE, "training fit_many models studies shapes generation information"),
}
# What can differ in a clone: that a file is there, and that nothing is written beside it.
OF_THE_CLONE = "notebooks rooms files environment digits commands"
# How far a rerun on another machine may lie from the committed numbers: a share of the number, plus
# a distance; the first pattern counts that a number's name matches, and counts may not differ.
# Rounding alone moves what is computed. Training is chaotic and turns rounding into what another
# seed would change: for what the sweep knows over seeds, SIGMAS of its standard deviations.
SIGMAS = 3
COMPUTED = {"share": 1e-3, "distance": 1e-6}
BITS = {"share": 0.05, "distance": 0.1}
TOLERANCES = {
    r"01|02\.pca_|02\.denoising_noise|03\.over_seeds|.*source_entropy": COMPUTED,
    r"04\.varying_noise|05\.limit_(gap_bits_(best|at_d)|width)|05\.hand_made": COMPUTED,
    r"05\.single_shape": COMPUTED,
    r".*_channel_rate|.*_divergence_bits|.*KL \(bits\)": {"share": 0.1, "distance": 0.1},
    r".*validity|.*coverage|.*_probe|.*merging": {"share": 0.1, "distance": 0.08},
    r".*negentropy|.*prior_mismatch|.*_mig$": {"share": 0.7, "distance": 0},  # small, not anything
    r".*_error_rate|.*bayes_distortion": {"share": 0.5, "distance": 0},
    r".*(total_correlation|granularity|null_bits|limit_gap|coder)": {"share": 0.2, "distance": 0.1},
    r".*excess_dependence": {"share": 0.7, "distance": 0.1},
    r".*(factor|limit|information|route|kl|rate)(_.*)?_bits|.*_plain\.(kl|mutual)": BITS,
    # The codes' scale and the squared errors of trained models; a latent may wake late or early.
    r".*noise_levels|04\.(vae|ae_matched)_distortion": {"share": 0.5, "distance": 0},
    r".*": {"share": 0.3, "distance": 0},
}
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


def unit_tests(names, folder=ROOT, python=sys.executable, **environment):
    """The unit tests of these names, by a process of their own."""
    files = [f"tests/test_{name}.py" for name in names.split()]
    command = [python, "-m", "pytest", "-q", "-m", "not slow", *files]
    return call(*command, cwd=folder, **environment)


def notebook_tests(pattern, output_dir, **environment):
    """Notebooks by nbmake, in a folder that their next run reads."""
    notebooks = sorted(ROOT.glob(f"notebooks/{pattern}.ipynb"))
    assert notebooks, f"no notebooks match {pattern}"
    settings = {"LATENT_BITS_OUTPUT_DIR": str(output_dir), "LATENT_BITS_TEST_DIR": str(output_dir)}
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", *notebooks]
    return call(*command, **settings, **environment)


@pytest.mark.parametrize("mode", MODES)
def test_what_a_mode_can_break_passes_in_it(mode):
    environment, names = MODES[mode]
    unit_tests(names, **environment)


def test_the_notebooks_that_train_run_in_tree_mode(tmp_path):
    notebook_tests("0[2-5]*", tmp_path, **TREE_MODE)


def test_the_notebooks_never_use_a_key_twice(tmp_path):
    notebook_tests("0[1-5]*", tmp_path, **KEY_REUSE)


def test_the_benchmarks_that_need_no_pytorch_run():
    program = ROOT / "tests" / "programs" / "smallest_benchmarks.py"
    call(sys.executable, program, PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}")


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


def test_a_notebook_alone_in_colab_fetches_the_rest_and_runs(tmp_path, repository):
    # The set-up is the same in all; 04 trains, and reads what others have recorded.
    (source,) = ROOT.glob("notebooks/04_*.ipynb")
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
    assert any(fetched.glob("*.npz")), "it ran in the fetched repository"


def flat(value, name):
    """The numbers and words of a nested value, by names such as 04.vae_factor_bits.x."""
    if isinstance(value, (dict, list)):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, part in parts for k, v in flat(part, f"{name}.{key}").items()}
    return {name: value}


def close(name, one, other, sweep):
    """Whether two recorded values agree within the tolerance of that name."""
    if not isinstance(one, float) or not isinstance(other, float):
        return one == other
    over_seeds = sweep.get(name.split(".", 1)[1])
    if over_seeds:
        return abs(one - other) <= SIGMAS * over_seeds["sd"]
    allowed = next(
        tolerance for pattern, tolerance in TOLERANCES.items() if re.match(pattern, name)
    )
    return abs(one - other) <= allowed["share"] * abs(other) + allowed["distance"]


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


CLONE = pytest.mark.xdist_group("clone")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone of HEAD in which `make run` has run once, in an environment of its own."""
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    call("git", "clone", "--quiet", ROOT, folder)
    call("make", "run", f"PYTHON={sys.executable}", cwd=folder)
    return folder


@CLONE
@pytest.mark.parametrize("number", ["01", "02", "03", "04", "05"])
def test_a_fresh_run_finds_the_committed_numbers(clone, committed_numbers, number):
    (name,) = (name for name in committed_numbers if name.startswith(f"{number}_"))
    found = flat(read_numbers(clone / "figures")[name], number)
    committed = flat(committed_numbers[name], number)
    assert found.keys() == committed.keys()
    differing = {
        key: (found[key], committed[key])
        for key in found
        if not close(key, found[key], committed[key], committed_numbers["sweep"])
    }
    assert differing == {}, "(found, committed)"


@CLONE
def test_a_run_changes_nothing_but_what_it_shows(clone):
    assert [path for path in status(clone) if not path.startswith(MAY_CHANGE)] == []


@CLONE
def test_a_second_run_trains_nothing_again(clone):
    def trained():
        paths = sorted(clone.glob("data/checkpoints/*.npz"))
        return {path.name: path.stat().st_mtime_ns for path in paths}

    before = trained()
    assert before
    call("make", "run", cwd=clone)
    assert trained() == before


@CLONE
def test_the_clone_s_tests_are_found_pass_and_leave_no_trace(clone):
    before, python = status(clone), clone / ".venv" / "bin" / "python"
    call(python, "-m", "pytest", "-q", "--collect-only", "tests", cwd=clone)
    unit_tests(OF_THE_CLONE, clone, python)
    assert status(clone) == before
