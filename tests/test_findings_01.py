"""What notebook 01 says in words, held against its recorded numbers and float64 references."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
from small import committed

from helpers.files import ROOT, save_arrays
from helpers.shapes import FACTORS, shape_world

TEXT = (ROOT / "notebooks_py/01_data_generation.py").read_text("utf-8")


@pytest.fixture(scope="module")
def found():
    return committed("01_data_generation")


@pytest.fixture(scope="module")
def images():
    return shape_world().images.reshape(8192, 784).astype(np.float64)


@pytest.fixture(scope="module")
def kept_errors(found):
    return np.array(list(found["kept_digits_squared_error"].values()))


def test_the_world_holds_13_bits(found):
    assert found["distinct_images"] == 8192
    assert found["entropy_bits"] == 13
    assert found["factor_entropy_bits"] == {"shape": 2, "x": 4, "y": 4, "size": 3}


def test_the_shortest_strings_have_about_11_digits():
    words = [""] + ["".join(w) for k in range(1, 14) for w in itertools.product("01", repeat=k)]
    assert np.mean([len(word) for word in words[:8192]]) == pytest.approx(11, abs=0.01)


def test_an_error_of_0_18_on_every_image_is_safe(found):
    assert 0.18 < found["nearest_pair_squared_distance"] / 4 < 0.19


def test_a_nearest_neighbour_never_differs_in_position(found):
    share = found["nearest_neighbour_differs"]
    assert tuple(share) == FACTORS
    assert share["x"] == share["y"] == 0
    assert share["shape"] + share["size"] >= 0.999
    assert min(share["shape"], share["size"]) > 0.1


def test_the_farthest_two_images_are_squares_that_do_not_overlap(found, images):
    brightest = (images[shape_world().factors[:, 0] == 0] ** 2).sum(1).max()
    assert found["farthest_pair_squared_distance"] == pytest.approx(2 * brightest, rel=1e-3)


def test_black_and_the_mean_image_cost_what_they_should(found, images):
    mean = images.mean(0)
    assert found["black_squared_error"] == pytest.approx((images**2).sum(1).mean(), rel=1e-3)
    assert found["mean_image_squared_error"] == pytest.approx(images.var(0).sum(), rel=1e-3)
    assert 0.15 < mean.max() < 0.2, "said of the mean image: less than a fifth of white"


def test_random_draws_are_off_the_grid_but_of_the_nearest_image_s_shape(found):
    assert 1 < found["random_draw_squared_distance"] < 4
    assert found["random_draw_nearest_has_its_shape"] == 1000


def test_pca_of_random_shapes_is_nearly_the_best_linear_code_of_the_world(found, images):
    centred = images - images.mean(0)
    spectrum = np.linalg.eigvalsh(centred.T @ centred / len(images))[::-1]
    best = spectrum.sum() - np.cumsum(spectrum)[:16]
    errors = np.array(list(found["pca_test_squared_error"].values()))
    assert list(found["pca_test_squared_error"]) == [str(k) for k in range(1, 17)]
    assert np.all(errors > 0.999 * best)
    assert np.all(errors < 1.03 * best)


def test_four_components_leave_more_than_half_and_error_1_takes_about_200(found):
    error, mean_error = found["pca_test_squared_error"]["4"], found["mean_image_squared_error"]
    assert 0.5 * mean_error < error < 0.6 * mean_error
    assert 180 < found["pca_components_for_squared_error_1"] < 220


def test_a_reconstruction_is_in_the_right_place_from_8_components_on(found):
    share = {int(k): value for k, value in found["pca_brightest_pixel_in_place"].items()}
    assert all(share[k] < 0.55 for k in range(1, 5))
    assert all(share[k] > 0.9 for k in range(8, 17))


def test_noiseless_codes_keep_all_13_bits(found):
    assert found["pca_code_bits"] == {"2": 13, "4": 13, "8": 13, "16": 13}


def test_kept_digits_beat_the_lazy_scheme_and_every_digit_helps(found, kept_errors):
    mean_error = found["mean_image_squared_error"]
    lazy = mean_error * (1 - np.arange(14) / 13)
    assert np.all(kept_errors[1:13] < lazy[1:13])
    assert np.all(np.diff(kept_errors) < 0)
    assert kept_errors[0] == mean_error
    assert kept_errors[13] == 0
    assert kept_errors[4] / mean_error == pytest.approx(0.5, abs=0.02), "said: half of the error"
    assert kept_errors[12] / mean_error == pytest.approx(0.03, abs=0.005), "said: 3 %"


def test_position_is_worth_its_digits_first_then_size_then_shape(found):
    kept = np.array(list(found["kept_digits"].values()))
    np.testing.assert_array_equal(kept.sum(1), range(14))
    position, size, shape = ((kept[:, c] > 0).any(1).argmax() for c in ([1, 2], [3], [0]))
    assert (position, size, shape) == (1, 5, 8)


@pytest.mark.parametrize("rate", [1, 8, 12])
def test_the_recorded_digits_give_the_recorded_error(found, images, kept_errors, rate):
    """A mean per address, image by image: what the notebook gets from averages along axes."""
    places = np.unravel_index(np.arange(8192), (4, 16, 16, 8))
    full, kept = (2, 4, 4, 3), found["kept_digits"][str(rate)]
    leading = [index >> (f - k) for index, f, k in zip(places, full, kept, strict=True)]
    _, address = np.unique(np.stack(leading, 1), axis=0, return_inverse=True)
    times = np.bincount(address.ravel())
    means = np.zeros((len(times), 784))
    np.add.at(means, address.ravel(), images)
    error = ((images - (means / times[:, None])[address.ravel()]) ** 2).sum(1).mean()
    assert kept_errors[rate] == pytest.approx(error, rel=1e-3)


def test_the_last_digit_costs_a_quarter_of_the_distance_of_neighbours_in_size(images, kept_errors):
    pairs = images.reshape(-1, 2, 784)  # the sizes that share an address
    quarter = ((pairs[:, 0] - pairs[:, 1]) ** 2).sum(1).mean() / 4
    assert kept_errors[12] == pytest.approx(quarter, rel=1e-3)


def test_43_per_cent_of_the_world_has_a_first_or_last_value():
    places = shape_world().factors[:, 1:]
    edge = ((places == places.min(0)) | (places == places.max(0))).any(1)
    assert round(100 * edge.mean()) == 43


def test_the_folded_solutions_of_the_open_exercises_run(tmp_path, images):
    part = TEXT[TEXT.index("Solutions of the open exercises 1 to 3") :]
    code = re.sub(r"(?m)^# ?", "", re.search(r"```python\n(.*?)# ```", part, re.DOTALL)[1])
    path = tmp_path / "shapes.npz"
    world = shape_world()
    save_arrays(path, {"images": world.images, "factors": world.factors})
    names = {"np": np, "path": path}
    exec(code, names)
    answers = SimpleNamespace(**names)
    assert answers.margin.sum() == 40**2 - 28**2
    assert answers.zip_bits > 5 * 13
    assert answers.mean_length == pytest.approx(11, abs=0.01)
