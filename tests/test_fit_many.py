"""Many models as one program: each becomes what `fit` makes of it alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx
from jax.tree_util import Partial

from helpers import training
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import autoencoder_loss, vae_loss
from helpers.shapes import random_shapes
from helpers.training import fit, fit_many, fit_many_or_load, fit_or_load

OPTIMIZER = optax.adam(1e-3)  # one object for all tests: jit knows what it has compiled
SMALL = {"encoder_widths": (8,), "decoder_widths": (8,)}
SEEDS = range(3)
CS = (0.1, 0.5, 2.0)
BETAS = (1.0, 4.0, 0.5)
SETTINGS = {"epochs": 3, "batch_size": 16}


@pytest.fixture(scope="module")
def images():
    return random_shapes(jax.random.key(0), 60)[0]


@pytest.fixture(scope="module")
def test_images():
    return random_shapes(jax.random.key(1), 10)[0]


def models(kind=VariationalAutoencoder):
    return [kind(2, **SMALL, rngs=nnx.Rngs(seed)) for seed in SEEDS]


def keys():
    return [jax.random.key(10 + seed) for seed in SEEDS]


def losses():
    return [Partial(vae_loss, c=c, beta=beta) for c, beta in zip(CS, BETAS, strict=True)]


def assert_equal_models(some, others, **tolerance):
    for one, other in zip(some, others, strict=True):
        pairs = zip(jax.tree.leaves(nnx.state(one)), jax.tree.leaves(nnx.state(other)), strict=True)
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours, theirs, **tolerance)


@pytest.fixture(params=["cpu", "gpu"])  # models in turns, side by side
def backend(request, monkeypatch):
    """What the program is made for; none that was made so is left behind."""
    monkeypatch.setattr(jax, "default_backend", lambda: request.param)
    training._epoch_of_many.clear_cache()
    yield request.param
    training._epoch_of_many.clear_cache()


def test_seeds_c_and_beta_each_get_what_fit_gives_them(backend, images, test_images):
    together, alone = models(), models()
    settings = SETTINGS | {"optimizer": OPTIMIZER, "test_images": test_images}
    histories = fit_many(together, images, losses(), keys=keys(), **settings)
    for model, loss, key, history in zip(alone, losses(), keys(), histories, strict=True):
        expected = fit(model, images, loss, key=key, **settings)
        pd.testing.assert_frame_equal(history, expected, rtol=1e-5)
    assert_equal_models(together, alone, rtol=1e-4, atol=1e-6)


def test_a_loss_may_change_from_epoch_to_epoch(images):
    falling = [
        [Partial(vae_loss, c=c / (1 + epoch), beta=1.0) for epoch in range(SETTINGS["epochs"])]
        for c in CS
    ]
    together, alone = models(), models()
    settings = SETTINGS | {"optimizer": OPTIMIZER}
    histories = fit_many(together, images, falling, keys=keys(), **settings)
    for model, loss, key, history in zip(alone, falling, keys(), histories, strict=True):
        expected = fit(model, images, loss, key=key, **settings)
        pd.testing.assert_frame_equal(history, expected, rtol=1e-5)


def test_rates_multiply_the_learning_rate(images):
    rates = (1.0, 3.0, 0.1)
    together, alone = models(), models()
    histories = fit_many(
        together, images, losses(), keys=keys(), rates=rates, optimizer=OPTIMIZER, **SETTINGS
    )
    given = zip(alone, losses(), keys(), rates, histories, strict=True)
    for model, loss, key, rate, history in given:
        expected = fit(model, images, loss, key=key, optimizer=optax.adam(1e-3 * rate), **SETTINGS)
        pd.testing.assert_frame_equal(history, expected, rtol=1e-5)
    assert_equal_models(together, alone, rtol=1e-3, atol=1e-5)


def test_it_is_one_program(images, monkeypatch):
    programs = []
    original = training._epoch_of_many
    monkeypatch.setattr(
        training,
        "_epoch_of_many",
        lambda *args: programs.append(original._cache_size()) or original(*args),
    )
    settings = SETTINGS | {"optimizer": OPTIMIZER, "keys": keys()}
    before = original._cache_size()
    fit_many(models(Autoencoder), images, [autoencoder_loss] * 3, **settings)
    assert len(programs) == SETTINGS["epochs"]
    assert original._cache_size() == before + 1


def test_other_rates_compile_nothing_again(images):
    settings = SETTINGS | {"optimizer": OPTIMIZER, "keys": keys()}
    for rates in ((1.0, 3.0, 0.1), (1.0, 3.0, 0.1), (2.0, 0.2, 0.5)):
        before = training._epoch_of_many._cache_size()
        fit_many(models(Autoencoder), images, [autoencoder_loss] * 3, rates=rates, **settings)
    assert training._epoch_of_many._cache_size() == before


def test_the_mode_that_a_model_comes_in_does_not_matter(images):
    some = models(Autoencoder)
    some[1].train()
    settings = SETTINGS | {"optimizer": OPTIMIZER, "keys": keys()}
    fit_many(some, images, [autoencoder_loss] * 3, **settings)
    with pytest.raises(ValueError, match="paths: expected different ones, got one of them twice"):
        fit_many_or_load(["a", "b", "a"], some, images, [autoencoder_loss] * 3, **settings)


def nan_from(model, images, key, limit):
    error, _ = autoencoder_loss(model, images, key)
    error = jnp.where(error < limit, error, jnp.nan)
    return error, {"loss": error}


def test_a_loss_that_is_not_finite_names_the_model_and_leaves_the_last_epoch(images):
    never, now = Partial(nan_from, limit=jnp.inf), Partial(nan_from, limit=0.0)
    plans = [[never] * 3, [never, now, never], [never] * 3]
    together, one_epoch = models(Autoencoder), models(Autoencoder)
    settings = SETTINGS | {"optimizer": OPTIMIZER}
    told = r"model 1's loss became nan in epoch 2, step 1 of 3; all models keep .* of epoch 1"
    with pytest.raises(FloatingPointError, match=told):
        fit_many(together, images, plans, keys=keys(), **settings)
    three = [jax.random.split(key, 3) for key in keys()]
    for model, first in zip(one_epoch, three, strict=True):
        graphdef, state = training._split(model, OPTIMIZER)
        shared = jnp.asarray(images), None
        state, *_ = training._epoch(graphdef, state, never, *shared, first[0], 16)
        nnx.update(model, nnx.state(nnx.merge(graphdef, state)[0]))
    assert_equal_models(together, one_epoch, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": []}, "models: expected at least one, got none"),
        ({"keys": [jax.random.key(0)]}, "keys: expected 3, one for each model, got 1"),
        ({"rates": (1.0, 2.0)}, "rates: expected 3, one for each model, got 2"),
        ({"losses": [autoencoder_loss]}, "losses: expected 3, one for each model, got 1"),
        (
            {"losses": [autoencoder_loss, Partial(vae_loss, c=1.0), autoencoder_loss]},
            "losses: expected one function with .*, model 1 has not model 0's",
        ),
        (
            {"losses": [Partial(vae_loss, c=c, beta=1.0) for c in (0.1, 1, 0.5)]},
            "losses: expected one function with .*, model 1 has not model 0's",
        ),
        ({"losses": autoencoder_loss}, "losses: expected 3, .*, got a single function"),
        ({"keys": jax.random.key(0)}, "keys: expected 3, .*, got a single PRNGKeyArray"),
        ({"keys": None}, "keys: expected 3, .*, got a single NoneType"),
        ({"models": models()[:1] * 3}, "models: expected different ones, got one of them twice"),
        (
            {"models": [*models()[:2], VariationalAutoencoder(3, **SMALL, rngs=nnx.Rngs(0))]},
            "models: expected one architecture, model 2 is unlike model 0",
        ),
    ],
)
def test_what_does_not_match_is_refused_by_name(images, changes, message):
    given = {"models": models(), "losses": losses(), "keys": keys()} | changes
    together, wanted = given.pop("models"), given.pop("losses")
    with pytest.raises(ValueError, match=message):
        fit_many(together, images, wanted, optimizer=OPTIMIZER, **SETTINGS, **given)


def test_only_what_is_missing_is_trained_and_the_checkpoints_are_those_of_fit(
    images, tmp_path, monkeypatch
):
    paths = [tmp_path / f"{seed}.npz" for seed in SEEDS]
    settings = SETTINGS | {"optimizer": OPTIMIZER}
    first = models()[0]
    alone = fit_or_load(paths[0], first, images, losses()[0], key=keys()[0], **settings)
    groups = []
    original = training.fit_many
    monkeypatch.setattr(
        training, "fit_many", lambda m, *a, **k: groups.append(len(m)) or original(m, *a, **k)
    )
    some, again = models(), models()
    histories = fit_many_or_load(paths, some, images, losses(), keys=keys(), **settings)
    assert groups == [2]
    pd.testing.assert_frame_equal(histories[0], alone)
    assert_equal_models(some[:1], [first])
    loaded = fit_many_or_load(paths, again, images, losses(), keys=keys(), **settings)
    assert groups == [2]
    for history, expected in zip(loaded, histories, strict=True):
        pd.testing.assert_frame_equal(history, expected)
    assert_equal_models(some, again)
