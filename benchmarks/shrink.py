"""A collection in a smaller vector size: stored vectors shortened, and texts embedded again.

Run by `make bench-shrink`; `--help` lists the options. The emulator and each run have a process of
their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
import page
import terminal
from corpus import each_text, make_texts
from langchain_core.documents import Document
from processes import Emulator
from qdrant_client import models
from tables import Table

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest, reembed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant import GeminiQdrantVectorStore

FULL, SHORT = 3072, 768
MB = 1_000_000
QUERIES, HITS = 200, 10
RUNS = {"shortened": None, "embedded": False}  # the new collections, and `reuse_vectors`
WAYS = {"shortened": "stored vectors shortened", "embedded": "texts embedded again"}


def main() -> None:
    """Measure both ways in turn, compare what they made, print it, and write it if asked to."""
    options = _options()
    if options.run:
        _reembed(*options.run)
        return
    above = machine.here("google-genai", "qdrant-client", "qdrant-edge-py")
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(Path(sys.prefix), record=False, stand_in_vectors=False) as emulator,
    ):
        os.environ["GOOGLE_API_KEY"] = emulator.addresses["key"]
        os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.addresses["rest"]
        terminal.progress("fill")
        with _open(folder, "full", FULL) as store:
            ingest(store, (Document(text) for text in each_text(options.count)))
        runs = {}
        for name in RUNS:
            terminal.progress(WAYS[name])
            emulator.reset()
            runs[name] = _run(folder, name)
            runs[name]["requests"] = sum(emulator.report()["requests"].values())
        terminal.progress("compare")
        recall, difference = _compare(folder)
    text = f"{above}\n\n{_table(options.count, runs, recall, difference).markdown()}"
    terminal.show(text)
    if options.write:
        page.write("bench-shrink", "shrink", text)


def _open(folder: str, name: str, size: int) -> GeminiQdrantVectorStore:
    return create_vector_store(GeminiEmbeddings(output_dimensionality=size), name, path=folder)


def _run(folder: str, name: str) -> dict[str, Any]:
    """Make a collection in a process of its own; return what that has printed."""
    command = [sys.executable, __file__, "--run", folder, name]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    found: dict[str, Any] = json.loads(printed)
    return found


def _reembed(folder: str, name: str) -> None:
    """Make a collection, and print the seconds and the memory that this took."""
    with _open(folder, "full", FULL) as store:
        smaller = GeminiEmbeddings(output_dimensionality=SHORT)
        before = machine.memory()["VmRSS"]
        began, cpu_began = time.perf_counter(), time.process_time()
        report = reembed(store, smaller, collection_name=name, reuse_vectors=RUNS[name])
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    found = {
        "seconds": seconds,
        "cpu": cpu,
        "added_bytes": machine.memory()["VmHWM"] - before,
        "reused": report.vectors_reused,
        "usd": report.ingest.usd,
    }
    sys.stdout.write(json.dumps(found))


def _compare(folder: str) -> tuple[float, float]:
    """Search both collections exactly; return recall@10 and the largest difference of a score.

    The recall is that of the shortened vectors, where a hit counts only at its place.
    """
    with _open(folder, "embedded", SHORT) as store:
        embeddings = GeminiEmbeddings(output_dimensionality=SHORT)
        same, difference = 0, 0.0
        for text in make_texts(QUERIES):
            query = embeddings.embed_query(text[-200:])
            found, wanted = (_hits(store, name, query) for name in RUNS)
            same += sum(one.id == other.id for one, other in zip(found, wanted, strict=True))
            apart = np.subtract([each.score for each in found], [each.score for each in wanted])
            difference = max(difference, float(np.abs(apart).max()))
    return same / (QUERIES * HITS), difference


def _hits(
    store: GeminiQdrantVectorStore, name: str, query: list[float]
) -> Sequence[models.ScoredPoint]:
    exact = models.SearchParams(exact=True)
    return store.client.query_points(name, query, limit=HITS, search_params=exact).points


def _table(count: int, runs: dict[str, dict[str, Any]], recall: float, difference: float) -> Table:
    rows = [
        (
            WAYS[name],
            f"{run['seconds']:.1f}",
            f"{run['cpu']:.1f}",
            f"{run['requests']:,}",
            f"{run['reused']:,}",
            f"${run['usd']:.2f}",
            f"{run['added_bytes'] / MB:.0f}",
        )
        for name, run in runs.items()
    ]
    return Table(
        title=f"{count:,} vectors from {FULL:,} to {SHORT} numbers",
        note="`reembed` on the embedded engine, with the pass that compares both collections. The "
        "emulator answers without delay, so Google's time is not in these seconds. CPU time is "
        "that of the run's process, and memory what the run adds at its peak, in MB. Exact search "
        f"with {QUERIES} queries for {HITS} hits in both new collections: recall of the shortened "
        f"vectors against those embedded at {SHORT}, with every hit at the same place: "
        f"{recall:.4f}; largest difference of a score: {difference:.1e}.",
        head=("way", "s", "CPU s", "requests", "vectors reused", "price", "memory"),
        rows=rows,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="texts")
    parser.add_argument("--write", action="store_true", help="write the table to the page")
    parser.add_argument(
        "--run",
        nargs=2,
        metavar=("FOLDER", "NAME"),
        help="only make one collection: what a measured process does",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
