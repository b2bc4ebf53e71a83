"""How much of an exact search the codes find, with `measure_recall` on the embedded engine.

Run by `make bench-recall`; `--help` lists the options. Recall does not depend on the machine.
"""

from __future__ import annotations

import argparse
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
import page
import points
import terminal
from qdrant_client import models
from tables import Table

from langchain_gemini_qdrant import EdgeClient, GeminiQdrantVectorStore, measure_recall
from langchain_gemini_qdrant.quantization import (
    QUANTIZATION_PRESETS,
    quantization_config,
    search_params_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from langchain_gemini_qdrant import Quantization, RecallReport

PACKAGES = ("langchain-gemini-qdrant", "qdrant-edge-py", "numpy")
NAME = "bench"
LIMITS = (10, 20, 50, 100)  # these and OVERSAMPLING as on Qdrant's page for Gemini
OVERSAMPLING = (1, 2, 3)
PAGE_SEGMENTS = (1, 4)
SEGMENTS = (1, 2, 4, 8)
PRESET_LIMITS = (10, 100)
PRESET_OVERSAMPLING = (1, 1.5, 2, 3, 4, 8)
PLAIN = "one bit on both sides"
CODES: dict[str, Quantization] = {PLAIN: {"binary": {"always_ram": True}}, "`binary`": "binary"}
OPTIMIZED_ONLY = {"scalar", "product"}  # before `optimize` they are not there
SLOW = {"product"}  # minutes for some thousand vectors


@dataclass(frozen=True, kw_only=True)
class Data:
    """Vectors and queries, which are not among them, both of length 1.

    Attributes:
        stored: Shape `(n, size)`.
        asked: Shape `(m, size)`.
    """

    kind: str
    stored: npt.NDArray[np.float32]
    asked: npt.NDArray[np.float32]

    def __str__(self) -> str:
        """Return it in words."""
        count, size = self.stored.shape
        return f"{count:,} {self.kind}, {size:,} components"


def main() -> None:
    """Measure what the command line asks for, print it, and write it to the pages if asked to."""
    options = _options()
    described = machine.describe(machine.listed(machine.versions(*PACKAGES)))
    for name in options.only:
        part, file = PARTS[name]
        text = "\n".join((described, "", *(table.markdown() for table in part(options))))
        terminal.show(text)
        if options.write:
            page.write("bench-recall", name, text, file)


# What is stored and asked


def from_file(options: argparse.Namespace) -> list[Data]:
    """Return the user's vectors, of which some are taken out as queries; none without a file."""
    if options.vectors is None:
        return []
    with np.load(options.vectors) as file:
        rows = file["vectors"].astype(np.float32)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    asked, stored = np.split(rows, [options.queries])
    return [Data(kind=options.called, stored=stored, asked=asked)]


def synthetic(options: argparse.Namespace, count: int, size: int) -> Data:
    """Return vectors with the falling spectrum of text embeddings."""
    return Data(
        kind="synthetic vectors",
        stored=points.vectors(options.count or count, size),
        asked=np.asarray(points.questions(options.queries, size), dtype=np.float32),
    )


@contextmanager
def filled(
    data: Data, quantization: Quantization, segments: int = 1, **settings: object
) -> Iterator[GeminiQdrantVectorStore]:
    """Yield a store with the vectors: in one segment, as written, or in several, without graphs."""
    if segments > 1:
        settings |= _split(data, segments)
    params = models.VectorParams(size=data.stored.shape[1], distance=models.Distance.COSINE)
    config = quantization_config(quantization)
    numbers = np.arange(len(data.stored))
    with closing(EdgeClient(":temporary:")) as client:
        client.create_collection(NAME, params, quantization_config=config, **settings)
        for part in np.array_split(numbers, segments):
            for ids in np.array_split(part, range(points.BATCH, len(part), points.BATCH)):
                batch = models.Batch(ids=ids.tolist(), vectors=data.stored[ids].tolist())
                client.upsert(NAME, batch)
            if segments > 1:
                client.optimize(NAME)
        yield GeminiQdrantVectorStore(client, NAME, validate_embeddings=False)


def _split(data: Data, segments: int) -> dict[str, object]:
    """Return settings with which each `optimize` closes a segment and merges none."""
    kilobytes = data.stored.nbytes // segments // 1024 + 1
    return {
        "hnsw_config": models.HnswConfigDiff(m=0),
        "optimizers_config": models.OptimizersConfigDiff(
            default_segment_number=segments, max_segment_size=kilobytes, indexing_threshold=1
        ),
    }


def measure(store: GeminiQdrantVectorStore, data: Data, **settings: Any) -> RecallReport:
    """Measure recall and nothing else."""
    return measure_recall(store, data.asked.tolist(), latency_queries=0, **settings)


# The table of Qdrant's page


def measure_page(options: argparse.Namespace) -> list[Table]:
    """Fill the page's table on each data set, and compare the preset with plain codes."""
    rows: list[tuple[str, ...]] = []
    grids: list[Table] = []
    generated = (synthetic(options, count, size) for count, size in options.synthetic)
    for data in (*from_file(options), *generated):
        lines: list[tuple[str, ...]] = []
        for codes, quantization in CODES.items():
            for segments in PAGE_SEGMENTS:
                terminal.progress(f"{data}: {codes}, segments: {segments}")
                with filled(data, quantization, segments) as store:
                    report = measure(store, data, limits=LIMITS, oversampling=OVERSAMPLING)
                    sizes = store.client.vector_storage_size(NAME)
                lines += _page_lines(codes, _segments(report, segments), report)
                if segments == 1:
                    part = sizes.original_bytes / sizes.quantized_bytes
                    memory = f"{sizes.quantized_bytes / report.points:.0f}", f"1/{part:.0f}"
                    rows.append((str(data), codes, *memory, *map(_interval(report), (10, 100))))
        grids.append(_page_table(data, lines))
    head = ("vectors", "codes", "bytes", "of the vector", "recall@10", "recall@100")
    note = (
        "Oversampling 3 with rescoring, one segment without a graph; bytes of a code. In brackets "
        "the 95 % interval."
    )
    beside = Table(title="The preset beside plain codes", note=note, head=head, rows=rows)
    return [beside, *grids]


def _page_table(data: Data, lines: Sequence[tuple[str, ...]]) -> Table:
    settings = [f"{each}, {rescore}" for each in OVERSAMPLING for rescore in ("off", "on")]
    return Table(
        title=str(data),
        note=f"Recall by oversampling and rescoring, {len(data.asked):,} queries that are not "
        "stored; ± the longer side of the 95 % interval.",
        head=("codes", "segments", "limit", *settings),
        rows=lines,
    )


def _page_lines(codes: str, segments: str, report: RecallReport) -> Iterator[tuple[str, ...]]:
    for limit in LIMITS:
        rows = [row for row in report.rows if row.limit == limit]
        spreads = [max(row.recall - row.low, row.high - row.recall) for row in rows]
        cells = [
            f"{row.recall:.3f} ±{f'{spread:.3f}'.removeprefix('0')}"
            for row, spread in zip(rows, spreads, strict=True)
        ]
        yield codes, segments, f"{limit}", *cells


def _interval(report: RecallReport) -> Callable[[int], str]:
    def text(limit: int) -> str:
        row = report.row(limit=limit, oversampling=3.0, rescore=True)
        return f"{row.recall:.3f} ({row.low:.3f} to {row.high:.3f})"

    return text


def _segments(report: RecallReport, wanted: int) -> str:
    """Return the segments that have vectors, and make sure that they are as many as wanted.

    Beside segments that `optimize` has closed there is an empty one, for what is written next.
    """
    full = report.segments if wanted == 1 else (report.segments or 0) - 1
    if full != wanted:
        raise SystemExit(f"wanted {wanted} segments with vectors, the engine has {full}")
    return f"{full}"


# Why the page gains at oversampling 1


def measure_segments(options: argparse.Namespace) -> list[Table]:
    """Compare many segments at oversampling 1 with one segment at more oversampling."""
    data = next(iter(from_file(options)), None) or synthetic(options, *options.synthetic[0])
    asked = {"limits": PRESET_LIMITS, "rescore": (True,)}
    rows = []
    for codes, quantization in CODES.items():
        with filled(data, quantization) as store:
            one = measure(store, data, oversampling=SEGMENTS, **asked)
        for segments in SEGMENTS:
            terminal.progress(f"{data}: {codes}, segments: {segments}")
            with filled(data, quantization, segments) as store:
                many = measure(store, data, oversampling=(1,), **asked)
            cells = []
            for limit in PRESET_LIMITS:
                cells += [
                    many.row(limit=limit, oversampling=1.0, rescore=True),
                    one.row(limit=limit, oversampling=float(segments), rescore=True),
                ]
            recalls = (f"{row.recall:.3f}" for row in cells)
            rows.append((codes, _segments(many, segments), *recalls))
    columns = [
        f"recall@{limit}, {way}"
        for limit in PRESET_LIMITS
        for way in ("n segments at 1", "one segment at n")
    ]
    return [
        Table(
            title="Segments beside oversampling",
            note=f"With rescoring, {data}, {len(data.asked):,} queries: n segments at oversampling "
            "1, and one segment at oversampling n.",
            head=("codes", "n", *columns),
            rows=rows,
        )
    ]


# The presets' defaults


def measure_presets(options: argparse.Namespace) -> list[Table]:
    """Measure what each preset finds, flat and in a graph; the slow ones on the user's file only.

    Small collections have neither codes nor a graph by default, so the thresholds are lowered.
    """
    tables = []
    for data in (*from_file(options), synthetic(options, 20_000, 768)):
        found: list[tuple[str, ...]] = []
        configs: dict[str, Quantization] = {PLAIN: CODES[PLAIN]}
        for name in QUANTIZATION_PRESETS:
            if name not in SLOW or data.kind != "synthetic vectors":
                configs[f"`{name}`"] = QUANTIZATION_PRESETS[name]
        for name, quantization in configs.items():
            terminal.progress(f"{data}: {name}")
            settings = {
                "hnsw_config": models.HnswConfigDiff(full_scan_threshold=10),
                "optimizers_config": models.OptimizersConfigDiff(indexing_threshold=100),
            }
            with filled(data, quantization, **settings) as store:
                if name.strip("`") not in OPTIMIZED_ONLY:
                    found.append(_preset_line(f"{name}, flat", store, data, quantization))
                store.client.optimize(NAME)
                found.append(_preset_line(f"{name}, graph", store, data, quantization))
        head = ("", *(f"{each:g}" for each in PRESET_OVERSAMPLING), "recall@100")
        note = (
            f"Recall@10 by oversampling, with rescoring, {len(data.asked):,} queries that are not "
            "stored; bold at the default, and recall@100 there."
        )
        tables.append(Table(title=str(data), note=note, head=head, rows=found))
    return tables


def _preset_line(
    name: str, store: GeminiQdrantVectorStore, data: Data, quantization: Quantization
) -> tuple[str, ...]:
    report = measure(
        store, data, limits=PRESET_LIMITS, oversampling=PRESET_OVERSAMPLING, rescore=(True,)
    )
    params = search_params_for(quantization)
    default = params and params.quantization and params.quantization.oversampling
    cells = []
    for oversampling in map(float, PRESET_OVERSAMPLING):
        row = report.row(limit=10, oversampling=oversampling, rescore=True)
        cell = f"{row.recall:.3f}"
        cells.append(f"**{cell}**" if oversampling == default else cell)
    at_default = report.row(limit=100, oversampling=default, rescore=True)
    return name, *cells, f"{at_default.recall:.3f}"


# All of it

PARTS: dict[str, tuple[Callable[[argparse.Namespace], list[Table]], str]] = {
    "page": (measure_page, "recall.md"),
    "segments": (measure_segments, "recall.md"),
    "presets": (measure_presets, "quantization.md"),
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure")
    add("--vectors", type=Path, help="embeddings of your own, .npz with `vectors`, (n, size)")
    add("--called", default="text embeddings of a file", help="what they are, for the tables")
    add("--queries", type=int, default=500, help="vectors that are asked and not stored (500)")
    add("--quick", action="store_true", help="few vectors and queries: under a minute")
    add("--write", action="store_true", help="write docs/recall.md and docs/quantization.md")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--write is for a full run, without --quick")
    options.count = 2_000 if options.quick else None
    options.synthetic = [(20_000, 768)] if options.quick else [(20_000, 768), (10_000, 3072)]
    if options.quick:
        options.queries = 100
    return options


if __name__ == "__main__":
    main()
