# %% [markdown]
# # 04 · Latent information: how many bits does the code keep?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/04_latent_information.ipynb)
#
# **The question:** an image of our world holds exactly 13 bits. How many of them pass through the
# latent space of the autoencoder, once its code is noisy, and of the VAE? What do they mean: shape,
# position, size? And how far is that from the best that any code could do?
#
# **You will learn**
#
# - why a code without noise has no finite rate, and what noise changes;
# - the rate of a Gaussian channel, and the exact account of what it and the VAE's KL count beyond
#   the information: granularity, dependence, non-Gaussianity, mismatch with the prior;
# - why an estimate needs its null: most of what looks like dependence is counting;
# - how many bits each latent holds about each factor, and what probes make of the same codes;
# - the best possible decoder of a given encoder, and how much our decoder loses against it;
# - the rate-distortion limit of this world, a code made by hand as a reference, and every model's gap
#   to both, split into its causes.
#
# **You need** notebooks 02 and 03, entropy and mutual information.
# **Time:** about a minute on two cores (more if it has to train); two hours to read.

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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import entr
from scipy.stats import norm
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

# %%
from helpers import measures, plotting, recipes
from helpers.exercises import check
from helpers.explorer import Explorer
from helpers.files import record, recorded, save_figure, say
from helpers.handmade import hand_made, measure
from helpers.information import (
    bayes_decode,
    channel_rate,
    factor_information,
    mutual_information_gap,
    rate_audit,
    textbook_rate,
)
from helpers.limits import blahut_arimoto, image_rate_distortion
from helpers.objectives import gaussian_kl, gaussian_kl_per_latent, squared_error
from helpers.shapes import FACTORS, shape_world

plotting.use_style()

# %% nbmake={"mock": {"DRAWS": 2, "EPOCHS": 1, "FULL": false, "SINGLE_EPOCHS": 1, "SINGLE_IMAGES": 512, "TRAINING_IMAGES": 1024}}
FULL = True
LATENT_SIZE = recipes.LATENT_SIZE
TRAINING_IMAGES, EPOCHS = recipes.TRAINING_IMAGES, recipes.EPOCHS  # as in notebooks 02 and 03
SINGLE_IMAGES, SINGLE_EPOCHS = recipes.SMALL_IMAGES, recipes.SINGLE_EPOCHS  # of a single shape
NOISE_LEVELS = [
    0.002,
    0.01,
    0.03,
    0.07,
    0.15,
    0.4,
]  # of the AE's codes, in their standard deviations
DRAWS = 4  # of z per image, for the headline VAE's account
SEED = 0

# %% [markdown]
# ## The population
#
# **Information is a property of the whole source.** So everything about bits in this notebook is
# computed over all images of the world, each equally likely, with $z$ drawn from its posterior: the same
# 8,192 images by which notebooks 02 and 03 judge quality, and none of which was trained on.
#
# Some letters change their meaning from here on: $D$ is a distortion (the decoder is a function
# `decode`), $R$ a rate, $s$ the standard deviation of a noise.

# %%
world = shape_world()
images, factors = world.images, world.factors
training_images = recipes.training_shapes(TRAINING_IMAGES)
budget = {"seed": SEED, "epochs": EPOCHS}
vae, _ = recipes.variational_autoencoder(training_images, images, **budget)
ae, _ = recipes.autoencoder(training_images, images, **budget)
say(f"{len(images):,} images, H(X) = log₂ {len(images):,} = **{world.entropy_bits:g} bits**.")

# %% [markdown]
# ## Why a code needs noise before it has a rate
#
# How much does $Z$ tell about $X$? The **mutual information** says it in bits:
#
# $$I(X;Z) = H(X) - H(X|Z) = h(Z) - h(Z|X)$$
#
# (the last form only where noise gives $Z$ a density). $H(X|Z)$, the *conditional entropy*, is the
# entropy of $X$ that is left once $Z$ is known, averaged over $Z$. For a continuous $Z$ with density $q$
# the *differential entropy* is $h(Z) = -\int q(z)\log_2 q(z)\,dz$; it may be negative, but differences
# of two mean bits. For $\mathcal N(m, \sigma^2)$ it is $\frac12\log_2 2\pi e\sigma^2$. A *channel* is a rule
# $q(z|x)$ that sends $x$ as a random $z$.
#
# The autoencoder's code is a deterministic function of the image. If no two images share a code,
# then $H(X|Z) = 0$ and $I(X;Z) = H(X)$: all bits are in, whatever the code looks like, were it a
# single latent. Do they share codes?

# %%
codes = ae.encode(images)
distinct = len(np.unique(codes, axis=0))
say(f"The {len(images):,} images have **{distinct:,}** different codes in the AE.")
if FULL:
    assert distinct == len(images)

# %% [markdown]
# So the noiseless autoencoder keeps all 13 bits, and that says nothing about it: the digits far
# behind the decimal point count as much as the first. The question becomes a real one when the code
# has a limited precision. Add noise,
#
# $$z = y + \varepsilon, \qquad y = \text{encode}(x), \quad \varepsilon \sim \mathcal N(0, s^2 I),$$
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
# Mind what stands in the numerator: the variance of the **noiseless** code. (Read as "the variance of
# the latent space", with the noise counted in, even a code that ignores the image would have a rate
# of half a bit per dimension.) By hand for the AE at one noise level, and both
# helpers agree:

# %%
s = 0.03 * codes.std()
signal = codes.var(axis=0)
by_hand = 0.5 * np.log2(1 + signal / s**2)
constant_noise = np.full_like(codes, 2 * np.log(s))  # log variance
np.testing.assert_allclose(channel_rate(codes, constant_noise), by_hand, rtol=1e-4)
np.testing.assert_allclose(textbook_rate(signal, s**2), by_hand, rtol=1e-4)

ignores_image = textbook_rate(0.0, s**2), textbook_rate(0.0 + s**2, s**2)
np.testing.assert_allclose(ignores_image, (0.0, 0.5))
pd.DataFrame(
    {"variance of the code": signal, "rate (bits)": by_hand},
    index=[f"z{i + 1}" for i in range(LATENT_SIZE)],
).astype(float).round(3)

# %% [markdown]
# ## Known answers in one dimension
#
# How far above the truth is $R$? In one dimension $h(Z)$ is an integral over the mixture
# $q(z) = \frac1N \sum_n q(z|n)$, and quadrature does it to many digits. The grid is finest where
# the Gaussians are narrowest.


# %%
def normal(z, mean, variance):
    """The density of N(mean, variance) at z."""
    return np.exp(-((z - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def information_by_quadrature(means, variances):
    """I(X; Z) in bits of equally likely images sent as N(means[n], variances[n])."""
    z = np.unique(means[:, None] + np.sqrt(variances)[:, None] * np.linspace(-9, 9, 301))
    q = np.mean([normal(z, m, v) for m, v in zip(means, variances, strict=True)], axis=0)
    entropy_z = np.trapezoid(entr(q), z) / np.log(2)
    return entropy_z - 0.5 * np.mean(np.log2(2 * np.pi * np.e * variances))


# %% [markdown]
# Two sources from the textbooks: a bit sent as ±1, and 28 equally spaced levels (a shape's place
# along 28 pixels), at several signal-to-noise ratios.

# %%
rows = []
for name, levels, ratios in (
    ("±1", np.array([-1.0, 1.0]), (1, 4, 16)),
    ("28 levels", np.linspace(-1, 1, 28), (1, 10, 100, 1000)),
):
    for ratio in ratios:
        noise = np.full(len(levels), levels.var() / ratio)
        exact = information_by_quadrature(levels, noise)
        rate = float(channel_rate(levels[:, None], np.log(noise)[:, None])[0])
        assert exact < min(rate, np.log2(len(levels)))
        rows.append([name, ratio, exact, rate, np.log2(len(levels))])
columns = ["source", "signal to noise", "exact I (bits)", "R (bits)", "H (bits)"]
pd.DataFrame(rows, columns=columns).round(5)

# %% [markdown]
# With much noise, $R$ is nearly the truth: signal plus noise looks Gaussian. With little, it runs
# away: a bit sent as ±1 can never give more than one bit, while $R$ grows without end.
#
# ## Noise that varies by image: where the textbook formula breaks
#
# A VAE's variance differs from image to image, and it is tempting to put its *mean* into the
# textbook formula. 200 equally likely images have means evenly from −1 to 1; every other one is sent
# with noise variance 0.0001, the others with 4.

# %%
means = np.linspace(-1, 1, 200)
variances = np.tile([1e-4, 4.0], 100)
exact = information_by_quadrature(means, variances)
with_mean_noise = float(textbook_rate(means.var(), variances.mean()))
channel = float(channel_rate(means[:, None], np.log(variances)[:, None])[0])
assert with_mean_noise < exact < channel
say(
    f"Exact information **{exact:.4f}** bits; textbook formula with the mean noise "
    f"**{with_mean_noise:.4f}**; the rate $R$ above **{channel:.4f}**."
)

# %% [markdown]
# The textbook formula with the mean noise is no upper bound: the noisy half of the images drowns the
# bits of the precise half. $R$ stays above the truth, and here not by much. From now on $R$ means
# the boxed formula.
#
# ## The rate audit: where every bit of the KL goes
#
# The VAE pays for its code with $\mathbb E\,\mathrm{KL}\big(q(z|x)\,\Vert\,\mathcal N(0,I)\big)$. Part of
# this is information about the image, the rest is not. Four steps take it apart. Every step inserts
# one density into the logarithm, $\log\frac{a}{c} = \log\frac{a}{b} + \log\frac{b}{c}$, and is
# followed by a number that checks it: a code of six images in two dimensions, small enough for
# sums over a fine grid of $z$.

# %%
toy_mean = np.array([[-1.5, -1.0], [-0.5, -1.2], [0.4, -0.3], [0.5, 0.6], [1.3, 0.9], [1.6, 1.8]])
toy_variance = np.array([[0.1, 0.3], [0.2, 0.1], [0.5, 0.1], [0.1, 0.2], [0.3, 0.1], [0.1, 0.4]])
axis, step = np.linspace(-7, 7, 701, retstep=True)
per_latent = normal(axis, toy_mean[..., None], toy_variance[..., None])  # q(z_i|n): (6, 2, 701)
posteriors = per_latent[:, 0, :, None] * per_latent[:, 1, None, :]  # q(z|n): (6, 701, 701)
q = posteriors.mean(axis=0)
np.testing.assert_allclose(posteriors.sum(axis=(1, 2)) * step**2, 1, rtol=1e-6)


# %%
def divergence(p, q, cell):
    """KL(p || q) in bits of two densities on a grid with cells of this size."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.sum(p * np.log2(ratio)) * cell


# %% [markdown]
# **Step 1: information, and the rest.** Insert the aggregate posterior $q(z) = \frac1N\sum_n q(z|n)$:
#
# $$\mathbb E_x\, \mathrm{KL}\big(q(z|x)\Vert \mathcal N(0,I)\big)
# = \underbrace{\mathbb E_x\, \mathrm{KL}\big(q(z|x)\Vert q(z)\big)}_{I(X;Z)} + \mathrm{KL}\big(q(z)\Vert \mathcal N(0,I)\big)$$
#
# The first term is the mutual information, written as the mean divergence of the conditional from
# the marginal.

# %%
prior = normal(axis, 0, 1)
prior_2d = prior[:, None] * prior
toy_kl = float(gaussian_kl(toy_mean, np.log(toy_variance)).mean()) / np.log(2)
toy_information = np.mean([divergence(p, q, step**2) for p in posteriors])
toy_rest = divergence(q, prior_2d, step**2)
np.testing.assert_allclose(toy_information + toy_rest, toy_kl, rtol=1e-5)
assert toy_information < np.log2(6)
say(f"{toy_kl:.4f} = **{toy_information:.4f}** + {toy_rest:.4f} bits")

# %% [markdown]
# **Step 2: dependence between the latents.** Insert the product of the marginals $\prod_i q(z_i)$.
# What splits off is the **total correlation** TC, the bits that the latents tell about each other:
#
# $$\mathrm{KL}\big(q(z)\Vert \mathcal N(0,I)\big) = \underbrace{\mathrm{KL}\Big(q(z)\Big\Vert \prod_i q(z_i)\Big)}_{\mathrm{TC}}
# + \sum_i \mathrm{KL}\big(q(z_i)\Vert \mathcal N(0,1)\big)$$

# %%
marginals = per_latent.mean(axis=0)
toy_correlation = divergence(q, marginals[0][:, None] * marginals[1], step**2)
toy_marginal = np.array([divergence(marginal, prior, step) for marginal in marginals])
np.testing.assert_allclose(toy_correlation + toy_marginal.sum(), toy_rest, rtol=1e-5)
say(f"{toy_rest:.4f} = **{toy_correlation:.4f}** + {toy_marginal.sum():.4f} bits")

# %% [markdown]
# **Step 3: form and fit.** Insert the Gaussian with the mean $m_i$ and variance $v_i$ of $z_i$. The
# logarithm of a ratio of two Gaussians is a quadratic in $z_i$, and its mean depends on $q(z_i)$
# only through $m_i$ and $v_i$; so
#
# $$\mathrm{KL}\big(q(z_i)\Vert \mathcal N(0,1)\big) = \underbrace{\mathrm{KL}\big(q(z_i)\Vert \mathcal N(m_i, v_i)\big)}_{\text{negentropy}_i}
# + \underbrace{\mathrm{KL}\big(\mathcal N(m_i, v_i)\Vert \mathcal N(0,1)\big)}_{\text{mismatch}_i}$$

# %%
m = toy_mean.mean(axis=0)
v = toy_mean.var(axis=0) + toy_variance.mean(axis=0)
gaussians = [normal(axis, m[i], v[i]) for i in range(2)]
toy_negentropy = np.array([divergence(marginals[i], gaussians[i], step) for i in range(2)])
toy_mismatch = np.asarray(gaussian_kl_per_latent(m, np.log(v))) / np.log(2)
np.testing.assert_allclose(toy_negentropy + toy_mismatch, toy_marginal, rtol=1e-4)
say(f"{toy_marginal.sum():.4f} = **{toy_negentropy.sum():.4f}** + {toy_mismatch.sum():.4f} bits")

# %% [markdown]
# **Step 4: the channel rate is the first three terms.** The entropy of the posterior is
# $\frac12\log_2 2\pi e\sigma_i^2$ and that of $\mathcal N(m_i, v_i)$ is $\frac12\log_2 2\pi e\,v_i$. Take
# $R_i$ apart at $h(Z_i)$ and their sum at $h(Z)$:
#
# $$R = \underbrace{h(Z) - h(Z|X)}_{I} + \underbrace{\textstyle\sum_i h(Z_i) - h(Z)}_{\mathrm{TC}}
# + \sum_i\underbrace{\big(\tfrac12\log_2 2\pi e\, v_i - h(Z_i)\big)}_{\text{negentropy}_i}$$
#
# So the two inequalities that made $R$ a bound have names, and what the KL counts beyond $R$ is the
# mismatch.

# %%
toy_rate = channel_rate(toy_mean, np.log(toy_variance)).sum()
parts = toy_information + toy_correlation + toy_negentropy.sum()
np.testing.assert_allclose(parts, toy_rate, rtol=1e-4)
np.testing.assert_allclose(toy_rate + toy_mismatch.sum(), toy_kl, rtol=1e-4)
say(f"R = {toy_rate:.4f} bits; the first three terms **{parts:.4f}**")

# %% [markdown]
# **Step 5: dependence, or only counting?** A total correlation above 0 need not mean that the
# latents know of each other. Six images can fill six places of the plane, while independent latents
# with six values each would fill $6 \times 6$. **Predict:** shuffle the second latent over the images, its
# means and variances together. Whatever tied it to the first is gone. Does the TC fall to 0?

# %%
thin, cell = per_latent[..., ::5], (5 * step) ** 2  # 720 orders: a coarser grid is fine enough
product = thin.mean(axis=0)[0][:, None] * thin.mean(axis=0)[1]
shuffled_tc = [
    divergence(thin[:, 0].T @ thin[list(order), 1] / 6, product, cell)
    for order in itertools.permutations(range(6))
]
np.testing.assert_allclose(shuffled_tc[0], toy_correlation, rtol=1e-5)  # the order as it was
toy_granularity = float(np.mean(shuffled_tc))
assert min(shuffled_tc) > 0.1
say(
    f"TC: **{toy_correlation:.4f}** bits; with the second latent shuffled **{toy_granularity:.4f}** bits in "
    f"the mean over all 720 orders, between {min(shuffled_tc):.4f} and "
    f"{max(shuffled_tc):.4f}."
)

# %% [markdown]
# It does not. What the shuffled code shows is the null of the TC: we call it the **granularity** of the
# code, bits that it pays for being made of $N$ points. It has room for more images than there are. Only
# the rest, the **excess dependence**, says that the latents know of each other:
#
# $$\mathrm{TC} = \text{granularity} + \text{excess dependence}$$
#
# The excess may fall a little below 0: then the code spreads its images more evenly than chance would, as a
# grid does.
#
# There is a law behind it. $I$ cannot exceed $\log_2 N$, so $\mathrm{TC} \ge R - \sum_i \text{negentropy}_i - \log_2 N$
# *for every code*: once the latents together have more room than $N$ images need, the TC is forced up,
# whatever the code looks like.
#
# No grid reaches four dimensions and 8,192 images. `rate_audit` draws $z$ from every posterior
# instead and averages the logarithms, with the mixture $q(z)$ still exact: a sum over **all**
# images. Its terms come with standard errors. On the toy code it agrees with the grid:

# %%
audit = rate_audit(toy_mean, np.log(toy_variance), key=jax.random.key(1), draws=2000)
on_the_grid = {
    "mutual_information": toy_information,
    "granularity": toy_granularity,
    "total_correlation": toy_correlation,
    "negentropy": toy_negentropy.sum(),
    "prior_mismatch": toy_mismatch.sum(),
    "kl": toy_kl,
}
table = {
    name: [value, np.sum(getattr(audit, name)), np.linalg.norm(audit.stderr[name])]
    for name, value in on_the_grid.items()
}
toy_table = pd.DataFrame(table, index=["grid", "rate_audit", "standard error"]).T
off = (toy_table["rate_audit"] - toy_table["grid"]).abs()
assert (off < 5 * toy_table["standard error"] + 1e-3).all()
toy_table.round(4)

# %% [markdown]
# ### What proves that the account is right?
#
# Not that the terms add up. Their sum telescopes: *whatever* is taken for $q(z)$ cancels. Take a
# wrong $q$, made from every other image only, and the identity still closes. What sees the error is a
# quantity in which no next term cancels $q$: the information again, as $H(X) - \mathbb E\,H(X|Z)$, from the
# posterior over images $P(n|z) = q(z|n)/(N q(z))$.


# %%
def account(used):
    """The account in bits if q(z) were the mean of the posteriors `used`, (k, 701, 701)."""
    wrong_q = used.mean(axis=0)
    first, second = wrong_q.sum(axis=1) * step, wrong_q.sum(axis=0) * step
    product, gaussian = first[:, None] * second, gaussians[0][:, None] * gaussians[1]

    def over_z(values):  # the mean over the true q(z)
        return np.sum(q * values) * step**2

    terms = {
        "I": np.mean([divergence(p, wrong_q, step**2) for p in posteriors]),
        "TC": over_z(np.log2(wrong_q / product)),
        "negentropy": over_z(np.log2(product / gaussian)),
        "mismatch": over_z(np.log2(gaussian / prior_2d)),
    }
    posterior = posteriors / (6 * wrong_q)
    terms["sum"] = sum(terms.values())
    unknown = over_z(entr(posterior).sum(axis=0)) / np.log(2)
    return terms | {"I, second route": np.log2(6) - unknown}


# %%
accounts = pd.DataFrame({"right q": account(posteriors), "wrong q": account(posteriors[::2])})
right, wrong = accounts["right q"], accounts["wrong q"]
np.testing.assert_allclose(accounts.loc["sum"], toy_kl, rtol=1e-4)
np.testing.assert_allclose(right["I, second route"], right["I"], rtol=1e-4)
assert abs(wrong["I, second route"] - wrong["I"]) > 0.1
assert wrong["I"] > np.log2(6)
assert wrong["negentropy"] < 0
accounts.map("{:.4g}".format)

# %% [markdown]
# Both columns sum to the KL, though I, TC and negentropy of the second are wrong. (Here they are even
# impossible: more information than the $\log_2 6$ bits of six images, and a negative divergence. A
# smaller error would look innocent.) The second route gives it away; it is so far off because the wrong
# $q$, by which it divides, is almost 0 where the images lie that it leaves out. It is the less noisy
# route too, and the one by which `rate_audit` reports $I$ and the TC.
#
# ## The autoencoder with noise: exact information
#
# Add noise of one level to every latent, account for the bits, decode what arrives, and measure the
# squared error **of the noisy code** (the error of the noiseless code belongs to no finite rate). A code
# may be large or small, and a decoder with it; so the levels are shares of the codes' standard deviation.


# %%
def noisy_account(codes, s, decode, key, draws=2):
    """The account, in bits, of codes with noise of standard deviation s, and the error."""
    audit_key, z_key = jax.random.split(key)
    log_variance = np.full_like(codes, 2 * np.log(s))
    audit = rate_audit(codes, log_variance, key=audit_key, draws=draws)
    z = codes + s * np.asarray(jax.random.normal(z_key, codes.shape))
    return {
        "noise s": s,
        "exact I": audit.mutual_information,
        "direct route": audit.direct_route,
        "granularity": audit.granularity,
        "excess dependence": audit.excess_dependence,
        "negentropy": audit.negentropy.sum(),
        "R": audit.channel_rate.sum(),
        "squared error": float(squared_error(images, decode(z)).mean()),
        "audit": audit,
    }


# %%
noises = [share * float(codes.std()) for share in NOISE_LEVELS]
keys = jax.random.split(jax.random.key(2), len(noises))
ae_rows = [noisy_account(codes, s, ae.decode, k) for s, k in zip(noises, keys, strict=True)]
ae_audits = [row.pop("audit") for row in ae_rows]
noise_table = pd.DataFrame(ae_rows)
np.testing.assert_allclose(noise_table["direct route"], noise_table["exact I"], atol=0.05)
assert (noise_table["exact I"] < world.entropy_bits + 0.01).all()
assert (noise_table["exact I"] < noise_table["R"]).all()
noise_table.insert(0, "share of the sd", NOISE_LEVELS)
noise_table.round(3)

# %%
over = noise_table[noise_table["R"] > world.entropy_bits]
noiseless_error = float(squared_error(images, ae.decode(codes)).mean())
least = noise_table.iloc[0]
say(
    f"At noise {least['noise s']:.3f} the code keeps {least['exact I']:.2f} bits, almost nothing "
    f"is lost, and $R$ says {least['R']:.1f}: {least['granularity']:.1f} bits of it are granularity, the TC "
    f"of the same code with every latent shuffled. At {len(over)} of {len(noise_table)} levels $R$ exceeds "
    f"the {world.entropy_bits:g} bits that an image holds. Without noise the error is {noiseless_error:.2f}. The "
    f"excess dependence is {noise_table['excess dependence'].min():.2f} to "
    f"{noise_table['excess dependence'].max():.2f} bits, the most at noise "
    f"{noise_table['noise s'][noise_table['excess dependence'].idxmax()]:.2g}."
)
if FULL:
    assert len(over) > 0
    assert least["granularity"] > 5 * abs(least["excess dependence"])
    assert noise_table["excess dependence"].max() > 0.1

# %% [markdown]
# With little noise the surplus is counting. The code has room for $2^R$ images and the world has
# $2^{13}$: whatever the latents hold, the 8,192 points leave most of the room empty, and the finer the
# noise, the more of the emptiness shows. Shuffling the latents changes nothing of that. The excess
# is what the AE's latents do know of each other. Very fine noise hides it: there the room is so large
# that 8,192 points fill as little of it with dependence as without.
#
# ## The VAE's account
#
# The same function, with the variances that the encoder puts out, on the same population.

# %%
mean, log_variance = vae.encode(images)
audit = rate_audit(mean, log_variance, key=jax.random.key(3), draws=DRAWS)
audit.table().round(4)

# %% [markdown]
# $I$ and the granularity are means over draws; $R$, the mismatch and the KL are closed forms, the
# negentropies integrals. The TC is what is left: $R - I - \sum_i\text{negentropy}_i$.

# %%
room = audit.channel_rate.sum() - audit.negentropy.sum()
textbook = float(textbook_rate(mean.var(axis=0), np.exp(log_variance).mean(axis=0)).sum())
np.testing.assert_allclose(audit.granularity + audit.excess_dependence, audit.total_correlation)
assert abs(audit.direct_route - audit.mutual_information) < 0.05
assert audit.mutual_information < world.entropy_bits
assert audit.channel_rate.sum() < audit.kl + 1e-4
if FULL:
    assert audit.mutual_information < audit.channel_rate.sum()
    assert room > world.entropy_bits
    assert audit.total_correlation > room - world.entropy_bits
    assert audit.excess_dependence < 0.3
say(
    f"The VAE keeps **{audit.mutual_information:.2f} of {world.entropy_bits:g} bits** and pays "
    f"{audit.kl:.2f}. Its latents together have room for {room:.1f} bits, so the TC is at least "
    f"{room - world.entropy_bits:.2f} whatever they hold. It is {audit.total_correlation:.2f}: "
    f"**{audit.granularity:.2f} of granularity** and **{audit.excess_dependence:.2f} of excess "
    f"dependence**. Non-Gaussian form costs {audit.negentropy.sum():.3f} bits, mismatch in mean and "
    f"variance {audit.prior_mismatch.sum():.3f}. The textbook formula with the mean noise says {textbook:.2f}."
)

# %% [markdown]
# So nearly all that the KL charges beyond the information is **precision that the world cannot use**. The
# VAE buys room for many more images than the world has, and its latents are nearly independent.
# There is no hidden structure here that a better prior could save: a product of one-dimensional
# densities would already fit.
#
# ### Where does the precision go?
#
# The VAE was trained on random shapes, whose places and sizes are continuous. **Predict:** take more and more
# of them as the source, each image equally likely. What happens to $I$, to the granularity?

# %% nbmake={"mock": {"SOURCE_SIZES": [256, 1024]}}
SOURCE_SIZES = [2**11, 2**13, 2**15]

# %%
rows = {"the world, 8,192": audit}
for size in SOURCE_SIZES:
    continuous = vae.encode(training_images[:size])
    settings = {"key": jax.random.key(14), "draws": 2, "sample": 4096}
    rows[f"random shapes, {size:,}"] = rate_audit(*continuous, **settings)
terms = {
    "log2 N": [np.log2(len(images)), *np.log2(SOURCE_SIZES)],
    "I": [a.mutual_information for a in rows.values()],
    "granularity": [a.granularity for a in rows.values()],
    "excess dependence": [a.excess_dependence for a in rows.values()],
    "R": [a.channel_rate.sum() for a in rows.values()],
}
pd.DataFrame(terms, index=list(rows)).round(3)

# %% [markdown]
# The rate $R$ stays: it sees means and variances only. With more images the information grows, and the
# granularity falls by as much. The code has places for pictures between the grid points; in our world of
# 8,192 images nobody sends them.
#
# ### The negentropies by hand
#
# The marginals are one-dimensional mixtures of 8,192 Gaussians, so
# quadrature gives each negentropy without any drawing.

# %%
z_axis = np.linspace(-8, 8, 4001)
by_quadrature = []
for i in range(LATENT_SIZE):
    mu, var = np.asarray(mean[:, i], float), np.exp(np.asarray(log_variance[:, i], float))
    q_i = sum(normal(z_axis[:, None], *part).sum(axis=1) for part in zip(
        np.array_split(mu, 32), np.array_split(var, 32), strict=True)) / len(mu)  # fmt: skip
    entropy_i = np.trapezoid(entr(q_i), z_axis) / np.log(2)
    gaussian = 0.5 * np.log2(2 * np.pi * np.e * (mu.var() + var.mean()))
    by_quadrature.append(gaussian - entropy_i)
per_latent_table = pd.DataFrame(
    {
        "channel rate (bits)": audit.channel_rate,
        "negentropy": audit.negentropy,
        "by quadrature": by_quadrature,
        "standard error": audit.stderr["negentropy"],
        "mismatch": audit.prior_mismatch,
    },
    index=[f"z{i + 1}" for i in range(LATENT_SIZE)],
)
if FULL:
    np.testing.assert_allclose(audit.negentropy, by_quadrature, atol=0.01)
per_latent_table.astype(float).round(4)

# %% [markdown]
# ## What the bits mean
#
# Which latent knows what? Given $z$, the probability of every image is known,
# $P(n|z) = q(z|n) / (N q(z))$. Sum it over the images that share a value of a factor, and the
# probability of each value is there; its entropy is what is still unknown. For one drawn $z$, by hand:

# %%
n = int(np.flatnonzero((factors == [0, 13, 13, 4]).all(axis=1))[0])
z_n = vae.sample(mean[n], log_variance[n], jax.random.key(4))
log_likelihood = -((z_n - mean) ** 2 / np.exp(log_variance) + log_variance).sum(axis=1) / 2
posterior = np.asarray(jax.nn.softmax(log_likelihood), float)  # P(image | z)
sizes = np.unique(factors[:, 3])
p_size = np.array([posterior[factors[:, 3] == size].sum() for size in sizes])
unknown = entr(p_size).sum() / np.log(2)
np.testing.assert_allclose(p_size.sum(), 1, rtol=1e-5)
say(
    f"Image {n} has size {factors[n, 3]:g}. After its z, size {sizes[p_size.argmax()]:g} has "
    f"probability {p_size.max():.2f}; of the {np.log2(len(sizes)):g} bits of the size "
    f"{unknown:.2f} are still unknown."
)

# %% [markdown]
# The mean over images and $z$ is $I(\text{factor}; Z) = H(\text{factor}) - \mathbb E\,H(\text{factor}\,|\,z)$.
# `factor_information` computes it for all latents together, and for each alone, where
# $q(z_i|n)$ takes the place of $q(z|n)$. No bins, nothing fitted. The AE with a noise that leaves it
# about as many bits stands beside the VAE.

# %%
nearest = int(np.abs(noise_table["exact I"] - audit.mutual_information).to_numpy().argmin())
s = noises[nearest]
ae_log_variance = np.full_like(codes, 2 * np.log(s))
vae_bits, vae_bits_error = factor_information(
    mean, log_variance, factors, key=jax.random.key(5), draws=2
)
ae_bits, _ = factor_information(codes, ae_log_variance, factors, key=jax.random.key(6), draws=2)
entropies = np.log2(world.cardinalities)
assert float(vae_bits_error.to_numpy().max()) < 0.02
assert (vae_bits.loc["all"] <= entropies + 0.01).all()


# %%
def heatmaps(tables, *, label, top=1):
    """Tables of values from 0 to `top`, side by side, by title."""
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


# %%
def with_remainder(bits):
    """The table of bits with a row for what is left over: all together less each alone."""
    alone = bits.drop(index="all")
    return pd.concat([bits, (bits.loc["all"] - alone.sum()).rename("all - sum").to_frame().T])


tables = {
    "VAE": with_remainder(vae_bits),
    f"AE, noise {NOISE_LEVELS[nearest]:g} sd": with_remainder(ae_bits),
}
fig = heatmaps(tables, label="bits about the factor", top=4)
save_figure(fig, "04_factor_information")

# %%
vae_mig = mutual_information_gap(vae_bits, entropies)
ae_mig = mutual_information_gap(ae_bits, entropies)
synergy = tables["VAE"].loc["all - sum"]
held = ", ".join(
    f"{vae_bits.loc['all', f]:.2f} of {h:g} bits of the {f}"
    for f, h in zip(FACTORS, entropies, strict=True)
)
say(
    f"All four latents of the VAE hold {held}. "
    f"The best single latent holds "
    + ", ".join(f"{vae_bits.drop(index='all')[f].max():.2f} of the {f}" for f in FACTORS)
    + ". "
    f"The mutual information gap (MIG), the best latent's lead over the second as a share of the "
    f"factor's entropy, averaged over the factors, is {vae_mig:.3f} for the VAE and {ae_mig:.3f} for the AE; 1 would be one latent per factor."
)

# %% [markdown]
# The row *all − sum* is $I(Z; f) - \sum_j I(Z_j; f)$. Negative, it would be redundancy: latents
# repeating each other. Positive it is **synergy**: bits that are in no latent alone, only in their
# combination, like the angle of a vector in its coordinates.
#
# ### What probes say of the same codes
#
# Usually $q(z)$ is not known and a probe stands in. Draw one $z$ per image and let three of them
# look at it:
#
# - a **linear probe** per factor; if signal and error were Gaussian, $R^2$ would mean
#   $-\tfrac12\log_2(1-R^2)$ bits;
# - scikit-learn's **k-nearest-neighbour estimate** of the mutual information between one latent and
#   a factor (Ross 2014);
# - the five **nearest codes** as a predictor of each factor, from all latents.


# %%
def linear_probe(codes, factors, train, test):
    """Held-out R^2 for x, y, size and the accuracy for shape, from each latent and from all."""
    rows = {}
    for name, columns in [*((f"z{i + 1}", [i]) for i in range(codes.shape[1])), ("all", ...)]:
        z = np.asarray(codes)[:, columns]
        fits = [LinearRegression().fit(z[train], factors[train, j]) for j in (1, 2, 3)]
        row = [f.score(z[test], factors[test, j]) for j, f in enumerate(fits, start=1)]
        guess = LogisticRegression(max_iter=1000).fit(z[train], factors[train, 0])
        rows[name] = [guess.score(z[test], factors[test, 0]), *row]
    return pd.DataFrame(rows, index=FACTORS).T


def neighbour_probe(codes, factors, train, test):
    """As the row `all` of `linear_probe`, by the five nearest codes."""
    z, scores = np.asarray(codes), {}
    for j, name in enumerate(FACTORS):
        kind = KNeighborsClassifier if name == "shape" else KNeighborsRegressor
        scores[name] = kind(5).fit(z[train], factors[train, j]).score(z[test], factors[test, j])
    return pd.Series(scores)


# %%
vae_key, ae_key = jax.random.split(jax.random.key(7))
z = vae.sample(mean, log_variance, vae_key)
noisy_codes = codes + s * np.asarray(jax.random.normal(ae_key, codes.shape))
train, test = recipes.world_split(world)  # a probe is fitted to images of the world itself
drawn = {"VAE": z, f"AE, noise {NOISE_LEVELS[nearest]:g} sd": noisy_codes}
probes = {name: linear_probe(c, factors, train, test) for name, c in drawn.items()}
neighbours = pd.DataFrame(
    {name: neighbour_probe(c, factors, train, test) for name, c in drawn.items()}
).T
save_figure(heatmaps(probes, label="accuracy or $R^2$, held-out"), "04_linear_probes")

# %%
estimate = pd.DataFrame(
    [
        mutual_info_classif(z[:, [i]], factors[:, j].astype(int), random_state=0)[0] / np.log(2)
        for i in range(LATENT_SIZE)
        for j in range(4)
    ]
).to_numpy().reshape(LATENT_SIZE, 4)  # fmt: skip
alone = vae_bits.drop(index="all").to_numpy()
linear_bits = -0.5 * np.log2(1 - probes["VAE"].drop(columns="shape").clip(0, 0.9999))
latents = [f"z{i + 1}" for i in range(LATENT_SIZE)]
compared = {
    "exact bits": pd.DataFrame(alone, latents, FACTORS),
    "k-nearest neighbours": pd.DataFrame(estimate, latents, FACTORS),
    "linear (Gaussian)": linear_bits.drop(index="all"),
}
pd.concat(compared, axis=1).round(2)

# %%
off = np.abs(estimate - alone).max()
linear_total = linear_bits.loc["all"]
if FULL:
    assert off < 0.3
    assert (linear_total < vae_bits.loc["all", ["x", "y", "size"]]).all()
say(
    f"In one dimension the nearest neighbours are right to {off:.2f} bits. From all latents the linear "
    f"probe finds {linear_total['x']:.2f} bits of x, {linear_total['y']:.2f} of y and "
    f"{linear_total['size']:.2f} of size, where {vae_bits.loc['all', 'x']:.2f}, "
    f"{vae_bits.loc['all', 'y']:.2f} and {vae_bits.loc['all', 'size']:.2f} are. The nearest codes "
    f"predict x with R² {neighbours.loc['VAE', 'x']:.3f} and the shape in "
    f"{neighbours.loc['VAE', 'shape']:.0%} of all cases, but R² and accuracy are not bits."
)

# %% [markdown]
# A linear probe measures how *readable* a code is, bits measure how much is *there*: the code is
# folded, so a low score does not mean that the information is missing. (In the figure, chance is an
# accuracy of 0.25 in the column shape, and an $R^2$ of 0 in the others.) A probe is fitted to some
# labelled images, and may fit badly. The exact count fits nothing, but asks for more: the posterior and
# the factors of *every* image of the world.
#
# ### Traversals
#
# Start at the code of one image and move one latent at a time from −2.5 to 2.5. **Predict** from the
# table of bits above: will one row move the shape along x and nothing else? (Where a kernel runs there
# is a slider for every latent in place of the figure, which is `figures/04_traversals.png`.)

# %%
walk = jnp.linspace(-2.5, 2.5, 11)
walks = [jnp.tile(mean[n], (11, 1)).at[:, i].set(walk) for i in range(LATENT_SIZE)]
rows = {
    f"$z_{i + 1}$": vae.decode(jnp.concatenate([mean[n][None], codes_along]))
    for i, codes_along in enumerate(walks)
}
titles = {"$z_1$": ["start", *(f"{value:.1f}" for value in walk)]}
still = save_figure(plotting.image_rows(rows, titles=titles), "04_traversals")
Explorer(vae, images[n :: len(images) // 8], still)

# %% [markdown]
# The rows do what the table of bits says: a latent that holds most of one factor moves that one, and
# drags the others along a little. Why should an axis be a factor at all? Prior and likelihood do not
# change when the code space is rotated together with the decoder. Only the diagonal posterior singles
# out axes: noise along an axis must not hurt more than needed, so the directions in which the picture
# changes the fastest are kept apart (Rolinek et al. 2019). Here these are mostly x and y; nothing makes
# shape and size fall into latents of their own.
#
# ## Bayes decoding: the best possible decoder
#
# $P(n|z)$ also gives the best guess of the image, the most likely one, and the best decoder: of all
# functions of $z$ the conditional mean
#
# $$\mathbb E[x|z] = \sum_n P(n|z)\, x_n$$
#
# has the least squared error. For the one $z$ from above by hand, then for one $z$ of every image:

# %%
best = bayes_decode(mean, log_variance, images, z)
one = bayes_decode(mean, log_variance, images, z_n[None])
by_hand = np.tensordot(posterior, np.asarray(images), 1)
np.testing.assert_allclose(one.reconstruction[0], by_hand, atol=1e-4)
assert one.most_likely[0] == posterior.argmax()

x_hat = vae.decode(z)
vae_distortion = float(squared_error(images, x_hat).mean())
vae_bayes_distortion = float(squared_error(images, best.reconstruction).mean())
at_mean = float(squared_error(images, vae.decode(mean)).mean())
error_rate = float((best.most_likely != np.arange(len(images))).mean())
assert vae_bayes_distortion < vae_distortion

# %% [markdown]
# How often must the best guess be wrong? **Fano's inequality**: what is unknown after $z$ is at most
# whether the guess is wrong, and if so, which of the other images it was,
#
# $$H(X|Z) \le h_2(P_e) + P_e \log_2(N-1), \qquad H(X|Z) = H(X) - I(X;Z),$$
#
# with $h_2(p) = -p\log_2 p - (1-p)\log_2(1-p)$.
#
# Solved for the error rate $P_e$ it bounds every guess from below.

# %%
unknown = world.entropy_bits - audit.mutual_information


def fano(p):
    """The most bits that can be unknown at an error rate p, less those that are."""
    return (entr(p) + entr(1 - p)) / np.log(2) + p * np.log2(len(images) - 1) - unknown


fano_bound = brentq(fano, 1e-12, 1 - 1 / len(images))
assert error_rate > fano_bound
by_decoder = 1 - vae_bayes_distortion / vae_distortion
say(
    f"{unknown:.2f} bits are unknown after z, so any guess errs in at least {fano_bound:.1%} of all "
    f"cases; the best one errs in **{error_rate:.1%}**. The VAE's distortion is **{vae_distortion:.2f}** "
    f"with z drawn ({at_mean:.2f} at the posterior mean, an error that belongs to no channel of this "
    f"rate); the best decoder of the same z reaches **{vae_bayes_distortion:.3f}**: "
    f"{by_decoder:.0%} of the distortion is the decoder's, the rest the encoder's."
)

# %%
worst = np.argsort(-np.asarray(squared_error(images, x_hat)))[:40:4]
rows = {
    "image": images[worst],
    "the VAE's decoder": x_hat[worst],
    "best decoder, E[x|z]": best.reconstruction[worst],
}
save_figure(plotting.image_rows(rows), "04_bayes_decoding")

# %% [markdown]
# These are among the images that the decoder gets most wrong. Mostly the code knows better: the
# latent space has the information and the network has not learnt to read it. Where the best decoder
# shows two pictures at once, the code itself cannot tell them apart.
#
# Mind what the best decoder is: it looks all 8,192 images up and weighs them. No network that has not
# seen them can do that, and ours has not. So the decoder's share is what knowing the world is worth, more
# than what a better network could gain.
#
# ## The limit: how few bits can any code need?
#
# **Stop and predict:** the VAE pays more bits than an image has, and still makes errors. How many
# would the best code of all need to err as much?
#
# For every distortion $D$ there is a least number of bits, the **rate-distortion function**
#
# $$R(D) = \min_{p(\hat x|x)\,:\; \mathbb E\|x-\hat x\|^2 \le D} I(X;\hat X),$$
#
# and no code, however clever, is below it (Shannon 1959). It is convex, so instead of fixing $D$ one
# fixes the slope $t = -R'(D)$, in nats per unit of squared error, and minimises
# $I + t\,\mathbb E\|x-\hat x\|^2$. This is the VAE's loss in the limit's own terms:
# $\frac{1}{2c}\|x-\hat x\|^2 + \mathrm{KL}$ trades at $t = 1/2c$.
#
# If the reproductions $\hat x_1,\dots,\hat x_M$ are given, with probabilities $r_j$, the best channel sends
# $x$ as $\hat x_j$ with probability $\propto r_j\,e^{-t d(x,\hat x_j)}$, $d(x,\hat x) = \lVert x-\hat x\rVert^2$; and the best $r$ for a channel is
# how often it sends each. **Blahut and Arimoto** alternate the two. By hand for a small source,
# circles of one size in 256 places, reproduced by themselves:

# %%
circles = shape_world(("circle",))
places = circles.images[circles.factors[:, 3] == 4].reshape(256, -1).astype(float)
energy = (places**2).sum(axis=1)
d = energy[:, None] + energy - 2 * places @ places.T
slope = 0.1
reproduced = np.full(256, 1 / 256)
for _ in range(2000):
    channel_to = reproduced * np.exp(-slope * d)
    channel_to /= channel_to.sum(axis=1, keepdims=True)  # P(reproduction | image)
    reproduced = channel_to.mean(axis=0)
hand_rate = np.mean(np.sum(channel_to * np.log2(channel_to / reproduced), axis=1))
hand_error = np.mean(np.sum(channel_to * d, axis=1))

# %%
given = blahut_arimoto(d, [slope], tolerance=1e-4)
np.testing.assert_allclose(given["rate"][0], hand_rate, atol=2e-3)
np.testing.assert_allclose(given["distortion"][0], hand_error, rtol=2e-3)
assert given["lower_bound"][0] <= hand_rate
say(
    f"By hand {hand_rate:.4f} bits at squared error {hand_error:.3f}; the helper "
    f"{given['rate'][0]:.4f} at {given['distortion'][0]:.3f}, and no channel **to these "
    f"reproductions** needs less than {given['lower_bound'][0]:.4f}."
)

# %% [markdown]
# *To these reproductions* is the point. A decoder may draw any picture, the mean of two neighbours for
# example. So between two updates `image_rate_distortion` moves each reproduction to the mean of the
# images that it stands for, the best place under squared error; those that meet become one. The curve falls:

# %%
slopes = [3, 1.5, 0.8, 0.5, 0.35, 0.25, 0.18, 0.13, 0.1, 0.08, 0.06]
fixed = blahut_arimoto(d, slopes, tolerance=1e-3)
free = image_rate_distortion(places, slopes)
series = {
    "fixed to the images": (fixed["distortion"], fixed["rate"]),
    "free reproductions": (free["distortion"], free["rate"]),
    "free, lower estimate": (free["distortion"], free["lower_bound"]),
}
fig = plotting.curves(
    series,
    x_label="squared error per image",
    y_label="bits per image",
    hlines={"H = 8 bits": 8},
)
save_figure(fig, "04_free_reproductions")

# %%
cost = [(t["rate"] * np.log(2) + t["slope"] * t["distortion"]).to_numpy() for t in (fixed, free)]
spread = float((free["rate"] - free["lower_bound"]).max())
assert (cost[1] <= cost[0] + 1e-3).all()
assert (cost[1] < cost[0] - 0.1).any()
say(
    f"At every slope the free reproductions cost no more (bits plus slope times error, not what is seen "
    f"at one error in the figure), and up to {(cost[0] - cost[1]).max() / np.log(2):.2f} bits less. The lower estimate is at most {spread:.3f} bits "
    f"below their curve: in the figure it lies on it."
)

# %% [markdown]
# How sure is the lower curve? The upper one is reached by a channel, so it is a true upper bound on
# $R(D)$. From below there is **Csiszár's dual**: for any positive
# function $\lambda(x)$ with $\mathbb E_x[\lambda(x)\, e^{-t d(x,\hat x)}] \le 1$ for **every** picture $\hat x$,
# $R(D) \ge \mathbb E \log\lambda(x) - tD$ in nats: a straight line below the whole curve. The best channel supplies $\lambda$; the largest value over all
# pictures $\hat x$ is searched by climbing from images and from reproductions. A climb may miss the highest peak,
# so this is an **estimate** of a bound and we call it that. Where the peak is above 1, the picture there
# would make the code better: it becomes a reproduction, and the updates go on until the two bounds meet.
#
# ### The limit of the whole world
#
# 8,192 images and 22 slopes take minutes, so `make sweep` computes the curve and this notebook reads
# its file. The two ends are known: 13 bits at no error, and the error of the mean image at 0 bits.

# %%
limits = recorded("limit")
limit = pd.DataFrame(limits["world"])
mean_image_error = float(images.var(axis=0, dtype=float).sum())
ends = limit.iloc[[0, -1]]
limit_width = float(limit["gap"].max())
assert limit_width <= 0.02
assert ends["rate"].iloc[0] > world.entropy_bits - 0.05
assert ends["distortion"].iloc[0] < 0.01
assert ends["rate"].iloc[1] < 0.05
assert abs(ends["distortion"].iloc[1] / mean_image_error - 1) < 0.05
apart = limit[limit["distortion"].diff().abs().fillna(1) > 1e-3]  # at the end two rows are one
falling = np.diff(apart["rate"]) / np.diff(apart["distortion"])
assert (np.diff(falling) > -0.02).all()  # convex, but for the rounding in the file
units = {"slope": "slope (nats per unit of error)", "rate": "rate (bits)"}
units |= {"reproductions": "number of reproductions"}
shown = limit.drop(columns=["dual", "gap"])  # what the lower estimates at other D are made of
shown.rename(columns=units | {"lower_bound": "lower estimate (bits)"}).round(3)

# %%
reached = ([0.0, *limit["distortion"], mean_image_error], [world.entropy_bits, *limit["rate"], 0.0])


def limit_at(distortion):
    """R(D) in bits, between the slopes by straight lines: they lie above a convex curve."""
    return np.interp(distortion, *reached)


def lower_limit_at(distortion):
    """The highest, at this D, of the lines below R(D) that the dual gives: one for each slope."""
    falls = np.multiply.outer(np.asarray(distortion), limit["slope"].to_numpy()) / np.log(2)
    return np.maximum((limit["dual"].to_numpy() - falls).max(axis=-1), 0)


# %%
vae_limit = float(limit_at(vae_distortion))
assert lower_limit_at(vae_bayes_distortion) < audit.mutual_information
assert (lower_limit_at(limit["distortion"]) <= limit["rate"] + 0.01).all()  # as rounded
say(
    f"At the VAE's distortion of {vae_distortion:.2f} the limit is **{vae_limit:.2f} bits** "
    f"(lower estimate {lower_limit_at(vae_distortion):.2f}); the VAE's KL is {audit.kl:.2f}."
)

# %% [markdown]
# ## A code made by hand
#
# A limit says what *some* code could do, of any kind and any size. How close can a VAE get, whose code of
# an image is one Gaussian in four latents? Nobody knows its best code either, but here we can make a
# good one by hand, because we know what the world is made of: **each factor gets a latent of its own**,
# its values at the quantiles of $\mathcal N(0,1)$, with little noise. Factors are independent and equally
# likely, so the latents are independent too, and every number of this code is a sum over single latents.
# By hand for the latent that holds x:

# %%
places_of_x = norm.ppf((np.arange(16) + 0.5) / 16)
deviations_of_x = np.gradient(places_of_x) / 5  # a fifth of the distance to the next value
bits_of_x = information_by_quadrature(places_of_x, deviations_of_x**2)
kl_of_x = float(np.mean(gaussian_kl(places_of_x[:, None], 2 * np.log(deviations_of_x)[:, None])))
say(f"x alone: **{bits_of_x:.3f} of 4 bits**, for a KL of {kl_of_x / np.log(2):.3f} bits.")

# %% [markdown]
# `hand_made` places all four factors so, and `measure` adds up KL and information and finds the error
# of the best decoder: $P(v_i|z_i)$ of each latent, their product over the latents, and the mean image under
# it. For x it agrees with the line above, and for the whole code with draws:

# %%
by_hand = hand_made(world.cardinalities)
hand_numbers = measure(by_hand, world)
np.testing.assert_allclose(by_hand.means[1], places_of_x)
np.testing.assert_allclose(np.exp(by_hand.log_variances[1] / 2), deviations_of_x)
value_of = [np.unique(column, return_inverse=True)[1] for column in factors.T]
hand_code = [np.stack([v[k] for v, k in zip(part, value_of, strict=True)], 1) for part in by_hand]
hand_audit = rate_audit(*hand_code, key=jax.random.key(15), draws=2)
np.testing.assert_allclose(hand_audit.kl, hand_numbers["kl"], rtol=1e-4)
np.testing.assert_allclose(
    hand_audit.mutual_information, hand_numbers["mutual_information"], atol=0.02
)
pd.DataFrame({"by integrals": hand_numbers, "by draws": {"kl": hand_audit.kl,
    "mutual_information": hand_audit.mutual_information}}).round(3)  # fmt: skip

# %% [markdown]
# Is a fifth a good choice? `make sweep` takes means and noise of all values as free numbers and minimises the
# VAE's own loss with the best decoder, $D/2c + \mathrm{KL}$, at every $c$ of the plane, from this code on. **Predict:**
# by how many nats is the trained VAE's loss above it?

# %%
hand_curve = pd.DataFrame(recorded("hand_made"))
at_headline = hand_curve[hand_curve["c"] == recipes.C].iloc[0]
vae_loss = vae_distortion / (2 * recipes.C) + audit.kl * np.log(2)
over_hand_made = vae_loss - at_headline["loss"]
if FULL:
    assert over_hand_made > 0
names = {"kl": "KL (bits)", "mutual_information": "I (bits)", "loss": "loss (nats)"}
hand_curve.drop(columns="order").set_index("c").rename(columns=names).round(3)

# %%
say(
    f"At the headline's c of {recipes.C:g} the best code made by hand has a loss of "
    f"**{at_headline['loss']:.2f} nats**, the trained VAE **{vae_loss:.2f}**: {over_hand_made:.2f} nats more. "
    f"By hand an error of {at_headline['distortion']:.3f} costs a KL of {at_headline['kl']:.2f} bits; the VAE pays "
    f"{audit.kl:.2f} and errs by {vae_distortion:.2f}."
)

# %% [markdown]
# So Gaussian posteriors are not what keeps the VAE from the limit at a small $c$: a far better code of the
# same family exists, one latent for each factor, and training does not find it. Two things help the code
# made by hand: it knows the factors, and its decoder looks all images up. What it does not show is a
# bound from below: there may be better codes still, most likely at large $c$, where four latents for four
# factors is not the best use of few bits.
#
# ## The plane
#
# All in one picture: rate against distortion, with $z$ drawn everywhere. `make sweep` trains VAEs
# over a range of $c$, beta-VAEs, and some variants, and accounts for the bits of each; they are read
# from `figures/plane.json` (one seed, the data and the budget of the headline models). In the plain VAEs
# $c$ starts at 1 and moves to its last value. A beta-VAE minimises $\frac{1}{2c}\|x-\hat x\|^2 + \beta\,\mathrm{KL}$, which is $\beta$ times
# the loss of a plain VAE with $\beta c$ in the place of $c$: nothing new but the schedule, here a
# constant weight.
#
# A baseline that needs no training: **PCA with noise**, the best linear code of eight numbers,
# scaled to one noise level and decoded by the best linear decoder.

# %%
PCA_SIZE = 8
pixels = images.reshape(len(images), -1)
learned = training_images[:8192].reshape(-1, pixels.shape[1])
centre = learned.mean(axis=0)
_, _, axes = np.linalg.svd(learned - centre, full_matrices=False)
pca_codes = (pixels - centre) @ axes[:PCA_SIZE].T
power = pca_codes.var(axis=0)


def pca_decoder(s):
    """Decode PCA codes with noise s: each shrunk by signal / (signal + noise)."""

    def decode(z):
        return (centre + (z * power / (power + s**2)) @ axes[:PCA_SIZE]).reshape(-1, 28, 28)

    return decode


# %%
PCA_NOISE = [0.3, 0.8, 1.6, 2.5]
keys = jax.random.split(jax.random.key(8), len(PCA_NOISE))
pca_table = pd.DataFrame(
    [noisy_account(pca_codes, s, pca_decoder(s), k) for s, k in zip(PCA_NOISE, keys, strict=True)]
).drop(columns="audit")
assert (pca_table["exact I"] < pca_table["R"]).all()
pca_table.round(3)

# %%
plane = pd.DataFrame(recorded("plane")["models"])
headline_row = {"kl": audit.kl, "mutual_information": audit.mutual_information}
headline_row |= {"distortion": vae_distortion}
points = {
    "VAEs over c": plane[plane["group"] == "VAE"],
    "beta-VAEs": plane[plane["group"] == "beta-VAE"],
    "headline VAE": pd.DataFrame([headline_row]),
}
points = {name: (t["distortion"], t["kl"], t["mutual_information"]) for name, t in points.items()}
lines = {
    f"{name} with noise": (t["squared error"], t["R"], t["exact I"])
    for name, t in (("AE", noise_table), ("PCA", pca_table))
}

# %%
errors = np.geomspace(0.3, mean_image_error, 300)
fig, ax = plt.subplots(figsize=(8.5, 5.6))
ax.fill_between(errors, lower_limit_at(errors), limit_at(errors), color="0.6", lw=0)
ax.plot(errors, limit_at(errors), "k", lw=2.5, label=f"the limit R(D), to {limit_width:.3f} bits")
ax.plot(hand_curve["distortion"], hand_curve["kl"], "--x", c="0.3", label="made by hand: KL")
colours = iter(plotting.SHAPE_COLOURS)
for (name, (at, bound, bits)), colour in zip(lines.items(), colours, strict=False):
    ax.plot(at, bits, "-o", c=colour, ms=4, label=f"{name}: exact I (dotted: R)")
    ax.plot(at, bound, ":", c=colour)
for (name, (at, bound, bits)), marker in zip(points.items(), "s^P", strict=True):
    (full,) = ax.plot(at, bound, marker, c=next(colours), ms=7)
    full.set_label(f"{name}: KL (hollow: exact I)")
    ax.vlines(at, bits, bound, full.get_color(), lw=1)
    ax.plot(at, bits, marker, mfc="w", mec=full.get_color())
ax.axhline(world.entropy_bits, color="0.35", ls="--", lw=1.2)
ax.annotate(f"H(X) = {world.entropy_bits:g} bits", (60, world.entropy_bits), (0, 3), fontsize=10,
            ha="right", va="bottom", textcoords="offset points")  # fmt: skip
plotting.plain_log(ax.xaxis)
ax.set(xlabel="squared error per image (z drawn)", ylabel="bits per image")
ax.set(xlim=(0.3, 60), ylim=(0, 1.45 * world.entropy_bits))
ax.legend(fontsize=9)
save_figure(fig, "04_rate_and_distortion")

# %% [markdown]
# How to read it. The black line is reached by a channel; below it, as far as the search can tell, no code
# exists: the lower estimate lies as far under it as the legend says, less than the line is thick. (Dotted
# lines may go on above the frame.) The dashed line is the KL of the code made by hand. A full marker is what a VAE pays (its KL), the
# hollow one below it what it gets (exact $I$). PCA cannot get below the error of its eight numbers,
# however fine the noise. The lower the rate, the closer the VAEs come to the limit.
#
# The AE was never trained with noise. How does it compare with the VAE? Give it the noise that leaves it
# as many bits as the VAE keeps (to about 0.01), found by a root search, always with the same draws, so
# that there is a root.


# %%
search_key = jax.random.key(13)


def ae_audit(log_noise, sample=None):
    """The audit of the AE at a noise level, and its log variances."""
    same, again = np.full_like(codes, 2 * log_noise), jax.random.clone(search_key)
    return rate_audit(codes, same, key=again, draws=2, sample=sample), same


def bits_at(log_noise):
    return ae_audit(log_noise, sample=2048)[0].mutual_information


above = int((noise_table["exact I"] > audit.mutual_information).sum())  # levels with more bits
noise_range = np.log(noises)[[max(above - 1, 0), min(max(above, 1), len(noises) - 1)]]
within_reach = np.clip(audit.mutual_information, *map(bits_at, noise_range[::-1]))
matched = brentq(lambda log_noise: bits_at(log_noise) - within_reach, *noise_range, xtol=0.02)
same_audit, same_noise = ae_audit(matched)
noisy = codes + np.exp(matched) * np.asarray(jax.random.normal(jax.random.key(9), codes.shape))
matched_error = float(squared_error(images, ae.decode(noisy)).mean())

# %%
coarse = plane[plane["c"] == 0.9].iloc[0]
ae_at_coarse = np.interp(coarse["distortion"], noise_table["squared error"], noise_table["exact I"])
if FULL:
    assert same_audit.channel_rate.sum() > world.entropy_bits
    assert ae_at_coarse > coarse["kl"]
say(
    f"With as many bits as the VAE keeps, {same_audit.mutual_information:.2f} (noise {np.exp(matched):.3f}), the AE "
    f"errs by {matched_error:.2f}, the VAE by {vae_distortion:.2f}; the AE's channel rate is "
    f"{same_audit.channel_rate.sum():.1f} bits, the VAE's KL {audit.kl:.1f}. At a larger error the VAE is "
    f"better: the one with c = 0.9 *pays* {coarse['kl']:.1f} bits at an error of {coarse['distortion']:.1f}, where "
    f"the AE carries {ae_at_coarse:.1f} (between two of its noise levels)."
)

# %% [markdown]
# No point lies below the limit, as it must be: the exact information of every VAE, at its own and at
# its Bayes distortion, and that of the AE and of PCA with noise, are tested against the lower estimate.

# %%
for error in ("distortion", "bayes_distortion"):
    assert (plane["mutual_information"] > lower_limit_at(plane[error]) - 0.02).all()
assert (noise_table["exact I"] > lower_limit_at(noise_table["squared error"])).all()
assert (pca_table["exact I"] > lower_limit_at(pca_table["squared error"])).all()

# %% [markdown]
# ## The gap, split into its causes
#
# What a model pays over the limit at its own distortion $D$ is, with the audit's terms and the
# distortion $D_B$ of the best decoder of its code,
#
# $$\mathrm{KL} - R(D) = \text{granularity} + \text{excess} + \text{negentropy} + \text{mismatch}
# + \underbrace{I - R(D_B)}_{\text{encoder over the limit}} + \underbrace{R(D_B) - R(D)}_{\text{decoder loses}}$$
#
# The fifth term sets the information in the code against the least that would do for the error
# that its *best* decoder reaches. The sixth counts in bits how much further the limit lies at the
# error of the decoder that there is.

# %%
headline = {name: float(np.sum(getattr(audit, name))) for name in measures.AUDITED}
headline |= {"distortion": vae_distortion, "bayes_distortion": vae_bayes_distortion}
headline |= {"group": "headline", "name": f"c lowered from {recipes.C_START}"}
headline |= {"c": recipes.C, "beta": 1}
models = pd.concat([plane, pd.DataFrame([headline])], ignore_index=True)
models["limit"] = limit_at(models["distortion"])
models["gap"] = models["kl"] - models["limit"]
models["by hand"] = np.interp(models["distortion"], hand_curve["distortion"], hand_curve["kl"])
models["family"], models["training"] = (
    models["by hand"] - models["limit"],
    models["kl"] - models["by hand"],
)
at_bayes = limit_at(models["bayes_distortion"])
models["encoder"] = models["mutual_information"] - at_bayes
models["decoder"] = at_bayes - models["limit"]
causes = ["granularity", "excess_dependence", "negentropy", "prior_mismatch", "encoder", "decoder"]
# Up to the error of drawing, as in the account above.
np.testing.assert_allclose(models[causes].sum(axis=1), models["gap"], atol=0.05)
columns = ["group", "name", "c", "beta", "distortion", "kl", "limit", "gap", *causes]
models[models["group"] != "idea"][columns].round(2)

# %% [markdown]
# The same gap can be cut in another way: by the code made by hand. Its KL over the limit is what Gaussian
# posteriors in four latents cost at most; the rest is what training did not find. (Below 0: training found a
# better code than the one made by hand.)

# %%
columns = ["group", "c", "beta", "distortion", "gap", "family", "training"]
models[models["group"].isin(["VAE", "headline"])][columns].round(2)

# %%
unseen = (models["group"] != "headline") & (models["name"] != "trained on the grid")
under_10 = models[(models["distortion"] < 10) & unseen]
around_5 = under_10[under_10["distortion"].between(4, 6)]
best_gap, gap_at_5 = under_10.loc[under_10["gap"].idxmin()], around_5.loc[around_5["gap"].idxmin()]
own = models.iloc[-1]
say(
    f"""
- The headline VAE, at D = {own["distortion"]:.2f}, pays {own["gap"]:.2f} bits over the limit: {own["granularity"]:.2f}
  for room that the world does not fill, {own["excess_dependence"]:.2f} for dependence, {own["encoder"]:.2f} because its code is not the best
  one, {own["decoder"]:.2f} because its decoder does not read it well.
- The code made by hand would pay {own["by hand"]:.2f} bits at the headline's distortion: {own["family"]:.2f} over the limit is
  what this family of codes costs at most, {own["training"]:.2f} is what training did not find.
- Of the VAEs that never saw the world, the smallest gap below D = 10 is **{best_gap["gap"]:.2f} bits** ({best_gap["name"]}, c {best_gap["c"]:g}, D = {best_gap["distortion"]:.2f});
  for D between 4 and 6 it is **{gap_at_5["gap"]:.2f}** ({gap_at_5["name"]}, c {gap_at_5["c"]:g}, D = {gap_at_5["distortion"]:.2f}).
- In the latter, the largest part is the {max(causes, key=lambda cause: gap_at_5[cause]).replace("_", " ")}'s: {gap_at_5[causes].max():.2f} bits.
"""
)

# %% [markdown]
# Is that what a VAE can do, or what the training made of it? $(c, \beta)$ asks for the same model as
# $(c\beta, 1)$ (notebook 03), and some balances were trained both ways: with $c$ starting at 1, and with
# constant weights. The lower loss, $D/2c\beta + \mathrm{KL}$, is the better training.

# %%
balance = (plane["c"] * plane["beta"]).round(6)
plane["loss"] = plane["distortion"] / (2 * balance) + plane["kl"] * np.log(2)
constant = plane[(plane["group"] == "beta-VAE") | (plane["name"] == "c constant")]
lowered = plane[plane["group"] == "VAE"]
trained_both_ways = pd.DataFrame(
    {
        "c starts at 1": lowered.groupby(balance)["loss"].first(),
        "constant": constant.groupby(balance)["loss"].first(),
    }
).dropna()
assert len(trained_both_ways) >= 2
trained_both_ways.rename_axis("balance c·beta").round(2)

# %%
worse = trained_both_ways["c starts at 1"] - trained_both_ways["constant"]
listed = ", ".join(f"{w:+.2f} at {c:g}" for c, w in worse.items())
say(
    f"In nats per image, one seed each: with c starting at 1 the loss is higher than with constant weights "
    f"by {listed}. Below 0, the start at 1 trains better."
)

# %% [markdown]
# ### What brings a VAE nearer?
#
# Ideas, each tried at two values of $c$ against the plain recipe (four latents, batches of 128, random
# shapes, $c$ starting at 1; batches of 512 go with a higher learning rate). One is no fair one: trained on nine tenths of
# the world itself, for as many steps. A prior fitted to the aggregate posterior needs no training: it would
# save the mismatch and the negentropy if it is a product of marginals, and the excess dependence if it is
# finer; so the account already says what it would bring, the last column. (The granularity is saved only by
# a prior that holds the places of all 8,192 images.)

# %%
ideas = models[models["c"].isin(models.loc[models["group"] == "idea", "c"])]
ideas = ideas.assign(**{"fitted prior saves": ideas[causes[1:4]].sum(axis=1)})
ideas.loc[ideas["group"] == "VAE", "name"] = "plain"
columns = ["c", "name", "distortion", "kl", "gap", "encoder", "decoder", "fitted prior saves"]
ideas.sort_values(["c", "gap"])[columns].round(2)

# %%
plain = ideas[ideas["group"] == "VAE"].set_index("c")
trials = ideas[ideas["group"] == "idea"]
better = trials["gap"].to_numpy() < plain.loc[trials["c"], "gap"].to_numpy() - 0.05
helps = trials[better].groupby("name")["c"].apply(lambda cs: ", ".join(f"{c:g}" for c in cs))
base = ", ".join(
    f"{row['gap']:.2f} bits at c {c:g} (D = {row['distortion']:.2f})" for c, row in plain.iterrows()
)
listed = "; ".join(f"{name} (c {cs})" for name, cs in helps.items()) or "none"
say(
    f"Plain: {base}. "
    f"Nearer to the limit by more than 0.05 bits: {listed}. One seed each, so small differences mean little; and a "
    f"different distortion is a different place on the curve."
)

# %% [markdown]
# ## Three numbers for three factors?
#
# With one shape there are only x, y and size. Can a latent space of three dimensions encode these
# three features perfectly, an axis for each? Try it: circles only, 2,048 images, 11 bits, three
# latents.

# %%
circle_images = circles.images
circle_training = recipes.training_shapes(SINGLE_IMAGES, circles.shapes)
losses = recipes.single_shape_losses(SINGLE_EPOCHS, len(circle_training))
name = "c falls"
single = recipes.single_shape(name, losses[name], circle_training, seed=SEED)
c_mean, c_log_variance = single.encode(circle_images)
c_numbers = measures.bits(c_mean, c_log_variance, single.decode, circle_images, jax.random.key(10))
c_numbers["squared error at the mean"] = float(
    squared_error(circle_images, single.decode(c_mean)).mean()
)
pd.Series(c_numbers, name=f"{circles.entropy_bits:g} bits, three latents").to_frame().round(3)

# %%
c_bits, _ = factor_information(
    c_mean, c_log_variance, circles.factors[:, 1:], key=jax.random.key(11), names=FACTORS[1:]
)
c_entropies = np.log2(circles.cardinalities[1:])
c_mig = mutual_information_gap(c_bits, c_entropies)
c_limit = limits["circles"]
c_least = float(np.interp(c_numbers["distortion"], c_limit["distortion"], c_limit["rate"]))
say(
    f"Three numbers carry the picture: {c_numbers['mutual_information']:.2f} of {circles.entropy_bits:g} bits "
    f"at a squared error of {c_numbers['distortion']:.2f}, where a circle's energy is "
    f"{float((circle_images**2).sum(axis=(1, 2)).mean()):.0f}; {c_bits.loc['all', 'x']:.2f} of 4 bits of x, "
    f"{c_bits.loc['all', 'y']:.2f} of y and {c_bits.loc['all', 'size']:.2f} of 3 bits of size. It pays a KL of "
    f"{c_numbers['kl']:.2f} bits, where the circles' own limit at this error is {c_least:.2f}. Are the axes the "
    f"factors? The MIG is {c_mig:.2f}."
)

# %%
fig = plotting.latent_scatter(np.asarray(c_mean), circles.factors, shapes=circles.shapes)
save_figure(fig, "04_circle_plane")

# %% [markdown]
# The first two of the three latents, coloured by each factor. Where the colours run along one axis, that
# latent holds the factor.
#
# Can training make the axes the factors? Four schedules, by `make sweep`, each going on
# from the best of three short starts, as the headline models do (the one with the lowest loss: no factor is looked at):
#
# - **c constant**: at its last value from the beginning;
# - **c falls**: the headline recipe. While $c$ is
#   high, the latents can afford few bits, and find the factors that matter most for the error first;
# - **c falls, dependence penalised**: with a penalty on the total correlation on top (Chen et al. 2018),
#   estimated within the batch. It costs rate, and a lower rate alone may tidy the axes; so its null is
# - **c falls to 0.19**, without the penalty, where about as many bits are paid.
#
# Two batches of five seeds each, none of which anything was tuned on. The second is reported, and of the
# first the median.

# %%
single_shape = recorded("single_shape")
schedules = single_shape["schedules"]
seeds = len(single_shape["seeds"])
rows = {
    name: [np.median(s["mig"]["values"]), np.median(s["mig_of_first_batch"]),
           s["kl"]["mean"], s["distortion"]["mean"],
           ", ".join(f"{v:.2f}" for v in s["mig"]["values"])]
    for name, s in schedules.items()
}  # fmt: skip
columns = ["median MIG", "of the first batch", "KL (bits)", "squared error", "MIG of each seed"]
pd.DataFrame(rows, index=columns).T

# %%
medians = {name: float(np.median(s["mig"]["values"])) for name, s in schedules.items()}
winner = max(medians, key=medians.get)
worst, best = (int(pick(schedules[winner]["mig"]["values"])) for pick in (np.argmin, np.argmax))
row_names = ["z1", "z2", "z3", "all"]
tables = {
    title: pd.DataFrame(schedules[name]["bits"][seed], index=row_names)
    for title, name, seed in (
        ("c constant, first seed", "c constant", 0),
        ("best schedule, worst seed", winner, worst),
        ("best schedule, best seed", winner, best),
    )
}
save_figure(heatmaps(tables, label="bits about the factor", top=4), "04_circle_factors")

# %%
penalised, as_few = (
    f"c falls{how}" for how in (", dependence penalised", f" to {recipes.SAME_RATE_C:g}")
)
plainly = schedules["c constant"]
by_rate = (medians[as_few] - medians["c falls"]) / (medians[penalised] - medians["c falls"])
assert medians[winner] > medians["c constant"]
assert abs(schedules[penalised]["kl"]["mean"] - schedules[as_few]["kl"]["mean"]) < 0.5
say(
    f"**{winner.capitalize()}** has the highest median MIG over {seeds} seeds, {medians[winner]:.2f}, at "
    f"{schedules[winner]['kl']['mean']:.1f} bits and a squared error of {schedules[winner]['distortion']['mean']:.2f}; "
    f"a constant c {medians['c constant']:.2f} at {plainly['kl']['mean']:.1f} bits and "
    f"{plainly['distortion']['mean']:.2f}. The penalty: {medians[penalised]:.2f} at "
    f"{schedules[penalised]['kl']['mean']:.1f} bits; as few bits without it: {medians[as_few]:.2f} at "
    f"{schedules[as_few]['kl']['mean']:.1f}. So {by_rate:.0%} of what the penalty gains over **c falls** comes "
    f"with the lower rate alone."
)

# %% [markdown]
# So the order of learning brings axes and factors together, where the loss alone does not, and the result still
# depends on the seed. Independent latents are not enough: a smooth map that
# twists the latent cube and keeps its volume leaves them independent and mixes the factors, so without
# labels nothing in the loss forbids it (Locatello et al. 2019).
#
# ## Why sampling the AE fails, in bits
#
# Pictures are sampled by drawing $z$ from a prior and decoding. How far is the AE's noisy code from
# $\mathcal N(0,I)$? Step 1 has the answer, $\mathrm{KL}(q(z)\Vert\mathcal N(0,I)) = \mathbb E\,\mathrm{KL} - I$. And from
# a Gaussian with the code's own mean and covariance $\Sigma$? The mean logarithm of that Gaussian
# depends on the mean and covariance only, so
#
# $$\mathrm{KL}\big(q(z)\Vert \mathcal N(m,\Sigma)\big) = \underbrace{\tfrac12 \log_2\det\big(2\pi e\,\Sigma\big)}_{\text{entropy of the Gaussian}} - \underbrace{\big(I + h(Z|X)\big)}_{h(Z)}.$$


# %%
def gaussian_mismatch(audit, mean, log_variance):
    """KL(q(z) || N(m, Sigma)) in bits, for the code's own mean and covariance."""
    mean, log_variance = np.asarray(mean, float), np.asarray(log_variance, float)
    covariance = np.cov(mean.T, bias=True) + np.diag(np.exp(log_variance).mean(axis=0))
    _, log_det = np.linalg.slogdet(covariance)
    rate = 0.5 * (log_det - log_variance.sum(axis=1).mean()) / np.log(2)  # 2 pi e cancels
    return rate - audit.mutual_information


def shuffled_mismatch(audit):
    """The same of the code with every latent shuffled, which has no covariance and no sheets."""
    return audit.granularity + audit.negentropy.sum()


toy_full = gaussian_mismatch(
    rate_audit(toy_mean, np.log(toy_variance), key=jax.random.key(12), draws=2000),
    toy_mean,
    np.log(toy_variance),
)
assert 0 < toy_full < toy_correlation + toy_negentropy.sum()

# %%
ae_noise = [np.full_like(codes, 2 * np.log(s)) for s in noises]
mismatch_table = pd.DataFrame(
    {
        "exact I": noise_table["exact I"].to_numpy(),
        "KL(q, N(0, I))": [a.kl - a.mutual_information for a in ae_audits],
        "of it mean and variance": [a.prior_mismatch.sum() for a in ae_audits],
        "KL(q, fitted Gaussian)": [
            gaussian_mismatch(a, codes, v) for a, v in zip(ae_audits, ae_noise, strict=True)
        ],
        "its null, latents shuffled": [shuffled_mismatch(a) for a in ae_audits],
    },
    index=[f"AE, noise {share:g} sd" for share in NOISE_LEVELS],
)
mismatch_table.loc["VAE"] = [
    audit.mutual_information,
    audit.kl - audit.mutual_information,
    audit.prior_mismatch.sum(),
    gaussian_mismatch(audit, mean, log_variance),
    shuffled_mismatch(audit),
]
mismatch_table.round(2)

# %% [markdown]
# The AE's distance depends on the noise. For a fair comparison take the one from above that leaves it as
# many bits as the VAE keeps.

# %%
like = "AE, as many bits as the VAE"
mismatch_table.loc[like] = [
    same_audit.mutual_information,
    same_audit.kl - same_audit.mutual_information,
    same_audit.prior_mismatch.sum(),
    gaussian_mismatch(same_audit, codes, same_noise),
    shuffled_mismatch(same_audit),
]

# %%
like_vae = mismatch_table.loc[like]
at_vae = mismatch_table.loc["VAE"]
made = recorded("03_variational_autoencoder") | recorded("02_autoencoder")
if FULL:
    assert like_vae["KL(q, N(0, I))"] > at_vae["KL(q, N(0, I))"]
    # The same images as in notebooks 02 and 03: with z drawn the error is larger than at the mean.
    assert vae_distortion > made["vae_test_squared_error"]
    np.testing.assert_allclose(noiseless_error, made["ae_test_squared_error"], rtol=1e-3)
say(
    f"With as many bits as the VAE keeps ({like_vae['exact I']:.2f}; noise {np.exp(matched):.3f}), the AE's code is "
    f"**{like_vae['KL(q, N(0, I))']:.1f} bits** from N(0, I), {like_vae['of it mean and variance']:.1f} of them in mean and "
    f"variance alone, and {like_vae['KL(q, fitted Gaussian)']:.1f} from the best Gaussian; the VAE's {at_vae['KL(q, N(0, I))']:.1f} and "
    f"{at_vae['KL(q, fitted Gaussian)']:.1f}. Valid pictures: AE {made['ae_prior_validity']:.0%} from N(0, I) and "
    f"{made['ae_fitted_gaussian_validity']:.0%} from the fitted Gaussian, "
    f"{made['ae_fitted_mixture_validity']:.0%} from a fitted mixture; VAE {made['vae_prior_validity']:.0%}."
)

# %% [markdown]
# Fitting a Gaussian mends mean and covariance, which is most of what sampling from N(0, I) misses. What is
# left is nearly all counting, for the AE and for the VAE alike: the null is as far from its Gaussian.
#
# ## What we found

# %%
numbers = {
    "source_entropy_bits": world.entropy_bits,
    "vae_kl_bits": audit.kl,
    "vae_mutual_information_bits": audit.mutual_information,
    "vae_direct_route_bits": audit.direct_route,
    "vae_total_correlation_bits": audit.total_correlation,
    "vae_granularity_bits": audit.granularity,
    "vae_excess_dependence_bits": audit.excess_dependence,
    "vae_negentropy_bits": audit.negentropy.sum(),
    "vae_prior_mismatch_bits": audit.prior_mismatch.sum(),
    "vae_channel_rate_bits": audit.channel_rate.sum(),
    "vae_textbook_rate_bits": textbook,
    "vae_distortion": vae_distortion,
    "vae_bayes_distortion": vae_bayes_distortion,
    "vae_bayes_error_rate": error_rate,
    "vae_fano_error_rate": fano_bound,
    "vae_factor_bits": vae_bits.loc["all"].to_dict(),
    "vae_mig": vae_mig,
    "ae_noise_levels": noises,
    "ae_mutual_information_bits": noise_table["exact I"],
    "ae_channel_rate_bits": noise_table["R"],
    "ae_granularity_bits": noise_table["granularity"],
    "ae_excess_dependence_bits": noise_table["excess dependence"],
    "ae_distortion": noise_table["squared error"],
}

# %%
numbers |= {
    "prior_divergence_bits": mismatch_table["KL(q, N(0, I))"].to_dict(),
    "fitted_gaussian_divergence_bits": mismatch_table["KL(q, fitted Gaussian)"].to_dict(),
    "fitted_gaussian_null_bits": mismatch_table["its null, latents shuffled"].to_dict(),
    "varying_noise_example": {"exact": exact, "textbook": with_mean_noise, "channel_rate": channel},
    "linear_probe": {name: probe.loc["all"].to_dict() for name, probe in probes.items()},
    "neighbour_probe": neighbours.T.to_dict(),
    "hand_made": hand_curve.drop(columns="order").to_dict("list"),
    "vae_loss_over_hand_made_nats": over_hand_made,
    "limit_width_bits": limit_width,
    "limit_bits_at_vae_distortion": vae_limit,
    "limit_gap_bits_at_vae_distortion": own["gap"],
    "limit_gap_bits_best": best_gap["gap"],
    "limit_gap_bits_at_distortion_5": gap_at_5["gap"],
    "single_shape_rate_bits": schedules[winner]["kl"]["mean"],
    "single_shape_distortion": schedules[winner]["distortion"]["mean"],
    "single_shape_mig_median": medians[winner],
    "single_shape_mig_values": {name: s["mig"]["values"] for name, s in schedules.items()},
    "single_shape_plain": {k: c_numbers[k] for k in ("kl", "mutual_information", "distortion")},
}
numbers = record("04_latent_information", **numbers)

# %%
kept = "; ".join(
    f"{bits:.2f} at noise {s:.2g} (squared error {error:.2f})"
    for s, bits, error in zip(
        numbers["ae_noise_levels"],
        numbers["ae_mutual_information_bits"],
        numbers["ae_distortion"],
        strict=True,
    )
)
say(
    f"""
**How many of the {numbers["source_entropy_bits"]:g} bits does the AE keep?** {kept}.

**And the VAE?** {numbers["vae_mutual_information_bits"]:.2f} bits, at a squared error of {numbers["vae_distortion"]:.2f} with its own decoder
and {numbers["vae_bayes_distortion"]:.3f} with the best. It pays {numbers["vae_kl_bits"]:.2f}: {numbers["vae_granularity_bits"]:.2f} bits
are room that the world does not fill, {numbers["vae_excess_dependence_bits"]:.2f} dependence between the latents,
{numbers["vae_negentropy_bits"]:.3f} non-Gaussian form, {numbers["vae_prior_mismatch_bits"]:.3f} mismatch.
"""
)

# %%
rate_error = np.subtract(numbers["ae_channel_rate_bits"], numbers["ae_mutual_information_bits"])
example = numbers["varying_noise_example"]
say(
    f"""
**By how much is the textbook rate wrong, and why?** For the VAE it says {numbers["vae_textbook_rate_bits"]:.2f} bits where the truth is
{numbers["vae_mutual_information_bits"]:.2f}; for the AE it is {rate_error.min():.2f} to {rate_error.max():.2f} bits too high. Nearly all of it is
granularity: the code has more room than the world has images. With noise that varies by image its mean noise pulls the other way: in the
example it says {example["textbook"]} where the truth is {example["exact"]}.

**How close to the limit can a VAE get?** {numbers["limit_gap_bits_best"]:.2f} bits over it at best below a squared error of 10,
{numbers["limit_gap_bits_at_distortion_5"]:.2f} around 5, and {numbers["limit_gap_bits_at_vae_distortion"]:.2f} for the headline VAE, whose
distortion of {numbers["vae_distortion"]:.2f} needs only {numbers["limit_bits_at_vae_distortion"]:.2f} bits. A code made by hand shows
that Gaussian posteriors can do far better at a small c: its loss is {numbers["vae_loss_over_hand_made_nats"]:.2f} nats below the headline's.
"""
)

# %%
divergence_bits = numbers["prior_divergence_bits"]
fitted_bits = numbers["fitted_gaussian_divergence_bits"]
null_bits = numbers["fitted_gaussian_null_bits"]
plain_circles = numbers["single_shape_plain"]
say(
    f"""
**Do three numbers encode x, y and size?** Yes: {plain_circles["mutual_information"]:.2f} of 11 bits at a squared error of
{plain_circles["distortion"]:.2f}. **Are the axes the factors?** With a constant c hardly (median MIG {medians["c constant"]:.2f}); the
best schedule ({winner}) brings {numbers["single_shape_mig_median"]:.2f}, at
{numbers["single_shape_rate_bits"]:.1f} bits and a squared error of {numbers["single_shape_distortion"]:.2f}.

**Why does sampling the AE fail?** At the noise that leaves it as many bits as the VAE keeps, its code is {divergence_bits[like]:.1f} bits from
N(0, I), the VAE's {divergence_bits["VAE"]:.1f}. A Gaussian fitted to it is {fitted_bits[like]:.1f} bits away, where the same code with its latents
shuffled, which has nothing to find, is {null_bits[like]:.1f} away; the VAE's {fitted_bits["VAE"]:.1f} and {null_bits["VAE"]:.1f}. Without noise it is infinitely far.
"""
)

# %% [markdown]
# ## Limits
#
# - The account needs $q(z)$, a sum over all images: exact here, where the world is finite and known.
#   On data from elsewhere the same formulas describe the training set, not the source.
# - The limit's upper curve is reached by a channel; the lower one rests on a search.
# - The plane's models have one seed each; the headline's spread over seeds is in the README.
# - The noise added to the AE is the same in every latent, whatever the latent's scale, and its
#   decoder was not trained with it; other choices trade differently.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` knows whether it is right, to half a per cent. The ways
# there are folded away below each question.
#
# **04.1** A latent is Gaussian with variance 3 before noise of variance 0.2 is added. How many bits
# does it carry?

# %%
check("04.1", ...)

# %% [markdown]
# <details><summary>Solution of 04.1</summary>
#
# ```python
# check("04.1", np.log2(1 + 3 / 0.2) / 2)
# ```
#
# </details>

# %% [markdown]
# **04.2** A code keeps shape and size exactly (5 bits) and forgets the position. Which squared
# error per image does its best decoder leave?

# %%
check("04.2", ...)

# %% [markdown]
# <details><summary>Solution of 04.2</summary>
#
# The best decoder puts out the mean over the 256 positions, and leaves the variance around it.
#
# ```python
# from helpers.shapes import shape_world
#
# groups = shape_world().images.reshape(4, 256, 8, 784)
# left = groups - groups.mean(axis=1, keepdims=True)
# check("04.2", (left**2).sum(axis=3).mean())
# ```
#
# </details>

# %% [markdown]
# **04.3** Two latents hold the same thing: each is the index of the size, without noise. Give
# $I(X;z_1)$, $I(X;z_2)$, $I(X;Z)$ and the dependence (total correlation) between them, in bits.

# %%
check("04.3", ...)

# %% [markdown]
# <details><summary>Solution of 04.3</summary>
#
# Three bits each and three together: the second copy tells nothing new, and that is the dependence,
# 3 + 3 - 3.
#
# ```python
# check("04.3", (3, 3, 3, 3 + 3 - 3))
# ```
#
# </details>

# %% [markdown]
# **04.4** A VAE pays a KL of 20 bits. $I(X;Z)$ is 12, the dependence 5, the negentropies add up to
# 1. How large is the mismatch with the prior?

# %%
check("04.4", ...)

# %% [markdown]
# <details><summary>Solution of 04.4</summary>
#
# ```python
# check("04.4", 20 - 12 - 5 - 1)
# ```
#
# </details>

# %% [markdown]
# Open ones, without a check:
#
# 1. Add noise to the AE in proportion to each latent's standard deviation instead of one level for
#    all. Does the curve in the plane move?
# 2. Rotate the AE's code by a random orthogonal matrix. Which of the numbers change: $I$, TC, the
#    negentropies, $R$, the squared error (with the decoder rotated back)?
# 3. Build a code of two dimensions that are copies of each other (with independent noise). What does
#    $R$ say, and what is the true information at high noise?
# 4. Train the decoder alone for 100 more epochs on $z$ drawn from the fixed encoder. How near does
#    its distortion come to that of the best decoder, and what is the gap then?
# 5. Train the three-latent VAE on squares instead of circles. Do its axes find x and y?
#
# ## References
#
# - C. Shannon, [A mathematical theory of communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x), 1948,
#   and Coding theorems for a discrete source with a fidelity criterion, 1959.
# - T. Cover and J. Thomas, [Elements of Information Theory](https://doi.org/10.1002/047174882X),
#   chapters 2 (Fano), 8 to 10.
# - R. Blahut, [Computation of channel capacity and rate-distortion
#   functions](https://doi.org/10.1109/TIT.1972.1054855), 1972.
# - I. Csiszár, On an extremum problem of information theory, Studia Scientiarum Mathematicarum
#   Hungarica 9, 1974.
# - K. Rose, [A mapping approach to rate-distortion computation and
#   analysis](https://doi.org/10.1109/18.340468), 1994.
# - A. Alemi et al., [Fixing a broken ELBO](https://arxiv.org/abs/1711.00464), ICML 2018.
# - R. Chen et al., [Isolating sources of disentanglement in variational
#   autoencoders](https://arxiv.org/abs/1802.04942), NeurIPS 2018.
# - M. Rolinek, D. Zietlow, G. Martius, [Variational autoencoders pursue PCA directions (by
#   accident)](https://arxiv.org/abs/1812.06775), CVPR 2019.
# - F. Locatello et al., [Challenging common assumptions in the unsupervised learning of disentangled
#   representations](https://arxiv.org/abs/1811.12359), ICML 2019.
# - B. Ross, [Mutual information between discrete and continuous data
#   sets](https://doi.org/10.1371/journal.pone.0087357), 2014.

# %%
packages = ("jax", "flax", "optax", "numpy", "scikit-learn")
print(f"python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
