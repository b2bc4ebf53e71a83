"""`aembed_documents` in one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import terminal
from processes import Emulator
from tables import Table

from embedding.runs import BACKENDS, JOBS, PEER, Results, cells, present, runs

if TYPE_CHECKING:
    import argparse


def measure(options: argparse.Namespace) -> Results:
    """Embed the larger number of texts at the longest latency, once with each client."""
    results: Results = []
    count, latency = max(options.texts), max(options.latency)
    with Emulator(record=False, grpc=True) as emulator:
        for size in options.size:
            for name in (*options.backends, PEER):
                terminal.progress(f"async {size} {latency} ms {name}")
                emulator.reset(latency=latency / 1000)
                job = JOBS[name] | {"size": size, "texts": [count], "is_async": True}
                results += runs(emulator, name, job, size=size, latency=latency)
    return results


def show(results: Results) -> list[Table]:
    """Set all clients side by side."""
    ours = present(results, BACKENDS)
    rows = []
    for cell in cells(results, "size"):
        peer = cell[PEER]
        sides = [cell[name] for name in (*ours, PEER)]
        rows.append(
            (
                f"{peer['texts']:,}",
                f"{peer['size']:,}",
                f"{peer['latency']}",
                *(f"{side['wall_s']:.2f}" for side in sides),
                *(f"{peer['wall_s'] / cell[name]['wall_s']:.1f}" for name in ours),
                *(f"{side['cpu_s'] / peer['texts'] * 1000:.3f}" for side in sides),
            )
        )
    clients = (*ours, "theirs")
    return [
        Table(
            title="Asynchronous embedding",
            note="`aembed_documents` in one event loop, once: seconds of wall time, and "
            "milliseconds of the client's CPU for a text.",
            head=(
                "texts",
                "size",
                "latency, ms",
                *(f"{name}, s" for name in clients),
                *(f"times faster, {name}" for name in ours),
                *(f"CPU ms, {name}" for name in clients),
            ),
            rows=rows,
        )
    ]
