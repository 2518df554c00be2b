# %% [markdown]
# # 06 · A VAE by hand: every gradient on paper
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/latent-bits/latent-bits/blob/main/notebooks/06_vae_by_hand.ipynb)
#
# **The experiment:** a tutorial (*Autoencoders & Variational Autoencoders*) derives the VAE and then
# trains one in NumPy, with manual backpropagation through the reparameterisation trick, on three
# clusters in the plane. It shows the latent space, reconstructions and samples, and no number.
#
# **The question:** are the gradients right, and how close does the learned density come to the true
# one, which we know?
#
# **You will learn**
#
# - the gradient of every parameter of a small VAE, through $z = \mu + \sigma\varepsilon$ and the KL;
# - to check a gradient: against `jax.grad`, and against finite differences;
# - the KL between two Gaussians, step by step;
# - why one differentiates through the sample instead of using the score function, in numbers.
#
# **You need** notebook 03 and the chain rule.
# **Time:** a minute to run; an hour to read.

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

import platform
from importlib.metadata import version

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from flax import nnx
from IPython.display import Markdown, display
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

# %%
from helpers import plotting
from helpers.exercises import check
from helpers.files import record, save_figure
from helpers.information import rate_audit
from helpers.models import perceptron
from helpers.objectives import gaussian_kl
from helpers.training import fit

plotting.use_style()

# %% nbmake={"mock": {"EPOCHS": 20, "FULL": false}}
FULL = True
CENTRES = np.array([[0.0, 2.0], [-1.8, -1.0], [1.8, -1.0]])
SPREAD = 0.35  # standard deviation of a cluster, in both directions
HIDDEN, LATENTS = 16, 2
C = 0.06  # variance of the likelihood
N, BATCH, EPOCHS, RATE = 3000, 100, 200, 5e-3

# %% [markdown]
# ## Three clusters
#
# A mixture of three Gaussians with equal weights. Its density is known, so every claim about the
# learned density can be checked.

# %%
generator = np.random.default_rng(0)


def draw(n):
    """n points (n, 2) of the mixture."""
    return CENTRES[generator.integers(3, size=n)] + SPREAD * generator.normal(size=(n, 2))


def log_true_density(x):
    """log p(x), (n,) nats, of the mixture at points (n, 2)."""
    each = norm.logpdf(x[:, None], CENTRES, SPREAD).sum(axis=2)
    return logsumexp(each, axis=1) - np.log(3)


x_train, x_test = draw(N), draw(5000)
entropy = -log_true_density(x_test).mean()
display(
    Markdown(
        f"Entropy of the source: {entropy:.3f} nats; no model's mean log density exceeds minus that."
    )
)

# %% [markdown]
# ## The KL between two Gaussians
#
# In one dimension, with $q = \mathcal N(\mu_1, \sigma_1^2)$ and $p = \mathcal N(\mu_2, \sigma_2^2)$,
#
# $$\log\frac{q(z)}{p(z)} = \log\frac{\sigma_2}{\sigma_1} - \frac{(z-\mu_1)^2}{2\sigma_1^2} + \frac{(z-\mu_2)^2}{2\sigma_2^2}.$$
#
# Take the mean over $z\sim q$: $\mathbb E(z-\mu_1)^2 = \sigma_1^2$, and
# $\mathbb E(z-\mu_2)^2 = \sigma_1^2 + (\mu_1-\mu_2)^2$. So
#
# $$\mathrm{KL}(q\Vert p) = \log\frac{\sigma_2}{\sigma_1} + \frac{\sigma_1^2 + (\mu_1-\mu_2)^2}{2\sigma_2^2} - \frac12 .$$
#
# With $\mu_2 = 0$, $\sigma_2 = 1$, summed over the dimensions of a diagonal Gaussian:
# $\mathrm{KL} = -\frac12\sum_j(1 + \log\sigma_j^2 - \mu_j^2 - \sigma_j^2)$, as the tutorial has it. (It
# writes the diagonal covariance as $\boldsymbol\sigma^2 \mathbf I$, which would be one variance for
# all dimensions; $\operatorname{diag}(\boldsymbol\sigma^2)$ is meant.) A sum over a fine grid agrees:

# %%
z, step = np.linspace(-15, 15, 300_001, retstep=True)
(m1, s1), (m2, s2) = (0.7, 0.4), (-0.5, 1.3)
q, p = norm.pdf(z, m1, s1), norm.pdf(z, m2, s2)
on_grid = np.sum(q * (norm.logpdf(z, m1, s1) - norm.logpdf(z, m2, s2))) * step
closed = np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5
np.testing.assert_allclose(on_grid, closed, rtol=1e-6)
to_prior = -0.5 * (1 + np.log(s1**2) - m1**2 - s1**2)
helper = gaussian_kl(jnp.array([[m1]]), jnp.array([[np.log(s1**2)]]))[0]
np.testing.assert_allclose(helper, to_prior, rtol=1e-5)
display(Markdown(f"closed form {closed:.6f}, grid {on_grid:.6f} nats"))

# %% [markdown]
# ## The network, written out
#
# $$h = \tanh(xW_1 + b_1),\quad (\mu, \ell) = hW_2 + b_2,\quad z = \mu + e^{\ell/2}\varepsilon,\quad
# g = \tanh(zW_3 + b_3),\quad \hat x = gW_4 + b_4$$
#
# with $\ell = \log\sigma^2$, and the loss, the mean over a batch of $n$ points (the tutorial's
# likelihood has unit variance, $c = 1$, in which clusters as narrow as these would drown; ours is
# smaller),
#
# $$L = \frac1n\sum\Big[\frac{\|x-\hat x\|^2}{2c} + \frac12\sum_j\big(\mu_j^2 + e^{\ell_j} - \ell_j - 1\big)\Big].$$


# %%
def initial(seed):
    """Weights W1..W4 and biases b1..b4, float64."""
    sizes = [(2, HIDDEN), (HIDDEN, 2 * LATENTS), (LATENTS, HIDDEN), (HIDDEN, 2)]
    draws = np.random.default_rng(seed)
    w = {f"W{i}": draws.normal(size=s) / np.sqrt(s[0]) for i, s in enumerate(sizes, start=1)}
    return w | {f"b{i}": np.zeros(s[1]) for i, s in enumerate(sizes, start=1)}


def forward(w, x, eps, xp=np):
    """All layers by name, and the loss; xp is NumPy or jax.numpy."""
    h = xp.tanh(x @ w["W1"] + w["b1"])
    mean, log_variance = xp.split(h @ w["W2"] + w["b2"], 2, axis=1)
    z = mean + xp.exp(log_variance / 2) * eps
    g = xp.tanh(z @ w["W3"] + w["b3"])
    x_hat = g @ w["W4"] + w["b4"]
    error = ((x - x_hat) ** 2).sum(axis=1) / (2 * C)
    kl = (mean**2 + xp.exp(log_variance) - log_variance - 1).sum(axis=1) / 2
    layers = {"h": h, "mean": mean, "log_variance": log_variance, "z": z, "g": g, "x_hat": x_hat}
    return layers, (error + kl).mean()


# %% [markdown]
# ## Backwards, on paper
#
# Write $\bar a = \partial L/\partial a$, and $\text{pre}_3 = zW_3 + b_3$, $\text{pre}_1 = xW_1 + b_1$ for what
# goes into the two tanh. From the end:
#
# $$\bar{\hat x} = \frac{\hat x - x}{c\,n},\qquad \bar W_4 = g^\top\bar{\hat x},\qquad
# \bar g = \bar{\hat x}W_4^\top,\qquad \overline{\text{pre}}_3 = \bar g\,(1-g^2),\qquad
# \bar W_3 = z^\top\overline{\text{pre}}_3,\qquad \bar z = \overline{\text{pre}}_3W_3^\top .$$
#
# Through the reparameterisation, $\partial z/\partial\mu = 1$ and $\partial z/\partial\sigma = \varepsilon$;
# with $\sigma = e^{\ell/2}$, $\partial\sigma/\partial\ell = \sigma/2$. The KL adds its own part:
#
# $$\bar\mu = \bar z + \frac{\mu}{n},\qquad
# \bar\ell = \bar z\,\varepsilon\,\frac{\sigma}{2} + \frac{e^{\ell} - 1}{2n} .$$
#
# Then the encoder as the decoder before, with $h = \tanh(\text{pre}_1)$:
#
# $$\bar W_2 = h^\top(\bar\mu, \bar\ell),\qquad
# \overline{\text{pre}}_1 = (\bar\mu, \bar\ell)\,W_2^\top\,(1-h^2),\qquad
# \bar W_1 = x^\top\,\overline{\text{pre}}_1 .$$
#
# A bias's gradient is the same without the factor on its left, summed over the batch.


# %%
def gradients(w, x, eps):
    """The gradient of the loss by every parameter, by hand; and the loss."""
    a, loss = forward(w, x, eps)
    n, sigma = len(x), np.exp(a["log_variance"] / 2)
    d_x_hat = (a["x_hat"] - x) / (C * n)
    d_pre_3 = (d_x_hat @ w["W4"].T) * (1 - a["g"] ** 2)
    d_z = d_pre_3 @ w["W3"].T
    d_mean = d_z + a["mean"] / n
    d_log_variance = d_z * eps * sigma / 2 + (sigma**2 - 1) / (2 * n)
    d_code = np.concatenate([d_mean, d_log_variance], axis=1)
    d_pre_1 = (d_code @ w["W2"].T) * (1 - a["h"] ** 2)
    ins, outs = (x, a["h"], a["z"], a["g"]), (d_pre_1, d_code, d_pre_3, d_x_hat)
    found = {f"W{i}": v.T @ d for i, (v, d) in enumerate(zip(ins, outs, strict=True), start=1)}
    return found | {f"b{i}": d.sum(axis=0) for i, d in enumerate(outs, start=1)}, loss


# %% [markdown]
# Equal to `jax.grad`, in double precision, on every parameter; and to a finite difference, which
# knows nothing of the chain rule.

# %%
w, x = initial(1), x_train[:50]
eps = generator.normal(size=(50, LATENTS))
by_hand, loss = gradients(w, x, eps)
before_0_8 = not hasattr(jax, "enable_x64")
enable_x64 = jax.experimental.enable_x64 if before_0_8 else jax.enable_x64
with enable_x64(True):
    by_jax = jax.grad(lambda w: forward(w, jnp.asarray(x), jnp.asarray(eps), jnp)[1])(
        jax.tree.map(jnp.asarray, w)
    )
    difference = {k: float(np.abs(by_hand[k] - np.asarray(by_jax[k])).max()) for k in w}
assert max(difference.values()) < 1e-6
moved = {k: v.copy() for k, v in w.items()}
moved["W2"][3, 2] += 1e-6  # a weight of the log-variance
finite = (forward(moved, x, eps)[1] - loss) / 1e-6
np.testing.assert_allclose(finite, by_hand["W2"][3, 2], rtol=1e-4)
pd.Series(difference, name="largest difference to jax.grad").to_frame().map("{:.1e}".format)

# %% [markdown]
# ## Training by hand, and by `fit`
#
# Adam by hand: running means of the gradient and of its square, both corrected for their start at 0
# (Kingma and Ba 2014).


# %%
def train_by_hand(seed):
    """Weights after EPOCHS epochs, and the loss of every epoch."""
    w, losses, t = initial(seed), [], 0
    first, second = ({k: np.zeros_like(v) for k, v in w.items()} for _ in range(2))
    draws = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        batches = draws.permutation(N).reshape(-1, BATCH)
        for rows in batches:
            g, loss = gradients(w, x_train[rows], draws.normal(size=(BATCH, LATENTS)))
            t += 1
            for k in w:
                first[k] = 0.9 * first[k] + 0.1 * g[k]
                second[k] = 0.999 * second[k] + 0.001 * g[k] ** 2
                size = np.sqrt(second[k] / (1 - 0.999**t)) + 1e-8
                w[k] -= RATE * first[k] / (1 - 0.9**t) / size
            losses.append(loss)
    return w, np.array(losses).reshape(EPOCHS, -1).mean(axis=1)


# %% [markdown]
# The same network as a Flax module, started from the same weights, and trained by the project's
# `fit`, with batches and noise of its own:


# %%
class Small(nnx.Module):
    """2 - 16 - (mean, log variance) and back, as written out above."""

    def __init__(self, w):
        sizes = [2, HIDDEN, 2 * LATENTS], [LATENTS, HIDDEN, 2]
        self.encoder, self.decoder = (
            perceptron(s, activation=nnx.tanh, rngs=nnx.Rngs(0)) for s in sizes
        )
        layers = [c.layers[i] for c in (self.encoder, self.decoder) for i in (0, 2)]
        for i, layer in enumerate(layers, start=1):
            layer.kernel[...] = jnp.asarray(w[f"W{i}"], jnp.float32)
            layer.bias[...] = jnp.asarray(w[f"b{i}"], jnp.float32)


def small_loss(model, x, key):
    """The loss above, for `fit`."""
    mean, log_variance = jnp.split(model.encoder(x), 2, axis=1)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
    error = ((x - model.decoder(z)) ** 2).sum(axis=1).mean() / (2 * C)
    kl = gaussian_kl(mean, log_variance).mean()
    return error + kl, {"loss": error + kl, "kl": kl}


# %%
by_hand, by_fit, trained = {}, {}, None
for seed in range(3):
    w, by_hand[seed] = train_by_hand(seed)
    trained = w if trained is None else trained
    history = fit(
        Small(initial(seed)), x_train, small_loss, epochs=EPOCHS, batch_size=BATCH,
        learning_rate=RATE, key=jax.random.key(seed),
    )  # fmt: skip
    by_fit[seed] = history["loss"].to_numpy()
last = max(1, EPOCHS // 10)
final = pd.DataFrame({name: {s: c[-last:].mean() for s, c in curves.items()}
                      for name, curves in (("by hand", by_hand), ("fit", by_fit))})  # fmt: skip
apart = float(np.abs(final["by hand"] - final["fit"]).max())
if FULL:
    assert apart < 0.1
final.rename_axis("seed").round(3)

# %%
fig = plotting.curves(
    {"by hand, seed 0": by_hand[0], "fit, seed 0": by_fit[0]},
    x_label="epoch",
    y_label="loss (nats per point)",
    log_x=True,
)
save_figure(fig, "06_training")

# %% [markdown]
# The two runs differ by the order of the batches, the noise and the precision, and end at the same
# loss.
#
# ## What it learned
#
# Left: held-out points, coloured by cluster, and where $z$ falls; right: reconstructions with $z$
# drawn, and draws from the model. **Predict:** the data have three separate hills. Which of their
# features can a continuous decoder with a Gaussian prior not have?

# %%
eps = generator.normal(size=(len(x_test), LATENTS))
layers, test_loss = forward(trained, x_test, eps)
prior = generator.normal(size=(len(x_test), LATENTS))
decoded = np.tanh(prior @ trained["W3"] + trained["b3"]) @ trained["W4"] + trained["b4"]
sampled = decoded + np.sqrt(C) * generator.normal(size=decoded.shape)
cluster = ((x_test[:, None] - CENTRES) ** 2).sum(axis=2).argmin(axis=1)
fig, axes = plt.subplots(1, 4, figsize=(8.5, 2.6))
panels = {"data": x_test, "latent space": layers["z"], "reconstructions": layers["x_hat"],
          "samples": sampled}  # fmt: skip
for ax, (title, points) in zip(axes, panels.items(), strict=True):
    colours = "0.4" if title == "samples" else np.array(plotting.SHAPE_COLOURS)[cluster[:1500]]
    ax.scatter(*points[:1500].T, s=2, c=colours)
    name = "z" if title == "latent space" else "x"
    ax.set(title=title, xlabel=f"${name}_1$", ylabel=f"${name}_2$")
save_figure(fig, "06_points")

# %% [markdown]
# *Samples* are draws from the model's $p(x)$: a decoded $z$ plus the likelihood's noise. Without that
# noise one sees the decoder's mean, not the model. Some fall between the clusters: a continuous
# decoder has to cross from one to the next.
#
# ## The learned density against the true one
#
# $p(x) = \int \mathcal N(x; D(z), cI)\,\mathcal N(z; 0, I)\,dz$ is an integral over a plane here, and
# a sum over a grid does it.

# %%
axis = np.linspace(-4.5, 4.5, 181)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
log_mass = norm.logpdf(grid).sum(axis=1)
log_mass -= logsumexp(log_mass)
centres = np.tanh(grid @ trained["W3"] + trained["b3"]) @ trained["W4"] + trained["b4"]


def log_model_density(x):
    """log p(x) of the model at points (n, 2), nats, by the grid over z; in pieces, for memory."""
    parts = []
    for some in np.array_split(x, max(1, len(x) // 200)):
        d = (some**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * some @ centres.T
        parts.append(logsumexp(log_mass - d / (2 * C), axis=1) - np.log(2 * np.pi * C))
    return np.concatenate(parts)


# %%
log_p = log_model_density(x_test)
divergence = float((log_true_density(x_test) - log_p).mean())
fitted = multivariate_normal(x_train.mean(axis=0), np.cov(x_train.T))
one_gaussian = float((log_true_density(x_test) - fitted.logpdf(x_test)).mean())
elbo = -(test_loss + np.log(2 * np.pi * C))
assert elbo < log_p.mean() < -entropy
gap = float(log_p.mean() - elbo)
display(
    Markdown(
        f"Held-out: ELBO {elbo:.3f}, log p(x) {log_p.mean():.3f}, true {-entropy:.3f} nats per point. So "
        f"KL(true ‖ learned) is **{divergence:.3f} nats** ({divergence / np.log(2):.3f} bits), and the ELBO is {gap:.3f} below the likelihood: the encoder's "
        f"Gaussian is not quite the posterior."
    )
)

# %%
side = np.linspace(-3.5, 3.5, 71)
where = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
maps = {
    name: np.exp(log_density(where)).reshape(71, 71)
    for name, log_density in (("true density", log_true_density), ("learned", log_model_density))
}
total = maps["learned"].sum() * (side[1] - side[0]) ** 2
np.testing.assert_allclose(total, 1, atol=0.05)
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), sharey=True)
for ax, (title, values) in zip(axes, maps.items(), strict=True):
    picture = ax.imshow(values, extent=(-3.5, 3.5, -3.5, 3.5), origin="lower", cmap="cividis",
                        vmin=0, vmax=maps["true density"].max())  # fmt: skip
    ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    ax.grid(False)
fig.colorbar(picture, ax=axes, label="density (per unit area)")
save_figure(fig, "06_density")

# %% [markdown]
# And this project's question: how many bits does the code keep? Over the training points, each
# equally likely, the account of notebook 04:

# %%
code, _ = forward(trained, x_train, np.zeros((N, LATENTS)))
audit = rate_audit(code["mean"], code["log_variance"], key=jax.random.key(9), draws=4)
assert abs(audit.direct_route - audit.mutual_information) < 0.05
assert audit.mutual_information < audit.kl
display(
    Markdown(
        f"KL {audit.kl:.2f} bits = I {audit.mutual_information:.2f} + granularity {audit.granularity:.2f} + excess dependence "
        f"{audit.excess_dependence:.2f} + negentropy {audit.negentropy.sum():.2f} + mismatch {audit.prior_mismatch.sum():.3f}. "
        f"Which of three clusters would be {np.log2(3):.2f} bits."
    )
)

# %% [markdown]
# ## Why through the sample?
#
# The gradient of $\mathbb E_{z\sim\mathcal N(\mu,\sigma^2)} f(z)$ by $\mu$ can be had in two ways, both
# unbiased:
#
# $$\underbrace{\mathbb E\, f'(\mu+\sigma\varepsilon)}_{\text{reparameterised}}
# \qquad\text{and}\qquad \underbrace{\mathbb E\, f(z)\,\frac{z-\mu}{\sigma^2}}_{\text{score function}} .$$
#
# Here $f(z) = \lVert x - \hat x(z)\rVert^2/2c$ is the reconstruction term of one point, at the trained weights.


# %%
def two_estimates(x, n, key):
    """n draws of both estimates of d E f / d mean for one point, (n, L) each."""
    mean, log_variance = (code[k][:1] for k in ("mean", "log_variance"))
    sigma = np.exp(log_variance / 2)
    z = mean + sigma * np.asarray(jax.random.normal(key, (n, LATENTS)))
    g = np.tanh(z @ trained["W3"] + trained["b3"])
    x_hat = g @ trained["W4"] + trained["b4"]
    f = ((x - x_hat) ** 2).sum(axis=1, keepdims=True) / (2 * C)
    through = (((x_hat - x) / C) @ trained["W4"].T * (1 - g**2)) @ trained["W3"].T
    return through, f * (z - mean) / sigma**2


# %%
through, score = two_estimates(x_train[:1], 200_000, jax.random.key(10))
standard_error = np.sqrt((through.var(axis=0) + score.var(axis=0)) / len(through))
assert (np.abs(through.mean(axis=0) - score.mean(axis=0)) < 5 * standard_error).all()
ratios = score.reshape(20, -1, LATENTS).var(axis=1) / through.reshape(20, -1, LATENTS).var(axis=1)
ratio, spread = float(ratios.mean()), float(ratios.mean(axis=1).std())
if FULL:
    assert ratio > 1
display(
    Markdown(
        f"The means, {through.mean(axis=0).round(3)} and {score.mean(axis=0).round(3)}, agree within five standard errors of their difference ({standard_error.round(3)}); "
        f"the score function's variance is **{ratio:.1f} ± {spread:.1f} times** as large (mean and standard deviation over 20 groups of 10,000 draws). It needs as many times the draws for the same precision."
    )
)

# %% [markdown]
# ## What we found

# %%
judged = {
    "manual backpropagation works": ("no check given", f"equal to jax.grad to {max(difference.values()):.0e}", "confirmed", "ours; the tutorial prints no code"),
    "KL in closed form": ("-½ Σ(1 + log σ² - μ² - σ²)", "equal to a grid's sum", "confirmed", "its σ²I should read diag(σ²)"),
    "the trick enables gradients": ("sampling is not differentiable otherwise", f"the score function gives one, with {ratio:.1f} ± {spread:.1f} times the variance, at one point", "in part", "it makes the gradient precise, not possible"),
    "new samples from the prior": ("by eye", f"KL(true ‖ learned) = {divergence:.2f} nats; of one fitted Gaussian {one_gaussian:.2f}", "in part" if divergence < one_gaussian else "refuted", "three hills, but lower, with bridges"),
}  # fmt: skip
claims = pd.DataFrame(judged, index=["source", "here", "verdict", "why"]).T
claims.rename(columns={"source": "the tutorial"})

# %%
numbers = record(
    "06_vae_by_hand",
    largest_gradient_difference=max(difference.values()),
    final_loss=final.to_dict(),
    true_entropy_nats=entropy,
    test_elbo_nats=elbo,
    test_log_likelihood_nats=log_p.mean(),
    density_divergence_nats=divergence,
    density_divergence_of_one_gaussian_nats=one_gaussian,
    kl_bits=audit.kl,
    mutual_information_bits=audit.mutual_information,
    score_function_variance_ratio=ratio,
    claims=claims.T.to_dict(),
)

# %%
display(
    Markdown(
        f"""
- The gradients on paper are right: no parameter's differs from `jax.grad` by more than {numbers["largest_gradient_difference"]}.
- The learned density is {numbers["density_divergence_nats"]} nats from the true one, and the ELBO another {gap:.3f} below the likelihood.
- The code keeps {numbers["mutual_information_bits"]} bits about the point, and pays {numbers["kl_bits"]} for them.
- Without the reparameterisation the same gradient has {ratio:.1f} ± {spread:.1f} times the variance, at one point.
"""
    )
)

# %% [markdown]
# ## Limits
#
# - Two latents for data in the plane compress nothing; they keep the account visible.
# - The variance ratio is that of one point at one set of weights; far from a minimum, and in more
#   dimensions, it is another.
# - $c$ is fixed and smaller than the clusters' own variance; learned, it would trade with the KL.
#
# ## Exercises
#
# Put your answer in place of the dots; `check` knows whether it is right, to half a per cent. The ways
# there are folded away below each question.
#
# **06.1** The KL above is that of $\mathcal N(0.7, 0.4^2)$ from $\mathcal N(-0.5, 1.3^2)$. How
# large is it the other way round, in nats?

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

# %% [markdown]
# **06.2** What is the derivative of the KL by the log-variance $\ell$ at $\mu = 0$, $\ell = 1$?

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

# %% [markdown]
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

# %% [markdown]
# Open ones, without a check:
#
# 1. Use one latent instead of two. What does the learned density look like, and what is its divergence?
# 2. Derive the gradient by $c$ and learn it. Where does it settle?
# 3. Subtract a baseline (the mean of $f$) from the score-function estimate. By how much does its
#    variance fall?
# 4. Break one line of `gradients` on purpose. Does the training still go down?
#
# ## References
#
# - *Autoencoders & Variational Autoencoders*, an unpublished tutorial: what it claims is quoted above.
# - D. Kingma and M. Welling, [Auto-encoding variational Bayes](https://arxiv.org/abs/1312.6114), 2013.
# - D. Kingma and J. Ba, [Adam](https://arxiv.org/abs/1412.6980), 2014.
# - S. Mohamed et al., [Monte Carlo gradient estimation in machine
#   learning](https://arxiv.org/abs/1906.10652), 2020.

# %%
packages = ("jax", "flax", "optax", "numpy", "scipy")
print(f"python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
