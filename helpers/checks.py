"""Checks of arguments: each ValueError names the argument, what was expected and what came."""

import math
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
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < value < np.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {value!r}")


def check_finite(**arrays: ArrayLike):
    """Raises ValueError that names the first array with an entry that is nan or infinite."""
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name}: expected finite entries, got nan or inf")


def check_pixels(name: str, images: Shaped[ArrayLike, "..."]):
    """Raises ValueError for pictures whose white is not 1, such as those in 0..255.

    A picture is a row of at least 64 numbers, of whatever shape. It is refused if they are
    integers, or none is negative and the largest is above 2. So bool, pictures with noise on them,
    points of a plane and labels pass; under jit there is nothing to look at, and all passes.
    """
    if isinstance(images, jax.core.Tracer) or np.ndim(images) < 2:
        return
    if math.prod(np.shape(images)[1:]) < 64 or len(images) == 0:
        return
    on_device = isinstance(images, jax.Array)
    if on_device and not images.is_fully_addressable:  # spread over several processes
        return
    # Two numbers are fetched from another device, not all pixels; on the CPU NumPy looks at them.
    on_device = on_device and any(device.platform != "cpu" for device in images.devices())
    pixels = images if on_device else np.asarray(images)
    most = float(pixels.max())
    if np.issubdtype(pixels.dtype, np.integer) or (most > 2 and pixels.min() >= 0):
        raise ValueError(
            f"{name}: expected pixels in [0, 1], got {pixels.dtype} up to {most:g}: "
            "divide by the value of white, 255 in 8-bit pictures"
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
