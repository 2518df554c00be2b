"""Files are written whole or not at all, and read only if they are what was written."""

import json
import os

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from helpers.files import (
    ROOT,
    checkpoint,
    digest,
    load_arrays,
    output_folder,
    record,
    save_arrays,
    save_figure,
    write_atomically,
)


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "stored.npz"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False])}
    save_arrays(path, arrays, {"made by": "a test"})
    return path


def test_types_that_numpy_lacks_come_back(tmp_path):
    array = np.asarray(jnp.arange(4, dtype=jnp.bfloat16))
    save_arrays(tmp_path / "half.npz", {"half": array})
    found = load_arrays(tmp_path / "half.npz")[0]["half"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    return tmp_path


def test_files_go_where_the_environment_says(folder, monkeypatch):
    assert output_folder("figures") == folder / "figures"
    assert checkpoint("ae") == folder / "data" / "checkpoints" / "ae.npz"
    monkeypatch.delenv("LATENT_BITS_OUTPUT_DIR")
    assert output_folder("figures") == ROOT / "figures"


def test_the_tests_write_nothing_into_the_repository():
    assert ROOT not in output_folder("data").parents


def test_record_rounds_to_four_digits_and_returns_what_it_wrote(folder):
    written = record(
        "n", share=0.123456, large=19312.7, count=8192, flag=True, text="x",
        array=np.array([1 / 3, 2.0]), nested={1: np.float32(0.5), "n": np.int64(7)},
    )  # fmt: skip
    assert written == {
        "share": 0.1235, "large": 19310.0, "count": 8192, "flag": True, "text": "x",
        "array": [0.3333, 2.0], "nested": {"1": 0.5, "n": 7},
    }  # fmt: skip
    text = (folder / "figures" / "n.json").read_text()
    assert json.loads(text) == written
    assert text.endswith("}\n")
    assert isinstance(written["nested"]["n"], int)


def test_record_twice_writes_the_same_bytes_and_forgets_old_keys(folder):
    path = folder / "figures" / "n.json"
    record("n", a=1.0, b=2.0)
    record("n", a=1.0)
    first = path.read_bytes()
    record("n", a=1.00001)
    assert path.read_bytes() == first == b'{\n  "a": 1.0\n}\n'


@pytest.mark.parametrize("value", [np.nan, np.inf, [1.0, np.nan], {"deep": -np.inf}])
def test_a_number_that_is_not_finite_is_refused_by_name(folder, value):
    record("n", loss=1.0)
    with pytest.raises(ValueError, match=r"loss.*finite"):
        record("n", loss=value)
    assert json.loads((folder / "figures" / "n.json").read_text()) == {"loss": 1.0}


def _figure():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [1, 0])
    return fig


def test_the_same_figure_gives_the_same_bytes_without_a_software_stamp(folder):
    path = folder / "figures" / "line.png"
    shown = save_figure(_figure(), "line")
    first = path.read_bytes()
    save_figure(_figure(), "line")
    assert path.read_bytes() == first == shown.data
    assert first.startswith(b"\x89PNG")
    assert b"Software" not in first
    assert b"matplotlib" not in first.lower()


def test_a_figure_carries_its_alternative_text_in_the_metadata_of_the_output(folder):
    shown = save_figure(_figure(), "line", alt="A line that falls.")
    _, metadata = DisplayFormatter().format(shown)
    assert metadata == {"image/png": {"alt": "A line that falls."}}


def test_a_saved_figure_is_closed(folder):
    plt.close("all")
    save_figure(_figure(), "line")
    assert plt.get_fignums() == []
