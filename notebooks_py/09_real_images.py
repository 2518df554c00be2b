# %% [markdown]
# # 09 · Real images: how many bits does the code of a digit keep?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/09_real_images.ipynb)
#
# The walk (notebooks 01 to 05) counts the bits of a code in a world of 8,192 generated images. The
# same count works for any finite list of images, and a data set is a finite list: the 60,000 training
# images of MNIST, or of Fashion-MNIST. **How many bits do the codes of studies 07 and 08 keep, how
# many of them are about the class, and can only a VAE draw new digits?**
#
# You will learn how to
#
# - count the bits of a real data set's code, and know what the count says and what it does not;
# - ask held-out images for the bits that a code holds about the class;
# - turn an exact $q(z)$ into a classifier, and hold it against three others;
# - tell which latents are used, by their bits;
# - draw from an autoencoder, by giving its codes a density;
# - do all this with codes of your own, from any framework.
#
# *Before you start:* notebooks 03 and 04 explain the VAE and its bits. The
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary)
# explains the terms.
# *Time to run:* some minutes on two cores where study 08 has run; half an hour more where its models
# have to be trained. *To read:* half an hour.

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
from importlib.metadata import version

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image
from scipy.special import entr, logsumexp

from helpers import codes, studies
from helpers.digits import load_digits
from helpers.exercises import check
from helpers.files import ROOT, output_folder, record, recorded, save_figure, say
from helpers.information import query_information, rate_audit
from helpers.objectives import gaussian_kl
from helpers.plotting import image_rows, use_style

use_style()

# %% nbmake={"mock": {"EPOCHS": 1, "FULL": false, "N_SAMPLES": 100, "N_TEST": 400, "N_TRAIN": 2048}}
FULL = True
SIZES = (2, 10, 20, 50)  # latents, as in study 08
EPOCHS = studies.GROUP_EPOCHS
N_TRAIN, N_TEST = 60_000, 10_000
N_SAMPLES = 1000  # drawn pictures that are judged
SEED = 0

# %% [markdown]
# ## 1. A data set is a source too
#
# Draw one of the training images at random, each with the same probability. This random image $X$ is
# a **source**, as the 8,192 images of the walk are one. If all images differ, it holds
# $\log_2 60{,}000$ bits. The class of the image, a digit from 0 to 9, is a factor of it.


# %%
def entropy_bits(values):
    """Entropy in bits of a row drawn at random from `values`."""
    _, counts = np.unique(values, axis=0, return_counts=True)
    return float(entr(counts / counts.sum()).sum() / np.log(2))


sets, sources = {}, {}
for name in ("mnist", "fashion_mnist"):
    source = [a[:N_TRAIN] for a in load_digits(name, "train")]
    sets[name] = (*source, *(a[:N_TEST] for a in load_digits(name, "test")))
    pixels = np.uint8(np.rint(source[0] * 255)).reshape(-1, 784).view("V784")
    sources[name] = {"image (bits)": entropy_bits(pixels.ravel())}
    sources[name]["class (bits)"] = entropy_bits(source[1])
pd.DataFrame(sources).T.round(4)

# %% [markdown]
# So $H(X)$ is 15.87 bits, and no code can tell more about an image *of this list*. The class takes
# 3.32 of them, the rest says which image of the class it is.
#
# **What this is not.** It says nothing about handwritten digits in general. Nobody knows how many bits
# *they* hold. A list twice as long holds one bit more. The 10,000 test images are not on the list; they will
# ask the questions about the class.
#
# ## 2. The codes
#
# The VAEs are those of study 08: one hidden layer of 512 units on each side, 50 epochs, MNIST. They
# are loaded if study 08 has run here, and trained if not. Of the autoencoders (AE), study 08 trains the one
# with 20 latents only; the others are trained here.

# %%
images, labels, test_images, test_labels = sets["mnist"]
models, vae_codes, elbo = {}, {}, {}
for latents in SIZES:
    settings = {"seed": SEED, "epochs": EPOCHS}
    for kind in ("VAE", "AE"):
        models[kind, latents], history = studies.group_model(
            kind, latents, images, test_images, **settings
        )
        if kind == "VAE":
            elbo[latents] = -history["test_loss"].iloc[-1]
    vae_codes[latents] = [np.float64(part) for part in models["VAE", latents].encode(images)]

# %% [markdown]
# A VAE's code of an image is a Gaussian: a mean and a log variance for each latent. What everybody
# prints is its **KL**, the divergence of this Gaussian from the prior N(0, I). Here it is by hand, in
# bits, against the helper that the loss uses:

# %%
kl_bits = {}
for latents, (mean, log_variance) in vae_codes.items():
    per_image = (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1) / 2
    np.testing.assert_allclose(per_image, gaussian_kl(mean, log_variance), rtol=1e-4)
    kl_bits[latents] = per_image.mean() / np.log(2)
pd.Series(kl_bits, name="KL (bits)").rename_axis("latents").to_frame().T.round(2)

# %% [markdown]
# From 10 latents on, the KL is larger than the 15.87 bits that there are. So the KL cannot be what
# the code *tells* about an image of the list. Section 3 counts what it does tell.
#
# ### An autoencoder with noise
#
# An AE's code is a point, and a point has no finite rate. We add noise, and choose how much: the AE
# shall **cost as many bits as the VAE** with as many latents. Scale each latent to mean 0 and
# variance 1, of which a share $v$ is noise and $1 - v$ is signal. Then each latent is a Gaussian
# channel of $\frac12\log_2\frac1v$ bits, and $L$ of them cost $R$ bits if
#
# $$ v = 4^{-R/L} . $$

# %%
ae_codes = {}
for latents in SIZES:
    points = np.float64(models["AE", latents].encode(images))
    share = 4 ** (-kl_bits[latents] / latents)
    mean = (points - points.mean(axis=0)) / points.std(axis=0) * np.sqrt(1 - share)
    ae_codes[latents] = mean, np.full(mean.shape, np.log(share))
    np.testing.assert_allclose(ae_codes[latents], codes.noisy_code(points, kl_bits[latents]))
    cost = gaussian_kl(*ae_codes[latents]).mean() / np.log(2)
    np.testing.assert_allclose(cost, kl_bits[latents], rtol=1e-4)

# %% [markdown]
# In these coordinates the KL to N(0, I) is the rate itself, and it equals the VAE's. So from here on,
# a VAE and an AE with as many latents have the same price.
#
# ## 3. How many bits about the image?
#
# All codes together form the **aggregate posterior** $q(z) = \frac1N\sum_n q(z|x_n)$, a mixture of
# one Gaussian for each image. With it the **information** is
#
# $$ I(X;Z) = \mathbb E\, \log_2\frac{q(z|x)}{q(z)}, $$
#
# a mean over images and draws of $z$. The sum in $q(z)$ runs over *all* images of the source. By hand
# on a source of 4,096 images, with the code of two latents:


# %%
def log_densities(z, mean, log_variance):
    """log q(z|x_n), nats: a row for each z, a column for each image n."""
    total = np.zeros((len(z), len(mean)))
    for i in range(mean.shape[1]):
        squared = (z[:, i, None] - mean[:, i]) ** 2 * np.exp(-log_variance[:, i])
        total -= (squared + log_variance[:, i] + np.log(2 * np.pi)) / 2
    return total


few = [part[:4096] for part in vae_codes[2]]
eps = np.random.default_rng(0).normal(size=few[0].shape)
densities = log_densities(few[0] + np.exp(few[1] / 2) * eps, *few)
log_q = logsumexp(densities, axis=1) - np.log(len(densities))
by_image = (np.diagonal(densities) - log_q) / np.log(2)

# %% [markdown]
# `rate_audit` does the same for all images: it takes the squared distances apart into one matrix
# product, which makes it fast, and asks a random sample of the images, which makes it faster. Does the
# fast account equal the exact one?

# %%
fast = rate_audit(*few, key=jax.random.key(1), draws=2, sample=2048)
fast_error = fast.stderr["mutual_information"]
hand_error = by_image.std() / np.sqrt(len(by_image))
assert abs(by_image.mean() - fast.mutual_information) < 4 * np.hypot(fast_error, hand_error)
print(f"by hand {by_image.mean():.3f} ± {hand_error:.3f} bits,",
      f"fast {fast.mutual_information:.3f} ± {fast_error:.3f}")  # fmt: skip

# %% [markdown]
# *Predict first:* the KL of 20 latents is more than twice $\log_2 60{,}000$. How much of it is
# information, and where does the rest go?
#
# `account` puts together all that this study measures of a code: the bits, and the classifiers of
# section 5. Here it runs over all 60,000 images.

# %%
accounts = {}
for latents in SIZES:
    points, test_points = (models["AE", latents].encode(some) for some in (images, test_images))
    both = {
        "VAE": (vae_codes[latents], models["VAE", latents].encode(test_images)),
        "AE": (ae_codes[latents], codes.noisy_code(points, kl_bits[latents], test_points)),
    }
    for kind, (code, queries) in both.items():
        name = f"reader-mnist-{kind}-{latents}-seed{SEED}-{EPOCHS}"
        key = jax.random.fold_in(jax.random.key(2), len(accounts))
        accounts[kind, latents] = codes.account(
            code, labels, queries, test_labels, key=key, name=name
        )
table = pd.DataFrame(accounts).T.rename_axis(["", "latents"]).sort_index(ascending=[False, True])

# %%
BITS = {
    "kl_bits": "KL",
    "information_bits": "I(X; Z)",
    "information_error": "± of I",
    "granularity_bits": "granularity",
    "excess_dependence_bits": "excess dependence",
    "form_bits": "form",
}
parts = table[["information_bits", "granularity_bits", "excess_dependence_bits"]].sum(axis=1)
table["form_bits"] = table["kl_bits"] - parts
table[list(BITS)].rename(columns=BITS).astype(float).round(2)

# %% [markdown]
# All columns are bits per image. *Form* is what is left: the latents are not exactly distributed as
# N(0, 1) (negentropy and mismatch in notebook 04). With two latents most of the KL is information.
# With 20 the information comes close to $\log_2 60{,}000 = 15.87$: **a $z$ nearly names its image, and
# little is left to tell.** What the code pays beyond is mostly **granularity**: precision beyond what
# tells 60,000 images apart. It is measured by a null. Shuffle each latent by itself over the images, so that
# the latents know nothing of each other, and count the same total correlation again. Only what exceeds
# it, the *excess dependence*, can say that latents share something. From 10 latents on it says little:
# the shuffled code is at the ceiling of 15.87 bits, so the excess is just 15.87 less $I(X;Z)$.
#
# **What saturation means.** An $I$ near 15.87 says that hardly any two codes of the list overlap. It
# does *not* say that the code keeps all that there is in a digit: a code that is a little coarser, or
# much finer, gives the same number. To tell these apart, count something smaller than the list. The
# class is one such thing, and images outside the list can ask for it.
#
# ## 4. How many bits about the class?
#
# Take a test image, draw a $z$ from its code, and ask the training images: whose code could that be?
# Bayes' rule gives each training image $n$ a probability $P(n|z)$. Their sum over the images of one
# class is $P(\text{class}|z)$, and
#
# $$ H(\text{class}) + \mathbb E\log_2 P(\text{own class}\,|\,z) \;\le\; I(\text{class};Z) $$
#
# are bits about the class that somebody who knows the training images can really *use*. A guess that
# is sure and right earns 3.32 bits. A guess that is sure and wrong can cost any number of bits.
#
# By hand, 1,000 test images against 4,096 training images, 20 latents:

# %%
given = [part[:4096] for part in vae_codes[20]]
asking = [np.float64(part) for part in models["VAE", 20].encode(test_images[:1000])]
query_eps = np.random.default_rng(1).normal(size=asking[0].shape)
scores = log_densities(asking[0] + np.exp(asking[1] / 2) * query_eps, *given)
one_hot = np.eye(10)[labels[: len(given[0])]]
own_class = test_labels[: len(scores)]


def class_bits(scores, own_class):
    """Bits about the class, and the share of wrong guesses, from log P(n|z) up to a constant."""
    p = np.exp(scores - logsumexp(scores, axis=1, keepdims=True)) @ one_hot
    right = np.maximum(p[np.arange(len(p)), own_class], 1e-30)
    bits = entropy_bits(labels[: len(given[0])]) + np.log2(right)
    return bits.mean(), bits.std() / np.sqrt(len(bits)), (p.argmax(axis=1) != own_class).mean()


# %%
bits, error, wrong = class_bits(scores, own_class)
asked = query_information(
    *given, asking, key=jax.random.key(3), factors=labels[: len(given[0]), None],
    query_factors=own_class[:, None], names=["class"],
)  # fmt: skip
assert abs(bits - asked.factor_bits["class"]) < 5 * error
print(
    f"{bits:.2f} ± {error:.2f} bits, {wrong:.1%} wrong; helper {asked.factor_bits['class']:.2f} bits"
)

# %% [markdown]
# Only about one guess in seven is wrong, and still no bits are left. The reason: a new $z$ lies many standard
# deviations away from *every* training code. Then the nearest one takes all the probability, and the
# guess is sure, also where it is wrong. The $q(z)$ of a finite list is too **sharp** for what is not on
# the list.
#
# The cure is to be less sure: raise $P(n|z)$ to a power below 1 and scale it to sum 1 again. Power 0
# forgets the code and is worth 0 bits.

# %%
powers = pd.DataFrame(
    {power: class_bits(power * scores, own_class) for power in codes.POWERS},
    index=["bits about the class", "standard error", "wrong"],
)
powers.T.rename_axis("power").round(3)

# %% [markdown]
# A smaller power gives more bits, up to a point. It must not be chosen by the images that it is judged
# by: `class_information` chooses it by 1,024 of the training images, asked of the other ones, and only
# then asks the test images.
#
# **The null.** Give the training images the labels of others, at random. A measure of information must
# then find nothing:

# %%
test_code = [np.float64(part) for part in models["VAE", 10].encode(test_images)]
shuffled = np.random.default_rng(2).permutation(labels)
null = codes.class_information(
    vae_codes[10], shuffled, test_code, test_labels, key=jax.random.key(4)
)
assert abs(null.bits) < 0.02 + 3 * null.stderr
print(
    f"shuffled labels: {null.bits:.3f} bits at power {null.power:g}; as it is {null.bits_as_is:.1f}"
)

# %% [markdown]
# With shuffled labels the best power is 0, the power that forgets the code, and it finds 0 bits. At power 1
# the sharp $q(z)$ is sure without a reason, and pays for it with many bits.
#
# **A law.** Noise that is added to a code cannot add information (the *data processing inequality*). So a
# finer code, one with less noise, holds at least as many bits about the class. What we measure is only a
# lower bound of them. Does it rise, too?

# %%
by_noise = {}
for extra in (10.0, 1.0, 0.1, 0.0):  # variance that is added to every latent
    coarse, coarse_queries = (
        (mean, np.log(np.exp(log_variance) + extra))
        for mean, log_variance in (vae_codes[10], test_code)
    )
    about = codes.class_information(
        coarse, labels, coarse_queries, test_labels, key=jax.random.key(5)
    )
    by_noise[extra] = {"bits about the class": about.bits, "standard error": about.stderr}
finer = pd.DataFrame(by_noise).T.rename_axis("added variance")
if FULL:
    assert finer["bits about the class"].is_monotonic_increasing
assert finer["bits about the class"].max() <= np.log2(10)
finer.round(3)

# %% [markdown]
# ## 5. Who reads the class best?
#
# The same $q(z)$ is a classifier: guess the likeliest class. It is *Bayes' classifier* for the
# training list, and it has learned nothing but the codes. Beside it, on the same draws of $z$: logistic
# regression, the 10 nearest neighbours, and a small perceptron that is trained for five epochs.

# %%
READERS = {
    "class_bits": "bits about the class",
    "class_bits_error": "±",
    "class_bits_as_is": "at power 1",
    "power": "power",
    "bayes_error": "Bayes wrong",
    "bayes_error_as_is": "at power 1 wrong",
    "knn_error": "10 neighbours",
    "logistic_error": "logistic",
    "trained_error": "perceptron",
}
table[list(READERS)].rename(columns=READERS).astype(float).round(3)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
lines = []
for latents in SIZES:
    vae, ae = table.loc["VAE", latents], table.loc["AE", latents]
    best = min(vae["knn_error"], vae["logistic_error"], vae["trained_error"])
    lines.append(f"{latents} latents: {vae['class_bits']:.2f} bits and {vae['bayes_error']:.1%} wrong (VAE), "
                 f"{ae['class_bits']:.2f} bits and {ae['bayes_error']:.1%} (AE with noise); the best of the three "
                 f"others is wrong in {best:.1%} (VAE)")  # fmt: skip
say("Bayes' classifier on test images. " + "; ".join(lines) + ".")

# %% [markdown]
# An error rate $e$ has a standard error of $\sqrt{e(1-e)/10{,}000}$, or 0.2 % at $e$ = 4 %. Bayes' classifier
# guesses at the power that gives the most *bits*. That need not be the power with the fewest errors: for
# the VAE with 20 and 50 latents power 1 is right more often, for the other codes it is not. With two
# latents none of the three others is clearly better than Bayes, and two of them are worse.
#
# ## 6. Which latents are used?
#
# Study 08 counts a latent as active if its mean varies. Bits say it directly: a latent is **active if
# it alone tells at least 0.1 bits** about the image. Each latent alone is an integral, without
# sampling: $I(X;Z_i)$ is its channel rate less its negentropy.

# %%
single = rate_audit(*vae_codes[20], key=jax.random.key(6), draws=2, sample=256)
about_image = single.channel_rate - single.negentropy
about_class = codes.latent_class_bits(vae_codes[20], labels)
by_variance = vae_codes[20][0].var(axis=0) > 0.01  # as Burda et al. count
assert (about_class <= about_image + 1e-6).all()
print(f"{(about_image >= codes.ACTIVE).sum()} of 20 active by bits, {by_variance.sum()} by variance;",
      f"the bits of the latents about the class add up to {about_class.sum():.2f}")  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: bits of every latent
order = np.argsort(about_image)[::-1]
fig, ax = plt.subplots(figsize=(8.5, 3.2))
ranks = np.arange(1, len(order) + 1)
ax.bar(ranks - 0.2, about_image[order], 0.4, label="about the image")
ax.bar(ranks + 0.2, about_class[order], 0.4, label="about the class", hatch="//", edgecolor="w")
ax.set(xlabel="latent, by falling information", ylabel="bits per image", xticks=ranks)
ax.legend()
alt = (
    f"Bars for the 20 latents of the VAE: bits about the image fall from {about_image.max():.1f} to "
    f"{about_image.min():.1f}; bits about the class are at most {about_class.max():.1f} for any latent."
)
save_figure(fig, "09_latents", alt)

# %% [markdown]
# No latent is *the* latent of the class: each tells a little of it. Added up, these little pieces
# may exceed 3.32 bits, because several latents tell the same thing.
#
# ## 7. Everything as a function of the number of latents
#
# The report that study 08 repeats (Edvinsson and others 2025, here *the group report*) trains VAEs with
# 2, 10, 20 and 50 latents and sees "diminishing returns beyond 20 dimensions". What do they look like in bits?

# %%
BY_SIZE = {
    "kl_bits": "KL (bits)",
    "information_bits": "I(X; Z) (bits)",
    "granularity_bits": "granularity (bits)",
    "class_bits": "class (bits)",
    "active_units": "active latents",
    "test_elbo": "test ELBO (nats)",
}
by_size = table.loc["VAE"].assign(test_elbo=pd.Series(elbo)).astype(float)
by_size[list(BY_SIZE)].rename(columns=BY_SIZE).round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: bits against the number of latents
fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.2))
for column, look in (("kl_bits", "o-"), ("granularity_bits", "s--"), ("information_bits", "^-")):
    axes[0].plot(by_size[column], look, label=BY_SIZE[column].removesuffix(" (bits)"))
for kind, look in (("VAE", "o-"), ("AE", "s--")):
    part = table.loc[kind].astype(float)
    axes[1].errorbar(SIZES, part["class_bits"], part["class_bits_error"], fmt=look, label=kind)
axes[2].plot(by_size["test_elbo"], "o-")
for ax, most in ((axes[0], np.log2(len(images))), (axes[1], np.log2(10))):
    ax.axhline(most, color="0.35", ls=":", lw=1.2)
    ax.legend(fontsize=8)
for ax, label in zip(axes, ("bits", "bits about the class", "test ELBO (nats)"), strict=True):
    ax.set(xlabel="latents", xticks=SIZES, ylabel=label)
alt = (
    f"Three panels over 2 to 50 latents, MNIST. The KL rises to {by_size['kl_bits'].max():.0f} bits, the information "
    f"ends at {np.log2(len(images)):.2f} (dotted); bits about the class rise to "
    f"{by_size['class_bits'].max():.2f} of 3.32 (dotted); the test ELBO rises and levels off."
)
save_figure(fig, "09_latent_sizes", alt)

# %% [markdown]
# The first panel shows what the code pays (KL) and what it tells (information). From 10 latents on the
# information has little room left to grow, so most of what is paid beyond it is granularity. These bits
# are not needed to tell the 60,000 images apart, but they draw a *given* digit more exactly. The ELBO
# counts how well a digit is drawn, so it gains from them between 10 and 20 latents, and hardly past 20.
# The VAE's bits about the class gain nothing past 10.
#
# ## 8. All codes, both data sets
#
# `make sweep` does the same with the group report's models on Fashion-MNIST (10 epochs each), and
# with the VAE report's MLP and CNN (study 07) on both sets: 15 epochs for the MLP and 3 for the CNN, one
# epoch of which takes a minute.

# %%
sweep = recorded("real_images")
more = pd.DataFrame(sweep["runs"])
mine = table.reset_index(names=["kind", "latents"]).assign(data="mnist", seed=SEED, epochs=EPOCHS)
every = pd.concat([mine, more[more["seed"] == 0]]).drop_duplicates(["data", "kind", "latents"])
shown = [*("kl_bits", "information_bits", "granularity_bits", "active_units"),
         *("class_bits", "class_bits_error", "bayes_error", "knn_error", "logistic_error")]  # fmt: skip
every = every.set_index(["data", "kind", "latents"]).sort_index()
every[["epochs", *shown]].astype(float).round(3)


# %% cellView="form" jupyter={"source_hidden": true}
# @title How the figure is drawn: what each code costs, and what it tells of the class
LOOKS = {"VAE": "C0o", "AE": "C1s", "MLP": "C2^", "CNN": "C3D", "yours": "k*"}


def price_and_class(codes_shown):
    """Bits about the class over the KL, a point for each code; hollow for Fashion-MNIST."""
    fig, ax = plt.subplots(figsize=(8.5, 4.2))
    for (name, kind), group in codes_shown.groupby(["data", "kind"]):
        size, fill = 14 if kind == "yours" else 7, None if name == "mnist" else "none"
        points, label = group[["kl_bits", "class_bits"]], f"{kind}, {name}"
        ax.plot(*points.T.to_numpy(float), LOOKS[kind], ms=size, mfc=fill, label=label)
        for (*_, latents), row in group.iterrows():
            place = row["kl_bits"], row["class_bits"]
            ax.annotate(f"{latents}", place, (6, 3), textcoords="offset points", fontsize=8)
    ax.axhline(np.log2(10), color="0.35", ls=":", lw=1.2)
    ax.set(xlabel="KL (bits per image)", ylabel="bits about the class")
    ax.legend(fontsize=8, ncols=2)
    return fig


# %% cellView="form" jupyter={"source_hidden": true}
# @title The figure
alt = (
    "Bits about the class over the KL, a point for each code with its number of latents; filled for MNIST, hollow "
    "for Fashion-MNIST. Codes that cost more tell more of the class, up to 3.32 bits (dotted); Fashion-MNIST stays lower."
)
save_figure(price_and_class(every), "09_all_codes", alt)

# %% [markdown]
# Columns whose names end in *error* are shares of test images that are read wrongly; *class_bits_error* is
# a standard error. AE and VAE of one size stand one above the other, because they cost the same. The
# VAE spends its bits where they pay in reconstruction, the AE evenly, and *either* may tell more of the class:
# nobody asked them to.
#
# ## 9. Can only the VAE draw digits?
#
# The group report decodes a random code: the VAE makes a digit of it, the AE nothing "meaningful".
# The random code was $z\sim N(0, I)$, and an AE was never told to put its codes there. Give its codes
# a density *after* the training (Ghosh et al. 2020): a mixture of Gaussians, fitted to the codes of
# training images, of 1, 16, 64 or 256 components, as held-out codes want. The VAE gets the same.
#
# *Predict first:* from N(0, I), from one fitted Gaussian, from the mixture: whose pictures will a
# classifier be sure of?

# %%
judge, judge_history = studies.classifier("mnist", *sets["mnist"], epochs=10 if FULL else 1)
means, log_variances = (part[: codes.CODES] for part in models["VAE", 20].encode(images))
fitted_to = {
    "AE": models["AE", 20].encode(images[: codes.CODES]),
    "VAE": models["VAE", 20].sample(means, log_variances, jax.random.key(7)),
}
pictures = {}
for kind, z in fitted_to.items():
    components = codes.COMPONENTS if FULL else (1, 4)
    three = codes.drawings(models[kind, 20], z, jax.random.key(8), N_SAMPLES, components)
    pictures |= {f"{kind}, {density}": some for density, some in three.items()}
pictures["real test images"] = test_images[:N_SAMPLES]

# %%
alt = (
    "Rows of twelve pictures: AE and VAE with 20 latents, each from N(0, I), from one fitted Gaussian and from a "
    "fitted mixture, and real digits. From N(0, I) the AE draws smudges; from its mixture, digits."
)
save_figure(image_rows({name: some[:12] for name, some in pictures.items()}), "09_draws", alt)

# %% [markdown]
# Three numbers judge them: the share of pictures for which a classifier gives one class more than 0.9
# (*sure*); the entropy of its guesses over all pictures (all ten classes equally often is 3.32 bits);
# and the squared distance to the nearest real image, with the share of pictures for which that one is
# a training image. If nothing is memorised, this share is 6/7, that of the training images.

# %%
judged = {name: studies.judged(some, judge, images, test_images) for name, some in pictures.items()}
del judged["real test images"]["nearest_is_training"], judged["real test images"]["distance"]
to_training = studies.nearest_distance(pictures["real test images"], images)
judged["real test images"]["distance"] = float(np.median(to_training))
drawing = pd.DataFrame(judged).T[["sure", "class_entropy_bits", "distance", "nearest_is_training"]]
drawing.round(3)

# %% [markdown]
# (For real test images the distance is the one to the training images.) That is one model of each
# kind. The difference has to be larger than what another seed makes. `make sweep` draws from three
# seeds each, trained for 10 epochs, on both data sets; mean and standard deviation:

# %%
draws = pd.DataFrame([
    {"data": run["data"], "kind": run["kind"], "seed": run["seed"], "density": density, **numbers}
    for run in sweep["drawings"] for density, numbers in run["judged"].items()
])  # fmt: skip
by_density = draws.groupby(["data", "kind", "density"])
measures = ["sure", "class_entropy_bits", "distance", "nearest_is_training"]
by_density[measures].agg(["mean", "std"]).round(3)

# %%
alt = (
    "Rows of pictures of clothes drawn by AE and VAE with 20 latents, from N(0, I) and from a fitted mixture, after "
    "ten epochs on Fashion-MNIST."
)
Image(ROOT / "figures" / "09_fashion_draws.png", metadata={"alt": alt})


# %% cellView="form" jupyter={"source_hidden": true}
# @title Seeds in words
def three_seeds(name, kind, density, measure="sure"):
    """A measure of every seed, as an array."""
    chosen = draws.query("data == @name and kind == @kind and density == @density")
    return chosen.sort_values("seed")[measure].to_numpy()


def told(values):
    """Mean and standard deviation over seeds, in words."""
    if len(values) == 0:
        return "-"
    spread = f" ± {values.std(ddof=1):.0%}" if len(values) > 1 else ""
    return f"{values.mean():.0%}{spread} ({len(values)} seed{'s' * (len(values) > 1)})"


# %% [markdown]
# ## 10. Your own model
#
# Any model whose code of an image is a Gaussian can be counted so, from whatever framework. Save three
# arrays in one `.npz` file: `mean` and `log_variance`, (images, latents) each, and `labels`, one for
# each image. Here this notebook makes such a file itself, of the VAE with 10 latents. In its place, put
# the path of yours.

# %%
CODES_FILE = output_folder("data") / "example_codes.npz"
CODES_FILE.parent.mkdir(parents=True, exist_ok=True)
example = dict(zip(("mean", "log_variance"), vae_codes[10], strict=True))
np.savez_compressed(CODES_FILE, **example, labels=labels)

# %%
own = codes.account_of_file(CODES_FILE, key=jax.random.key(9))
pd.DataFrame({"your model": own})[lambda t: t["your model"].notna()].astype(float).round(3)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: your code among the others
own_row = pd.DataFrame([{"data": "mnist", "kind": "yours", "latents": 10, **own}])
with_own = pd.concat([every, own_row.set_index(["data", "kind", "latents"])])
alt = (
    "The points of the figure before, bits about the class over the KL, with a star for the code of the file; it "
    "lies beside the VAE of which it was made."
)
save_figure(price_and_class(with_own), "09_your_code", alt)

# %% [markdown]
# A sixth of the images, drawn at random, ask for the class; the others are the source. So $\log_2 N$ is
# a little less here, and so is $I(X;Z)$. The bits about the class are a little more than in section 5: the
# model was trained on the images that ask, and their codes are somewhat too good. For a claim on new
# images, save codes of images that the model has not seen.
#
# ## What we found
# %% cellView="form" jupyter={"source_hidden": true}
# @title Verdicts on drawing
verdicts = {}
for name, words in (("mnist", "MNIST"), ("fashion_mnist", "Fashion-MNIST")):
    ae, vae = three_seeds(name, "AE", "mixture"), three_seeds(name, "VAE", "N(0, I)")
    if min(len(ae), len(vae)) < 3:
        word = "not yet run"
    elif ae.min() > vae.max():
        word = "refuted"
    else:
        word = "confirmed" if ae.max() < vae.min() else "undecided"
    verdicts[f"only the VAE draws from random codes, {words}"] = (
        "yes, by eye",
        f"judge sure of {told(ae)} of the AE's, from a mixture; VAE from N(0, I) {told(vae)}",
        word,
        f"AE from N(0, I): {told(three_seeds(name, 'AE', 'N(0, I)'))}",
    )

# %% cellView="form" jupyter={"source_hidden": true}
# @title Verdict on sizes
at_20, at_50 = (table.loc["VAE", latents] for latents in (20, 50))
rise = at_50["class_bits"] - at_20["class_bits"]
rise_error = np.hypot(at_50["class_bits_error"], at_20["class_bits_error"])
verdicts["diminishing returns beyond 20 latents"] = (
    "of the ELBO",
    f"class bits {rise:+.3f} ± {rise_error:.3f} from 20 to 50, ELBO {elbo[50] - elbo[20]:+.1f} nats",
    "confirmed" if rise < 2 * rise_error and elbo[50] - elbo[20] < 0.5 else "refuted",
    "the bits about the image end at the logarithm of the list",
)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Verdicts on networks, and the table
mlp = every.loc["mnist", "MLP", 2]
verdicts["MLP, 2 latents: the classes cluster together"] = (
    "by eye",
    f"{mlp['class_bits']:.2f} of 3.32 bits; {mlp['bayes_error']:.0%} of test images misread",
    "confirmed" if mlp["bayes_error"] < 0.1 else "in part",
    "some classes share a place",
)
for latents, worse in ((2, True), (20, False)):
    if ("mnist", "CNN", latents) in every.index:
        mlp, cnn = (every.loc["mnist", kind, latents] for kind in ("MLP", "CNN"))
        apart = cnn["class_bits"] - mlp["class_bits"]
        clear = abs(apart) > 3 * np.hypot(mlp["class_bits_error"], cnn["class_bits_error"])
        verdicts[f"CNN {'worse' if worse else 'better'} than MLP with {latents} latents"] = (
            "by loss and by eye",
            f"class bits {cnn['class_bits']:.2f} (CNN) and {mlp['class_bits']:.2f} (MLP)",
            "undecided" if not clear else "confirmed" if (apart < 0) == worse else "refuted",
            f"one seed of each; {cnn['epochs']:.0f} and {mlp['epochs']:.0f} epochs",
        )
claims = pd.DataFrame(verdicts, index=["source", "here", "verdict", "why"]).T
claims.rename(columns={"source": "the reports"})

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
vae = table.loc["VAE"]
say(f"""
- 60,000 training images are a source of **{np.log2(len(images)):.2f} bits**. The VAE with 2 latents keeps
  {vae.loc[2, "information_bits"]:.2f} of them at a KL of {vae.loc[2, "kl_bits"]:.1f}; with 20 latents it keeps {vae.loc[20, "information_bits"]:.2f}, and the KL is
  {vae.loc[20, "kl_bits"]:.1f}: {vae.loc[20, "granularity_bits"]:.1f} bits of it are granularity.
- The bits that test images find about the class: {", ".join(f"**{vae.loc[k, 'class_bits']:.2f}** with {k}" for k in SIZES)} latents,
  of 3.32. Taken as it is, the sharp q(z) of 20 latents would give {vae.loc[20, "class_bits_as_is"]:.2f}.
- Bayes' classifier from q(z) is wrong in {vae.loc[20, "bayes_error"]:.1%} of the test images with 20 latents, 10 neighbours in
  {vae.loc[20, "knn_error"]:.1%}, logistic regression in {vae.loc[20, "logistic_error"]:.1%}, a trained perceptron in {vae.loc[20, "trained_error"]:.1%}.
- From a mixture fitted to its codes, the AE draws digits of which the judge is sure in {told(three_seeds("mnist", "AE", "mixture"))}; the VAE from
  N(0, I) in {told(three_seeds("mnist", "VAE", "N(0, I)"))}, and from a mixture of its own in {told(three_seeds("mnist", "VAE", "mixture"))}.
""")

# %% [markdown]
# ## Limits
#
# - Bits about the image are a statement on one list of images, and end at its logarithm.
# - The bits about the class are those that *Bayes' classifier* finds, with one power for all $z$. A
#   better *reader* (a rule that guesses the class from $z$) finds more: they bound
#   $I(\text{class};Z)$ from below.
# - The AE's noise is ours, the same share of each latent. Another choice costs the same and keeps other
#   bits. Its decoder has never seen noise.
# - In the sweep the group report's models have 10 epochs in place of 50, and the CNN has 3 in place of 15.
#   So the CNN is compared with an MLP that was trained for five times as many epochs, with one seed of
#   each.
# - A classifier's certainty stands in for what a person would call a digit or a garment. On Fashion-MNIST
#   it misleads: the classifier is surer of the AE's smudges from N(0, I) than of the VAE's pictures, which
#   are much nearer to real images.
# - "Only the VAE draws" is judged with a mixture for the AE and N(0, I) for the VAE. From mixtures of their
#   own, the two do about equally well.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **09.1** You double the list: each of the 60,000 images stands on it twice. How many bits does a
# random entry's *image* hold?

# %%
check("09.1", ...)

# %% [markdown]
# <details><summary>Solution of 09.1</summary>
#
# The source is still 60,000 different images, each with probability 1/60,000. Entropy counts outcomes,
# not copies.
#
# ```python
# check("09.1", np.log2(60_000))
# ```
#
# </details>
#
# **09.2** An AE with 20 latents shall cost 36 bits, the same in each latent, scaled to variance 1. Which
# variance must the noise have?

# %%
check("09.2", ...)

# %% [markdown]
# <details><summary>Solution of 09.2</summary>
#
# Each latent costs 36/20 bits, which is half the logarithm of one over the noise.
#
# ```python
# check("09.2", 4 ** (-36 / 20))
# ```
#
# </details>
#
# **09.3** A reader of ten equally frequent classes gives its guess a probability of 0.99, and the nine
# other classes share the rest equally. It is right in 97 % of all cases. How many bits about the class
# does it find?

# %%
check("09.3", ...)

# %% [markdown]
# <details><summary>Solution of 09.3</summary>
#
# If it is right it pays $-\log_2 0.99$, if it is wrong $-\log_2(0.01/9)$.
#
# ```python
# check("09.3", np.log2(10) + 0.97 * np.log2(0.99) + 0.03 * np.log2(0.01 / 9))
# ```
#
# </details>
#
# **09.4** The same reader may choose the probability of its guess. Which one gives the most bits, and how
# many are they?

# %%
check("09.4", ...)

# %% [markdown]
# <details><summary>Solution of 09.4</summary>
#
# The best probability is the truth: 0.97. To be less sure is to lose little where one is right.
#
# ```python
# check("09.4", (0.97, np.log2(10) + 0.97 * np.log2(0.97) + 0.03 * np.log2(0.03 / 9)))
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. *A shorter list.* Make $q(z)$ of 1,000, 4,000, 16,000 images. How do $I(X;Z)$ and the bits about the
#    class change? Which of the two is a statement on the list?
# 2. *Noise where it pays.* Give the AE's latents unequal noise at the same price, say by the variance of
#    their principal components. Do the bits about the class rise?
# 3. *Many components.* Fit 1,024 Gaussians to the AE's codes. Do the pictures get better, and is the
#    nearest image a training image more often?
# 4. *Confusions.* Which two classes of Fashion-MNIST does Bayes' classifier confuse most, and which latent
#    would have to tell them apart?
#
# ## References
#
# - Edvinsson, Granström, Johansson and Lindholm, a course report on the latent dimension of AE and VAE,
#   2025, unpublished; S. Zhao, a course report on MLP and CNN VAEs, 2023, unpublished: quoted above.
# - P. Ghosh, M. Sajjadi, A. Vergari, M. Black and B. Schölkopf, [From variational to deterministic
#   autoencoders](https://arxiv.org/abs/1903.12436), ICLR 2020: a density fitted to codes.
# - R. Chen, X. Li, R. Grosse and D. Duvenaud, [Isolating sources of disentanglement in
#   VAEs](https://arxiv.org/abs/1802.04942), NeurIPS 2018: the parts of the KL.
# - Y. Burda, R. Grosse and R. Salakhutdinov, [Importance weighted
#   autoencoders](https://arxiv.org/abs/1509.00519), 2015: active units.
# - Y. LeCun et al., [Gradient-based learning applied to document
#   recognition](https://doi.org/10.1109/5.726791), 1998 (MNIST); H. Xiao, K. Rasul and R. Vollgraf,
#   [Fashion-MNIST](https://arxiv.org/abs/1708.07747), 2017.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
KEPT = ["kl_bits", "information_bits", "granularity_bits", "excess_dependence_bits", "active_units",
        "class_bits", "class_bits_error", "class_bits_as_is", "bayes_error", "knn_error",
        "logistic_error", "epochs"]  # fmt: skip
by_model = {}
for (name, kind, latents), row in every[KEPT].iterrows():
    by_model.setdefault(name, {})[f"{kind}, {latents} latents"] = row.to_dict()
record(
    "09_real_images",
    sources=sources,
    models=by_model,
    test_elbo=elbo,
    drawing={"mnist, 50 epochs": drawing.drop(index="real test images").T.to_dict()}
    | {f"{name}, three seeds": {f"{kind}, {density}": part[measures].mean().to_dict()
       for (kind, density), part in group.groupby(["kind", "density"])}
       for name, group in draws.groupby("data")},
    shuffled_labels_class_bits=null.bits,
    finer_class_bits=finer["bits about the class"].to_dict(),
    claims=claims.T.to_dict(),
)  # fmt: skip
packages = ("jax", "flax", "numpy", "scikit-learn")
print(f"Python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
