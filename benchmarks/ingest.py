"""How fast documents get into a collection: beside langchain-qdrant, and beside the parts of it.

Run by `make bench-ingest`; `--help` lists the options. The emulator and each run have a process of
their own; runs take turns, and a table shows medians. What several tables need is run for all.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import machine
import page
import terminal
from processes import Client, Emulator, install
from tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENGINES = {"edge": "Edge", "worker": "Edge, `worker=True`", "memory": "`:memory:`"}
NAMES = ENGINES | {"path": "`path=`"}
BACKENDS = ("google-genai", "grpc")
SIZES = (768, 3072)
ENOUGH_S = 20.0  # a run that took this long is not repeated
OK = 200
MB = 1e6

Result = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one process does.

    Attributes:
        do: A job of `ingest_worker.py`.
        count: Documents.
        engine: Where they are stored.
        latency: Milliseconds that the emulator takes for an answer.
        backend: Of `GeminiEmbeddings`.
        lazily: Give them from a generator.
        again: Give them a second time.
    """

    do: str
    count: int
    engine: str = ""
    latency: int = 0
    lazily: bool = False
    again: bool = False
    backend: str = BACKENDS[0]
    size: int = SIZES[0]

    def __str__(self) -> str:
        names = " ".join(name for name in (self.do, self.engine, self.backend) if name)
        return f"{names}, {self.count:,} documents x {self.size:,}, {self.latency} ms"

    @property
    def client(self) -> str:
        """Whose environment it needs."""
        return "peer" if self.do == "add_theirs" else "ours"


class Results:
    """What came of the runs."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.of: dict[Run, list[Result]] = {run: [] for run in runs}

    def median(self, run: Run, key: str) -> float:
        """Return the median over the repetitions of a run."""
        return statistics.median(float(result[key]) for result in self.of[run])

    def packages(self) -> str:
        """Return the versions on both sides; those of theirs that differ from ours, too."""
        versions: dict[str, dict[str, str]] = {"ours": {}, "peer": {}}
        for run, results in self.of.items():
            versions[run.client] |= results[0]["versions"]
        differing = dict(versions["peer"].items() - versions["ours"].items())
        beside = f"; theirs: {machine.listed(differing)}" if differing else ""
        return machine.listed(versions["ours"]) + beside


def main() -> None:
    """Measure what the command line asks for, print it, and write it to the page if asked to."""
    options = _options()
    if not options.no_install:
        terminal.progress("installing")
        install()
    load = machine.load()
    needed = [run for name in options.only for run in PARTS[name][0](options)]
    results = Results(needed)
    measure(results, options.repetitions)
    described = machine.describe(results.packages(), load)
    for name in options.only:
        text = f"{described}\n\n{PARTS[name][1](results, options).markdown()}"
        terminal.show(text)
        if options.write:
            page.write("bench-ingest", name, text)


# Running


def measure(results: Results, repetitions: int) -> None:
    """Do the runs in turns."""
    with Emulator(record=True, grpc=True) as emulator:
        for turn in range(repetitions):
            for run, done in results.of.items():
                if any(result["wall_s"] > ENOUGH_S for result in done):
                    continue
                terminal.progress(f"{run}, run {turn + 1}")
                done.append(measure_once(emulator, run))


def measure_once(emulator: Emulator, run: Run) -> Result:
    """Do a run and count what it sent.

    Raises:
        RuntimeError: Something is missing, so the time says nothing.
    """
    emulator.reset(latency=run.latency / 1000)
    with tempfile.TemporaryDirectory() as folder:
        job = asdict(run) | {"client": run.client, "path": folder}
        result = Client(emulator, job, "ingest_worker.py").result()
    assert result is not None  # noqa: S101 - it has all the time in the world
    if result["done"] != run.count:
        message = f"{run.do} did {result['done']} of {run.count} documents"
        raise RuntimeError(message)
    log = [(at, texts, status) for at, texts, status in emulator.report()["log"]]
    if any(status != OK for _, _, status in log):
        message = f"{run.do} was refused by an emulator without quota"
        raise RuntimeError(message)
    ended = result["ended"]
    first = [texts for at, texts, _ in log if result["began"] <= at <= ended]
    again = [texts for at, texts, _ in log if at > ended]
    return result | {"requests": len(first), "texts": sum(first), "requests_again": len(again)}


class Cell(NamedTuple):
    """Where documents are stored, with vectors of which size, and how quickly Gemini answers."""

    engine: str
    size: int
    latency: int


def _ingest(options: argparse.Namespace, cell: Cell, backend: str) -> Run:
    return Run(do="ingest_ours", count=options.count, again=True, backend=backend, **cell._asdict())


def _cells(options: argparse.Namespace) -> list[Cell]:
    """Return all cells of Edge, and of other engines those with the highest latency."""
    return [
        Cell(engine, size, latency)
        for engine in ENGINES
        for size in options.size
        for latency in options.latency
        if engine == "edge" or latency == max(options.latency)
    ]


# Beside langchain-qdrant


def _theirs(options: argparse.Namespace, cell: Cell) -> Run | None:
    """Return the run of the other side, None for those that are left out, as they take minutes."""
    if cell.engine == "worker" or (cell.engine == "memory" and cell.size != min(options.size)):
        return None
    engine = "path" if cell.engine == "edge" else cell.engine  # they know no Edge
    return Run(do="add_theirs", count=options.count, **cell._replace(engine=engine)._asdict())


def beside_runs(options: argparse.Namespace) -> list[Run]:
    """Return the runs of both sides."""
    cells = _cells(options)
    ours = [_ingest(options, cell, backend) for cell in cells for backend in options.backends]
    return [*ours, *filter(None, (_theirs(options, cell) for cell in cells))]


def show_beside(results: Results, options: argparse.Namespace) -> Table:
    """Set both sides beside each other."""
    rows = []
    for cell in _cells(options):
        theirs = _theirs(options, cell)
        if theirs is None:
            continue
        ours = [_ingest(options, cell, backend) for backend in options.backends]
        walls = [results.median(run, "wall_s") for run in (*ours, theirs)]
        rows.append(
            (
                ENGINES[cell.engine],
                NAMES[theirs.engine],
                f"{cell.size:,}",
                f"{cell.latency}",
                *(f"{wall:.1f}" for wall in walls),
                *(f"{walls[-1] / wall:.1f}" for wall in walls[:-1]),
                *(f"{results.median(run, 'peak_bytes') / MB:,.0f}" for run in (*ours, theirs)),
                *(f"{results.median(run, 'requests'):,.0f}" for run in (ours[0], theirs)),
                *(f"{len(results.of[run])}" for run in (ours[0], theirs)),
            )
        )
    names = [f"{backend}" for backend in options.backends]
    return Table(
        title="Documents in, beside langchain-qdrant",
        note=f"`ingest` of {options.count:,} documents with each back end beside "
        "`QdrantVectorStore.add_documents` with langchain-google-genai: seconds of wall time, how "
        "many times faster ours is, peak memory of the process in MB, requests to Gemini as the "
        "emulator counted them.",
        head=(
            *("ours into", "theirs into", "size", "latency, ms"),
            *(f"wall s, {name}" for name in names),
            "theirs",
            *(f"times faster, {name}" for name in names),
            *(f"MB, {name}" for name in names),
            *("theirs", "requests, ours", "theirs", "runs, ours", "theirs"),
        ),
        rows=rows,
    )


# Beside the parts of it


def _embed(options: argparse.Namespace, cell: Cell, backend: str) -> Run:
    place = {"size": cell.size, "latency": cell.latency}
    return Run(do="embed", count=options.count, backend=backend, **place)


def _store(options: argparse.Namespace, cell: Cell) -> Run:
    return Run(do="store", count=options.count, engine=cell.engine, size=cell.size)


def overlap_runs(options: argparse.Namespace) -> list[Run]:
    """Return the runs of the whole and of its parts."""
    return [
        run
        for cell in _cells(options)
        for backend in options.backends
        for run in (
            _ingest(options, cell, backend),
            _embed(options, cell, backend),
            _store(options, cell),
        )
    ]


def show_overlap(results: Results, options: argparse.Namespace) -> Table:
    """Show how much of the smaller part is hidden behind the larger."""
    rows = []
    for cell in _cells(options):
        for backend in options.backends:
            whole = _ingest(options, cell, backend)
            runs = _embed(options, cell, backend), _store(options, cell), whole
            embedding, storing, both = (results.median(run, "wall_s") for run in runs)
            cpu = [results.median(run, "cpu_s") / run.count * 1000 for run in runs]
            rows.append(
                (
                    *(ENGINES[cell.engine], backend, f"{cell.size:,}", f"{cell.latency}"),
                    *(f"{seconds:.2f}" for seconds in (embedding, storing, both)),
                    f"{both / max(embedding, storing):.2f}",
                    *(f"{milliseconds:.3f}" for milliseconds in cpu),
                )
            )
    return Table(
        title="Embedding while storing",
        note=f"{options.count:,} documents: `stream_documents` without storing anything, "
        "`upsert` of vectors that are there, and `ingest`, in seconds; what `ingest` "
        "takes as a share of the longer one; and the CPU time of this process in milliseconds for "
        "each document, in which the worker's is missing.",
        head=(
            *("engine", "back end", "size", "latency, ms"),
            *("embedding", "storing", "ingest", "ingest / longer"),
            *("CPU ms, embedding", "storing", "ingest"),
        ),
        rows=rows,
    )


# Memory


def memory_runs(options: argparse.Namespace) -> list[Run]:
    """Return runs of some documents and of ten times as many."""
    return [
        Run(
            do="ingest_ours",
            count=count,
            engine="edge",
            lazily=True,
            backend=options.backends[-1],
            size=options.size[0],
        )
        for count in (options.count, 10 * options.count)
    ]


def show_memory(results: Results, options: argparse.Namespace) -> Table:
    """Show what memory depends on."""
    runs = memory_runs(options)
    kinds = {
        "not files' pages": "anonymous_bytes",
        "all": "peak_bytes",
    }
    rows = []
    for title, key in kinds.items():
        few, many = (results.median(run, key) for run in runs)
        rows.append((title, f"{few / MB:,.0f}", f"{many / MB:,.0f}", f"{many / few:.2f}"))
    seconds = [results.median(run, "wall_s") for run in runs]
    return Table(
        title="Memory, by the number of documents",
        note=f"Peak memory in MB of `ingest` with {runs[0].backend} from a generator into Edge, "
        f"{runs[0].size:,} components each, without latency, in "
        f"{seconds[0]:.1f} and {seconds[1]:.1f} s. The engine maps its files, and the system "
        "counts their pages to the process as long as nobody else needs the memory: what `ingest` "
        "and the engine hold themselves is the first row.",
        head=("memory", *(f"{run.count:,} documents" for run in runs), "ratio"),
        rows=rows,
    )


# The same again


def again_runs(options: argparse.Namespace) -> list[Run]:
    """Return the runs that give all a second time."""
    return [_ingest(options, cell, options.backends[-1]) for cell in _cells(options)]


def show_again(results: Results, options: argparse.Namespace) -> Table:
    """Show what a second run costs."""
    rows = []
    for cell in _cells(options):
        run = _ingest(options, cell, options.backends[-1])
        first, again = results.median(run, "wall_s"), results.median(run, "again_s")
        requests = (results.median(run, key) for key in ("requests", "requests_again"))
        rows.append(
            (
                ENGINES[cell.engine],
                f"{cell.size:,}",
                f"{cell.latency}",
                f"{first:.2f}",
                f"{again:.2f}",
                f"{again / first:.1%}",
                *(f"{count:,.0f}" for count in requests),
            )
        )
    return Table(
        title="The same documents again",
        note=f"`ingest` of {options.count:,} documents with {options.backends[-1]} and then of the "
        "same ones, in seconds.",
        head=(
            "engine",
            "size",
            "latency, ms",
            "first",
            "again",
            "share",
            "requests, first",
            "again",
        ),
        rows=rows,
    )


PARTS: dict[
    str,
    tuple[
        Callable[[argparse.Namespace], list[Run]],
        Callable[[Results, argparse.Namespace], Table],
    ],
] = {
    "beside": (beside_runs, show_beside),
    "overlap": (overlap_runs, show_overlap),
    "memory": (memory_runs, show_memory),
    "again": (again_runs, show_again),
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=list(PARTS), help="tables to make")
    add("--count", type=int, help="documents (10000); for the memory ten times as many, too")
    add("--backends", nargs="+", choices=BACKENDS, default=BACKENDS, help="of GeminiEmbeddings")
    add("--size", nargs="+", type=int, default=SIZES, help="components of a vector")
    add("--latency", nargs="+", type=int, default=[100, 300], help="milliseconds of each answer")
    add("--repetitions", type=int, help="runs of each kind (3); long ones are not repeated")
    add("--quick", action="store_true", help="a tenth of the documents, once: two minutes")
    add("--write", action="store_true", help="write docs/benchmarks.md")
    add("--no-install", action="store_true", help="take the environments as they are")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--write is for a full run, without --quick")
    options.count = options.count or (1_000 if options.quick else 10_000)
    options.repetitions = options.repetitions or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    main()
