"""The page that `make compare` prints."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from machine import describe, listed
from page import DOCS
from ratios import ratios
from tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Seen = Mapping[str, Mapping[str, Mapping[str, Any]]]

PAGE = DOCS / "why.md"
_CODE_WITH_BAR = re.compile(r"`([^`]*\|[^`]*)`")
_HEAD = """<!-- Written whole by `make compare BENCH=--write`: nothing here is typed by hand. -->
# Why not langchain-google-genai with langchain-qdrant?

Each row below is a promise. It was tested against both sides, on the day and with the versions \
named here. One command creates an environment for each side with its newest versions, runs \
everything and prints this page:

```console
make compare
```
"""
_HOW = """- A row is one function in `benchmarks/promises`. Both sides run it; only the names of \
classes and arguments differ. The evidence is what the function found.
- Both sides are used as their documentation says: collections created by hand for \
langchain-qdrant, `request_options` for the timeout, LangChain's `CacheBackedEmbeddings` for a \
cache and its `index` for runs that resume. Everything without an option keeps its default.
- A row is decided by the order and the number of events, such as requests that overlap a write, \
and not by how long they took. Only E5 and E14 promise a duration.
- Gemini is the [emulator](testing.md) of this package, with gemini-embedding-001 unless the row \
names another model. Qdrant is qdrant-client's local mode or its folder, and for S9 the Qdrant \
server of this package's tests.
- For E6, a minute takes some seconds, for the emulator and for our limiter's clock. For S9, \
nothing is passed with the search; langchain-qdrant accepts `search_params` there, too.
- This package made the list, so it contains weaknesses found in its peers.
"""
_GROUPS = {
    (True, False): "ours passes, theirs fails",
    (True, True): "both pass",
    (False, True): "ours fails, theirs passes",
    (False, False): "both fail",
}
_PARTS = {
    "E": ("Embeddings", "`GeminiEmbeddings` beside langchain-google-genai's embeddings."),
    "S": ("Store", "`GeminiQdrantVectorStore` beside langchain-qdrant's `QdrantVectorStore`."),
}


def make_page(
    promises: Sequence[Mapping[str, str]], seen: Seen, versions: Mapping[str, Mapping[str, str]]
) -> str:
    """Return the page as Markdown.

    Args:
        promises: `id`, `sentence`, `reason` and `mended` of each, in order.
        seen: `passed` and `evidence` by side, `ours` and `theirs`, and id.
        versions: What is installed, by side and package.
    """
    with_evidence = [each for each in promises if each["id"] in seen["ours"]]
    without = [each for each in promises if each["id"] not in seen["ours"]]
    parts = [
        _HEAD,
        describe(f"ours: {listed(versions['ours'])}; theirs: {listed(versions['theirs'])}") + "\n",
        _summary(with_evidence, without, seen),
        _HOW,
        "## Promises\n",
        *(_promises(name, with_evidence, seen) for name in _PARTS),
        _not_run(without).markdown() if without else "",
        *_benchmarks(),
    ]
    return "\n".join(filter(None, parts)).rstrip() + "\n"


def _summary(
    promises: Sequence[Mapping[str, str]], without: Sequence[Mapping[str, str]], seen: Seen
) -> str:
    groups: dict[str, list[str]] = {name: [] for name in _GROUPS.values()}
    for each in promises:
        passed = tuple(bool(seen[side][each["id"]]["passed"]) for side in ("ours", "theirs"))
        groups[_GROUPS[passed[0], passed[1]]].append(each["id"])
    groups["not run"] = [each["id"] for each in without]
    rows = [[name, str(len(ids)), ", ".join(ids) or "none"] for name, ids in groups.items()]
    lines = ["| outcome | rows | which |", "| --- | ---: | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join((*lines, ""))


def _promises(letter: str, promises: Sequence[Mapping[str, str]], seen: Seen) -> str:
    rows = [
        [
            each["id"],
            _cell(each["sentence"]),
            _verdict(seen["ours"][each["id"]]),
            _verdict(seen["theirs"][each["id"]]) + _since(each, seen["theirs"][each["id"]]),
        ]
        for each in promises
        if each["id"].startswith(letter)
    ]
    if not rows:
        return ""
    title, note = _PARTS[letter]
    table = Table(title=title, note=note, head=("", "promise", "ours", "theirs"), rows=rows)
    return table.markdown()


def _verdict(seen: Mapping[str, Any]) -> str:
    return f"{'**pass**' if seen['passed'] else '**fail**'}: {_cell(seen['evidence'])}"


def _since(promise: Mapping[str, str], seen: Mapping[str, Any]) -> str:
    """Return since which release of a peer a row passes that failed before."""
    return f" (since {promise['mended']})" if promise["mended"] and seen["passed"] else ""


def _cell(text: str) -> str:
    """Return text for a cell; Markdown's own escape stays visible in code on the site."""
    with_code = _CODE_WITH_BAR.sub(lambda found: f"<code>{escape(found[1])}</code>", text)
    return with_code.replace("|", "&#124;")


def _not_run(promises: Sequence[Mapping[str, str]]) -> Table:
    return Table(
        title="Not run",
        note="Nothing is claimed here.",
        head=("", "promise", "why not"),
        rows=[[each["id"], _cell(each["sentence"]), _cell(each["reason"])] for each in promises],
    )


def _benchmarks() -> Iterator[str]:
    """Return the tables of ratios, each with what it was measured on."""
    found, missing = ratios()
    yield (
        "## Benchmarks\n\nNot measured again here: these are columns of the tables in "
        "[benchmarks.md](benchmarks.md), which says how each was measured.\n"
    )
    for each in found:
        title, *rest = each.table.markdown().splitlines()
        yield "\n".join((title, "", each.measured, *rest, ""))
    if missing:
        yield f"That page does not have these yet: {', '.join(missing)}.\n"
