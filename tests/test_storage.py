"""Files are written whole or not at all, and read only if they are what was written."""

import os

import numpy as np
import pytest

from helpers.storage import digest, load_arrays, save_arrays, write_atomically


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "stored.npz"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}
    save_arrays(path, arrays, {"made by": "a test"})
    return path


def test_write_atomically_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in (b"first", b"second"):
        write_atomically(path, text)
        assert path.read_bytes() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_midway_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file.txt"
    write_atomically(path, b"old")

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_survive_the_round_trip(stored):
    arrays, about = load_arrays(stored)
    np.testing.assert_array_equal(arrays["a"], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(arrays["b"], [True, False])
    assert arrays.keys() == {"a", "b"}
    assert about == {"made by": "a test"}


def test_every_flipped_byte_is_noticed(stored):
    """A flip in what zip does not read back (such as a file's time stamp) changes nothing."""
    whole = stored.read_bytes()
    expected = digest(load_arrays(stored)[0])
    noticed = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        stored.write_bytes(damaged)
        try:
            assert digest(load_arrays(stored)[0]) == expected
        except ValueError as error:
            assert "damaged" in str(error)  # noqa: PT017
            noticed += 1
    assert noticed > len(whole) / 2


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_noticed(stored, share):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="is damaged"):
        load_arrays(stored)


def test_an_array_exchanged_for_another_is_noticed(stored):
    with np.load(stored) as file:
        arrays = dict(file)
    np.savez(stored, **(arrays | {"a": arrays["a"] + 1}))
    with pytest.raises(ValueError, match="checksum"):
        load_arrays(stored)


def test_a_missing_file_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "missing.npz")


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "pickled.npz"
    np.savez(path, a=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ValueError, match="is damaged"):
        load_arrays(path)


def test_digest_tells_names_types_shapes_and_values_apart():
    a = np.arange(4, dtype=np.int32)
    variants = [{"a": a}, {"b": a}, {"a": a.astype(np.int64)}, {"a": a.reshape(2, 2)}, {"a": a + 1}]
    assert len({digest(arrays) for arrays in variants}) == len(variants)
    assert digest({"a": a, "b": a + 1}) == digest({"b": a + 1, "a": a})
