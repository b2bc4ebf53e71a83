"""One call of `reembed`: the collections, their names and their metadata."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_qdrant import RetrievalMode

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.ingestion._report import IngestReport
from langchain_gemini_qdrant.migration import _collection_copy
from langchain_gemini_qdrant.migration._aliases import read_aliases, switch
from langchain_gemini_qdrant.migration._collection_copy import Side
from langchain_gemini_qdrant.migration._media_points import media_options
from langchain_gemini_qdrant.migration._refill import Refill
from langchain_gemini_qdrant.migration._report import ReembedReport
from langchain_gemini_qdrant.migration._reuse import refusal
from langchain_gemini_qdrant.vectorstores import _schema
from langchain_gemini_qdrant.vectorstores._collection import known_size
from langchain_gemini_qdrant.vectorstores._limits import Limits
from langchain_gemini_qdrant.vectorstores._metadata import (
    METADATA_KEY,
    changed_metadata,
    embedding_metadata,
    own_metadata,
    stored_embeddings,
)
from langchain_gemini_qdrant.vectorstores._open import open_existing
from langchain_gemini_qdrant.vectorstores._schema import create_if_missing, measured_size
from langchain_gemini_qdrant.vectorstores._tracing import traced_run
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.embeddings import Embeddings
    from qdrant_client import models

    from langchain_gemini_qdrant.ingestion._report import IngestProgress
    from langchain_gemini_qdrant.migration._refill import Reuse
    from langchain_gemini_qdrant.vectorstores._collection import Collection, Layout

_ORIGIN_KEY = "reembedded"
"""Metadata key for the origin of a collection's texts and whether all of them are there. Until
they are, points that the old collection lacks may be deleted, and never after that.
"""


class ReembedRun:
    """One call of `reembed`."""

    def __init__(
        self,
        store: GeminiQdrantVectorStore,
        embeddings: Embeddings,
        collection_name: str | None,
        alias: str | None,
        *,
        delete_old: bool,
        reuse_vectors: bool | None,
        blocking: bool,
    ) -> None:
        if store.retrieval_mode == RetrievalMode.SPARSE:
            raise ConfigurationError(
                "reembed rebuilds dense vectors, and this store has retrieval_mode SPARSE: open "
                "it as DENSE or HYBRID"
            )
        self.name = store.collection_name
        self._store = store
        self._blocking = blocking
        self._collection = self._face(store)
        self._client = self._collection.client
        self._embeddings = embeddings
        self._given_name = collection_name
        self._alias = alias
        self._delete_old = delete_old
        self._reuse_vectors = reuse_vectors
        self._not_reused: str | None = None

    @traced_run("reembed")
    async def run(
        self, batch_size: int, on_progress: Callable[[IngestProgress], None] | None
    ) -> ReembedReport:
        """Fill the new collection, switch the aliases, delete the old collection."""
        self._media = await media_options(self._collection, self._embeddings)
        to_switch = await self._name()
        report, reused = IngestReport(), 0
        if self._new != self._old:
            refill = await self._prepare(batch_size, on_progress)
            if refill is not None:
                report = await refill.run()
                reused = refill.vectors_reused
                await self._save_origin(complete=True)
        name = to_switch[0] if to_switch else self._new
        final = self._store_of(name, self._store.retrieval_mode)
        await open_existing(_renamed(self._face(final), self._new), None)
        await switch(self._client, to_switch, self._new)
        deletes = self._delete_old and self._new != self._old
        if deletes:
            await self._client.delete_collection(self._old)
        return ReembedReport(
            store=final,
            collection_name=self._new,
            old_collection_name=self._old,
            aliases=tuple(to_switch),
            old_deleted=deletes,
            ingest=report,
            vectors_reused=reused,
            not_reused=self._not_reused,
        )

    def _face(self, store: GeminiQdrantVectorStore) -> Collection:
        """Return a store's collection for a long run."""
        return (store.collection if self._blocking else store.async_collection).patient()

    def _store_of(
        self, collection_name: str, retrieval_mode: RetrievalMode
    ) -> GeminiQdrantVectorStore:
        """Return a new store over the same connection."""
        layout = self._collection.layout
        connection: Any = self._collection.connection  # in place of a client
        is_dense = retrieval_mode == RetrievalMode.DENSE
        return GeminiQdrantVectorStore(
            connection,
            collection_name,
            self._embeddings,
            retrieval_mode,
            vector_name=layout.vector_name,
            content_payload_key=layout.content_key,
            metadata_payload_key=layout.metadata_key,
            distance=layout.distance,
            sparse_embedding=None if is_dense else layout.sparse_embedding,
            sparse_vector_name=layout.sparse_vector_name,
            validate_collection_config=False,
            search_params=self._collection.state.own_search_params,
            title_key=layout.title_key,
            **self._media,
            hybrid_fusion=layout.hybrid_fusion,
            score_formula=layout.ranking.score_formula,
            group_by=layout.ranking.group_by,
            group_size=layout.ranking.group_size,
            clock=self._store.clock,
        )

    # Names

    async def _name(self) -> list[str]:
        """Find the names of both collections; return the aliases to point to the new one.

        Raises:
            ConfigurationError: A name is taken, or the old collection must not be deleted.
        """
        aliases = await read_aliases(self._client)
        name = self._store.collection_name
        self._old = aliases.get(name, name)
        size = known_size(self._embeddings)
        if size is None and self._reuse_vectors:
            raise ConfigurationError(
                "reuse_vectors=True embeds nothing, and the size of the new vectors is not known: "
                "pass GeminiEmbeddings with output_dimensionality"
            )
        self._size = size or await measured_size(
            self._face(self._store_of(name, RetrievalMode.DENSE))
        )
        self._new = self._given_name or _derived_name(name, self._embeddings, self._size)
        if self._new in aliases:
            raise ConfigurationError(
                f"{self._new!r} is an alias of collection {aliases[self._new]!r}: the new "
                "collection needs a collection_name of its own"
            )
        to_switch = [name] if name in aliases else []
        if self._alias is not None and self._alias not in to_switch:
            taken = self._alias not in aliases and (
                await self._client.collection_exists(self._alias)
            )
            if taken or self._alias == self._new:
                raise ConfigurationError(
                    f"{self._alias!r} is the name of a collection, which an alias cannot have: "
                    "pass a different alias"
                )
            to_switch.insert(0, self._alias)
        left = [a for a, c in aliases.items() if c == self._old and a not in to_switch]
        if self._delete_old and self._new != self._old and (left or not to_switch):
            why = f"the aliases {left} point to it" if left else "no alias points to the new one"
            raise ConfigurationError(
                f"the old collection {self._old!r} cannot be deleted, as {why}: pass alias=, or "
                "delete it yourself when nothing uses it"
            )
        return to_switch

    # The new collection

    async def _prepare(
        self, batch_size: int, on_progress: Callable[[IngestProgress], None] | None
    ) -> Refill | None:
        """Create the new collection, or check the existing one; None if it is complete already.

        Raises:
            CollectionMismatchError: It has other vectors, a different embedding or other points.
        """
        writer = self._face(self._store_of(self._new, RetrievalMode.DENSE))
        writer.state.size = self._size
        old = await self._client.get_collection(self._old)
        options = self._options(old, writer.layout)
        is_new = not await self._client.collection_exists(self._new)
        target = old if is_new else await self._client.get_collection(self._new)
        if (params := _schema.dense_params(writer.layout, target)) is not None:
            _schema.check_vector(params, self._embeddings)
        reuse = self._reuse(old, writer.layout)
        if is_new:
            await create_if_missing(writer.client, self._new, options)
        found = await self._client.get_collection(self._new)
        writer.state.limits = Limits.of(found)
        self._target = Side(writer.client, self._new, writer.state.limits)
        _schema.check(writer.layout, found)
        if writer.connection.kind != "local":
            await _collection_copy.create_indexes(self._target, old, found)
        origin = await self._checked_origin(found)
        if origin is not None and origin["complete"]:
            return None
        return Refill(
            writer,
            # By its own name: an alias may point elsewhere before the end.
            Side(self._client, self._old, Limits.of(old)),
            kept_vectors=self._kept_vectors(old),
            reuse=reuse,
            may_delete=origin is not None,
            batch_size=batch_size,
            on_progress=on_progress,
        )

    def _options(self, old: models.CollectionInfo, layout: Layout) -> dict[str, Any]:
        """Return the settings of the new collection: the old one's, except for the vector.

        Raises:
            CollectionMismatchError: The old one has no such vector.
        """
        name = layout.vector_name
        params = _schema.dense_params(replace(layout, collection_name=self._old), old)
        if params is None:
            raise ConfigurationError("reembed needs new_embeddings, got None")
        params = params.model_copy(update={"size": self._size})
        kind = self._collection.connection.kind
        options = _collection_copy.settings(old, kind, kind)
        dense = options["vectors_config"]
        options["vectors_config"] = {**dense, name: params} if isinstance(dense, dict) else params
        entries = dict(stored_embeddings(old))
        entries.pop(name, None)
        own = embedding_metadata(layout, self._size)
        entries |= own.get(METADATA_KEY, {}).get("embeddings", {})
        origin = {"from": self._old, "complete": False}
        self._metadata = changed_metadata(old, embeddings=entries, **{_ORIGIN_KEY: origin})
        options["metadata"] = {**options.get("metadata", {}), **self._metadata}
        return options

    def _reuse(self, old: models.CollectionInfo, layout: Layout) -> Reuse:
        """Decide which stored vectors are reused.

        Raises:
            ConfigurationError: All are to be reused, and cannot be.
        """
        if self._reuse_vectors is False:
            return "none"
        refused = refusal(old, layout, self._size, self._collection.layout.embedding)
        if refused is None or not refused.holds(self._reuse_vectors):
            return "all" if self._reuse_vectors else "usable"
        if self._reuse_vectors:
            raise ConfigurationError(
                f"the vectors of collection {self._old!r} cannot be reused: {refused.why}. "
                "Pass reuse_vectors=False to embed its documents again"
            )
        self._not_reused = refused.why
        LOGGER.info("reembed: stored vectors are not reused: %s", refused.why)
        return "none"

    def _kept_vectors(self, old: models.CollectionInfo) -> list[str]:
        dense = old.config.params.vectors
        names = [*(dense if isinstance(dense, dict) else ())]
        names += old.config.params.sparse_vectors or ()
        return [name for name in names if name != self._collection.layout.vector_name]

    async def _save_origin(self, *, complete: bool) -> None:
        self._metadata[METADATA_KEY][_ORIGIN_KEY]["complete"] = complete
        await self._client.update_collection(self._new, metadata=self._metadata)

    async def _checked_origin(self, found: models.CollectionInfo) -> Mapping[str, Any] | None:
        """Return the origin of the new collection's texts, None on a server that does not store it.

        Raises:
            CollectionMismatchError: They have a different origin.
        """
        origin = _origin(found)
        if origin is None and not await _collection_copy.count(self._target):
            await self._save_origin(complete=False)
            return _origin(await self._client.get_collection(self._new))
        if origin is None and found.config.metadata is None:
            # A server before 1.16 stores no metadata, so the points decide.
            if await _collection_copy.others(self._target, than=Side(self._client, self._old)):
                self._refuse()
        elif origin is None or origin["from"] != self._old:
            self._refuse()
        return origin

    def _refuse(self) -> NoReturn:
        raise CollectionMismatchError(
            f"collection {self._new!r} has points and was not created by a run of reembed from "
            f"{self._old!r}: pass a different collection_name, or delete that collection first"
        )


def _origin(info: models.CollectionInfo) -> Mapping[str, Any] | None:
    """Return the origin of a collection's texts, None if it is not recorded."""
    origin: Mapping[str, Any] | None = own_metadata(info).get(_ORIGIN_KEY)
    return origin


def _renamed(collection: Collection, name: str) -> Collection:
    """Return the same collection, with the same state, under another of its names."""
    layout = replace(collection.layout, collection_name=name)
    return replace(collection, name=name, layout=layout)


def _derived_name(name: str, embeddings: Embeddings, size: int) -> str:
    gemini = gemini_of(embeddings)
    model = type(embeddings).__name__ if gemini is None else model_id(gemini.model)
    return f"{name}-{model.replace('/', '-')}-{size}"
