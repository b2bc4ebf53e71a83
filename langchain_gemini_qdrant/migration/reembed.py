"""A collection embedded anew, with another model or size, next to the old one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_qdrant import RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant.embeddings._request import check_count
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.ingestion._report import IngestReport
from langchain_gemini_qdrant.migration import _collection_copy as _replicas
from langchain_gemini_qdrant.migration._refill import Filling
from langchain_gemini_qdrant.vectorstores import _schema as _collections
from langchain_gemini_qdrant.vectorstores._retry import Call, Embed, send
from langchain_gemini_qdrant.vectorstores._schema import MEMORY_KEY, known_size
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.ingestion._report import IngestProgress
    from langchain_gemini_qdrant.vectorstores._retry import Steps

_ORIGIN_KEY = "reembedded"
"""Key, beside what made the vectors, of where a collection's texts are from, and whether all are
there: until they are, points that the old collection has not may be deleted, and never after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReembedReport:
    """What `reembed` did.

    Attributes:
        store: Of the new collection, by the alias where there is one. It has the engine of the
            old store: closing one of them closes both.
        collection_name: The new collection's own name.
        old_collection_name: The old collection's own name.
        aliases: Those that lead to the new collection since.
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
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> ReembedReport:
    """Build a new collection with another model or size from the texts of a store.

    Points keep their ids, whole payloads and other vectors, sparse ones too; the store's dense
    vector is made anew of the text (and title). The new collection has the settings and payload
    indexes of the old one. Once all is there, the alias that the store is opened by, and `alias`,
    are switched to it in one step, so that whoever searches by it sees the one or the other.

    The same call goes on where a run broke off; what is embedded is not sent again. What changes
    in the old collection meanwhile is found by further passes over it, the last of which has to
    find nothing new. Texts, titles and payloads are compared; the other vectors are not.

    Args:
        store: With the old vectors; its embedding is not used. A store of the old embedding that
            is opened by an alias is not to be used once the alias is switched.
        new_embeddings: `GeminiEmbeddings`, or any LangChain `Embeddings`.
        collection_name: Of the new collection; None is made of the old name, model and size. One
            that exists must be empty, with the new vectors, or begun by an earlier run.
        alias: Made, or switched, to lead to the new collection.
        delete_old: Delete the old collection, after the switch.
        batch_size: Documents read, embedded and stored at a time.
        on_progress: As for `ingest`; it counts anew in each pass.

    Returns:
        The new store, and what was done.

    Raises:
        IngestError: Not all documents could be embedded and stored, or the old collection kept
            changing; no alias is switched and nothing is deleted. `report` says which and why.
        CollectionMismatchError: The new collection exists and has other vectors, another
            embedding or other points.
        ConfigurationError: The name, the alias or `delete_old` cannot be used so.
    """
    run = _Reembedding(store, new_embeddings, collection_name, alias, delete_old=delete_old)
    return store._run(run.steps(Filling.records, batch_size, on_progress))


async def areembed(
    store: GeminiQdrantVectorStore,
    new_embeddings: Embeddings,
    *,
    collection_name: str | None = None,
    alias: str | None = None,
    delete_old: bool = False,
    batch_size: int = MAX_BATCH_SIZE,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> ReembedReport:
    """Build a new collection from the texts of a store, without blocking; see `reembed`."""
    run = _Reembedding(store, new_embeddings, collection_name, alias, delete_old=delete_old)
    return await store._arun(run.steps(Filling.arecords, batch_size, on_progress))


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
    ) -> None:
        if store.retrieval_mode == RetrievalMode.SPARSE:
            raise ConfigurationError(
                "reembed makes dense vectors anew, and this store has retrieval_mode SPARSE: open "
                "it as DENSE or HYBRID"
            )
        self._store = store
        self._embeddings = embeddings
        self._given_name = collection_name
        self._alias = alias
        self._delete_old = delete_old
        self._began = store._clock.now()

    def steps(
        self,
        read: Callable[[Filling], Iterator[models.Record] | AsyncIterator[models.Record]],
        batch_size: int,
        on_progress: Callable[[IngestProgress], None] | None,
    ) -> Steps[ReembedReport]:
        """Fill the new collection, switch the aliases, delete the old collection."""
        to_switch = yield from self._name()
        final = self._store_of(self._store.retrieval_mode)
        report = IngestReport()
        if self._new != self._old:
            filling = yield from self._prepare(batch_size, on_progress)
            if filling is not None:
                report = yield from filling.steps(partial(read, filling))
                yield from self._note(complete=True)
        yield from final._open(None)
        yield from self._switch(to_switch)
        deletes = self._delete_old and self._new != self._old
        if deletes:
            yield from self._send_old("delete_collection")
        if to_switch:
            final.collection_name = to_switch[0]
        return ReembedReport(
            store=final,
            collection_name=self._new,
            old_collection_name=self._old,
            aliases=tuple(to_switch),
            old_deleted=deletes,
            ingest=report,
        )

    def _send_old(self, method: str, *args: object, **options: Any) -> Steps[Any]:
        # by its own name: an alias may lead elsewhere before the end
        return send(self._store._random, method, self._old, *args, **options)

    def _store_of(self, retrieval_mode: RetrievalMode) -> GeminiQdrantVectorStore:
        """Return a store of the new collection that has sent nothing yet."""
        old = self._store
        is_dense = retrieval_mode == RetrievalMode.DENSE
        store = GeminiQdrantVectorStore(
            old._engine,  # type: ignore[arg-type] # as the class methods pass one
            self._new,
            self._embeddings,
            retrieval_mode,
            vector_name=old.vector_name,
            content_payload_key=old.content_payload_key,
            metadata_payload_key=old.metadata_payload_key,
            distance=old.distance,
            sparse_embedding=None if is_dense else old._sparse_embeddings,
            sparse_vector_name=old.sparse_vector_name,
            validate_collection_config=False,
            search_params=old._own_search_params,
            title_key=old.title_key,
            hybrid_fusion=old.hybrid_fusion,
        )
        store._clock = old._clock
        return store

    # Names

    def _name(self) -> Steps[list[str]]:
        """Find the names of both collections; return the aliases that shall lead to the new one.

        Raises:
            ConfigurationError: A name is taken, or the old collection must not be deleted.
        """
        aliases = yield from self._aliases()
        name = self._store.collection_name
        self._old = aliases.get(name, name)
        self._size = known_size(self._embeddings) or (yield from self._measured_size())
        self._new = self._given_name or _derived_name(name, self._embeddings, self._size)
        if self._new in aliases:
            raise ConfigurationError(
                f"{self._new!r} is an alias of collection {aliases[self._new]!r}: the new "
                "collection needs a collection_name of its own"
            )
        to_switch = [name] if name in aliases else []
        if self._alias is not None and self._alias not in to_switch:
            taken = self._alias not in aliases and (
                yield from send(self._store._random, "collection_exists", self._alias)
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

    def _aliases(self) -> Steps[dict[str, str]]:
        found = (yield from send(self._store._random, "get_aliases")).aliases
        return {alias.alias_name: alias.collection_name for alias in found}

    def _measured_size(self) -> Steps[int]:
        vectors = yield Embed(self._embeddings, "embed_documents", ["size"])
        check_count(self._embeddings, vectors, 1)
        return len(vectors[0])

    def _switch(self, names: list[str]) -> Steps[None]:
        """Let aliases lead to the new collection, all of them in one step."""
        aliases = yield from self._aliases()
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
            yield Call("update_collection_aliases", (operations,), {})
        except Exception:
            aliases = yield from self._aliases()
            if any(aliases.get(name) != self._new for name in names):
                raise  # else only the answer was lost

    # The new collection

    def _prepare(
        self, batch_size: int, on_progress: Callable[[IngestProgress], None] | None
    ) -> Steps[Filling | None]:
        """Make the new collection, or check the one that is there; None if it is complete already.

        Raises:
            CollectionMismatchError: It has other vectors, another embedding or other points.
        """
        self._writer = self._store_of(RetrievalMode.DENSE)
        self._writer._size = self._size
        old = yield from self._send_old("get_collection")
        options = self._options(old)
        if not (yield from self._writer._send("collection_exists")):
            yield from _collections.make(self._writer._send, options)
        found = yield from self._writer._send("get_collection")
        _collections.check(self._writer._layout, found)
        if not self._store._engine.is_local_mode:
            yield from _replicas.create_indexes(self._writer._send, old, found)
        origin = yield from self._checked_origin(found)
        if origin is not None and origin["complete"]:
            return None
        return Filling(
            self._writer,
            self._send_old,
            kept_vectors=self._kept_vectors(old),
            may_delete=origin is not None,
            batch_size=batch_size,
            on_progress=on_progress,
        )

    def _options(self, old: models.CollectionInfo) -> dict[str, Any]:
        """Return what the new collection is created with: the old one's, but for the vector.

        Raises:
            CollectionMismatchError: The old one has no such vector.
        """
        name = self._writer.vector_name
        layout = replace(self._writer._layout, collection_name=self._old)
        params = _collections.dense_params(layout, old)
        if params is None:
            raise ConfigurationError("reembed needs new_embeddings, got None")
        _collections.check_datatype(params, self._embeddings)
        params = params.model_copy(update={"size": self._size})
        options = _replicas.settings(old, self._store._engine, self._store._engine)
        dense = options["vectors_config"]
        options["vectors_config"] = {**dense, name: params} if isinstance(dense, dict) else params
        notes = dict(_collections.remembered(old))
        notes.pop(name, None)
        notes |= layout.memory(self._size).get(MEMORY_KEY, {}).get("embeddings", {})
        origin = {"from": self._old, "complete": False}
        self._memory = _collections.with_notes(old, embeddings=notes, **{_ORIGIN_KEY: origin})
        options["metadata"] = {**options.get("metadata", {}), **self._memory}
        return options

    def _kept_vectors(self, old: models.CollectionInfo) -> list[str]:
        dense = old.config.params.vectors
        names = [*(dense if isinstance(dense, dict) else ())]
        names += old.config.params.sparse_vectors or ()
        return [name for name in names if name != self._writer.vector_name]

    def _note(self, *, complete: bool) -> Steps[None]:
        self._memory[MEMORY_KEY][_ORIGIN_KEY]["complete"] = complete
        yield from self._writer._send("update_collection", metadata=self._memory)

    def _checked_origin(self, found: models.CollectionInfo) -> Steps[Mapping[str, Any] | None]:
        """Return where the new collection's texts are from, None on a server that forgets it.

        Raises:
            CollectionMismatchError: They are from elsewhere.
        """
        origin = _origin(found)
        if origin is None and not (yield from _replicas.count(self._writer._send)):
            yield from self._note(complete=False)
            return _origin((yield from self._writer._send("get_collection")))
        if origin is None and found.config.metadata is None:
            # A server from before 1.16 remembers nothing, so the points have to tell.
            if (yield from _replicas.others(self._writer._send, than=self._send_old)):
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
    memory = (info.config.metadata or {}).get(MEMORY_KEY) or {}
    origin: Mapping[str, Any] | None = memory.get(_ORIGIN_KEY)
    return origin


def _derived_name(name: str, embeddings: Embeddings, size: int) -> str:
    model = type(embeddings).__name__
    if isinstance(embeddings, GeminiEmbeddings):
        model = embeddings.model.removeprefix("models/")
    return f"{name}-{model.replace('/', '-')}-{size}"
