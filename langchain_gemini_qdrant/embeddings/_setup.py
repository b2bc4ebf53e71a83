"""Set up the embedder of an instance: its services, limiter and bounds."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK
from langchain_gemini_qdrant._retry_policy import RetryPolicy
from langchain_gemini_qdrant.embeddings._backends import files_api
from langchain_gemini_qdrant.embeddings._concurrency import Tasks, wait_in_loop
from langchain_gemini_qdrant.embeddings._connection import limiter_of, open_backend
from langchain_gemini_qdrant.embeddings._embedder import Embedder
from langchain_gemini_qdrant.embeddings._services import Services, blocking_services
from langchain_gemini_qdrant.embeddings._tracing import place_of
from langchain_gemini_qdrant.embeddings._uploads import Files, uploads_of
from langchain_gemini_qdrant.embeddings.models import find_model

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings._connection import Connection
    from langchain_gemini_qdrant.embeddings._usage import UsageTotal
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings

# A batch has at most this share of a minute's tokens: larger ones would leave the rest unused.
_BATCHES_A_MINUTE = 20
# The estimate of tokens may be a third too low.
_TRUST_IN_THE_ESTIMATE = 0.7


def make_embedder(options: GeminiEmbeddings, connection: Connection, used: UsageTotal) -> Embedder:
    """Return the embedder of an instance, with everything that is constant for it.

    Raises:
        ConfigurationError: The SDK is not installed, or does not accept the options.
    """
    backend, clock = open_backend(options, connection), options.clock or SYSTEM_CLOCK
    cache, rate_limiter = options.cache, options.rate_limiter
    quota, most = options.tokens_per_minute, backend.max_batch_tokens(options.model)
    bounds = [] if quota is None else [quota / _BATCHES_A_MINUTE]
    bounds += [] if most is None else [most * _TRUST_IN_THE_ESTIMATE]
    limiter = limiter_of(options, connection)
    files = Files(
        api=files_api(options.backend, backend, is_vertex=connection.is_vertex),
        uploads=uploads_of(limiter),
        wait=wait_in_loop,
        cancelled=threading.Event(),
    )
    blocking = partial(blocking_services, backend, clock, cache, rate_limiter, files)
    return Embedder(
        services=Services(
            backend=backend,
            clock=clock,
            cache=cache,
            rate_limiter=rate_limiter,
            files=files,
            apart=asyncio.to_thread,
            side_by_side=Tasks,
        ),
        blocking_services=blocking,
        query_services=blocking(),
        used=used,
        on_usage=options.on_usage,
        limiter=limiter,
        policy=RetryPolicy(max_retries=options.max_retries),
        deadline=options.deadline,
        model=find_model(options.model),
        max_texts=max(
            1,
            min(
                options.batch_size,
                backend.max_batch_size(options.model),
                int(options.requests_per_minute or options.batch_size),
            ),
        ),
        max_tokens=min(bounds, default=None),
        max_concurrency=options.max_concurrency,
        on_too_long=options.on_too_long,
        place=place_of(options, connection),
    )
