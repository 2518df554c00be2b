"""Whatever the tests or the notebooks that they run write lands in a temporary folder."""

import os
import shutil
import tempfile

import pytest

collect_ignore = ["browser"]  # asks for a browser: `make test-browser` names it

# Set on import, before any test module or kernel reads them; kernels inherit the environment.
OUTPUT_DIR = tempfile.mkdtemp(prefix="latent-bits-")
os.environ["LATENT_BITS_OUTPUT_DIR"] = OUTPUT_DIR
os.environ["LATENT_BITS_PROGRESS"] = "0"


def pytest_collection_modifyitems(items):
    """Skip the studies of real images, with the reason, where there is neither file nor network."""
    studies = [item for item in items if item.path.name.startswith(("06_", "07_"))]
    if not studies:
        return
    from helpers.digits import load_digits

    try:
        for item in studies:
            names = ("mnist", "fashion_mnist") if item.path.name.startswith("06_") else ("mnist",)
            for name in names:
                for part in ("train", "test"):
                    load_digits(name, part)
    except FileNotFoundError as error:
        for item in studies:
            item.add_marker(pytest.mark.skip(reason=str(error).splitlines()[0]))


def pytest_unconfigure():
    """Remove what was written."""
    shutil.rmtree(OUTPUT_DIR)
