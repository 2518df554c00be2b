"""Data flows one way: no room imports a later one, and nothing in helpers knows the tools."""

import ast

import pytest

from helpers.files import ROOT

ORDER = [
    "checks",
    "shapes",
    "files",
    "digits",
    "convolutions",
    "models",
    "objectives",
    "training",
    "checkpoints",
    "generation",
    "information",
    "limits",
    "recipes",
    "studies",
    "plotting",
    "exercises",
    "explorer",
    "environment",
]


def _imported(path):
    """The rooms of helpers, and the packages, that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.removeprefix("helpers.")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_earlier_rooms_only(room):
    later = set(ORDER[ORDER.index(room) :])
    assert later & set(_imported(ROOT / f"helpers/{room}.py")) == set()


def test_every_room_has_its_place():
    assert {path.stem for path in ROOT.glob("helpers/*.py")} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("folder", ["helpers", "notebooks_py"])
def test_nothing_a_reader_needs_imports_the_tools(folder):
    for path in ROOT.glob(f"{folder}/*.py"):
        assert not any(name.split(".")[0] == "tools" for name in _imported(path)), path
