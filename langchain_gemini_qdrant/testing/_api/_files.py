"""The Files API: files that are uploaded, processed, and gone after 48 hours.

Sources: https://ai.google.dev/api/files, https://ai.google.dev/gemini-api/docs/files, and what
google-genai sends.
"""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing._api._calls import Answer, Plan
from langchain_gemini_qdrant.testing._api._errors import ApiError, invalid_json, invalid_request
from langchain_gemini_qdrant.testing._api._media import Medium, read_medium
from langchain_gemini_qdrant.testing._api._messages import CreateFileRequest, read_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant.testing._api._calls import Call
    from langchain_gemini_qdrant.testing._api._messages import File

_LIFE = 48 * 3600.0  # seconds
_MAX_BYTES = 2 * 1024**3
_URI = "https://generativelanguage.googleapis.com/v1beta/"
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_STATUS = "X-Goog-Upload-Status"
_RECEIVED = "X-Goog-Upload-Size-Received"
_GRANULARITY = 256 * 1024  # bytes


@dataclass(kw_only=True, slots=True)
class _File:
    name: str
    display_name: str
    key: str
    medium: Medium
    created: float  # on the emulator's clock
    created_at: dt.datetime
    seconds: float  # of work
    polls: int  # that still find it at work
    failed: bool = False

    def state(self, now: float) -> str:
        if self.polls > 0 or now - self.created < self.seconds:
            return "PROCESSING"
        return "FAILED" if self.failed else "ACTIVE"


@dataclass(kw_only=True, slots=True)
class _Upload:
    """A resumable upload; `status` is that of its header."""

    file: File
    size: int | None
    key: str
    content: bytearray
    status: str = "active"


class Files:
    """All files of an emulator; safe to use from several threads.

    Each key has its own files.

    Attributes:
        seconds: Time that new files are processed.
        polls: Number of times that `get` finds a new file processed.
    """

    def __init__(
        self,
        *,
        seconds: float,
        polls: int,
        clock: Callable[[], float],
        with_text: bool,
    ) -> None:
        self.seconds = self._first_seconds = seconds
        self.polls = self._first_polls = polls
        self._clock = clock
        self._with_text = with_text
        self._files: dict[str, _File] = {}
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def clear(self) -> None:
        with self._lock:
            self._files.clear()
            self._uploads.clear()
        self.seconds, self.polls = self._first_seconds, self._first_polls

    def stored(self) -> list[Medium]:
        """Return the files of all keys, oldest first."""
        with self._lock:
            return [file.medium for file in self._living().values()]

    def fail(self, name: str) -> None:
        """Let a file fail in place of becoming active."""
        with self._lock:
            self._files[name].failed = True

    def find(self, name: str, key: str) -> Medium:
        """Return a file that contents may use.

        Raises:
            ApiError: There is no such file of this key, or it is not active.
        """
        with self._lock:
            file = self._file(name, key)
            if file.state(self._clock()) == "ACTIVE":
                return file.medium
        message = (
            f"The File {name.removeprefix('files/')} is not in an ACTIVE state and usage is not "
            "allowed."
        )
        raise ApiError(400, message, status="FAILED_PRECONDITION")

    def plan(self, call: Call, key: str) -> Plan:
        """Check a request of one of the methods `files...`, but not of `files.list`.

        Raises:
            ApiError: It is refused.
        """
        if call.method == "files.upload":
            return self._plan_piece(call)
        if call.method == "files.create":
            multipart = call.headers.get("content-type", "").startswith("multipart/")
            return self._plan_whole(call, key) if multipart else self._plan_start(call, key)
        name = call.resource or ""
        with self._lock:
            self._file(name, key)
        if call.method == "files.delete":
            return Plan(answer=lambda: self._delete(name, key))
        return Plan(answer=lambda: self._get(name, key))

    def plan_list(self, key: str, *, size: int, start: int) -> Plan:
        def answer() -> Answer:
            with self._lock:
                files = [file for file in self._living().values() if file.key == key]
                files.reverse()  # newest first
                now = self._clock()
                page = [_resource(file, now) for file in files[start : start + size]]
            fields: dict[str, object] = {"files": page} if page else {}
            if start + size < len(files):
                fields["nextPageToken"] = str(start + size)
            return Answer(fields=fields)

        return Plan(answer=answer)

    def _living(self) -> dict[str, _File]:
        """Forget the files whose time is over."""
        now = self._clock()
        for name in [n for n, file in self._files.items() if now - file.created >= _LIFE]:
            del self._files[name]
        return self._files

    def _file(self, name: str, key: str) -> _File:
        file = self._living().get(name)
        if file is None or file.key != key:
            message = (
                f"You do not have permission to access the File {name.removeprefix('files/')} or "
                "it may not exist."
            )
            raise ApiError(403, message)
        return file

    def _get(self, name: str, key: str) -> Answer:
        with self._lock:
            file = self._file(name, key)
            fields = _resource(file, self._clock())
            file.polls -= 1
        return Answer(fields=fields)

    def _delete(self, name: str, key: str) -> Answer:
        with self._lock:
            self._file(name, key)
            del self._files[name]
        return Answer(fields={})

    def _plan_start(self, call: Call, key: str) -> Plan:
        if call.headers.get("x-goog-upload-command", "") != "start":
            raise ApiError(400, "Files are uploaded in a resumable or a multipart upload.")
        file = read_message(CreateFileRequest, call.body).get("file", {})
        self._check_name(file)
        size = _number(call, "x-goog-upload-header-content-length")
        if (size or 0) > _MAX_BYTES:
            raise ApiError(400, f"A file must have at most {_MAX_BYTES} bytes, but it has {size}.")
        kind = call.headers.get("x-goog-upload-header-content-type", "")
        file = {"mime_type": kind, **file}

        def answer() -> Answer:
            upload = _Upload(file=file, size=size, key=key, content=bytearray())
            with self._lock:
                number = f"emulated-{next(self._numbers)}"
                self._uploads[number] = upload
            version = call.api_version
            url = f"{call.base_url}/upload/{version}/files?upload_id={number}"
            headers = {
                "X-Goog-Upload-URL": f"{url}&upload_protocol=resumable",
                "X-Goog-Upload-Chunk-Granularity": str(_GRANULARITY),
                _STATUS: "active",
            }
            return Answer(fields={}, headers=headers)

        return Plan(answer=answer)

    def _plan_piece(self, call: Call) -> Plan:
        with self._lock:
            upload = self._uploads.get(call.query.get("upload_id", ""))
        if upload is None:
            raise ApiError(404, "There is no such upload.")
        commands = {
            each.strip() for each in call.headers.get("x-goog-upload-command", "").split(",")
        }
        if commands <= {"query", "cancel"}:
            return Plan(answer=lambda: self._report(upload, cancel="cancel" in commands))
        if not commands <= {"upload", "finalize"}:
            raise _refused(upload, "The command of an upload must be upload, finalize or query.")
        offset = _number(call, "x-goog-upload-offset") or 0

        def answer() -> Answer:
            with self._lock:
                return self._receive(upload, call.content, offset, final="finalize" in commands)

        self._check_piece(upload, call.content, offset, final="finalize" in commands)
        return Plan(answer=answer)

    def _check_piece(self, upload: _Upload, piece: bytes, offset: int, *, final: bool) -> None:
        received = len(upload.content)
        if upload.status != "active":
            raise _refused(upload, f"The upload is {upload.status}.")
        if offset != received:
            raise _refused(
                upload, f"{received} bytes have been received, but the offset is {offset}."
            )
        if final and upload.size not in {None, received + len(piece)}:
            total = received + len(piece)
            raise _refused(upload, f"The file has {total} bytes, but {upload.size} were announced.")

    def _receive(self, upload: _Upload, piece: bytes, offset: int, *, final: bool) -> Answer:
        self._check_piece(upload, piece, offset, final=final)  # another piece may have come first
        upload.content += piece
        if not final:
            return Answer(fields={}, headers={_STATUS: "active"})
        stored = self._store(upload.file, bytes(upload.content), upload.key)
        upload.status, upload.content = "final", bytearray()
        headers = {_STATUS: "final"}
        return Answer(fields={"file": stored}, headers=headers, resource=str(stored["name"]))

    def _report(self, upload: _Upload, *, cancel: bool) -> Answer:
        with self._lock:
            if cancel and upload.status == "active":
                upload.status, upload.content = "cancelled", bytearray()
            headers = {_STATUS: upload.status, _RECEIVED: str(len(upload.content))}
        return Answer(fields={}, headers=headers)

    def _plan_whole(self, call: Call, key: str) -> Plan:
        """Plan a multipart upload: a part of JSON, then the bytes."""
        metadata, kind, content = _parts(call)
        try:
            body = json.loads(metadata or b"{}")
        except ValueError as error:
            raise invalid_json([]) from error
        file = read_message(CreateFileRequest, body).get("file", {})
        self._check_name(file)
        file = {"mime_type": kind, **file}

        def answer() -> Answer:
            with self._lock:
                stored = self._store(file, content, key)
            return Answer(fields={"file": stored}, resource=str(stored["name"]))

        return Plan(answer=answer)

    def _check_name(self, file: File) -> None:
        name = file.get("name", "")
        if name and not (name.startswith("files/") and _ID.fullmatch(name.removeprefix("files/"))):
            rule = "at most 40 lowercase letters, digits and dashes, no dash at either end"
            where = "CreateFileRequest.file.name"
            raise invalid_request([f"{where}: must be files/ and {rule}, got {name!r}"])
        with self._lock:
            if name in self._living():
                raise _exists()

    def _store(self, file: File, content: bytes, key: str) -> dict[str, object]:
        name = file.get("name") or f"files/emulated-{next(self._numbers)}"
        if name in self._living():
            raise _exists()
        mime_type = file.get("mime_type") or "application/octet-stream"
        uri = f"{_URI}{name}"
        medium = read_medium(content, mime_type, uri=uri, with_text=self._with_text)
        now = self._clock()
        self._files[name] = stored = _File(
            name=name,
            display_name=file.get("display_name", ""),
            key=key,
            medium=medium,
            created=now,
            created_at=dt.datetime.now(dt.UTC),
            seconds=self.seconds,
            polls=self.polls,
        )
        return _resource(stored, now)


def _exists() -> ApiError:
    return ApiError(409, "Requested entity already exists", status="ALREADY_EXISTS")


def _refused(upload: _Upload, message: str) -> ApiError:
    return ApiError(400, message, headers={_STATUS: upload.status})


def _number(call: Call, header: str) -> int | None:
    value = call.headers.get(header)
    if value is None:
        return None
    if not value.isdecimal():
        raise ApiError(400, f"The header {header} must be a number, got {value!r}.")
    return int(value)


def _parts(call: Call) -> tuple[bytes, str, bytes]:
    """Return the JSON, the type and the bytes of a multipart upload."""
    boundary = re.search(r'boundary="?([^";]+)', call.headers.get("content-type", ""))
    limit = b"--" + (boundary[1].encode() if boundary else b"")
    pieces = re.split(
        rb"(?:^|\r?\n)" + re.escape(limit) + rb"(?:--)?[ \t]*(?:\r?\n|$)", call.content
    )
    found = [re.split(rb"\r?\n\r?\n", piece, maxsplit=1) for piece in pieces[1:3]]
    if boundary is None or [len(each) for each in found] != [2, 2]:
        raise ApiError(400, "A multipart upload must have two parts, JSON and the bytes of a file.")
    kind = re.search(rb"(?i)content-type:\s*([^\s;]+)", found[1][0])
    return found[0][1], kind[1].decode("latin-1") if kind else "", found[1][1]


def _resource(file: _File, now: float) -> dict[str, object]:
    """Return a file as the API describes it."""
    state, medium = file.state(now), file.medium
    fields: dict[str, object] = {"name": file.name}
    if file.display_name:
        fields["displayName"] = file.display_name
    fields |= {
        "mimeType": medium.mime_type,
        "sizeBytes": str(medium.size_bytes),
        "createTime": _timestamp(file.created_at),
        "updateTime": _timestamp(file.created_at),
        "expirationTime": _timestamp(file.created_at + dt.timedelta(seconds=_LIFE)),
        # The API encodes the hexadecimal digits, not the bytes.
        "sha256Hash": base64.b64encode(medium.sha256.encode()).decode(),
        "uri": medium.uri,
        "state": state,
        "source": "UPLOADED",
    }
    if state == "ACTIVE" and medium.modality == "VIDEO":
        fields["videoMetadata"] = {"videoDuration": f"{medium.inside.seconds:g}s"}
    if state == "FAILED":
        fields["error"] = {"code": 13, "message": "The file could not be processed."}
    return fields


def _timestamp(at: dt.datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
