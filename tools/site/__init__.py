"""The site, without a kernel: the notebooks as pages, an index, an explorer of the latent spaces.

`build` is all that `make site` calls; `pages` makes the HTML.
"""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from flax import nnx

from helpers import recipes
from helpers.plotting import evenly
from helpers.shapes import POSITIONS, SHAPES, SIDE, SIZES, shape_world
from tools.pairs import CommandError
from tools.site import pages

EXPLORER = ("explorer.html", "style.css", "explorer.js", "explorer.json", "codes.bin",
            "decoders.bin")  # fmt: skip
MOST_BYTES = 2_000_000  # that the explorer loads
DOTS = 2048  # codes of the world behind a pad
FURTHEST = 3.0  # how far the explorer goes from the mean code, in standard deviations
STARTS = (1100, 3150, 5300, 7300, 250, 2900, 4700, 8000)  # pictures of the world to start from


def headline_models(world):
    """The headline models, trained or loaded: (model, its codes of the world) by name."""
    images = recipes.training_shapes()
    models = {
        "AE": recipes.autoencoder(images, world.images)[0],
        "VAE": recipes.variational_autoencoder(images, world.images)[0],
    }
    return {name: (model, model.codes(world.images)) for name, model in models.items()}


def _weights(decoder):
    """The sizes of a decoder's perceptron, and all its weights in the order of explorer.js."""
    layers = [layer for layer in decoder.profiles.layers if isinstance(layer, nnx.Linear)]
    arrays = [p[...] for layer in layers for p in (layer.kernel, layer.bias)] + [decoder.bias[...]]
    sizes = [layers[0].in_features, *(layer.out_features for layer in layers)]
    return sizes, b"".join(np.asarray(array, "<f4").tobytes() for array in arrays)


def _export(folder, world, models):
    """decoders.bin, codes.bin and explorer.json."""
    dots = evenly(len(world.images), DOTS)
    starts = [i for i in STARTS if i < len(world.images)]
    decoders, codes, about = [], [], {}
    for name, (model, z) in models.items():
        z = np.asarray(z, np.float64)
        mean, std = z.mean(axis=0), z.std(axis=0)
        units = (z - mean) / std
        # A byte holds -5 to 5 standard deviations; what lies further is drawn at the rim.
        codes.append(np.clip(np.round(units[dots] * 25), -127, 127).astype(np.int8).tobytes())
        sizes, weights = _weights(model.decoder)
        decoders.append(weights)
        about[name] = {"sizes": sizes, "mean": mean.tolist(), "std": std.tolist(),
                       "starts": units[starts].round(4).tolist()}  # fmt: skip
    about = {
        "side": SIDE, "shapes": SHAPES, "positions": POSITIONS.tolist(), "sizes": SIZES.tolist(),
        "furthest": FURTHEST, "models": about, "dots": world.factors[dots, 0].astype(int).tolist(),
        "starts": world.factors[starts].tolist(),
    }  # fmt: skip
    (folder / "decoders.bin").write_bytes(b"".join(decoders))
    (folder / "codes.bin").write_bytes(b"".join(codes))
    (folder / "explorer.json").write_text(json.dumps(about, separators=(",", ":")))
    size = sum((folder / name).stat().st_size for name in EXPLORER)
    print(f"The explorer: {size:,} bytes.")
    if size >= MOST_BYTES:
        raise CommandError(f"The explorer may have at most {MOST_BYTES:,} bytes: narrower decoders "
                           "fit, or weights in float16.")  # fmt: skip


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
