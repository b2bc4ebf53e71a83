"""Embed without quota and faults, at several sizes and latencies, beside bare gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import terminal
from processes import Emulator
from tables import Table

from embedding.runs import (
    BACKENDS,
    BATCH,
    ENOUGH_S,
    JOBS,
    LISTS,
    MEGABYTE,
    PARSED,
    PEER,
    SIDE_BY_SIDE,
    Results,
    cells,
    in_turns,
    present,
    runs,
)

if TYPE_CHECKING:
    import argparse


def measure(options: argparse.Namespace) -> Results:
    """Embed with all clients."""
    results: Results = []
    names = (*options.backends, LISTS, PARSED, PEER)
    grid = [(size, latency) for size in options.size for latency in options.latency]
    with Emulator(record=False, grpc=True) as emulator:
        for repetition in range(options.repetitions):
            for size, latency in grid:
                for name in in_turns(names, repetition):
                    cell = {"size": size, "latency": latency}
                    if texts := _worth_repeating(results, name, options.texts, cell):
                        terminal.progress(f"speed {repetition + 1} {size} {latency} ms {name}")
                        emulator.reset(latency=latency / 1000)
                        job = JOBS[name] | {"size": size, "texts": texts}
                        results += runs(emulator, name, job, **cell)
    return results


def _worth_repeating(
    results: Results, name: str, texts: list[int], cell: dict[str, int]
) -> list[int]:
    """Return the numbers of texts that did not take long so far."""
    long = {
        run["texts"]
        for run in results
        if run["name"] == name and run["wall_s"] > ENOUGH_S and cell.items() <= run.items()
    }
    return sorted(set(texts) - long)


def show(results: Results) -> list[Table]:
    """Set all clients side by side: their time, their CPU and memory, and the emulator's CPU."""
    return [_wall(results), _cpu(results), _emulator(results)]


def _wall(results: Results) -> Table:
    ours = present(results, BACKENDS)
    rows = []
    for cell in cells(results, "texts", "size", "latency"):
        peer = cell[PEER]
        floor = peer["texts"] / BATCH / SIDE_BY_SIDE * peer["latency"] / 1000
        walls = {name: cell[name]["wall_s"] for name in (*ours, LISTS, PEER)}
        rows.append(
            (
                f"{peer['texts']:,}",
                f"{peer['size']:,}",
                f"{peer['latency']}",
                *(f"{wall:.2f}" for wall in walls.values()),
                *(f"{walls[name] / floor:.2f}" if floor else "-" for name in (*ours, LISTS)),
                *(f"{walls[PEER] / walls[name]:.1f}" for name in ours),
            )
        )
    return Table(
        title="Beside langchain-google-genai",
        note="`embed_documents` without quota, in seconds of wall time: this package with each of "
        "its back ends, bare gRPC with as many requests side by side, and langchain-google-genai. "
        f"The floor is the time that the latency alone takes: requests of {BATCH} texts, "
        f"{SIDE_BY_SIDE} side by side.",
        head=(
            "texts",
            "size",
            "latency, ms",
            *(f"{name}, s" for name in (*ours, LISTS)),
            "theirs, s",
            *(f"{name} / floor" for name in (*ours, LISTS)),
            *(f"times faster, {name}" for name in ours),
        ),
        rows=rows,
    )


def _cpu(results: Results) -> Table:
    ours = present(results, BACKENDS)
    rows = []
    for cell in cells(results, "texts", "size", "latency"):
        peer = cell[PEER]
        rows.append(
            (
                f"{peer['texts']:,}",
                f"{peer['size']:,}",
                f"{peer['latency']}",
                *(
                    f"{cell[name]['cpu_s'] / peer['texts'] * 1000:.3f}"
                    for name in (*ours, LISTS, PARSED, PEER)
                ),
                *(f"{cell[name]['peak_bytes'] / MEGABYTE:,.0f}" for name in (*ours, PEER)),
            )
        )
    return Table(
        title="CPU and memory",
        note="The same runs: milliseconds of the client's CPU for a text, and peak memory of its "
        "process in MB with the vectors that are returned.",
        head=(
            "texts",
            "size",
            "latency, ms",
            *(f"CPU ms, {name}" for name in (*ours, LISTS, PARSED)),
            "theirs",
            *(f"MB, {name}" for name in ours),
            "theirs",
        ),
        rows=rows,
    )


def _emulator(results: Results) -> Table:
    rows = []
    for cell in cells(results, "size"):
        sides = {"REST": cell[PEER], "gRPC": cell[LISTS]}
        rows += [
            (
                f"{side['size']:,}",
                name,
                f"{side['emulator_cpu_s'] * 1000:.3f}",
                f"{1 / side['emulator_cpu_s']:,.0f}",
            )
            for name, side in sides.items()
        ]
    return Table(
        title="The emulator's part",
        note="Milliseconds of the emulator's CPU for a text in the same runs, asked by "
        f"langchain-google-genai over REST and by {LISTS.split(',')[0]}; and how many texts it can "
        "answer in a second at that price.",
        head=("size", "transport", "CPU ms", "texts a second"),
        rows=rows,
    )
