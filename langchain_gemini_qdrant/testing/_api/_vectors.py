"""Vectors with meaning: texts that share words are close, if their tasks fit together.

A text is a sum of pseudo-random rows, one per term, weighted. The task then decides the weight of
function words, the share of the vector that moves to the task's own directions, and the share of
"form" mixed in. Form is noise derived from neighboring words, with so few directions that it
disturbs rankings. The forms of queries and of documents have different directions and do not
interact. With a wrong or missing task they do, and search gets worse, as with the real models.

A medium is the sum of the terms of the text inside it, and of a term of its own. Its task is its
modality. A content with several parts is the weighted sum of the vectors of its parts.

Finally a component is added that all vectors of a model have in common. Its share is the cosine of
unrelated texts, which is far from 0 with the real models, too. So a score threshold has about the
same effect here as there.

All steps except the last use integers, which floats represent exactly, so that every platform gives
the same vectors.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from langchain_gemini_qdrant.testing._api._text import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIZE = 3072
_UNIT = 65536.0  # length of a vector of integers
_FORMS = 16  # directions of the noise; fewer make it stronger
_TERMS_AT_ONCE = 256
_TEXTS_AT_ONCE = 16  # fits into a processor's cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditioning:
    """Shares of the energy of a text's own part; the rest is its meaning.

    Attributes:
        function_weight: Weight of function words; other words have 4.
        own: Share that moves to this task's own directions.
        query_form: Share of the form that queries have.
        document_form: Share of the form that documents have.
        common_own: Share of the common component that moves to this task's own directions.
        common_raw: Share of it that moves to the directions of texts without a task.
        common: Share of the common component in the whole; None for that of the model's texts.
    """

    function_weight: int
    own: float
    query_form: float = 0.0
    document_form: float = 0.0
    common_own: float = 0.0
    common_raw: float = 0.0
    common: float | None = None


_SYMMETRIC = Conditioning(function_weight=4, own=0.5, query_form=0.12, document_form=0.12)
_QUERY = Conditioning(function_weight=0, own=0.15, query_form=0.3)
# Texts without a prefix are farther from those with one: 0.47 recorded for unrelated words.
_RAW = Conditioning(function_weight=4, own=0.3, query_form=0.2, document_form=0.2, common_own=0.45)
# Texts and media have less in common: 0.23 to 0.25 recorded for unrelated ones, 0.35 to 0.44 for
# those that fit; 0.30 for an image and an unrelated sound.
_MEDIUM = Conditioning(function_weight=0, own=0.67, common_own=0.61, common_raw=0.05, common=0.27)
_MODALITIES = ("IMAGE", "AUDIO", "VIDEO", "DOCUMENT")
_CONDITIONING = {
    "TASK_TYPE_UNSPECIFIED": _RAW,
    "RETRIEVAL_QUERY": _QUERY,
    "RETRIEVAL_DOCUMENT": Conditioning(function_weight=2, own=0.15, document_form=0.3),
    "SEMANTIC_SIMILARITY": _SYMMETRIC,
    "CLASSIFICATION": _SYMMETRIC,
    "CLUSTERING": _SYMMETRIC,
    "QUESTION_ANSWERING": _QUERY,
    "FACT_VERIFICATION": _QUERY,
    "CODE_RETRIEVAL_QUERY": _QUERY,
    **dict.fromkeys(_MODALITIES, _MEDIUM),
}
_TITLE_WEIGHT = 2
# A text and an image in one content have 0.61 and 0.79 with that content, as recorded.
_TEXT_SHARE, _MEDIUM_SHARE, _FUSED_SHARE = 0.63, 1.0, 0.6


class MediumMeaning(NamedTuple):
    """A medium: the text inside it, and a word that only this medium has."""

    modality: str
    text: str
    word: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """Input of a vector.

    Attributes:
        text: All text of a content, without its task prefix.
        title: Title of a document, None without one.
        task_type: Name of the task.
        media: Its parts that are not text.
    """

    text: str
    title: str | None
    task_type: str
    media: tuple[MediumMeaning, ...] = ()


class _Source(NamedTuple):
    """One part of a content: weighted terms under a task, with a share of the content's vector."""

    task_type: str
    weights: dict[str, int]
    text: str  # gives the form
    share: float


def embed(
    meanings: Sequence[Meaning],
    *,
    space: str,
    unrelated: float,
    model_size: int,
    size: int,
    normalizes: bool,
) -> NDArray[np.float32]:
    """Embed contents.

    Args:
        meanings: `n` contents.
        space: Vectors of different spaces are unrelated.
        unrelated: Cosine of two unrelated texts.
        model_size: Components of the model's full vector, at most 3072.
        size: Requested number of components, at most `model_size`.
        normalizes: Whether a vector with fewer components than the full one has length 1, too.

    Returns:
        Shape `(n, size)`; each is the start of its full vector, scaled if `normalizes`.
    """
    vectors = np.empty((len(meanings), size), dtype=np.float32)
    measured = size if normalizes else model_size
    for start in range(0, len(meanings), _TEXTS_AT_ONCE):
        some = meanings[start : start + _TEXTS_AT_ONCE]
        mixed = _mix(some, unrelated, measured)
        mixed += mixed + 1  # odd, so that no component is 0
        mixed *= _energy(space)[:measured]
        lengths = np.sqrt(np.einsum("ij,ij->i", mixed, mixed))
        # Nine decimals, as printed, so that both transports give the same numbers.
        vectors[start : start + len(some)] = np.rint(mixed[:, :size] / lengths[:, None] * 1e9) / 1e9
    return vectors


def _mix(meanings: Sequence[Meaning], unrelated: float, size: int) -> NDArray[np.float64]:
    """Return the first `size` components of each content, as integers: shape `(n, size)`."""
    sources = [_sources(meaning) for meaning in meanings]
    flat = [source for each in sources for source in each]
    whole = np.array([_sum_terms(source.weights) for source in flat], dtype=np.float64)
    _to_unit(whole)
    parts = np.empty((len(flat), size))
    for task_type in {source.task_type for source in flat}:
        chosen = [i for i, source in enumerate(flat) if source.task_type == task_type]
        texts = [flat[i].text for i in chosen]
        parts[chosen] = _condition(whole[chosen], texts, unrelated, task_type, size)
    if len(flat) == len(meanings):  # each has one part
        return parts
    mixed = np.zeros((len(meanings), size))
    for i, owner in enumerate([i for i, each in enumerate(sources) for _ in each]):
        mixed[owner] += flat[i].share * parts[i]
    return np.rint(mixed)


def _sources(meaning: Meaning) -> list[_Source]:
    """Return the parts of a content; two or more have a part in common that none has alone."""
    sources = [
        _Source(medium.modality, _medium_weights(medium), medium.text, _MEDIUM_SHARE)
        for medium in meaning.media
    ]
    if meaning.text or not sources:
        weights = _text_weights(meaning)
        sources.insert(0, _Source(meaning.task_type, weights, meaning.text, _TEXT_SHARE))
    if len(sources) > 1:
        words = [meaning.text, *(medium.word for medium in meaning.media)]
        fused = {"\0".join(["fused", *words]): 1}
        sources.append(_Source(sources[-1].task_type, fused, "", _FUSED_SHARE))
    return sources


def _text_weights(meaning: Meaning) -> dict[str, int]:
    content, function = terms(meaning.text)
    weights = {term: 4 * weight for term, weight in content.items()}
    if meaning.title is not None:
        for part in terms(meaning.title):
            for term, weight in part.items():
                weights[term] = weights.get(term, 0) + 4 * weight * _TITLE_WEIGHT
    # A text of only function words still has a meaning.
    function_weight = _CONDITIONING[meaning.task_type].function_weight or int(not weights)
    if function_weight:
        for term, weight in function.items():
            weights[term] = weights.get(term, 0) + weight * function_weight
    return weights


def _medium_weights(medium: MediumMeaning) -> dict[str, int]:
    """Return the weights of a medium: a fifth of its energy is its own term."""
    content = terms(medium.text).content if medium.text else {}
    length = math.isqrt(sum(weight**2 for weight in content.values()))
    return {**content, medium.word: max(length // 2, 1)}


def _sum_terms(weights: dict[str, int]) -> NDArray[np.float32]:
    """Return the sum of the weighted rows of all terms: shape `(3072,)`."""
    names = list(weights)
    total = np.zeros(SIZE, dtype=np.float32)
    for start in range(0, len(names), _TERMS_AT_ONCE):
        chosen = names[start : start + _TERMS_AT_ONCE]
        rows = np.array([_row(name) for name in chosen], dtype=np.float32)
        some = np.array([weights[name] for name in chosen], dtype=np.float32)
        # Integers below 2**24. Not `@`: BLAS would use every core for this small product.
        total += np.einsum("i,ij->j", some, rows)
    return total


def _condition(
    whole: NDArray[np.float64],
    texts: Sequence[str],
    unrelated: float,
    task_type: str,
    size: int,
) -> NDArray[np.float64]:
    """Return the first `size` components of unit vectors with task and common part: `(n, size)`."""
    shares = _CONDITIONING[task_type]
    order, signs = _own_directions(task_type)
    meaning = 1 - shares.own - shares.query_form - shares.document_form
    mixed = np.take(whole, order[:size], axis=1)
    mixed *= math.sqrt(shares.own) * signs[:size]
    mixed += math.sqrt(meaning) * whole[:, :size]
    places = _places(texts)
    for side, share in (("query", shares.query_form), ("document", shares.document_form)):
        if share:
            mixed += math.sqrt(share) * _forms(places, side)[:, :size]
    common = unrelated if shares.common is None else shares.common
    mixed *= math.sqrt(1 - common)
    mixed += math.sqrt(common) * _common(task_type)[:size]
    np.rint(mixed, out=mixed)
    return mixed


def _places(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return positions on the 16 directions of a form; near-duplicates are close together."""
    places = np.empty((len(texts), _FORMS))
    for i, text in enumerate(texts):
        words = text.casefold().split()
        neighbours = [" ".join(pair) for pair in itertools.pairwise(words)] or [text]
        noise = _noise([f"form of {each}" for each in neighbours], _FORMS)
        places[i] = noise.sum(axis=0, dtype=np.int64)
    _to_unit(places)
    return places


def _forms(places: NDArray[np.float64], side: str) -> NDArray[np.float64]:
    """Return the form of each text, shape `(n, 3072)`."""
    # Direction i has every 16th component from i on.
    directions = _signs(f"form {side}").reshape(-1, _FORMS) / math.sqrt(SIZE // _FORMS)
    forms: NDArray[np.float64] = (places[:, None, :] * directions).reshape(len(places), SIZE)
    return forms


def _to_unit(vectors: NDArray[np.float64]) -> None:
    """Scale to integer vectors of one length, in place."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    vectors *= (_UNIT / np.sqrt(squares))[:, None]
    np.rint(vectors, out=vectors)


def _noise(names: Sequence[str], size: int) -> NDArray[np.int8]:
    """Return odd integers in -127..127 that depend only on the names: shape `(n, size)`."""
    digests = [
        hashlib.shake_256(name.encode("utf-8", "surrogatepass")).digest(size) for name in names
    ]
    return np.frombuffer(b"".join(digests), dtype=np.int8).reshape(-1, size) | np.int8(1)


@functools.lru_cache(maxsize=8192)  # 3 kB per entry
def _row(term: str) -> NDArray[np.int8]:
    row: NDArray[np.int8] = _noise([f"term {term}"], SIZE)[0]
    return row


@functools.cache
def _signs(name: str) -> NDArray[np.float64]:
    signs: NDArray[np.float64] = np.sign(_noise([name], SIZE)[0]).astype(np.float64)
    return signs


@functools.cache
def _common(task_type: str) -> NDArray[np.float64]:
    """Return the common part of a task's vectors: mostly a few components, as with real models."""
    noise = _noise(["all have this"], SIZE).astype(np.float64)
    common = noise * noise * noise
    _to_unit(common)
    shares = _CONDITIONING[task_type]
    # All media have the same directions: an image and a sound are nearer than either to a text.
    order, signs = _own_directions("MEDIA" if task_type in _MODALITIES else task_type)
    raw_order, raw_signs = _own_directions("TASK_TYPE_UNSPECIFIED")
    mixed: NDArray[np.float64] = common[0] * math.sqrt(1 - shares.common_own - shares.common_raw)
    mixed += common[0, order] * signs * math.sqrt(shares.common_own)
    mixed += common[0, raw_order] * raw_signs * math.sqrt(shares.common_raw)
    return mixed


@functools.cache
def _own_directions(task_type: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return a permutation and signs."""
    keys = hashlib.shake_256(f"order {task_type}".encode()).digest(SIZE * 4)
    order = np.argsort(np.frombuffer(keys, dtype="<u4"), kind="stable")
    return order, _signs(f"signs {task_type}")


@functools.cache
def _energy(space: str) -> NDArray[np.float64]:
    """Return the signs of the space, and magnitudes that fall from the first component to the last.

    The first k of n components have (k / n) ** 0.8 of the energy: of 3072, the first 768 have a
    length of 0.57 and the first 256 one of 0.37, as recorded for gemini-embedding-001.
    """
    position = (np.arange(SIZE) + 0.5) / SIZE
    magnitudes: NDArray[np.float64] = np.rint(64 * position**-0.1)
    return magnitudes * _signs(f"space {space}")
