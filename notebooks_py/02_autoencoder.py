# %% [markdown]
# # 02 · The autoencoder: 784 pixels through a few numbers
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/02_autoencoder.ipynb)
#
# An image of our world holds exactly 13 bits (notebook 01). An **autoencoder** is a network that
# squeezes an image into a few numbers and draws it again from them. This notebook asks: **how well
# does it rebuild an image from 1, 2, 4 or 8 numbers, and can it draw *new* images from new
# numbers?**
#
# You will learn how to
#
# - write an autoencoder as a Flax NNX module, with a decoder that draws rows times columns;
# - write a compiled training step, train with it, and see what the project's `fit` does faster;
# - find out why a training fails without any error message, and test an explanation before you
#   believe it;
# - compare an autoencoder with PCA on images that neither has seen;
# - train an autoencoder that removes noise;
# - judge whether a drawn image is valid, and see why random codes often decode to none.
#
# *Before you start:* read notebook 01, and know what a neural network and a gradient are. The
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary)
# explains the terms of all notebooks.
# *Time to run:* a few minutes on a laptop, most of it to train one model.

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

import itertools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import pandas as pd
from flax import nnx

from helpers import measures, models, optimizers, recipes
from helpers.exercises import check
from helpers.files import record, recorded, save_figure, say
from helpers.generation import coverage, fit_density, interpolate, nearest_shape, sample_prior
from helpers.objectives import autoencoder_loss, denoising_loss, squared_error
from helpers.plotting import curves, evenly, image_rows, panels, schema, use_style
from helpers.shapes import SHAPES, SIDE, SIGNED_DISTANCES, random_shapes, render, shape_world
from helpers.training import fit

use_style()

# %% [markdown]
# We train on random shapes, whose place and size are continuous. The exam is the world of 8,192
# images. No model of this notebook trains on them, so every error below is measured on unseen
# images. We train two kinds of model: the *headline model*, whose numbers the project reports, and
# *small models*, narrow and trained for a short time, so that we can compare many of them.
#
# All knobs stand in one cell.

# %% nbmake={"mock": {"EPOCHS": 1, "FULL": false, "LATENTS": [2, 4], "LESSON_SEEDS": [0], "NOISES": [0.4], "N_SAMPLES": 64, "SMALL_EPOCHS": 1, "SMALL_IMAGES": 512, "TRAINING_IMAGES": 1024}}
LATENT_SIZE = 4  # numbers in a code
BATCH_SIZE, PEAK_RATE = 128, 4e-3
TRAINING_IMAGES, EPOCHS = 2**16, 20  # the headline model
SMALL_IMAGES, SMALL_EPOCHS = 2**14, 6  # the small models
LATENTS = [1, 2, 4, 8]  # of small models that are held against PCA
LESSON_SEEDS, LESSON_EPOCHS, LESSON_RATE = [0, 1, 2], 2, 1e-3  # a training that fails
NOISES = [0.2, 0.4]  # standard deviations, for the denoising autoencoders
N_SAMPLES = 2000  # drawn images that we judge
SEED = 0
FULL = True  # the tests run a short version, in which not every claim can hold

# %%
world = shape_world()
training_images = recipes.training_shapes(TRAINING_IMAGES)
few_images = training_images[:SMALL_IMAGES]
batch = few_images[:BATCH_SIZE]
training_images.shape, few_images.shape, world.images.shape

# %% [markdown]
# ## 1. Encoder, code, decoder
#
# An autoencoder is two functions that are trained together. The **encoder** $E$ turns an image $x$
# into a **code** $z$ of $L$ numbers, which we call *latents*. The **decoder** $D$ turns a code into
# an image:
#
# $$ z = E(x), \qquad \hat x = D(z). $$
#
# We write $\hat x$ for the image that comes back, the *reconstruction*. If $L$ were 784, the two
# could copy the image and learn nothing. With a small $L$ they must find out what the images have
# in common. This narrow place is called the *bottleneck*.
#
# Both functions are perceptrons. A layer multiplies by a matrix, adds a bias and applies an
# *activation function* to every number, here GELU, a smooth version of $\max(0, h)$. The last layer
# has no activation function.
#
# ### A decoder that draws rows times columns
#
# How should a network put out an image? One number for every pixel wastes weights, because
# neighbouring pixels are nearly always alike. A rectangle can be told in a shorter way: say in
# which *rows* it lies and in which *columns*, and multiply. If $f$ is a list of 28 numbers for the
# rows and $g$ one for the columns, the image with the pixels $f_i\, g_j$ is called an **outer
# product**.
#
# Every image is a sum of outer products. The *singular value decomposition* (SVD) finds the best
# sum of $K$ products, for each $K$, and the squared singular values are the energy that each
# product adds. (The *energy* of an image is the sum of its squared pixels.) How many do our shapes
# need? The table shows the share of the energy that is missing, for 205 images of each shape.

# %%
missing = {}
for index, name in enumerate(SHAPES):
    some = world.images[world.factors[:, 0] == index][::10]
    energy_of_products = np.linalg.svd(some, compute_uv=False) ** 2  # (205, 28), largest first
    kept = energy_of_products.cumsum(1) / energy_of_products.sum(1, keepdims=True)
    missing[name] = 100 * (1 - kept[:, [0, 1, 3, 7]]).mean(0)
svd_table = pd.DataFrame(missing, index=[1, 2, 4, 8]).T
svd_table.round(2).rename_axis(columns="% missing, by the number of products")

# %% [markdown]
# A square is nearly one product, a cross nearly two. Eight products leave next to nothing of any
# shape. (This is about pixels. Below, a sigmoid still follows, and exercise 02.1 shows that then even
# fewer may do.) So our decoder puts out 8 row profiles and 8 column profiles of 28 numbers
# each, 448 numbers in place of 784. Their products are summed to
#
# $$ a_{ij} = \sum_{k=1}^{K} f_{ki}\, g_{kj} + b_{ij} , $$
#
# where the *bias image* $b$ is learned too. A pixel must lie between 0 and 1, but $a_{ij}$ can be
# any number. So the *sigmoid* $\sigma(a) = 1 / (1 + e^{-a})$ turns it into a brightness. The number
# $a$ is called the **logit** of the brightness.
#
# ### In Flax NNX
#
# [Flax NNX](https://flax.readthedocs.io) is a library for networks in JAX. A model is a Python
# object, an `nnx.Module`. You need to know three things:
#
# - `nnx.Param` marks an array as a weight, which is to be trained. `bias[...]` is the array itself.
# - `nnx.Linear(n_in, n_out, rngs=rngs)` is a layer with weights, and `nnx.Sequential` is a chain of
#   layers.
# - `nnx.Rngs(seed)` hands out random keys (notebook 01), one for the first weights of each layer.
#
# `kernel_init` says how the first weights are drawn. Ours is a helper that draws from the same
# distribution as Flax's own ([LeCun et al. 1998](https://doi.org/10.1007/3-540-49430-8_2)), but
# compiles faster.

# %%
PRODUCTS = 8


def perceptron(sizes, rngs):
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        linear = nnx.Linear(n_in, n_out, kernel_init=models.lecun_normal, rngs=rngs)
        layers += [linear, nnx.gelu]
    return nnx.Sequential(*layers[:-1])


class Decoder(nnx.Module):
    def __init__(self, latents, rngs):
        self.profiles = perceptron([latents, 64, 64, 128, 2 * PRODUCTS * SIDE], rngs)
        self.bias = nnx.Param(jnp.zeros((SIDE, SIDE)))

    def __call__(self, z):
        profiles = self.profiles(z).reshape(len(z), 2, PRODUCTS, SIDE)
        rows, columns = profiles[:, 0], profiles[:, 1]
        return jnp.einsum("nki,nkj->nij", rows, columns) + self.bias[...]  # logits


# %% [markdown]
# Read `einsum` as the formula: multiply, and sum over the index that does not come back, $k$.
#
# The autoencoder puts encoder and decoder together. Two choices concern its start. The bias image
# starts at the logit of a given `start_image`: the mean image of the data. (Section 4 shows what
# happens otherwise.) And the last weights of both networks start small, so all codes start near
# zero, and the products add little to the bias image.


# %%
def smaller(layer, factor):
    layer.kernel[...] = np.float32(factor) * np.asarray(layer.kernel[...])


class Autoencoder(nnx.Module):
    def __init__(self, latents, start_image, rngs):
        self.encoder = perceptron([SIDE * SIDE, 128, 128, latents], rngs)
        self.decoder = Decoder(latents, rngs)
        self.decoder.bias[...] = np.log(start_image / (1 - start_image))
        smaller(self.encoder.layers[-1], 0.1)
        smaller(self.decoder.profiles.layers[-1], 0.3)

    def encode(self, x):
        return self.encoder(x.reshape(len(x), -1))

    def decode(self, z):
        return nnx.sigmoid(self.decoder(z))


# %% [markdown]
# Now we make a model. The helpers have a class of the same name, with widths that one can choose.
# Both draw the same first weights from the same seed, so both must give the same images.
# `@nnx.jit` is `jax.jit` for functions that take modules.


# %%
@nnx.jit
def reconstruct(model, images):
    return model.decode(model.encode(images))


mean_image = few_images.mean(0).clip(1e-3, 1 - 1e-3)  # its logits are finite
first_model = Autoencoder(LATENT_SIZE, mean_image, rngs=nnx.Rngs(SEED))
settings = {"images": few_images, "rngs": nnx.Rngs(SEED), **recipes.SMALL}
helper_model = models.Autoencoder(LATENT_SIZE, **settings)
untrained = reconstruct(first_model, batch)
assert np.allclose(untrained, helper_model.reconstruct(batch), atol=1e-5)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the network
stages = [("image $x$\n28 × 28", 784, "image"), ("layer", 128, "layer"), ("layer", 128, "layer")]
stages += [("code $z$", LATENT_SIZE, "code")]
stages += [("layer", width, "layer") for width in (64, 64, 128)]
stages += [(f"{PRODUCTS} rows,\n{PRODUCTS} columns", 2 * PRODUCTS * SIDE, "layer")]
stages += [("image $\\hat x$\n28 × 28", 784, "image")]
alt = (
    "The small autoencoder as boxes from left to right, with the number of units in each: 784 "
    "pixels, 128, 128, a code of 4 numbers, 64, 64, 128, 448 numbers for 8 rows and 8 columns, and "
    "784 pixels again."
)
save_figure(schema(stages), "02_schema", alt)

# %% [markdown]
# The figure shows the widths of the small model. The code in the middle is the bottleneck.
#
# ## 2. The loss, and what it says as a probability
#
# The autoencoder should give back what it gets. We minimise the squared error, **summed over the
# pixels** of an image and averaged over images:
#
# $$ \mathcal L = \operatorname*{mean}_x\, \lVert x - D(E(x)) \rVert^2 . $$
#
# A mean over pixels would only divide by 784 here. But notebook 03 adds a second term, and then the
# division would silently change the balance of the two.


# %%
def reconstruction_error(model, images):
    rebuilt = model.decode(model.encode(images))
    return ((images - rebuilt) ** 2).sum(axis=(1, 2)).mean()


untrained_error = nnx.jit(reconstruction_error)(first_model, batch)
helper_error, _ = nnx.jit(autoencoder_loss)(first_model, batch, None)  # the project's own loss
assert np.isclose(untrained_error, helper_error, rtol=1e-5)
assert np.isclose(untrained_error, ((batch - mean_image) ** 2).sum((1, 2)).mean(), rtol=0.02)
print(f"untrained: squared error {untrained_error:.2f} per image")

# %% [markdown]
# The untrained model leaves the error of the mean image, as it should: it starts there.
#
# The squared error is a likelihood in disguise. Suppose that every pixel is the decoder's pixel
# plus Gaussian noise of variance $c$. Then the density of an image, given its code, is
# $p(x|z) = \mathcal N(x;\, D(z),\, c I)$, and
#
# $$ -\log p(x|z) = \frac{\lVert x - D(z)\rVert^2}{2c} + \frac{784}{2}\log(2\pi c) . $$
#
# For any $c$, the weights that minimise the squared error also maximise this likelihood. So
# **training an autoencoder is maximum likelihood, with the code $z = E(x)$ taken as known.**
#
# **This leaves out $p(z)$.** The model says which image comes from a code, but not which codes
# there are. So it has nothing from which we could draw new codes. Section 10 shows what follows,
# and notebook 03 mends it.
#
# ## 3. Training
#
# One **training step** takes the gradient of the loss on a batch of 128 images, and an *optimizer*
# changes the weights. We use Adam (Kingma and Ba 2015), from the library Optax. It divides the mean
# of the recent gradients by their recent size, for each weight by itself. So a weight moves by
# about the *learning rate* in each step, whether its gradient is large or small.
#
# `nnx.Optimizer(model, optax.adam(rate), wrt=nnx.Param)` holds Adam's memory; `wrt` ("with respect
# to") says that the parameters are to be trained. `nnx.value_and_grad` gives the loss and its
# gradient for every parameter. `update` changes the model in place, which plain JAX arrays do not
# allow: NNX does the bookkeeping.


# %%
@nnx.jit
def train_step(model, optimizer, images):
    error, gradients = nnx.value_and_grad(reconstruction_error)(model, images)
    optimizer.update(model, gradients)
    return error


# %% [markdown]
# One **epoch** takes every image once, in a random order. In plain Python it is a loop. We keep the
# start for a second training: `nnx.split` takes a model apart into its structure and its arrays,
# and `nnx.merge` puts a new model together. `fold_in(key, n)` makes a new key from a key and a
# number. We make the key that `fit` makes for its first epoch, so that both see the images in the
# same order.

# %%
structure, start = nnx.split(first_model)
by_loop = nnx.merge(structure, start, copy=True)
optimizer = nnx.Optimizer(by_loop, optax.adam(1e-3), wrt=nnx.Param)

fit_key = jax.random.key(SEED + 1)  # not key(SEED): `Rngs(SEED)` has drawn the weights from it
shuffle_key, *_ = jax.random.split(jax.random.fold_in(fit_key, 0), 3)  # as `fit` does in epoch 0
order = np.asarray(jax.random.permutation(shuffle_key, len(few_images)))
step_errors = []
for rows in order.reshape(-1, BATCH_SIZE):
    step_errors.append(train_step(by_loop, optimizer, few_images[rows]))
loop_error = np.mean(step_errors)
print(f"{len(step_errors)} steps: mean error {loop_error:.3f}, last {step_errors[-1]:.3f}")

# %% [markdown]
# From now on we call the helper `fit`. It takes the same steps, but it does three things
# differently:
#
# - **The whole epoch is one compiled program.** `jax.lax.scan` repeats the step inside it, so
#   Python is not asked between two steps. The images are picked inside the program, too.
# - **It works on plain arrays.** It calls `nnx.split` once, outside, and `nnx.merge` within the
#   step. So NNX's bookkeeping is done when the program is compiled, and never again.
# - **The arrays are *donated*:** the program may write the new weights over the old ones, and needs
#   no memory for a copy.
#
# None of this changes what is computed. From the same start and key, `fit` must end where our loop
# did.

# %%
by_fit = nnx.merge(structure, start, copy=True)
once = {"epochs": 1, "batch_size": BATCH_SIZE, "learning_rate": 1e-3}
fit_history = fit(by_fit, few_images, autoencoder_loss, key=jax.random.clone(fit_key), **once)
assert np.isclose(fit_history.loss.iloc[-1], loop_error, rtol=1e-3)
# Sums are taken in another order: 128 steps make more of the rounding.
assert np.allclose(reconstruct(by_fit, batch), reconstruct(by_loop, batch), atol=0.02)
fit_history

# %% [markdown]
# (`jax.random.clone` says that we use a key twice on purpose.)
#
# **The recipe.** The learning rate of the models below follows a *schedule*: it rises from 0 to its
# peak over the first 2 % of the steps, stays there, and falls back to 0 over the last 40 %. At the
# end small steps find the bottom. The peak is the best of those that we tried on a further random
# draw. The headline model has three starts of three epochs each, and the best of them goes on.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Table: the recipe
headline_recipe = {
    "training images": TRAINING_IMAGES, "epochs": EPOCHS, "batch": BATCH_SIZE,
    "peak learning rate": PEAK_RATE, "schedule": "rise 2 %, fall 40 %", "optimizer": "Adam",
    "encoder layers": models.ENCODER_WIDTHS, "decoder layers": models.DECODER_WIDTHS,
    "starts": f"best of {recipes.STARTS} after {recipes.START_EPOCHS} epochs",
}  # fmt: skip
small_recipe = headline_recipe | {"training images": SMALL_IMAGES, "epochs": SMALL_EPOCHS}
small_recipe |= {"encoder layers": (128, 128), "decoder layers": (64, 64, 128), "starts": "one"}
assert (PEAK_RATE, BATCH_SIZE) == (recipes.AE_LEARNING_RATE, recipes.BATCH_SIZE)
pd.DataFrame({"headline model": headline_recipe, "small models": small_recipe})

# %% [markdown]
# ## 4. A training that fails: predict, run, diagnose
#
# Our images are mostly black. Take the small model, but let it start from **grey**, all pixels 0.5,
# as a bias of zero gives it. Train it with Adam at an everyday rate of 0.001, without a schedule.
#
# *Predict first:* where does its error end after two epochs? (On these random shapes all black costs
# about 42, the mean image about 36. On the world it was 43 and 37.)


# %%
def fresh_models(start_image):
    """Small models that have seen nothing, one for each seed."""
    return [Autoencoder(LATENT_SIZE, start_image, rngs=nnx.Rngs(s)) for s in LESSON_SEEDS]


def lesson(name, to_train, rate):
    """Train the models with a new Adam, or load them; return their errors in the last epoch."""
    plan = {"epochs": LESSON_EPOCHS, "batch_size": BATCH_SIZE, "learning_rate": rate}
    names = [f"lesson-{len(few_images)}-images-{name}-seed{seed}" for seed in LESSON_SEEDS]
    losses = [autoencoder_loss] * len(to_train)
    histories = recipes.train_many(names, to_train, few_images, losses, seeds=LESSON_SEEDS, **plan)
    return [history.loss.iloc[-1] for history in histories]


# %% [markdown]
# We start three of them from grey, each with a seed of its own.

# %%
grey = np.full((SIDE, SIDE), 0.5, np.float32)
constant = optax.constant_schedule(LESSON_RATE)
fallen = fresh_models(grey)
black_error = float((few_images**2).sum((1, 2)).mean())
seed_names = [f"seed {seed}" for seed in LESSON_SEEDS]
ends = dict(zip(seed_names, lesson("grey-constant-rate", fallen, constant), strict=True))
pd.DataFrame({"from grey": ends, "all black": black_error}).T.round(2)

# %% [markdown]
# Every model ends at the error of an all black picture, and no message told us. *Diagnose it:* the
# table looks at the logits, at the slope of the sigmoid, and at the gradient that is left.


# %%
@nnx.jit
def symptoms(model, images):
    logits = model.decoder(model.encode(images))
    pixels = nnx.sigmoid(logits)
    gradients = jax.tree.leaves(nnx.grad(reconstruction_error)(model, images))
    return {
        "mean logit": logits.mean(),
        "brightest pixel": pixels.max(),
        "steepest slope of the sigmoid": (pixels * (1 - pixels)).max(),
        "largest entry of the gradient": jnp.array([abs(g).max() for g in gradients]).max(),
    }


untrained_grey = Autoencoder(LATENT_SIZE, grey, rngs=nnx.Rngs(SEED))
to_examine = {"untrained": untrained_grey} | dict(zip(seed_names, fallen, strict=True))
states = {name: jax.device_get(symptoms(one, batch)) for name, one in to_examine.items()}
state_table = pd.DataFrame(states).astype(float)
state_table.map("{:.1e}".format)

# %% [markdown]
# Most pixels are black in most images. So the fastest way down from grey is to push *all* logits
# down, and they go down very far. The gradient that flows back through the output is multiplied by
# the slope of the sigmoid, $\sigma'(a) = \sigma(a)(1 - \sigma(a))$. It is 1/4 at grey and next to
# nothing at such logits. The models are not at a minimum. They lie on a plain so flat that no
# gradient reaches any weight.
#
# **Test the explanation.** Adam divides by the *recent size* of the gradient, over about a thousand
# steps. So one could also blame Adam: it still remembers the large gradients of the fall, and
# therefore takes tiny steps. If this were the reason, a *new* Adam without memory would get out.
# Each training starts with a new one.

# %%
copies = [nnx.clone(model) for model in fallen]
again = dict(zip(seed_names, lesson("grey-again", copies, constant), strict=True))
again_table = pd.DataFrame({"two more epochs, new Adam": again, "all black": black_error})
if FULL:
    assert np.allclose(list(again.values()), black_error, rtol=1e-3)
again_table.T.round(2)

# %% [markdown]
# A new Adam does not move them either, so its memory is not the reason. The reason is the gradients
# in the table. Adam divides by the recent size *plus* $\varepsilon = 10^{-8}$, so that it never
# divides by zero. A gradient far below $10^{-8}$ gives a step far below the learning rate.
#
# **The cure?** Two things could help. The bias image could start at the mean image, so that nothing
# is gained by pushing all logits down. Or the learning rate could rise slowly, as in our schedule.
# To tell which one cures, we need all four combinations, with the same width, batch and peak rate.

# %%
lesson_steps = LESSON_EPOCHS * (len(few_images) // BATCH_SIZE)
schedule = optimizers.warmup_stable_decay(LESSON_RATE, lesson_steps)
start_images = {"grey": grey, "the mean image": mean_image}
rates = {"constant rate": constant, "schedule": schedule}
arms = {}
for (name, image), (rule, rate) in itertools.product(start_images.items(), rates.items()):
    ends = lesson(f"{name} {rule}".replace(" ", "-"), fresh_models(image), rate)
    arms |= {(f"from {name}", rule, s): e for s, e in zip(seed_names, ends, strict=True)}
arm_table = pd.Series(arms).unstack(0)  # the first arm is known already, and loaded
arm_table.round(1)

# %% [markdown]
# The start decides, and the schedule does not: from grey all fall into black with or without it,
# and from the mean image all learn with or without it. (We keep the schedule for its falling end,
# which the next section shows.)
#
# ## 5. The headline model
#
# Now we train the headline model by the recipe of section 3, or load it, if an earlier run has left
# a checkpoint of this very training. The first figure shows the error during the training, for the
# training images and for the world ("held-out"). The second shows ten images of the world above
# their reconstructions, from the one with the smallest squared error to the one with the largest,
# at even steps of rank. The number is the squared error.

# %%
model, history = recipes.autoencoder(training_images, world.images, seed=SEED, epochs=EPOCHS)
codes = model.encode(world.images)
reconstructions = model.decode(codes)
errors = np.asarray(squared_error(world.images, reconstructions))
print(f"squared error on the world: {errors.mean():.2f}")

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the error during the training
labels = {"squared_error": "squared error per image"}
fig = panels(history.set_index("epoch"), labels, x_label="epoch", log_y=True)
alt = (
    "Squared error per image over the epochs, on a logarithmic axis, for the training images and "
    f"the world. Both fall together; the world ends at {errors.mean():.2f}."
)
save_figure(fig, "02_training", alt)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: reconstructions
shown = np.argsort(errors)[evenly(len(errors), 10)]
rebuilt_rows = {"original": world.images[shown], "rebuilt": reconstructions[shown]}
rebuilt_titles = {"rebuilt": [f"{error:.1f}" for error in errors[shown]]}
alt = (
    "Ten images of the world above their reconstructions, by rising squared error, which stands above "
    "each. All but the last are hard to tell from the original; the last is visibly wrong."
)
save_figure(image_rows(rebuilt_rows, titles=rebuilt_titles), "02_reconstructions", alt)

# %% [markdown]
# Training images and world go down together, by a lot while the learning rate falls (from epoch 13
# on). Most reconstructions are hard to tell from the original, but the worst are visibly wrong. At
# the end the world costs twice as much. Has the model learned its training images by heart? A fresh
# random draw tells. There is another suspect: notebook 01 found that 43 % of the world has a first
# or last position or size. These images lie on the edge of the ranges, where random draws are rare.

# %%
placed = world.factors[:, 1:]  # x, y, size
on_edge = ((placed == placed.min(0)) | (placed == placed.max(0))).any(1)
fresh, _ = random_shapes(jax.random.key(SEED + 9), 4096)
fresh_error = squared_error(fresh, model.reconstruct(fresh)).mean()
populations = {
    "training images, last epoch": history.squared_error.iloc[-1],
    "fresh random shapes": fresh_error,
    "the world, inside": errors[~on_edge].mean(),
    "the world, on the edge": errors[on_edge].mean(),
}
pd.Series(populations, name="squared error").to_frame().round(3)

# %% [markdown]
# Fresh shapes cost only about a tenth more than the training images, so the model has learned next
# to nothing by heart. Inside the ranges the world costs a little more, and on their edge more than
# twice as much as inside.
#
# ## 6. How many latents? The autoencoder against PCA
#
# PCA is the best *linear* autoencoder under squared error (notebook 01). Both get the same number
# of latents, both are fitted to the same random shapes, and both are judged on the world. By
# counting alone, a *single* real number could name all 8,192 images. But the decoder is a smooth
# function, and the world has three continuous directions ($x$, $y$, size) and four shapes.
#
# *Predict first:* by what factor does the error fall with each doubling of the latents?


# %%
def small_model(name, latents=LATENT_SIZE, loss=autoencoder_loss):
    """A small model by the recipe, trained or loaded from a checkpoint."""
    model = Autoencoder(latents, mean_image, rngs=nnx.Rngs(SEED))
    plan = {"epochs": SMALL_EPOCHS, "batch_size": BATCH_SIZE, "learning_rate": PEAK_RATE}
    recipes.train(f"small-{name}", model, few_images, loss, seed=SEED, **plan)  # schedule and `fit`
    return model


def world_error(rebuilt):
    return float(((world.images - rebuilt) ** 2).sum((1, 2)).mean())


small = {latents: small_model(f"{latents}-latents", latents) for latents in LATENTS}
ae_errors = {n: world_error(reconstruct(small[n], world.images)) for n in LATENTS}

# %%
centre = few_images.reshape(-1, 784).mean(0)
_, directions = np.linalg.eigh(np.cov(few_images.reshape(-1, 784).T))  # largest variance last
centred = world.images.reshape(-1, 784) - centre
pca_errors = {}
for latents in LATENTS:
    kept_directions = directions[:, -latents:]
    rest = centred - centred @ kept_directions @ kept_directions.T
    pca_errors[latents] = float((rest**2).sum(1).mean())
latent_table = pd.DataFrame({"autoencoder": ae_errors, "PCA": pca_errors}).rename_axis("latents")
if FULL:
    assert (latent_table.autoencoder < latent_table.PCA).all()
latent_table.round(2).T

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: error against the number of latents
lines = {"small autoencoders": (LATENTS, latent_table.autoencoder)}
lines["PCA"] = (LATENTS, latent_table.PCA)
lines["headline autoencoder"] = ([LATENT_SIZE], [errors.mean()])
look = {"x_label": "latents", "y_label": "squared error per image", "log_x": True, "log_y": True}
alt = (
    "Squared error against the number of latents, both logarithmic. Small autoencoders lie below "
    "PCA at every size; one marker far below them, at four latents, is the headline model."
)
fig = curves(lines, **look)
fig.axes[0].set_xticks(LATENTS, LATENTS)
save_figure(fig, "02_latent_sizes", alt)

# %% [markdown]
# The autoencoder beats PCA at every size, because the world is a curved surface in the space of
# pixels, and PCA can only lay flat planes through it. Up to four latents, the number of factors,
# each doubling more than halves the error of the autoencoder. Four more latents gain these small
# models nothing. The single marker is the headline model with four latents. It is wider,
# and trained longer and on more images, and this gains far more than further latents do.
#
# ## 7. A look at the codes
#
# With two latents the whole code fits into a picture. To see through it, we take one size at a
# time: all 256 places of one shape at size 4.5. In the pixels they form a curved sheet with the
# directions $x$ and $y$. How does the encoder lay the four sheets into the plane?

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the plane of two latents
encode = nnx.jit(Autoencoder.encode)
flat_codes = np.asarray(encode(small[2], world.images))  # (8192, 2)
fig, axes = plt.subplots(2, 4, figsize=(8.5, 4.9), sharex=True, sharey=True)
one_size = world.factors[:, 3] == 4.5
for row, (column, name) in enumerate([(1, "x"), (2, "y")]):
    for index, ax in enumerate(axes[row]):
        take = one_size & (world.factors[:, 0] == index)
        ax.plot(*flat_codes[one_size].T, ".", color="0.85", ms=2, zorder=0)
        dots = ax.scatter(
            *flat_codes[take].T, s=9, lw=0, c=world.factors[take, column], cmap="viridis"
        )
        ax.set(title=SHAPES[index] if row == 0 else "", xlabel="$z_1$" if row else "")
    axes[row, 0].set_ylabel("$z_2$")
    fig.colorbar(dots, ax=axes[row], label=f"{name} (pixels)", aspect=12)
alt = (
    "Eight panels in the plane of two latents, a column for each shape, all images of size 4.5. "
    "In the upper row x is the colour, in the lower row y. Each shape covers a folded sheet."
)
save_figure(fig, "02_latent_plane", alt)

# %% [markdown]
# Each column is one shape; the grey dots are all four. Neighbouring places mostly have neighbouring
# codes, but the sheets are folded, for two numbers have to name three directions and four shapes.
# And squares and circles lie in nearly the same places. With two numbers, the model hardly tells
# them apart.
#
# ## 8. What counts as a valid image?
#
# Before we draw new images we need a judge. An image is **valid** if it is nearly a rendered shape.
# For an image $g$ take the nearest shape $s$, of all four shapes, with *continuous* $x$, $y$ and
# size, and call
#
# $$ \text{residual share} = \min_s \frac{\lVert g - s \rVert^2}{\lVert g \rVert^2} $$
#
# the share of the image's energy that no shape explains. `nearest_shape` is our judge. It takes the
# best of a list of shapes at every half pixel, and then improves $x$, $y$ and size by
# least squares along the derivative images of notebook 01 (Levenberg-Marquardt). We call an image
# valid if its residual share is at most **5 %**. An all black image is invalid.
#
# A judge must be calibrated on cases whose answer we know. True shapes at random places should
# pass. Noise should not, and neither should *blends*, in which two shapes shine through each other.
# Hardest are *intermediate forms* with one clear outline: the mean of two signed distances draws
# one, and so does a square that is turned or a circle that is stretched.


# %%
def between(one, other):
    """The signed distance halfway between those of two shapes."""
    return lambda *at: (SIGNED_DISTANCES[one](*at) + SIGNED_DISTANCES[other](*at)) / 2


def turned_square(dx, dy, size):
    return SIGNED_DISTANCES["square"]((dx - dy) / np.sqrt(2), (dx + dy) / np.sqrt(2), size * 0.75)


def ellipse(dx, dy, size):
    return SIGNED_DISTANCES["circle"](dx * 1.25, dy * 0.8, size * 0.8)


pairs = list(itertools.combinations(SHAPES, 2))
forms = {f"{one} / {other}, form": between(one, other) for one, other in pairs}
forms |= {"square, turned by 45°": turned_square, "ellipse, axes 1 to 1.6": ellipse}
true_images, parameters = random_shapes(jax.random.key(SEED + 2), 128)
where = parameters[:, 1:].T  # x, y and size of 128 shapes
form_images = np.asarray(render(np.arange(len(forms))[:, None], *where, shapes=forms))

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: intermediate forms
form_rows = {name: images[:10] for name, images in zip(forms, form_images, strict=True)}
alt = (
    "Ten examples of each intermediate form: halfway between two of the four shapes, a square "
    "turned by 45 degrees, and an ellipse."
)
save_figure(image_rows(form_rows), "02_intermediate_forms", alt)

# %%
cases = {"true shapes": true_images, "black": np.zeros_like(true_images)}
cases["noise"] = np.random.default_rng(SEED).random(true_images.shape)
for one, other in pairs:
    cases[f"{one} + {other}, blend"] = np.add(render(one, *where), render(other, *where)) / 2
cases |= dict(zip(forms, form_images, strict=True))
case_verdict = nearest_shape(np.concatenate(list(cases.values())))
calibration = pd.DataFrame(index=list(cases))
for allowed in (0.02, 0.05, 0.1):
    passed = case_verdict.valid(allowed).reshape(len(cases), -1)
    calibration[f"{allowed:.0%}"] = passed.mean(1)
assert calibration.loc["true shapes", "5%"] == 1
assert calibration.loc[["noise", "black"]].max(axis=None) == 0
calibration.rename_axis(columns="share valid, by the allowed residual share").round(2)

# %% [markdown]
# At 5 % every true shape passes, and almost no blend does. The exception is fair: our square and
# circle have the same area and nearly coincide, so their blend *is* nearly both. The intermediate
# forms show what the judge cannot see. What lies between a square and a circle or a cross passes,
# and so does about half of what lies between a circle and a triangle or a cross. Few turned squares
# pass, and no ellipse. At 2 % the judge is strict, at 10 % too mild.
#
# The allowance is a share of the energy, so it differs from shape to shape. The table shows, for
# every shape and size, the squared error of the headline model on the world, the squared error that
# passes at 5 %, and the share of its reconstructions that is valid.

# %%
rebuilt_verdict = nearest_shape(reconstructions)
by_image = pd.DataFrame({
    "shape": np.array(SHAPES)[world.factors[:, 0].astype(int)],
    "size": world.factors[:, 3],
    "squared error": errors,
    "error that passes": 0.05 * (world.images**2).sum((1, 2)),
    "share valid": rebuilt_verdict.valid(),
})  # fmt: skip
by_kind = by_image.pivot_table(index="shape", columns="size").stack(0, future_stack=True)
by_kind.round(2)

# %% [markdown]
# The judge is strict with small shapes and mild with large ones: a squared error of 0.34 passes on
# the smallest triangle, one of 5.4 on the largest square. For every shape the model's error is
# largest at the largest or the smallest size, on the edge of the ranges. The smallest crosses are
# hardest: more than half of them fail.
#
# ## 9. Removing noise
#
# A **denoising autoencoder** sees an image with noise, $\tilde x = x + s\,\varepsilon$ with
# $\varepsilon \sim \mathcal N(0, I)$, and has to give back the clean one. It minimises the mean of
# $\lVert x - D(E(\tilde x)) \rVert^2$ (Vincent et al. 2008). Only the input of the loss changes.
# `denoising_loss` is this loss, and `Partial` fixes its noise level $s$.
#
# We train one denoising autoencoder for each noise level, and compare it with the plain one of the
# same size and recipe, on the same noisy images of the world. For 256 of them the judge of section 8
# finds the shape that is nearest to the reconstruction.


# %%
def recovered(rebuilt):
    """How much of the clean world came back: squared error, and what the judge sees."""
    some = evenly(len(world.images), 256)
    near, (shape, x, y, size) = nearest_shape(rebuilt[some]), world.factors[some].T
    return {
        "squared error": world_error(rebuilt),
        "right shape": (near.shape == shape).mean(),
        "place within a pixel": (np.hypot(near.x - x, near.y - y) < 1).mean(),
        "size within 0.5": (abs(near.size - size) < 0.5).mean(),
    }


rng = np.random.default_rng(SEED)
plain = small[LATENT_SIZE]
denoising, denoised = {(0, "plain"): recovered(reconstruct(plain, world.images))}, {}
for noise in NOISES:
    noisy = world.images + np.float32(noise) * rng.standard_normal(world.images.shape, np.float32)
    noisy_loss = jax.tree_util.Partial(denoising_loss, noise=noise)
    denoiser = small_model(f"denoising-{noise}", loss=noisy_loss)
    for name, network in (("plain", plain), ("denoising", denoiser)):
        denoised[name] = reconstruct(network, noisy)
        denoising[noise, name] = recovered(denoised[name])
denoising_table = pd.DataFrame(denoising).T.rename_axis(["noise (sd)", "autoencoder"])
denoising_table.round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: noise removed
noisy_rows = {"clean": world.images, "noisy": noisy.clip(0, 1)}
noisy_rows |= denoised
alt = (
    "Ten images of the world: clean, with the strongest noise, rebuilt by the plain autoencoder, "
    "and rebuilt by the denoising one."
)
save_figure(image_rows({name: i[shown] for name, i in noisy_rows.items()}), "02_denoising", alt)

# %% [markdown]
# The figure shows the strongest noise, 0.4. The first row of the table is the plain model without
# any noise: what a small model recovers at best. It has the place of every image, but the shape of
# only about a third (a guess has a quarter): it draws blobs between the shapes, because the mean of
# what is possible has the least squared error. Noise takes away the *place*. The plain model often
# loses it, the denoising one hardly ever. In shape and size there is no clear difference.
#
# ## 10. Drawing new images
#
# Can we make new images by decoding *new* codes? The autoencoder has no $p(z)$, so we must invent
# one:
#
# 1. $z \sim \mathcal N(0, I)$, the usual guess;
# 2. $z \sim$ one Gaussian with the mean and covariance of the codes of training images;
# 3. $z \sim$ a *mixture* of 16 or 64 Gaussians fitted to the same codes; the number is chosen by
#    the density of codes that were held out (Ghosh et al. 2020);
# 4. for comparison, the *real codes* of the world's images.
#
# Validity alone is cheap: one perfect circle, drawn again and again, scores 100 %. So we also
# measure **coverage**. It cuts the world into 4 x 4 x 4 x 4 = 256 cells of shape, $x$, $y$ and
# size, and counts the cells that valid images reach. It is 1 where they reach as many cells as the
# same number of uniform random shapes does, and below 0.01 for the one circle.
#
# *Predict first:* which share of each kind will be valid? The last column is the mean and the
# standard deviation over five trained models, from the project's sweep (`make sweep`).

# %%
prior_key = jax.random.split(jax.random.fold_in(jax.random.key(SEED), 2), 4)[0]  # as in the sweep
training_codes = model.encode(training_images[: measures.N_CODES])
gaussian = fit_density(training_codes, (1,))
mixture = fit_density(training_codes, (1, 16, 64) if FULL else (1, 2))
drawn = {
    "N(0, I)": sample_prior(model, prior_key, N_SAMPLES),
    "fitted Gaussian": model.decode(gaussian.draw(N_SAMPLES)),
    "fitted mixture": model.decode(mixture.draw(N_SAMPLES)),
}
judged = {name: nearest_shape(images) for name, images in drawn.items()}
judged["real codes"] = rebuilt_verdict
drawing_table = pd.DataFrame({
    "valid (5 %)": {name: v.valid().mean() for name, v in judged.items()},
    "strict (2 %)": {name: v.valid(0.02).mean() for name, v in judged.items()},
    "coverage": {name: coverage(v) for name, v in judged.items()},
}).round(2)  # fmt: skip
sweep = recorded("sweep")
in_sweep = ["prior", "fitted_gaussian", "fitted_mixture", "reconstruction"]
over_seeds = [sweep[f"ae_{kind}_validity"] for kind in in_sweep]
drawing_table["valid, 5 seeds"] = [f"{v['mean']:.2f} ± {v['sd']:.2f}" for v in over_seeds]
drawing_table

# %% [markdown]
# The finer the density that is fitted to the codes, the better are the images, on every seed. So
# the decoder is not what fails. What is missing is the knowledge of *where the codes are*. The
# training only ever asked for good images at the codes of images.
#
# The next figure shows the first eight draws of each kind. Solid frames are valid, dotted ones are
# not, and the title says which shape and size is the nearest. Eight are few: the order of the rows
# may differ from that of the shares in the table.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: samples, marked by the judge
sample_rows = {name: images[:8] for name, images in drawn.items()}
sample_rows["real codes"] = reconstructions[evenly(len(world.images), 8)]
chosen = {name: slice(8) for name in drawn} | {"real codes": evenly(len(world.images), 8)}
sample_marks = {name: v.valid()[chosen[name]] for name, v in judged.items()}
sample_titles = {
    name: [f"{SHAPES[int(s)]} {size:.1f}" for s, size in np.c_[v.shape, v.size][chosen[name]]]
    for name, v in judged.items()
}
alt = (
    "Eight images from each kind of code, framed as valid or invalid, with the nearest shape and "
    f"size. Of all samples {judged['N(0, I)'].valid().mean():.0%} are valid from N(0, I) and "
    f"{judged['fitted mixture'].valid().mean():.0%} from the fitted mixture."
)
save_figure(image_rows(sample_rows, titles=sample_titles, valid=sample_marks), "02_samples", alt)

# %% [markdown]
# The judge's allowance depends on shape and size (section 8), so a share over all samples may hide
# something. The table tells the samples from $\mathcal N(0, I)$ apart by the nearest shape and its
# size: how many there are, and which share is valid.

# %%
prior_verdict = judged["N(0, I)"]
prior_samples = pd.DataFrame({
    "nearest shape": np.array(SHAPES)[prior_verdict.shape],
    "its size": pd.cut(prior_verdict.size, [2, 3, 4, 5, 6.01], right=False,
                       labels=["2.5 to 3", "3 to 4", "4 to 5", "5 to 6"]),
    "share valid": prior_verdict.valid(),
})  # fmt: skip
sample_kinds = prior_samples.groupby(["nearest shape", "its size"], observed=False)["share valid"]
sample_table = pd.DataFrame({"samples": sample_kinds.size(), "share valid": sample_kinds.mean()})
sample_table.unstack().round(2)

# %% [markdown]
# What is no shape at all is most often nearest to a small triangle, because a small shape adds
# little error. Only about one in ten of these is valid. Of the samples nearest to a shape of size 4
# or more, at least seven in ten are. So the share over all samples mostly says how many of them are
# no shape at all.
#
# Where are the codes, then? The figure lays 300 draws of each kind over 300 real codes, in the
# plane of the first two latents.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: where the codes are
normal_draws = np.random.default_rng(SEED).standard_normal((300, LATENT_SIZE))
code_draws = {"N(0, I)": normal_draws, "fitted Gaussian": gaussian.draw(300)}
code_draws["fitted mixture"] = mixture.draw(300)
fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.6), sharex=True, sharey=True)
for ax, (name, points) in zip(axes, code_draws.items(), strict=True):
    ax.plot(*training_codes[:300, :2].T, "s", color="0.6", ms=3, label="real codes")
    ax.plot(*points[:, :2].T, "x", color="#D55E00", ms=4, mew=0.8, label="draws")
    ax.set(title=name, xlabel="$z_1$")
axes[0].set_ylabel("$z_2$")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
alt = (
    "Three panels in the plane of two latents: grey squares are real codes, orange crosses are "
    "draws. N(0, I) covers only the middle of the real codes, the fitted Gaussian their width, the "
    "mixture their form too."
)
save_figure(fig, "02_where_the_codes_are", alt)

# %% [markdown]
# Nothing in the loss asks for any centre, scale or form of the codes. So $\mathcal N(0, I)$ knows
# none of them, and how well it does is a matter of luck with the scale. The fitted Gaussian has the
# centre and the width but not the form. The mixture has some of the form.
#
# The variational autoencoder of notebook 03 goes the other way: it trains the codes to fit a
# distribution.
#
# ## 11. Between two images
#
# Walk in a straight line from the code of one image to the code of another, and decode every step.
# In the middle lies the *merge* of the two. The last row shows what a mere average of pixels does.

# %%
order_by_error = np.argsort(errors)
typical = {}  # of each shape the image with the median error
for index, name in enumerate(SHAPES):
    of_shape = order_by_error[world.factors[order_by_error, 0] == index]
    typical[name] = of_shape[len(of_shape) // 2]
walks = {}
for one, other in (("square", "triangle"), ("circle", "cross")):
    from_code, to_code = codes[typical[one]], codes[typical[other]]
    walks[f"{one}\nto {other}"] = interpolate(model, from_code, to_code, 9)
circle_image, cross_image = world.images[typical["circle"]], world.images[typical["cross"]]
walks["circle to cross\nin pixels"] = np.linspace(circle_image, cross_image, 9)
walk_marks = {name: nearest_shape(images).valid() for name, images in walks.items()}
alt = (
    "Three walks of nine steps, framed as valid or invalid: square to triangle and circle to cross "
    "between codes, and circle to cross in pixels, where both shapes shine through each other."
)
save_figure(image_rows(walks, valid=walk_marks), "02_interpolation", alt)

# %% [markdown]
# One walk is one case. So we merge the codes of 1,000 random pairs of images and ask the judge. Is
# the merged image a valid shape? Is it the shape of one of its parents? And where does it lie? Its
# distance from the middle between the parents' places is given as a share of the parents' own: 0 is
# halfway, 1 as far away as a parent. The *null* asks the same of the parents of another pair.

# %%
merging = measures.merging(model, world, jax.random.key(SEED + 7))
asked = ["valid", "of these: shape of a parent", "median distance from halfway"]
measured = [merging["merged_" + name] for name in ("validity", "parent_shape", "place")]
null = [np.nan, merging["merged_parent_shape_null"], merging["merged_place_null"]]
merge_table = pd.DataFrame({"merged": measured, "null": null}, index=asked)
merge_table.round(2)

# %% [markdown]
# About seven in ten merged images are valid. But about a third of these have the shape of neither
# parent: in the first walk above a square becomes a circle, a triangle and a cross on its way to a
# triangle. The places do mix: merged images lie nearer to halfway than their parents do, but on
# average not halfway.
#
# ## What we found

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
escaped = (arm_table < black_error / 2).groupby(level=0).sum()  # seeds that learned
valid = {name: v.valid().mean() for name, v in judged.items()}
seeds = dict(zip(in_sweep, over_seeds, strict=True))
still = state_table.loc["largest entry of the gradient"].iloc[1:] < 1e-8
lesson_numbers = {
    "black_squared_error": black_error, "lesson_seeds": len(LESSON_SEEDS),
    "lesson_escaped": escaped.to_dict(), "lesson_error_with_new_adam": list(again.values()),
    "lesson_gradients_below_epsilon": int(still.sum()),
}  # fmt: skip
say(f"""
- Four numbers rebuild an unseen image with a squared error of **{errors.mean():.2f}**. PCA with
  four components leaves **{pca_errors.get(4, np.nan):.1f}**.
- The squared error is a Gaussian log-likelihood in disguise, so the autoencoder is a model of
  $p(x|z)$. It has none of $p(z)$.
- From a grey start {escaped["from grey"].sum()} of {2 * len(LESSON_SEEDS)} trainings learned,
  from the mean image {escaped["from the mean image"].sum()} of {2 * len(LESSON_SEEDS)}, half of each
  with a schedule. Adam's memory is not the reason: a new Adam does not move the fallen
  models either.
- Of the images decoded from N(0, I), **{valid["N(0, I)"]:.0%}** are valid (over five seeds
  {seeds["prior"]["mean"]:.0%} ± {seeds["prior"]["sd"]:.0%}); from a mixture fitted to the codes
  **{valid["fitted mixture"]:.0%}** ({seeds["fitted_mixture"]["mean"]:.0%} ±
  {seeds["fitted_mixture"]["sd"]:.0%}); from real codes {valid["real codes"]:.0%}. So an
  autoencoder can draw, once its codes have a density.
""")

# %% [markdown]
# ## Limits
#
# - The headline model is one seed of the five in the sweep. The small models have one seed each,
#   the failed training three.
# - The small models are trained for a short time. Their errors say which of them is better, not how
#   good they could become.
# - How *many bits* the code keeps we have not said. Without noise it keeps all 13 as long as no two
#   images share a code (notebook 01). Notebook 04 adds noise and counts.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **02.1** The logits $a_{ij} = s^2 - (j - x)^2 - (i - y)^2$ are positive inside a circle and
# negative outside. How many outer products is this array of 28 x 28 numbers the sum of, at least?

# %%
check("02.1", ...)

# %% [markdown]
# <details><summary>Solution of 02.1</summary>
#
# $a_{ij} = f_i \cdot 1 + 1 \cdot g_j$ with $f_i = s^2 - (i - y)^2$ and $g_j = -(j - x)^2$: two
# products. A steep sigmoid of $a$ is a sharp circle, although the circle itself needs more.
#
# ```python
# i, j = np.mgrid[:28, :28]
# check("02.1", np.linalg.matrix_rank(4.6**2 - (j - 13) ** 2 - (i - 14) ** 2))
# ```
#
# </details>
#
# **02.2** A model leaves a squared error of 1.568 per image. Which $c$ makes the images most likely
# under $\mathcal N(\hat x, cI)$?

# %%
check("02.2", ...)

# %% [markdown]
# <details><summary>Solution of 02.2</summary>
#
# $-\log p = 392\log(2\pi c) + e/(2c)$ has its minimum at $c = e/784$, the error per pixel.
#
# ```python
# check("02.2", 1.568 / 784)
# ```
#
# </details>
#
# **02.3** An autoencoder without any bend (one linear layer each way, two latents) is trained to
# the end on all 8,192 images. Which squared error per image does it leave?

# %%
check("02.3", ...)

# %% [markdown]
# <details><summary>Solution of 02.3</summary>
#
# It spans the plane of the first two principal components, and leaves the variances of all others.
#
# ```python
# from helpers.shapes import shape_world
#
# images = shape_world().images.reshape(8192, -1)
# variances = np.linalg.eigvalsh(np.cov(images.T, bias=True))[::-1]
# check("02.3", variances[2:].sum())
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. *Was it the outer products?* Train `models.Autoencoder(4, images=few_images, rngs=nnx.Rngs(0),
#    encoder_widths=(128, 128), decoder_widths=(128, 256), rank=None)`, whose decoder puts out every
#    pixel by itself. Compare its weights and its error with those of the small model.
# 2. *Another loss.* Replace the squared error by the binary cross-entropy
#    (`binary_cross_entropy`, on `decode_logits`). Does the grey start still fall into black? Look
#    at the factor $\sigma'(a)$ in its gradient.
# 3. *A smaller epsilon.* Give the fallen models a new `optax.adam(1e-3, eps=1e-30)` and train them
#    with `train_step`. What happens, and why is $\varepsilon$ not that small by default?
# 4. *One level for all.* Test a denoising autoencoder on noise that it was not trained for. Which
#    single level would you train with?
#
# ## References
#
# - G. Hinton and R. Salakhutdinov, [Reducing the dimensionality of data with neural
#   networks](https://doi.org/10.1126/science.1127647), Science 313, 2006.
# - D. P. Kingma and J. Ba, [Adam: a method for stochastic
#   optimization](https://arxiv.org/abs/1412.6980), ICLR 2015.
# - P. Vincent et al., [Extracting and composing robust features with denoising
#   autoencoders](https://doi.org/10.1145/1390156.1390294), ICML 2008.
# - P. Ghosh et al., [From variational to deterministic
#   autoencoders](https://arxiv.org/abs/1903.12436), ICLR 2020: densities fitted to the codes.
# - D. Hendrycks and K. Gimpel, [Gaussian error linear units](https://arxiv.org/abs/1606.08415),
#   2016.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
sample_shares = {
    f"{name}, {size}": row["share valid"] for (name, size), row in sample_table.dropna().iterrows()
}
written = record(
    "02_autoencoder",
    ae_test_squared_error=errors.mean(),
    ae_training_squared_error=history.squared_error.iloc[-1],
    ae_fresh_squared_error=fresh_error,
    ae_edge_squared_error=errors[on_edge].mean(), ae_inside_squared_error=errors[~on_edge].mean(),
    pca_test_squared_error=pca_errors[LATENT_SIZE],
    ae_by_latents=ae_errors, pca_by_latents=pca_errors,
    ae_prior_validity=valid["N(0, I)"],
    ae_fitted_gaussian_validity=valid["fitted Gaussian"],
    ae_fitted_mixture_validity=valid["fitted mixture"],
    ae_reconstruction_validity=valid["real codes"],
    ae_merging=merging,
    ae_smallest_cross_validity=by_kind.loc[("cross", "share valid"), 2.5],
    prior_samples_validity=sample_shares, **lesson_numbers,
    judge_validity=calibration["5%"].to_dict(),
    denoising_noise=NOISES,
    denoising={f"{name}, {noise:g}": row for (noise, name), row in denoising.items()},
)  # fmt: skip
print(f"Python {sys.version.split()[0]}, JAX {jax.__version__}, NumPy {np.__version__}")
