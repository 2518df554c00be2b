"""Checkpoints: weights and history of a training, with a fingerprint of all that it depends on."""

from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx

from .files import digest, load_arrays, save_arrays
from .runs import is_key, prepare
from .training import fit_many, programs


def _weights(model) -> dict:
    """All arrays of a model (weights, statistics, keys as numbers), by their paths in it."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(nnx.to_pure_dict(nnx.state(model)))
    return {
        jax.tree_util.keystr(path): np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)
        for path, leaf in leaves
    }


def save_checkpoint(path, model: nnx.Module, history: pd.DataFrame, fingerprint: dict):
    """Write weights and history, atomically, with the fingerprint of what made them."""
    columns = {f"history/{name}": history[name].to_numpy() for name in history}
    save_arrays(path, _weights(model) | columns, {"fingerprint": fingerprint})


def load_checkpoint(path, model: nnx.Module, fingerprint: dict) -> pd.DataFrame:
    """Put stored weights into `model`.

    Returns:
        The stored history.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: where it is damaged or was made by something else; the model is left as it was.
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
    leaves, structure = jax.tree_util.tree_flatten_with_path(nnx.to_pure_dict(state))
    loaded = []
    for keys, leaf in leaves:
        array = jnp.asarray(arrays[jax.tree_util.keystr(keys)])
        if is_key(leaf):
            array = jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf))
        loaded.append(array)
    nnx.replace_by_pure_dict(state, jax.tree.unflatten(structure, loaded))
    nnx.update(model, state)
    return pd.DataFrame(history)


def _fingerprints(models, data, losses, keys, settings):
    """What each training depends on, by part: equal fingerprints mean that it would compute the
    same. The mesh does not count, nor does the group: they change no more than the rounding."""
    settings = {name: value for name, value in settings.items() if name != "mesh"}
    run = prepare(models, data, losses, keys=keys, **settings)  # refuses what is not alike
    leaves = jax.tree.leaves_with_path((run.data, run.test_data))
    kinds = list(dict.fromkeys(map(jax.tree.structure, run.losses)))
    shared = {
        "program": digest({"text": np.array(programs(run))}),
        "data": digest({jax.tree_util.keystr(path): leaf for path, leaf in leaves}),
        "learning rates": digest({"rates": run.rates}),
        "budget": f"{settings['epochs']} epochs of batches of {settings['batch_size']}",
    }
    for number, model in enumerate(models):
        yield shared | {
            "initial weights": digest(_weights(model)),
            "loss settings": [
                [kinds.index(jax.tree.structure(loss)) for loss in run.losses],
                [leaf[number].tolist() for leaf in jax.tree.leaves(run.losses)],
            ],
            "key": run.keys[number].tolist(),
        }


def _load_if_same(path, model, fingerprint):
    """The stored history of this very training, its weights in `model`; None, said why, if there
    is no such file."""
    try:
        return load_checkpoint(path, model, fingerprint)
    except FileNotFoundError:
        return None
    except ValueError as error:
        print(f"Training anew: {error}.")
        return None


def fit_many_or_load(paths, models, data, losses, *, keys, **settings) -> list[pd.DataFrame]:
    """`fit_many` of those models whose path does not hold the result of this very training.

    A checkpoint that is damaged or was made from another model, data, settings or budget is
    refused with a message, and its model trained anew.

    Args:
        paths: of the checkpoints, one for each model.
        models, data, losses, keys, **settings: as in `fit_many`.

    Returns:
        A history for each model.

    Raises:
        OSError: for a folder that cannot be made.
        ValueError: as `fit_many`; for a path given twice; for a job of several processes, each of
            which might decide otherwise: use `fit` there.
        FloatingPointError: as `fit_many`.
    """
    if jax.process_count() > 1:
        raise ValueError(f"processes: expected one, got {jax.process_count()}: use `fit`")
    if len(paths) != len(models):
        raise ValueError(f"paths: expected {len(models)}, one for each model, got {len(paths)}")
    if max(Counter(map(str, paths)).values(), default=1) > 1:
        raise ValueError("paths: expected different ones, got one of them twice")
    for path in paths:  # an error now, not after the training
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    fingerprints = list(_fingerprints(models, data, losses, keys, settings))
    histories = list(map(_load_if_same, paths, models, fingerprints))
    missing = [number for number, history in enumerate(histories) if history is None]
    if missing:
        chosen = [[values[number] for number in missing] for values in (models, losses, keys)]
        trained = fit_many(chosen[0], data, chosen[1], keys=chosen[2], **settings)
        for number, history in zip(missing, trained, strict=True):
            save_checkpoint(paths[number], models[number], history, fingerprints[number])
            histories[number] = history
    return histories


def fit_or_load(path, model, data, loss, *, key, **settings) -> pd.DataFrame:
    """`fit`, unless `path` holds the result of this very training: `fit_many_or_load` of one."""
    (history,) = fit_many_or_load([path], [model], data, [loss], keys=[key], **settings)
    return history
