# %% [markdown]
# # 06 · A VAE by hand: every gradient on paper
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/06_vae_by_hand.ipynb)
#
# **The source** is a tutorial without an author's name, *Autoencoders & Variational Autoencoders*. It
# derives the variational autoencoder (VAE) and trains one in NumPy on three clusters of points in the
# plane, with backpropagation by hand. It shows pictures and no number.
#
# **The question:** are the gradients right, and how close does the learned density come to the true
# one, which we know here?
#
# You will learn how to
#
# - write down the gradient of every parameter of a small VAE, through $z = \mu + \sigma\varepsilon$
#   and the KL divergence;
# - check a gradient, against `jax.grad` and against a finite difference;
# - compute the KL divergence between two Gaussians, step by step;
# - compare two estimates of one gradient: through the sample, and by the score function.
#
# *Before you start:* you need notebook 03 and the chain rule. The terms of all notebooks are in the
# [glossary](https://github.com/latent-bits/latent-bits/blob/main/notebooks/README.md#glossary).
# Cells of which you see only a title are folded: they import, draw or save.
# *Time to run:* about a minute on a laptop.

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
from flax import nnx
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from helpers import plotting
from helpers.exercises import check
from helpers.files import record, save_figure, say
from helpers.information import rate_audit
from helpers.objectives import gaussian_kl
from helpers.training import fit

plotting.use_style()
# A switch for double precision: JAX 0.8 moved it.
enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64

# %% nbmake={"mock": {"EPOCHS": 20, "N_TEST": 1000}}
CENTRES = np.array([[0.0, 2.0], [-1.8, -1.0], [1.8, -1.0]])
SPREAD = 0.35  # standard deviation of a cluster, in both directions
HIDDEN, LATENTS = 16, 2
C = 0.06  # variance of the likelihood
N, N_TEST = 3000, 5000
BATCH, EPOCHS, RATE = 100, 200, 5e-3
SEEDS = (0, 1, 2)

# %% [markdown]
# ## 1. Three clusters
#
# The points come from a mixture of three Gaussians with equal weights. We know the density of this
# mixture, so we can check every claim about a learned one. The table shows its *entropy*,
# $-\mathbb E\log p(x)$, here in nats per point: no model has a higher mean log density than minus the
# entropy.


# %%
def draw(n, generator):
    """n points of the mixture, (n, 2)."""
    cluster = generator.integers(3, size=n)
    return CENTRES[cluster] + SPREAD * generator.normal(size=(n, 2))


def log_true_density(points):
    """log p(x), in nats, of the mixture at points (n, 2)."""
    of_each_cluster = norm.logpdf(points[:, None], CENTRES, SPREAD).sum(axis=2)
    return logsumexp(of_each_cluster, axis=1) - np.log(3)


# %%
generator = np.random.default_rng(0)
x_train, x_test = draw(N, generator), draw(N_TEST, generator)
entropy = -log_true_density(x_test).mean()
pd.Series({"entropy of the source (nats per point)": entropy}).to_frame("").round(3)

# %% [markdown]
# ## 2. The KL divergence between two Gaussians
#
# Take one dimension, $q = \mathcal N(\mu_1, \sigma_1^2)$ and $p = \mathcal N(\mu_2, \sigma_2^2)$. Then
#
# $$\log\frac{q(z)}{p(z)} = \log\frac{\sigma_2}{\sigma_1} - \frac{(z-\mu_1)^2}{2\sigma_1^2} + \frac{(z-\mu_2)^2}{2\sigma_2^2}.$$
#
# Now take the mean over $z\sim q$. We have $\mathbb E(z-\mu_1)^2 = \sigma_1^2$ and
# $\mathbb E(z-\mu_2)^2 = \sigma_1^2 + (\mu_1-\mu_2)^2$. So
#
# $$\mathrm{KL}(q\Vert p) = \log\frac{\sigma_2}{\sigma_1} + \frac{\sigma_1^2 + (\mu_1-\mu_2)^2}{2\sigma_2^2} - \frac12 .$$
#
# A sum over a fine grid must give the same number.

# %%
mean_1, sigma_1, mean_2, sigma_2 = 0.7, 0.4, -0.5, 1.3
grid, step = np.linspace(-15, 15, 300_001, retstep=True)
log_ratio = norm.logpdf(grid, mean_1, sigma_1) - norm.logpdf(grid, mean_2, sigma_2)
kl_on_grid = (norm.pdf(grid, mean_1, sigma_1) * log_ratio).sum() * step
squares = sigma_1**2 + (mean_1 - mean_2) ** 2
kl_closed = np.log(sigma_2 / sigma_1) + squares / (2 * sigma_2**2) - 0.5
assert np.isclose(kl_on_grid, kl_closed, rtol=1e-6)
print(f"closed form {kl_closed:.6f}, grid {kl_on_grid:.6f} nats")

# %% [markdown]
# A VAE needs the case $\mu_2 = 0$, $\sigma_2 = 1$, summed over the dimensions of a diagonal Gaussian:
#
# $$\mathrm{KL} = -\tfrac12\sum_j\big(1 + \log\sigma_j^2 - \mu_j^2 - \sigma_j^2\big).$$
#
# The tutorial has this formula too. But it writes the covariance as $\boldsymbol\sigma^2\mathbf I$,
# which is one variance for all dimensions. It means $\operatorname{diag}(\boldsymbol\sigma^2)$. The
# project's helper `gaussian_kl` takes the mean and the *logarithm* of the variance.

# %%
kl_to_prior = -0.5 * (1 + np.log(sigma_1**2) - mean_1**2 - sigma_1**2)
by_helper = gaussian_kl(np.array([[mean_1]]), np.array([[np.log(sigma_1**2)]]))
assert np.allclose(by_helper, kl_to_prior, rtol=1e-5)

# %% [markdown]
# ## 3. The network, written out
#
# An encoder with one hidden layer turns a point $x$ into the mean $\mu$ and the log variance
# $\ell = \log\sigma^2$ of its code. A decoder turns a draw $z$ of the code into a point again:
#
# $$h = \tanh(xW_1 + b_1),\quad (\mu, \ell) = hW_2 + b_2,\quad z = \mu + e^{\ell/2}\varepsilon,\quad
# g = \tanh(zW_3 + b_3),\quad \hat x = gW_4 + b_4 .$$
#
# The loss is the mean over a batch of $n$ points,
#
# $$L = \frac1n\sum\Big[\frac{\|x-\hat x\|^2}{2c} + \frac12\sum_j\big(\mu_j^2 + e^{\ell_j} - \ell_j - 1\big)\Big].$$
#
# The variance of the tutorial's likelihood is $c = 1$. That is more than the variance of our
# clusters, which would be lost in such noise. So we take a smaller one.


# %%
def initial(seed):
    """Weights W1 to W4 and biases b1 to b4, in float64."""
    sizes = {1: (2, HIDDEN), 2: (HIDDEN, 2 * LATENTS), 3: (LATENTS, HIDDEN), 4: (HIDDEN, 2)}
    draws = np.random.default_rng(seed)
    weights = {f"W{i}": draws.normal(size=size) / np.sqrt(size[0]) for i, size in sizes.items()}
    return weights | {f"b{i}": np.zeros(size[1]) for i, size in sizes.items()}


def decode(w, z, library=np):
    """The hidden layer and the point that a code z becomes; library: NumPy or jax.numpy."""
    hidden = library.tanh(z @ w["W3"] + w["b3"])
    return hidden, hidden @ w["W4"] + w["b4"]


# %%
def forward(w, x, eps, library=np):
    """All layers by name, and the loss."""
    h = library.tanh(x @ w["W1"] + w["b1"])
    mean, log_variance = library.split(h @ w["W2"] + w["b2"], 2, axis=1)
    z = mean + library.exp(log_variance / 2) * eps
    g, x_hat = decode(w, z, library)
    error = ((x - x_hat) ** 2).sum(axis=1) / (2 * C)
    kl = (mean**2 + library.exp(log_variance) - log_variance - 1).sum(axis=1) / 2
    layers = {"h": h, "mean": mean, "log_variance": log_variance, "z": z, "g": g, "x_hat": x_hat}
    return layers, (error + kl).mean()


# %% [markdown]
# ## 4. Backwards, on paper
#
# Write $\bar a$ for $\partial L/\partial a$. Write $\text{pre}_1 = xW_1 + b_1$ and
# $\text{pre}_3 = zW_3 + b_3$ for what goes into the two tanh functions. All of $x$, $h$, $z$ and $g$
# are matrices with a row for each of the $n$ points, and $\odot$ multiplies number by number. We start
# from the end:
#
# $$\bar{\hat x} = \frac{\hat x - x}{c\,n},\qquad \bar W_4 = g^\top\bar{\hat x},\qquad
# \overline{\text{pre}}_3 = (\bar{\hat x}W_4^\top)\odot(1-g^2),\qquad
# \bar W_3 = z^\top\overline{\text{pre}}_3,\qquad \bar z = \overline{\text{pre}}_3W_3^\top .$$
#
# Next comes the sample $z = \mu + \sigma\varepsilon$. Its derivatives are $\partial z/\partial\mu = 1$
# and $\partial z/\partial\sigma = \varepsilon$, and $\sigma = e^{\ell/2}$ gives
# $\partial\sigma/\partial\ell = \sigma/2$. The KL adds a part of its own:
#
# $$\bar\mu = \bar z + \frac{\mu}{n},\qquad
# \bar\ell = \bar z\odot\varepsilon\odot\frac{\sigma}{2} + \frac{e^{\ell} - 1}{2n} .$$
#
# The encoder goes like the decoder:
#
# $$\bar W_2 = h^\top(\bar\mu, \bar\ell),\qquad
# \overline{\text{pre}}_1 = \big((\bar\mu, \bar\ell)\,W_2^\top\big)\odot(1-h^2),\qquad
# \bar W_1 = x^\top\,\overline{\text{pre}}_1 .$$
#
# For a bias, the factor on the left falls away and the rows are summed over the batch:
# $\bar b_4 = \sum_n \bar{\hat x}_n$, and so on.


# %%
def gradients(w, x, eps):
    """The gradient of the loss with respect to every parameter, by hand; and the loss."""
    layers, loss = forward(w, x, eps)
    n, sigma = len(x), np.exp(layers["log_variance"] / 2)
    d_x_hat = (layers["x_hat"] - x) / (C * n)
    d_pre_3 = (d_x_hat @ w["W4"].T) * (1 - layers["g"] ** 2)
    d_z = d_pre_3 @ w["W3"].T
    d_mean = d_z + layers["mean"] / n
    d_log_variance = d_z * eps * sigma / 2 + (sigma**2 - 1) / (2 * n)
    d_code = np.concatenate([d_mean, d_log_variance], axis=1)
    d_pre_1 = (d_code @ w["W2"].T) * (1 - layers["h"] ** 2)
    of_weights = {"W1": x.T @ d_pre_1, "W2": layers["h"].T @ d_code,
                  "W3": layers["z"].T @ d_pre_3, "W4": layers["g"].T @ d_x_hat}  # fmt: skip
    of_biases = {"b1": d_pre_1, "b2": d_code, "b3": d_pre_3, "b4": d_x_hat}
    return of_weights | {name: d.sum(axis=0) for name, d in of_biases.items()}, loss


# %% [markdown]
# `jax.grad` must agree on every parameter. We ask it in double precision, so that rounding hides
# nothing.

# %%
start, some_points = initial(1), x_train[:50]
some_eps = np.random.default_rng(1).normal(size=(50, LATENTS))
by_paper, some_loss = gradients(start, some_points, some_eps)
with enable_x64(True):
    as_jax = jax.tree.map(jnp.asarray, start)
    by_jax = jax.grad(lambda w: forward(w, some_points, some_eps, jnp)[1])(as_jax)
    difference = {name: float(abs(by_paper[name] - by_jax[name]).max()) for name in start}
assert max(difference.values()) < 1e-6
pd.Series(difference, name="largest difference from jax.grad").to_frame().map("{:.1e}".format).T

# %% [markdown]
# A *finite difference* knows nothing of the chain rule: move one weight a little and see how the loss
# changes. We move a weight that feeds a log variance.

# %%
tiny = 1e-6
moved = start | {"W2": start["W2"].copy()}
moved["W2"][3, 2] += tiny
finite_difference = (forward(moved, some_points, some_eps)[1] - some_loss) / tiny
assert np.isclose(finite_difference, by_paper["W2"][3, 2], rtol=1e-4)
print(f"finite difference {finite_difference:.5f}, on paper {by_paper['W2'][3, 2]:.5f}")

# %% [markdown]
# ## 5. Training by hand, and by `fit`
#
# Adam keeps running means of the gradient and of its square. Both start at 0, and both are corrected
# for this start (Kingma and Ba 2014).


# %%
def adam_step(w, gradient, first, second, t):
    """Step t = 1, 2, ... of Adam; changes w and the running means in place."""
    for name in w:
        first[name] = 0.9 * first[name] + 0.1 * gradient[name]
        second[name] = 0.999 * second[name] + 0.001 * gradient[name] ** 2
        size = np.sqrt(second[name] / (1 - 0.999**t)) + 1e-8
        w[name] -= RATE * first[name] / (1 - 0.9**t) / size


# %%
def train_by_hand(seed):
    """The weights after EPOCHS epochs, and the mean loss of every epoch."""
    w, losses = initial(seed), []
    first = {name: np.zeros_like(value) for name, value in w.items()}
    second = {name: np.zeros_like(value) for name, value in w.items()}
    draws = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        for rows in draws.permutation(N).reshape(-1, BATCH):
            eps = draws.normal(size=(BATCH, LATENTS))
            gradient, loss = gradients(w, x_train[rows], eps)
            losses.append(loss)
            adam_step(w, gradient, first, second, len(losses))
    return w, np.reshape(losses, (EPOCHS, -1)).mean(axis=1)


# %% [markdown]
# The same network as a Flax module starts from the same weights. The project's `fit` trains it, with
# batches and noise of its own.


# %%
def linear(weights, number):
    """A Flax layer with the weights W and b of this number."""
    kernel = weights[f"W{number}"]
    layer = nnx.Linear(*kernel.shape, rngs=nnx.Rngs(0))
    layer.kernel[...] = jnp.asarray(kernel, jnp.float32)
    layer.bias[...] = jnp.asarray(weights[f"b{number}"], jnp.float32)
    return layer


class SmallVAE(nnx.Module):
    """2 - 16 - (mean, log variance), and back."""

    def __init__(self, weights):
        self.hidden_1, self.code = linear(weights, 1), linear(weights, 2)
        self.hidden_2, self.output = linear(weights, 3), linear(weights, 4)


# %%
def small_loss(model, x, key):
    """The same loss, as `fit` takes it."""
    code = model.code(nnx.tanh(model.hidden_1(x)))
    mean, log_variance = jnp.split(code, 2, axis=1)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
    x_hat = model.output(nnx.tanh(model.hidden_2(z)))
    error = ((x - x_hat) ** 2).sum(axis=1).mean() / (2 * C)
    kl = gaussian_kl(mean, log_variance).mean()
    return error + kl, {"loss": error + kl, "kl": kl}


# %%
trained, losses_by_hand, losses_by_fit = {}, {}, {}
settings = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": RATE}
for seed in SEEDS:
    trained[seed], losses_by_hand[seed] = train_by_hand(seed)
    model, key = SmallVAE(initial(seed)), jax.random.key(seed)
    history = fit(model, x_train, small_loss, key=key, **settings)
    losses_by_fit[seed] = history["loss"].to_numpy()
last = max(1, EPOCHS // 10)  # epochs
final_loss = pd.DataFrame({
    "by hand": {seed: losses[-last:].mean() for seed, losses in losses_by_hand.items()},
    "fit": {seed: losses[-last:].mean() for seed, losses in losses_by_fit.items()},
})  # fmt: skip
final_loss.rename_axis("seed").round(3)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the loss in training
shown_epochs = np.unique(np.geomspace(1, EPOCHS, 25).astype(int))
shown_losses = {"by hand, seed 0": losses_by_hand[0], "fit, seed 0": losses_by_fit[0]}
shown_losses = {
    name: (shown_epochs, losses[shown_epochs - 1]) for name, losses in shown_losses.items()
}
fig = plotting.curves(shown_losses, x_label="epoch", y_label="loss (nats per point)", log_x=True)
save_figure(
    fig,
    "06_training",
    f"The loss falls over {EPOCHS} epochs. The two curves, training by hand and by fit, lie on "
    f"each other and end at {final_loss.loc[0, 'by hand']:.2f} and {final_loss.loc[0, 'fit']:.2f} "
    f"nats per point.",
)

# %% [markdown]
# The two trainings differ in the order of the batches, in the noise and in the precision. The table
# shows the mean loss of the last tenth of the epochs: by hand and by `fit` it differs as much as from
# seed to seed.
#
# ## 6. What it learned
#
# *Predict first:* the density of the data has three separate hills. Which of its features can a
# continuous decoder with a Gaussian prior not have?
#
# A sample of the model is a decoded $z$ *plus* the noise of the likelihood. Without this noise we
# would see the decoder's mean, not the model.

# %%
drawn = np.random.default_rng(2)
test_eps = drawn.normal(size=(N_TEST, LATENTS))
layers, test_loss = forward(trained[0], x_test, test_eps)
_, decoded = decode(trained[0], drawn.normal(size=(N_TEST, LATENTS)))
sampled = decoded + np.sqrt(C) * drawn.normal(size=decoded.shape)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: data, codes, reconstructions and samples
cluster = ((x_test[:, None] - CENTRES) ** 2).sum(axis=2).argmin(axis=1)
clouds = {"data": x_test, "codes": layers["z"], "reconstructions": layers["x_hat"]}
clouds["samples"] = sampled
fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.7))
for ax, (title, points) in zip(axes, clouds.items(), strict=True):
    name = "z" if title == "codes" else "x"
    ax.set(title=title, xlabel=f"${name}_1$", ylabel=f"${name}_2$")
    if title == "samples":
        ax.scatter(*points[:900].T, s=3, lw=0, c="0.3")
        continue
    for number, marker in enumerate("os^"):
        own = points[:900][cluster[:900] == number]
        ax.scatter(*own.T, s=6, lw=0, marker=marker, c=plotting.SHAPE_COLOURS[number])
        ax.text(*np.median(own, axis=0), f"{number + 1}", weight="bold", ha="center", va="center")
save_figure(
    fig,
    "06_points",
    "Four panels: the three clusters of the data, numbered 1 to 3; their codes, which share the "
    "latent plane like slices of a cake; their reconstructions, three clusters again; and samples "
    "of the model, three clusters with a thin haze of points between them.",
)

# %% [markdown]
# The three clusters share the latent plane like slices of a cake. Some samples fall between the
# clusters: a continuous decoder must cross from one cluster to the next.
#
# ## 7. The learned density against the true one
#
# The density of the model is $p(x) = \int \mathcal N(x; D(z), cI)\,\mathcal N(z; 0, I)\,dz$, with the
# decoder $D$. The integral runs over a plane, and here a sum over a grid of $z$ does it.

# %%
axis = np.linspace(-4.5, 4.5, 181)
z_grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
log_mass = norm.logpdf(z_grid).sum(axis=1)
log_mass = log_mass - logsumexp(log_mass)  # the prior's mass of every grid point


def log_model_density(w, points):
    """log p(x) of the model, in nats, at points (n, 2)."""
    _, centres = decode(w, z_grid)
    parts = []
    for some in np.array_split(points, max(1, len(points) // 200)):  # in pieces, for memory
        squares = (some**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
        distance = squares - 2 * some @ centres.T
        parts.append(logsumexp(log_mass - distance / (2 * C), axis=1) - np.log(2 * np.pi * C))
    return np.concatenate(parts)


# %% [markdown]
# The divergence $\mathrm{KL}(p_\text{true}\Vert p_\text{learned})$ is the mean of
# $\log p_\text{true} - \log p_\text{learned}$ over held-out points. Two numbers help to judge it: the
# same divergence with one Gaussian, fitted to the data, in place of the learned density; and the
# *evidence lower bound* (ELBO), which is $-\big(L + \log(2\pi c)\big)$ with the loss $L$ of section 3.

# %%
log_p = {seed: log_model_density(trained[seed], x_test) for seed in SEEDS}
divergence = {seed: (log_true_density(x_test) - log_p[seed]).mean() for seed in SEEDS}
fitted = multivariate_normal(x_train.mean(axis=0), np.cov(x_train.T))
one_gaussian = float((log_true_density(x_test) - fitted.logpdf(x_test)).mean())
elbo = -(test_loss + np.log(2 * np.pi * C))
gap = float(log_p[0].mean() - elbo)
assert elbo < log_p[0].mean() < -entropy
rows = {f"the VAE, seed {seed}": value for seed, value in divergence.items()}
rows["one fitted Gaussian"] = one_gaussian
pd.Series(rows).to_frame("KL(true || learned) (nats)").round(3)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
say(
    f"With seed 0, held-out points have an ELBO of {elbo:.3f} and a log density of "
    f"{log_p[0].mean():.3f} nats; under the true density it is {-entropy:.3f}. So the ELBO is "
    f"{gap:.3f} nats below the log density: the encoder's Gaussian is not quite the posterior. And "
    f"KL(true || learned) is **{divergence[0]:.2f} nats**."
)

# %% cellView="form" jupyter={"source_hidden": true}
# @title Figure: the two densities
side = np.linspace(-3.5, 3.5, 71)
where = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
maps = {"true density": log_true_density(where),
        "learned, seed 0": log_model_density(trained[0], where)}  # fmt: skip
maps = {name: np.exp(values).reshape(71, 71) for name, values in maps.items()}
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), sharey=True)
for ax, (title, values) in zip(axes, maps.items(), strict=True):
    picture = ax.imshow(values, extent=(-3.5, 3.5, -3.5, 3.5), origin="lower", cmap="cividis",
                        vmin=0, vmax=maps["true density"].max())  # fmt: skip
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    ax.grid(False)
fig.colorbar(picture, ax=axes, label="density (per unit area)")
save_figure(
    fig,
    "06_density",
    f"Two maps of densities over the plane with the same scale. The true one has three round "
    f"hills; the learned one has them in the same places, its highest at "
    f"{maps['learned, seed 0'].max() / maps['true density'].max():.0%} of the true height, with "
    f"faint bridges between them.",
)

# %% [markdown]
# The learned hills stand in the right places. They are lower, and faint bridges join them: this is
# what the decoder cannot avoid.
#
# ## 8. How many bits does the code keep?
#
# We count as in notebook 04, with the 3,000 training points as the source, each equally likely. The
# code can tell at most $\log_2 3000 = 11.6$ bits, and its rate is far below that. *Granularity*, the
# share of the rate that mere counting would force up, is therefore near zero.

# %%
code, _ = forward(trained[0], x_train, np.zeros((N, LATENTS)))
audit = rate_audit(code["mean"], code["log_variance"], key=jax.random.key(9), draws=4)
assert audit.mutual_information < audit.kl
audit.table().round(3)

# %% cellView="form" jupyter={"source_hidden": true}
# @title In words
say(
    f"Of {audit.kl:.2f} bits that the code pays, {audit.mutual_information:.2f} tell something "
    f"about the point. To say which of three clusters would take {np.log2(3):.2f} bits, so the code "
    f"also says where in its cluster the point lies. Most of the rest is excess dependence between "
    f"the two latents ({audit.excess_dependence:.2f} bits) and the mismatch of the single latents "
    f"with a Gaussian ({audit.negentropy.sum() + audit.prior_mismatch.sum():.2f} bits)."
)

# %% [markdown]
# ## 9. Why through the sample?
#
# The tutorial says that sampling is not differentiable without the reparameterisation
# $z = \mu + \sigma\varepsilon$. But there are two ways to write the gradient of
# $\mathbb E_{z\sim\mathcal N(\mu,\sigma^2)} f(z)$ with respect to $\mu$ as a mean over draws:
#
# $$\underbrace{\mathbb E\, f'(\mu+\sigma\varepsilon)}_{\text{through the sample}}
# \qquad\text{and}\qquad \underbrace{\mathbb E\, f(z)\,\frac{z-\mu}{\sigma^2}}_{\text{score function}} .$$
#
# The second needs no derivative of $f$ at all. Both have the right mean; what differs is the variance
# over draws. Here $f(z) = \frac{1}{2c}\lVert x - \hat x(z)\rVert^2$ is the reconstruction term of one
# point, at the trained weights. *Predict first:* which one varies more?


# %%
def two_estimates(number, n):
    """n draws of both estimates of the gradient with respect to mu, for one training point."""
    w, x = trained[0], x_train[number]
    mean, sigma = code["mean"][number], np.exp(code["log_variance"][number] / 2)
    z = mean + sigma * np.random.default_rng(number).normal(size=(n, LATENTS))
    g, x_hat = decode(w, z)
    f = ((x - x_hat) ** 2).sum(axis=1, keepdims=True) / (2 * C)
    through_sample = (((x_hat - x) / C) @ w["W4"].T * (1 - g**2)) @ w["W3"].T
    score_function = f * (z - mean) / sigma**2
    return through_sample, score_function


# %%
draws, ratios = 20_000, []
for number in range(50):  # training points
    through_sample, score_function = two_estimates(number, draws)
    variance, score_variance = through_sample.var(axis=0), score_function.var(axis=0)
    standard_error = np.sqrt((variance + score_variance) / draws)
    apart = through_sample.mean(axis=0) - score_function.mean(axis=0)
    assert (np.abs(apart) < 5 * standard_error).all()
    ratios.append(score_variance.sum() / variance.sum())
ratio, low_ratio, high_ratio = np.quantile(ratios, (0.5, 0.1, 0.9))
shown_ratios = {"10 % of points below": low_ratio, "median": ratio, "10 % above": high_ratio}
pd.Series(shown_ratios).to_frame("variance of the score function / through the sample").round(1)

# %% [markdown]
# For all 50 points the means agree within five standard errors of their difference. The variances do
# not agree. Their ratio in the table says how many times as many draws the score function needs for
# the same precision. So the tutorial is right that the trick helps, and wrong about the reason: the
# gradient is possible without it, but not as precise.
#
# ## What we found

# %% cellView="form" jupyter={"source_hidden": true}
# @title The tutorial's claims, judged
vae_divergence = np.array(list(divergence.values()))
told_divergence = f"{vae_divergence.mean():.2f} ± {vae_divergence.std(ddof=1):.2f}"
better = "in part" if vae_divergence.max() < one_gaussian else "refuted"
judged = {
    "manual backpropagation works": ("no check given", f"equal to jax.grad to {max(difference.values()):.0e}", "confirmed", "the gradients are ours; our copy of the tutorial prints no code"),
    "KL in closed form": ("-½ Σ(1 + log σ² - μ² - σ²)", "equal to a grid's sum", "confirmed", "its σ²I should read diag(σ²)"),
    "the trick enables gradients": ("sampling is not differentiable otherwise", f"the score function gives one, with {ratio:.1f} times the variance (median of 50 points; {low_ratio:.1f} to {high_ratio:.1f} for 80 % of them)", "in part", "it makes the gradient precise, not possible"),
    "new samples from the prior": ("by eye", f"KL(true ‖ learned) = {told_divergence} nats ({len(SEEDS)} seeds); of one fitted Gaussian {one_gaussian:.2f}", better, "three hills, but lower, with bridges"),
}  # fmt: skip
claims = pd.DataFrame(judged, index=["source", "here", "verdict", "why"]).T
claims.rename(columns={"source": "the tutorial"})

# %% cellView="form" jupyter={"source_hidden": true}
# @title The numbers of this run
say(f"""
- The gradients on paper are right: none differs from `jax.grad` by more than
  {max(difference.values()):.0e}.
- KL(true || learned) is {told_divergence} nats (mean and standard deviation over {len(SEEDS)} seeds). With
  one fitted Gaussian in place of the learned density it is {one_gaussian:.2f} nats. With seed 0 the ELBO is
  another {gap:.2f} nats below the log density.
- The code pays {audit.kl:.2f} bits and keeps {audit.mutual_information:.2f} about the point.
- The score function gives the same gradient with {ratio:.1f} times the variance (median of 50 points).
""")

# %% [markdown]
# ## Limits
#
# - Points in a plane need no more than two numbers, so two latents are no bottleneck. We take two so that
#   everything can be drawn.
# - The ratio of the variances belongs to one set of weights, near a minimum. Far from it, or with more
#   dimensions, it is another.
# - The variance $c$ is fixed, and smaller than the variance of the clusters. If it were learned, it
#   would trade with the KL.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` tells you whether it is right, to half a per cent.
# Solutions are folded below each question.
#
# **06.1** Section 2 computes the KL divergence of $q = \mathcal N(0.7, 0.4^2)$ from
# $p = \mathcal N(-0.5, 1.3^2)$. How large is $\mathrm{KL}(p\Vert q)$, the other way round, in nats?

# %%
check("06.1", ...)

# %% [markdown]
# <details><summary>Solution of 06.1</summary>
#
# Much larger: it is expensive to put mass where the other density has almost none.
#
# ```python
# check("06.1", np.log(0.4 / 1.3) + (1.3**2 + 1.2**2) / (2 * 0.4**2) - 0.5)
# ```
#
# </details>
#
# **06.2** What is the derivative of the KL with respect to the log variance $\ell$, at $\mu = 0$ and
# $\ell = 1$?

# %%
check("06.2", ...)

# %% [markdown]
# <details><summary>Solution of 06.2</summary>
#
# ```python
# check("06.2", (np.exp(1) - 1) / 2)
# ```
#
# </details>
#
# **06.3** How many weights and biases does the network of this notebook have?

# %%
check("06.3", ...)

# %% [markdown]
# <details><summary>Solution of 06.3</summary>
#
# ```python
# check("06.3", (2 * 16 + 16) + (16 * 4 + 4) + (2 * 16 + 16) + (16 * 2 + 2))
# ```
#
# </details>
#
# Open exercises, without a check:
#
# 1. Use one latent instead of two. What does the learned density look like, and how far is it from the
#    true one?
# 2. Derive the gradient with respect to $c$, and learn $c$. (Add the constant $\log c$ to the loss.)
#    Where does it settle?
# 3. Subtract a *baseline*, the mean of $f$, from $f$ in the score function. By how much does its
#    variance fall?
# 4. Break one line of `gradients` on purpose. Does the loss still fall?
#
# ## References
#
# - *Autoencoders & Variational Autoencoders*, an unpublished tutorial without an author's name. Its
#   claims are in the table above.
# - D. Kingma and M. Welling, [Auto-encoding variational Bayes](https://arxiv.org/abs/1312.6114), 2013.
# - D. Kingma and J. Ba, [Adam](https://arxiv.org/abs/1412.6980), 2014.
# - S. Mohamed et al., [Monte Carlo gradient estimation in machine
#   learning](https://arxiv.org/abs/1906.10652), 2020.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Record the numbers, show the versions
recorded = record(
    "06_vae_by_hand",
    largest_gradient_difference=max(difference.values()),
    final_loss=final_loss.to_dict(),
    true_entropy_nats=entropy,
    test_elbo_nats=elbo,
    test_log_likelihood_nats=log_p[0].mean(),
    density_divergence_nats=divergence,
    density_divergence_of_one_gaussian_nats=one_gaussian,
    learned_mass=maps["learned, seed 0"].sum() * (side[1] - side[0]) ** 2,
    kl_bits=audit.kl,
    mutual_information_bits=audit.mutual_information,
    granularity_bits=audit.granularity,
    direct_route_bits=audit.direct_route,
    score_function_variance_ratio=ratio,
    score_function_variance_ratio_of_80_per_cent=(low_ratio, high_ratio),
    claims=claims.T.to_dict(),
)
print(f"Python {platform.python_version()}, JAX {jax.__version__}, NumPy {np.__version__}")
