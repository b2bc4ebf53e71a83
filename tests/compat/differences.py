"""How `GeminiQdrantVectorStore` differs from langchain-qdrant's tests; tests that are left out.

`PutBack` is the same list as code: the store without these differences.
"""

from __future__ import annotations

from dataclasses import dataclass

from langchain_gemini_qdrant import GeminiQdrantError, GeminiQdrantVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Tests that fail on purpose.

    `tests` are patterns of `file.py::test_name`, without parameters; `raises` is how they fail.
    """

    theirs: str
    ours: str
    tests: tuple[str, ...]
    raises: type[Exception] = AssertionError


DIFFERENCES = (
    Difference(
        theirs="metadata of a found document has two more keys, `_id` and `_collection_name`",
        ours="metadata is returned as it was stored, and the id is `Document.id`, so a document "
        "that was found can be stored again without additional keys",
        tests=(
            "test_search.py::test_similarity_search*",
            "test_add_texts.py::test_qdrant_add_documents_extends_existing_collection",
            "test_from_texts.py::test_qdrant_from_texts_stores_metadatas",
            "test_mmr.py::test_qdrant_mmr_search",
        ),
    ),
    Difference(
        theirs="`lambda_mult=0.0` of MMR returns the most relevant documents",
        ours="`lambda_mult` means what LangChain documents: 0 is diversity only, 1 relevance only",
        tests=("test_mmr.py::test_qdrant_mmr_search",),
    ),
    Difference(
        theirs="the error is a `QdrantVectorStoreError`",
        ours="the error is one of `GeminiQdrantError`, as everywhere in this package: "
        "`CollectionMismatchError` for a different vector name, size or distance, "
        "`ConfigurationError` for MMR without dense vectors; both are also a `ValueError`",
        tests=(
            "test_from_texts.py::test_qdrant_from_texts_raises_error_on_different_*",
            "test_mmr.py::test_invalid_qdrant_mmr_with_sparse",
        ),
        raises=GeminiQdrantError,
    ),
    Difference(
        theirs="a retriever's tags name the class `QdrantVectorStore`",
        ours="the tags name the actual class, `GeminiQdrantVectorStore`",
        tests=("test_search.py::test_as_retriever_sparse_mode",),
    ),
)

_OLD_CLASS = "of the deprecated class `Qdrant`, which this package does not replace"
_NOT_THE_CLASS = "of langchain-qdrant's own package, not of the class"
LEFT_OUT = {
    "integration_tests/async_api/test_*.py": _OLD_CLASS,
    "integration_tests/test_add_texts.py": _OLD_CLASS,
    "integration_tests/test_embedding_interface.py": _OLD_CLASS,
    "integration_tests/test_from_existing_collection.py": _OLD_CLASS,
    "integration_tests/test_from_texts.py": _OLD_CLASS,
    "integration_tests/test_max_marginal_relevance.py": _OLD_CLASS,
    "integration_tests/test_similarity_search.py": _OLD_CLASS,
    "integration_tests/fastembed/test_*.py": "of `FastEmbedSparse`, which downloads models",
    "integration_tests/test_compile.py": _NOT_THE_CLASS,
    "unit_tests/test_imports.py": _NOT_THE_CLASS,
}
"""Files of their tests that are not run, and what these tests are about."""


class PutBack(GeminiQdrantVectorStore):
    """The store as langchain-qdrant's tests expect it."""

    @classmethod
    def _document_from_point(cls, scored_point, collection_name, *keys):
        document = super()._document_from_point(scored_point, collection_name, *keys)
        document.metadata |= {"_id": scored_point.id, "_collection_name": collection_name}
        return document

    def max_marginal_relevance_search(self, query, *, lambda_mult=0.5, **kwargs):
        return super().max_marginal_relevance_search(query, lambda_mult=1 - lambda_mult, **kwargs)


PutBack.__name__ = "QdrantVectorStore"
