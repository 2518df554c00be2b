"""What `make sweep` computes of real images, for the studies 07 to 09 (see `sweeps`).

Each part writes its figures/*.json after every run.
"""

import os

import jax

from helpers import codes, plotting, studies
from helpers.digits import load_digits
from helpers.files import (
    checkpoint,
    load_arrays,
    output_folder,
    record,
    recorded,
    save_arrays,
    save_figure,
)
from helpers.generation import sample_prior
from tools.sweeps import tell

IMAGE_SETS = ("mnist", "fashion_mnist")
DIMENSION_RUNS = (  # (latents, seed, beta)
    *((latents, 0, 1.0) for latents in (4, 16, 64, 30)),
    *((latents, seed, 1.0) for seed in (1, 2) for latents in (20, 50, 10, 2)),
    *((20, 0, beta) for beta in (0.5, 2.0, 4.0)),
)
REPORT_RUNS = (  # (kind, data, latents, c, seed, improved)
    *(("MLP", data, 2, studies.REPORT_C, seed, False) for seed in (1, 2) for data in IMAGE_SETS),
    *(("MLP", "mnist", n, studies.REPORT_C, seed, False) for seed in (1, 2) for n in (3, 20)),
    *(("MLP", "mnist", 2, c, seed, False) for seed in (1, 2) for c in (0.0001, 1.0)),
    *(
        ("CNN", data, latents, studies.REPORT_C, 0, False)
        for data in IMAGE_SETS
        for latents in (2, 20)
    ),
    ("CNN", "mnist", 2, studies.REPORT_C, 0, True),
)
IMAGE_RUNS = (  # (data, kind, latents, seed), a VAE before the AE of its price
    *(("fashion_mnist", kind, n, 0) for n in (20, 2, 10, 50) for kind in ("VAE", "AE")),
    *(("mnist", kind, 20, seed) for seed in (0, 1, 2) for kind in ("VAE", "AE")),
    *(("fashion_mnist", kind, 20, seed) for seed in (1, 2) for kind in ("VAE", "AE")),
    *((data, "MLP", n, 0) for data in IMAGE_SETS for n in (2, 3, 20)),
    *((data, "CNN", n, 0) for data in IMAGE_SETS for n in (2, 3, 20)),
)
IMAGE_EPOCHS = {"AE": 10, "VAE": 10, "MLP": studies.REPORT_EPOCHS, "CNN": 3}


def latent_dimension(runs=DIMENSION_RUNS, epochs=studies.GROUP_EPOCHS):
    """Study 08's further VAEs on MNIST: figures/latent_dimension.json, after every run."""
    (images, _), (test_images, _) = (load_digits("mnist", part) for part in ("train", "test"))
    done, rows = [], {"test images": test_images[:10]}
    for latents, seed, beta in runs:
        model, history = studies.group_model(
            "VAE", latents, images, test_images, seed=seed, epochs=epochs, beta=beta
        )
        numbers = studies.measure_group(model, history, test_images, jax.random.key(seed))
        tell(f"VAE, {latents} latents, seed {seed}, beta {beta:g}:", numbers)
        done.append({"latents": latents, "seed": seed, "beta": beta} | numbers)
        record("latent_dimension", epochs=epochs, device=_device(), runs=done)
        if latents in (4, 16, 64):
            rows[f"{latents} latents"] = model.reconstruct(test_images[:10])
        elif latents == 30:
            rows["30, z ~ N(0, I)"] = sample_prior(model, jax.random.key(30), 10)
    _save_rows(rows, "08_further_sizes")


def mlp_and_cnn(runs=REPORT_RUNS, epochs=studies.REPORT_EPOCHS):
    """Study 07's further models: figures/mlp_and_cnn.json, after every run, and CNN samples."""
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
        tell(f"{kind} on {data}, {latents} latents, c {c:g}, seed {seed}:", numbers)
        about = {"kind": kind, "data": data, "latents": latents, "c": c, "seed": seed}
        done.append(about | {"improved": improved} | numbers)
        record("mlp_and_cnn", epochs=epochs, device=_device(), runs=done)
        if kind == "CNN" and not improved:
            name = f"{data.removesuffix('_mnist')}, z = {latents}"
            rows[name] = sample_prior(model, jax.random.key(latents), 10)
    _save_rows(rows, "07_cnn_samples")


def _image_model(data, kind, latents, seed, sets, epochs):
    """A model of study 09, trained or loaded: (model, history)."""
    images, _, test_images, _ = sets
    settings = {"data": data, "seed": seed, "epochs": epochs}
    train = studies.group_model if kind in ("AE", "VAE") else studies.report_model
    return train(kind, latents, images, test_images, **settings)


def _image_account(model, sets, bits, key, name):
    """The account of a model's code; bits: that an AE's noise makes its code cost."""
    images, labels, test_images, test_labels = sets
    code, queries = model.encode(images), model.encode(test_images)
    if bits is not None:
        code, queries = codes.noisy_code(code, bits), codes.noisy_code(code, bits, queries)
    return codes.account(code, labels, queries, test_labels, key=key, name=name)


def _image_drawings(model, kind, sets, key, n):
    """n pictures from each of three densities of z, by its name."""
    code_key, draw_key = jax.random.split(key)
    z = model.encode(sets[0][: codes.CODES])
    z = z if kind == "AE" else model.sample(*z, code_key)
    return codes.drawings(model, z, draw_key, n)


def real_images(runs=IMAGE_RUNS, epochs=IMAGE_EPOCHS, n=1000):
    """Study 09's further codes and drawings: figures/real_images.json, after every run.

    Runs that the file there holds, of the same epochs, are left as they are.
    """
    done, drawn, sets, judges = [], [], {}, {}
    if (output_folder("figures") / "real_images.json").exists():
        there = recorded("real_images")
        if there["epochs"] == epochs:
            done, drawn = there["runs"], there["drawings"]
    kept = {(r["data"], r["kind"], r["latents"], r["seed"]): r for r in done}
    for data, kind, latents, seed in runs:
        if (data, kind, latents, seed) in kept:
            continue
        if data not in sets:
            sets[data] = [*load_digits(data, "train"), *load_digits(data, "test")]
        about = {"data": data, "kind": kind, "latents": latents, "seed": seed}
        model, history = _image_model(**about, sets=sets[data], epochs=epochs[kind])
        bits = None
        if kind == "AE":  # to the digits that the file holds: the same after a sweep was stopped
            bits = float(f"{kept[data, 'VAE', latents, seed]['kl_bits']:.4g}")
        key = jax.random.fold_in(jax.random.key(seed), latents)
        name = f"reader-{data}-{kind}-{latents}-seed{seed}-{epochs[kind]}"
        numbers = _image_account(model, sets[data], bits, key, name)
        numbers["test_loss"] = float(history["test_loss"].iloc[-1])
        tell(f"{kind} on {data}, {latents} latents, seed {seed}:", numbers)
        kept[data, kind, latents, seed] = about | {"epochs": epochs[kind]} | numbers
        done.append(kept[data, kind, latents, seed])
        if kind in ("AE", "VAE") and latents == 20:
            if data not in judges:
                judges[data], _ = studies.classifier(data, *sets[data])
            pictures = _image_drawings(model, kind, sets[data], jax.random.fold_in(key, 1), n)
            judged = {
                density: studies.judged(some, judges[data], sets[data][0], sets[data][2])
                for density, some in pictures.items()
            }
            drawn.append(about | {"judged": judged})
            save_arrays(
                checkpoint(f"drawn-{data}-{kind}-{seed}"),
                {density: some[:12] for density, some in pictures.items()},
            )
        record("real_images", epochs=epochs, device=_device(), runs=done, drawings=drawn)
    rows = {}
    for kind in ("AE", "VAE"):
        path = checkpoint(f"drawn-fashion_mnist-{kind}-0")
        if path.exists():
            arrays, _ = load_arrays(path)
            rows |= {f"{kind}, {density}": some for density, some in arrays.items()}
    _save_rows(rows, "09_fashion_draws")


def _save_rows(rows, name):
    """Rows of pictures as a figure, where there are any."""
    if rows:
        plotting.use_style()
        save_figure(plotting.image_rows(rows), name)


def _device():
    device = jax.devices()[0]
    return f"{device.platform}, {device.device_kind}, {os.cpu_count()} cores"


PARTS = latent_dimension, mlp_and_cnn, real_images
