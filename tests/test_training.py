"""Training: against a plain Python loop, compiled once, interrupted, gone wrong."""

import io
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
from small import (
    BATCH,
    COMPILED,
    RULE,
    STEPS,
    Counting,
    N,
    assert_equal_weights,
    autoencoder,
    counting_loss,
    elbo,
    fit_by_hand,
    moved,
    raising_on_call,
    settings,
    step_by_hand,
    vae,
    weights,
)

from helpers import progress, training
from helpers.checkpoints import fit_or_load
from helpers.models import Autoencoder
from helpers.objectives import (
    autoencoder_loss,
    denoising_loss,
    squared_error,
    total_correlation_loss,
)
from helpers.optimizers import warmup_stable_decay
from helpers.shapes import random_shapes
from helpers.training import fit, train_step


@pytest.fixture(scope="module")
def all_images():
    return random_shapes(jax.random.key(0), N + 10)[0]


@pytest.fixture(scope="module")
def images(all_images):
    return all_images[:N]


@pytest.fixture(scope="module")
def test_images(all_images):
    return all_images[N:]


@pytest.fixture(scope="module")
def labels(images):
    """In which half there is more."""
    return (images[:, :, :14].sum(axis=(1, 2)) < images[:, :, 14:].sum(axis=(1, 2))).astype(int)


class Classifier(nnx.Module):
    """Two classes of images, with dropout that draws from a key of its own."""

    def __init__(self, rate=0.5):
        rngs = nnx.Rngs(0)
        self.linear = nnx.Linear(784, 2, rngs=rngs)
        self.dropout = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, images):
        return self.linear(self.dropout(images.reshape(len(images), -1)))


def classifier_loss(model, batch, key):
    images, labels = batch
    log_p = jax.nn.log_softmax(model(images))
    loss = -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()
    return loss, {"loss": loss, "accuracy": (log_p.argmax(1) == labels).mean()}


# The training step


@pytest.mark.parametrize(("make", "loss"), [(autoencoder, autoencoder_loss), (vae, elbo())])
def test_train_step_is_value_and_grad_then_update(make, loss, images):
    model, by_hand = make(), make()
    transformation = RULE["optimizer"](RULE["learning_rate"])
    optimizers = [nnx.Optimizer(each, transformation, wrt=nnx.Param) for each in (model, by_hand)]
    before = weights(model)
    for key in jax.random.split(jax.random.key(3), 3):
        terms = train_step(model, optimizers[0], loss, images[:BATCH], key)
        batch = images[:BATCH], jax.random.clone(key)
        expected = step_by_hand(by_hand, optimizers[1], Partial(loss), *batch)
        assert terms.keys() == expected.keys()
        for name, value in terms.items():
            assert value == pytest.approx(float(expected[name]), rel=1e-4)
    assert moved(model, before)
    assert_equal_weights(model, by_hand, atol=1e-5)


def test_train_step_returns_the_loss_before_the_step_and_lowers_it(images):
    model, batch = autoencoder(), images[:BATCH]
    start = autoencoder_loss(model, batch, None)[0]
    optimizer = nnx.Optimizer(model, optax.sgd(1e-3), wrt=nnx.Param)
    keys = jax.random.split(jax.random.key(3), 3)
    terms = [train_step(model, optimizer, autoencoder_loss, batch, key) for key in keys]
    assert terms[0]["loss"] == pytest.approx(float(start), rel=1e-5)
    assert terms[2]["loss"] < terms[0]["loss"]


# The learning rate


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_the_rate_rises_to_what_was_asked_for_and_falls_to_zero(steps):
    rates = np.asarray(jax.vmap(warmup_stable_decay(0.1, steps))(np.arange(steps + 1)))
    assert rates[0] == 0
    assert rates.max() == pytest.approx(0.1)
    top = np.flatnonzero(rates > 0.0999)[0]
    assert top <= steps // 50 + 1
    assert np.all(np.diff(rates[top:]) <= 0)
    assert steps < 10 or rates[-1] == 0


@pytest.mark.parametrize("steps", [50, 137])
def test_the_rate_is_that_of_optax_s_schedules_joined(steps):
    rise, fall = steps // 50 + 1, steps * 2 // 5
    joined = optax.join_schedules(
        [
            optax.linear_schedule(0.0, 2e-3, rise),
            optax.constant_schedule(2e-3),
            optax.linear_schedule(2e-3, 0.0, fall),
        ],
        [rise, steps - fall],
    )
    ours, theirs = (
        jax.vmap(f)(np.arange(steps)) for f in (warmup_stable_decay(2e-3, steps), joined)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-10)


# Fit


TC = {"population": 70.0, "c": 0.5, "gamma": 2.0}
PLANS = {
    "autoencoder": (autoencoder, autoencoder_loss, {}),
    "vae": (vae, elbo(), {}),
    "a perceptron as the decoder": (partial(vae, rank=None, variance="log"), elbo(), {}),
    "a loss per epoch": (vae, [elbo(c) for c in (0.5, 0.7, 0.9)], {}),
    "an array among the settings": (
        vae,
        [Partial(total_correlation_loss, beta=np.array([1.0, b]), **TC) for b in (4, 2, 1)],
        {},
    ),
    "batch normalisation and a counter": (Counting, counting_loss, {}),
    "a schedule": (vae, elbo(), {"learning_rate": optax.linear_schedule(2e-3, 0.0, 3 * STEPS)}),
    "the recipe's optimizer": (
        vae,
        elbo(),
        {"optimizer": optax.adam, "learning_rate": warmup_stable_decay(2e-3, 3 * STEPS)},
    ),
}


@pytest.mark.parametrize("plan", PLANS)
def test_fit_is_a_plain_loop_over_the_same_shuffles_and_keys(plan, images):
    """What this shows: the same images, keys, rates and losses in the same steps, up to rounding.
    That the bits themselves stay those of the published numbers cannot be a test, since machines
    round differently."""
    make, loss, changes = PLANS[plan]
    model, by_hand = make(), make()
    before = weights(model)
    history = fit(model, images, loss, **settings(**changes))
    expected = fit_by_hand(by_hand, images, loss, **settings(**changes))
    assert moved(model, before)
    assert_equal_weights(model, by_hand, rtol=1e-4, atol=1e-6)
    assert list(history) == ["epoch", *expected]
    np.testing.assert_allclose(history[list(expected)], expected, rtol=1e-5)


def test_a_batch_is_any_tree_of_rows_such_as_images_with_labels(images, labels):
    model, by_hand = Classifier(rate=0.0), Classifier(rate=0.0)
    history = fit(model, (images, labels), classifier_loss, **settings())
    expected = fit_by_hand(by_hand, (images, labels), classifier_loss, **settings())
    assert_equal_weights(model, by_hand, atol=1e-6)
    np.testing.assert_allclose(history[list(expected)], expected, rtol=1e-5)


def test_a_module_with_dropout_trains_and_drops_nothing_on_held_out_data(images, labels):
    model = Classifier()
    held_out = images[:20], labels[:20]
    plan = settings(epochs=10, learning_rate=1e-2)
    history = fit(model, (images, labels), classifier_loss, test_data=held_out, **plan)
    assert history["loss"].iloc[-1] < 0.9 * history["loss"].iloc[0]
    first, second = model(images), model(images)
    np.testing.assert_array_equal(first, second)
    expected, _ = classifier_loss(model, held_out, None)
    assert history["test_loss"].iloc[-1] == pytest.approx(float(expected), rel=1e-5)
    whole = Classifier(rate=0.0)
    fit(whole, (images, labels), classifier_loss, **plan)
    assert not np.allclose(model.linear.kernel[...], whole.linear.kernel[...], atol=1e-3)


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
    both = fit(vae(), images, elbo(), **settings(test_data=test_images))
    assert set(both) == {"epoch"} | terms | {f"test_{name}" for name in terms}
    np.testing.assert_allclose(both["loss"], both["squared_error"] + both["kl"], rtol=1e-5)
    total = both["test_squared_error"] + both["test_kl"]
    np.testing.assert_allclose(both["test_loss"], total, rtol=1e-5)


# Held-out data


def test_test_terms_are_those_of_the_model_at_the_end_of_the_epoch(images, test_images):
    model, key = vae(), jax.random.key(4)
    history = fit(model, images, elbo(), **settings(key=key, test_data=test_images))
    last_epoch = jax.random.split(jax.random.clone(key), 3)[2]
    _, _, test_key = jax.random.split(last_epoch, 3)
    _, terms = elbo()(model, test_images, test_key)
    for name, value in terms.items():
        assert history[f"test_{name}"].iloc[-1] == pytest.approx(float(value), rel=1e-4)


@pytest.mark.parametrize("at_once", [3, 5])  # of 10: uneven parts, and even ones
def test_held_out_data_in_several_batches_give_the_mean_over_all_rows(
    at_once, images, test_images, monkeypatch
):
    monkeypatch.setattr(training, "HELD_OUT_AT_ONCE", at_once)
    seen = []

    def loss(model, images, key):
        """Another function at every call, so that it is compiled for this number."""
        jax.debug.callback(partial(seen.append, len(images)))
        return autoencoder_loss(model, images, key)

    model = autoencoder()
    history = fit(model, images, loss, **settings(epochs=1, test_data=test_images))
    expected, _ = autoencoder_loss(model, test_images, None)
    assert history["test_loss"].iloc[-1] == pytest.approx(float(expected), rel=1e-5)
    jax.effects_barrier()
    held_out = [n for n in seen if n != BATCH]
    assert sum(held_out) == len(test_images)
    assert len(held_out) == -(-len(test_images) // at_once)


def test_held_out_images_never_change_the_weights(images, test_images):
    by_test_data = {}
    for name, held_out in (("none", None), ("some", test_images), ("others", 1 - test_images)):
        by_test_data[name] = Counting()
        fit(by_test_data[name], images, counting_loss, **settings(test_data=held_out))
    assert_equal_weights(by_test_data["others"], by_test_data["some"])
    assert_equal_weights(by_test_data["none"], by_test_data["some"], atol=1e-5)


# What is given, what is left


def test_fit_is_deterministic_for_a_key(images):
    models = [vae() for _ in range(3)]
    histories = [
        fit(model, images, elbo(), **settings(key=jax.random.key(seed)))
        for model, seed in zip(models, (5, 5, 6), strict=True)
    ]
    assert_equal_weights(models[1], models[0])
    pd.testing.assert_frame_equal(histories[0], histories[1])
    assert moved(models[2], weights(models[0]))


def test_fit_leaves_the_arrays_it_was_given_alone(images, test_images):
    model = vae()
    variables = jax.tree.leaves(nnx.state(model), is_leaf=lambda v: isinstance(v, nnx.Variable))
    given = [variable[...] for variable in variables]
    copies = [np.array(array) for array in given]
    on_device, held_out = jnp.asarray(images), jnp.asarray(test_images)
    c, key = jnp.float32(0.5), jax.random.key(7)
    fit(model, on_device, elbo(c), **settings(key=key, test_data=held_out))
    for array, copy in zip(given, copies, strict=True):
        np.testing.assert_array_equal(array, copy)  # donated arrays would be deleted
    assert moved(model, copies)
    np.testing.assert_array_equal(on_device, images)
    np.testing.assert_array_equal(held_out, test_images)
    assert c == 0.5
    assert jnp.array_equal(jax.random.key_data(key), jax.random.key_data(jax.random.key(7)))


def test_a_fitted_model_can_be_used_and_fitted_on(images):
    model = autoencoder()
    first = fit(model, images, autoencoder_loss, **settings(epochs=10))
    assert np.all(np.isfinite(model.decode(model.encode(images))))
    second = fit(model, images, autoencoder_loss, **settings(epochs=10, key=jax.random.key(8)))
    assert second["loss"].iloc[0] < first["loss"].iloc[0]


@pytest.mark.parametrize(("batch_size", "steps"), [(BATCH, 4), (N, 1)])
def test_an_epoch_drops_the_remainder_that_fills_no_batch(batch_size, steps, images):
    model = Counting()
    fit(model, images, counting_loss, **settings(epochs=2, batch_size=batch_size))
    assert model.steps[...] == 2 * steps


def test_every_epoch_shuffles_anew_and_uses_no_image_twice():
    # Points that hold their own number, and a loss that reports which ones it saw.
    numbers = np.broadcast_to(0.5 ** np.arange(8)[:, None], (8, 784))

    def seen(model, points, key):
        zero = 0 * autoencoder_loss(model, points.reshape(-1, 28, 28), key)[0]
        return zero, {"loss": zero, "sum": points[:, 0].sum(), "first": points[0, 0]}

    history = fit(autoencoder(), numbers, seen, **settings(epochs=12, batch_size=4))
    each_once = np.full(12, 255 / 256)  # the sum of all, a mean over 2 steps
    np.testing.assert_array_equal(history["sum"], each_once)
    assert history["first"].nunique() > 1


def test_state_of_whole_numbers_is_carried_too(images):
    model = Counting(jnp.int32)
    fit(model, images, counting_loss, **settings())
    assert model.steps[...] == 3 * STEPS
    assert model.steps[...].dtype == jnp.int32


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_test_images_are_normalised_by_running_statistics_and_so_is_all_after(
    mode, images, test_images, tmp_path, capsys
):
    model, loaded, key = Counting(), Counting(), jax.random.key(4)
    getattr(model, mode)()  # the mode that a model comes in makes no difference
    plan = tmp_path / "model.npz", images, counting_loss
    start = np.array(model.norm.mean[...])

    def trained(model):
        path, *rest = plan
        own = settings(key=jax.random.clone(key), test_data=test_images)
        return fit_or_load(path, model, *rest, **own)

    history = trained(model)
    mean, deviation = model.norm.mean[...], jnp.sqrt(model.norm.var[...] + model.norm.epsilon)
    assert not np.allclose(mean, start)
    code = Autoencoder.encode(model, test_images)
    expected = (code - mean) / deviation * model.norm.scale[...] + model.norm.bias[...]
    np.testing.assert_allclose(model.encode(test_images), expected, rtol=1e-4, atol=1e-5)
    error = squared_error(test_images, model.decode(expected)).mean()
    assert history["test_loss"].iloc[-1] == pytest.approx(float(error), rel=1e-4)
    np.testing.assert_array_equal(model.norm.mean[...], mean)  # looking changes nothing
    trained(loaded)
    np.testing.assert_array_equal(loaded.encode(test_images), model.encode(test_images))
    assert capsys.readouterr().out == ""  # loaded, not trained anew


# Compiled once


def adam_with_decay():
    """Another object at every call."""
    return partial(optax.adamw, weight_decay=1e-4)


CHANGES = {
    "the same": {},
    "c=1": {"loss": elbo(1)},
    "c=1.0": {"loss": elbo(1.0)},
    "c of NumPy": {"loss": elbo(np.float64(0.3))},
    "c of JAX": {"loss": elbo(jnp.float32(0.3))},
    "a list of losses": {"loss": [elbo(c) for c in (0.5, 0.6, 0.7)]},
    "another rate": {"learning_rate": 2e-3},
    "another schedule": {"learning_rate": warmup_stable_decay(3e-3, 20)},
    "fewer epochs": {"epochs": 2},
    "another optimizer like it": {"optimizer": adam_with_decay()},
    "another key": {"key": jax.random.key(5)},
    "another seed": {"seed": 1},
}


@pytest.fixture(scope="module")
def compiled_once(images, test_images):
    """A training, by the changes to one that was made before."""

    def train(seed=0, loss=elbo(), **changes):  # noqa: B008
        rule = {"optimizer": adam_with_decay(), "test_data": test_images} | changes
        return fit(vae(seed, decoder_widths=(7,)), images, loss, **settings(**rule))

    before = len(COMPILED)
    train(learning_rate=warmup_stable_decay(1e-3, 12))
    assert len(COMPILED) > before, "JAX reports what it compiles"
    return train


@pytest.mark.parametrize("change", CHANGES)
def test_another_setting_compiles_nothing_again(change, compiled_once):
    seed = CHANGES[change].get("seed", 0)
    vae(seed, decoder_widths=(7,))
    before = len(COMPILED)
    compiled_once(**CHANGES[change])
    assert COMPILED[before:] == []


# Arguments


BAD = {
    "two losses for three epochs": (
        {"loss": [autoencoder_loss] * 2},
        r"^loss: expected one, or 3 for 3 epochs, got 2",
    ),
    "no epochs": ({"epochs": 0}, r"^epochs: expected an integer >= 1, got 0"),
    "half an epoch": ({"epochs": 1.5}, r"^epochs: expected an integer >= 1, got 1\.5"),
    "no batch": ({"batch_size": 0}, r"^batch_size: expected an integer >= 1, got 0"),
    "a word for a batch": ({"batch_size": "16"}, r"^batch_size: expected an integer .*got '16'"),
    "too large a batch": ({"batch_size": N + 1}, f"^batch_size: expected 1 to {N}.*got {N + 1}"),
    "no rows": ({"data": np.zeros((0, 28, 28))}, r"^data: expected .*at least 1.*\(0, 28, 28\)"),
    "nothing": ({"data": ()}, r"^data: expected .*got none"),
    "a number": ({"data": 3.0}, r"^data: expected arrays .*got \(\)"),
    "unlike rows": (
        {"data": (np.zeros((N, 28, 28)), np.zeros(N - 1))},
        rf"^data: expected arrays of one number of rows.*got \({N}, 28, 28\), \({N - 1},\)",
    ),
    "no held-out rows": ({"test_data": np.zeros((0, 28, 28))}, r"^test_data: expected.*\(0, 28"),
    "0 to 255": ({"data": np.full((N, 28, 28), 255.0)}, r"^data: expected pixels in \[0, 1\].*255"),
    "uint8": (
        {"data": np.full((N, 28, 28), 255, np.uint8)},
        r"^data: expected pixels in \[0, 1\], got uint8 up to 255: divide by .* 255",
    ),
    "uint8 beside labels": (
        {"data": (np.full((N, 28, 28), 255, np.uint8), np.zeros(N, int))},
        r"^data: expected pixels in \[0, 1\], got uint8",
    ),
    "uint8 held out": ({"test_data": np.ones((3, 28, 28), np.uint8)}, r"^test_data: .*got uint8"),
    "a finished optimizer": (
        {"optimizer": optax.adam(1e-3)},
        r"^optimizer: expected a function from a learning rate .*, got a GradientTransformation",
    ),
    "a class": ({"optimizer": dict}, r"^optimizer: .*got a type"),
    "no optimizer": ({"optimizer": None}, r"^optimizer: .*got a NoneType"),
    "no loss": ({"loss": None}, r"^loss: expected a function .*, got None"),
    "a loss with a word": (
        {"loss": Partial(denoising_loss, noise="much")},
        r"^loss: expected settings that are numbers",
    ),
    "a loss that does not name itself": (
        {"loss": lambda model, images, key: (0 * autoencoder_loss(model, images, key)[0], {})},
        r"^loss: expected itself among its terms",
    ),
    "a number of devices": ({"mesh": 4}, r"^mesh: expected a mesh with the axes .*, got 4"),
    "a word for a rate": ({"learning_rate": "fast"}, r"^learning_rate: expected .*got 'fast'"),
    "nan for a rate": ({"learning_rate": np.nan}, r"^learning_rate: expected finite .*got nan"),
    "a negative rate": ({"learning_rate": -1e-3}, r"^learning_rate: .*none negative, got -0\.001"),
    "a schedule that fails": (
        {"learning_rate": optax.linear_schedule(1e-3, -1e-3, 8)},
        r"^learning_rate: expected finite rates, none negative, got -",
    ),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("through", ["fit", "fit_or_load"])
def test_bad_arguments_are_refused_by_name_before_anything_happens(through, what, images, tmp_path):
    changes, message = BAD[what]
    arguments = settings(data=images, loss=autoencoder_loss) | changes
    model = autoencoder()
    before = weights(model)
    call = fit if through == "fit" else partial(fit_or_load, tmp_path / "model.npz")
    with pytest.raises(ValueError, match=message) as raised:
        call(model, **arguments)
    assert "\n" not in str(raised.value)
    assert_equal_weights(model, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "welcome",
    [lambda x: x + 0.3 * np.sin(99 * x), lambda x: x > 0.5, lambda x: 9 * x.reshape(N, -1) - 1],
    ids=["noisy", "bool", "points"],
)
def test_what_is_no_picture_in_0_to_255_is_welcome(welcome, images):
    loss = lambda model, x, key: autoencoder_loss(model, 1.0 * x.reshape(-1, 28, 28), key)  # noqa: E731
    history = fit(autoencoder(), welcome(images), loss, **settings(epochs=1))
    assert np.isfinite(history["loss"]).all()


# Interrupted, or gone wrong


class InterruptedBar:
    """A progress bar during whose second update the reader presses Ctrl-C."""

    def __init__(self, *_):
        self.update = raising_on_call(2, lambda: None, KeyboardInterrupt)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False

    def set_postfix_str(self, text):
        pass


def test_after_ctrl_c_the_model_holds_the_last_finished_epoch(images, monkeypatch):
    model, by_hand = autoencoder(), autoencoder()
    monkeypatch.setattr(training, "progress_bar", InterruptedBar)
    with pytest.raises(KeyboardInterrupt):
        fit(model, images, autoencoder_loss, **settings(epochs=5))
    fit_by_hand(by_hand, images, autoencoder_loss, **settings(epochs=5), epochs_done=2)
    assert_equal_weights(model, by_hand, atol=1e-5)
    monkeypatch.undo()
    assert len(fit(model, images, autoencoder_loss, **settings())) == 3


@pytest.mark.parametrize("epoch", [1, 3])
def test_after_ctrl_c_within_an_epoch_the_model_holds_the_one_before(epoch, images, monkeypatch):
    model, by_hand = autoencoder(), autoencoder()
    fetch = raising_on_call(epoch, jax.device_get, KeyboardInterrupt)  # while the device computes
    monkeypatch.setattr(jax, "device_get", fetch)
    with pytest.raises(KeyboardInterrupt):
        fit(model, images, autoencoder_loss, **settings(epochs=5))
    monkeypatch.undo()
    if epoch > 1:
        plan = settings(epochs=5) | {"epochs_done": epoch - 1}
        fit_by_hand(by_hand, images, autoencoder_loss, **plan)
    assert_equal_weights(model, by_hand, atol=1e-5)
    assert np.all(np.isfinite(model.decode(model.encode(images))))


def test_a_loss_that_is_not_finite_stops_and_names_epoch_and_step(images):
    model, by_hand = Counting(), Counting()
    loss = Partial(counting_loss, nan_from_step=STEPS + 3.0)
    message = f"^the loss became nan in epoch 2, step 3 of {STEPS}; .*weights of epoch 1"
    with pytest.raises(FloatingPointError, match=message):
        fit(model, images, loss, **settings())
    fit_by_hand(by_hand, images, counting_loss, **settings(), epochs_done=1)
    assert_equal_weights(model, by_hand, atol=1e-5)  # the count of 4 steps among them


def test_an_image_that_is_not_finite_is_found_in_the_step_that_meets_it(images):
    model, spoiled, key = autoencoder(), images.copy(), jax.random.key(9)
    spoiled[33, 5, 5] = np.nan
    first_epoch = jax.random.split(jax.random.clone(key), 3)[0]
    rows = jax.random.permutation(jax.random.split(first_epoch, 3)[0], N)
    step = int(np.flatnonzero(rows == 33)[0]) // BATCH + 1
    assert 1 < step <= STEPS  # this key meets it, and not at once
    before = weights(model)
    with pytest.raises(FloatingPointError, match=f"in epoch 1, step {step} of {STEPS}"):
        fit(model, spoiled, autoencoder_loss, **settings(key=key))
    assert_equal_weights(model, before)


def test_weights_that_break_in_the_very_last_step_are_noticed_too(images):
    model = autoencoder()
    before = weights(model)
    one_step = {"epochs": 1, "batch_size": N, "optimizer": optax.sgd, "learning_rate": 3e38}
    with pytest.raises(FloatingPointError, match=r"weights became .* in epoch 1, step 1 of 1"):
        fit(model, images, autoencoder_loss, **settings(**one_step))
    assert_equal_weights(model, before)


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
    monkeypatch.setattr(progress, "get_ipython", lambda: SimpleNamespace(kernel=True))
    monkeypatch.setattr(progress, "display", lambda *args, **kwargs: handle)
    fit(autoencoder(), images, autoencoder_loss, **settings())
    assert any("loss " in frame for frame in frames)
    assert frames[-1] == ""
