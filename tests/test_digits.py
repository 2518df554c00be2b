"""Real images: whatever is wrong with a file is said, and nothing wrong is ever read."""

import functools
import gzip
import hashlib
import os
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import digits

FILE = "t10k-labels-idx1-ubyte.gz"
IMAGES = "t10k-images-idx3-ubyte.gz"

zipped = partial(gzip.compress, mtime=0)  # the time would be in the names of the tests


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return zipped(header + array.astype(np.uint8).tobytes())


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
            if self.path in self.server.busy:  # once, and not the next time
                self.server.busy.remove(self.path)
                body = None
            self.send_response(200 if body is not None else 404)
            if self.path in self.server.promised:  # more than will come: the connection breaks
                self.send_header("Content-Length", self.server.promised[self.path])
            self.end_headers()
            self.wfile.write(body or b"no such page")

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.asked, server.busy, server.promised = {}, [], set(), {}
    server.address = f"http://127.0.0.1:{server.server_port}"
    serve = functools.partial(server.serve_forever, poll_interval=0.01)
    threading.Thread(target=serve, daemon=True).start()
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
    monkeypatch.setattr(digits, "ROOT", tmp_path / "repository")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data" / "mnist"


def publish(server, mirror, files):
    server.pages |= {f"/{mirror}/{name}": data for name, data in files.items()}


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


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


def test_a_connection_that_breaks_is_no_file(server, folder):
    for name, data in GOOD.items():
        publish(server, "one", {name: data[:-5]})
        server.promised[f"/one/{name}"] = len(data)
    with pytest.raises(FileNotFoundError):
        digits.load_digits("mnist", "test")
    assert stored(folder) == []
    publish(server, "two", GOOD)
    np.testing.assert_array_equal(digits.load_digits("mnist", "test")[1], LABELS)


def test_a_busy_mirror_is_asked_again(server, folder, monkeypatch):
    publish(server, "one", GOOD)
    server.busy = {f"/one/{name}" for name in GOOD}
    monkeypatch.setattr(digits, "RETRIES", 1)
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    np.testing.assert_array_equal(digits.load_digits("mnist", "test")[1], LABELS)
    assert sorted(server.asked) == sorted(2 * [f"/one/{name}" for name in GOOD])


def test_an_interrupted_download_leaves_nothing(server, folder, monkeypatch):
    def stop_midway(url, output_file, pooch_object):
        Path(output_file).write_bytes(GOOD[IMAGES][:20])
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **settings: stop_midway)
    with pytest.raises(KeyboardInterrupt):
        digits.load_digits("mnist", "test")
    assert stored(folder) == []


def test_a_half_file_in_data_is_fetched_again_or_told_never_read(server, folder):
    # The second is what a killed process may leave.
    put(folder, {IMAGES: GOOD[IMAGES][:-5], "tmphalf": GOOD[IMAGES][:-9]})
    with pytest.raises(FileNotFoundError, match="not the original file"):
        digits.load_digits("mnist", "test")
    publish(server, "one", GOOD)
    np.testing.assert_array_equal(digits.load_digits("mnist", "test")[1], LABELS)
    assert (folder / IMAGES).read_bytes() == GOOD[IMAGES]


def test_several_may_fetch_at_once(server, folder):
    publish(server, "one", GOOD)
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(digits.load_digits, "mnist", "test") for _ in range(4)]
    for load in loads:
        np.testing.assert_array_equal(load.result()[1], LABELS)
    assert stored(folder) == sorted(GOOD)


def test_data_of_the_repository_is_read_and_not_written(server, folder, tmp_path):
    here = tmp_path / "repository" / "data" / "mnist"
    put(here, GOOD)
    np.testing.assert_array_equal(digits.load_digits("mnist", "test")[1], LABELS)
    assert server.asked == stored(folder) == []
    (here / FILE).write_bytes(b"half")
    publish(server, "one", GOOD)
    np.testing.assert_array_equal(digits.load_digits("mnist", "test")[1], LABELS)
    assert (here / FILE).read_bytes() == b"half"
    assert stored(folder) == [FILE]


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
    put(tmp_path / "own" / "mnist", GOOD)
    if where == "environment":
        monkeypatch.setenv("LATENT_BITS_DATA_DIR", str(tmp_path / "own"))
    argument = tmp_path / "own" if where == "argument" else None
    images, _ = digits.load_digits("mnist", "test", argument)
    assert images.shape == (6, 28, 28)
    assert server.asked == []


def test_an_own_file_with_another_hash_is_refused_and_left(server, folder, tmp_path):
    own = tmp_path / "own" / "mnist"
    put(folder, GOOD)  # a good file further down the line does not make up for it
    for wrong in (idx(PICTURES + 1), GOOD[IMAGES][:-5]):
        put(own, {IMAGES: wrong})
        with pytest.raises(ValueError, match="SHA-256") as error:
            digits.load_digits("mnist", "test", tmp_path / "own")
        found, expected = hashlib.sha256(wrong).hexdigest(), digits.HASHES["mnist"][IMAGES]
        for part in (str(own / IMAGES), expected, found):
            assert part in str(error.value)
        assert (own / IMAGES).read_bytes() == wrong
    assert server.asked == []


def test_what_the_argument_lacks_the_environment_may_have(server, folder, tmp_path, monkeypatch):
    put(tmp_path / "own" / "mnist", GOOD)
    monkeypatch.setenv("LATENT_BITS_DATA_DIR", str(tmp_path / "own"))
    digits.load_digits("mnist", "test", tmp_path / "empty")
    assert server.asked == []


@pytest.mark.parametrize("progress", ["0", "1"])
def test_a_download_shows_a_bar_only_where_it_is_wanted(
    server, folder, monkeypatch, capsys, caplog, progress
):
    monkeypatch.setenv("LATENT_BITS_PROGRESS", progress)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    publish(server, "one", GOOD)
    digits.load_digits("mnist", "test")
    out, err = capsys.readouterr()
    assert out == ""
    assert (FILE in err) == (progress == "1")
    assert caplog.records == []  # pooch would name the path of the folder


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not gzip", "gzip"),
        (GOOD[IMAGES][:-9], "gzip"),
        (GOOD[IMAGES][:10] + 20 * b"\xff" + GOOD[IMAGES][30:], "gzip"),
        (zipped(b""), "idx"),
        (zipped(b"\1\2\3\4\5"), "idx"),
        (zipped(struct.pack(">HBB", 0, 13, 3)), "type 0x0d"),
        (idx(LABELS), "in 1"),
        (zipped(struct.pack(">HBBI", 0, 8, 3, 5)), "header"),
        (zipped(struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + b"1234567"), "got 7"),
        (zipped(struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + b"123456789"), "got 9"),
        (zipped(struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 2**32 - 1, 9)), "expected"),
        (zipped(struct.pack(">HBBIII", 0, 8, 3, 0, 2**32 - 1, 2**32 - 1)), "at least 1"),
    ],
)
def test_a_file_that_is_no_such_idx_file_is_named(data, said):
    with pytest.raises(ValueError, match=said) as error:
        digits.read_idx(data, 3, "some.gz")
    assert "some.gz" in str(error.value)


def pixels(shape):
    return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)


ARRAYS = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(pixels)


@given(ARRAYS)
def test_what_is_written_is_read(array):
    np.testing.assert_array_equal(digits.read_idx(idx(array), array.ndim, "it"), array)


@given(ARRAYS, st.data())
def test_every_change_of_length_or_header_is_refused(array, data):
    whole = gzip.decompress(idx(array))
    cut = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(0, 3 + 4 * array.ndim))
    changed = bytes([whole[flip] ^ data.draw(st.integers(1, 255))])
    longer = whole + data.draw(st.binary(min_size=1, max_size=9))
    for wrong in (whole[:cut], longer, whole[:flip] + changed + whole[flip + 1 :]):
        with pytest.raises(ValueError, match=r"^it: "):
            digits.read_idx(zipped(wrong), array.ndim, "it")


@given(ARRAYS, st.data())
def test_every_truncation_of_the_gz_is_refused(array, data):
    packed = idx(array)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError, match=r"^it: "):
        digits.read_idx(packed[:cut], array.ndim, "it")


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_an_array_or_a_value_error(data, compress):
    try:
        array = digits.read_idx(zipped(data) if compress else data, 1, "it")
    except ValueError as error:
        assert str(error).startswith("it: ")  # noqa: PT017
    else:
        assert gzip.decompress(idx(array)) == data


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
    folders = [digits.ROOT / "data", os.environ.get("LATENT_BITS_DATA_DIR", "")]
    found = {path.name for folder in filter(None, folders) for path in Path(folder, name).glob("*")}
    if missing := digits.HASHES[name].keys() - found:
        pytest.skip(f"{', '.join(sorted(missing))} of {name} not in LATENT_BITS_DATA_DIR or data/")
    images, labels = digits.load_digits(name, "train")
    assert images.shape == (60_000, 28, 28)
    assert images.mean(dtype=float) == pytest.approx(mean, abs=1e-5)
    assert images.std(dtype=float) == pytest.approx(deviation, abs=1e-5)
    assert np.bincount(labels).min() > 5000
    test_images, test_labels = digits.load_digits(name, "test")
    assert test_images.shape == (10_000, 28, 28)
    assert set(test_labels) == set(range(10))


@pytest.mark.parametrize(
    ("name", "mean", "sd"), [("mnist", 0.13066, 0.30811), ("fashion_mnist", 0.28604, 0.35302)]
)
def test_the_images_are_those_of_the_reports(name, mean, sd):
    try:
        images, _ = digits.load_digits(name, "train")
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    np.testing.assert_allclose([images.mean(), images.std()], [mean, sd], atol=1e-4)
