"""What an editor shows on hover stands alone."""

from __future__ import annotations

import inspect
import re

import pytest

import langchain_gemini_qdrant as package
from langchain_gemini_qdrant import (
    embeddings,
    ingestion,
    media,
    migration,
    recall,
    sizing,
    vectorstores,
)

CLASSES = (
    package.GeminiEmbeddings,
    package.GeminiQdrantVectorStore,
    package.EdgeClient,
    package.AsyncEdgeClient,
)
HOMES = (embeddings, ingestion, media, migration, recall, sizing, vectorstores)
# Elsewhere is where the whole of it would have to be read
_ELSEWHERE = re.compile(r"[;.:] see `|^ *\w+: See `", re.MULTILINE | re.IGNORECASE)


def documented():
    for kind in CLASSES:
        for name, member in inspect.getmembers(kind):
            function = getattr(member, "__func__", member)
            if (
                not name.startswith("_")
                and inspect.isfunction(function)
                and function.__module__.startswith(package.__name__)
            ):
                yield pytest.param(function, id=f"{kind.__name__}.{name}")
    for home in HOMES:
        for name in home.__all__:
            if inspect.isfunction(function := getattr(home, name)):
                yield pytest.param(function, id=name)


@pytest.mark.parametrize("function", list(documented()))
def test_a_docstring_does_not_send_the_reader_elsewhere(function):
    assert not _ELSEWHERE.search(function.__doc__)


@pytest.mark.parametrize("name", ["similarity_search", "max_marginal_relevance_search"])
def test_searches_name_every_operator_of_filters(name):
    text = getattr(package.GeminiQdrantVectorStore, name).__doc__
    for operator in (*vectorstores.filters._OPERATORS, *vectorstores.filters._BOUNDS):
        assert f"`{operator}`" in text
