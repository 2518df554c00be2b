"""Encoders and decoders, and the two models made of them (Flax NNX).

    image (28, 28) -> encoder -> code z (L,) -> decoder -> image (28, 28)

Both models use the same multilayer perceptrons, so that a comparison between them is one of
principle and not of size. No key is stored in a module: what is random takes a key.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from helpers.shapes import SIDE

ENCODER_WIDTHS = (256, 256)
DECODER_WIDTHS = (256, 512, 512)  # to draw a sharp edge takes more than to see where it is


def perceptron(sizes, *, rngs: nnx.Rngs):
    """Linear layers of the given sizes with GELU between them (none after the last)."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nnx.Linear(n_in, n_out, rngs=rngs), nnx.gelu]
    return nnx.Sequential(*layers[:-1])


def _logit_of_mean(images):
    mean = jnp.clip(jnp.asarray(images).mean(axis=0), 1e-3, 1 - 1e-3)
    return jnp.log(mean / (1 - mean)).ravel()


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
        rngs: nnx.Rngs,
    ):
        if latent_size < 1:
            raise ValueError(f"latent_size: expected at least 1, got {latent_size}")
        self.latent_size = latent_size
        outputs = self.outputs_per_latent * latent_size
        self.encoder = perceptron([SIDE * SIDE, *encoder_widths, outputs], rngs=rngs)
        self.decoder = perceptron([latent_size, *decoder_widths, SIDE * SIDE], rngs=rngs)
        if images is not None:
            # Start from the mean image: from the grey of a zero bias an MLP falls into all-black.
            self.decoder.layers[-1].bias[...] = _logit_of_mean(images)

    def decode_logits(self, z):
        """z (n, L) -> the logits of the image, (n, 28, 28); `decode` is their sigmoid."""
        return self.decoder(z).reshape(*z.shape[:-1], SIDE, SIDE)

    def decode(self, z):
        """z (n, L) -> images (n, 28, 28) in (0, 1)."""
        return nnx.sigmoid(self.decode_logits(z))


class Autoencoder(_Coder):
    """A deterministic code: x -> z = E(x) -> D(z).

    latent_size: L; encoder_widths, decoder_widths: of the hidden layers; images: the training
    images, whose mean the untrained decoder puts out (None: it puts out grey).
    Raises ValueError for latent_size < 1.
    """

    def encode(self, x):
        """x (n, 28, 28) -> z (n, L)."""
        return self.encoder(x.reshape(len(x), -1))


class VariationalAutoencoder(_Coder):
    """A Gaussian code: q(z|x) = N(mean(x), diag(exp(log_variance(x)))), z ~ q(z|x), x ~ D(z).

    Arguments and errors as in `Autoencoder` (Kingma and Welling 2013, arXiv:1312.6114).
    """

    outputs_per_latent = 2

    def encode(self, x):
        """x (n, 28, 28) -> mean (n, L), log_variance (n, L)."""
        return jnp.split(self.encoder(x.reshape(len(x), -1)), 2, axis=-1)

    def sample(self, mean, log_variance, key):
        """z = mean + exp(log_variance / 2) * eps with eps ~ N(0, I): the reparameterisation."""
        return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
