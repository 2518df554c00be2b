# %% [markdown]
# # 01 · Data generation: a world of exactly 13 bits
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/01_data_generation.ipynb)
#
# **How many bits does a latent space keep?** With photographs nobody can say, because nobody knows
# how many bits there were to begin with. So we build a world of images small enough to count:
# 4 shapes, 16 positions across, 16 positions down and 8 sizes make
# $4\cdot16\cdot16\cdot8 = 8192 = 2^{13}$ images. This notebook asks: **what does it mean that an
# image of this world holds exactly 13 bits, and what does it cost to keep fewer?**
#
# You will learn how to
#
# - draw a shape from its signed distance, with smooth edges, and differentiate the image with
#   respect to the position and size of the shape;
# - count information: entropy in bits, and an image's address as 13 binary digits;
# - measure distances between all images, and read from them how precise a code must be;
# - compress with PCA, the best linear code, and see why it needs far more than four numbers here;
# - trade bits against error, in the plane where notebook 04 holds autoencoders to account.
#
# *Before you start:* Python with NumPy, vectors and matrices, and the idea of a probability. JAX is
# NumPy with derivatives; its random numbers come from an explicit *key*: the same key gives the same
# numbers, and `split` makes new keys out of one. The next cell only finds (in Colab: fetches) the
# project's helper code and checks the packages: run it and go on.
# *Time to run:* under a minute on a laptop.

# %%
import subprocess
import sys
from pathlib import Path

REPOSITORY = "https://github.com/latent-bits/latent-bits"
here = Path.cwd()
beside = here / "latent-bits"
places = (here, *here.parents, beside)
root = next((p for p in places if (p / "helpers" / "shapes.py").exists()), beside)
if not root.exists():  # a notebook on its own, as in Colab: fetch the repository beside it
    fetch = ["git", "clone", "--depth", "1", REPOSITORY, str(beside)]
    fetched = subprocess.run(fetch, capture_output=True, text=True)
    if fetched.returncode:
        raise RuntimeError(f"No {REPOSITORY}: {fetched.stderr} Check the network, run this again.")
sys.path.insert(0, str(root))

from helpers.environment import prepare

prepare(install=root == beside)

# %%
import itertools
import platform

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

# %%
from helpers.exercises import check
from helpers.files import load_arrays, output_folder, record, save_arrays, save_figure
from helpers.plotting import curves, evenly, image_grid, image_maps, image_rows, use_style
from helpers.recipes import world_split
from helpers.shapes import (
    FACTORS,
    POSITIONS,
    SHAPES,
    SIDE,
    SIGNED_DISTANCES,
    SIZES,
    random_shapes,
    render,
    shape_world,
    split,
)

use_style()

# %% [markdown]
# Here is where we are going: twenty images of the world, drawn at random. Each is a grid of
# 28 x 28 pixels between 0 (black) and 1 (white). Below we build them from nothing.

# %%
glimpse_key, draw_key = jax.random.split(jax.random.key(1))
world = shape_world()
chosen = np.asarray(jax.random.choice(glimpse_key, len(world.images), (20,), replace=False))
save_figure(image_grid(world.images[chosen]), "01_glimpse")

# %% [markdown]
# ## 1. One image, by hand
#
# A shape is described by its **signed distance**: a function of the plane that is negative inside
# the shape, zero on its outline and positive outside. For a circle around $(x, y)$ whose radius is
# its *size* $s$, at the pixel centred on $(u, v)$,
#
# $$ d(u, v) = \sqrt{(u - x)^2 + (v - y)^2} - s . $$
#
# Coordinates are in pixels, $u$ to the right and $v$ down, and $(0, 0)$ is the centre of the first
# pixel.

# %%
x, y, size = 13.0, 14.0, 4.6
v, u = np.mgrid[:SIDE, :SIDE]  # row and column of every pixel
distance = np.sqrt((u - x) ** 2 + (v - y) ** 2) - size
print(f"distance at the centre {distance[14, 13]:.1f}, in the corner {distance[0, 0]:.1f} pixels")

# %% [markdown]
# If we painted every pixel with $d < 0$ white and all others black, the outline would be a
# staircase: moving the circle by a tenth of a pixel would mostly change nothing, then suddenly
# flip a pixel. So a pixel fades from white to black across the outline, over the width of one
# pixel. This is called *anti-aliasing*:
#
# $$ \text{pixel} = \operatorname{clip}\left(\tfrac12 - d,\; 0,\; 1\right) . $$
#
# Half a pixel inside it is white, on the outline it is $1/2$, half a pixel outside it is black.

# %%
by_hand = np.clip(0.5 - distance, 0, 1)
assert np.allclose(by_hand, render("circle", x, y, size), atol=1e-6)

# %% [markdown]
# The two lines above are the whole renderer, and the helper `render` agrees with them. Look at the
# lower right part of this circle, with the numbers written in. The orange line is the true outline.

# %%
corner = (slice(13, 21), slice(12, 20))  # rows, columns
extent = (11.5, 19.5, 20.5, 12.5)  # left, right, bottom, top
maps = {"signed distance": distance[corner], "pixel value": by_hand[corner]}
fig = image_maps(maps, labels=["distance (pixels)", "brightness"], extent=extent, height=5)

# The outline and the numbers, drawn into both maps.
fine_u, fine_v = np.linspace(11.5, 19.5, 200), np.linspace(12.5, 20.5, 200)
outline = (fine_u, fine_v, np.hypot(fine_u - x, fine_v[:, None] - y) - size)
for ax, values in zip(fig.axes, maps.values(), strict=False):  # after them come the colour bars
    ax.contour(*outline, levels=[0], colors="#E69F00", linewidths=2)
    for (row, column), value in np.ndenumerate(values):
        dark = np.dot(ax.images[0].to_rgba(value)[:3], (0.3, 0.6, 0.1)) < 0.5
        ax.text(12 + column, 13 + row, f"{value:.2f}", fontsize=8, ha="center", va="center",
                color="w" if dark else "k")  # fmt: skip
save_figure(fig, "01_signed_distance")

# %% [markdown]
# Read it pixel by pixel: where the outline passes through a pixel, the pixel is grey, and the more
# of it lies inside, the brighter it is (a mere corner does not count). Is the brightness just the *share of the pixel that
# the shape covers*? Let us measure that share with 32 x 32 points in each pixel.

# %%
offsets = (np.arange(32) + 0.5) / 32 - 0.5
points = (np.arange(SIDE)[:, None] + offsets).ravel()  # 32 points along each pixel
inside = np.hypot(points - x, points[:, None] - y) < size
covered = inside.reshape(SIDE, 32, SIDE, 32).mean((1, 3))
largest_gap = np.abs(covered - by_hand).max()
assert largest_gap < 0.1
display(
    Markdown(
        f"The largest difference between brightness and covered share in any pixel is "
        f"**{largest_gap:.3f}**: nearly the same, for a much simpler formula."
    )
)

# %% [markdown]
# ## 2. Four shapes
#
# Write $a = |u - x|$ and $b = v - y$. Each shape needs one line:
#
# - **square:** $\max(a, |b|) - \frac{\sqrt\pi}{2}s$. Its area is $\pi s^2$, that of the circle.
# - **circle:** $\sqrt{a^2 + b^2} - s$, with radius $s$ and area $\pi s^2$.
# - **triangle:** $\max\left(b,\; \frac{\sqrt3}{2}a - \frac b2\right) - \frac s2$. All sides are
#   equal, the corners lie at distance $s$ from the centre, and the area is $\frac{3\sqrt3}{4}s^2$.
# - **cross:** the smaller of the distances to two bars, one of half-width $s$ and half-height
#   $\frac s3$ and one the other way round. Its area is $\frac{20}{9}s^2$.
#
# A shape bounded by straight edges is the place where it lies behind *all* of them: a maximum. A
# shape made of two parts is where *either* is: a minimum. (Beyond a corner such a maximum is a
# little less than the true distance, which keeps corners sharp. Only the half pixel on either side
# of the outline matters for the image.)


# %%
def bar(a, b, half_width, half_height):
    return np.maximum(a - half_width, np.abs(b) - half_height)


formulas = {
    "square": lambda a, b, s: bar(a, b, np.sqrt(np.pi) / 2 * s, np.sqrt(np.pi) / 2 * s),
    "circle": lambda a, b, s: np.hypot(a, b) - s,
    "triangle": lambda a, b, s: np.maximum(b, np.sqrt(3) / 2 * a - b / 2) - s / 2,
    "cross": lambda a, b, s: np.minimum(bar(a, b, s, s / 3), bar(a, b, s / 3, s)),
}
for shape, formula in formulas.items():
    image = np.clip(0.5 - formula(np.abs(u - x), v - y, size), 0, 1)
    assert np.allclose(image, render(shape, x, y, size), atol=1e-6), shape

# %% [markdown]
# The formulas agree with `render` for all four. Their landscapes, with the outline at zero:

# %%
fine = np.linspace(-9, 9, 91)
landscapes = {s: f(np.abs(fine)[None], fine[:, None], 6) for s, f in formulas.items()}
fig = image_maps(landscapes, labels="distance (pixels)", extent=(-9, 9, 9, -9), limit=8)
for ax, values in zip(fig.axes, landscapes.values(), strict=False):
    ax.contour(fine, fine, values, levels=[0], colors="#E69F00", linewidths=2)
save_figure(fig, "01_four_distances")

# %% [markdown]
# Blue is inside. If the edges are honest, the sum of all pixels should be the area promised
# above, at every size. We check it at the smallest and the largest.

# %%
areas = {"square": np.pi, "circle": np.pi, "triangle": 3 * np.sqrt(3) / 4, "cross": 20 / 9}
rows = [
    (shape, s, areas[shape] * s**2, float(render(shape, 13.3, 13.6, s).sum()))
    for shape in SHAPES
    for s in (SIZES[0], SIZES[-1])
]
table = pd.DataFrame(rows, columns=["shape", "size", "area", "sum of pixels"])
gap = (table["sum of pixels"] / table["area"] - 1).abs().max()
assert gap < 0.08
table.round(2)

# %% [markdown]
# They agree to a few per cent, best for the large ones. Square and circle have the *same* area,
# which makes them hard to tell apart when they are small: remember that in section 6.

# %% [markdown]
# ## 3. The image moves smoothly: its derivatives
#
# Because brightness fades across the outline, the image is a differentiable function of $x$, $y$
# and $s$ (except just where the clip begins and ends). JAX computes the three derivative images for us.

# %%
parameters = jnp.array([13.3, 14.1, 4.6])
derivatives = jax.jacfwd(lambda p: render("circle", *p))(parameters)  # (28, 28, 3)
derivatives = dict(zip(("x", "y", "size"), np.moveaxis(derivatives, -1, 0), strict=True))

# %% [markdown]
# *Predict first:* when the circle moves to the right, which pixels get brighter and which darker?

# %%
maps = {f"∂ image / ∂ {name}": image[8:21, 7:20] for name, image in derivatives.items()}
view = {"signed": True, "limit": 1, "extent": (6.5, 19.5, 20.5, 7.5), "height": 3.9}
fig = image_maps(maps, labels="brightness per pixel", **view)
save_figure(fig, "01_derivatives")

# %% [markdown]
# Moving right brightens the right edge (red) and darkens the left (blue). Moving down does the same
# along the vertical, and growing brightens the whole rim. The flat inside and outside do not
# change at all: everything an image says about where the shape is, it says at the edge.
#
# Are the derivatives right? Compare with finite differences, $\frac{f(p + h) - f(p - h)}{2h}$.

# %%
h, worst = 1e-3, 0.0
for i, derivative in enumerate(derivatives.values()):
    step = h * jnp.eye(3)[i]
    ahead, behind = render("circle", *(parameters + step)), render("circle", *(parameters - step))
    worst = max(worst, float(jnp.abs((ahead - behind) / (2 * h) - derivative).max()))
assert worst < 5e-3
display(
    Markdown(
        f"The largest disagreement in any pixel is **{worst:.0e}**, "
        f"which is what the rounding of 32-bit coordinates, divided by $2h$, lets us expect."
    )
)

# %% [markdown]
# This is more than a nicety: from notebook 02 on we ask whether a *generated* image is a shape of this
# world, and follow these derivatives to the nearest one.

# %% [markdown]
# ## 4. A world you can count
#
# Now let the four **factors** take a few values each, and every combination of them is an image.

# %%
values = {"shape": SHAPES, "x": POSITIONS, "y": POSITIONS, "size": SIZES}
counts = tuple(len(options) for options in values.values())
assert counts == world.cardinalities == (4, 16, 16, 8)
assert np.prod(counts) == len(world.images) == 2**13
text = [", ".join(SHAPES)]
for steps in (POSITIONS, POSITIONS, SIZES):
    text.append(f"{steps[0]:g} to {steps[-1]:g} in steps of {steps[1] - steps[0]:g}")
pd.DataFrame({"values": text, "how many": counts}, index=FACTORS)

# %% [markdown]
# Each factor varied alone, through all its values, while the others stay where they are:

# %%
first, last = POSITIONS[:8], POSITIONS[8:]
rows = {
    "shape": render(np.arange(4), 13, 13, 6),
    "size": render("triangle", 13, 13, SIZES),
    "x, first half": render("square", first, 13, 4),
    "x, second half": render("square", last, 13, 4),
    "y, first half": render("cross", 13, first, 4),
    "y, second half": render("cross", 13, last, 4),
}
numbers = [SHAPES, SIZES, first, last, first, last]
titles = {
    row: [v if row == "shape" else f"{v:g}" for v in shown]
    for row, shown in zip(rows, numbers, strict=True)
}
save_figure(image_rows(rows, titles=titles), "01_gallery")

# %% [markdown]
# Two things must hold before we may count bits. First, **all images differ**: if two settings of
# the factors gave the same image, the images would hold less than the settings.

# %%
flat = world.images.reshape(len(world.images), -1)  # (8192, 784)
distinct_images = len(np.unique(flat, axis=0))
assert distinct_images == len(world.images)
print(f"{distinct_images:,} different images of {len(world.images):,}")

# %% [markdown]
# Second, **nothing is cut off**. Draw the largest shapes at the four extreme positions on a canvas
# with a margin of six more pixels all around: every pixel of the margin must stay black.

# %%
wide_v, wide_u = np.mgrid[-6 : SIDE + 6, -6 : SIDE + 6]
margin = (wide_u < 0) | (wide_u >= SIDE) | (wide_v < 0) | (wide_v >= SIDE)
extremes = itertools.product(SHAPES, POSITIONS[[0, -1]], POSITIONS[[0, -1]])
for shape, far_x, far_y in extremes:
    reach = SIGNED_DISTANCES[shape](wide_u - far_x, wide_v - far_y, SIZES[-1])
    assert np.all(np.clip(0.5 - reach, 0, 1)[margin] == 0), shape

# %% [markdown]
# ## 5. Why 13 bits, and what a bit is
#
# A **bit** is the answer to one yes/no question. Thirteen of them have $2^{13}$ possible outcomes,
# one for each image. In fact the number of an image in our list, written in binary, is its
# *address*: 2 digits say the shape, 4 say $x$, 4 say $y$ and 3 say the size.


# %%
def address(n):
    digits = format(n, "013b")
    return " ".join((digits[:2], digits[2:6], digits[6:10], digits[10:]))


example = 7589
print(f"image {example} has the address {address(example)}")

# %% [markdown]
# Thirteen digits, nothing else, and we can draw the image:


# %%
def decode(digits):
    shape, x, y, size = (int(part, 2) for part in digits.split())
    return SHAPES[shape], float(POSITIONS[x]), float(POSITIONS[y]), float(SIZES[size])


print(*decode(address(example)))
assert np.allclose(render(*decode(address(example))), world.images[example], atol=1e-6)

# %% [markdown]
# That was one image. For all of them at once, shift the digits out of the number:

# %%
n = np.arange(len(world.images))
shape_index, x_index, y_index, size_index = n >> 11, (n >> 7) & 15, (n >> 3) & 15, n & 7
rebuilt = np.stack([shape_index, POSITIONS[x_index], POSITIONS[y_index], SIZES[size_index]], axis=1)
assert np.array_equal(rebuilt, world.factors)

# %% [markdown]
# So 13 bits are *enough*. Now watch them work. Somebody has this image in mind, and answers one
# question after the other: is the next digit of its address a 1? After each answer half of the
# images are left. If we had to stop there, the best guess (in squared error, as section 7 shows)
# would be the **mean of the images that are left**.

# %%
guesses = [flat[n >> (13 - k) == example >> (13 - k)].mean(0) for k in range(14)]
titles = [f"{k} bit{'s' * (k != 1)}: {2 ** (13 - k):,} left" for k in range(14)]
fig = image_grid(np.reshape(guesses, (14, SIDE, SIDE)), columns=7, titles=titles)
save_figure(fig, "01_thirteen_questions")

# %% [markdown]
# Two answers give the shape, four more fix the column, four more the row, and the last three the
# size. Every answer halves the uncertainty; not every answer helps the image equally.

# %% [markdown]
# ### Entropy
#
# Are 13 bits also *needed*? The **entropy** of a random image $X$ that takes its values with
# probabilities $p_i$ is
#
# $$ H(X) = -\sum_i p_i \log_2 p_i \quad\text{bits}, $$
#
# and Shannon's source coding theorem says that no code that always gets the image back spends
# fewer bits on average. We draw images uniformly, so we count how often each occurs in the list,
# divide, and sum.


# %%
def entropy_bits(values):
    _, counts = np.unique(values, axis=0, return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum())


image_entropy = entropy_bits(flat)
assert np.isclose(image_entropy, world.entropy_bits)
assert np.isclose(image_entropy, 13)
factor_entropy = {name: entropy_bits(world.factors[:, i]) for i, name in enumerate(FACTORS)}
pd.Series(
    {**factor_entropy, "sum": sum(factor_entropy.values()), "image": image_entropy},
    name="entropy (bits)",
).to_frame().T.round(3)

# %%
assert np.isclose(sum(factor_entropy.values()), image_entropy)
display(
    Markdown(
        f"Counted from the images themselves, the entropy is **{image_entropy:g} bits**, "
        f"and `world.entropy_bits` says the same. The factors are independent of each "
        f"other, so theirs add up to it: "
        + " + ".join(f"{h:g}" for h in factor_entropy.values())
        + "."
    )
)

# %% [markdown]
# Every rate in these notebooks is held against this number. No latent code of this world can tell
# more than 13 bits about the image, whatever a formula prints.

# %% [markdown]
# ### The stored world
#
# The later notebooks call `shape_world()` again: what is rendered cannot be out of date, as a file
# can. For programs other than ours we store the world once, as `data/shapes.npz`: the images, their
# factors, the settings that they were made with, and a checksum.

# %%
world = shape_world()
settings = {
    "shapes": world.shapes,
    "x and y": POSITIONS.tolist(),
    "sizes": SIZES.tolist(),
    "entropy_bits": world.entropy_bits,
}
path = output_folder("data") / "shapes.npz"
save_arrays(path, {"images": world.images, "factors": world.factors}, settings)

# %% [markdown]
# What does the file hold? `load_arrays` reads it and verifies the checksum.

# %%
arrays, about = load_arrays(path)
for name, array in arrays.items():
    assert np.array_equal(array, getattr(world, name))
    print(f"{name}: {array.dtype} {array.shape}")
for name, value in about.items():
    print(f"{name}: {value}")

# %%
zip_bits = round(8 * path.stat().st_size / len(world.images))
assert zip_bits > 5 * world.entropy_bits
display(
    Markdown(
        f"The images have {32 * flat.shape[1]:,} bits each in memory ({flat.shape[1]} "
        f"numbers of 32 bits). Compressed as a zip file they take about "
        f"**{zip_bits:,} bits** each: a general compressor knows nothing of shapes. "
        f"Who knows the renderer needs **{world.entropy_bits:g}**."
    )
)

# %% [markdown]
# ## 6. How far apart are the images?
#
# The **squared error** between two images is the sum of the squared differences of all 784
# pixels. It is a sum per image, not a mean over pixels, here and in every notebook.
#
# *Predict first:* which two images of the world are the nearest to each other? And the farthest?
#
# There are few enough pairs to look at all of them: with
# $\lVert a - b\rVert^2 = \lVert a\rVert^2 + \lVert b\rVert^2 - 2\,a\cdot b$, one matrix product
# compares 1,024 images with all others.

# %%
exact = flat.astype(np.float64)  # 64-bit numbers, so that subtracting large sums costs nothing
energy = (exact**2).sum(1)
nearest, nearest_error, farthest, farthest_error = [], [], [], []
for chunk in np.split(n, 8):
    errors = energy[chunk, None] + energy - 2 * exact[chunk] @ exact.T  # (1024, 8192)
    farthest.append(errors.argmax(1))
    farthest_error.append(errors.max(1))
    errors[np.arange(len(chunk)), chunk] = np.inf  # an image is not its own neighbour
    nearest.append(errors.argmin(1))
    nearest_error.append(errors.min(1))
nearest, nearest_error, farthest, farthest_error = map(
    np.concatenate, (nearest, nearest_error, farthest, farthest_error)
)

# %% [markdown]
# We look at the nearest pair of each shape's images, and at the farthest pair of all.

# %%
closest = [int(np.where(shape_index == s, nearest_error, np.inf).argmin()) for s in range(4)]
pairs = [(i, int(nearest[i])) for i in closest]
pairs.append((int(farthest_error.argmax()), int(farthest[farthest_error.argmax()])))
a, b = (world.images[list(side)] for side in zip(*pairs, strict=True))
pair_errors = ((a - b) ** 2).sum((1, 2))
names = [[f"{SHAPES[shape_index[i]]}, size {world.factors[i, 3]:g}" for i in p] for p in pairs]
titles = dict(zip(("one", "other"), zip(*names, strict=True), strict=True))
titles["difference"] = [f"error {e:.2f}" for e in pair_errors]
fig = image_rows({"one": a, "other": b, "difference": np.abs(a - b)}, titles=titles)
save_figure(fig, "01_nearest_farthest")


# %%
def name_of(i):
    shape, x, y, size = world.factors[i]
    return f"{SHAPES[int(shape)]} of size {size:g} at ({x:g}, {y:g})"


nearest_pair_error, farthest_pair_error = float(nearest_error.min()), float(farthest_error.max())
assert np.isclose(nearest_pair_error, pair_errors[:4].min(), rtol=1e-4)
i, j = pairs[int(pair_errors[:4].argmin())]
n_nearest = int(np.isclose(nearest_error, nearest_pair_error).sum())
assert n_nearest == 2 * 16 * 16
display(
    Markdown(
        f"**Nearest of all:** {name_of(i)} and {name_of(j)}, at a squared error of "
        f"**{nearest_pair_error:.3f}**. The two stay as far apart at all 256 positions, so "
        f"{n_nearest} images have a neighbour that near.\n\n"
        f"**Farthest of all:** {name_of(pairs[4][0])} and {name_of(pairs[4][1])}, at "
        f"**{farthest_pair_error:.1f}**: large, and with no overlap."
    )
)

# %% [markdown]
# In which factor does an image differ from its nearest neighbour?

# %%
differs = world.factors != world.factors[nearest]
kinds = [" and ".join(np.array(FACTORS)[row]) for row in differs]
share = pd.crosstab(
    np.array(SHAPES)[shape_index], pd.Series(kinds, name="differs in"), normalize="index"
).rename_axis(index="share of images")
assert not differs[:, 1:3].any()
share.loc[list(SHAPES)].round(2)

# %% [markdown]
# Never in position: one pixel to the side changes the image more than one step of size, or than
# rounding the corners of a square. So the size and the difference of square and circle are the fine
# print of this world.
#
# How precise must a code be to lose *nothing*? If a reconstruction is nearer to its original than
# half the distance to the closest other image, it can be recognised without doubt. Half the
# distance is a quarter of the squared error.

# %%
safe_error = nearest_pair_error / 4
assert 0 < safe_error < 1
display(
    Markdown(
        f"With a squared error below **{np.floor(100 * safe_error) / 100:.2f}** on every image, all "
        f"{world.entropy_bits:g} bits are there for sure: the nearest image of the world is the "
        f"right one. The median image has its neighbour at {np.median(nearest_error):.1f}, so "
        f"{np.median(nearest_error) / 4:.2f} is precise enough for it."
    )
)

# %% [markdown]
# ## 7. Zero bits: the mean image
#
# At the other end: how well can we do if we are told *nothing* about the image? We must show the
# same image $c$ every time, and pay $E\lVert X - c\rVert^2$. For any $c$, with the mean image
# $m = E[X]$,
#
# $$ E\lVert X - c\rVert^2 = E\lVert X - m\rVert^2 + \lVert m - c\rVert^2 , $$
#
# because the cross term $2\,E[X - m]\cdot(m - c)$ is zero. So the mean is the best, and it costs
# the **total variance**, the sum of the variances of all pixels.

# %%
mean_image = exact.mean(0)
variance = exact.var(0)
black_error = float((exact**2).sum(1).mean())  # c = all black
mean_error = float(((exact - mean_image) ** 2).sum(1).mean())
assert np.isclose(mean_error, variance.sum())
assert np.isclose(black_error, mean_error + (mean_image**2).sum())

# %%
maps = {
    "mean image": mean_image.reshape(SIDE, SIDE),
    "variance of each pixel": variance.reshape(SIDE, SIDE),
}
fig = image_maps(maps, labels=["brightness", "brightness squared"], height=4.4)
save_figure(fig, "01_mean_and_variance")

# %% [markdown]
# A dim blur, brightest where the most shapes overlap. The middle is also where pixels vary most:
# near the border they are black almost always.

# %%
assert mean_error < black_error
display(
    Markdown(
        f"All black costs **{black_error:.2f}** per image, the mean image **{mean_error:.2f}**. "
        f"The second is the error at zero bits, and any model that does no better has learned "
        f"nothing. (Networks do get stuck at all black: notebook 02 shows how, and the way out.)"
    )
)

# %% [markdown]
# ## 8. PCA, the best linear code
#
# An autoencoder squeezes an image into a few numbers and expands them again. If both steps are
# *linear*, the best one (least squared error on the training images) is known since 1901:
# **principal component analysis**. It is the baseline that every network has to beat.
#
# A model should be judged on images that it has not seen, so we hold out a tenth.

# %%
train, test = split(len(world.images), jax.random.key(13))
assert np.array_equal(np.sort(np.concatenate([train, test])), n)
assert np.array_equal(test, world_split(world)[1])  # the one split that all notebooks use
print(f"{len(train):,} images to learn from, {len(test):,} held out")

# %% [markdown]
# By hand it takes two lines. Subtract the mean, stack the images as rows of a matrix $A$, and
# factor it, $A = U S V^\top$ (singular value decomposition). The rows of $V^\top$ are the
# **components**: images at right angles to each other, in the order of how much variance lies
# along them, which is $S_k^2 / n$.

# %%
train_mean = flat[train].mean(0)
_, singular_values, components = np.linalg.svd(flat[train] - train_mean, full_matrices=False)
spectrum = singular_values**2 / len(train)
assert np.isclose(spectrum.sum(), flat[train].var(0).sum(), rtol=1e-3)

# %% [markdown]
# The first four components, drawn as images. Red and blue are opposite signs.

# %%
four = {f"component {k + 1}": components[k].reshape(SIDE, SIDE) for k in range(4)}
fig = image_maps(four, labels="weight", limit=np.abs(components[:4]).max())
save_figure(fig, "01_pca_components")

# %% [markdown]
# The first two ask "up or down?" and "left or right?" (at a slant: both matter equally, so PCA is
# free to turn them), the third "middle or margin?", the fourth "which diagonal?". None looks like a
# shape. They resemble the vibrations of a drum. Where shapes may lie anywhere in a window, the best
# linear code is a kind of Fourier series: it knows coarse and fine, not "shape" or "size".
#
# The **spectrum**, the variance along each component, tells how quickly that gets us anywhere:

# %%
fig = curves(
    {"variance": spectrum[:300]},
    x_label="component",
    y_label="variance along the component",
    log_y=True,
)
save_figure(fig, "01_pca_spectrum")

# %% [markdown]
# It falls steeply at first and then has a long tail. (Steps come from pairs of components that are
# one pattern in two directions.) A curve that dropped to nothing after the fourth component would
# have meant that the world is flat and four-dimensional.
#
# With $k$ components, an image becomes $k$ numbers, and they become an image again:


# %%
def pca_reconstruct(images, k):
    codes = (images - train_mean) @ components[:k].T  # (n, k): the latent code
    return train_mean + codes @ components[:k]


def test_error(k):
    return float(((flat[test] - pca_reconstruct(flat[test], k)) ** 2).sum(1).mean())


ks = range(1, 17)
pca_errors = {k: test_error(k) for k in ks}
kept = spectrum.cumsum() / spectrum.sum()
table = pd.DataFrame([pca_errors.values(), kept[:16]], columns=pd.Index(ks, name="components"))
table.set_axis(["held-out squared error", "share of variance kept"]).round(2)

# %% [markdown]
# The images $V_k^\top$ are at right angles and of length one, so by Pythagoras the error must be
# what was there, minus the squares of the numbers we keep. We check it at every $k$.

# %%
centred = flat[test] - train_mean
gained = np.cumsum(((centred @ components[:16].T) ** 2).mean(0))
assert np.allclose(list(pca_errors.values()), (centred**2).sum(1).mean() - gained, atol=1e-2)

# %%
no_component = test_error(0)
fig = curves(
    {"PCA": ([0, *ks], [no_component, *pca_errors.values()])},
    x_label="principal components kept",
    y_label="held-out squared error per image",
    hlines={"the mean image, over the whole world": mean_error},
)
fig.axes[0].set_ylim(0)
save_figure(fig, "01_pca_error")

# %% [markdown]
# With no component at all, PCA shows the mean image (the error differs a little from that of the
# whole world, because the held-out images are a sample). Then it falls, but slowly. What do
# such reconstructions look like? Eight held-out images, with the squared error above each:

# %%
shown = test[evenly(len(test), 8)]
rows = {"original": flat[shown]}
for k in (1, 2, 3, 4, 8, 16):
    rows[f"{k} component" + "s" * (k > 1)] = pca_reconstruct(flat[shown], k)
titles = {label: [f"{e:.1f}" for e in ((r - flat[shown]) ** 2).sum(1)] for label, r in rows.items()}
del titles["original"]
rows = {label: np.reshape(r, (-1, SIDE, SIDE)) for label, r in rows.items()}
save_figure(image_rows(rows, titles=titles), "01_pca_reconstructions")

# %% [markdown]
# A blur in about the right place. *Where* the shape is comes first. *Which* shape it is, the eye
# cannot tell even with 16 components. How many components would be enough?

# %%
all_codes = centred @ components.T
remaining = (centred**2).sum(1).mean() - np.cumsum((all_codes**2).mean(0))
needed = {e: int((remaining < e).argmax()) + 1 for e in (10, 5, 2, 1)}
pd.DataFrame(needed, index=["components needed"]).rename_axis(columns="squared error below")

# %%
assert 10 < pca_errors[4] < no_component
assert needed[1] > 50
display(
    Markdown(
        f"Four numbers say all about an image: its shape, $x$, $y$ and size. But with four "
        f"components, PCA still errs by **{pca_errors[4]:.1f}** per image, "
        f"{pca_errors[4] / no_component:.0%} of the error with none, and an error below 1 takes "
        f"**{needed[1]}** components. The images lie on a *curved* surface of three dimensions "
        f"(one sheet for each shape), and PCA can only lay flat planes. Bending them is what the "
        f"autoencoder of notebook 02 is for."
    )
)

# %% [markdown]
# ## 9. Between the grid points
#
# The factors of our 8,192 images are whole steps, but the renderer takes any number. Move a
# circle to the right by one pixel, in eighths:

# %%
shifts = np.arange(9) / 8
moving = render("circle", 13 + shifts, 13, 5)
change = moving - moving[0]
titles = {
    "image": [f"x = {13 + s:g}" for s in shifts],
    "change": [f"{e:.2f}" for e in (change**2).sum((1, 2))],
}
rows = {"image": moving, "change": np.abs(change)}
save_figure(image_rows(rows, titles=titles), "01_move_a_pixel")

# %% [markdown]
# Nothing jumps. The numbers above the changes are squared errors. For a small move $\delta$ the
# squared error should grow as $\delta^2 \lVert \partial\,\text{image}/\partial x\rVert^2$, with the
# derivative image of section 3. *Predict first:* how does it go on for a large move?

# %%
start = render("circle", 8, 13, 5)
slope = jax.jacfwd(lambda x: render("circle", x, 13, 5))(8.0)  # the derivative image
distances = np.linspace(0, 13, 261)
errors = ((render("circle", 8 + distances, 13, 5) - start) ** 2).sum((1, 2))
quadratic = distances**2 * float((slope**2).sum())
small = distances <= 0.5
assert np.allclose(errors[small], quadratic[small], rtol=0.1)

# %%
near = quadratic <= errors.max()
fig = curves(
    {
        "squared error": (distances, errors),
        "from the derivative": (distances[near], quadratic[near]),
    },
    x_label="how far the circle has moved (pixels)",
    y_label="squared error",
)
save_figure(fig, "01_distance_of_a_move")

# %% [markdown]
# Three regimes. While the move is shorter than the soft edge, the error is quadratic. Then it grows
# in proportion to the move: what counts is the area of the two crescents that the circle leaves and
# enters. Once old and new circle no longer overlap, it stays: in squared error, far away is no
# worse than just beside. So the images of a moving shape run along a *curve* that bends away from
# every straight line: the reason, once more, for PCA's trouble.
#
# `random_shapes` draws the shape, and continuous $x$, $y$ and size, uniformly in the ranges of the
# world. Notebook 03 tests with such images whether a model has learned the *rule* or the list.

# %%
drawn, parameters = random_shapes(draw_key, 1000)
assert np.allclose(drawn, render(*parameters.T), atol=1e-6)
pd.DataFrame(parameters[:4].astype(float), columns=FACTORS).assign(
    shape=[SHAPES[int(i)] for i in parameters[:4, 0]]
).round(2)

# %% [markdown]
# Are these new images, or is each one of the 8,192 after all? Look for the nearest.

# %%
new = drawn.reshape(len(drawn), -1).astype(np.float64)
errors = (new**2).sum(1)[:, None] + energy - 2 * new @ exact.T
match, match_error = errors.argmin(1), errors.min(1)
assert match_error.min() > 1e-6
nearby = world.images[match[:8]]
rows = {"random": drawn[:8], "nearest": nearby, "difference": np.abs(drawn[:8] - nearby)}
titles = {
    "random": [f"x = {x:.2f}" for x in parameters[:8, 1]],
    "nearest": [f"x = {x:g}" for x in world.factors[match[:8], 1]],
    "difference": [f"error {e:.2f}" for e in match_error[:8]],
}
save_figure(image_rows(rows, titles=titles), "01_between_the_grid")

# %%
same_shape = float((world.factors[match, 0] == parameters[:, 0]).mean())
display(
    Markdown(
        f"None of the {len(new):,} draws is in the world: the nearest one is off by "
        f"{match_error.min():.3f}, the average one by **{match_error.mean():.2f}**. In "
        f"{same_shape:.0%} of the cases the nearest image has the right shape. So 13 bits describe "
        f"the grid, and a continuous draw only up to that error: between the grid points, "
        f"information is a question of precision."
    )
)

# %% [markdown]
# ## 10. Fewer bits: the plane of rate and distortion
#
# Two ends are known. With 13 bits the error is 0. With 0 bits the best is the mean image. What
# lies between? For each error $D$ that we tolerate there is a smallest number of bits per image,
# $R(D)$, that any code must spend to get an expected squared error of at most $D$, however clever
# it is and however many images it packs together. It is the **rate-distortion function** of this world, its physical limit.
#
# Let us try a simple code. Drop the last binary digits of some factors, so that several images
# share an address, and decode each address to the mean of its images (the best guess, by the
# argument of section 7). For example, keep 2 digits each for shape, $x$, $y$ and size:

# %%
grid = exact.reshape(4, 16, 16, 8, -1)  # shape, x, y, size, pixels
cells = grid.reshape(4, 1, 4, 4, 4, 4, 4, 2, -1)  # every axis in kept x dropped digits
decoded = cells.mean((1, 3, 5, 7), keepdims=True)
error = float(((cells - decoded) ** 2).sum(-1).mean())
print(f"8 bits: squared error {error:.2f}")

# %% [markdown]
# The rate is exactly the number of kept digits, because all addresses are equally likely. There
# are $3\cdot5\cdot5\cdot4 = 300$ ways to choose how many digits of each factor we keep. We try all.
# Averaging one axis after the other makes it quick, and
# $E\lVert X - m_{\text{cell}}\rVert^2 = E\lVert X\rVert^2 - E\lVert m_{\text{cell}}\rVert^2$ saves
# us the subtraction.


# %%
def coarsen(grid, axis, digits):
    """Average neighbours along an axis until 2^digits values are left."""
    shape = grid.shape
    return grid.reshape(*shape[:axis], 2**digits, -1, *shape[axis + 1 :]).mean(axis + 1)


drop_error = {}
for s, z in itertools.product(range(3), range(4)):  # digits of shape and size
    part = coarsen(coarsen(grid, 0, s), 3, z)
    for i, j in itertools.product(range(5), range(5)):  # digits of x and y
        means = coarsen(coarsen(part, 1, i), 2, j)
        drop_error[s, i, j, z] = float(energy.mean() - (means**2).sum(-1).mean())
assert np.isclose(drop_error[2, 2, 2, 2], error)
assert np.isclose(drop_error[0, 0, 0, 0], mean_error)
assert abs(drop_error[2, 4, 4, 3]) < 1e-9

# %% [markdown]
# At each whole number of bits we keep the best of them. *Predict first:* which factor is worth its
# bits first, and which last?

# %%
best = [min((k for k in drop_error if sum(k) == rate), key=drop_error.get) for rate in range(14)]
best_error = [drop_error[k] for k in best]
table = pd.DataFrame(best, columns=[f"digits of {name}" for name in FACTORS])
table.assign(**{"squared error": np.round(best_error, 2)}).rename_axis("bits")

# %%
line = mean_error * (1 - np.arange(14) / 13)
assert np.all(np.array(best_error[1:13]) < line[1:13])
assert np.all(np.diff(best_error) < 0)
first_position = next(r for r, k in enumerate(best) if k[1] + k[2] > 0)
first_size, first_shape = (next(r for r, k in enumerate(best) if k[f] > 0) for f in (3, 0))
assert first_position == 1 < first_size < first_shape
display(
    Markdown(
        f"Position comes first. The first digit of size pays at {first_size} bits, the first of "
        f"shape only at {first_shape}. Six well-chosen bits of the 13 remove "
        f"{1 - best_error[6] / mean_error:.0%} of the error at zero bits. The 13th removes only "
        f"{best_error[12]:.2f} of {mean_error:.1f}."
    )
)

# %% [markdown]
# The last dropped digit closes the circle to section 6. If the last digit of the size goes, two
# neighbours in size share the image in their middle, half of their distance from each: a quarter
# of the squared error between them, averaged over all such pairs.

# %%
flipped = exact[n ^ 1]  # the last digit of every address flipped
assert best[12] == (2, 4, 4, 2)
assert np.isclose(best_error[12], ((exact - flipped) ** 2).sum(1).mean() / 4)

# %% [markdown]
# Here is the plane in which this project ends, with error to the right and bits upwards. Grey dots
# are all 300 codes. The dashed line is the laziest scheme: send all 13 bits for some images and
# nothing for the others. (The lines between the dots mean the same: use one code for some images
# and its neighbour for the rest.)

# %%
fig, ax = plt.subplots(figsize=(8.5, 4.4))
ax.plot(list(drop_error.values()), [sum(k) for k in drop_error], ".", color="0.7", ms=4, zorder=1)
ax.plot(best_error, range(14), "-o", label="best choice of digits")
ax.plot([0, mean_error], [13, 0], "--", label="all or nothing")
ax.plot([0, mean_error], [13, 0], "kD", ms=8, clip_on=False, zorder=5)
near = {"textcoords": "offset points", "fontsize": 10}
ax.annotate("every image exact", (0, 13), (10, 6), **near)
ax.annotate("the mean image", (mean_error, 0), (-58, 4), ha="right", **near)
note = "the limit R(D) runs\non or below the blue line"
ax.text(7, 3.2, note, ha="center", va="center", fontsize=10, color="0.25")
ax.set(xlabel="squared error per image", ylabel="rate (bits per image)")
ax.set(xlim=(0, mean_error * 1.04), ylim=(0, 13 * 1.08))
ax.legend()
save_figure(fig, "01_rate_distortion_announced")

# %% [markdown]
# The limit $R(D)$ starts and ends in the two black diamonds and is convex in between. Our digits
# are a real code, so the limit is nowhere above them. How far below it runs, the
# Blahut-Arimoto algorithm tells in notebook 04.
#
# PCA cannot be drawn here at all: its $k$ numbers are real numbers, and a real number with all its
# digits can hold any amount of information. The same is true of an autoencoder's latent code. To
# ask *how many bits it keeps*, something must limit the precision, and that something is noise.
# That is the road from here to notebook 04.

# %% [markdown]
# ## What we found

# %%
display(
    Markdown(f"""
- The world has **{distinct_images:,} different images**, and the entropy counted from them is
  **{image_entropy:g} bits**: {", ".join(f"{h:g} for {f}" for f, h in factor_entropy.items())}.
- The nearest two images differ by **{nearest_pair_error:.3f}** in squared error, the farthest by
  {farthest_pair_error:.1f}. Neighbours differ in size or shape, never in position.
- Told nothing, the best guess is the mean image, at an error of **{mean_error:.2f}**. All black
  costs {black_error:.2f}.
- PCA with four components leaves an error of **{pca_errors[4]:.1f}** on held-out images, with 16
  still {pca_errors[16]:.1f}. Four numbers are enough to *name* an image, but not linearly.
- A code that keeps the right 8 of 13 binary digits leaves {best_error[8]:.1f}, and one that keeps
  12 leaves {best_error[12]:.2f}. What any code at all needs is computed in notebook 04.
""")
)

# %%
recorded = record(
    "01_data_generation",
    distinct_images=distinct_images,
    entropy_bits=image_entropy,
    factor_entropy_bits=factor_entropy,
    nearest_pair_squared_distance=nearest_pair_error,
    farthest_pair_squared_distance=farthest_pair_error,
    black_squared_error=black_error,
    mean_image_squared_error=mean_error,
    pca_test_squared_error=pca_errors,
    pca_components_for_squared_error_1=needed[1],
    random_draw_squared_distance=match_error.mean(),
    kept_digits_squared_error=dict(enumerate(np.abs(best_error))),
)
assert recorded["distinct_images"] == 8192
assert recorded["entropy_bits"] == 13

# %% [markdown]
# ## Limits
#
# - All of this holds for images drawn *uniformly* from the list. If some were more frequent, the
#   entropy would be less than 13 bits.
# - Squared error treats all pixels alike. A person would say that a square and a circle of the same
#   area are very different; squared error says that they are neighbours.
# - The brightness of a pixel is only nearly the share of it that the shape covers.
# - The derivatives jump where the clip begins and ends. For some shapes a pixel lies exactly there
#   at whole-number positions, and the derivative is then one of the two sides' or their mean.
# - The held-out images are scattered among the others, so nearly every one has close relatives in
#   the training set: they test whether a model fills gaps, not whether it reaches beyond.
# - The world has no noise, no background and one shape per image. That is the price of being able
#   to count.

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots; `check` knows whether it is right, to half a per cent. The ways
# there are folded away below each question.
#
# **01.1** Circles are twice as frequent as each of the other three shapes; the rest stays as it is.
# How many bits does an image hold on average?

# %%
check("01.1", ...)

# %% [markdown]
# <details><summary>Solution of 01.1</summary>
#
# The shapes have probabilities 2/5, 1/5, 1/5, 1/5, and 4 + 4 + 3 bits come on top. It is a little
# less than 13: what is less even is easier to guess.
#
# ```python
# p = np.array([2, 1, 1, 1]) / 5
# check("01.1", 4 + 4 + 3 - (p * np.log2(p)).sum())
# ```
#
# </details>

# %% [markdown]
# **01.2** Somebody tells you that the image shows a triangle and that its size is one of the four
# smallest. How many bits are left?

# %%
check("01.2", ...)

# %% [markdown]
# <details><summary>Solution of 01.2</summary>
#
# 2,048 triangles, half of them that small: 1,024 images.
#
# ```python
# check("01.2", np.log2(8192 / 4 / 2))
# ```
#
# </details>

# %% [markdown]
# **01.3** You may ask one question with yes or no: "is it the largest size?" How many bits does the
# answer bring on average?

# %%
check("01.3", ...)

# %% [markdown]
# <details><summary>Solution of 01.3</summary>
#
# Yes has probability 1/8 and brings 3 bits, no brings $\log_2(8/7)$.
#
# ```python
# check("01.3", 1 / 8 * np.log2(8) + 7 / 8 * np.log2(8 / 7))
# ```
#
# </details>

# %% [markdown]
# **01.4** How many PCA components does it take to explain 90 % of the variance of the 8,192 images?

# %%
check("01.4", ...)

# %% [markdown]
# <details><summary>Solution of 01.4</summary>
#
# ```python
# from helpers.shapes import shape_world
#
# images = shape_world().images.reshape(8192, -1)
# variances = np.linalg.eigvalsh(np.cov(images.T))[::-1]
# explained = np.cumsum(variances) / variances.sum()
# check("01.4", (explained < 0.9).sum() + 1)
# ```
#
# </details>

# %% [markdown]
# Open ones, without a check:
#
# 1. Make big circles (the four largest sizes) twice as frequent as every other image. What is the
#    entropy of the image now? Shape and size are no longer independent: by how much do the
#    entropies of the four factors add up to more than that of the image?
# 2. Restrict the world to one shape, `shape_world(shapes=("circle",))`. How many bits are there,
#    and does PCA need fewer components for a squared error below 1?
# 3. Replace the one-pixel edge by a hard one, `distance < 0`. Are there still 8,192 different
#    images? What becomes of the derivatives?
# 4. Our digits are always the *leading* ones of each factor. Group the four shapes in another order
#    before dropping a digit: which two shapes should share an address?
# 5. Round the four PCA numbers of each image to a grid of width $w$, count the entropy of the
#    rounded codes, and draw your points in the plane of section 10. Where do they lie?

# %% [markdown]
# ## References
#
# - C. E. Shannon, [A Mathematical Theory of Communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x),
#   Bell System Technical Journal 27, 1948: bits, entropy, and
#   the first idea of rate and distortion.
# - T. M. Cover and J. A. Thomas, [Elements of Information Theory](https://doi.org/10.1002/047174882X),
#   2nd edition, Wiley 2006: chapter 2 for entropy, chapter 5 for codes, chapter 10 for $R(D)$.
# - L. Matthey, I. Higgins, D. Hassabis and A. Lerchner,
#   [dSprites](https://github.com/google-deepmind/dsprites-dataset), 2017: the data set
#   of shapes by independent factors that this world is modelled on.
# - K. Pearson, [On lines and planes of closest fit to systems of points in
#   space](https://doi.org/10.1080/14786440109462720), Philosophical Magazine 2, 1901: PCA.
# - I. Quilez, [2D distance functions](https://iquilezles.org/articles/distfunctions2d/): signed
#   distances of many more shapes.

# %%
print(f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}")
