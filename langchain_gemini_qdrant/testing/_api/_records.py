"""Records of the requests that the emulator received."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedMedium:
    """An image, a sound, a video or a PDF file, without its bytes.

    Attributes:
        mime_type: As sent.
        size_bytes: Its size; 0 for an address outside the emulator.
        sha256: SHA-256 of its bytes, in hexadecimal digits; `""` for such an address.
        uri: Its address; None for bytes in the request.
        text: The text found inside, from which its vector is made; `""` with placeholder vectors.
    """

    mime_type: str
    size_bytes: int
    sha256: str
    uri: str | None
    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedText:
    """One content of a request; the answer has one vector for it.

    Attributes:
        text: Its text; several parts are joined by newlines.
        parts: Number of parts in the content; all of them go into one vector.
        model: Resource name, `models/...`.
        title: As sent, None without one.
        task_type: Name of the task, even if the client sent a number; None without one.
        output_dimensionality: As sent, None without one.
        media: Its parts that are not text, in order.
    """

    text: str
    parts: int
    model: str
    title: str | None
    task_type: str | None
    output_dimensionality: int | None
    media: tuple[RecordedMedium, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedRequest:
    """One request and its answer.

    With `record=False`, `headers`, `query`, `body` and `texts` are empty.

    Attributes:
        transport: The protocol it came over.
        path: HTTP path without the query, or full gRPC method name.
        api_version: `v1`, `v1beta` or `v1alpha`; None for an unknown path.
        method: `batchEmbedContents`, `embedContent`, `asyncBatchEmbedContent`, `predict`,
            `countTokens`, `models.get`, `models.list`, `batches.get`, `batches.list`,
            `batches.cancel`, `batches.delete`, `files.create` (the start of an upload, or all of
            it), `files.upload` (a piece of one), `files.get`, `files.list` or `files.delete`; None
            for an unknown path.
        model: Resource name, `models/...`, None where the path has none.
        resource: Name of a file or a batch job, `files/...` or `batches/...`; None for other
            methods. A file without a name of its own has one when it is complete.
        size_bytes: Size of the body.
        headers: Request headers or gRPC metadata, names in lower case.
        query: Query parameters.
        body: The message, in camelCase or as sent; None if there is no readable one. Of a body
            above 1 MB, long strings are shortened.
        texts: Its contents; empty if the API refuses the request as invalid.
        status: HTTP status of the answer (gRPC codes are translated), None without an answer.
        answer_message: The error message in the answer, `""` for none.
        received_at: Time of arrival in seconds, on the clock of the emulator: `time.monotonic()` by
            default.
        in_flight: Requests being answered at its arrival, including itself.
    """

    transport: Literal["rest", "grpc"]
    path: str
    api_version: str | None
    method: str | None
    model: str | None
    resource: str | None
    size_bytes: int
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: object = field(repr=False)
    texts: tuple[RecordedText, ...] = field(repr=False)
    status: int | None
    answer_message: str
    received_at: float
    in_flight: int
