"""Whatever the tests or the notebooks that they run write lands in a temporary folder."""

import os
import shutil
import tempfile

collect_ignore = ["browser"]  # asks for a browser: `make test-browser` names it

# Set on import, before any test module or kernel reads them; kernels inherit the environment.
# notebooks/conftest.py imports this file once more: who comes second uses the first one's folder.
MADE_HERE = None
if os.environ.get("LATENT_BITS_OUTPUT_DIR") != os.environ.get("LATENT_BITS_TEST_DIR", ""):
    MADE_HERE = tempfile.mkdtemp(prefix="latent-bits-")
    os.environ["LATENT_BITS_OUTPUT_DIR"] = os.environ["LATENT_BITS_TEST_DIR"] = MADE_HERE
    # What one process or kernel has compiled, the others read; `.ci/run` lets all its runs share.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(MADE_HERE, "compiled"))
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
os.environ["LATENT_BITS_PROGRESS"] = "0"


def pytest_unconfigure():
    """Remove what was written."""
    if MADE_HERE:
        shutil.rmtree(MADE_HERE)
