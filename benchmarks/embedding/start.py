"""What it takes to have the first vector, in fresh processes, and what has to be installed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import terminal
from processes import HERE, OURS, Client, Emulator, environment, python
from processes import PEER as THEIRS
from tables import Table

from embedding.runs import BACKENDS, JOBS, MEGABYTE, PEER, Results, cells, in_turns, present

if TYPE_CHECKING:
    import argparse

_STARTS = 5
_THIS = "langchain-gemini-qdrant"
_INSTALLED = {
    "google-genai": (OURS, (_THIS,), ("google-genai",)),
    "grpc": (
        OURS,
        (_THIS, "google-ai-generativelanguage"),
        ("google-ai-generativelanguage",),
    ),
    PEER: (THEIRS, (PEER,), ("google-genai",)),
}


def measure(options: argparse.Namespace) -> Results:
    """Start each client some times; the first start compiles bytecode and does not count."""
    results: Results = []
    names = (*options.backends, PEER)
    installed = {name: _installed(name) for name in names}
    with Emulator(record=False, grpc=True) as emulator:
        for repetition in range(1 + (1 if options.quick else _STARTS)):
            for name in in_turns(names, repetition):
                terminal.progress(f"start {repetition} {name}")
                result = Client(emulator, JOBS[name] | {"size": 768}, "first_call.py").result()
                assert result is not None  # noqa: S101 - it has all the time in the world
                if repetition:
                    client = {"name": name, "client": JOBS[name]["client"]}
                    results.append(client | installed[name] | result)
    return results


def _installed(name: str) -> dict[str, int]:
    """Return bytes of everything that an installation has, and of Google's client in it."""
    folder, *needed = _INSTALLED[name]
    command = [python(folder), str(HERE / "installed.py"), json.dumps(needed)]
    out = subprocess.check_output(command, env=environment(), text=True)  # noqa: S603 - our own script
    whole, client = json.loads(out)
    return {"installed_bytes": whole, "client_bytes": client}


def show(results: Results) -> list[Table]:
    """Set all clients side by side."""
    [cell] = cells([result | {"table": 0} for result in results], "table")
    rows = [_row(name, cell[name]) for name in present(results, (*BACKENDS, PEER))]
    return [
        Table(
            title="Start-up",
            note=f"Fresh processes, medians of {_starts(results)}: milliseconds to import the "
            "class of the embeddings, then to construct it and embed a query, then for one more; "
            "the CPU and the peak memory of all that with Python itself. Bytecode is compiled, the "
            "emulator is warm and has no latency. Installed are MB of the packages that "
            "pip installs, and of Google's client with what it needs.",
            head=(
                "client",
                "import, ms",
                "first call, ms",
                "together, ms",
                "CPU ms",
                "next call, ms",
                "memory, MB",
                "installed, MB",
                "Google's client, MB",
            ),
            rows=rows,
        )
    ]


def _starts(results: Results) -> int:
    return sum(result["name"] == results[0]["name"] for result in results)


def _row(name: str, start: dict[str, Any]) -> tuple[str, ...]:
    milliseconds = ("import_s", "first_s", "together_s", "cpu_s", "next_s")
    megabytes = ("peak_bytes", "installed_bytes", "client_bytes")
    return (
        name if name == PEER else f"ours, {name}",
        *(
            f"{start[key] * 1000:,.1f}" if key == "next_s" else f"{start[key] * 1000:,.0f}"
            for key in milliseconds
        ),
        *(f"{start[key] / MEGABYTE:,.0f}" for key in megabytes),
    )
