"""What `make sweep` computes: too long for `make run`, so notebook 04 and README read its files.

Each part writes one figures/*.json, and only once it is whole; models are trained through their
checkpoints, so that a sweep that was stopped goes on where it was.
"""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.tree_util import Partial

from helpers import plotting, recipes, studies
from helpers.digits import load_digits
from helpers.files import digest, output_folder, record, recorded, save_figure
from helpers.generation import coverage, fitted_gaussian, nearest_shape, sample_prior, validity
from helpers.information import factor_information, mutual_information_gap
from helpers.limits import image_rate_distortion
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import gaussian_kl, squared_error
from helpers.shapes import FACTORS, shape_world

SEEDS = range(5)
SLOPES = (5, 2.5, 1.6, 1.2, 1, 0.85, 0.7, 0.6, 0.5, 0.43, 0.37, 0.3, 0.25, 0.2, 0.16, 0.13, 0.11,
          0.095, 0.08, 0.07, 0.06, 0.05)  # fmt: skip
TOLERANCE = 2e-4  # nats, of an update of the limit's reproductions
PLANE_C = (0.05, 0.1, 0.2, 0.35, 0.6, 0.9, 1.25, 1.8, 2.6, 4.0)
PLANE_C_START = 1.0  # these fall from higher than the headline VAE: nearer the limit, less valid
BETAS = (2, 4, 8)
IDEAS = {  # what else may bring a VAE nearer the limit, each tried at these c
    "c constant": {"c_start": None},
    "batches of 512": {"batch_size": 512, "learning_rate": 4e-3},
    "wider decoder": {"decoder_widths": (512, 512, 512)},
    "twice the epochs": {"epochs": 2},
    "3 latents": {"latents": 3},
    "3 latents, twice the epochs": {"latents": 3, "epochs": 2},
    "8 latents": {"latents": 8},
}
IDEAS_C = (0.6, 1.25)
DIMENSION_RUNS = (  # (latents, seed, beta)
    *((latents, 0, 1.0) for latents in (4, 16, 64, 30)),
    *((latents, seed, 1.0) for seed in (1, 2) for latents in (20, 50, 10, 2)),
    *((20, 0, beta) for beta in (0.5, 2.0, 4.0)),
)
REPORT_RUNS = (  # (kind, data, latents, c, seed, improved)
    *(
        ("MLP", data, 2, studies.REPORT_C, seed, False)
        for seed in (1, 2)
        for data in ("mnist", "fashion_mnist")
    ),
    *(("MLP", "mnist", n, studies.REPORT_C, seed, False) for seed in (1, 2) for n in (3, 20)),
    *(("MLP", "mnist", 2, c, seed, False) for seed in (1, 2) for c in (0.0001, 1.0)),
    *(
        ("CNN", data, latents, studies.REPORT_C, 0, False)
        for data in ("mnist", "fashion_mnist")
        for latents in (2, 20)
    ),
    ("CNN", "mnist", 2, studies.REPORT_C, 0, True),
)


def measure_autoencoder(model, images, test_images, key, n=recipes.N_SAMPLES) -> dict:
    """Held-out squared error, and validity of samples from N(0, I) and from a fitted Gaussian."""
    prior_key, fitted_key = jax.random.split(key)
    fitted = model.decode(fitted_gaussian(model.encode(images), fitted_key, n))
    return {
        "ae_test_squared_error": float(
            squared_error(test_images, model.reconstruct(test_images)).mean()
        ),
        "ae_prior_validity": validity(sample_prior(model, prior_key, n)),
        "ae_fitted_gaussian_validity": validity(fitted),
    }


def measure_vae(model, test_images, key, n=recipes.N_SAMPLES) -> dict:
    """Held-out squared error at the posterior mean, and what n samples z ~ N(0, I) decode to."""
    nearest = nearest_shape(sample_prior(model, key, n))
    return {
        "vae_test_squared_error": float(
            squared_error(test_images, model.reconstruct(test_images)).mean()
        ),
        "vae_prior_validity": validity(nearest),
        "vae_prior_validity_strict": validity(nearest, 0.02),
        "vae_prior_coverage": coverage(nearest),
    }


def headline(seeds=SEEDS, epochs=recipes.EPOCHS):
    """The headline AE and VAE over several seeds: figures/sweep.json, settings, values, spread."""
    world = shape_world()
    train_rows, test_rows = recipes.world_split(world)
    images, test_images = world.images[train_rows], world.images[test_rows]
    runs = []
    aes, vaes = (
        recipes.headline_models(kind, images, test_images, seeds=seeds, epochs=epochs)[0]
        for kind in (Autoencoder, VariationalAutoencoder)
    )
    for seed, ae, vae in zip(seeds, aes, vaes, strict=True):
        ae_key, vae_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 2))
        runs.append(
            measure_autoencoder(ae, images, test_images, ae_key)
            | measure_vae(vae, test_images, vae_key)
        )
        _tell(f"seed {seed}", runs[-1])
    settings = {
        "latent_size": recipes.LATENT_SIZE,
        "epochs": epochs,
        "batch_size": recipes.BATCH_SIZE,
        "learning_rate": recipes.LEARNING_RATE,
        "c_start": recipes.C_START,
        "c": recipes.C,
        "samples": recipes.N_SAMPLES,
    }
    record("sweep", settings=settings, seeds=list(seeds), **_spread(runs))


def _tell(what, numbers):
    print(what, json.dumps({k: round(v, 3) for k, v in numbers.items()}), flush=True)


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
        print(name, table.round(3).to_string(index=False), sep="\n", flush=True)
        curves[name] = table.to_dict("list")
    record("limit", settings=settings, **curves)


def _plane_model(images, test_images, name, losses, *, latents=recipes.LATENT_SIZE, **settings):
    widths = {k: settings.pop(k) for k in ("decoder_widths",) if k in settings}
    model = VariationalAutoencoder(latents, images=images, rngs=nnx.Rngs(0), **widths)
    recipes.train(name, model, images, losses, test_data=test_images, **settings)
    return model


def _plane_settings(epochs):
    """(group, name, c, beta, settings) of every model of the plane."""
    for c in PLANE_C:
        start = max(c, PLANE_C_START)
        yield "VAE", "c lowered from 1" if c < start else "c constant", c, 1, {"c_start": start}
    for beta in BETAS:
        yield "beta-VAE", f"beta {beta}", recipes.C, beta, {"c_start": recipes.C}
    for c in IDEAS_C:
        for name, changes in IDEAS.items():
            start = changes.get("c_start", max(c, PLANE_C_START)) or c
            if changes.get("c_start", c) is None and c >= PLANE_C_START:
                continue  # the plain recipe itself
            times = changes.get("epochs", 1)
            yield "idea", name, c, 1, changes | {"c_start": start, "epochs": times * epochs}


def _plane_plans(epochs):
    """(group, name, c, beta, checkpoint, losses, settings) of every model of the plane."""
    for group, name, c, beta, settings in _plane_settings(epochs):
        settings = {"epochs": epochs} | settings
        losses = [
            Partial(loss.func, **(loss.keywords | {"beta": float(beta)}))
            for loss in recipes.vae_losses(settings["epochs"], c, settings.pop("c_start"))
        ]
        file = f"plane-{group}-{name}-c{c}".replace(" ", "-")
        yield group, name, c, beta, file, losses, settings


def _train_alike(plans, images, test_images, epochs):
    """Plain and beta-VAEs differ in their losses only: one program trains them all."""
    *_, files, losses, _ = zip(*plans, strict=True)
    models = [
        VariationalAutoencoder(recipes.LATENT_SIZE, images=images, rngs=nnx.Rngs(0)) for _ in plans
    ]
    seeds = [0] * len(plans)
    recipes.train_many(
        files, models, images, losses, epochs=epochs, seeds=seeds, test_data=test_images
    )


def plane(epochs=recipes.EPOCHS):
    """VAEs over c, beta-VAEs and ideas, each with its account: figures/plane.json, one seed."""
    world = shape_world()
    train_rows, test_rows = recipes.world_split(world)
    images, test_images = world.images[train_rows], world.images[test_rows]
    plans, models = list(_plane_plans(epochs)), []
    _train_alike([plan for plan in plans if plan[0] != "idea"], images, test_images, epochs)
    for group, name, c, beta, file, losses, settings in plans:
        model = _plane_model(images, test_images, file, losses, **settings)
        mean, log_variance = model.encode(jnp.asarray(world.images))
        numbers = recipes.measure_bits(
            mean, log_variance, model.decode, jnp.asarray(world.images), jax.random.key(4)
        )
        _tell(f"{group}, {name}, c {c}:", numbers)
        models.append({"group": group, "name": name, "c": c, "beta": beta} | numbers)
    record("plane", epochs=epochs, seed=0, models=models)


def single_shape(seeds=SEEDS, epochs=recipes.SINGLE_EPOCHS):
    """Circles in three latents by several schedules and seeds: figures/single_shape.json."""
    world = shape_world(("circle",))
    images, factors = jnp.asarray(world.images), world.factors[:, 1:]
    train_rows, _ = recipes.world_split(world)
    schedules = {}
    for name, losses in recipes.single_shape_losses(epochs, len(train_rows)).items():
        runs, tables = [], []
        models = recipes.single_shapes(name, losses, images[train_rows], seeds=seeds)
        for seed, model in zip(seeds, models, strict=True):
            mean, log_variance = model.encode(images)
            keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 3))
            z = model.sample(mean, log_variance, keys[0])
            bits, _ = factor_information(
                mean, log_variance, factors, key=keys[1], draws=4, names=FACTORS[1:]
            )
            tables.append(bits.to_dict("list"))
            runs.append({
                "mig": mutual_information_gap(bits, np.log2(world.cardinalities[1:])),
                "kl": float(gaussian_kl(mean, log_variance).mean()) / np.log(2),
                "distortion": float(squared_error(images, model.decode(z)).mean()),
            })  # fmt: skip
            _tell(f"circles, {name}, seed {seed}:", runs[-1])
        schedules[name] = _spread(runs) | {"bits": tables}
    record("single_shape", epochs=epochs, seeds=list(seeds), schedules=schedules)


def latent_dimension(runs=DIMENSION_RUNS, epochs=studies.GROUP_EPOCHS):
    """Study 07's further VAEs on MNIST: figures/latent_dimension.json, after every run."""
    (images, _), (test_images, _) = (load_digits("mnist", part) for part in ("train", "test"))
    done, rows = [], {"test images": test_images[:10]}
    for latents, seed, beta in runs:
        model, history = studies.group_model(
            "VAE", latents, images, test_images, seed=seed, epochs=epochs, beta=beta
        )
        numbers = studies.measure_group(model, history, test_images, jax.random.key(seed))
        _tell(f"VAE, {latents} latents, seed {seed}, beta {beta:g}:", _scalars(numbers))
        done.append({"latents": latents, "seed": seed, "beta": beta} | numbers)
        record("latent_dimension", epochs=epochs, device=_device(), runs=done)
        if latents in (4, 16, 64):
            rows[f"{latents} latents"] = model.reconstruct(test_images[:10])
        elif latents == 30:
            rows["30, z ~ N(0, I)"] = sample_prior(model, jax.random.key(30), 10)
    plotting.use_style()
    save_figure(plotting.image_rows(rows), "07_further_sizes")


def mlp_and_cnn(runs=REPORT_RUNS, epochs=studies.REPORT_EPOCHS):
    """Study 06's further models: figures/mlp_and_cnn.json, after every run, and CNN samples."""
    done, rows, sets, judges = [], {}, {}, {}
    for kind, data, latents, c, seed, improved in runs:
        if data not in sets:
            sets[data] = (*load_digits(data, "train"), *load_digits(data, "test"))
            judges[data], _ = studies.classifier(data, *sets[data])
        images, _, test_images, _ = sets[data]
        model, history = studies.report_model(
            kind, latents, images, test_images, data=data, c=c, seed=seed, epochs=epochs,
            improved=improved,
        )  # fmt: skip
        numbers = studies.measure_report(
            model, history, images, test_images, judges[data], jax.random.key(seed)
        )
        _tell(f"{kind} on {data}, {latents} latents, c {c:g}, seed {seed}:", numbers)
        about = {"kind": kind, "data": data, "latents": latents, "c": c, "seed": seed}
        done.append(about | {"improved": improved} | numbers)
        record("mlp_and_cnn", epochs=epochs, device=_device(), runs=done)
        if kind == "CNN" and not improved:
            name = f"{data.removesuffix('_mnist')}, z = {latents}"
            rows[name] = sample_prior(model, jax.random.key(latents), 10)
    if rows:
        plotting.use_style()
        save_figure(plotting.image_rows(rows), "06_cnn_samples")


def _scalars(numbers):
    return {name: value for name, value in numbers.items() if np.ndim(value) == 0}


def _device():
    device = jax.devices()[0]
    return f"{device.platform}, {device.device_kind}, {os.cpu_count()} cores"


PARTS = (headline, single_shape, plane, limit, latent_dimension, mlp_and_cnn)
