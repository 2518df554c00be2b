# %% [markdown]
# # 07 · MLP and CNN: which network, how many latents, which balance?
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/07_mlp_and_cnn.ipynb)
#
# **The source** is a report (S. Zhao 2023). It trains variational autoencoders (VAEs) on MNIST digits
# and on Fashion-MNIST, with two kinds of network: fully connected layers (an MLP) and convolutions (a
# CNN). It compares 1, 2, 3 and 20 latents and three values of $c$, the variance of a pixel, which
# balances the two parts of the loss. It judges generated images by eye, and finds: the CNN is worse with
# few latents and better with many; 20 latents generate badly; a small $c$ makes the samples less
# diverse, and a large $c$ less authentic.
#
# **The question:** which of this holds, once each word has a number?
#
# You will learn how to
#
# - compute a strided convolution and the report's loss by hand, and see where its text errs;
# - judge generated images with a classifier, and by their distance to real images;
# - measure how far the codes are from the prior, and how much of that is mere counting;
# - hold a claim against several seeds.
#
# *Before you start:* you need notebook 03. The terms of all notebooks are in the
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary).
# Cells of which you see only a title are folded: they import, draw or save.
# *Time to run:* about eight minutes on two cores, most of it training.

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
from functools import cache
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx
from IPython.display import Image
from jax.scipy.stats import norm
from scipy.special import entr
from helpers import plotting, studies
from helpers.convolutions import Convolution
from helpers.digits import load_digits
from helpers.exercises import check
from helpers.files import ROOT, record, recorded, save_figure, say
from helpers.generation import sample_prior
from helpers.models import VariationalAutoencoder
from helpers.objectives import squared_error, vae_loss

plotting.use_style()

# %% nbmake={"mock": {"EPOCHS": 1, "JUDGE_EPOCHS": 1, "N_SAMPLES": 100, "N_TEST": 500, "N_TRAIN": 2048}}
SIZES = (1, 2, 3, 20)  # latents
BALANCES = (0.0001, 0.05, 1)  # c, the variance of a pixel
C = studies.REPORT_C  # 0.05, the report's usual one
EPOCHS, JUDGE_EPOCHS = studies.REPORT_EPOCHS, 10
N_TRAIN, N_TEST = 60_000, 10_000
N_SAMPLES = 1000  # generated images that are judged
SEED = 0

# %% [markdown]
# Both data sets have 60,000 training and 10,000 test images of ten classes: digits in one, clothes in
# the other. A pixel lies between 0 and 1.

# %%
data = {}
for name in ("mnist", "fashion_mnist"):
    images, labels = load_digits(name, "train")
    test_images, test_labels = load_digits(name, "test")
    data[name] = images[:N_TRAIN], labels[:N_TRAIN], test_images[:N_TEST], test_labels[:N_TEST]
images, labels, test_images, test_labels = data["mnist"]
of_sets = {name: [len(d[0]), len(d[2]), d[0].mean(), d[0].std()] for name, d in data.items()}
about_sets = ["training images", "test images", "mean of a pixel", "standard deviation"]
pd.DataFrame(of_sets, index=about_sets).T.round(3)

# %% [markdown]
# ## 1. The two networks
#
# The MLP has hidden layers of 300, 100 and 10 units, with the activation ELU: $h$ where $h > 0$, and
# $e^h - 1$ elsewhere. (The report prints the
# network with 10 units in its narrowest layer. Its text says 20. We take what it prints.)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the MLP
widths, of_layers = (784, 300, 100, 10, 2, 10, 100, 300, 784), {2: "code", 784: "image"}
stages = [(of_layers.get(n, "ELU"), n, of_layers.get(n, "layer")) for n in widths]
save_figure(
    plotting.schema(stages),
    "07_mlp",
    "A row of nine boxes, high where a layer is wide: 784 pixels, then 300, 100 and 10 units, a code "
    "of 2 numbers, and the same widths back to 784 pixels.",
)

# %% [markdown]
# The CNN has three convolutions, each followed by batch normalisation and ELU. A convolution looks at
# 3 x 3 pixels at a time and steps by 2 pixels (its *stride*), so each one halves the side of the
# picture, rounded up: 28, 14, 7, 4. Its result is a stack of pictures, called *channels* (not the noisy
# channels of notebook 04). Batch normalisation scales each of them to mean 0 and variance 1 over a batch,
# then by two learned numbers. The decoder takes the same steps backwards; one more convolution then makes
# a single picture of 32 channels.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the CNN
stages = [("image\n28×28", 784, "image"), ("14×14×32", 6272, "layer"), ("7×7×64", 3136, "layer"),
          ("4×4×32", 512, "layer"), ("code", 2, "code"), ("4×4×32", 512, "layer"),
          ("7×7×64", 3136, "layer"), ("14×14×32", 6272, "layer"), ("28×28×32", 25088, "layer"),
          ("image\n28×28", 784, "image")]  # fmt: skip
save_figure(
    plotting.schema(stages),
    "07_cnn",
    "A row of ten boxes, high where a layer has many numbers: the image, three convolutions down to "
    "4 by 4 pixels of 32 channels, a code of 2 numbers, and four layers back to the image.",
)

# %% [markdown]
# Here is the first convolution by hand. A border of zeros comes around the picture (*padding*). Then
# each of the nine places of the 3 x 3 kernel sees every second pixel, and multiplies what it sees by
# its 32 weights, one for each channel of the result.

# %%
layer = Convolution(1, 32, rngs=nnx.Rngs(0))  # one channel in, 32 out
kernel, bias = layer.kernel[...], layer.bias[...]  # (3, 3, 1, 32) and (32,)
digit = test_images[:1, :, :, None]  # (1, 28, 28, 1)
padded = np.pad(digit, ((0, 0), (1, 1), (1, 1), (0, 0)))
sums = bias
for row, column in np.ndindex(3, 3):
    seen = padded[:, row : row + 28 : 2, column : column + 28 : 2]  # (1, 14, 14, 1)
    sums = sums + seen @ kernel[row, column]
assert sums.shape == (1, 14, 14, 32)
assert np.allclose(sums, layer(digit), atol=1e-5)

# %% [markdown]
# ## 2. The loss, and two slips of the report
#
# The loss is $\frac{1}{2c}\|x-\hat x\|^2 + \mathrm{KL}$ with $c = 0.05$. The variance of the code comes
# from the encoder's output $h$ as $\operatorname{softplus}(h) + 10^{-8}$, with
# $\operatorname{softplus}(h) = \log(1 + e^h)$. The report says that softplus "transforms the output to
# [0, 1]". *Predict first:* does it?

# %%
outputs = jnp.array([-5.0, 0.0, 1.0, 5.0])
softplus = jnp.log1p(jnp.exp(outputs))
assert np.allclose(softplus, nnx.softplus(outputs), rtol=1e-5)
pd.DataFrame({"h": outputs, "softplus(h)": softplus}).T.round(3)

# %% [markdown]
# It maps to $(0, \infty)$, as a variance should. The second slip: the report sums the reconstruction
# error over $L$ draws of $z$, without dividing by $L$. Then the error weighs more the more draws are
# taken. (It takes one, so its results do not suffer.) First the loss by hand on 64 digits, with one
# draw:

# %%
some = test_images[:64]
untrained = VariationalAutoencoder(2, variance="softplus", rngs=nnx.Rngs(SEED), **studies.MLP)
key = jax.random.key(1)
mean, h = jnp.split(untrained.encoder(some.reshape(64, -1)), 2, axis=1)
variance = jnp.log1p(jnp.exp(h)) + 1e-8
z = mean + jnp.sqrt(variance) * jax.random.normal(jax.random.clone(key), mean.shape)
error = ((some - untrained.decode(z)) ** 2).sum(axis=(1, 2)).mean()
kl = ((mean**2 + variance - jnp.log(variance) - 1) / 2).sum(axis=1).mean()
loss, _ = vae_loss(untrained, some, key, c=C)
assert np.isclose(loss, error / (2 * C) + kl, rtol=1e-4)

# %% [markdown]
# Now the squared error with more draws, as a mean and as the report's sum:

# %%
errors = []
for draw_key in jax.random.split(jax.random.key(2), 16):
    drawn = untrained.sample(mean, jnp.log(variance), draw_key)
    errors.append(float(squared_error(some, untrained.decode(drawn)).mean()))
by_draws = {n: {"mean": np.mean(errors[:n]), "sum": np.sum(errors[:n])} for n in (1, 4, 16)}
pd.DataFrame(by_draws).rename_axis(columns="draws").round(1)

# %% [markdown]
# ## 3. The judges
#
# A classifier for each data set judges the generated images: an MLP, trained for ten epochs on the
# labelled training images. It is *sure* of an image if it gives one class more than 0.9. The *entropy*
# of its guesses says how many classes the images show: at most $\log_2 10 = 3.32$ bits, if all classes
# come equally often.

# %%
judges, accuracy = {}, {}
for name, of_set in data.items():
    judges[name], history = studies.classifier(name, *of_set, epochs=JUDGE_EPOCHS)
    accuracy[name] = float(history["test_accuracy"].iloc[-1])
pd.Series(accuracy, name="share of test images that the judge gets right").to_frame().round(3)

# %% [markdown]
# What does the judge say where we know the answer? We show it real digits, and digits whose pixels are
# shuffled: these show nothing, so they are the null.


# %%
def judged(judge, pictures):
    """The share of pictures that the judge is sure of, and the entropy of its guesses."""
    p = studies.class_probabilities(judge, pictures)
    sure = (p.max(axis=1) > studies.SURE).mean()
    return {"sure": sure, "class entropy (bits)": entr(p.mean(axis=0)).sum() / np.log(2)}


pixels = test_images.reshape(len(test_images), -1)
shuffled = np.random.default_rng(0).permuted(pixels, axis=1)
real, null = judged(judges["mnist"], test_images), judged(judges["mnist"], shuffled)
pd.DataFrame({"real test digits": real, "the same, pixels shuffled": null}).T.round(3)

# %% [markdown]
# A judge that was trained on digits alone can be sure of a picture without a digit. So its word counts
# only in comparison.
#
# ## 4. Two latents, with the report's settings
#
# `run` trains a model with given settings and measures it. (`cache` keeps the result, so a model that
# is asked for twice is measured once.)


# %%
@cache
def run(name, latents, c, improved):
    """An MLP of the report, and what is measured of it."""
    images, _, test_images, _ = data[name]
    model, history = studies.report_model(
        "MLP", latents, images, test_images,
        data=name, c=c, seed=SEED, epochs=EPOCHS, improved=improved,
    )  # fmt: skip
    numbers = studies.measure_report(
        model, history, images, test_images, judges[name], jax.random.key(3), N_SAMPLES
    )
    return model, numbers


# %% [markdown]
# First the MLP as the report trains it. Then *improved* by two things that this project adds: a
# learning rate that rises and falls, and a decoder that starts from the mean image. `make sweep`
# trains further seeds, and the CNN with the report's 15 epochs; we read its numbers from
# `figures/mlp_and_cnn.json`.

# %%
two_latents = {}
for name in data:
    two_latents[f"MLP, {name}"] = run(name, 2, C, False)
    two_latents[f"MLP improved, {name}"] = run(name, 2, C, True)
sweep = pd.DataFrame(recorded("mlp_and_cnn")["runs"])
improved = sweep["improved"].map({True: " improved", False: ""})
sweep["run"] = sweep["kind"] + improved + ", " + sweep["data"]

# %%
report = {"MLP, mnist": 307, "MLP, fashion_mnist": 229}
report |= {"CNN, mnist": 322, "CNN, fashion_mnist": 246}
of_loss = ["loss", "reconstruction", "kl", "test_loss"]
mlp_losses = pd.DataFrame({name: numbers for name, (_, numbers) in two_latents.items()}).T
cnn_losses = sweep[(sweep["kind"] == "CNN") & (sweep["latents"] == 2)].set_index("run")
losses = pd.concat([mlp_losses[of_loss], cnn_losses[of_loss]]).astype(float)
losses.assign(report=pd.Series(report)).round(1).astype(object).fillna("")

# %% [markdown]
# The table shows nats per image: the loss in the last epoch, its two parts, the loss on test images,
# and the loss that the report gives. (The report's loss is that of training images, too.)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
of_mlp = losses.loc["MLP, mnist"]
gain = losses.loc["MLP improved, mnist", "test_loss"] - of_mlp["test_loss"]
say(
    f"On MNIST our MLP reaches {of_mlp['loss']:.0f} nats, the report's {report['MLP, mnist']}. The "
    f"report splits its loss into 293 for the reconstruction and 14 for the KL; ours has "
    f"{of_mlp['reconstruction']:.0f} and {of_mlp['kl']:.1f}. The KL differs by "
    f"{14 - of_mlp['kl']:.1f} nats at almost the same error; we cannot tell why. The two "
    f"improvements together change the test loss by {gain:+.1f} nats, with one seed each."
)

# %% [markdown]
# ## 5. Latent sizes and balances
#
# *Predict first:* with more latents the loss falls. Will the *generated* images get better, too? And
# does a small $c$, which asks for exact reconstructions, make better or worse samples?

# %%
chosen = {f"{n} latent" + "s" * (n > 1): run("mnist", n, C, False) for n in SIZES}
chosen |= {f"c = {c:g}": run("mnist", 2, c, False) for c in BALANCES}
numbers = pd.DataFrame({name: measured for name, (_, measured) in chosen.items()}).T.astype(float)
numbers[[*of_loss, "sure", "class_entropy_bits"]].round(2)

# %% [markdown]
# The first four columns are nats per image. (With another $c$ they are on another scale.) The last two
# are the judge's word on 1,000 images that are decoded from $z\sim\mathcal N(0, I)$. With more latents
# the loss falls, but the judge is no surer. With the smallest $c$ it is less sure, and sees fewer
# classes than with two latents at the usual $c$. (This is one seed each; section 7 has more.)
#
# ### How far are the codes from the prior?
#
# The report explains bad samples by codes that are not where the prior is. We can measure this. Let
# $q(z)$ be the distribution of the codes of all images. Its KL divergence from the prior is
#
# $$\mathrm{KL}(q(z)\,\Vert\,\mathcal N(0, I)) = \mathbb E\,\mathrm{KL}(q(z|x)\,\Vert\,\mathcal N(0, I)) - I(X;Z),$$
#
# what the code pays minus what it tells. We take $q(z)$ from 2,000 test images. And here is a trap, which
# notebook 04 explains: 2,000 images can tell at most $\log_2 2000 = 10.97$ bits. A code that pays more
# *must* show a divergence of at least the difference, whatever it looks like: its $q(z)$ is a heap of
# 2,000 narrow bells with holes between them, because we look at 2,000 images only. The column *forced*
# shows this least divergence.
#
# A second null says how much of it is unused room in the code. Shuffle each latent by itself over the
# images: now the latents know nothing of each other, and each has the distribution that it had. The
# dependence between latents that the formula still finds is called **granularity**. Only what exceeds
# it can say something about the place of the codes.

# %%
CEILING = np.log2(2000)  # the most bits that the 2,000 images of `measure_report` can show


def account(numbers):
    """Of a table of measured models: what the code pays and tells, the divergence, its nulls."""
    tells, divergence = numbers["information_bits"], numbers["prior_divergence_bits"]
    forced, granularity = (tells + divergence - CEILING).clip(lower=0), numbers["granularity_bits"]
    return pd.DataFrame({
        "pays (KL)": tells + divergence, "tells": tells, "divergence": divergence,
        "forced": forced, "granularity": granularity, "over granularity": divergence - granularity,
    })  # fmt: skip


account(numbers).round(2)

# %% [markdown]
# With 1 and 2 latents at $c\ge0.05$ counting forces little, so there the divergence means nearly what it
# says. With 3 and 20 latents nearly all of it is forced. What lies over the granularity is what the
# latents show one by one, and that is about one bit, with 20 latents as with 1. (Dependence between
# latents can hardly show with 3 and with 20, because the shuffled code is near the ceiling, too.) So the
# report's
# explanation for bad samples with 20 latents finds no support in 2,000 images.
#
# At $c = 0.0001$ it is otherwise: tens of bits lie over the granularity. The column *forced* cannot show
# this, because it takes what the code pays as given. The code pays so much because it lies far outside
# the prior, as section 6 shows.
#
# ### Memorised?
#
# A model that repeats its training images has learned nothing. For every sample we look for the
# nearest real image among training *and* test images. If nothing is memorised, it is a training image
# as often as training images are frequent: $60{,}000$ in $70{,}000$.

# %%
expected = len(images) / (len(images) + len(test_images))
standard_error = np.sqrt(expected * (1 - expected) / N_SAMPLES)
memorised = numbers[["distance", "nearest_is_training"]]
in_errors = (memorised["nearest_is_training"] - expected) / standard_error
memorised = memorised.assign(expected=expected, standard_errors_above=in_errors)
real_distance = np.median(studies.nearest_distance(test_images[:N_SAMPLES], images))
memorised.round(3)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
small_c = f"c = {min(BALANCES):g}"
usual_share = memorised["nearest_is_training"].drop(small_c)
small_share = memorised.loc[small_c, "nearest_is_training"]
say(
    f"The distance is the median squared distance to the nearest real image. (From a test digit to "
    f"the nearest training digit it is {real_distance:.1f}: samples are smoother than digits.) At "
    f"c = {C:g} and above the nearest one is a training image in {usual_share.min():.1%} to "
    f"{usual_share.max():.1%} of all cases, where {expected:.1%} ± {standard_error:.1%} are "
    f"expected. At c = {min(BALANCES):g} it is in **{small_share:.1%}**. Either "
    f"training images come back there, or many similar samples share a few neighbours. The count does "
    f"not tell which."
)

# %% [markdown]
# ## 6. What they look like

# %%
keys = jax.random.split(jax.random.key(4), len(chosen))
samples = {}
for sample_key, (name, (model, _)) in zip(keys, chosen.items(), strict=True):
    samples[name] = sample_prior(model, sample_key, 12)
save_figure(
    plotting.image_rows(samples),
    "07_samples",
    "Twelve samples in each of seven rows: with 1, 2, 3 and 20 latents, and with three values of c. "
    "With few latents most are smooth digits; with 20 some are fragments; with the smallest c the "
    "same few digits come again and again.",
)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: samples of Fashion-MNIST
fashion_keys = jax.random.split(jax.random.key(5), 2)
plain, better = (two_latents[f"{kind}, fashion_mnist"][0] for kind in ("MLP", "MLP improved"))
fashion = {"MLP": sample_prior(plain, fashion_keys[0], 12)}
fashion["MLP improved"] = sample_prior(better, fashion_keys[1], 12)
save_figure(
    plotting.image_rows(fashion),
    "07_further_samples",
    "Two rows of twelve samples of clothes, from the MLP and from the improved MLP with two latents: "
    "blurred shirts, trousers, shoes and bags.",
)

# %% [markdown]
# The next picture comes from `make sweep`: samples of the CNN after 15 epochs, with 2 and with 20
# latents, on both data sets.

# %%
cnn_alt = "Four rows of ten samples of the CNN: digits and clothes, with 2 latents smooth, with 20 latents many of them fragments."
Image(ROOT / "figures" / "07_cnn_samples.png", metadata={"alt": cnn_alt})

# %% [markdown]
# The 2-D manifold shows the whole plane of two latents at once. We take 15 quantiles of the prior in
# each direction, so every picture stands for the same share of the prior's mass.

# %%
quantiles = norm.ppf((jnp.arange(15) + 0.5) / 15)
plane = jnp.stack(jnp.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
save_figure(
    plotting.manifold(chosen["2 latents"][0].decode(plane), 15),
    "07_manifold",
    "15 by 15 decoded digits over the plane of two latents; neighbours look alike, and the digits "
    "change gradually from one class to the next.",
)

# %% [markdown]
# And where do the test images lie in this plane? One $z$ is drawn for each.

# %%
clouds = {}
for number, c in enumerate(BALANCES):
    model, _ = chosen[f"c = {c:g}"]
    draw_key = jax.random.fold_in(jax.random.key(6), number)
    clouds[f"c = {c:g}"] = model.sample(*model.encode(test_images), draw_key)
save_figure(
    plotting.class_clouds(clouds, test_labels),
    "07_latent_classes",
    "Three panels with the codes of test digits in the plane of two latents, coloured and numbered by "
    "class. With the smallest c they spread over tens of units in rays with gaps; with the largest "
    "they fill a disc of radius 2 to 3, and the classes run into each other.",
)

# %% [markdown]
# With a small $c$ the codes lie far outside the prior, in rays with gaps. (Mind the scales.) With a
# large $c$ they fill the prior, and the classes run into each other.
#
# ## 7. MLP against CNN over seeds
#
# We put this notebook's models and those of the sweep together: three seeds of most MLPs, one of each
# CNN. (The sweep did not measure granularity; the column holds what this notebook measures.)

# %%
settings = [("mnist", n, C) for n in SIZES] + [("fashion_mnist", 2, C)]
settings += [("mnist", 2, c) for c in BALANCES if c != C]
mine = []
for name, latents, c in settings:
    about = {"kind": "MLP", "data": name, "latents": latents, "c": c}
    mine.append(about | run(name, latents, c, False)[1])
every = pd.concat([sweep[~sweep["improved"]], pd.DataFrame(mine)], ignore_index=True)
every["forced"] = account(every)["forced"]
measures = ["loss", "test_loss", "sure", "class_entropy_bits", "prior_divergence_bits",
            "forced", "granularity_bits"]  # fmt: skip
alike = every.groupby(["data", "latents", "c", "kind"])
summary = alike[measures].mean().join(alike.size().rename("seeds"))
summary.round(2).astype(object).fillna("")

# %% [markdown]
# A claim is *confirmed* if all seeds of one side lie beyond all seeds of the other, *refuted* if they
# lie the other way round, and *undecided* if they overlap. Chance alone does the first in 1 of 20 cases
# with three seeds against three, and in 1 of 4 with one against three. So whatever is said about the
# CNN, with its one seed, is weak.


# %%
def seeds_of(measure, kind, latents, c=C, name="mnist"):
    """A measure of every seed that there is."""
    rows = every.query("data == @name and kind == @kind and latents == @latents and c == @c")
    return rows[measure].dropna().to_numpy()


def verdict(low, high):
    """Whether every seed of `low` is below every seed of `high`, in a word."""
    if not (len(low) and len(high)):
        return "not yet run"
    if low.max() < high.min():
        return "confirmed"
    return "refuted" if low.min() > high.max() else "undecided"


def told(values):
    """The mean and the standard deviation over seeds, in words."""
    if len(values) < 2:
        return f"{values[0]:.3g} (1 seed)" if len(values) else "not measured"
    return f"{values.mean():.3g} ± {values.std(ddof=1):.2g} ({len(values)} seeds)"


# %% cellView="form" jupyter={"source_hidden": true}
# @title The claims about the losses
judged_claims = {}
for run_name, figure in report.items():
    kind, name = run_name.split(", ")
    ours, test = (seeds_of(measure, kind, 2, name=name) for measure in ("loss", "test_loss"))
    word = "not yet run" if not len(ours) else "reached" if ours.max() <= figure else "not reached"
    why = f"training loss, as the report's; {told(test)} on test images"
    judged_claims[f"loss of the {run_name}, z = 2"] = (
        f"{figure} nats",
        f"{told(ours)} nats",
        word,
        why,
    )
for name, words in (("mnist", "MNIST"), ("fashion_mnist", "Fashion-MNIST")):
    mlp, cnn = (seeds_of("test_loss", kind, 2, name=name) for kind in ("MLP", "CNN"))
    figures = f"{report[f'CNN, {name}']} and {report[f'MLP, {name}']}"
    judged_claims[f"CNN: higher loss at z = 2, {words}"] = (
        figures, f"{told(cnn)} and {told(mlp)} nats (test)", verdict(mlp, cnn), "")  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title The claims about latent sizes
sure = {(kind, n): seeds_of("sure", kind, n) for kind in ("MLP", "CNN") for n in (2, 3, 20)}
far = {key: told(seeds_of("prior_divergence_bits", *key)) for key in sure}
forced = {key: told(seeds_of("forced", *key)) for key in sure}
mlp_20, cnn_20, mlp_3 = (
    seeds_of("test_loss", *key) for key in (("MLP", 20), ("CNN", 20), ("MLP", 3))
)
judged_claims |= {
    "CNN: worse samples at z = 2": ("by eye", f"judge sure of {told(sure['CNN', 2])} and {told(sure['MLP', 2])}", verdict(sure["CNN", 2], sure["MLP", 2]), f"q(z) to the prior: {far['CNN', 2]} and {far['MLP', 2]} bits, by counting alone {forced['CNN', 2]} and {forced['MLP', 2]}"),
    "CNN: lower loss at z = 20": ("yes", f"{told(cnn_20)} and {told(mlp_20)} nats (test)", verdict(cnn_20, mlp_20), "the printed MLP squeezes 20 latents through 10 units"),
    "CNN: better samples at z = 20": ("by eye", f"judge sure of {told(sure['CNN', 20])} and {told(sure['MLP', 20])}", verdict(sure["MLP", 20], sure["CNN", 20]), f"q(z) to the prior: {far['CNN', 20]} and {far['MLP', 20]} bits, by counting alone {forced['CNN', 20]} and {forced['MLP', 20]}"),
    "z = 20 generates worse than z = 3": ("by eye", f"judge sure of {told(sure['MLP', 20])} and {told(sure['MLP', 3])}", verdict(sure["MLP", 20], sure["MLP", 3]), f"q(z) to the prior: {far['MLP', 20]} and {far['MLP', 3]} bits, by counting alone {forced['MLP', 20]} and {forced['MLP', 3]}"),
    "loss falls from z = 3 to 20": ("yes", f"{told(mlp_3)}, {told(mlp_20)} nats (test)", verdict(mlp_20, mlp_3), ""),
}  # fmt: skip

# %% cellView="form" jupyter={"source_hidden": true}
# @title The claims about the balance, and all claims
MEASURES = (
    "sure",
    "class_entropy_bits",
    "information_bits",
    "prior_divergence_bits",
    "granularity_bits",
)
small, usual, large = ({name: seeds_of(name, "MLP", 2, c) for name in MEASURES} for c in BALANCES)
judged_claims |= {
    "small c: less diverse": ("by eye", f"{told(small['class_entropy_bits'])} bits of class, at c = 0.05 {told(usual['class_entropy_bits'])}", verdict(small["class_entropy_bits"], usual["class_entropy_bits"]), f"q(z) to the prior: {told(small['prior_divergence_bits'])} bits, granularity {told(small['granularity_bits'])}"),
    "large c: less authentic": ("by eye", f"judge sure of {told(large['sure'])}, at c = 0.05 {told(usual['sure'])}", verdict(large["sure"], usual["sure"]), f"{told(large['information_bits'])} bits of information are left of {told(usual['information_bits'])}"),
}  # fmt: skip
claims = pd.DataFrame(judged_claims, index=["source", "here", "verdict", "why"]).T
claims.rename(columns={"source": "the report"})

# %% [markdown]
# ## What we found

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
over_granularity = account(numbers)["over granularity"]
words_counted = ", ".join(f"{n} {word}" for word, n in claims["verdict"].value_counts().items())
fashion_losses = losses.loc["MLP, fashion_mnist"]
say(f"""
- With the report's settings the MLP reaches {of_mlp["loss"]:.0f} nats on MNIST and
  {fashion_losses["loss"]:.0f} on Fashion-MNIST, where the report has {report["MLP, mnist"]} and
  {report["MLP, fashion_mnist"]}. On test images it is {of_mlp["test_loss"]:.0f} and
  {fashion_losses["test_loss"]:.0f} (one seed).
- The report's losses and claims: {words_counted}. Those about the CNN rest on one seed of it.
- The judge is sure of {told(sure["MLP", 3])} of the samples with three latents, and of
  {told(sure["MLP", 20])} with twenty.
- With twenty latents q(z) seems to be {far["MLP", 20]} bits away from the prior. But counting 2,000
  images forces {forced["MLP", 20]} of them, whatever the code looks like. Over the granularity lie
  {over_granularity["20 latents"]:.1f} bits, and with one latent {over_granularity["1 latent"]:.1f}
  (one seed).
- At c = {min(BALANCES):g} the nearest real image is a training image in {small_share:.1%} of all
  cases, where {expected:.1%} are expected.
""")

# %% [markdown]
# ## Limits
#
# - That a classifier is sure stands in for "authentic". It can be sure of a picture without a digit.
# - The distribution $q(z)$ is that of 2,000 test images. Where granularity is large, these say little
#   about how far the codes of *all* digits are from the prior.
# - The CNN takes a quarter of an hour per model on two cores. It has one seed.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **07.1** The CNN is given pictures of 32 x 32 pixels. What are the sides of the pictures after each of
# its three convolutions, in order?

# %%
check("07.1", ...)

# %% [markdown]
# <details><summary>Solution of 07.1</summary>
#
# With kernel 3, stride 2 and padding 1 a side $n$ becomes $\lfloor (n - 1)/2 \rfloor + 1$.
#
# ```python
# check("07.1", (16, 8, 4))
# ```
#
# </details>
#
# **07.2** At which output $h$ of the encoder is the softplus variance 1, that of the prior?

# %%
check("07.2", ...)

# %% [markdown]
# <details><summary>Solution of 07.2</summary>
#
# ```python
# check("07.2", np.log(np.exp(1) - 1))
# ```
#
# </details>
#
# **07.3** How many weights and biases do the three convolutions of the CNN's encoder have (without
# batch normalisation)?

# %%
check("07.3", ...)

# %% [markdown]
# <details><summary>Solution of 07.3</summary>
#
# ```python
# check("07.3", (9 * 1 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 32 + 32))
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. Give the MLP 20 units in its narrowest layer, as the report's text has it. Does it help with 20
#    latents?
# 2. Learn $c$ together with the weights: minimise
#    $\frac{1}{2c}\|x-\hat x\|^2 + 392\log c + \mathrm{KL}$. Which $c$ comes out?
# 3. Fit a Gaussian to the codes at $z = 20$ (`fit_density` of `helpers.generation`) and sample from it.
#    Is the judge surer?
# 4. Look at the generated images of which the judge is most and least sure. Do you agree?
#
# ## References
#
# - S. Zhao, *Variational Autoencoders*, an unpublished report, 2023. Its claims and losses are in the
#   tables above.
# - D. Kingma and M. Welling, [Auto-encoding variational Bayes](https://arxiv.org/abs/1312.6114), 2013.
# - H. Xiao, K. Rasul and R. Vollgraf, [Fashion-MNIST](https://arxiv.org/abs/1708.07747), 2017.
# - S. Ioffe and C. Szegedy, [Batch normalization](https://arxiv.org/abs/1502.03167), 2015.
# - V. Dumoulin and F. Visin, [A guide to convolution arithmetic](https://arxiv.org/abs/1603.07285), 2016.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
found = record(
    "07_mlp_and_cnn",
    losses={name: losses.loc[name].to_dict() for name in two_latents},
    sizes_and_balances=numbers.T.to_dict(),
    real=real | {"distance to the nearest training image": real_distance},
    shuffled_pixels=null,
    nearest_is_training_expected=expected,
    nearest_is_training_standard_error=standard_error,
    judge_accuracy=accuracy,
    claims=claims.T.to_dict(),
)
print(f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}")
