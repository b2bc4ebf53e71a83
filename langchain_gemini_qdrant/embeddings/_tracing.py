"""Trace embedding calls: in LangSmith if tracing is on, and as spans of OpenTelemetry."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from langchain_gemini_qdrant._telemetry import DEFAULT_PORTS, attached, start_span
from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.embeddings._backends.addresses import DEVELOPER_HOST, vertex_host
from langchain_gemini_qdrant.embeddings._connection import has_own_client
from langchain_gemini_qdrant.embeddings.models import model_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from langsmith import trace

    from langchain_gemini_qdrant._telemetry import Attributes, Span
    from langchain_gemini_qdrant.embeddings._call import CallContext
    from langchain_gemini_qdrant.embeddings._connection import Connection
    from langchain_gemini_qdrant.embeddings._request import Content
    from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings

T = TypeVar("T")

_VARIABLES = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING",
    "LANGCHAIN_TRACING_V2",
)


def _is_on() -> bool:
    # Switched on by the environment, or by code that has loaded LangSmith itself.
    if "langsmith.run_helpers" not in sys.modules and not any(map(os.environ.get, _VARIABLES)):
        return False
    from langsmith.utils import tracing_is_enabled  # noqa: PLC0415 - see `traced`

    return bool(tracing_is_enabled())


@contextmanager
def traced(
    name: str, call: CallContext, texts: int | None, place: Mapping[str, str | int]
) -> Iterator[None]:
    """Report a call with its model, task, counts and tokens; by default without its texts.

    Nothing of it is current while the caller's code runs: a stream returns control between its
    vectors, and what its consumer does then is not part of the embedding. See `sending`.

    Args:
        name: Name of the method that was called.
        call: The call, whose usage is read at the end.
        texts: The number of texts, None if it is not known yet.
        place: Where the call's requests go, as attributes of spans; see `place_of`.
    """
    context = copy_context() if _is_on() else None
    run = None if context is None else _in_passing(context.run, _begin, name, call, texts)
    call.span = start_span(
        _describe, call, place, hides_embeddings=True, is_silent=_is_exported(run)
    )
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        if context is not None and run is not None:
            _in_passing(context.run, _end, run, call.usage, failure)
        if call.span is not None:
            _end_span(call.span, call.usage, failure)


def sending(call: CallContext, contents: Sequence[Content]) -> AbstractContextManager[None]:
    """Make the call's span the current one while contents are sent, in any thread or task."""
    if call.span is not None:
        call.span.add_texts(map(_shown, contents))
    return attached(call.span)


def place_of(options: GeminiEmbeddings, connection: Connection) -> dict[str, str | int]:
    """Return where an instance's requests go, as attributes of spans."""
    place: dict[str, str | int] = {
        "gen_ai.provider.name": "gcp.vertex_ai" if connection.is_vertex else "gcp.gemini"
    }
    google = vertex_host(options.location) if connection.is_vertex else DEVELOPER_HOST
    address = connection.address or google
    # Only a client of the user's own knows its address, and a socket of Unix has no port.
    if has_own_client(options) or address.startswith("unix:"):
        return place
    url = urlsplit(address if "//" in address else f"//{address}")
    if url.hostname:
        place["server.address"] = url.hostname
        place["server.port"] = url.port or DEFAULT_PORTS.get(url.scheme, DEFAULT_PORTS["https"])
    return place


def _describe(call: CallContext, place: Mapping[str, str | int]) -> tuple[str, Attributes]:
    spec = call.spec
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": call.name,
        **place,
        "gemini_qdrant.task_type": spec.task,
    }
    if spec.size is not None:
        attributes["gen_ai.embeddings.dimension.count"] = spec.size
    return f"embeddings {call.name}", attributes


def _end_span(span: Span, usage: EmbeddingUsage, failure: BaseException | None) -> None:
    span.set(_usage, usage)
    span.measure(usage.tokens, failure)
    span.end(failure)


def _usage(usage: EmbeddingUsage) -> Attributes:
    attributes: dict[str, int | float] = {
        "gen_ai.usage.input_tokens": usage.tokens,
        "gemini_qdrant.estimated_tokens": usage.estimated_tokens,
        "gemini_qdrant.requests": usage.requests,
        "gemini_qdrant.texts": usage.texts,
        "gemini_qdrant.cached": usage.cached,
    }
    if usage.usd is not None:
        attributes["operation.cost"] = usage.usd
    for modality, tokens in usage.tokens_by_modality.items():
        if modality != "TEXT":
            attributes[f"gemini_qdrant.{modality.lower()}_tokens"] = tokens
    return attributes


def _shown(content: Content) -> str:
    """Return a content's texts, and its media in words."""
    parts = content.parts or (content.text,)
    return "\n".join(
        part if isinstance(part, str) else f"[{part.mime_type}, {part.size_bytes:,} bytes]"
        for part in parts
    )


def _is_exported(run: trace | None) -> bool:
    """Return whether LangSmith itself makes a span of a run (`LANGSMITH_OTEL_ENABLED`)."""
    client = getattr(getattr(run, "new_run", None), "ls_client", None)
    return getattr(client, "otel_exporter", None) is not None


def _begin(name: str, call: CallContext, texts: int | None) -> trace:
    from langsmith import trace  # noqa: PLC0415 - half a second, only for tracing

    spec = call.spec
    model = model_id(spec.model)
    inputs = {"texts": texts, "task_type": spec.task, "output_dimensionality": spec.size}
    metadata = {"ls_provider": "google", "ls_model_name": model, "ls_model_type": "embedding"}
    manager = trace(f"GeminiEmbeddings.{name}", "embedding", inputs=inputs, metadata=metadata)
    manager.__enter__()
    return manager


def _end(manager: trace, usage: EmbeddingUsage, failure: BaseException | None) -> None:
    tokens: dict[str, object] = {
        "input_tokens": usage.tokens,
        "output_tokens": 0,
        "total_tokens": usage.tokens,
    }
    media = {name.lower(): n for name, n in usage.tokens_by_modality.items() if name != "TEXT"}
    if media:
        tokens["input_token_details"] = media
    if manager.new_run is not None:
        manager.new_run.add_outputs(
            {
                "requests": usage.requests,
                "texts": usage.texts,
                "cached": usage.cached,
                "usage_metadata": tokens,
                "estimated_tokens": usage.estimated_tokens,
            }
        )
    manager.__exit__(None if failure is None else type(failure), failure, None)


def _in_passing(step: Callable[..., T], *args: object) -> T | None:
    """Run a step of tracing; a failing tracer must not lose vectors or hide errors."""
    try:
        return step(*args)
    except Exception as error:  # noqa: BLE001 - from LangSmith or a user's own client
        warn_in_passing(
            f"LangSmith tracing failed ({type(error).__name__}): the trace of this call is "
            "incomplete; its vectors are not affected"
        )
        return None
