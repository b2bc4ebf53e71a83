"""The changes that docs/moving.md names, made to the source of an application."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
APP = HERE / "app.py"
PAGE = HERE.parents[1] / "docs" / "moving.md"

# Of the diff at the top of the page.
RENAMED = {
    "langchain_google_genai": "langchain_gemini_qdrant",
    "GoogleGenerativeAIEmbeddings": "GeminiEmbeddings",
    "langchain_qdrant": "langchain_gemini_qdrant",
    "QdrantVectorStore": "GeminiQdrantVectorStore",
}
_ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \|", re.MULTILINE)


def rows() -> dict[str, str]:
    """Return what to write in place of what, by the table's rows that are code on both sides."""
    table = PAGE.read_text(encoding="utf-8").partition("| before | now |")[2].partition("\n\n")[0]
    return {before: now for before, now in _ROW.findall(table) if "..." not in before + now}


def moved(source: str) -> str:
    """Return the source with all that the page says, and nothing else."""
    for before, now in rows().items():
        source = source.replace(before, now)
    pattern = "|".join(rf"\b{name}\b" for name in RENAMED)
    return re.sub(pattern, lambda found: RENAMED[found[0]], source)
