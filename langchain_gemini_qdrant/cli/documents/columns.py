"""Rows of tables as passages: lines of `column: value`, and the columns as metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import one_line, renamed
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LONGEST_FIELD = 1000
"""Maximum characters of a value in metadata: nobody filters by longer ones, and each passage of the
row repeats them.
"""

# As programs write numbers: `007`, `+49`, `1e5` and `1,000` are names or ambiguous.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The columns of a table.

    Attributes:
        names: Names of the columns, empty for a column without one.
        numbers: Indices of the columns in which every value is a number.
    """

    names: Sequence[str]
    numbers: frozenset[int] = frozenset()

    def row(self, values: Sequence[object], title: str, place: Mapping[str, object]) -> Document:
        """Return a row; a value beyond the columns becomes a line without a name.

        Args:
            values: Texts, or numbers and booleans if the file has types.
            title: Title of a row that has none.
            place: Place of the row, as metadata.
        """
        texts = [shown(value) for value in values]
        cells = [(name, text) for name, text in zip(self.names, texts, strict=False) if text]
        lines = [f"{name}: {text}" if name else text for name, text in cells]
        text = "\n".join([*lines, *filter(None, texts[len(self.names) :])])
        own = next((text for name, text in cells if name.lower() == TITLE_KEY), "")
        fields = renamed(self._fields(values, texts), "heading", *place)
        return Document(text, metadata={**fields, TITLE_KEY: one_line(own) or title, **place})

    def _fields(self, values: Sequence[object], texts: Sequence[str]) -> dict[str, object]:
        fields: dict[str, object] = {}
        for i, (name, value, text) in enumerate(zip(self.names, values, texts, strict=False)):
            if not name or not text or name.lower() == TITLE_KEY or len(text) > _LONGEST_FIELD:
                continue
            if i in self.numbers:
                fields.setdefault(name, float(text) if "." in text else int(text))
            else:
                fields.setdefault(name, value if isinstance(value, (int, float)) else text)
        return fields


def number_columns(rows: Iterable[Sequence[str]]) -> frozenset[int]:
    """Return the indices of the columns in which every value that is not blank is a number."""
    numbers: set[int] = set()
    others: set[int] = set()
    for row in rows:
        for i, value in enumerate(row):
            if i not in others and (text := value.strip()):
                (numbers if _NUMBER.fullmatch(text) else others).add(i)
    return frozenset(numbers - others)


def shown(value: object) -> str:
    """Return a value as text; an integer without the `.0` that a spreadsheet stores."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
