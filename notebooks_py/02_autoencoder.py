# %% [markdown]
# # 02 · The autoencoder: squeezing 784 pixels through a few numbers
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/02_autoencoder.ipynb)
#
# **The question:** an image of our world holds exactly 13 bits. How well can a network rebuild it
# from 1, 2, 3, 4, ... numbers, and can we draw *new* images from those numbers?
#
# **You will learn**
#
# - what encoder, code and decoder are, and what the loss of an autoencoder says as a probability;
# - to write one training step by hand, and how a training can fail without an error message;
# - a decoder that draws a picture as a sum of rows times columns;
# - how an autoencoder compares with PCA at the same number of latents, on images it has not seen;
# - what denoising changes;
# - why decoding a random code mostly fails, and what a density fitted to the codes mends.
#
# **You need** notebook 01 (the world and its 13 bits) and a first course in machine learning.
# **Time:** a couple of minutes on two cores; an hour to read and try things.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Set-up: find this project's helpers, or fetch them, as in Colab
import pathlib, subprocess, sys  # isort: skip

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
import platform
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx
from IPython.display import Markdown, display
from jax.tree_util import Partial

# %%
from helpers import measures, plotting, recipes
from helpers.exercises import check
from helpers.files import record, save_figure
from helpers.generation import (
    coverage,
    fit_density,
    interpolate,
    nearest_shape,
    sample_prior,
    validity,
)
from helpers.models import Autoencoder
from helpers.objectives import autoencoder_loss, denoising_loss, squared_error
from helpers.optimizers import warmup_stable_decay
from helpers.shapes import SHAPES, SIGNED_DISTANCES, random_shapes, render, shape_world
from helpers.training import fit_many, train_step

plotting.use_style()

# %% [markdown]
# All knobs stand in one cell. `FULL` is switched off when the tests run this notebook on a
# shortened budget; the asserts that need a trained model ask for it.

# %% nbmake={"mock": {"EPOCHS": 1, "FULL": false, "N_SAMPLES": 64, "SMALL_EPOCHS": 1, "SMALL_IMAGES": 512, "TRAINING_IMAGES": 1024}}
FULL = True
LATENT_SIZE = recipes.LATENT_SIZE
TRAINING_IMAGES, EPOCHS = recipes.TRAINING_IMAGES, recipes.EPOCHS  # for the headline model
SMALL_IMAGES, SMALL_EPOCHS = recipes.SMALL_IMAGES, recipes.SMALL_EPOCHS  # for quick comparisons
SMALL = recipes.SMALL  # and the widths of those models
N_SAMPLES = measures.N_SAMPLES
SEED = 0

# %% [markdown]
# ## The data
#
# As notebook 01 has it: random shapes to train on, with continuous place and size, and the world of
# 8,192 images as the exam. None of these is ever trained on, so every error and every share below is
# measured on all of them.

# %%
world = shape_world()
training_images = recipes.training_shapes(TRAINING_IMAGES)
few_images = training_images[:SMALL_IMAGES]
display(
    Markdown(
        f"{len(training_images):,} random shapes to train on ({len(few_images):,} of them for quick "
        f"comparisons), {len(world.images):,} images to judge by, {world.entropy_bits:g} bits each."
    )
)

# %% [markdown]
# ## Encoder, code, decoder
#
# An autoencoder is two functions trained together. The **encoder** $E_\phi$ maps an image
# $x \in [0,1]^{784}$ to a **code** (or latent) $z \in \mathbb{R}^L$; the **decoder** $D_\theta$ maps
# the code back to an image:
#
# $$z = E_\phi(x), \qquad \hat x = D_\theta(z).$$
#
# The encoder is a multilayer perceptron. The decoder is one too, with a special last step that we
# come to in a moment. It ends in a real number $a$ for each pixel, the **logit**, and the sigmoid
# $1/(1+e^{-a})$ turns that into a brightness in $(0, 1)$; the logit of a brightness $p$ is
# $\log\frac{p}{1-p}$. (From here on $x$ in a formula is an image; the horizontal position is written
# out.)
#
# In Flax NNX a model is an object that holds its weights (`nnx.Param`); `nnx.grad` differentiates a
# loss by them, `nnx.jit` compiles, `nnx.Rngs(seed)` is the source of the initial weights, and
# `optax.adam` is the rule by which a gradient changes them.

# %%
model = Autoencoder(LATENT_SIZE, images=few_images, rngs=nnx.Rngs(SEED))
rank = model.decoder.rank


def linear_layers(network):
    return [layer for layer in network.layers if isinstance(layer, nnx.Linear)]


def hidden(network):
    return [("layer", layer.out_features, "layer") for layer in linear_layers(network)[:-1]]


stages = [("image $x$\n28 × 28", 784, "image"), *hidden(model.encoder)]
stages += [("code $z$", LATENT_SIZE, "code"), *hidden(model.decoder.profiles)]
stages += [(f"{rank} rows,\n{rank} columns", 2 * rank * 28, "layer")]
stages += [("image $\\hat x$\n28 × 28", 784, "image")]
save_figure(plotting.schema(stages), "02_schema")

# %% [markdown]
# A perceptron is nothing but matrix products with a bend in between. Here is the encoder by hand,
# on one batch: multiply, add, bend (GELU, a smooth version of $\max(0, h)$), and again; no bend after
# the last layer.

# %%
batch = training_images[:64]


def perceptron_by_hand(network, h):
    *hidden_layers, last = linear_layers(network)
    for layer in hidden_layers:
        h = nnx.gelu(h @ layer.kernel[...] + layer.bias[...])
    return h @ last.kernel[...] + last.bias[...]


z_by_hand = np.asarray(perceptron_by_hand(model.encoder, batch.reshape(len(batch), -1)))
np.testing.assert_allclose(z_by_hand, model.encode(batch), atol=1e-5)
display(Markdown(f"images {batch.shape} → codes {z_by_hand.shape}: the helper agrees."))

# %% [markdown]
# ### A decoder that draws: rows times columns
#
# How should a network put out a picture? One number for every pixel is the obvious way, and a
# wasteful one: each of the 784 numbers has weights of its own, though neighbours are nearly always
# alike. A rectangle is simpler than that: say in which *rows* it lies and in which *columns*, and
# multiply. The product of a column of numbers $r$ and a row of numbers $c$, the picture $r_i c_j$, is
# called an **outer product**, a picture of *rank 1*.
#
# Every picture is a sum of outer products; the **singular value decomposition** (SVD) gives the sum
# that needs the fewest. How many do our shapes need? For 200 images each, what is left of the energy
# of the picture after the best $K$ products:

# %%
left = {}
for i, shape in enumerate(SHAPES):
    some = world.images[world.factors[:, 0] == i][::10]
    energy = np.linalg.svd(some, compute_uv=False) ** 2  # of each product, the largest first
    kept = energy.cumsum(axis=1) / energy.sum(axis=1, keepdims=True)
    left[shape] = (1 - kept[:, [0, 1, 3, 7]]).mean(axis=0)
columns = ["1 product", "2", "4", "8"]
assert max(shares[3] for shares in left.values()) < 0.01
(100 * pd.DataFrame(left, index=columns).T).round(2).rename_axis("% left after")

# %% [markdown]
# A square is nearly a single product and a cross two; circle and triangle take a few more. With eight,
# next to nothing is left of any shape. So our decoder's perceptron puts
# out $K = 8$ row profiles $r_k$ and $K$ column profiles $c_k$ of 28 numbers each, 448 in place of 784,
# and the logits are
#
# $$a_{ij} = \sum_{k=1}^{K} r_{ki}\, c_{kj} + b_{ij},$$
#
# with an image of biases $b$. (The logits are easier still than the pictures: the sigmoid makes a
# sharp edge of any slope that is steep enough. $s^2 - u^2 - v^2$, positive in a circle, has rank 2.)
# By hand, against the helper:

# %%
profiles = perceptron_by_hand(model.decoder.profiles, z_by_hand).reshape(len(batch), 2, rank, 28)
row_profiles, column_profiles = profiles[:, 0], profiles[:, 1]
logits = jnp.einsum("nki,nkj->nij", row_profiles, column_profiles) + model.decoder.bias[...]
np.testing.assert_allclose(nnx.sigmoid(logits), model.decode(z_by_hand), atol=1e-5)

# %% [markdown]
# ## The loss
#
# In general an autoencoder minimises the expected distortion $d$ between an image and its
# reconstruction,
#
# $$\mathcal{L}(\theta, \phi) = \mathbb{E}_{x}\big[\, d\big(x, D_\theta(E_\phi(x))\big)\big],$$
#
# where the expectation is over the data. We take the squared error, **summed over the pixels** of
# an image and averaged over images: $d(x, \hat x) = \lVert x - \hat x \rVert^2$. (A mean over
# pixels would only divide by 784 here, but it would silently change the balance with a second term
# once there is one, as in notebook 03.)

# %%
error_by_hand = jnp.mean(jnp.sum((batch - model.decode(z_by_hand)) ** 2, axis=(1, 2)))
loss, terms = autoencoder_loss(model, batch, key=None)
np.testing.assert_allclose(error_by_hand, loss, rtol=1e-5)
display(Markdown(f"Untrained: squared error **{loss:.1f}** per image."))

# %% [markdown]
# That is not far from the error of the mean image (notebook 01): the bias image $b$ starts at the
# logit of the mean image, so the untrained model already draws about that. Why this matters is the
# first lesson below.
#
# ### Undercomplete, or why the bottleneck
#
# With $L \ge 784$ the pair could learn the identity and nothing about images. An **undercomplete**
# autoencoder ($L < 784$) has to find what the images have in common. How small may $L$ be? By
# counting alone a *single* real number could label all 8,192 images. But the decoder must be a
# smooth function that a network can learn, and the world has one discrete factor (shape) and three
# continuous directions (x, y, size), so we expect trouble below 3.
# At its best, $D(E(x)) = x$ for all images of the world. We measure it below.
#
# ## What the loss says as a probability
#
# The squared error is a likelihood in disguise. Read the decoder as the mean of a Gaussian with a
# fixed variance $c$ in every pixel, $p_\theta(x|z) = \mathcal{N}(x;\, D_\theta(z),\, c I)$. Then
#
# $$-\log p_\theta(x|z) = \frac{\lVert x - D_\theta(z)\rVert^2}{2c} + \frac{784}{2}\log(2\pi c).$$
#
# Whatever $c$ is, the $\theta$ and $\phi$ that minimise the squared error maximise this likelihood:
# **training an autoencoder is maximum likelihood, with the code $z = E_\phi(x)$ taken as known.**
# Check of the formula, against the density written out pixel by pixel:

# %%
c = 0.05
x_hat = model.decode(z_by_hand)
by_pixel = jax.scipy.stats.norm.logpdf(batch, x_hat, jnp.sqrt(c)).sum(axis=(1, 2))
by_formula = -squared_error(batch, x_hat) / (2 * c) - 784 / 2 * jnp.log(2 * jnp.pi * c)
np.testing.assert_allclose(by_pixel, by_formula, rtol=1e-4)

# %% [markdown]
# The variance itself can be fitted too: the derivative of $-\log p$ with respect to $c$ vanishes at
# $c = \text{squared error} / 784$, the mean error of a pixel.
#
# **What this leaves out is $p(z)$.** The model says how an image comes from a code, but not which
# codes there are. Without a distribution of codes it cannot say how probable an image is, and it
# has nothing to draw new codes from. Keep that in mind for the end of this notebook; mending it is
# the whole point of the variational autoencoder in notebook 03.
#
# ## One training step by hand
#
# A step takes the gradient of the loss on one batch and lets the optimiser (Adam) move the weights.
# In Flax NNX:


# %%
def untrained():
    return Autoencoder(LATENT_SIZE, images=few_images, rngs=nnx.Rngs(SEED))


by_hand = untrained()
optimizer = nnx.Optimizer(by_hand, optax.adam(1e-3), wrt=nnx.Param)
gradient = nnx.jit(nnx.grad(lambda model, images: autoencoder_loss(model, images, key=None)[0]))
gradients = gradient(by_hand, batch)
_ = optimizer.update(by_hand, gradients)

# %% [markdown]
# The helper `train_step` does the same, compiled; `fit` runs a whole epoch of such steps in one
# compiled scan. Do the two agree?

# %%
helped = untrained()
helped_optimizer = nnx.Optimizer(helped, optax.adam(1e-3), wrt=nnx.Param)
train_step(helped, helped_optimizer, autoencoder_loss, batch, jax.random.key(SEED))
np.testing.assert_allclose(by_hand.decode(z_by_hand), helped.decode(z_by_hand), atol=1e-4)
before, after = (float(autoencoder_loss(m, batch, key=None)[0]) for m in (untrained(), helped))
display(Markdown(f"One step took the error of this batch from {before:.4f} to {after:.4f}."))

# %% [markdown]
# ## A lesson first: predict, run, diagnose
#
# Our images are mostly black. Take a small model whose bias image starts at zero (grey), and train it
# with Adam at an everyday learning rate of 0.001, from several seeds.
#
# **Stop and predict:** where does its error end, after a few passes over the images?

# %% nbmake={"mock": {"LESSON_EPOCHS": 1, "LESSON_SEEDS": 2}}
LESSON_EPOCHS = 3
LESSON_SEEDS = 5


# %%
def state_of(model, error):
    """What the trained model does, and what flows back through its output."""
    logits = model.decode_logits(model.encode(batch))
    slope = nnx.sigmoid(logits) * (1 - nnx.sigmoid(logits))
    return {
        "squared error": error,
        "mean brightness": float(nnx.sigmoid(logits).mean()),
        "mean logit": float(logits.mean()),
        "mean slope": float(slope.mean()),
        "gradient norm": float(optax.tree.norm(gradient(model, batch))),
        "brightest pixel": float(nnx.sigmoid(logits).max()),
    }


# %%
def trained_from(start_images, learning_rate):
    """Small models from every seed, and their last training errors."""
    models = [
        Autoencoder(LATENT_SIZE, images=start_images, rngs=nnx.Rngs(seed), **SMALL)
        for seed in range(LESSON_SEEDS)
    ]
    keys = list(jax.random.split(jax.random.key(SEED), LESSON_SEEDS))
    settings = {"epochs": LESSON_EPOCHS, "batch_size": 256, "learning_rate": learning_rate}
    losses = [autoencoder_loss] * LESSON_SEEDS
    histories = fit_many(models, few_images, losses, keys=keys, **settings)
    return models, np.array([history.squared_error.iloc[-1] for history in histories])


# %%
grey = Autoencoder(LATENT_SIZE, rngs=nnx.Rngs(SEED), **SMALL)
states = {"untrained": state_of(grey, np.nan)}
for seed, (fallen, error) in enumerate(zip(*trained_from(None, 1e-3), strict=True)):
    states[f"seed {seed}, trained"] = state_of(fallen, error)
plain = pd.DataFrame(states).T

# %%
all_black = float((few_images**2).sum(axis=(1, 2)).mean())
errors = plain["squared error"].iloc[1:]
display(
    Markdown(
        f"The error of an all-black picture is $E\\lVert x \\rVert^2 =$ {all_black:.1f}. The models "
        f"ended at {', '.join(f'{e:.1f}' for e in errors)}, and the pixels that the median model draws are "
        f"{plain['mean brightness'].iloc[1:].median():.0e} bright, where those of the images are "
        f"{few_images.mean():.3f}."
    )
)
if FULL:
    assert abs(errors.median() - all_black) < 1

# %% [markdown]
# They draw black, or hardly more, whatever they see, and no error message told us. **Diagnose it** with
# the state of the models before and after:

# %%
before, after = plain.iloc[0], plain.iloc[1:].median()
if FULL:
    assert after["mean slope"] < 1e-3 * before["mean slope"]
plain.map("{:.2g}".format)

# %% [markdown]
# Most pixels are black most of the time, so the fastest way down from grey is to push *all* logits
# $a$ down, and they go down very far. The output is $\sigma(a)$, and the gradient that flows back
# through it carries the slope $\sigma'(a) = \sigma(a)(1 - \sigma(a))$: a quarter at the start, next to
# nothing afterwards. Where every pixel is black the
# gradient vanishes with the slope; a model that still has a pixel between black and white somewhere
# has a gradient through it, and through no other. The black models are not at a minimum; they are on a plain
# so flat that they hardly move. Adam divides the
# gradient by its recent size, but "recent" is about a thousand steps, and it remembers the fall.
#
# The cure is to take away the reason for the fall. If the last bias starts at the **logit of the
# mean image**, the untrained model already draws the mean image, and there is nothing to gain by
# pushing everything down. A learning rate that rises slowly at the start may help too (the recipe's
# schedule does that). To know which of the two is the cure we need a control: the recipe's schedule
# from both starts.

# %%
steps = LESSON_EPOCHS * (len(few_images) // 256)
schedule = warmup_stable_decay(2e-3, steps)
_, escaped = trained_from(few_images, schedule)
_, from_grey = trained_from(None, schedule)
n_escaped, n_from_grey = ((e < all_black / 2).sum() for e in (escaped, from_grey))
display(
    Markdown(
        f"From the mean image **{n_escaped} of {LESSON_SEEDS}** seeds learned: errors from "
        f"{escaped.min():.1f} to {escaped.max():.1f}, where all-black is {all_black:.1f}. From grey, with "
        f"the same schedule, {n_from_grey} of {LESSON_SEEDS}: errors from {from_grey.min():.1f} to "
        f"{from_grey.max():.1f}."
    )
)
if FULL:
    assert n_escaped == LESSON_SEEDS
    assert n_from_grey == 0

# %% [markdown]
# So the schedule alone does not cure; the start at the mean image does.

# %% [markdown]
# ## Training the model
#
# Now the headline model: four latents, the full budget. If an earlier run left a checkpoint that
# matches this model, data, settings and budget, it is loaded; if not, the model is trained.

# %%
model, history = recipes.autoencoder(training_images, world.images, seed=SEED, epochs=EPOCHS)
labels = {"squared_error": "squared error per image"}
fig = plotting.panels(history.set_index("epoch"), labels, x_label="epoch", log_y=True)
save_figure(fig, "02_training")

# %%
codes = model.encode(world.images)
reconstructions = model.decode(codes)
errors = squared_error(world.images, reconstructions)
display(
    Markdown(
        f"Squared error on the world, which it has not seen: **{errors.mean():.2f}** per image, "
        f"against {all_black:.1f} for black. On its training images (during the last pass): "
        f"{history.squared_error.iloc[-1]:.2f}."
    )
)
by = pd.DataFrame({"shape": np.array(SHAPES)[world.factors[:, 0].astype(int)], "error": errors})
by["size"] = world.factors[:, 3]
by.pivot_table(index="shape", columns="size", values="error", margins=True).round(2)

# %% [markdown]
# The columns are sizes, the last row and column means. Is the error on the world larger because the
# model learned its images by heart, or because the exam is harder? Notebook 01 found that many images
# of the world lie on the rim of the ranges, where random draws are rare:

# %%
place, ranges = world.factors[:, 1:], (world.factors[:, 1:].min(0), world.factors[:, 1:].max(0))
rim = (place == ranges[0]).any(axis=1) | (place == ranges[1]).any(axis=1)
fresh, _ = random_shapes(jax.random.key(SEED + 9), 4096)  # a further draw, never trained on
fresh_error = squared_error(fresh, model.reconstruct(fresh)).mean()
pd.DataFrame(
    {
        "mean error": [fresh_error, errors[~rim].mean(), errors[rim].mean()],
        "median error": [np.nan, np.median(errors[~rim]), np.median(errors[rim])],
    },
    index=["fresh random shapes", "the world, inside", "the world, on the rim"],
).round(3)

# %%
if FULL:
    assert errors[rim].mean() > errors[~rim].mean()
    assert abs(fresh_error / history.squared_error.iloc[-1] - 1) < 0.5
display(
    Markdown(
        f"A fresh random draw costs {fresh_error:.2f}, about what the training images cost: nothing is "
        f"learned by heart. Inside the world an image costs {errors[~rim].mean():.2f}, on its rim "
        f"{errors[rim].mean():.2f}."
    )
)

# %% [markdown]
# The pictures below are images of the world at even steps through the list, not the best ones; the
# number above each is its squared error.

# %%
shown = plotting.evenly(len(world.images), 10)
rows = {"original": world.images[shown], "rebuilt": reconstructions[shown]}
fig = plotting.image_rows(rows, titles={"rebuilt": [f"{errors[i]:.1f}" for i in shown]})
save_figure(fig, "02_reconstructions")

# %% [markdown]
# ## How many latents? The autoencoder against PCA
#
# PCA is the best *linear* autoencoder under squared error (notebook 01). Both get the same number
# of latents, both are fitted to random shapes and judged on the world. The autoencoders here are small
# and briefly trained, so that a whole row of them fits the time.


# %%
centre = few_images.mean(axis=0).ravel()
_, directions = np.linalg.eigh(np.cov(few_images.reshape(-1, 784).T))  # the largest variance last
centred = world.images.reshape(-1, 784) - centre


def pca_error(components):
    kept = directions[:, 784 - components :]
    return float(((centred - centred @ kept @ kept.T) ** 2).sum(axis=1).mean())


# %% nbmake={"mock": {"LATENTS": [2, 4]}}
LATENTS = [1, 2, 3, 4, 8]


# %%
def small_autoencoder(name, latents=LATENT_SIZE, noise=0.0, **network):
    """A small autoencoder, trained on images with this noise to give back the clean ones."""
    network = SMALL | network
    small = Autoencoder(latents, images=few_images, rngs=nnx.Rngs(SEED), **network)
    loss = Partial(denoising_loss, noise=noise) if noise else autoencoder_loss
    settings = {"epochs": SMALL_EPOCHS, "learning_rate": recipes.AE_LEARNING_RATE}
    recipes.train(name, small, few_images, loss, **settings)
    return small


def world_error(model):
    return float(squared_error(world.images, model.reconstruct(world.images)).mean())


# %%
small = {n: small_autoencoder(f"autoencoder-{n}-latents", n) for n in LATENTS}
table = [(n, world_error(one), pca_error(n)) for n, one in small.items()]
sweep = pd.DataFrame(table, columns=["latents", "autoencoder", "PCA"]).set_index("latents")
if FULL:
    assert (sweep.autoencoder < sweep.PCA).all()
sweep.round(2)

# %%
series = {name: (sweep.index, sweep[name]) for name in sweep}
series["headline autoencoder (full budget)"] = ([LATENT_SIZE], [errors.mean()])
fig = plotting.curves(
    series, x_label="latents", y_label="squared error per image", log_x=True, log_y=True
)
save_figure(fig, "02_latent_sizes")

# %%
gain = sweep.autoencoder.iloc[:-1].to_numpy() / sweep.autoencoder.iloc[1:].to_numpy()
steps = [f"{a} → {b}: ÷ {g:.1f}" for a, b, g in zip(LATENTS[:-1], LATENTS[1:], gain, strict=True)]
display(Markdown("What each step in latents gains the autoencoder: " + ", ".join(steps) + "."))

# %% [markdown]
# The autoencoder beats PCA at every size: the world is a curved sheet in pixel space, and PCA can
# only lay flat planes through it. With one latent the network has to thread a line through four
# discrete shapes and three continuous directions. The early steps gain much. Beyond four latents, the
# number of factors, there is little left to gain: what the last step brings (below 1 it is a loss) is a
# matter of one seed and of a short training.
#
# ### Was it the outer products?
#
# The same training with the obvious decoder, a perceptron that puts out every pixel. Its widths make
# it as large as the small model or larger:

# %%
plain = small_autoencoder("autoencoder-perceptron", decoder_widths=(128, 256), rank=None)


def weights_of(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


drawn_by = pd.DataFrame(
    {
        "weights": [weights_of(one) for one in (small[LATENT_SIZE], plain)],
        "squared error": [world_error(one) for one in (small[LATENT_SIZE], plain)],
    },
    index=["rows times columns", "every pixel by itself"],
)
if FULL:
    assert drawn_by["squared error"].iloc[0] < 1.3 * drawn_by["squared error"].iloc[1]
drawn_by.round(2)

# %% [markdown]
# With about half of the weights the rows and columns draw no worse (one seed each, so the small
# difference of the errors means little). A decoder that knows something about pictures has less to learn.
#
# ## Denoising
#
# A **denoising autoencoder** sees a corrupted image $\tilde x = x + \sigma\varepsilon$ with
# $\varepsilon \sim \mathcal N(0, I)$ and has to give back the clean one: it minimises
# $\lVert x - D(E(\tilde x)) \rVert^2$. It cannot copy what it sees; it must know what images look
# like. By hand on one batch, then the helper (`jax.random.clone` says that we use the helper's key
# a second time on purpose):

# %%
key = jax.random.key(SEED)
noisy = batch + 0.3 * jax.random.normal(key, batch.shape)
by_hand = jnp.mean(jnp.sum((batch - model.decode(model.encode(noisy))) ** 2, axis=(1, 2)))
from_helper, _ = denoising_loss(model, batch, jax.random.clone(key), noise=0.3)
np.testing.assert_allclose(by_hand, from_helper, rtol=1e-5)

# %% [markdown]
# One denoising autoencoder for each noise level, against the plain one of the same size and budget,
# both on the same noisy images of the world, both measured against the clean ones.

# %% nbmake={"mock": {"NOISES": [0.4]}}
NOISES = measures.NOISES

# %%
table = []
for noise, key in zip(NOISES, jax.random.split(jax.random.key(SEED + 1), len(NOISES)), strict=True):
    denoiser = small_autoencoder(f"denoising-{noise}", noise=noise)
    noisy = world.images + noise * np.asarray(jax.random.normal(key, world.images.shape))
    rebuilt = {
        "plain": small[LATENT_SIZE].reconstruct(noisy),
        "denoising": denoiser.reconstruct(noisy),
        "clean": denoiser.reconstruct(world.images),
    }
    table.append([noise] + [float(squared_error(world.images, r).mean()) for r in rebuilt.values()])
columns = ["noise (sd per pixel)", "plain AE", "denoising AE", "denoising AE, clean input"]
denoising = pd.DataFrame(table, columns=columns)
denoising.round(3)

# %%
rows = {"clean": world.images, "noisy": noisy, "plain AE": rebuilt["plain"]}
rows["denoising AE"] = rebuilt["denoising"]
fig = plotting.image_rows({name: images[shown] for name, images in rows.items()})
save_figure(fig, "02_denoising")

# %% [markdown]
# That is the strongest noise, a standard deviation of nearly half the way from black to white. Place and
# size survive in both. The denoising model draws a soft blob where it cannot see which shape it is:
# the mean of what is possible has the least squared error. The plain one decides for something, and
# is often wrong.

# %%
times = denoising["plain AE"] / denoising["denoising AE"]
clean = sweep.autoencoder[LATENT_SIZE]
display(
    Markdown(
        f"On noisy input the plain autoencoder has {times.min():.1f} to {times.max():.1f} times the "
        f"squared error of the denoising one. On clean input its error is {clean:.2f}; the last "
        f"column is what the denoising ones pay there."
    )
)
if FULL:
    assert (denoising["plain AE"] > denoising["denoising AE"]).all()

# %% [markdown]
# ## A look at the codes
#
# With two latents the whole code fits in a picture. Each point is an image of the world; the four panels
# show the same points, coloured by shape, x, y and size.

# %%
every = plotting.evenly(len(world.images), 1000)
flat_codes = small[2].encode(world.images[every])
save_figure(plotting.latent_scatter(flat_codes, world.factors[every]), "02_latent_plane")

# %%
deviations = flat_codes.std(axis=0)
wide = model.encode(few_images)
display(
    Markdown(
        f"The two latents spread with standard deviations {deviations[0]:.1f} and "
        f"{deviations[1]:.1f}; those of the headline model with "
        + ", ".join(f"{d:.1f}" for d in wide.std(axis=0))
        + ". Nothing in the loss asks for any particular scale, centre or form."
    )
)

# %% [markdown]
# ## What counts as a valid picture?
#
# Before we draw new pictures we need a judge. In this world there is one: a picture is **valid** if
# it is (nearly) a rendered shape. For a picture $g$ take the nearest shape $s$ of the world, over
# all four shapes and *continuous* x, y and size, and call
#
# $$\text{residual share} = \min_s \frac{\lVert g - s \rVert^2}{\lVert g \rVert^2}$$
#
# the share of its energy that no shape explains. `nearest_shape`, our **oracle**, takes the best of a
# list of shapes drawn at every half pixel and refines x, y and size by a few least-squares steps along
# the derivative images of notebook 01 (Gauss-Newton). An all-black picture is invalid. `validity` is the share of pictures with a
# residual share of at most 5 %; 2 % is the strict measure and 10 % the lenient one.
#
# A judge must be calibrated. True shapes at random positions, which lie between the grid points,
# should pass. Noise and half-and-half **blends** of two shapes, both pictures shining through, should
# not. Hardest are **intermediate forms**: one clear outline, halfway between two shapes. The mean of
# two signed distances draws one; so does a circle that is stretched, or a square that is turned.

# %%
true_images, parameters = random_shapes(jax.random.key(SEED + 2), N_SAMPLES)
cases = {"true shapes": true_images, "black": np.zeros((8, 28, 28))}
for first, second in itertools.combinations(SHAPES, 2):
    pair = [np.asarray(render(shape, *parameters[:400, 1:].T)) for shape in (first, second)]
    cases[f"{first} + {second}, blend"] = (pair[0] + pair[1]) / 2
cases["white noise"] = jax.random.uniform(jax.random.key(SEED + 3), (200, 28, 28))


# %%
def between(one, other):
    """The signed distance halfway between those of two shapes."""
    return lambda *at: (SIGNED_DISTANCES[one](*at) + SIGNED_DISTANCES[other](*at)) / 2


def turned_square(dx, dy, size):
    return SIGNED_DISTANCES["square"]((dx - dy) / np.sqrt(2), (dx + dy) / np.sqrt(2), size * 0.75)


def ellipse(dx, dy, size):
    return SIGNED_DISTANCES["circle"](dx * 1.25, dy * 0.8, size * 0.8)


forms = {f"{a} / {b}, form": between(a, b) for a, b in itertools.combinations(SHAPES, 2)}
forms |= {"square turned by 45°": turned_square, "ellipse, axes 1 to 1.6": ellipse}
pictures = render(np.arange(len(forms))[:, None], *parameters[:400, 1:].T, shapes=forms)
pictures = dict(zip(forms, np.asarray(pictures), strict=True))
cases |= pictures
save_figure(
    plotting.image_rows({name: images[:10] for name, images in pictures.items()}),
    "02_intermediate_forms",
)

# %%
found = {name: nearest_shape(images) for name, images in cases.items()}
calibration = pd.DataFrame(
    {
        f"{t:.0%}": {name: validity(near, t) for name, near in found.items()}
        for t in (0.02, 0.05, 0.1)
    }
)
assert calibration.loc["true shapes", "5%"] == 1
assert calibration.loc["white noise", "10%"] == 0
assert (found["true shapes"].shape == parameters[:, 0]).all()
calibration.round(3)

# %% [markdown]
# At 5 % every true shape passes and almost no blend does, with one exception that is fair: our
# square and circle have the same area and nearly coincide, so that their mixture *is* nearly a
# square and nearly a circle. The intermediate forms show what the judge cannot see. What lies between a
# square and a circle passes, and so does what lies between a square and a cross, which is nearly a circle;
# half of the forms between a circle and another shape pass as circles. A turned square or an ellipse does
# not. At 10 % the judge is too kind; at the strict 2 % only what is nearly a circle passes. So we give
# both, 5 % and the strict 2 %.
#
# A share of the energy is another allowance for every shape: 5 % of a small triangle's energy is little.

# %%
energy = (world.images**2).sum(axis=(1, 2))
by["squared error that passes"] = 0.05 * energy
by["rebuilt, valid"] = nearest_shape(reconstructions).valid()
passes = by.pivot_table(index="shape", columns="size", values="squared error that passes")
rebuilt_valid = by.pivot_table(index="shape", columns="size", values="rebuilt, valid", margins=True)
display(
    Markdown(
        f"The judge lets {passes.min(axis=None):.2f} of squared error pass on the smallest triangle, "
        f"{passes.max(axis=None):.2f} on the largest square. The share of the world's images that the "
        f"model rebuilds as valid shapes, by shape and size (the lowest: "
        f"{rebuilt_valid.stack().idxmin()[0]} of size {rebuilt_valid.stack().idxmin()[1]:g}):"
    )
)
rebuilt_valid.round(3)

# %% [markdown]
# ## Drawing new pictures
#
# Now the question of the whole project's second half: can we make new images by decoding *new*
# codes? The autoencoder has no $p(z)$, so we must invent one:
#
# 1. $z \sim \mathcal N(0, I)$, the usual guess;
# 2. $z \sim$ a Gaussian **fitted** to the codes of training images (their mean and covariance);
# 3. $z \sim$ a **mixture** of 16 or 64 fitted Gaussians, as many as make held-out codes likeliest
#    (scikit-learn's `GaussianMixture`; `make sweep` tries 256 too, see notebook 03);
# 4. for comparison, **real codes** of the world's images.
#
# Validity alone is cheap: one perfect circle, repeated, scores 100 %. **Coverage** cuts the world into
# 4 × 4 × 4 × 4 = 256 cells of shape, x, y and size, and divides the share of cells that valid samples
# reach by the share that as many uniform draws reach: 1 is as good as drawing from the world itself.
# (With 2,000 samples a validity is known to about ± 0.01.)

# %%
one_circle = np.repeat(true_images[:1], 200, axis=0)
assert coverage(one_circle) < 0.02
assert validity(one_circle) == 1
display(Markdown(f"Coverage of true random shapes: {coverage(found['true shapes']):.2f}."))

# %% [markdown]
# **Predict** which share of each will be valid.

# %%
prior_key = jax.random.split(jax.random.fold_in(jax.random.key(SEED), 2), 4)[0]  # as in the sweep
code_sample = model.encode(training_images[: measures.N_CODES])
gaussian = fit_density(code_sample, (1,))
mixture = fit_density(code_sample, (1, 16, 64) if FULL else (1, 2))
generated = {
    "z ~ N(0, I)": sample_prior(model, prior_key, N_SAMPLES),
    "z ~ fitted Gaussian": model.decode(gaussian.draw(N_SAMPLES)),
    "z ~ fitted mixture": model.decode(mixture.draw(N_SAMPLES)),
    "real codes": reconstructions,
}
judged = {name: nearest_shape(images) for name, images in generated.items()}
pd.DataFrame(
    {
        name: {"5 %": validity(n), "strict, 2 %": validity(n, 0.02), "coverage": coverage(n)}
        for name, n in judged.items()
    }
).round(3)

# %%
take = {name: shown if name == "real codes" else np.arange(10) for name in generated}
rows = {name: images[take[name]] for name, images in generated.items()}
marks = {name: judged[name].valid()[take[name]] for name in judged}
save_figure(plotting.image_rows(rows, valid=marks), "02_samples")

# %%
shares = {name: validity(near) for name, near in judged.items()}
display(
    Markdown(
        f"Valid: **{shares['z ~ N(0, I)']:.0%}** from N(0, I), "
        f"**{shares['z ~ fitted Gaussian']:.0%}** from the fitted Gaussian, "
        f"**{shares['z ~ fitted mixture']:.0%}** from a mixture of {mixture.mixture.n_components}, "
        f"**{shares['real codes']:.0%}** from real codes."
    )
)
if FULL:
    assert 1 - shares["real codes"] < (1 - shares["z ~ fitted Gaussian"]) / 3
    assert shares["z ~ fitted mixture"] > shares["z ~ fitted Gaussian"]

# %% [markdown]
# Real codes decode well, so the decoder is not what fails; what is missing is knowledge of *where the
# codes are*. The training only ever asked for good pictures at the codes of images. And that knowledge
# can be had afterwards: the finer the density that is fitted, the better the pictures (Ghosh et al.
# 2020). Its price is one more fit, to codes instead of images.

# %%
pd.DataFrame(
    {"held-out log density (nats)": mixture.scores}, index=list(mixture.scores)
).rename_axis("Gaussians").round(2).T

# %% [markdown]
# The next picture shows two latents of the headline model: real codes, the fitted Gaussian, the
# mixture, the guess N(0, I).

# %%
clouds = {
    "real codes": code_sample[:2000],
    "fitted Gaussian": gaussian.draw(2000),
    "fitted mixture": mixture.draw(2000),
    "N(0, I)": np.asarray(jax.random.normal(jax.random.key(SEED + 6), (2000, LATENT_SIZE))),
}
save_figure(plotting.clouds(clouds), "02_where_the_codes_are")

# %% [markdown]
# N(0, I) knows neither the place nor the width nor the form of the cloud of codes; how well it does
# is a matter of luck with the scale. The fitted Gaussian has place and width but not the form; the
# mixture has some of the form. A number for the form is the kurtosis, which is 3 for every Gaussian:

# %%
kurtosis = ((wide - wide.mean(axis=0)) ** 4).mean(axis=0) / wide.var(axis=0) ** 2
display(
    Markdown(
        "Kurtosis of the four latents: "
        + ", ".join(f"{k:.1f}" for k in kurtosis)
        + ". Above 3 means a denser core and longer tails than a Gaussian has, below 3 the opposite."
    )
)

# %% [markdown]
# A variational autoencoder (notebook 03) turns this round: it does not
# fit a distribution to the codes afterwards, it trains the codes to fit a distribution.
#
# ## Between two images: interpolation, merging, a random code
#
# Walk in a straight line from the code of one image of the world to that of another, and judge each
# step. The merge of two codes is the middle of that walk. The third walk ends in a random code, drawn
# from the fitted Gaussian; the last row is what a mere average of pixels looks like.

# %%
by_error = np.argsort(errors)  # of each shape the image with the median error
pick = {}
for i, name in enumerate(SHAPES):
    of_shape = by_error[world.factors[by_error, 0] == i]
    pick[name] = int(of_shape[len(of_shape) // 2])
pairs = [("square", "triangle"), ("circle", "cross")]
rows = {}
for first, second in pairs:
    a, b = pick[first], pick[second]
    rows[f"{first}\nto {second}"] = interpolate(model, codes[a], codes[b], 9)
random_code = gaussian.draw(1)[0]
rows["square to a\nrandom code"] = interpolate(model, codes[pick["square"]], random_code, 9)
rows["circle to cross\nin pixels"] = np.linspace(world.images[a], world.images[b], 9)
marks = {name: nearest_shape(images).valid() for name, images in rows.items()}
save_figure(plotting.image_rows(rows, valid=marks), "02_interpolation")

# %% [markdown]
# One walk is one case. Merge many random pairs of images and ask the judge: is the merged picture a
# valid shape, is it the shape of one of its parents, and where does it lie? Halfway between the places
# of the two would be a *merge* of what the pictures show.

# %%
merging = measures.merging(model, world, jax.random.key(SEED + 7))
display(
    Markdown(
        f"Of 1,000 merged pairs **{merging['merged_validity']:.0%}** are valid shapes. Of these "
        f"{merging['merged_parent_shape']:.0%} have the shape of a parent, and the median one lies "
        f"{merging['merged_place']:.2f} of the way from the middle of its parents' places to a parent. "
        f"Held against the parents of *another* pair, of which it knows nothing: "
        f"{merging['merged_parent_shape_null']:.0%} and {merging['merged_place_null']:.2f}."
    )
)

# %% [markdown]
# ## What we found

# %%
numbers = record(
    "02_autoencoder",
    ae_test_squared_error=errors.mean(),
    pca_test_squared_error=pca_error(LATENT_SIZE),
    ae_by_latents=sweep.autoencoder.to_dict(),
    pca_by_latents=sweep.PCA.to_dict(),
    ae_prior_validity=shares["z ~ N(0, I)"],
    ae_fitted_gaussian_validity=shares["z ~ fitted Gaussian"],
    ae_reconstruction_validity=shares["real codes"],
    ae_fitted_mixture_validity=shares["z ~ fitted mixture"],
    ae_merging=merging,
    decoders=drawn_by.to_dict(),
    escaped_seeds=int(n_escaped),
    escaped_seeds_from_grey=int(n_from_grey),
    tried_seeds=LESSON_SEEDS,
    denoising_noise=denoising.iloc[:, 0],
    denoising_plain_error=denoising["plain AE"],
    denoising_error=denoising["denoising AE"],
)

# %%
display(
    Markdown(
        f"""
- Four numbers rebuild an image of the world, which the model never saw, with a squared error of
  **{numbers["ae_test_squared_error"]}**; PCA with four components leaves
  **{numbers["pca_test_squared_error"]}**.
- A squared error is, up to constants, a negative Gaussian log-likelihood, so the autoencoder is a model of $p(x|z)$; it has none
  of $p(z)$.
- A bad start leaves a network drawing black, with a gradient that has all but vanished; starting at the mean image,
  {numbers["escaped_seeds"]} of {numbers["tried_seeds"]} seeds learned.
- Of decoded codes, {numbers["ae_reconstruction_validity"]:.0%} are valid shapes for real codes,
  {numbers["ae_fitted_mixture_validity"]:.0%} for a mixture of Gaussians fitted to the codes,
  {numbers["ae_fitted_gaussian_validity"]:.0%} for one Gaussian, and {numbers["ae_prior_validity"]:.0%} for
  N(0, I). So an autoencoder can draw, once its codes have a density.
"""
    )
)

# %% [markdown]
# ## Limits
#
# - One seed; `make sweep` repeats the headline model over five (README shows mean and deviation).
# - The small models of the latent-size and denoising comparisons are trained briefly. With four latents the
#   headline model, wider and trained longer, leaves far less error than the small one (the single marker in
#   the figure of latent sizes); the others we have not trained so long.
# - How *many bits* the code keeps we have not said: a real number can hold any number of bits until
#   noise is added to it. That is notebook 04.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` knows whether it is right, to half a per cent. The ways
# there are folded away below each question.
#
# **02.1** How many weights and biases has the headline encoder, 784 - 256 - 256 - 4?

# %%
check("02.1", ...)

# %% [markdown]
# <details><summary>Solution of 02.1</summary>
#
# ```python
# check("02.1", 784 * 256 + 256 + 256 * 256 + 256 + 256 * 4 + 4)
# ```
#
# </details>

# %% [markdown]
# **02.2** A model leaves a squared error of 1.568 per image. Which $c$ makes the images most likely
# under $\mathcal N(\hat x, cI)$?

# %%
check("02.2", ...)

# %% [markdown]
# <details><summary>Solution of 02.2</summary>
#
# $-\log p = 392\log(2\pi c) + e/(2c)$ has its minimum at $c = e/784$: the error per pixel.
#
# ```python
# check("02.2", 1.568 / 784)
# ```
#
# </details>

# %% [markdown]
# **02.3** An autoencoder without activations (one linear layer each way, two latents) is trained to
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

# %% [markdown]
# Open ones, without a check:
#
# 1. Train a model that fell into black for five more epochs, once with the optimiser that it had (a
#    loop of `train_step` keeps one) and once with a fresh one (`fit` makes one at every call). Which
#    one climbs out, and why?
# 2. Replace the squared error by the binary cross-entropy (`binary_cross_entropy`, on
#    `decode_logits`). Does the plain start still fall into black? Look at the factor
#    $\sigma'(a)$ in its gradient.
# 3. With $c$ = squared error / 784 from the headline model, what is the mean $\log p(x|z)$ of a
#    image of the world, in nats? What would it be for PCA with its own $c$, and why may it be above 0?
# 4. Draw the mixture's samples at the places of its 256 means only. How valid are they, and what is
#    their coverage?
# 5. Train the denoising autoencoder on one noise level and test it on the others. Which one level
#    would you choose for all three?
#
# ## References
#
# - G. Hinton and R. Salakhutdinov, [Reducing the dimensionality of data with neural
#   networks](https://doi.org/10.1126/science.1127647), Science 2006.
# - P. Ghosh et al., [From variational to deterministic autoencoders](https://arxiv.org/abs/1903.12436),
#   ICLR 2020: densities fitted to the codes afterwards.
# - P. Vincent et al., [Extracting and composing robust features with denoising
#   autoencoders](https://doi.org/10.1145/1390156.1390294), ICML 2008.
# - I. Goodfellow, Y. Bengio, A. Courville, [Deep Learning, chapter
#   14](https://www.deeplearningbook.org/contents/autoencoders.html), 2016.
# - D. Hendrycks and K. Gimpel, [Gaussian error linear units](https://arxiv.org/abs/1606.08415), 2016.

# %%
packages = ("jax", "flax", "optax", "numpy", "matplotlib")
print(f"python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
