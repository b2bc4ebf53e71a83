"""Values passed between a transport and the API: a call, its plan, its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_gemini_qdrant.testing._api._errors import ApiError
    from langchain_gemini_qdrant.testing._api._records import RecordedText
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request, parsed by its transport.

    Attributes:
        body: The message as JSON values.
        problem: Why it cannot be read, None if it can; a missing or invalid key is reported first.
        vertex: Whether it was sent to the Vertex AI side.
        resource: Resource in a path without a model: `batches/...` or `files/...`.
        content: The body of a method whose body is not JSON.
        base_url: Scheme and host of the server, as the client named them.

    The other attributes are those of `RecordedRequest`.
    """

    transport: Literal["rest", "grpc"]
    path: str
    api_version: str | None
    method: str | None
    model: str | None
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    problem: ApiError | None = None
    vertex: bool = False
    resource: str | None = None
    content: bytes = b""
    base_url: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        fields: All fields except the vectors, in camelCase.
        vectors: One for each text, None for a method without vectors; None in place of a vector is
            an embedding without values.
        single: Whether it answers `embedContent`, whose single vector is not in a list.
        statistics: For `predict`, statistics of each text.
        cut: Whether only its first half is sent before the connection closes.
        unusual: Whether it is encoded in a form that is valid, but that the API does not use.
        raw: The whole body, or the bytes of the message over gRPC; None for the API's.
        headers: Additional response headers.
        resource: Name of the file that the request has made.
    """

    fields: Mapping[str, object]
    vectors: Sequence[Vector | None] | None = None
    single: bool = False
    statistics: Sequence[Mapping[str, object]] | None = None
    cut: bool = False
    unusual: bool = False
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A valid request.

    Attributes:
        texts: Its contents.
        answer: Computes the answer.
        tokens: Counts the tokens of its contents, for quotas.
        takes_quota: Whether its texts count toward the quotas per minute and per day.
    """

    answer: Callable[[], Answer]
    texts: tuple[RecordedText, ...] = ()
    tokens: Callable[[], int] = int
    takes_quota: bool = True
