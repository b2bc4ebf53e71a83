"""Measure recall and latency of searches against exact search, on the user's own collection."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.recall._queries import Searches, asked_queries
from langchain_gemini_qdrant.recall._row import RecallRow, search_params
from langchain_gemini_qdrant.recall._statistics import interval, percentile, recall_of
from langchain_gemini_qdrant.recall.report import RecallReport
from langchain_gemini_qdrant.vectorstores._limits import Limits, at_most
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qdrant_client import models

    from langchain_gemini_qdrant.recall._queries import Queries
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores.filters import Filter
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class RecallProgress:
    """Progress of a measurement.

    Attributes:
        done: Number of searches done.
        total: Number of all searches.
    """

    done: int
    total: int


def measure_recall(
    store: GeminiQdrantVectorStore,
    queries: Queries | None = None,
    *,
    limits: Sequence[int] = (10, 20, 50, 100),
    oversampling: Sequence[float] = (1, 2, 3),
    rescore: Sequence[bool] = (False, True),
    hnsw_ef: Sequence[int | None] = (None,),
    filter: Filter | None = None,
    sample_size: int = 200,
    seed: int | None = None,
    latency_queries: int = 100,
    confidence: float = 0.95,
    batch_size: int = 16,
    timeout: int = 60,
    progress: bool = False,
    on_progress: Callable[[RecallProgress], None] | None = None,
) -> RecallReport:
    """Measure recall and latency of each search setting against exact search.

    Each query is searched once with `exact=True`, at the largest limit, and once with each
    setting. A hit counts if it belongs to an exact top k: points that tie at rank k (within
    1e-6 of the score) are interchangeable. If fewer than k points exist, all of them are the exact
    result.

    The interval around a mean is Wilson's, with the effective sample size of clustered data,
    because the hits of one query are correlated. This size is the number of independent hits that
    would have the variance between queries, with one query added that finds nothing and one that
    finds all; at least the number of queries, and at most the number of hits.

    Latency is that of single searches, one after the other, with payloads and without the
    embedding of the query. Each search runs once before, so that caches are warm, and the
    settings take turns at each query, so that load on the machine affects all of them.

    For a collection without quantization, only limits and `hnsw_ef` vary.

    Args:
        store: The store whose dense vectors are searched.
        queries: Texts or media, which are embedded once as queries, or vectors. None takes a sample
            of the stored vectors, and each search excludes the vector's own point. Documents are
            closer to each other than questions are to documents, so your users' questions are more
            representative.
        limits: Values of k, the number of hits.
        oversampling: Numbers of candidates chosen by their codes, as multiples of k.
        rescore: Whether the candidates are ranked again by their full vectors: one or both of False
            and True.
        hnsw_ef: Values of Qdrant's `hnsw_ef`; None for the collection's value.
        filter: Conditions on the metadata, applied to the searches and the sample.
        sample_size: Number of stored vectors in the sample.
        seed: The same seed draws the same sample, for which all ids are read. With None the engine
            draws.
        latency_queries: Searches timed for each row, at most one for each query; 0 for none.
        confidence: Confidence level of the intervals, in (0, 1).
        batch_size: Searches per request while recall is measured.
        timeout: Seconds that a server may take for such a request. The server's strict mode may
            lower this and `batch_size`.
        progress: Show a bar: a widget in a notebook that has ipywidgets,
            otherwise text.
        on_progress: Called as searches are done.

    Returns:
        A report that prints as a table.

    Raises:
        ConfigurationError: A setting is out of its range, or the store has no dense vectors.
        InvalidInputError: There are no queries, or no points that they could find.
    """
    with progress_bar("searches", on_progress, shown=progress) as show:
        plan = Plan(
            limits=limits,
            oversampling=oversampling,
            rescore=rescore,
            hnsw_ef=hnsw_ef,
            filter=filter,
            sample_size=sample_size,
            seed=seed,
            latency_queries=latency_queries,
            confidence=confidence,
            batch_size=batch_size,
            timeout=timeout,
            on_progress=show,
        )
        plan.check()
        _warn_of_local_mode(store.collection)
        return run(measure(store.collection, queries, plan))


async def ameasure_recall(
    store: GeminiQdrantVectorStore,
    queries: Queries | None = None,
    *,
    limits: Sequence[int] = (10, 20, 50, 100),
    oversampling: Sequence[float] = (1, 2, 3),
    rescore: Sequence[bool] = (False, True),
    hnsw_ef: Sequence[int | None] = (None,),
    filter: Filter | None = None,
    sample_size: int = 200,
    seed: int | None = None,
    latency_queries: int = 100,
    confidence: float = 0.95,
    batch_size: int = 16,
    timeout: int = 60,
    progress: bool = False,
    on_progress: Callable[[RecallProgress], None] | None = None,
) -> RecallReport:
    """Measure recall and latency against exact search, without blocking the event loop.

    The arguments are those of `measure_recall`.

    Returns:
        A report that prints as a table.

    Raises:
        ConfigurationError: A setting is out of its range, or the store has no dense vectors.
        InvalidInputError: There are no queries, or no points that they could find.
    """
    with progress_bar("searches", on_progress, shown=progress) as show:
        plan = Plan(
            limits=limits,
            oversampling=oversampling,
            rescore=rescore,
            hnsw_ef=hnsw_ef,
            filter=filter,
            sample_size=sample_size,
            seed=seed,
            latency_queries=latency_queries,
            confidence=confidence,
            batch_size=batch_size,
            timeout=timeout,
            on_progress=show,
        )
        plan.check()
        _warn_of_local_mode(store.async_collection)
        return await measure(store.async_collection, queries, plan)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to measure; the attributes are the arguments of `measure_recall`."""

    limits: Sequence[int] = (10, 20, 50, 100)
    oversampling: Sequence[float | None] = (1, 2, 3)
    rescore: Sequence[bool | None] = (False, True)
    hnsw_ef: Sequence[int | None] = (None,)
    filter: Filter | None = None
    sample_size: int = 200
    seed: int | None = None
    latency_queries: int = 100
    confidence: float = 0.95
    batch_size: int = 16
    timeout: int = 60
    on_progress: Callable[[RecallProgress], None] | None = None

    def check(self) -> None:
        """Refuse arguments that cannot be measured.

        Raises:
            ConfigurationError: A setting is out of its range.
        """
        for name in ("limits", "oversampling", "rescore", "hnsw_ef"):
            if not isinstance(getattr(self, name), Iterable):
                raise ConfigurationError(f"{name} must be a list, got {getattr(self, name)!r}")
        for name in ("limits", "oversampling", "hnsw_ef"):
            values: Sequence[object] = getattr(self, name)
            wrong = [each for each in values if each is not None and not _is_positive(each)]
            if wrong or not values:
                raise ConfigurationError(f"{name} must be numbers from 1, got {values!r}")
        if not self.rescore:
            raise ConfigurationError("rescore must be (False, True), (False,) or (True,), got none")
        for name in ("sample_size", "batch_size", "timeout"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be 1 or larger, got {getattr(self, name)}")
        if self.latency_queries < 0:
            raise ConfigurationError(
                f"latency_queries must be 0 or larger, got {self.latency_queries}"
            )
        if not 0 < self.confidence < 1:
            raise ConfigurationError(f"confidence must be between 0 and 1, got {self.confidence}")

    def check_limits(self, limits: Limits, name: str, *, is_quantized: bool) -> None:
        """Refuse measurements that the collection's strict mode does not allow.

        Raises:
            ConfigurationError: Exact searches are not allowed, or a setting is above its limit.
        """
        if not limits.exact:
            raise ConfigurationError(
                f"recall is measured against exact searches, and collection {name!r} allows none "
                "(search_allow_exact of its strict mode): allow them for the measurement"
            )
        if limits.hits is not None and max(self.limits) >= limits.hits:
            raise ConfigurationError(
                f"limits must be below {limits.hits} here, the max_query_limit of collection "
                f"{name!r}, as exact searches ask for one more hit, got {max(self.limits)}"
            )
        most = max(each or 1.0 for each in self.oversampling)
        allowed = at_most(most, limits.oversampling)
        if is_quantized and allowed < most:
            raise ConfigurationError(
                f"oversampling must be at most {allowed:g}, the "
                f"search_max_oversampling of collection {name!r}, got {most:g}"
            )


def search_count(queries: int, rows: int, latency_queries: int) -> int:
    """Return the number of searches of a measurement: the exact ones, and those of each row."""
    return queries + rows * (queries + min(queries, latency_queries))


async def measure(collection: Collection, queries: Queries | None, plan: Plan) -> RecallReport:
    """Measure recall and latency of a collection."""
    info = await collection.client.get_collection(collection.name)
    limits = Limits.of(info)
    params = vector_params(collection, info)
    quantization = params.quantization_config or info.config.quantization_config
    plan.check_limits(limits, collection.name, is_quantized=quantization is not None)
    condition = to_filter(plan.filter, collection.layout.metadata_key)
    asked, kind = await asked_queries(
        collection,
        queries,
        size=params.size,
        sample_size=plan.sample_size,
        seed=plan.seed,
        condition=condition,
        limits=limits,
    )
    settings: list[tuple[float | None, bool | None]] = [(None, None)]
    if quantization is not None:
        settings = list(product(plan.oversampling, plan.rescore))
    timed = asked[: plan.latency_queries]
    rows = len(plan.limits) * len(plan.hnsw_ef) * len(settings)

    def show(done: int, total: int) -> None:
        if plan.on_progress is not None:
            plan.on_progress(RecallProgress(done=done, total=total))

    searches = Searches(
        collection,
        condition,
        batch_size=at_most(plan.batch_size, limits.batched),
        timeout=at_most(plan.timeout, limits.timeout),
        deepest=limits.hits,
        takes_settings=collection.connection.kind != "local",
        total=search_count(len(asked), rows, plan.latency_queries),
        show=show,
    )
    exact = await searches.exact(asked, max(plan.limits))
    found = []
    for limit, hnsw_ef, (oversampling, rescore) in product(plan.limits, plan.hnsw_ef, settings):
        setting = search_params(oversampling, rescore=rescore, hnsw_ef=hnsw_ef)
        hits = await searches.all(asked, setting, [limit] * len(asked))
        shares = [
            recall_of(scores, wanted, limit) for scores, wanted in zip(hits, exact, strict=True)
        ]
        low, high = interval(shares, limit, plan.confidence)
        row = RecallRow(
            limit=limit,
            oversampling=None if oversampling is None else float(oversampling),
            rescore=rescore,
            hnsw_ef=hnsw_ef,
            recall=statistics.fmean(shares),
            low=low,
            high=high,
            p50_s=None,
            p95_s=None,
        )
        found.append(row)
    if timed:
        seconds = await searches.timed(timed, [(row.search_params, row.limit) for row in found])
        found = [
            replace(row, p50_s=statistics.median(each), p95_s=percentile(each, 0.95))
            for row, each in zip(found, seconds, strict=True)
        ]
    return RecallReport(
        collection=collection.name,
        engine=collection.connection.kind,
        points=info.points_count or 0,
        vector_size=params.size,
        quantization=None
        if quantization is None
        else quantization.model_dump(mode="json", exclude_none=True),
        segments=info.segments_count,
        indexed_vectors=info.indexed_vectors_count if _has_graph(info, params) else 0,
        status=info.status.value,
        queries=len(asked),
        query_kind=kind,
        latency_queries=len(timed),
        filtered=condition is not None,
        confidence=plan.confidence,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows=tuple(found),
    )


def _warn_of_local_mode(collection: Collection) -> None:
    if collection.connection.kind == "local":
        warn(
            "qdrant-client's local mode searches the full vectors, whatever the settings: its "
            "recall says nothing about other engines. Use path= for an engine that quantizes"
        )


def _has_graph(info: models.CollectionInfo, params: models.VectorParams) -> bool:
    """Return whether a graph is to be built; engines also count vectors optimized without one."""
    own = None if params.hnsw_config is None else params.hnsw_config.m
    return (info.config.hnsw_config.m if own is None else own) > 0


def vector_params(collection: Collection, info: models.CollectionInfo) -> models.VectorParams:
    """Return the settings of the searched vector.

    Raises:
        ConfigurationError: There is no such vector.
    """
    by_name = named_vectors(info.config.params.vectors)
    vector_name = collection.layout.vector_name
    if vector_name not in by_name:
        raise ConfigurationError(
            f"recall is measured for dense vectors, and collection {collection.name!r} has none "
            f"named {vector_name!r}, only {sorted(by_name)}"
        )
    return by_name[vector_name]


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1
