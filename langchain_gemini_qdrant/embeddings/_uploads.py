"""Large media go through the Files API: uploaded once, named by digest, and deleted after use."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from langchain_gemini_qdrant._forks import MAKING, renew_lock_in_children
from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.embeddings._backends.protocol import SHORTEST_DEADLINE
from langchain_gemini_qdrant.embeddings._call import retried
from langchain_gemini_qdrant.embeddings._halving import SentInHalvesError
from langchain_gemini_qdrant.embeddings._media import large_media
from langchain_gemini_qdrant.errors import (
    GeminiQdrantError,
    RequestRejectedError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from typing import Any

    from langchain_gemini_qdrant.embeddings._backends.protocol import StoredFile, Vector
    from langchain_gemini_qdrant.embeddings._call import CallContext
    from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
    from langchain_gemini_qdrant.embeddings._request import Content
    from langchain_gemini_qdrant.media._medium import Medium

Key: TypeAlias = tuple[int, str]
"""The process and digest of a medium: a forked child does not delete what its parent uses."""

_DIGITS = 36  # of the digest in a file's name, which has at most 40 characters
_POLL = 0.5  # seconds after which a call that waits for another one's upload may end
_FIRST_POLL, _LONGEST_POLL = 1.0, 10.0  # seconds between two questions for a file's state
_LONGEST_PROCESSING = 600.0  # seconds
# 400: the SDK has repeated a last piece that got 409, because another process was faster.
_MAY_EXIST = frozenset({400, 409})
_GONE = frozenset({403, 404})  # Google answers 403 for files of others and for missing ones


@dataclass(slots=True)
class _Upload:
    """A file that this process needs.

    Attributes:
        users: Contents without a vector that need it.
        turn: Ends when the thread or task that is uploading or deleting it has done so, None if
            there is none.
        stored: What the API stores, None before the upload.
        errors: The calls that could not upload it, by their `id`, and why.
    """

    users: int = 0
    turn: Future[None] | None = None
    stored: StoredFile | None = None
    errors: dict[int, tuple[CallContext, GeminiQdrantError]] = field(default_factory=dict)


class Uploads:
    """The files of one account that threads and event loops of this process share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self._by_key: dict[Key, _Upload] = {}

    def claim(self, medium: Medium) -> None:
        """Count one more content that needs a file."""
        with self._lock:
            self._by_key.setdefault(_key(medium), _Upload()).users += 1

    def begin(self, medium: Medium) -> _Upload | Future[None]:
        """Return a claimed file for this thread or task alone, or the turn of another one."""
        with self._lock:
            upload = self._by_key[_key(medium)]
            if upload.turn is not None:
                return upload.turn
            upload.turn = _turn()
            return upload

    def end(self, medium: Medium, upload: _Upload) -> None:
        """Let others have a file again; it is forgotten if nobody needs it."""
        with self._lock:
            turn, upload.turn = upload.turn, None
            if not upload.users:
                self._by_key.pop(_key(medium), None)
        if turn is not None:
            turn.set_result(None)

    def release(self, medium: Medium, *, keep: bool) -> _Upload | None:
        """Count one content less; return a file that the caller must delete and `end`.

        With `keep`, a file is left to the API, which deletes it after 48 hours.
        """
        with self._lock:
            upload = self._by_key[_key(medium)]
            upload.users -= 1
            if upload.users:
                return None
            if upload.stored is None or keep:
                del self._by_key[_key(medium)]
                return None
            upload.turn = _turn()
            return upload

    def forget(self, medium: Medium, stored: StoredFile) -> None:
        """Have a file that the API has no longer uploaded again."""
        with self._lock:
            upload = self._by_key[_key(medium)]
            if upload.stored is stored:
                upload.stored = None


def _turn() -> Future[None]:
    """Return a future that those who wait for it cannot cancel."""
    turn: Future[None] = Future()
    turn.set_running_or_notify_cancel()
    return turn


_uploads: weakref.WeakKeyDictionary[Limiter, Uploads] = weakref.WeakKeyDictionary()


def uploads_of(limiter: Limiter) -> Uploads:
    """Return the files of the account that has this limiter."""
    with MAKING:
        return _uploads.setdefault(limiter, Uploads())


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """Sends the large media of an instance as files.

    Attributes:
        api: A `FilesApi`, of which the asynchronous methods are called; None without one.
        uploads: The files of the account.
        wait: Waits for the turn of another thread or task, at most for the given seconds.
        cancelled: Set when a sync call has ended, to end its uploads.
    """

    api: Any
    uploads: Uploads
    wait: Callable[[Future[None], float], Awaitable[None]]
    cancelled: threading.Event

    @asynccontextmanager
    async def kept(
        self, call: CallContext, contents: Iterable[Content]
    ) -> AsyncIterator[Callable[[Iterable[Content]], Awaitable[None]]]:
        """Keep uploaded files until each of these contents has its vector, or has failed.

        The context is a function that takes contents that are done. After an interruption
        (Ctrl-C, a cancelled task) the files stay: the API deletes them after 48 hours, and a call
        before that uses them again.
        """
        left = {}
        if self.api is not None:
            left = {each: large_media(each.parts) for each in contents if each.parts}
        for large in left.values():
            for medium in large:
                self.uploads.claim(medium)

        async def done(contents: Iterable[Content], *, keep: bool = False) -> None:
            for content in contents if left else ():
                while large := left.get(content):
                    is_over = keep or self.cancelled.is_set()
                    await self._release(call, large.pop(), keep=is_over)

        try:
            yield done
            await done(left)
        except BaseException as error:
            is_over = isinstance(error, CancelledError) or not isinstance(error, Exception)
            await done(left, keep=is_over)
            raise

    async def sending(
        self,
        call: CallContext,
        contents: Sequence[Content],
        send: Callable[[CallContext, Sequence[Content]], Awaitable[list[Vector]]],
    ) -> list[Vector]:
        """Upload large media and send a request with their addresses.

        A file that the API has deleted meanwhile is uploaded again, once.

        Raises:
            SentInHalvesError: A medium of one of several contents could not be uploaded.
            GeminiQdrantError: It could not be uploaded, or the request failed.
        """
        media = {
            medium.key: medium
            for content in contents
            if content.parts
            for medium in large_media(content.parts)
        }
        if self.api is None or not media:
            return await send(call, contents)
        await call.services.backend.aprepare()
        async with self.kept(call, contents):
            stored = await self._stored(call, contents, media.values())
            try:
                return await send(call, _with_files(contents, stored))
            except RequestRejectedError:
                if not await self._forget_missing(call, stored):
                    raise
            stored = await self._stored(call, contents, media.values())
            return await send(call, _with_files(contents, stored))

    async def _stored(
        self, call: CallContext, contents: Sequence[Content], media: Iterable[Medium]
    ) -> dict[Medium, StoredFile]:
        stored, problem = {}, None
        for medium in media:
            try:
                stored[medium] = await self._file(call, medium)
            except GeminiQdrantError as error:
                problem = problem or error
        if problem is None:
            return stored
        raise problem if len(contents) == 1 else SentInHalvesError("a medium was not uploaded")

    async def _file(self, call: CallContext, medium: Medium) -> StoredFile:
        """Return the file of a medium once it can be used; one thread or task uploads it."""
        while isinstance(upload := self.uploads.begin(medium), Future):
            self._check(call)()
            await self.wait(upload, _POLL)
        try:
            if id(call) in upload.errors:
                raise upload.errors[id(call)][1]
            upload.stored = upload.stored or await self._upload(call, medium)
            upload.stored = await self._processed(call, medium, upload.stored)
        except GeminiQdrantError as error:
            upload.errors[id(call)] = (call, error)
            raise
        else:
            return upload.stored
        finally:
            self.uploads.end(medium, upload)

    async def _upload(self, call: CallContext, medium: Medium) -> StoredFile:
        name = f"lgq-{medium.digest[:_DIGITS]}"

        def send(name: str | None) -> Awaitable[StoredFile]:
            left, model = call.seconds_left, call.spec.model
            sent: Awaitable[StoredFile] = self.api.aupload(
                model, medium, name=name, check=self._check(call), timeout=left
            )
            return sent

        try:
            return await retried(call, lambda: send(name))
        except RequestRejectedError as error:
            if error.status_code not in _MAY_EXIST:
                raise
        # Of an interrupted call, of an upload whose answer was lost, or of another process.
        found = await self._existing(call, medium, f"files/{name}")
        return await retried(call, lambda: send(None)) if found is None else found

    def _check(self, call: CallContext) -> Callable[[], None]:
        def check() -> None:
            call.check()
            if self.cancelled.is_set():
                raise CancelledError

        return check

    async def _existing(self, call: CallContext, medium: Medium, name: str) -> StoredFile | None:
        """Return a file with this name; one that is not of use is deleted."""
        stored = await self._find(call, name)
        if stored is None:
            return None
        if stored.state != "FAILED" and stored.sha256 in {None, medium.digest}:
            return stored
        await self._delete(call, stored)
        return None

    async def _processed(self, call: CallContext, medium: Medium, stored: StoredFile) -> StoredFile:
        """Return a file once it can be used."""
        waited, delay, model = 0.0, _FIRST_POLL, call.spec.model
        while stored.state != "ACTIVE":
            if stored.state == "FAILED":
                raise RequestRejectedError(
                    f"{model}: the Files API could not process {medium.name}: {stored.problem}",
                    model=model,
                )
            if waited >= _LONGEST_PROCESSING:
                raise ServiceError(
                    f"{model}: the Files API has not processed {medium.name} within {waited:.0f} s",
                    model=model,
                )
            delay = min(delay, call.seconds_left or delay)
            await call.waits.for_retry(delay, f"the Files API to process {medium.name}")
            waited, delay = waited + delay, min(2 * delay, _LONGEST_POLL)
            stored = await self._asked(call, stored.name)
        return stored

    async def _asked(self, call: CallContext, name: str) -> StoredFile:
        return await retried(
            call, lambda: self.api.afile(call.spec.model, name, timeout=call.seconds_left)
        )

    async def _find(self, call: CallContext, name: str) -> StoredFile | None:
        try:
            return await self._asked(call, name)
        except RequestRejectedError as error:
            if error.status_code in _GONE:
                return None
            raise

    async def _forget_missing(self, call: CallContext, stored: dict[Medium, StoredFile]) -> bool:
        """Return whether the API has lost files of a request that it refused."""
        is_missing = False
        for medium, file in stored.items():
            try:
                found = await self._find(call, file.name)
            except GeminiQdrantError:  # the request's own error says more
                continue
            if found is None or found.state != "ACTIVE":
                is_missing = True
                self.uploads.forget(medium, file)
        return is_missing

    async def _release(self, call: CallContext, medium: Medium, *, keep: bool) -> None:
        upload = self.uploads.release(medium, keep=keep)
        if upload is None or upload.stored is None:
            return
        try:
            await self._delete(call, upload.stored)
        finally:
            upload.stored = None
            self.uploads.end(medium, upload)

    async def _delete(self, call: CallContext, stored: StoredFile) -> None:
        try:
            await self.api.adelete(call.spec.model, stored.name, timeout=SHORTEST_DEADLINE)
        except Exception as error:  # noqa: BLE001 - of any kind: the vectors must not be lost
            if getattr(error, "status_code", None) not in _GONE:
                why = error if isinstance(error, GeminiQdrantError) else type(error).__name__
                warn_in_passing(
                    f"{stored.name} could not be deleted, and the Files API deletes it after 48 "
                    f"hours: {why}"
                )


def _key(medium: Medium) -> Key:
    return os.getpid(), medium.digest


def _with_files(contents: Sequence[Content], stored: dict[Medium, StoredFile]) -> list[Content]:
    """Return contents whose uploaded media are addresses."""
    return [
        content._replace(parts=tuple([_with_address(part, stored) for part in content.parts]))
        for content in contents
    ]


def _with_address(part: str | Medium, stored: dict[Medium, StoredFile]) -> str | Medium:
    if isinstance(part, str) or part not in stored:
        return part
    return replace(part, uri=stored[part].uri)
