"""Documents on their way into a collection: looked up, embedded side by side, stored, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from qdrant_client import models

from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    InvalidInputError,
    RequestRejectedError,
    TextTooLongError,
)
from langchain_gemini_qdrant.vectorstores import _points as _writing
from langchain_gemini_qdrant.vectorstores._retry import Open, Read, Settle, refuses_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from langchain_gemini_qdrant.ingestion._embedding_session import Embedded, Pending, Session
    from langchain_gemini_qdrant.ingestion._progress import Tally
    from langchain_gemini_qdrant.vectorstores._retry import Steps
    from langchain_gemini_qdrant.vectorstores._write import Operations

_RECENT = 20_000
"""Passages remembered to know one that comes again: some 3 MB, and more than most sources have."""

_LOOKED_UP = 5
"""Batches looked up at a time, where reading them takes no time."""

# What ends a run, as it would befall every other document, too. In a row:
_REQUESTS_LOST = 3  # or as many as go side by side, to Gemini, after all their retries
_DOCUMENTS_LOST = 1_000  # refused one by one, by Gemini or Qdrant


class Item(NamedTuple):
    """One document on its way.

    Attributes:
        key: Its point id.
        name: Its id, as the caller knows it.
        text: To be embedded.
        title: Embedded with the text.
        payload: To be stored.
        vectors: Those that it has already, by name.
        has_own_id: Another text may come under the same id later; content ids tell texts apart.
        source: What failures are remembered by, for the cleanup.
        problem: Why it cannot be taken, None if it can.
    """

    key: str | int
    name: str
    text: str
    title: str | None
    payload: dict[str, Any]
    vectors: Mapping[str, Any] = {}
    has_own_id: bool = True
    source: object = None
    problem: str | None = None


class Pipeline:
    """One run: reads, looks up, embeds and stores, and holds only what is under way.

    While some requests are with Gemini, the vectors of others are stored. A document that fails
    holds nobody up; what would fail every other one, too, ends the run.

    Args:
        store: Where to.
        to_item: Makes an item of what is read.
        batch_size: Documents embedded at a time.
        tally: Counts, as the run goes on.
        report: Called whenever it has changed.
    """

    def __init__(
        self,
        store: Operations,
        to_item: Callable[[Any], Item],
        *,
        batch_size: int,
        tally: Tally,
        report: Callable[[], None],
    ) -> None:
        self._store = store
        self._to_item = to_item
        self._batch_size = batch_size
        self._tally = tally
        self._report = report
        # Vectors of other embeddings may be whatever pydantic makes lists of floats of.
        is_checked = isinstance(store._layout.embedding, GeminiEmbeddings)
        self._point = models.PointStruct.model_construct if is_checked else models.PointStruct
        self._recent: dict[str | int, None] = {}
        self._pending: dict[str | int, Item] = {}  # looked up, and neither stored nor failed
        self._updates: set[str | int] = set()  # of these, the ones that are stored otherwise
        self._waiting: list[Item] = []  # of these, the ones to embed that are not sent yet
        self._running: dict[Pending, list[Item]] = {}  # and the ones that are
        self._requests_lost = 0  # since the last vector came
        self._documents_lost = 0  # since the last one was stored
        self._stopped = False  # nothing more is sent
        self._broken: Exception | None = None  # nothing more is stored

    def run(self, documents: Iterator[Any] | AsyncIterator[Any]) -> Steps[None]:
        """Read documents to their end, or until an error that ends the run."""
        self._session: Session = yield Open(self._store._layout.embedding)
        self._tally.session = self._session
        self._request_size = min(self._batch_size, self._session.batch_size or self._batch_size)
        while self._tally.error is None:
            batch: list[Any] = []
            try:
                yield Read(documents, self._batch_size, _LOOKED_UP * self._batch_size, batch)
            except Exception as error:  # noqa: BLE001 - the caller's; what was read counts
                self._tally.error = error
            if not batch:
                break
            yield from self._accept(batch)
        while self._waiting:
            yield from self._start()
        while self._running:
            yield from self._settle()
        self._report()

    # Reading

    def _accept(self, batch: Sequence[Any]) -> Steps[None]:
        group: dict[str | int, Item] = {}
        for document in batch:
            try:
                item = self._to_item(document)
            except InvalidInputError as error:  # no document: its maker is at fault
                self._tally.error = error
                break
            self._tally.read += 1
            if item.problem is not None:
                self._fail(item, item.problem)
            elif self._is_repeated(item):
                self._tally.skipped += 1
            else:
                self._tally.skipped += item.key in group  # the last one of an id stays
                group[item.key] = item
        if group:
            yield from self._look_up(group)
        yield from self._take_up()

    def _is_repeated(self, item: Item) -> bool:
        if item.has_own_id:
            return False
        if item.key in self._recent:
            return True
        self._recent[item.key] = None
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return False

    def _look_up(self, group: Mapping[str | int, Item]) -> Steps[None]:
        """Sort out what is stored already; have the rest embedded."""
        for key in group.keys() & self._pending.keys():
            yield from self._until_stored(key)  # so that the last one stays
        try:
            records = yield from self._store._send("retrieve", list(group), with_payload=True)
        except Exception as error:  # noqa: BLE001 - told with the report
            for item in group.values():
                self._fail(item, _writing.reason(error))
            self._stop(error)
            return
        stored = {record.id: record.payload or {} for record in records}
        changed = []
        for key, item in group.items():
            found = stored.get(key)
            if found is None or not self._embeds_alike(item, found):
                self._waiting.append(item)
            elif any(found.get(name) != value for name, value in item.payload.items()):
                changed.append((item, item.payload))
            else:
                self._tally.skipped += 1
                continue
            self._pending[key] = item
            if found is not None:
                self._updates.add(key)
        if changed:
            yield from self._write(changed, self._set_payloads)
        while len(self._waiting) >= self._request_size:
            yield from self._start()

    def _embeds_alike(self, item: Item, found: Mapping[str, Any]) -> bool:
        """Say whether a stored document has the text and the title that this one has."""
        title_key = self._store.title_key
        metadata = found.get(self._store.metadata_payload_key) or {}
        title = metadata.get(title_key) if title_key else None
        same_title = item.title == (None if title is None else str(title))
        return found.get(self._store.content_payload_key) == item.text and same_title

    def _until_stored(self, key: str | int) -> Steps[None]:
        while key in self._pending:
            if any(item.key == key for item in self._waiting):
                yield from self._start()
            else:
                yield from self._settle()

    # Embedding

    def _start(self) -> Steps[None]:
        """Send as many texts as go together, once there is room for a request."""
        # As many again as go side by side: none of them shall idle while others are stored.
        while len(self._running) >= 2 * self._session.concurrency:
            yield from self._settle()
        items = self._waiting[: self._request_size]
        del self._waiting[: self._request_size]
        if self._stopped:
            reason = f"not sent, as the run ended: {_writing.reason(self._tally.error)}"
            for item in items:
                self._fail(item, reason)
            return
        titles = None if self._store.title_key is None else [item.title for item in items]
        self._running[self._session.start([item.text for item in items], titles)] = items

    def _settle(self) -> Steps[None]:
        yield Settle(list(self._running))
        yield from self._take_up()

    def _take_up(self) -> Steps[None]:
        """Store what has come, all at once: each write waits its turn among busy threads."""
        embedded: list[tuple[Item, Any]] = []
        for request in [request for request in self._running if request.done()]:
            embedded += self._embedded(self._running.pop(request), request)
        if embedded:
            yield from self._write(embedded, self._upsert)
        if self._session.fatal_error is not None:
            self._stop(self._session.fatal_error)
        self._report()

    def _embedded(self, items: Sequence[Item], request: Pending) -> list[tuple[Item, Any]]:
        """Return the items of a request that have vectors now; the others have failed."""
        results: Embedded
        try:
            results = request.result()
        except Exception as error:  # noqa: BLE001 - told with the report
            results = [error] * len(items)
        embedded: list[tuple[Item, Any]] = []
        failure: Exception | None = None
        for item, result in zip(items, results, strict=True):
            if not isinstance(result, Exception):
                embedded.append((item, result))
            elif isinstance(result, TextTooLongError):
                self._fail(item, _writing.reason(result))
            else:
                failure = result
                self._lose(item, failure)
        self._tally.embedded += len(embedded)
        if embedded:
            self._requests_lost = 0
        elif failure is not None and not isinstance(failure, RequestRejectedError):
            self._requests_lost += 1
            # As many as go side by side: the service is away.
            if self._requests_lost >= max(self._session.concurrency, _REQUESTS_LOST):
                self._stop(failure)
        return embedded

    # Storing

    def _write(
        self,
        pairs: Sequence[tuple[Item, Any]],
        send: Callable[[Sequence[tuple[Item, Any]]], Steps[None]],
    ) -> Steps[None]:
        """Store something of each item; where that is refused, the halves, down to the culprit."""
        error = self._broken
        if error is None:
            try:
                yield from send(pairs)
            except Exception as caught:  # noqa: BLE001 - told with the report
                error = caught
        if error is None:
            self._documents_lost = 0
            for item, _ in pairs:
                self._count_stored(item)
        elif refuses_all(error):
            self._broken = error
            self._stop(error)
            for item, _ in pairs:
                self._fail(item, _writing.reason(error))
        elif len(pairs) == 1:
            self._lose(pairs[0][0], error)
        else:
            half = len(pairs) // 2
            yield from self._write(pairs[:half], send)
            yield from self._write(pairs[half:], send)

    def _upsert(self, embedded: Sequence[tuple[Item, list[float] | None]]) -> Steps[None]:
        dense = [vector for _, vector in embedded]
        for vector in dense:
            self._store._check_size(vector)
        named = yield from self._store._named([item.text for item, _ in embedded], dense)
        points = (
            self._point(id=item.key, vector={**item.vectors, **new}, payload=item.payload)
            for (item, _), new in zip(embedded, named, strict=True)
        )
        for request in _writing.requests(points):
            yield from self._store._upsert(request, {})

    def _set_payloads(self, changed: Sequence[tuple[Item, dict[str, Any]]]) -> Steps[None]:
        """Change what is stored beside the vectors, which need not be made again."""
        operations = [
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload=payload, points=[item.key])
            )
            for item, payload in changed
        ]
        yield from self._store._send("batch_update_points", operations)

    # Counting

    def _count_stored(self, item: Item) -> None:
        del self._pending[item.key]
        if item.key in self._updates:
            self._updates.discard(item.key)
            self._tally.updated += 1
        else:
            self._tally.added += 1

    def _lose(self, item: Item, error: Exception) -> None:
        """Count a document that was refused; so many in a row end the run."""
        self._fail(item, _writing.reason(error))
        self._documents_lost += 1
        if self._documents_lost >= _DOCUMENTS_LOST:
            self._stop(error)

    def _fail(self, item: Item, reason: str) -> None:
        if self._pending.get(item.key) is item:  # and not one before it of the same id
            del self._pending[item.key]
            self._updates.discard(item.key)
        self._tally.failed[item.name] = reason
        self._tally.failed_sources.add(item.source)

    def _stop(self, error: Exception) -> None:
        """End the run: nothing more is read or sent."""
        self._stopped = True
        self._tally.error = self._tally.error or error
        self._session.give_up(error)
