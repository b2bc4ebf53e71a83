"""Take the vectors out of an HTTP answer before google-genai reads it.

The SDK parses an answer with `json`, then copies and checks its vectors. Pydantic's own JSON reader
does all of this at once, with the same numbers.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic_core import SchemaValidator, ValidationError, core_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer, Vector

_METHOD = ":batchEmbedContents"
_OK = 200


def _dict_with(name: str, schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    fields = {name: core_schema.typed_dict_field(schema)}
    return core_schema.typed_dict_schema(fields, extra_behavior="allow")


# Strict: an answer with anything else than finite numbers is left to the SDK.
_NUMBER = core_schema.float_schema(strict=True, allow_inf_nan=False)
_VALUES = core_schema.list_schema(_NUMBER, fail_fast=True)
_EMBEDDINGS = core_schema.list_schema(_dict_with("values", _VALUES), fail_fast=True)
_ANSWER = SchemaValidator(_dict_with("embeddings", _EMBEDDINGS))


@dataclass(slots=True)
class Extracted:
    """The vectors of the answer to one request; None if the SDK has them."""

    vectors: list[Vector] | None = None

    def complete(self, answer: EmbedAnswer) -> EmbedAnswer:
        """Return what the SDK has read, with the vectors that were taken out before."""
        return answer if self.vectors is None else replace(answer, vectors=self.vectors)


_EXTRACTED: ContextVar[Extracted | None] = ContextVar("extracted", default=None)


@contextmanager
def extracting(*, enabled: bool) -> Iterator[Extracted]:
    """Extract the vectors of the request that is sent in this context."""
    extracted = Extracted()
    token = _EXTRACTED.set(extracted if enabled else None)
    try:
        yield extracted
    finally:
        _EXTRACTED.reset(token)


def extract(response: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
    """Extract the vectors; a response hook of a synchronous client."""
    if (extracted := _wanted(response)) is not None:
        _shorten(response, _copy(response).read(), extracted)


async def aextract(response: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
    """Extract the vectors; a response hook of an asynchronous client."""
    if (extracted := _wanted(response)) is not None:
        _shorten(response, await _copy(response).aread(), extracted)


def _wanted(response: Any) -> Extracted | None:  # noqa: ANN401
    is_answer = response.status_code == _OK and response.request.url.path.endswith(_METHOD)
    return _EXTRACTED.get() if is_answer else None


def _copy(response: Any) -> Any:  # noqa: ANN401
    """Return a response to read; a response that is read cannot get another body."""
    return type(response)(
        _OK, headers=response.headers, stream=response.stream, request=response.request
    )


def _shorten(response: Any, body: bytes, extracted: Extracted) -> None:  # noqa: ANN401
    response.headers.pop("content-encoding", None)
    response.stream = type(response)(_OK, content=_rest(body, extracted)).stream


def _spell_as_the_sdk(usage: object) -> None:
    """Give the tokens by modality the name that the SDK reads; the API's reference has another."""
    if isinstance(usage, dict) and "promptTokenDetails" in usage:
        usage.setdefault("promptTokensDetails", usage.pop("promptTokenDetails"))


def _rest(body: bytes, extracted: Extracted) -> bytes:
    """Keep the vectors of a body, and return the rest of it for the SDK."""
    try:
        answer = _ANSWER.validate_json(body)
    except ValidationError:
        return body
    _spell_as_the_sdk(answer.get("usageMetadata"))
    extracted.vectors = [embedding.pop("values") for embedding in answer["embeddings"]]
    if not any(answer["embeddings"]):
        del answer["embeddings"]
    return json.dumps(answer).encode()
