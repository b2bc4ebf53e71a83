"""Reads the front matter of Markdown files, as Obsidian, Hugo and Jekyll write it."""

from __future__ import annotations

import re
import tomllib
from datetime import date, datetime, time
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from langchain_gemini_qdrant._qdrant_values import check_payload
from langchain_gemini_qdrant.cli.documents.reading import renamed
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BLOCK = re.compile(
    r"\A(?:---[ \t]*\n(?P<yaml>.*?)^(?:---|\.\.\.)|\+\+\+[ \t]*\n(?P<toml>.*?)^\+\+\+)"
    r"[ \t]*(?:\n|\Z)",
    re.M | re.S,
)
_OWN = ("heading", "page", "row", "line")  # keys that passages have, with their source


class FrontMatter(NamedTuple):
    """The front matter of a Markdown file.

    Attributes:
        fields: Its texts, numbers, booleans and dates, and lists of these; dates as ISO 8601.
        text: The text after it; front matter that cannot be read stays there, as code.
        problem: Why it cannot be read, None if it can.
    """

    fields: dict[str, object]
    text: str
    problem: str | None = None


def read_front_matter(text: str) -> FrontMatter:
    """Read the front matter that a text begins with, in YAML (`---`) or TOML (`+++`)."""
    block = _BLOCK.match(text)
    if block is None:
        return FrontMatter({}, text)
    is_yaml = block["yaml"] is not None
    source, rest = block["yaml"] if is_yaml else block["toml"], text[block.end() :]
    try:
        found = yaml.safe_load(source) if is_yaml else tomllib.loads(source)
        fields = renamed(dict(_fields(found)), *_OWN) if isinstance(found, dict) else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 2}: "
        problem = f"{place}{getattr(error, 'problem', None) or 'not YAML'}"
    except tomllib.TOMLDecodeError as error:
        problem = str(error)
    except (ValueError, RecursionError):  # such as the date 2026-13-45
        problem = "a value that is none"
    else:
        is_text = not isinstance(found, (dict, NoneType))  # between two rules
        return FrontMatter(fields, text if is_text else rest)
    return FrontMatter(
        {}, f"```\n{source}```\n{rest}", f"the front matter is read as text: {problem}"
    )


def _fields(found: Mapping[Any, object]) -> Iterator[tuple[str, object]]:
    for key, value in found.items():
        name = str(key)
        if isinstance(value, list):
            values = [each for each in map(_storable, value) if each is not None]
            if values:
                yield name, values
        elif (own := _storable(value)) not in {None, ""}:
            yield name, own


def _storable(value: object) -> str | int | float | bool | None:
    """Return a value in the form that all engines store; None if it is not a single value."""
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if not isinstance(value, (str, int, float, bool)):
        return None
    try:
        check_payload({"value": value})
    except InvalidInputError:
        return str(value)  # NaN, infinity, or more than 64 bits
    return value
