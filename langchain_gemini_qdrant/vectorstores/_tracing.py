"""Spans of searches, of runs, and of the calls of a Qdrant client."""

from __future__ import annotations

import json
import operator
from dataclasses import fields, is_dataclass
from functools import wraps
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, SupportsIndex, TypeVar

from langchain_gemini_qdrant._telemetry import (
    MOST_TEXTS,
    running,
    shown,
    shows_texts,
    start_span,
)
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.errors import GeminiQdrantError
from langchain_gemini_qdrant.vectorstores._connection import server_of
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure
from langchain_gemini_qdrant.vectorstores._retriever import description

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from langchain_core.documents import Document
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._telemetry import Attributes, Span
    from langchain_gemini_qdrant.vectorstores._collection import Collection

    Scored = list[tuple[Document, float]]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="_Run")

_KINDS = {"search": "similarity", "search_by_vector": "vector", "mmr_search": "mmr"}


class _Run(Protocol):
    """A run over a collection with this name."""

    name: str


def traced_search(
    search: Callable[Concatenate[Collection, P], Coroutine[Any, Any, Scored]],
) -> Callable[Concatenate[Collection, P], Coroutine[Any, Any, Scored]]:
    """Make a search a span, with the embedding of its query and the calls of Qdrant below it."""

    @wraps(search)
    async def traced(collection: Collection, /, *args: P.args, **options: P.kwargs) -> Scored:
        query = args[0] if args else options.get("query")
        span = start_span(_describe_search, search.__name__, collection, query, options.get("k"))
        if span is None:
            return await search(collection, *args, **options)
        with running(span):
            hits = await search(collection, *args, **options)
            span.set(_hits_and_texts if span.shows_texts else _hits, hits)
            return hits

    return traced


def traced_run(
    operation: str,
) -> Callable[
    [Callable[Concatenate[S, P], Coroutine[Any, Any, R]]],
    Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
]:
    """Make a run that returns a report a span with its counts.

    Args:
        operation: The name of the run.
    """

    def decorate(
        run: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
        @wraps(run)
        async def traced(self: S, /, *args: P.args, **options: P.kwargs) -> R:
            span = start_span(_describe_run, operation, self.name, kind="INTERNAL")
            if span is None:
                return await run(self, *args, **options)
            with running(span):
                try:
                    result = await run(self, *args, **options)
                except GeminiQdrantError as error:
                    span.set(_counts, getattr(error, "report", None))
                    raise
                span.set(_counts, result)
                return result

        return traced

    return decorate


def start_call(
    client: QdrantClient | AsyncQdrantClient,
    method: object,
    name: str,
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> Span | None:
    """Start the span of a call of a Qdrant client, with all its retries.

    None if an instrumentation of qdrant-client has wrapped the method: it makes a span of its own.
    """
    if type(method) is not MethodType:
        return None
    return start_span(_describe_call, client, name, args, kwargs)


def record_failure(span: Span | None, error: Exception, attempt: int, delay: float | None) -> None:
    """Add a failed attempt to a call's span; `delay` is None if it is not repeated."""
    if span is None:
        return
    failure = read_failure(error)
    status = {}
    if failure is not None and failure.status is not None:
        status["db.response.status_code"] = failure.name
    if delay is None:
        span.set(dict, status)
        return
    waiting = {"gemini_qdrant.attempt": attempt + 1, "gemini_qdrant.wait_seconds": delay}
    span.event("gemini_qdrant.retry", {"error.type": type(error).__name__, **waiting, **status})


def _describe_search(
    kind: str, collection: Collection, query: object, k: object
) -> tuple[str, Attributes]:
    layout = collection.layout
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": collection.name,
        "db.system.name": "qdrant",
        "db.collection.name": collection.name,
        "gemini_qdrant.retrieval_mode": layout.retrieval_mode.value,
        "gemini_qdrant.search": _KINDS.get(kind, kind),
        **server_of(collection.connection.any_client),
    }
    if (gemini := gemini_of(layout.embedding)) is not None:
        attributes["gen_ai.request.model"] = model_id(gemini.model)
    if isinstance(k, SupportsIndex):
        attributes["gen_ai.retrieval.top_k"] = operator.index(k)
    if query is not None and kind != "search_by_vector" and shows_texts():
        attributes["gen_ai.retrieval.query.text"] = shown(description(query))
    return f"retrieval {collection.name}", attributes


def _hits(hits: Scored) -> Attributes:
    return {"gemini_qdrant.hits": len(hits)}


def _hits_and_texts(hits: Scored) -> Attributes:
    documents = [
        {"id": document.id, "score": score, "content": shown(document.page_content)}
        for document, score in hits[:MOST_TEXTS]
    ]
    text = json.dumps(documents, ensure_ascii=False, default=str)
    return {**_hits(hits), "gen_ai.retrieval.documents": text}


def _describe_run(operation: str, name: str) -> tuple[str, Attributes]:
    return f"{operation} {name}", {"db.system.name": "qdrant", "db.collection.name": name}


def _counts(report: object) -> Attributes:
    """Return the numbers of a report; of failed documents, how many they are."""
    if not is_dataclass(report):
        return {}
    counts = {each.name: getattr(report, each.name) for each in fields(report)}
    if "ingest" in counts:  # of `reembed`
        ingest = counts["ingest"]
        counts |= {each.name: getattr(ingest, each.name) for each in fields(ingest)}
    if "failed" in counts:
        counts["failed"] = len(counts["failed"])
    del counts["seconds"]  # the span has it
    return {
        f"gemini_qdrant.{name}": value
        for name, value in counts.items()
        if isinstance(value, int | float)
    }


def _describe_call(
    client: QdrantClient | AsyncQdrantClient,
    name: str,
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> tuple[str, Attributes]:
    attributes: dict[str, str | int] = {
        "db.system.name": "qdrant",
        "db.operation.name": name,
        **server_of(client),
    }
    collection = args[0] if args else kwargs.get("collection_name")
    if not isinstance(collection, str):
        return name, attributes
    return f"{name} {collection}", {**attributes, "db.collection.name": collection}
