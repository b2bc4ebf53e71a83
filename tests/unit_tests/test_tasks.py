from __future__ import annotations

import pytest

from langchain_gemini_qdrant.embeddings.tasks import (
    TASK_TYPES,
    parse_task_type,
    task_sides,
    with_prefix,
)
from langchain_gemini_qdrant.errors import ConfigurationError

SEARCH = ("RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY")


@pytest.mark.parametrize(
    ("task_type", "sides"),
    [
        (None, SEARCH),
        ("RETRIEVAL_QUERY", SEARCH),
        ("RETRIEVAL_DOCUMENT", SEARCH),
        ("QUESTION_ANSWERING", ("RETRIEVAL_DOCUMENT", "QUESTION_ANSWERING")),
        ("FACT_VERIFICATION", ("RETRIEVAL_DOCUMENT", "FACT_VERIFICATION")),
        ("CODE_RETRIEVAL_QUERY", ("RETRIEVAL_DOCUMENT", "CODE_RETRIEVAL_QUERY")),
        ("SEMANTIC_SIMILARITY", ("SEMANTIC_SIMILARITY", "SEMANTIC_SIMILARITY")),
        ("CLASSIFICATION", ("CLASSIFICATION", "CLASSIFICATION")),
        ("CLUSTERING", ("CLUSTERING", "CLUSTERING")),
        ("TASK_TYPE_UNSPECIFIED", ("TASK_TYPE_UNSPECIFIED", "TASK_TYPE_UNSPECIFIED")),
    ],
)
def test_one_task_names_both_sides(task_type, sides):
    assert task_sides(task_type) == sides


@pytest.mark.parametrize(
    ("task_type", "text"),
    [
        ("RETRIEVAL_QUERY", "task: search result | query: x"),
        ("RETRIEVAL_DOCUMENT", "title: none | text: x"),
        ("QUESTION_ANSWERING", "task: question answering | query: x"),
        ("FACT_VERIFICATION", "task: fact checking | query: x"),
        ("CODE_RETRIEVAL_QUERY", "task: code retrieval | query: x"),
        ("CLASSIFICATION", "task: classification | query: x"),
        ("CLUSTERING", "task: clustering | query: x"),
        ("SEMANTIC_SIMILARITY", "task: sentence similarity | query: x"),
        ("TASK_TYPE_UNSPECIFIED", "x"),
    ],
)
def test_prefixes_are_those_that_google_documents(task_type, text):
    assert with_prefix("x", task_type) == text


def test_title_stands_before_the_text_of_a_document():
    assert with_prefix("x", "RETRIEVAL_DOCUMENT", "T") == "title: T | text: x"


def test_numbers_of_task_types_are_the_api_s():
    assert TASK_TYPES.index("RETRIEVAL_QUERY") == 1
    assert TASK_TYPES.index("RETRIEVAL_DOCUMENT") == 2
    assert TASK_TYPES.index("FACT_VERIFICATION") == 7
    assert TASK_TYPES.index("CODE_RETRIEVAL_QUERY") == 8


def test_task_type_is_read_in_any_case():
    assert parse_task_type("retrieval_Query") == "RETRIEVAL_QUERY"


def test_unknown_task_type_names_the_known_ones():
    with pytest.raises(ConfigurationError, match="RETRIEVAL_DOCUMENT.*got 'search'"):
        parse_task_type("search")
