"""The two models: what they take and give, where they start, and that they hold no key."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from helpers.convolutions import Convolution, TransposedConvolution
from helpers.models import (
    Autoencoder,
    ConvolutionalVariationalAutoencoder,
    VariationalAutoencoder,
    perceptron,
)
from helpers.objectives import vae_loss
from helpers.training import fit

MODELS = [Autoencoder, VariationalAutoencoder]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, 28, 28), dtype=np.float32)


def small(Model, latent_size=2, *, seed=0, **settings):
    widths = {"encoder_widths": (8,), "decoder_widths": (8,)} | settings
    return Model(latent_size, **widths, rngs=nnx.Rngs(seed))


def parameters(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]


def test_a_perceptron_has_the_sizes_asked_for_and_ends_in_a_linear_layer():
    network = perceptron([784, 8, 2], rngs=nnx.Rngs(0))
    shapes = [layer.kernel.shape for layer in network.layers if isinstance(layer, nnx.Linear)]
    assert shapes == [(784, 8), (8, 2)]
    assert isinstance(network.layers[-1], nnx.Linear)


def test_a_perceptron_is_not_linear_between_its_layers():
    network = perceptron([2, 8, 784], rngs=nnx.Rngs(0))
    low, middle, high = network(jnp.array([[-2.0, 1.0], [0.0, 0.0], [2.0, -1.0]]))
    assert np.abs(low + high - 2 * middle).max() > 1e-3


def test_the_activation_is_the_one_asked_for():
    x = jnp.array([[1.0, -2.0], [0.5, 3.0]])
    by_name = {}
    for name, activation in (("gelu", nnx.gelu), ("elu", nnx.elu)):
        network = perceptron([2, 8, 3], activation=activation, rngs=nnx.Rngs(0))
        first, _, last = network.layers
        np.testing.assert_allclose(network(x), last(activation(first(x))), rtol=1e-5)
        by_name[name] = network(x)
    np.testing.assert_array_equal(perceptron([2, 8, 3], rngs=nnx.Rngs(0))(x), by_name["gelu"])
    assert not np.allclose(by_name["gelu"], by_name["elu"])


@pytest.mark.parametrize("Model", MODELS)
def test_models_take_an_activation_which_changes_no_initial_weight(Model, images):
    gelu, elu = small(Model), small(Model, activation=nnx.elu)
    for one, other in zip(parameters(gelu), parameters(elu), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.allclose(gelu.encode(images)[0], elu.encode(images)[0])
    assert not np.allclose(gelu.decode(jnp.ones((1, 2))), elu.decode(jnp.ones((1, 2))))


def test_a_perceptron_of_two_sizes_is_one_linear_map():
    network = perceptron([2, 8], rngs=nnx.Rngs(0))
    x = jnp.array([[1.0, -2.0]])
    expected = x @ network.layers[0].kernel[...] + network.layers[0].bias[...]
    np.testing.assert_allclose(network(x), expected, rtol=1e-6)


def test_an_autoencoder_maps_images_to_codes_and_codes_to_images(images):
    model = small(Autoencoder)
    z = model.encode(images)
    assert (z.shape, z.dtype) == ((20, 2), jnp.float32)
    assert (model.decode(z).shape, model.decode(z).dtype) == ((20, 28, 28), jnp.float32)


def test_a_vae_encodes_to_a_mean_and_a_log_variance(images):
    model = small(VariationalAutoencoder)
    mean, log_variance = model.encode(images)
    assert mean.shape == log_variance.shape == (20, 2)
    assert mean.dtype == log_variance.dtype == jnp.float32
    assert not np.allclose(mean, log_variance)
    assert model.decode(mean).shape == (20, 28, 28)


@pytest.mark.parametrize("Model", MODELS)
def test_hidden_layers_have_the_widths_asked_for(Model):
    model = small(Model, encoder_widths=(8, 8), decoder_widths=(8,))

    def widths(network):
        return [layer.kernel.shape for layer in network.layers if isinstance(layer, nnx.Linear)]

    outputs = 2 if Model is Autoencoder else 4
    assert widths(model.encoder) == [(784, 8), (8, 8), (8, outputs)]
    assert widths(model.decoder) == [(2, 8), (8, 784)]
    assert model.latent_size == 2


@pytest.mark.parametrize("Model", MODELS)
def test_decoded_pixels_lie_between_0_and_1_and_are_the_sigmoid_of_their_logits(Model):
    model = small(Model)
    z = jax.random.normal(jax.random.key(1), (50, 2))
    decoded, logits = model.decode(z), model.decode_logits(z)
    assert np.all((decoded > 0) & (decoded < 1))
    np.testing.assert_allclose(decoded, 1 / (1 + np.exp(-logits)), rtol=1e-4)
    assert decoded.std(axis=0).max() > 0.01  # different codes, different images


@pytest.mark.parametrize("Model", MODELS)
def test_an_untrained_decoder_starts_at_the_mean_image(Model, images):
    decoded = small(Model, images=images).decode(jnp.zeros((1, 2)))
    np.testing.assert_allclose(decoded[0], images.mean(axis=0), atol=2e-3)
    assert images.mean(axis=0).max() > 0.1


@pytest.mark.parametrize("Model", MODELS)
def test_an_untrained_decoder_starts_grey_without_images(Model):
    decoded = small(Model).decode(jnp.zeros((1, 2)))
    np.testing.assert_allclose(decoded, np.full((1, 28, 28), 0.5), atol=1e-6)


def test_pixels_that_are_never_or_always_on_start_with_finite_logits():
    images = np.zeros((4, 28, 28), np.float32)
    images[:, 10:] = 1
    model = small(Autoencoder, images=images)
    assert np.all(np.isfinite(model.decode_logits(jnp.zeros((1, 2)))))


@pytest.mark.parametrize("Model", MODELS)
def test_images_change_nothing_but_the_start_of_the_decoder(Model, images):
    grey, mean = (small(Model, images=i) for i in (None, images))
    different = [
        not np.array_equal(a, b) for a, b in zip(*map(parameters, (grey, mean)), strict=True)
    ]
    assert sum(different) == 1


@pytest.mark.parametrize("Model", MODELS)
def test_the_same_seed_gives_the_same_model_and_another_seed_another(Model):
    first, again, other = (parameters(small(Model, seed=s)) for s in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[-1], other[-1])


def test_a_sample_is_the_mean_plus_sigma_times_a_standard_normal():
    model = small(VariationalAutoencoder)
    key = jax.random.key(5)
    mean, log_variance = jax.random.normal(jax.random.key(6), (2, 4, 2))
    eps = jax.random.normal(jax.random.clone(key), (4, 2))
    expected = mean + jnp.exp(log_variance) ** 0.5 * eps
    np.testing.assert_allclose(
        model.sample(mean, log_variance, key), expected, rtol=1e-5, atol=1e-6
    )


def test_samples_have_the_mean_and_variance_asked_for():
    model = small(VariationalAutoencoder)
    mean, log_variance = jnp.array([1.0, -3.0]), jnp.array([-2.0, 1.0])
    n = 100_000
    z = model.sample(*(jnp.tile(a, (n, 1)) for a in (mean, log_variance)), jax.random.key(0))
    variance = np.exp(log_variance)
    assert np.all(np.abs(z.mean(axis=0) - mean) < 5 * np.sqrt(variance / n))
    np.testing.assert_allclose(z.var(axis=0), variance, rtol=5 * np.sqrt(2 / n))


@pytest.mark.parametrize("Model", MODELS)
def test_no_key_is_stored_in_a_model(Model):
    model = small(Model)
    leaves = jax.tree.leaves(nnx.state(model))
    assert not any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves)
    assert len(leaves) == len(parameters(model))  # nor a count of draws, nor anything else


@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.parametrize("latent_size", [0, -2, 1.5, None])
def test_a_code_of_no_numbers_is_refused(Model, latent_size):
    with pytest.raises(
        ValueError, match=f"latent_size: expected an integer >= 1, got {latent_size}"
    ):
        small(Model, latent_size)


@pytest.mark.parametrize("Model", MODELS)
def test_reconstruct_is_the_way_there_and_back_without_a_draw(Model, images):
    model = small(Model)
    code = model.encode(images)
    mean = code[0] if isinstance(code, tuple) else code
    np.testing.assert_array_equal(model.reconstruct(images), model.decode(mean))


@pytest.mark.parametrize("Model", MODELS)
def test_pictures_in_0_to_255_are_refused(Model, images):
    for wrong in (np.asarray(255 * images), np.asarray(255 * images).astype(np.uint8)):
        for method in (small(Model).encode, small(Model).reconstruct):
            with pytest.raises(ValueError, match=r"x: expected pixels in \[0, 1\], got .* up to"):
                method(wrong)


def strided(x, kernel, stride=2):
    """XLA's 3x3 convolution with padding 1."""
    layout = ("NHWC", "HWIO", "NHWC")
    padding = ((1, 1), (1, 1))
    return jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, padding, dimension_numbers=layout)


def transposed(x, kernel, side):
    """The gradient of the strided convolution from (side, side): PyTorch's ConvTranspose2d."""
    back = kernel.swapaxes(2, 3)
    pictures = jnp.zeros((len(x), side, side, kernel.shape[3]))
    return jax.vjp(lambda y: strided(y, back), pictures)[1](x)[0]


def assert_same_with_gradients(layer, reference, x):
    """Outputs, and gradients by x, kernel and bias, of a layer, of its form for other backends than
    a CPU, and of a function of (x, kernel). Each is compiled as one program."""
    weights = jax.random.normal(jax.random.key(7), jax.eval_shape(layer, x).shape)
    graphdef, state = nnx.split(layer)

    def ours(x, kernel, bias):
        pure = nnx.to_pure_dict(state) | {"kernel": kernel, "bias": bias}
        nnx.replace_by_pure_dict(state, pure)
        return nnx.merge(graphdef, state)(x)

    def theirs(x, kernel, bias):
        return reference(x, kernel) + bias

    def with_gradients(function):
        def total(*arguments):
            y = function(*arguments)
            return (y * weights).sum(), y

        both = jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True)
        (_, y), gradients = jax.jit(both)(x, layer.kernel[...], layer.bias[...])
        return y, gradients

    y, gradients = with_gradients(ours)
    for other in (layer.by_xla, theirs):
        expected, slopes = with_gradients(other)
        np.testing.assert_allclose(y, expected, atol=2e-5)
        for one, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(one, slope, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("side", "n_in", "n_out", "stride"),
    [(28, 1, 32, 2), (14, 32, 64, 2), (7, 64, 32, 2), (28, 32, 1, 1), (5, 9, 1, 2), (6, 3, 4, 1)],
)
def test_a_convolution_is_that_of_xla(side, n_in, n_out, stride):
    layer = Convolution(n_in, n_out, stride=stride, rngs=nnx.Rngs(1))
    x = jax.random.normal(jax.random.key(0), (3, side, side, n_in))
    assert jax.eval_shape(layer, x).shape == (3, -(-side // stride), -(-side // stride), n_out)
    assert_same_with_gradients(layer, lambda x, kernel: strided(x, kernel, stride), x)


@pytest.mark.parametrize(
    ("side", "n_in", "n_out", "extra"),
    [(4, 32, 64, 0), (7, 64, 32, 1), (14, 32, 32, 1), (1, 2, 3, 0), (3, 5, 2, 1)],
)
def test_a_transposed_convolution_is_the_gradient_of_one(side, n_in, n_out, extra):
    layer = TransposedConvolution(n_in, n_out, extra=extra, rngs=nnx.Rngs(1))
    x = jax.random.normal(jax.random.key(0), (3, side, side, n_in))
    out = 2 * side - 1 + extra
    assert jax.eval_shape(layer, x).shape == (3, out, out, n_out)
    assert_same_with_gradients(layer, lambda x, kernel: transposed(x, kernel, out), x)


@pytest.mark.parametrize("variance", ["log", "softplus"])
def test_a_convolutional_vae_is_a_vae(images, variance):
    model = ConvolutionalVariationalAutoencoder(3, variance=variance, rngs=nnx.Rngs(0))
    mean, log_variance = model.encode(images)
    assert mean.shape == log_variance.shape == (len(images), 3)
    x_hat = model.decode(model.sample(mean, log_variance, jax.random.key(0)))
    assert x_hat.shape == images.shape
    assert float(x_hat.min()) > 0
    assert float(x_hat.max()) < 1


def test_fit_keeps_running_statistics_and_everything_else_uses_them(images):
    model = ConvolutionalVariationalAutoencoder(2, rngs=nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    settings = {"batch_size": 4, "learning_rate": 1e-3, "key": jax.random.key(0)}
    fit(model, images, vae_loss, epochs=2, test_data=1 - images, optimizer=optax.sgd, **settings)
    kept = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    for a, b in zip(*map(jax.tree.leaves, (kept, before)), strict=True):
        assert np.abs(a - b).max() > 0
    alone = model.encode(images[:1])[0]
    np.testing.assert_allclose(alone, model.encode(images)[0][:1], rtol=1e-3, atol=1e-4)
    after = nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(a, b)  # looking changes nothing


def test_softplus_variance_stays_positive_and_differentiable(images):
    model = VariationalAutoencoder(2, variance="softplus", rngs=nnx.Rngs(0))
    model.encoder.layers[-1].bias[...] = jnp.array([0.0, 0.0, -200.0, 200.0])
    _, log_variance = model.encode(images)
    np.testing.assert_allclose(log_variance[:, 0], np.log(1e-8), rtol=1e-4)
    np.testing.assert_allclose(log_variance[:, 1], np.log(200), rtol=1e-2)
    gradients = nnx.grad(lambda m: m.encode(images)[1].sum())(model)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def test_softplus_variance_is_that_of_the_formula_with_finite_slopes():
    h = np.array([-1e4, -200.0, -88.0, -40.0, -18.4, -3.0, 0.0, 3.0, 50.0, 1e4])
    expected = np.log(np.logaddexp(h, 0) + 1e-8)
    model = VariationalAutoencoder(1, variance="softplus", encoder_widths=(), rngs=nnx.Rngs(0))
    model.encoder.layers[-1].kernel[...] = jnp.zeros((784, 2)).at[0, 1].set(1.0)

    def log_variance(h):  # the encoder hands the first pixel through
        return model.encode(jnp.zeros((1, 28, 28)).at[0, 0, 0].set(h))[1][0, 0]

    found, slopes = jax.vmap(jax.value_and_grad(log_variance))(jnp.asarray(h, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    slope = np.exp(-np.logaddexp(-h, 0)) / (np.logaddexp(h, 0) + 1e-8)
    np.testing.assert_allclose(slopes, slope, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("Model", [VariationalAutoencoder, ConvolutionalVariationalAutoencoder])
def test_another_variance_is_refused(Model):
    with pytest.raises(ValueError, match=r"variance: expected .* got 'exp'"):
        Model(2, variance="exp", rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="latent_size"):
        Model(0, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (Convolution(8, 64, rngs=nnx.Rngs(0)), 8 * 9),
        (TransposedConvolution(64, 8, rngs=nnx.Rngs(0)), 8 * 9),
    ],
)
def test_weights_and_biases_of_a_convolution_start_as_pytorch_starts_them(layer, fan_in):
    kernel, bias = np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])
    bound = fan_in**-0.5
    assert max(abs(kernel).max(), abs(bias).max()) <= bound
    assert kernel.std() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert len(set(bias.tolist())) == len(bias)
