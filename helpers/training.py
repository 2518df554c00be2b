"""The jitted training step, the scanned epoch, `fit` and `fit_many`, and checkpoints of both.

The loop follows Flax's performance guide: the model is split once into a static graph and a state,
a whole epoch runs as one jitted `lax.scan` on the device (shuffling included), and the state is
donated from epoch to epoch. Models that are alike train in one program, and a batch may be divided
over a mesh of devices: JAX then inserts the communication. A loss is a function (model, images,
key) -> (loss, terms); its settings are bound with `jax.tree_util.Partial`, so that a new c or beta
compiles nothing again.
"""

import os
import sys
from collections import Counter
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx
from IPython import get_ipython
from IPython.display import display
from jax.sharding import Mesh
from jax.tree_util import Partial
from tqdm import tqdm

from .checkpoints import load_checkpoint, save_checkpoint, weights
from .devices import at_home, constrained, device_mesh, divided, placed
from .files import digest


@cache
def adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam, its rate rising over the first 2 % of the steps and falling to zero over the last 40 %.

    Cached: equal settings give the same object, by which jit knows that it has compiled it before.
    """
    rise, fall = steps // 50 + 1, max(steps * 2 // 5, 1)
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, rise),
            optax.constant_schedule(learning_rate),
            optax.linear_schedule(learning_rate, 0.0, fall),
        ],
        [rise, max(steps - fall, rise)],
    )
    return optax.adam(schedule)


def _as_partial(loss):
    return loss if isinstance(loss, Partial) else Partial(loss)


def _per_epoch(loss, epochs):
    """One loss for every epoch, from one loss or a list of them."""
    losses = list(loss) if isinstance(loss, (list, tuple)) else [loss] * epochs
    if len(losses) != epochs:
        raise ValueError(f"loss: expected one, or {epochs} for {epochs} epochs, got {len(losses)}")
    return [_as_partial(loss) for loss in losses]


def _step(model, optimizer, loss, images, key):
    model.train()  # batch normalisation by the batch; everywhere else by running statistics
    step = nnx.value_and_grad(loss, has_aux=True, allow_int=True)  # ints: a module's counters
    (_, terms), gradients = step(model, images, key)
    optimizer.update(model, gradients)
    model.eval()
    return terms


def _split(model, optimizer, rate=None):
    """Graph and state of model and optimizer, in eval mode: `_step` leaves it for its gradient."""
    model.eval()
    if rate is None:
        return nnx.split((model, nnx.Optimizer(model, optimizer, wrt=nnx.Param)))
    optimizer = nnx.Optimizer(model, _with_a_rate(optimizer), wrt=nnx.Param)
    optimizer.opt_state[1].hyperparams["step_size"][...] = jnp.float32(rate)
    return nnx.split((model, optimizer))


@cache
def _with_a_rate(optimizer):
    """The optimizer with its updates times a number that is kept in its state. Cached as `adam`."""
    return optax.chain(optimizer, optax.inject_hyperparams(optax.scale)(step_size=1.0))


_jitted_step = nnx.jit(_step)


def train_step(model, optimizer: nnx.Optimizer, loss, images, key) -> dict:
    """One jitted gradient step on one batch; updates model and optimizer in place.

    images: (n, 28, 28). Returns the terms of the loss before the step, nats per image.
    """
    return _jitted_step(model, optimizer, _as_partial(loss), images, key)


@partial(jax.jit, static_argnames=("graphdef", "batch_size", "mesh"), donate_argnames="state")
def _epoch(graphdef, state, loss, images, test_images, key, batch_size, mesh=None):
    """All batches of one epoch: (state, terms per step, terms on the test images)."""
    shuffle_key, noise_key, test_key = jax.random.split(key, 3)
    steps = len(images) // batch_size
    order = jax.random.permutation(shuffle_key, len(images))[: steps * batch_size]

    def step(state, batch):
        """The state after one batch, and its terms."""
        rows, key = batch
        model, optimizer = nnx.merge(graphdef, state)
        terms = _step(model, optimizer, loss, divided(images[rows], mesh), key)
        return constrained((nnx.state((model, optimizer)), terms), mesh)

    batches = order.reshape(steps, batch_size), jax.random.split(noise_key, steps)
    state, terms = jax.lax.scan(step, state, batches)
    if test_images is None:
        return state, terms, {}
    # A copy, so that running statistics of the held-out images stay out of what is trained.
    model, _ = nnx.merge(graphdef, state, copy=True)
    test_terms = loss(model, divided(test_images, mesh), test_key)[1]
    return state, terms, constrained(test_terms, mesh)


class _LiveLine:
    """Lets tqdm write into one notebook output that is emptied at the end: no debris."""

    def __init__(self):
        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text):
        """Show the bar as it is now."""
        self.handle.update({"text/plain": text.strip("\r\n ")}, raw=True)

    def flush(self):
        """What tqdm asks of a file; nothing is held back here."""


def _progress(epochs):
    """A tqdm bar in a terminal or a live notebook; none where LATENT_BITS_PROGRESS=0."""
    in_kernel = getattr(get_ipython(), "kernel", None) is not None
    off = os.environ.get("LATENT_BITS_PROGRESS") == "0" or not (in_kernel or sys.stderr.isatty())
    file = _LiveLine() if in_kernel and not off else sys.stderr
    width = 80 if in_kernel else None
    return tqdm(total=epochs, unit="epoch", leave=False, disable=off, file=file, ncols=width)


def _check_fit(images, test_images, epochs, batch_size, mesh=None):
    for name, array in (("images", images), ("test_images", test_images)):
        if array is not None and (jnp.ndim(array) < 2 or len(array) == 0):
            raise ValueError(f"{name}: expected (n, 28, 28) with n >= 1, got {jnp.shape(array)}")
    if epochs < 1:
        raise ValueError(f"epochs: expected at least 1, got {epochs}")
    if not 1 <= batch_size <= len(images):
        raise ValueError(
            f"batch_size: expected 1 to {len(images)}, the number of images, got {batch_size}"
        )
    if mesh is not None and batch_size % mesh.size:
        below = batch_size // mesh.size * mesh.size
        sizes = [str(n) for n in (below, below + mesh.size) if 0 < n <= len(images)]
        such = f"such as {' or '.join(sizes)}" if sizes else f"and there are {len(images)} images"
        raise ValueError(
            f"batch_size: expected a multiple of {mesh.size}, the devices of the mesh, {such}, "
            f"got {batch_size}"
        )


_copied = jax.jit(lambda tree: jax.tree.map(jnp.copy, tree))  # one program, not one for each leaf
_norm = jax.jit(optax.tree.norm)
_norms = jax.jit(jax.vmap(optax.tree.norm))


def _check_finite(losses, norm, epoch, whose="the", keeps="the model keeps"):
    bad = np.flatnonzero(~np.isfinite(losses))
    if len(bad):
        what, step = f"{whose} loss became {losses[bad[0]]}", bad[0] + 1
    elif not np.isfinite(norm):  # of the last step's weights, which no loss has seen yet
        what, step = f"{whose} weights became infinite or nan", len(losses)
    else:
        return
    raise FloatingPointError(
        f"{what} in epoch {epoch}, step {step} of {len(losses)}; "
        f"{keeps} the weights of epoch {epoch - 1}"
    )


def _row(epoch, terms, test_terms):
    """A row of the history, from the terms of every step and those on the test images."""
    row = {name: values.mean() for name, values in terms.items()}
    row |= {f"test_{name}": np.asarray(value) for name, value in test_terms.items()}
    return {"epoch": epoch} | {name: float(value) for name, value in row.items()}


def fit(
    model, images, loss, *, epochs, batch_size, optimizer, key, test_images=None, mesh=None
) -> pd.DataFrame:
    """Train `model` in place and return its history.

    images: (n, 28, 28); loss: (model, images, key) -> (loss, terms), settings bound by
    `jax.tree_util.Partial`, or a list of them, one per epoch; optimizer: an optax transformation;
    key: shuffles and draws; test_images: held-out images that are evaluated, never trained on,
    after every epoch; mesh: a `jax.sharding.Mesh` whose devices share every batch, the state being
    the same on all of them (each process of a `jax.distributed` job calls `fit` alike).

    Each epoch shuffles the images and drops the remainder that does not fill a batch. The history
    has a row per epoch: `epoch`, the loss's terms averaged over its steps, and `test_` terms at
    its end; nats per image. After Ctrl-C or an error the model holds the last finished epoch.
    Batch normalisation goes by the batch in a step, by its running statistics on the test images
    and afterwards: the model is left in eval mode.

    Raises ValueError for an empty or misshapen argument, or a batch that does not divide over the
    mesh, FloatingPointError, naming epoch and step, for a loss that is not finite.
    """
    _check_fit(images, test_images, epochs, batch_size, mesh)
    losses, images = _per_epoch(loss, epochs), jnp.asarray(images)
    test_images = None if test_images is None else jnp.asarray(test_images)
    graphdef, state = _split(model, optimizer)
    # Donation invalidates what goes in: train on a copy, and keep the last finished weights apart.
    state = _copied(state)
    if mesh is not None:
        mesh = Mesh(mesh.devices, mesh.axis_names)  # with axes that JAX divides by itself
    given = placed((state, losses, images, test_images, key), mesh)
    state, losses, images, test_images, key = given
    finished, rows = None, []
    try:
        with _progress(epochs) as bar:
            keys = jax.random.split(key, epochs)
            for epoch, (loss, epoch_key) in enumerate(zip(losses, keys, strict=True), start=1):
                state, terms, test_terms = _epoch(
                    graphdef, state, loss, images, test_images, epoch_key, batch_size, mesh
                )
                terms = {name: np.asarray(values) for name, values in terms.items()}
                trained, _ = nnx.merge(graphdef, _copied(state))
                _check_finite(terms["loss"], _norm(nnx.state(trained, nnx.Param)), epoch)
                finished = nnx.state(trained)
                rows.append(_row(epoch, terms, test_terms))
                bar.set_postfix_str(f"loss {rows[-1]['loss']:.4g}")
                bar.update()
    finally:
        if finished is not None:
            nnx.update(model, at_home(finished, mesh))
    return pd.DataFrame(rows)


@partial(jax.jit, static_argnames=("graphdef", "batch_size", "mesh"), donate_argnames="states")
def _epoch_of_many(graphdef, states, losses, images, test_images, keys, batch_size, mesh):
    def epoch(own):
        """`_epoch` of one model; the images are shared."""
        state, loss, key = own
        return _epoch(graphdef, state, loss, images, test_images, key, batch_size)

    # Side by side, but in turns on a single CPU: there many models would push each other's weights
    # out of its cache at every step.
    in_turns = mesh is None and jax.default_backend() == "cpu"
    every = partial(jax.lax.map, epoch) if in_turns else jax.vmap(epoch)
    states, *terms = every((states, losses, keys))
    return constrained(states, mesh, ("models",)), *terms


def _stacked(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@partial(jax.jit, static_argnames=("n", "mesh"))
def _unstacked(tree, n, mesh):
    return constrained([jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(n)], mesh)


def _check_many(models, losses, epochs, **given):
    given |= {"models": models, "losses": losses}
    if not len(models):
        raise ValueError("models: expected at least one, got none")
    for name, values in given.items():
        if _count(values) != len(models):
            got = _count(values)
            raise ValueError(f"{name}: expected {len(models)}, one for each model, got {got}")
    for name, marks in (("models", map(id, models)), ("paths", map(str, given.get("paths", ())))):
        if max(Counter(marks).values(), default=1) > 1:
            raise ValueError(f"{name}: expected different ones, got one of them twice")
    for number, model in enumerate(models):
        model.eval()  # as all are trained, whatever mode they came in
        if nnx.graphdef(model) != nnx.graphdef(models[0]):
            raise ValueError(f"models: expected one architecture, model {number} is unlike model 0")
    forms = [_form(_per_epoch(loss, epochs)) for loss in losses]
    for number, form in enumerate(forms):
        if form != forms[0]:
            raise ValueError(
                "losses: expected one function with settings of the same shapes and types, "
                f"model {number} has not model 0's"
            )


def _count(values):
    """How many values there are; what it is that has no length, such as a single key."""
    try:
        return len(values)
    except TypeError:
        return f"a single {type(values).__name__}"


def _form(losses):
    """What losses must have in common to be stacked: functions, shapes and types of settings."""
    kinds = [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(losses)]
    return jax.tree.structure(losses), kinds


def _losses_of_many(losses, epochs):
    """For every epoch one loss, its settings stacked over the models."""
    by_model = [_per_epoch(loss, epochs) for loss in losses]
    return [_stacked(of_epoch) for of_epoch in zip(*by_model, strict=True)]


def _keys_of_many(keys, epochs):
    """For every epoch the keys of all models."""
    with jax.debug_key_reuse(False):  # as in `fit_many`
        return list(jax.vmap(lambda key: jax.random.split(key, epochs), 0, 1)(jnp.stack(keys)))


def fit_many(
    models, images, losses, *, epochs, batch_size, optimizer, keys, rates=None, test_images=None
) -> list:
    """`fit` for m models that are alike, as one program; a list of their histories.

    models: of one architecture, each with its own weights (its seed), trained in place; losses:
    one for each model, each as in `fit`, of one function with settings of their own (c, beta);
    keys: one for each; rates: factors on the optimizer's updates, one for each (default 1). The
    models are spread over this process's devices, and vmapped (on a single CPU, which that would
    slow down, they take turns). Each becomes what `fit` would have made of it, but for rounding.
    Other arguments as in `fit`.

    Raises ValueError where the models, losses, keys or rates do not match, and as `fit`: after an
    error all models hold the last epoch that all of them finished.
    """
    _check_fit(images, test_images, epochs, batch_size)
    rates = [None] * len(models) if rates is None else rates
    _check_many(models, losses, epochs, keys=keys, rates=rates)
    splits = [_split(model, optimizer, rate) for model, rate in zip(models, rates, strict=True)]
    graphdef, mesh = splits[0][0], device_mesh(len(models))
    # Every device has as many models: what is missing is filled up with the first one.
    group = [*range(len(models)), *[0] * (-len(models) % (mesh.size if mesh else 1))]
    states = _stacked([splits[number][1] for number in group])
    losses = _losses_of_many([losses[number] for number in group], epochs)
    keys = _keys_of_many([keys[number] for number in group], epochs)
    states, losses, keys = placed((states, losses, keys), mesh, ("models",))
    shared = jnp.asarray(images), None if test_images is None else jnp.asarray(test_images)
    images, test_images = placed(shared, mesh)
    finished, rows = None, [[] for _ in models]
    try:
        # JAX's check for keys used twice takes it for a use that vmap moves the axes of an array of
        # keys; `fit`, the same program for one model, passes it.
        with _progress(epochs) as bar, jax.debug_key_reuse(False):
            for epoch, (loss, epoch_keys) in enumerate(zip(losses, keys, strict=True), start=1):
                states, terms, test_terms = _epoch_of_many(
                    graphdef, states, loss, images, test_images, epoch_keys, batch_size, mesh
                )
                trained, _ = nnx.merge(graphdef, _copied(states))
                norms = _norms(nnx.state(trained, nnx.Param))
                of_all = jax.device_get((terms, test_terms, norms))
                for number in range(len(models)):
                    own, own_test, norm = jax.tree.map(lambda leaf, i=number: leaf[i], of_all)
                    whose = f"model {number}'s", "all models keep"
                    _check_finite(own["loss"], norm, epoch, *whose)
                    rows[number].append(_row(epoch, own, own_test))
                finished = nnx.state(trained)
                bar.update()
    finally:
        if finished is not None:
            states = _unstacked(finished, len(models), mesh)
            for model, own in zip(models, states, strict=True):
                nnx.update(model, at_home(own, mesh))
    return [pd.DataFrame(of_model) for of_model in rows]


def _programs(model, images, loss, *, epochs, batch_size, optimizer, key, test_images=None):
    """A digest of the lowered programs of a fit: they hold architecture, loss, optimizer, schedule
    and all their constants."""
    graphdef, state = _split(model, optimizer)
    kinds = {jax.tree.structure(loss): loss for loss in _per_epoch(loss, epochs)}
    texts = [  # called just as `fit` calls it: what is lowered here is lowered for both
        _epoch.lower(graphdef, state, loss, images, test_images, key, batch_size, None).as_text()
        for loss in kinds.values()
    ]
    return digest({"text": np.array(texts)})


def _fingerprint(model, images, loss, *, programs=None, mesh=None, **settings):
    """What a fit depends on, by part: equal fingerprints mean that it would compute the same.

    programs: of a fit that differs in weights, key and settings of the loss only, if they are
    known. The mesh does not count: it changes no more than the rounding."""
    epochs, batch_size, key = (settings[name] for name in ("epochs", "batch_size", "key"))
    test_images = settings.get("test_images")
    losses = _per_epoch(loss, epochs)
    kinds = {jax.tree.structure(loss): None for loss in losses}
    order = [list(kinds).index(jax.tree.structure(loss)) for loss in losses]
    leaves = [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(losses)]
    return {
        "program": programs or _programs(model, images, loss, **settings),
        "initial weights": digest(weights(model)),
        "images": digest({"train": images, "test": () if test_images is None else test_images}),
        "loss settings": [order, leaves],
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "budget": f"{epochs} epochs of batches of {batch_size}",
    }


def _load_if_same(path, model, fingerprint):
    """The stored history of this very fit, its weights in `model`; None, said why, if there is
    no such file."""
    try:
        return load_checkpoint(path, model, fingerprint)
    except FileNotFoundError:
        return None
    except ValueError as error:
        print(f"Training anew: {error}.")
        return None


def fit_or_load(path, model, images, loss, **settings) -> pd.DataFrame:
    """`fit`, unless `path` holds the result of this very fit; then load that instead.

    A checkpoint that is damaged or was made from another model, data, settings or budget is
    refused with a message and trained anew. Arguments and errors as in `fit`; ValueError for a
    mesh in a job of several processes, each of which might decide otherwise: use `fit` there.
    """
    if settings.get("mesh") is not None and jax.process_count() > 1:
        raise ValueError(f"mesh: expected one process, got {jax.process_count()}: use `fit`")
    budget = {name: settings.get(name) for name in ("test_images", "epochs", "batch_size", "mesh")}
    _check_fit(images, **budget)
    fingerprint = _fingerprint(model, images, loss, **settings)
    history = _load_if_same(path, model, fingerprint)
    if history is None:
        history = fit(model, images, loss, **settings)
        save_checkpoint(path, model, history, fingerprint)
    return history


def fit_many_or_load(paths, models, images, losses, *, keys, **settings) -> list:
    """`fit_many` of those models whose `path` does not hold the result of this very fit.

    The checkpoints are those of `fit_or_load`. Arguments and errors as in `fit_many`, without
    rates, and as in `fit_or_load`.
    """
    _check_fit(images, settings.get("test_images"), settings["epochs"], settings["batch_size"])
    _check_many(models, losses, settings["epochs"], keys=keys, paths=paths)
    given = list(zip(paths, models, losses, keys, strict=True))
    programs = _programs(models[0], images, losses[0], key=keys[0], **settings)
    fingerprints = [
        _fingerprint(model, images, loss, key=key, programs=programs, **settings)
        for _, model, loss, key in given
    ]
    histories = list(map(_load_if_same, paths, models, fingerprints))
    missing = [number for number, history in enumerate(histories) if history is None]
    if missing:
        paths, models, losses, keys = zip(*(given[number] for number in missing), strict=True)
        trained = fit_many(models, images, losses, keys=keys, **settings)
        for number, path, model, history in zip(missing, paths, models, trained, strict=True):
            save_checkpoint(path, model, history, fingerprints[number])
            histories[number] = history
    return histories
