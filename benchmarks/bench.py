"""All benchmarks on this machine, one after the other: figures/benchmarks.json and a figure.

make bench              # everything (about half an hour)
make bench ONLY="throughput growth"
"""

import sys

import convolutions
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
    "startup": startup.measure,
    "walkthrough": walkthrough.measure,
    "growth": growth.measure,
}


def figure(results):
    """Ratios of `fit` to the others and to the arithmetic, and time per image by their number."""
    use_style()
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), width_ratios=(3, 2))
    rows = results["throughput"]["rows"]
    thousands = [f"{row['images_per_second']['fit'] / 1000:.1f}" for row in rows]
    names = [f"{row['model']}\n{row['batch']}\n{k}" for row, k in zip(rows, thousands, strict=True)]
    loop = [row["fit_over"].get("a loop of nnx.jit") for row in rows]
    left.plot(names, loop, "o", label="a loop of nnx.jit")
    for kind, marker in zip(throughput.PYTORCH, "sD^", strict=True):
        of_kind = [
            row["fit_over_best_pytorch"] if row["best_pytorch"] == kind else None for row in rows
        ]
        if any(of_kind):
            left.plot(names, of_kind, marker, color="C1", label=f"the best PyTorch: {kind}")
    left.plot(names, [row["share_of_the_limit"] for row in rows], "_", color="C2", ms=14, mew=3,
              label="the arithmetic")  # fmt: skip
    left.axhline(1, color="0.35", ls="--", lw=1.2)
    left.set(xlabel="model, batch, thousand images a second by `fit`", ylim=(0, None))
    left.set_ylabel("speed of `fit` over that of ...")
    left.legend(loc="lower left", bbox_to_anchor=(0, 1))
    for (what, rows), marker in zip(results["growth"].items(), "osD^", strict=True):
        shown = [row for row in rows if row["latents"] == rows[0]["latents"]]
        per_image = [1e6 * row["seconds"] / row["n"] for row in shown]
        right.plot([row["n"] for row in shown], per_image, "-" + marker, label=what)
    right.set(xlabel="images", ylabel="microseconds per image", xscale="log", yscale="log")
    right.set_xscale("log", base=2)
    right.set_ylim(bottom=0.8)  # room for the legend
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
