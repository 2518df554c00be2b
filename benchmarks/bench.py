"""All benchmarks on this machine, one after the other: figures/benchmarks.json and a figure.

make bench              # everything (about half an hour)
make bench ONLY="throughput growth"
"""

import sys

import convolutions
import groups
import growth
import matplotlib.pyplot as plt
import startup
import throughput
import walkthrough
from machine import about

from helpers.files import record, recorded, save_figure
from helpers.plotting import use_style

PARTS = {
    "throughput": throughput.measure,
    "convolutions": convolutions.measure,
    "groups": groups.measure,
    "startup": startup.measure,
    "walkthrough": walkthrough.measure,
    "growth": growth.measure,
}


def figure(results):
    """Ratios of `fit` to the others, and time per image against the number of images."""
    use_style()
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6))
    rows = results["throughput"]["rows"]
    names = [f"{row['model']}\n{row['batch']}" for row in rows]
    others = {who: None for row in rows for who in row["fit_over"]}
    for who, marker in zip(others, "os", strict=True):
        left.plot(names, [row["fit_over"].get(who) for row in rows], marker, label=f"over {who}")
    left.axhline(1, color="0.35", ls="--", lw=1.2)
    left.set(xlabel="model and batch", ylabel="`fit`, times as fast", ylim=(0, None))
    left.legend()
    for (what, rows), marker in zip(results["growth"].items(), "osD^", strict=True):
        shown = [row for row in rows if row["latents"] == rows[0]["latents"]]
        per_image = [1e6 * row["seconds"] / row["n"] for row in shown]
        right.plot([row["n"] for row in shown], per_image, "-" + marker, label=what)
    right.set(xlabel="images", ylabel="microseconds per image", xscale="log", yscale="log")
    right.set_xscale("log", base=2)
    right.set_ylim(bottom=4)  # room for the legend
    right.legend(loc="lower right")
    return fig


def main(only):
    unknown = set(only) - set(PARTS)
    if unknown:
        raise SystemExit(f"ONLY: expected {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    try:
        results = recorded("benchmarks")
    except FileNotFoundError:
        results = {}
    for name in only or PARTS:
        measured = PARTS[name]()
        measured = {"rows": measured} if isinstance(measured, list) else measured
        results[name] = measured
        results.setdefault("about", {})[name] = about()
        record("benchmarks", **results)
    if {"throughput", "growth"} <= results.keys():
        save_figure(figure(results), "benchmarks")


if __name__ == "__main__":
    main(sys.argv[1:])
