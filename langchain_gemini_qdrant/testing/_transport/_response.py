"""HTTP responses as Google's servers send them."""

from __future__ import annotations

import email.utils
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.testing._api._errors import ApiError
from langchain_gemini_qdrant.testing._transport._json import answer_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_gemini_qdrant.testing._api._calls import Answer

_STATUSES = frozenset(HTTPStatus)
_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_PORTAL = b"<html><body>Please sign in to this network.</body></html>"
# Alt-Svc is left out: it would send clients to HTTP/3.
_GOOGLES = (
    ("Vary", "Origin"),
    ("Vary", "X-Origin"),
    ("Vary", "Referer"),
    ("Server", "scaffolding on HTTPServer2"),
    ("X-XSS-Protection", "0"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("X-Content-Type-Options", "nosniff"),
)
_CHUNK = 200_000  # bytes


class Response(NamedTuple):
    """Head of a response, and its body in pieces."""

    head: bytes
    body: Sequence[bytes]


def plain(status: int, body: bytes, headers: Mapping[str, str] = _JSON) -> Response:
    """Return a response with an unchanged body."""
    return _response(status, [body], [*headers.items(), ("Content-Length", str(len(body)))])


def respond(
    reply: Answer | ApiError | str, *, accepts_gzip: bool, compact: bool, seconds: float
) -> Response:
    """Return the API's response to a request that took this many seconds.

    `compact` is for speed: JSON without spaces, not compressed, with a `Content-Length`.
    """
    if isinstance(reply, str):
        return plain(200, _PORTAL, {"Content-Type": "text/html; charset=UTF-8"})
    if isinstance(reply, ApiError) and reply.raw is not None:
        return plain(reply.code, reply.raw, {**_JSON, **_text_only(reply.headers)})
    if not isinstance(reply, ApiError) and reply.raw is not None:
        return plain(200, reply.raw)
    status, headers = 200, dict(_JSON)
    if isinstance(reply, ApiError):
        status, headers = reply.code, {**_JSON, **_text_only(reply.headers)}
        body = [write_json(reply.body(), compact=compact)]
    else:
        headers |= reply.headers
        body = answer_json(reply, compact=compact)
    sent = [*headers.items(), *_GOOGLES, ("Date", email.utils.formatdate(usegmt=True))]
    sent.append(("Server-Timing", f"gfet4t7; dur={round(seconds * 1000)}"))
    if compact:
        return _response(status, body, [*sent, ("Content-Length", str(sum(map(len, body))))])
    if accepts_gzip:
        body = _compressed(body)
        sent.append(("Content-Encoding", "gzip"))
    return _response(status, _chunked(body), [*sent, ("Transfer-Encoding", "chunked")])


def _text_only(headers: Mapping[str, str | bytes]) -> dict[str, str]:
    """Leave out binary headers, which only gRPC has."""
    return {name: value for name, value in headers.items() if isinstance(value, str)}


def joined(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Join pieces up to the size of a processor's cache: 4 MB are slow to join at once."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size > _CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _compressed(body: Sequence[bytes]) -> list[bytes]:
    # Runs of spaces and few different characters: a higher level only takes longer.
    gzip = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16, strategy=zlib.Z_RLE)
    return [*(packed for piece in body if (packed := gzip.compress(piece))), gzip.flush()]


def _chunked(body: Iterable[bytes]) -> list[bytes]:
    pieces = []
    for chunk in joined(body):
        pieces += [b"%x\r\n" % len(chunk), chunk, b"\r\n"]
    return [*pieces, b"0\r\n\r\n"]


def _response(status: int, body: Sequence[bytes], headers: Iterable[tuple[str, str]]) -> Response:
    reason = HTTPStatus(status).phrase if status in _STATUSES else "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return Response("\r\n".join([*lines, "", ""]).encode("latin-1"), body)
