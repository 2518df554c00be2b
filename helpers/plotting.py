"""Every figure's look: one function per kind of figure, each returning the `Figure`."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, Real
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

Images = Float[ArrayLike, "n side side"]
Map = Float[ArrayLike, "rows columns"]
Valid = Bool[ArrayLike, " n"]
Values = Real[ArrayLike, " n"]
Line = Values | tuple[Values, Values]
Codes = Float[ArrayLike, "n L"]
MOST_POINTS = 2000  # in a scatter panel: more hides what lies beneath
SHAPE_COLOURS = VALID, INVALID, *_ = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]


def use_style():
    """Give every figure from here on the look of latent_bits.mplstyle."""
    plt.style.use(Path(__file__).with_name("latent_bits.mplstyle"))


def evenly(n: int, most: int) -> Int[np.ndarray, " m"]:
    """Indices of at most `most` of n things, evenly taken, the first and the last among them."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)


def plain_log(*axes: Axis):
    """Make axes logarithmic, with plain numbers on them."""
    for axis in axes:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def _show(ax, image):
    ax.imshow(image, vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])  # which leaves no grid either
    ax.spines[:].set_visible(False)


def _show_all(axes, images, titles, valid):
    for ax in axes[len(images) :]:
        ax.set_axis_off()
    for i, (ax, image) in enumerate(zip(axes, images, strict=False)):
        _show(ax, image)
        if titles is not None:
            ax.set_title(titles[i], fontsize=9, pad=2)
        if valid is not None:
            ax.spines[:].set(visible=True, color=VALID if valid[i] else INVALID, linewidth=2.5)
            ax.spines[:].set_linestyle("-" if valid[i] else ":")
    figure = axes[0].figure
    if valid is not None and not figure.legends:
        lines = [Line2D([], [], color=VALID, lw=2.5), Line2D([], [], color=INVALID, lw=2.5, ls=":")]
        figure.legend(lines, ["valid", "invalid"], loc="outside lower right", ncols=2, fontsize=9)


def image_grid(images: Images, *, columns=10, titles=None, valid: Valid | None = None) -> Figure:
    """Pictures in rows of `columns`.

    Args:
        titles: a line above each.
        valid: frames valid pictures in a solid blue line, the others in a dotted orange one.
    """
    rows = -(-len(images) // columns)
    height = 8.5 / columns * (1.0 if titles is None else 1.25) * rows + 0.3 * (valid is not None)
    fig, axes = plt.subplots(rows, columns, figsize=(8.5, height), squeeze=False)
    _show_all(axes.ravel(), images, titles, valid)
    return fig


def image_rows(
    rows: dict[str, Images], *, titles=None, valid: dict[str, Valid] | None = None
) -> Figure:
    """Labelled rows of pictures; titles and valid, by label, as in `image_grid`."""
    columns = max(map(len, rows.values()))
    height = 7.2 / columns * 1.05 + 0.22 * (titles is not None)
    size = (8.5, height * len(rows) + 0.3 * (valid is not None))
    fig, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
        # An empty title keeps the rows of one height.
        above = titles and titles.get(label, [" "] * len(images))
        _show_all(row, images, above, valid and valid.get(label))
    return fig


def curves(
    series: dict[str, Line], *, x_label, y_label, x=None, log_x=False, log_y=False, hlines=None
) -> Figure:
    """Lines over one axis.

    Args:
        series: y values, or a pair (x values, y values), by label.
        x: (n,), the x values of series given as y alone (default 1, 2, ...).
        hlines: the heights of dashed grey reference lines, by label.
    """
    fig, ax = plt.subplots()
    markers = iter("os^Dvp*" * 3)
    for label, values in series.items():
        xs, ys = values if isinstance(values, tuple) else (x, values)
        xs = np.arange(1, len(ys) + 1) if xs is None else np.asarray(xs)
        marker = next(markers) if len(ys) <= 30 else None
        ax.plot(xs, ys, marker=marker, label=label)
    for label, height in (hlines or {}).items():
        ax.axhline(height, color="0.35", ls="--", lw=1.2)
        ax.annotate(label, (0.99, height), (0, 2), xycoords=("axes fraction", "data"), ha="right",
                    va="bottom", textcoords="offset points", fontsize=9, color="0.25")  # fmt: skip
    ax.set(xlabel=x_label, ylabel=y_label)
    if len(series) > 1:
        ax.legend()
    plain_log(*[ax.xaxis] * log_x, *[ax.yaxis] * log_y)
    return fig


def _window(ax, xy):
    """Look at the middle 99 % of the points: a few far ones would squeeze all others together."""
    for set_limits, values in zip((ax.set_xlim, ax.set_ylim), xy.T, strict=True):
        low, high = np.quantile(values, (0.005, 0.995))
        set_limits(low - 0.08 * (high - low), high + 0.08 * (high - low))


def schema(stages: Sequence[tuple[str, int, str]]) -> Figure:
    """A drawn schema of a network; a box's height grows with the logarithm of its width.

    Args:
        stages: (label, width in units, kind), kind being "image", "layer" or "code".
    """
    colours = {"image": "0.85", "layer": "#56B4E9", "code": "#E69F00"}
    fig, ax = plt.subplots(figsize=(8.5, 2.8))
    scale = min(0.27, 2.8 / np.log2(max(width for _, width, _ in stages) + 1))
    for i, (label, width, kind) in enumerate(stages):
        height = 0.25 + scale * np.log2(width + 1)
        ax.add_patch(plt.Rectangle((i - 0.28, -height / 2), 0.56, height, fc=colours[kind], ec="k"))
        ax.text(i, 0, f"{width}", ha="center", va="center", fontsize=10)
        ax.text(i, -1.75, label, ha="center", va="top", fontsize=10)
        if i:
            ax.annotate("", (i - 0.3, 0), (i - 0.7, 0), arrowprops={"arrowstyle": "->"})
    ax.set(xlim=(-0.6, len(stages) - 0.4), ylim=(-2.4, 1.8))
    ax.set_axis_off()
    return fig


def image_maps(
    maps: dict[str, Map], *, labels, signed=None, limit=None, extent=None, height=3.1
) -> Figure:
    """Maps side by side, each with a colour bar.

    Args:
        maps: by title.
        labels: of the colour bars, one or a list.
        signed: blue to red about zero instead of black to white from zero (default: where a map
            has values below zero).
        limit: the top of every scale (default: each map's own).
        extent: (left, right, bottom, top) in pixels, as `imshow` takes it.
        height: of the figure, inches.
    """
    fig, axes = plt.subplots(1, len(maps), figsize=(8.5, height), squeeze=False)
    labels = [labels] * len(maps) if isinstance(labels, str) else labels
    for ax, label, (title, values) in zip(axes.flat, labels, maps.items(), strict=True):
        values = np.asarray(values)
        diverging = values.min() < 0 if signed is None else signed
        top = limit or np.abs(values).max()
        picture = ax.imshow(values, vmin=-top if diverging else 0, vmax=top, extent=extent,
                            cmap="RdBu_r" if diverging else "gray")  # fmt: skip
        fig.colorbar(picture, ax=ax, location="bottom", label=label, aspect=18, shrink=0.9,
                     ticks=MaxNLocator(8 // len(maps) + 1, steps=[1, 2, 5, 10]))  # fmt: skip
        ax.set(title=title, xlabel="x (pixels)")
        ax.grid(False)
    axes[0, 0].set_ylabel("y (pixels)")
    return fig


def class_clouds(codes: dict[str, Codes], labels: Int[ArrayLike, " n"]) -> Figure:
    """Codes in the plane of the first two latents, coloured by ten classes: a panel per title.

    The number of a class stands at the median of its codes.
    """
    fig, axes = plt.subplots(1, len(codes), figsize=(8.5, 8.2 / len(codes) + 0.6), squeeze=False)
    look = {"s": 5, "lw": 0, "cmap": "tab10", "vmin": -0.5, "vmax": 9.5}
    number = {"ha": "center", "va": "center", "weight": "bold"}
    number["path_effects"] = [withStroke(linewidth=3, foreground="white")]
    for ax, (title, points) in zip(axes.flat, codes.items(), strict=True):
        take = evenly(len(points), MOST_POINTS)
        xy, own = np.asarray(points)[take, :2], np.asarray(labels)[take]
        dots = ax.scatter(*xy.T, c=own, **look)
        for label in np.unique(own):
            ax.text(*np.median(xy[own == label], axis=0), f"{label}", **number)
        ax.set(title=title, xlabel="$z_1$")
        _window(ax, xy)
    axes[0, 0].set_ylabel("$z_2$")
    fig.colorbar(dots, ax=axes, label="class", ticks=range(10))
    return fig


def panels(
    table: pd.DataFrame, labels: dict[str, str], *, x_label, log_x=False, log_y=False
) -> Figure:
    """Columns of a table over its index, a panel each.

    Args:
        table: a column test_<name> beside <name>, as a `fit` history has it, is the dashed line.
        labels: the y labels, by column.
    """
    fig, axes = plt.subplots(1, len(labels), figsize=(8.5, 2.9), squeeze=False)
    few = len(table) <= 30  # then they are settings, not epochs
    for ax, (column, label) in zip(axes.flat, labels.items(), strict=True):
        ax.plot(table.index, table[column], marker="o" if few else None, label="training")
        if f"test_{column}" in table:
            held_out = table[f"test_{column}"]
            ax.plot(table.index, held_out, ls="--", marker="o" if few else None, label="held-out")
            ax.legend()
        ax.set(xlabel=x_label, ylabel=label)
        plain_log(*[ax.xaxis] * log_x, *[ax.yaxis] * log_y)
        if few:
            ax.set_ylim(bottom=None if log_y else 0)
            ax.set_xticks(table.index[::2])  # all of them would run into each other
    return fig


def heatmaps(tables: dict[str, pd.DataFrame], *, label: str, top: float = 1) -> Figure:
    """Tables of numbers side by side, each number written into its coloured field.

    Args:
        tables: by title; the rows and columns are named by index and columns.
        label: of the colour bar.
        top: of the scale, which starts at 0.
    """
    fig, axes = plt.subplots(1, len(tables), figsize=(8.5, 3), squeeze=False)
    for ax, (title, table) in zip(axes.flat, tables.items(), strict=True):
        picture = ax.imshow(table, vmin=0, vmax=top, cmap="cividis", aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            text = f"{round(value, 2) + 0.0:.2f}"  # + 0.0: no minus before a zero
            ax.text(j, i, text, ha="center", va="center", color="w" if value < top / 2 else "k")
        ax.set_xticks(range(table.shape[1]), table.columns)
        ax.set_yticks(range(len(table)), table.index)
        ax.set_title(title)
        ax.grid(False)
    fig.colorbar(picture, ax=axes, label=label)
    return fig


def stacked_bars(table: pd.DataFrame, *, x_label: str) -> Figure:
    """A bar for each row of a table, its columns one after the other (what is below 0 as 0)."""
    looks = [("#0072B2", ""), ("0.82", ""), ("#D55E00", "//"), ("#009E73", ".."), ("#F0E442", "xx"),
             ("#56B4E9", "\\\\")]  # fmt: skip
    fig, ax = plt.subplots(figsize=(8.5, 1 + 0.37 * len(table)))
    ends = np.zeros(len(table))
    for (name, lengths), (colour, hatch) in zip(table.clip(lower=0).items(), looks, strict=False):
        look = {"color": colour, "hatch": hatch, "ec": "w", "lw": 0.5, "label": name}
        ax.barh(table.index, lengths, left=ends, **look)
        ends += lengths.to_numpy()
    ax.invert_yaxis()
    ax.set(xlabel=x_label)
    ax.legend(fontsize=9, loc="lower right")
    return fig


def manifold(images: Images, columns: int) -> Figure:
    """Pictures in rows of `columns`, a grey line between them, as one picture."""
    framed = np.pad(np.asarray(images), ((0, 0), (2, 0), (2, 0)), constant_values=0.5)
    rows = framed.reshape(-1, columns, *framed.shape[1:])
    fig, ax = plt.subplots(figsize=(6, 6 * len(rows) / columns))
    _show(ax, rows.transpose(0, 2, 1, 3).reshape(len(rows) * framed.shape[1], -1))
    ax.set(xlabel="$z_1$, from low to high", ylabel="$z_2$, from low to high")
    return fig
