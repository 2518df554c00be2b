"""MNIST and Fashion-MNIST, from the original files: found, or downloaded and verified.

A file is looked for under LATENT_BITS_DATA_DIR, then in data/, then fetched into data/. Every file
is checked against the SHA-256 of the original before anything of it is used.
"""

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
import pooch

from helpers.results import output_folder

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


def _parse_idx(data: bytes, name: str, dimensions: int):
    """The array of bytes that an idx file holds; ValueError where it holds something else."""
    if len(data) < 4 or data[:2] != b"\0\0":
        raise ValueError(f"{name}: expected an idx file, it starts with {data[:4]!r}")
    if data[2] != 0x08 or data[3] != dimensions:
        raise ValueError(
            f"{name}: expected unsigned bytes in {dimensions} dimensions, "
            f"got type 0x{data[2]:02x} in {data[3]}"
        )
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ValueError(f"{name}: it ends after {len(data)} bytes, within its header")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    if len(data) - start != math.prod(shape):
        raise ValueError(
            f"{name}: expected {math.prod(shape)} bytes for the shape {shape}, "
            f"got {len(data) - start}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_idx(path, dimensions: int):
    """A gzipped idx file of unsigned bytes as an array (LeCun's format of MNIST).

    Raises ValueError, naming the file, if it is cut short, not gzip, or not such an idx file.
    """
    try:
        data = gzip.decompress(Path(path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file: {error}") from error
    return _parse_idx(data, str(path), dimensions)


def _download(name, file, folder):
    """Fetch and verify one file from the first mirror that has it: its path, or an OSError."""
    progress = os.environ.get("LATENT_BITS_PROGRESS") != "0"
    tried = []
    for mirror in MIRRORS[name]:
        registry = pooch.create(
            folder, mirror, registry={file: HASHES[name][file]}, retry_if_failed=RETRIES
        )
        fetch = pooch.HTTPDownloader(progressbar=progress, timeout=30)
        try:
            return Path(registry.fetch(file, downloader=fetch))
        except (OSError, ValueError) as error:  # ValueError: what came has another hash
            tried.append(f"  {mirror}{file}: {str(error).splitlines()[0]}")
    return tried


def _find(name, file, data_dir):
    """The path of a file with the right hash."""
    own = data_dir or os.environ.get("LATENT_BITS_DATA_DIR")
    folders = [Path(own) / name] if own else []
    folders.append(output_folder("data") / name)
    for folder in folders:
        path = folder / file
        if not path.exists():
            continue
        found = pooch.file_hash(path)
        if found != HASHES[name][file]:
            raise ValueError(
                f"{path}: expected SHA-256 {HASHES[name][file]}, got {found}: not the original "
                "file; delete it and it is fetched again"
            )
        return path
    result = _download(name, file, folders[-1])
    if isinstance(result, Path):
        return result
    looked = "\n".join(f"  {folder}" for folder in folders)
    raise FileNotFoundError(
        f"{name}/{file} is not here and could not be fetched.\nLooked in\n{looked}\nTried\n"
        + "\n".join(result)
        + f"\nDownload it by hand into {folders[0]}, or set LATENT_BITS_DATA_DIR to the folder "
        f"that holds {name}/."
    )


def load_digits(name: str, split: str, data_dir=None):
    """images (n, 28, 28) float32 in [0, 1] and labels (n,) int32 of a data set's part.

    name: "mnist" or "fashion_mnist" (LeCun et al. 1998; Xiao et al. 2017); split: "train" (60,000)
    or "test" (10,000); data_dir: holds <name>/, instead of LATENT_BITS_DATA_DIR. Raises ValueError
    for another name or split and for a file that is not the original, FileNotFoundError where
    there is neither file nor network.
    """
    for argument, value, known in (("name", name, HASHES), ("split", split, PREFIXES)):
        if value not in known:
            raise ValueError(f"{argument}: expected one of {', '.join(known)}, got {value!r}")
    prefix = PREFIXES[split]
    images = read_idx(_find(name, f"{prefix}-images-idx3-ubyte.gz", data_dir), 3)
    labels = read_idx(_find(name, f"{prefix}-labels-idx1-ubyte.gz", data_dir), 1)
    if len(images) != len(labels):
        raise ValueError(f"{name} {split}: {len(images)} images and {len(labels)} labels")
    return images.astype(np.float32) / 255, labels.astype(np.int32)
