"""The look of figures: applied by a call, and points taken evenly where there are too many."""

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import plotting


def test_the_style_is_applied_by_a_call_and_not_on_import():
    with plt.rc_context():
        plt.rcdefaults()
        importlib.reload(plotting)
        assert plt.rcParams["figure.figsize"] == plt.rcParamsDefault["figure.figsize"]
        plotting.use_style()
        assert plt.rcParams["figure.figsize"] != plt.rcParamsDefault["figure.figsize"]


@pytest.mark.parametrize(("n", "most"), [(1, 9), (9, 9), (10, 9), (819, 10), (8192, 2000)])
def test_points_are_taken_evenly_from_the_first_to_the_last(n, most):
    taken = plotting.evenly(n, most)
    assert len(taken) == min(n, most)
    assert (taken[0], taken[-1]) == (0, n - 1)
    assert np.ptp(np.diff(taken)) <= 1 if n > 1 else True


def test_only_pictures_that_are_judged_are_framed_and_the_frames_explained_once():
    images = np.zeros((5, 28, 28))
    rows = {"judged": images, "not": images, "too": images[:3]}
    fig = plotting.image_rows(rows, valid={"judged": [True] * 5, "too": [False] * 3})
    framed = [ax.spines["left"].get_visible() for ax in fig.axes]
    assert framed == [True] * 5 + [False] * 5 + [True] * 3 + [True] * 2  # the last have no axes
    assert [ax.axison for ax in fig.axes[-2:]] == [False] * 2
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["valid", "invalid"]
    assert len(fig.legends) == 1
    plt.close(fig)
