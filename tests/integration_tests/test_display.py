"""A store and its clients say what they are, without a question to the engine."""

from __future__ import annotations

import copy
import pickle

import pytest

from langchain_gemini_qdrant import AsyncEdgeClient, EdgeBm25, EdgeClient, create_vector_store
from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore


def test_a_store_says_collection_engine_model_size_and_quantization(embeddings, tmp_path):
    with create_vector_store(embeddings, "rules", path=tmp_path, quantization="binary") as store:
        size = embeddings.vector_size
        assert repr(store) == (
            f"GeminiQdrantVectorStore(collection='rules', engine='edge {tmp_path.resolve()}', "
            f"embedding='{embeddings.model}', size={size}, quantization='binary', "
            "retrieval_mode='dense')"
        )
        for each in ("rules", embeddings.model, f"{size:,}", "binary"):
            assert each in store._repr_html_()
        store.set_quantization({"turbo": {"bits": "bits1_5"}})
        assert "quantization='turbo, custom'" in repr(store)
        store.set_quantization(None)
        assert "quantization='none'" in repr(store)


def test_a_sparse_store_names_no_model(embeddings):
    with create_vector_store(
        embeddings,
        "words",
        location=":memory:",
        sparse_embedding=EdgeBm25(),
        retrieval_mode="sparse",
    ) as store:
        assert repr(store) == (
            "GeminiQdrantVectorStore(collection='words', engine='local in memory', "
            "retrieval_mode='sparse')"
        )


def test_repr_asks_no_server_and_shows_no_key(embeddings):
    from qdrant_client import QdrantClient  # noqa: PLC0415

    client = QdrantClient(
        "https://127.0.0.1:9", api_key="hidden", check_compatibility=False
    )  # nobody is there
    store = GeminiQdrantVectorStore(client, "c", embeddings, validate_collection_config=False)
    shown = repr(store) + store._repr_html_() + repr(embeddings) + embeddings._repr_html_()
    assert "server https://127.0.0.1:9" in shown
    assert "hidden" not in shown
    assert embeddings.api_key.get_secret_value() not in shown


@pytest.mark.parametrize("kind", [EdgeClient, AsyncEdgeClient])
async def test_a_client_of_a_folder_says_where_it_is_and_why_it_cannot_be_copied(kind, tmp_path):
    client = kind(tmp_path)
    assert repr(client).startswith(f"{kind.__name__}({str(tmp_path.resolve())!r}, ")
    assert str(tmp_path.resolve()) in client._repr_html_()
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied. Pass the path"):
            copied(client)
    closing = client.close()
    if kind is AsyncEdgeClient:
        await closing


def test_a_retriever_says_why_it_cannot_be_pickled(embeddings):
    store = create_vector_store(embeddings, "c", location=":memory:")
    with store, pytest.raises(TypeError, match="open it where it is needed"):
        pickle.dumps(store.as_retriever())
