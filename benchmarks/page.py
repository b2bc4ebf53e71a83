"""The pages of results, as far as a benchmark writes them."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def write(benchmark: str, part: str, text: str, name: str = "benchmarks.md") -> None:
    """Replace what a page says of a part."""
    page = DOCS / name
    begin, end = f"<!-- written by make {benchmark}: {part} -->\n", "<!-- until here -->\n"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        sys.exit(f"{page.name} lacks the lines {begin!r} and {end!r} after it")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
