"""The vectors of an existing collection, and checks of options against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, find_model, model_id
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.quantization import (
    QUANTIZATION_PRESETS,
    quantization_config,
    stored_alike,
)
from langchain_gemini_qdrant.vectorstores._metadata import stored_embeddings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrant_client import models

    from langchain_gemini_qdrant.quantization import QuantizationName

_WAYS_OUT = "leave the option out, or name a different --collection"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredVectors:
    """The dense vectors of a collection.

    Attributes:
        name: Name of the vector, empty for the unnamed one.
        params: Their settings.
        entry: The recorded embedding of the vectors; empty if there is none.
        quantization: Their quantization, None if they have none.
        is_empty: Whether nothing is stored yet.
    """

    collection: str
    name: str
    params: models.VectorParams
    entry: Mapping[str, Any]
    quantization: models.QuantizationConfig | None
    is_empty: bool

    @classmethod
    def of(cls, collection: str, info: models.CollectionInfo) -> StoredVectors:
        """Read a collection's description.

        Raises:
            CollectionMismatchError: It does not have exactly one dense vector, nor an unnamed one.
        """
        by_name = named_vectors(info.config.params.vectors)
        name = next(iter(by_name)) if len(by_name) == 1 else ""
        if name not in by_name:
            raise CollectionMismatchError(
                f"collection {collection!r} must have one dense vector, found "
                f"{sorted(by_name) or 'none'}: use it from Python, or name another --collection"
            )
        params = by_name[name]
        return cls(
            collection=collection,
            name=name,
            params=params,
            entry=stored_embeddings(info).get(name, {}),
            quantization=params.quantization_config or info.config.quantization_config,
            is_empty=not info.points_count,
        )

    def embedding_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options of embeddings, completed from the collection.

        Raises:
            CollectionMismatchError: The given options differ from the collection.
            ConfigurationError: Neither options nor collection name the model of the vectors.
        """
        model, size = given["model"], given["output_dimensionality"]
        stored = self.entry.get("model")
        if model and stored and model_id(model) != stored:
            raise self._differs(f"of model {stored!r}", f"--model {model}")
        if size not in {None, self.params.size}:
            raise self._differs(f"of size {self.params.size}", f"--output-dimensionality {size}")
        if not model and not stored and not self.is_empty:
            raise ConfigurationError(
                f"collection {self.collection!r} does not say which model made its vectors of "
                f"size {self.params.size}: name it with --model"
            )
        model = model or stored or DEFAULT_MODEL
        known = find_model(model)
        is_own_size = known is not None and known.output_dimensionality == self.params.size
        task = self.entry.get("task")
        return {
            **given,
            "model": model,
            "output_dimensionality": None if is_own_size else self.params.size,
            # The task of a document; that of a query follows from it.
            "task_type": None if task == "RETRIEVAL_DOCUMENT" else task,
        }

    def check_quantization(self, given: QuantizationName | Literal["none"]) -> None:
        """Refuse a quantization that the collection does not have.

        Raises:
            CollectionMismatchError: It has a different one, or none.
        """
        wanted = None if given == "none" else quantization_config(given)
        if not stored_alike(self.quantization, wanted):
            raise CollectionMismatchError(
                f"collection {self.collection!r} has quantization "
                f"{quantization_name(self.quantization)}, not --quantization {given}: {_WAYS_OUT}"
            )

    def _differs(self, found: str, given: str) -> CollectionMismatchError:
        return CollectionMismatchError(
            f"collection {self.collection!r} has vectors {found}, not {given}: {_WAYS_OUT}. "
            "gemini-qdrant reembed creates a collection with a different model or size"
        )


def quantization_name(config: models.QuantizationConfig | None) -> str:
    """Return the name of the preset that stores the same codes, otherwise the kind of codes."""
    if config is None:
        return "none"
    presets = QUANTIZATION_PRESETS.values()
    alike = [each.name for each in presets if stored_alike(each.config, config)]
    return alike[0] if alike else next(iter(config.model_dump()))
