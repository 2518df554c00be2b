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
from helpers.plotting import evenly
from helpers.shapes import POSITIONS, SHAPES, SIDE, SIZES, shape_world
from tools.pairs import CommandError
from tools.site import pages, weights

EXPLORER = ("explorer.html", "style.css", "explorer.js", "explorer.json", "codes.bin",
            "decoders.bin")  # fmt: skip
MOST_BYTES = 2_000_000  # that the explorer loads
FURTHEST_PIXEL = 1e-2  # from JAX's, of 1
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
    dots = evenly(len(world.images), DOTS)
    starts = [i for i in STARTS if i < len(world.images)]
    decoders, codes, worst, about = [], [], 0.0, {}
    for name, (model, z) in models.items():
        z = np.asarray(z, np.float64)
        mean, std = z.mean(axis=0), z.std(axis=0)
        units = (z - mean) / std
        u = weights.within_reach(units, FURTHEST)
        layers = weights.rounded_decoder(model, mean, std, u)
        exact = model.decode(jnp.asarray(mean + std * u, jnp.float32)).reshape(len(u), -1)
        worst = max(worst, float(jnp.abs(weights.decode(layers, u) - exact).max()))
        # A byte holds -5 to 5 standard deviations; what lies further is drawn at the rim.
        codes.append(np.clip(np.round(units[dots] * 25), -127, 127).astype(np.int8).tobytes())
        about[name] = {
            "layers": [{"step": step, "bias": bias.tolist()} for _, step, bias in layers],
            "starts": units[starts].round(4).tolist(),
        }
        decoders.append(layers)
    about = {
        "side": SIDE, "shapes": SHAPES, "positions": POSITIONS.tolist(), "sizes": SIZES.tolist(),
        "furthest": FURTHEST, "worst_pixel": round(worst, 4), "models": about,
        "dots": world.factors[dots, 0].astype(int).tolist(),
        "starts": world.factors[starts].tolist(),
    }  # fmt: skip
    (folder / "decoders.bin").write_bytes(weights.pack(decoders))
    (folder / "codes.bin").write_bytes(b"".join(codes))
    (folder / "explorer.json").write_text(json.dumps(about, separators=(",", ":")))
    size = sum((folder / name).stat().st_size for name in EXPLORER)
    print(f"The explorer: {size:,} bytes; no pixel further than {worst:.2g} from JAX's.")
    if size >= MOST_BYTES or worst >= FURTHEST_PIXEL:
        raise CommandError(f"At most {MOST_BYTES:,} bytes and {FURTHEST_PIXEL} are wanted: "
                           "see STEPS in tools/site/weights.py.")  # fmt: skip


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
