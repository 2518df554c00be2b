"""What a reader of a notebook sees, counted."""

import nbformat
import pytest

from tools.reading import count, table

v4 = nbformat.v4


def test_each_line_counts_for_what_it_is_about():
    cells = [
        v4.new_markdown_cell("# A title\n\nthree more words"),
        v4.new_code_cell(
            "import numpy as np\n\n# a comment\nx = np.arange(3)\ny = (\n    x + 1\n)"
        ),
        v4.new_code_cell("assert x[0] == 1\nif FULL:\n    np.testing.assert_equal(x, y - 1)"),
        v4.new_code_cell('say(f"{x}")\nsave_figure(plotting.curves(x), "a")\nrecord("a", x=1)'),
        v4.new_code_cell("z = x\nz", metadata={"jupyter": {"source_hidden": True}}),
        v4.new_code_cell('check("01.1", ...)'),
    ]
    found = count(v4.new_notebook(cells=cells))
    assert found == {
        "cells": 6, "words": 6, "subject": 4, "figures": 1, "sentences": 1, "checks": 2,
        "plumbing": 2, "subject share": pytest.approx(4 / 10),
    }  # fmt: skip


def test_every_notebook_has_a_row():
    rows = table()
    assert {name[:2] for name in rows.index} >= {"01", "02", "03", "04", "05"}
    assert (rows["subject"] > 0).all()
