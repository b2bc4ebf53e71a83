"""What LangChain does with the store only where langchain-community is installed."""

from __future__ import annotations

import json
import warnings

import pytest
from langchain_classic.chains.query_constructor.schema import AttributeInfo
from langchain_classic.retrievers import ContextualCompressionRetriever, SelfQueryRetriever
from langchain_classic.retrievers.document_compressors import (
    DocumentCompressorPipeline,
    EmbeddingsFilter,
)
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
)

from langchain_gemini_qdrant import GeminiQdrantVectorStore, create_vector_store

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it says on import that it ends
    pytest.importorskip("langchain_community")
    import langchain_community.vectorstores
    from langchain_community.document_transformers import EmbeddingsRedundantFilter
    from langchain_community.query_constructors.qdrant import QdrantTranslator

# Its other integrations still say @validator; google-genai, which finds the aiohttp that it
# brings, subclasses ClientSession.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FILMS = [
    Document("Dinosaurs break out", metadata={"title": "Park", "year": 1993, "rating": 7.7}),
    Document("Dreams within dreams", metadata={"title": "Dream", "year": 2010, "rating": 8.2}),
    Document("Toys come alive", metadata={"title": "Toys", "year": 1995, "rating": 8.3}),
    Document("Three men walk", metadata={"title": "Zone", "year": 1979, "rating": 9.9}),
]
ATTRIBUTES = [
    AttributeInfo(name="title", description="Name of the film", type="string"),
    AttributeInfo(name="year", description="When it was released", type="integer"),
    AttributeInfo(name="rating", description="From 1 to 10", type="float"),
]
EARLY = Comparison(comparator=Comparator.LT, attribute="year", value=1994)
GOOD = Comparison(comparator=Comparator.GTE, attribute="rating", value=8.2)


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def store(client, embeddings):
    store = create_vector_store(embeddings, "c", client=client)
    store.add_documents(FILMS)
    return store


@pytest.fixture(params=["invoke", "ainvoke"])
def titles(request):
    """Ask a retriever; return the titles of what it finds."""

    async def titles(retriever, question="Which film?"):
        if request.param == "invoke":
            found = retriever.invoke(question)
        else:
            found = await retriever.ainvoke(question)
        return [document.metadata["title"] for document in found]

    return titles


def understanding(store, filter=None, *, query="film", limit=None, **options):
    """A retriever whose model understands each question as this query."""
    structured = StructuredQuery(query=query, filter=filter, limit=limit)
    return SelfQueryRetriever(
        vectorstore=store,
        query_constructor=RunnableLambda(lambda _: structured),
        structured_query_translator=QdrantTranslator(store.metadata_payload_key),
        **options,
    )


@pytest.mark.xfail(
    not hasattr(langchain_community.vectorstores, "DatabricksVectorSearch"),
    reason="langchain-classic 1.0.8 imports it, langchain-community 0.4.2 has it no more",
    raises=ImportError,
)
@pytest.mark.parametrize("metadata_payload_key", ["metadata", "about"])
def test_qdrant_s_translator_is_chosen(client, embeddings, metadata_payload_key):
    create_vector_store(embeddings, "c", client=client)
    store = GeminiQdrantVectorStore(
        client, "c", embeddings, metadata_payload_key=metadata_payload_key
    )
    retriever = SelfQueryRetriever(vectorstore=store, query_constructor=RunnablePassthrough())
    assert isinstance(retriever.structured_query_translator, QdrantTranslator)
    assert retriever.structured_query_translator.metadata_key == metadata_payload_key


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (None, ["Dream", "Park", "Toys", "Zone"]),
        (Comparison(comparator=Comparator.EQ, attribute="title", value="Park"), ["Park"]),
        (Comparison(comparator=Comparator.EQ, attribute="year", value=2010), ["Dream"]),
        (EARLY, ["Park", "Zone"]),
        (Comparison(comparator=Comparator.LTE, attribute="year", value=1979), ["Zone"]),
        (Comparison(comparator=Comparator.GT, attribute="rating", value=8.2), ["Toys", "Zone"]),
        (GOOD, ["Dream", "Toys", "Zone"]),
        (Comparison(comparator=Comparator.LIKE, attribute="title", value="Dream"), ["Dream"]),
        (Operation(operator=Operator.AND, arguments=[EARLY, GOOD]), ["Zone"]),
        (
            Operation(operator=Operator.OR, arguments=[EARLY, GOOD]),
            ["Dream", "Park", "Toys", "Zone"],
        ),
        (Operation(operator=Operator.NOT, arguments=[EARLY]), ["Dream", "Toys"]),
        (
            Operation(
                operator=Operator.AND,
                arguments=[GOOD, Operation(operator=Operator.NOT, arguments=[EARLY])],
            ),
            ["Dream", "Toys"],
        ),
    ],
)
async def test_filters_hold(store, titles, filter, expected):
    assert sorted(await titles(understanding(store, filter))) == expected


async def test_limit_is_k(store, titles):
    assert len(await titles(understanding(store, limit=2))) == 2


@pytest.mark.parametrize(
    ("search_type", "search_kwargs"),
    [("mmr", {"fetch_k": 4}), ("similarity_score_threshold", {"score_threshold": 0.0})],
)
async def test_every_search_type_filters(store, titles, search_type, search_kwargs):
    retriever = understanding(store, EARLY, search_type=search_type, search_kwargs=search_kwargs)
    assert sorted(await titles(retriever)) == ["Park", "Zone"]


async def test_the_query_and_not_the_question_is_embedded(store, titles, emulator):
    for use_original_query, expected in ((False, "film"), (True, "Which film?")):
        emulator.clear()
        await titles(understanding(store, use_original_query=use_original_query))
        [text] = emulator.texts
        assert text.text.endswith(expected)


async def test_a_model_s_answer_becomes_a_filter(store, titles):
    answer = {
        "query": "toys",
        "filter": 'or(eq("title", "Park"), and(gt("year", 1990), gte("rating", 8.3)))',
        "limit": 3,
    }
    model = FakeListChatModel(responses=[f"```json\n{json.dumps(answer)}\n```"])
    retriever = SelfQueryRetriever.from_llm(
        model,
        store,
        "Films in a sentence",
        ATTRIBUTES,
        structured_query_translator=QdrantTranslator("metadata"),
        enable_limit=True,
    )
    assert await titles(retriever) == ["Toys", "Park"]


async def test_found_documents_are_compressed_with_the_same_embeddings(store, embeddings, titles):
    copy = Document(FILMS[0].page_content, metadata={"title": "Copy"})
    store.add_documents([copy])
    retriever = ContextualCompressionRetriever(
        base_retriever=store.as_retriever(search_kwargs={"k": 5}),
        base_compressor=DocumentCompressorPipeline(
            transformers=[
                EmbeddingsRedundantFilter(embeddings=embeddings),
                EmbeddingsFilter(embeddings=embeddings, k=2),
            ]
        ),
    )
    first, second = await titles(retriever, "Do dinosaurs break out when dreams come alive?")
    assert first in {"Park", "Copy"}
    assert second not in {"Park", "Copy"}
