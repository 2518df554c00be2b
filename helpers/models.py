"""Encoders and decoders, and the two models made of them (Flax NNX).

    image (28, 28) -> encoder -> code z (L,) -> decoder -> image (28, 28)

Both models use the same multilayer perceptrons, so that a comparison between them is one of
principle and not of size. No key is stored in a module: what is random takes a key.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from .shapes import SIDE

ENCODER_WIDTHS = (256, 256)
DECODER_WIDTHS = (256, 512, 512)  # to draw a sharp edge takes more than to see where it is


def perceptron(sizes, *, activation=nnx.gelu, rngs: nnx.Rngs):
    """Linear layers of the given sizes with the activation between them (none after the last)."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nnx.Linear(n_in, n_out, rngs=rngs), activation]
    return nnx.Sequential(*layers[:-1])


def _uniform(fan_in):
    """PyTorch's default start, as the report's networks have it: U(-b, b) with b = fan_in^-1/2.

    Biases too: with biases of 0 the layers of a decoder of two latents all bend at z = 0.
    """

    def init(key, shape, dtype=jnp.float32):
        """As Flax calls it."""
        return jax.random.uniform(key, shape, dtype, -1, 1) / fan_in**0.5

    return {"kernel_init": init, "bias_init": init}


class _Kernel(nnx.Module):
    """Weights (3, 3, n_in, n_out) and a bias (n_out,), started as PyTorch does.

    The products below take the weights as (n_out, ...).T: so XLA forms their gradient without first
    copying its other factor, the largest array there is, into another order.
    """

    def __init__(self, n_in, n_out, *, fan_in=None, rngs: nnx.Rngs):
        start = _uniform(9 * (fan_in or n_in))
        self.kernel = nnx.Param(start["kernel_init"](rngs.params(), (3, 3, n_in, n_out)))
        self.bias = nnx.Param(start["bias_init"](rngs.params(), (n_out,)))


class Convolution(_Kernel):
    """3x3, padding 1: x (n, h, w, n_in) -> (n, ceil(h / stride), ceil(w / stride), n_out).

    As nine shifted slices and one matrix product: on a CPU, in a scan, XLA's own strided
    convolution is many times slower. Equal to lax.conv_general_dilated ("NHWC", "HWIO").
    """

    def __init__(self, n_in, n_out, *, stride=2, rngs: nnx.Rngs):
        super().__init__(n_in, n_out, rngs=rngs)
        self.stride = stride

    def __call__(self, x):
        (_, h, w, _), s = x.shape, self.stride
        *_, n_in, n_out = self.kernel.shape
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        # Slices of what is smaller: of x, or, where few channels come out, of its products.
        multiply_first = s**2 * n_out < n_in
        if multiply_first:
            x = x @ self.kernel[...].transpose(0, 1, 3, 2).reshape(-1, n_in).T
        taps = [x[:, i : i + h : s, j : j + w : s] for i in range(3) for j in range(3)]
        if multiply_first:
            taps = [tap[..., k * n_out : (k + 1) * n_out] for k, tap in enumerate(taps)]
            return sum(taps) + self.bias
        weights = self.kernel[...].transpose(3, 0, 1, 2).reshape(n_out, -1)
        return jnp.concatenate(taps, axis=3) @ weights.T + self.bias


class TransposedConvolution(_Kernel):
    """3x3, stride 2, padding 1: x (n, h, w, n_in) -> (n, 2h - 1 + extra, 2w - 1 + extra, n_out).

    The gradient of `Convolution`, as in PyTorch's ConvTranspose2d (extra: its output_padding, 0 or
    1). An even row 2m of the output sees row m of x through kernel row 1; an odd row 2m + 1 sees
    rows m and m + 1 through kernel rows 2 and 0. So are columns: four phases, interleaved.
    """

    def __init__(self, n_in, n_out, *, extra=1, rngs: nnx.Rngs):
        super().__init__(n_in, n_out, fan_in=n_out, rngs=rngs)  # as PyTorch counts it
        self.extra = extra

    def __call__(self, x):
        n, h, w, _ = x.shape
        kernel = self.kernel[...].transpose(0, 1, 3, 2)
        padded = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        seen = {0: ((0, 1),), 1: ((0, 2), (1, 0))}  # phase: (shift of x, row of the kernel)

        def phase(rows, columns):
            """The output pixels in these rows and columns of every 2 x 2 block."""
            taps = [(di, dj, kernel[i, j]) for di, i in seen[rows] for dj, j in seen[columns]]
            inputs = jnp.concatenate([padded[:, a : a + h, b : b + w] for a, b, _ in taps], axis=3)
            return inputs @ jnp.concatenate([weights for *_, weights in taps], axis=1).T

        rows = [jnp.stack([phase(i, 0), phase(i, 1)], axis=3) for i in (0, 1)]
        whole = jnp.stack(rows, axis=2).reshape(n, 2 * h, 2 * w, -1) + self.bias
        return whole[:, : 2 * h - 1 + self.extra, : 2 * w - 1 + self.extra]


def _logit_of_mean(images):
    mean = jnp.clip(jnp.asarray(images).mean(axis=0), 1e-3, 1 - 1e-3)
    return jnp.log(mean / (1 - mean)).ravel()


def _check_latent_size(latent_size):
    if latent_size < 1:
        raise ValueError(f"latent_size: expected at least 1, got {latent_size}")


class _Coder(nnx.Module):
    """What the two models share: the perceptrons and the way back from code to image."""

    outputs_per_latent = 1

    def __init__(
        self,
        latent_size,
        *,
        encoder_widths=ENCODER_WIDTHS,
        decoder_widths=DECODER_WIDTHS,
        images=None,
        activation=nnx.gelu,
        side=SIDE,
        rngs: nnx.Rngs,
    ):
        _check_latent_size(latent_size)
        self.latent_size, self.side = latent_size, side
        outputs = self.outputs_per_latent * latent_size
        look = {"activation": activation, "rngs": rngs}
        self.encoder = perceptron([side * side, *encoder_widths, outputs], **look)
        self.decoder = perceptron([latent_size, *decoder_widths, side * side], **look)
        if images is not None:
            # Start from the mean image: from the grey of a zero bias an MLP falls into all-black.
            self.decoder.layers[-1].bias[...] = _logit_of_mean(images)

    def decode_logits(self, z):
        """z (n, L) -> the logits of the image, (n, 28, 28); `decode` is their sigmoid."""
        return self.decoder(z).reshape(*z.shape[:-1], self.side, self.side)

    def decode(self, z):
        """z (n, L) -> images (n, 28, 28) in (0, 1)."""
        return nnx.sigmoid(self.decode_logits(z))


class Autoencoder(_Coder):
    """A deterministic code: x -> z = E(x) -> D(z).

    latent_size: L; encoder_widths, decoder_widths: of the hidden layers; images: the training
    images, whose mean the untrained decoder puts out (None: it puts out grey); activation: between
    the layers; side: of the canvas, where (28, 28) stands below. Raises ValueError for
    latent_size < 1.
    """

    def encode(self, x):
        """x (n, 28, 28) -> z (n, L)."""
        return self.encoder(x.reshape(len(x), -1))


class VariationalAutoencoder(_Coder):
    """A Gaussian code: q(z|x) = N(mean(x), diag(exp(log_variance(x)))), z ~ q(z|x), x ~ D(z).

    Arguments and errors as in `Autoencoder` (Kingma and Welling 2013, arXiv:1312.6114), and
    variance: "log" if the encoder puts out the logarithm of the variance, "softplus" if the
    variance is softplus of what it puts out, plus 1e-8. Raises ValueError for another.
    """

    outputs_per_latent = 2

    def __init__(self, latent_size, *, variance="log", **settings):
        _check_variance(variance)
        super().__init__(latent_size, **settings)
        self.variance = variance

    def encode(self, x):
        """x (n, 28, 28) -> mean (n, L), log_variance (n, L)."""
        mean, h = jnp.split(self.encoder(x.reshape(len(x), -1)), 2, axis=-1)
        return mean, h if self.variance == "log" else jnp.log(nnx.softplus(h) + 1e-8)

    def sample(self, mean, log_variance, key):
        """z = mean + exp(log_variance / 2) * eps with eps ~ N(0, I): the reparameterisation."""
        return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)


def _check_variance(variance):
    if variance not in ("log", "softplus"):
        raise ValueError(f'variance: expected "log" or "softplus", got {variance!r}')


def _as_pictures(x):
    return x.reshape(len(x), SIDE, SIDE, 1)


def _as_rows(x):
    return x.reshape(len(x), -1)


def _as_features(x):
    return x.reshape(len(x), 4, 4, 32)


class ConvolutionalVariationalAutoencoder(VariationalAutoencoder):
    """The CNN of the VAE report (S. Zhao 2023), a VAE with the same methods.

    Three strided convolutions, 32, 64 and 32 channels, to 4 x 4, and their mirror image, each with
    batch normalisation and ELU. `fit` normalises by batches and keeps running statistics;
    everywhere else these are used. latent_size, variance and errors as in
    `VariationalAutoencoder`.
    """

    def __init__(self, latent_size, *, variance="log", rngs: nnx.Rngs):
        _check_latent_size(latent_size)
        _check_variance(variance)
        self.latent_size, self.variance, self.side = latent_size, variance, SIDE

        def normalised(layer, features):
            """A layer with what follows it."""
            norm = nnx.BatchNorm(
                features, use_running_average=True, momentum=0.9, epsilon=1e-5, rngs=rngs
            )
            return [layer, norm, nnx.elu]

        self.encoder = nnx.Sequential(
            _as_pictures,
            *normalised(Convolution(1, 32, rngs=rngs), 32),
            *normalised(Convolution(32, 64, rngs=rngs), 64),
            *normalised(Convolution(64, 32, rngs=rngs), 32),
            _as_rows,
            nnx.Linear(512, 2 * latent_size, **_uniform(512), rngs=rngs),
        )
        self.decoder = nnx.Sequential(
            nnx.Linear(latent_size, 512, **_uniform(latent_size), rngs=rngs),
            _as_features,
            *normalised(TransposedConvolution(32, 64, extra=0, rngs=rngs), 64),
            *normalised(TransposedConvolution(64, 32, rngs=rngs), 32),
            *normalised(TransposedConvolution(32, 32, rngs=rngs), 32),
            Convolution(32, 1, stride=1, rngs=rngs),
        )
