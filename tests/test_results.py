"""Where files go, the stored world, saved figures and recorded numbers."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.results import checkpoint, load_world, output_folder, record, save_figure
from helpers.shapes import shape_world
from helpers.storage import ROOT


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


def test_the_world_is_stored_once_and_read_back(folder, capsys):
    rendered = load_world()
    assert "Rendering the world" in capsys.readouterr().out
    read = load_world()
    assert capsys.readouterr().out == ""
    for world in (rendered, read):
        expected = shape_world()
        np.testing.assert_array_equal(world.images, expected.images)
        np.testing.assert_array_equal(world.factors, expected.factors)
        assert world[2:] == expected[2:]


def test_a_damaged_world_is_rendered_again_with_a_message(folder, capsys):
    load_world()
    path = folder / "data" / "shapes.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()
    load_world()
    assert "damaged" in capsys.readouterr().out
    load_world()
    assert capsys.readouterr().out == ""


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


def test_a_saved_figure_is_closed(folder):
    plt.close("all")
    save_figure(_figure(), "line")
    assert plt.get_fignums() == []
