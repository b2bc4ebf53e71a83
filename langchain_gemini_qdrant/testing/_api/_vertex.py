"""The Vertex AI side: the same models and vectors behind other paths, keys and messages.

Sources: https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/get-text-embeddings,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from langchain_gemini_qdrant.testing._api._calls import Answer, Plan
from langchain_gemini_qdrant.testing._api._embed import (
    MAX_BATCH,
    Item,
    embed_items,
    item_tokens,
    plan_count,
    prompt_tokens,
    read_single,
    token_details,
)
from langchain_gemini_qdrant.testing._api._errors import ApiError, invalid_request
from langchain_gemini_qdrant.testing._api._messages import (
    CountTokensRequest,
    EmbedContentConfig,
    EmbedContentRequest,
    TaskType,
    read_message,
)
from langchain_gemini_qdrant.testing._api._models import MODELS, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.testing._api._calls import Call
    from langchain_gemini_qdrant.testing._api._media import MediaReader

METHODS = ("predict", "embedContent", "batchEmbedContents", "countTokens")
KNOWN_PATHS = [
    f"  POST /{{v1,v1beta1}}/{project}publishers/google/models/{{model}}:{method}"
    for project in ("projects/{project}/locations/{location}/", "")
    for method in METHODS
]
_PATH = re.compile(
    r"/(v1|v1beta1)/(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/([^/:]+):(\w+)"
)
_MAX_INSTANCES = 250
_MAX_PREDICT_TOKENS = 20_000
_METHODS_OF_GEMINI = ("embedContent", "batchEmbedContents", "countTokens")

# models/... -> the model; the resource names are those of the Developer API, as recorded.
_MODELS = {
    model.name: model
    for model in (
        replace(MODELS["models/gemini-embedding-001"], methods=("predict", *_METHODS_OF_GEMINI)),
        replace(MODELS["models/gemini-embedding-2"], methods=_METHODS_OF_GEMINI),
        replace(MODELS["models/gemini-embedding-2-preview"], methods=_METHODS_OF_GEMINI),
        *(
            Model(
                name=f"models/{name}",
                display_name=name,
                size=768,
                normalizes=True,
                methods=("predict", "countTokens"),
            )
            for name in (
                "text-embedding-004",  # still served on Vertex AI
                "text-embedding-005",
                "text-multilingual-embedding-002",
            )
        ),
    )
}


class VertexPath(NamedTuple):
    """The parts of a path; `model` is `models/...`."""

    version: str
    model: str
    method: str


class Instance(TypedDict, total=False):
    content: str
    task_type: TaskType
    title: str
    mime_type: str


class Parameters(TypedDict, total=False):
    output_dimensionality: int
    auto_truncate: bool


class PredictRequest(TypedDict, total=False):
    instances: list[Instance]
    parameters: Parameters


class VertexBatchRequest(TypedDict, total=False):
    requests: list[EmbedContentRequest]


def read_path(path: str) -> VertexPath | None:
    """Return the parts of a Vertex AI path, None for any other path."""
    found = _PATH.fullmatch(path)
    if found is None or found[3] not in METHODS:
        return None
    return VertexPath(found[1], f"models/{found[2]}", found[3])


def has_token(call: Call) -> bool:
    """Return whether a request has an access token; every token is accepted."""
    kind, _, token = call.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and bool(token.strip())


def plan_vertex(call: Call, reader: MediaReader, *, stand_ins: bool) -> Plan:
    """Check a request that has valid credentials.

    Raises:
        ApiError: The request is refused.
    """
    model = _model(call)
    if call.method == "countTokens":
        contents = read_message(CountTokensRequest, call.body).get("contents", [])
        return plan_count(contents, reader)
    if call.method == "predict":
        predict = read_message(PredictRequest, call.body)
        return _plan_predict(predict, model, reader, stand_ins=stand_ins)
    if call.method == "embedContent":
        requests = [read_message(EmbedContentRequest, call.body)]
    else:
        requests = _read_batch(call)
    return _plan_embed(call, requests, model, reader, stand_ins=stand_ins)


def _model(call: Call) -> Model:
    model = _MODELS.get(call.model or "")
    if model is None:
        resource = call.path.split("/", 2)[-1].rpartition(":")[0]
        raise ApiError(
            404,
            f"Publisher Model `{resource}` was not found or your project does not have access to "
            "it. Please ensure you are using a valid model version. For more information, see: "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
        )
    if call.method not in model.methods:
        name = model.name.removeprefix("models/")
        raise ApiError(400, f"Model {name} is not supported by {call.method}.")
    return model


def _plan_predict(
    request: PredictRequest, model: Model, reader: MediaReader, *, stand_ins: bool
) -> Plan:
    instances = request.get("instances", [])
    parameters = request.get("parameters", {})
    most = 1 if model.name == "models/gemini-embedding-001" else _MAX_INSTANCES
    if not instances:
        raise ApiError(400, "Empty instances.")
    if len(instances) > most:
        message = f"{most} instance(s) is allowed per prediction. Actual: {len(instances)}"
        raise ApiError(400, message)
    items = [_item(instance, parameters, model, reader) for instance in instances]
    if not parameters.get("auto_truncate", True):
        _check_length(items, model)
    tokens = item_tokens(items, model)
    if sum(tokens) > _MAX_PREDICT_TOKENS:
        raise _too_long(sum(tokens), _MAX_PREDICT_TOKENS)
    truncated = [_full_tokens(item) > model.input_tokens for item in items]

    def answer() -> Answer:
        vectors = embed_items(items, model, stand_ins=stand_ins)
        characters = sum(len("".join(item.text.split())) for item in items)
        return Answer(
            fields={"metadata": {"billableCharacterCount": characters}},
            vectors=vectors,
            statistics=[
                {"token_count": count, "truncated": cut}
                for count, cut in zip(tokens, truncated, strict=True)
            ],
        )

    return Plan(
        texts=tuple(item.recorded(model) for item in items),
        answer=answer,
        tokens=lambda: sum(tokens),
    )


def _item(instance: Instance, parameters: Parameters, model: Model, reader: MediaReader) -> Item:
    text = instance.get("content", "")
    if not text:
        raise ApiError(400, "The text content is empty.")
    config: EmbedContentConfig = {}
    if "task_type" in instance:
        config["task_type"] = instance["task_type"]
    if "title" in instance:
        config["title"] = instance["title"]
    if "output_dimensionality" in parameters:
        config["output_dimensionality"] = parameters["output_dimensionality"]
    request: EmbedContentRequest = {
        "content": {"parts": [{"text": text}]},
        "embed_content_config": config,
    }
    return read_single(request, model, reader)


def _read_batch(call: Call) -> list[EmbedContentRequest]:
    requests = read_message(VertexBatchRequest, call.body).get("requests", [])
    where = "BatchEmbedContentsRequest.requests"
    if not requests:
        raise invalid_request([f"{where}: requests is not specified"])
    if len(requests) > MAX_BATCH:  # the Developer API's limit; none is documented for Vertex AI
        raise invalid_request([f"{where}: at most {MAX_BATCH} requests can be in one batch\n"])
    return requests


def _plan_embed(
    call: Call,
    requests: Sequence[EmbedContentRequest],
    model: Model,
    reader: MediaReader,
    *,
    stand_ins: bool,
) -> Plan:
    items = [read_single(request, model, reader) for request in requests]
    reader.check_images(medium for item in items for medium in item.media)
    for request, item in zip(requests, items, strict=True):
        if not request.get("embed_content_config", {}).get("auto_truncate", True):
            _check_length([item], model)
    single = call.method == "embedContent"

    def answer() -> Answer:
        tokens = prompt_tokens(items, model)
        fields: dict[str, object] = {
            "usageMetadata": {
                "promptTokenCount": tokens.total(),
                "totalTokenCount": tokens.total(),
                "promptTokensDetails": token_details(tokens),
            }
        }
        if single and _full_tokens(items[0]) > model.input_tokens:
            fields["truncated"] = True
        vectors = embed_items(items, model, stand_ins=stand_ins)
        return Answer(fields=fields, vectors=vectors, single=single)

    return Plan(
        texts=tuple(item.recorded(model) for item in items),
        answer=answer,
        tokens=lambda: sum(item_tokens(items, model)),
    )


def _full_tokens(item: Item) -> int:
    return item.tokens().total()


def _check_length(items: Sequence[Item], model: Model) -> None:
    for item in items:
        tokens = _full_tokens(item)
        if tokens > model.input_tokens:
            raise _too_long(tokens, model.input_tokens)


def _too_long(tokens: int, limit: int) -> ApiError:
    return ApiError(
        400,
        f"Unable to submit request because the input token count is {tokens} but the model "
        f"supports up to {limit}. Reduce the input token count and try again. You can also use the "
        "CountTokens API to calculate prompt token count and billable characters. Learn more: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini",
    )


def no_credentials() -> ApiError:
    """Return Vertex AI's error for a request with neither an access token nor an API key."""
    return ApiError(
        401,
        "Request is missing required authentication credential. Expected OAuth 2 access token, "
        "login cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
    )
