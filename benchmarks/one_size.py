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


def resident():
    """The most memory that the process has held, in bytes."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux lets a process inherit its parent's ru_maxrss, but not its high-water mark.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def train(images, _):
    """An epoch of the AE."""
    model = Autoencoder(recipes.LATENT_SIZE, images=images[:1024], rngs=nnx.Rngs(0))
    settings = {"epochs": 1, "batch_size": 128, "learning_rate": 1e-3, "key": jax.random.key(1)}
    return lambda: training.fit(model, images, autoencoder_loss, **settings)


def rate_audit(images, latents):
    """The account of random codes, two draws."""
    mean = np.random.default_rng(0).normal(size=(len(images), latents))
    log_variance = np.full_like(mean, -4)
    key = jax.random.key(1)
    return lambda: information.rate_audit(mean, log_variance, key=key, draws=2)


def image_rate_distortion(images, _):
    """The limit at one slope."""
    return lambda: limits.image_rate_distortion(images, [1.0], tolerance=1e-3)


def nearest_shape(images, _):
    """The oracle."""
    return lambda: generation.nearest_shape(images)


def main(what, n, latents):
    """Print one line of JSON. The work is done once to compile and once for the clock; peak memory
    is of both, and of drawing the images, above what the process held before."""
    before = resident()
    images, _ = shapes.random_shapes(jax.random.key(0), n)
    work = globals()[what](images, latents)
    work()
    start = time.perf_counter()
    work()
    seconds, peak = time.perf_counter() - start, resident() - before
    print(json.dumps({"n": n, "latents": latents, "seconds": seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
