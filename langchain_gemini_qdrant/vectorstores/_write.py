"""The operations of a store, as steps; `GeminiQdrantVectorStore` carries them out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.documents import Document
from langchain_qdrant import RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import document_id, point_id
from langchain_gemini_qdrant.embeddings._request import check_count, check_texts
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    GeminiQdrantError,
    InvalidInputError,
)
from langchain_gemini_qdrant.quantization import merge_search_params
from langchain_gemini_qdrant.vectorstores import _points as _writing
from langchain_gemini_qdrant.vectorstores import _schema as _collections
from langchain_gemini_qdrant.vectorstores import _search as _searching
from langchain_gemini_qdrant.vectorstores._opening import Opening
from langchain_gemini_qdrant.vectorstores._retry import IDS_AT_A_TIME, Embed, Next, Stream
from langchain_gemini_qdrant.vectorstores._schema import Layout, known_size
from langchain_gemini_qdrant.vectorstores._search import as_qdrant, prefetches
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.vectorstores._points import Row
    from langchain_gemini_qdrant.vectorstores._retry import Steps
    from langchain_gemini_qdrant.vectorstores._search import Fusion
    from langchain_gemini_qdrant.vectorstores.filters import Filter

T = TypeVar("T")


class Operations(Opening):
    """What a store does, thought once for sync and async use."""

    # Steps of writing

    def _add(
        self, rows: Sequence[Row], batch_size: int, options: dict[str, Any]
    ) -> Steps[list[str | int]]:
        """Store rows as their vectors come; where it breaks off, tell what is stored."""
        _writing.check_options(options)
        if batch_size < 1:
            raise InvalidInputError(f"batch_size must be 1 or larger, got {batch_size}")
        embedding = self._layout.embedding
        stream = None
        if isinstance(embedding, GeminiEmbeddings):
            texts = [row.text for row in rows]
            check_texts(texts)
            if len(rows) > embedding.batch_size:
                stream = yield Stream(embedding, texts, self._titles(row.metadata for row in rows))
        stored = 0
        try:
            for start in range(0, len(rows), batch_size):
                batch = rows[start : start + batch_size]
                dense, failure = yield from self._dense(batch, stream)
                batch = batch[: len(dense)]
                vectors = yield from self._named([row.text for row in batch], dense)
                for points in self._requests(batch, vectors):
                    yield from self._upsert(points, options)
                    stored += len(points)
                if failure is not None:
                    raise failure  # noqa: TRY301 - like one of storing
        except Exception as error:
            if stored == 0:
                raise
            raise _writing.partial_write(rows, stored, error) from error
        return [row.id for row in rows]

    def _vectors(self, rows: Sequence[Row]) -> Steps[list[dict[str, Any]]]:
        dense, _ = yield from self._dense(rows, None)
        return (yield from self._named([row.text for row in rows], dense))

    def _dense(
        self, rows: Sequence[Row], stream: object
    ) -> Steps[tuple[Sequence[list[float] | None], GeminiQdrantError | None]]:
        """Return the rows' dense vectors: of the first of them only, and why, if a stream fails."""
        embedding = self._layout.embedding
        if embedding is None:
            return [None] * len(rows), None
        vectors: list[list[float]] = []
        if stream is None:
            titles = self._titles(row.metadata for row in rows)
            options = {} if titles is None else {"titles": titles}
            texts = [row.text for row in rows]
            vectors = yield Embed(embedding, "embed_documents", texts, options)
            check_count(embedding, vectors, len(rows))
            self._check_size(vectors[0] if vectors else None)
            return vectors, None
        try:
            for _ in rows:
                vectors.append((yield Next(stream)))
        except GeminiQdrantError as error:
            return vectors, error
        return vectors, None

    def _named(
        self, texts: list[str], dense: Sequence[list[float] | None]
    ) -> Steps[list[dict[str, Any]]]:
        """Return the vectors of texts by name, the sparse ones among them."""
        layout = self._layout
        named: list[dict[str, Any]] = [{} for _ in texts]
        if layout.embedding is not None:
            for vectors, vector in zip(named, dense, strict=True):
                vectors[layout.vector_name] = vector
        if layout.sparse_embedding is not None and texts:
            sparse = yield Embed(layout.sparse_embedding, "embed_documents", texts)
            check_count(layout.sparse_embedding, sparse, len(texts))
            for vectors, vector in zip(named, sparse, strict=True):
                vectors[layout.sparse_vector_name] = as_qdrant(vector)
        return named

    def _check_size(self, vector: Sequence[float] | None) -> None:
        """Refuse a vector that the collection cannot have, before it is stored or searched."""
        if vector is not None and self._size is not None and len(vector) != self._size:
            raise CollectionMismatchError(
                f"collection {self.collection_name!r} stores vectors of size {self._size}, this "
                f"one has {len(vector)}: use the embedding that filled it, or another "
                "collection_name"
            )

    def _titles(self, metadatas: Iterable[Mapping[str, Any]]) -> list[str | None] | None:
        if self.title_key is None:
            return None
        found = [metadata.get(self.title_key) for metadata in metadatas]
        return [None if title is None else str(title) for title in found]

    def _store(self, rows: Sequence[Row], vectors: Sequence[dict[str, Any]]) -> Steps[None]:
        if len(rows) != len(vectors):
            raise InvalidInputError(
                f"one vector is needed for each document: {len(rows)} documents, "
                f"{len(vectors)} vectors: nothing is stored"
            )
        stored = 0
        try:
            for points in self._requests(rows, vectors):
                yield from self._upsert(points, {})
                stored += len(points)
        except Exception as error:
            if stored == 0:
                raise
            raise _writing.partial_write(rows, stored, error) from error

    def _requests(
        self, rows: Sequence[Row], vectors: Sequence[dict[str, Any]]
    ) -> Iterator[list[models.PointStruct]]:
        points = _writing.points(
            rows,
            vectors,
            content_key=self.content_payload_key,
            metadata_key=self.metadata_payload_key,
        )
        return _writing.requests(points)

    def _upsert(self, points: list[models.PointStruct], options: dict[str, Any]) -> Steps[None]:
        if self._note_missing:
            # An empty collection that somebody else made learns what makes its vectors.
            if memory := self._layout.memory(self._size or 0):
                info: models.CollectionInfo = yield from self._send("get_collection")
                memory = _collections.with_notes(info, **memory[_collections.MEMORY_KEY])
                yield from self._send("update_collection", metadata=memory)
            self._note_missing = False
        yield from self._send("upsert", points, **options)

    def _delete(
        self,
        ids: Sequence[str | int] | None,
        filter: Filter | None,
        options: dict[str, Any],
    ) -> Steps[bool]:
        if (ids is None) == (filter is None):
            raise ConfigurationError("delete needs ids or a filter, and not both")
        if filter is not None and not isinstance(filter, models.Filter) and not filter:
            raise ConfigurationError(
                "delete(filter={}) would delete every document: pass models.Filter() if that is "
                "meant"
            )
        selectors: Iterable[Any]
        if ids is None:
            selectors = [to_filter(filter, self.metadata_payload_key)]
        else:
            selectors = _runs([point_id(each) for each in ids])
        done = True
        for selector in selectors:
            result = yield from self._send("delete", selector, **options)
            done &= result.status == models.UpdateStatus.COMPLETED
        return done

    # Steps of reading

    def _get(self, ids: Sequence[str | int]) -> Steps[list[Document]]:
        wanted = [point_id(each) for each in ids]
        found: dict[Any, Document] = {}
        for some in _runs(list(dict.fromkeys(wanted))):
            records = yield from self._send("retrieve", some, with_payload=True)
            found |= {record.id: self._document(record) for record in records}
        return [found[key] for key in wanted if key in found]

    def _count(self, filter: Filter | None) -> Steps[int]:
        condition = to_filter(filter, self.metadata_payload_key)
        result = yield from self._send("count", count_filter=condition, exact=True)
        count: int = result.count
        return count

    def _page(
        self, condition: models.Filter | None, limit: int, offset: object
    ) -> Steps[tuple[list[Document], Any]]:
        records, following = yield from self._send(
            "scroll", scroll_filter=condition, limit=limit, offset=offset, with_payload=True
        )
        return [self._document(record) for record in records], following

    # Steps of searching

    def _search(
        self,
        query: str,
        *,
        hybrid_fusion: Fusion | None = None,
        fetch_k: int | None = None,
        as_relevance: bool = False,
        score_key: str | None = None,
        **options: Any,
    ) -> Steps[list[tuple[Document, float]]]:
        """Search with a text by the retrieval mode; `as_relevance` brings scores to 0..1."""
        layout = self._layout
        request = self._request(**options)
        score: Callable[[float], float]
        if layout.sparse_embedding is None:
            dense = yield Embed(self._require_dense(layout), "embed_query", query)
            self._check_size(dense)
            request |= {"query": dense, "using": layout.vector_name}
            score = partial(_searching.relevance, distance=layout.distance, size=len(dense))
        elif layout.embedding is None:
            sparse = yield Embed(layout.sparse_embedding, "embed_query", query)
            request |= {"query": as_qdrant(sparse), "using": layout.sparse_vector_name}
            score = _searching.sparse_relevance
        else:
            dense = yield Embed(layout.embedding, "embed_query", query)
            self._check_size(dense)
            sparse = yield Embed(layout.sparse_embedding, "embed_query", query)
            queries = {layout.vector_name: dense, layout.sparse_vector_name: as_qdrant(sparse)}
            fusion = hybrid_fusion or self.hybrid_fusion
            request |= {"query": fusion, "prefetch": prefetches(queries, request, fetch_k)}
            score = partial(_searching.fused_relevance, fusion=fusion, kinds=len(queries))
        return (yield from self._query(request, score if as_relevance else None, score_key))

    def _search_dense(
        self,
        vector: list[float],
        *,
        mmr: models.Mmr | None = None,
        score_key: str | None = None,
        **options: Any,
    ) -> Steps[list[tuple[Document, float]]]:
        """Search with a vector, for hits unlike each other where there is an `mmr`."""
        request = self._request(**options)
        if self.retrieval_mode == RetrievalMode.SPARSE:
            raise ConfigurationError(
                "a search by vector needs retrieval_mode DENSE or HYBRID, this store has SPARSE: "
                "use similarity_search"
            )
        self._check_size(vector)
        query = vector if mmr is None else models.NearestQuery(nearest=vector, mmr=mmr)
        request |= {"query": query, "using": self.vector_name}
        return (yield from self._query(request, None, score_key))

    def _search_diverse(
        self,
        query: str | list[float],
        *,
        k: int,
        fetch_k: int,
        lambda_mult: float,
        score_key: str | None = None,
        **options: Any,
    ) -> Steps[list[tuple[Document, float]]]:
        """Search with a text or a vector for hits that are relevant and unlike each other."""
        if not 0 <= lambda_mult <= 1:
            raise InvalidInputError(
                f"lambda_mult must be in 0..1 (diversity..relevance), got {lambda_mult}"
            )
        vector: Any = query
        if isinstance(query, str):
            self._request(k=k, **options)  # what is wrong with it is told before Gemini is asked
            vector = yield Embed(self._require_dense(self._layout), "embed_query", query)
        # Qdrant's diversity grows where LangChain's lambda_mult falls.
        mmr = models.Mmr(diversity=1.0 - lambda_mult, candidates_limit=max(fetch_k, k))
        steps = self._search_dense(vector, mmr=mmr, k=k, score_key=score_key, **options)
        return (yield from steps)

    def _require_dense(self, layout: Layout) -> Embeddings:
        if layout.embedding is None:
            raise ConfigurationError(
                "a search by meaning needs an embedding and retrieval_mode DENSE or HYBRID, this "
                f"store has {self.retrieval_mode.name} and {type(self.embeddings).__name__}"
            )
        return layout.embedding

    def _request(
        self,
        *,
        k: int,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        **options: Any,
    ) -> dict[str, Any]:
        """Return the options of `query_points` but for the query; nothing is sent before this."""
        _searching.check_options(options)
        return {
            "query_filter": to_filter(filter, self.metadata_payload_key),
            "search_params": merge_search_params(self.search_params, search_params),
            "limit": k,
            "offset": offset,
            "with_payload": True,
            **options,
        }

    def _query(
        self,
        request: dict[str, Any],
        score: Callable[[float], float] | None,
        score_key: str | None,
    ) -> Steps[list[tuple[Document, float]]]:
        """Ask Qdrant once; `score` converts its scores, `score_key` puts them into metadata."""
        response = yield from self._send("query_points", **request)
        hits = []
        for point in response.points:
            document = self._document(point)
            value = point.score if score is None else score(point.score)
            if score_key is not None:
                document.metadata[score_key] = value
            hits.append((document, value))
        return hits

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        size = known_size(self.embeddings) or 0
        return partial(_searching.relevance, distance=self.distance, size=size)

    def _document(self, point: models.Record | models.ScoredPoint) -> Document:
        return self._document_from_point(
            point, self.collection_name, self.content_payload_key, self.metadata_payload_key
        )

    @classmethod
    def _document_from_point(
        cls,
        scored_point: models.Record | models.ScoredPoint,
        collection_name: str,  # noqa: ARG003 - langchain-qdrant's signature
        content_payload_key: str,
        metadata_payload_key: str,
    ) -> Document:
        payload = scored_point.payload or {}
        return Document(
            id=document_id(scored_point.id, payload),
            page_content=payload.get(content_payload_key) or "",
            metadata=payload.get(metadata_payload_key) or {},
        )


def _runs(ids: list[T]) -> Iterator[list[T]]:
    """Yield ids as many at a time as go into one request."""
    for start in range(0, len(ids), IDS_AT_A_TIME):
        yield ids[start : start + IDS_AT_A_TIME]
