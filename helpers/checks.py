"""Checks of arguments: each ValueError names the argument, what was expected and what came."""

import numbers

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Shaped


def check_count(name: str, value: int, least: int = 1):
    """Raises ValueError unless value is an integer (NumPy's too, a bool is none) >= least."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")


def check_tolerance(name: str, value: float):
    """Raises ValueError unless value is a finite number > 0."""
    if not isinstance(value, numbers.Real) or not 0 < value < np.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {value!r}")


def check_finite(**arrays: ArrayLike):
    """Raises ValueError that names the first array with an entry that is nan or infinite."""
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name}: expected finite entries, got nan or inf")


def check_pixels(name: str, images: Shaped[ArrayLike, "..."]):
    """Raises ValueError for pictures whose white is not 1, such as those in 0..255.

    Refused are integers of any shape, and floats that are pictures (three axes or more, the last
    two equal and at least 8), none of them negative, the largest above 2. So bool, pictures with
    noise on them and points of a plane pass; under jit there is nothing to look at, and all passes.
    """
    if isinstance(images, jax.core.Tracer):
        return
    pixels = np.asarray(images)
    pictures = pixels.ndim >= 3 and pixels.shape[-1] == pixels.shape[-2] >= 8
    if np.issubdtype(pixels.dtype, np.integer) or (
        pictures and pixels.max(initial=0) > 2 and pixels.min() >= 0
    ):
        raise ValueError(
            f"{name}: expected pixels in [0, 1], got {pixels.dtype} up to "
            f"{pixels.max(initial=0):g}: divide by the value of white, 255 in 8-bit pictures"
        )


def check_probabilities(probabilities, n: int) -> Float[np.ndarray, " n"]:
    """The probabilities of n images as an array, uniform for None.

    Raises ValueError unless there are n of them, none negative, that sum to 1.
    """
    if probabilities is None:
        return np.full(n, 1 / n)
    p = np.asarray(probabilities, float)
    if p.shape != (n,) or not np.all(p >= 0) or not abs(p.sum() - 1) < 1e-6:
        raise ValueError(
            f"probabilities: expected {n}, one per image, none negative, that sum to 1, "
            f"got shape {p.shape} and sum {p.sum():g}"
        )
    return p
