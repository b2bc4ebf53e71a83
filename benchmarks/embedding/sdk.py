"""google-generativeai: this package's way through it beside the SDK's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import terminal
from processes import Emulator
from tables import Table

from embedding.runs import Results, cells, in_turns, runs

if TYPE_CHECKING:
    import argparse

_NAME = "google-generativeai"
_JOBS = {
    "ours": {"client": "ours", "backend": _NAME, "environment": "sdk"},
    "sdk": {"client": "sdk"},
}


def measure(options: argparse.Namespace) -> Results:
    """Embed through google-generativeai and with it."""
    results: Results = []
    grid = [(size, transport) for size in options.size for transport in ("grpc", "rest")]
    with Emulator(record=False, grpc=True) as emulator:
        for repetition in range(options.repetitions):
            for size, transport in grid:
                for name in in_turns(tuple(_JOBS), repetition):
                    terminal.progress(f"sdk {repetition + 1} {size} {transport} {name}")
                    emulator.reset()
                    cell = {"size": size, "transport": transport}
                    job = _JOBS[name] | cell | {"texts": [options.sdk_texts]}
                    results += runs(emulator, name, job, **cell)
    return results


def show(results: Results) -> list[Table]:
    """Set both side by side."""
    rows = []
    for cell in cells(results, "size", "transport"):
        ours, theirs = cell["ours"], cell["sdk"]
        count = ours["texts"]
        rows.append(
            (
                f"{count:,}",
                f"{ours['size']:,}",
                {"grpc": "gRPC", "rest": "REST"}[ours["transport"]],
                f"{ours['wall_s']:.2f}",
                f"{theirs['wall_s']:.2f}",
                f"{ours['cpu_s'] / count * 1000:.3f}",
                f"{theirs['cpu_s'] / count * 1000:.3f}",
                f"{theirs['cpu_s'] / ours['cpu_s']:.1f}",
            )
        )
    return [
        Table(
            title="Through google-generativeai",
            note=f"`embed_documents` with `backend='{_NAME}'` beside the SDK's own "
            "`embed_content`, latency 0; the CPU column is milliseconds for one vector.",
            head=(
                "texts",
                "size",
                "transport",
                "wall s, ours",
                "SDK",
                "CPU ms, ours",
                "SDK",
                "SDK / ours",
            ),
            rows=rows,
        )
    ]
