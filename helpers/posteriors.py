"""What a code z says of its image: P(n|z), the posterior over images, and all that follows from it.

The bits of each factor, of held-out codes, and the best decoder. In bits, per image; the channel
and q(z) are those of `information`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.scipy.special import entr as jax_entr
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PRNGKeyArray, Real
from scipy.special import entr

from .checks import check_count, check_finite, check_pixels, check_probabilities
from .mixtures import (
    Codes,
    at,
    check_codes,
    latent_factors,
    mean_and_error,
    mixture,
    over_draws,
    queries_of,
)
from .shapes import FACTORS


class FactorInformation(NamedTuple):
    """bits, stderr: DataFrames, a row for each of z1..zL and `all`, a column for each factor."""

    bits: pd.DataFrame
    stderr: pd.DataFrame


MOST_LEVELS = 2**22  # numbers in a table of images by values; above, the sums are scattered


def _indices(factors, n, names, argument="factors", known=None):
    """The values of each factor as indices (n,), and the values, by position."""
    table = factors if isinstance(factors, pd.DataFrame) else pd.DataFrame(np.asarray(factors))
    if table.shape != (n, len(names)):
        raise ValueError(
            f"{argument}: expected ({n}, {len(names)}), images by names, got {table.shape}"
        )
    found = []
    for position, (_, column) in enumerate(table.items()):
        if known is None:
            index, values = pd.factorize(column)
        else:
            values = known[position][1]
            index = pd.Index(values).get_indexer(column)
        missing = column[index < 0]
        if len(missing) or (column.dtype.kind == "f" and not np.all(np.isfinite(column))):
            wanted = "finite entries, none missing" if known is None else "values that factors have"
            raise ValueError(f"{argument}: expected {wanted}, got {list(missing[:3]) or 'inf'}")
        found.append((index, np.asarray(values)))
    return found


def _levels(index, count):
    """What sums a posterior (n,) by value: a table (n, count) of 0 and 1, or the indices."""
    if len(index) * count <= MOST_LEVELS:
        return np.eye(count, dtype=np.float32)[index]
    return jnp.asarray(index), jnp.zeros(count, jnp.float32)


def _by_value(posterior, level):
    if isinstance(level, tuple):
        index, zeros = level
        return zeros.at[index].add(posterior)
    return posterior @ level


def _factor_terms(_, log_joint, levels):
    """H(factor | z) of every factor, (factors,), nats."""
    posterior = jax.nn.softmax(log_joint)  # P(image | z)
    return jnp.stack([jax_entr(_by_value(posterior, level)).sum() for level in levels])


def factor_information(
    mean: Codes,
    log_variance: Codes,
    factors: ArrayLike | pd.DataFrame,
    *,
    key: PRNGKeyArray,
    draws: int = 4,
    names: Sequence[str] = FACTORS,
    probabilities: Float[ArrayLike, " n"] | None = None,
) -> FactorInformation:
    """I(factor; Z_i) for every latent i, and I(factor; Z) for all of them, bits.

    I(factor; Z) = H(factor) - E H(factor | z), and P(factor = v | z) is the sum of P(n | z) over
    the images of that value: nothing is binned and nothing fitted. All latents together are a mean
    over draws of z; each alone is an integral, without error.

    Args:
        factors: (n, F), the value of each factor in each image: numbers, strings, any hashable
            values. A factor may have as many values as there are images.
        draws: of z per image, at least 2.
        names: of the F factors.
        probabilities: of the images, uniform by default.

    Raises:
        ValueError: as `rate_audit` does, and for factors that do not fit, are not finite or miss.
    """
    mean, log_variance = check_codes(mean, log_variance)
    check_count("draws", draws, least=2)  # for a standard error
    p = check_probabilities(probabilities, len(mean))
    found = [(i[p > 0], len(v)) for i, v in _indices(factors, len(mean), names)]
    q = mixture(mean, log_variance, p)
    entropies = np.array([entr(np.bincount(index, q.p)).sum() for index, _ in found])
    levels = tuple(_levels(index, count) for index, count in found)
    _, unknown = over_draws(_factor_terms, q, key, draws, levels)
    remaining, error = mean_and_error(unknown, q.p)
    alone = np.stack([latent_factors(q, index) for index, _ in found], axis=1)
    rows = [*(f"z{i + 1}" for i in range(mean.shape[1])), "all"]
    tables = np.vstack([alone, entropies - remaining]), np.vstack([np.zeros_like(alone), error])
    return FactorInformation(
        *(pd.DataFrame(t / np.log(2), index=rows, columns=list(names)) for t in tables)
    )


class QueryInformation(NamedTuple):
    """What q(z) of the given images says of other codes.

    image_bits: H(X) - E H(X|z), how much a z narrows the given images down. most_likely: of the
    given images, for each query. factor_bits: H(factor) + E log2 P(the query's value | z): bits
    about a value that the count does not know; below 0 where it is confidently wrong. accuracy: the
    share of queries whose value is the likeliest. stderr: of image_bits and factor_bits by name.
    """

    image_bits: float
    most_likely: Int[np.ndarray, " m"]
    factor_bits: pd.Series
    accuracy: pd.Series
    stderr: dict[str, float | pd.Series]


def _query_terms(row, log_joint, levels, own):
    """H(X|z); by factor log P(own value|z), and whether it is likeliest."""
    posterior = jax.nn.softmax(log_joint)
    by_value = [_by_value(posterior, level) for level in levels]
    right = [jnp.log(jnp.maximum(p[o[row]], 1e-30)) for p, o in zip(by_value, own, strict=True)]
    hit = [p.argmax() == o[row] for p, o in zip(by_value, own, strict=True)]
    unknown = jax_entr(posterior).sum()
    return unknown, jnp.array(right), jnp.array(hit, jnp.float32)


def _likeliest(_, log_joint):
    return log_joint.argmax()


def query_information(
    mean: Codes,
    log_variance: Codes,
    queries: tuple[Codes, Codes],
    *,
    key: PRNGKeyArray,
    draws: int = 4,
    factors: ArrayLike | pd.DataFrame = (),
    query_factors: ArrayLike | pd.DataFrame = (),
    names: Sequence[str] = (),
    probabilities: Float[ArrayLike, " n"] | None = None,
) -> QueryInformation:
    """Ask the q(z) of given images about codes of others, such as held-out ones.

    Args:
        mean, log_variance: (n, L), the given images' codes.
        queries: mean and log variance (m, L) of the others.
        draws: of z per query, at least 2.
        factors, query_factors: (n, F) and (m, F), any hashable values; those of the queries occur
            in factors too.
        names: of the F factors.
        probabilities: of the given images, uniform by default.

    Raises:
        ValueError: an argument that does not fit, by name.
    """
    mean, log_variance = check_codes(mean, log_variance)
    asked = check_codes(*queries, names="queries[0], queries[1]")
    if asked[0].shape[1] != mean.shape[1]:
        raise ValueError(f"queries: expected (m, {mean.shape[1]}), got {asked[0].shape}")
    check_count("draws", draws, least=2)
    p, m = check_probabilities(probabilities, len(mean)), len(asked[0])
    found = _indices(factors, len(mean), names) if len(names) else []
    own = _indices(query_factors, m, names, "query_factors", found) if len(names) else []
    q = mixture(mean, log_variance, p)
    levels = tuple(_levels(index[p > 0], len(values)) for index, values in found)
    own = tuple(jnp.asarray(index) for index, _ in own)
    asked = queries_of(q, *asked)
    _, (unknown, right, hit) = over_draws(_query_terms, q, key, draws, levels, own, of=asked)
    weights = np.full(m, 1 / m)
    remaining, error = mean_and_error(unknown, weights)
    log_right, right_error = mean_and_error(right, weights)
    entropies = np.array([entr(np.bincount(index, p)).sum() for index, _ in found])
    likeliest = at(_likeliest, q, np.arange(m), asked.mean)
    return QueryInformation(
        image_bits=(entr(q.p).sum() - remaining) / np.log(2),
        most_likely=np.flatnonzero(p > 0)[likeliest],
        factor_bits=pd.Series((entropies + log_right) / np.log(2), list(names)),
        accuracy=pd.Series(hit.mean(axis=(0, 1)), list(names)),
        stderr={
            "image_bits": error / np.log(2),
            "factor_bits": pd.Series(right_error / np.log(2), list(names)),
        },
    )


def mutual_information_gap(bits: pd.DataFrame, entropies: Real[ArrayLike, " F"]) -> float:
    """MIG: the mean over factors of (best latent's bits - second best's) / H(factor), 0 to 1.

    (Chen et al. 2018, arXiv:1802.04942, eq. 6.)

    Args:
        bits: as in `FactorInformation`, two latents or more (a row `all` is none and left out).
        entropies: of its columns, in their order, bits, > 0.

    Raises:
        ValueError: fewer than 2 latents, or entropies that do not fit or are not positive.
    """
    latents = np.asarray(bits.drop(index="all", errors="ignore"), float)
    entropies = np.asarray(entropies, float)
    if len(latents) < 2:
        raise ValueError(f"bits: expected at least 2 latents, got {len(latents)}")
    if entropies.shape != latents.shape[1:] or not np.all(entropies > 0):
        raise ValueError(
            f"entropies: expected {latents.shape[1]} values > 0, one per factor, got {entropies}"
        )
    ranked = np.sort(latents, axis=0)
    return float(((ranked[-1] - ranked[-2]) / entropies).mean())


FARTHEST = 1e3  # deviations of a latent from 0: beyond, a z is decoded as if it were there


class BayesDecoding(NamedTuple):
    """Of each of m codes: the index of the most likely image, its probability, and E[x|z]."""

    most_likely: Int[np.ndarray, " m"]
    probability: Float[np.ndarray, " m"]
    reconstruction: Float[np.ndarray, "m ..."]


def _guess(_, log_joint, images):
    """The likeliest image, its probability, and the mean image under P(n|z)."""
    posterior = jax.nn.softmax(log_joint)
    return posterior.argmax(), posterior.max(), posterior @ images


def bayes_decode(
    mean: Codes,
    log_variance: Codes,
    images: Real[ArrayLike, "n ..."],
    z: Float[ArrayLike, "m L"],
    *,
    probabilities: Float[ArrayLike, " n"] | None = None,
) -> BayesDecoding:
    """The best that can be made of codes z: guess and reconstruction by P(n|z).

    E[x|z] = sum_n P(n|z) x_n has the least expected squared error of all decoders.

    Args:
        mean, log_variance: the code of each of the images.
        images: in [0, 1].
        probabilities: of the images, uniform by default.

    Raises:
        ValueError: shapes that disagree, entries not finite, pixels that are integers or in 0..255.
    """
    mean, log_variance = check_codes(mean, log_variance)
    check_pixels("images", images)
    images, z = np.asarray(images, np.float32), np.asarray(z, float)
    if len(images) != len(mean):
        raise ValueError(f"images: expected {len(mean)}, one per code, got {len(images)}")
    if z.ndim != 2 or z.shape[1] != mean.shape[1]:
        raise ValueError(f"z: expected (m, {mean.shape[1]}), got {z.shape}")
    check_finite(images=images, z=z)
    p = check_probabilities(probabilities, len(mean))
    q = mixture(mean, log_variance, p)
    sent = np.flatnonzero(p > 0)
    pixels = images[sent].reshape(len(sent), -1)
    near = np.clip((z - q.centre) / q.scale, -FARTHEST, FARTHEST)
    most_likely, probability, mean_images = at(_guess, q, np.arange(len(z)), near, pixels)
    return BayesDecoding(
        sent[most_likely], probability, mean_images.reshape(len(z), *images.shape[1:])
    )
