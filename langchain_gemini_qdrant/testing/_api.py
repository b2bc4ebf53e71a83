"""The API itself: from a request to its answer, whatever the transport.

`plan` checks a request and says what it holds, its `answer` does the work; what stands between
the two (scripted faults, and whatever else may refuse a request that is right) sees the texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant.testing._embed import (
    content_tokens,
    embed_items,
    item_tokens,
    read_batch,
    read_single,
    token_details,
)
from langchain_gemini_qdrant.testing._errors import (
    ApiError,
    bad_api_key,
    invalid_request,
    model_not_found,
    no_api_key,
)
from langchain_gemini_qdrant.testing._messages import (
    BatchEmbedContentsRequest,
    CountTokensRequest,
    EmbedContentRequest,
    read_message,
)
from langchain_gemini_qdrant.testing._models import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from langchain_gemini_qdrant.testing._models import Model
    from langchain_gemini_qdrant.testing._records import RecordedText
    from langchain_gemini_qdrant.testing._stand_ins import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request, read off its transport.

    Attributes:
        body: The message as JSON values.
        problem: Why it cannot be read, None if it can; a missing or bad key goes first.
        vertex: It came to Vertex AI's side.

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        fields: All of it but the vectors, in camelCase.
        vectors: One for each text, None for a method without vectors.
        single: The answer to `embedContent`, whose one vector is not in a list.
        statistics: The answer to `predict`: one for each text.
    """

    fields: Mapping[str, object]
    vectors: Sequence[Vector] | None = None
    single: bool = False
    statistics: Sequence[Mapping[str, object]] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A request that is right.

    Attributes:
        texts: Its contents.
        answer: Does the work.
        tokens: Counts the tokens of its contents, for quotas.
    """

    answer: Callable[[], Answer]
    texts: tuple[RecordedText, ...] = ()
    tokens: Callable[[], int] = int


class GeminiApi:
    """The models that are served, and the keys that are accepted."""

    def __init__(
        self,
        *,
        api_keys: Collection[str],
        retired_models: bool,
        stand_in_vectors: bool = False,
    ) -> None:
        self._api_keys = frozenset(api_keys)
        self._stand_ins = stand_in_vectors
        self._models = {
            name: model for name, model in MODELS.items() if retired_models or not model.retired
        }

    def plan(self, call: Call) -> Plan:
        """Check a request.

        Raises:
            ApiError: The request is refused.
        """
        if call.method is None:
            raise call.problem or ApiError(404)
        if call.vertex:
            return self._plan_vertex(call)
        self._check_key(call)
        if call.problem is not None:
            raise call.problem
        if call.method == "models.list":
            return self._plan_list(call)
        model = self._model(call)
        if call.method == "models.get":
            return Plan(answer=lambda: Answer(fields=model.resource()))
        if call.method == "countTokens":
            return _plan_count(call)
        return _plan_embed(call, model, stand_ins=self._stand_ins)

    def quota_name(self, model: str | None) -> str:
        """The model's name in quota errors."""
        known = MODELS.get(model or "")
        return (known and known.quota_name) or (model or "").removeprefix("models/")

    def _plan_vertex(self, call: Call) -> Plan:
        # Imported here: it builds on this module.
        from langchain_gemini_qdrant.testing import _vertex  # noqa: PLC0415

        if "x-goog-api-key" in call.headers or "key" in call.query:
            self._check_key(call)
        elif not _vertex.has_token(call):
            raise _vertex.no_credentials()
        if call.problem is not None:
            raise call.problem
        return _vertex.plan_vertex(call, stand_ins=self._stand_ins)

    def _check_key(self, call: Call) -> None:
        key = call.headers.get("x-goog-api-key") or call.query.get("key")
        if not key:
            raise no_api_key()
        if key not in self._api_keys:
            raise bad_api_key()

    def _model(self, call: Call) -> Model:
        name, method, version = call.model or "", call.method or "", call.api_version or ""
        if not name.startswith(("models/", "tunedModels/")):
            raise invalid_request(["model: unexpected model name format"])
        model = self._models.get(name)
        if model is None and method == "models.get":
            raise ApiError(404, f"Model is not found: {name} for api version {version}")
        # A batch is named embedContent too: https://github.com/googleapis/python-genai/issues/692
        supported = "embedContent" if method == "batchEmbedContents" else method
        if model is None or (method != "models.get" and supported not in model.methods):
            raise model_not_found(name, version, supported)
        return model

    def _plan_list(self, call: Call) -> Plan:
        try:
            size = int(call.query.get("pageSize") or 50)
            start = int(call.query.get("pageToken") or 0)
        except ValueError:
            raise ApiError(400) from None
        if size < 1 or start < 0:
            raise ApiError(400)
        models = list(self._models.values())
        fields: dict[str, object] = {
            "models": [model.resource() for model in models[start : start + size]]
        }
        if start + size < len(models):
            fields["nextPageToken"] = str(start + size)
        return Plan(answer=lambda: Answer(fields=fields))


def _plan_count(call: Call) -> Plan:
    request = read_message(CountTokensRequest, call.body)
    generate = request.get("generate_content_request", {})
    contents = request.get("contents") or generate.get("contents", [])
    tokens = sum(content_tokens(content) for content in contents)
    fields = {"totalTokens": tokens, "promptTokensDetails": token_details(tokens)}
    return Plan(answer=lambda: Answer(fields=fields))


def _plan_embed(call: Call, model: Model, *, stand_ins: bool) -> Plan:
    single = call.method == "embedContent"
    if single:
        items = [read_single(read_message(EmbedContentRequest, call.body), model)]
    else:
        items = read_batch(read_message(BatchEmbedContentsRequest, call.body), model)

    def answer() -> Answer:
        vectors, tokens = embed_items(items, model, stand_ins=stand_ins)
        details = token_details(tokens)
        usage = {
            "promptTokenCount": tokens,
            "promptTokenDetails": details,  # so says the reference
            "promptTokensDetails": details,  # so reads google-genai
        }
        return Answer(fields={"usageMetadata": usage}, vectors=vectors, single=single)

    return Plan(
        texts=tuple(item.recorded(model) for item in items),
        answer=answer,
        tokens=lambda: sum(item_tokens(items, model)),
    )
