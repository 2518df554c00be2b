"""Real images: whatever is wrong with a file is said, and nothing wrong is ever read."""

import gzip
import hashlib
import os
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from helpers import digits

FILE = "t10k-labels-idx1-ubyte.gz"
IMAGES = "t10k-images-idx3-ubyte.gz"


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


LABELS = np.arange(6) % 10
PICTURES = np.arange(6 * 28 * 28).reshape(6, 28, 28) % 256
GOOD = {FILE: idx(LABELS), IMAGES: idx(PICTURES)}


@pytest.fixture
def server():
    """A web server on loopback: what it sends is set by path, and it counts the requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            body = self.server.pages.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"no such page")

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.asked = {}, []
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    """Where files are stored; the originals are the six small pictures, on two mirrors."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    monkeypatch.delenv("LATENT_BITS_DATA_DIR", raising=False)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in GOOD.items()}
    monkeypatch.setattr(digits, "HASHES", {"mnist": hashes})
    mirrors = (f"{server.address}/one/", f"{server.address}/two/")
    monkeypatch.setattr(digits, "MIRRORS", {"mnist": mirrors})
    monkeypatch.setattr(digits, "RETRIES", 0)
    return tmp_path / "data" / "mnist"


def publish(server, mirror, files):
    server.pages |= {f"/{mirror}/{name}": data for name, data in files.items()}


def stored(folder):
    return sorted(path.name for path in folder.glob("*")) if folder.exists() else []


def test_downloaded_once_and_then_read_from_disk(server, folder):
    publish(server, "one", GOOD)
    for _ in range(2):
        images, labels = digits.load_digits("mnist", "test")
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, (PICTURES / 255).astype(np.float32))
    np.testing.assert_array_equal(labels, LABELS)
    assert len(server.asked) == 2
    assert stored(folder) == sorted(GOOD)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"<html>Moved</html>",
        GOOD[FILE][:-5],
        idx(LABELS + 1),
        b"",
    ],
    ids=["missing", "a web page", "truncated", "another file", "empty"],
)
def test_the_second_mirror_stands_in_for_a_bad_first_one(server, folder, bad):
    publish(server, "two", GOOD)
    publish(server, "one", {} if bad is None else {FILE: bad, IMAGES: bad})
    _, labels = digits.load_digits("mnist", "test")
    np.testing.assert_array_equal(labels, LABELS)
    assert any("/one/" in path for path in server.asked)


@pytest.mark.parametrize("bad", [b"<html>Moved</html>", GOOD[FILE][:-5]], ids=["page", "truncated"])
def test_nothing_wrong_stays_behind(server, folder, bad):
    for mirror in ("one", "two"):
        publish(server, mirror, {FILE: bad, IMAGES: bad})
    with pytest.raises(FileNotFoundError):
        digits.load_digits("mnist", "test")
    assert stored(folder) == []


def test_offline_one_error_says_all(server, folder, monkeypatch, tmp_path):
    server.shutdown()
    server.server_close()
    monkeypatch.setenv("LATENT_BITS_DATA_DIR", str(tmp_path / "own"))
    with pytest.raises(FileNotFoundError) as error:
        digits.load_digits("mnist", "test")
    told = str(error.value)
    for part in (IMAGES, str(tmp_path / "own"), str(folder), "/one/", "/two/", "by hand"):
        assert part in told


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_own_files_come_first(server, folder, tmp_path, monkeypatch, where):
    own = tmp_path / "own" / "mnist"
    own.mkdir(parents=True)
    for name, data in GOOD.items():
        (own / name).write_bytes(data)
    if where == "environment":
        monkeypatch.setenv("LATENT_BITS_DATA_DIR", str(tmp_path / "own"))
    argument = tmp_path / "own" if where == "argument" else None
    images, _ = digits.load_digits("mnist", "test", argument)
    assert images.shape == (6, 28, 28)
    assert server.asked == []


def test_an_own_file_with_another_hash_is_refused_and_left(server, folder, tmp_path):
    own = tmp_path / "own" / "mnist"
    own.mkdir(parents=True)
    (own / IMAGES).write_bytes(idx(PICTURES + 1))
    with pytest.raises(ValueError, match="SHA-256") as error:
        digits.load_digits("mnist", "test", tmp_path / "own")
    assert str(own / IMAGES) in str(error.value)
    assert (own / IMAGES).exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not gzip", "gzip"),
        (GOOD[IMAGES][:-9], "gzip"),
        (gzip.compress(b""), "idx"),
        (gzip.compress(b"\1\2\3\4\5"), "idx"),
        (gzip.compress(struct.pack(">HBB", 0, 13, 3)), "type 0x0d"),
        (idx(LABELS), "in 1"),
        (gzip.compress(struct.pack(">HBBI", 0, 8, 3, 5)), "header"),
        (gzip.compress(struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + b"1234567"), "got 7"),
        (gzip.compress(struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + b"123456789"), "got 9"),
        (gzip.compress(struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 2**32 - 1, 9)), "expected"),
    ],
)
def test_a_file_that_is_no_such_idx_file_is_named(tmp_path, data, said):
    path = tmp_path / "some.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=said) as error:
        digits.read_idx(path, 3)
    assert "some.gz" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "said"), [(("emnist", "test"), "name"), (("mnist", "dev"), "split")]
)
def test_other_names_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        digits.load_digits(*arguments)


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [("mnist", 0.13066, 0.30811), ("fashion_mnist", 0.28604, 0.35302)],
)
def test_the_originals(name, mean, deviation):
    folder = os.environ.get("LATENT_BITS_DATA_DIR") or digits.output_folder("data")
    if not (Path(folder) / name).exists():
        pytest.skip(f"{name} is neither in LATENT_BITS_DATA_DIR nor in data/")
    images, labels = digits.load_digits(name, "train")
    assert images.shape == (60_000, 28, 28)
    assert images.mean(dtype=float) == pytest.approx(mean, abs=1e-5)
    assert images.std(dtype=float) == pytest.approx(deviation, abs=1e-5)
    assert np.bincount(labels).min() > 5000
    test_images, test_labels = digits.load_digits(name, "test")
    assert test_images.shape == (10_000, 28, 28)
    assert set(test_labels) == set(range(10))
