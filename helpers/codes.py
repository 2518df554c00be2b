"""What codes of labelled images hold (notebook 09): bits, bits about the class, and who reads them.

A code is a pair (mean, log variance), (n, L) each. Its q(z) is made of training images; what it
says of the class is asked by images that are not among them.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PRNGKeyArray
from scipy.special import entr
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from . import studies
from .generation import fit_density, sample_prior
from .information import rate_audit
from .mixtures import Codes, check_codes, latent_factors, mixture, over_draws, queries_of

Code = tuple[Codes, Codes]
Labels = Int[ArrayLike, " n"]
POWERS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.06, 0.0)  # of P(n | z)
CHOOSERS = 1024  # training images that the power is chosen by
ACTIVE = 0.1  # bits: a latent that tells less of its image counts as unused
NEIGHBOURS = 10
READER_WIDTHS, READER_EPOCHS = (128, 64), 5
SAMPLE = 2048  # images that the account asks
CODES = 2**13  # that a density is fitted to
COMPONENTS = (1, 16, 64, 256)


def noisy_code(
    codes: Codes, bits: float, others: Codes | None = None
) -> tuple[Float[np.ndarray, "m L"], Float[np.ndarray, "m L"]]:
    """Codes without noise as a channel that costs `bits`: (mean, log variance).

    Each latent is scaled to mean 0 and variance 1, a share 4^(-bits / L) of it noise, the same in
    all: so the KL to N(0, I) and the channel's rate are `bits`, over these images.

    Args:
        codes: (n, L), of which mean and variance are taken.
        bits: > 0, per image.
        others: (m, L), to be sent through the same channel instead of codes.

    Raises:
        ValueError: for bits <= 0.
    """
    if not bits > 0:
        raise ValueError(f"bits: expected a number > 0, got {bits}")
    codes = np.asarray(codes, float)
    sent = codes if others is None else np.asarray(others, float)
    noise = 4 ** (-bits / codes.shape[1])
    mean = (sent - codes.mean(axis=0)) / codes.std(axis=0) * np.sqrt(1 - noise)
    return mean, np.full(mean.shape, np.log(noise))


class ClassInformation(NamedTuple):
    """What q(z) of labelled images says about the class of others, by their z.

    bits: H(class) + E log2 P(own class | z), on average at most I(class; Z); stderr: of bits;
    error: the share of wrong guesses, each the likeliest class; power: that P(n | z) was raised to;
    bits_as_is, error_as_is: of P(n | z) itself.
    """

    bits: float
    stderr: float
    error: float
    power: float
    bits_as_is: float
    error_as_is: float


def _class_terms(row, log_joint, classes, own, powers):
    """log P(own class | z), nats, and whether that class is the likeliest, for every power."""
    posteriors = jax.nn.softmax(powers[:, None] * log_joint, axis=1)
    by_class = posteriors @ classes
    right = by_class[:, own[row]]
    return jnp.log(jnp.maximum(right, 1e-30)), by_class.argmax(axis=1) == own[row]


def class_information(
    code: Code,
    labels: Labels,
    queries: Code,
    query_labels: Labels,
    *,
    key: PRNGKeyArray,
    choosers: int | None = None,
) -> ClassInformation:
    """Bits about the class that q(z) of labelled images finds in the codes of others.

    P(class | z) is the sum of P(n | z) over the images of that class. A new z may lie many standard
    deviations from all images: then the nearest takes all of P(n | z), and is sure and wrong. So
    P(n | z) is raised to a power and summed to 1 again; the power is chosen among `POWERS` by the
    last `choosers` of the given images, asked of the rest (by default 1,024, at most half). Power 0
    knows nothing.

    Args:
        code, labels: of the images of q(z), in random order.
        queries, query_labels: of images that are not among them, labels that occur in labels.

    Raises:
        ValueError: codes that do not fit or are not finite, a label that is new.
    """
    mean, log_variance = check_codes(*code)
    asked = check_codes(*queries, names="queries[0], queries[1]")
    if asked[0].shape[1] != mean.shape[1]:
        raise ValueError(f"queries: expected (m, {mean.shape[1]}), got {asked[0].shape}")
    for name, own, n in (
        ("labels", labels, len(mean)),
        ("query_labels", query_labels, len(asked[0])),
    ):
        if len(own) != n:
            raise ValueError(f"{name}: expected {n}, one for each code, got {len(own)}")
    index, known = pd.factorize(np.asarray(labels))
    own = pd.Index(known).get_indexer(np.asarray(query_labels))
    if (own < 0).any():
        raise ValueError("query_labels: expected labels that occur in labels, got a new one")
    entropy = entr(np.bincount(index) / len(index)).sum()
    choosing_key, asking_key = jax.random.split(key)

    def ask(given, queries, own, powers, key):
        """log P(own class | z) and hits, (queries, powers), of one z for each query."""
        q = mixture(mean[given], log_variance[given])
        one_hot = np.eye(len(known), dtype=np.float32)[index[given]]
        terms = one_hot, jnp.asarray(own), jnp.float32(powers)
        _, (right, hit) = over_draws(_class_terms, q, key, 1, *terms, of=queries_of(q, *queries))
        return np.float64(right[0]), hit[0]

    choosers = min(CHOOSERS, len(index) // 2) if choosers is None else choosers
    rest, last = slice(None, -choosers), slice(-choosers, None)
    own_codes = mean[last], log_variance[last]
    right, _ = ask(rest, own_codes, index[last], POWERS, choosing_key)
    power = POWERS[right.mean(axis=0).argmax()]
    right, hit = ask(slice(None), asked, own, (1.0, power), asking_key)
    bits = (entropy + right.mean(axis=0)) / np.log(2)
    error = right[:, 1].std(ddof=1) / np.sqrt(len(own)) / np.log(2)
    wrong = 1 - hit.mean(axis=0)
    return ClassInformation(*map(float, (bits[1], error, wrong[1], power, bits[0], wrong[0])))


def drawn(code: Code, key: PRNGKeyArray) -> Float[np.ndarray, "n L"]:
    """One z of every image, float32."""
    mean, log_variance = check_codes(*code)
    noise = np.asarray(jax.random.normal(key, mean.shape), float)
    return np.float32(mean + np.exp(log_variance / 2) * noise)


def reader_errors(z, labels, test_z, test_labels, *, name=None) -> dict[str, float]:
    """Test errors of classifiers that learn from z (n, L): logistic, knn, trained (a perceptron).

    name: of the perceptron's checkpoint; it takes the labels 0 to 9. None: without it.
    """
    readers = {
        "logistic": LogisticRegression(max_iter=100),
        "knn": KNeighborsClassifier(NEIGHBOURS),
    }
    errors = {}
    for reader, model in readers.items():
        with warnings.catch_warnings():  # a regression that is stopped early is a classifier too
            warnings.simplefilter("ignore", ConvergenceWarning)
            errors[f"{reader}_error"] = 1 - float(model.fit(z, labels).score(test_z, test_labels))
    if name is not None:
        _, history = studies.classifier(
            name, z, labels, test_z, test_labels, epochs=READER_EPOCHS, widths=READER_WIDTHS
        )
        errors["trained_error"] = 1 - float(history["test_accuracy"].iloc[-1])
    return errors


def account(
    code: Code,
    labels: Labels,
    queries: Code,
    query_labels: Labels,
    *,
    key,
    sample=SAMPLE,
    name=None,
) -> dict:
    """What a code of labelled images holds: bits, and the errors of those who read the class.

    Args:
        code, labels: of the images that are the source, in random order.
        queries, query_labels: of others, by which the class is asked.
        sample: so many images are asked for the account; q(z) holds all.
        name: as in `reader_errors`.

    Returns:
        kl_bits, information_bits (over the source) and information_error, granularity_bits,
        excess_dependence_bits, active_units (latents of at least `ACTIVE` bits); class_bits,
        class_bits_error, class_bits_as_is, power, bayes_error, bayes_error_as_is (see
        `ClassInformation`); the `reader_errors`, as shares.

    Raises:
        ValueError: as `rate_audit` and `class_information`.
    """
    audit_key, class_key, own_key, query_key = jax.random.split(key, 4)
    audit = rate_audit(*code, key=audit_key, draws=2, sample=sample)
    about = class_information(code, labels, queries, query_labels, key=class_key)
    z, query_z = drawn(code, own_key), drawn(queries, query_key)
    return {
        "kl_bits": float(audit.kl),
        "information_bits": float(audit.mutual_information),
        "information_error": float(audit.stderr["mutual_information"]),
        "granularity_bits": float(audit.granularity),
        "excess_dependence_bits": float(audit.excess_dependence),
        "active_units": int((audit.channel_rate - audit.negentropy >= ACTIVE).sum()),
        "class_bits": about.bits,
        "class_bits_error": about.stderr,
        "class_bits_as_is": about.bits_as_is,
        "power": about.power,
        "bayes_error": about.error,
        "bayes_error_as_is": about.error_as_is,
    } | reader_errors(z, labels, query_z, query_labels, name=name)


def account_of_file(path, *, key: PRNGKeyArray, held_out: float = 1 / 6) -> dict:
    """The `account` of codes from any framework.

    Args:
        path: of an .npz with mean and log_variance (n, L) and labels (n,). A share `held_out` of
            its images, drawn at random, asks; the rest are the source.

    Raises:
        ValueError: a share that leaves no image on one side, an array that is missing, arrays of
            different numbers of images, codes that are not finite.
    """
    order_key, account_key = jax.random.split(key)
    names = ("mean", "log_variance", "labels")
    with np.load(path) as file:
        if missing := [name for name in names if name not in file]:
            raise ValueError(
                f"path: expected {', '.join(names)} in the file, got none named {missing}"
            )
        arrays = [np.asarray(file[name]) for name in names]
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"path: expected as many of {', '.join(names)}, got {lengths}")
    if not 1 <= round(held_out * lengths[0]) < lengths[0]:
        raise ValueError(f"held_out: expected a share that leaves both sides, got {held_out}")
    order = np.asarray(jax.random.permutation(order_key, len(arrays[0])))
    first = round(held_out * len(order))
    asking, source = ([a[rows] for a in arrays] for rows in (order[:first], order[first:]))
    return account(source[:2], source[2], asking[:2], asking[2], key=account_key)


def latent_class_bits(code: Code, labels: Labels) -> Float[np.ndarray, " L"]:
    """I(class; Z_i) of every latent alone over the given images, bits: integrals, without error."""
    index, _ = pd.factorize(np.asarray(labels))
    return latent_factors(mixture(*check_codes(*code)), index) / np.log(2)


def drawings(
    model, z: Float[ArrayLike, "m L"], key: PRNGKeyArray, n: int, components=None
) -> dict[str, Float[np.ndarray, "n side side"]]:
    """n pictures decoded from z ~ N(0, I), from one Gaussian, and from a mixture, by these names.

    z: codes of training images in random order, to which the Gaussian and the mixture are fitted;
    the mixture has as many of the components (by default `COMPONENTS`) as held-out codes want.
    """
    densities = {
        "one Gaussian": fit_density(z, (1,)),
        "mixture": fit_density(z, components or COMPONENTS),
    }
    return {"N(0, I)": sample_prior(model, key, n)} | {
        name: model.decode(density.draw(n)) for name, density in densities.items()
    }
