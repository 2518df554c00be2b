"""The site, without a kernel: the notebooks as pages, an index, an explorer of the latent spaces.

`build` is all that `make site` calls; `pages` makes the HTML, `weights` what the explorer loads.
"""

import json
import os
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from helpers import recipes
from helpers.shapes import POSITIONS, SHAPES, SIDE, SIZES, shape_world
from tools.pairs import CommandError
from tools.site import pages, weights

DOTS = 2048  # codes of the world behind a pad
FURTHEST = 3.0  # how far the explorer goes from the mean code, in standard deviations
STARTS = (1100, 3150, 5300, 7300, 250, 2900, 4700, 8000)  # pictures of the world to start from


def headline_models(world):
    """The headline models, trained or loaded: (model, its codes of the world) by name."""
    train, test = recipes.world_split(world)
    images, test_images = jnp.asarray(world.images[train]), jnp.asarray(world.images[test])
    ae, _ = recipes.autoencoder(images, test_images)
    vae, _ = recipes.variational_autoencoder(images, test_images)
    everything = jnp.asarray(world.images)
    return {"AE": (ae, ae.encode(everything)), "VAE": (vae, vae.encode(everything)[0])}


def _export(folder, world, models):
    """decoders.bin, codes.bin and explorer.json; says how far the rounding moves a pixel."""
    codes = {name: np.asarray(z, np.float64) for name, (_, z) in models.items()}
    reached = {name: weights.within_reach(z, FURTHEST) for name, z in codes.items()}
    rounded = {name: weights.rounded_decoder(models[name][0], z) for name, z in reached.items()}
    packed, layers = weights.pack(rounded)
    if len(packed) >= weights.MOST_BYTES:
        raise CommandError(f"decoders.bin would hold {len(packed):,} bytes, {weights.MOST_BYTES:,} "
                           "is the most: lower STEPS in tools/site/weights.py.")  # fmt: skip
    moved = max(
        weights.worst_pixel(models[name][0], rounded[name], z) for name, z in reached.items()
    )
    print(f"decoders.bin: {len(packed):,} bytes; no pixel further than {moved:.2g} from JAX's.")

    dots = np.linspace(0, len(world.images) - 1, min(DOTS, len(world.images))).astype(int)
    units = {name: (z - z.mean(axis=0)) / z.std(axis=0) for name, z in codes.items()}
    # A byte holds -5 to 5 standard deviations; what lies further is drawn at the rim.
    bytes_ = [np.clip(np.round(u[dots] * 25), -127, 127).astype(np.int8) for u in units.values()]
    about = {
        "side": SIDE, "shapes": SHAPES, "positions": POSITIONS.tolist(), "sizes": SIZES.tolist(),
        "furthest": FURTHEST, "worst_pixel": round(moved, 4),
        "dots": world.factors[dots, 0].astype(int).tolist(),
        "starts": [{"factors": world.factors[i].tolist(),
                    "codes": {name: u[i].round(4).tolist() for name, u in units.items()}}
                   for i in STARTS if i < len(world.images)],
        "models": {name: {"mean": z.mean(axis=0).tolist(), "std": z.std(axis=0).tolist(),
                          "layers": layers[name]} for name, z in codes.items()},
    }  # fmt: skip
    (folder / "decoders.bin").write_bytes(packed)
    (folder / "codes.bin").write_bytes(b"".join(array.tobytes() for array in bytes_))
    (folder / "explorer.json").write_text(json.dumps(about, separators=(",", ":")))


def build(root, readme: str, target=None) -> Path:
    """Build `target` (`root`/site) anew from the executed notebooks, the figures and README's text.

    The two models are loaded, or trained if they are not there. A build that fails leaves the old
    site as it was. Raises CommandError for a notebook or mark of README that is missing.
    """
    target = target or root / "site"
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".site-") as temporary:
        folder, old = Path(temporary) / "new", Path(temporary) / "old"
        pages.write_pages(folder, root, readme)  # first: what may be missing shows at once
        world = shape_world()
        _export(folder, world, headline_models(world))
        if target.exists():
            os.replace(target, old)
        os.replace(folder, target)
    return target
