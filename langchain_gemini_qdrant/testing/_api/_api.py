"""The emulated API: turns a request into its answer, for any transport.

`plan` checks a request and returns its contents; the plan's `answer` does the work. The code
between the two (scripted faults, quotas) sees the texts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing._api import _vertex
from langchain_gemini_qdrant.testing._api._batches import BatchJobs
from langchain_gemini_qdrant.testing._api._calls import Answer, Plan
from langchain_gemini_qdrant.testing._api._embed import (
    embed_items,
    item_tokens,
    plan_count,
    prompt_tokens,
    read_batch,
    read_single,
    token_details,
)
from langchain_gemini_qdrant.testing._api._errors import (
    ApiError,
    bad_api_key,
    invalid_request,
    model_not_found,
    no_api_key,
)
from langchain_gemini_qdrant.testing._api._files import Files
from langchain_gemini_qdrant.testing._api._media import MediaReader, MediaRules
from langchain_gemini_qdrant.testing._api._messages import (
    BatchEmbedContentsRequest,
    CountTokensRequest,
    EmbedContentRequest,
    read_message,
)
from langchain_gemini_qdrant.testing._api._models import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from langchain_gemini_qdrant.testing._api._calls import Call
    from langchain_gemini_qdrant.testing._api._models import Model

_SHORTEST_DEADLINE = 10  # seconds


class GeminiApi:
    """The API with its models and accepted keys.

    Attributes:
        jobs: Jobs of the Batch API.
        files: Files of the Files API.
        media_rules: Can be replaced at any time.
    """

    def __init__(
        self,
        *,
        api_keys: Collection[str],
        retired_models: bool,
        stand_in_vectors: bool = False,
        batch_seconds: float = 0.0,
        file_seconds: float = 0.0,
        file_polls: int = 0,
        media_rules: MediaRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.media_rules = self._first_rules = media_rules or MediaRules()
        self.files = Files(
            seconds=file_seconds,
            polls=file_polls,
            clock=clock,
            with_text=not stand_in_vectors,
        )
        self.jobs = BatchJobs(seconds=batch_seconds, clock=clock, stand_ins=stand_in_vectors)
        self._api_keys = frozenset(api_keys)
        self._stand_ins = stand_in_vectors
        self._models = {
            name: model for name, model in MODELS.items() if retired_models or not model.retired
        }

    def clear(self) -> None:
        """Forget all jobs and files, and reset the rules to the initial ones."""
        self.jobs.clear()
        self.files.clear()
        self.media_rules = self._first_rules

    def plan(self, call: Call) -> Plan:
        """Check a request.

        Raises:
            ApiError: The request is refused.
        """
        if call.method is None:
            raise call.problem or ApiError(404)
        if call.vertex:
            return self._plan_vertex(call)
        if call.method == "files.upload":  # the address of the upload is its key
            return self.files.plan(call, "")
        key = self._check_key(call)
        if call.problem is not None:
            raise call.problem
        _check_deadline(call)
        if call.method.endswith(".list"):
            return self._plan_list(call, key)
        if call.method.startswith("files."):
            return self.files.plan(call, key)
        self._check_size(call)
        if call.method.startswith("batches."):
            return self.jobs.plan_job(call)
        return self._plan_model(call, self._model(call), self._reader(key))

    def _plan_model(self, call: Call, model: Model, reader: MediaReader) -> Plan:
        if call.method == "models.get":
            return Plan(answer=lambda: Answer(fields=model.resource()))
        if call.method == "countTokens":
            return _plan_count(call, reader)
        if call.method == "asyncBatchEmbedContent":
            return self.jobs.plan_create(call, model, reader)
        return _plan_embed(call, model, reader, stand_ins=self._stand_ins)

    def _reader(self, key: str, *, vertex: bool = False) -> MediaReader:
        return MediaReader(
            rules=self.media_rules,
            vertex=vertex,
            with_text=not self._stand_ins,
            find_file=lambda name: self.files.find(name, key),
        )

    def _check_size(self, call: Call) -> None:
        limit = self.media_rules.request_bytes
        if call.size_bytes > limit:
            raise ApiError(400, f"Request payload size exceeds the limit: {limit} bytes.")

    def quota_name(self, model: str | None) -> str:
        """The model's name in quota errors."""
        known = MODELS.get(model or "")
        return (known and known.quota_name) or (model or "").removeprefix("models/")

    def _plan_vertex(self, call: Call) -> Plan:
        if "x-goog-api-key" in call.headers or "key" in call.query:
            self._check_key(call)
        elif not _vertex.has_token(call):
            raise _vertex.no_credentials()
        if call.problem is not None:
            raise call.problem
        self._check_size(call)
        reader = self._reader("", vertex=True)
        return _vertex.plan_vertex(call, reader, stand_ins=self._stand_ins)

    def _check_key(self, call: Call) -> str:
        key = call.headers.get("x-goog-api-key") or call.query.get("key")
        if not key:
            raise no_api_key()
        if key not in self._api_keys:
            raise bad_api_key()
        return key

    def _model(self, call: Call) -> Model:
        name, method, version = call.model or "", call.method or "", call.api_version or ""
        if not name.startswith(("models/", "tunedModels/")):
            raise invalid_request(["model: unexpected model name format"])
        model = self._models.get(name)
        if model is None and method == "models.get":
            raise ApiError(404, f"Model is not found: {name} for api version {version}")
        # The message for a batch also names embedContent:
        # https://github.com/googleapis/python-genai/issues/692
        supported = "embedContent" if method == "batchEmbedContents" else method
        if model is None or (method != "models.get" and supported not in model.methods):
            raise model_not_found(name, version, supported)
        return model

    def _plan_list(self, call: Call, key: str) -> Plan:
        size, start = _page(call)
        if call.method == "batches.list":
            return self.jobs.plan_list(size=size, start=start)
        if call.method == "files.list":
            return self.files.plan_list(key, size=size, start=start)
        models = list(self._models.values())
        fields: dict[str, object] = {
            "models": [model.resource() for model in models[start : start + size]]
        }
        if start + size < len(models):
            fields["nextPageToken"] = str(start + size)
        return Plan(answer=lambda: Answer(fields=fields))


def _check_deadline(call: Call) -> None:
    """Refuse a client's deadline that is too short for the Developer API.

    Source: public reports of 400s, 2025 and 2026, such as
    https://github.com/livekit/agents/issues/3723
    """
    seconds = call.headers.get("x-server-timeout", "")
    if seconds.isdecimal() and int(seconds) < _SHORTEST_DEADLINE:
        raise ApiError(
            400,
            f"Manually set deadline {seconds}s is too short. Minimum allowed deadline is "
            f"{_SHORTEST_DEADLINE}s.",
        )


def _page(call: Call) -> tuple[int, int]:
    """Return size and start of the requested page of a listing."""
    try:
        size = int(call.query.get("pageSize") or (10 if call.method == "files.list" else 50))
        start = int(call.query.get("pageToken") or 0)
    except ValueError:
        raise ApiError(400) from None
    if size < 1 or start < 0:
        raise ApiError(400)
    return size, start


def _plan_count(call: Call, reader: MediaReader) -> Plan:
    request = read_message(CountTokensRequest, call.body)
    generate = request.get("generate_content_request", {})
    return plan_count(request.get("contents") or generate.get("contents", []), reader)


def _plan_embed(call: Call, model: Model, reader: MediaReader, *, stand_ins: bool) -> Plan:
    single = call.method == "embedContent"
    if single:
        items = [read_single(read_message(EmbedContentRequest, call.body), model, reader)]
    else:
        items = read_batch(read_message(BatchEmbedContentsRequest, call.body), model, reader)

    def answer() -> Answer:
        fields: dict[str, object] = {}
        if model.reports_usage:
            tokens = prompt_tokens(items, model)
            # google-genai reads promptTokensDetails, which only Vertex AI sends.
            fields["usageMetadata"] = {
                "promptTokenCount": tokens.total(),
                "promptTokenDetails": token_details(tokens),
            }
        vectors = embed_items(items, model, stand_ins=stand_ins)
        return Answer(fields=fields, vectors=vectors, single=single)

    return Plan(
        texts=tuple(item.recorded(model) for item in items),
        answer=answer,
        tokens=lambda: sum(item_tokens(items, model)),
    )
