"""Files: where they go, written atomically, verified when read, never pickled; saved figures and
recorded numbers.

Tests set LATENT_BITS_OUTPUT_DIR so that whatever a notebook writes lands there; otherwise figures
and numbers go to `figures/`, data and checkpoints to `data/`.
"""

import hashlib
import io
import json
import numbers
import os
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import Image, Markdown, display

HOME = Path(__file__).resolve().parent.parent
# The repository; installed by pip there is none, and files go where the reader works.
ROOT = HOME if (HOME / "pyproject.toml").exists() else Path.cwd()


def write_atomically(path, data: bytes):
    """Write bytes so that a reader, or a crash, sees the old file or the new one, never a part.

    Raises OSError, naming the folder, where it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def digest(arrays) -> str:
    """SHA-256 over the names, types, shapes and bytes of a dict of arrays."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        array = np.ascontiguousarray(array)
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8))  # no copy
    return total.hexdigest()


def save_arrays(path, arrays, about=None):
    """Write a dict of arrays, and a JSON-able dict about them, as one verified npz file."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    # Types that NumPy does not know of itself, such as JAX's bfloat16, are stored as bits.
    types = {name: array.dtype.name for name, array in arrays.items() if array.dtype.kind == "V"}
    arrays |= {name: arrays[name].view(f"u{arrays[name].dtype.itemsize}") for name in types}
    header = json.dumps({"sha256": digest(arrays), "about": about or {}, "types": types})
    with tempfile.TemporaryFile() as buffer:
        np.savez_compressed(buffer, **arrays, __header__=np.array(header))
        buffer.seek(0)
        write_atomically(path, buffer.read())


def load_arrays(path):
    """Read what `save_arrays` wrote: (arrays, about).

    Raises FileNotFoundError if it is not there, ValueError if it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("__header__")))
        expected, about, types = header["sha256"], header["about"], header.get("types", {})
    except FileNotFoundError:
        raise
    except Exception as error:  # a flipped bit can make zip, zlib, NumPy or json raise anything
        raise ValueError(f"{path} is damaged: {error}") from error
    if digest(arrays) != expected:
        raise ValueError(f"{path} is damaged: its contents do not match its checksum")
    arrays |= {name: arrays[name].view(np.dtype(kind)) for name, kind in types.items()}
    return arrays, about


def output_folder(name: str) -> Path:
    """The folder to write to, `name` being "figures" or "data"."""
    override = os.environ.get("LATENT_BITS_OUTPUT_DIR")
    return (Path(override) if override else ROOT) / name


def checkpoint(name: str) -> Path:
    """The path of a trained model's checkpoint."""
    return output_folder("data") / "checkpoints" / f"{name}.npz"


def save_figure(fig, name: str, alt: str = "") -> Image:
    """Save a figure as figures/<name>.png, close it, and return the picture for display.

    Args:
        name: of the file, without its ending. The picture holds no software stamp: the same figure
            gives the same bytes.
        alt: what the picture shows, in a sentence or two, for a reader who cannot see it. It goes
            into the output's metadata, from which the site takes it.
    """
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(fig)
    write_atomically(output_folder("figures") / f"{name}.png", buffer.getvalue())
    return Image(data=buffer.getvalue(), format="png", metadata={"alt": alt})


def say(text: str):
    """Show a sentence that holds computed numbers, as Markdown."""
    display(Markdown(text))


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
    made = "`make run`, `make studies` or `make sweep`"
    raise FileNotFoundError(f"figures/{name}.json is not there: {made} computes it")
