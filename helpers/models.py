"""Encoders and decoders, and the models made of them (Flax NNX).

    image (28, 28) -> encoder -> code z (L,) -> decoder -> image (28, 28)

Both models use the same multilayer perceptrons, so that a comparison between them is one of
principle and not of size. No key is stored in a module: what is random takes a key.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from .checks import check_count, check_pixels
from .convolutions import Convolution, TransposedConvolution, pytorch_start
from .shapes import SIDE

ENCODER_WIDTHS = (256, 256)
DECODER_WIDTHS = (256, 512, 512)  # to draw a sharp edge takes more than to see where it is

Codes = Float[Array, "n L"]
Images = Float[Array, "n side side"]


def perceptron(
    sizes: Sequence[int], *, activation: Callable = nnx.gelu, rngs: nnx.Rngs
) -> nnx.Sequential:
    """Linear layers of the given sizes with the activation between them (none after the last)."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nnx.Linear(n_in, n_out, rngs=rngs), activation]
    return nnx.Sequential(*layers[:-1])


def _logit_of_mean(images):
    mean = jnp.clip(jnp.asarray(images).mean(axis=0), 1e-3, 1 - 1e-3)
    return jnp.log(mean / (1 - mean)).ravel()


class _EncoderDecoder(nnx.Module):
    """What the models share: two perceptrons, and the way back from code to image."""

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
        check_count("latent_size", latent_size)
        self.latent_size, self.side = latent_size, side
        outputs = self.outputs_per_latent * latent_size
        look = {"activation": activation, "rngs": rngs}
        self.encoder = perceptron([side * side, *encoder_widths, outputs], **look)
        self.decoder = perceptron([latent_size, *decoder_widths, side * side], **look)
        if images is not None:
            check_pixels("images", images)
            # Start from the mean image: from the grey of a zero bias an MLP falls into all-black.
            self.decoder.layers[-1].bias[...] = _logit_of_mean(images)

    def _encoder_outputs(self, x):
        check_pixels("x", x)
        return self.encoder(x.reshape(len(x), -1))

    def decode_logits(self, z: Codes) -> Images:
        """The logits of the images; `decode` is their sigmoid."""
        return self.decoder(z).reshape(*z.shape[:-1], self.side, self.side)

    def decode(self, z: Codes) -> Images:
        """The images of these codes, pixels in (0, 1)."""
        return nnx.sigmoid(self.decode_logits(z))


class Autoencoder(_EncoderDecoder):
    """A deterministic code: x -> z = E(x) -> D(z).

    Args:
        latent_size: L.
        encoder_widths, decoder_widths: of the hidden layers.
        images: the training images, whose mean the untrained decoder puts out; None: grey.
        activation: between the layers.
        side: of the canvas.
        rngs: for the first weights.

    Raises:
        ValueError: for a latent_size that is no integer >= 1, and images with pixels in 0..255;
            `encode` and `reconstruct` for such images too.
    """

    def encode(self, x: Float[ArrayLike, "n side side"]) -> Codes:
        """The codes of images."""
        return self._encoder_outputs(x)

    def reconstruct(self, x: Float[ArrayLike, "n side side"]) -> Images:
        """D(E(x))."""
        return self.decode(self.encode(x))


class VariationalAutoencoder(_EncoderDecoder):
    """A Gaussian code: q(z|x) = N(mean(x), diag(exp(log_variance(x)))), z ~ q(z|x), x ~ D(z).

    (Kingma and Welling 2013, arXiv:1312.6114.)

    Args:
        latent_size, **settings: as in `Autoencoder`.
        variance: "log" if the encoder puts out the logarithm of the variance, "softplus" if the
            variance is softplus of what it puts out, plus 1e-8.

    Raises:
        ValueError: as in `Autoencoder`, and for another `variance`.
    """

    outputs_per_latent = 2

    def __init__(self, latent_size: int, *, variance: str = "log", **settings):
        _check_variance(variance)
        super().__init__(latent_size, **settings)
        self.variance = variance

    def encode(self, x: Float[ArrayLike, "n side side"]) -> tuple[Codes, Codes]:
        """Mean and log variance (nats) of q(z|x)."""
        mean, h = jnp.split(self._encoder_outputs(x), 2, axis=-1)
        return mean, h if self.variance == "log" else jnp.log(nnx.softplus(h) + 1e-8)

    def sample(self, mean: Codes, log_variance: Codes, key: PRNGKeyArray) -> Codes:
        """z = mean + exp(log_variance / 2) * eps with eps ~ N(0, I): the reparameterisation."""
        return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)

    def reconstruct(self, x: Float[ArrayLike, "n side side"]) -> Images:
        """D(mean(x)): no draw of q(z|x), so its error belongs to no channel of the code's rate."""
        return self.decode(self.encode(x)[0])


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
    everywhere else these are used.

    Args:
        latent_size, variance, rngs: as in `VariationalAutoencoder`.

    Raises:
        ValueError: as in `VariationalAutoencoder`.
    """

    def __init__(self, latent_size: int, *, variance: str = "log", rngs: nnx.Rngs):
        check_count("latent_size", latent_size)
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
            nnx.Linear(512, 2 * latent_size, **pytorch_start(512), rngs=rngs),
        )
        self.decoder = nnx.Sequential(
            nnx.Linear(latent_size, 512, **pytorch_start(latent_size), rngs=rngs),
            _as_features,
            *normalised(TransposedConvolution(32, 64, extra=0, rngs=rngs), 64),
            *normalised(TransposedConvolution(64, 32, rngs=rngs), 32),
            *normalised(TransposedConvolution(32, 32, rngs=rngs), 32),
            Convolution(32, 1, stride=1, rngs=rngs),
        )
