"""Where an embedded client keeps its data, and how safely."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from langchain_gemini_qdrant.errors import ConfigurationError

Durability: TypeAlias = Literal["process", "power"]

TEMPORARY = ":temporary:"


def locate(path: str | os.PathLike[str]) -> Path:
    """Return the folder at a path; a new one for `TEMPORARY`.

    Raises:
        ConfigurationError: `path` names no folder.
    """
    text = os.fspath(path)
    if text == TEMPORARY:
        return Path(tempfile.mkdtemp(prefix="gemini-qdrant-")).resolve()
    if not text or text == ":memory:":
        raise ConfigurationError(
            f"path must name a folder, got {text!r}; a temporary index is {TEMPORARY!r}"
        )
    return Path(text).expanduser().resolve()


def first_calls(*, temporary: bool, durability: Durability) -> list[str]:
    """Return the backend's methods that apply a client's settings.

    Raises:
        ConfigurationError: There is no such durability.
    """
    if durability not in get_args(Durability):
        raise ConfigurationError(
            f"durability must be one of {get_args(Durability)}, got {durability!r}"
        )
    return [
        "check_folder",  # the folder may already be open for another client
        *(["remove_on_close"] if temporary else []),
        *(["require_power_safety"] if durability == "power" else []),
    ]
