"""Texts and media as google-genai and its API have them, and their tokens by modality."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING, Any

from google.genai import types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.media._medium import Medium


def json_parts(parts: Sequence[str | Medium]) -> list[dict[str, Any]]:
    """Return the parts of one content in the API's JSON."""
    return [_json_part(part) for part in parts]


def sdk_part(part: str | Medium) -> types.Part:
    """Return a part as the SDK's object, with the bytes of a medium."""
    if isinstance(part, str):
        return types.Part(text=part)
    if part.uri is not None:
        return types.Part.from_uri(file_uri=part.uri, mime_type=part.mime_type)
    return types.Part.from_bytes(data=part.read(), mime_type=part.mime_type)


def by_modality(counts: Sequence[types.ModalityTokenCount]) -> dict[str, int]:
    """Return the tokens of each modality, empty if one of them is not a count."""
    tokens: Counter[str] = Counter()
    for count in counts:
        name = count.modality.value if count.modality else "TEXT"
        tokens[name] += count.token_count or 0
    return dict(tokens) if all(number >= 0 for number in tokens.values()) else {}


def _json_part(part: str | Medium) -> dict[str, Any]:
    if isinstance(part, str):
        return {"text": part}
    if part.uri is not None:
        return {"fileData": {"fileUri": part.uri, "mimeType": part.mime_type}}
    data = base64.b64encode(part.read()).decode()
    return {"inlineData": {"mimeType": part.mime_type, "data": data}}
