"""Data flows one way: no room imports a later one, no reader needs the tools."""

import ast
import re

import pytest

from helpers.files import ROOT

ORDER = re.findall(
    r"\w+",
    """
    checks shapes files progress digits convolutions layers models objectives optimizers runs
    training checkpoints generation mixtures posteriors information reproductions limits handmade
    measures recipes studies codes plotting exercises explorer
    environment
    """,
)


def _imported(path):
    """The rooms of helpers, and the packages, that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module in (None, "helpers"):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.removeprefix("helpers.").split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_earlier_rooms_only(room):
    later = set(ORDER[ORDER.index(room) :])
    assert later & set(_imported(ROOT / f"helpers/{room}.py")) == set()


def test_every_room_has_its_place():
    assert {path.stem for path in ROOT.glob("helpers/*.py")} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("folder", ["helpers", "notebooks_py"])
def test_nothing_that_a_reader_needs_imports_the_tools(folder):
    for path in ROOT.glob(f"{folder}/*.py"):
        assert "tools" not in _imported(path), path
