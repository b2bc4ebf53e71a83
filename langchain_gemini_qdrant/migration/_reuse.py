"""Stored vectors of the same model in a smaller size: cut and normalized, without a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant.embeddings._wrappers import DOCUMENTS, gemini_of, replaced
from langchain_gemini_qdrant.embeddings.models import find_model
from langchain_gemini_qdrant.vectorstores._metadata import (
    METADATA_KEY,
    embedding_metadata,
    stored_embeddings,
)
from langchain_gemini_qdrant.vectorstores._schema import dense_params

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
    from langchain_gemini_qdrant.vectorstores._collection import Layout

Short: TypeAlias = "npt.NDArray[np.float32] | str"
"""A shortened vector, or the reason why there is none."""

_EXACT = (None, models.Datatype.FLOAT32, models.Datatype.FLOAT16)
_MADE_WITH = ("model", "task", "conditioning")


class Refusal(NamedTuple):
    """Why stored vectors are not reused.

    Attributes:
        why: The reason.
        is_certain: Whether they cannot be reused. Otherwise they may be, and only the user knows.
    """

    why: str
    is_certain: bool = True

    def holds(self, reuse_vectors: bool | None) -> bool:  # noqa: FBT001 - the user's answer
        """Return whether it applies; `reuse_vectors=True` answers what only the user knows."""
        return self.is_certain or not reuse_vectors


def refusal(
    old: models.CollectionInfo, layout: Layout, size: int, filled_by: Embeddings | None = None
) -> Refusal | None:
    """Return why the vectors of an old collection cannot become the new ones, None if they can.

    A Gemini model makes a smaller vector by cutting the end of its full vector. So the first
    numbers of a stored vector, scaled to length 1, are the vector that the API would send. It does
    not matter how the stored vector was scaled.

    Args:
        old: The old collection.
        layout: The new store, with the new embedding and the name of the vector.
        size: The size of the new vectors.
        filled_by: The embedding of the old store, if that is known.

    Source: `output_dimensionality` in https://ai.google.dev/api/embeddings#EmbedContentRequest
    """
    gemini = gemini_of(layout.embedding)
    params = dense_params(layout, old)
    if gemini is None or params is None:
        name = type(layout.embedding).__name__
        return Refusal(f"{name} does not name its model, only GeminiEmbeddings do")
    ours = embedding_metadata(layout, size)[METADATA_KEY]["embeddings"][layout.vector_name]
    stored = stored_embeddings(old).get(layout.vector_name, {})
    for why in _contradictions(params, stored, ours):
        return Refusal(why)
    for why in _doubts(params, stored, ours, gemini, gemini_of(filled_by)):
        return Refusal(f"{why}, pass reuse_vectors=True", is_certain=False)
    return None


def _contradictions(
    params: models.VectorParams, stored: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the reasons for which stored vectors are not those of our embedding."""
    for key in _MADE_WITH:
        if key in stored and stored[key] != ours.get(key):
            yield f"their {key} is {stored[key]!r}, that of the new ones {ours.get(key)!r}"
    if ours["size"] > params.size:
        yield (
            f"the new size is {ours['size']}, and only the first {params.size} numbers of each "
            "vector are stored"
        )
    known = find_model(ours["model"])
    if known is not None and params.size > known.dimensionalities[1]:
        yield f"they have size {params.size}, and vectors of {known.name!r} are smaller"
    if params.multivector_config is not None:
        yield "they are multivectors"
    if params.datatype not in _EXACT:
        yield f"they are rounded to datatype {params.datatype.value}"


def _doubts(
    params: models.VectorParams,
    stored: Mapping[str, Any],
    ours: Mapping[str, Any],
    gemini: GeminiEmbeddings,
    filled_by: GeminiEmbeddings | None,
) -> Iterator[str]:
    """Yield what only the user can know about stored vectors that may be those of our embedding."""
    if any(key in ours and key not in stored for key in _MADE_WITH):
        yield (
            f"the collection does not record that {ours['model']!r} made them with the task "
            f"{ours['task']}; if it did"
        )
    if ours["size"] < params.size and find_model(ours["model"]) is None:
        yield (
            f"this version does not know whether {ours['model']!r} makes a smaller vector by "
            "cutting its full one; if it does"
        )
    if replaced(gemini, *DOCUMENTS):
        name = type(gemini).__name__
        yield f"the collection does not record that `embed_documents` of {name} made them; if so"
    elif replaced(filled_by, *DOCUMENTS):
        name = type(filled_by).__name__
        yield f"`embed_documents` of {name}, the embedding of the store, may have made them; if not"


def shortened(vectors: Sequence[object], size: int) -> list[Short]:
    """Return the first `size` numbers of each vector, scaled to length 1.

    Args:
        vectors: `n` vectors, each a list of at least `size` numbers, None for a missing one.
        size: The number of components of the results.
    """
    results: list[Short] = ["the point has no vector"] * len(vectors)
    found = {i: each[:size] for i, each in enumerate(vectors) if isinstance(each, list) and each}
    if not found:
        return results
    rows = np.array([*found.values()], dtype=np.float64)  # its squares neither overflow nor vanish
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    usable = np.isfinite(lengths) & (lengths > 0)
    rows /= np.where(usable, lengths, 1.0)[:, None]
    short = rows.astype(np.float32)
    for row, i in enumerate(found):
        if usable[row]:
            results[i] = short[row]
        elif lengths[row] == 0:
            results[i] = f"the first {size} numbers of its vector are 0"
        else:
            results[i] = "its vector has numbers that are not finite"
    return results
