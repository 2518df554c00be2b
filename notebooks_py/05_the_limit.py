# %% [markdown]
# # 05 · The limit: how few bits would do?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/05_the_limit.ipynb)
#
# Notebook 04 counted the bits that the variational autoencoder (VAE) pays for its code, and the error
# that it makes with them. Is this much or little? **How few bits could any code of this world do
# with, how near does a VAE come, and what keeps it away?**
#
# You will learn how to
#
# - find the rate-distortion limit with the algorithm of Blahut and Arimoto, by hand and for real;
# - bound the limit from above and from below, and say what is certain about it;
# - make a code by hand, one latent for each factor, as a reference that trained models can be held
#   against;
# - read the plane of rate and distortion, with a limit, models and references in it;
# - split the gap between a model and the limit into its causes;
# - compare ideas that could bring a VAE nearer, without being fooled by one lucky run.
#
# *Before you start:* you need notebook 04 (channels, the account of the KL, the best decoder). Cells
# of which you see only a title are folded. The
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary)
# explains the terms of all notebooks.
# *Time to run:* under a minute on a laptop, more if the VAE is not trained yet.

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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers import measures, recipes
from helpers.exercises import check
from helpers.files import record, recorded, save_figure, say
from helpers.handmade import hand_made, measure
from helpers.information import bayes_decode, rate_audit
from helpers.limits import blahut_arimoto, image_rate_distortion
from helpers.objectives import gaussian_kl
from helpers.plotting import SHAPE_COLOURS, curves, heatmaps, plain_log, stacked_bars, use_style
from helpers.shapes import shape_world

use_style()

# %% nbmake={"mock": {"DRAWS": 2, "EPOCHS": 1, "FULL": false, "TRAINING_IMAGES": 1024}}
FULL = True
TRAINING_IMAGES, EPOCHS = recipes.TRAINING_IMAGES, recipes.EPOCHS  # as in notebook 03
DRAWS = 4  # of z for each image, as in notebook 04
SEED = 0

# %% [markdown]
# ## 1. The fewest bits for an error
#
# A code spends bits and leaves an error. The squared error of what is decoded is its *distortion*
# $D$. For each $D$ there is a least number of bits, the **rate-distortion function**
#
# $$R(D) = \min_{p(\hat x|x)\,:\; \mathbb E\lVert x-\hat x\rVert^2 \le D} I(X;\hat X).$$
#
# The minimum is over all channels from images $x$ to pictures $\hat x$, the *reproductions*. No code
# goes below $R(D)$, and codes for long blocks of images come as near to it as we like (Shannon 1959).
#
# $R(D)$ is convex. So instead of fixing $D$ we fix a slope: the price $t$ of a unit of squared
# error, in nats (1 nat = 1.44 bits). We minimise $I + t\,\mathbb E\lVert x-\hat x\rVert^2$. Does this
# look familiar? It is the VAE's loss, $\frac{1}{2c}\lVert x-\hat x\rVert^2 + \mathrm{KL}$, with
# $t = 1/(2c)$.
#
# We begin with a small source: circles of one size in 256 places, 8 bits. For now the reproductions
# are these 256 pictures.

# %%
circles = shape_world(("circle",))
sources = circles.images[circles.factors[:, 3] == 4].reshape(256, -1).astype(float)


def squared_distances(a, b):
    """||a_i - b_j||^2 for all rows of a and b."""
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T


d = squared_distances(sources, sources)

# %% [markdown]
# **Blahut and Arimoto** alternate two steps. Given how often each reproduction is sent, $r_j$, the
# best channel sends $x$ as $\hat x_j$ with probability $\propto r_j\,e^{-t d(x,\hat x_j)}$. Given a
# channel, the best $r$ is how often it sends each reproduction.

# %%
slope = 0.1  # t, nats for a unit of squared error
sent = np.full(256, 1 / 256)
for _ in range(2000):
    channel = sent * np.exp(-slope * d)
    channel /= channel.sum(axis=1, keepdims=True)  # P(reproduction | image), (256, 256)
    sent = channel.mean(axis=0)
hand_rate = (channel * np.log2(channel / sent)).sum(axis=1).mean()
hand_error = (channel * d).sum(axis=1).mean()
given = blahut_arimoto(d, [slope], tolerance=1e-4).iloc[0]
np.testing.assert_allclose(given["rate"], hand_rate, atol=2e-3)
np.testing.assert_allclose(given["distortion"], hand_error, rtol=2e-3)
print(f"by hand {hand_rate:.3f} bits at {hand_error:.2f}; the helper {given['rate']:.3f} at "
      f"{given['distortion']:.2f}, and never below {given['lower_bound']:.3f}")  # fmt: skip

# %% [markdown]
# The helper also gives a lower bound: no channel *to these reproductions* needs fewer bits for this
# error.
#
# ## 2. Any picture may be a reproduction
#
# A decoder is free to draw any picture, for example the mean of two neighbours. Which pictures are
# best? Under squared error, each reproduction should be the **mean of the images that it stands
# for** (Rose 1994). *Predict first:* we move every reproduction to this mean and leave the channel as
# it is. What happens to the rate, what to the error?

# %%
means = channel.T @ sources / channel.sum(axis=0)[:, None]
moved_error = (channel * squared_distances(sources, means)).sum(axis=1).mean()
print(
    f"{hand_rate:.3f} bits as before, squared error {moved_error:.2f} instead of {hand_error:.2f}"
)

# %% [markdown]
# The rate stays, because the channel does, and the error falls. `image_rate_distortion` takes such
# steps in turn with those of Blahut and Arimoto, and merges reproductions that meet.

# %%
slopes = [1, 0.5, 0.3, 0.2, 0.13, 0.09]
fixed = blahut_arimoto(d, slopes, tolerance=1e-3)
free = image_rate_distortion(sources, slopes)
cost = {"fixed": fixed["rate"] * np.log(2) + fixed["slope"] * fixed["distortion"]}
cost["free"] = free["rate"] * np.log(2) + free["slope"] * free["distortion"]
assert (cost["free"] <= cost["fixed"] + 1e-3).all()  # I + t D, in nats

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: fixed and free reproductions
series = {
    "fixed to the images": (fixed["distortion"], fixed["rate"]),
    "free reproductions": (free["distortion"], free["rate"]),
    "free, lower estimate": (free["distortion"], free["lower_bound"]),
}
labels = {"x_label": "squared error per image", "y_label": "bits per image"}
fig = curves(series, **labels, hlines={"H = 8 bits": 8})
fig.axes[0].lines[2].set(ls=":", mfc="none", ms=9)  # it lies on the second
fig.axes[0].legend()
save_figure(fig, "05_free_reproductions",
    "Bits over squared error for circles in 256 places. The curve with free reproductions lies below "
    "the one with reproductions fixed to the images, the more so the larger the error. The lower "
    "estimate of the free curve lies on it.")  # fmt: skip

# %% [markdown]
# The curve with free reproductions lies lower, most of all where the error is large: there a few
# blurred pictures stand for many circles each. (The third line comes next.)
#
# **How certain is it?** The curve is reached by a channel, so it is a true upper bound on $R(D)$.
# From below there is Csiszár's bound. Let $\lambda(x) > 0$ be any function with
# $\mathbb E_x[\lambda(x)\, e^{-t d(x,\hat x)}] \le 1$ for **every** picture $\hat x$. Then
# $R(D) \ge \mathbb E \log\lambda(x) - tD$ in nats, a straight line below the whole curve. The best
# channel supplies $\lambda$. But "every picture" cannot be tried: the largest value is searched by
# climbing from many starts, and a climb may miss the highest peak. So this is an **estimate** of a
# lower bound, and we call it that. Where a climb finds a value above 1, the picture there would
# improve the code: it becomes a reproduction, until the two bounds meet.
#
# ## 3. The limit of the whole world
#
# 8,192 images and 22 slopes take minutes, so `make sweep` computes the curve and we read its file.
# Every third row:

# %%
limit = pd.DataFrame(recorded("limit")["world"])
limit_width = float(limit["gap"].max())  # upper minus lower, the largest of all slopes
limit_units = {"slope": "slope (nats per unit of error)", "distortion": "squared error"}
limit_units |= {"rate": "rate (bits)", "lower_bound": "lower estimate (bits)"}
limit_units |= {"reproductions": "reproductions used"}
limit[list(limit_units)].rename(columns=limit_units).iloc[::3].round(2)

# %% [markdown]
# Read it from the bottom: at a gentle slope one picture is enough, the mean image, for 0 bits. The
# more an error costs, the more pictures are used, until nearly every image is its own reproduction.
# Upper curve and lower estimate nearly agree: `limit_width` is the largest difference at any slope.
#
# Between the slopes we join the points by straight lines. They lie above a convex curve, so the
# upper bound stays one. From below we take the highest of Csiszár's lines, one for each slope. (The
# column `dual` is $\mathbb E\log_2\lambda$.)

# %%
world = shape_world()
images, factors = world.images, world.factors
mean_image_error = float(images.var(axis=0, dtype=float).sum())
ends = ([0.0, *limit["distortion"], mean_image_error], [world.entropy_bits, *limit["rate"], 0.0])


def limit_at(distortion):
    """R(D) in bits, from above: straight lines between the points of the slopes."""
    return np.interp(distortion, *ends)


def lower_limit_at(distortion):
    """The highest of the lines below R(D), one for each slope, in bits."""
    falls = np.multiply.outer(np.asarray(distortion), limit["slope"].to_numpy()) / np.log(2)
    return np.maximum((limit["dual"].to_numpy() - falls).max(axis=-1), 0)


assert (lower_limit_at(limit["distortion"]) <= limit["rate"] + 0.01).all()
print(f"largest width {limit_width:.3f} bits; error of the mean image {mean_image_error:.2f}")

# %% [markdown]
# Now the VAE of notebook 03 and its account, with the draws of notebook 04. *Predict first:* how many
# bits would the best code of all need to err as little as the VAE?

# %%
training_images = recipes.training_shapes(TRAINING_IMAGES)
vae, _ = recipes.variational_autoencoder(training_images, images, seed=SEED, epochs=EPOCHS)
code = vae.encode(images)
vae_numbers = measures.bits(*code, vae.decode, images, jax.random.key(3), draws=DRAWS)
vae_limit = float(limit_at(vae_numbers["distortion"]))
assert lower_limit_at(vae_numbers["bayes_distortion"]) < vae_numbers["mutual_information"]
print(f"The VAE pays a KL of {vae_numbers['kl']:.2f} bits for an error of "
      f"{vae_numbers['distortion']:.2f}. The limit there is {vae_limit:.2f} bits.")  # fmt: skip

# %% [markdown]
# ## 4. A code made by hand
#
# The limit is for codes of any kind. How near can a *VAE* come, whose code of an image is one
# Gaussian in four latents? Nobody knows the best code of this kind. But we can make a good one by
# hand, because we know what the world is made of: **each factor gets a latent of its own.** Its
# values sit at the quantiles of $\mathcal N(0,1)$, so that the code as a whole looks like the prior,
# and the noise is a fifth of the distance to the next value.

# %%
hand_means, hand_deviations = [], []
for column, count in zip(factors.T, world.cardinalities, strict=True):
    quantiles = norm.ppf((np.arange(count) + 0.5) / count)
    value = np.unique(column, return_inverse=True)[1]  # of each image, 0 to count - 1
    hand_means.append(quantiles[value])
    hand_deviations.append(np.gradient(quantiles)[value] / 5)
hand_mean = np.stack(hand_means, axis=1)  # (8192, 4)
hand_log_variance = 2 * np.log(np.stack(hand_deviations, axis=1))

# %% [markdown]
# We measure this code as we measured the VAE: its KL is a formula, $I$ comes from draws, and the
# distortion is that of the best decoder. The helpers `hand_made` and `measure` get the same numbers
# without any draw. The latents are independent, so all is a sum or a product over single latents.

# %%
audit_key, z_key = jax.random.split(jax.random.key(15))
hand_audit = rate_audit(hand_mean, hand_log_variance, key=audit_key, draws=2, sample=1024)
hand_noise = np.asarray(jax.random.normal(z_key, hand_mean.shape))
hand_z = hand_mean + np.exp(hand_log_variance / 2) * hand_noise
decoded = bayes_decode(hand_mean, hand_log_variance, images, hand_z).reconstruction
left = ((images - decoded) ** 2).sum(axis=(1, 2))  # squared error of each image
by_draws = {
    "kl": float(gaussian_kl(hand_mean, hand_log_variance).mean()) / np.log(2),
    "mutual_information": hand_audit.mutual_information,
    "distortion": left.mean(),
}
hand_numbers = measure(hand_made(world.cardinalities), world)
stderr = {"kl": 1e-3, "mutual_information": hand_audit.stderr["mutual_information"]}
stderr["distortion"] = left.std() / np.sqrt(len(left))
hand_table = pd.DataFrame(
    {"by integrals": hand_numbers, "by draws": by_draws, "standard error": stderr}
)
off = (hand_table["by draws"] - hand_table["by integrals"]).abs()
assert (off < 4 * hand_table["standard error"]).all()
hand_table.T.round(3)

# %% [markdown]
# Is a fifth a good choice? `make sweep` takes the means and the noise of all values as free numbers.
# Starting from this code, it minimises the VAE's own loss with the best decoder,
# $D/(2c) + \mathrm{KL}$, at several $c$. *Predict first:* how far above the loss of this code is that
# of the trained VAE, at its $c = 0.06$?

# %%
hand_curve = pd.DataFrame(recorded("hand_made")).drop(columns="order")
hand_headline = hand_curve[hand_curve["c"] == recipes.C].iloc[0]
vae_loss = vae_numbers["distortion"] / (2 * recipes.C) + vae_numbers["kl"] * np.log(2)
over_hand_made = vae_loss - hand_headline["loss"]
with_best_decoder = vae_loss - (vae_numbers["distortion"] - vae_numbers["bayes_distortion"]) / (
    2 * recipes.C
)
print(f"loss at c = {recipes.C:g}: by hand {hand_headline['loss']:.2f} nats, "
      f"the VAE {vae_loss:.2f}, its code with the best decoder {with_best_decoder:.2f}")  # fmt: skip
hand_units = {"kl": "KL (bits)", "mutual_information": "I (bits)", "loss": "loss (nats)"}
hand_shown = hand_curve.set_index("c").rename(columns=hand_units)
a_fifth = hand_numbers["distortion"] / (2 * hand_curve["c"]) + hand_numbers["kl"] * np.log(2)
hand_shown["loss with a fifth"] = a_fifth.to_numpy()
hand_shown.round(2)

# %% [markdown]
# A fifth is nearly right at $c = 0.3$. At smaller $c$ it is too much noise, at larger $c$ too little.
#
# Mind that the two are not on equal terms. The decoder of the code made by hand looks all images up;
# the VAE's has never seen one of them. Give the VAE's *code* the best decoder, too, and most of the
# difference is gone. What is left is the code: a better one of the same family exists, and training
# does not find it. (It could not know the factors, as we did.) And the code made by hand is no bound
# from below. There may be better codes still, most likely at large $c$, where one latent for each
# factor is a poor use of few bits.
#
# ## 5. The plane
#
# Now all in one picture: rate against distortion, with $z$ drawn everywhere. `make sweep` trained
# VAEs at several $c$, and variants of them, on the data and the budget of the headline VAE, with one
# seed each. In the plain ones $c$ starts at 1 and moves to its last value. A *beta-VAE* minimises
# $\frac{1}{2c}\lVert x-\hat x\rVert^2 + \beta\,\mathrm{KL}$: this is $\beta$ times the loss of a plain
# VAE with $\beta c$ in place of $c$, here with constant weights. The line of the AE with noise comes
# from notebook 04's file.

# %%
plane = pd.DataFrame(recorded("plane")["models"])
noisy_ae = recorded("04_latent_information")
points = {
    "VAEs, one for each c": plane[plane["group"] == "VAE"],
    "beta-VAEs": plane[plane["group"] == "beta-VAE"],
    "headline VAE": pd.DataFrame([vae_numbers]),
}
for error in ("distortion", "bayes_distortion"):  # none lies below the limit
    assert (plane["mutual_information"] > lower_limit_at(plane[error]) - 0.02).all()

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the plane of rate and distortion
errors = np.geomspace(0.3, mean_image_error, 300)
fig, ax = plt.subplots(figsize=(8.5, 5.6))
ax.fill_between(errors, lower_limit_at(errors), limit_at(errors), color="0.6", lw=0)
ax.plot(errors, limit_at(errors), "k", lw=2.5, label=f"the limit R(D), to {limit_width:.3f} bits")
ax.plot(hand_curve["distortion"], hand_curve["kl"], "--x", c="0.3", label="made by hand: KL")
ax.plot(noisy_ae["ae_distortion"], noisy_ae["ae_mutual_information_bits"], "-o", c=SHAPE_COLOURS[0],
        ms=4, label="AE with noise: exact I (dotted: R)")  # fmt: skip
ax.plot(noisy_ae["ae_distortion"], noisy_ae["ae_channel_rate_bits"], ":", c=SHAPE_COLOURS[0])
for (name, table), marker, colour in zip(points.items(), "s^P", SHAPE_COLOURS[1:], strict=False):
    at, pays, gets = table["distortion"], table["kl"], table["mutual_information"]
    ax.vlines(at, gets, pays, colour, lw=1)
    ax.plot(at, pays, marker, c=colour, ms=7, label=f"{name}: KL (hollow: exact I)")
    ax.plot(at, gets, marker, mfc="w", mec=colour)
ax.axhline(world.entropy_bits, color="0.35", lw=0.8)
ax.annotate(f"H(X) = {world.entropy_bits:g} bits", (60, world.entropy_bits), (0, 3), fontsize=10,
            ha="right", va="bottom", textcoords="offset points")  # fmt: skip
plain_log(ax.xaxis)
ax.set(xlabel="squared error per image (z drawn)", ylabel="bits per image", xlim=(0.3, 60))
ax.set(ylim=(0, 1.45 * world.entropy_bits))
ax.legend(fontsize=9)
save_figure(fig, "05_rate_and_distortion",
    "Bits over squared error, the error on a logarithmic axis. The limit falls from 13 bits to 0 as "
    "the error grows. Every VAE lies above it, far above at small errors and close at large ones; "
    "the code made by hand lies between them at small errors.")  # fmt: skip

# %% [markdown]
# How to read it: a full marker is what a VAE pays (its KL), the hollow one below it what it gets
# (the exact $I$). The black line is reached by a channel. Below it, as far as the search can tell,
# no code exists: the lower estimate is nearer than the line is thick. The lower the rate, the
# closer the VAEs come. (The VAE at $c = 0.1$ is worse than its neighbour at 0.15 in both: one
# training that went badly. The headline VAE is the VAE at $c = 0.06$ once more.) The dashed line is
# the code made by hand: at small errors far below the VAEs, at large ones above them. (Its errors
# are those of the best decoder, the VAEs' those of their own. It goes on to the left of the
# figure.)
#
# The AE was not trained with noise. At small errors its information is near that of the VAE. From an
# error of about 5 on the VAE is better: it even *pays* fewer bits than the AE carries.
#
# ## 6. The gap, split into its causes
#
# What a model pays over the limit at its own distortion $D$ is, with the terms of notebook 04 and the
# distortion $D_B$ of the best decoder of its code,
#
# $$\mathrm{KL} - R(D) = \text{granularity} + \text{excess} + \text{negentropy} + \text{mismatch}
# + \underbrace{I - R(D_B)}_{\text{encoder}} + \underbrace{R(D_B) - R(D)}_{\text{decoder}}$$
#
# *Encoder*: the information in the code, over the least that would do for the error that its *best*
# decoder reaches. *Decoder*: how many more bits that error is worth than the one of the decoder that
# there is.

# %%
headline = vae_numbers | {
    "group": "headline",
    "name": "c lowered from 1",
    "c": recipes.C,
    "beta": 1,
}
models = pd.concat([plane, pd.DataFrame([headline])], ignore_index=True)
models["limit"] = limit_at(models["distortion"])
models["gap"] = models["kl"] - models["limit"]
models["encoder"] = models["mutual_information"] - limit_at(models["bayes_distortion"])
models["decoder"] = limit_at(models["bayes_distortion"]) - models["limit"]
causes = ["granularity", "excess_dependence", "negentropy", "prior_mismatch", "encoder", "decoder"]
np.testing.assert_allclose(models[causes].sum(axis=1), models["gap"], atol=0.05)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the causes of the gap
over_c = models[models["group"] == "VAE"].sort_values("c")
shown = ["encoder", "granularity", "excess_dependence", "negentropy", "prior_mismatch", "decoder"]
bars = over_c[shown].rename(columns=lambda name: name.replace("_", " "))
bars.index = [f"c = {row.c:g}, error {row.distortion:.1f}" for row in over_c.itertuples()]
fig = stacked_bars(bars, x_label="bits per image over the limit")
save_figure(fig, "05_causes",
    "Stacked bars of the bits over the limit for VAEs at ten values of c. At small c the bars are "
    f"long, up to {over_c['gap'].max():.1f} bits, and mostly granularity; at large c they are short, "
    "and mostly encoder and decoder.")  # fmt: skip

# %% [markdown]
# At small $c$ the largest part is granularity: room for pictures that this world does not have. Where
# the error is large, granularity is gone, and what is left is encoder and decoder.
#
# The same gap can be cut in another way, by the code made by hand. Its KL over the limit is what
# Gaussian posteriors in four latents cost *at most* ("family"). The rest is what training did not
# find. (Below 0: training found a better code than the one made by hand.) The code made by hand has
# the best decoder. So the last column gives the models theirs: it is the KL over that of the code made
# by hand at the error of the best decoder.

# %%
models["by hand"] = np.interp(models["distortion"], hand_curve["distortion"], hand_curve["kl"])
models["family"] = models["by hand"] - models["limit"]
models["training"] = models["kl"] - models["by hand"]
by_hand_at_best = np.interp(models["bayes_distortion"], hand_curve["distortion"], hand_curve["kl"])
models["training, best decoder"] = models["kl"] - by_hand_at_best
trained = models[models["group"].isin(["VAE", "headline"])]
of_the_gap = ["group", "c", "distortion", "kl", "limit", "gap", "family", "training"]
trained[[*of_the_gap, "training, best decoder"]].round(2)

# %% [markdown]
# At the smallest $c$ most of the gap is training, and nearly half of this is the decoder, which has not
# seen the world. From an error of about 5 on, training is ahead of the code made by hand.
#
# **Is it the model, or how it was trained?** $(c, \beta)$ asks for the same model as $(c\beta, 1)$,
# and some of these balances were trained both ways: with $c$ starting at 1, and with constant
# weights. The lower loss, $D/(2c\beta) + \mathrm{KL}$, is the better training.

# %%
plane["balance"] = (plane["c"] * plane["beta"]).round(6)
plane["loss"] = plane["distortion"] / (2 * plane["balance"]) + plane["kl"] * np.log(2)
constant = plane[(plane["group"] == "beta-VAE") | (plane["name"] == "c constant")]
constant_loss = constant.groupby("balance")["loss"]
both_ways = pd.DataFrame({
    "c starts at 1": plane[plane["group"] == "VAE"].groupby("balance")["loss"].first(),
    "constant, mean": constant_loss.mean(),
    "constant runs": constant_loss.size().astype(object),
    "their spread": constant_loss.max() - constant_loss.min(),
}).dropna()  # fmt: skip
both_ways["difference (nats)"] = both_ways["c starts at 1"] - both_ways["constant, mean"]
both_ways.rename_axis("balance c·beta").round(2)

# %% [markdown]
# Above 0, constant weights ended at the lower loss, at one balance by far. So part of these gaps is
# not the model's but the training's, and the start at 1 is not the best path in every run. But how
# much is luck? At 0.60 two constant runs, $\beta = 10$ and $c = 0.6$, ask for the same model, and
# their losses differ, too ("their spread"). With one seed each we cannot tell a path from such
# luck, and a difference of a tenth or two says little.
#
# ## 7. What brings a VAE nearer?
#
# Each idea was tried at two values of $c$ against the plain recipe. ("Batches of 512" also have a
# higher learning rate.) One is not fair: "trained on the grid" has seen nine tenths of the world.
# The last column needs no training: a prior fitted to the codes would save the mismatch, the
# negentropy and, if it is fine enough, the excess dependence. Only a prior that knows the places of
# all 8,192 images would save the granularity.

# %%
ideas = models[models["c"].isin(models.loc[models["group"] == "idea", "c"])].copy()
ideas.loc[ideas["group"] == "VAE", "name"] = "plain"
ideas["fitted prior saves"] = ideas[["excess_dependence", "negentropy", "prior_mismatch"]].sum(
    axis=1
)
columns = ["c", "name", "distortion", "kl", "gap", "encoder", "decoder", "fitted prior saves"]
ideas.sort_values(["c", "gap"])[columns].set_index(["c", "name"]).round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
plain = ideas[ideas["name"] == "plain"].set_index("c")["gap"]
trials = ideas[ideas["group"] == "idea"]
gains = plain.loc[trials["c"]].to_numpy() - trials["gap"]
best_idea = gains[(trials["name"] != "trained on the grid").to_numpy()].max()
nearer = trials[gains > 0.05].groupby("name").size()
at_both, at_one = ", ".join(nearer[nearer == 2].index), ", ".join(nearer[nearer == 1].index)
say(
    f"Nearer to the limit than the plain recipe by more than 0.05 bits at both values of c: "
    f"{at_both or 'none'}; at one of them: {at_one or 'none'}. This is one seed each, and another "
    f"distortion is another place on the curve, so small differences mean little."
)

# %% [markdown]
# ## 8. Does training find one latent for each factor?
#
# The code made by hand is good because each factor has a latent of its own. Does training find such
# a code? An easier case: circles only, 2,048 images, 11 bits, three latents for x, y and size. `make
# sweep` trained such VAEs by four schedules. None of them looks at a factor:
#
# - **c constant**: at its last value from the beginning;
# - **c falls**: the headline recipe. While $c$ is high, the latents can afford few bits, and find the
#   factors first that matter most for the error;
# - **c falls, dependence penalised**: with a penalty on the total correlation (Chen et al. 2018). It
#   costs rate, and a lower rate alone may tidy the axes, so it needs a null:
# - **c falls to 0.19**: no penalty, but about as many bits as with it.
#
# The MIG of notebook 04 is 1 if each factor has a latent of its own, and 0 if two latents hold it
# alike. There are two batches of five seeds, and nothing was tuned on any of them. The second batch
# is reported; of the first we show the median.

# %%
single = recorded("single_shape")["schedules"]
schedules = pd.DataFrame({
    name: {
        "median MIG": np.median(runs["mig"]["values"]),
        "first batch": np.median(runs["mig_of_first_batch"]),
        "KL (bits)": runs["kl"]["mean"],
        "I (bits)": runs["mutual_information"]["mean"],
        "squared error": runs["distortion"]["mean"],
    }
    for name, runs in single.items()
}).T  # fmt: skip
each = {k: ", ".join(f"{mig:.2f}" for mig in runs["mig"]["values"]) for k, runs in single.items()}
schedules.round(2).assign(**{"MIG of each seed": each})

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: bits about each factor, three models
winner = schedules["median MIG"].astype(float).idxmax()
migs = single[winner]["mig"]["values"]
chosen = {"c constant, first seed": ("c constant", 0)}
chosen["best schedule, worst seed"] = (winner, int(np.argmin(migs)))
chosen["best schedule, best seed"] = (winner, int(np.argmax(migs)))
rows = ["z1", "z2", "z3", "all"]
tables = {title: pd.DataFrame(single[name]["bits"][seed], rows)
          for title, (name, seed) in chosen.items()}  # fmt: skip
save_figure(heatmaps(tables, label="bits about the factor", top=4), "05_circle_factors",
    "Three tables of bits about x, y and size in each of three latents. With a constant c the bits "
    "are spread; in the best run each latent holds mostly one factor; the worst run of the same "
    "schedule is spread again.")  # fmt: skip

# %% [markdown]
# Three latents are enough: all schedules keep nearly all 11 bits. But are the axes the factors? With
# a constant $c$ hardly. A falling $c$ brings axes and factors together. So does a lower rate, at more
# than twice the squared error: more than half of what the penalty gains over "c falls" comes with the
# lower rate alone, as its null shows. And in each schedule with a falling $c$ one seed of five fails.
#
# So the order of learning finds what the loss alone does not ask for. Independent latents are not
# enough: a smooth map that twists the latent space and keeps its volume leaves them independent and
# mixes the factors. Without labels, nothing in the loss forbids it (Locatello et al. 2019).
#
# ## What we found

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
fair = models[(models["group"] != "headline") & (models["name"] != "trained on the grid")]
under_10 = fair[fair["distortion"] < 10]
around_5 = under_10[under_10["distortion"].between(4, 6)]
best_gap, gap_at_5 = under_10.loc[under_10["gap"].idxmin()], around_5.loc[around_5["gap"].idxmin()]
own = models.iloc[-1]
medians = schedules["median MIG"].astype(float)
penalised, as_few = "c falls, dependence penalised", f"c falls to {recipes.SAME_RATE_C:g}"
by_rate = (medians[as_few] - medians["c falls"]) / (medians[penalised] - medians["c falls"])
say(f"""
- The **limit** of this world is known to {limit_width:.3f} bits. At the VAE's error of
  {own["distortion"]:.2f} it is {vae_limit:.2f} bits. The VAE pays {own["kl"]:.2f}, so its gap is
  **{own["gap"]:.2f} bits**.
- Its causes: {own["granularity"]:.2f} bits of granularity, {own["excess_dependence"]:.2f} of
  dependence, {own["encoder"]:.2f} of the encoder, {own["decoder"]:.2f} of the decoder; the rest is negentropy and mismatch.
- A **code made by hand** would pay {own["by hand"]:.2f} bits at this error. At the VAE's own loss
  it is {over_hand_made:.2f} nats better ({hand_headline["loss"]:.2f} instead of {vae_loss:.2f}). With
  the best decoder for both it is {with_best_decoder - hand_headline["loss"]:.2f} nats better.
- The smallest gap of a VAE below an error of 10 is **{best_gap["gap"]:.2f} bits**, at
  c = {best_gap["c"]:g} and an error of {best_gap["distortion"]:.2f}. At errors between 4 and 6 it is
  {gap_at_5["gap"]:.2f} ({gap_at_5["name"]}, c = {gap_at_5["c"]:g}). Over the plain recipe, the best fair idea gains {best_idea:.2f} bits.
- **One latent for each factor** (circles, median MIG): a constant c {medians["c constant"]:.2f}, the
  best schedule ({winner}) {medians[winner]:.2f}. Of what the penalty gains over a falling c,
  {by_rate:.0%} comes with the lower rate alone.
""")

# %% [markdown]
# ## Limits
#
# - The upper curve of the limit is reached by a channel; the lower one rests on a search.
# - The limit is for this world of 8,192 images. A model that has not seen them pays for not knowing
#   them; this is in its gap, too.
# - The models of the plane and the ideas have one seed each. README shows the spread of the headline.
# - The code made by hand is one layout, locally optimised. It bounds what this family of codes costs
#   from above only.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **05.1** For a Gaussian source of variance $v$ and squared error, $R(D) = \frac12\log_2(v/D)$ for
# $D \le v$. How many bits does a variance of 4 need for an error of 0.25?

# %%
check("05.1", ...)

# %% [markdown]
# <details><summary>Solution of 05.1</summary>
#
# ```python
# check("05.1", np.log2(4 / 0.25) / 2)
# ```
#
# </details>
#
# **05.2** A code keeps shape and size exactly (5 bits) and forgets the position. Which squared error
# per image does its best decoder leave?

# %%
check("05.2", ...)

# %% [markdown]
# <details><summary>Solution of 05.2</summary>
#
# The best decoder puts out the mean over the 256 positions, and leaves the variance around it.
#
# ```python
# from helpers.shapes import shape_world
#
# groups = shape_world().images.reshape(4, 256, 8, 784)
# left = groups - groups.mean(axis=1, keepdims=True)
# check("05.2", (left**2).sum(axis=3).mean())
# ```
#
# </details>
#
# **05.3** A fair bit is sent in one latent: as $\mathcal N(1, 0.2^2)$ or as $\mathcal N(-1, 0.2^2)$.
# How many bits of KL to $\mathcal N(0, 1)$ does this code pay for its one bit?

# %%
check("05.3", ...)

# %% [markdown]
# <details><summary>Solution of 05.3</summary>
#
# Both have the same KL, $\frac12(m^2 + \sigma^2 - \log\sigma^2 - 1)$ nats.
#
# ```python
# check("05.3", (1 + 0.2**2 - np.log(0.2**2) - 1) / 2 / np.log(2))
# ```
#
# </details>
#
# **05.4** One code needs 12 bits for an error of 0.4, another 4 bits for an error of 14.4. You use one
# for some images and the other for the rest. How many bits does an error of 7.4 need?

# %%
check("05.4", ...)

# %% [markdown]
# <details><summary>Solution of 05.4</summary>
#
# Half of the images each: rate and error are both halfway. So a limit is always convex.
#
# ```python
# check("05.4", (12 + 4) / 2)
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. *PCA with noise.* Scale eight PCA components to one noise level, shrink each by
#    signal / (signal + noise) in the decoder, and draw exact $I$ and error into the plane.
# 2. *Fewer numbers by hand.* Give the code made by hand only three latents, two factors in one. What
#    does it pay now?
# 3. *A better decoder.* Train only the decoder of the headline VAE for 100 more epochs. How much of
#    the gap does that close?
# 4. *Squares.* Train the three-latent VAE on squares instead of circles. Do its axes find x and y?
#
# ## References
#
# - C. Shannon, Coding theorems for a discrete source with a fidelity criterion, IRE National
#   Convention Record 7(4), 1959.
# - T. Cover and J. Thomas, [Elements of Information Theory](https://doi.org/10.1002/047174882X),
#   2nd edition, Wiley 2006: chapter 10.
# - R. Blahut, [Computation of channel capacity and rate-distortion
#   functions](https://doi.org/10.1109/TIT.1972.1054855), IEEE Trans. Inf. Theory 18(4), 1972.
# - I. Csiszár, On an extremum problem of information theory, Studia Scientiarum Mathematicarum
#   Hungarica 9, 1974.
# - K. Rose, [A mapping approach to rate-distortion computation and
#   analysis](https://doi.org/10.1109/18.340468), IEEE Trans. Inf. Theory 40(6), 1994.
# - A. Alemi et al., [Fixing a broken ELBO](https://arxiv.org/abs/1711.00464), ICML 2018: VAEs in the
#   plane of rate and distortion.
# - R. Chen et al., [Isolating sources of disentanglement in variational
#   autoencoders](https://arxiv.org/abs/1802.04942), NeurIPS 2018.
# - F. Locatello et al., [Challenging common assumptions in the unsupervised learning of disentangled
#   representations](https://arxiv.org/abs/1811.12359), ICML 2019.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
plainly = single["c falls"]
record(
    "05_the_limit",
    limit_width_bits=limit_width,
    limit_bits_at_vae_distortion=vae_limit,
    limit_gap_bits_at_vae_distortion=own["gap"],
    limit_gap_bits_best=best_gap["gap"],
    limit_gap_bits_at_distortion_5=gap_at_5["gap"],
    hand_made=hand_curve.to_dict("list"),
    hand_made_a_fifth=hand_numbers,
    vae_loss_over_hand_made_nats=over_hand_made,
    vae_code_over_hand_made_nats=with_best_decoder - hand_headline["loss"],
    causes={cause: own[cause] for cause in causes},
    single_shape_rate_bits=single[winner]["kl"]["mean"],
    single_shape_distortion=single[winner]["distortion"]["mean"],
    single_shape_mig_median=medians[winner],
    single_shape_mig_values={name: runs["mig"]["values"] for name, runs in single.items()},
    single_shape_plain={name: plainly[name]["mean"] for name in ("kl", "mutual_information", "distortion")},
)  # fmt: skip
print(f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}")
