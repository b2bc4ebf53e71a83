"""Embedding calls in LangSmith, where tracing is on."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.embeddings.models import model_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.embeddings._send import CallContext


_VARIABLES = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING",
    "LANGCHAIN_TRACING_V2",
)


def _is_on() -> bool:
    # On by the environment, or by code that has loaded LangSmith's switches itself.
    if "langsmith.run_helpers" not in sys.modules and not any(map(os.environ.get, _VARIABLES)):
        return False
    from langsmith.utils import tracing_is_enabled  # noqa: PLC0415 - see `traced`

    return bool(tracing_is_enabled())


@contextmanager
def traced(name: str, call: CallContext, texts: int | None) -> Iterator[None]:
    """Report a call with its model, task, counts and tokens; never its texts or vectors.

    Args:
        name: Of the method that was called.
        call: Its usage is read at the end.
        texts: How many were given, None where that is not known yet.
    """
    if not _is_on():
        yield
        return
    from langsmith import trace  # noqa: PLC0415 - half a second, for those who trace

    spec = call.spec
    model = model_id(spec.model)
    inputs = {"texts": texts, "task_type": spec.task, "output_dimensionality": spec.size}
    metadata = {"ls_provider": "google", "ls_model_name": model, "ls_model_type": "embedding"}
    manager = trace(f"GeminiEmbeddings.{name}", "embedding", inputs=inputs, metadata=metadata)
    # In a context of its own: a stream hands control back between its vectors, and what its
    # consumer does then is no part of the embedding.
    context = copy_context()
    run = context.run(manager.__enter__)
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        usage = call.usage
        tokens = {"input_tokens": usage.tokens, "output_tokens": 0, "total_tokens": usage.tokens}
        run.add_outputs(
            {
                "requests": usage.requests,
                "texts": usage.texts,
                "cached": usage.cached,
                "usage_metadata": tokens,
            }
        )
        kind = None if failure is None else type(failure)
        context.run(manager.__exit__, kind, failure, None)
