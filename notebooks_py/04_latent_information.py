# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,nbmake,-all
#     formats: notebooks///ipynb,notebooks_py///py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Latent information: how many bits does the code keep?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/04_latent_information.ipynb)
#
# **The question:** an image of our world holds exactly 13 bits. How many of them pass through the
# latent space of the autoencoder, once its code is noisy, and of the VAE? And what do they mean:
# shape, position, size?
#
# **You will learn**
#
# - why a code without noise has no finite rate, and what noise changes;
# - the rate of a Gaussian channel, derived in the form that holds when the noise varies by image,
#   and why it is an *upper bound* on the information;
# - where the textbook formula goes wrong, on an example with a known answer;
# - rate against distortion for the AE over noise levels and for the VAE;
# - what each latent dimension says about x, y, size and shape, and whether three numbers can encode
#   three factors.
#
# **You need** notebooks 02 and 03, entropy and mutual information.
# **Time:** a minute or two on two cores (more if it has to train); an hour to read.

# %%
import subprocess
import sys
from pathlib import Path

REPOSITORY = "https://github.com/latent-bits/latent-bits"
here = Path.cwd()
root = next((p for p in (here, *here.parents) if (p / "helpers" / "shapes.py").exists()), None)
if root is None:  # a notebook on its own, as in Colab: fetch the repository beside it
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, "latent-bits"], check=True)
    root = here / "latent-bits"
sys.path.insert(0, str(root))

# %%
import platform
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx
from IPython.display import Markdown, display
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from helpers import plotting, recipes
from helpers.information import channel_rate, textbook_rate
from helpers.models import VariationalAutoencoder
from helpers.objectives import gaussian_kl, squared_error
from helpers.results import load_world, record, save_figure
from helpers.shapes import FACTORS, shape_world, split

# %% nbmake={"mock": {"FULL": false, "EPOCHS": 2, "SINGLE_EPOCHS": 2}}
FULL = True
LATENT_SIZE = recipes.LATENT_SIZE
EPOCHS = recipes.EPOCHS  # of the headline models, trained in notebooks 02 and 03
SINGLE_EPOCHS = 300  # of the model of a single shape, on a quarter of the images
NOISE_LEVELS = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
SMALL = recipes.SMALL  # its widths
SEED = 0

# %% [markdown]
# ## The population
#
# Quality is judged on held-out images; **information is a property of the whole source**. So
# everything about bits in this notebook is computed over all images of the world, each equally
# likely, with $z$ drawn from its posterior. The models were trained on 90 % of them.

# %%
world = load_world()
train, test = recipes.world_split(world)
images, factors = jnp.asarray(world.images), world.factors
vae, _ = recipes.variational_autoencoder(images[train], images[test], seed=SEED, epochs=EPOCHS)
ae, _ = recipes.autoencoder(images[train], images[test], seed=SEED, epochs=EPOCHS)
display(
    Markdown(
        f"{len(images):,} images, H(X) = log₂ {len(images):,} = **{world.entropy_bits:g} bits**."
    )
)

# %% [markdown]
# ## Why a code needs noise before it has a rate
#
# How much does $Z$ tell about $X$? The **mutual information** says it in bits:
#
# $$I(X;Z) = H(X) - H(X|Z) = h(Z) - h(Z|X)$$
#
# (the last form only where noise gives $Z$ a density).
# The autoencoder's code is a deterministic function of the image. If no two images share a code,
# then $H(X|Z) = 0$ and $I(X;Z) = H(X)$: all bits are in, whatever the code looks like, were it a
# single latent. Do they share codes?

# %%
codes = ae.encode(images)
distinct = len(np.unique(np.asarray(codes), axis=0))
display(Markdown(f"The {len(images):,} images have **{distinct:,}** different codes in the AE."))
if FULL:
    assert distinct == len(images)

# %% [markdown]
# So the noiseless autoencoder keeps all 13 bits, and that says nothing about it: the digits far
# behind the decimal point count as much as the first. The question becomes a real one when the code
# has a limited precision. Add noise,
#
# $$z = y + \varepsilon, \qquad y = E(x), \quad \varepsilon \sim \mathcal N(0, s^2 I),$$
#
# and an autoencoder with noise and a VAE are the same thing: **a channel that sends image $n$ as
# $\mathcal N(\text{mean}_n, \operatorname{diag}(\text{variance}_n))$.** For the AE the variance is $s^2$ for all
# images; for the VAE the encoder chooses it image by image.
#
# ## The rate of a Gaussian channel, derived
#
# Differential entropies, one dimension at a time. Given the image, $z_i$ is Gaussian with variance
# $\sigma_i^2(x)$, and the dimensions are independent, so
#
# $$h(Z|X) = \sum_i \tfrac12\, \mathbb E_x\big[\log_2 2\pi e\, \sigma_i^2(x)\big].$$
#
# For $h(Z)$ we use two facts: the entropy of a vector is at most the sum of its parts' (equality
# when they are independent), and of all distributions with variance $v$ the Gaussian has the
# largest entropy. With $v_i = \operatorname{Var}(\text{mean}_i) + \mathbb E[\sigma_i^2]$, the variance of $z_i$
# over images and noise,
#
# $$h(Z) \;\le\; \sum_i h(Z_i) \;\le\; \sum_i \tfrac12 \log_2 2\pi e\, v_i .$$
#
# Subtract, and $2\pi e$ falls out:
#
# $$\boxed{\; I(X;Z) \;\le\; R = \sum_i \tfrac12\Big(\log_2\big[\operatorname{Var}(\text{mean}_i)
# + \mathbb E\,\sigma_i^2\big] - \mathbb E \log_2 \sigma_i^2\Big) \;}$$
#
# Both inequalities point the same way, so $R$ is an **upper bound**: too large by whatever the
# dimensions share with each other, and by whatever $z_i$ is not Gaussian. For noise that is the
# same for all images it is the formula of the textbooks,
#
# $$R = \sum_i \tfrac12 \log_2\!\Big(1 + \frac{\operatorname{Var}(\text{mean}_i)}{\sigma_i^2}\Big).$$
#
# Mind what stands in the numerator: the variance of the **noiseless** code. (One source calls it
# "the variance of the latent space"; with the noise counted in, even a code that ignores the image
# would have a rate of half a bit per dimension.) By hand for the AE at one noise level, and both
# helpers agree:

# %%
s = 0.1
signal = codes.var(axis=0)
by_hand = 0.5 * jnp.log2(1 + signal / s**2)
constant_noise = jnp.full_like(codes, 2 * jnp.log(s))  # log variance
np.testing.assert_allclose(channel_rate(codes, constant_noise), by_hand, rtol=1e-4)
np.testing.assert_allclose(textbook_rate(signal, s**2), by_hand, rtol=1e-4)

ignores_image = textbook_rate(0.0, s**2), textbook_rate(0.0 + s**2, s**2)
np.testing.assert_allclose(ignores_image, (0.0, 0.5))
pd.DataFrame(
    {"variance of the code": signal, "rate (bits)": by_hand},
    index=[f"z{i + 1}" for i in range(LATENT_SIZE)],
).astype(float).round(3)

# %% [markdown]
# ## Noise that varies by image: where the textbook formula breaks
#
# A VAE's variance differs from image to image, and it is tempting to put its *mean* into the
# textbook formula. Here is a code for which the truth can be computed. 200 equally likely images
# have means evenly from −1 to 1 in one dimension; every other one is sent with noise variance
# 0.0001, the others with 4. In one dimension $h(Z)$ is an integral that quadrature does exactly:

# %%
means = np.linspace(-1, 1, 200)
variances = np.tile([1e-4, 4.0], 100)
z = np.concatenate(
    [np.linspace(-14, -1.2, 20_000), np.linspace(-1.2, 1.2, 200_001), np.linspace(1.2, 14, 20_000)]
)
density = np.zeros_like(z)
for m, v in zip(means, variances, strict=True):
    density += np.exp(-((z - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v) / 200
entropy_z = -np.trapezoid(density * np.log2(density), z)
exact = entropy_z - 0.5 * np.mean(np.log2(2 * np.pi * np.e * variances))

# %%
with_mean_noise = float(textbook_rate(means.var(), variances.mean()))
channel = float(channel_rate(means[:, None], np.log(variances)[:, None])[0])
assert with_mean_noise < exact < channel
display(
    Markdown(
        f"Exact information **{exact:.4f}** bits; textbook formula with the mean noise "
        f"**{with_mean_noise:.4f}**; the rate $R$ above **{channel:.4f}**."
    )
)

# %% [markdown]
# The textbook formula with the mean noise is no upper bound: the noisy half of the images drowns the
# bits of the precise half. Nor is it a lower bound: for constant noise it equals $R$, which below
# exceeds even 13 bits. $R$ stays above the truth, and here not by much. From now on $R$
# means the boxed formula.
#
# ## The autoencoder with noise
#
# Add noise of one level to every latent, compute $R$, decode what arrives, and measure the squared
# error **of the noisy code** (the error of the noiseless code belongs to no finite rate).

# %%
table = []
for s, key in zip(
    NOISE_LEVELS, jax.random.split(jax.random.key(1), len(NOISE_LEVELS)), strict=True
):
    noisy = codes + s * jax.random.normal(key, codes.shape)
    rate = channel_rate(codes, jnp.full_like(codes, 2 * jnp.log(s))).sum()
    table.append([s, rate, float(squared_error(images, ae.decode(noisy)).mean())])
noise_table = pd.DataFrame(table, columns=["noise s", "rate R (bits)", "squared error"])
noise_table.round(3)

# %%
over = noise_table[noise_table["rate R (bits)"] > world.entropy_bits]
noiseless_error = float(squared_error(images, ae.decode(codes)).mean())
display(
    Markdown(
        f"At {len(over)} of {len(noise_table)} noise levels $R$ exceeds the {world.entropy_bits:g} bits "
        f"that an image holds: up to {noise_table['rate R (bits)'].max():.1f}. No code can carry more "
        f"than there is, so the surplus is not information. Without noise the error is {noiseless_error:.2f}."
    )
)
if FULL:
    assert len(over) > 0

# %% [markdown]
# Nothing is wrong with the algebra: $R$ is an upper bound, and with little noise the two steps that
# make it one (Gaussian, independent) are far from the truth. The code of a world with a finite
# number of images is a set of points with gaps between them, and the finer the noise, the less that
# looks like a Gaussian.
#
# ## The VAE
#
# The same formula, with the variances that the encoder puts out, on the same population.

# %%
mean, log_variance = vae.encode(images)
z = vae.sample(mean, log_variance, jax.random.key(2))
rates = channel_rate(mean, log_variance)
bits = {
    "KL to the prior": float(gaussian_kl(mean, log_variance).mean()) / np.log(2),
    "channel rate R": rates.sum(),
    "textbook, mean noise": textbook_rate(
        mean.var(axis=0), jnp.exp(log_variance).mean(axis=0)
    ).sum(),
}
vae_distortion = float(squared_error(images, vae.decode(z)).mean())
at_mean = float(squared_error(images, vae.decode(mean)).mean())
pd.Series(bits, name="bits per image").to_frame().round(3)

# %% [markdown]
# Every quantity on this list but the last bounds the same $I(X;Z)$ from above. The order of the
# first two is no accident: $\mathrm{KL} = R + \sum_i \mathrm{KL}\big(\mathcal N(m_i, v_i)\Vert\mathcal N(0,1)\big)$,
# where $m_i$ and $v_i$ are mean and variance of $z_i$ over everything. What the KL counts in addition
# is how far the code as a whole is from the prior in mean and variance:

# %%
m, v = mean.mean(axis=0), mean.var(axis=0) + jnp.exp(log_variance).mean(axis=0)
mismatch = float(gaussian_kl(m[None], jnp.log(v)[None])[0]) / np.log(2)
np.testing.assert_allclose(bits["channel rate R"] + mismatch, bits["KL to the prior"], rtol=1e-4)
assert bits["textbook, mean noise"] <= bits["channel rate R"]
if FULL:
    assert bits["channel rate R"] > world.entropy_bits
display(
    Markdown(
        f"KL {bits['KL to the prior']:.3f} = R {bits['channel rate R']:.3f} + {mismatch:.3f} bits of "
        f"mismatch. Squared error with z drawn: **{vae_distortion:.2f}**; at the posterior mean "
        f"{at_mean:.2f}, an error that belongs to no channel of this rate."
    )
)

# %%
pd.DataFrame(
    {
        "rate R (bits)": rates,
        "sd of the means": mean.std(axis=0),
        "median sigma": np.exp(np.median(log_variance, axis=0) / 2),
    },
    index=[f"z{i + 1}" for i in range(LATENT_SIZE)],
).astype(float).round(3)

# %% [markdown]
# ## Rate against distortion
#
# Both models in one plane: down is fewer bits, left is a smaller error. The curve is the AE over its
# noise levels; the dashed line is all that there is to know about an image. The best that *any*
# code could do, the rate-distortion limit of this source, runs from 13 bits at no error to no bits
# at the error of the mean image; it is computed in a later version of this notebook.

# %%
mean_image_error = float(
    squared_error(images, jnp.broadcast_to(images.mean(axis=0), images.shape)).mean()
)
series = {
    "AE with noise, R": (noise_table["squared error"], noise_table["rate R (bits)"]),
    f"VAE, R ({bits['channel rate R']:.1f}; its KL is {bits['KL to the prior']:.1f})": (
        [vae_distortion],
        [bits["channel rate R"]],
    ),
    "no code: the mean image": ([mean_image_error], [0.0]),
}
fig = plotting.curves(
    series,
    x_label="squared error per image (z drawn)",
    y_label="bits per image",
    log_x=True,
    hlines={f"H(X) = {world.entropy_bits:g} bits": world.entropy_bits},
)
save_figure(fig, "04_rate_and_distortion")

# %%
at_vae_error = float(
    np.interp(
        np.log(vae_distortion), np.log(noise_table["squared error"]), noise_table["rate R (bits)"]
    )
)
display(
    Markdown(
        f"At the VAE's error of {vae_distortion:.2f} the noisy AE (interpolated between its levels) "
        f"needs {at_vae_error:.1f} bits of $R$; the VAE {bits['channel rate R']:.1f}."
    )
)
if FULL:
    assert at_vae_error > bits["channel rate R"]

# %% [markdown]
# At this error the VAE has the smaller $R$. Both values exceed 13 bits, so this compares two upper
# bounds and not yet the information itself. A plausible reason for the difference: the AE was never
# trained with noise, so nothing made it place alike images close together.
#
# ## What the bits mean
#
# Which latent knows what? A simple probe: predict x, y and size from the code by linear regression
# (fitted on the codes of the training images, judged by $R^2$ on those of held-out images: 1 is
# perfect, 0 no better than the mean), and the shape by logistic regression (accuracy; chance is
# 0.25).


# %%
def linear_probe(codes, factors, train, test):
    """Held-out R^2 for x, y, size and the accuracy for shape, from each latent and from all."""
    rows = {}
    for name, columns in [*((f"z{i + 1}", [i]) for i in range(codes.shape[1])), ("all", ...)]:
        z = np.asarray(codes)[:, columns]
        fits = [LinearRegression().fit(z[train], factors[train, j]) for j in (1, 2, 3)]
        row = [f.score(z[test], factors[test, j]) for j, f in enumerate(fits, start=1)]
        if len(np.unique(factors[:, 0])) > 1:
            guess = LogisticRegression(max_iter=1000).fit(z[train], factors[train, 0])
            row = [guess.score(z[test], factors[test, 0]), *row]
        rows[name] = row
    return pd.DataFrame(rows, index=FACTORS[-len(row) :]).T


probes = {
    "VAE": linear_probe(mean, factors, train, test),
    "AE": linear_probe(codes, factors, train, test),
}

# %%
fig = plotting.heatmaps(probes, label="accuracy or $R^2$, held-out")
save_figure(fig, "04_linear_probes")

# %%
total = {name: probe.loc["all"] for name, probe in probes.items()}
display(
    Markdown(
        "From all latents together: "
        + "; ".join(
            f"**{name}** shape {t['shape']:.0%}, x R² {t['x']:.2f}, y R² {t['y']:.2f}, size R² {t['size']:.2f}"
            for name, t in total.items()
        )
        + "."
    )
)

# %% [markdown]
# A low score does **not** mean that the information is missing. A linear probe sees straight lines
# only. Ask the nearest neighbours instead: predict each held-out image's factors from the five
# training images with the nearest codes.


# %%
def neighbour_probe(codes, factors, train, test):
    """As the row `all` of `linear_probe`, by the five nearest codes."""
    z, scores = np.asarray(codes), {}
    for j, name in enumerate(FACTORS):
        kind = KNeighborsClassifier if name == "shape" else KNeighborsRegressor
        scores[name] = kind(5).fit(z[train], factors[train, j]).score(z[test], factors[test, j])
    return pd.Series(scores)


neighbours = pd.DataFrame(
    {name: neighbour_probe(z, factors, train, test) for name, z in (("VAE", mean), ("AE", codes))}
).T
if FULL:
    assert (neighbours.loc["VAE"] > probes["VAE"].loc["all"]).all()
neighbours.round(3)

# %% [markdown]
# So the code knows far more than the straight lines show: it is folded. A linear probe measures how
# *readable* a code is, bits measure how much is *there*; the exact count per factor is the next
# version's matter.
#
# ## Traversals
#
# Start at the code of one image and move one latent at a time from −2.5 to 2.5.

# %%
start = mean[int(np.flatnonzero((factors == [0, 13, 13, 4]).all(axis=1))[0])]
walk = jnp.linspace(-2.5, 2.5, 11)
walks = [jnp.tile(start, (11, 1)).at[:, i].set(walk) for i in range(LATENT_SIZE)]
rows = {
    f"$z_{i + 1}$": vae.decode(jnp.concatenate([start[None], codes_along]))
    for i, codes_along in enumerate(walks)
}
titles = {"$z_1$": ["start", *(f"{value:.1f}" for value in walk)]}
save_figure(plotting.image_rows(rows, titles=titles), "04_traversals")

# %% [markdown]
# Each latent moves several factors at once. Prior and likelihood do not change when the code space is
# rotated together with the decoder; only the diagonal posterior singles out axes, and nothing says
# that those are x, y or size.
#
# ## Three numbers for three factors?
#
# One source has only x, y and size (one shape) and imagines "a 3D latent space that perfectly
# encodes these 3 features", doubting it. Try it: circles only, 2,048 images, 11 bits, three latents.

# %%
circles = shape_world(("circle",))
c_train, c_test = split(len(circles.images), jax.random.key(13))
circle_images = jnp.asarray(circles.images)
single = VariationalAutoencoder(3, images=circle_images[c_train], rngs=nnx.Rngs(SEED), **SMALL)
history = recipes.train(
    "vae-circles",
    single,
    circle_images[c_train],
    recipes.vae_losses(SINGLE_EPOCHS),
    epochs=SINGLE_EPOCHS,
    test_images=circle_images[c_test],
)

# %%
c_mean, c_log_variance = single.encode(circle_images)
c_z = single.sample(c_mean, c_log_variance, jax.random.key(3))
single_numbers = {
    "entropy (bits)": circles.entropy_bits,
    "KL (bits)": float(gaussian_kl(c_mean, c_log_variance).mean()) / np.log(2),
    "channel rate R (bits)": channel_rate(c_mean, c_log_variance).sum(),
    "squared error, z drawn": float(squared_error(circle_images, single.decode(c_z)).mean()),
    "held-out squared error at the mean": float(
        squared_error(circle_images[c_test], single.decode(c_mean[c_test])).mean()
    ),
}
pd.Series(single_numbers, name="one shape, three latents").to_frame().round(3)

# %%
circle_probe = linear_probe(c_mean, circles.factors, c_train, c_test)
save_figure(
    plotting.heatmaps({"circles, 3 latents": circle_probe}, label="held-out $R^2$"),
    "04_circle_probe",
)

# %%
fig = plotting.latent_scatter(np.asarray(c_mean), circles.factors, shapes=circles.shapes)
save_figure(fig, "04_circle_plane")

# %%
radius = np.linalg.norm(c_mean, axis=1)
with_size = np.corrcoef(radius, circles.factors[:, 3])[0, 1]
display(
    Markdown(
        f"Two of the three latents. x and y set the *direction* from the centre; the *distance* from it "
        f"(in all three) goes with the size, correlation {with_size:.2f}, which no straight line can read."
    )
)

# %%
best = circle_probe.drop(index="all").max()
nearby = neighbour_probe(c_mean, circles.factors, c_train, c_test)
display(
    Markdown(
        f"Yes and no. Three numbers carry the picture: squared error "
        f"{single_numbers['squared error, z drawn']:.2f} with z drawn, where a circle's energy is "
        f"{float((circle_images**2).sum(axis=(1, 2)).mean()):.0f}, and nearest neighbours read x, y and size "
        f"from the code with R² {nearby['x']:.3f}, {nearby['y']:.3f} and {nearby['size']:.3f}. But the axes "
        f"are not the factors: the best single latent explains {best['x']:.0%} of x, {best['y']:.0%} of y and "
        f"{best['size']:.0%} of size."
    )
)

# %% [markdown]
# ## What we found

# %%
numbers = record(
    "04_latent_information",
    source_entropy_bits=world.entropy_bits,
    vae_kl_bits=bits["KL to the prior"],
    vae_channel_rate_bits=bits["channel rate R"],
    vae_textbook_rate_bits=bits["textbook, mean noise"],
    vae_distortion=vae_distortion,
    ae_noise_levels=NOISE_LEVELS,
    ae_channel_rate_bits=noise_table["rate R (bits)"],
    ae_distortion=noise_table["squared error"],
    varying_noise_example={"exact": exact, "textbook": with_mean_noise, "channel_rate": channel},
    linear_probe={name: probe.loc["all"].to_dict() for name, probe in probes.items()},
    single_shape_rate_bits=single_numbers["KL (bits)"],
    single_shape_distortion=single_numbers["squared error, z drawn"],
    single_shape_linear_probe=circle_probe.loc["all"].to_dict(),
    neighbour_probe=neighbours.T.to_dict(),
    single_shape_neighbour_probe=nearby[["x", "y", "size"]].to_dict(),
    single_shape_best_latent=best.to_dict(),
)

# %%
display(
    Markdown(
        f"""
- The source holds {numbers["source_entropy_bits"]:g} bits per image. The VAE's KL is
  **{numbers["vae_kl_bits"]:.1f} bits** and its channel rate **{numbers["vae_channel_rate_bits"]:.1f}**, at a
  squared error of {numbers["vae_distortion"]}.
- Both exceed what there is to know. They are **upper bounds** on the information, too large by the
  dependence between the latents, their non-Gaussian form and (the KL only) the mismatch with the
  prior.
- The textbook formula with the mean noise gives {numbers["vae_textbook_rate_bits"]:.1f} bits for the same
  VAE. It is no upper bound: in the example with a known answer it says
  {numbers["varying_noise_example"]["textbook"]} where the truth is {numbers["varying_noise_example"]["exact"]}.
- The AE with noise runs from {max(numbers["ae_channel_rate_bits"]):.1f} to
  {min(numbers["ae_channel_rate_bits"]):.1f} bits of $R$ as the noise grows, and its squared error from
  {min(numbers["ae_distortion"])} to {max(numbers["ae_distortion"])}.
- Three latents encode x, y and size of a single shape (R² by nearest neighbours at least
  {min(numbers["single_shape_neighbour_probe"].values()):.2f}), but not one per axis.
"""
    )
)

# %% [markdown]
# ## Limits
#
# - $R$ and the KL are bounds. In this world $q(z)$ is a known mixture of all posteriors, so the exact
#   $I(X;Z)$, and what the surplus consists of, can be computed; that account is the next step.
# - The noise added to the AE is the same in every latent, whatever the latent's scale; other choices
#   trade differently.
# - Linear probes see only straight lines, and one seed shows only one way to arrange a code.
#
# ## Exercises
#
# 1. Add noise to the AE in proportion to each latent's standard deviation instead of one level for
#    all. Does the curve in the plane move?
# 2. Rotate the AE's code by a random orthogonal matrix. Which of the numbers change: $R$, the
#    squared error (with the decoder rotated back), the linear probe of each latent, of all?
# 3. Build a code of two dimensions that are copies of each other (with independent noise). What does
#    $R$ say, and what is the true information at high noise?
# 4. Train the three-latent VAE on squares instead of circles. Do its axes find x and y?
#
# ## References
#
# - C. Shannon, [A mathematical theory of communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x), 1948.
# - T. Cover and J. Thomas, [Elements of Information Theory](https://doi.org/10.1002/047174882X),
#   chapters 8 to 10.
# - A. Alemi et al., [Fixing a broken ELBO](https://arxiv.org/abs/1711.00464), ICML 2018.
# - R. Chen et al., [Isolating sources of disentanglement in variational
#   autoencoders](https://arxiv.org/abs/1802.04942), NeurIPS 2018.
# - F. Locatello et al., [Challenging common assumptions in the unsupervised learning of disentangled
#   representations](https://arxiv.org/abs/1811.12359), ICML 2019.

# %%
packages = ("jax", "flax", "optax", "numpy", "scikit-learn")
print(f"python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
