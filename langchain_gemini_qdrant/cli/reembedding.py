"""The change that `gemini-qdrant reembed` makes: model, size, and the price of the new vectors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant.cli.media_facts import media_tokens
from langchain_gemini_qdrant.cli.progress import counted, price
from langchain_gemini_qdrant.embeddings._request import request_spec
from langchain_gemini_qdrant.embeddings._usage import billed_tokens
from langchain_gemini_qdrant.embeddings.models import find_model, model_id
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.migration._reuse import refusal
from langchain_gemini_qdrant.vectorstores._metadata import stored_embeddings
from langchain_gemini_qdrant.vectorstores._schema import describe_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_SAMPLE = 1_000  # passages whose tokens are counted for the price


@dataclass(frozen=True, kw_only=True, slots=True)
class Reembedding:
    """The model and the size of a collection's vectors, before and after.

    Attributes:
        old_model: The recorded model of the old vectors, None if there is none.
        old_size: Their size.
        model: The model of the new vectors.
        size: Their size, None for the model's own.
    """

    old_model: str | None
    old_size: int
    model: str
    size: int | None

    @classmethod
    def of(
        cls,
        collection: str,
        info: models.CollectionInfo,
        vector_name: str,
        given: Mapping[str, Any],
    ) -> Reembedding:
        """Complete the options from the collection: its model, and the size of the same model.

        Raises:
            CollectionMismatchError: The collection has no such vector.
            ConfigurationError: Neither options nor collection name a model.
        """
        vectors = named_vectors(info.config.params.vectors)
        if vector_name not in vectors:
            raise CollectionMismatchError(
                f"collection {collection!r} has no dense vector named {vector_name!r}, "
                f"{describe_vectors(vectors)}: pass --vector-name"
            )
        old_size = vectors[vector_name].size
        old_model = stored_embeddings(info).get(vector_name, {}).get("model")
        model, size = given["model"] or old_model, given["output_dimensionality"]
        if model is None:
            raise ConfigurationError(
                f"collection {collection!r} does not say which model made its vectors of size "
                f"{old_size}: name the model of the new vectors with --model"
            )
        known = find_model(model)
        own_size = None if known is None else known.output_dimensionality
        if size is None and model_id(model) == old_model:
            size = old_size
        return cls(
            old_model=old_model,
            old_size=old_size,
            model=model,
            size=None if size == own_size else size,
        )

    def why_embed(
        self,
        info: models.CollectionInfo,
        store: GeminiQdrantVectorStore,
        reuse_vectors: bool | None,
    ) -> str | None:
        """Return why passages are embedded, None if the vectors of all of them are reused."""
        if reuse_vectors is False:
            return "--no-reuse-vectors is given"
        layout = store.collection.layout
        refused = refusal(info, layout, self.new_size or self.old_size)
        if refused is not None and refused.holds(reuse_vectors):
            return refused.why
        has_vector = models.HasVectorCondition(has_vector=layout.vector_name)
        lacking = 0 if reuse_vectors else store.count(models.Filter(must_not=[has_vector]))
        return f"{counted(lacking, 'passage')} without a vector" if lacking else None

    @property
    def new_size(self) -> int | None:
        """The size of the new vectors, None if only embedding would show it."""
        known = find_model(self.model)
        return self.size or (known.output_dimensionality if known else None)

    def describe(
        self,
        store: GeminiQdrantVectorStore,
        embeddings: GeminiEmbeddings,
        why_embed: str | None,
    ) -> str:
        """Return the change, the number of passages and their price in one line."""
        passages = store.count()
        if why_embed is None:
            cost = "0 requests, as stored vectors are reused"
        else:
            usd = _usd(store, embeddings, passages)
            limit = "" if usd is None else " at most"  # what an earlier run has stored is not sent
            cost = f"{price(usd, '~')}{limit}"
            if self.old_model in (None, model_id(self.model)):
                cost += f" (not reused: {why_embed})"
        return (
            f"{_change(self.old_model or 'unknown model', model_id(self.model))}, "
            f"size {_change(str(self.old_size), str(self.new_size or 'unknown'))}: "
            f"{counted(passages, 'passage')}, {cost}"
        )


def _change(old: str, new: str) -> str:
    return new if old == new else f"{old} -> {new}"


def _usd(
    store: GeminiQdrantVectorStore, embeddings: GeminiEmbeddings, passages: int
) -> float | None:
    """Estimate the price of all passages from the first ones; their ids are in no order."""
    known = find_model(embeddings.model)
    if known is None:
        return None
    spec = request_spec(embeddings.model, "RETRIEVAL_DOCUMENT", embeddings.output_dimensionality)
    title = store.collection.layout.title
    tokens: Counter[str] = Counter()
    sample = list(islice(store.iter_documents(), _SAMPLE))
    for each in sample:
        if each.page_content.strip():
            content = spec.content(each.page_content, title(each.metadata))
            tokens["TEXT"] += billed_tokens(content, spec.max_input_tokens)
        tokens += media_tokens(each)
    usd = known.usd(tokens)
    return None if usd is None else usd * passages / max(len(sample), 1)
