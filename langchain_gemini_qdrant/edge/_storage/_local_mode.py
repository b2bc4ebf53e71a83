"""Folders written by qdrant-client's local mode, distinguished from damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import from_json

from langchain_gemini_qdrant.errors import LocalModeError

if TYPE_CHECKING:
    from pathlib import Path


def local_collections(root: Path) -> tuple[str, ...] | None:
    """Return the collections of a folder of qdrant-client's local mode; None for any other folder.

    Both formats list their collections in `meta.json`; the engine's own says its `format`, too.
    """
    try:
        meta = from_json((root / "meta.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(meta, dict) or "format" in meta or "aliases" not in meta:
        return None
    collections = meta.get("collections")
    return tuple(collections) if isinstance(collections, dict) else None


def refuse_local_mode(root: Path) -> None:
    """Refuse a folder of qdrant-client's local mode, before anything is written to it.

    Raises:
        LocalModeError: It is one.
    """
    collections = local_collections(root)
    if collections is not None:
        raise LocalModeError(str(root), collections)
