"""The checked exercises: every folded solution is right, and `check` tells right from wrong."""

import re

import numpy as np
import pytest

from helpers import recipes
from helpers.exercises import EXERCISES, check
from helpers.files import ROOT
from tools.pairs import read_py

SOLUTION = re.compile(
    r"<details><summary>Solution of (\d\d\.\d)</summary>.*?```python\n(.*?)```\n\n</details>",
    re.DOTALL,
)
TEXTS = {path.name[:2]: path.read_text("utf-8") for path in ROOT.glob("notebooks_py/*.py")}
SOLUTIONS = {
    number: code
    for text in TEXTS.values()
    for cell in read_py(text).cells
    for number, code in SOLUTION.findall(cell.source)
}


def test_every_exercise_is_asked_and_solved_in_its_own_notebook():
    assert set(SOLUTIONS) == set(EXERCISES)
    for number in EXERCISES:
        text = TEXTS[number[:2]]
        assert text.count(f"**{number}** ") == 1
        assert text.count(f'check("{number}", ...)') == 1
    assert {number[:2] for number in EXERCISES} == set(TEXTS)


@pytest.mark.parametrize("number", EXERCISES)
def test_the_folded_solution_is_right(number):
    *lines, last = SOLUTIONS[number].strip().splitlines()
    names = {"np": np, "check": check, "recipes": recipes}
    exec("\n".join(lines), names)
    assert eval(last, names).data == f"**{number}: right.**"


@pytest.mark.parametrize("number", EXERCISES)
def test_a_wrong_answer_gets_its_hint_and_none_an_instruction(number):
    exercise = EXERCISES[number]
    wrong = np.asarray(exercise.answer(), float) * 1.02
    assert check(number, wrong).data.endswith(exercise.hint)
    assert "in place of the dots" in check(number).data
    assert "in place of the dots" in check(number, ...).data


def test_several_numbers_where_one_is_asked_for_are_counted():
    assert "Expected one number, got 2" in check("01.1", (1, 2)).data
    assert "Expected 3 numbers, got 1" in check("07.1", 16).data


def test_an_exercise_that_is_not_there_is_named():
    with pytest.raises(KeyError, match=r"expected one of 01\.1, .* got '99\.1'"):
        check("99.1", 1)
