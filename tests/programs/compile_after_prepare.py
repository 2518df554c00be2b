"""Prints how many programs are compiled, and not found in the cache, once `prepare` has run."""

import jax
import jax.numpy as jnp

from helpers.environment import prepare

jnp.arange(3.0).block_until_ready()  # JAX has run before: it has decided that there is no cache
prepare()
missed = []
jax.monitoring.register_event_listener(
    lambda event, **_: missed.append(event) if event.endswith("/cache_misses") else None
)
jnp.arange(3) + 1.5
print(len(missed))
