"""For `pytest --nbmake notebooks/...`: shortened runs keep out of figures/ and data/."""

import pytest

from tests.conftest import pytest_unconfigure  # noqa: F401 (importing it sets the folder)


def pytest_collection_modifyitems(items):
    """Skip the studies of real images, with the reason, where there is neither file nor network."""
    studies = [item for item in items if item.path.name.startswith(("07_", "08_", "09_"))]
    if not studies:
        return
    from helpers.digits import load_digits

    try:
        for item in studies:
            mnist_only = item.path.name.startswith("08_")
            names = ("mnist",) if mnist_only else ("mnist", "fashion_mnist")
            for name in names:
                for part in ("train", "test"):
                    load_digits(name, part)
    except FileNotFoundError as error:
        for item in studies:
            item.add_marker(pytest.mark.skip(reason=str(error).splitlines()[0]))
