"""How a store is displayed, without a request to its engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_qdrant import QdrantVectorStore, RetrievalMode

from langchain_gemini_qdrant._display import facts_html
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.quantization import name_of
from langchain_gemini_qdrant.vectorstores._metadata import sends_raw

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores._collection import Collection


class DisplayMethods(QdrantVectorStore):
    """Displays a store as one line of text, and as a table in notebooks."""

    collection: Collection

    def __repr__(self) -> str:
        """Return engine, collection and settings as one line; nothing is sent."""
        facts = ", ".join(f"{name}={value!r}" for name, value in self._facts().items())
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self) -> str:
        return facts_html(type(self).__name__, self._facts())

    def _facts(self) -> dict[str, object]:
        layout, state = self.collection.layout, self.collection.state
        gemini = gemini_of(layout.embedding)
        is_sparse = layout.retrieval_mode == RetrievalMode.SPARSE
        facts: dict[str, object] = {
            "collection": self.collection.name,
            "engine": self.collection.connection.place,
            "embedding": type(layout.embedding).__name__ if gemini is None else gemini.model,
            "size": state.size or layout.known_size,
            "quantization": name_of(state.quantization),
            "retrieval_mode": layout.retrieval_mode.value,
            "conditioning": "raw" if sends_raw(layout) else None,
            "media_key": None if layout.media is None else layout.media.key,
        }
        of_dense = ("embedding", "size", "quantization", "conditioning")
        return {
            name: value
            for name, value in facts.items()
            if value is not None and not (is_sparse and name in of_dense)
        }
