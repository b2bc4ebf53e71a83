"""What passes between a transport and the API: a call, the plan for it, its answer."""

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
    """A request, read off its transport.

    Attributes:
        body: The message as JSON values.
        problem: Why it cannot be read, None if it can; a missing or bad key goes first.
        vertex: It came to Vertex AI's side.
        resource: Of a path without a model, the resource: `batches/...`.

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        fields: All of it but the vectors, in camelCase.
        vectors: One for each text, None for a method without vectors.
        single: The answer to `embedContent`, whose one vector is not in a list.
        statistics: The answer to `predict`: one for each text.
        cut: Only its first half is sent, then the connection closes.
    """

    fields: Mapping[str, object]
    vectors: Sequence[Vector] | None = None
    single: bool = False
    statistics: Sequence[Mapping[str, object]] | None = None
    cut: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A request that is right.

    Attributes:
        texts: Its contents.
        answer: Does the work.
        tokens: Counts the tokens of its contents, for quotas.
        takes_quota: Whether its texts count against the quotas of a minute and a day.
    """

    answer: Callable[[], Answer]
    texts: tuple[RecordedText, ...] = ()
    tokens: Callable[[], int] = int
    takes_quota: bool = True
