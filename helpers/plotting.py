"""Every figure's look: one function per kind of figure, each returning the `Figure`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from .shapes import FACTORS, SHAPES

plt.style.use(Path(__file__).with_name("latent_bits.mplstyle"))

MOST_POINTS = 2000  # in a scatter panel: more hides what lies beneath
SHAPE_COLOURS = VALID, INVALID, *_ = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]


def _show(ax, image):
    ax.imshow(image, vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])  # which leaves no grid either
    ax.spines[:].set_visible(False)


def _frame(ax, valid):
    ax.spines[:].set(visible=True, color=VALID if valid else INVALID, linewidth=2.5)
    ax.spines[:].set_linestyle("-" if valid else ":")


def _explain_frames(fig, valid):
    if valid is None:
        return
    lines = [Line2D([], [], color=VALID, lw=2.5), Line2D([], [], color=INVALID, lw=2.5, ls=":")]
    fig.legend(lines, ["valid", "invalid"], loc="outside lower right", ncols=2, fontsize=9)


def _plain_log(*axes):
    """A logarithmic axis with plain numbers on it."""
    for axis in axes:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def image_grid(images, *, columns=10, titles=None, valid=None, width=8.5):
    """Pictures (n, 28, 28) in rows of `columns`.

    titles: a line above each; valid: n booleans, framing valid pictures in a solid blue line and
    the others in a dotted orange one.
    """
    rows = -(-len(images) // columns)
    height = width / columns * (1.0 if titles is None else 1.25) * rows + 0.3 * (valid is not None)
    fig, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for ax in axes.flat[len(images) :]:
        ax.set_axis_off()
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        _show(ax, image)
        if titles is not None:
            ax.set_title(titles[i], fontsize=9, pad=2)
        if valid is not None:
            _frame(ax, valid[i])
    _explain_frames(fig, valid)
    return fig


def image_rows(rows, *, titles=None, valid=None, width=8.5):
    """Labelled rows of pictures: a dict from label to images (n, 28, 28).

    titles: a dict from label to n lines, drawn above the pictures of that row; valid: a dict from
    label to n booleans, framed as in `image_grid`.
    """
    columns = max(map(len, rows.values()))
    height = (width - 1.3) / columns * 1.05 + 0.22 * (titles is not None)
    size = (width, height * len(rows) + 0.3 * (valid is not None))
    fig, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
        for ax in row[len(images) :]:
            ax.set_axis_off()
        for i, (ax, image) in enumerate(zip(row, images, strict=False)):
            _show(ax, image)
            if titles:  # an empty title keeps the rows of one height
                ax.set_title(titles[label][i] if label in titles else " ", fontsize=9, pad=2)
            if valid and label in valid:
                _frame(ax, valid[label][i])
    _explain_frames(fig, valid)
    return fig


def curves(series, *, x_label, y_label, x=None, log_x=False, log_y=False, hlines=None):
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
        ax.annotate(label, (0.99, height), (0, 2), xycoords=("axes fraction", "data"), ha="right",
                    va="bottom", textcoords="offset points", fontsize=9, color="0.25")  # fmt: skip
    ax.set(xlabel=x_label, ylabel=y_label)
    if len(series) > 1:
        ax.legend()
    _plain_log(*[ax.xaxis] * log_x, *[ax.yaxis] * log_y)
    return fig


def _window(ax, xy):
    """Look at the middle 99 % of the points: a few far ones would squeeze all others together."""
    for set_limits, values in zip((ax.set_xlim, ax.set_ylim), xy.T, strict=True):
        low, high = np.quantile(values, (0.005, 0.995))
        set_limits(low - 0.08 * (high - low), high + 0.08 * (high - low))


def latent_scatter(codes, factors, *, shapes=SHAPES):
    """Codes (n, L) in the plane of the first two latents, a panel for each factor as the colour.

    factors: (n, 4) as in `FACTORS`, of a world of these shapes (a single one gets no panel); at
    most 2,000 points are drawn.
    """
    take = np.linspace(0, len(codes) - 1, min(len(codes), MOST_POINTS)).astype(int)
    xy, factors = np.asarray(codes)[take, :2], np.asarray(factors)[take]
    shown = [f for f in zip(FACTORS, factors.T, strict=True) if f[0] != "shape" or len(shapes) > 1]
    fig, axes = plt.subplots(1, len(shown), figsize=(8.5, 3.2), sharex=True, sharey=True)
    by_shape = {"cmap": ListedColormap(SHAPE_COLOURS[: len(shapes)]), "vmin": -0.5}
    by_shape["vmax"] = len(shapes) - 0.5
    for ax, (name, values) in zip(axes, shown, strict=True):
        look = by_shape if name == "shape" else {"cmap": "viridis"}
        points = ax.scatter(*xy.T, s=5, c=values, lw=0, **look)
        label = name if name == "shape" else f"{name} (pixels)"
        bar = fig.colorbar(points, ax=ax, location="bottom", label=label, aspect=14)
        if name == "shape":
            bar.set_ticks(range(len(shapes)), labels=shapes, fontsize=9, rotation=35)
        ax.set(xlabel="$z_1$")
    axes[0].set_ylabel("$z_2$")
    _window(axes[0], xy)
    return fig


def schema(stages):
    """A drawn schema of a network: stages is a list of (label, width in units, kind).

    kind is "image", "layer" or "code"; a box's height grows with the logarithm of its width.
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
    maps, *, labels, signed=None, limit=None, outline=None, numbers=None, extent=None, height=3.1
):
    """Maps side by side, each with a colour bar: a dict from title to values (rows, columns).

    labels: of the colour bars, one or a list; signed: blue to red about zero instead of black to
    white from zero (default: where a map has values below zero); limit: the top of every scale
    (default: each map's own); outline: (xs, ys, values), or a dict of them by title, whose zero
    line is drawn; numbers: a format to write each value with, such as ".1f"; extent: (left, right,
    bottom, top) in pixels, as `imshow` takes it.
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
        line = outline[title] if isinstance(outline, dict) else outline
        if line is not None:
            ax.contour(*line, levels=[0], colors="#E69F00", linewidths=2)
        left, _, _, first = picture.get_extent()
        for (i, j), value in np.ndenumerate(values) if numbers else ():
            dark = np.dot(picture.to_rgba(value)[:3], (0.3, 0.6, 0.1)) < 0.5
            ax.text(left + j + 0.5, first + i + 0.5, format(value, numbers), fontsize=8,
                    ha="center", va="center", color="w" if dark else "k")  # fmt: skip
        ax.set(title=title, xlabel="x (pixels)")
        ax.grid(False)
    axes[0, 0].set_ylabel("y (pixels)")
    return fig


def rate_distortion_plane(schemes, *, entropy_bits, zero_rate_error, cloud=None, note=None):
    """Rate (bits) over squared error: schemes maps a label to (errors, rates), a line each.

    The two ends that no code can beat are marked: no error at the entropy, and the error of the
    mean image at zero bits; cloud: (errors, rates) of further points; note: (error, rate, text).
    """
    fig, ax = plt.subplots(figsize=(8.5, 4.4))
    if cloud is not None:
        ax.plot(*cloud, ".", color="0.7", ms=4, zorder=1)
    styles = iter(("-o", "--", "-.", ":") * 2)
    for label, (errors, rates) in schemes.items():
        ax.plot(errors, rates, next(styles), label=label)
    ax.plot([0, zero_rate_error], [entropy_bits, 0], "kD", ms=8, clip_on=False, zorder=5)
    near = {"textcoords": "offset points", "fontsize": 10}
    ax.annotate("every image exact", (0, entropy_bits), (10, 6), **near)
    ax.annotate("the mean image", (zero_rate_error, 0), (-58, 4), ha="right", **near)
    if note:
        ax.text(*note, ha="center", va="center", fontsize=10, color="0.25")
    ax.set(xlabel="squared error per image", ylabel="rate (bits per image)")
    ax.set(xlim=(0, zero_rate_error * 1.04), ylim=(0, entropy_bits * 1.08))
    ax.legend()
    return fig


def information_plane(limit, noisy, models, *, entropy_bits, errors):
    """Codes against the limit, squared error on a logarithmic axis over the range `errors`.

    limit: (errors, rates, lower bounds) of R(D); noisy and models map a label to (errors, bound,
    exact information): a solid line with the bound dotted above it, or a full marker for the bound
    joined to a hollow one for the information.
    """
    fig, ax = plt.subplots(figsize=(8.5, 5.6))
    ax.fill_between(limit[0], limit[2], limit[1], color="0.6", lw=0)
    ax.plot(*limit[:2], "k", lw=2.5, label="the limit R(D)")
    colours = iter(SHAPE_COLOURS)
    for (label, (at, bound, exact)), colour in zip(noisy.items(), colours, strict=False):
        ax.plot(at, exact, "-o", c=colour, ms=4, label=f"{label}: exact I (dotted: R)")
        ax.plot(at, bound, ":", c=colour)
    for (label, (at, bound, exact)), marker in zip(models.items(), "s^P", strict=True):
        (full,) = ax.plot(at, bound, marker, c=next(colours), ms=7)
        full.set_label(f"{label}: KL (hollow: exact I)")
        ax.vlines(at, exact, bound, full.get_color(), lw=1)
        ax.plot(at, exact, marker, mfc="w", mec=full.get_color())
    ax.axhline(entropy_bits, color="0.35", ls="--", lw=1.2)
    ax.annotate(f"H(X) = {entropy_bits:g} bits", (errors[1], entropy_bits), (0, 3), fontsize=10,
                ha="right", va="bottom", textcoords="offset points")  # fmt: skip
    _plain_log(ax.xaxis)
    ax.set(xlabel="squared error per image (z drawn)", ylabel="bits per image", xlim=errors)
    ax.set_ylim(0, 1.45 * entropy_bits)
    ax.legend(fontsize=9)
    return fig


def clouds(codes, *, shape=None, share_axes=True, most=MOST_POINTS):
    """Codes in the plane of the first two latents, one panel per title of the dict `codes`.

    Its values are codes (n, L), or pairs (means, sigmas), both (n, L), where each code is also
    drawn as an ellipse of one standard deviation. shape: (n,) colours them by shape; at most
    `most` of them, evenly taken, are drawn.
    """
    size = (8.5, 8.2 / len(codes) + 0.6)
    fig, axes = plt.subplots(1, len(codes), figsize=size, sharex=share_axes, sharey=share_axes)
    for ax, (title, points) in zip(axes, codes.items(), strict=True):
        mean, sigma = points if isinstance(points, tuple) else (points, None)
        take = np.linspace(0, len(mean) - 1, min(len(mean), most)).astype(int)
        centres = np.asarray(mean)[take, :2]
        colours = VALID if shape is None else np.array(SHAPE_COLOURS)[np.asarray(shape, int)[take]]
        ax.scatter(*centres.T, s=6, lw=0, c=colours)
        if sigma is not None:
            place = {"units": "xy", "offsets": centres, "offset_transform": ax.transData}
            look = {"facecolors": "none", "edgecolors": colours, "lw": 0.5, "alpha": 0.6}
            widths = 2 * np.asarray(sigma)[take, :2].T
            ax.add_collection(EllipseCollection(*widths, np.zeros(len(take)), **place, **look))
        ax.set(title=title, xlabel="$z_1$")
        if not share_axes:
            _window(ax, centres)
    axes[0].set_ylabel("$z_2$")
    if shape is not None:
        dots = [Line2D([], [], color=c, marker="o", ls="") for c in SHAPE_COLOURS[: len(SHAPES)]]
        fig.legend(dots, SHAPES, loc="outside lower center", ncols=len(SHAPES), fontsize=9)
    return fig


def class_clouds(codes, labels):
    """Codes in the plane of the first two latents, coloured by ten classes: a panel per title."""
    fig, axes = plt.subplots(1, len(codes), figsize=(8.5, 8.2 / len(codes) + 0.6), squeeze=False)
    for ax, (title, points) in zip(axes.flat, codes.items(), strict=True):
        take = np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).astype(int)
        xy = np.asarray(points)[take, :2]
        dots = ax.scatter(
            *xy.T, s=5, lw=0, c=np.asarray(labels)[take], cmap="tab10", vmin=-0.5, vmax=9.5
        )
        ax.set(title=title, xlabel="$z_1$")
        _window(ax, xy)
    axes[0, 0].set_ylabel("$z_2$")
    fig.colorbar(dots, ax=axes, label="class", ticks=range(10))
    return fig


def panels(table, labels, *, x_label, log_x=False, log_y=False, hlines=None):
    """Columns of a DataFrame over its index, a panel each: labels maps a column to its y label.

    Where the table has a column test_<name> beside <name>, as a `fit` history does, that is the
    dashed line; hlines maps a column to the height of a dashed grey reference line.
    """
    fig, axes = plt.subplots(1, len(labels), figsize=(8.5, 2.9), squeeze=False)
    few = len(table) <= 30  # then they are settings, not epochs
    for ax, (column, label) in zip(axes.flat, labels.items(), strict=True):
        ax.plot(table.index, table[column], marker="o" if few else None, label="training")
        if f"test_{column}" in table:
            held_out = table[f"test_{column}"]
            ax.plot(table.index, held_out, ls="--", marker="o" if few else None, label="held-out")
            ax.legend()
        if hlines and column in hlines:
            ax.axhline(hlines[column], color="0.35", ls="--", lw=1.2)
        ax.set(xlabel=x_label, ylabel=label)
        _plain_log(*[ax.xaxis] * log_x, *[ax.yaxis] * log_y)
        if few:
            ax.set_ylim(bottom=None if log_y else 0)
            ax.set_xticks(table.index[::2])  # all of them would run into each other
    return fig


def heatmaps(tables, *, label, top=1):
    """Tables of values from 0 to `top`, side by side: a dict from title to DataFrame."""
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


def manifold(images, columns):
    """Pictures (n, 28, 28) in rows of `columns`, a grey line between them, as one picture."""
    framed = np.pad(np.asarray(images), ((0, 0), (2, 0), (2, 0)), constant_values=0.5)
    rows = framed.reshape(-1, columns, *framed.shape[1:])
    fig, ax = plt.subplots(figsize=(6, 6 * len(rows) / columns))
    _show(ax, rows.transpose(0, 2, 1, 3).reshape(len(rows) * framed.shape[1], -1))
    ax.set(xlabel="$z_1$, from low to high", ylabel="$z_2$, from low to high")
    return fig
