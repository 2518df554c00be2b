"""Optimizers whose learning rate is data: a training with other rates compiles nothing again."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Float


def _warmup_stable_decay(peak, rise, fall, start, step):
    # With whole numbers of steps, as in optax: XLA rounds a quotient of floats otherwise.
    up = -peak * (1 - jnp.clip(step, 0, rise) / rise) + peak
    down = peak * (1 - jnp.clip(step - start, 0, fall) / fall)
    return jnp.where(step < rise, up, jnp.where(step < start, peak, down))


def warmup_stable_decay(peak: float, steps: int) -> optax.Schedule:
    """The learning rate rises over the first 2 % of the steps and falls to 0 over the last 40 %.

    Args:
        peak: the rate in between.
        steps: of the whole training.

    Returns:
        The schedule, step -> rate.
    """
    rise, fall = steps // 50 + 1, max(steps * 2 // 5, 1)
    start = max(steps - fall, rise)
    return Partial(_warmup_stable_decay, np.float32(peak), rise, fall, start)


@jax.jit
def _at(schedule, steps):
    return jax.vmap(schedule)(steps)


def rates_by_epoch(
    learning_rate: float | optax.Schedule, epochs: int, steps: int
) -> Float[np.ndarray, "epochs steps"]:
    """The rate of every step, from one number or an optax schedule (step -> rate).

    Raises:
        ValueError: for what is neither, and for a rate that is negative or not finite.
    """
    if callable(learning_rate):
        schedule = learning_rate if isinstance(learning_rate, Partial) else Partial(learning_rate)
        starts = steps * np.arange(epochs)
        rates = np.stack([_at(schedule, start + np.arange(steps)) for start in starts])
    elif np.ndim(learning_rate) == 0 and np.asarray(learning_rate).dtype.kind in "iuf":
        rates = np.full((epochs, steps), learning_rate, np.float32)
    else:
        what = f"got {learning_rate!r}"
        raise ValueError(f"learning_rate: expected a number or a schedule (step -> rate), {what}")
    if not np.all((rates >= 0) & (rates < np.inf)):
        wrong = rates[~((rates >= 0) & (rates < np.inf))][0]
        raise ValueError(f"learning_rate: expected finite rates, none negative, got {wrong:g}")
    return rates


def _with_rate_in_state(function, arguments, keywords):
    def at(learning_rate):
        """The optimizer at one rate, which `inject_hyperparams` keeps in its state."""
        return function(learning_rate, *arguments, **dict(keywords))

    if not isinstance(at(0.0), optax.GradientTransformation):
        raise TypeError("it makes no optax transformation")
    return optax.inject_hyperparams(at)(learning_rate=0.0)


_known = cache(_with_rate_in_state)


def with_rate_in_state(optimizer: Callable) -> optax.GradientTransformation:
    """An optimizer with its learning rate in its state, as `hyperparams["learning_rate"]`.

    Args:
        optimizer: from a learning rate to an optax transformation, such as `optax.adam`, or
            `functools.partial(optax.adamw, weight_decay=1e-4)`.

    Returns:
        The transformation: the same object for equal optimizers, since jit knows by it what it has
        compiled before.

    Raises:
        ValueError: for what is no such function, such as `optax.adam(1e-3)`.
    """
    parts = optimizer, (), ()
    if isinstance(optimizer, partial):
        parts = optimizer.func, optimizer.args, tuple(sorted(optimizer.keywords.items()))
    try:
        hash(parts)
        make = _known
    except TypeError:  # an array among the settings, by which nothing can be looked up
        make = _with_rate_in_state
    try:
        return make(*parts)
    except TypeError as error:
        raise ValueError(
            "optimizer: expected a function from a learning rate to an optax transformation, such "
            f"as optax.adam, and the rate as learning_rate, got a {type(optimizer).__name__}"
        ) from error
