"""`pip install .` gives the package latent_bits, which works without the repository."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers.files import ROOT

pytestmark = pytest.mark.slow
PROGRAM = ROOT / "tests/programs/use_the_package.py"
FOREIGN = ("LATENT_BITS_", "PYTHONPATH")


def test_the_package_is_installed_and_works_anywhere(tmp_path):
    source, environment, elsewhere = (tmp_path / name for name in ("source", "venv", "elsewhere"))
    elsewhere.mkdir()
    for folder in ("helpers", "tools", "tests"):
        shutil.copytree(ROOT / folder, source / folder)
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(ROOT / name, source)
    python = environment / "bin" / "python"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    example = (ROOT / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    rng = np.random.default_rng(0)
    np.savez(
        elsewhere / "codes.npz", mean=rng.normal(size=(300, 3)), log_variance=np.zeros((300, 3))
    )
    for command, folder in (
        ([sys.executable, "-m", "venv", environment], source),
        ([python, "-m", "pip", "install", "--quiet", "-c", "requirements.txt", "."], source),
        ([python, PROGRAM], elsewhere),
        ([python, "-c", example], elsewhere),
    ):
        done = subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "granularity" in done.stdout
