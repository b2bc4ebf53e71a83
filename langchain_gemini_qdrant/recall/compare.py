"""Compare quantizations on a sample of vectors, before choosing one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.quantization import (
    QUANTIZATION_PRESETS,
    QuantizationPreset,
    quantization_config,
    search_params_for,
)
from langchain_gemini_qdrant.recall._comparison_report import ComparisonRow, QuantizationComparison
from langchain_gemini_qdrant.recall._queries import (
    VECTORS_AT_A_TIME,
    asked_queries,
    drawn_ids,
    parts,
    stored_vectors,
)
from langchain_gemini_qdrant.recall._row import codes_text
from langchain_gemini_qdrant.recall.measure import (
    Plan,
    RecallProgress,
    measure,
    search_count,
    vector_params,
)
from langchain_gemini_qdrant.vectorstores._arguments import as_member
from langchain_gemini_qdrant.vectorstores._limits import Limits, at_most
from langchain_gemini_qdrant.vectorstores.filters import to_filter
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.recall._queries import Queries
    from langchain_gemini_qdrant.recall.report import RecallReport
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores.filters import Filter

_COLLECTION = "compared"
_FULL_BITS = 32.0  # bytes of a component in single precision
# The engine applies codes when it optimizes, here from 1 kB on. There is no graph (m=0): recall is
# that of the codes only, and building a graph takes time.
_FLAT: dict[str, Any] = {
    "hnsw_config": models.HnswConfigDiff(m=0),
    "optimizers_config": models.OptimizersConfigDiff(indexing_threshold=1),
}


def compare_quantizations(
    source: GeminiQdrantVectorStore | Sequence[Sequence[float]] | npt.NDArray[np.floating[Any]],
    queries: Queries | None = None,
    *,
    presets: Sequence[Quantization] | None = None,
    limits: Sequence[int] = (10, 100),
    oversampling: Sequence[float] | None = None,
    filter: Filter | None = None,
    distance: models.Distance = models.Distance.COSINE,
    sample_size: int = 10_000,
    query_count: int = 200,
    seed: int | None = None,
    latency_queries: int = 100,
    confidence: float = 0.95,
    progress: bool = False,
    on_progress: Callable[[str, RecallProgress], None] | None = None,
) -> QuantizationComparison:
    """Quantize a sample of vectors with each preset, and measure recall, latency and bytes.

    Each quantization gets its own collection in a temporary embedded engine: flat, with its codes
    applied and without a graph. The full vectors come first, for comparison. Recall falls as a
    collection grows, so the recall of the sample is an upper bound for a larger collection.
    The quantizations are timed one after the other, so only an idle machine compares them fairly.

    Args:
        source: A store whose vectors are sampled, or vectors with shape `(n, size)`.
        queries: Texts or vectors, as in `measure_recall`; texts need a store. None takes queries
            from the sample.
        presets: Names of presets, or custom settings; None for all presets.
        limits: Values of k, the number of hits.
        oversampling: Candidates as multiples of k, rescored; None for each quantization's default.
        filter: Conditions on the metadata of the documents sampled from a store.
        distance: Distance function for vectors; a store uses its own.
        sample_size: Maximum number of vectors in the sample.
        query_count: Number of vectors of the sample to use as queries.
        seed: The same seed draws the same sample.
        latency_queries: Searches timed for each row; 0 for none.
        confidence: Confidence level of the intervals, in (0, 1).
        progress: Show one bar: a widget in a notebook that has ipywidgets, otherwise text.
        on_progress: Called as searches are done, with the name of the current quantization; the
            count is over all quantizations.

    Returns:
        A report that prints as a table.

    Raises:
        ConfigurationError: A setting is out of its range.
        InvalidInputError: There are no vectors or queries, or texts are given without a store.
    """
    with progress_bar("searches", on_progress, shown=progress) as show:
        comparison = _Comparison(
            source=source,
            queries=queries,
            presets=presets,
            limits=limits,
            oversampling=oversampling,
            filter=filter,
            distance=distance,
            sample_size=sample_size,
            query_count=query_count,
            seed=seed,
            latency_queries=latency_queries,
            confidence=confidence,
            on_progress=show,
        )
        prepared = run(comparison.prepared(blocking=True))
        with closing(EdgeClient(":temporary:")) as client:
            return run(comparison.compared(_throw_away(client).collection, *prepared))


async def acompare_quantizations(
    source: GeminiQdrantVectorStore | Sequence[Sequence[float]] | npt.NDArray[np.floating[Any]],
    queries: Queries | None = None,
    *,
    presets: Sequence[Quantization] | None = None,
    limits: Sequence[int] = (10, 100),
    oversampling: Sequence[float] | None = None,
    filter: Filter | None = None,
    distance: models.Distance = models.Distance.COSINE,
    sample_size: int = 10_000,
    query_count: int = 200,
    seed: int | None = None,
    latency_queries: int = 100,
    confidence: float = 0.95,
    progress: bool = False,
    on_progress: Callable[[str, RecallProgress], None] | None = None,
) -> QuantizationComparison:
    """Compare quantizations on a sample, in a child process, without blocking the event loop.

    The arguments are those of `compare_quantizations`.

    Returns:
        A report that prints as a table.

    Raises:
        ConfigurationError: A setting is out of its range.
        InvalidInputError: There are no vectors or queries, or texts are given without a store.
    """
    with progress_bar("searches", on_progress, shown=progress) as show:
        comparison = _Comparison(
            source=source,
            queries=queries,
            presets=presets,
            limits=limits,
            oversampling=oversampling,
            filter=filter,
            distance=distance,
            sample_size=sample_size,
            query_count=query_count,
            seed=seed,
            latency_queries=latency_queries,
            confidence=confidence,
            on_progress=show,
        )
        prepared = await comparison.prepared(blocking=False)
        async with aclosing(AsyncEdgeClient(":temporary:")) as client:
            store = _throw_away(None, client)
            return await comparison.compared(store.async_collection, *prepared)


class _Sample(NamedTuple):
    """The sample that quantizations are compared on.

    Attributes:
        name: Name of its collection, None for vectors of the caller.
        vectors: The vectors, shape `(n, size)`.
        queries: Vectors, or None to take queries from the sample.
        texts: Whether the queries were texts.
    """

    name: str | None
    vectors: npt.NDArray[np.float32]
    distance: models.Distance
    queries: list[list[float]] | None
    texts: bool = False


class _Candidate(NamedTuple):
    """One of the quantizations; the full vectors have no configuration."""

    name: str
    config: models.QuantizationConfig | None
    bits: float | None
    oversampling: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    """One call of `compare_quantizations`, with its arguments."""

    source: GeminiQdrantVectorStore | Sequence[Sequence[float]] | npt.NDArray[np.floating[Any]]
    queries: Queries | None
    presets: Sequence[Quantization] | None
    limits: Sequence[int]
    oversampling: Sequence[float] | None
    filter: Filter | None
    distance: models.Distance
    sample_size: int
    query_count: int
    seed: int | None
    latency_queries: int
    confidence: float
    on_progress: Callable[[str, RecallProgress], None] | None

    async def prepared(self, *, blocking: bool) -> tuple[list[_Candidate], _Sample]:
        """Check the arguments and take a sample, so that mistakes raise before an engine starts."""
        if isinstance(self.presets, str | Mapping):
            raise ConfigurationError(
                f"presets must be a list, such as ['binary'], got {type(self.presets).__name__}"
            )
        given = QUANTIZATION_PRESETS.values() if self.presets is None else self.presets
        candidates = [_Candidate("none", None, _FULL_BITS, 1.0), *map(_candidate, given)]
        self._plan().check()
        if self.sample_size < 1:
            raise ConfigurationError(f"sample_size must be 1 or larger, got {self.sample_size}")
        if isinstance(self.source, GeminiQdrantVectorStore):
            source = self.source.collection if blocking else self.source.async_collection
            return candidates, await self._read(source)
        return candidates, self._given()

    def _plan(self) -> Plan:
        return Plan(
            limits=self.limits,
            oversampling=self.oversampling or (1.0,),
            rescore=(True,),
            sample_size=self.query_count,
            seed=self.seed or 0,
            latency_queries=self.latency_queries,
            confidence=self.confidence,
        )

    def _given(self) -> _Sample:
        """Return a sample of the caller's vectors."""
        queries: Any = self.queries
        vectors = np.asarray(self.source, dtype=np.float32)
        if vectors.ndim != 2 or not vectors.size:  # noqa: PLR2004 - shape (n, size)
            raise InvalidInputError(
                f"vectors must have the shape (n, size), got {vectors.shape}: pass a store or a "
                "sequence of vectors"
            )
        if queries is not None and any(isinstance(query, str) for query in queries):
            raise InvalidInputError("texts need a store that embeds them: pass it as source")
        size = self.sample_size
        if len(vectors) > size:
            chosen = Random(self.seed).sample(range(len(vectors)), size)  # noqa: S311
            vectors = vectors[sorted(chosen)]
        distance = as_member(models.Distance, self.distance, "distance")
        return _Sample(None, vectors, distance, queries)

    async def _read(self, source: Collection) -> _Sample:
        """Read a sample of a collection, and embed the queries where they are texts."""
        info = await source.client.get_collection(source.name)
        params, limits = vector_params(source, info), Limits.of(info)
        queries, texts = None, False
        if self.queries is not None:
            asked, kind = await asked_queries(
                *(source, self.queries),
                size=params.size,
                sample_size=1,
                seed=0,
                condition=None,
                limits=limits,
            )
            queries, texts = [query.vector for query in asked], kind == "texts"
        condition = to_filter(self.filter, source.layout.metadata_key)
        ids = await drawn_ids(source, self.sample_size, self.seed, condition, limits)
        read = []
        for some in parts(ids, at_most(VECTORS_AT_A_TIME, limits.lookup)):
            found = await stored_vectors(source, some)
            # single precision, as in the engine: an eighth of the memory of a list of floats
            read += [np.asarray(vector, dtype=np.float32) for vector in found.values()]
        if not read:
            raise InvalidInputError(
                f"collection {source.name!r} has no vectors to compare quantizations "
                "on: store some first, use a different filter, or pass vectors"
            )
        return _Sample(source.name, np.stack(read), params.distance, queries, texts)

    async def compared(
        self, collection: Collection, candidates: Sequence[_Candidate], sample: _Sample
    ) -> QuantizationComparison:
        """Measure each quantization in `collection`, created again for each."""
        rows: list[ComparisonRow] = []
        report: RecallReport | None = None
        counts = [self._search_count(candidate, sample) for candidate in candidates]
        for number, candidate in enumerate(candidates):
            code_bytes = await _filled(collection, sample, candidate)
            show = partial(self._show, candidate.name, counts, number)
            report = await measure(collection, sample.queries, self._plan_of(candidate, show))
            await collection.client.delete_collection(collection.name)
            rows += [
                ComparisonRow(
                    quantization=candidate.name,
                    bits=candidate.bits,
                    bytes_per_vector=code_bytes / len(sample.vectors),
                    figures=figures,
                )
                for figures in report.rows
            ]
        if report is None:
            raise ConfigurationError("there is nothing to compare")
        return QuantizationComparison(
            collection=sample.name,
            points=len(sample.vectors),
            vector_size=report.vector_size,
            queries=report.queries,
            query_kind="texts" if sample.texts else report.query_kind,
            latency_queries=report.latency_queries,
            confidence=report.confidence,
            measured_at=report.measured_at,
            rows=tuple(rows),
        )

    def _plan_of(self, candidate: _Candidate, show: Callable[[RecallProgress], None]) -> Plan:
        return replace(
            self._plan(),
            oversampling=self.oversampling or (candidate.oversampling,),
            on_progress=show,
        )

    def _search_count(self, candidate: _Candidate, sample: _Sample) -> int:
        queries = len(sample.queries or sample.vectors[: self.query_count])
        settings = 1 if candidate.config is None else len(self.oversampling or (1.0,))
        return search_count(queries, len(self.limits) * settings, self.latency_queries)

    def _show(self, name: str, counts: list[int], number: int, progress: RecallProgress) -> None:
        """Report progress over all measurements; the current one's total may have grown."""
        counts[number] = progress.total
        if self.on_progress is not None:
            done = sum(counts[:number]) + progress.done
            self.on_progress(name, RecallProgress(done=done, total=sum(counts)))


def _candidate(quantization: Quantization) -> _Candidate:
    if isinstance(quantization, str):
        quantization = QUANTIZATION_PRESETS.get(quantization, quantization)
    config = quantization_config(quantization)
    params = search_params_for(quantization)
    own = params and params.quantization and params.quantization.oversampling
    if isinstance(quantization, QuantizationPreset):
        return _Candidate(quantization.name, config, quantization.bits, own or 1.0)
    name = codes_text(config.model_dump(mode="json", exclude_none=True))
    return _Candidate(name, config, None, own or 1.0)


async def _filled(collection: Collection, sample: _Sample, candidate: _Candidate) -> int:
    """Fill the collection of a quantization; return the bytes of its codes."""
    client, name = collection.client, collection.name
    count, size = sample.vectors.shape
    params = models.VectorParams(size=size, distance=sample.distance)
    await client.create_collection(name, params, quantization_config=candidate.config, **_FLAT)
    for start in range(0, count, VECTORS_AT_A_TIME):
        vectors = sample.vectors[start : start + VECTORS_AT_A_TIME].tolist()
        ids = list(range(start, start + len(vectors)))
        await client.upsert(name, models.Batch(ids=ids, vectors=vectors))
    await collection.optimize()
    engine: Any = client  # Edge's client, which has more methods
    sizes = await engine.vector_storage_size(name)
    measured: int = sizes.original_bytes if candidate.config is None else sizes.quantized_bytes
    if not measured:
        raise InvalidInputError(
            f"{count} vectors are too few for the engine to quantize with {candidate.name!r}: pass "
            "more"
        )
    return measured


def _throw_away(
    client: EdgeClient | None, async_client: AsyncEdgeClient | None = None
) -> GeminiQdrantVectorStore:
    """Return a store that is used only for its collection: it embeds nothing and checks nothing."""
    return GeminiQdrantVectorStore(
        client,
        _COLLECTION,
        validate_embeddings=False,
        validate_collection_config=False,
        async_client=async_client,
    )
