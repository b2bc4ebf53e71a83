"""How fast the embedded engine is: beside qdrant-client's local mode, and what our client costs.

Run by `make bench-edge`; `--help` lists the options. Each measurement has a process of its own,
which gets its job as JSON; engines take turns, and a table shows medians over the runs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import inspect
import statistics
import sys
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

from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.edge._storage._shard import FLUSH_AFTER_UPDATES
from langchain_gemini_qdrant.quantization import quantization_config, search_params_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from points import Point

PACKAGES = ("langchain-gemini-qdrant", "qdrant-edge-py", "qdrant-client", "numpy")
NAME = "bench"
QUERIES = 100
WARM_UP = 400  # a service that has run for a while; the first ones wait for the disk
SLOW_QUERIES = 10  # of an engine that takes longer than this for one
SLOW_S = 0.1
LIMITS = (10, 100)
ENOUGH_S = 20.0  # a cell that took this long is not measured once more
MB = 1e6

EDGE, ONE_BIT, GRAPH, FLOAT = "edge", "edge-one-bit", "edge-graph", "edge-float"
LOCAL, MEMORY = "path", "memory"
ENGINES = {
    EDGE: "Edge, binary",
    ONE_BIT: "Edge, binary, 1-bit query",
    GRAPH: "Edge, binary, optimized",
    FLOAT: "Edge, float",
    LOCAL: "`QdrantClient(path=)`",
    MEMORY: '`QdrantClient(":memory:")`',
}
QUANTIZATION = {
    EDGE: quantization_config("binary"),
    GRAPH: quantization_config("binary"),
    ONE_BIT: models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
}
VARIANTS, VARIANT_SIZES = {ONE_BIT, GRAPH}, (768,)  # one is enough to see what they change
# engine, points, components -> why not
LEFT_OUT = {(LOCAL, 100_000, 3072): "left out: opening it takes 17 GB"}

Job = dict[str, Any]
Result = dict[str, Any]

run = partial(jobs.run, __file__)


def main() -> None:
    """Measure what the command line asks for, print it, and write it to the page if asked to."""
    options = _options()
    if options.job:
        jobs.do(options.job, JOBS)
        return
    for name in options.only:
        described = machine.here(*PACKAGES)  # its load before this adds to it
        tables = PARTS[name](options)
        text = "\n".join((described, "", *(table.markdown() for table in tables)))
        terminal.show(text)
        if options.write:
            page.write("bench-edge", name, text)


def collection(size: int, quantization: models.QuantizationConfig | None) -> Job:
    """Return what a collection is made with."""
    params = models.VectorParams(size=size, distance=models.Distance.COSINE)
    return {"vectors_config": params, "quantization_config": quantization}


# The engines side by side


def measure_engines(options: argparse.Namespace) -> list[Table]:
    """Write, reopen and search with each engine, in turns."""
    cells: dict[tuple[str, int, int], list[Result]] = {
        (engine, count, size): []
        for size in options.size
        for count in options.count
        for engine in options.engine
        if engine not in VARIANTS or size in VARIANT_SIZES
    }
    spent = dict.fromkeys(cells, 0.0)
    for turn in range(options.repetitions):
        for cell, runs in cells.items():
            if cell in LEFT_OUT or spent[cell] > ENOUGH_S:
                continue
            engine, count, size = cell
            terminal.progress(f"{count:,} x {size}: {ENGINES[engine]}, run {turn + 1}")
            began = time.perf_counter()
            job: Job = {"engine": engine, "count": count, "size": size}
            with tempfile.TemporaryDirectory() as folder:
                result = run("fill", folder, **job)
                if engine != MEMORY:
                    result |= run("reopen", folder, **job)
            runs.append(result)
            spent[cell] += time.perf_counter() - began
    tables = show_engines(cells), show_ratios(cells)
    return [table for table in tables if table.rows]


def client_of(job: Job) -> QdrantClient:
    """Open an engine."""
    if job["engine"] == MEMORY:
        return QdrantClient(":memory:")
    return QdrantClient(path=job["path"]) if job["engine"] == LOCAL else EdgeClient(job["path"])


def fill(job: Job) -> Result:
    """Write points; search here and now if they do not outlive the process."""
    quantization = QUANTIZATION.get(job["engine"])
    client = client_of(job)
    client.create_collection(NAME, **collection(job["size"], quantization))
    before = memory()
    seconds = 0.0
    for batch in batches(job["count"], job["size"]):
        points = [struct(point) for point in batch]
        began = time.perf_counter()
        client.upsert(NAME, points)
        seconds += time.perf_counter() - began
    after = memory()
    if isinstance(client, EdgeClient) and job["engine"] == GRAPH:
        client.optimize(NAME)
    found = search(client, job) if job["engine"] == MEMORY else {}
    began = time.perf_counter()
    client.close()
    seconds += time.perf_counter() - began  # what is not on disk yet has to get there
    return found | {
        "ingest_per_s": job["count"] / seconds,
        "filled_bytes": after["VmRSS"] - before["VmRSS"],
        "peak_bytes": memory()["VmHWM"] - before["VmRSS"],
    }


def reopen(job: Job) -> Result:
    """Open what was written, up to the first answer, and search it."""
    first, *_ = questions(1, job["size"])
    before = memory()
    began = time.perf_counter()
    client = client_of(job)
    client.query_points(NAME, first, limit=1)
    seconds = time.perf_counter() - began
    found = search(client, job)
    after = memory()
    client.close()
    return found | {
        "reopen_s": seconds,
        "reopened_bytes": after["VmRSS"] - before["VmRSS"],
        "anonymous_bytes": after["RssAnon"] - before["RssAnon"],
    }


def search(client: QdrantClient, job: Job) -> Result:
    """Search some times and return quantiles by limit."""
    params = search_params_for(QUANTIZATION.get(job["engine"]))
    result: Result = {}
    for limit in LIMITS:
        seconds: list[float] = []
        for vector in questions(WARM_UP + QUERIES, job["size"]):
            began = time.perf_counter()
            hits = client.query_points(NAME, vector, limit=limit, search_params=params).points
            seconds.append(time.perf_counter() - began)
            if len(hits) != limit:
                sys.exit(f"{job['engine']} found {len(hits)} points, not {limit}")
            if len(seconds) == SLOW_QUERIES and statistics.median(seconds) > SLOW_S:
                break
        timed = seconds[-QUERIES:]
        result[f"p50_{limit}_s"], result[f"p95_{limit}_s"] = np.percentile(timed, (50, 95))
    return result


def show_engines(cells: dict[tuple[str, int, int], list[Result]]) -> Table:
    """Show each engine's numbers."""
    columns = {
        "ingest, points/s": ("ingest_per_s", 1.0, ",.0f"),
        "reopen, s": ("reopen_s", 1.0, ".2f"),
        **{
            f"k={limit} {name}": (f"{name}_{limit}_s", 1e3, ",.2f")
            for limit in LIMITS
            for name in ("p50", "p95")
        },
        "MB, filled": ("filled_bytes", 1 / MB, ",.0f"),
        "peak": ("peak_bytes", 1 / MB, ",.0f"),
        "reopened": ("reopened_bytes", 1 / MB, ",.0f"),
        "not shared": ("anonymous_bytes", 1 / MB, ",.0f"),
    }
    rows = []
    for (engine, count, size), runs in cells.items():
        why = LEFT_OUT.get((engine, count, size))
        numbers = [
            format(_median(runs, key) * factor, form) if runs and key in runs[0] else "-"
            for key, factor, form in columns.values()
        ]
        title = f"{ENGINES[engine]}, {why}" if why else ENGINES[engine]
        rows.append((f"{count:,}", f"{size:,}", title, *numbers, f"{len(runs)}"))
    return Table(
        title="Beside local mode",
        note=f"`upsert` in batches of {BATCH}, `close` included; reopening in a new process up to "
        "the first answer; searches in milliseconds, after "
        f"{WARM_UP} others (local mode: none). Memory is what the process grew by: when "
        "filled, at most, reopened and searched, and of that what is no file's page, which the "
        "system cannot take back.",
        head=("points", "size", "engine", *columns, "runs"),
        rows=rows,
    )


def show_ratios(cells: dict[tuple[str, int, int], list[Result]]) -> Table:
    """Show how many times faster Edge is than local mode."""
    keys = ("p50_10_s", "p50_100_s", "reopen_s")
    rows = []
    for (engine, count, size), runs in cells.items():
        local = cells.get((LOCAL, count, size)) or cells.get((MEMORY, count, size))
        if engine in {LOCAL, MEMORY} or not local or not runs:
            continue
        ratios = [
            f"{_median(local, key) / _median(runs, key):,.0f}" if key in local[0] else "-"
            for key in keys
        ]
        rows.append((f"{count:,}", f"{size:,}", ENGINES[engine], *ratios))
    return Table(
        title="Times faster than local mode",
        note=f"Of {ENGINES[LOCAL]}, or of {ENGINES[MEMORY]} where that was left out.",
        head=("points", "size", "engine", *(f"k={limit} p50" for limit in LIMITS), "reopen"),
        rows=rows,
    )


# What our client adds to the engine


def measure_overhead(options: argparse.Namespace) -> list[Table]:
    """Use a shard by hand and through our client, in turns."""
    results: dict[str, Result] = {}
    for engine in (EDGE, ONE_BIT):
        terminal.progress(f"overhead, {ENGINES[engine]}")
        with tempfile.TemporaryDirectory() as folder:
            job: Job = {"engine": engine, "count": options.overhead, "size": 768}
            results[engine] = run("overhead", folder, **job)
    return [show_overhead(results, options.overhead)]


class RawShard:
    """What one writes by hand over qdrant-edge-py."""

    def __init__(self, path: str, size: int, *, one_bit: bool) -> None:
        import qdrant_edge  # noqa: PLC0415 - not where local mode's memory is measured

        self._edge = edge = qdrant_edge
        encoding = None if one_bit else edge.BinaryQuantizationQueryEncoding.Scalar8Bits
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size, edge.Distance.Cosine),
            quantization_config=edge.BinaryQuantizationConfig(
                always_ram=True, query_encoding=encoding
            ),
            max_search_threads=2,
        )
        Path(path).mkdir()
        self._shard = edge.EdgeShard.create(path, config)
        self._params = edge.SearchParams(
            quantization=edge.QuantizationSearchParams(rescore=True, oversampling=3.0)
        )
        self._updates = 0

    def upsert(self, points: list[Point]) -> None:
        """Write points, and flush as often as our client does."""
        made = [self._edge.Point(point_id, vector, fields) for point_id, vector, fields in points]
        self._shard.update(self._edge.UpdateOperation.upsert_points(made))
        self._updates += 1
        if self._updates % FLUSH_AFTER_UPDATES == 0:
            self._shard.flush()

    def search(self, vector: list[float], limit: int) -> list[tuple[object, float, object]]:
        """Return ids, scores and payloads."""
        request = self._edge.QueryRequest(
            limit=limit,
            query=self._edge.Query.Nearest(vector),
            with_payload=True,
            params=self._params,
        )
        return [(hit.id, hit.score, hit.payload) for hit in self._shard.query(request)]


def overhead(job: Job) -> Result:
    """Write and search the same by hand and through our client; seconds of each call."""
    engine = job["engine"]
    raw = RawShard(f"{job['path']}/raw", job["size"], one_bit=engine == ONE_BIT)
    client = EdgeClient(f"{job['path']}/ours")
    client.create_collection(NAME, **collection(job["size"], QUANTIZATION[engine]))
    params = search_params_for(QUANTIZATION[engine])

    def search_through_client(
        vector: list[float], limit: int
    ) -> list[tuple[object, float, object]]:
        found = client.query_points(NAME, vector, limit=limit, search_params=params)
        return [(hit.id, hit.score, hit.payload) for hit in found.points]

    written: list[tuple[float, float, float]] = []
    for turn, batch in enumerate(batches(job["count"], job["size"])):
        began = time.perf_counter()
        points = [struct(point) for point in batch]
        making = time.perf_counter() - began
        by_hand, ours = _both(
            turn, partial(raw.upsert, batch), partial(client.upsert, NAME, points)
        )
        written.append((by_hand, ours, ours + making))
    vectors = questions(4 * QUERIES, job["size"])
    searched: Result = {
        str(limit): [
            _both(
                turn,
                partial(raw.search, vector, limit),
                partial(search_through_client, vector, limit),
            )
            for turn, vector in enumerate(vectors)
        ]
        for limit in LIMITS
    }
    client.close()
    return {"written": written, "searched": searched}


def _both(turn: int, raw: Callable[[], object], ours: Callable[[], object]) -> tuple[float, float]:
    """Do both, now one first, now the other; return seconds of each."""
    seconds = [0.0, 0.0]
    for side, action in sorted(enumerate((raw, ours)), reverse=turn % 2 == 1):
        began = time.perf_counter()
        action()
        seconds[side] = time.perf_counter() - began
    return seconds[0], seconds[1]


def show_overhead(results: dict[str, Result], count: int) -> Table:
    """Show both sides and the difference."""
    rows = []
    for engine, result in results.items():
        title = ENGINES[engine]
        for limit in LIMITS:
            pairs = result["searched"][str(limit)]
            rows.append((title, f"query, k={limit}", *_compared(pairs)))
        # means over as many calls as have one flush among them
        chunks = zip(*[iter(result["written"])] * FLUSH_AFTER_UPDATES, strict=False)
        written = [np.mean(chunk, axis=0) for chunk in chunks]
        by_hand, ours, with_making = zip(*written, strict=True)
        call = f"`upsert` of {BATCH}"
        rows.append((title, call, *_compared(list(zip(by_hand, ours, strict=True)))))
        pairs = list(zip(by_hand, with_making, strict=True))
        rows.append((title, f"{call}, with making `PointStruct`s", *_compared(pairs)))
    return Table(
        title="What our client adds to the engine",
        note=f"Milliseconds for a call of `EdgeClient` and for the same by hand with qdrant-edge-py"
        f", in turns, over two shards of {count:,} points of 768 components. Making the engine's "
        "points, reading hits and flushing every "
        f"{FLUSH_AFTER_UPDATES} updates is in both.",
        head=("engine", "call", "by hand", "ours", "adds", "adds, %"),
        rows=rows,
    )


def _compared(pairs: list[tuple[float, float]]) -> tuple[str, ...]:
    raw = statistics.median(pair[0] for pair in pairs) * 1e3
    ours = statistics.median(pair[1] for pair in pairs) * 1e3
    adds = statistics.median(pair[1] - pair[0] for pair in pairs) * 1e3
    return f"{raw:.3f}", f"{ours:.3f}", f"{adds:.3f}", f"{adds / raw:.0%}"


# What an event loop feels


def measure_stall(options: argparse.Namespace) -> list[Table]:
    """Write and optimize while an event loop ticks, with and without a worker."""
    results: dict[str, list[Result]] = {mode: [] for mode in MODES}
    for turn in range(options.repetitions):
        for mode, runs in results.items():
            terminal.progress(f"stall, {mode}, run {turn + 1}")
            with tempfile.TemporaryDirectory() as folder:
                runs.append(run("stall", folder, mode=mode, count=options.stall, size=768))
    return [show_stall(results, options.stall), show_worker(results, options.stall)]


MODES: dict[str, Callable[[str], EdgeClient | AsyncEdgeClient]] = {
    "in this process": EdgeClient,
    "worker, `EdgeClient(worker=True)`": lambda path: EdgeClient(path, worker=True),
    "worker, `AsyncEdgeClient`": AsyncEdgeClient,
}


class Ticker:
    """Measures how late an event loop is, a thousand times a second."""

    INTERVAL_S = 0.001

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worst = 0.0
        self._due = 0.0

    def __enter__(self) -> Ticker:
        self._next()
        return self

    def __exit__(self, *_: object) -> None:
        self._worst = max(self._worst, self._loop.time() - self._due)
        self._handle.cancel()

    @property
    def worst_s(self) -> float:
        """The longest delay."""
        return self._worst

    def _next(self) -> None:
        self._due = self._loop.time() + self.INTERVAL_S
        self._handle = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._worst = max(self._worst, self._loop.time() - self._due)
        self._next()


async def stall(job: Job) -> Result:
    """Write, search and optimize through one client; only searches go without the ticker."""
    size = job["size"]
    points = [[struct(point) for point in batch] for batch in batches(job["count"], size)]
    gc.collect()
    gc.freeze()  # the collector would walk over all of them, which holds up the loop as well
    client = MODES[job["mode"]](job["path"])
    await _call(client.create_collection, NAME, **collection(size, QUANTIZATION[EDGE]))
    with Ticker() as idle:
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=1.0)
    with Ticker() as writing:
        began = time.perf_counter()
        for batch in points:
            await _call(client.upsert, NAME, batch)
        seconds = time.perf_counter() - began
    searched = await _searches(client, size)
    with Ticker() as optimizing:
        began = time.perf_counter()
        if not await _call(client.optimize, NAME):
            sys.exit(f"{job['count']:,} points are too few to optimize anything")
        optimize_s = time.perf_counter() - began
    await _call(client.close)
    return searched | {
        "idle_s": idle.worst_s,
        "writing_s": writing.worst_s,
        "optimizing_s": optimizing.worst_s,
        "optimize_s": optimize_s,
        "ingest_per_s": job["count"] / seconds,
    }


async def _call(method: Callable[..., Any], *args: object, **options: object) -> object:
    """Await a method, or let a thread call it."""
    if inspect.iscoroutinefunction(method):
        return await method(*args, **options)
    return await asyncio.to_thread(method, *args, **options)


async def _searches(client: EdgeClient | AsyncEdgeClient, size: int) -> Result:
    params = search_params_for(QUANTIZATION[EDGE])
    result: Result = {}
    for limit in LIMITS:
        seconds = []
        for vector in questions(2 * QUERIES, size):
            began = time.perf_counter()
            found = client.query_points(NAME, vector, limit=limit, search_params=params)
            if inspect.isawaitable(found):
                await found
            seconds.append(time.perf_counter() - began)
        result[f"p50_{limit}_s"] = statistics.median(seconds)
    return result


def show_stall(results: dict[str, list[Result]], count: int) -> Table:
    """Show the longest delays."""
    rows = []
    for mode, runs in results.items():
        delays = [
            f"{_median(runs, key) * 1e3:,.1f} ({max(each[key] for each in runs) * 1e3:,.1f})"
            for key in ("idle_s", "writing_s", "optimizing_s")
        ]
        rows.append((mode, *delays, f"{_median(runs, 'optimize_s'):.1f}"))
    return Table(
        title="What an event loop feels",
        note="The longest delay of a timer in milliseconds: the median of the runs, in brackets "
        f"the longest of all. Idle for a second; while {count:,} points of 768 components are "
        f"written in batches of {BATCH}; while `optimize` runs. An `EdgeClient` is called through "
        "`asyncio.to_thread`.",
        head=("engine", "idle", "writing", "optimizing", "optimize, s"),
        rows=rows,
    )


def show_worker(results: dict[str, list[Result]], count: int) -> Table:
    """Show what a worker costs."""
    rows = [
        (
            mode,
            f"{_median(runs, 'ingest_per_s'):,.0f}",
            *(f"{_median(runs, f'p50_{limit}_s') * 1e3:.2f}" for limit in LIMITS),
        )
        for mode, runs in results.items()
    ]
    return Table(
        title="What a worker costs",
        note=f"In the same runs, over {count:,} points before `optimize`: searches in "
        "milliseconds, one after the other and without threads.",
        head=("engine", "ingest, points/s", *(f"k={limit} p50" for limit in LIMITS)),
        rows=rows,
    )


# All of it

PARTS: dict[str, Callable[[argparse.Namespace], list[Table]]] = {
    "engines": measure_engines,
    "overhead": measure_overhead,
    "stall": measure_stall,
}
JOBS: dict[str, Callable[[Job], Result]] = {
    "fill": fill,
    "reopen": reopen,
    "overhead": overhead,
    "stall": lambda job: asyncio.run(stall(job)),
}


def _median(runs: list[Result], key: str) -> float:
    return statistics.median(float(run[key]) for run in runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure")
    add("--engine", nargs="+", choices=ENGINES, default=list(ENGINES), help="engines to compare")
    add("--count", nargs="+", type=int, help="points stored (10000 100000)")
    add("--size", nargs="+", type=int, help="components of a vector (768 3072)")
    add("--repetitions", type=int, help="runs at most (3); long ones are not repeated")
    add("--quick", action="store_true", help="fewer points and runs: under two minutes")
    add("--write", action="store_true", help="write docs/benchmarks.md")
    add("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--write is for a full run, without --quick")
    options.count = options.count or ([2_000] if options.quick else [10_000, 100_000])
    options.size = options.size or ([768] if options.quick else [768, 3072])
    options.repetitions = options.repetitions or (1 if options.quick else 3)
    options.overhead = 10_000 if options.quick else 100_000
    options.stall = 10_000 if options.quick else 20_000
    return options


if __name__ == "__main__":
    main()
