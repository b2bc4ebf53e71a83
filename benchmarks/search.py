"""How fast each kind of codes is searched, flat and in a graph, and what of it lies in memory.

Run by `make bench-search`; `--help` lists the options. Each search has a process of its own, which
gets its job as JSON and opens what another process has written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jobs
import machine
import numpy as np
import page
import terminal
from machine import memory
from points import BATCH, batches, questions, struct
from qdrant_client import QdrantClient, models
from tables import Table

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.quantization import quantization_config, search_params_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PACKAGES = ("langchain-gemini-qdrant", "qdrant-edge-py", "qdrant-client", "numpy")
NAME = "bench"
LIMIT = 10
QUERIES = 300
WARM_UP_S = 2.0  # the first searches wait until the files are in memory
MOST_S = 4.0  # an engine that is slower answers fewer queries, and at least these
LEAST_QUERIES = 10
MB = 1e6

FLOAT, LOCAL = "float", "local"
QUANTIZATION: dict[str, models.QuantizationConfig | None] = {
    FLOAT: None,
    "binary-1bit-query": quantization_config({"binary": {"always_ram": True}}),
    "binary": quantization_config("binary"),
    "turbo-1bit": quantization_config("turbo-1bit"),
    "turbo-2bit": quantization_config("turbo-2bit"),
}
ENGINES = {
    FLOAT: "full vectors",
    "binary-1bit-query": "one bit on both sides",
    "binary": "`binary`",
    "turbo-1bit": "`turbo-1bit`",
    "turbo-2bit": "`turbo-2bit`",
    LOCAL: '`QdrantClient(":memory:")`',
}
STATES = ("flat", "graph")

Job = dict[str, Any]
Result = dict[str, Any]
Cell = tuple[int, int, str, str]  # components, points, engine, state

run = partial(jobs.run, __file__)


def main() -> None:
    """Measure what the command line asks for, print it, and write it to the page if asked to."""
    options = _options()
    if options.job:
        jobs.do(options.job, JOBS)
        return
    described = machine.here(*PACKAGES)  # its load before this adds to it
    text = f"{described}\n\n{show(measure(options)).markdown()}"
    terminal.show(text)
    if options.write:
        page.write("bench-search", "searches", text)


def measure(options: argparse.Namespace) -> dict[Cell, Result]:
    """Fill all engines at once, then search each by itself: flat first, then optimized."""
    cells: dict[Cell, Result] = {}
    for size in options.size:
        for count in options.count:
            with tempfile.TemporaryDirectory() as folder:
                for engine, state, result in _measure_engines(folder, count, size, options.engine):
                    cells[size, count, engine, state] = result
    return cells


def _measure_engines(
    folder: str, count: int, size: int, engines: Sequence[str]
) -> Iterator[tuple[str, str, Result]]:
    """Yield engine, state and what was measured of it."""
    stored = [engine for engine in engines if engine != LOCAL]
    terminal.progress(f"{count:,} x {size}: filling")
    run("fill", folder, count=count, size=size, engines=stored)
    for engine in engines:
        for state in STATES if engine != LOCAL else STATES[:1]:
            terminal.progress(f"{count:,} x {size}: {ENGINES[engine]}, {state}")
            job: Job = {"engine": engine, "count": count, "size": size}
            result: Result = {}
            if state == "graph":
                result |= run("optimize", folder, **job)
            yield (
                engine,
                state,
                result | run("local" if engine == LOCAL else "search", folder, **job),
            )


def fill(job: Job) -> Result:
    """Write the points into an engine of each kind."""
    clients = {engine: EdgeClient(_folder(job["path"], engine)) for engine in job["engines"]}
    for engine, client in clients.items():
        client.create_collection(NAME, **_collection(job["size"], QUANTIZATION[engine]))
    for batch in batches(job["count"], job["size"]):
        structs = [struct(point) for point in batch]
        for client in clients.values():
            client.upsert(NAME, structs)
    for client in clients.values():
        client.close()
    return {}


def optimize(job: Job) -> Result:
    """Build the graph."""
    client = EdgeClient(_folder(job["path"], job["engine"]))
    began = time.perf_counter()
    client.optimize(NAME)
    seconds = time.perf_counter() - began
    client.close()
    return {"optimize_s": seconds}


def search(job: Job) -> Result:
    """Open what was written and search it."""
    before = memory()
    client = EdgeClient(_folder(job["path"], job["engine"]))
    result = _searches(client, job, search_params_for(QUANTIZATION[job["engine"]]))
    after = memory()
    codes = client.vector_storage_size(NAME).quantized_bytes
    client.close()
    return result | _grown(before, after) | ({"code_bytes": codes} if codes else {})


def search_local(job: Job) -> Result:
    """Fill local mode, which forgets with its process, and search it."""
    before = memory()
    client = QdrantClient(":memory:")
    client.create_collection(NAME, **_collection(job["size"], None))
    for batch in batches(job["count"], job["size"]):
        client.upsert(NAME, [struct(point) for point in batch])
    result = _searches(client, job, None)
    after = memory()
    client.close()
    return result | _grown(before, after)


def _folder(path: str, engine: str) -> str:
    return str(Path(path) / engine)


def _collection(size: int, quantization: models.QuantizationConfig | None) -> Job:
    params = models.VectorParams(size=size, distance=models.Distance.COSINE)
    return {"vectors_config": params, "quantization_config": quantization}


def _grown(before: dict[str, int], after: dict[str, int]) -> Result:
    return {name: after[name] - before[name] for name in ("VmRSS", "RssAnon")}


def _searches(client: QdrantClient, job: Job, params: models.SearchParams | None) -> Result:
    """Search after a warm-up, one by one and then many at a time."""
    found: list[list[object]] = []

    def one(vector: list[float]) -> None:
        answer = client.query_points(NAME, vector, limit=LIMIT, search_params=params)
        found.append([point.id for point in answer.points])

    def many(vectors: list[list[float]]) -> None:
        requests = [models.QueryRequest(query=each, limit=LIMIT, params=params) for each in vectors]
        client.query_batch_points(NAME, requests)

    both = questions(2 * QUERIES, job["size"])
    others, asked = both[:QUERIES], both[QUERIES:]
    _timed(one, others, WARM_UP_S, 1)
    found.clear()
    seconds = _timed(one, asked, MOST_S, LEAST_QUERIES)
    chunks = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
    some = chunks if len(seconds) == QUERIES else [asked[:LEAST_QUERIES]]
    together = _timed(many, some, MOST_S, 1)
    p50, p95 = np.percentile(seconds, (50, 95))
    return {
        "found": found,
        "per_s": len(seconds) / sum(seconds),
        "p50_s": p50,
        "p95_s": p95,
        "batched_per_s": sum(map(len, some[: len(together)])) / sum(together),
    }


def _timed(
    action: Callable[[Any], None], values: Sequence[object], most_s: float, least: int
) -> list[float]:
    """Return the seconds of each call, of as many as fit into `most_s`, and of `least`."""
    seconds: list[float] = []
    for value in values:
        if sum(seconds) > most_s and len(seconds) >= least:
            break
        began = time.perf_counter()
        action(value)
        seconds.append(time.perf_counter() - began)
    return seconds


# Results


def show(cells: dict[Cell, Result]) -> Table:
    """Show each engine's numbers, and the recall beside the flat search of full vectors."""
    columns = {
        "recall@10": ("recall", 1.0, ".3f"),
        "queries/s": ("per_s", 1.0, ",.0f"),
        "p50, ms": ("p50_s", 1e3, ",.2f"),
        "p95, ms": ("p95_s", 1e3, ",.2f"),
        f"queries/s, {BATCH} at a time": ("batched_per_s", 1.0, ",.0f"),
        "MB": ("VmRSS", 1 / MB, ",.0f"),
        "MB not shared": ("RssAnon", 1 / MB, ",.0f"),
        "MB of codes": ("code_bytes", 1 / MB, ",.1f"),
        "graph, s": ("optimize_s", 1.0, ",.1f"),
    }
    rows = []
    for (size, count, engine, state), measured in cells.items():
        exact = cells.get((size, count, FLOAT, "flat"), {})
        result = measured | _recall(measured, exact)
        numbers = [
            format(result[key] * factor, form) if key in result else "-"
            for key, factor, form in columns.values()
        ]
        name = ENGINES[engine] if engine == LOCAL else f"{ENGINES[engine]}, {state}"
        rows.append((f"{count:,}", f"{size:,}", name, *numbers))
    return Table(
        title="Searches",
        note=f"k={LIMIT}, with payloads; {QUERIES} searches one after the other, or as many as "
        f"{MOST_S:g} seconds allow, after as many others, for {WARM_UP_S:g} seconds at most; then "
        f"the same in batches of {BATCH}. Memory is what the process grew by when it had opened "
        "the collection and searched it, and of that what is no file's page, which the system "
        "cannot take back.",
        head=("points", "size", "engine", *columns),
        rows=rows,
    )


def _recall(result: Result, exact: Result) -> Result:
    """Return the share of exact hits that were found, of the queries that both answered."""
    if "found" not in result or "found" not in exact:
        return {}
    pairs = zip(result["found"], exact["found"], strict=False)
    shares = [len(set(some) & set(wanted)) / len(wanted) for some, wanted in pairs]
    return {"recall": sum(shares) / len(shares)}


JOBS: dict[str, Callable[[Job], Result]] = {
    "fill": fill,
    "optimize": optimize,
    "search": search,
    "local": search_local,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--engine", nargs="+", choices=ENGINES, default=list(ENGINES), help="engines to compare")
    add("--count", nargs="+", type=int, help="points stored (10000 100000)")
    add("--size", nargs="+", type=int, help="components of a vector (768 3072)")
    add("--quick", action="store_true", help="fewer points: a minute")
    add("--write", action="store_true", help="write docs/benchmarks.md")
    add("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--write is for a full run, without --quick")
    options.count = options.count or ([5_000] if options.quick else [10_000, 100_000])
    options.size = options.size or ([768] if options.quick else [768, 3072])
    return options


if __name__ == "__main__":
    main()
