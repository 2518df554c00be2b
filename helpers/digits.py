"""MNIST and Fashion-MNIST, from the original files: found, or downloaded and verified.

A file is looked for in the user's own folder, then in data/, then fetched into data/. Its bytes are
read once and checked against the SHA-256 of the original before anything of them is used.
"""

import gzip
import hashlib
import math
import os
import warnings
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from .files import ROOT, output_folder
from .progress import progress_bar

with warnings.catch_warnings():  # pooch asks for Jupyter widgets, for a bar that is not used here
    warnings.filterwarnings("ignore", message="IProgress not found")
    import pooch

HASHES = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",  # noqa: E501
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",  # noqa: E501
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",  # noqa: E501
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",  # noqa: E501
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",  # noqa: E501
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",  # noqa: E501
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",  # noqa: E501
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",  # noqa: E501
    },
}
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
}
PREFIXES = {"train": "train", "test": "t10k"}
RETRIES = 2  # per mirror, each after a longer pause

# Pooch announces each download with the path of the cache: noise in an executed notebook.
pooch.get_logger().setLevel("WARNING")


def read_idx(packed: bytes, dimensions: int, source: str) -> UInt8[np.ndarray, "..."]:
    """The array in a gzipped idx file (LeCun's format of MNIST).

    Args:
        packed: the file's bytes.
        dimensions: of the array that is expected.
        source: the file's name, for errors.

    Raises:
        ValueError: it is cut short, not gzip, or no idx file of bytes in that many dimensions.
    """
    try:
        data = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{source}: not a whole gzip file: {error}") from error
    if len(data) < 4 or data[:2] != b"\0\0":
        raise ValueError(f"{source}: expected an idx file, it starts with {data[:4]!r}")
    if data[2] != 0x08 or data[3] != dimensions:
        raise ValueError(f"{source}: expected unsigned bytes (type 0x08) in {dimensions} "
                         f"dimensions, got type 0x{data[2]:02x} in {data[3]}")  # fmt: skip
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ValueError(f"{source}: it ends after {len(data)} bytes, within its header")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    if 0 in shape or len(data) - start != math.prod(shape):
        raise ValueError(f"{source}: expected {math.prod(shape)} bytes, at least 1, for the shape "
                         f"{shape}, got {len(data) - start}")  # fmt: skip
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _verified(path, sha256) -> bytes:
    """The bytes of a file; ValueError unless they are the original's."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: not the original file: expected SHA-256 {sha256}, got {found}")
    return data


def _stream(url, output_file, pooch_object):
    """Pooch's downloader, with a bar of its own for each attempt, so that a retry starts at 0."""
    with progress_bar(1, "B", unit_scale=True, desc=url.rpartition("/")[2]) as bar:
        fetch = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=30)
        fetch(url, output_file, pooch_object)


def _download(mirror, file, sha256, folder):
    """Fetch one file into a folder: its path.

    Pooch writes to a temporary name and moves the file to its own only once its hash is right.
    Raises OSError if it does not come, ValueError if something else does.
    """
    registry = pooch.create(folder, mirror, registry={file: sha256}, retry_if_failed=RETRIES)
    path = Path(registry.fetch(file, downloader=_stream))
    path.chmod(0o644)  # the temporary file was its owner's alone
    return path


def _original(name, file, data_dir) -> bytes:
    """The verified bytes of a file: the user's own, else one kept in data/, else a new download."""
    sha256 = HASHES[name][file]
    given = filter(None, (data_dir, os.environ.get("LATENT_BITS_DATA_DIR")))
    own = [ROOT / folder / name for folder in given]
    kept = [output_folder("data") / name, ROOT / "data" / name]
    looked, tried = [], []
    for folder in dict.fromkeys(own + kept):
        try:
            return _verified(folder / file, sha256)
        except FileNotFoundError:
            looked.append(f"{folder / file}: not there")
        except ValueError as error:
            if folder in own:  # it is not ours to replace, nor to pass over in silence
                raise
            looked.append(str(error))
    for mirror in MIRRORS[name]:
        try:
            return _verified(_download(mirror, file, sha256, kept[0]), sha256)
        except (OSError, ValueError) as error:
            tried.append(f"{mirror}{file}: {type(error).__name__}: {error}")
    places = f"put it into {(own + kept)[0]}"
    if not own:
        places += f", or set LATENT_BITS_DATA_DIR to the folder that holds {name}/"
    lines = [f"{name}/{file} is not here and could not be fetched.", "Looked in:"]
    lines += [f"  {line}" for line in looked] + ["Tried:"] + [f"  {line}" for line in tried]
    raise FileNotFoundError("\n".join([*lines, f"Download it by hand and {places}."]))


def load_digits(
    name: str, split: str, data_dir: str | Path | None = None
) -> tuple[Float32[np.ndarray, "n 28 28"], Int32[np.ndarray, " n"]]:
    """The images and labels of a data set's part.

    Args:
        name: "mnist" (LeCun et al. 1998) or "fashion_mnist" (Xiao et al. 2017).
        split: "train" (60,000 images) or "test" (10,000).
        data_dir: a folder that holds <name>/, looked in before that which LATENT_BITS_DATA_DIR
            names.

    Returns:
        Images in [0, 1], and labels 0 to 9.

    Raises:
        ValueError: another name or split, or an own file that is not the original.
        FileNotFoundError: neither file nor network.
    """
    for argument, value, known in (("name", name, HASHES), ("split", split, PREFIXES)):
        if value not in known:
            raise ValueError(f"{argument}: expected one of {', '.join(known)}, got {value!r}")
    arrays = []
    for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1)):
        file = f"{PREFIXES[split]}-{kind}-ubyte.gz"
        arrays.append(read_idx(_original(name, file, data_dir), dimensions, f"{name}/{file}"))
    pixels, labels = arrays
    if len(pixels) != len(labels):
        raise ValueError(f"{name} {split}: {len(pixels)} images and {len(labels)} labels")
    return np.divide(pixels, 255, dtype=np.float32), labels.astype(np.int32)
