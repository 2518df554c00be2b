"""Every figure's look: one function per kind of figure, each returning the `Figure`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from helpers.shapes import SHAPES

plt.style.use(Path(__file__).with_name("latent_bits.mplstyle"))

MOST_POINTS = 2000  # in a scatter panel: more hides what lies beneath
VALID, INVALID = "#0072B2", "#D55E00"


def _show(ax, image):
    ax.imshow(image, vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)


def _frame(ax, valid):
    ax.spines[:].set(visible=True, color=VALID if valid else INVALID, linewidth=2.5)
    ax.spines[:].set_linestyle("-" if valid else ":")


def image_grid(images, *, columns=10, titles=None, valid=None, width=8.5, title=None):
    """Pictures (n, 28, 28) in rows of `columns`.

    titles: a line above each; valid: n booleans, framing valid pictures in a solid blue line and
    the others in a dotted orange one.
    """
    rows = -(-len(images) // columns)
    height = width / columns * (1.0 if titles is None else 1.25) * rows + (0.35 if title else 0)
    fig, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for i, ax in enumerate(axes.flat):
        if i >= len(images):
            ax.set_axis_off()
            continue
        _show(ax, images[i])
        if titles is not None:
            ax.set_title(titles[i], fontsize=9, pad=2)
        if valid is not None:
            _frame(ax, valid[i])
    if valid is not None:
        lines = [Line2D([], [], color=VALID, lw=2.5), Line2D([], [], color=INVALID, lw=2.5, ls=":")]
        fig.legend(lines, ["valid", "invalid"], loc="outside lower center", ncols=2)
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


def image_rows(rows, *, titles=None, valid=None, width=8.5):
    """Labelled rows of pictures: a dict from label to images (n, 28, 28), all of one length.

    titles: a dict from label to n lines, drawn above the pictures of that row; valid: a dict from
    label to n booleans, framed as in `image_grid`.
    """
    titles, valid = titles or {}, valid or {}
    columns = max(map(len, rows.values()))
    cell = (width - 1.3) / columns
    heights = [cell * 1.05 + (0.22 if label in titles else 0) for label in rows]
    fig, axes = plt.subplots(
        len(rows), columns, figsize=(width, sum(heights)), squeeze=False, height_ratios=heights
    )
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
        for i, (ax, image) in enumerate(zip(row, images, strict=True)):
            _show(ax, image)
            if label in titles:
                ax.set_title(titles[label][i], fontsize=9, pad=2)
            if label in valid:
                _frame(ax, valid[label][i])
    return fig


def curves(series, *, x_label, y_label, x=None, log_x=False, log_y=False, hlines=None, title=None):
    """Lines over one axis: series maps a label to y values, or to a pair (x values, y values).

    x: the x values shared by series given as y alone (default 1, 2, ...); hlines maps a label to
    the height of a dashed grey reference line.
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
        ax.annotate(label, (0.99, height), xycoords=("axes fraction", "data"),
                    ha="right", va="bottom", fontsize=9, color="0.25")  # fmt: skip
    ax.set(xlabel=x_label, ylabel=y_label, title=title)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    if len(series) > 1:
        ax.legend()
    return fig


def training_curves(history, terms, *, y_label="nats per image", log_y=True):
    """One panel per term of a `fit` history: solid on training images, dashed on held-out ones.

    terms maps a column of the history to the panel's title.
    """
    fig, axes = plt.subplots(1, len(terms), figsize=(8.5, 3), squeeze=False)
    labels = y_label if isinstance(y_label, (list, tuple)) else [y_label] * len(terms)
    for ax, (term, title), label in zip(axes.flat, terms.items(), labels, strict=True):
        ax.plot(history["epoch"], history[term], label="training")
        if f"test_{term}" in history:
            ax.plot(history["epoch"], history[f"test_{term}"], ls="--", label="held-out")
        ax.set(xlabel="epoch", ylabel=label, title=title)
        if log_y:
            ax.set_yscale("log")
    axes[0, 0].legend()
    return fig


def _scatter_by_shape(ax, xy, shape):
    for index, marker in enumerate(
        "soX^"[: len(SHAPES)] if len(SHAPES) == 4 else "o" * len(SHAPES)
    ):
        of_shape = shape == index
        if of_shape.any():
            ax.scatter(*xy[of_shape].T, s=6, marker=marker, lw=0, alpha=0.7, label=SHAPES[index])
    ax.legend(markerscale=2.5, fontsize=8, loc="upper right", handletextpad=0.1, borderpad=0.1)


def latent_scatter(codes, factors, *, dimensions=(0, 1), title=None):
    """Codes (n, L) in the plane of two dimensions, coloured by shape, x, y and size in turn.

    factors: (n, 4) as in `FACTORS`; at most 2,000 points, evenly taken, are drawn.
    """
    take = np.linspace(0, len(codes) - 1, min(len(codes), MOST_POINTS)).astype(int)
    xy = np.asarray(codes)[take][:, list(dimensions)]
    factors = np.asarray(factors)[take]
    fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.6), sharex=True, sharey=True)
    _scatter_by_shape(axes[0], xy, factors[:, 0])
    axes[0].set_title("shape")
    for ax, name, values in zip(axes[1:], ("x", "y", "size"), factors.T[1:], strict=True):
        points = ax.scatter(*xy.T, s=5, c=values, cmap="viridis", lw=0)
        fig.colorbar(points, ax=ax, location="bottom", label=f"{name} (pixels)", aspect=14)
    for ax in axes:
        ax.set_xlabel(f"$z_{dimensions[0] + 1}$")
    axes[0].set_ylabel(f"$z_{dimensions[1] + 1}$")
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


def schema(stages, *, note=None):
    """A drawn schema of a network: stages is a list of (label, width in units, kind).

    kind is "image", "layer" or "code"; a box's height grows with the logarithm of its width.
    """
    colours = {"image": "0.85", "layer": "#56B4E9", "code": "#E69F00"}
    fig, ax = plt.subplots(figsize=(8.5, 2.8))
    for i, (label, width, kind) in enumerate(stages):
        height = 0.25 + 0.27 * np.log2(width + 1)
        ax.add_patch(plt.Rectangle((i - 0.28, -height / 2), 0.56, height, fc=colours[kind], ec="k"))
        ax.text(i, 0, f"{width}", ha="center", va="center", fontsize=10)
        ax.text(i, -1.75, label, ha="center", va="top", fontsize=10)
        if i:
            ax.annotate("", (i - 0.3, 0), (i - 0.7, 0), arrowprops={"arrowstyle": "->"})
    ax.set(xlim=(-0.6, len(stages) - 0.4), ylim=(-2.4, 1.8))
    ax.set_axis_off()
    if note:
        ax.set_title(note)
    return fig
