"""How time and memory grow: training with the number of images, the account and the limit with
images and latents, the oracle with pictures. A fresh process for each size."""

import json
import subprocess
import sys

from machine import ROOT

PROGRAM = ROOT / "benchmarks" / "one_size.py"

SIZES = {
    "train": [(2**k, 0) for k in range(11, 19)],
    "rate_audit": [
        *((2**k, 4) for k in range(11, 18)),
        *((2**12, latents) for latents in (1, 16, 64)),
        (60_000, 50),  # MNIST's training images, in the codes of a study
    ],
    "image_rate_distortion": [(2**k, 0) for k in range(9, 13)],
    "nearest_shape": [(2**k, 0) for k in range(8, 13)],
}


def measure():
    """A row per size: seconds, and how far the process's memory rose above what imports took."""
    result = {}
    for what, sizes in SIZES.items():
        result[what] = []
        for n, latents in sizes:
            command = [sys.executable, str(PROGRAM), what, str(n), str(latents)]
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
