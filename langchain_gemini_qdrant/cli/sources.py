"""The sources of a collection, and hints for a source that is not there."""

from __future__ import annotations

import shlex
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._sources import source_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


def passages_by_source(store: GeminiQdrantVectorStore) -> Counter[str]:
    """Return how many passages each source has, for which all are read; "" is for no source."""
    return Counter(source_of(each) for each in store.iter_documents())


def nothing_found(
    store: GeminiQdrantVectorStore, sources: Sequence[str], place: Mapping[str, str | None]
) -> str:
    """Return that nothing matches, with similar sources and the command that lists all.

    Args:
        store: The store that was asked.
        sources: The sources that were asked for.
        place: The options that name the collection, by their names without dashes.
    """
    message = "No passage found."
    if sources:
        known = passages_by_source(store)
        near = {source: _near(source, known) for source in sources if source not in known}
        message += "".join(f" Instead of {a!r}, do you mean {b!r}?" for a, b in near.items() if b)
    given = {"path": place["path"], "url": place["url"], "collection": place["collection"]}
    if given["collection"] == "documents":
        del given["collection"]
    options = "".join(f" --{name} {shlex.quote(value)}" for name, value in given.items() if value)
    return f"{message} `gemini-qdrant info --sources{options}` lists the sources."


def _near(source: str, known: Collection[str]) -> str | None:
    """Return a source of the same file name, or one that is spelt in a similar way."""
    name = source.rpartition("/")[2]
    same = [each for each in known if each.rpartition("/")[2] == name]
    return next(iter(same or get_close_matches(source, known, n=1)), None)
