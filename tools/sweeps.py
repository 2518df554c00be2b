"""What `make sweep` computes of shapes: too long for `make run`, read by notebooks and README.

Each part writes one figures/*.json, and only once it is whole; models are trained through their
checkpoints, so that a sweep that was stopped goes on where it was.
"""

import json
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.tree_util import Partial

from helpers import measures, recipes
from helpers.files import digest, output_folder, record, recorded
from helpers.handmade import optimised
from helpers.information import factor_information, mutual_information_gap
from helpers.limits import image_rate_distortion
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import squared_error
from helpers.optimizers import warmup_stable_decay
from helpers.shapes import FACTORS, shape_world

SEEDS = range(5)
SINGLE_SEEDS = (range(5, 10), range(10, 15))  # 0 to 4 were looked at while the recipe was made
KINDS = {"ae": Autoencoder, "vae": VariationalAutoencoder}
FEWER_IMAGES = (2**9, 2**10, 2**12, 2**14)  # for the curve of generalisation
SLOPES = (5, 2.5, 1.6, 1.2, 1, 0.85, 0.7, 0.6, 0.5, 0.43, 0.37, 0.3, 0.25, 0.2, 0.16, 0.13, 0.11,
          0.095, 0.08, 0.07, 0.06, 0.05)  # fmt: skip
TOLERANCE = 0.015  # bits, between the bounds of the limit
PLANE_C = (0.06, 0.1, 0.15, 0.3, 0.6, 0.9, 1.25, 1.8, 2.6, 4.0)
BETAS = (2.5, 5, 10)  # times the headline's c, three of the c above
IDEAS = {  # what else may bring a VAE nearer the limit, each tried at these c
    "c constant": {"c_start": None},
    "batches of 512": {"batch_size": 512, "learning_rate": 4e-3},
    "wider decoder": {"decoder_widths": (256, 256, 256, 512)},
    "perceptron as decoder": {"decoder_widths": (256, 512, 512), "rank": None},
    "twice the epochs": {"epochs": 2},
    "3 latents": {"latents": 3},
    "8 latents": {"latents": 8},
    "trained on the grid": {"grid": True},
}
IDEAS_C = (0.6, 1.25)


def _measured(kind, model, images, world, seed):
    """What figures/sweep.json holds of a model of the kind "ae" or "vae", by names with it."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 2), 4)
    numbers = measures.quality(model, images, world, keys[0])
    numbers |= measures.merging(model, world, keys[1])
    numbers |= measures.robustness(model, world, keys[2])
    if kind == "vae":
        numbers["mig"] = measures.mig(model, world, keys[3])
    return {f"{kind}_{name}": value for name, value in numbers.items()}


def headline(seeds=SEEDS, epochs=recipes.EPOCHS, n=recipes.TRAINING_IMAGES):
    """The headline AE and VAE over several seeds: figures/sweep.json, settings, values, spread."""
    world, images = shape_world(), recipes.training_shapes(n)
    groups = {
        name: recipes.headline_models(kind, images, world.images, seeds=seeds, epochs=epochs)[0]
        for name, kind in KINDS.items()
    }
    runs = [{} for _ in seeds]
    for name, models in groups.items():
        for run, seed, model in zip(runs, seeds, models, strict=True):
            run |= _measured(name, model, images, world, seed)
            tell(f"{name}, seed {seed}", run)
    settings = {
        "training_images": n,
        "latent_size": recipes.LATENT_SIZE,
        "epochs": epochs,
        "batch_size": recipes.BATCH_SIZE,
        "ae_learning_rate": recipes.AE_LEARNING_RATE,
        "vae_learning_rate": recipes.LEARNING_RATE,
        "c_start": recipes.C_START,
        "c": recipes.C,
        "samples": measures.N_SAMPLES,
        "density_codes": measures.N_CODES,
    }
    record("sweep", settings=settings, seeds=list(seeds), **_spread(runs))


def generalisation(
    seeds=SEEDS[:3], epochs=recipes.EPOCHS, n=recipes.TRAINING_IMAGES, fewer=FEWER_IMAGES
):
    """Error on the unseen world against the number of training images, and what training on the
    world's own grid gives: figures/generalisation.json.

    All see as many batches: n images `epochs` times, half of them twice as often, and so on.
    """
    world, images = shape_world(), recipes.training_shapes(n)
    train_rows, test_rows = recipes.world_split(world)
    held_out = world._replace(images=world.images[test_rows], factors=world.factors[test_rows])
    steps = epochs * (n // recipes.BATCH_SIZE)

    def trained(kind, images):
        """The models of all seeds, after as many steps as the headline models."""
        epochs = round(steps / (len(images) // recipes.BATCH_SIZE))
        settings = {"seeds": seeds, "epochs": epochs}
        return recipes.headline_models(kind, images, None, **settings)[0]

    errors, grid = {}, {}
    for name, kind in KINDS.items():
        groups = {size: trained(kind, images[:size]) for size in fewer}
        groups[n], _ = recipes.headline_models(
            kind, images, world.images, seeds=seeds, epochs=epochs
        )
        errors[name] = [[_error(m, world.images) for m in models] for models in groups.values()]
        tell(name, {str(size): np.mean(e) for size, e in zip(groups, errors[name], strict=True)})
        grid_images = world.images[train_rows]
        for trained_on, models, shown in (
            ("random shapes", groups[n], images),
            ("the grid", trained(kind, grid_images), grid_images),
        ):
            rows = [
                measures.quality(model, shown, held_out, jax.random.key(seed))
                for seed, model in zip(seeds, models, strict=True)
            ]
            grid[f"{name.upper()}, trained on {trained_on}"] = _spread(rows)
            tell(f"{name}, trained on {trained_on}", rows[0])
    record(
        "generalisation",
        seeds=list(seeds), steps=steps, sizes=[*fewer, n], errors=errors, held_out_of_the_grid=grid,
    )  # fmt: skip


def _error(model, images):
    return float(squared_error(images, model.reconstruct(images)).mean())


def tell(what, numbers):
    """Print those of the numbers that are single ones."""
    single = {name: round(v, 3) for name, v in numbers.items() if np.ndim(v) == 0}
    print(what, json.dumps(single), flush=True)


def _spread(runs):
    values = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    return {
        name: {"mean": v.mean(), "sd": v.std(ddof=1), "values": v} for name, v in values.items()
    }


def limit(slopes=SLOPES, tolerance=TOLERANCE):
    """The rate-distortion limit of the world and of the circles alone: figures/limit.json.

    Left alone where the file there was made from the same images and settings.
    """
    sources = {"world": shape_world().images, "circles": shape_world(("circle",)).images}
    settings = {"slopes": list(slopes), "tolerance": tolerance, "sources": digest(sources)}
    there = (output_folder("figures") / "limit.json").exists()
    if there and recorded("limit")["settings"] == settings:
        return
    curves = {}
    for name, images in sources.items():
        table = image_rate_distortion(images, slopes, tolerance=tolerance)
        table["gap"] = table["rate"] - table["lower_bound"]  # before the numbers are rounded
        print(name, table.round(3).to_string(index=False), sep="\n", flush=True)
        curves[name] = table.to_dict("list")
    record("limit", settings=settings, **curves)


def _plane_settings(epochs):
    """(group, name, c, beta, settings) of every model of the plane."""
    for c in PLANE_C:
        way = "lowered" if c < recipes.C_START else "raised"
        yield "VAE", f"c {way} from {recipes.C_START:g}", c, 1, {"c_start": recipes.C_START}
    for beta in BETAS:
        yield "beta-VAE", f"beta {beta}", recipes.C, beta, {"c_start": recipes.C}
    for c in IDEAS_C:
        for name, changes in IDEAS.items():
            settings = {"c_start": recipes.C_START} | changes
            settings["c_start"] = settings["c_start"] or c
            yield "idea", name, c, 1, settings | {"epochs": changes.get("epochs", 1) * epochs}


class Plan(NamedTuple):
    """A model of the plane, and how it is trained."""

    group: str
    name: str
    c: float
    beta: float
    file: str  # the checkpoint's name
    losses: list[Partial]  # one an epoch
    settings: dict


def _plane_plans(epochs):
    """The plans of all models of the plane."""
    for group, name, c, beta, settings in _plane_settings(epochs):
        settings = {"epochs": epochs} | settings
        losses = [
            Partial(loss.func, **(loss.keywords | {"beta": float(beta)}))
            for loss in recipes.vae_losses(settings["epochs"], c, settings.pop("c_start"))
        ]
        file = f"plane-{group}-{name}-c{c}".replace(" ", "-")
        yield Plan(group, name, c, beta, file, losses, settings)


def _train_alike(plans, images, epochs):
    """Plain and beta-VAEs differ in their losses only: one program trains them all, from the
    headline VAE's start on."""
    files, losses = [plan.file for plan in plans], [plan.losses for plan in plans]
    (start,) = recipes.headline_starts(VariationalAutoencoder, images, seeds=[0], epochs=epochs)
    models = [nnx.clone(start) for _ in plans]
    recipes.train_many(files, models, images, losses, epochs=epochs, seeds=[0] * len(plans))
    return models


def _train_idea(plan, images, grid_images):
    """One model by other settings, from the best of its own starts; on the grid, so many epochs
    that the steps are as many."""
    losses, settings = plan.losses, {"batch_size": recipes.BATCH_SIZE} | plan.settings
    if settings.pop("grid", False):
        times = round(
            (len(images) // recipes.BATCH_SIZE) / (len(grid_images) // recipes.BATCH_SIZE)
        )
        images, losses = grid_images, [loss for loss in losses for _ in range(times)]
        settings["epochs"] = len(losses)
    latents = settings.pop("latents", recipes.LATENT_SIZE)
    network = {k: settings.pop(k) for k in ("decoder_widths", "rank") if k in settings}

    def make(seed):
        """Untrained."""
        return VariationalAutoencoder(latents, images=images, rngs=nnx.Rngs(seed), **network)

    name = f"plane-{plan.name}-from-c{losses[0].keywords['c']:g}".replace(" ", "-")
    steps = settings["epochs"] * (len(images) // settings["batch_size"])
    rate = settings.pop("learning_rate", recipes.LEARNING_RATE)
    settings["learning_rate"] = warmup_stable_decay(rate, steps)
    (model,) = recipes.best_starts(name, make, images, losses[0], seeds=[0], **settings)
    recipes.train(plan.file, model, images, losses, **settings)
    return model


def plane(epochs=recipes.EPOCHS, n=recipes.TRAINING_IMAGES):
    """VAEs over c, beta-VAEs and ideas, each with its account: figures/plane.json, one seed."""
    world, images = shape_world(), recipes.training_shapes(n)
    grid_images = world.images[recipes.world_split(world)[0]]
    plans, rows = list(_plane_plans(epochs)), []
    alike = [plan for plan in plans if plan.group != "idea"]
    trained = _train_alike(alike, images, epochs)
    models = {plan.file: model for plan, model in zip(alike, trained, strict=True)}
    for plan in plans:
        model = models.get(plan.file) or _train_idea(plan, images, grid_images)
        numbers = measures.bits(
            *model.encode(world.images), model.decode, world.images, jax.random.key(4)
        )
        tell(f"{plan.group}, {plan.name}, c {plan.c}:", numbers)
        about = {"group": plan.group, "name": plan.name, "c": plan.c, "beta": plan.beta}
        rows.append(about | numbers)
    record("plane", epochs=epochs, training_images=n, seed=0, models=rows)


def hand_made(cs=PLANE_C):
    """The best codes made by hand over c, the same as the plane's: figures/hand_made.json."""
    rows = optimised(shape_world(), cs)
    for row in rows:
        tell(f"by hand, c {row['c']:g}:", row)
    record("hand_made", **{name: [row[name] for row in rows] for name in rows[0]})


def single_shape(batches=SINGLE_SEEDS, epochs=recipes.SINGLE_EPOCHS, n=recipes.SMALL_IMAGES):
    """Circles in three latents by several schedules and seeds: figures/single_shape.json.

    batches: two of seeds, none of which anything was tuned on. The second is the one reported; of
    the first the MIGs, to see whether it would have said the same.
    """
    world = shape_world(("circle",))
    training = recipes.training_shapes(n, world.shapes)
    first, reported = map(list, batches)
    schedules = {}
    for name, losses in recipes.single_shape_losses(epochs, n).items():
        runs, tables = [], []
        models = recipes.single_shapes(name, losses, training, seeds=[*first, *reported])
        for seed, model in zip([*first, *reported], models, strict=True):
            code = model.encode(world.images)
            bits_key, factors_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 3))
            table, _ = factor_information(
                *code, world.factors[:, 1:], key=factors_key, draws=4, names=FACTORS[1:]
            )
            mig = mutual_information_gap(table, np.log2(world.cardinalities[1:]))
            numbers = measures.bits(*code, model.decode, world.images, bits_key)
            runs.append({"mig": mig} | numbers)
            tables.append(table.to_dict("list"))
            tell(f"circles, {name}, seed {seed}:", runs[-1])
        schedules[name] = _spread(runs[len(first) :])
        schedules[name] |= {"bits": tables[len(first) :]}
        schedules[name] |= {"mig_of_first_batch": [run["mig"] for run in runs[: len(first)]]}
    record(
        "single_shape", epochs=epochs, training_images=n, seeds=reported, first_batch=first,
        schedules=schedules,
    )  # fmt: skip


PARTS = headline, generalisation, single_shape, plane, limit, hand_made
