"""The checked exercises at the end of every notebook.

`check("01.1", answer)` tells right from wrong. The answers are computed here, the way to them
stands in the notebook's folded solutions, and a test runs every solution against its check.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from IPython.display import Markdown
from jax.typing import ArrayLike
from jaxtyping import Real
from scipy.optimize import brentq
from scipy.special import entr, logsumexp

from . import recipes
from .shapes import SHAPES, shape_world

TOLERANCE = 0.005  # relative: three digits will do


class Exercise(NamedTuple):
    """answer: computes the number, or several; hint: what to think of, told after a wrong one."""

    answer: Callable[[], Real[ArrayLike, "..."]]
    hint: str


def _entropy_bits(p):
    return entr(np.asarray(p, float)).sum() / np.log(2)


def _gaussian_kl(mean, sigma, prior_mean, prior_sigma):
    square = (sigma**2 + (mean - prior_mean) ** 2) / prior_sigma**2
    return np.log(prior_sigma / sigma) + (square - 1) / 2


def _unequal_frequencies():
    joint = np.ones((4, 8))
    joint[SHAPES.index("circle"), 4:] = 2
    joint /= joint.sum()
    pair = _entropy_bits(joint)
    return pair + 8, _entropy_bits(joint.sum(0)) + _entropy_bits(joint.sum(1)) - pair


@cache
def _spectrum():
    """The variances of the world's principal components, falling: their sum is the energy."""
    images = shape_world().images.reshape(-1, 784)
    return np.linalg.eigvalsh(np.cov(images.T, bias=True))[::-1]


@cache
def _error_of_shape_and_size():
    images = shape_world().images.reshape(4, 256, 8, 784)  # shape, position, size, pixel
    return ((images - images.mean(axis=1, keepdims=True)) ** 2).sum(axis=3).mean()


def _weights(*sizes):
    return sum(n_in * n_out + n_out for n_in, n_out in pairwise(sizes))


EXERCISES = {
    "01.1": Exercise(
        lambda: 11 + _entropy_bits([2 / 5, 1 / 5, 1 / 5, 1 / 5]),
        "The factors are independent, so their entropies add up; only that of the shape changes.",
    ),
    "01.2": Exercise(lambda: 10, "How many images are left? Each halving is one bit."),
    "01.3": Exercise(
        lambda: _entropy_bits([1 / 8, 7 / 8]), "It is no fair coin: mean the two surprises."
    ),
    "01.4": Exercise(
        lambda: int(np.searchsorted(np.cumsum(_spectrum()) / _spectrum().sum(), 0.9)) + 1,
        "Add up the variances of the components, the largest first, until 90 % are reached.",
    ),
    "01.5": Exercise(
        _unequal_frequencies,
        "Work with the table of shape and size, 4 by 8; the place adds 8 bits to both sums.",
    ),
    "02.1": Exercise(
        lambda: 2, "Which part of the sum depends on the row only, which on the column only?"
    ),
    "02.2": Exercise(
        lambda: 1.568 / 784, "Set the derivative of 392 log c + error / (2c) by c to 0."
    ),
    "02.3": Exercise(
        lambda: _spectrum()[2:].sum(),
        "The best linear code spans the same plane as PCA; what it loses are the other components.",
    ),
    "03.1": Exercise(
        lambda: _gaussian_kl(1, 0.5, 0, 1), "The KL in closed form; 0.5 is σ, so σ² = 0.25."
    ),
    "03.2": Exercise(
        lambda: brentq(lambda s: (s - np.log(s) - 1) / 2 - np.log(2), 1e-6, 1),
        "One bit is log 2 nats. Solve (s - log s - 1) / 2 = log 2 for s < 1, by `brentq`, say.",
    ),
    "03.3": Exercise(
        lambda: 2 * recipes.C * np.log(2),
        "The loss counts the error as error / (2c), and a bit as log 2.",
    ),
    "04.1": Exercise(
        lambda: np.log2(1 + 3 / 0.2) / 2, "Signal variance over noise variance, plus 1; half a log."
    ),
    "04.2": Exercise(
        lambda: (3, 3, 3, 3), "What does the second copy tell that the first has not told?"
    ),
    "04.3": Exercise(lambda: 2, "KL = I + total correlation + negentropy + mismatch."),
    "04.4": Exercise(
        lambda: 3,
        "How much can the information be at most? R = I + total correlation + negentropy.",
    ),
    "05.1": Exercise(lambda: 2, "Half the logarithm, to base 2, of variance over error."),
    "05.2": Exercise(
        _error_of_shape_and_size,
        "Given shape and size, the best guess is the mean over the 256 positions.",
    ),
    "05.3": Exercise(
        lambda: _gaussian_kl(1, 0.2, 0, 1) / np.log(2),
        "Both values have the same KL, in closed form; divide by log 2 for bits.",
    ),
    "05.4": Exercise(lambda: 8, "What share of the images gives an error of 7.4 on average?"),
    "06.1": Exercise(
        lambda: _gaussian_kl(-0.5, 1.3, 0.7, 0.4), "The same formula with the indices exchanged."
    ),
    "06.2": Exercise(lambda: (np.e - 1) / 2, "Only (exp(ℓ) - ℓ) / 2 depends on ℓ."),
    "06.3": Exercise(
        lambda: _weights(2, 16, 4) + _weights(2, 16, 2),
        "The encoder puts out four numbers, the decoder takes in two.",
    ),
    "07.1": Exercise(lambda: (16, 8, 4), "Each convolution halves the side, rounded up."),
    "07.2": Exercise(lambda: np.log(np.e - 1), "Solve log(1 + exp(h)) = 1."),
    "07.3": Exercise(
        lambda: 9 * (1 * 32 + 32 * 64 + 64 * 32) + 32 + 64 + 32,
        "A 3x3 kernel for every pair of channels, and a bias for every channel that comes out.",
    ),
    "08.1": Exercise(lambda: 10190.44 / 100 / np.log(2), "A bit is log 2 = 0.693 nats."),
    "08.2": Exercise(
        lambda: 100 * _entropy_bits([0.25, 0.75]) * np.log(2),
        "The floor of a pixel is its own entropy as a coin; black pixels have none.",
    ),
    "08.3": Exercise(
        lambda: logsumexp([-4, -2]) - np.log(2), "The log of the mean, not the mean of the logs."
    ),
    "09.1": Exercise(lambda: np.log2(60_000), "How many different images can come out?"),
    "09.2": Exercise(
        lambda: 4 ** (-36 / 20), "Half a log of 1 over the noise is the cost of a latent."
    ),
    "09.3": Exercise(
        lambda: np.log2(10) + 0.97 * np.log2(0.99) + 0.03 * np.log2(0.01 / 9),
        "The entropy of the class, less the mean surprise of what the class turns out to be.",
    ),
    "09.4": Exercise(
        lambda: (0.97, np.log2(10) - _entropy_bits([0.97, *[0.03 / 9] * 9])),
        "Set the derivative of the bits by the probability to 0.",
    ),
}


def check(number: str, answer: Real[ArrayLike, "..."] = ...) -> Markdown:
    """Tell whether an answer to an exercise is right, to half a per cent.

    Args:
        number: as in the text, "01.1".
        answer: a number, or several in the order asked for.

    Returns:
        The verdict to display: after a wrong answer with a hint, without one how to give it.

    Raises:
        KeyError: an exercise that is not there.
        TypeError, ValueError: an answer that is no number.
    """
    if number not in EXERCISES:
        raise KeyError(f"number: expected one of {', '.join(EXERCISES)}, got {number!r}")
    if answer is ...:
        return Markdown(f"**{number}** Put your answer in place of the dots and run the cell.")
    expected = np.asarray(EXERCISES[number].answer(), float)
    given = np.asarray(answer, float)
    if given.shape != expected.shape:
        wanted = f"{expected.size} numbers" if expected.shape else "one number"
        return Markdown(f"**{number}: not yet.** Expected {wanted}, got {given.size}.")
    if np.allclose(given, expected, rtol=TOLERANCE, atol=0):
        return Markdown(f"**{number}: right.**")
    return Markdown(f"**{number}: not yet.** Hint: {EXERCISES[number].hint}")
