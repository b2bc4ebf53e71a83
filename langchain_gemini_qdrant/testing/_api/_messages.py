"""Request bodies of the API: which fields exist, and how their JSON is read.

JSON of protobuf messages as Google's servers accept it: camelCase or snake_case names, numbers as
strings, enums as names or numbers, null for an absent field, a bare object for a list of one.
"""

from __future__ import annotations

import base64
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

from langchain_gemini_qdrant.testing._api._errors import Violation, invalid_json

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
_FROM_URL = str.maketrans("-_", "+/")


class Blob(TypedDict, total=False):
    mime_type: str
    data: bytes  # base64 in JSON


class FileData(TypedDict, total=False):
    mime_type: str
    file_uri: str


class Part(TypedDict, total=False):
    """A text or a medium to embed; the other fields belong to other methods of the API."""

    text: str
    inline_data: Blob
    file_data: FileData
    function_call: Struct
    function_response: Struct
    executable_code: Struct
    code_execution_result: Struct
    tool_call: Struct
    tool_response: Struct
    # In addition to any of these:
    thought: bool
    thought_signature: str
    part_metadata: Struct
    media_resolution: Struct
    video_metadata: Struct


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


class File(TypedDict, total=False):
    name: str
    display_name: str
    mime_type: str
    size_bytes: int
    source: str


class CreateFileRequest(TypedDict, total=False):
    file: File


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
        value: The result of `json.loads`.

    Returns:
        The message with snake_case names, its values of the declared types.

    Raises:
        ApiError: 400 for an unknown field or a value of the wrong type.
    """
    if not isinstance(value, dict):
        problem = 'Invalid JSON payload received. Unknown name "": Root element must be a message.'
        raise invalid_json([Violation(problem)])
    violations: list[Violation] = []
    read = _Reader(violations).fields(message, value, "")
    if violations:
        raise invalid_json(violations)
    return cast("MessageT", read)


class _Field(NamedTuple):
    name: str  # in snake_case
    kind: object  # type of each item, if the field is repeated
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


class _Reader:
    """Reads values, and collects all mistakes in them."""

    def __init__(self, violations: list[Violation]) -> None:
        self._violations = violations

    def fields(self, message: type, value: dict[str, object], where: str) -> dict[str, object]:
        fields = _fields(message)
        read: dict[str, object] = {}
        for name, item in value.items():
            if name not in fields:
                place = f" at '{where}'" if where else ""
                problem = f'Unknown name "{name}"{place}: Cannot find field.'
                self._note(f"Invalid JSON payload received. {problem}", where)
                continue
            snake, kind, repeated = fields[name]
            place = f"{where}.{snake}" if where else snake
            if repeated and item is not None:
                items = item if isinstance(item, list) else [item]
                read[snake] = [self._value(kind, x, f"{place}[{i}]") for i, x in enumerate(items)]
            elif item is not None:
                read[snake] = self._value(kind, item, place)
        return read

    def _value(self, kind: object, value: object, where: str) -> object:
        if type(value) is kind:  # str, bool or int, and no more to do
            return value
        if kind is TaskType:
            return self._task_type(value, where)
        if kind is int:
            return self._int(value, where)
        if kind is bytes or kind is str or kind is bool:
            return self._scalar(kind, value, where)
        if not isinstance(value, dict):
            self._note_invalid(where, "message", value)
            return {}
        return value if kind is Struct else self.fields(cast("type", kind), value, where)

    def _scalar(self, kind: type, value: object, where: str) -> object:
        if kind is bytes:
            return self._bytes(value, where)
        if not isinstance(value, kind):
            self._note_invalid(where, f"TYPE_{'STRING' if kind is str else 'BOOL'}", value)
        return value

    def _bytes(self, value: object, where: str) -> bytes:
        """Read base64, with the letters of URLs or without, and with or without padding."""
        try:
            text = value if isinstance(value, str) else "?"
            if "-" in text or "_" in text:
                text = text.translate(_FROM_URL)
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            shown = value[:60] if isinstance(value, str) else value
            problem = f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed for"
            self._note(f'{problem} "{shown}"', where)
            return b""

    def _int(self, value: object, where: str) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,10}", value):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self._note_invalid(where, "TYPE_INT32", value)
            return 0
        return value

    def _task_type(self, value: object, where: str) -> str:
        if isinstance(value, str) and value in TASK_TYPES:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(TASK_TYPES):
            return TASK_TYPES[value]
        kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.TaskType"
        self._note_invalid(where, kind, value)
        return ""

    def _note_invalid(self, where: str, kind: str, value: object) -> None:
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        self._note(f"Invalid value at '{where}' ({kind}), {shown}", where)

    def _note(self, description: str, where: str) -> None:
        self._violations.append(Violation(description, where))
