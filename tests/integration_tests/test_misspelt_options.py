"""A misspelt option is refused before anything is sent, with the name that was meant."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document

from langchain_gemini_qdrant import create_vector_store


@pytest.fixture
def store(embeddings):
    with create_vector_store(embeddings, "c", location=":memory:") as store:
        yield store


MMR = "max_marginal_relevance_search"


@pytest.mark.parametrize(
    ("method", "arguments", "option", "message"),
    [
        ("similarity_search", ["a"], "fiter", "this search .* 'fiter': did you mean 'filter'"),
        ("similarity_search", ["a"], "lambda_mul", "did you mean 'lambda_mult'"),
        ("similarity_search", ["a"], "lambda_mult", f"it is for {MMR}.*search_type='mmr'"),
        ("similarity_search", ["a"], "top_k", "its options are .*filter, .*k, "),
        ("similarity_search_by_vector", [[0.1] * 768], "scor_threshold", "'score_threshold'"),
        ("similarity_search_by_vector", [[0.1] * 768], "hybrid_fusion", "a hybrid search"),
        (MMR, ["a"], "lambda_mul", "did you mean 'lambda_mult'"),
        ("add_texts", [["a"]], "metadata", "adding .* did you mean 'metadatas'"),
        ("add_documents", [[Document("a")]], "batchsize", "did you mean 'batch_size'"),
        ("delete", [["a"]], "wat", "deleting .* did you mean 'wait'"),
    ],
)
async def test_a_misspelt_option_gets_the_nearest_name(
    store, twin, emulator, method, arguments, option, message
):
    with pytest.raises(TypeError, match=message):
        await twin(store, method, *arguments, **{option: 0.3})
    assert not emulator.requests
    await store.embeddings.aclose()


def test_a_retriever_passes_the_message_on(store):
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"lambda_mul": 0.3})
    with pytest.raises(TypeError, match="did you mean 'lambda_mult'"):
        retriever.invoke("a")
