"""How time and memory grow: training with the number of images, the account and the limit with
images and latents, the oracle with pictures. A fresh process for each size."""

import json
import subprocess
import sys

from machine import ROOT

# The work is done once to compile and once for the clock; peak memory is of both, and of drawing
# the images, above what the process held before.
PROGRAM = """
import json, resource, sys, time
import jax, numpy as np, optax
from flax import nnx
what, n, latents = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
from helpers import generation, information, limits, recipes, shapes, training
from helpers.models import Autoencoder
from helpers.objectives import autoencoder_loss
def resident():
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux lets a process inherit its parent's ru_maxrss, but not its high-water mark.
    status = open("/proc/self/status").read()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
before = resident()
if what == "train":
    images, _ = shapes.random_shapes(jax.random.key(0), n)
    model = Autoencoder(recipes.LATENT_SIZE, images=images[:1024], rngs=nnx.Rngs(0))
    adam = optax.adam(1e-3)
    def work():
        training.fit(model, images, autoencoder_loss, epochs=1, batch_size=128, optimizer=adam,
                     key=jax.random.key(1))
elif what == "rate_audit":
    mean = np.random.default_rng(0).normal(size=(n, latents))
    def work():
        information.rate_audit(mean, np.full_like(mean, -4), key=jax.random.key(1), draws=2)
elif what == "image_rate_distortion":
    images, _ = shapes.random_shapes(jax.random.key(0), n)
    def work():
        limits.image_rate_distortion(images, [1.0], tolerance=1e-3)
elif what == "nearest_shape":
    images, _ = shapes.random_shapes(jax.random.key(0), n)
    def work():
        generation.nearest_shape(images)
work()
start = time.perf_counter()
work()
print(json.dumps({
    "n": n, "latents": latents, "seconds": time.perf_counter() - start,
    "peak_bytes": resident() - before,
}))
"""
SIZES = {
    "train": [(2**k, 0) for k in range(11, 19)],
    "rate_audit": [(2**k, 4) for k in range(11, 16)] + [(2**12, n) for n in (1, 16, 64)],
    "image_rate_distortion": [(2**k, 0) for k in range(9, 13)],
    "nearest_shape": [(2**k, 0) for k in range(8, 13)],
}


def measure():
    """A row per size: seconds, and how far the process's memory rose above what imports took."""
    result = {}
    for what, sizes in SIZES.items():
        result[what] = []
        for n, latents in sizes:
            command = [sys.executable, "-c", PROGRAM, what, str(n), str(latents)]
            run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            row = json.loads(run.stdout.splitlines()[-1])
            assert row["peak_bytes"] > 0, row
            result[what].append(row)
            print(f"{what}, {n} images, {latents} latents: {row['seconds']:.2f} s, "
                  f"{1e6 * row['seconds'] / n:.1f} us an image, "
                  f"{row['peak_bytes'] / 2**20:.0f} MiB", flush=True)  # fmt: skip
    return result


if __name__ == "__main__":
    measure()
