# %% [markdown]
# # 04 · Latent information: how many bits does the code keep?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/04_latent_information.ipynb)
#
# An image of our world holds exactly 13 bits. The autoencoder (AE) of notebook 02 and the
# variational autoencoder (VAE) of notebook 03 squeeze it into a code of four numbers, its *latents*.
# **How many of the 13 bits pass through the code, and what do these bits mean: shape, position,
# size?** The world is small, so we fit nothing: we sum over all its images, and only the noise is
# drawn.
#
# You will learn how to
#
# - see why a code without noise has no finite rate, and what noise changes;
# - derive the rate of a Gaussian channel, and tell when it is too high;
# - take a VAE's KL apart, step by step, and check each step with a number;
# - hold an estimate against its *null*: most of what looks like dependence here is only counting;
# - count the bits that each latent holds about each factor, and compare probes with them;
# - build the best possible decoder of a code, and see what our decoder misses;
# - say in bits why sampling from the AE fails.
#
# *Before you start:* you need notebooks 02 and 03, entropy (notebook 01, section 5) and the Gaussian
# density. Cells of which you see only a title are folded. The
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary)
# explains the terms of all notebooks.
# *Time to run:* under a minute on a laptop, more if the two models are not trained yet.

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
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import entr, rel_entr, softmax
from scipy.stats import multivariate_normal
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from helpers import recipes
from helpers.exercises import check
from helpers.explorer import Explorer
from helpers.files import record, recorded, save_figure, say
from helpers.information import bayes_decode, channel_rate, factor_information
from helpers.information import mutual_information_gap, rate_audit, textbook_rate
from helpers.objectives import gaussian_kl, squared_error
from helpers.plotting import heatmaps, image_rows, stacked_bars, use_style
from helpers.shapes import FACTORS, shape_world

use_style()

# %% nbmake={"mock": {"DRAWS": 2, "EPOCHS": 1, "FULL": false, "NOISE_LEVELS": [0.01, 0.07, 0.4], "SOURCE_SIZES": [256, 1024], "TRAINING_IMAGES": 1024}}
FULL = True
TRAINING_IMAGES, EPOCHS = recipes.TRAINING_IMAGES, recipes.EPOCHS  # as in notebooks 02 and 03
NOISE_LEVELS = [0.002, 0.01, 0.03, 0.07, 0.15, 0.4]  # of the AE's code, in its standard deviations
SOURCE_SIZES = [2**12, 2**14, 2**16]  # random shapes, in section 6
DRAWS = 4  # of z for each image
SEED = 0

# %% [markdown]
# Information is a property of the whole source. So, but for section 6, everything about bits is
# computed over all 8,192 images, each equally likely. The models have seen none of them. Both come
# from the earlier notebooks: the AE is defined and trained in 02, the VAE in 03.

# %%
world = shape_world()
images, factors = world.images, world.factors
training_images = recipes.training_shapes(TRAINING_IMAGES)
budget = {"seed": SEED, "epochs": EPOCHS}
ae, _ = recipes.autoencoder(training_images, images, **budget)
vae, _ = recipes.variational_autoencoder(training_images, images, **budget)

# %% [markdown]
# ## 1. Why a code needs noise before it has a rate
#
# How much does a code $Z$ tell about the image $X$? The **mutual information** says it in bits:
#
# $$I(X;Z) = H(X) - H(X|Z).$$
#
# $H(X)$ is the entropy of the image, 13 bits. $H(X|Z)$, the *conditional entropy*, is the entropy
# of the image that is left once the code is known, averaged over codes.
#
# The code of an autoencoder is a function of the image. If no two images share a code, nothing is
# left, and $I(X;Z) = H(X)$. *Predict first:* do any of the 8,192 images share a code?

# %%
codes = np.asarray(ae.encode(images), float)
print(f"{len(np.unique(codes, axis=0)):,} different codes of {len(images):,} images")

# %% [markdown]
# All codes differ. So the AE keeps all 13 bits, and this says nothing about the AE: a single latent
# would do, because the digits far behind the decimal point count as much as the first. The question
# becomes a real one when the precision of the code is limited. We add noise,
#
# $$z = y + \varepsilon, \qquad y = \text{encode}(x), \quad \varepsilon \sim \mathcal N(0, s^2 I).$$
#
# Now the AE and a VAE are the same thing, a **channel**: a rule that sends image $n$ as a random
# code, here $\mathcal N(\text{mean}_n, \operatorname{diag}(\text{variance}_n))$. In the AE the
# variance is $s^2$ for all images. In the VAE the encoder chooses it for each image.
#
# ## 2. The rate of a Gaussian channel
#
# A random number $Z$ with density $q$ has the *differential entropy*
# $h(Z) = -\int q(z)\log_2 q(z)\,dz$. It may be negative, but a difference of two is a number of
# bits: $I(X;Z) = h(Z) - h(Z|X)$. The differential entropy of $\mathcal N(m, \sigma^2)$ is
# $\frac12\log_2 2\pi e\sigma^2$.
#
# *The second term.* Given the image, the latents $z_i$ are independent and Gaussian with variance
# $\sigma_i^2(x)$, so
#
# $$h(Z|X) = \sum_i \tfrac12\, \mathbb E_x\big[\log_2 2\pi e\, \sigma_i^2(x)\big].$$
#
# *The first term.* The entropy of a vector is at most the sum of the entropies of its parts, with
# equality when they are independent. And of all distributions with variance $v$ the Gaussian has
# the largest entropy. Let $v_i = \operatorname{Var}(\text{mean}_i) + \mathbb E\,\sigma_i^2$ be the
# variance of $z_i$ over images and noise. Then
#
# $$h(Z) \;\le\; \sum_i h(Z_i) \;\le\; \sum_i \tfrac12 \log_2 2\pi e\, v_i .$$
#
# Subtract, and $2\pi e$ cancels:
#
# $$\boxed{\; I(X;Z) \;\le\; R = \sum_i \tfrac12\Big(\log_2\big[\operatorname{Var}(\text{mean}_i)
# + \mathbb E\,\sigma_i^2\big] - \mathbb E \log_2 \sigma_i^2\Big) \;}$$
#
# This is the **channel rate** $R$. It is an upper bound: it is too high by whatever the latents
# share with each other, and by whatever they are not Gaussian. If the noise is the same for all
# images, $R$ is the formula of the textbooks,
# $\sum_i \frac12 \log_2\big(1 + \operatorname{Var}(\text{mean}_i) / \sigma_i^2\big)$.
#
# Mind the numerator: it is the variance of the code *without* noise. (Thompson's text, which notebook
# 03 names, says "the variance of the latent space" and leaves this open.) If we counted the noise in,
# a code that ignores the image would have a rate of half a bit for each latent. We compute $R$ by
# hand for the AE at one noise level; the two helpers agree.

# %%
s = 0.03 * codes.std()
signal = codes.var(axis=0)
rate_by_hand = 0.5 * np.log2(1 + signal / s**2)
log_variance = np.full_like(codes, 2 * np.log(s))  # of the noise
np.testing.assert_allclose(channel_rate(codes, log_variance), rate_by_hand)
np.testing.assert_allclose(textbook_rate(signal, s**2), rate_by_hand)
latents = [f"z{i}" for i in range(1, len(signal) + 1)]
pd.DataFrame({"variance of the code": signal, "rate (bits)": rate_by_hand}, latents).T.round(2)

# %% [markdown]
# ### How far is $R$ above the truth?
#
# With one latent we can compute the truth: $h(Z)$ is an integral over the mixture
# $q(z) = \frac1N \sum_n q(z|n)$, on a grid that is finest where the Gaussians are narrowest.


# %%
def normal(z, mean, variance):
    """The density of N(mean, variance) at z."""
    return np.exp(-((z - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def exact_information(means, variances):
    """I(X; Z) in bits of equally likely images sent as N(means[n], variances[n])."""
    z = np.unique(means[:, None] + np.sqrt(variances)[:, None] * np.linspace(-9, 9, 301))
    q = normal(z[:, None], means, variances).mean(axis=1)
    entropy_of_z = np.trapezoid(entr(q), z) / np.log(2)
    return entropy_of_z - 0.5 * np.mean(np.log2(2 * np.pi * np.e * variances))


# %% [markdown]
# Two sources from the textbooks: a bit sent as ±1, and 28 equally spaced levels (a shape's place
# along 28 pixels). *Predict first:* what happens to $R$ when the noise becomes very small?

# %%
levels = {"±1": np.array([-1.0, 1.0]), "28 levels": np.linspace(-1, 1, 28)}
known = []
for name, ratio in [
    ("±1", 1),
    ("±1", 16),
    ("28 levels", 1),
    ("28 levels", 100),
    ("28 levels", 1e4),
]:
    sent = levels[name]
    noise = np.full(len(sent), sent.var() / ratio)
    exact, rate = (
        exact_information(sent, noise),
        channel_rate(sent[:, None], np.log(noise)[:, None]),
    )
    known.append([name, ratio, exact, rate[0], np.log2(len(sent))])
columns = ["source", "signal to noise", "exact I (bits)", "R (bits)", "H (bits)"]
pd.DataFrame(known, columns=columns).round(3)

# %% [markdown]
# With much noise, $R$ is nearly the truth: signal plus noise looks Gaussian. With little noise $R$
# grows without end, although a bit sent as ±1 can never give more than one bit.
#
# **Noise that differs between images.** A VAE's variance does, and it is tempting to put its *mean*
# into the textbook formula. 200 equally likely images have evenly spaced means from −1 to 1; every
# other one is sent with noise variance 0.0001, the rest with 4.

# %%
means, variances = np.linspace(-1, 1, 200), np.tile([1e-4, 4.0], 100)
varying = {
    "exact": exact_information(means, variances),
    "textbook": textbook_rate(means.var(), variances.mean()),
    "channel_rate": channel_rate(means[:, None], np.log(variances)[:, None])[0],
}
assert varying["textbook"] < varying["exact"] < varying["channel_rate"]
pd.DataFrame(varying, ["bits"]).round(3)

# %% [markdown]
# The textbook formula with the mean noise is no upper bound: the noisy half of the images hides the
# bits of the precise half. The boxed $R$ stays above the truth, here not by much.
#
# ## 3. The account: where every bit of the KL goes
#
# The VAE pays for its code with $\mathbb E\,\mathrm{KL}\big(q(z|x)\,\Vert\,\mathcal N(0,I)\big)$.
# Part of this is information about the image, the rest is not. Each of the next steps inserts one
# density into a logarithm, $\log\frac{a}{c} = \log\frac{a}{b} + \log\frac{b}{c}$. We check it on a
# toy code, six images in two latents, small enough for sums over a grid of $z$.

# %%
toy_mean = np.array([[-1.5, -1.0], [-0.5, -1.2], [0.4, -0.3], [0.5, 0.6], [1.3, 0.9], [1.6, 1.8]])
toy_variance = np.array([[0.1, 0.3], [0.2, 0.1], [0.5, 0.1], [0.1, 0.2], [0.3, 0.1], [0.1, 0.4]])
axis, step = np.linspace(-7, 7, 281, retstep=True)
first = normal(axis, toy_mean[:, :1], toy_variance[:, :1])  # q(z1 | n): (6, 281)
second = normal(axis, toy_mean[:, 1:], toy_variance[:, 1:])  # q(z2 | n)
posteriors = first[:, :, None] * second[:, None, :]  # q(z | n): (6, 281, 281)
q = posteriors.mean(axis=0)


def divergence(p, other, cell):
    """KL(p || other) in bits of two densities on a grid with cells of this size."""
    return rel_entr(p, other).sum() * cell / np.log(2)


# %% [markdown]
# **Step 1: information, and the rest.** Insert the *aggregate posterior*
# $q(z) = \frac1N\sum_n q(z|n)$, the distribution of the codes of all images together:
#
# $$\mathbb E_x\, \mathrm{KL}\big(q(z|x)\Vert \mathcal N(0,I)\big)
# = \underbrace{\mathbb E_x\, \mathrm{KL}\big(q(z|x)\Vert q(z)\big)}_{I(X;Z)} + \mathrm{KL}\big(q(z)\Vert \mathcal N(0,I)\big)$$

# %%
prior = normal(axis, 0, 1)
toy_kl = float(gaussian_kl(toy_mean, np.log(toy_variance)).mean()) / np.log(2)
toy_information = np.mean([divergence(p, q, step**2) for p in posteriors])
toy_rest = divergence(q, np.outer(prior, prior), step**2)
np.testing.assert_allclose(toy_information + toy_rest, toy_kl, rtol=1e-5)
print(f"KL {toy_kl:.4f} = information {toy_information:.4f} + rest {toy_rest:.4f} bits")

# %% [markdown]
# **Step 2: dependence.** Insert the product of the marginals $\prod_i q(z_i)$. What splits off is
# the **total correlation** (TC), the bits that the latents tell about each other:
#
# $$\mathrm{KL}\big(q(z)\Vert \mathcal N(0,I)\big) = \underbrace{\mathrm{KL}\Big(q(z)\Big\Vert \prod_i q(z_i)\Big)}_{\mathrm{TC}}
# + \sum_i \mathrm{KL}\big(q(z_i)\Vert \mathcal N(0,1)\big)$$

# %%
q1, q2 = first.mean(axis=0), second.mean(axis=0)
toy_tc = divergence(q, np.outer(q1, q2), step**2)
toy_marginals = divergence(q1, prior, step) + divergence(q2, prior, step)
np.testing.assert_allclose(toy_tc + toy_marginals, toy_rest, rtol=1e-5)
print(f"rest {toy_rest:.4f} = TC {toy_tc:.4f} + marginals {toy_marginals:.4f} bits")

# %% [markdown]
# **Step 3: form and fit.** Insert the Gaussian with the mean $m_i$ and the variance $v_i$ of $z_i$.
# The logarithm of a ratio of two Gaussians is quadratic in $z_i$, so its mean depends on $q(z_i)$
# only through $m_i$ and $v_i$:
#
# $$\mathrm{KL}\big(q(z_i)\Vert \mathcal N(0,1)\big) = \underbrace{\mathrm{KL}\big(q(z_i)\Vert \mathcal N(m_i, v_i)\big)}_{\text{negentropy}_i}
# + \underbrace{\mathrm{KL}\big(\mathcal N(m_i, v_i)\Vert \mathcal N(0,1)\big)}_{\text{mismatch}_i}$$
#
# The negentropy says how far $z_i$ is from Gaussian, the mismatch how far its mean and variance are
# from those of the prior.
#
# **Step 4: the channel rate is the first three terms.** Take $R$ apart at $h(Z)$ and at the $h(Z_i)$:
#
# $$R = \underbrace{h(Z) - h(Z|X)}_{I} + \underbrace{\textstyle\sum_i h(Z_i) - h(Z)}_{\mathrm{TC}}
# + \sum_i\underbrace{\big(\tfrac12\log_2 2\pi e\, v_i - h(Z_i)\big)}_{\text{negentropy}_i}$$
#
# So the two inequalities that made $R$ a bound have names, and the KL is $R$ plus the mismatch.

# %%
toy_m = toy_mean.mean(axis=0)
toy_v = toy_mean.var(axis=0) + toy_variance.mean(axis=0)
gaussian1, gaussian2 = normal(axis, toy_m[0], toy_v[0]), normal(axis, toy_m[1], toy_v[1])
toy_negentropy = divergence(q1, gaussian1, step) + divergence(q2, gaussian2, step)
toy_mismatch = float(gaussian_kl(toy_m[None], np.log(toy_v)[None])[0]) / np.log(2)
toy_rate = channel_rate(toy_mean, np.log(toy_variance)).sum()
np.testing.assert_allclose(toy_negentropy + toy_mismatch, toy_marginals, rtol=1e-4)
np.testing.assert_allclose(toy_information + toy_tc + toy_negentropy, toy_rate, rtol=1e-4)
print(f"marginals = negentropy {toy_negentropy:.4f} + mismatch {toy_mismatch:.4f} bits")

# %% [markdown]
# ### Dependence, or only counting?
#
# A total correlation above 0 need not mean that the latents know of each other. Six images can fill
# six places of the plane, while two independent latents with six values each would fill
# $6 \times 6$. *Predict first:* we shuffle the second latent over the images, means and variances
# together. Whatever tied it to the first is gone. Does the TC fall to 0?

# %%
shuffled_tc = []
for order in itertools.permutations(range(6)):
    shuffled_q = first.T @ second[list(order)] / 6
    shuffled_tc.append(divergence(shuffled_q, np.outer(q1, q2), step**2))
toy_granularity = np.mean(shuffled_tc)
print(f"TC as it was {toy_tc:.4f} bits; shuffled: mean of all 720 orders {toy_granularity:.4f}, "
      f"least {min(shuffled_tc):.4f}, most {max(shuffled_tc):.4f}; "
      f"{np.mean(np.array(shuffled_tc) > toy_tc - 1e-6):.1%} as large as it was")  # fmt: skip

# %% [markdown]
# It does not, in any order. (Six images are few: some orders have a TC as large as that of the code
# itself. With thousands of images all orders give nearly the same.) What the shuffled code shows is
# the *null* of the TC, the value where there is nothing to find. We call it the **granularity**:
# bits that a code pays for because it is made of only $N$ points. It has room for more images than
# there are. Only the rest, the **excess dependence**, says that the latents know of each other:
#
# $$\mathrm{TC} = \text{granularity} + \text{excess dependence}$$
#
# (The excess can be a little below 0: then the code spreads its images more evenly than chance.)
#
# There is a law behind this. $I$ cannot exceed $\log_2 N$, so
# $\mathrm{TC} \ge R - \sum_i \text{negentropy}_i - \log_2 N$ *for every code*. Once the latents
# have more room than $N$ images need, the TC is forced up, whatever the code looks like.
#
# ### The same account without a grid
#
# No grid reaches four latents and 8,192 images. The helper `rate_audit` draws $z$ from the
# posteriors instead and averages logarithms. The mixture $q(z)$ is still exact, a sum over **all**
# images. What is drawn has a standard error. On the toy code it agrees with the grid:

# %%
toy_audit = rate_audit(toy_mean, np.log(toy_variance), key=jax.random.key(1), draws=2000)
on_the_grid = {
    "mutual_information": toy_information,
    "granularity": toy_granularity,
    "total_correlation": toy_tc,
    "negentropy": toy_negentropy,
    "prior_mismatch": toy_mismatch,
    "kl": toy_kl,
}
toy_table = pd.DataFrame({"grid (bits)": on_the_grid})
toy_table["rate_audit"] = [np.sum(getattr(toy_audit, term)) for term in on_the_grid]
toy_table["standard error"] = [np.linalg.norm(toy_audit.stderr[term]) for term in on_the_grid]
off = (toy_table["rate_audit"] - toy_table["grid (bits)"]).abs()
assert (off < 5 * toy_table["standard error"] + 1e-3).all()
toy_table.round(4)

# %% [markdown]
# ### What proves that the account is right?
#
# Not that its terms add up to the KL. In the sum, *whatever* we take for $q(z)$ cancels. What sees an
# error is a second route to the information, $H(X) - \mathbb E\,H(X|Z)$, from the posterior over
# images $P(n|z) = q(z|n)/(N q(z))$. We try a wrong $q$, made of every other image only.


# %%
def account(some_q):
    """In bits, with some density in the place of q(z): I, the rest, and I by the second route."""
    direct = np.mean([divergence(p, some_q, step**2) for p in posteriors])
    rest = (q * np.log2(some_q / np.outer(prior, prior))).sum() * step**2
    p_image = posteriors / (6 * some_q)  # P(image | z), (6, 281, 281)
    unknown = (q * entr(p_image).sum(axis=0)).sum() * step**2 / np.log(2)
    return {"I": direct, "rest": rest, "sum": direct + rest, "second route": np.log2(6) - unknown}


accounts = {"right q": account(q), "wrong q": account(posteriors[::2].mean(axis=0))}
assert abs(accounts["wrong q"]["sum"] - toy_kl) < 1e-3
pd.DataFrame(accounts).T.map("{:.4g}".format)

# %% [markdown]
# Both sums are the KL, whatever is wrong in their terms. (Here the terms are even impossible: more
# information than the $\log_2 6$ bits of six images, and a negative divergence. A smaller error would
# look innocent.) The second route gives the wrong $q$ away. (It is so far off because it
# divides by $q$, and the wrong $q$ is almost 0 where the images lie that it leaves out.) `rate_audit`
# reports $I$ by the second route, which is also the less noisy one, and the first as a check.
#
# ## 4. The AE with noise
#
# We add noise of one level to every latent, account for the bits, decode what arrives, and measure
# the squared error **of the noisy code**. (The error of the noiseless code belongs to no finite
# rate.) The scale of an AE's code is arbitrary, so the noise levels are shares of its standard
# deviation. We draw $z$ for 4,096 of the images, taken at random; $q(z)$ still holds all of them.


# %%
def noisy_account(s, key):
    """The account of the AE's codes with noise of standard deviation s, and the squared error."""
    audit_key, z_key = jax.random.split(key)
    log_variance = np.full_like(codes, 2 * np.log(s))
    audit = rate_audit(codes, log_variance, key=audit_key, draws=2, sample=4096)
    noisy = codes + s * np.asarray(jax.random.normal(z_key, codes.shape))
    return audit, float(squared_error(images, ae.decode(noisy)).mean())


noises = [share * codes.std() for share in NOISE_LEVELS]
ae_keys = jax.random.split(jax.random.key(2), len(noises))
ae_accounts = [noisy_account(s, key) for s, key in zip(noises, ae_keys, strict=True)]
ae_audits = [audit for audit, _ in ae_accounts]

# %%
noise_table = pd.DataFrame({
    "noise s": noises,
    "exact I": [audit.mutual_information for audit in ae_audits],
    "granularity": [audit.granularity for audit in ae_audits],
    "excess dependence": [audit.excess_dependence for audit in ae_audits],
    "negentropy": [audit.negentropy.sum() for audit in ae_audits],
    "R": [audit.channel_rate.sum() for audit in ae_audits],
    "squared error": [error for _, error in ae_accounts],
}, index=pd.Index(NOISE_LEVELS, name="share of the sd"))  # fmt: skip
assert (noise_table["exact I"] < world.entropy_bits + 0.01).all()
assert (noise_table["exact I"] < noise_table["R"]).all()
noise_table.round(3)

# %% [markdown]
# With the least noise almost nothing is lost, and $R$ says almost three times the bits that an image
# has. The surplus is counting: the code has room for $2^R$ images, and the world has $2^{13}$. The
# finer the noise, the more of this room is empty, and shuffling the latents changes nothing of it.
#
# The excess dependence is what the AE's latents do know of each other. It shows at middle noise. Very
# fine noise hides it: there 8,192 points leave nearly all of the room empty, dependent or not.
#
# ## 5. The VAE's account
#
# The same function, with the variances that the encoder puts out.

# %%
mean, log_variance = (np.asarray(part, float) for part in vae.encode(images))
audit_key, z_key = jax.random.split(jax.random.key(3))
vae_audit = rate_audit(mean, log_variance, key=audit_key, draws=DRAWS)
assert vae_audit.mutual_information < world.entropy_bits
assert abs(vae_audit.direct_route - vae_audit.mutual_information) < 0.05
vae_audit.table().round(3)

# %% [markdown]
# Where the standard error is 0, the number is a formula or an integral. Does the TC show that the
# latents depend on each other? By the law of section 3 a part of it is forced:

# %%
room = vae_audit.channel_rate.sum() - vae_audit.negentropy.sum()
textbook = float(textbook_rate(mean.var(axis=0), np.exp(log_variance).mean(axis=0)).sum())
assert vae_audit.total_correlation > room - world.entropy_bits
forced = {"room for (bits)": room, "TC forced by it": max(room - world.entropy_bits, 0.0)}
forced |= {"TC": vae_audit.total_correlation, "TC, shuffled": vae_audit.granularity}
pd.DataFrame(forced | {"textbook rate": textbook}, ["VAE"]).round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the accounts as bars
terms = ["mutual_information", "granularity", "excess_dependence", "negentropy", "prior_mismatch"]
accounts_of = {
    f"AE, noise {share:g} sd": a for share, a in zip(NOISE_LEVELS, ae_audits, strict=True)
}
accounts_of["VAE"] = vae_audit
bars = pd.DataFrame({name: {term.replace("_", " "): np.sum(getattr(audit, term)) for term in terms}
                     for name, audit in accounts_of.items()}).T  # fmt: skip
bars.loc[bars.index != "VAE", "prior mismatch"] = 0  # the AE pays nothing to the prior
fig = stacked_bars(bars, x_label="bits per image")
fig.axes[0].axvline(world.entropy_bits, color="k", ls="--", lw=1.2)
fig.axes[0].set_xlim(0, 1.05 * bars.sum(axis=1).max())
fig.axes[0].text(world.entropy_bits, -0.7, " 13 bits in an image", fontsize=9)
save_figure(fig, "04_accounts",
    "Stacked bars of bits per image: information, granularity, excess dependence, negentropy and "
    "mismatch, for the AE at several noise levels and for the VAE. The less noise, the longer the "
    f"granularity. The VAE's bar has {vae_audit.mutual_information:.1f} bits of information and "
    f"{vae_audit.granularity:.1f} of granularity.")  # fmt: skip

# %% [markdown]
# Each bar is what a code costs: $R$ for the AE, the KL for the VAE. Blue is information, grey is
# granularity. So most of what the VAE pays beyond the information is **precision that the world
# cannot use**. As far as 8,192 images can show, its latents are nearly independent of each other.
# Negentropy and mismatch are what a prior made of four one-dimensional densities would save, if they
# were fitted to the codes of this very world. (A part of the negentropy, too, comes from the steps of
# the world: x and y have only 16 values. For random shapes it is smaller.)
#
# ## 6. Where does the precision go?
#
# The VAE has learned from random shapes, whose places and sizes are continuous. *Predict first:* we
# take more and more of these random shapes as the source, each equally likely. What happens to $I$,
# what to the granularity?

# %%
sources = {"the world": vae_audit}
for size in SOURCE_SIZES:
    continuous = vae.encode(training_images[:size])
    name = f"{size:,} random shapes"
    sources[name] = rate_audit(*continuous, key=jax.random.key(14), draws=2, sample=2048)
source_table = pd.DataFrame({
    "log2 N": [np.log2(len(images)), *np.log2(SOURCE_SIZES)],
    "I": [audit.mutual_information for audit in sources.values()],
    "granularity": [audit.granularity for audit in sources.values()],
    "excess dependence": [audit.excess_dependence for audit in sources.values()],
    "negentropy": [audit.negentropy.sum() for audit in sources.values()],
    "R": [audit.channel_rate.sum() for audit in sources.values()],
}, index=list(sources))  # fmt: skip
source_table.round(2)

# %% [markdown]
# The rate $R$ depends on means and variances only, and hardly changes. With more images the
# information grows, and the granularity falls by about as much. The code has places for the pictures
# between the grid points. In our world of 8,192 images nobody sends them.
#
# The excess dependence *grows*, too. So the latents do depend on each other, and the world's 8,192
# points are too few to show it, as they were for the AE with fine noise. **An excess near 0 beside a
# large granularity is no proof of independence.** (The number of images goes on growing here, and
# the excess with it: what is shown is a lower estimate.)
#
# ## 7. What the bits mean
#
# Which bits of the image are in the code? Given $z$, we know the probability of every image,
# $P(n|z) = q(z|n) / (N q(z))$. Its entropy is what is still unknown about the image. The sum of
# $P(n|z)$ over all images of one size is the probability of that size, and so on for each factor. By
# hand, for one $z$ of each of 512 images:

# %%
z = mean + np.exp(log_variance / 2) * np.asarray(jax.random.normal(z_key, mean.shape))


def image_posterior(z_n):
    """P(image | z) of every image, by Bayes' rule: all images are equally likely before."""
    squares = (z_n - mean) ** 2 / np.exp(log_variance)
    return softmax(-(squares + log_variance).sum(axis=1) / 2)


some = np.random.default_rng(0).choice(len(images), 512, replace=False)
p_image = np.array([image_posterior(z[n]) for n in some])  # (512, 8192)
sizes = np.unique(factors[:, 3])
p_size = np.stack([p_image[:, factors[:, 3] == size].sum(axis=1) for size in sizes], axis=1)
image_bits = world.entropy_bits - entr(p_image).sum(axis=1).mean() / np.log(2)
size_bits = np.log2(len(sizes)) - entr(p_size).sum(axis=1).mean() / np.log(2)
assert abs(image_bits - vae_audit.mutual_information) < 0.1

# %% [markdown]
# `factor_information` does the same for every factor, with all images. For each latent alone,
# $q(z_i|n)$ takes the place of $q(z|n)$. Nothing is binned and nothing fitted. Beside the VAE we put
# the AE with a noise that leaves it about as many bits. (We interpolate between the noise levels of
# the table: the logarithm of the bits lost is nearly a straight line over that of the noise.)

# %%
lost = np.log(np.maximum(world.entropy_bits - noise_table["exact I"], 1e-6))
vae_lost = np.log(world.entropy_bits - vae_audit.mutual_information)
like = "AE, as many bits as the VAE"
s_matched = float(np.exp(np.interp(vae_lost, lost, np.log(noises))))
matched_audit, matched_error = noisy_account(s_matched, jax.random.key(13))
matched_log_variance = np.full_like(codes, 2 * np.log(s_matched))
factor_keys = jax.random.split(jax.random.key(5))
vae_bits, _ = factor_information(mean, log_variance, factors, key=factor_keys[0], draws=2)
ae_bits, _ = factor_information(codes, matched_log_variance, factors, key=factor_keys[1], draws=2)
assert abs(size_bits - vae_bits.loc["all", "size"]) < 0.1
print(f"AE with noise {s_matched:.3f}: {matched_audit.mutual_information:.2f} bits; "
      f"VAE: {vae_audit.mutual_information:.2f}")  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: bits about each factor
factor_tables = {}
for title, bits in {"VAE": vae_bits, like: ae_bits}.items():
    left_over = bits.loc["all"] - bits.drop(index="all").sum()
    factor_tables[title] = pd.concat([bits, left_over.rename("all - sum").to_frame().T])
most = ", ".join(f"{vae_bits.drop(index='all')[f].max():.2f} of {f}" for f in FACTORS)
save_figure(heatmaps(factor_tables, label="bits about the factor", top=4), "04_factor_information",
    "Two tables as heat maps, VAE and AE: bits about shape, x, y and size in each latent, in all "
    f"four together, and what that is more than their sum. The VAE's best latents hold {most}; the "
    "AE's bits are spread over its latents.")  # fmt: skip

# %% [markdown]
# The row *all* is nearly the entropy of each factor (2, 4, 4 and 3 bits), in both models. The rows
# above differ: how much does one latent know alone? The row *all − sum* is what is in no latent
# alone, only in several together (*synergy*), like the angle of a vector in its coordinates. Below
# 0 it would be redundancy: latents that repeat each other.
#
# The **mutual information gap** (MIG, Chen et al. 2018) makes one number of it: the lead of the
# best latent over the second, as a share of the factor's entropy, averaged over the factors. It is
# 1 where each factor has a latent of its own, and 0 where two latents hold it alike.

# %%
entropies = np.log2(world.cardinalities)
ranked = np.sort(vae_bits.drop(index="all"), axis=0)  # of each factor, the best latent last
mig_by_hand = ((ranked[-1] - ranked[-2]) / entropies).mean()
vae_mig, ae_mig = (mutual_information_gap(bits, entropies) for bits in (vae_bits, ae_bits))
np.testing.assert_allclose(vae_mig, mig_by_hand)
print(f"MIG of the VAE {vae_mig:.2f}, of the AE {ae_mig:.2f}")

# %% [markdown]
# ### What probes say of the same codes
#
# Usually $q(z)$ is not known, and a *probe* stands in: a model fitted to some labelled codes, and
# tested on others. We try a linear one, and the five nearest codes. For the linear probe of x, y and
# size, $-\frac12\log_2(1-R^2)$ would be the bits if signal and error were Gaussian. ($R^2$ is here
# the share of the variance explained; for the shape, the score is the accuracy, 0.25 by chance.)

# %%
train, test = recipes.world_split(world)
ae_z = codes + s_matched * np.asarray(jax.random.normal(jax.random.key(7), codes.shape))


def probe(z):
    """Held-out scores for each factor: of a linear model, and of the five nearest codes."""
    scores = {}
    for j, name in enumerate(FACTORS):
        models = [LinearRegression(), KNeighborsRegressor(5)]
        if name == "shape":
            models = [LogisticRegression(max_iter=1000), KNeighborsClassifier(5)]
        fitted = [model.fit(z[train], factors[train, j]) for model in models]
        scores[name] = [model.score(z[test], factors[test, j]) for model in fitted]
    return pd.DataFrame(scores, ["linear", "nearest codes"]).T


probes = {"VAE": probe(z), like: probe(ae_z)}
exact_bits = {"VAE": vae_bits.loc["all"], like: ae_bits.loc["all"]}
for model, scores in probes.items():
    explained = scores["linear"].drop("shape").clip(0, 0.9999)
    scores["linear, as bits"] = -0.5 * np.log2(1 - explained)
    scores["exact bits"] = exact_bits[model]
pd.concat(probes).round(2)

# %% [markdown]
# A linear probe measures how *readable* a code is; bits measure how much is *there*. The AE's code is
# folded, so the linear probe finds almost nothing of the size, although nearly all 3 bits are in the
# code. The nearest codes find more, but their scores are not bits. The exact count fits nothing, and
# asks for more: the posterior and the factors of *every* image.
#
# ### Traversals
#
# We start at the code of one image and move one latent at a time from −2.5 to 2.5. *Predict first,
# from the bits of each latent:* which row moves the shape sideways, and does nothing else?

# %%
example = int(np.flatnonzero((factors == [0, 13, 13, 4]).all(axis=1))[0])
walk = np.linspace(-2.5, 2.5, 11)
traversals = {}
for i, latent in enumerate(latents):
    walked = np.tile(mean[example], (len(walk) + 1, 1))
    walked[1:, i] = walk  # the first stays as it is
    traversals[latent] = vae.decode(walked)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: traversals; with a kernel, a slider for every latent
above = {latents[0]: ["start", *(f"{value:.1f}" for value in walk)]}
still = save_figure(image_rows(traversals, titles=above), "04_traversals",
    "Four rows of decoded pictures. In each row one latent of the VAE runs from -2.5 to 2.5, from "
    "the same start: some rows mainly move the shape, the others change its size and form.")  # fmt: skip
Explorer(vae, images[example :: len(images) // 8], still)

# %% [markdown]
# The rows do what the bits say: the latent with the most bits about x moves the shape sideways. A
# latent that holds most of one factor moves that factor, and drags others along a little. Why
# should an axis be a factor at all? Rotate the code, and the decoder with it: prior and squared
# error stay the same. Only the noise of the posterior knows the axes: it is independent along them.
# It does the least harm if a direction in which the picture changes fast has an axis of its own,
# with little noise, and is not mixed with a slow one (Rolinek et al. 2019).
#
# ## 8. The best possible decoder
#
# $P(n|z)$ also gives the most likely image, and the best decoder. Of all functions of $z$, the
# conditional mean has the least squared error (notebook 01, section 7):
#
# $$\mathbb E[x|z] = \sum_n P(n|z)\, x_n .$$
#
# By hand for the 512 images from above, then for all:

# %%
flat = images.reshape(len(images), -1)
best = bayes_decode(mean, log_variance, images, z)
np.testing.assert_allclose(best.reconstruction[some].reshape(512, -1), p_image @ flat, atol=2e-3)
rebuilt = vae.decode(z)
vae_distortion = float(squared_error(images, rebuilt).mean())
vae_bayes_distortion = float(squared_error(images, best.reconstruction).mean())
at_mean = float(squared_error(images, vae.decode(mean)).mean())
print(f"squared error: the VAE's decoder {vae_distortion:.2f}, the best {vae_bayes_distortion:.2f}")
print(f"(the VAE's at the posterior mean, without noise: {at_mean:.2f})")

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the images that the decoder gets most wrong
worst = np.argsort(-np.asarray(squared_error(images, rebuilt)))[:40:4]
shown = {"image": images[worst], "the VAE's decoder": rebuilt[worst]}
shown["best decoder, E[x|z]"] = best.reconstruction[worst]
save_figure(image_rows(shown), "04_bayes_decoding",
    "Ten images that the VAE's decoder gets most wrong, what it decodes, and what the best decoder "
    "makes of the same codes: mostly the original, sharp.")  # fmt: skip

# %% [markdown]
# Mostly the code knows better: the information is there, and the network has not learned to read
# it. Where the best decoder shows two pictures at once, the code itself cannot tell them apart. But
# mind what the best decoder is: it looks all 8,192 images up and weighs them. No network that has
# not seen them can do that, and ours has not. So the difference is what knowing the world is worth,
# and more than a better network could gain.
#
# How often must the best guess of the image be wrong? **Fano's inequality**: what is unknown after
# $z$ is at most whether the guess is wrong, and if so, which other image it was. With the error rate
# $P_e$ and $h_2(p) = -p\log_2 p - (1-p)\log_2(1-p)$:
#
# $$H(X|Z) \le h_2(P_e) + P_e \log_2(N-1), \qquad H(X|Z) = H(X) - I(X;Z).$$

# %%
unknown_bits = world.entropy_bits - vae_audit.mutual_information


def fano(p):
    """The most bits that can be unknown at an error rate p, less those that are."""
    return (entr(p) + entr(1 - p)) / np.log(2) + p * np.log2(len(images) - 1) - unknown_bits


error_rate = float((best.most_likely != np.arange(len(images))).mean())
fano_bound = brentq(fano, 1e-12, 1 - 1 / len(images))
assert error_rate > fano_bound
print(
    f"{unknown_bits:.2f} bits unknown: at least {fano_bound:.1%} wrong; best guess {error_rate:.1%}"
)

# %% [markdown]
# ## 9. Why sampling the AE fails, in bits
#
# To draw new pictures we draw $z$ from a density and decode. How far is the code's own $q(z)$ from
# $\mathcal N(0,I)$? By step 1, $\mathrm{KL}(q(z)\Vert\mathcal N(0,I)) = \mathbb E\,\mathrm{KL} - I$.
# (Without noise this distance of the AE is infinite. So we compare at a noise that leaves it as many
# bits as the VAE.)
# And how far from the Gaussian with the code's mean $m$ and covariance $\Sigma$, the best one to fit?
# The logarithm of a Gaussian is quadratic, so
#
# $$\mathrm{KL}\big(q(z)\Vert \mathcal N(m,\Sigma)\big) = \underbrace{\tfrac12 \log_2\det\big(2\pi e\,\Sigma\big)}_{\text{entropy of the Gaussian}} - \underbrace{\big(I + h(Z|X)\big)}_{h(Z)}.$$
#
# This needs its null, too. The shuffled code has the same marginals and no covariance. Its distance
# is its TC, the granularity, plus the negentropies. (Its Gaussian, without covariance, is wider than
# $\mathcal N(m,\Sigma)$. So the null can be larger than the estimate.)


# %%
def from_fitted_gaussian(information, mean, log_variance):
    """KL(q(z) || N(m, Sigma)) in bits, for the code's own mean and covariance."""
    covariance = np.cov(mean.T, bias=True) + np.diag(np.exp(log_variance).mean(axis=0))
    log_det = np.linalg.slogdet(covariance)[1]
    return 0.5 * (log_det - log_variance.sum(axis=1).mean()) / np.log(2) - information


toy_covariance = np.cov(toy_mean.T, bias=True) + np.diag(toy_variance.mean(axis=0))
points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
toy_gaussian = multivariate_normal(toy_m, toy_covariance).pdf(points)
np.testing.assert_allclose(
    from_fitted_gaussian(toy_information, toy_mean, np.log(toy_variance)),
    divergence(q, toy_gaussian, step**2), rtol=1e-4)  # fmt: skip

# %% [markdown]
# The formula agrees with the grid on the toy code. Now the VAE, the AE at all noise levels, and the
# AE with as many bits as the VAE.

# %%
channels = {"VAE": (vae_audit, mean, log_variance)}
channels[like] = (matched_audit, codes, matched_log_variance)
for share, s, audit in zip(NOISE_LEVELS, noises, ae_audits, strict=True):
    channels[f"AE, noise {share:g} sd"] = (audit, codes, np.full_like(codes, 2 * np.log(s)))
distances = {}
for name, (audit, means, log_variances) in channels.items():
    distances[name] = {
        "exact I": audit.mutual_information,
        "KL(q, N(0, I))": audit.kl - audit.mutual_information,
        "mean and variance alone": audit.prior_mismatch.sum(),
        "KL(q, fitted Gaussian)": from_fitted_gaussian(
            audit.mutual_information, means, log_variances),
        "its null, shuffled": audit.granularity + audit.negentropy.sum(),
    }  # fmt: skip
distance_table = pd.DataFrame(distances).T
distance_table.round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
made = recorded("02_autoencoder") | recorded("03_variational_autoencoder")
ours, theirs = distance_table.loc["VAE"], distance_table.loc[like]
say(
    f"With as many bits as the VAE keeps, the AE's code is **{theirs['KL(q, N(0, I))']:.1f} bits** "
    f"from N(0, I), {theirs['mean and variance alone']:.1f} of them in mean and variance alone. The "
    f"VAE's is {ours['KL(q, N(0, I))']:.1f} bits away. So {made['ae_prior_validity']:.0%} of the AE's "
    f"samples from N(0, I) are valid pictures, and {made['vae_prior_validity']:.0%} of the VAE's. A "
    f"fitted Gaussian is {theirs['KL(q, fitted Gaussian)']:.1f} bits from the AE's code "
    f"({made['ae_fitted_gaussian_validity']:.0%} valid). The shuffled code, where there is nothing to "
    f"find, is {theirs['its null, shuffled']:.1f} bits from its own. Of samples from a fitted mixture "
    f"{made['ae_fitted_mixture_validity']:.0%} are valid."
)

# %% [markdown]
# About half of the distance of the AE's code from $\mathcal N(0,I)$ is its mean and variance. A
# fitted Gaussian mends these. What is left cannot be told from counting, for both models: the
# shuffled code is as far from its own Gaussian, or farther. But this does not prove that nothing is
# left. About a third of the samples from the fitted Gaussian are invalid, and far fewer of those
# from a mixture: the code has a form that a Gaussian misses. At noise of 0.07 and more, where
# granularity is smaller, the AE's code shows a few tenths of a bit that the null has not. At finer
# noise these numbers cannot show it, because the null is larger than the estimate.
#
# ## What we found

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
kept = ", ".join(f"{bits:.2f} bits at noise {share:g} sd" for share, bits in
                 noise_table["exact I"].items())  # fmt: skip
too_high = noise_table["R"] - noise_table["exact I"]
dependence = noise_table["excess dependence"]
say(f"""
- The **AE** without noise keeps all {world.entropy_bits:g} bits. With noise it keeps {kept}.
- The **VAE** keeps **{vae_audit.mutual_information:.2f} of {world.entropy_bits:g} bits** and pays
  {vae_audit.kl:.2f}. The rest is {vae_audit.granularity:.2f} bits of granularity,
  {vae_audit.excess_dependence:.2f} of excess dependence, {vae_audit.negentropy.sum():.2f} of
  negentropy and {vae_audit.prior_mismatch.sum():.2f} of mismatch. With {SOURCE_SIZES[-1]:,} random
  shapes as the source, the excess dependence is {source_table["excess dependence"].iloc[-1]:.2f}.
- The excess dependence of the AE is {dependence.min():.2f} to {dependence.max():.2f} bits, the most
  at noise {dependence.idxmax():g} sd.
- The **channel rate** of the AE is {too_high.min():.2f} to {too_high.max():.2f} bits too high: by
  granularity where the noise is small, by dependence where it is large. For the VAE, the textbook
  formula with the mean noise says {textbook:.2f}.
- The VAE's code tells {", ".join(f"{vae_bits.loc['all', f]:.2f} bits of {f}" for f in FACTORS)}.
  Its MIG is {vae_mig:.2f}, that of the AE {ae_mig:.2f}.
- The VAE's decoder errs by {vae_distortion:.2f}, the best decoder of the same codes by
  {vae_bayes_distortion:.3f}. With as many bits, the AE errs by {matched_error:.2f}.
- The VAE's code is {ours["KL(q, N(0, I))"]:.1f} bits from N(0, I). With as many bits, the AE's is
  {theirs["KL(q, N(0, I))"]:.1f} bits away, {theirs["mean and variance alone"]:.1f} of them in mean and
  variance; nearly all the rest is counting.
""")

# %% [markdown]
# ## Limits
#
# - The account needs $q(z)$, a sum over all images: exact here, where the world is finite and known.
#   For other data the same formulas describe the training set, not the source it came from.
# - Granularity belongs to a code *and* a world. Section 6 shows how it changes with the world. Where
#   it is large, it hides the dependence between the latents.
# - All numbers are of one AE and one VAE. Notebook 03 and the README show the spread over seeds.
# - The noise added to the AE is the same in every latent, and its decoder was not trained with it.
#   Other choices trade differently.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
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
#
# **04.2** Two latents hold the same thing: each is the index of the size, without noise. Give
# $I(X;z_1)$, $I(X;z_2)$, $I(X;Z)$ and the total correlation of the two, in bits.

# %%
check("04.2", ...)

# %% [markdown]
# <details><summary>Solution of 04.2</summary>
#
# Three bits each, and three together: the second copy tells nothing new. This is the total
# correlation, 3 + 3 - 3.
#
# ```python
# check("04.2", (3, 3, 3, 3 + 3 - 3))
# ```
#
# </details>
#
# **04.3** A VAE pays a KL of 20 bits. $I(X;Z)$ is 12, the total correlation 5, and the negentropies
# add up to 1. How large is the mismatch with the prior?

# %%
check("04.3", ...)

# %% [markdown]
# <details><summary>Solution of 04.3</summary>
#
# ```python
# check("04.3", 20 - 12 - 5 - 1)
# ```
#
# </details>
#
# **04.4** A code of 4,096 equally likely images has a channel rate of 15 bits and no negentropy. How
# large is its total correlation at least?

# %%
check("04.4", ...)

# %% [markdown]
# <details><summary>Solution of 04.4</summary>
#
# The information is at most $\log_2 4096 = 12$ bits, and $\mathrm{TC} = R - I - \text{negentropy}$.
#
# ```python
# check("04.4", 15 - np.log2(4096))
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. *Noise in proportion.* Add noise to the AE in proportion to each latent's own standard
#    deviation. At the same information, is the squared error lower?
# 2. *Rotations.* Rotate the AE's code by a random orthogonal matrix. Which numbers change: $I$, TC,
#    the negentropies, $R$, the squared error (with the decoder rotated back)?
# 3. *Copies.* Build a code of two latents that are copies of each other with independent noise.
#    What does $R$ say, and what is the true information when the noise is large?
# 4. *Nearest neighbours.* Estimate the bits of each factor in each latent with scikit-learn's
#    `mutual_info_classif` (Ross 2014). How far is it from the exact table?
# 5. *A decoder that catches up.* Train only the decoder for 100 more epochs, on $z$ drawn from the
#    fixed encoder. How near does its error come to that of the best decoder?
# 6. *A fitted prior.* Fit scikit-learn's `GaussianMixture` with 64 parts to draws of $z$ for the
#    training images, and for comparison one to each latent alone. Give their log densities to
#    `rate_audit` as `log_prior`. Which prior saves more of the KL on the world? What does this say
#    about the dependence of the latents?
#
# ## References
#
# - C. Shannon, [A mathematical theory of communication](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x),
#   Bell System Technical Journal 27, 1948: information, channels, differential entropy.
# - T. Cover and J. Thomas, [Elements of Information Theory](https://doi.org/10.1002/047174882X),
#   2nd edition, Wiley 2006: chapter 2 (Fano), 8 (differential entropy) and 9 (the Gaussian channel).
# - R. Chen, X. Li, R. Grosse and D. Duvenaud, [Isolating sources of disentanglement in variational
#   autoencoders](https://arxiv.org/abs/1802.04942), NeurIPS 2018: the steps of the account, the MIG.
# - M. Rolinek, D. Zietlow and G. Martius, [Variational autoencoders pursue PCA directions (by
#   accident)](https://arxiv.org/abs/1812.06775), CVPR 2019.
# - B. Ross, [Mutual information between discrete and continuous data
#   sets](https://doi.org/10.1371/journal.pone.0087357), PLOS ONE 9(2), 2014.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
terms = ("kl", "mutual_information", "direct_route", "total_correlation", "granularity")
terms += ("excess_dependence", "negentropy", "prior_mismatch", "channel_rate")
found = {f"vae_{term}_bits": np.sum(getattr(vae_audit, term)) for term in terms}
found["vae_form_bits"] = found["vae_negentropy_bits"] + found["vae_prior_mismatch_bits"]
found |= {"vae_textbook_rate_bits": textbook, "vae_distortion": vae_distortion}
found |= {"vae_bayes_distortion": vae_bayes_distortion, "vae_bayes_error_rate": error_rate}
found |= {"vae_fano_error_rate": fano_bound, "vae_mig": vae_mig}
found |= {"vae_factor_bits": vae_bits.loc["all"].to_dict(), "ae_noise_levels": noises}
found |= {"ae_mutual_information_bits": noise_table["exact I"]}
found |= {"ae_channel_rate_bits": noise_table["R"]}
found |= {"ae_granularity_bits": noise_table["granularity"]}
found |= {"ae_excess_dependence_bits": noise_table["excess dependence"]}
found |= {"ae_distortion": noise_table["squared error"], "ae_matched_distortion": matched_error}
found |= {"varying_noise_example": varying, "source_granularity_bits": source_table["granularity"]}
found |= {"source_excess_dependence_bits": source_table["excess dependence"]}
found |= {"prior_divergence_bits": distance_table["KL(q, N(0, I))"].to_dict()}
found |= {"fitted_gaussian_divergence_bits": distance_table["KL(q, fitted Gaussian)"].to_dict()}
found |= {"fitted_gaussian_null_bits": distance_table["its null, shuffled"].to_dict()}
found |= {"linear_probe": {name: scores["linear"].to_dict() for name, scores in probes.items()}}
nearest = {name: scores["nearest codes"].to_dict() for name, scores in probes.items()}
found |= {"neighbour_probe": nearest, "source_entropy_bits": world.entropy_bits}
record("04_latent_information", **found)
print(f"Python {sys.version.split()[0]}, JAX {jax.__version__}, NumPy {np.__version__}")
