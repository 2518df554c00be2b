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
# - draw a shape from its signed distance, with smooth edges;
# - use JAX: arrays, `jit`, derivatives, `vmap` and random keys, in five cells;
# - count information: entropy in bits, and an image's address of 13 binary digits;
# - measure the distances between all images, and read from them how precise a code must be;
# - compress with PCA, the best linear code, and see why it needs far more than four numbers here;
# - trade bits against error, in the plane in which later notebooks judge autoencoders.
#
# *Before you start:* you need Python with NumPy, vectors and matrices, derivatives, and the idea of
# a probability. The next cell finds the project's helper code (in Colab, it downloads it) and
# checks the packages. Cells of which you see only a title are folded: they import, draw or save,
# and you can open them, but you need not. The
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary)
# explains the terms of all notebooks.
# *Time to run:* under a minute on a laptop.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Set-up: find this project's helpers, or fetch them, as in Colab
import pathlib, subprocess, sys

here, REPOSITORY = pathlib.Path.cwd(), "https://github.com/latent-bits/latent-bits"
places = (here, *here.parents, here / "latent-bits")
root = next((p for p in places if (p / "helpers/shapes.py").exists()), places[-1])
root.exists() or subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, root], check=True)
sys.path.insert(0, str(root))

# %% cellView="form" jupyter={"source_hidden": true}
# @title Imports, and the style of the figures
from helpers.environment import prepare

prepare(install=root == places[-1])

import platform

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.exercises import check
from helpers.files import load_arrays, output_folder, record, save_arrays, save_figure, say
from helpers.plotting import curves, evenly, image_grid, image_maps, image_rows, use_style
from helpers.recipes import training_shapes
from helpers.shapes import FACTORS, POSITIONS, SHAPES, SIDE, SIZES
from helpers.shapes import random_shapes, render, shape_world

use_style()

# %% [markdown]
# Here is where we are going: every 409th image of the world. Squares come first, then circles,
# triangles and crosses, small and large, in many places. Each image is a grid of 28 x 28 pixels
# between 0 (black) and 1 (white). Below we build them from nothing.

# %%
world = shape_world()
alt = (
    "Twenty small pictures: squares, circles, triangles and crosses in white on black, in "
    "many places and sizes."
)
save_figure(image_grid(world.images[200::409]), "01_glimpse", alt)

# %% [markdown]
# ## 1. One image, by hand
#
# A shape is described by its **signed distance**: a function of the plane that is negative inside
# the shape, zero on its outline and positive outside. For a circle around $(x, y)$ whose radius is
# its *size* $s$, the signed distance at the pixel centred on $(u, v)$ is
#
# $$ d(u, v) = \sqrt{(u - x)^2 + (v - y)^2} - s . $$
#
# Coordinates are in pixels, $u$ to the right and $v$ down. The centre of the first pixel is
# $(0, 0)$.
#
# We could paint every pixel with $d < 0$ white and all others black. The outline would be a
# staircase: if the circle moved by a tenth of a pixel, most often nothing would change, and then
# a pixel would suddenly flip. So we let a pixel fade from white to black across the outline, over
# the width of one pixel. This is called *anti-aliasing*:
#
# $$ \text{pixel} = \operatorname{clip}\left(\tfrac12 - d,\; 0,\; 1\right) . $$
#
# A pixel is white from half a pixel inside the outline, $1/2$ on it, and black from half a pixel
# outside. These two formulas are the whole renderer. The helper `render` must give the same image.

# %%
x, y, s = 13.0, 14.0, 4.6
v, u = np.mgrid[:SIDE, :SIDE]  # row and column of every pixel
distance = np.sqrt((u - x) ** 2 + (v - y) ** 2) - s
image_by_hand = np.clip(0.5 - distance, 0, 1)
assert np.allclose(image_by_hand, render("circle", x, y, s), atol=1e-6)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: signed distance and brightness, in numbers
corner = (slice(13, 21), slice(12, 20))  # rows, columns
numbers = {"signed distance": distance[corner], "pixel value": image_by_hand[corner]}
fig = image_maps(numbers, labels=["distance (pixels)", "brightness"],
                 extent=(11.5, 19.5, 20.5, 12.5), height=5)  # fmt: skip
fine_u, fine_v = np.linspace(11.5, 19.5, 200), np.linspace(12.5, 20.5, 200)
outline = np.hypot(fine_u - x, fine_v[:, None] - y) - s
for ax, shown in zip(fig.axes, numbers.values(), strict=False):  # after them, the colour bars
    ax.contour(fine_u, fine_v, outline, levels=[0], colors="#E69F00", linewidths=2)
    for (row, column), number in np.ndenumerate(shown):
        dark = np.dot(ax.images[0].to_rgba(number)[:3], (0.3, 0.6, 0.1)) < 0.5
        ax.text(12 + column, 13 + row, f"{number:.2f}", fontsize=8, ha="center", va="center",
                color="w" if dark else "k")  # fmt: skip
alt = (
    "Two grids of numbers at the edge of a circle: the signed distance, negative inside and "
    "positive outside, and the pixel value, from 1 inside over 1/2 on the outline to 0 "
    "outside."
)
save_figure(fig, "01_signed_distance", alt)

# %% [markdown]
# The figure shows the lower right part of the circle, with the numbers written in and the true
# outline in orange. Read it pixel by pixel: where the outline passes through a pixel, the pixel is
# grey, and the more of it lies inside, the brighter it is.
#
# ## 2. Four shapes
#
# Write $a = |u - x|$ and $b = v - y$. Each shape needs one line:
#
# - **square:** $\max(a, |b|) - \frac{\sqrt\pi}{2}s$. Its area is $\pi s^2$, that of the circle.
# - **circle:** $\sqrt{a^2 + b^2} - s$, with radius $s$ and area $\pi s^2$.
# - **triangle:** $\max\left(b,\; \frac{\sqrt3}{2}a - \frac b2\right) - \frac s2$. All sides are
#   equal, and the corners lie at distance $s$ from the centre.
# - **cross:** the smaller of the distances to two bars. One has half-width $s$ and half-height
#   $\frac s3$, the other the reverse.
#
# A shape bounded by straight edges is the place that lies behind *all* of them: a maximum. A
# shape made of two parts is the place that lies in *either*: a minimum. (Beyond a corner such a
# maximum is a little less than the true distance. This keeps corners sharp.)


# %%
def bar(a, b, half_width, half_height):
    return np.maximum(a - half_width, np.abs(b) - half_height)


formulas = {
    "square": lambda a, b, s: bar(a, b, np.sqrt(np.pi) / 2 * s, np.sqrt(np.pi) / 2 * s),
    "circle": lambda a, b, s: np.hypot(a, b) - s,
    "triangle": lambda a, b, s: np.maximum(b, np.sqrt(3) / 2 * a - b / 2) - s / 2,
    "cross": lambda a, b, s: np.minimum(bar(a, b, s, s / 3), bar(a, b, s / 3, s)),
}
for name, formula in formulas.items():
    pixels = np.clip(0.5 - formula(np.abs(u - x), v - y, s), 0, 1)
    assert np.allclose(pixels, render(name, x, y, s), atol=1e-6), name

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the four signed distances
fine = np.linspace(-9, 9, 91)
landscapes = {name: f(np.abs(fine)[None], fine[:, None], 6) for name, f in formulas.items()}
fig = image_maps(landscapes, labels="distance (pixels)", extent=(-9, 9, 9, -9), limit=8)
for ax, landscape in zip(fig.axes, landscapes.values(), strict=False):
    ax.contour(fine, fine, landscape, levels=[0], colors="#E69F00", linewidths=2)
alt = (
    "Four maps of signed distances, for square, circle, triangle and cross. The outline of "
    "each is the line of distance 0."
)
save_figure(fig, "01_four_distances", alt)

# %% [markdown]
# The formulas agree with `render` for all four shapes. The figure shows the four signed distances
# as maps: blue is inside, red outside, the outline orange. Square and circle have the *same* area,
# so they are hard to tell apart when they are small. Section 6 comes back to this.
#
# ## 3. JAX in five cells
#
# JAX is NumPy that can compile, differentiate and repeat your functions. These five cells hold all
# that this notebook needs of it, and most of what the later ones need.
#
# **Arrays.** `jnp` has NumPy's functions under NumPy's names. Its arrays cannot be changed in
# place: a function takes arrays and returns new ones. Here is the circle again, as a function of
# one array with the three numbers $x$, $y$ and $s$.


# %%
def circle(parameters):
    across, down, radius = parameters
    squared = (u - across) ** 2 + (v - down) ** 2
    from_outline = jnp.sqrt(squared + 1e-12) - radius  # the root has no derivative at 0
    return jnp.clip(0.5 - from_outline, 0, 1)


shown_circle = jnp.array([13.3, 14.1, 4.6])
print(circle(shown_circle).shape, circle(shown_circle).dtype)

# %% [markdown]
# The numbers are of type `float32`: JAX computes with 32 bits unless told otherwise.
#
# **`jit`** compiles a function. The first call with arrays of a new shape takes a moment, later
# calls are fast. The function must be *pure*: its result depends on its arguments only. (What it
# takes from outside, here `u` and `v`, is read once, at the first call, and never again.)

# %%
draw_circle = jax.jit(circle)
assert np.allclose(draw_circle(shown_circle), render("circle", *shown_circle), atol=1e-6)

# %% [markdown]
# **`jacfwd` and `grad`** differentiate. The image fades across the outline, so it is a
# differentiable function of $x$, $y$ and $s$ (except where the clip begins and ends). `jacfwd`
# gives the derivative of every pixel with respect to every parameter: three *derivative images*.
# `grad` differentiates a function with a single number as its result, such as the loss of a
# network.
#
# *Predict first:* when the circle moves to the right, which pixels get brighter and which darker?
# And how fast does the sum of all pixels, which is nearly the area $\pi s^2$, grow with $s$?


# %%
def total_brightness(parameters):
    return draw_circle(parameters).sum()


derivatives = jax.jacfwd(draw_circle)(shown_circle)  # (28, 28, 3)
gradient = jax.grad(total_brightness)(shown_circle)  # (3,)
assert np.allclose(gradient, derivatives.sum((0, 1)), atol=1e-3)
of_x, of_y, of_size = gradient
print(
    f"gradient: x {of_x:.2f}, y {of_y:.2f}, size {of_size:.2f}; circumference {2 * np.pi * 4.6:.2f}"
)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the three derivative images
maps = {f"∂ image / ∂ {name}": derivatives[8:21, 7:20, i] for i, name in enumerate(FACTORS[1:])}
view = {"signed": True, "limit": 1, "extent": (6.5, 19.5, 20.5, 7.5), "height": 3.9}
alt = (
    "Three maps of the derivative of a circle's image: for x a bright and a dark crescent at "
    "left and right, for y at top and bottom, for size a bright ring."
)
save_figure(image_maps(maps, labels="brightness per pixel", **view), "01_derivatives", alt)

# %% [markdown]
# The figure shows the derivative images, red where a pixel gets brighter. A move to the right
# brightens the right edge and darkens the left one. A move down does the same along the vertical,
# and growth brightens the whole rim. The flat inside and outside do not change: everything that an
# image says about where the shape is, it says at the edge.
#
# The gradient belongs to the sum of all pixels. The area does not change with $x$ and $y$, and it
# grows with $s$ at the rate $2\pi s$, the circumference. The gradient agrees, but not exactly,
# because the pixels sample the soft edge only coarsely.
#
# **`vmap`** turns a function of one thing into a function of many. `draw_circle` draws one circle;
# `jax.vmap(draw_circle)` takes an array of shape $(n, 3)$ and draws $n$ circles at once. With it we
# test the derivatives against finite differences, $\frac{f(p + h) - f(p - h)}{2h}$, for all three
# parameters.

# %%
h = 1e-3
steps = h * jnp.eye(3)  # one row for each parameter
ahead = jax.vmap(draw_circle)(shown_circle + steps)  # (3, 28, 28)
behind = jax.vmap(draw_circle)(shown_circle - steps)
disagreement = jnp.abs((ahead - behind) / (2 * h) - jnp.moveaxis(derivatives, -1, 0)).max()
assert disagreement < 5e-3
print(f"largest disagreement in any pixel: {disagreement:.0e}")

# %% [markdown]
# So much error is to be expected: 32-bit coordinates are rounded, and the rounding is divided by
# $2h$. These derivatives are useful: notebook 02 asks whether a *generated* image is a shape of
# this world, and follows them to the nearest one.
#
# **Keys.** A random function takes its randomness as an argument, the *key*. The same key gives the
# same numbers, so a key is used once, and `split` makes new keys from one. We draw ten circles with
# random places and sizes, and keep the second key for section 8.

# %%
place_key, draw_key = jax.random.split(jax.random.key(1))
low = jnp.array([POSITIONS[0], POSITIONS[0], SIZES[0]])
high = jnp.array([POSITIONS[-1], POSITIONS[-1], SIZES[-1]])
random_circles = jax.random.uniform(place_key, (10, 3), minval=low, maxval=high)
alt = "Ten circles of random sizes in random places."
save_figure(image_grid(jax.vmap(draw_circle)(random_circles)), "01_circles", alt)

# %% [markdown]
# You see ten circles, each in a place and a size of its own. The three numbers of such a circle
# can take any value. How many different circles are there? To count, we need steps.
#
# ## 4. A world that can be counted
#
# Now let each of four **factors** take a few values. Every combination of them is an image.

# %%
factor_values = {"shape": SHAPES, "x": POSITIONS, "y": POSITIONS, "size": SIZES}
counts = tuple(len(options) for options in factor_values.values())
assert counts == world.cardinalities
assert np.prod(counts) == len(world.images) == 2**13
pd.DataFrame({"first": [options[0] for options in factor_values.values()],
              "last": [options[-1] for options in factor_values.values()],
              "how many": counts}, index=FACTORS)  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: each factor alone
left, right = POSITIONS[:8], POSITIONS[8:]
gallery = {
    "shape": (SHAPES, render(np.arange(4), 13, 13, 6)),
    "size": (SIZES, render("triangle", 13, 13, SIZES)),
    "x, first half": (left, render("square", left, 13, 4)),
    "x, second half": (right, render("square", right, 13, 4)),
    "y, first half": (left, render("cross", 13, left, 4)),
    "y, second half": (right, render("cross", 13, right, 4)),
}
gallery_titles = {row: [str(value) for value in shown] for row, (shown, _) in gallery.items()}
gallery_images = {row: images for row, (_, images) in gallery.items()}
alt = (
    "Rows in which one factor changes alone: the four shapes, the eight sizes of a triangle, "
    "a square at the 16 positions across, a cross at the 16 positions down."
)
save_figure(image_rows(gallery_images, titles=gallery_titles), "01_gallery", alt)

# %% [markdown]
# In each row one factor runs through its values while the others stay. The positions go in whole
# pixels and keep away from the border, so that even the largest shape is never cut off. The sizes
# go in half pixels.
#
# ## 5. Why 13 bits, and what a bit is
#
# A **bit** is the answer to one yes/no question whose two answers are equally likely. Thirteen such
# answers have $2^{13}$ possible outcomes, one for each image. In fact the number of an image in our
# list, written in binary, is its **address**: 2 digits say the shape, 4 say $x$, 4 say $y$ and 3
# say the size. `np.unravel_index` splits a number into one index for each factor (or all numbers at
# once). Given the thirteen digits and nothing else, we can draw the image.

# %%
example = 7589
digits = format(example, "013b")


def decode(digits):
    """The image with this address."""
    which, across, down, step = np.unravel_index(int(digits, 2), counts)
    return render(SHAPES[which], POSITIONS[across], POSITIONS[down], SIZES[step])


assert np.allclose(decode(digits), world.images[example], atol=1e-6)
print(f"image {example}: shape {digits[:2]}, x {digits[2:6]}, y {digits[6:10]}, size {digits[10:]}")
numbers_of_all = np.arange(len(world.images))
shape_index, x_index, y_index, size_index = np.unravel_index(numbers_of_all, counts)
assert np.array_equal(POSITIONS[x_index], world.factors[:, 1])  # and so for the other factors

# %% [markdown]
# So 13 bits are *enough*. Now watch them work. Somebody has image 7589 in mind and answers one
# question after the other: is the next digit of its address a 1? After each answer, half of the
# images are left. If we had to stop there, the best guess (in squared error, as section 7 shows)
# would be the **mean of the images that are left**.

# %%
flat = world.images.reshape(len(world.images), -1)  # (8192, 784)
addresses = [format(number, "013b") for number in numbers_of_all]
guesses = []
for k in range(14):
    left_over = [address.startswith(digits[:k]) for address in addresses]
    guesses.append(flat[left_over].mean(0).reshape(SIDE, SIDE))
guess_titles = [f"{k} bits: {2 ** (13 - k):,} left" for k in range(14)]
alt = (
    "Fourteen pictures: the mean of the images that are left after 0 to 13 digits of an "
    "address. A blurred cloud becomes the one exact shape."
)
save_figure(image_grid(guesses, columns=7, titles=guess_titles), "01_thirteen_questions", alt)

# %% [markdown]
# The figure starts with a faint blur, the mean of all 8,192 images. Two answers give the shape,
# four more fix the column, four more the row, and the last three the size, which ends in a sharp
# cross. Every answer halves the number of images left; not every answer helps the picture equally.
#
# ### Entropy
#
# Are 13 bits also *needed*? The **entropy** of a random image $X$ that takes its values with
# probabilities $p_i$ is
#
# $$ H(X) = -\sum_i p_i \log_2 p_i \quad\text{bits}. $$
#
# A *code* gives each image a word of binary digits, and its *rate* is the mean number of digits per
# image. Let every image have a word of its own, and let no word be the beginning of another (a
# *prefix-free* code), so that words can follow each other without separators. Then, by Shannon's
# source coding theorem, the rate is at least $H(X)$. Codes for long blocks of images come as near
# to $H(X)$ as we like, but not below it. (If something else marks the end of each word, words may
# be shorter: the 8,192 shortest binary strings have about 11 digits on average. See open exercise
# 3.)
#
# We draw images uniformly from the list. So the probability of an image is its share of the list.


# %%
def entropy_bits(values):
    """Entropy in bits of a row drawn at random from `values`."""
    _, times = np.unique(values, axis=0, return_counts=True)
    share = times / times.sum()
    return float(-(share * np.log2(share)).sum())


distinct_images = len(np.unique(flat, axis=0))
image_entropy = entropy_bits(flat)
assert np.isclose(image_entropy, world.entropy_bits)
factor_entropy = {name: entropy_bits(world.factors[:, i]) for i, name in enumerate(FACTORS)}
sums = {"sum": sum(factor_entropy.values()), "image": image_entropy}
pd.DataFrame(factor_entropy | sums, index=["entropy (bits)"])

# %% [markdown]
# All images differ, so each has probability $2^{-13}$, and the entropy is 13 bits. The factors are
# independent of each other, so their entropies add up to that of the image. Every rate in these
# notebooks is compared with this number. A *latent code*, the few numbers into which a model
# squeezes an image, cannot tell more than 13 bits about the image either, whatever a formula
# prints.
#
# **The stored world.** The later notebooks call `shape_world()` again, so that the images always
# match the code. For other programs we store the world once, in `data/shapes.npz`, with a checksum
# that `load_arrays` verifies.

# %%
path = output_folder("data") / "shapes.npz"
settings = {"shapes": SHAPES, "x and y": POSITIONS.tolist(), "sizes": SIZES.tolist()}
settings["entropy_bits"] = world.entropy_bits
save_arrays(path, {"images": world.images, "factors": world.factors}, settings)
arrays, about = load_arrays(path)
assert np.array_equal(arrays["images"], world.images)
print({name: array.shape for name, array in arrays.items()}, about["entropy_bits"], "bits")

# %% [markdown]
# ## 6. How far apart are the images?
#
# The **squared error** between two images is the sum of the squared differences of all 784
# pixels. It is a sum for each image, not a mean over pixels, here and in every notebook.
#
# *Predict first:* which two images of the world are the nearest to each other? Which the farthest?
#
# There are few enough pairs to look at all of them. With
# $\lVert a - b\rVert^2 = \lVert a\rVert^2 + \lVert b\rVert^2 - 2\,a\cdot b$, one matrix product
# compares 1,024 images with all others.
# ($\lVert a\rVert^2$, the sum of the squared pixels, is the *energy* of an image.)

# %%
exact = flat.astype(np.float64)  # 64 bits, because we subtract large and nearly equal numbers
energy = (exact**2).sum(1)


def squared_errors(images):
    """Squared error between each of n images and each of the world: (n, 8192)."""
    return (images**2).sum(1)[:, None] + energy - 2 * images @ exact.T


nearest, farthest = np.zeros((2, len(exact)), int)
nearest_error, farthest_error = np.zeros((2, len(exact)))
for block in np.split(numbers_of_all, 8):
    to_all = squared_errors(exact[block])
    farthest[block], farthest_error[block] = to_all.argmax(1), to_all.max(1)
    to_all[np.arange(len(block)), block] = np.inf  # an image is not its own neighbour
    nearest[block], nearest_error[block] = to_all.argmin(1), to_all.min(1)
nearest_pair_error, farthest_pair_error = float(nearest_error.min()), float(farthest_error.max())

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the nearest pair for each shape, and the farthest pair of all
one = [int(np.where(shape_index == i, nearest_error, np.inf).argmin()) for i in range(4)]
other = [int(nearest[i]) for i in one]
one.append(int(farthest_error.argmax()))
other.append(int(farthest[one[-1]]))


def short_name(i):
    return f"{SHAPES[shape_index[i]]}, size {world.factors[i, 3]:g}"


pair_images = {"one": world.images[one], "other": world.images[other]}
pair_images["difference"] = np.abs(pair_images["one"] - pair_images["other"])
pair_titles = {
    "one": [short_name(i) for i in one],
    "other": [short_name(i) for i in other],
    "difference": [f"error {e:.2f}" for e in (pair_images["difference"] ** 2).sum((1, 2))],
}
alt = (
    "Pairs of images in two rows, the nearest and the farthest of the world, and below each "
    "pair their difference with its squared error."
)
save_figure(image_rows(pair_images, titles=pair_titles), "01_nearest_farthest", alt)

# %% [markdown]
# The first four columns show the nearest pair for each shape, the last column the farthest pair of
# all: two large squares that do not overlap. The nearest neighbours look like twins. In which
# factors does an image differ from its nearest neighbour?

# %%
differs = pd.DataFrame(world.factors != world.factors[nearest], columns=FACTORS)
differs_by_shape = differs.groupby(np.array(SHAPES)[shape_index], sort=False).mean()
differs_by_shape.rename_axis("share of images whose nearest neighbour has another").round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
say(
    f"**Never in position:** a step of one pixel to the side changes an image more than a step of "
    f"size, or than rounding the corners of a square. Size, and the difference between square and "
    f"circle, are the fine print of this world.\n\n"
    f"**How precise must a code be to lose nothing?** If a reconstruction is nearer to its original "
    f"than half the distance to the closest other image, the original can be recognised without "
    f"doubt. Half the distance is a quarter of the squared error. The nearest two images differ by "
    f"{nearest_pair_error:.3f}, so with a squared error below "
    f"**{np.floor(25 * nearest_pair_error) / 100:.2f}** on every image, all 13 bits are safe. For "
    f"the median image, whose neighbour is at {np.median(nearest_error):.1f}, an error of "
    f"{np.median(nearest_error) / 4:.2f} is small enough."
)

# %% [markdown]
# ## 7. Zero bits: the mean image
#
# How well can we do if we know *nothing* about the image? We must show the same picture $c$ every
# time, and pay $E\lVert X - c\rVert^2$. For any $c$, with the mean image $m = E[X]$,
#
# $$ E\lVert X - c\rVert^2 = E\lVert X - m\rVert^2 + \lVert m - c\rVert^2 , $$
#
# because the cross term $2\,E[X - m]\cdot(m - c)$ is zero. So the mean is the best, and it costs
# the **total variance**, the sum of the variances of all pixels. The derivative says the same: the
# gradient of the cost is $2(c - m)$, which vanishes at $c = m$ only. We check all three claims, the
# first and the last with an all black picture, $c = 0$.


# %%
def cost(c):
    return ((flat - c) ** 2).sum(1).mean()


mean_image, variance = exact.mean(0), exact.var(0)
black_error = float(energy.mean())
mean_error = float(((exact - mean_image) ** 2).sum(1).mean())
assert np.isclose(black_error, mean_error + (mean_image**2).sum())
assert np.isclose(mean_error, variance.sum())
assert np.allclose(jax.grad(cost)(jnp.zeros(784)), -2 * mean_image, atol=1e-4)
print(f"squared error of all black {black_error:.2f}, of the mean image {mean_error:.2f}")

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: mean and variance of each pixel
moments = {"mean image": mean_image, "variance of each pixel": variance}
moments = {title: pixels.reshape(SIDE, SIDE) for title, pixels in moments.items()}
fig = image_maps(moments, labels=["brightness", "brightness squared"], height=4.4)
alt = (
    "Two maps over the canvas: the mean image, brightest in the middle, and the variance of "
    "each pixel, largest around the middle."
)
save_figure(fig, "01_mean_and_variance", alt)

# %% [markdown]
# The left picture is the mean image, a blur that is brightest in the middle, where most shapes
# overlap. Mind the scale: its brightest pixel has less than a fifth of the brightness of white, and
# shown like the other images it would be nearly black. On the right, the middle is also where
# pixels vary most: near the border they are almost always black.
#
# The error of the mean image is the error at zero bits. A model that does no better has learned
# nothing. (Networks do get stuck at all black: notebook 02 shows how, and the way out.)
#
# ## 8. Between the grid points: images to learn from
#
# The factors of our 8,192 images go in steps, but the renderer takes any number. Let a circle start
# at $x = 8$ and move to the right. For a small move $\delta$ the squared error should grow as
# $\delta^2 \lVert \partial\,\text{image}/\partial x\rVert^2$, with the derivative image of section
# 3. *Predict first:* how does it go on for a large move?

# %%
moves = np.linspace(0, 13, 261)
path_of_circle = jnp.array([8.0, 13.0, 5.0]) + moves[:, None] * jnp.array([1.0, 0.0, 0.0])
moving = jax.vmap(draw_circle)(path_of_circle)  # (261, 28, 28)
move_error = ((moving - moving[0]) ** 2).sum((1, 2))
slope = jax.jacfwd(draw_circle)(path_of_circle[0])[:, :, 0]  # the derivative image for x
quadratic = moves**2 * (slope**2).sum()
assert np.allclose(move_error[moves <= 0.5], quadratic[moves <= 0.5], rtol=0.1)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the squared error of a move
inside = quadratic <= move_error.max()
lines = {
    "squared error": (moves, move_error),
    "from the derivative": (moves[inside], quadratic[inside]),
}
axes_of_move = {"x_label": "how far the circle has moved (pixels)", "y_label": "squared error"}
alt = (
    "The squared error between a circle and its moved copy against the move in pixels: first "
    "a parabola, as the derivative predicts, then nearly a straight line below it."
)
save_figure(curves(lines, **axes_of_move), "01_distance_of_a_move", alt)

# %% [markdown]
# The curve has three parts. While the move is shorter than the soft edge, the error is quadratic
# and follows the orange prediction. Then it grows in proportion to the move: what counts is the
# area of the two crescents that the circle leaves and enters. Once the old and the new circle no
# longer overlap, it stays nearly constant: in squared error, far away is no worse than just beside.
# So the images of a moving shape run along a *curve* that bends away from every straight line.
#
# `random_shapes` draws a shape, and continuous $x$, $y$ and size, uniformly in the ranges of the
# world. Are these new images, or is each one of the 8,192 after all? We look for the nearest.

# %%
drawn, drawn_factors = random_shapes(draw_key, 1000)
errors_of_draws = squared_errors(drawn.reshape(1000, -1).astype(np.float64))
match, match_error = errors_of_draws.argmin(1), errors_of_draws.min(1)
same_shape = int((world.factors[match, 0] == drawn_factors[:, 0]).sum())
print(f"squared error to the nearest: least {match_error.min():.3f}, mean {match_error.mean():.2f}")
print(f"the nearest image has the right shape in {same_shape:,} of {len(drawn):,} cases")

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: random draws and the nearest images of the world
eight = slice(8)
between = {"random": drawn[eight], "nearest": world.images[match[eight]]}
between["difference"] = np.abs(between["random"] - between["nearest"])
between_titles = {
    "random": [f"x = {across:.2f}" for across in drawn_factors[eight, 1]],
    "nearest": [f"x = {across:g}" for across in world.factors[match[eight], 1]],
    "difference": [f"error {error:.2f}" for error in match_error[eight]],
}
alt = (
    "Eight random shapes, the nearest image of the world below each, and the difference: thin "
    "outlines, because no random place lies on the grid."
)
save_figure(image_rows(between, titles=between_titles), "01_between_the_grid", alt)

# %% [markdown]
# The figure shows eight draws, their nearest images of the world, and the difference, a thin rim.
# No draw is an image of the world. So 13 bits describe the grid exactly, and a continuous draw only
# up to such a rim: between the grid points, information is a question of precision.
#
# ### Two sets, and why there are two
#
# A model should be judged on images that it has not seen. Here this is easy: **the models learn from
# random draws, and the world is the exam.** (Two experiments, in notebooks 03 and 05, train on the
# grid on purpose, and say so.) We take $2^{16}$ draws (fewer for
# quick comparisons), and none of them is an image of the world. So every error, every share of
# valid pictures and every bit is measured on all 8,192 images, of which the model has seen none.
#
# The exam is a little harder than the lessons: $1 - \frac{14}{16}\cdot\frac{14}{16}\cdot\frac68$,
# or 43 %, of the images of the grid have the first or the last value of $x$, $y$ or size. Random
# draws hardly ever come that far.
#
# ## 9. PCA, the best linear code
#
# An autoencoder squeezes an image into a few numbers and expands them again. If both steps are
# *linear*, the best one (least squared error on the training images) has been known since 1901:
# **principal component analysis**. It is the baseline that every network has to beat.
#
# By hand it takes two lines. Subtract the mean, stack the images as rows of a matrix $A$ (8,192
# random shapes are plenty), and factor it, $A = U S V^\top$ (*singular value decomposition*). The
# rows of $V^\top$ are the **components**: images at right angles to each other, sorted by the
# variance along them, which is $S_k^2 / n$.

# %%
training_images = training_shapes()
learned = training_images[:8192].reshape(8192, -1)
learned_mean = learned.mean(0)
_, singular_values, components = np.linalg.svd(learned - learned_mean, full_matrices=False)
assert np.isclose((singular_values**2).sum() / 8192, learned.var(0).sum(), rtol=1e-3)
first_four = {f"component {k + 1}": components[k].reshape(SIDE, SIDE) for k in range(4)}
fig = image_maps(first_four, labels="weight", limit=np.abs(components[:4]).max())
alt = (
    "The first four principal components as images of positive and negative weights: blobs "
    "and stripes that fill the canvas."
)
save_figure(fig, "01_pca_components", alt)

# %% [markdown]
# The figure shows the first four components, with opposite signs in red and blue. The first two are
# a red and a blue patch side by side: they ask "up or down?" and "left or right?", at a slant,
# because both matter equally and PCA is free to turn them. The third asks "middle or margin?", the
# fourth "which diagonal?". None looks like a shape. Where shapes may lie anywhere in a window, the
# best linear code is a kind of Fourier series: it knows coarse and fine, not "shape" or "size".
#
# With $k$ components, an image becomes $k$ numbers, its **code**, and they become an image again.
# We measure the squared error on the world, and *where* the reconstruction puts the shape: is its
# brightest pixel within two pixels of the true centre?


# %%
def pca_reconstruct(images, k):
    codes = (images - learned_mean) @ components[:k].T  # (n, k): the latent code
    return learned_mean + codes @ components[:k]


pca_errors, pca_well_placed = {}, {}
for k in range(17):
    reconstructed = pca_reconstruct(flat, k)
    pca_errors[k] = float(((flat - reconstructed) ** 2).sum(1).mean())
    brightest_y, brightest_x = np.unravel_index(reconstructed.argmax(1), (SIDE, SIDE))
    off = np.hypot(brightest_x - world.factors[:, 1], brightest_y - world.factors[:, 2])
    pca_well_placed[k] = float((off <= 2).mean())
rows_of_table = {"squared error": pca_errors, "brightest pixel in place": pca_well_placed}
pd.DataFrame(rows_of_table).rename_axis("components").loc[[0, 1, 2, 3, 4, 6, 8, 12, 16]].round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: reconstructions by PCA
some = evenly(len(flat), 8)
pca_rows = {"original": flat[some]}
for k in (1, 2, 4, 8, 16):
    pca_rows[f"{k} component" + "s" * (k > 1)] = pca_reconstruct(flat[some], k)
pca_titles = {
    label: [f"{error:.1f}" for error in ((pixels - flat[some]) ** 2).sum(1)]
    for label, pixels in pca_rows.items()
    if label != "original"
}
pca_rows = {label: pixels.reshape(-1, SIDE, SIDE) for label, pixels in pca_rows.items()}
alt = (
    "Eight images and their reconstructions from 1, 2, 4, 8 and 16 principal components: a "
    "dim cloud at first, a blurred spot in about the right place at 16."
)
save_figure(image_rows(pca_rows, titles=pca_titles), "01_pca_reconstructions", alt)

# %% [markdown]
# The figure shows eight images of the world and what PCA makes of them, with the squared error
# above each. With up to four components there is a faint cloud, and for about half of the images
# or more its brightest pixel is in the wrong place. From 8 components on, a blurred spot sits where
# the shape is, for nine images in ten. But *which* shape it is, the eye cannot tell even with 16.
#
# How many components would be enough? The components are at right angles and of length one, so by
# Pythagoras the error is what was there, minus the squares of the numbers that we keep.

# %%
centred = flat - learned_mean
all_codes = centred @ components.T
remaining = (centred**2).sum(1).mean() - np.cumsum((all_codes**2).mean(0))
assert np.allclose(remaining[:16], [pca_errors[k] for k in range(1, 17)], atol=1e-2)
needed = {bound: int((remaining < bound).argmax()) + 1 for bound in (10, 5, 2, 1)}
pd.DataFrame(needed, index=["components needed"]).rename_axis(columns="squared error below")

# %% [markdown]
# Four numbers say all about an image: its shape, $x$, $y$ and size. Yet four components leave more
# than half of the error that the mean image leaves, and an error below 1 takes about two hundred.
# The images lie on a *curved* surface of three dimensions (one sheet for each shape), and PCA can
# only lay flat planes. The autoencoder of notebook 02 can bend them.
#
# ## 10. Fewer bits: the plane of rate and distortion
#
# Two ends are known. With 13 bits the error is 0. With 0 bits the best is the mean image. What lies
# between? The mean squared error of a code is also called its *distortion*. For each distortion $D$
# that we tolerate there is a smallest rate $R(D)$: no code with an error of at most $D$ spends
# fewer bits per image, even if it packs many images together. This limit is the **rate-distortion
# function** of the world.
#
# Let us try a simple code. Drop the last binary digits of some factors, so that several images
# share an address, and decode each address to the mean of its images (the best guess, by the
# argument of section 7). We keep, for example, 2 digits each for shape, $x$, $y$ and size: then
# four neighbouring columns share an address, as do four rows and two sizes.

# %%
short = (shape_index, x_index // 4, y_index // 4, size_index // 2)
short_address = np.ravel_multi_index(short, (4, 4, 4, 4))  # 0 to 255
decoded = np.zeros_like(exact)
for number in range(256):
    shared = short_address == number
    decoded[shared] = exact[shared].mean(0)
eight_bit_error = ((exact - decoded) ** 2).sum(1).mean()
print(f"8 bits: squared error {eight_bit_error:.2f}")

# %% [markdown]
# The rate is exactly the number of kept digits, because all addresses are equally likely. There
# are $3\cdot5\cdot5\cdot4 = 300$ ways to choose how many digits of each factor we keep. We try all.
# To drop a digit is to average neighbours along one axis of the grid, and by the identity of
# section 7, $E\lVert X - m\rVert^2 = E\lVert X\rVert^2 - E\lVert m\rVert^2$ for the means $m$.


# %%
def keep(images, axis, digits):
    """Average neighbours along an axis until 2^digits values are left."""
    while images.shape[axis] > 2**digits:
        even = images.take(range(0, images.shape[axis], 2), axis)
        odd = images.take(range(1, images.shape[axis], 2), axis)
        images = (even + odd) / 2
    return images


grid = exact.reshape(*counts, -1)  # shape, x, y, size, pixels
drop_error = {}
for of_shape, of_size in np.ndindex(3, 4):
    part = keep(keep(grid, 0, of_shape), 3, of_size)
    for of_x, of_y in np.ndindex(5, 5):
        means = keep(keep(part, 1, of_x), 2, of_y)
        error = energy.mean() - (means**2).sum(-1).mean()
        drop_error[of_shape, of_x, of_y, of_size] = float(error)
assert np.isclose(drop_error[2, 2, 2, 2], eight_bit_error)
assert np.isclose(drop_error[0, 0, 0, 0], mean_error)

# %% [markdown]
# For each whole number of bits we take the best choice. *Predict first:* which factor is worth its
# bits first, and which last?

# %%
best = []
for rate in range(14):
    choices = [kept for kept in drop_error if sum(kept) == rate]
    best.append(min(choices, key=drop_error.get))
best_error = [drop_error[kept] for kept in best]
best_table = pd.DataFrame(best, columns=[f"digits of {name}" for name in FACTORS])
best_table.assign(**{"squared error": np.round(best_error, 2)}).rename_axis("bits")

# %% [markdown]
# The coarse digits of position come first, then the coarse digit of size. Shape gets its first bit
# only as the eighth. The finest digits come last: the fourth of x and of y, and the third of size.
# Four bits remove half of the error, and the thirteenth removes 3 % of it.
#
# Where does PCA lie? Its code has no noise, and we keep its numbers with all their digits. So its
# rate is the entropy of the code.

# %%
pca_code_bits = {k: entropy_bits(all_codes[:, :k]) for k in (2, 4, 8, 16)}
pca_plane = pd.DataFrame({"rate (bits)": pca_code_bits, "squared error": pca_errors}).dropna()
pca_plane.rename_axis("components").T.round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: rate against error
fig, ax = plt.subplots(figsize=(8.5, 4.6))
ax.plot(list(drop_error.values()), [sum(kept) for kept in drop_error], ".", color="0.7", ms=4,
        zorder=1, label="all 300 choices of digits")  # fmt: skip
ax.plot(best_error, range(14), "-o", label="the best of them")
ax.plot([0, mean_error], [13, 0], "--", label="all or nothing")
ax.plot([0, mean_error], [13, 0], "kD", ms=8, clip_on=False, zorder=5)
pca_x = [pca_errors[k] for k in pca_code_bits]
ax.plot(pca_x, list(pca_code_bits.values()), "^", ms=8, label="PCA, every digit kept")
near = {"textcoords": "offset points", "fontsize": 10}
for k, bits in pca_code_bits.items():
    ax.annotate(f"k = {k}", (pca_errors[k], bits), (0, 8), ha="center", **near)
ax.annotate("every image exact", (0, 13), (10, 6), **near)
ax.annotate("the mean image", (mean_error, 0), (-58, 4), ha="right", **near)
note = "the limit R(D) runs\non or below the best"
ax.text(7, 3.2, note, ha="center", va="center", fontsize=10, color="0.25")
ax.set(xlabel="squared error per image", ylabel="rate (bits per image)")
ax.set(xlim=(0, mean_error * 1.04), ylim=(0, 13 * 1.12))
ax.legend(loc="center right", bbox_to_anchor=(1, 0.62))
alt = (
    "Bits per image against squared error. Codes that keep leading digits fall from 13 bits "
    "at error 0 to the mean image at 0 bits; PCA lies far above them."
)
save_figure(fig, "01_rate_distortion_announced", alt)

# %% [markdown]
# This is the plane to which the whole project leads, with error to the right and bits upwards. The
# two black diamonds are the ends. The best choices of digits fall steeply from "every image exact"
# to "the mean image". The dashed line is the laziest scheme: send all 13 bits for some images and
# nothing for the others. (The lines between the dots mean the same: use one code for some images
# and its neighbour for the rest.) The limit $R(D)$ starts and ends in the diamonds too, and is
# convex. Our digits are a real code, so the limit is nowhere above them; notebook 05 computes how
# far below it runs.
#
# PCA lies on the upper edge, at the full **13 bits**, with two components as with sixteen. No two
# images share a code, so even a few numbers *name* the image, and with a list of all codes we could
# look it up without any error. PCA's linear decoder cannot, and so it pays for all the bits and
# wastes most of them. Any code without noise lies up there, as long as no two images share a code:
# an ordinary autoencoder, too. "How many bits does it keep?" has an interesting answer only when
# something limits the precision of the code. In notebook 03 this something is noise.

# %% [markdown]
# ## What we found

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
say(f"""
- The world has **{distinct_images:,} different images**, and the entropy counted from them is
  **{image_entropy:g} bits**: {", ".join(f"{bits:g} for {f}" for f, bits in factor_entropy.items())}.
- The nearest two images differ by **{nearest_pair_error:.3f}** in squared error, the farthest by
  {farthest_pair_error:.1f}. Nearest neighbours differ in size or shape, never in position.
- If we know nothing, the best guess is the mean image, at an error of **{mean_error:.2f}**. All
  black costs {black_error:.2f}.
- PCA with four components leaves an error of **{pca_errors[4]:.1f}**, and with 16
  still {pca_errors[16]:.1f}, although its code tells all {pca_code_bits[4]:g} bits. An error below
  1 takes {needed[1]} components.
- A code that keeps the right 6 of 13 binary digits removes
  {1 - best_error[6] / mean_error:.0%} of the error at zero bits. With the right 8 digits an error
  of {best_error[8]:.1f} is left, with 12 digits {best_error[12]:.2f}.
""")

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
# - The images of the world lie between the random ones, in the same ranges: they test whether a
#   model fills gaps, not whether it reaches beyond.
# - The world has no noise, no background and one shape per image. That is the price of being able
#   to count.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **01.1** Circles are twice as frequent as each of the other three shapes; the rest stays as it is.
# How many bits does an image hold on average?

# %%
check("01.1", ...)

# %% [markdown]
# <details><summary>Solution of 01.1</summary>
#
# The shapes have probabilities 2/5, 1/5, 1/5, 1/5, and 4 + 4 + 3 bits come on top. The sum is a
# little less than 13: what is less even is easier to guess.
#
# ```python
# p = np.array([2, 1, 1, 1]) / 5
# check("01.1", 4 + 4 + 3 - (p * np.log2(p)).sum())
# ```
#
# </details>
#
# **01.2** Somebody tells you that the image shows a triangle and that its size is one of the four
# smallest. How many bits are left?

# %%
check("01.2", ...)

# %% [markdown]
# <details><summary>Solution of 01.2</summary>
#
# There are 2,048 triangles, and half of them are that small: 1,024 images.
#
# ```python
# check("01.2", np.log2(8192 / 4 / 2))
# ```
#
# </details>
#
# **01.3** You may ask one yes/no question: "is it the largest size?" How many bits does the answer
# bring on average?

# %%
check("01.3", ...)

# %% [markdown]
# <details><summary>Solution of 01.3</summary>
#
# "Yes" has probability 1/8 and brings 3 bits, "no" brings $\log_2(8/7)$.
#
# ```python
# check("01.3", 1 / 8 * np.log2(8) + 7 / 8 * np.log2(8 / 7))
# ```
#
# </details>
#
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
#
# **01.5** Make the circles of the four largest sizes twice as frequent as every other image. How many
# bits does an image hold now, and how many more do the entropies of its four factors add up to?

# %%
check("01.5", ...)

# %% [markdown]
# <details><summary>Solution of 01.5</summary>
#
# Shape and size are no longer independent, so their entropies add up to more than that of the
# pair. The difference is the mutual information of shape and size.
#
# ```python
# frequency = np.ones((4, 8))  # of shape and size
# frequency[1, 4:] = 2
# p = frequency / frequency.sum()
#
#
# def entropy(p):
#     return -(p * np.log2(p)).sum()
#
#
# shared = entropy(p.sum(0)) + entropy(p.sum(1)) - entropy(p)
# check("01.5", (entropy(p) + 8, shared))
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. *Nothing is cut off.* Look at the largest shapes at the four extreme positions, on a canvas with
#    a margin of six more pixels all around. Show that every pixel of the margin stays black.
# 2. *A zip file.* How many bits per image does `data/shapes.npz` take, which is compressed like a
#    zip file? Why so many more than 13?
# 3. *Shorter words.* Give the images the 8,192 shortest binary strings, the empty one among them.
#    What is their mean length? Why can nobody read three of them, written one after the other?
# 4. *Covered area.* Is the brightness of a pixel the *share* of it that the shape covers? Measure
#    this share with 32 x 32 points in each pixel.
# 5. *Hard edges.* Replace the one-pixel edge by a hard one, `distance < 0`. Are there still 8,192
#    different images? What becomes of the derivatives?
# 6. *Other digits.* Our digits are always the *leading* ones of each factor. Group the four shapes
#    in another order before you drop a digit: which two shapes should share an address?
# 7. *Coarse PCA.* Round the four PCA numbers of each image to a grid of width $w$, count the
#    entropy of the rounded codes, and draw your points in the plane of section 10.
#
# <details><summary>Solutions of the open exercises 1 to 3</summary>
#
# A pixel is black where the distance is at least 1/2. A zip program looks for repeated bytes and
# knows nothing of shapes; anyone who has the renderer needs only 13 bits. And "01" could be one
# word or two. To mark where a word ends costs at least the two bits that are missing.
#
# ```python
# from helpers.shapes import SIGNED_DISTANCES
#
# wide_v, wide_u = np.mgrid[-6:34, -6:34]
# margin = (wide_u < 0) | (wide_u > 27) | (wide_v < 0) | (wide_v > 27)
# for far_x, far_y in [(6, 6), (6, 21), (21, 6), (21, 21)]:
#     for signed_distance in SIGNED_DISTANCES.values():
#         assert signed_distance(wide_u - far_x, wide_v - far_y, 6)[margin].min() >= 0.5
#
# zip_bits = 8 * path.stat().st_size / 8192
# mean_length = np.floor(np.log2(np.arange(1, 8193))).mean()
# ```
#
# </details>
#
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

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
recorded = record(
    "01_data_generation",
    distinct_images=distinct_images,
    entropy_bits=image_entropy,
    factor_entropy_bits=factor_entropy,
    nearest_pair_squared_distance=nearest_pair_error,
    farthest_pair_squared_distance=farthest_pair_error,
    nearest_neighbour_differs=differs.mean().to_dict(),
    black_squared_error=black_error,
    mean_image_squared_error=mean_error,
    pca_test_squared_error={k: pca_errors[k] for k in range(1, 17)},
    pca_brightest_pixel_in_place={k: pca_well_placed[k] for k in range(1, 17)},
    pca_components_for_squared_error_1=needed[1],
    pca_code_bits=pca_code_bits,
    random_draw_squared_distance=match_error.mean(),
    random_draw_nearest_has_its_shape=same_shape,
    kept_digits=dict(enumerate(best)),
    kept_digits_squared_error=dict(enumerate(np.abs(best_error))),
)
print(f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}")
