"""Seconds and memory of one kind of work on n images with L latents, in a process of its own:
`python one_size.py <what> <n> <latents>`, from the repository's root."""

import json
import resource
import sys
import time
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from machine import ROOT  # noqa: F401 (puts the project on Python's path)

from helpers import generation, information, limits, recipes, shapes, training
from helpers.models import Autoencoder
from helpers.objectives import autoencoder_loss

SAMPLE = 8192  # images asked by the account, where there are many


def resident():
    """The most memory that the process has held, in bytes."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux lets a process inherit its parent's ru_maxrss, but not its high-water mark.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def drawn(n):
    """n random shapes."""
    return shapes.random_shapes(jax.random.key(0), n)[0]


def train(n, _):
    """An epoch of the AE."""
    images = drawn(n)
    model = Autoencoder(recipes.LATENT_SIZE, images=images[:1024], rngs=nnx.Rngs(0))
    settings = {"epochs": 1, "batch_size": 128, "learning_rate": 1e-3, "key": jax.random.key(1)}
    return lambda: training.fit(model, images, autoencoder_loss, **settings)


def rate_audit(n, latents):
    """The account of random codes with its null, two draws; of many images a sample is asked."""
    mean = np.random.default_rng(0).normal(size=(n, latents))
    log_variance = np.random.default_rng(1).normal(-4 if latents < 8 else -2.5, 0.5, (n, latents))
    mean[:, 10:], log_variance[:, 10:] = mean[:, 10:] / 20, log_variance[:, 10:] / 50  # hardly used
    settings = {"key": jax.random.key(1), "draws": 2, "sample": SAMPLE if n > 2**15 else None}
    return lambda: information.rate_audit(mean, log_variance, **settings)


def image_rate_distortion(n, _):
    """The limit at one slope."""
    images = drawn(n)
    return lambda: limits.image_rate_distortion(images, [1.0], tolerance=1e-3)


def nearest_shape(n, _):
    """The oracle."""
    images = drawn(n)
    return lambda: generation.nearest_shape(images)


def main(what, n, latents):
    """Print one line of JSON. The work is done once to compile and once for the clock; peak memory
    is of both, and of drawing the images, above what the process held before."""
    before = resident()
    work = globals()[what](n, latents)
    work()
    start = time.perf_counter()
    found = work()
    seconds, peak = time.perf_counter() - start, resident() - before
    row = {"n": n, "latents": latents, "seconds": seconds, "peak_bytes": peak}
    if what == "rate_audit":
        row["stderr_bits"] = float(
            max(found.stderr["mutual_information"], found.stderr["granularity"])
        )
    print(json.dumps(row))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
