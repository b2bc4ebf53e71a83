"""Request bodies of the API: which fields exist, and how their JSON is read.

JSON of protobuf messages as Google's servers take it: camelCase or snake_case names, numbers as
strings, enums as names or numbers, null for an absent field, a bare object for a list of one.
"""

from __future__ import annotations

import functools
import re
from typing import (
    NamedTuple,
    NewType,
    TypedDict,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from langchain_gemini_qdrant.testing._api._errors import invalid_json

TASK_TYPES = (
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)

TaskType = NewType("TaskType", str)
Struct = NewType("Struct", dict[str, object])  # any JSON object


class Blob(TypedDict, total=False):
    mime_type: str
    data: str


class FileData(TypedDict, total=False):
    mime_type: str
    file_uri: str


class Part(TypedDict, total=False):
    text: str
    inline_data: Blob
    file_data: FileData


class Content(TypedDict, total=False):
    parts: list[Part]
    role: str


class EmbedContentConfig(TypedDict, total=False):
    task_type: TaskType
    title: str
    output_dimensionality: int
    auto_truncate: bool
    document_ocr: bool
    audio_track_extraction: bool


class EmbedContentRequest(TypedDict, total=False):
    model: str
    content: Content
    task_type: TaskType
    title: str
    output_dimensionality: int
    embed_content_config: EmbedContentConfig


class BatchEmbedContentsRequest(TypedDict, total=False):
    model: str
    requests: list[EmbedContentRequest]


class InlinedEmbedContentRequest(TypedDict, total=False):
    request: EmbedContentRequest
    metadata: Struct


class InlinedEmbedContentRequests(TypedDict, total=False):
    requests: list[InlinedEmbedContentRequest]


class InputEmbedContentConfig(TypedDict, total=False):
    file_name: str
    requests: InlinedEmbedContentRequests


class EmbedContentBatch(TypedDict, total=False):
    model: str
    display_name: str
    input_config: InputEmbedContentConfig
    priority: int


class AsyncBatchEmbedContentRequest(TypedDict, total=False):
    batch: EmbedContentBatch


class GenerateContentRequest(TypedDict, total=False):
    model: str
    contents: list[Content]
    system_instruction: Content


class CountTokensRequest(TypedDict, total=False):
    model: str
    contents: list[Content]
    generate_content_request: GenerateContentRequest


MessageT = TypeVar("MessageT")


def read_message(message: type[MessageT], value: object) -> MessageT:
    """Read the JSON of a request body.

    Args:
        message: One of the messages above.
        value: What `json.loads` gave.

    Returns:
        The message with snake_case names, its values of the declared types.

    Raises:
        ApiError: 400 for an unknown field or a value of another type.
    """
    if not isinstance(value, dict):
        raise invalid_json(
            'Invalid JSON payload received. Unknown name "": Root element must be a message.'
        )
    return cast("MessageT", _read_fields(message, value, ""))


class _Field(NamedTuple):
    name: str  # in snake_case
    kind: object  # of each item, if it is repeated
    repeated: bool


@functools.cache
def _fields(message: type) -> dict[str, _Field]:
    """Both spellings of each field."""
    fields: dict[str, _Field] = {}
    for name, kind in get_type_hints(message).items():
        camel = re.sub("_([a-z])", lambda found: found[1].upper(), name)
        repeated = get_origin(kind) is list
        field = _Field(name, get_args(kind)[0] if repeated else kind, repeated)
        fields[name] = fields[camel] = field
    return fields


def _read_fields(message: type, value: dict[str, object], where: str) -> dict[str, object]:
    fields = _fields(message)
    read: dict[str, object] = {}
    for name, item in value.items():
        if name not in fields:
            place = f" at '{where}'" if where else ""
            raise invalid_json(
                f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.',
                field=where,
            )
        snake, kind, repeated = fields[name]
        place = f"{where}.{snake}" if where else snake
        if repeated and item is not None:
            items = item if isinstance(item, list) else [item]
            read[snake] = [_read_value(kind, x, f"{place}[{i}]") for i, x in enumerate(items)]
        elif item is not None:
            read[snake] = _read_value(kind, item, place)
    return read


def _read_value(kind: object, value: object, where: str) -> object:
    if type(value) is kind:  # str, bool or int, and no more to do
        return value
    if kind is TaskType:
        return _read_task_type(value, where)
    if kind is int:
        return _read_int(value, where)
    if kind is str or kind is bool:
        if not isinstance(value, cast("type", kind)):
            raise _invalid_value(where, f"TYPE_{'STRING' if kind is str else 'BOOL'}", value)
        return value
    if not isinstance(value, dict):
        raise _invalid_value(where, "message", value)
    if kind is Struct:
        return value
    return _read_fields(cast("type", kind), value, where)


def _read_int(value: object, where: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,10}", value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _invalid_value(where, "TYPE_INT32", value)


def _read_task_type(value: object, where: str) -> str:
    if isinstance(value, str) and value in TASK_TYPES:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(TASK_TYPES):
        return TASK_TYPES[value]
    kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.TaskType"
    raise _invalid_value(where, kind, value)


def _invalid_value(where: str, kind: str, value: object) -> Exception:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return invalid_json(f"Invalid value at '{where}' ({kind}), {shown}", field=where)
