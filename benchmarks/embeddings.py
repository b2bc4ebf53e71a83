"""How fast this package embeds with each back end, beside langchain-google-genai and bare gRPC.

Run by `make bench-embeddings`; `--help` lists the options. The emulator and each client have a
process of their own; clients take turns, and a table shows medians over the repetitions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import page
import terminal
from embedding import asynchronous, faults, quota, sdk, speed, start, wire
from embedding.runs import BACKENDS
from processes import REQUIREMENTS, SDK_REQUIREMENTS, install

if TYPE_CHECKING:
    from embedding.runs import Results

SECTIONS = {
    "speed": speed,
    "async": asynchronous,
    "start": start,
    "bytes": wire,
    "sdk": sdk,
    "quota": quota,
    "faults": faults,
}


def main() -> None:
    """Measure what the command line asks for, print it, and write it to the page if asked to."""
    options = _options()
    saved = _saved(options.saved) if options.saved else {}
    if not (saved or options.no_install):
        terminal.progress("installing")
        install(REQUIREMENTS | (SDK_REQUIREMENTS if "sdk" in options.only else {}))
    measured: dict[str, dict[str, Any]] = {}
    for name in options.only:
        if saved and name not in saved:
            continue
        measured[name] = saved[name] if saved else _measure(name, options)
        if options.format != "json":
            _show(name, measured[name], options)
    if options.format == "json":
        terminal.show(json.dumps(measured, indent=1))


def _measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    load = machine.load()
    results = SECTIONS[name].measure(options)
    return {"on": machine.describe(_packages(results), load), "results": results}


def _show(name: str, measured: dict[str, Any], options: argparse.Namespace) -> None:
    tables = SECTIONS[name].show(measured["results"])
    markdown = "\n".join([measured["on"] + "\n", *(table.markdown() for table in tables)])
    terminal.show(
        "\n".join([measured["on"] + "\n", *(table.text() for table in tables)])
        if options.format == "text"
        else markdown
    )
    if options.write:
        page.write("bench-embeddings", name, markdown)


def _saved(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Return what files keep; results of the same section are put together."""
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        for name, measured in json.loads(path.read_text(encoding="utf-8")).items():
            earlier = found.get(name, {"results": []})["results"]
            found[name] = measured | {"results": earlier + measured["results"]}
    return found


def _packages(results: Results) -> str:
    """Return the versions on both sides; those of theirs that differ from ours, too."""
    sides: dict[bool, dict[str, str]] = {False: {}, True: {}}
    for result in results:
        sides[result["client"] == "peer"] |= result["versions"]
    ours, theirs = sides[False], sides[True]
    differing = dict(sorted(theirs.items() - ours.items()))
    beside = f"; theirs: {machine.listed(differing)}" if differing else ""
    return machine.listed(ours) + beside


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="parts to run")
    add("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="of this package")
    add("--texts", nargs="+", type=int, help="texts of a call (2000 10000)")
    add("--size", nargs="+", type=int, default=[768, 3072], help="components of a vector")
    add("--latency", nargs="+", type=int, help="milliseconds of each answer (0 100 300)")
    add("--sdk-texts", type=int, help="texts for google-generativeai (1000)")
    add("--quota-texts", type=int, help="texts under the quota (8000)")
    add("--minute", type=float, help="seconds that a minute of the quota takes (60)")
    add("--repetitions", type=int, help="runs of each cell (3); long ones are not repeated")
    add("--quick", action="store_true", help="once, fewer cells and texts, minutes of 5 s")
    add("--format", choices=("text", "markdown", "json"), default="text")
    add("--write", action="store_true", help="write docs/benchmarks.md")
    add("--saved", nargs="+", type=Path, help="measure nothing: show what json has kept")
    add("--no-install", action="store_true", help="take the environments as they are")
    options = parser.parse_args()
    quick = options.quick
    if quick and options.write:
        parser.error("--write is for a full run, without --quick")
    if options.format == "json" and options.write:
        parser.error("--write is for tables, without --format json")
    options.texts = options.texts or ([1000] if quick else [2000, 10_000])
    if options.latency is None:
        options.latency = [0, 300] if quick else [0, 100, 300]
    options.sdk_texts = options.sdk_texts or (100 if quick else 1000)
    options.quota_texts = options.quota_texts or (4000 if quick else 8000)
    options.minute = options.minute or (5.0 if quick else 60.0)
    options.repetitions = options.repetitions or (1 if quick else 3)
    return options


if __name__ == "__main__":
    main()
