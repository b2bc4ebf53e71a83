"""What an administrator lets one request to a collection ask for: Qdrant's strict mode.

Pages, look-ups and batches keep to it, so that a limit makes them smaller and ends nothing.

Source: https://qdrant.tech/documentation/guides/administration/#strict-mode
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, models

NumberT = TypeVar("NumberT", int, float)

IDS_AT_A_TIME = 1_000
"""Ids in one request: some 40 kB of UUIDs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of a collection; None is no limit.

    Attributes:
        hits: Points that a search, one of its prefetches, or a page may return.
        lookup: Points looked up by id at a time: a minute's allowance of reads.
        deleted: Points deleted by id at a time: a minute's allowance of writes.
        batched: Searches in one request.
        timeout: Seconds that a request may ask for.
        oversampling: Largest one of a search.
        exact: Whether exact searches and counts are allowed.
    """

    hits: int | None = None
    lookup: int | None = None
    deleted: int | None = None
    batched: int | None = None
    timeout: int | None = None
    oversampling: float | None = None
    exact: bool = True

    @classmethod
    def of(cls, info: models.CollectionInfo) -> Limits:
        """Return the limits that a collection reports."""
        config = info.config.strict_mode_config
        if config is None or not config.enabled:
            return cls()
        batched = [each for each in (config.search_max_batchsize, config.read_rate_limit) if each]
        return cls(
            hits=config.max_query_limit,
            lookup=config.read_rate_limit,
            deleted=config.write_rate_limit,
            batched=min(batched, default=None),
            timeout=config.max_timeout,
            oversampling=config.search_max_oversampling,
            exact=config.search_allow_exact is not False,
        )

    def capped(self, params: models.SearchParams | None) -> models.SearchParams | None:
        """Return search defaults whose oversampling is allowed."""
        if params is None or params.quantization is None or self.oversampling is None:
            return params
        own = at_most(params.quantization.oversampling or 1.0, self.oversampling)
        changed = params.quantization.model_copy(update={"oversampling": own})
        return params.model_copy(update={"quantization": changed})


def at_most(wanted: NumberT, limit: NumberT | None) -> NumberT:
    """Return what is wanted, or the limit where that is less."""
    return wanted if limit is None else min(wanted, limit)


async def exact_count(
    client: AsyncQdrantClient, name: str, condition: models.Filter | None, limits: Limits
) -> int:
    """Count points; where exact counts are not allowed, by reading the ids of all of them."""
    if limits.exact:
        return (await client.count(name, count_filter=condition, exact=True)).count
    found = 0
    offset: Any = None
    while True:
        page, offset = await client.scroll(
            name,
            scroll_filter=condition,
            limit=at_most(IDS_AT_A_TIME, limits.hits),
            offset=offset,
            with_payload=False,
        )
        found += len(page)
        if offset is None:
            return found
