"""SelfQueryRetriever over a store: what a model writes becomes a dict filter."""

from __future__ import annotations

import json

import pytest
from langchain_classic.chains.query_constructor.schema import AttributeInfo
from langchain_classic.retrievers import SelfQueryRetriever
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
)

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores import GeminiQdrantTranslator
from langchain_gemini_qdrant.vectorstores.filters import to_filter

FILMS = [
    Document(
        "Dinosaurs break out",
        metadata={
            "title": "The Park",
            "year": 1993,
            "rating": 7.5,
            "genres": ["action", "science fiction"],
            "seen": True,
            "released": "1993-06-11T20:15:00Z",
        },
    ),
    Document(
        "Toys come alive",
        metadata={
            "title": "Toys",
            "year": 1995,
            "rating": 8.25,
            "genres": ["children"],
            "seen": False,
            "released": "1995-11-22",
        },
    ),
    Document("Three men walk", metadata={"title": "Zone", "year": 1979, "genres": []}),
]
FIELDS = {
    "title": "string",
    "year": "integer",
    "rating": "float",
    "genres": "list[string]",
    "seen": "boolean",
    "released": "date",
}
ATTRIBUTES = [AttributeInfo(name=name, description=name, type=FIELDS[name]) for name in FIELDS]
PARK, TOYS, ZONE = "The Park", "Toys", "Zone"
# What a model writes, and the films that it means
FOUND = {
    "NO_FILTER": [PARK, TOYS, ZONE],
    'eq("title", "Toys")': [TOYS],
    'eq("year", 1979)': [ZONE],
    'eq("rating", 7.5)': [PARK],
    'eq("seen", true)': [PARK],
    'eq("genres", "children")': [TOYS],
    'ne("rating", 7.5)': [TOYS, ZONE],
    'ne("title", "Toys")': [PARK, ZONE],
    'gt("rating", 7.5)': [TOYS],
    'gte("rating", 7.5)': [PARK, TOYS],
    'lt("year", 1993)': [ZONE],
    'lte("year", 1993)': [PARK, ZONE],
    'in("year", [1979, 1995])': [TOYS, ZONE],
    'in("title", ["Toys", "Zone", "none"])': [TOYS, ZONE],
    'in("title", "Toys")': [TOYS],
    'in("title", [])': [],
    'nin("title", ["Toys", "Zone"])': [PARK],
    'nin("rating", [7.5, 8.25])': [ZONE],
    'nin("title", [])': [PARK, TOYS, ZONE],
    'contain("genres", "children")': [TOYS],
    'contain("genres", ["action", "science fiction"])': [PARK],
    'contain("genres", ["action", "children"])': [],
    'contain("title", "Park")': [PARK],
    'contain("year", 1995)': [TOYS],
    'like("title", "Park")': [PARK],
    'like("title", "%Park%")': [PARK],
    "eq('released', '1993-06-11')": [PARK],
    'eq("released", 1995-11-22)': [TOYS],
    "ne('released', '1993-06-11')": [TOYS, ZONE],
    "gt('released', '1993-06-11')": [TOYS],
    "gte('released', '1993-06-11')": [PARK, TOYS],
    "lt('released', '1993-06-11')": [],
    "lte('released', '1993-06-11')": [PARK],
    "in('released', ['1993-06-11', '1995-11-22'])": [PARK, TOYS],
    "nin('released', ['1993-06-11', '1995-11-21'])": [TOYS, ZONE],
    "eq('released', '1993-06-11T20:15:00Z')": [PARK],
    "gt('released', '1993-06-11T20:15:00')": [TOYS],
    "lte('released', '1993-06-11T20:14:59Z')": [],
    'and(gte("year", 1990), eq("seen", false))': [TOYS],
    'or(eq("year", 1979), like("title", "Park"))': [PARK, ZONE],
    'not(eq("year", 1979))': [PARK, TOYS],
    'not(like("title", "Park"), eq("year", 1979))': [TOYS],
    'and(not(or(lt("year", 1990), eq("rating", 7.5))), contain("genres", "children"))': [TOYS],
}


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def store(client, embeddings):
    store = create_vector_store(embeddings, "c", client=client, payload_indexes={"title": "text"})
    store.add_documents(FILMS)
    return store


def understanding(store, condition, *, query="film", translator=None, **options):
    """A retriever whose model understands each question as this."""
    answer = {"query": query, "filter": condition}
    return SelfQueryRetriever.from_llm(
        FakeListChatModel(responses=[f"```json\n{json.dumps(answer)}\n```"]),
        store,
        "Films in a sentence",
        ATTRIBUTES,
        structured_query_translator=translator or GeminiQdrantTranslator(),
        **options,
    )


async def titles(twin, retriever):
    found = await twin(retriever, "invoke", "Which film?")
    return sorted(document.metadata["title"] for document in found)


async def test_every_comparison_filters(store, twin):
    found = {each: await titles(twin, understanding(store, each)) for each in FOUND}
    assert found == FOUND


@pytest.mark.parametrize("comparator", Comparator)
@pytest.mark.parametrize("value", ["a", 1, 7.5, True, ["a"], [], {"date": "1993-06-11"}])
def test_any_comparison_is_a_filter_or_an_error_of_ours(comparator, value):
    comparison = Comparison(comparator, "title", value)
    orders = comparator.value in {"gt", "gte", "lt", "lte"}
    is_ordered = isinstance(value, int | float | dict) and value is not True
    for condition in (comparison, Operation(Operator.NOT, [comparison, comparison])):
        query = StructuredQuery("film", condition)
        text, options = GeminiQdrantTranslator().visit_structured_query(query)
        assert text == "film"
        if orders and not is_ordered:
            with pytest.raises(InvalidInputError, match="for the metadata field 'title'"):
                to_filter(options["filter"], "metadata")
        else:
            assert to_filter(options["filter"], "metadata") is not None


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "similarity_score_threshold"])
@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ('lt("year", 1994)', "year 1994"),
        (
            "and(lt('released', '1993-06-12'), in('genres', ['action', 'drama']))",
            "released 1993-06-12 genres action drama",
        ),
    ],
)
async def test_a_question_that_only_filters_searches_with_its_filter(
    store, twin, emulator, search_type, condition, words
):
    options = {"score_threshold": 0.0} if search_type.endswith("threshold") else {}
    retriever = understanding(
        store, condition, query="", search_type=search_type, search_kwargs=options
    )
    emulator.clear()
    assert PARK in await titles(twin, retriever)
    [text] = emulator.texts
    assert text.text.endswith(words)


async def test_a_question_without_query_and_filter_may_be_searched_as_it_stands(store, twin):
    retriever = understanding(store, "NO_FILTER", query="", use_original_query=True)
    assert len(await titles(twin, retriever)) == 3
    with pytest.raises(InvalidInputError, match="blank"):
        await titles(twin, understanding(store, "NO_FILTER", query=""))


@pytest.mark.parametrize("metadata_payload_key", ["about", ""])
async def test_metadata_may_be_anywhere_in_the_payload(
    client, embeddings, twin, metadata_payload_key
):
    store = create_vector_store(
        embeddings, "c", client=client, metadata_payload_key=metadata_payload_key
    )
    store.add_documents(FILMS)
    translator = GeminiQdrantTranslator(metadata_payload_key)
    condition = 'and(like("title", "Park"), gt("rating", 7))'
    retriever = understanding(store, condition, translator=translator)
    assert await titles(twin, retriever) == [PARK]


def test_a_value_that_is_no_value_is_refused():
    comparison = Comparison(Comparator.EQ, "released", {"year": 1993})
    with pytest.raises(InvalidInputError, match="a value must be a string"):
        to_filter(comparison.accept(GeminiQdrantTranslator()), "metadata")


def test_a_date_that_is_none_is_refused():
    comparison = Comparison(Comparator.EQ, "released", {"date": "1993-19-39", "type": "date"})
    with pytest.raises(InvalidInputError, match="no date '1993-19-39'"):
        comparison.accept(GeminiQdrantTranslator())


def test_the_last_of_all_days_is_no_upper_end(embeddings, tmp_path):
    store = create_vector_store(embeddings, "c", path=tmp_path)
    store.add_documents(FILMS)
    end = {"date": "9999-12-31", "type": "date"}
    found = {
        comparator: store.count(
            Comparison(comparator, "released", end).accept(GeminiQdrantTranslator())
        )
        for comparator in (Comparator.LTE, Comparator.LT, Comparator.GT, Comparator.EQ)
    }
    assert found[Comparator.LTE] == found[Comparator.LT] > 0
    assert found[Comparator.GT] == found[Comparator.EQ] == 0
    store.close()


def test_the_words_of_a_filter_name_dates_as_dates():
    dates = [{"date": "2024-01-05", "type": "date"}, {"date": "2024-01-06", "type": "date"}]
    asked = StructuredQuery(query=" ", filter=Comparison(Comparator.IN, "released", dates))
    text, _ = GeminiQdrantTranslator().visit_structured_query(asked)
    assert text == "released 2024-01-05 2024-01-06"
