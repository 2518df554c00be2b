"""A training, ready to start: its arguments checked, its settings made data, its models stacked.

What changes from run to run (settings of the loss, rates, keys) is an array of the epoch's program,
so that it compiles nothing again; what the program is compiled for is in `Fixed`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.tree_util import Partial
from jaxtyping import Array, Float, Integer, PRNGKeyArray, PyTree

from .checks import check_count, check_pixels
from .optimizers import rates_by_epoch, with_rate_in_state

AXES = ("models", "batch")  # of a mesh: models are divided over the first, batches over the second

Loss = Callable[[nnx.Module, Any, PRNGKeyArray], tuple[Array, dict[str, Array]]]


class Fixed(NamedTuple):
    """What the epoch's program is compiled for."""

    train_graph: nnx.GraphDef
    eval_graph: nnx.GraphDef  # the same, with batch normalisation by running statistics
    batch_size: int
    key_kind: Any  # as `jax.random.key_impl` names it
    mesh: Mesh | None


class Run(NamedTuple):
    """A training of a group of models, which are axis 0 of states, losses' settings and keys."""

    fixed: Fixed
    states: PyTree
    losses: list[Partial]  # one an epoch
    keys: Integer[np.ndarray, "models numbers"]
    rates: Float[np.ndarray, "epochs steps"]
    data: PyTree
    test_data: PyTree | None


def alone(run: Run, number: int) -> Run:
    """The training of one model of a group without a mesh."""
    parts = run.states, run.losses, run.keys
    states, losses, keys = jax.tree.map(lambda leaf: leaf[number : number + 1], parts)
    return run._replace(states=states, losses=losses, keys=keys)


def rows(data: PyTree) -> int:
    """How many rows the arrays of `data` have."""
    return len(jax.tree.leaves(data)[0])


def as_loss(loss: Loss) -> Partial:
    """The loss as a Partial whose settings are float32: c=1, 1.0 or np.float64(1), one program.

    Raises:
        ValueError: for what is no function, and for a setting that is no number.
    """
    if not callable(loss):
        raise ValueError(f"loss: expected a function (model, batch, key), got {loss!r}")
    loss = loss if isinstance(loss, Partial) else Partial(loss)
    try:
        return jax.tree.map(lambda setting: np.asarray(setting, np.float32), loss)
    except (TypeError, ValueError) as error:
        raise ValueError(f"loss: expected settings that are numbers: {error}") from error


def _losses_by_epoch(loss, epochs):
    losses = list(loss) if isinstance(loss, (list, tuple)) else [loss] * epochs
    if len(losses) != epochs:
        raise ValueError(f"loss: expected one, or {epochs} for {epochs} epochs, got {len(losses)}")
    return list(map(as_loss, losses))


def _split(model, optimizer):
    """(training graph, evaluation graph), state of model and optimizer; the model in eval mode."""
    pair = model, nnx.Optimizer(model, with_rate_in_state(optimizer), wrt=nnx.Param)
    model.train()
    train_graph, _ = nnx.split(pair)
    model.eval()
    eval_graph, state = nnx.split(pair)
    return (train_graph, eval_graph), state


def is_key(leaf) -> bool:
    """Whether it is a key of `jax.random`, which NumPy does not know."""
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)


def on_host(leaf):
    """As a NumPy array; a key, as a module with dropout may hold, as it is."""
    return leaf if is_key(leaf) else np.asarray(leaf)


def _on_device(leaf):
    """As JAX's array: not copied where the CPU can read NumPy's memory as it is."""
    return leaf if isinstance(leaf, jax.Array) else jax.device_put(np.asarray(leaf))


def _stacked(trees):
    def stack(*leaves):
        """By NumPy, which compiles nothing."""
        leaves = list(map(on_host, leaves))
        return np.stack(leaves) if isinstance(leaves[0], np.ndarray) else jnp.stack(leaves)

    return jax.tree.map(stack, *trees)


def _check_data(name, data):
    leaves = jax.tree.leaves(data)
    lengths = {np.shape(leaf)[:1] for leaf in leaves}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves[:3]) or "none"
        raise ValueError(f"{name}: expected arrays of one number of rows, at least 1, got {shapes}")
    for leaf in leaves:
        if np.ndim(leaf) > 1:  # a single number a row may be a class
            check_pixels(name, leaf)


def _check_budget(data, test_data, epochs, batch_size, mesh):
    _check_data("data", data)
    if test_data is not None:
        _check_data("test_data", test_data)
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    n = rows(data)
    if batch_size > n:
        raise ValueError(f"batch_size: expected 1 to {n}, the rows of data, got {batch_size}")
    if mesh is None:
        return
    if not isinstance(mesh, Mesh) or mesh.axis_names != AXES:
        got = mesh.axis_names if isinstance(mesh, Mesh) else mesh
        raise ValueError(f"mesh: expected a mesh with the axes {AXES}, got {got}")
    devices = mesh.shape["batch"]
    if batch_size % devices:
        below = batch_size // devices * devices
        sizes = [str(size) for size in (below, below + devices) if 0 < size <= n]
        such = f"such as {' or '.join(sizes)}" if sizes else f"and there are {n} rows"
        raise ValueError(
            f"batch_size: expected a multiple of {devices}, the devices that share a batch, "
            f"{such}, got {batch_size}"
        )


def _count(values):
    """How many values there are; what it is that has no length, such as a single key."""
    try:
        return len(values)
    except TypeError:
        return f"a single {type(values).__name__}"


def _check_group(models, losses, keys):
    if not len(models):
        raise ValueError("models: expected at least one, got none")
    for name, values in (("losses", losses), ("keys", keys)):
        if _count(values) != len(models):
            got = _count(values)
            raise ValueError(f"{name}: expected {len(models)}, one for each model, got {got}")
    if max(Counter(map(id, models)).values()) > 1:
        raise ValueError("models: expected different ones, got one of them twice")


def _function_and_shapes(losses):
    """What losses must have in common to be stacked: functions, and shapes of settings."""
    return [(jax.tree.structure(loss), [*map(np.shape, jax.tree.leaves(loss))]) for loss in losses]


def _check_alike(graphs, losses):
    for number, (graph, of_model) in enumerate(zip(graphs, losses, strict=True)):
        if graph != graphs[0]:
            raise ValueError(f"models: expected one architecture, model {number} is unlike model 0")
        if _function_and_shapes(of_model) != _function_and_shapes(losses[0]):
            raise ValueError(
                "losses: expected one function with settings of the same shapes, "
                f"model {number} has not model 0's"
            )


def prepare(
    models: Sequence[nnx.Module],
    data: PyTree,
    losses: Sequence[Loss | Sequence[Loss]],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float | optax.Schedule,
    keys: Sequence[PRNGKeyArray],
    optimizer: Callable = optax.adam,
    test_data: PyTree = None,
    mesh: Mesh | None = None,
) -> Run:
    """The training that `fit_many` does, laid out on the mesh; None is one device.

    Args: as in `fit_many`. The models are left in eval mode and otherwise as they were.

    Raises:
        ValueError: as in `fit_many`.
    """
    _check_budget(data, test_data, epochs, batch_size, mesh)
    _check_group(models, losses, keys)
    graphs, states = zip(*(_split(model, optimizer) for model in models), strict=True)
    losses = [_losses_by_epoch(loss, epochs) for loss in losses]
    _check_alike(graphs, losses)
    # Every device has as many models: what is missing is filled up with the first one.
    group = [*range(len(models)), *[0] * (-len(models) % (mesh.shape["models"] if mesh else 1))]
    states = _stacked([states[number] for number in group])
    losses = [_stacked(of_all) for of_all in zip(*(losses[i] for i in group), strict=True)]
    numbers = np.stack([jax.random.key_data(keys[number]) for number in group])
    rates = rates_by_epoch(learning_rate, epochs, rows(data) // batch_size)
    data, test_data = jax.tree.map(_on_device, (data, test_data))
    if mesh is not None:
        mesh = Mesh(mesh.devices, AXES)  # with axes that JAX divides by itself
        over_models = NamedSharding(mesh, PartitionSpec("models"))
        states, losses, numbers = jax.device_put((states, losses, numbers), over_models)
        data, test_data = jax.device_put((data, test_data), NamedSharding(mesh, PartitionSpec()))
    kind = jax.random.key_impl(keys[0])
    fixed = Fixed(*graphs[0], int(batch_size), kind, mesh)
    return Run(fixed, states, losses, numbers, rates, data, test_data)
