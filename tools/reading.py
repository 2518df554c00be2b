"""How much of what a reader of a notebook sees is about its subject: `python -m tools.reading`.

Counted over the code lines of visible cells. A cell whose source is folded away, an exercise, a
comment and an empty line do not count.
"""

import ast

import jupytext
import pandas as pd

from helpers.files import ROOT

KINDS = ("subject", "figures", "sentences", "checks", "plumbing")
FIGURES = {"plotting", "plt", "ax", "axes", "fig", "save_figure", "alt"}
SENTENCES = {"say", "display", "Markdown"}
CHECKS = {"testing"}
PLUMBING = {"record", "recorded", "prepare", "sys", "subprocess", "FULL"}


def _names(node):
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def _kind(statement):
    """What a statement is about: the first of these that it has to do with."""
    names = set(_names(statement))
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "plumbing"
    if isinstance(statement, ast.Assert) or names & CHECKS:
        return "checks"
    for kind, words in (("sentences", SENTENCES), ("figures", FIGURES), ("plumbing", PLUMBING)):
        if names & words:
            return kind
    return "subject"


def _statements(body):
    """The statements of a cell; what `if FULL:` guards one by one."""
    for statement in body:
        if isinstance(statement, ast.If) and "FULL" in _names(statement.test):
            yield from _statements(statement.body)
        else:
            yield statement


def _folded(cell):
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def count(notebook) -> dict:
    """Visible code lines of a notebook by what they are about, and its cells and words."""
    lines = dict.fromkeys(KINDS, 0)
    for cell in notebook.cells:
        source = "".join(line for line in cell.source.splitlines(True) if line[:1] not in "%!")
        if cell.cell_type != "code" or _folded(cell) or source.startswith("check("):
            continue
        written = source.splitlines()
        for statement in _statements(ast.parse(source).body):
            own = written[statement.lineno - 1 : statement.end_lineno]
            kind = _kind(statement)
            lines[kind] += sum(bool(line.strip()) and line.strip()[0] != "#" for line in own)
    prose = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    visible = sum(lines.values())
    share = {"subject share": lines["subject"] / visible if visible else 0.0}
    return {"cells": len(notebook.cells), "words": len(prose.split())} | lines | share


def table(root=ROOT) -> pd.DataFrame:
    """A row for each notebook."""
    paths = sorted(root.glob("notebooks_py/*.py"))
    rows = {path.stem: count(jupytext.read(path, fmt="py:percent")) for path in paths}
    return pd.DataFrame(rows).T.astype({name: int for name in ("cells", "words", *KINDS)})


if __name__ == "__main__":
    print(table().round(2).to_string())
