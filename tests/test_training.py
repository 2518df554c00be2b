"""Training: against a plain Python loop, interrupted, gone wrong, resumed."""

import io
import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx
from jax.tree_util import Partial

from helpers import training
from helpers.files import ROOT, save_arrays
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import autoencoder_loss, denoising_loss, squared_error, vae_loss
from helpers.shapes import random_shapes
from helpers.training import adam, fit, fit_or_load, load_checkpoint, save_checkpoint, train_step

# One object for all tests: by it jit knows what it has compiled before.
OPTIMIZER = optax.sgd(1e-3, momentum=0.9)
SMALL = {"encoder_widths": (8,), "decoder_widths": (8,)}
BATCH = 16
N = 70  # four batches of 16; six images are left over in every epoch
STEPS = N // BATCH


@pytest.fixture(scope="module")
def all_images():
    return random_shapes(jax.random.key(0), N + 10)[0]


@pytest.fixture(scope="module")
def images(all_images):
    return all_images[:N]


@pytest.fixture(scope="module")
def test_images(all_images):
    return all_images[N:]


class Counting(Autoencoder):
    """Carries two things that no gradient changes: a step count and a running mean."""

    def __init__(self, *, dtype=jnp.float32, rngs):
        super().__init__(2, **SMALL, rngs=rngs)
        self.steps = nnx.Variable(jnp.zeros((), dtype))
        self.norm = nnx.BatchNorm(2, rngs=rngs)

    def encode(self, x):
        return self.norm(super().encode(x))


def counting_loss(model, images, key, nan_from_step=jnp.inf):
    """The squared error, which becomes nan at a step of our choice (from 1)."""
    model.steps[...] += 1
    error, _ = autoencoder_loss(model, images, key)
    error = jnp.where(model.steps[...] >= nan_from_step, jnp.nan, error)
    return error, {"loss": error}


def autoencoder():
    return Autoencoder(2, **SMALL, rngs=nnx.Rngs(0))


def vae(seed=0, **widths):
    return VariationalAutoencoder(2, **SMALL | widths, rngs=nnx.Rngs(seed))


def counting(dtype=jnp.float32):
    return Counting(dtype=dtype, rngs=nnx.Rngs(0))


def elbo(c=0.5, beta=1.0):
    return Partial(vae_loss, c=c, beta=beta)


def settings(**changes):
    return {
        "epochs": 3,
        "batch_size": BATCH,
        "optimizer": OPTIMIZER,
        "key": jax.random.key(2),
    } | changes


def weights(model):
    return [np.array(leaf) for leaf in jax.tree.leaves(nnx.state(model))]


def assert_equal_weights(model, expected, **tolerance):
    for ours, theirs in zip(weights(model), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **({"rtol": 0, "atol": 0} | tolerance))


def moved(model, before):
    return any(not np.array_equal(a, b) for a, b in zip(weights(model), before, strict=True))


def as_partial(loss):
    return loss if isinstance(loss, Partial) else Partial(loss)


@nnx.jit
def step_by_hand(model, optimizer, loss, images, key):
    (value, terms), gradients = nnx.value_and_grad(loss, has_aux=True)(model, images, key)
    optimizer.update(model, gradients)
    return value, terms


def fit_by_hand(model, images, loss, *, epochs, batch_size, optimizer, key, stop_after=None):
    """`fit` as a plain Python loop over the same shuffles and keys, one step at a time."""
    images = jnp.asarray(images)
    optimizer = nnx.Optimizer(model, optimizer, wrt=nnx.Param)
    losses = loss if isinstance(loss, list) else [loss] * epochs
    values = []
    keys = jax.random.split(jax.random.clone(key), epochs)
    for loss, epoch_key in list(zip(losses, keys, strict=True))[:stop_after]:
        shuffle_key, noise_key, _ = jax.random.split(epoch_key, 3)
        steps = len(images) // batch_size
        rows = jax.random.permutation(shuffle_key, len(images))[: steps * batch_size]
        batches = zip(rows.reshape(steps, -1), jax.random.split(noise_key, steps), strict=True)
        for batch, step_key in batches:
            value, _ = step_by_hand(model, optimizer, as_partial(loss), images[batch], step_key)
            values.append(float(value))
    return np.mean(np.reshape(values, (-1, steps)), axis=1)


def raising_on_call(number, function, error):
    """`function`, but its call of that number (from 1) raises instead."""
    calls = []

    def wrapped(*args, **kwargs):
        calls.append(1)
        if len(calls) == number:
            raise error
        return function(*args, **kwargs)

    return wrapped


# The training step


@pytest.mark.parametrize(("make", "loss"), [(autoencoder, autoencoder_loss), (vae, elbo())])
def test_train_step_is_value_and_grad_then_update(make, loss, images):
    model, by_hand = make(), make()
    optimizer = nnx.Optimizer(model, OPTIMIZER, wrt=nnx.Param)
    optimizer_by_hand = nnx.Optimizer(by_hand, OPTIMIZER, wrt=nnx.Param)
    before = weights(model)
    for key in jax.random.split(jax.random.key(3), 3):
        terms = train_step(model, optimizer, loss, images[:BATCH], key)
        batch = images[:BATCH], jax.random.clone(key)
        _, expected = step_by_hand(by_hand, optimizer_by_hand, as_partial(loss), *batch)
        assert terms.keys() == expected.keys()
        for name, value in terms.items():
            assert value == pytest.approx(float(expected[name]), rel=1e-4)
    assert moved(model, before)
    assert_equal_weights(model, weights(by_hand), atol=1e-5)


def test_train_step_returns_the_loss_before_the_step_and_lowers_it(images):
    model, batch = autoencoder(), images[:BATCH]
    start = autoencoder_loss(model, batch, None)[0]
    optimizer = nnx.Optimizer(model, OPTIMIZER, wrt=nnx.Param)
    keys = jax.random.split(jax.random.key(3), 3)
    terms = [train_step(model, optimizer, autoencoder_loss, batch, key) for key in keys]
    assert terms[0]["loss"] == pytest.approx(float(start), rel=1e-5)
    assert terms[2]["loss"] < terms[0]["loss"]


# The optimizer


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_the_rate_of_adam_rises_to_what_was_asked_for_and_falls_to_zero(steps):
    transformation = adam(0.1, steps)
    weight = jnp.zeros(())

    def step(state, _):
        update, state = transformation.update(jnp.ones(()), state, weight)
        return state, -update  # Adam's step on a constant gradient is the learning rate

    rates = np.asarray(jax.lax.scan(step, transformation.init(weight), length=steps + 1)[1])
    assert rates[0] == 0
    assert rates.max() == pytest.approx(0.1, rel=1e-3)
    top = np.flatnonzero(rates > 0.0999)[0]
    assert top <= steps // 50 + 1
    assert np.all(np.diff(rates[top:]) <= 1e-4)
    assert steps < 10 or rates[-1] == pytest.approx(0, abs=1e-6)


def test_equal_settings_give_the_same_adam():
    assert adam(0.1, 50) is adam(0.1, 50)
    assert adam(0.1, 50) is not adam(0.1, 51)


# Fit


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (autoencoder, autoencoder_loss),
        (vae, elbo()),
        (vae, [elbo(c) for c in (0.5, 0.7, 0.9)]),
    ],
    ids=["autoencoder", "vae", "a loss per epoch"],
)
def test_fit_is_a_plain_loop_over_the_same_shuffles_and_keys(make, loss, images):
    model, by_hand = make(), make()
    history = fit(model, images, loss, **settings())
    losses = fit_by_hand(by_hand, images, loss, **settings())
    assert_equal_weights(model, weights(by_hand), atol=1e-5)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)


def test_fit_learns(images):
    model = autoencoder()
    history = fit(model, images, autoencoder_loss, **settings(epochs=40))
    losses = history["loss"].to_numpy()
    assert losses[-1] < 0.8 * losses[0]
    error = squared_error(images, model.decode(model.encode(images))).mean()
    assert error == pytest.approx(losses[-1], rel=0.1)


def test_the_history_has_a_row_per_epoch_and_the_terms_of_the_loss(images, test_images):
    terms = {"loss", "squared_error", "kl"}
    history = fit(vae(), images, elbo(), **settings())
    assert (history.columns[0], set(history.columns[1:])) == ("epoch", terms)
    assert list(history["epoch"]) == [1, 2, 3]
    both = fit(vae(), images, elbo(), **settings(test_images=test_images))
    assert set(both) == {"epoch"} | terms | {f"test_{name}" for name in terms}
    np.testing.assert_allclose(both["loss"], both["squared_error"] + both["kl"], rtol=1e-5)
    total = both["test_squared_error"] + both["test_kl"]
    np.testing.assert_allclose(both["test_loss"], total, rtol=1e-5)


def test_test_terms_are_those_of_the_model_at_the_end_of_the_epoch(images, test_images):
    model, key = vae(), jax.random.key(4)
    history = fit(model, images, elbo(), **settings(key=key, test_images=test_images))
    last_epoch = jax.random.split(jax.random.clone(key), 3)[2]
    _, _, test_key = jax.random.split(last_epoch, 3)
    _, terms = vae_loss(model, test_images, test_key, c=0.5)
    for name, value in terms.items():
        assert history[f"test_{name}"].iloc[-1] == pytest.approx(float(value), rel=1e-4)


def test_held_out_images_never_change_the_weights(images, test_images):
    by_test_images = {}
    for name, held_out in (("none", None), ("some", test_images), ("others", 1 - test_images)):
        model = counting()
        fit(model, images, counting_loss, **settings(test_images=held_out))
        by_test_images[name] = model
    assert_equal_weights(by_test_images["others"], weights(by_test_images["some"]))
    assert_equal_weights(by_test_images["none"], weights(by_test_images["some"]), atol=1e-5)


def test_fit_is_deterministic_for_a_key(images):
    models, histories = zip(
        *(
            (m := vae(), fit(m, images, elbo(), **settings(key=jax.random.key(s))))
            for s in (5, 5, 6)
        ),
        strict=True,
    )
    assert_equal_weights(models[1], weights(models[0]))
    pd.testing.assert_frame_equal(histories[0], histories[1])
    assert moved(models[2], weights(models[0]))


def test_fit_leaves_the_arrays_it_was_given_alone(images, test_images):
    model = vae()
    given = [
        variable[...]
        for variable in jax.tree.leaves(
            nnx.state(model), is_leaf=lambda v: isinstance(v, nnx.Variable)
        )
    ]
    copies = [np.array(array) for array in given]
    on_device, held_out = jnp.asarray(images), jnp.asarray(test_images)
    key = jax.random.key(7)
    fit(model, on_device, elbo(), **settings(key=key, test_images=held_out))
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)  # donated arrays would be deleted
    assert moved(model, copies)
    np.testing.assert_array_equal(on_device, images)
    np.testing.assert_array_equal(held_out, test_images)


def test_a_fitted_model_can_be_used_and_fitted_on(images):
    model = autoencoder()
    first = fit(model, images, autoencoder_loss, **settings(epochs=10))
    assert np.all(np.isfinite(model.decode(model.encode(images))))
    second = fit(model, images, autoencoder_loss, **settings(epochs=10, key=jax.random.key(8)))
    assert second["loss"].iloc[0] < first["loss"].iloc[0]


@pytest.mark.parametrize(("batch_size", "steps"), [(BATCH, 4), (N, 1)])
def test_an_epoch_drops_the_remainder_that_fills_no_batch(batch_size, steps, images):
    model = counting()
    fit(model, images, counting_loss, **settings(epochs=2, batch_size=batch_size))
    assert model.steps[...] == 2 * steps


def test_every_epoch_shuffles_anew_and_uses_no_image_twice(images):
    # Images that hold their own number, and a loss that reports which ones it saw.
    numbers = np.broadcast_to(2.0 ** np.arange(8)[:, None, None], (8, 28, 28))

    def seen(model, images, key):
        zero = 0 * autoencoder_loss(model, images, key)[0]
        return zero, {"loss": zero, "sum": images[:, 0, 0].sum(), "first": images[0, 0, 0]}

    history = fit(autoencoder(), numbers, seen, **settings(epochs=12, batch_size=4))
    np.testing.assert_array_equal(history["sum"], np.full(12, 255 / 2))  # 2 steps, each number once
    assert history["first"].nunique() > 1


def test_state_that_is_not_trained_is_carried_from_step_to_step(images):
    model, by_hand = counting(), counting()
    start = model.norm.mean[...]
    fit(model, images, counting_loss, **settings())
    fit_by_hand(by_hand, images, counting_loss, **settings())
    assert model.steps[...] == 3 * STEPS
    assert not np.allclose(model.norm.mean[...], start)
    np.testing.assert_allclose(model.norm.mean[...], by_hand.norm.mean[...], atol=1e-5)
    np.testing.assert_allclose(model.norm.var[...], by_hand.norm.var[...], atol=1e-5)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_test_images_are_normalised_by_running_statistics_and_so_is_all_after(
    mode, images, test_images, path, capsys
):
    model, loaded, key = counting(), counting(), jax.random.key(4)
    getattr(model, mode)()  # the mode that a model comes in makes no difference
    arguments = {"key": key, "test_images": test_images}
    history = fit_or_load(path, model, images, counting_loss, **settings(**arguments))
    mean, deviation = model.norm.mean[...], jnp.sqrt(model.norm.var[...] + model.norm.epsilon)
    code = Autoencoder.encode(model, test_images)
    expected = (code - mean) / deviation * model.norm.scale[...] + model.norm.bias[...]
    np.testing.assert_allclose(model.encode(test_images), expected, rtol=1e-4, atol=1e-5)
    error = squared_error(test_images, model.decode(expected)).mean()
    assert history["test_loss"].iloc[-1] == pytest.approx(float(error), rel=1e-4)
    np.testing.assert_array_equal(model.norm.mean[...], mean)  # looking changes nothing
    arguments["key"] = jax.random.clone(key)
    fit_or_load(path, loaded, images, counting_loss, **settings(**arguments))
    np.testing.assert_array_equal(loaded.encode(test_images), model.encode(test_images))
    assert capsys.readouterr().out == ""  # loaded, not trained anew


def test_state_of_whole_numbers_is_carried_too(images):
    model = counting(dtype=jnp.int32)
    fit(model, images, counting_loss, **settings())
    assert model.steps[...] == 3 * STEPS
    assert model.steps[...].dtype == jnp.int32


def test_another_c_compiles_nothing_again(images):
    first = fit(vae(), images, elbo(), **settings())
    compiled = training._epoch._cache_size()
    second = fit(vae(), images, elbo(c=0.7), **settings())
    fit(vae(), images, [elbo(c) for c in (0.5, 0.6, 0.7)], **settings())
    assert training._epoch._cache_size() == compiled
    assert not np.allclose(first["loss"], second["loss"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": [autoencoder_loss] * 2}, "loss: expected one, or 3 for 3 epochs, got 2"),
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"batch_size": 0}, f"batch_size: expected 1 to {N}.*got 0"),
        ({"batch_size": N + 1}, f"batch_size: expected 1 to {N}.*got {N + 1}"),
        ({"images": np.zeros((0, 28, 28))}, r"^images: expected \(n, 28, 28\).*\(0, 28, 28\)"),
        ({"images": np.zeros(784)}, r"^images: expected \(n, 28, 28\).*\(784,\)"),
        ({"test_images": np.zeros((0, 28, 28))}, r"^test_images: expected .*\(0, 28, 28\)"),
    ],
)
@pytest.mark.parametrize("through", ["fit", "fit_or_load"])
def test_bad_arguments_are_refused_by_name_before_anything_happens(
    through, changes, message, images, tmp_path
):
    model, arguments = autoencoder(), settings(images=images, loss=autoencoder_loss) | changes
    before = weights(model)
    call = fit if through == "fit" else lambda *a, **k: fit_or_load(tmp_path / "model.npz", *a, **k)
    with pytest.raises(ValueError, match=message):
        call(model, **arguments)
    assert_equal_weights(model, before)
    assert os.listdir(tmp_path) == []


# Interrupted, or gone wrong


class BarThatIsInterrupted:
    """A progress bar during whose second update the reader presses Ctrl-C."""

    def __init__(self):
        self.update = raising_on_call(2, lambda: None, KeyboardInterrupt)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False

    def set_postfix_str(self, text):
        pass


@pytest.mark.parametrize("where", ["in the third epoch", "in the bar after the second"])
def test_after_ctrl_c_the_model_holds_the_last_finished_epoch(where, images, monkeypatch):
    model, by_hand = autoencoder(), autoencoder()
    if where == "in the third epoch":
        interrupted = raising_on_call(3, training._epoch, KeyboardInterrupt)
        monkeypatch.setattr(training, "_epoch", interrupted)
    else:
        monkeypatch.setattr(training, "_progress", lambda epochs: BarThatIsInterrupted())
    with pytest.raises(KeyboardInterrupt):
        fit(model, images, autoencoder_loss, **settings(epochs=5))
    fit_by_hand(by_hand, images, autoencoder_loss, **settings(epochs=5), stop_after=2)
    assert_equal_weights(model, weights(by_hand), atol=1e-5)
    monkeypatch.undo()
    assert len(fit(model, images, autoencoder_loss, **settings())) == 3


def test_after_ctrl_c_in_the_first_epoch_the_model_is_as_before(images, monkeypatch):
    model = autoencoder()
    before = weights(model)
    monkeypatch.setattr(training, "_epoch", raising_on_call(1, None, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fit(model, images, autoencoder_loss, **settings())
    assert_equal_weights(model, before)
    assert np.all(np.isfinite(model.decode(model.encode(images))))


def test_a_loss_that_is_not_finite_stops_and_names_epoch_and_step(images):
    model, by_hand = counting(), counting()
    loss = Partial(counting_loss, nan_from_step=STEPS + 3.0)
    message = f"the loss became nan in epoch 2, step 3 of {STEPS}; .*weights of epoch 1"
    with pytest.raises(FloatingPointError, match=message):
        fit(model, images, loss, **settings())
    fit_by_hand(by_hand, images, counting_loss, **settings(), stop_after=1)
    assert_equal_weights(model, weights(by_hand), atol=1e-5)  # the count of 4 steps among them


def test_an_image_that_is_not_finite_is_found_in_the_step_that_meets_it(images):
    model, spoiled, key = autoencoder(), images.copy(), jax.random.key(9)
    spoiled[33, 5, 5] = np.inf
    first_epoch = jax.random.split(jax.random.clone(key), 3)[0]
    rows = jax.random.permutation(jax.random.split(first_epoch, 3)[0], N)
    step = int(np.flatnonzero(rows == 33)[0]) // BATCH + 1
    assert 1 < step <= STEPS  # this key meets it, and not at once
    before = weights(model)
    with pytest.raises(FloatingPointError, match=f"in epoch 1, step {step} of {STEPS}"):
        fit(model, spoiled, autoencoder_loss, **settings(key=key))
    assert_equal_weights(model, before)


def test_weights_that_break_in_the_very_last_step_are_noticed_too(images):
    model = Autoencoder(2, **SMALL, rngs=nnx.Rngs(0))
    before = jax.tree.map(jnp.copy, nnx.state(model))
    one_step = {"epochs": 1, "batch_size": len(images), "optimizer": optax.sgd(jnp.inf)}
    with pytest.raises(FloatingPointError, match=r"weights became .* in epoch 1, step 1 of 1"):
        fit(model, images, autoencoder_loss, **settings(**one_step))
    jax.tree.map(np.testing.assert_array_equal, before, nnx.state(model))


# The progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_with_loss_that_is_wiped_at_the_end(images, monkeypatch):
    monkeypatch.delenv("LATENT_BITS_PROGRESS", raising=False)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    fit(autoencoder(), images, autoencoder_loss, **settings())
    frames = terminal.getvalue().split("\r")
    assert any("3" in frame and "epoch" in frame and "loss " in frame for frame in frames)
    assert frames[-1].strip() == frames[-2].strip() == ""


@pytest.mark.parametrize("why", ["no terminal", "switched off"])
def test_elsewhere_nothing_is_printed(why, images, monkeypatch, capsys):
    monkeypatch.delenv("LATENT_BITS_PROGRESS", raising=False)
    if why == "switched off":
        monkeypatch.setenv("LATENT_BITS_PROGRESS", "0")
        monkeypatch.setattr(sys, "stderr", Terminal())
    fit(autoencoder(), images, autoencoder_loss, **settings())
    assert capsys.readouterr() == ("", "")
    assert why == "no terminal" or sys.stderr.getvalue() == ""


def test_a_notebook_shows_a_bar_in_one_output_and_keeps_none_of_it(images, monkeypatch):
    monkeypatch.delenv("LATENT_BITS_PROGRESS", raising=False)
    frames = []
    handle = SimpleNamespace(update=lambda data, raw: frames.append(data["text/plain"]))
    monkeypatch.setattr(training, "get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr(training, "display", lambda *args, **kwargs: handle)
    fit(autoencoder(), images, autoencoder_loss, **settings())
    assert any("loss " in frame for frame in frames)
    assert frames[-1] == ""


# Checkpoints


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoints" / "model.npz"


def fit_vae_or_load(path, images, c=0.5, beta=1.0, model=None, **changes):
    model = model or vae()
    loss = [elbo(each, beta) for each in c] if isinstance(c, list) else elbo(c, beta)
    return model, fit_or_load(path, model, images, loss, **settings(**changes))


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("trained again instead of loading")

    def forbid():
        monkeypatch.setattr(training, "fit", fail)

    return forbid


@pytest.fixture
def trainings(monkeypatch):
    """Counts trainings, and makes each as short as can be."""
    calls = []

    def record(*args, **kwargs):
        calls.append(kwargs)
        return pd.DataFrame({"epoch": [1], "loss": [float(len(calls))]})

    monkeypatch.setattr(training, "fit", record)
    return calls


def test_the_second_call_loads_what_the_first_trained(path, images, test_images, no_training):
    model, history = fit_vae_or_load(path, images, test_images=test_images)
    no_training()
    again, loaded = fit_vae_or_load(path, images, test_images=test_images)
    pd.testing.assert_frame_equal(loaded, history)
    assert_equal_weights(again, weights(model))
    np.testing.assert_array_equal(again.encode(images)[0], model.encode(images)[0])
    assert moved(again, weights(vae()))


def test_fit_or_load_trains_as_fit_does(path, images):
    model, history = fit_vae_or_load(path, images)
    alone = vae()
    expected = fit(alone, images, elbo(), **settings())
    pd.testing.assert_frame_equal(history, expected)
    assert_equal_weights(model, weights(alone))


def test_a_checkpoint_is_recognised_by_another_process(path, trainings):
    fit_vae_or_load(path, np.ones((N, 28, 28), np.float32))
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from tests.test_training import N, fit_vae_or_load, training\n"
        "training.fit = None\n"
        "fit_vae_or_load(Path(sys.argv[1]), np.ones((N, 28, 28), np.float32))\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, path]
    subprocess.run(command, check=True, env=environment, cwd=ROOT)
    assert len(trainings) == 1


def test_state_that_is_not_trained_is_stored_too(path, images, no_training):
    model = counting()
    fit_or_load(path, model, images, counting_loss, **settings())
    no_training()
    again = counting()
    fit_or_load(path, again, images, counting_loss, **settings())
    assert again.steps[...] == 3 * STEPS
    assert_equal_weights(again, weights(model))


PARTS = {"program", "initial weights", "images", "loss settings", "key", "budget"}
OTHERS = [
    ("loss settings", {"c": 0.6}),
    ("loss settings", {"beta": 2.0}),
    ("loss settings", {"c": [0.5, 0.5, 0.6]}),
    ("budget, loss settings", {"epochs": 4}),  # one setting for every epoch
    ("key", {"key": jax.random.key(99)}),
    ("images", {"images": "shifted"}),
    ("images", {"test_images": "shifted"}),
    ("initial weights", {"model": {"seed": 1}}),
    ("program, initial weights", {"model": {"decoder_widths": (9,)}}),
    ("program", {"optimizer": optax.sgd(2e-3, momentum=0.9)}),
    ("program", {"optimizer": optax.adam(1e-3)}),
    ("program, budget", {"batch_size": 8}),
]


@pytest.mark.parametrize(
    ("what", "changes"),
    OTHERS,
    ids=[f"{next(iter(changes))} {i}" for i, (_, changes) in enumerate(OTHERS)],
)
def test_a_checkpoint_of_something_else_is_refused_and_trained_anew(
    what, changes, path, images, test_images, trainings, capsys
):
    asked = {"images": images, "test_images": test_images}
    fit_vae_or_load(path, **asked)
    assert (len(trainings), capsys.readouterr().out) == (1, "")
    for name, value in changes.items():
        if name == "model":
            value = vae(**value)
        asked[name] = np.roll(asked[name], 1, axis=2) if name.endswith("images") else value
    model = asked["model"] if "model" in asked else vae()
    before = weights(model)
    _, history = fit_vae_or_load(path, **asked | {"model": model})
    assert len(trainings) == 2
    message = capsys.readouterr().out
    assert message.startswith("Training anew: model.npz was trained with a different ")
    assert {part for part in PARTS if part in message} == set(what.split(", "))
    assert_equal_weights(model, before)  # nothing of the refused file got in
    fit_vae_or_load(path, **asked | {"model": model})
    assert len(trainings) == 2  # the new result has taken the place of the old
    assert history["loss"].iloc[0] == 2


def test_the_loss_of_every_epoch_is_part_of_the_fingerprint(path, images, trainings):
    noisy, plain = Partial(denoising_loss, noise=0.3), autoencoder_loss
    for losses in ([noisy, noisy, plain], [noisy, plain, noisy]):
        fit_or_load(path, autoencoder(), images, losses, **settings())
    assert len(trainings) == 2


@pytest.mark.parametrize("rate", ["an array", "a schedule that reads a table"])
def test_a_learning_rate_inside_an_array_is_part_of_the_fingerprint(rate, path, images, trainings):
    for value in (1e-3, 2e-3):
        table = jnp.array([value, value / 10])
        schedule = partial(lambda table, step: table[step // 4], table)
        optimizer = optax.sgd(table[0] if rate == "an array" else schedule)
        fit_vae_or_load(path, images, optimizer=optimizer)
    assert len(trainings) == 2


@pytest.mark.parametrize(
    "left",
    [
        "half of it",
        "nothing",
        "something else",
    ],
)
def test_a_damaged_checkpoint_is_refused_and_trained_anew(left, path, images, trainings, capsys):
    fit_vae_or_load(path, images)
    data = path.read_bytes()
    rest = {"half of it": data[: len(data) // 2], "nothing": b"", "something else": 99 * b"no zip"}
    path.write_bytes(rest[left])
    _, history = fit_vae_or_load(path, images)
    message = capsys.readouterr().out
    assert message.startswith("Training anew: ")
    assert "model.npz is damaged" in message
    assert len(trainings) == history["loss"].iloc[0] == 2
    fit_vae_or_load(path, images)
    assert len(trainings) == 2


def test_a_file_that_is_no_checkpoint_is_refused_and_trained_anew(path, images, trainings, capsys):
    save_arrays(path, {"something": np.zeros(3)}, {"else": 1})
    fit_vae_or_load(path, images)
    assert "Training anew: " in capsys.readouterr().out
    assert len(trainings) == 1


def test_a_path_may_be_a_string(path, images, trainings, capsys):
    for c in (0.5, 0.6):
        fit_vae_or_load(str(path), images, c=c)
    assert len(trainings) == 2
    assert "model.npz was trained with a different loss settings" in capsys.readouterr().out


def test_nothing_but_the_checkpoint_is_left_in_its_folder(path, images, trainings):
    for c in (0.5, 0.5, 0.6):
        fit_vae_or_load(path, images, c=c)
    assert os.listdir(path.parent) == ["model.npz"]


def test_an_interrupted_training_leaves_no_checkpoint(path, images, monkeypatch):
    monkeypatch.setattr(training, "_progress", lambda epochs: BarThatIsInterrupted())
    with pytest.raises(KeyboardInterrupt):
        fit_vae_or_load(path, images)
    assert not path.parent.exists() or os.listdir(path.parent) == []


def test_a_checkpoint_can_be_saved_and_loaded_by_hand(path):
    model, other = autoencoder(), Autoencoder(2, **SMALL, rngs=nnx.Rngs(1))
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.5, 2.25]})
    save_checkpoint(path, model, history, {"part": [1, 2.5, "three"]})
    pd.testing.assert_frame_equal(
        load_checkpoint(path, other, {"part": [1, 2.5, "three"]}), history
    )
    assert_equal_weights(other, weights(model))


def test_loading_what_is_not_there_or_does_not_match_changes_nothing(path):
    model = autoencoder()
    before = weights(model)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(path, model, {})
    other = Autoencoder(2, **SMALL, rngs=nnx.Rngs(1))
    save_checkpoint(path, other, pd.DataFrame({"epoch": [1]}), {"a": 1, "b": 2, "c": 3})
    with pytest.raises(ValueError, match=r"model\.npz was trained with a different a and c"):
        load_checkpoint(path, model, {"a": 0, "b": 2, "c": 0})
    assert_equal_weights(model, before)
