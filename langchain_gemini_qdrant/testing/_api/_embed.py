"""Embedding requests: validation, and the model's answers."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.testing._api._calls import Answer, Plan
from langchain_gemini_qdrant.testing._api._errors import ApiError, invalid_request
from langchain_gemini_qdrant.testing._api._records import RecordedText
from langchain_gemini_qdrant.testing._api._stand_ins import choose_stand_ins
from langchain_gemini_qdrant.testing._api._text import count_tokens, cut
from langchain_gemini_qdrant.testing._api._vectors import Meaning, embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.testing._api._messages import (
        BatchEmbedContentsRequest,
        Content,
        EmbedContentConfig,
        EmbedContentRequest,
        Part,
    )
    from langchain_gemini_qdrant.testing._api._models import Model
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector

MAX_BATCH = 100  # https://ai.google.dev/gemini-api/docs/embeddings
_MEDIA_TOKENS = 258  # tokens of each part that is not text
_CONTENTS = frozenset({"text", "inline_data", "file_data"})
_DATA = _CONTENTS | {
    "function_call",
    "function_response",
    "executable_code",
    "code_execution_result",
    "tool_call",
    "tool_response",
}
_MODALITIES = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "application": "DOCUMENT"}

# gemini-embedding-2: https://ai.google.dev/gemini-api/docs/embeddings#task-types-embeddings-2
_QUERY_PREFIX = re.compile(r"task: ([a-z ]+) \| query: ")
_DOCUMENT_PREFIX = re.compile(r"title: (.*?) \| text: ", re.DOTALL)
_PREFIX_TASKS = {
    "search result": "RETRIEVAL_QUERY",
    "question answering": "QUESTION_ANSWERING",
    "fact checking": "FACT_VERIFICATION",
    "code retrieval": "CODE_RETRIEVAL_QUERY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "sentence similarity": "SEMANTIC_SIMILARITY",
}
_RAW = "TASK_TYPE_UNSPECIFIED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One content to embed, with its settings as sent."""

    parts: Sequence[Part]
    task_type: str | None
    title: str | None
    size: int | None

    def text(self) -> str:
        """All text of the content; its parts are fused."""
        return "\n".join(part["text"] for part in self.parts if "text" in part)

    def media(self) -> tuple[str, ...]:
        """A word for each part that is not text, derived from its bytes or its address."""
        if all("text" in part for part in self.parts):
            return ()
        blobs = [
            part["inline_data"].get("data", "") for part in self.parts if "inline_data" in part
        ]
        files = [
            part["file_data"].get("file_uri", "") for part in self.parts if "file_data" in part
        ]
        return tuple(f"media:{hashlib.sha256(x.encode()).hexdigest()}" for x in blobs + files)

    def recorded(self, model: Model) -> RecordedText:
        return RecordedText(
            text=self.text(),
            parts=len(self.parts),
            model=model.name,
            title=self.title,
            task_type=self.task_type,
            output_dimensionality=self.size,
        )


def read_single(request: EmbedContentRequest, model: Model) -> Item:
    """The item of an `embedContent` request.

    Raises:
        ApiError: 400, it is refused.
    """
    violations = _violations(request, model, "EmbedContentRequest", needs_model=False)
    if violations:
        raise invalid_request(violations)
    # The newer location of the settings, which batches ignore:
    # https://ai.google.dev/api/embeddings#EmbedContentConfig
    return _item(request, model, request.get("embed_content_config", {}))


def read_batch(request: BatchEmbedContentsRequest, model: Model) -> list[Item]:
    """The items of a `batchEmbedContents` request, in order.

    Raises:
        ApiError: 400, it is refused; one bad item refuses the whole request.
    """
    requests = request.get("requests", [])
    where = "BatchEmbedContentsRequest.requests"
    if len(requests) > MAX_BATCH:
        # The newline is in the API's own message.
        raise invalid_request([f"{where}: at most {MAX_BATCH} requests can be in one batch\n"])
    if not requests:
        raise invalid_request([f"{where}: requests is not specified"])
    violations = [
        violation
        for i, item in enumerate(requests)
        for violation in _violations(item, model, f"{where}[{i}]", needs_model=True)
    ]
    if violations:
        raise invalid_request(violations)
    return [_item(item, model, {}) for item in requests]


def _violations(
    request: EmbedContentRequest, model: Model, where: str, *, needs_model: bool
) -> list[str]:
    violations = []
    name = request.get("model", "")
    if not name and needs_model:
        violations.append(f"{where}.model: model is not specified")
    elif name and not name.startswith(("models/", "tunedModels/")):
        violations.append(f"{where}.model: unexpected model name format")
    elif name and name != model.name:
        violations.append(f"{where}.model: model must be {model.name}, as in the path")
    parts = request.get("content", {}).get("parts", [])
    if not parts:
        violations.append(f"{where}.content: contents is not specified")
    violations += [
        f"{where}.content.parts[{i}].data: required oneof field 'data' must have one initialized "
        "field"
        for i, part in enumerate(parts)
        if not _DATA & part.keys()
    ]
    return violations


def _item(request: EmbedContentRequest, model: Model, config: EmbedContentConfig) -> Item:
    item = Item(
        parts=request["content"]["parts"],
        task_type=config.get("task_type", request.get("task_type")),
        title=config.get("title", request.get("title")),
        size=config.get("output_dimensionality", request.get("output_dimensionality")),
    )
    if any(part.get("text") == "" for part in item.parts):
        raise ApiError(400, "EmbedContentRequest.content contains an empty Part.")
    if not all(_CONTENTS & part.keys() for part in item.parts):
        raise ApiError(400, f"{model.name} embeds text and media only.")
    if item.media() and not model.reads_prefixes:
        raise ApiError(400, f"{model.name} embeds text only.")
    if item.size is not None and not model.can_shorten:
        raise ApiError(400, f"output_dimensionality is not supported by {model.name}.")
    if item.size is not None and not 1 <= item.size <= model.size:
        raise ApiError(
            400, f"output_dimensionality must be in 1..{model.size}, but {item.size} was given."
        )
    return item


def count_parts(parts: Sequence[Part], limit: int | None = None) -> Counter[str]:
    """Count the tokens of each modality: 258 for each medium, and at most `limit` for the text."""
    tokens: Counter[str] = Counter()
    for part in parts:
        if "text" in part:
            tokens["TEXT"] += count_tokens(part["text"])
        elif medium := part.get("inline_data") or part.get("file_data"):
            kind = medium.get("mime_type", "").partition("/")[0]
            tokens[_MODALITIES.get(kind, "IMAGE")] += _MEDIA_TOKENS
    if limit is not None and tokens["TEXT"] > limit:
        tokens["TEXT"] = limit
    return +tokens


def item_tokens(items: Sequence[Item], model: Model) -> list[int]:
    """Count the input tokens of each item."""
    return [count_parts(item.parts, model.input_tokens).total() for item in items]


def prompt_tokens(items: Sequence[Item], model: Model) -> Counter[str]:
    """Count the input tokens of all items by modality."""
    return sum((count_parts(item.parts, model.input_tokens) for item in items), Counter())


def token_details(tokens: Counter[str]) -> list[dict[str, object]]:
    """Return token counts by modality in the API's format."""
    return [{"modality": name, "tokenCount": count} for name, count in tokens.items()]


def plan_count(contents: Sequence[Content]) -> Plan:
    """Plan the answer to `countTokens`."""
    tokens = count_parts([part for content in contents for part in content.get("parts", [])])
    fields = {"totalTokens": tokens.total(), "promptTokensDetails": token_details(tokens)}
    return Plan(answer=lambda: Answer(fields=fields))


def embed_items(items: Sequence[Item], model: Model, *, stand_ins: bool = False) -> list[Vector]:
    """Embed the items of one request.

    Args:
        items: What to embed.
        model: The model that embeds them.
        stand_ins: Use fast placeholder vectors without meaning.

    Returns:
        A vector for each item, each of its requested size.
    """
    texts = [cut(item.text(), model.input_tokens) for item in items]
    make = choose_stand_ins if stand_ins else partial(embed, unrelated=model.unrelated)
    meanings = [_meaning(item, text, model) for item, text in zip(items, texts, strict=True)]
    sizes = [item.size or model.size for item in items]
    vectors: dict[int, Vector] = {}
    for size in set(sizes):
        chosen = [i for i, other in enumerate(sizes) if other == size]
        embedded = make(
            [meanings[i] for i in chosen],
            space=model.space or model.name,
            model_size=model.size,
            size=size,
            normalizes=model.normalizes,
        )
        vectors.update(zip(chosen, embedded, strict=True))
    return [vectors[i] for i in range(len(items))]


def _meaning(item: Item, text: str, model: Model) -> Meaning:
    text, title, task_type = read_conditioning(
        text, title=item.title, task_type=item.task_type, reads_prefixes=model.reads_prefixes
    )
    media = item.media() if model.reads_prefixes else ()
    return Meaning(text=text, title=title, task_type=task_type, media=media)


class Conditioned(NamedTuple):
    """A text, and the task and title that the model gets with it."""

    text: str
    title: str | None
    task_type: str


def read_conditioning(
    text: str, *, title: str | None, task_type: str | None, reads_prefixes: bool
) -> Conditioned:
    """Split a text from its prefix, for a model that reads prefixes; others have parameters."""
    if not reads_prefixes:
        if task_type in {None, _RAW}:
            task_type = "RETRIEVAL_QUERY"  # the default task of these models
        return Conditioned(text, title if task_type == "RETRIEVAL_DOCUMENT" else None, task_type)
    query = _QUERY_PREFIX.match(text)
    if query and query[1] in _PREFIX_TASKS:
        return Conditioned(text[query.end() :], None, _PREFIX_TASKS[query[1]])
    document = _DOCUMENT_PREFIX.match(text)
    if document:
        title = None if document[1] == "none" else document[1]
        return Conditioned(text[document.end() :], title, "RETRIEVAL_DOCUMENT")
    return Conditioned(text, None, _RAW)
