"""Trace embedding calls in LangSmith if tracing is on."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.embeddings.models import model_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langsmith import trace

    from langchain_gemini_qdrant.embeddings._call import CallContext
    from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage

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
def traced(name: str, call: CallContext, texts: int | None) -> Iterator[None]:
    """Report a call with its model, task, counts and tokens; never its texts or vectors.

    Args:
        name: Name of the method that was called.
        call: The call, whose usage is read at the end.
        texts: The number of texts, None if it is not known yet.
    """
    if not _is_on():
        yield
        return
    # In a separate context: a stream returns control between its vectors, and what its consumer
    # does then is not part of the embedding.
    context = copy_context()
    manager = _in_passing(lambda: context.run(_begin, name, call, texts))
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        if manager is not None:
            _in_passing(lambda: context.run(_end, manager, call.usage, failure))


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


def _in_passing(step: Callable[[], T]) -> T | None:
    """Run a step of tracing; a failing tracer must not lose vectors or hide errors."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - from LangSmith or a user's own client
        warn_in_passing(
            f"LangSmith tracing failed ({type(error).__name__}): the trace of this call is "
            "incomplete; its vectors are not affected"
        )
        return None
