"""Build graphs and codes: the embedded engine does so at once, a server in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from qdrant_client import models

from langchain_gemini_qdrant.errors import OptimizationError
from langchain_gemini_qdrant.vectorstores._arguments import as_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant.vectorstores._collection import Collection

CollectionStatus: TypeAlias = Literal["green", "yellow", "grey", "red"]
"""Qdrant's status of a collection, in this order: all graphs and codes are built, some are being
built, some are pending until a restarted server is triggered, or building them failed."""

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizeProgress:
    """Progress of building a collection's graphs and codes.

    Attributes:
        status: `"green"` once all are built, `"yellow"` while the engine builds them, `"grey"`
            if a restarted server has not resumed building, `"red"` if building failed.
        points: Approximate number of stored points.
        indexed_vectors: Number of optimized vectors of all names, as the engine counts them.
        waited_s: Seconds since the call.
    """

    status: CollectionStatus
    points: int
    indexed_vectors: int
    waited_s: float


async def optimize(
    collection: Collection, timeout: float, on_progress: Callable[[OptimizeProgress], None] | None
) -> None:
    """Build all graphs and codes, or wait for a server; trigger it if a restart stopped it."""
    timeout = as_number(timeout, "timeout", 0.0)
    client, clock, name = collection.client, collection.clock, collection.name
    began, delay = clock.now(), _FIRST_DELAY_S
    if collection.connection.kind == "edge":
        await collection.optimize()
    while True:
        info = await client.get_collection(name)
        status: CollectionStatus = info.status.value
        waited = clock.now() - began
        if on_progress is not None:
            progress = OptimizeProgress(
                status=status,
                points=info.points_count or 0,
                indexed_vectors=info.indexed_vectors_count or 0,
                waited_s=waited,
            )
            on_progress(progress)
        if status == "green":
            return
        if status == "red" or waited >= timeout:
            raise OptimizationError(_problem(name, info, waited), status=status)
        if status == "grey":  # any update of the settings resumes building after a restart
            diff = models.OptimizersConfigDiff()
            await client.update_collection(name, optimizers_config=diff)
        await clock.asleep(min(delay, timeout - waited))
        delay = min(2 * delay, _LONGEST_DELAY_S)


def _problem(name: str, info: models.CollectionInfo, waited: float) -> str:
    if info.status is not models.CollectionStatus.RED:
        return (
            f"collection {name!r} is not optimized after {waited:.0f} s; its status is "
            f"{info.status.value}: the server continues to build; call optimize again, or with a "
            "longer timeout"
        )
    said = getattr(info.optimizer_status, "error", "the server gives no reason")
    return f"the server cannot optimize collection {name!r}: {said}. See the server's log"
