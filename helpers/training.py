"""The jitted training step and one training loop, for one model or for many that are alike.

The loop follows Flax's performance guide: model and optimizer are split once into a static graph
and a state, and a whole epoch (shuffling included) is one jitted `lax.scan` over steps, to which
the state is donated. The states of a group of models are stacked; on one CPU they take turns. `fit`
is a group of one.
"""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PRNGKeyArray, PyTree

from .progress import progress_bar
from .runs import AXES, Loss, Run, alone, as_loss, on_host, prepare, rows

HELD_OUT_AT_ONCE = 10_000  # rows in one evaluation: bounds the memory that it takes


def _gradient_step(model, optimizer, loss, batch, key):
    step = nnx.value_and_grad(loss, has_aux=True, allow_int=True)  # ints: a module's counters
    (_, terms), gradients = step(model, batch, key)
    if "loss" not in terms:
        raise ValueError(f"loss: expected itself among its terms, as 'loss', got {list(terms)}")
    optimizer.update(model, gradients)
    return terms


_jitted_step = nnx.jit(_gradient_step)


def train_step(model: nnx.Module, optimizer: nnx.Optimizer, loss: Loss, batch: PyTree, key) -> dict:
    """One jitted gradient step on one batch; updates model and optimizer in place.

    Args:
        model: its batch normalisation goes by the batch here, by running statistics afterwards.
        optimizer: as Flax makes it, `nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)`.
        loss: (model, batch, key) -> (loss, terms); settings are bound by `jax.tree_util.Partial`.
        batch: images (n, 28, 28), or whatever arrays the loss takes.
        key: for what the loss draws.

    Returns:
        The terms of the loss before the step, nats per image.
    """
    model.train()
    try:
        return _jitted_step(model, optimizer, as_loss(loss), batch, key)
    finally:
        model.eval()


def _sharded(tree, mesh, axis=None):
    """The tree with axis 0 of its arrays divided over an axis of the mesh, if there is one; over
    none: the same on every device."""
    if mesh is None:
        return tree
    place = NamedSharding(mesh, PartitionSpec(axis) if axis else PartitionSpec())
    return jax.lax.with_sharding_constraint(tree, place)


def _picked(chosen, leaf):
    """Rows of an array, `leaf[chosen]`: copied as they lie in memory, without a look at each."""
    flat = leaf.reshape(len(leaf), -1).at[chosen].get(mode="promise_in_bounds")
    return flat.reshape(-1, *leaf.shape[1:])


def _held_out_terms(model, loss, data, key, mesh):
    """The loss's terms on held-out data: means over its rows, evaluated in batches."""
    n = rows(data)
    batches = -(-n // HELD_OUT_AT_ONCE)
    size = n // batches
    keys = [key] if batches == 1 else jax.random.split(key, batches)
    total = {}
    for number, own_key in enumerate(keys):
        part = slice(number * size, (number + 1) * size if number < batches - 1 else n)
        piece = jax.tree.map(lambda leaf, part=part: leaf[part], data)
        even = mesh is not None and rows(piece) % mesh.shape["batch"] == 0
        _, terms = loss(model, _sharded(piece, mesh, "batch") if even else piece, own_key)
        for name, value in terms.items():
            total[name] = total.get(name, 0) + value * (rows(piece) / n)
    return total


@partial(jax.jit, static_argnames="fixed", donate_argnames="states")
def _epoch(fixed, states, losses, keys, epoch, rates, data, test_data):
    """One epoch of every model: (states, finished, (terms by step, held-out terms, norm)).

    states, losses and keys (as numbers) have the models on axis 0. finished: copies of all arrays
    of the models, which stay when the states are donated to the next epoch; norm: of the weights.
    """
    mesh = fixed.mesh
    steps = rows(data) // fixed.batch_size

    def of_one(state, loss, key):
        key = jax.random.fold_in(jax.random.wrap_key_data(key, impl=fixed.key_kind), epoch)
        shuffle_key, noise_key, test_key = jax.random.split(key, 3)
        order = jax.random.permutation(shuffle_key, rows(data))[: steps * fixed.batch_size]

        def step(state, plan):
            """The state after one batch, and its terms."""
            number, chosen, rate = plan
            model, optimizer = nnx.merge(fixed.train_graph, state)
            optimizer.opt_state.hyperparams["learning_rate"][...] = rate
            batch = _sharded(jax.tree.map(partial(_picked, chosen), data), mesh, "batch")
            own_key = jax.random.fold_in(noise_key, number)
            terms = _gradient_step(model, optimizer, loss, batch, own_key)
            return _sharded((nnx.state((model, optimizer)), terms), mesh)

        plans = jnp.arange(steps), order.reshape(steps, -1), rates
        state, terms = jax.lax.scan(step, state, plans)
        model, _ = nnx.merge(fixed.eval_graph, state, copy=True)
        finished = jax.tree.map(jnp.copy, nnx.state(model))
        norm = optax.tree.norm(nnx.state(model, nnx.Param))
        test_terms = {}
        if test_data is not None:
            test_terms = _held_out_terms(model, loss, test_data, test_key, mesh)
        return _sharded((state, finished, (terms, test_terms, norm)), mesh)

    if mesh is None and len(keys) == 1:  # the program that `fit` and models in turns share
        own = jax.tree.map(lambda leaf: leaf[0], (states, losses, keys))
        return jax.tree.map(lambda leaf: leaf[None], of_one(*own))
    axis = None if mesh is None else "models"
    return jax.vmap(of_one, spmd_axis_name=axis)(states, losses, keys)


def _arguments(run, states, epoch):
    """What an epoch's program takes, epochs counted from 0."""
    own = run.losses[epoch], run.keys, np.int32(epoch), run.rates[epoch]
    return run.fixed, states, *own, run.data, run.test_data


def programs(run: Run) -> list[str]:
    """The lowered programs of the first model alone, of a run without a mesh, one for every kind of
    loss: they hold architecture, optimizer and loss with all their constants. What is lowered here
    is not lowered again where models take turns."""
    run = alone(run, 0)
    first = {jax.tree.structure(loss): n for n, loss in reversed([*enumerate(run.losses)])}
    return [
        _epoch.lower(*_arguments(run, run.states, epoch)).as_text()
        for epoch in sorted(first.values())
    ]


def _check_finite(losses, norm, epoch, whose, several):
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        what, step = f"{whose} loss became {losses[bad[0]]}", bad[0] + 1
    elif not np.isfinite(norm):  # of the last step's weights, which no loss has seen yet
        what, step = f"{whose} weights became infinite or nan", len(losses)
    else:
        return
    keeps = "all models keep" if several else "the model keeps"
    raise FloatingPointError(
        f"{what} in epoch {epoch}, step {step} of {len(losses)}; "
        f"{keeps} the weights of epoch {epoch - 1}"
    )


def _history_row(epoch, terms, test_terms):
    row = {name: values.mean() for name, values in terms.items()}
    row |= {f"test_{name}": value for name, value in test_terms.items()}
    return {"epoch": epoch} | {name: float(value) for name, value in row.items()}


def _models(trees):
    """What belongs to each model, of trees whose leaves have models on axis 0."""
    return [
        jax.tree.map(lambda leaf, number=number: leaf[number], tree)
        for tree in trees
        for number in range(len(jax.tree.leaves(tree)[0]))
    ]


def _train(models, run):
    # On one CPU in turns: side by side they push each other's weights out of the cache.
    in_turns = run.fixed.mesh is None and jax.default_backend() == "cpu"
    turns = [alone(run, number) for number in range(len(models))] if in_turns else [run]
    states, epochs, several = [turn.states for turn in turns], len(run.losses), len(models) > 1
    turns, run = [turn._replace(states=None) for turn in turns], None  # one copy is to be alive
    finished, histories = [], [[] for _ in models]
    try:
        with progress_bar(epochs, "epoch") as bar:
            for epoch in range(epochs):
                weights, numbers = [], []
                for place, turn in enumerate(turns):
                    states[place], own, found = _epoch(*_arguments(turn, states[place], epoch))
                    weights.append(own)
                    numbers.append(jax.device_get(found))  # now: Ctrl-C leaves no queue behind
                numbers = _models(numbers)
                for number, history in enumerate(histories):
                    whose = f"model {number}'s" if several else "the"
                    terms, test_terms, norm = numbers[number]
                    _check_finite(terms["loss"], norm, epoch + 1, whose, several)
                    history.append(_history_row(epoch + 1, terms, test_terms))
                finished = weights
                bar.set_postfix_str(f"loss {histories[0][-1]['loss']:.4g}")
                bar.update()
    finally:
        weights = _models(jax.tree.map(on_host, finished))
        for model, own in zip(models, weights, strict=False):  # none, or some that fill up a mesh
            nnx.update(model, jax.tree.map(jnp.asarray, own))
    return [pd.DataFrame(history) for history in histories]


def fit_many(
    models: Sequence[nnx.Module], data: PyTree, losses: Sequence[Loss | Sequence[Loss]], *,
    epochs: int, batch_size: int, learning_rate: float | optax.Schedule,
    keys: Sequence[PRNGKeyArray], optimizer: Callable = optax.adam, test_data: PyTree = None,
    mesh: Mesh | None = None,
) -> list[pd.DataFrame]:  # fmt: skip
    """Train m models that are alike, in place, by one program.

    Each becomes what `fit` would make of it, but for rounding. On one CPU the models take turns,
    epoch by epoch, since side by side they push each other's weights out of the cache.

    Args:
        models: of one architecture, each with its own weights (its seed).
        losses: one for each model, each as in `fit`, of one function with settings of its own.
        keys: one for each model.
        mesh: with the axes ("models", "batch"); None spreads the models over this process's
            devices.
        data, epochs, batch_size, learning_rate, optimizer, test_data: as in `fit`.

    Returns:
        A history for each model, as `fit` returns it.

    Raises:
        ValueError: where models, losses or keys do not match, and as `fit`.
        FloatingPointError: as `fit`; all models hold the last epoch that all of them finished.
    """
    devices = jax.local_devices()[: len(models)]
    if mesh is None and len(devices) > 1:
        mesh = Mesh(np.array(devices)[:, None], AXES)
    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    settings |= {"optimizer": optimizer, "test_data": test_data, "mesh": mesh}
    return _train(models, prepare(models, data, losses, keys=keys, **settings))


def fit(
    model: nnx.Module, data: PyTree, loss: Loss | Sequence[Loss], *, epochs: int, batch_size: int,
    learning_rate: float | optax.Schedule, key: PRNGKeyArray, optimizer: Callable = optax.adam,
    test_data: PyTree = None, mesh: Mesh | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Train a model in place. Every epoch shuffles the rows and drops those that fill no batch.

    Args:
        model: left in eval mode; its batch normalisation goes by the batch in a step, everywhere
            else by running statistics.
        data: images (n, 28, 28) in [0, 1], or any pytree of arrays with n rows each, such as
            (images, labels); a batch of it is what the loss gets.
        loss: (model, batch, key) -> (loss, terms), its settings bound by `jax.tree_util.Partial`;
            or a list of them, one an epoch. Another setting compiles nothing again.
        epochs: how often all rows are seen.
        batch_size: rows in a step.
        learning_rate: a number, or an optax schedule (step -> rate).
        key: shuffles and draws.
        optimizer: from a learning rate to an optax transformation, such as `optax.adam`, or
            `functools.partial(optax.adamw, weight_decay=1e-4)`.
        test_data: held-out data, evaluated after every epoch and never trained on.
        mesh: with the axes ("models", "batch"), the first of size 1: its devices share every
            batch. In a job of several processes each calls `fit` alike.

    Returns:
        The history, a row an epoch: `epoch`, the loss's terms averaged over its steps, and `test_`
        terms at its end; nats per image. After Ctrl-C or an error the model holds the last epoch
        that was finished.

    Raises:
        ValueError: for an argument that is empty, misshapen, of the wrong kind, or a picture in
            0..255; for a batch that does not divide over the mesh.
        FloatingPointError: naming epoch and step, for a loss or weights that are not finite.
    """
    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    settings |= {"optimizer": optimizer, "test_data": test_data, "mesh": mesh}
    (history,) = fit_many([model], data, [loss], keys=[key], **settings)
    return history
