"""The sweep: stopped at any moment it loses no finished model, and writes only what is whole."""

import json

import pytest

from helpers import recipes, training


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path))
    fit, fits = training.fit, []

    def fit_until_stopped(*arguments, **settings):
        if len(fits) == 3:
            fits.append("stopped")
            raise KeyboardInterrupt
        fits.append("finished")
        return fit(*arguments, **settings)

    monkeypatch.setattr(training, "fit", fit_until_stopped)
    with pytest.raises(KeyboardInterrupt):
        recipes.run_sweep(seeds=range(2), epochs=1)
    assert not (tmp_path / "figures" / "sweep.json").exists()

    path = recipes.run_sweep(seeds=range(2), epochs=1)
    assert fits == ["finished"] * 3 + ["stopped", "finished"]
    sweep = json.loads(path.read_text())
    assert sweep["seeds"] == [0, 1]
    assert all(len(sweep[key]["values"]) == 2 for key in sweep if key not in ("seeds", "settings"))
