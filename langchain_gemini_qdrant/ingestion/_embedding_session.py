"""Sessions of `embeddings._session` for operations that are generators of steps."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings._concurrency import Pending as AnyPending
from langchain_gemini_qdrant.embeddings._session import Embedded, EmbeddingSession, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from langchain_core.embeddings import Embeddings

Session = EmbeddingSession
Pending = AnyPending[Embedded]

__all__ = ["Embedded", "Pending", "Session", "in_tasks", "in_threads"]

_NAME = "ingest"  # of the call in traces


@contextmanager
def in_threads(embedding: Embeddings | None) -> Iterator[EmbeddingSession]:
    """Open a session whose requests go in threads; leaving it waits for those under way."""
    session: Any = open_session(embedding, _NAME, blocking=True)
    opened = run(session.__aenter__())
    try:
        yield opened
    except BaseException:
        if not run(session.__aexit__(*sys.exc_info())):
            raise
    else:
        run(session.__aexit__(None, None, None))


@asynccontextmanager
async def in_tasks(embedding: Embeddings | None) -> AsyncIterator[EmbeddingSession]:
    """Open a session whose requests go in tasks; leaving it cancels those under way."""
    async with open_session(embedding, f"a{_NAME}", blocking=False) as session:
        yield session
