"""Whatever the tests or the notebooks that they run write lands in a temporary folder."""

import os
import shutil
import tempfile

# Set on import, before any test module or kernel reads them; kernels inherit the environment.
OUTPUT_DIR = tempfile.mkdtemp(prefix="latent-bits-")
os.environ["LATENT_BITS_OUTPUT_DIR"] = OUTPUT_DIR
os.environ["LATENT_BITS_PROGRESS"] = "0"


def pytest_unconfigure():
    """Remove what was written."""
    shutil.rmtree(OUTPUT_DIR)
