"""What spans cost: cached queries and searches without OpenTelemetry, and with an application's.

Neither sends anything over a network, so that a span is a good part of the time. Each case is a
process of its own, and its figure is the best of its rounds. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import machine

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = {
    "none": "not installed",
    "api": "installed, records nothing",
    "sdk": "records spans, exported in batches to memory",
}


def main() -> None:
    """Measure each case in its process, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each case")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        sys.stdout.write(json.dumps(_measured(options.case, options.rounds)))
        return
    rows = [
        "| OpenTelemetry | one check, ns | cached query, µs | search, µs |",
        "|---|---|---|---|",
    ]
    for case, meaning in CASES.items():
        command = [sys.executable, __file__, "--case", case, "--rounds", str(options.rounds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        check, query, search = json.loads(done.stdout)
        rows.append(f"| {meaning} | {check * 1e9:.0f} | {query * 1e6:.0f} | {search * 1e6:.0f} |")
    versions = machine.here("langchain-gemini-qdrant", "opentelemetry-sdk")
    sys.stdout.write("\n".join([versions, "", *rows, ""]))


def _measured(case: str, rounds: int) -> list[float]:
    """Return the seconds of a check for spans, of a cached query and of a search by vector."""
    if case == "none":
        sys.modules["opentelemetry"] = None  # type: ignore[assignment] # LangSmith imports it, too
    else:
        _import_opentelemetry(recording=case == "sdk")
    from langchain_core.stores import InMemoryByteStore  # noqa: PLC0415

    from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store  # noqa: PLC0415
    from langchain_gemini_qdrant._telemetry import start_span  # noqa: PLC0415
    from langchain_gemini_qdrant.testing import GeminiEmulator  # noqa: PLC0415

    with GeminiEmulator() as emulator, tempfile.TemporaryDirectory() as folder:
        embeddings = GeminiEmbeddings(
            api_key=emulator.api_key,
            base_url=emulator.base_url,
            output_dimensionality=768,
            cache=InMemoryByteStore(),
        )
        with create_vector_store(embeddings, "c", path=Path(folder) / "index") as store:
            store.add_texts([f"passage {i}" for i in range(100)])
            vector = embeddings.embed_query("a question")
            check = lambda: start_span(lambda: ("benchmark", {}))  # noqa: E731
            return [
                _best(check, rounds, 1_000),
                _best(lambda: embeddings.embed_query("a question"), rounds, 200),
                _best(lambda: store.similarity_search_by_vector(vector), rounds, 100),
            ]


def _import_opentelemetry(*, recording: bool) -> None:
    from opentelemetry import trace  # noqa: PLC0415

    if recording:
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415
            InMemorySpanExporter,
        )

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        trace.set_tracer_provider(provider)


def _best(call: Callable[[], object], rounds: int, calls: int) -> float:
    """Return the seconds of one call, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - began) / calls)
    return best


if __name__ == "__main__":
    main()
