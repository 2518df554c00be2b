"""Checkpoints: weights and history of a training run, with a fingerprint of all it depends on."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from .files import load_arrays, save_arrays


def weights(model) -> dict:
    """All arrays of a model (weights, running statistics), by their paths in it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(nnx.to_pure_dict(nnx.state(model)))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def save_checkpoint(path, model, history, fingerprint):
    """Write weights and history, atomically, with the fingerprint of what made them."""
    columns = {f"history/{name}": history[name].to_numpy() for name in history}
    save_arrays(path, weights(model) | columns, {"fingerprint": fingerprint})


def load_checkpoint(path, model, fingerprint) -> pd.DataFrame:
    """Put stored weights into `model` and return the stored history.

    Raises FileNotFoundError, or ValueError if the file is damaged or does not match.
    """
    arrays, about = load_arrays(path)
    stored = about.get("fingerprint", {})
    differs = [part for part in fingerprint if stored.get(part) != fingerprint[part]]
    if differs:
        raise ValueError(f"{Path(path).name} was trained with a different {' and '.join(differs)}")
    history = {
        name.removeprefix("history/"): arrays.pop(name)
        for name in list(arrays)
        if name.startswith("history/")
    }
    state = nnx.state(model)
    pure = nnx.to_pure_dict(state)
    leaves, structure = jax.tree_util.tree_flatten_with_path(pure)
    loaded = [jnp.asarray(arrays[jax.tree_util.keystr(keys)]) for keys, _ in leaves]
    nnx.replace_by_pure_dict(state, jax.tree.unflatten(structure, loaded))
    nnx.update(model, state)
    return pd.DataFrame(history)
