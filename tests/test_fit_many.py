"""Many models by one program: each becomes what `fit` makes of it alone."""

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx
from jax.sharding import Mesh
from jax.tree_util import Partial
from small import (
    BUDGET,
    COMPILED,
    Counting,
    N,
    assert_equal_weights,
    autoencoder,
    counting_loss,
    elbo,
    fit_by_hand,
    raising_on_call,
    scaled_loss,
    vae,
    weights,
)

from helpers.models import ConvolutionalVariationalAutoencoder
from helpers.objectives import autoencoder_loss, vae_loss
from helpers.shapes import random_shapes
from helpers.training import fit, fit_many

SEEDS = range(3)
ADAM = {"optimizer": optax.adam, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def images():
    return random_shapes(jax.random.key(0), N)[0]


@pytest.fixture(scope="module")
def test_images():
    return random_shapes(jax.random.key(1), 10)[0]


def keys():
    return [jax.random.key(10 + seed) for seed in SEEDS]


def losses():
    settings = zip((0.1, 0.5, 2.0), (1.0, 4.0, 0.5), strict=True)
    return [elbo(c, beta) for c, beta in settings]


@pytest.fixture(params=["in turns", "side by side"])
def mesh(request):
    """With which models take turns on one CPU; with which they are trained side by side."""
    if request.param == "in turns":
        return None
    return Mesh(np.array(jax.devices()[:1])[:, None], ("models", "batch"))


def assert_as_alone(make, data, plans, mesh, **settings):
    """That `fit_many` makes of every model what `fit` does."""
    settings = BUDGET | ADAM | settings
    together, alone = ([make(seed) for seed in SEEDS] for _ in range(2))
    histories = fit_many(together, data, plans, keys=keys(), mesh=mesh, **settings)
    for model, single, plan, key, history in zip(
        together, alone, plans, keys(), histories, strict=True
    ):
        expected = fit(single, data, plan, key=key, **settings)
        pd.testing.assert_frame_equal(history, expected, rtol=1e-5)
        assert_equal_weights(model, single, rtol=1e-4, atol=1e-6)


def test_seeds_c_and_beta_each_get_what_fit_gives_them(mesh, images, test_images):
    assert_as_alone(vae, images, losses(), mesh, test_data=test_images)


def test_a_loss_may_change_from_epoch_to_epoch(mesh, images):
    falling = [[elbo(c / (1 + epoch)) for epoch in range(3)] for c in (0.1, 0.5, 2.0)]
    assert_as_alone(vae, images, falling, mesh)


def test_batch_normalisation_and_counters_are_each_model_s_own(mesh, images, test_images):
    # By plain gradients: Adam makes whole steps of the rounding in a bias before a normalisation.
    plain = {"optimizer": optax.sgd, "test_data": test_images}
    plans = [Partial(counting_loss, nan_from_step=999.0)] * 3
    assert_as_alone(lambda seed: Counting(), images, plans, mesh, **plain)


def test_another_group_of_as_many_compiles_nothing_again(mesh, images):
    def train(*cs, rate=1e-3):
        models, plans = [vae(seed) for seed in SEEDS], list(map(elbo, cs))
        rule = ADAM | {"learning_rate": rate}
        fit_many(models, images, plans, keys=keys(), mesh=mesh, **BUDGET, **rule)

    train(0.1, 0.5, 2.0)
    before = len(COMPILED)
    train(1, 0.3, np.float64(0.2), rate=2e-3)
    assert COMPILED[before:] == []


def test_the_mode_that_a_model_comes_in_does_not_matter(images):
    models = [autoencoder(seed) for seed in SEEDS]
    models[1].train()
    plans = [autoencoder_loss] * 3
    assert len(fit_many(models, images, plans, keys=keys(), **BUDGET, **ADAM)) == 3


def assert_one_epoch_done(models, images, plan):
    for seed, (model, key) in enumerate(zip(models, keys(), strict=True)):
        by_hand = autoencoder(seed)
        fit_by_hand(by_hand, images, plan, key=key, epochs_done=1, **BUDGET, **ADAM)
        assert_equal_weights(model, by_hand, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_names_the_model_and_leaves_the_last_epoch(mesh, images):
    fine, bad = Partial(scaled_loss, scale=1.0), Partial(scaled_loss, scale=np.nan)
    plans = [[fine] * 3, [fine, bad, fine], [fine] * 3]
    models = [autoencoder(seed) for seed in SEEDS]
    told = r"model 1's loss became nan in epoch 2, step 1 of 4; all models keep .* of epoch 1"
    with pytest.raises(FloatingPointError, match=told):
        fit_many(models, images, plans, keys=keys(), mesh=mesh, **BUDGET, **ADAM)
    assert_one_epoch_done(models, images, fine)


def test_after_ctrl_c_all_models_hold_the_last_finished_epoch(images, monkeypatch):
    models = [autoencoder(seed) for seed in SEEDS]
    fetch = raising_on_call(len(SEEDS) + 2, jax.device_get, KeyboardInterrupt)
    monkeypatch.setattr(jax, "device_get", fetch)
    with pytest.raises(KeyboardInterrupt):
        fit_many(models, images, [autoencoder_loss] * 3, keys=keys(), **BUDGET, **ADAM)
    monkeypatch.undo()
    assert_one_epoch_done(models, images, autoencoder_loss)


BAD = {
    "no models": ({"models": []}, "models: expected at least one, got none"),
    "one key": ({"keys": [jax.random.key(0)]}, "keys: expected 3, one for each model, got 1"),
    "one loss": ({"losses": [elbo()]}, "losses: expected 3, one for each model, got 1"),
    "unlike losses": (
        {"losses": [autoencoder_loss, Partial(vae_loss, c=1.0), autoencoder_loss]},
        "losses: expected one function with .*, model 1 has not model 0's",
    ),
    "unlike settings": (
        {"losses": [elbo(c) for c in (0.1, np.ones(2), 0.5)]},
        "losses: expected one function with .*, model 1 has not model 0's",
    ),
    "a single loss": ({"losses": elbo()}, "losses: expected 3, .*, got a single Partial"),
    "a single key": ({"keys": jax.random.key(0)}, "keys: expected 3, .* a single PRNGKeyArray"),
    "no keys": ({"keys": None}, "keys: expected 3, .*, got a single NoneType"),
    "one model twice": ({"models": [vae()] * 3}, "models: expected different ones, got one of"),
    "another architecture": (
        {"models": [vae(), vae(1), vae(latents=3)]},
        "models: expected one architecture, model 2 is unlike model 0",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_match_is_refused_by_name(what, images):
    changes, message = BAD[what]
    models = [vae(seed) for seed in SEEDS]
    given = {"models": models, "losses": losses(), "keys": keys()} | changes
    before = list(map(weights, given["models"]))
    with pytest.raises(ValueError, match=f"^{message}"):
        fit_many(given["models"], images, given["losses"], keys=given["keys"], **BUDGET, **ADAM)
    for model, own in zip(given["models"], before, strict=True):
        assert_equal_weights(model, own)


def test_two_cnns_are_one_architecture(images):
    cnns = [ConvolutionalVariationalAutoencoder(2, rngs=nnx.Rngs(seed)) for seed in range(2)]
    graphs = [nnx.graphdef(cnn) for cnn in cnns]
    assert graphs[0] == graphs[1]
    assert hash(graphs[0]) == hash(graphs[1])
