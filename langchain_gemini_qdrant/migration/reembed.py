"""Re-embed a collection with another model or vector size into a new collection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_qdrant import RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE, model_id
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.ingestion._report import IngestReport
from langchain_gemini_qdrant.migration import _collection_copy
from langchain_gemini_qdrant.migration._collection_copy import Side
from langchain_gemini_qdrant.migration._refill import Refill
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
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.ingestion._report import IngestProgress
    from langchain_gemini_qdrant.vectorstores._collection import Collection, Layout

_ORIGIN_KEY = "reembedded"
"""Key, beside what made the vectors, of where a collection's texts are from, and whether all are
there: until they are, points that the old collection has not may be deleted, and never after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReembedReport(Displayed):
    """What `reembed` did.

    Attributes:
        store: Of the new collection, by the alias where there is one. It has the engine of the
            old store: closing one of them closes both.
        collection_name: The new collection's own name.
        old_collection_name: The old collection's own name.
        aliases: Those that now point to the new collection.
        old_deleted: Whether the old collection is gone.
        ingest: What was embedded and stored, and its price.
    """

    store: GeminiQdrantVectorStore
    collection_name: str
    old_collection_name: str
    aliases: tuple[str, ...]
    old_deleted: bool
    ingest: IngestReport


def reembed(
    store: GeminiQdrantVectorStore,
    new_embeddings: Embeddings,
    *,
    collection_name: str | None = None,
    alias: str | None = None,
    delete_old: bool = False,
    batch_size: int = MAX_BATCH_SIZE,
    progress: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> ReembedReport:
    """Build a new collection with another model or size from the texts of a store.

    Points keep their ids, whole payloads and other vectors, sparse ones too; the store's dense
    vector is embedded again from the text (and title). The new collection has the settings and
    payload indexes of the old one. Once all is there, the alias that the store is opened by, and
    `alias`, are switched to it in one step, so that whoever searches by it sees the one or the
    other.

    The same call resumes an interrupted run; what is embedded is not sent again. What changes
    in the old collection meanwhile is found by further passes over it, the last of which has to
    find nothing new. Texts, titles and payloads are compared; the other vectors are not.

    Args:
        store: With the old vectors; its embedding is not used. A store of the old embedding that
            is opened by an alias is not to be used once the alias is switched.
        new_embeddings: `GeminiEmbeddings`, or any LangChain `Embeddings`.
        collection_name: Of the new collection; None is made of the old name, model and size. One
            that exists must be empty, with the new vectors, or begun by an earlier run.
        alias: Created, or repointed, to point to the new collection.
        delete_old: Delete the old collection, after the switch.
        batch_size: Documents read, embedded and stored at a time.
        progress: Show a bar with counts, price and waiting: a widget in a notebook that has
            ipywidgets, otherwise text.
        on_progress: As for `ingest`; it counts from 0 in each pass.

    Returns:
        The new store, and what was done.

    Raises:
        IngestError: Not all documents could be embedded and stored, or the old collection kept
            changing; no alias is switched and nothing is deleted. `report` says which and why.
        CollectionMismatchError: The new collection exists and has other vectors, another
            embedding or other points.
        ConfigurationError: The name, the alias or `delete_old` cannot be used so.
    """
    this = _Reembedding(
        store, new_embeddings, collection_name, alias, delete_old=delete_old, blocking=True
    )
    with progress_bar("documents", on_progress, shown=progress) as show:
        return run(this.run(batch_size, show))


async def areembed(
    store: GeminiQdrantVectorStore,
    new_embeddings: Embeddings,
    *,
    collection_name: str | None = None,
    alias: str | None = None,
    delete_old: bool = False,
    batch_size: int = MAX_BATCH_SIZE,
    progress: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> ReembedReport:
    """Build a new collection with another model or size, without blocking the event loop.

    The arguments are those of `reembed`. The same call resumes an interrupted run.

    Returns:
        The new store, and what was done.

    Raises:
        IngestError: Not all documents could be embedded and stored; no alias is switched.
        CollectionMismatchError: The new collection exists and does not fit.
        ConfigurationError: The name, the alias or `delete_old` cannot be used so.
    """
    this = _Reembedding(
        store, new_embeddings, collection_name, alias, delete_old=delete_old, blocking=False
    )
    with progress_bar("documents", on_progress, shown=progress) as show:
        return await this.run(batch_size, show)


class _Reembedding:
    """One call of `reembed`."""

    def __init__(
        self,
        store: GeminiQdrantVectorStore,
        embeddings: Embeddings,
        collection_name: str | None,
        alias: str | None,
        *,
        delete_old: bool,
        blocking: bool,
    ) -> None:
        if store.retrieval_mode == RetrievalMode.SPARSE:
            raise ConfigurationError(
                "reembed rebuilds dense vectors, and this store has retrieval_mode SPARSE: open "
                "it as DENSE or HYBRID"
            )
        self._store = store
        self._blocking = blocking
        self._collection = self._face(store)
        self._client = self._collection.client
        self._embeddings = embeddings
        self._given_name = collection_name
        self._alias = alias
        self._delete_old = delete_old

    async def run(
        self, batch_size: int, on_progress: Callable[[IngestProgress], None] | None
    ) -> ReembedReport:
        """Fill the new collection, switch the aliases, delete the old collection."""
        to_switch = await self._name()
        report = IngestReport()
        if self._new != self._old:
            refill = await self._prepare(batch_size, on_progress)
            if refill is not None:
                report = await refill.run()
                await self._save_origin(complete=True)
        name = to_switch[0] if to_switch else self._new
        final = self._store_of(name, self._store.retrieval_mode)
        await open_existing(_renamed(self._face(final), self._new), None)
        await self._switch(to_switch)
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
        )

    def _face(self, store: GeminiQdrantVectorStore) -> Collection:
        """Return a store's collection for a long run."""
        return (store.collection if self._blocking else store.async_collection).patient()

    def _store_of(
        self, collection_name: str, retrieval_mode: RetrievalMode
    ) -> GeminiQdrantVectorStore:
        """Return a store over the same connection that has sent nothing yet."""
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
            hybrid_fusion=layout.hybrid_fusion,
            clock=self._store.clock,
        )

    # Names

    async def _name(self) -> list[str]:
        """Find the names of both collections; return the aliases that shall lead to the new one.

        Raises:
            ConfigurationError: A name is taken, or the old collection must not be deleted.
        """
        aliases = await self._aliases()
        name = self._store.collection_name
        self._old = aliases.get(name, name)
        self._size = known_size(self._embeddings) or await measured_size(
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
                    f"{self._alias!r} is the name of a collection, which no alias can have: pass "
                    "another alias"
                )
            to_switch.insert(0, self._alias)
        left = [a for a, c in aliases.items() if c == self._old and a not in to_switch]
        if self._delete_old and self._new != self._old and (left or not to_switch):
            why = f"the aliases {left} lead to it" if left else "no alias leads to the new one"
            raise ConfigurationError(
                f"the old collection {self._old!r} cannot be deleted, as {why}: pass alias=, or "
                "delete it yourself once nothing uses it"
            )
        return to_switch

    async def _aliases(self) -> dict[str, str]:
        found = (await self._client.get_aliases()).aliases
        return {alias.alias_name: alias.collection_name for alias in found}

    async def _switch(self, names: list[str]) -> None:
        """Let aliases lead to the new collection, all of them in one step."""
        aliases = await self._aliases()
        operations: list[models.AliasOperations] = []
        for name in names:
            if aliases.get(name) == self._new:
                continue
            if name in aliases:
                delete = models.DeleteAlias(alias_name=name)
                operations.append(models.DeleteAliasOperation(delete_alias=delete))
            create = models.CreateAlias(collection_name=self._new, alias_name=name)
            operations.append(models.CreateAliasOperation(create_alias=create))
        if not operations:
            return
        try:
            await self._client.update_collection_aliases(operations)
        except Exception:
            aliases = await self._aliases()
            if any(aliases.get(name) != self._new for name in names):
                raise  # else only the answer was lost

    # The new collection

    async def _prepare(
        self, batch_size: int, on_progress: Callable[[IngestProgress], None] | None
    ) -> Refill | None:
        """Make the new collection, or check the one that is there; None if it is complete already.

        Raises:
            CollectionMismatchError: It has other vectors, another embedding or other points.
        """
        writer = self._face(self._store_of(self._new, RetrievalMode.DENSE))
        writer.state.size = self._size
        old = await self._client.get_collection(self._old)
        options = self._options(old, writer.layout)
        if not await self._client.collection_exists(self._new):
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
            # By its own name: an alias may lead elsewhere before the end.
            Side(self._client, self._old, Limits.of(old)),
            kept_vectors=self._kept_vectors(old),
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
        _schema.check_datatype(params, self._embeddings)
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

    def _kept_vectors(self, old: models.CollectionInfo) -> list[str]:
        dense = old.config.params.vectors
        names = [*(dense if isinstance(dense, dict) else ())]
        names += old.config.params.sparse_vectors or ()
        return [name for name in names if name != self._collection.layout.vector_name]

    async def _save_origin(self, *, complete: bool) -> None:
        self._metadata[METADATA_KEY][_ORIGIN_KEY]["complete"] = complete
        await self._client.update_collection(self._new, metadata=self._metadata)

    async def _checked_origin(self, found: models.CollectionInfo) -> Mapping[str, Any] | None:
        """Return where the new collection's texts are from, None on a server that forgets it.

        Raises:
            CollectionMismatchError: They are from elsewhere.
        """
        origin = _origin(found)
        if origin is None and not await _collection_copy.count(self._target):
            await self._save_origin(complete=False)
            return _origin(await self._client.get_collection(self._new))
        if origin is None and found.config.metadata is None:
            # A server from before 1.16 remembers nothing, so the points have to tell.
            if await _collection_copy.others(self._target, than=Side(self._client, self._old)):
                self._refuse()
        elif origin is None or origin["from"] != self._old:
            self._refuse()
        return origin

    def _refuse(self) -> NoReturn:
        raise CollectionMismatchError(
            f"collection {self._new!r} has points and was not begun by a run of reembed from "
            f"{self._old!r}: pass another collection_name, or delete that collection first"
        )


def _origin(info: models.CollectionInfo) -> Mapping[str, Any] | None:
    """Return where a collection's texts are from, None where it does not know."""
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
