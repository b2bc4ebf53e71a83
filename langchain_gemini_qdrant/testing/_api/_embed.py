"""Embedding requests: validation, and the model's answers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.testing._api._calls import Answer, Plan
from langchain_gemini_qdrant.testing._api._errors import ApiError, invalid_request
from langchain_gemini_qdrant.testing._api._media import check_media
from langchain_gemini_qdrant.testing._api._records import RecordedText
from langchain_gemini_qdrant.testing._api._stand_ins import choose_stand_ins
from langchain_gemini_qdrant.testing._api._text import count_tokens, cut
from langchain_gemini_qdrant.testing._api._vectors import Meaning, MediumMeaning, embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.testing._api._media import MediaReader, Medium
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
_CONTENTS = frozenset({"text", "inline_data", "file_data"})
_DATA = _CONTENTS | {
    "function_call",
    "function_response",
    "executable_code",
    "code_execution_result",
    "tool_call",
    "tool_response",
}

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
    """One content to embed, with its settings as sent.

    Attributes:
        text: All text of the content; its parts are fused.
        parts: Number of its parts.
        vertex: Whether it came to Vertex AI.
        reads_documents: Whether the text of a document counts, too.
    """

    text: str
    parts: int
    media: tuple[Medium, ...]
    vertex: bool
    reads_documents: bool
    task_type: str | None
    title: str | None
    size: int | None

    def tokens(self, limit: int | None = None) -> Counter[str]:
        """Count the tokens of each modality; text is cut where all are more than the limit."""
        tokens: Counter[str] = Counter()
        if self.text:
            tokens["TEXT"] = count_tokens(self.text)
        for medium in self.media:
            tokens[medium.modality] += medium.tokens(vertex=self.vertex)
            if self.reads_documents and medium.modality == "DOCUMENT":
                tokens["TEXT"] += count_tokens(medium.inside.text)
        if limit is not None and tokens.total() > limit:
            tokens["TEXT"] = max(limit - (tokens.total() - tokens["TEXT"]), 0)
        return +tokens

    def is_readable(self) -> bool:
        return all(medium.readable for medium in self.media)

    def recorded(self, model: Model) -> RecordedText:
        return RecordedText(
            text=self.text,
            parts=self.parts,
            model=model.name,
            title=self.title,
            task_type=self.task_type,
            output_dimensionality=self.size,
            media=tuple(medium.recorded() for medium in self.media) if self.media else (),
        )


def read_single(request: EmbedContentRequest, model: Model, reader: MediaReader) -> Item:
    """The item of an `embedContent` request.

    Raises:
        ApiError: 400, it is refused.
    """
    violations = _violations(request, model, "EmbedContentRequest", needs_model=False)
    if violations:
        raise invalid_request(violations)
    # The newer location of the settings, which batches ignore:
    # https://ai.google.dev/api/embeddings#EmbedContentConfig
    return _item(request, model, request.get("embed_content_config", {}), reader)


def read_batch(request: BatchEmbedContentsRequest, model: Model, reader: MediaReader) -> list[Item]:
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
    items = [_item(item, model, {}, reader) for item in requests]
    reader.check_images(medium for item in items for medium in item.media)
    return items


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


def _item(
    request: EmbedContentRequest, model: Model, config: EmbedContentConfig, reader: MediaReader
) -> Item:
    parts = request["content"]["parts"]
    texts = [part["text"] for part in parts if "text" in part]
    if "" in texts:
        raise _empty_part()
    media = () if len(texts) == len(parts) else _read_media(parts, model, reader)
    size = config.get("output_dimensionality", request.get("output_dimensionality"))
    if size is not None and not model.can_shorten:
        raise ApiError(400, f"output_dimensionality is not supported by {model.name}.")
    if size is not None and not 1 <= size <= model.size:
        raise ApiError(
            400, f"output_dimensionality must be in 1..{model.size}, but {size} was given."
        )
    return Item(
        text="\n".join(texts),
        parts=len(parts),
        media=media,
        vertex=reader.vertex,
        reads_documents=reader.vertex and config.get("document_ocr", False),
        task_type=config.get("task_type", request.get("task_type")),
        title=config.get("title", request.get("title")),
        size=size,
    )


def _read_media(parts: Sequence[Part], model: Model, reader: MediaReader) -> tuple[Medium, ...]:
    if any("inline_data" in part and not part["inline_data"].get("data") for part in parts):
        raise _empty_part()
    if not all(_CONTENTS & part.keys() for part in parts):
        raise ApiError(400, f"{model.name} embeds text and media only.")
    if not model.reads_prefixes:
        raise ApiError(400, f"{model.name} embeds text only.")
    media = tuple(medium for part in parts if (medium := reader.read(part)) is not None)
    check_media(media, model.name)
    return media


def _empty_part() -> ApiError:
    return ApiError(400, "EmbedContentRequest.content contains an empty Part.")


def item_tokens(items: Sequence[Item], model: Model) -> list[int]:
    """Count the input tokens of each item."""
    return [item.tokens(model.input_tokens).total() for item in items]


def prompt_tokens(items: Sequence[Item], model: Model) -> Counter[str]:
    """Count the input tokens of all items by modality."""
    return sum((item.tokens(model.input_tokens) for item in items), Counter())


def token_details(tokens: Counter[str]) -> list[dict[str, object]]:
    """Return token counts by modality in the API's format."""
    return [{"modality": name, "tokenCount": count} for name, count in tokens.items()]


def plan_count(contents: Sequence[Content], reader: MediaReader) -> Plan:
    """Plan the answer to `countTokens`.

    Raises:
        ApiError: 400, a medium is refused.
    """
    parts = [part for content in contents for part in content.get("parts", [])]
    tokens: Counter[str] = Counter()
    for part in parts:
        if "text" in part:
            tokens["TEXT"] += count_tokens(part["text"])
        elif (medium := reader.read(part)) is not None:
            tokens[medium.modality] += medium.tokens(vertex=reader.vertex)
    tokens = +tokens
    fields = {"totalTokens": tokens.total(), "promptTokensDetails": token_details(tokens)}
    return Plan(answer=lambda: Answer(fields=fields))


def embed_items(
    items: Sequence[Item], model: Model, *, stand_ins: bool = False
) -> list[Vector | None]:
    """Embed the items of one request.

    Args:
        items: What to embed.
        model: The model that embeds them.
        stand_ins: Use fast placeholder vectors without meaning.

    Returns:
        A vector for each item, each of its requested size; None for one with a medium that is not
        of its type.
    """
    make = choose_stand_ins if stand_ins else partial(embed, unrelated=model.unrelated)
    meanings = [_meaning(item, model) for item in items]
    sizes = {i: item.size or model.size for i, item in enumerate(items) if item.is_readable()}
    vectors: list[Vector | None] = [None] * len(items)
    for size in set(sizes.values()):
        chosen = [i for i, other in sizes.items() if other == size]
        embedded = make(
            [meanings[i] for i in chosen],
            space=model.space or model.name,
            model_size=model.size,
            size=size,
            normalizes=model.normalizes,
        )
        for i, vector in zip(chosen, embedded, strict=True):
            vectors[i] = vector
    return vectors


def _meaning(item: Item, model: Model) -> Meaning:
    limit = model.input_tokens
    media: tuple[MediumMeaning, ...] = ()
    if item.media:
        limit = max(limit - sum(medium.tokens(vertex=item.vertex) for medium in item.media), 0)
        media = tuple(
            MediumMeaning(medium.modality, medium.inside.text, medium.word())
            for medium in item.media
        )
    text, title, task_type = read_conditioning(
        cut(item.text, limit),
        title=item.title,
        task_type=item.task_type,
        reads_prefixes=model.reads_prefixes,
        has_media=bool(media),
    )
    return Meaning(text=text, title=title, task_type=task_type, media=media)


class Conditioned(NamedTuple):
    """A text, and the task and title that the model gets with it."""

    text: str
    title: str | None
    task_type: str


def read_conditioning(
    text: str,
    *,
    title: str | None,
    task_type: str | None,
    reads_prefixes: bool,
    has_media: bool = False,
) -> Conditioned:
    """Split a text from its prefix, for a model that reads prefixes; others have parameters.

    The text beside a medium has no prefix.
    """
    if has_media:
        return Conditioned(text, None, _RAW)
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
