"""Files that can be trusted: written atomically, verified when read, never pickled."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


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
        total.update(array.tobytes())
    return total.hexdigest()


def save_arrays(path, arrays, about=None):
    """Write a dict of arrays, and a JSON-able dict about them, as one verified npz file."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    header = json.dumps({"sha256": digest(arrays), "about": about or {}})
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
        expected, about = header["sha256"], header["about"]
    except FileNotFoundError:
        raise
    except Exception as error:  # a flipped bit can make zip, zlib, NumPy or json raise anything
        raise ValueError(f"{path} is damaged: {error}") from error
    if digest(arrays) != expected:
        raise ValueError(f"{path} is damaged: its contents do not match its checksum")
    return arrays, about
