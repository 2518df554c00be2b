"""Encoders and decoders, and the models made of them (Flax NNX).

    image (28, 28) -> encoder -> code z (L,) -> decoder -> image (28, 28)

Both models use the same networks, so that a comparison between them is one of principle and not of
size. No key is stored in a module: what is random takes a key.
"""

from functools import cache, partial, wraps

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from .checks import check_count, check_pixels
from .convolutions import Convolution, TransposedConvolution, pytorch_start
from .layers import Codes, OuterProducts, lecun_normal, perceptron, scale
from .shapes import SIDE

ENCODER_WIDTHS = (256, 256)
DECODER_WIDTHS = (128, 128, 128, 256)  # to draw a sharp edge takes more than to see where it is
RANK = 8  # outer products that a decoder's logits are the sum of
SMALL_CODES = 0.1  # of the encoder's last weights: all codes start near 0 and spread as they must
MOST_LOG_VARIANCE = 10.0  # a bounded log variance stays within it, nats
TAKES_IMAGES = ("encode", "codes", "reconstruct")  # the models' methods that take x

Images = Float[Array, "n side side"]


def _logit_of_mean(images):
    mean = jnp.clip(jnp.asarray(images).mean(axis=0), 1e-3, 1 - 1e-3)
    return jnp.log(mean / (1 - mean))


@cache
def _program(method):
    @partial(jax.jit, static_argnames="graph")
    def run(graph, state, *arguments, **named):
        return method(nnx.merge(graph, state), *arguments, **named)

    return run


def _compiled(method):
    """Outside a trace the method runs as one program and gives NumPy arrays: loose operations would
    each be compiled by themselves, again at every new shape. Inside a trace it is itself."""

    @wraps(method)
    def call(model, *arguments, **named):
        if method.__name__ in TAKES_IMAGES:  # under the jit no pixel could be looked at
            check_pixels("x", *arguments, *named.values())
        graph, state = nnx.split(model)
        leaves = jax.tree.leaves((state, arguments, named))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return method(model, *arguments, **named)
        return jax.device_get(_program(method)(graph, state, *arguments, **named))

    return call


class _EncoderDecoder(nnx.Module):
    """What the models share: two networks, and the way back from code to image."""

    outputs_per_latent = 1

    def __init__(
        self,
        latent_size,
        *,
        encoder_widths=ENCODER_WIDTHS,
        decoder_widths=DECODER_WIDTHS,
        rank=RANK,
        images=None,
        activation=nnx.gelu,
        side=SIDE,
        rngs: nnx.Rngs,
    ):
        check_count("latent_size", latent_size)
        self.latent_size, self.side = latent_size, side
        outputs = self.outputs_per_latent * latent_size
        look = {"activation": activation, "rngs": rngs}
        if rank is not None:  # what is trained by the dozen starts by a program that all share
            look["kernel_init"] = lecun_normal
        self.encoder = perceptron([side * side, *encoder_widths, outputs], **look)
        if rank is None:
            self.decoder = perceptron([latent_size, *decoder_widths, side * side], **look)
        else:
            self.decoder = OuterProducts(latent_size, decoder_widths, rank, side=side, **look)
            scale(self.encoder.layers[-1].kernel, SMALL_CODES)
        if images is not None:
            check_pixels("images", images)
            # Start from the mean image: from the grey of a zero bias an MLP falls into all-black.
            bias = self.decoder.bias if rank else self.decoder.layers[-1].bias
            bias[...] = _logit_of_mean(images).reshape(bias.shape)

    @_compiled
    def decode_logits(self, z: Codes) -> Images:
        """The logits of the images; `decode` is their sigmoid."""
        return self.decoder(z).reshape(*z.shape[:-1], self.side, self.side)

    @_compiled
    def decode(self, z: Codes) -> Images:
        """The images of these codes, pixels in (0, 1)."""
        return nnx.sigmoid(self.decoder(z)).reshape(*z.shape[:-1], self.side, self.side)

    @_compiled
    def reconstruct(self, x: Float[ArrayLike, "n side side"]) -> Images:
        """D(code of x); of a VAE D(mean(x)): no draw of q(z|x), so its error belongs to no channel
        of the code's rate."""
        return self.decode(self.codes(x))


class Autoencoder(_EncoderDecoder):
    """A deterministic code: x -> z = E(x) -> D(z).

    Args:
        latent_size: L.
        encoder_widths, decoder_widths: of the hidden layers.
        rank: of the decoder's logits (`OuterProducts`); None: a perceptron puts out every pixel.
        images: training images, whose mean the untrained decoder puts out; None: grey.
        activation: between the layers.
        side: of the canvas.
        rngs: for the first weights.

    Raises:
        ValueError: for a latent_size that is no integer >= 1, and images with pixels in 0..255;
            `encode` and `reconstruct` for such images too.
    """

    @_compiled
    def encode(self, x: Float[ArrayLike, "n side side"]) -> Codes:
        """The codes of images."""
        return self.encoder(x.reshape(len(x), -1))

    @_compiled
    def codes(self, x: Float[ArrayLike, "n side side"]) -> Codes:
        """The codes of images once more: what an AE and a VAE both have under this name."""
        return self.encode(x)


LOG_VARIANCES = {
    "bounded": lambda h: MOST_LOG_VARIANCE * jnp.tanh(h / MOST_LOG_VARIANCE),
    "log": lambda h: h,
    "softplus": lambda h: jnp.log(nnx.softplus(h) + 1e-8),
}


def _check_variance(variance):
    if variance not in LOG_VARIANCES:
        names = ", ".join(f'"{name}"' for name in LOG_VARIANCES)
        raise ValueError(f"variance: expected one of {names}, got {variance!r}")


class VariationalAutoencoder(_EncoderDecoder):
    """A Gaussian code: q(z|x) = N(mean(x), diag(exp(log_variance(x)))), z ~ q(z|x), x ~ D(z).

    (Kingma and Welling 2013, arXiv:1312.6114.)

    Args:
        latent_size, **settings: as in `Autoencoder`.
        variance: of what the encoder puts out, h. "bounded": log variance = 10 tanh(h / 10), about
            h where it matters, so that a step too long cannot send it to infinity; "log": h itself;
            "softplus": variance = softplus(h) + 1e-8.

    Raises:
        ValueError: as in `Autoencoder`, and for another `variance`.
    """

    outputs_per_latent = 2

    def __init__(self, latent_size: int, *, variance: str = "bounded", **settings):
        _check_variance(variance)
        super().__init__(latent_size, **settings)
        self.variance = variance

    @_compiled
    def encode(self, x: Float[ArrayLike, "n side side"]) -> tuple[Codes, Codes]:
        """Mean and log variance (nats) of q(z|x)."""
        mean, h = jnp.split(self.encoder(x.reshape(len(x), -1)), 2, axis=-1)
        return mean, LOG_VARIANCES[self.variance](h)

    @_compiled
    def sample(self, mean: Codes, log_variance: Codes, key: PRNGKeyArray) -> Codes:
        """z = mean + exp(log_variance / 2) * eps with eps ~ N(0, I): the reparameterisation."""
        return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)

    @_compiled
    def codes(self, x: Float[ArrayLike, "n side side"]) -> Codes:
        """The means of the posteriors of images."""
        return self.encode(x)[0]


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
