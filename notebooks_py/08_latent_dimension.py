# %% [markdown]
# # 08 · Latent dimension: how many numbers does a digit need?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/08_latent_dimension.ipynb)
#
# **The source** is a report of a group (Edvinsson, Granström, Johansson and Lindholm 2025). It trains an
# autoencoder (AE), and variational autoencoders (VAEs) with 2, 10, 20 and 50 latents, on MNIST digits. It
# prints a table of ELBOs and concludes: more latents help up to 20; with 2 the training is slow and
# unsteady; with 50 it overfits; random codes decode to a digit with the VAE only; and the mean of two
# codes gives one of the parents with the VAE and a blend with the AE.
#
# **The question:** which of this holds, on digits that the models have not seen, and over several seeds?
#
# You will learn how to
#
# - turn an ELBO that is summed over an unknown number of images into nats per image, and find its floor;
# - bound the likelihood more tightly than by the ELBO, with importance weights;
# - count the latents that a VAE uses, and see how many of their bits a test set can confirm;
# - let a classifier judge what the report judged by eye, with a null beside it.
#
# *Before you start:* you need notebook 03. The terms of all notebooks are in the
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary).
# Cells of which you see only a title are folded: they import, draw or save.
# *Time to run:* about a quarter of an hour on two cores, nearly all of it training.

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
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from flax import nnx
from IPython.display import Image
from jax.scipy.stats import norm
from scipy.special import entr
from sklearn.decomposition import PCA
from helpers import plotting, recipes, studies
from helpers.digits import load_digits
from helpers.exercises import check
from helpers.files import ROOT, record, recorded, save_figure, say
from helpers.generation import fit_density, interpolate, sample_prior
from helpers.information import rate_audit
from helpers.models import Autoencoder, VariationalAutoencoder
from helpers.objectives import autoencoder_loss, binary_cross_entropy, gaussian_kl, squared_error
from helpers.objectives import cross_entropy_autoencoder_loss, cross_entropy_vae_loss

plotting.use_style()

# %% nbmake={"mock": {"EPOCHS": 2, "JUDGE_EPOCHS": 1, "N_AUDIT": 300, "N_BOUND": 20, "N_PAIRS": 100, "N_TEST": 500, "N_TRAIN": 2000, "SHORT_EPOCHS": 1}}
SIZES = (2, 10, 20, 50)  # latents, as in the report
EPOCHS = studies.GROUP_EPOCHS  # 50, as in the report
SHORT_EPOCHS = 10  # of the side experiments
JUDGE_EPOCHS = 10
N_TRAIN, N_TEST = 60_000, 10_000
N_BOUND = 1000  # test images whose likelihood is bounded
N_AUDIT = 2000  # test images whose codes are accounted for
N_PAIRS = 1000  # pairs of codes that are merged and judged
SEED = 0

# %%
images, labels = load_digits("mnist", "train")
images, labels = images[:N_TRAIN], labels[:N_TRAIN]
test_images, test_labels = load_digits("mnist", "test")
test_images, test_labels = test_images[:N_TEST], test_labels[:N_TEST]
print(f"{len(images):,} training and {len(test_images):,} test images")

# %% [markdown]
# ## 1. Reading the report's table
#
# The *evidence lower bound* (ELBO) is a lower bound on $\log p(x)$. The report's ELBOs lie between
# −17,500 and −10,000, and it does not say of what. For one MNIST image an ELBO near −100 nats is usual.
# So the values look like **sums over a batch of 100 images**. That is our reading; the report states it
# nowhere. Divided by 100:

# %%
report = pd.DataFrame(
    {"final": [-17433.81, -10528.39, -10190.44, -10218.01],
     "average": [-17566.50, -11216.32, -10888.09, -11010.50]},
    index=pd.Index(SIZES, name="latents"),
) / 100  # fmt: skip
report.round(2)

# %% [markdown]
# The average runs over the 50 epochs. It is *lower* with 50 latents than with 20. The report calls this
# an increase and takes it for a sign of overfitting.
#
# ## 2. Cross-entropy, and its floor
#
# The decoder puts out a probability $p_i$ for every pixel $x_i$. The reconstruction error is the
# *cross-entropy*
#
# $$-\sum_i \big[x_i\log p_i + (1-x_i)\log(1-p_i)\big].$$
#
# It belongs to pixels that are black or white. MNIST's pixels are grey, and the grey is taken as a
# probability. Then the error cannot reach 0. Its minimum is at $p = x$, and there it is the entropy of
# the pixels themselves.

# %%
x = jnp.asarray(test_images[:8])
logits = jax.random.normal(jax.random.key(1), x.shape)  # any decoder's output
p = 1 / (1 + jnp.exp(-logits))
cross_entropy = -(x * jnp.log(p) + (1 - x) * jnp.log(1 - p)).sum(axis=(1, 2))
assert np.allclose(binary_cross_entropy(logits, x), cross_entropy, rtol=1e-5)
pixel_entropy = entr(test_images) + entr(1 - test_images)  # entr(x) is -x log x
floor = float(pixel_entropy.sum(axis=(1, 2)).mean())
print(f"floor: {floor:.2f} nats per test image")

# %% [markdown]
# So nearly half of the report's 102 nats with 20 latents is no fault of the model. And this ELBO bounds
# the probability of no data that anyone has seen: the images are grey, and the likelihood knows black
# and white only.
#
# ## 3. The models
#
# Encoder and decoder have one hidden layer of 512 units each. The report does not name its activation;
# we take ReLU. It trains with Adam at a rate of 0.0003 for 50 epochs.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the network
stages = [("image", 784, "image"), ("hidden", 512, "layer"), ("code", 20, "code"),
          ("hidden", 512, "layer"), ("image", 784, "image")]  # fmt: skip
save_figure(
    plotting.schema(stages),
    "08_schema",
    "A row of five boxes: 784 pixels, 512 hidden units, a code of 20 numbers, 512 hidden units, 784 "
    "pixels.",
)

# %% [markdown]
# The loss of the VAE by hand, on the eight images and with the same draw of $z$ as the helper:

# %%
untrained = VariationalAutoencoder(2, variance="log", rngs=nnx.Rngs(SEED), **studies.GROUP)
key = jax.random.key(2)
mean, log_variance = untrained.encode(x)
sigma = jnp.exp(log_variance / 2)
z = mean + sigma * jax.random.normal(jax.random.clone(key), mean.shape)
error = binary_cross_entropy(untrained.decode_logits(z), x).mean()
kl = ((mean**2 + sigma**2 - log_variance - 1) / 2).sum(axis=1).mean()
loss, _ = cross_entropy_vae_loss(untrained, x, key)
assert np.isclose(loss, error + kl, rtol=1e-5)

# %% [markdown]
# Now we train a VAE of every size, and one AE with 20 latents. The AE has the same layers and the same
# budget, and is trained by cross-entropy, too. `measure_group` computes what the next sections show.

# %%
vaes, histories = {}, {}
training = {"images": images, "test_images": test_images, "seed": SEED, "epochs": EPOCHS}
for k in SIZES:
    vaes[k], histories[k] = studies.group_model("VAE", k, **training)
ae, _ = studies.group_model("AE", 20, **training)

# %%
measured = {}
for k, size_key in zip(SIZES, jax.random.split(jax.random.key(3), len(SIZES)), strict=True):
    measured[k] = studies.measure_group(vaes[k], histories[k], test_images, size_key, N_BOUND)
elbos = pd.DataFrame(measured).T
elbos = elbos[["final_train_elbo", "final_test_elbo", "average_train_elbo", "average_test_elbo"]]
elbos = elbos.astype(float).assign(report_final=report["final"], report_average=report["average"])
elbos.rename_axis("latents").round(2)

# %% [markdown]
# The table shows nats per image, ours and the report's. With 10, 20 and 50 latents our final ELBOs are
# near the report's, which supports our reading of its sums. With 2 latents they are not. (An average
# over the epochs mixes how good a model gets with how fast it learns.)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
apart = elbos["final_test_elbo"] - elbos["report_final"]
their_rise = report.loc[2, "final"] - report.loc[2, "average"]
our_rise = elbos.loc[2, "final_test_elbo"] - elbos.loc[2, "average_test_elbo"]
say(
    "Our final test ELBO minus the report's, in nats: "
    + ", ".join(f"**{difference:+.1f}** with {k}" for k, difference in apart.items())
    + f" latents. With 2 latents the report's final ELBO is only {their_rise:.1f} above its average, "
    f"and ours {our_rise:.1f}: the report's run hardly improved after its first epochs."
)

# %% [markdown]
# `make sweep` trains more: 4, 16, 30 and 64 latents, two more seeds of 10, 20, 50 and 2, and a few
# values of $\beta$. We read its numbers from `figures/latent_dimension.json`.

# %%
sweep = pd.DataFrame(recorded("latent_dimension")["runs"])
plain = sweep[sweep["beta"] == 1]
curves = {f"{k} latents": numbers["test_elbo"] for k, numbers in measured.items()}
for row in plain[(plain["seed"] == 0) & plain["latents"].isin([4, 16, 64])].itertuples():
    curves[f"{row.latents} latents (sweep)"] = row.test_elbo

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the ELBO over the epochs
shown_epochs = np.array([1, 2, 3, 4, 6, 8, 10, 15, 20, 25, 30, 35, 40, 45, 50])
shown_curves = {}
for name, values in curves.items():
    here_shown = shown_epochs[shown_epochs <= len(values)]
    shown_curves[name] = here_shown, np.array(values)[here_shown - 1]
fig = plotting.curves(shown_curves, x_label="epoch", y_label="test ELBO (nats per image)")
fig.axes[0].legend(ncols=3, loc="lower right")
fig.axes[0].set_ylim(max(min(map(min, curves.values())), -190), None)
ends = ", ".join(f"{values[-1]:.0f} with {name.split()[0]}" for name, values in curves.items())
save_figure(
    fig,
    "08_elbo_curves",
    f"The test ELBO rises over 50 epochs for seven sizes of the code. It ends at {ends} latents; "
    "from 16 latents on the curves end together.",
)

# %% [markdown]
# ## 4. Do the claims survive other seeds?
#
# "Plateau beyond 20", "fluctuations with 2", "overfitting with 50" and "2 converges more slowly" all
# hang on small differences. The table shows means over seeds:
#
# - *train - test*: the final train ELBO minus the test ELBO. (The train ELBO is a mean over the last
#   epoch, in which the weights still move, so this is a few hundredths of a nat too small.)
# - *wobble*: how far the test ELBO strays from a straight line over the last ten epochs.
# - *lost since best*: the best test ELBO of all epochs minus the last one.
# - *epochs to 5 nats*: after how many epochs the test ELBO comes within 5 nats of its end.

# %%
WORDS = {
    "final_test_elbo": "test ELBO",
    "generalisation_gap": "train - test",
    "wobble": "wobble",
    "lost_since_best": "lost since best",
    "epochs_to_5_nats": "epochs to 5 nats",
    "test_log_likelihood": "log-likelihood",
}
mine = pd.DataFrame([{"latents": k} | numbers for k, numbers in measured.items()])
seeds = pd.concat([mine, plain[plain["latents"].isin(SIZES)]])
seeds = seeds[["latents", *WORDS]].rename(columns=WORDS).astype(float)
by_size = seeds.groupby("latents")
spread = by_size.mean().join(by_size["test ELBO"].agg(["std", "count"]))
spread = spread.rename(columns={"std": "sd of test ELBO", "count": "seeds"}).rename(index=int)
spread.round(2)

# %% [markdown]
# ## 5. A tighter bound: importance weights
#
# The ELBO lies below $\log p(x)$ by $\mathrm{KL}(q(z|x)\Vert p(z|x))$. With $K$ draws of $z$ we can come
# nearer:
#
# $$\log p(x) = \log \mathbb E_{z\sim q}\frac{p(x,z)}{q(z|x)} \;\ge\; \mathbb E \log \frac1K\sum_{k=1}^K
# \frac{p(x, z_k)}{q(z_k|x)} \;\ge\; \text{ELBO},$$
#
# by Jensen's inequality; the bound rises with $K$ (Burda et al. 2015). By hand for one image, with 500
# draws. We subtract the largest log weight before we exponentiate, and add it again at the end, so that
# no weight overflows.

# %%
one_image, weight_key = jnp.asarray(test_images[:1]), jax.random.key(4)
(own_key,) = jax.random.split(jax.random.clone(weight_key), 1)
one_mean, one_log_variance = vaes[20].encode(one_image)
one_sigma = jnp.exp(one_log_variance / 2)
draws = one_mean + one_sigma * jax.random.normal(own_key, (500, 20))
copies = jnp.repeat(one_image, 500, axis=0)
log_likelihood = -binary_cross_entropy(vaes[20].decode_logits(draws), copies)
log_prior = norm.logpdf(draws).sum(axis=1)
log_posterior = norm.logpdf(draws, one_mean, one_sigma).sum(axis=1)
log_weight = log_likelihood + log_prior - log_posterior
top = log_weight.max()
tighter = jnp.log(jnp.exp(log_weight - top).mean()) + top
assert np.isclose(studies.log_likelihood(vaes[20], one_image, weight_key)[0], tighter, rtol=1e-5)
assert log_weight.mean() < tighter
print(f"ELBO {log_weight.mean():.2f} nats, with 500 draws at once {tighter:.2f}")

# %% [markdown]
# On the first 1,000 test images:

# %%
bounds = pd.DataFrame({
    "ELBO": {k: numbers["test_elbo_of_these"] for k, numbers in measured.items()},
    "500 draws": {k: numbers["test_log_likelihood"] for k, numbers in measured.items()},
})  # fmt: skip
bounds["difference"] = bounds["500 draws"] - bounds["ELBO"]
assert (bounds["difference"] > 0).all()
bounds.rename_axis("latents").round(2)

# %% [markdown]
# The difference is $\mathrm{KL}(q(z|x)\Vert p(z|x))$, less a little that 500 draws do not find. The encoder
# loses it for two reasons: its posterior is a Gaussian with independent latents, and one network has to
# find the best mean and variance for every image.
#
# ## 6. Reconstruction against PCA
#
# Principal component analysis (PCA) is the best linear code: notebook 01. The table shows the squared
# error *per pixel* on test images. (The VAE decodes the mean of its posterior.)

# %%
pca = PCA(max(SIZES), random_state=0).fit(images.reshape(len(images), -1))
centred = test_images.reshape(len(test_images), -1) - pca.mean_
coordinates = centred @ pca.components_.T
pca_mse = {}
for k in (1, 2, 3, 10, 20, 50):
    left_over = centred - coordinates[:, :k] @ pca.components_[:k]
    pca_mse[k] = float((left_over**2).mean())
vae_mse = {k: numbers["test_mse_per_pixel"] for k, numbers in measured.items()}
ae_mse = {20: float(squared_error(test_images, ae.reconstruct(test_images)).mean()) / 784}
mse = pd.DataFrame({"PCA": pca_mse, "VAE": vae_mse, "AE": ae_mse})
mse.loc[list(SIZES)].rename_axis("latents").round(4).astype(object).fillna("")

# %% [markdown]
# Both networks beat PCA with as many latents. But the VAE gains less and less: from 20 to 50 latents the
# error of PCA halves, and that of the VAE falls by a seventh. With 20 latents the AE is better than the
# VAE, also by a seventh: the VAE pays for every latent in bits, and the AE does not.
#
# ## 7. Which latents are used?
#
# *Predict first:* a VAE is given 50 latents. How many will it use?
#
# A VAE can leave a latent at the prior, at no cost. We call a latent *active* if its mean varies over
# the images, with a variance above 0.01 (Burda et al. 2015). Its KL is its price in bits.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the KL of every latent
bits = {f"{k} latents": numbers["bits_per_latent"] for k, numbers in measured.items()}
fig = plotting.curves(bits, x_label="latent, by falling KL", y_label="KL (bits per image)")
save_figure(
    fig,
    "08_bits_per_latent",
    "The KL of every latent, largest first, for 2, 10, 20 and 50 latents. With 2 and 10 every latent "
    f"carries bits; with 50 only the first {measured[50]['active_units']} do, and the rest lie at 0.",
)

# %%
active = {k: numbers["active_units"] for k, numbers in measured.items()}
total_bits = {k: float(np.sum(numbers["bits_per_latent"])) for k, numbers in measured.items()}
pd.DataFrame({"active latents": active, "KL (bits)": total_bits}).rename_axis("given").round(1)

# %% [markdown]
# Latents that end at the prior cost nothing in the end. So the VAE with 50 latents reaches the ELBO of
# the one with 20, though it takes longer (table in section 4). The additional latents that it does use
# gain about as much in reconstruction as they cost in bits.
#
# ### Bits that a test set can confirm
#
# The KL is what the code *pays*. How much does it *tell* about the image? Notebook 04 counts it, with
# $q(z)$, the distribution of the codes of all images. We take the first 2,000 test images, not all 10,000
# as in the table above, so the KL differs a little. They can tell at most
# $\log_2 2000 = 10.97$ bits, whatever the code looks like. What a code pays beyond that must appear
# elsewhere in the account. So the account shows the null as well: **granularity** is the dependence
# that the formula finds when each latent is shuffled by itself over the images, where there is none.

# %%
accounts = {}
for k, audit_key in zip(SIZES, jax.random.split(jax.random.key(7), len(SIZES)), strict=True):
    codes_of_some = vaes[k].encode(test_images[:N_AUDIT])
    accounts[k] = rate_audit(*codes_of_some, key=audit_key, draws=2)
pd.DataFrame({f"{k} latents": audit.table()["bits"] for k, audit in accounts.items()}).round(2)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
say(
    f"With 2 latents the code pays {accounts[2].kl:.1f} bits, less than the ceiling, and "
    f"{accounts[2].mutual_information:.1f} of them tell something about the image. With 20 latents it "
    f"pays {accounts[20].kl:.1f} bits and tells {accounts[20].mutual_information:.2f}: nearly the "
    f"ceiling, so nearly every test image has a place of its own. Of the rest, "
    f"**{accounts[20].granularity:.1f} bits are granularity**. So 2,000 images cannot say how much a "
    f"code of 20 latents tells about digits in general. Nor can they say whether its latents depend on "
    f"each other: the shuffled code is at the ceiling, too, so the excess dependence cannot show."
)

# %% [markdown]
# ## 8. Merged codes, and random codes
#
# *Predict first:* decode the middle between the codes of a 0 and a 6. Will you see a 0, a 6, both at
# once, or another digit? Will an AE and a VAE differ?
#
# The report shows one picture of each: with the AE a blend, with the VAE one of the parents. We merge
# the codes of about 900 pairs of digits of different classes, and a classifier judges: an MLP that was
# trained on the training images. It is *sure* of a picture if it gives one class more than 0.9. The
# null is the mean of the two *images*, a blend by construction.

# %%
judge, judge_history = studies.classifier(
    "mnist", images, labels, test_images, test_labels, epochs=JUDGE_EPOCHS
)
pairs = np.random.default_rng(SEED).permutation(len(test_images))[: 2 * N_PAIRS].reshape(2, -1)
one, other = pairs[:, test_labels[pairs[0]] != test_labels[pairs[1]]]
models = {"AE": ae, "VAE": vaes[20]}
codes = {name: model.codes(test_images) for name, model in models.items()}
merged = {}
for name, model in models.items():
    merged[name] = model.decode((codes[name][one] + codes[name][other]) / 2)
merged["mean of the images"] = (test_images[one] + test_images[other]) / 2


# %%
def judged(pictures):
    """The share of merged pictures that the judge takes for a parent, another class, or neither."""
    probability = studies.class_probabilities(judge, pictures)
    sure, best = probability.max(axis=1) > studies.SURE, probability.argmax(axis=1)
    parent = (best == test_labels[one]) | (best == test_labels[other])
    return {"surely a parent": (sure & parent).mean(),
            "surely another class": (sure & ~parent).mean(), "not sure": (~sure).mean()}  # fmt: skip


merging = pd.DataFrame({name: judged(pictures) for name, pictures in merged.items()}).T
merging.round(3)

# %% [markdown]
# The judge takes the blend of two images for one of its parents nearly as often as the merged codes. So
# it cannot tell whether the report's eye was right.
#
# Now random codes. The AE has no prior, so we try two: $\mathcal N(0, I)$, as for the VAE, and a
# Gaussian that is fitted to its codes. The null is test digits whose pixels are shuffled.

# %%
prior_keys = jax.random.split(jax.random.key(5), 2)
density = fit_density(ae.encode(images), (1,))  # of one Gaussian
random_pictures = {
    "AE, z ~ N(0, I)": sample_prior(ae, prior_keys[0], N_PAIRS),
    "AE, z from a fitted Gaussian": ae.decode(density.draw(N_PAIRS)),
    "VAE, z ~ N(0, I)": sample_prior(vaes[20], prior_keys[1], N_PAIRS),
    "real test digits": test_images,
}
pixels = test_images.reshape(len(test_images), -1)
random_pictures["their pixels, shuffled"] = np.random.default_rng(0).permuted(pixels, axis=1)
random_sure = {}
for name, pictures in random_pictures.items():
    probability = studies.class_probabilities(judge, pictures)
    random_sure[name] = float((probability.max(axis=1) > studies.SURE).mean())
pd.Series(random_sure, name="share of which the judge is sure").to_frame().round(3)

# %% [markdown]
# With a Gaussian that is fitted to its codes, the AE does about as well as the VAE. So what the AE lacks
# is not a better decoder. It lacks a known place for its codes.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: a zero and a six, merged, and random codes
zero = int(np.flatnonzero(test_labels == 0)[0])
six = int(np.flatnonzero(test_labels == 6)[0])
rows, titles = {}, ["a zero", "a six", "merged", *["random"] * 5]
for name, model in models.items():
    two = codes[name][np.array([zero, six])]
    three = model.decode(np.concatenate([two, two.mean(axis=0, keepdims=True)]))
    rows[name] = np.concatenate([three, random_pictures[f"{name}, z ~ N(0, I)"][:5]])
save_figure(
    plotting.image_rows(rows, titles={"AE": titles}),
    "08_merged_and_random",
    "Two rows, AE and VAE: a reconstructed zero, a reconstructed six, the picture in the middle of "
    "their codes, and five random codes. The AE's random pictures are tangles of strokes; some of "
    "the VAE's resemble digits.",
)

# %% [markdown]
# The middle between the 0 and the 6 looks like a 6 with the AE as with the VAE: here the AE shows no
# blend.
#
# ### From a 3 to a 5
#
# Nine steps on the straight line between two codes, and for comparison between the two images:

# %%
three, five = (int(np.flatnonzero(test_labels == digit)[0]) for digit in (3, 5))
steps = {
    name: interpolate(m, codes[name][three], codes[name][five], 9) for name, m in models.items()
}
weights = np.linspace(0, 1, 9)[:, None, None]
steps["pixels"] = (1 - weights) * test_images[three] + weights * test_images[five]
save_figure(
    plotting.image_rows(steps),
    "08_interpolation",
    "Three rows of nine pictures from a 3 to a 5. AE and VAE bend the strokes from one digit to the "
    "other; in the row of pixels one digit fades out while the other fades in.",
)

# %% [markdown]
# ## 9. Further sizes
#
# These pictures come from `make sweep`: ten test digits, their reconstructions with 4, 16 and 64
# latents, and ten draws from the prior of the VAE with 30.

# %%
sizes_alt = "Five rows: ten test digits, their reconstructions with 4 latents (blurred, some wrong), with 16 and 64 latents (nearly right), and ten samples with 30 latents, some of them no digits."
Image(ROOT / "figures" / "08_further_sizes.png", metadata={"alt": sizes_alt})

# %% [markdown]
# ## 10. Only reconstruction, only KL, both
#
# Two latents and ten epochs show what each part of the loss does.

# %%
parts = {"only reconstruction": (1, 0), "only KL": (0, 1), "both": (1, 1)}  # weight, beta
clouds, bits_of_part = {}, {}
for number, (title, (weight, beta)) in enumerate(parts.items()):
    settings = training | {"epochs": SHORT_EPOCHS, "weight": weight, "beta": beta}
    model, _ = studies.group_model("VAE", 2, **settings)
    code = model.encode(test_images)
    bits_of_part[title] = float(gaussian_kl(*code).mean()) / np.log(2)
    draw_key = jax.random.fold_in(jax.random.key(6), number)
    clouds[f"{title}: {bits_of_part[title]:.1f} bits"] = model.sample(*code, draw_key)
save_figure(
    plotting.class_clouds(clouds, test_labels),
    "08_losses",
    "Three panels with codes of test digits in the plane of two latents, coloured and numbered by "
    "class. With the reconstruction alone they spread far beyond the prior; with the KL alone all "
    "classes form one round cloud; with both the classes lie apart near the origin.",
)

# %% [markdown]
# Without the KL the codes spread as they like. Without the error every posterior becomes the prior, and
# the code tells nothing. With both the codes are drawn towards the prior. Some classes stay apart (0, 1
# and 6), and others overlap (4 and 9; 2, 3 and 8).
# (Mind the scales. The bits are the KL.)
#
# ## 11. The 2-D manifold
#
# A grid of quantiles of the prior, decoded by the VAE with two latents: every picture stands for the
# same share of the prior's mass.

# %%
quantiles = norm.ppf((jnp.arange(15) + 0.5) / 15)
plane = jnp.stack(jnp.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
save_figure(
    plotting.manifold(vaes[2].decode(plane), 15),
    "08_manifold",
    "15 by 15 decoded digits over the plane of two latents; neighbours look alike, and the digits "
    "change gradually from one class to the next.",
)

# %% [markdown]
# ## 12. A little beta
#
# The report suggests a *beta-VAE*, whose loss weighs the KL with $\beta$. The sweep has four values with
# 20 latents. $\beta$ trades reconstruction against bits. The likelihood of section 5 does not contain
# $\beta$, so it can compare all of them (one seed each).

# %%
of_beta = sweep[(sweep["latents"] == 20) & (sweep["seed"] == 0)]
betas = pd.concat([of_beta, pd.DataFrame([{"beta": 1.0} | measured[20]])])
betas["KL (bits)"] = [np.sum(each) for each in betas["bits_per_latent"]]
shown_of_beta = ["test_mse_per_pixel", "KL (bits)", "active_units", "test_log_likelihood"]
betas.set_index("beta")[shown_of_beta].sort_index().astype(float).round(4)

# %% [markdown]
# ## 13. Squared error or cross-entropy?
#
# The report names both. We train the same AE with 20 latents for ten epochs by either, and judge it by
# both.

# %%
losses = {"cross-entropy": cross_entropy_autoencoder_loss, "squared error": autoencoder_loss}
rate = optax.constant_schedule(studies.GROUP_RATE)
settings = {"epochs": SHORT_EPOCHS, "batch_size": studies.GROUP_BATCH, "learning_rate": rate}
by_loss = {}
for name, training_loss in losses.items():
    model = Autoencoder(20, rngs=nnx.Rngs(SEED), **studies.GROUP)
    recipes.train(f"group-AE-by-{name.replace(' ', '-')}", model, images, training_loss, **settings)
    outputs = model.decode_logits(model.encode(test_images))
    by_loss[f"trained by {name}"] = {
        "cross-entropy (nats)": float(binary_cross_entropy(outputs, test_images).mean()),
        "squared error": float(squared_error(test_images, nnx.sigmoid(outputs)).mean()),
    }
by_loss = pd.DataFrame(by_loss).T
by_loss.assign(over_its_floor=by_loss["cross-entropy (nats)"] - floor).round(2)

# %% [markdown]
# Which one is ahead in *both* columns? The decoder ends in a sigmoid. Where a pixel is wrong with
# confidence, the sigmoid is flat, and the gradient of the squared error nearly vanishes; that of the
# cross-entropy does not. Both losses are lowest at $p = x$.
#
# ## What we found
#
# The report's claims against our numbers. An ELBO is *in range* within 3 nats of the report's. A
# difference between sizes counts if it exceeds twice its standard deviation over the seeds (the number
# after ±). Overfitting counts if the gap between train and test ELBO grows by more than half a nat.
# Slower convergence counts if every seed with 2 latents is slower than every seed of each other size
# (*in part*: of one or two other sizes).

# %% cellView="form" jupyter={"source_hidden": true}
# @title The claims, judged: the size of the code
at_2, at_10, at_20, at_50 = (spread.loc[k] for k in SIZES)
plateau = at_50["test ELBO"] - at_20["test ELBO"]
noise = float(np.hypot(at_20["sd of test ELBO"], at_50["sd of test ELBO"]))
overfit = at_50["train - test"] - at_20["train - test"]
other_sd = spread.drop(2)["sd of test ELBO"].max()
wobble = seeds.groupby(seeds["latents"] == 2)["wobble"].agg(["min", "max"])
signs = (wobble.loc[True, "min"] > wobble.loc[False, "max"], at_2["sd of test ELBO"] > 3 * other_sd)
unsteady = ("refuted", "in part", "confirmed")[sum(map(bool, signs))]
to_5_nats = seeds.groupby("latents")["epochs to 5 nats"].agg(["min", "max"])
slower_than = [k for k in SIZES[1:] if to_5_nats.loc[2, "min"] > to_5_nats.loc[k, "max"]]
slower = ("refuted", "in part", "in part", "confirmed")[len(slower_than)]
verdicts = {
    f"final ELBO at {k}": (f"{report.loc[k, 'final']:.1f} nats", f"{spread.loc[k, 'test ELBO']:.1f} nats (test)", "in range" if abs(apart[k]) < 3 else "not reproduced", "if its sums are over 100 images")
    for k in SIZES
}  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title The claims, judged: training
verdicts |= {
    "plateau past 20": ("50 no better than 20", f"{plateau:+.2f} ± {noise:.2f} nats", "confirmed" if plateau < 2 * noise else "refuted", f"{active[50]} of 50 latents are used"),
    "fluctuation at 2": ("significant", f"wobble {wobble.loc[True, 'min']:.3f} to {wobble.loc[True, 'max']:.3f}, elsewhere {wobble.loc[False, 'min']:.3f} to {wobble.loc[False, 'max']:.3f}; sd over seeds {at_2['sd of test ELBO']:.2f} and at most {other_sd:.2f} nats", unsteady, "from epoch to epoch, and from seed to seed"),
    "overfitting at 50": ("slight", f"train - test {at_50['train - test']:.2f} nats, at 20 {at_20['train - test']:.2f}", "confirmed" if overfit > 0.5 else "refuted", "its evidence is an average over epochs"),
    "small sizes generalise better": ("yes", f"train - test {at_2['train - test']:.2f} nats at 2, {at_50['train - test']:.2f} at 50", "confirmed" if at_2["train - test"] < at_50["train - test"] else "refuted", "the gap is the largest at 2"),
    "2 latents converge more slowly": ("yes", f"within 5 nats after {at_2['epochs to 5 nats']:.0f} epochs; 10, 20, 50: {at_10['epochs to 5 nats']:.0f}, {at_20['epochs to 5 nats']:.0f}, {at_50['epochs to 5 nats']:.0f}", slower, f"in every seed slower than with {' and '.join(map(str, slower_than)) or 'none'}"),
}  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title The claims, judged: generation, and all claims
ae_parent, vae_parent, blend = merging["surely a parent"]
telling = abs(vae_parent - ae_parent) > 3 * np.sqrt(0.5 / len(one)) and ae_parent > blend
merging_word = ("confirmed" if vae_parent > ae_parent else "refuted") if telling else "undecided"
vae_sure, ae_sure = (random_sure[f"{name}, z ~ N(0, I)"] for name in ("VAE", "AE"))
fitted_sure = random_sure["AE, z from a fitted Gaussian"]
random_word = "refuted" if vae_sure <= ae_sure else "in part" if ae_sure > 0.1 else "confirmed"
verdicts |= {
    "merged VAE codes give one parent": ("yes, the AE a blend", f"judge sure of a parent: VAE {vae_parent:.0%}, AE {ae_parent:.0%}", merging_word, f"a mean of pixels, a blend by construction, passes in {blend:.0%} of {len(one)} pairs"),
    "random codes: VAE a digit, AE not": ("yes", f"judge sure of {vae_sure:.0%} and {ae_sure:.0%}; AE from a fitted Gaussian {fitted_sure:.0%}", random_word, "the AE lacks the place of its codes, not the decoder"),
}  # fmt: skip
claims = pd.DataFrame(verdicts, index=["source", "here", "verdict", "why"]).T
claims.rename(columns={"source": "the report"})

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
counts = claims["verdict"].value_counts()
agree = ", ".join(str(k) for k in SIZES if abs(apart[k]) < 3)
final = ", ".join(f"{measured[k]['final_test_elbo']:.1f} nats with {k}" for k in SIZES)
say(f"""
- The VAE's ELBO on test images is {final} latents (seed {SEED}). Of each,
  {floor:.1f} nats are the pixels' own entropy.
- Of 50 latents {active[50]} are active, of 20 latents {active[20]}: how many it uses is the VAE's own
  choice.
- With 20 latents the code pays {accounts[20].kl:.1f} bits. {N_AUDIT:,} test images can confirm
  {accounts[20].mutual_information:.1f} of them; {accounts[20].granularity:.1f} are granularity.
- The report's claims, on held-out images and over seeds: confirmed {counts.get("confirmed", 0)},
  refuted {counts.get("refuted", 0)}, in part {counts.get("in part", 0)}, undecided
  {counts.get("undecided", 0)}. Its ELBOs with {agree} latents agree with ours.
""")

# %% [markdown]
# ## Limits
#
# - The report's activation and batch size are our guesses, and so is the sum over 100 images.
# - The judge is a small network. It can be sure of a picture that does not look like a digit to you.
# - There are three seeds for 2, 10, 20 and 50 latents, and one for the further sizes and for each
#   $\beta$.
# - Grey pixels under a likelihood of black and white are a convention. Compare these nats only with
#   papers that do the same; many draw each pixel black or white first.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **08.1** The report's final ELBO with 20 latents is −10190.44, for 100 images as we think. How many
# bits per image is this loss?

# %%
check("08.1", ...)

# %% [markdown]
# <details><summary>Solution of 08.1</summary>
#
# ```python
# check("08.1", 10190.44 / 100 / np.log(2))
# ```
#
# </details>
#
# **08.2** An image has 100 pixels of grey 0.25 and is black elsewhere. Below which cross-entropy, in
# nats, can no model get?

# %%
check("08.2", ...)

# %% [markdown]
# <details><summary>Solution of 08.2</summary>
#
# Each grey pixel has the entropy of a coin that shows heads in a quarter of all throws.
#
# ```python
# check("08.2", -100 * (0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
# ```
#
# </details>
#
# **08.3** Two draws have log weights −4 and −2. Their mean, −3, estimates the ELBO. What is the
# importance-weighted bound?

# %%
check("08.3", ...)

# %% [markdown]
# <details><summary>Solution of 08.3</summary>
#
# It is the log of the mean weight, and the larger weight dominates.
#
# ```python
# check("08.3", np.log((np.exp(-4.0) + np.exp(-2.0)) / 2))
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. Draw each pixel black or white, with its grey as the probability of white. How far do the ELBOs
#    move, and why?
# 2. Add noise to the code of the AE with 20 latents and count its bits with `channel_rate`. At which
#    noise does it carry as many bits as the VAE pays?
# 3. Train 50 latents for 500 epochs. Does the test ELBO turn down?
# 4. Merge the codes of two images of the *same* digit. How often does the judge see another one?
# 5. Train the AE with 2, 10 and 50 latents, too. Where does the VAE fall behind it, and by how much?
# 6. Repeat the account of section 7 with 500, 1,000 and 10,000 images. Which lines change, and by how
#    much?
#
# ## References
#
# - Edvinsson, Granström, Johansson and Lindholm, *Project 1.2 Variational Autoencoders*, an unpublished
#   course report, 2025. Its table is in section 1.
# - D. Kingma and M. Welling, [Auto-encoding variational Bayes](https://arxiv.org/abs/1312.6114), 2013.
# - Y. Burda, R. Grosse and R. Salakhutdinov, [Importance weighted
#   autoencoders](https://arxiv.org/abs/1509.00519), 2015.
# - I. Higgins et al., [beta-VAE](https://openreview.net/forum?id=Sy2fzU9gl), ICLR 2017.
# - Y. LeCun et al., [Gradient-based learning applied to document
#   recognition](https://doi.org/10.1109/5.726791), 1998 (MNIST).

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
NAMES = ("final_test_elbo", "final_train_elbo", "average_test_elbo", "average_train_elbo",
         "test_log_likelihood")  # fmt: skip
LINES = ("kl", "mutual_information", "granularity", "excess_dependence")
found = record(
    "08_latent_dimension",
    **{name: {k: numbers[name] for k, numbers in measured.items()} for name in NAMES},
    active_units=active,
    total_bits=total_bits,
    account={k: {n: getattr(audit, n) for n in LINES} for k, audit in accounts.items()},
    bits_of_parts=bits_of_part,
    cross_entropy_floor=floor,
    pca_test_mse_per_pixel=pca_mse,
    ae_test_mse_per_pixel=ae_mse,
    vae_test_mse_per_pixel=vae_mse,
    trained_by=by_loss.T.to_dict(),
    merging=merging.T.to_dict(),
    random_sure=random_sure,
    judge_accuracy=float(judge_history["test_accuracy"].iloc[-1]),
    claims=claims.T.to_dict(),
)
print(f"Python {sys.version.split()[0]}, JAX {jax.__version__}, NumPy {np.__version__}")
