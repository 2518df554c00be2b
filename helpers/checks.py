"""Checks of arguments: each error names the argument, what was expected and what came."""

import numbers

import numpy as np


def check_finite(**arrays):
    """Raise a ValueError that names the first array with an entry that is nan or infinite."""
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name}: expected finite entries, got nan or inf")


def check_probabilities(probabilities, n):
    """probabilities as an array (n,), uniform for None; ValueError if they are none."""
    if probabilities is None:
        return np.full(n, 1 / n)
    p = np.asarray(probabilities, float)
    if p.shape != (n,) or not np.all(p >= 0) or not abs(p.sum() - 1) < 1e-6:
        raise ValueError(
            f"probabilities: expected {n}, one per image, none negative, that sum to 1, "
            f"got shape {p.shape} and sum {p.sum():g}"
        )
    return p


def check_count(name, value, least=1):
    """Raise a ValueError unless value is a whole number, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name}: expected a whole number, at least {least}, got {value!r}")


def check_pixels(name, array):
    """stub until the checks branch lands"""
