"""The models: what they take and give, where they start, what is compiled; they hold no key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import kstest, truncnorm
from small import COMPILED, SMALL, assert_equal_weights, settings
from small import weights as all_weights

from helpers.convolutions import Convolution, TransposedConvolution
from helpers.layers import OuterProducts, lecun_normal, perceptron
from helpers.models import (
    RANK,
    Autoencoder,
    ConvolutionalVariationalAutoencoder,
    VariationalAutoencoder,
)
from helpers.objectives import vae_loss
from helpers.shapes import random_shapes
from helpers.training import fit

MODELS = [Autoencoder, VariationalAutoencoder]
TRAINED = settings(epochs=2, batch_size=4)
DECODERS = pytest.mark.parametrize("rank", [3, None], ids=["outer products", "perceptron"])


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((20, 28, 28), dtype=np.float32)


def small(Model, latent_size=2, *, seed=0, **settings):
    return Model(latent_size, **SMALL | settings, rngs=nnx.Rngs(seed))


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
    assert widths(model.decoder.profiles) == [(2, 8), (8, 2 * RANK * 28)]
    assert model.latent_size == 2


# The decoders


def in_float64(network, x):
    """What a perceptron of linear layers and gelu puts out, in NumPy."""
    x = np.asarray(x, float)
    for layer in network.layers:
        if isinstance(layer, nnx.Linear):
            x = x @ np.asarray(layer.kernel[...], float) + np.asarray(layer.bias[...], float)
        else:
            assert layer is nnx.gelu
            x = x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return x


def sum_of_outer_products(decoder, z, rank, side):
    """The logits of an `OuterProducts` for one code, (side, side), in NumPy."""
    profiles = in_float64(decoder.profiles, z)
    rows, columns = (part.reshape(rank, side) for part in np.split(profiles, 2))
    return sum(map(np.outer, rows, columns)) + np.asarray(decoder.bias[...], float)


@pytest.mark.parametrize(("rank", "side"), [(8, 28), (3, 32), (1, 20)])
def test_logits_are_a_sum_of_outer_products_and_a_bias(rank, side):
    decoder = OuterProducts(4, (8,), rank, side=side, rngs=nnx.Rngs(0))
    numbers = np.random.default_rng(0)
    last = decoder.profiles.layers[-1]
    last.bias[...] = numbers.normal(size=last.bias.shape)
    decoder.bias[...] = numbers.normal(size=(side, side))
    z = numbers.normal(size=(2, 3, 4)).astype(np.float32)
    logits = np.asarray(decoder(z)).reshape(2, 3, side, side)
    for n in np.ndindex(2, 3):
        expected = sum_of_outer_products(decoder, z[n], rank, side)
        np.testing.assert_allclose(logits[n], expected, rtol=1e-4, atol=1e-4)
        alone = decoder(z[n]).reshape(side, side)
        np.testing.assert_allclose(alone, expected, rtol=1e-4, atol=1e-4)
        singular = np.linalg.svd(logits[n] - decoder.bias[...], compute_uv=False)
        assert singular[rank - 1] > 1 > 1e4 * singular[rank], f"a picture of rank {rank}"


@pytest.mark.parametrize("Model", MODELS)
def test_a_model_has_the_side_and_the_rank_asked_for(Model):
    model = small(Model, side=20, rank=3)
    images = np.random.default_rng(0).random((5, 20, 20), np.float32)
    z = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    assert model.reconstruct(images).shape == (5, 20, 20)
    expected = [sum_of_outer_products(model.decoder, each, 3, 20) for each in z]
    np.testing.assert_allclose(model.decode_logits(z), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rank", [0, -1, 2.5, "8", True])
def test_another_rank_is_refused(rank):
    with pytest.raises(ValueError, match=f"^rank: expected an integer >= 1, got {rank!r}"):
        small(Autoencoder, rank=rank)


@pytest.mark.parametrize("Model", MODELS)
def test_without_a_rank_a_perceptron_as_flax_starts_it_puts_out_every_pixel(Model):
    model, rngs = small(Model, rank=None), nnx.Rngs(0)
    outputs = 2 if Model is Autoencoder else 4
    for network, sizes in ((model.encoder, [784, 8, outputs]), (model.decoder, [2, 8, 784])):
        assert_equal_weights(network, perceptron(sizes, rngs=rngs))
    z = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    expected = in_float64(model.decoder, z).reshape(5, 28, 28)
    np.testing.assert_allclose(model.decode_logits(z), expected, rtol=1e-4, atol=1e-5)


@DECODERS
@pytest.mark.parametrize("Model", MODELS)
def test_decoded_pixels_lie_between_0_and_1_and_are_the_sigmoid_of_their_logits(Model, rank):
    model = small(Model, rank=rank)
    z = jax.random.normal(jax.random.key(1), (50, 2))
    decoded, logits = model.decode(z), model.decode_logits(z)
    assert np.all((decoded > 0) & (decoded < 1))
    np.testing.assert_allclose(decoded, 1 / (1 + np.exp(-logits)), rtol=1e-4)
    assert decoded.std(axis=0).max() > 0.01  # different codes, different images


# The start


@DECODERS
@pytest.mark.parametrize("Model", MODELS)
def test_an_untrained_decoder_starts_at_the_mean_image(Model, rank, images):
    decoded = small(Model, rank=rank, images=images).decode(np.zeros((1, 2)))
    np.testing.assert_allclose(decoded[0], images.mean(axis=0), atol=2e-3)
    assert images.mean(axis=0).max() > 0.1


@pytest.mark.parametrize("Model", MODELS)
def test_all_codes_start_near_0_and_all_draws_near_the_mean_image(Model):
    images, _ = random_shapes(jax.random.key(0), 200)
    model = Model(4, images=images, rngs=nnx.Rngs(0))
    for codes in jax.tree.leaves(model.encode(images)):
        assert 1e-3 < np.abs(codes).max() < 0.1
    z = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    off = model.decode(z) - images.mean(axis=0)
    assert 1e-5 < np.sqrt((off**2).mean()) < 3e-3  # 0.01 where the products start ten times larger


def test_first_weights_are_a_cut_normal_of_variance_1_over_n_in():
    n_in, n_out = 300, 500  # three times what is drawn at a time
    weights = np.asarray(lecun_normal(jax.random.key(0), (n_in, n_out)))
    assert (weights.shape, weights.dtype) == ((n_in, n_out), np.float32)
    drawn = np.sqrt(n_in) * weights.ravel()
    n = len(drawn)
    assert abs(drawn.mean()) < 4 / np.sqrt(n)
    assert drawn.std() == pytest.approx(1, abs=4 / np.sqrt(2 * n))
    uncut = 1 / truncnorm(-2, 2).std()
    assert 1.999 * uncut < np.abs(drawn).max() < 2.001 * uncut
    assert kstest(drawn, truncnorm(-2, 2, scale=uncut).cdf).pvalue > 0.01
    assert len(np.unique(drawn)) > 0.95 * n, "no draw is used twice"
    assert not np.allclose(weights, lecun_normal(jax.random.key(1), (n_in, n_out)))
    np.testing.assert_array_equal(weights, lecun_normal(jax.random.key(0), (n_in, n_out)))
    assert lecun_normal(jax.random.key(0), (3, 2), jnp.bfloat16).dtype == jnp.bfloat16


def test_first_weights_of_every_shape_come_from_one_program():
    key = jax.random.key(0)
    lecun_normal(key, (2, 3))
    before = len(COMPILED)
    for shape in [(784, 256), (256, 8), (4, 128), (400, 400)]:
        lecun_normal(key, shape)
    assert COMPILED[before:] == []


def test_with_a_rank_all_first_weights_are_those():
    model, rngs = small(Autoencoder), nnx.Rngs(0)
    for network, sizes in (
        (model.encoder, [784, 8, 2]),
        (model.decoder.profiles, [2, 8, 2 * RANK * 28]),
    ):
        expected = perceptron(sizes, kernel_init=lecun_normal, rngs=rngs)
        np.testing.assert_array_equal(network.layers[0].kernel[...], expected.layers[0].kernel[...])


@DECODERS
def test_a_model_may_be_made_inside_a_trace(rank, images):
    def make():
        return small(VariationalAutoencoder, rank=rank, images=images)

    made = make()
    assert_equal_weights(nnx.jit(make)(), made, rtol=1e-5, atol=1e-6)
    shapes = [leaf.shape for leaf in jax.tree.leaves(nnx.state(nnx.eval_shape(make)))]
    assert shapes == [leaf.shape for leaf in all_weights(made)]


@DECODERS
@pytest.mark.parametrize("Model", MODELS)
def test_an_untrained_decoder_starts_grey_without_images(Model, rank):
    decoded = small(Model, rank=rank).decode(jnp.zeros((1, 2)))
    np.testing.assert_allclose(decoded, np.full((1, 28, 28), 0.5), atol=1e-6)


def test_pixels_that_are_never_or_always_on_start_with_finite_logits():
    images = np.zeros((4, 28, 28), np.float32)
    images[:, 10:] = 1
    model = small(Autoencoder, images=images)
    assert np.all(np.isfinite(model.decode_logits(jnp.zeros((1, 2)))))


@DECODERS
@pytest.mark.parametrize("Model", MODELS)
def test_images_change_nothing_but_the_start_of_the_decoder(Model, rank, images):
    grey, mean = (small(Model, rank=rank, images=i) for i in (None, images))
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
    x_hat = model.decode(model.codes(images))
    np.testing.assert_allclose(model.reconstruct(images), x_hat, rtol=1e-5)


@pytest.mark.parametrize("Model", MODELS)
def test_pictures_in_0_to_255_are_refused(Model, images):
    for wrong in (np.asarray(255 * images), np.asarray(255 * images).astype(np.uint8)):
        for method in (small(Model).encode, small(Model).codes, small(Model).reconstruct):
            with pytest.raises(ValueError, match=r"x: expected pixels in \[0, 1\], got .* up to"):
                method(wrong)


# Methods as programs


@pytest.fixture(scope="module")
def z():
    return np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)


def results(model, images, z):
    """Of all methods, but for `sample`."""
    return {
        "encode": model.encode(images),
        "codes": model.codes(images),
        "reconstruct": model.reconstruct(images),
        "decode": model.decode(z),
        "decode_logits": model.decode_logits(z),
    }


def first(tree):
    return jax.tree.map(lambda a: a[0], tree)


INSIDE = {
    "jit": lambda model, *given: jax.jit(lambda *given: results(model, *given))(*given),
    "a jit that takes the model": lambda *given: nnx.jit(results)(*given),
    "a jit that takes neither": lambda model, *given: jax.jit(
        lambda one: jax.tree.map(lambda a: one * a, results(model, *given))
    )(1.0),
    "vmap": lambda model, *given: jax.vmap(
        lambda x, z: first(results(model, x[None], z[None]))
    )(*given),
    "scan": lambda model, *given: jax.lax.scan(
        lambda _, row: (None, first(results(model, row[0][None], row[1][None]))), None, given
    )[1],
}  # fmt: skip


@pytest.mark.parametrize("way", INSIDE)
@DECODERS
@pytest.mark.parametrize("Model", MODELS)
def test_methods_give_numpy_outside_a_trace_and_the_same_inside(Model, rank, way, images, z):
    model = small(Model, rank=rank)
    outside, inside = results(model, images, z), INSIDE[way](model, images, z)
    assert jax.tree.structure(inside) == jax.tree.structure(outside)
    for ours, theirs in zip(*map(jax.tree.leaves, (outside, inside)), strict=True):
        assert isinstance(ours, np.ndarray)
        assert isinstance(theirs, jax.Array)
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@DECODERS
@pytest.mark.parametrize("Model", MODELS)
def test_methods_are_those_of_the_networks_in_numpy(Model, rank, images, z):
    model = small(Model, rank=rank)
    code = in_float64(model.encoder, images.reshape(20, 784))
    if Model is VariationalAutoencoder:
        code, h = np.split(code, 2, axis=1)
        np.testing.assert_allclose(model.encode(images)[1], 10 * np.tanh(h / 10), atol=1e-5)
    np.testing.assert_allclose(model.codes(images), code, atol=1e-5)


def test_gradients_pass_through_methods(images, z):
    model = small(VariationalAutoencoder)
    weights = np.random.default_rng(2).normal(size=(20, 28, 28)).astype(np.float32)

    def total(model):
        return (weights * model.decode(z)).sum() + model.encode(images)[0].sum()

    by_model = nnx.to_pure_dict(nnx.state(nnx.grad(total)(model)))
    p = model.decode(z)
    slope = (weights * p * (1 - p)).sum(axis=0)
    np.testing.assert_allclose(by_model["decoder"]["bias"], slope, rtol=1e-4, atol=1e-5)
    last = by_model["encoder"]["layers"][2]["bias"]
    np.testing.assert_allclose(last, [20, 20, 0, 0], atol=1e-5)
    by_z = jax.grad(lambda z: (weights * model.decode_logits(z)).sum())(z)
    for latent, step in enumerate(1e-4 * np.eye(2)):
        high, low = (
            sum_of_outer_products(model.decoder, z[0] + sign * step, RANK, 28) for sign in (1, -1)
        )
        slope = (weights[0] * (high - low)).sum() / 2e-4
        assert by_z[0, latent] == pytest.approx(slope, rel=1e-3)


def test_another_call_compiles_nothing_another_shape_one_program(images, z):
    model, other = (small(VariationalAutoencoder, seed=s, encoder_widths=(9,)) for s in (0, 1))
    key = jax.random.key(3)
    calls = {
        "encode": lambda model, n: model.encode(images[:n]),
        "codes": lambda model, n: model.codes(images[:n]),
        "reconstruct": lambda model, n: model.reconstruct(images[:n]),
        "decode": lambda model, n: model.decode(z[:n]),
        "decode_logits": lambda model, n: model.decode_logits(z[:n]),
        "sample": lambda model, n: model.sample(z[:n], z[:n], jax.random.clone(key)),
    }
    jax.random.clone(key)
    for name, call in calls.items():
        for who, n, programs in ((model, 7, 1), (model, 7, 0), (other, 7, 0), (other, 5, 1)):
            before = len(COMPILED)
            call(who, n)
            assert len(COMPILED) - before == programs, (name, n)


def test_a_model_changed_in_place_answers_anew(images, z):
    model = small(VariationalAutoencoder)
    logits, codes = model.decode_logits(z), model.encode(images)[0]
    model.decoder.bias[...] = model.decoder.bias[...] + 1
    model.encoder.layers[-1].bias[...] = jnp.array([0.0, 5.0, 0.0, 0.0])
    np.testing.assert_allclose(model.decode_logits(z), logits + 1, atol=1e-5)
    np.testing.assert_allclose(model.encode(images)[0], codes + np.array([0, 5]), atol=1e-5)
    fit(model, images, vae_loss, **TRAINED)
    np.testing.assert_allclose(model.decode(z), jax.jit(model.decode)(z), rtol=1e-5, atol=1e-6)
    assert not np.allclose(model.decode_logits(z), logits + 1, atol=1e-3)
    model.variance = "log"
    np.testing.assert_allclose(
        model.encode(images)[1],
        in_float64(model.encoder, images.reshape(20, 784))[:, 2:],
        atol=1e-4,
    )


def test_methods_take_their_arguments_by_name(images, z):
    model, key = small(VariationalAutoencoder), jax.random.key(3)
    np.testing.assert_array_equal(model.encode(x=images), model.encode(images))
    by_name = model.sample(mean=z, log_variance=z - 1, key=jax.random.clone(key))
    np.testing.assert_array_equal(by_name, model.sample(z, z - 1, key))
    np.testing.assert_allclose(
        jax.jit(lambda z: model.decode(z=z))(z), model.decode(z=z), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"^x: expected pixels in \[0, 1\]"):
        model.reconstruct(x=255 * images)


def test_a_key_that_was_used_is_noticed(z):
    model, key = small(VariationalAutoencoder), jax.random.key(3)
    z = z[:7]  # a shape of its own: JAX 0.7 takes a program compiled before without the check
    with jax.debug_key_reuse(True):
        model.sample(z, z, key)
        with pytest.raises(jax.errors.KeyReuseError):
            model.sample(z, z, key)


# Convolutions


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
    assert isinstance(x_hat, np.ndarray)
    assert x_hat.shape == images.shape
    assert float(x_hat.min()) > 0
    assert float(x_hat.max()) < 1
    inside = jax.jit(lambda x: model.encode(x))(images)
    np.testing.assert_allclose(inside, (mean, log_variance), rtol=1e-4, atol=1e-5)


def test_a_convolutional_vae_goes_by_the_mode_that_it_is_in(images):
    model = ConvolutionalVariationalAutoencoder(2, rngs=nnx.Rngs(0))
    before, by_statistics = all_weights(model), model.encode(images)[0]
    model.train()
    by_batch = model.encode(images)[0]
    assert np.abs(by_batch - by_statistics).max() > 1e-2
    assert_equal_weights(model, before)  # looking changes nothing
    model.eval()
    np.testing.assert_array_equal(model.encode(images)[0], by_statistics)


def test_fit_keeps_running_statistics_and_everything_else_uses_them(images):
    model = ConvolutionalVariationalAutoencoder(2, rngs=nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    fit(model, images, vae_loss, test_data=1 - images, **TRAINED)
    kept = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    for a, b in zip(*map(jax.tree.leaves, (kept, before)), strict=True):
        assert np.abs(a - b).max() > 0
    alone = model.encode(images[:1])[0]
    np.testing.assert_allclose(alone, model.encode(images)[0][:1], rtol=1e-3, atol=1e-4)
    after = nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(a, b)  # looking changes nothing


@pytest.mark.parametrize("variance", ["bounded", "softplus"])
def test_a_variance_stays_positive_and_differentiable(variance, images):
    model = VariationalAutoencoder(2, variance=variance, rngs=nnx.Rngs(0))
    model.encoder.layers[-1].bias[...] = jnp.array([0.0, 0.0, -1e5, 1e5])
    _, log_variance = model.encode(images)
    ends = {"bounded": (-10, 10), "softplus": (np.log(1e-8), np.log(1e5))}
    np.testing.assert_allclose(log_variance, np.tile(ends[variance], (20, 1)), rtol=1e-4)
    gradients = nnx.grad(lambda m: m.encode(images)[1].sum())(model)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


LOG_VARIANCES = {  # and their slopes
    "bounded": (lambda h: 10 * np.tanh(h / 10), lambda h: 1 - np.tanh(h / 10) ** 2),
    "log": (lambda h: h, np.ones_like),
    "softplus": (
        lambda h: np.log(np.logaddexp(h, 0) + 1e-8),
        lambda h: np.exp(-np.logaddexp(-h, 0)) / (np.logaddexp(h, 0) + 1e-8),
    ),
}


@pytest.mark.parametrize("variance", LOG_VARIANCES)
def test_a_log_variance_is_that_of_the_formula_with_finite_slopes(variance):
    h = np.array([-1e30, -1e4, -200.0, -88.0, -40.0, -18.4, -3.0, -0.1, 0.0, 3.0, 50.0, 1e4, 1e30])
    kind = {} if variance == "bounded" else {"variance": variance}  # which is the default
    model = VariationalAutoencoder(1, encoder_widths=(), rngs=nnx.Rngs(0), **kind)
    model.encoder.layers[-1].kernel[...] = jnp.zeros((784, 2)).at[0, 1].set(1.0)

    def log_variance(h):  # the encoder hands the first pixel through
        return model.encode(jnp.zeros((1, 28, 28)).at[0, 0, 0].set(h))[1][0, 0]

    found, slopes = jax.vmap(jax.value_and_grad(log_variance))(jnp.asarray(h, jnp.float32))
    value, slope = LOG_VARIANCES[variance]
    np.testing.assert_allclose(found, value(h), rtol=1e-5)
    rounding = 1e-6 if variance == "bounded" else 1e-30  # of 1 - tanh^2
    np.testing.assert_allclose(slopes, slope(h), rtol=1e-4, atol=rounding)
    if variance == "bounded":
        small = np.abs(h) <= 3  # where it is about h: less than a tenth of a nat off
        np.testing.assert_allclose(found[small], h[small], atol=0.1)
        assert np.abs(found).max() <= 10


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
