"""The Files API of the Gemini Developer API: media that are too large for a request."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from google.genai import types
from google.genai.errors import APIError

from langchain_gemini_qdrant.embeddings._backends.google_genai_errors import translated_errors
from langchain_gemini_qdrant.embeddings._backends.protocol import (
    SHORTEST_DEADLINE,
    StoredFile,
    shortest,
)
from langchain_gemini_qdrant.embeddings._media import INLINE_BYTES
from langchain_gemini_qdrant.errors import (
    InvalidInputError,
    RateLimitError,
    RequestRejectedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_gemini_qdrant.embeddings._backends.google_genai import GenaiConnections
    from langchain_gemini_qdrant.media._medium import Medium

_PIECE = 8 * 2**20  # bytes, what the SDK reads and sends at a time
_STORAGE = "file_storage_bytes"  # the quota of a project's files
_IS_RAW = 32  # bytes of a SHA-256
_OF_A_FILE = frozenset({403, 404})  # answers about a file, and not about every request
_NOT_SERVED = frozenset({404, 405, 501})  # answers of gateways to an upload


class FilesApi:
    """Uploads, looks up and deletes files with `client.files`, over a back end's connections."""

    def __init__(self, connections: GenaiConnections) -> None:
        self._connections = connections

    def upload(
        self,
        model: str,
        medium: Medium,
        *,
        name: str | None,
        check: Callable[[], None],
        timeout: float | None = None,
    ) -> StoredFile:
        """Upload a medium in pieces.

        Args:
            model: For error messages.
            medium: Its bytes are read piece by piece.
            name: The file's name, None to let the API choose one.
            check: Called before each piece; it raises an error to end the upload.
            timeout: Seconds left for the call.

        Raises:
            InvalidInputError: The file is gone, or has changed since it was looked at.
            EmbeddingError: It could not be uploaded; the status is 409 if there is such a file.
        """
        with self._translated(model), closing(_Pieces(medium, check)) as file:
            config = self._config(medium, name, timeout)
            with _uploading(model):
                stored = self._connections.client_of_process.files.upload(file=file, config=config)
            return _read(stored)

    async def aupload(
        self,
        model: str,
        medium: Medium,
        *,
        name: str | None,
        check: Callable[[], None],
        timeout: float | None = None,
    ) -> StoredFile:
        """Upload a medium without blocking the event loop: a thread reads the pieces."""
        with (
            closing(await asyncio.to_thread(_ReadAhead, medium, check)) as file,
            self._translated(model),
        ):
            config = self._config(medium, name, timeout)
            sending = self._connections.client_of_loop.aio.files.upload(file=file, config=config)
            with _uploading(model):
                stored = await asyncio.wait_for(sending, timeout)
            return _read(stored)

    def file(self, model: str, name: str, *, timeout: float | None = None) -> StoredFile:
        """Return what the API knows of a file; 403 or 404 if there is none."""
        with self._translated(model):
            config = types.GetFileConfig(http_options=self._options(timeout))
            return _read(self._connections.client_of_process.files.get(name=name, config=config))

    async def afile(self, model: str, name: str, *, timeout: float | None = None) -> StoredFile:
        """Ask for a file without blocking the event loop."""
        with self._translated(model):
            config = types.GetFileConfig(http_options=self._options(timeout))
            asking = self._connections.client_of_loop.aio.files.get(name=name, config=config)
            return _read(await asyncio.wait_for(asking, timeout))

    def delete(self, model: str, name: str, *, timeout: float | None = None) -> None:
        """Delete a file; 403 or 404 if there is none."""
        with self._translated(model):
            config = types.DeleteFileConfig(http_options=self._options(timeout))
            self._connections.client_of_process.files.delete(name=name, config=config)

    async def adelete(self, model: str, name: str, *, timeout: float | None = None) -> None:
        """Delete a file without blocking the event loop."""
        with self._translated(model):
            config = types.DeleteFileConfig(http_options=self._options(timeout))
            deleting = self._connections.client_of_loop.aio.files.delete(name=name, config=config)
            await asyncio.wait_for(deleting, timeout)

    def _config(
        self, medium: Medium, name: str | None, timeout: float | None
    ) -> types.UploadFileConfig:
        return types.UploadFileConfig(
            name=name, mime_type=medium.mime_type, http_options=self._options(timeout)
        )

    def _options(self, timeout: float | None) -> types.HttpOptions:
        """Return how each request of an operation is sent.

        The SDK sends the pieces to the address that the API's first answer names, and only with a
        `base_url` here to that host: behind a gateway, no other one may be reachable.
        """
        timeout = shortest(timeout, self._connections.timeout)
        return types.HttpOptions(
            base_url=self._connections.base_url,
            timeout=None if timeout is None else round(1000 * max(timeout, SHORTEST_DEADLINE)),
        )

    @contextmanager
    def _translated(self, model: str) -> Iterator[None]:
        """Raise our errors; those about a file do not concern other requests."""
        try:
            with translated_errors(model):
                yield
        except RequestRejectedError as error:
            if error.status_code in _OF_A_FILE:
                error.refuses_all = False
            raise
        except RateLimitError as error:
            if _STORAGE not in str(error):
                raise
            raise RequestRejectedError(
                f"{error} The Files API stores at most 20 GB for a project, each file for 48 "
                "hours: delete files (client.files.delete of google-genai), or wait",
                model=model,
                status_code=error.status_code,
            ) from error


@contextmanager
def _uploading(model: str) -> Iterator[None]:
    """Say what is missing if the answer is not that of a Files API."""
    try:
        yield
    except KeyError as error:  # of the header or the JSON
        raise _not_served(model, f"no {error.args[0]!r} in the answer") from error
    except APIError as error:
        if error.code in _NOT_SERVED:
            raise _not_served(model, f"the answer was {error.code}", error.code) from error
        raise


def _not_served(model: str, found: str, status: int | None = None) -> RequestRejectedError:
    return RequestRejectedError(
        f"{model}: media above {INLINE_BYTES // 1_000_000} MB are uploaded, and base_url does not "
        f"serve Google's Files API (/upload/.../files; {found}): use smaller media, or an address "
        "that serves it. A gateway with a path of its own must put that path into the header "
        "x-goog-upload-url of the first answer",
        model=model,
        status_code=status,
    )


class _Pieces(io.RawIOBase):
    """The bytes of a medium, whose digest is checked while the SDK reads them.

    Args:
        check: Called before each piece.
    """

    def __init__(self, medium: Medium, check: Callable[[], None]) -> None:
        self._medium = medium
        self._check = check
        self._file = medium.open()
        self._digest = hashlib.sha256()
        self._at = 0
        self._left = medium.size_bytes

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move as the SDK does before it reads, to find the size; the bytes come in order."""
        self._at = offset + (self._medium.size_bytes if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Return the next piece; the last one only if the file is still the medium.

        Raises:
            InvalidInputError: The file has changed, or cannot be read any more.
        """
        self._check()
        piece = self._next(size)
        self._at += len(piece)
        return piece

    def _next(self, size: int) -> bytes:
        name = self._medium.name
        try:
            piece = self._file.read(self._left if size < 0 else min(size, self._left))
        except OSError as error:
            raise InvalidInputError(f"{name} cannot be read: {error.strerror}") from error
        self._left -= len(piece)
        if isinstance(self._file, io.BytesIO):  # it was checked when it was opened
            return piece
        self._digest.update(piece)
        if (not piece or not self._left) and self._digest.hexdigest() != self._medium.digest:
            raise InvalidInputError(f"{name} has changed while it was uploaded")
        return piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class _ReadAhead(_Pieces):
    """The same, but a thread reads each piece while the piece before it is sent."""

    def __init__(self, medium: Medium, check: Callable[[], None]) -> None:
        super().__init__(medium, check)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gemini-uploads")
        self._ahead = self._thread.submit(super()._next, _PIECE)

    def _next(self, size: int) -> bytes:
        piece = self._ahead.result()
        self._ahead = self._thread.submit(super()._next, size)
        return piece

    def close(self) -> None:
        """Wait for the thread, and close the file."""
        self._thread.shutdown(cancel_futures=True)
        super().close()


def _read(file: types.File) -> StoredFile:
    error = file.error
    return StoredFile(
        name=file.name or "",
        uri=file.uri or "",
        state=file.state.value if file.state else "ACTIVE",
        sha256=_hex(file.sha256_hash),
        problem=(error.message if error else None) or "no reason was given",
    )


def _hex(digest: str | None) -> str | None:
    """Return a SHA-256 in hex: the API sends the base64 of the hex digits, or of the bytes."""
    try:
        data = base64.b64decode(digest or "", validate=True)
    except binascii.Error:
        return None
    if len(data) == _IS_RAW:
        return data.hex()
    return data.decode("ascii", errors="replace").lower() or None
