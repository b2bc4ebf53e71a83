"""A run of documents into a collection: looked up, embedded concurrently, stored, counted.

A run resumes an interrupted one because stored documents are looked up and skipped (`_look_up`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant.embeddings._response import NoVectorError
from langchain_gemini_qdrant.embeddings._waiting import Waits
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    InvalidInputError,
    RequestRejectedError,
)
from langchain_gemini_qdrant.ingestion._lookups import Incoming, LookUps
from langchain_gemini_qdrant.ingestion._reading import read
from langchain_gemini_qdrant.ingestion._requests import next_request
from langchain_gemini_qdrant.ingestion._writes import store_payloads, store_vectors
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure, reason, refuses_all
from langchain_gemini_qdrant.vectorstores._retry import QUICK

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Container,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from langchain_gemini_qdrant.embeddings._concurrency import Pending
    from langchain_gemini_qdrant.embeddings._session import Embedded, EmbeddingSession
    from langchain_gemini_qdrant.ingestion._progress import Counters
    from langchain_gemini_qdrant.vectorstores._collection import Collection

_RECENT = 20_000
"""Passages recorded to detect repeated ones: about 3 MB, and more than most sources have."""

_LOOKED_AT_BYTES = 64_000_000
"""Bytes of media that are looked at before the results of requests are stored."""

# Failures in a row that end a run, as they would affect every other document, too:
_REQUESTS_LOST = 3  # requests to Gemini after all retries, or as many as run concurrently
_DOCUMENTS_LOST = 1_000  # documents refused one by one, by Gemini or Qdrant
_DOCUMENTS_TROUBLED = 10  # at which Qdrant itself failed, one by one, after all retries

_UNPROVED = 900  # documents that may be paid for before the first one is stored

_CAUSES = 20  # exceptions kept for the report, with all objects that their tracebacks refer to


class Pipeline:
    """One run: reads, looks up, embeds and stores; holds only the documents in progress.

    While some requests are with Gemini, the vectors of others are stored. A document that fails
    does not stop the run; an error that would affect every other one does.

    Args:
        collection: The target collection.
        to_incoming: Prepares a document that was read.
        to_content: Reads the media of a document that must be embedded, if `to_incoming` does not.
        batch_size: Documents embedded at a time.
        counters: The counters of the run.
        report: Called whenever the counters have changed; None for no calls.
    """

    def __init__(
        self,
        collection: Collection,
        to_incoming: Callable[[Any], Awaitable[Incoming]],
        *,
        to_content: Callable[[Incoming], Awaitable[Incoming]] | None = None,
        batch_size: int,
        counters: Counters,
        report: Callable[[], None] | None,
    ) -> None:
        self._waits = Waits("Qdrant", collection.clock)
        self._collection = replace(collection, waits=self._waits)
        self._look_ups = LookUps(self._collection)
        self._to_incoming = to_incoming
        self._to_content = to_content
        self._batch_size = batch_size
        self._counters = counters
        self._report = report
        self._recent: dict[str | int, None] = {}
        self._pending: dict[str | int, Incoming] = {}  # looked up, and neither stored nor failed
        self._updates: set[str | int] = set()  # of these, the ones that are stored differently
        self._waiting: list[Incoming] = []  # of these, the ones to embed that are not yet sent
        self._running: dict[Pending[Embedded], list[Incoming]] = {}  # and the ones that are sent
        self._running_bytes = 0  # of their media
        self._arrived: dict[str | int, tuple[Incoming, Any]] = {}  # vectors, not yet written
        self._requests_lost = 0  # since the last vector arrived
        self._documents_lost = 0  # since the last one was stored
        self._stopped = False  # nothing more is sent
        self._broken: Exception | None = None  # nothing more is stored
        self._report_failed: Exception | None = None  # while waiting for Qdrant

    async def run(self, documents: Iterator[Any] | AsyncIterator[Any]) -> None:
        """Read documents to their end, or until an error that ends the run."""
        waits = self._waits
        waits.on_wait = self._report_wait
        self._counters.waiting = lambda: waits.current
        try:
            await self._look_ups.open()
        except CollectionMismatchError:
            raise
        except Exception as error:  # noqa: BLE001 - raised with the report
            self._counters.error = error
            return
        name = "ingest" if self._collection.blocking else "aingest"  # the name in traces
        async with self._collection.open_session(name) as session:
            self._session: EmbeddingSession = session
            self._counters.usage = lambda: session.usage
            self._counters.waiting = lambda: session.waiting or waits.current
            self._request_size = min(self._batch_size, session.batch_size or self._batch_size)
            try:
                await self._read_all(documents)
                while self._running:
                    await self._wait()
            except BaseException as error:  # from the callback, or Ctrl-C
                report, failed = self._report, dict(self._counters.failed)
                # A cancelled task must end soon, and leaving the session cancels its requests.
                if self._collection.blocking or isinstance(error, Exception):
                    await self._store_what_comes(error)
                if report is not None and isinstance(error, KeyboardInterrupt):
                    self._counters.failed = failed  # those that were not sent did not fail
                    report()
                raise
            if self._report is not None:
                self._report()

    async def _read_all(self, documents: Iterator[Any] | AsyncIterator[Any]) -> None:
        """Read documents to their end, and send all that must be embedded."""
        while self._counters.error is None:
            batch: list[Any] = []
            try:
                await read(documents, batch, size=self._batch_size, now=self._collection.clock.now)
            except Exception as error:  # noqa: BLE001 - the caller's; what was read counts
                self._counters.error = error
            if not batch:
                break
            await self._accept(batch)
        while self._waiting:
            await self._start()

    async def _store_what_comes(self, error: BaseException) -> None:
        """Send nothing more, and store the results of the requests in flight: they are paid for."""
        self._report = self._report_failed = None
        self._collection = replace(self._collection, policy=QUICK)  # the caller waits for the end
        self._session.give_up(error)
        if self._collection.blocking:
            await self._session.aclose()  # also ends their waiting
        await self._collect()
        while self._running:
            await self._wait()

    # Reading

    async def _accept(self, batch: Sequence[Any]) -> None:
        group: dict[str | int, Incoming] = {}
        looked_at = 0
        for given in batch:
            try:
                document = await self._to_incoming(given)
            except (InvalidInputError, ConfigurationError) as error:
                self._counters.error = error  # not a document: the caller's mistake
                break
            self._counters.read += 1
            looked_at += document.size_bytes
            if document.problem is not None:
                self._fail(document, document.problem)
            elif document.is_stored or self._is_repeated(document):
                self._counters.skipped += 1
            else:
                if not group.keys().isdisjoint(document.other_keys):
                    await self._look_up(group)
                    group = {}
                self._counters.skipped += document.key in group  # the last one with an id is kept
                group[document.key] = document
            if looked_at > _LOOKED_AT_BYTES:
                await self._look_up(group)
                await self._collect()
                group, looked_at = {}, 0
        await self._look_up(group)
        await self._collect()

    def _is_repeated(self, document: Incoming) -> bool:
        if document.has_own_id:
            return False
        if document.key in self._recent:
            return True
        self._recent[document.key] = None
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return False

    async def _look_up(self, group: Mapping[str | int, Incoming]) -> None:
        """Skip what is stored already, which resumes an interrupted run; embed the rest."""
        if self._stopped:
            self._fail_unsent(group.values())
        if self._stopped or not group:
            return
        others = {key for document in group.values() for key in document.other_keys}
        for key in (group.keys() | others) & self._pending.keys():
            await self._until_stored(key)  # so that the last one is kept, and its vector is known
        try:
            stored = await self._look_ups.payloads(list(group))
            alike = await self._look_ups.stored_as_known(group, stored)
            group = await self._copy_vectors(group, stored)
        except Exception as error:  # noqa: BLE001 - raised with the report
            for document in group.values():
                self._fail(document, reason(error), error)
            self._stop(error)
            # Results that have arrived are stored if that works at once: this call has already
            # waited long.
            self._collection = replace(self._collection, policy=QUICK)
            return
        await self._compare(group, stored, alike)
        await self._start_full()

    async def _compare(
        self,
        group: Mapping[str | int, Incoming],
        stored: Mapping[str | int, Any],
        alike: Container[str | int],
    ) -> None:
        """Skip documents that are stored, store known vectors and payloads, embed the others.

        `alike` are the keys of stored documents whose known vectors are those stored.
        """
        embeds_alike = self._look_ups.embeds_alike
        changed, known = [], []
        for key, document in group.items():
            found = stored.get(key)
            if found is None or key not in alike or not embeds_alike(document, found):
                if document.vector is None:
                    await self._embed(document)
                else:
                    known.append((document, document.vector))
                    self._pending[key] = document
            elif self._look_ups.differs(document, found):
                changed.append((document, document.payload))
                self._pending[key] = document
            else:
                self._counters.skipped += 1
                continue
            if found is not None and key in self._pending:
                self._updates.add(key)
        if changed:
            await self._write(changed, store_payloads)
        if known:
            before = self._counters.added + self._counters.updated
            await self._write(known, store_vectors)
            self._counters.reused += self._counters.added + self._counters.updated - before

    async def _embed(self, document: Incoming) -> None:
        """Let a document wait for the next request, unless its media cannot be read."""
        if self._stopped:
            self._fail_unsent([document])
            return
        if self._to_content is not None:
            document = await self._to_content(document)
        if document.problem is not None:
            self._fail(document, document.problem)
            return
        self._pending[document.key] = document
        self._waiting.append(document)
        if document.parts:  # which may be bytes in memory
            await self._start_full()

    async def _copy_vectors(
        self, group: Mapping[str | int, Incoming], stored: Mapping[str | int, Any]
    ) -> dict[str | int, Incoming]:
        """Store new documents whose vectors are stored under other ids; return all others."""
        left = dict(group)
        new = [each for key, each in group.items() if each.other_keys and key not in stored]
        for start in range(0, len(new), self._batch_size):
            some = new[start : start + self._batch_size]
            vectors = await self._look_ups.vectors(some)
            copies = [(left.pop(key), vector) for key, vector in vectors.items()]
            self._pending |= {document.key: document for document, _ in copies}
            if copies:
                await self._write(copies, store_vectors)
        return left

    async def _until_stored(self, key: str | int) -> None:
        while key in self._pending:
            if any(document.key == key for document in self._waiting):
                await self._start()
            else:
                await self._wait()

    # Embedding

    async def _start_full(self) -> None:
        while next_request(self._waiting, self._request_size).is_full:
            await self._start()

    async def _start(self) -> None:
        """Send as many documents as fit in a request, once one more request may be in flight."""
        due = next_request(self._waiting, self._request_size)
        while len(self._running) >= self._most_running() or not due.has_room(self._running_bytes):
            await self._wait()
        documents = self._waiting[: due.number]
        del self._waiting[: due.number]
        if self._stopped:
            self._fail_unsent(documents)
            return
        titles = (
            None
            if self._collection.layout.title_key is None
            else [document.title for document in documents]
        )
        request = self._session.start([document.content for document in documents], titles)
        self._running[request] = documents
        self._running_bytes += due.size_bytes

    def _most_running(self) -> int:
        """Return how many requests may be in flight."""
        # Twice as many as run concurrently, so that none idles while results are stored.
        most = 2 * self._session.concurrency
        if self._counters.added + self._counters.updated:
            return most
        return min(most, max(_UNPROVED // self._request_size, 1))

    async def _wait(self) -> None:
        await self._session.wait_any(list(self._running))
        await self._collect()

    async def _collect(self) -> None:
        """Store all arrived results in one write: each write waits its turn among busy threads."""
        for request in [each for each in self._running if each.done()]:
            documents = self._running[request]
            # Ctrl-C may come between any two lines, and what has arrived is paid for.
            embedded = self._embedded(documents, request)
            self._arrived |= {document.key: (document, vector) for document, vector in embedded}
            del self._running[request]
            self._running_bytes -= sum(document.size_bytes for document in documents)
        if self._arrived:
            unwritten = self._pending.keys() & self._arrived.keys()
            pairs = [pair for key, pair in self._arrived.items() if key in unwritten]
            await self._write(pairs, store_vectors)
            self._arrived = {}
        if self._session.fatal_error is not None:
            self._stop(self._session.fatal_error)
        if self._report_failed is not None:
            raise self._report_failed
        if self._report is not None:
            self._report()

    def _report_wait(self) -> None:
        """Report a long wait for Qdrant; the waiting call continues if the callback fails."""
        if self._report is None or self._report_failed is not None:
            return
        try:
            self._report()
        except Exception as error:  # noqa: BLE001 - raised once that call has ended
            self._report_failed = error

    def _embedded(
        self, documents: Sequence[Incoming], request: Pending[Embedded]
    ) -> list[tuple[Incoming, Any]]:
        """Return the documents of a request that now have vectors; the others have failed."""
        results: Embedded
        try:
            results = request.result()
        except Exception as error:  # noqa: BLE001 - raised with the report
            results = [error] * len(documents)
        embedded: list[tuple[Incoming, Any]] = []
        failure: Exception | None = None
        for document, result in zip(documents, results, strict=True):
            if not isinstance(result, Exception):
                embedded.append((document, result))
            elif isinstance(result, InvalidInputError):  # too long, or its file is gone
                self._fail(document, reason(result), result)
            else:
                failure = result
                self._lose(document, failure)
        self._counters.embedded += len(embedded)
        if embedded:
            self._requests_lost = 0
        elif failure is not None and not isinstance(failure, RequestRejectedError | NoVectorError):
            self._requests_lost += 1
            # As many as run concurrently: the service is unavailable.
            if self._requests_lost >= max(self._session.concurrency, _REQUESTS_LOST):
                self._stop(failure)
        return embedded

    # Storing

    async def _write(
        self,
        pairs: Sequence[tuple[Incoming, Any]],
        send: Callable[[Collection, Sequence[tuple[Incoming, Any]]], Awaitable[None]],
    ) -> None:
        """Write documents; bisect a refused batch down to the refused document."""
        error = self._broken
        if error is None:
            try:
                await send(self._collection, pairs)
            except Exception as caught:  # noqa: BLE001 - raised with the report
                error = caught
        if error is None:
            self._documents_lost = 0
            self._count_stored(pairs)
        elif refuses_all(error):
            self._broken = error
            self._stop(error)
            for document, _ in pairs:
                self._fail(document, reason(error), error)
        elif len(pairs) == 1:
            self._lose(pairs[0][0], error)
            if self._counters.error is error:
                self._broken = error
        else:
            half = len(pairs) // 2
            await self._write(pairs[:half], send)
            await self._write(pairs[half:], send)

    # Counting

    def _count_stored(self, pairs: Sequence[tuple[Incoming, Any]]) -> None:
        for document, _ in pairs:
            del self._pending[document.key]
            if document.key in self._updates:
                self._updates.discard(document.key)
                self._counters.updated += 1
            else:
                self._counters.added += 1

    def _lose(self, document: Incoming, error: Exception) -> None:
        """Count a refused document; too many in a row end the run."""
        self._fail(document, reason(error), error)
        self._documents_lost += 1
        failure = read_failure(error)
        is_troubled = failure is not None and failure.may_pass
        if self._documents_lost >= (_DOCUMENTS_TROUBLED if is_troubled else _DOCUMENTS_LOST):
            self._stop(error)

    def _fail(self, document: Incoming, why: str, cause: Exception | None = None) -> None:
        if self._pending.get(document.key) is document:  # and not an earlier one with the same id
            del self._pending[document.key]
            self._updates.discard(document.key)
        self._counters.failed[document.name] = why
        if cause is not None and len(self._counters.causes) < _CAUSES:
            self._counters.causes.setdefault(why, cause)
        self._counters.failed_sources.add(document.source)

    def _fail_unsent(self, documents: Iterable[Incoming]) -> None:
        why = f"not sent, as the run ended: {reason(self._counters.error)}"
        for document in documents:
            self._fail(document, why, self._counters.error)

    def _stop(self, error: Exception) -> None:
        """End the run: nothing more is read or sent."""
        self._stopped = True
        self._counters.error = self._counters.error or error
        self._session.give_up(error)
