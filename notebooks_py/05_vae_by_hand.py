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
# # 05 · A VAE by hand: every gradient on paper
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/05_vae_by_hand.ipynb)
#
# **The experiment:** a tutorial, "Autoencoders & Variational Autoencoders", announces a VAE in plain
# NumPy with backpropagation through the reparameterisation written out, trained on three clusters in
# the plane. The text that we have stops at a *Run* button: neither its code nor its figures are in
# it. So we write the program, and hold the tutorial's claims against what it measures.
#
# **The question:** can all of a VAE be derived on paper, and, where the true density is known, how
# far is what it learns from the truth?
#
# **You will learn**
#
# - the KL between two Gaussians, in general and to $\mathcal N(0, I)$, step by step;
# - every gradient of a small VAE, coded in NumPy and checked against `jax.grad`;
# - that the same run by hand and by `helpers.fit` is the same run, step for step;
# - to compute $\log p(x)$ by quadrature, and to split what a VAE misses into density and posterior;
# - how noisy the gradient is with the reparameterisation and without it.
#
# **You need** notebook 03, the chain rule and matrix products.
# **Time:** about a minute on two cores; an hour to read with a pencil.

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
from functools import partial
from importlib.metadata import version

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import pandas as pd
from flax import nnx
from IPython.display import Markdown, display
from jax.scipy.special import logsumexp
from jax.tree_util import Partial
from matplotlib.collections import EllipseCollection
from scipy.interpolate import RegularGridInterpolator
from scipy.special import entr

# %%
from helpers import plotting
from helpers.information import factor_information, rate_audit
from helpers.objectives import gaussian_kl, vae_loss
from helpers.results import record, save_figure
from helpers.training import fit

# %%
RADIUS, SPREAD = 2.0, 0.4  # of the ring of cluster centres; standard deviation of a cluster
N = 4096  # points to train on, and as many held out
HIDDEN, LATENTS = 16, 2
C = SPREAD**2  # variance of the likelihood
EPOCHS, BATCH, RATE = 250, 128, 1e-2
SEEDS = 3
SWEEP_CS = [0.02, 0.05, C, 0.5, 1.0]  # 1 is the tutorial's
FEW, FEW_EPOCHS = 12, 8000  # points, to overfit, and how long

# %% [markdown]
# ## Three clusters, and a density that is known
#
# The tutorial does not say where its clusters are. Ours lie on a ring, each a round Gaussian, all
# equally likely:
#
# $$p_{\text{true}}(x) = \tfrac13 \sum_{k=1}^{3} \mathcal N\big(x;\, m_k,\, s^2 I\big), \qquad
# \lVert m_k\rVert = 2, \quad s = 0.4 .$$

# %%
angles = np.pi / 2 + 2 * np.pi * np.arange(3) / 3
CENTRES = RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def draw_points(key, n):
    """n points (n, 2), float64, and the cluster of each (n,)."""
    which_key, noise_key = jax.random.split(key)
    cluster = np.asarray(jax.random.randint(which_key, (n,), 0, 3))
    noise = np.asarray(jax.random.normal(noise_key, (n, 2)), float)
    return CENTRES[cluster] + SPREAD * noise, cluster


data_key, test_key = jax.random.split(jax.random.key(0))
points, cluster = draw_points(data_key, N)
test_points, test_cluster = draw_points(test_key, N)

# %% [markdown]
# Because the density is known, so is its entropy $h = -\int p \log_2 p$, by a sum over a fine grid.
# If the clusters did not overlap it would be exactly $\log_2 3$ (which cluster) plus
# $\log_2 2\pi e s^2$ (where in it):


# %%
def normal(t, mean, variance):
    """The density of N(mean, variance) at t."""
    return np.exp(-((t - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


axis, step = np.linspace(-6, 6, 241, retstep=True)  # for x1 and for x2
true_density = sum(normal(axis[:, None], a, C) * normal(axis, b, C) for a, b in CENTRES) / 3
true_entropy = entr(true_density).sum() * step**2 / np.log(2)
no_overlap = np.log2(3) + np.log2(2 * np.pi * np.e * SPREAD**2)

np.testing.assert_allclose(true_density.sum() * step**2, 1, rtol=1e-8)
assert 0 <= no_overlap - true_entropy < 0.01
display(Markdown(f"h(X) = **{true_entropy:.4f} bits**; without overlap {no_overlap:.4f}."))


# %%
def scatter(panels, names=("$x_1$", "$x_2$"), height=2.7):
    """Points by cluster, a panel per title: title -> (points (n, 2), cluster (n,) or None)."""
    size = {"figsize": (8.5, height), "sharex": True, "sharey": True}
    fig, axes = plt.subplots(1, len(panels), squeeze=False, **size)
    colours = np.array(plotting.SHAPE_COLOURS)
    for ax, (title, (xy, which)) in zip(axes.flat, panels.items(), strict=True):
        ax.scatter(*xy[:1000].T, s=5, lw=0, c="0.3" if which is None else colours[which[:1000]])
        ax.set(title=title, xlabel=names[0], aspect="equal")
    axes[0, 0].set_ylabel(names[1])
    return fig


fig = scatter({"1,000 of the points": (points, cluster)}, height=3.6)
lines = fig.axes[0].contour(axis, axis, true_density.T, levels=[0.01, 0.1, 0.25], colors="k")
fig.axes[0].clabel(lines, fontsize=8)
fig.axes[0].set(xlim=(-4, 4), ylim=(-3, 4))
save_figure(fig, "05_clusters")

# %% [markdown]
# The lines are the true density (per unit area). The clusters hardly touch.
#
# ## The KL between two Gaussians, step by step
#
# Let $q = \mathcal N(m_1, S_1)$ and $p = \mathcal N(m_2, S_2)$ in $d$ dimensions.
#
# **1. The difference of the logarithms.** With
# $\log \mathcal N(z; m, S) = -\tfrac12\big[d \log 2\pi + \log|S| + (z-m)^\top S^{-1}(z-m)\big]$,
#
# $$\log q - \log p = \tfrac12\Big[\log\frac{|S_2|}{|S_1|} - (z-m_1)^\top S_1^{-1}(z-m_1) + (z-m_2)^\top S_2^{-1}(z-m_2)\Big].$$
#
# **2. The first quadratic.** A number equals its trace, and a trace may be turned round, so
# $\mathbb E_q[(z-m_1)^\top S_1^{-1}(z-m_1)] = \operatorname{tr}\big(S_1^{-1}\, \mathbb E_q[(z-m_1)(z-m_1)^\top]\big)
# = \operatorname{tr} I = d$.
#
# **3. The second quadratic.** Write $z - m_2 = (z - m_1) + (m_1 - m_2)$. The mixed terms have mean
# zero. The rest: $\operatorname{tr}(S_2^{-1}S_1) + (m_1-m_2)^\top S_2^{-1}(m_1-m_2)$.
#
# **4. Together:**
#
# $$\mathrm{KL}(q\Vert p) = \tfrac12\Big[\log\frac{|S_2|}{|S_1|} - d + \operatorname{tr}\big(S_2^{-1}S_1\big)
# + (m_1-m_2)^\top S_2^{-1}(m_1-m_2)\Big].$$
#
# **5. To the prior.** With $m_2 = 0$, $S_2 = I$ and a diagonal $S_1$ with entries
# $\sigma_i^2 = e^{v_i}$, where $v_i$ is the **log-variance**, the determinant is a product and the
# trace a sum:
#
# $$\mathrm{KL} = \tfrac12\sum_i\big(\mu_i^2 + e^{v_i} - v_i - 1\big).$$


# %%
def kl_gaussians(m1, S1, m2, S2):
    """KL(N(m1, S1) || N(m2, S2)) in nats: step 4."""
    inverse, shift = np.linalg.inv(S2), m1 - m2
    log_ratio = np.linalg.slogdet(S2)[1] - np.linalg.slogdet(S1)[1]
    return 0.5 * (log_ratio - len(m1) + np.trace(inverse @ S1) + shift @ inverse @ shift)


def log_gaussian(z, m, S):
    """log N(z; m, S) for z (..., d)."""
    quadratic = np.einsum("...i,ij,...j", z - m, np.linalg.inv(S), z - m)
    return -0.5 * (len(m) * np.log(2 * np.pi) + np.linalg.slogdet(S)[1] + quadratic)


# %% [markdown]
# Check with two correlated Gaussians, by the definition: a sum of $q\,(\log q - \log p)$ over a grid.
# Then step 5, against step 4 and the helper.

# %%
m1, S1 = np.array([0.5, -0.3]), np.array([[0.6, 0.2], [0.2, 0.3]])
m2, S2 = np.array([-0.2, 0.4]), np.array([[1.0, -0.3], [-0.3, 0.8]])
plane = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
log_q, log_p = log_gaussian(plane, m1, S1), log_gaussian(plane, m2, S2)
by_grid = np.sum(np.exp(log_q) * (log_q - log_p)) * step**2
kl_error = abs(kl_gaussians(m1, S1, m2, S2) - by_grid)
assert kl_error < 1e-8
display(Markdown(f"Step 4: {kl_gaussians(m1, S1, m2, S2):.8f} nats; on the grid {by_grid:.8f}."))

# %%
mu, v = np.array([0.5, -1.0]), np.array([-2.0, 0.3])
step_5 = 0.5 * np.sum(mu**2 + np.exp(v) - v - 1)
to_prior = kl_gaussians(mu, np.diag(np.exp(v)), np.zeros(2), np.eye(2))
one_sigma = kl_gaussians(mu, np.exp(v).mean() * np.eye(2), np.zeros(2), np.eye(2))
np.testing.assert_allclose(step_5, to_prior, rtol=1e-12)
np.testing.assert_allclose(step_5, gaussian_kl(mu[None], v[None])[0], rtol=1e-6)
display(
    Markdown(
        f"Diagonal: **{step_5:.4f}** nats by steps 4 and 5 and by `gaussian_kl`; with one σ², the mean "
        f"of the two, {one_sigma:.4f}."
    )
)

# %% [markdown]
# The tutorial's formula, $-\tfrac12\sum_j(1+\log\sigma_j^2-\mu_j^2-\sigma_j^2)$, is the same thing, with
# the right sign. But it introduces it for $\mathcal N(\mu, \sigma^2 I)$, one variance for all
# dimensions, which is another distribution and another KL. And "the entropy of a Gaussian and the
# log-normaliser of $p$" do not suffice to derive it: it takes the second moment
# $\mathbb E_q[z_j^2] = \mu_j^2 + \sigma_j^2$ as well, which is step 3.
#
# ## The network, written out
#
# One hidden layer of 16 each way, two latents. Points are rows; five weight matrices and five
# biases are all there is:
#
# $$h = \tanh(xW_1 + b_1), \qquad \mu = hW_2 + b_2, \qquad v = hW_3 + b_3,$$
#
# $$\sigma = e^{v/2}, \qquad z = \mu + \sigma\odot\varepsilon, \quad \varepsilon\sim\mathcal N(0, I),$$
#
# $$g = \tanh(zW_4 + b_4), \qquad \hat x = gW_5 + b_5 .$$
#
# The likelihood is $\mathcal N(\hat x, cI)$, and the loss of a batch of $n$ points is minus its ELBO
# less the constant $\log 2\pi c$:
#
# $$\mathcal L = \frac1n\sum_{\text{points}}\Big[\frac{\lVert x-\hat x\rVert^2}{2c}
# + \tfrac12\sum_i\big(\mu_i^2 + e^{v_i} - v_i - 1\big)\Big].$$

# %%
LAYERS = {"W1": (2, HIDDEN), "W2": (HIDDEN, LATENTS), "W3": (HIDDEN, LATENTS)}
LAYERS |= {"W4": (LATENTS, HIDDEN), "W5": (HIDDEN, 2)}


def initial_weights(key):
    """Weights of variance 1 / (inputs of the layer), biases 0: NumPy, float64."""
    weights = {}
    for layer_key, (name, shape) in zip(jax.random.split(key, 5), LAYERS.items(), strict=True):
        normals = np.asarray(jax.random.normal(layer_key, shape), float)
        weights |= {name: normals / np.sqrt(shape[0]), name.replace("W", "b"): np.zeros(shape[1])}
    return weights


def forward(w, x, eps):
    """All that is computed on the way from x (n, 2) to its reconstruction."""
    h = np.tanh(x @ w["W1"] + w["b1"])
    mu, v = h @ w["W2"] + w["b2"], h @ w["W3"] + w["b3"]
    z = mu + np.exp(v / 2) * eps
    g = np.tanh(z @ w["W4"] + w["b4"])
    return h, mu, v, z, g, g @ w["W5"] + w["b5"]


# %% [markdown]
# ## Every gradient, on paper
#
# We go backwards. $\delta_y$ stands for $\partial\mathcal L/\partial y$, a row per point.
#
# **The output.** $\partial\lVert x-\hat x\rVert^2/\partial\hat x = 2(\hat x-x)$, hence
# $\;\delta_{\hat x} = \dfrac{\hat x-x}{c\,n}$.
#
# **A linear layer** $y = aW + b$: each $y_j = \sum_i a_iW_{ij} + b_j$, so one point adds
# $a_i\,\delta_{y,j}$ to the gradient of $W_{ij}$, and $a_i$ reaches the loss through all $y_j$. In
# matrices, with the sum over points done by the product:
#
# $$\frac{\partial\mathcal L}{\partial W} = a^\top\delta_y, \qquad
# \frac{\partial\mathcal L}{\partial b} = \sum_{\text{points}}\delta_y, \qquad
# \delta_a = \delta_y W^\top .$$
#
# **A tanh** $g = \tanh(a)$: since $\tanh' = 1-\tanh^2$, $\;\delta_a = \delta_g\odot(1-g^2)$.
#
# With these three: $\delta_{\hat x}\to W_5, b_5\to\delta_g\to\delta_{a_4}\to W_4, b_4\to\delta_z$.
#
# **The reparameterisation.** $z = \mu+\sigma\varepsilon$ gives $\partial z/\partial\mu = 1$ and
# $\partial z/\partial\sigma = \varepsilon$. The network puts out $v$, and $\sigma = e^{v/2}$ gives
# $\partial\sigma/\partial v = \tfrac12\sigma$. The chain of the two is
# $\partial z/\partial v = \tfrac12\sigma\varepsilon$.
#
# **The KL** depends on $\mu$ and $v$ directly: $\partial\mathrm{KL}/\partial\mu = \mu$ and
# $\partial\mathrm{KL}/\partial v = \tfrac12(e^v-1)$, zero at the prior. Both ways add up:
#
# $$\boxed{\;\delta_\mu = \delta_z + \frac{\mu}{n}, \qquad
# \delta_v = \delta_z\odot\tfrac12\sigma\varepsilon + \frac{e^v-1}{2n}\;}$$
#
# **The encoder.** $h$ feeds both heads, so $\delta_h = \delta_\mu W_2^\top + \delta_v W_3^\top$; then a
# tanh and a linear layer again. That is all of it:


# %%
def loss_and_gradients(w, x, eps, c, beta=1.0):
    """The loss of a batch in nats per point, and its gradient by every weight."""
    h, mu, v, z, g, x_hat = forward(w, x, eps)
    n = len(x)
    kl = 0.5 * np.sum(mu**2 + np.exp(v) - v - 1)
    loss = (np.sum((x - x_hat) ** 2) / (2 * c) + beta * kl) / n

    d5 = (x_hat - x) / (c * n)
    d4 = d5 @ w["W5"].T * (1 - g**2)
    dz = d4 @ w["W4"].T
    d2 = dz + beta * mu / n  # of the mean
    d3 = dz * np.exp(v / 2) * eps / 2 + beta * (np.exp(v) - 1) / (2 * n)  # of the log-variance
    d1 = (d2 @ w["W2"].T + d3 @ w["W3"].T) * (1 - h**2)
    layers = zip("12345", (x, h, h, z, g), (d1, d2, d3, d4, d5), strict=True)
    gradients = {}
    for layer, a, delta in layers:
        gradients |= {f"W{layer}": a.T @ delta, f"b{layer}": delta.sum(axis=0)}
    return loss, gradients


# %% [markdown]
# ### Against `jax.grad`
#
# The same loss in JAX, forward only. JAX computes in float32 by default, which would hide an error
# of $10^{-6}$; `jax.enable_x64` switches to float64 within the `with` block and nowhere else.


# %%
def loss_in_jax(w, x, eps, c):
    h = jnp.tanh(x @ w["W1"] + w["b1"])
    mu, v = h @ w["W2"] + w["b2"], h @ w["W3"] + w["b3"]
    x_hat = jnp.tanh((mu + jnp.exp(v / 2) * eps) @ w["W4"] + w["b4"]) @ w["W5"] + w["b5"]
    kl = 0.5 * jnp.sum(mu**2 + jnp.exp(v) - v - 1, axis=1)
    return jnp.mean(jnp.sum((x - x_hat) ** 2, axis=1) / (2 * c) + kl)


weights = initial_weights(jax.random.key(1))
weights = {k: w + 0.1 for k, w in weights.items()}  # biases of 0 would be too special a place
x, eps = points[:64], np.asarray(jax.random.normal(jax.random.key(2), (64, LATENTS)), float)
loss, gradients = loss_and_gradients(weights, x, eps, C)
with jax.enable_x64(True):
    jax_loss, jax_gradients = jax.value_and_grad(loss_in_jax)(weights, x, eps, C)
    jax_gradients = jax.tree.map(np.asarray, jax_gradients)
assert jax_gradients["W1"].dtype == np.float64
np.testing.assert_allclose(loss, jax_loss, rtol=1e-12)

# %% [markdown]
# And against finite differences, $\big(\mathcal L(w + \eta) - \mathcal L(w - \eta)\big)/2\eta$ for each
# weight in turn, which know nothing of derivatives at all:


# %%
def finite_differences(w, name, eta=1e-5):
    slopes = np.empty(w[name].shape)
    for i in np.ndindex(slopes.shape):
        nudge = np.zeros(slopes.shape)
        nudge[i] = eta
        up, down = (
            loss_and_gradients(w | {name: w[name] + sign * nudge}, x, eps, C)[0] for sign in (1, -1)
        )
        slopes[i] = (up - down) / (2 * eta)
    return slopes


def relative(difference, reference):
    return np.abs(difference).max() / np.abs(reference).max()


check = pd.DataFrame({
    name: {"weights": g.size, "from jax.grad": relative(g - jax_gradients[name], g),
           "from finite differences": relative(g - finite_differences(weights, name), g)}
    for name, g in gradients.items()
}).T  # fmt: skip
assert check["from jax.grad"].max() < 1e-6
assert check["from finite differences"].max() < 1e-6
n_weights = int(check["weights"].sum())

# %%
worst = check.max()
display(
    Markdown(
        f"Over all {n_weights} weights in {len(check)} arrays the largest difference, relative to the "
        f"largest entry of its array: below {10 ** np.ceil(np.log10(worst['from jax.grad'])):.0e} from `jax.grad` in "
        f"float64, below {10 ** np.ceil(np.log10(worst['from finite differences'])):.0e} from finite differences."
    )
)


# %% [markdown]
# Does the check see errors? Put in three that are easily made: $\partial z/\partial v = \sigma\varepsilon$
# without the ½, the reparameterisation forgotten (no gradient through $\sigma$), and the KL
# forgotten in $\delta_v$. Each changes $\delta_v$ alone, hence $W_3$, $b_3$ and all of the encoder below.


# %%
def w3_gradient(through_sigma, of_kl):
    """The gradient by W3 with wrong factors before the two parts of the log-variance's."""
    h, mu, v, z, g, x_hat = forward(weights, x, eps)
    dz = (((x_hat - x) / C) @ weights["W5"].T * (1 - g**2)) @ weights["W4"].T
    d3 = through_sigma * dz * np.exp(v / 2) * eps / 2 + of_kl * (np.exp(v) - 1) / 2
    return h.T @ d3 / len(x)


mistakes = {"right": (1, 1), "½ left out": (2, 1), "σ blocked": (0, 1), "KL left out": (1, 0)}
seen = {name: relative(w3_gradient(*m) - jax_gradients["W3"], jax_gradients["W3"])
        for name, m in mistakes.items()}  # fmt: skip
assert seen.pop("right") < 1e-12
assert min(seen.values()) > 1e-3
display(Markdown("; ".join(f"{name}: off by {d:.1%}" for name, d in seen.items()) + "."))

# %% [markdown]
# ## The same run, twice
#
# ### By hand
#
# Adam (Kingma and Ba 2014) keeps a running mean $m$ of each gradient and $s$ of its square. Both
# start at 0 and are too small at first; dividing by $1-\beta^t$ mends that:
#
# $$m\leftarrow 0.9\,m + 0.1\,\nabla, \quad s\leftarrow 0.999\,s + 0.001\,\nabla^2, \quad
# w\leftarrow w - r_t\,\frac{m/(1-0.9^t)}{\sqrt{s/(1-0.999^t)} + 10^{-8}} .$$
#
# Our rate $r_t$ falls linearly to zero.


# %%
def descend(w, points, rows, noise, c, beta=1.0):
    """Adam on the batches points[rows[t]] with eps = noise[t]: (weights, loss of every step)."""
    w, mean, square, losses = dict(w), dict.fromkeys(w, 0.0), dict.fromkeys(w, 0.0), []
    for t, (batch, eps) in enumerate(zip(rows, noise, strict=True), start=1):
        loss, gradients = loss_and_gradients(w, points[batch], eps, c, beta)
        losses.append(loss)
        rate = RATE * (1 - (t - 1) / len(rows))
        for name, g in gradients.items():
            mean[name] = 0.9 * mean[name] + 0.1 * g
            square[name] = 0.999 * square[name] + 0.001 * g**2
            scale = np.sqrt(square[name] / (1 - 0.999**t)) + 1e-8
            w[name] = w[name] - rate * mean[name] / (1 - 0.9**t) / scale
    return w, np.array(losses)


# %% [markdown]
# ### By `helpers.fit`
#
# The same architecture as an NNX module, from the same initial weights, with the project's loss and
# optax's Adam: gradients by JAX, in float32, in a compiled loop.


# %%
class WrittenOut(nnx.Module):
    def __init__(self, weights):
        for name, w in weights.items():
            setattr(self, name, nnx.Param(jnp.asarray(w, jnp.float32)))

    def encode(self, x):
        h = jnp.tanh(x @ self.W1 + self.b1)
        return h @ self.W2 + self.b2, h @ self.W3 + self.b3

    def sample(self, mean, log_variance, key):
        return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)

    def decode(self, z):
        return jnp.tanh(z @ self.W4 + self.b4) @ self.W5 + self.b5


# %% [markdown]
# To be the *same* run it needs the same batches and the same $\varepsilon$. `fit` draws them from its
# key in a fixed way (a key per epoch; from it one to shuffle, and one per batch for the noise), so a
# clone of the key draws them again:


# %%
@partial(jax.jit, static_argnums=(1, 2, 3))
def _draws(key, epochs, n, batch):
    def epoch(key):
        shuffle_key, noise_key, _ = jax.random.split(key, 3)
        rows = jax.random.permutation(shuffle_key, n)[: n // batch * batch].reshape(-1, batch)
        step_keys = jax.random.split(noise_key, len(rows))
        return rows, jax.vmap(lambda k: jax.random.normal(k, (batch, LATENTS)))(step_keys)

    return jax.lax.map(epoch, jax.random.split(key, epochs))


def draws_of_fit(key, epochs, n, batch):
    """The rows (steps, batch) and the noise (steps, batch, L) that `fit` draws from this key."""
    rows, noise = (np.asarray(a) for a in _draws(key, epochs, n, batch))
    return rows.reshape(-1, batch), noise.reshape(-1, batch, LATENTS).astype(float)


# %%
optimizer = optax.adam(optax.linear_schedule(RATE, 0.0, EPOCHS * (N // BATCH)))
by_hand, by_fit, trained, weight_gap = [], [], [], []
for key in jax.random.split(jax.random.key(3), SEEDS):
    start_key, run_key = jax.random.split(key)
    start = initial_weights(start_key)
    draws = draws_of_fit(jax.random.clone(run_key), EPOCHS, N, BATCH)
    weights, losses = descend(start, points, *draws, C)
    model = WrittenOut(start)
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "optimizer": optimizer, "key": run_key}
    history = fit(model, points.astype(np.float32), Partial(vae_loss, c=C), **settings)
    trained.append(weights)
    by_hand.append(losses.reshape(EPOCHS, -1).mean(axis=1))
    by_fit.append(history.loss.to_numpy())
    weight_gap.append(max(np.abs(w - getattr(model, k)[...]).max() for k, w in weights.items()))

# %%
by_hand, by_fit = np.array(by_hand), np.array(by_fit)
loss_gap, seed_sd = np.abs(by_hand - by_fit), by_hand[:, -1].std(ddof=1)
assert loss_gap.max() < 1e-2  # float32 against float64, over 8,000 steps
assert loss_gap[:, -1].max() < 1e-3
pd.DataFrame({
    "by hand (nats)": by_hand[:, -1], "by fit (nats)": by_fit[:, -1],
    "largest difference of a weight": weight_gap,
}, index=pd.Index(range(SEEDS), name="run")).map("{:.4g}".format)  # fmt: skip

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.2))
epochs = np.arange(1, EPOCHS + 1)
for seed in range(SEEDS):
    colour = plotting.SHAPE_COLOURS[seed]
    left.plot(epochs, by_hand[seed], c=colour, label=f"run {seed}, by hand")
    left.plot(epochs[::10], by_fit[seed, ::10], "o", c=colour, mfc="none", ms=5)
    right.plot(epochs, loss_gap[seed], c=colour, lw=1)
left.plot([], [], "o", c="k", mfc="none", label="the same by fit")
left.set(xlabel="epoch", ylabel="training loss (nats per point)", ylim=(2.5, 4))
left.legend(fontsize=9)
right.set(xlabel="epoch", ylabel="|by hand − by fit| (nats)", yscale="log")
save_figure(fig, "05_hand_and_fit")

# %%
display(
    Markdown(
        f"Over {EPOCHS * (N // BATCH):,} steps the loss of an epoch never differs by more than "
        f"{10 ** np.ceil(np.log10(loss_gap.max())):g} nats, in the last by less than "
        f"{10 ** np.ceil(np.log10(loss_gap[:, -1].max())):g}: the rounding of float32. Runs with other "
        f"weights and noise differ by far more, {seed_sd:.3f} (standard deviation)."
    )
)

# %% [markdown]
# ## What it has learned
#
# ### The latent space
#
# Left: the posteriors of 400 points, an ellipse of one standard deviation each, coloured by cluster
# (which the model never saw). The dashed circle holds 86 % of the prior. Right: which cluster centre
# is nearest to $D(z)$, for every $z$.

# %%
best = trained[0]
_, mean, log_variance, *_ = forward(best, points, 0.0)


def decode(w, z):
    return np.tanh(z @ w["W4"] + w["b4"]) @ w["W5"] + w["b5"]


def nearest_centre(x):
    """Index of the nearest cluster centre, and the distance to it, for x (..., 2)."""
    distance = np.linalg.norm(x[..., None, :] - CENTRES, axis=-1)
    return distance.argmin(axis=-1), distance.min(axis=-1)


# %%
colours = np.array(plotting.SHAPE_COLOURS)[:3]
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 4.2), sharex=True, sharey=True)
widths = 2 * np.exp(log_variance[:400] / 2).T
place = {"units": "xy", "offsets": mean[:400], "offset_transform": left.transData}
look = {"facecolors": "none", "edgecolors": colours[cluster[:400]], "lw": 0.6}
left.add_collection(EllipseCollection(*widths, np.zeros(400), **place, **look))
left.add_patch(plt.Circle((0, 0), 2, fill=False, ls="--", ec="k"))
near, far = nearest_centre(decode(best, plane))
right.contourf(axis, axis, near.T, levels=[-0.5, 0.5, 1.5, 2.5], colors=colours, alpha=0.5)
right.contour(axis, axis, far.T, levels=[2 * SPREAD], colors="k", linewidths=1)
right.add_patch(plt.Circle((0, 0), 2, fill=False, ls="--", ec="k"))
left.set(xlim=(-3, 3), ylim=(-3, 3), xlabel="$z_1$", ylabel="$z_2$", title="posteriors q(z|x)")
right.set(xlabel="$z_1$", title="nearest centre of D(z)")
save_figure(fig, "05_latent_space")

# %% [markdown]
# Three sectors share the prior. Between the black lines on the right $D(z)$ is more than $2s$ from
# every centre: there the decoder crosses from one cluster to another, and prior draws land there
# too. A continuous decoder cannot avoid this, only cross fast.
#
# ### Reconstructions and samples

# %%
z_key, noise_key = jax.random.split(jax.random.key(4))
prior_z = np.asarray(jax.random.normal(z_key, (N, LATENTS)), float)
decoded = decode(best, prior_z)
noise = np.asarray(jax.random.normal(noise_key, (N, 2)), float)
clouds = {
    "points": points,
    "D(mean of q)": decode(best, mean),
    "D(z), z ~ N(0, I)": decoded,
    "D(z) + √c noise": decoded + np.sqrt(C) * noise,
}
fig = scatter({k: (x, cluster if i < 2 else nearest_centre(x)[0])
               for i, (k, x) in enumerate(clouds.items())})  # fmt: skip
save_figure(fig, "05_reconstructions_and_samples")

# %%
between = {name: (nearest_centre(x)[1] > 3 * SPREAD).mean() for name, x in clouds.items()}
variance = {name: x.var(axis=0).sum() for name, x in clouds.items()}
found = pd.DataFrame({"farther than 3s from every centre (%)": between, "total variance": variance})
found.iloc[:, 0] *= 100
expected_between = np.exp(-4.5)  # of one cluster alone: P(r > 3s) in the plane
assert between["D(z) + √c noise"] > 2 * between["points"]
assert variance["D(z), z ~ N(0, I)"] < variance["points"] - C
found.round(2)

# %% [markdown]
# First two panels coloured by the point's cluster, the last two by the nearest centre. A draw from the
# *model* is $z$ from the prior **and then** $x\sim\mathcal N(D(z), cI)$. The tutorial decodes prior
# draws and stops there: the third panel, which lacks the noise and so the variance. With the noise it
# looks like the points, but for the bridges between the clusters.
#
# ## The learned density against the true one
#
# The tutorial calls $p(x) = \int p(x|z)\,p(z)\,dz$ intractable. With two latents it is a sum over a
# grid of $z$, and because the likelihood factorises over $x_1$ and $x_2$, it is one matrix product
# for all $x$ on a grid:
#
# $$p(x_1, x_2) \approx \sum_g w_g\; \mathcal N\big(x_1; D_1(z_g), c\big)\; \mathcal N\big(x_2; D_2(z_g), c\big),
# \qquad w_g \propto \mathcal N(z_g; 0, I).$$


# %%
def learned_density(w, c, per_axis=201):
    """p(x) of a decoder on the grid of x (241, 241), by quadrature over z."""
    t = np.linspace(-6, 6, per_axis)
    z = np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)
    weight = normal(z, 0, 1).prod(axis=1)
    x_hat = decode(w, z)
    first, second = (normal(axis, x_hat[:, i, None], c) for i in (0, 1))
    return (first * (weight / weight.sum())[:, None]).T @ second


def divergence_bits(density):
    """KL(true || density) in bits."""
    log_ratio = np.log2(true_density) - np.log2(np.maximum(density, 1e-300))
    return np.sum(true_density * log_ratio) * step**2


# %%
density = learned_density(best, C)
density_kl = divergence_bits(density)
finer = divergence_bits(learned_density(best, C, per_axis=401))
np.testing.assert_allclose(density.sum() * step**2, 1, atol=1e-3)
np.testing.assert_allclose(density_kl, finer, atol=1e-3)  # twice as fine a grid of z
assert density_kl > 0
display(Markdown(f"KL(true ‖ learned) = **{density_kl:.3f} bits** per point."))

# %% [markdown]
# ### The bound, exactly
#
# On the same grid of $z$ the true posterior $p(z|x)\propto p(x|z)p(z)$ can be had too, and the
# identity of notebook 03, $\log p(x) = \mathrm{ELBO}(x) + \mathrm{KL}(q(z|x)\Vert p(z|x))$, can be checked for a
# point with every term computed on its own:

# %%
x = test_points[0]
t = np.linspace(-6, 6, 801)
z = np.stack(np.meshgrid(t, t, indexing="ij"), axis=-1)
cell = (t[1] - t[0]) ** 2
_, m, log_v, *_ = forward(best, x[None], 0.0)
log_likelihood = log_gaussian(x - decode(best, z), np.zeros(2), C * np.eye(2))
log_joint = log_likelihood + log_gaussian(z, np.zeros(2), np.eye(2))
log_q = log_gaussian(z, m[0], np.diag(np.exp(log_v[0])))
log_evidence = np.log(np.exp(log_joint).sum() * cell)
q = np.exp(log_q)
elbo = np.sum(q * log_likelihood) * cell - 0.5 * np.sum(m**2 + np.exp(log_v) - log_v - 1)
gap = np.sum(q * (log_q - (log_joint - log_evidence))) * cell
identity_error = abs(elbo + gap - log_evidence)
assert identity_error < 1e-5
assert gap > 0
display(Markdown(f"ELBO {elbo:.5f} + gap {gap:.5f} = log p(x) {log_evidence:.5f} nats."))

# %% [markdown]
# ### What the VAE pays over the entropy, and where it goes
#
# Averaged over the true density, minus the ELBO is a code length: bits to send a point (to a fixed
# small precision) with this model. No model is below $h(X)$, and the excess has just two parts:
#
# $$\mathbb E\big[-\mathrm{ELBO}\big] - h(X) = \underbrace{\mathrm{KL}\big(p_{\text{true}}\Vert p_{\text{model}}\big)}_{\text{wrong density}}
# + \underbrace{\mathbb E_x\,\mathrm{KL}\big(q(z|x)\Vert p(z|x)\big)}_{\text{posterior is not the true one}}$$
#
# because $\mathbb E[-\log p_{\text{model}}] = h(X) + \mathrm{KL}(p_{\text{true}}\Vert p_{\text{model}})$. On held-out
# points:


# %%
def elbo_bits(w, x, c, key, draws=16):
    """The ELBO of each point (n,), bits, over some draws of z."""
    eps = np.asarray(jax.random.normal(key, (draws, *x.shape)), float)
    _, mu, v, *_, x_hat = forward(w, x, eps)
    error = ((x - x_hat) ** 2).sum(axis=-1).mean(axis=0)
    kl = 0.5 * np.sum(mu**2 + np.exp(v) - v - 1, axis=1)
    return -(error / (2 * c) + np.log(2 * np.pi * c) + kl) / np.log(2)


def log_density_bits(density, x):
    """log2 of a density given on the grid, at points x (n, 2): cubic interpolation."""
    log_density = np.log2(np.maximum(density, 1e-300))
    return RegularGridInterpolator((axis, axis), log_density, method="cubic")(x)


# %%
elbos = elbo_bits(best, test_points, C, jax.random.key(5))
excess = -elbos.mean() - true_entropy
excess_error = elbos.std() / np.sqrt(N)
posterior_gap = (log_density_bits(density, test_points) - elbos).mean()
np.testing.assert_allclose(density_kl + posterior_gap, excess, atol=5 * excess_error)
display(
    Markdown(
        f"{excess:.3f} ± {excess_error:.3f} bits over the entropy = {density_kl:.3f} (density) + "
        f"{posterior_gap:.3f} (posterior)."
    )
)

# %% [markdown]
# ### Is it the decoder?
#
# With $c = s^2$ a perfect decoder exists: three sectors of equal prior mass, each sent to one centre,
# is the true density exactly. Does our decoder of 16 units lack the means, or does the bound keep it
# from using them? Train the same decoder, from where the VAE left it, by the likelihood itself, with
# no encoder: $\log p(x)\approx\log\frac1K\sum_k p(x|z_k)$, $z_k$ from the prior, 512 fresh ones per step.


# %%
def log_likelihood_loss(w, x, z):
    x_hat = jnp.tanh(z @ w["W4"] + w["b4"]) @ w["W5"] + w["b5"]
    log_p = -((x[:, None] - x_hat) ** 2).sum(axis=-1) / (2 * C)
    return -(logsumexp(log_p, axis=1) - jnp.log(len(z))).mean()


@jax.jit
def by_likelihood(w, x, keys):
    rule = optax.adam(optax.linear_schedule(2e-2, 0.0, len(keys)))

    def step(state, key):
        rows_key, z_key = jax.random.split(key)
        batch = x[jax.random.randint(rows_key, (BATCH,), 0, len(x))]
        z = jax.random.normal(z_key, (512, LATENTS))
        updates, opt = rule.update(jax.grad(log_likelihood_loss)(state[0], batch, z), state[1])
        return (optax.apply_updates(state[0], updates), opt), None

    return jax.lax.scan(step, (w, rule.init(w)), keys)[0][0]


# %%
decoder = {k: jnp.asarray(best[k], jnp.float32) for k in ("W4", "b4", "W5", "b5")}
direct = by_likelihood(
    decoder, jnp.asarray(points, jnp.float32), jax.random.split(jax.random.key(6), 3000)
)
direct = {k: np.asarray(w, float) for k, w in direct.items()}
direct_density = learned_density(direct, C)
direct_kl = divergence_bits(direct_density)
assert direct_kl < density_kl / 2
display(
    Markdown(
        f"KL(true ‖ learned): **{direct_kl:.3f} bits** by the likelihood, {density_kl:.3f} by the ELBO, "
        f"with the same decoder."
    )
)

# %% [markdown]
# So the capacity is there. The ELBO weighs two things: a sharper crossing would give a better
# density, but true posteriors with straight edges, which a Gaussian $q$ fits worse. It settles for a
# smooth decoder. A bound is not just lower than what it bounds; it has its maximum elsewhere.
#
# ## The likelihood's variance c
#
# The tutorial takes $p(x|z) = \mathcal N(\hat x, I)$, that is $c = 1$, and says that this is the MSE "up to
# constants". Additive constants do not matter; factors do, against the KL. Half the sum of squares is
# the *mean* of squares for just one number of dimensions, and that is 2, the tutorial's own case:

# %%
difference = points - decode(best, mean)
half_sum, mean_square = 0.5 * (difference**2).sum(axis=1).mean(), (difference**2).mean()
np.testing.assert_allclose(half_sum, mean_square)
image = np.asarray(jax.random.uniform(jax.random.key(7), (784,)))
factor = 0.5 * np.sum(image**2) / np.mean(image**2)
display(
    Markdown(f"2 dimensions: factor {half_sum / mean_square:g}; 784 pixels: factor {factor:g}.")
)


# %% [markdown]
# And $c$ itself? Three runs for each of five values. Beside the two parts of the excess: the squared
# error of a point, the bits that the code pays (KL), those of them that are information about which
# of the 4,096 training points it is (of 12, `rate_audit`), and those about its cluster (of
# $\log_2 3 = 1.58$).


# %%
def measure(w, c, keys):
    """What is in the table below for one model, in bits but for the squared error."""
    density = learned_density(w, c)
    elbos = elbo_bits(w, test_points, c, keys[0])
    _, mean, log_variance, *_ = forward(w, points, 0.0)
    audit = rate_audit(mean, log_variance, key=keys[1], draws=2)
    labels = {"names": ("cluster",), "draws": 2, "key": keys[2]}
    bits = factor_information(mean, log_variance, cluster[:, None], **labels).bits
    eps = np.asarray(jax.random.normal(keys[3], test_points.shape), float)
    error = ((test_points - forward(w, test_points, eps)[-1]) ** 2).sum(axis=1).mean()
    return {
        "squared error": error, "KL paid": audit.kl, "information": audit.mutual_information,
        "on the cluster": bits.loc["all", "cluster"], "density": divergence_bits(density),
        "posterior": (log_density_bits(density, test_points) - elbos).mean(),
    }  # fmt: skip


# %%
rows = []
for seed, key in enumerate(jax.random.split(jax.random.key(8), SEEDS)):
    start_key, run_key, *c_keys = jax.random.split(key, 2 + len(SWEEP_CS))
    start = initial_weights(start_key)
    draws = draws_of_fit(run_key, EPOCHS, N, BATCH)
    for c, c_key in zip(SWEEP_CS, c_keys, strict=True):
        weights, _ = descend(start, points, *draws, c)
        rows.append({"c": c, "run": seed} | measure(weights, c, jax.random.split(c_key, 4)))
        if c == 1 and seed == 0:
            density_c1 = learned_density(weights, c)
sweep = pd.DataFrame(rows).assign(excess=lambda t: t["density"] + t["posterior"]).set_index("c")
by_c = sweep.drop(columns="run").groupby("c").agg(["mean", "std"])
pd.DataFrame({
    name: [f"{m:.3f} ± {s:.3f}" for m, s in by_c[name].to_numpy()]
    for name in by_c.columns.levels[0][by_c.columns.codes[0][::2]]
}, index=by_c.index.map("{:g}".format))  # fmt: skip

# %%
means = by_c.xs("mean", axis=1, level=1)
parts = {
    "excess over the entropy": means["excess"],
    "of it wrong density": means["density"],
    "of it wrong posterior": means["posterior"],
}
labels = {"x_label": "variance of the likelihood, c", "y_label": "bits per point"}
fig = plotting.curves(parts, x=means.index, log_x=True, **labels)
fig.axes[0].axvline(C, color="0.35", ls="--", lw=1.2)
fig.axes[0].annotate("$c = s^2$", (C, 0), (4, 6), textcoords="offset points")
fig.axes[0].set_ylim(bottom=0)
save_figure(fig, "05_likelihood_variance")

# %%
maps = {"true": true_density, "VAE, c = s²": density, "by likelihood": direct_density}
maps |= {"VAE, c = 1": density_c1}
fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.9), sharey=True)
for ax, (title, values) in zip(axes, maps.items(), strict=True):
    kl = divergence_bits(values)
    look = {"cmap": "cividis", "vmin": 0, "vmax": true_density.max(), "origin": "lower"}
    picture = ax.imshow(values.T, extent=(-6, 6, -6, 6), **look)
    ax.set(title=f"{title}\nKL {kl + 0.0:.2f} bits", xlabel="$x_1$", xlim=(-4, 4), ylim=(-4, 4))
    ax.grid(False)
axes[0].set_ylabel("$x_2$")
fig.colorbar(picture, ax=axes, label="density per unit area", aspect=14, shrink=0.8)
save_figure(fig, "05_density")

# %%
at_c, at_1 = means.loc[C], means.loc[1.0]
best_c = means["excess"].idxmin()
assert at_1["density"] > 2 * at_c["density"]
assert at_c["information"] < at_c["KL paid"] < 12
assert np.all(sweep["on the cluster"] < np.log2(3))
display(
    Markdown(
        f"With the tutorial's c = 1 the density is **{at_1['density']:.2f} bits** off, with c = s² = {C:.2f} "
        f"**{at_c['density']:.2f}**. The least excess has c = {best_c:g}, below s²."
    )
)

# %% [markdown]
# At $c = 1$ every decoded point is blurred by more than the radius of a cluster, and no training can
# undo that. At $c = s^2$ a perfect code would pay $\log_2 3$ bits, to name the cluster; this one pays
# more, since its ellipses also say something about the place within. Below $s^2$ the decoder must
# learn the form of the clusters as well, and it costs bits to say where. Two latents for two
# dimensions: by dimension there is no bottleneck at all. What limits this code is its noise, as the
# bits show.
#
# ## Reparameterised or score-function gradient?
#
# "Naïve Monte Carlo sampling is not differentiable w.r.t. $\phi$", says the tutorial. A *draw* is not,
# but the gradient of the *expectation* needs no differentiable draw. With $f(z) = \lVert x-D(z)\rVert^2/2c$ and
# $\nabla q = q\,\nabla\log q$,
#
# $$\nabla_\phi\,\mathbb E_{q}[f(z)] = \int f(z)\,\nabla_\phi q(z)\,dz = \mathbb E_q\big[f(z)\,\nabla_\phi\log q(z)\big],$$
#
# the **score-function** estimator (REINFORCE). With $z = \mu+\sigma\varepsilon$ its factors are
# $\partial\log q/\partial\mu = \varepsilon/\sigma$ and $\partial\log q/\partial v = \tfrac12(\varepsilon^2-1)$. Since these have
# mean zero, any constant $b$ may be taken off $f$: with $b\approx\mathbb E f$ the variance is mostly smaller
# (a **baseline**). Both estimators are right on average. How noisy are they?
#
# ### Known answers first
#
# $f(z) = z^2$ under $\mathcal N(\mu,\sigma^2)$, the gradient by $\mu$ is $2\mu$. One draw of $2z$ has
# variance $4\sigma^2$. One draw of $z^2\varepsilon/\sigma$ has, by the moments 1, 3, 15 of $\varepsilon$,
# $\mathbb E[z^4\varepsilon^2]/\sigma^2 - 4\mu^2 = \mu^4/\sigma^2 + 14\mu^2 + 15\sigma^2$.
#
# And $f(z) = \sin kz$ under $\mathcal N(0,1)$: the two draws $k\cos kz$ and $\varepsilon\sin k\varepsilon$ have the
# variances $\tfrac{k^2}{2}(1+e^{-2k^2}) - k^2e^{-k^2}$ and
# $\tfrac12 - \tfrac12(1-4k^2)e^{-2k^2} - k^2e^{-k^2}$.

# %%
eps = np.asarray(jax.random.normal(jax.random.key(9), (400_000,)), float)
mu, sigma = 1.0, 0.5
z = mu + sigma * eps
cases = {
    "z²": (2 * z, z**2 * eps / sigma, 4 * sigma**2, mu**4 / sigma**2 + 14 * mu**2 + 15 * sigma**2)
}
for k in (0.5, 1.0, 3.0):
    a, b = np.exp(-2 * k**2), k**2 * np.exp(-(k**2))
    exact = k**2 * (1 + a) / 2 - b, (1 - (1 - 4 * k**2) * a) / 2 - b
    cases[f"sin {k:g}z"] = (k * np.cos(k * eps), eps * np.sin(k * eps), *exact)
toy = pd.DataFrame({
    name: {"reparameterised": p.var(), "exactly": exact_p, "score function": s.var(), "exactly ": exact_s}
    for name, (p, s, exact_p, exact_s) in cases.items()
}).T  # fmt: skip
np.testing.assert_allclose(toy.iloc[:, [0, 2]], toy.iloc[:, [1, 3]], rtol=0.05)
toy.round(4)

# %% [markdown]
# So it is no law of nature that the reparameterised gradient is the quieter: a steep, wavy $f$ turns
# it round, since it uses the slope of $f$ and the score function only its height. The trick pays
# where $f$ is smooth over the width of $q$.
#
# ### In our VAE
#
# For 200 points, the gradient of the reconstruction term by $\mu$ and $v$ (four numbers), 4,000 draws
# each, before training and after. We sum the variance of one draw over the four.


# %%
def estimators(w, x, eps):
    """Draws (k, n, 4) of the gradient by (mean, log-variance), by three estimators."""
    _, _, v, _, g, x_hat = forward(w, x, eps)
    f = ((x - x_hat) ** 2).sum(axis=-1, keepdims=True) / (2 * C)
    slope = ((x_hat - x) / C @ w["W5"].T * (1 - g**2)) @ w["W4"].T  # of f by z
    sigma = np.exp(v / 2)
    score = np.concatenate([eps / sigma, (eps**2 - 1) / 2], axis=-1)
    others = (f.sum(axis=0) - f) / (len(f) - 1)  # the mean of the other draws: no bias
    return {
        "reparameterised": np.concatenate([slope, slope * sigma * eps / 2], axis=-1),
        "score function": f * score,
        "score function, baseline": (f - others) * score,
    }


# %%
noises, agreement = {}, []
for stage, w, key in zip(
    ("before training", "after training"),
    (initial_weights(jax.random.key(10)), best),
    jax.random.split(jax.random.key(11)),
    strict=True,
):
    eps = np.asarray(jax.random.normal(key, (4000, 200, LATENTS)), float)
    draws = estimators(w, points[:200], eps)
    right = draws["reparameterised"]
    for name, gradient in draws.items():
        noises[stage, name] = gradient.var(axis=0, ddof=1).sum(axis=-1)
        error = np.sqrt((gradient.var(axis=0) + right.var(axis=0)) / len(eps))
        agreement.append(np.abs((gradient.mean(axis=0) - right.mean(axis=0)) / error).max())
noises = pd.DataFrame(noises)
assert max(agreement) < 6  # standard errors, the largest of 800 and of three estimators
noises.quantile([0.1, 0.5, 0.9]).T.round(1)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.2), sharex=True)
for ax, stage in zip(axes, noises.columns.levels[0][::-1], strict=True):
    for i, name in enumerate(noises[stage]):
        jitter = i + np.linspace(-0.25, 0.25, len(noises))
        ax.scatter(noises[stage, name], jitter, s=6, lw=0, c=plotting.SHAPE_COLOURS[i])
        ax.plot([noises[stage, name].median()] * 2, [i - 0.35, i + 0.35], "k")
    ax.set(xscale="log", xlabel="variance of one draw (nats²)", title=stage, ylim=(2.5, -0.5))
    ax.set_yticks(range(3), ["reparameterised", "score function", "with baseline"])
axes[1].set_yticklabels([])
save_figure(fig, "05_gradient_variance")

# %%
ratios = {
    stage: {
        name: (noises[stage, name] / noises[stage, "reparameterised"]).quantile([0.1, 0.5, 0.9])
        for name in ("score function", "score function, baseline")
    }
    for stage in ("before training", "after training")
}
for stage, row in ratios.items():
    plain, baseline = (r.to_numpy() for r in row.values())
    assert baseline[0] > 1
    display(Markdown(
        f"{stage.capitalize()}: the score function's variance is **{plain[1]:.1f}** times as large "
        f"({plain[0]:.1f} to {plain[2]:.1f} in the middle 80 % of points), with the baseline "
        f"**{baseline[1]:.1f}** ({baseline[0]:.1f} to {baseline[2]:.1f})."
    ))  # fmt: skip

# %% [markdown]
# A dot is a data point, the bar the median. The estimators agree in the mean; the score function
# needs as many more draws as its variance is larger for an equally good gradient. After training the
# lead is small: the decoder has become steep, and $f$ changes much within the width of a posterior,
# as in the second toy case.
#
# ## Does the KL prevent overfitting?
#
# The tutorial: the KL term regularises, "preventing overfitting to individual data points". A harsh
# test: train on just 12 points, with the KL ($\beta = 1$) and without ($\beta = 0$), three sets of
# points. Overfitting is the difference of $-\log_2 p(x)$ between held-out points and those 12; what it
# comes to in the end is the distance from the true density.

# %%
rows = []
for key in jax.random.split(jax.random.key(12), SEEDS):
    few_key, start_key, run_key = jax.random.split(key, 3)
    few, _ = draw_points(few_key, FEW)
    start = initial_weights(start_key)
    draws = draws_of_fit(run_key, FEW_EPOCHS, FEW, FEW)
    for beta in (1.0, 0.0):
        weights, _ = descend(start, few, *draws, C, beta)
        few_density = learned_density(weights, C)
        errors = [
            ((x - forward(weights, x, 0.0)[-1]) ** 2).sum(axis=1).mean() for x in (few, test_points)
        ]
        log_p = [log_density_bits(few_density, x).mean() for x in (few, test_points)]
        rows.append([beta, *errors, log_p[0] - log_p[1], divergence_bits(few_density)])
columns = ["β", "error, the 12", "error, held out", "gap in log₂ p", "KL(true ‖ learned)"]
overfit = pd.DataFrame(rows, columns=columns).set_index("β")
overfit.groupby("β").agg(["mean", "std"]).round(3)

# %%
with_kl, without_kl = overfit.loc[1.0], overfit.loc[0.0]
density_column, gap_column = "KL(true ‖ learned)", "gap in log₂ p"
assert with_kl[density_column].max() < without_kl[density_column].min()
assert with_kl[gap_column].min() > 0
large_kl = means.loc[C, "density"]
display(
    Markdown(
        f"With the KL the density is {with_kl[density_column].mean():.2f} bits off, without it "
        f"{without_kl[density_column].mean():.2f}; but on 4,096 points it was {large_kl:.2f}, and the 12 points are "
        f"still {with_kl[gap_column].mean():.2f} bits likelier than new ones."
    )
)

# %%
