"""Messages of the API, shortened."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=\w\w)[.!?](?=\s)|\n")


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, or its first line if that is shorter."""
    end = _END.search(text)
    return text if end is None else text[: end.end()].strip()
