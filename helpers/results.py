"""Where files go: the stored world, checkpoints, saved figures and recorded numbers.

With LATENT_BITS_OUTPUT_DIR set (the tests set it) everything is written there; otherwise figures
and numbers go to `figures/`, the world and checkpoints to `data/`.
"""

import io
import json
import numbers
import os
from pathlib import Path

import numpy as np
from IPython.display import Image

from helpers.shapes import ShapeWorld, shape_world
from helpers.storage import ROOT, load_arrays, save_arrays, write_atomically


def output_folder(name: str) -> Path:
    """The folder to write to, `name` being "figures" or "data"."""
    override = os.environ.get("LATENT_BITS_OUTPUT_DIR")
    return (Path(override) if override else ROOT) / name


def checkpoint(name: str) -> Path:
    """The path of a trained model's checkpoint."""
    return output_folder("data") / "checkpoints" / f"{name}.npz"


def load_world() -> ShapeWorld:
    """The world from `data/shapes.npz`; rendered and stored first if missing or damaged."""
    path = output_folder("data") / "shapes.npz"
    try:
        arrays, about = load_arrays(path)
        return ShapeWorld(
            arrays["images"],
            arrays["factors"],
            tuple(about["cardinalities"]),
            about["entropy_bits"],
            tuple(about["shapes"]),
        )
    except FileNotFoundError:
        print(f"Rendering the world and storing it as data/{path.name}.")
    except (ValueError, KeyError) as error:
        print(f"Rendering the world again: {error}.")
    world = shape_world()
    about = world._asdict()
    arrays = {name: about.pop(name) for name in ("images", "factors")}
    save_arrays(path, arrays, about)
    return world


def save_figure(fig, name: str) -> Image:
    """Save a figure as figures/<name>.png, close it, and return the picture for display.

    The picture holds no software stamp: the same figure gives the same bytes.
    """
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(fig)
    write_atomically(output_folder("figures") / f"{name}.png", buffer.getvalue())
    return Image(data=buffer.getvalue(), format="png")


def _rounded(name, value):
    if isinstance(value, dict):
        return {str(key): _rounded(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, (str, bool)):
        return value
    if np.ndim(value) > 0:
        return [_rounded(name, item) for item in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    value = float(value)
    if not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    return float(f"{value:.4g}")


def record(notebook: str, **values):
    """Write figures/<notebook>.json anew: the numbers that prose, captions and README quote.

    Numbers are rounded to 4 significant digits, so that a rerun shows no diff. Raises ValueError
    for a number that is not finite. Returns what was written.
    """
    rounded = {name: _rounded(name, value) for name, value in values.items()}
    text = json.dumps(rounded, indent=2) + "\n"
    write_atomically(output_folder("figures") / f"{notebook}.json", text.encode())
    return rounded


def recorded(name: str) -> dict:
    """The numbers of figures/<name>.json: of this run's output folder, else those committed.

    Raises FileNotFoundError where there are none.
    """
    for folder in (output_folder("figures"), ROOT / "figures"):
        path = folder / f"{name}.json"
        if path.exists():
            return json.loads(path.read_text())
    raise FileNotFoundError(f"figures/{name}.json is not there: `make sweep` computes it")
