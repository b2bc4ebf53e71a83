"""Limits that an administrator sets for requests to a collection: Qdrant's strict mode.

Pages, look-ups and batches respect them, so that a limit makes requests smaller and not fail.

Source: https://qdrant.tech/documentation/guides/administration/#strict-mode
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, models

NumberT = TypeVar("NumberT", int, float)

IDS_AT_A_TIME = 1_000
"""Most ids in one request: about 40 kB of UUIDs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of a collection; None is no limit.

    Attributes:
        hits: Most points that a search, one of its prefetches, or a page may return.
        lookup: Most points looked up by id at a time: the limit of reads per minute.
        deleted: Most points deleted by id at a time: the limit of writes per minute.
        batched: Most searches in one request.
        listed: Most ids or values in one condition of a filter.
        timeout: Longest timeout of a request, in seconds.
        oversampling: Largest oversampling of a search.
        exact: Whether exact searches and counts are allowed.
    """

    hits: int | None = None
    lookup: int | None = None
    deleted: int | None = None
    batched: int | None = None
    listed: int | None = None
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
            listed=config.condition_max_size,
            timeout=config.max_timeout,
            oversampling=config.search_max_oversampling,
            exact=config.search_allow_exact is not False,
        )

    def capped(self, params: models.SearchParams | None) -> models.SearchParams | None:
        """Return search defaults with their oversampling reduced to the limit."""
        if params is None or params.quantization is None or self.oversampling is None:
            return params
        own = at_most(params.quantization.oversampling or 1.0, self.oversampling)
        changed = params.quantization.model_copy(update={"oversampling": own})
        return params.model_copy(update={"quantization": changed})


def at_most(wanted: NumberT, limit: NumberT | None) -> NumberT:
    """Return the wanted number, or the limit if that is smaller."""
    return wanted if limit is None else min(wanted, limit)


async def exact_count(
    client: AsyncQdrantClient, name: str, condition: models.Filter | None, limits: Limits
) -> int:
    """Count points; if exact counts are not allowed, read the ids of all of them."""
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
