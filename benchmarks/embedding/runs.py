"""What the sections share: clients by name, runs in turns, medians."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from processes import Client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processes import Emulator

Results = list[dict[str, Any]]
Job = dict[str, Any]

BACKENDS = ("google-genai", "grpc")
PEER = "langchain-google-genai"
LISTS = "bare gRPC, lists"
PARSED = "bare gRPC, parsed"
JOBS: dict[str, Job] = {
    **{backend: {"client": "ours", "backend": backend} for backend in BACKENDS},
    LISTS: {"client": "bare", "lists": True},
    PARSED: {"client": "bare", "lists": False},
    PEER: {"client": "peer"},
}
BATCH = 100  # texts that this package sends at a time
SIDE_BY_SIDE = 8  # requests
ENOUGH_S = 20.0  # a run that took this long is not repeated
MEGABYTE = 1e6


def runs(emulator: Emulator, name: str, job: Job, **cell: object) -> Results:
    """Run a client and return what each of its runs took, with the cell of the table.

    Raises:
        RuntimeError: A vector is missing, so the time says nothing.
    """
    before = emulator.report()["cpu_s"]
    result = Client(emulator, job).result()
    assert result is not None  # noqa: S101 - it has all the time in the world
    for run in result["runs"]:
        if run["error"] or run["returned"] != run["texts"]:
            message = f"{name} failed without a fault: {run['error']}"
            raise RuntimeError(message)
    answering = emulator.report()["cpu_s"] - before
    shared = {
        "name": name,
        "client": job["client"],
        "versions": result["versions"],
        "emulator_cpu_s": answering / sum(run["texts"] for run in result["runs"]),  # for a text
    }
    return [shared | cell | run for run in result["runs"]]


def in_turns(names: Sequence[str], repetition: int) -> Iterator[str]:
    """Let the last one begin in every other repetition."""
    return iter(names) if repetition % 2 == 0 else reversed(names)


def cells(results: Results, *keys: str) -> list[dict[str, dict[str, Any]]]:
    """Return, for each cell of a table, the medians of each client by its name."""
    found: dict[tuple[Any, ...], dict[str, Results]] = {}
    for result in results:
        cell = found.setdefault(tuple(result[key] for key in keys), {})
        cell.setdefault(result["name"], []).append(result)
    return [
        {name: _medians(same, keys) for name, same in cell.items()}
        for _, cell in sorted(found.items())
    ]


def _medians(same: Results, shared: Iterable[str]) -> dict[str, Any]:
    """Return what all have in common, and the medians of their other numbers."""
    return same[0] | {
        key: statistics.median(run[key] for run in same)
        for key, value in same[0].items()
        if isinstance(value, (int, float)) and key not in shared
    }


def present(results: Results, names: Iterable[str]) -> list[str]:
    """Return which of the clients have run."""
    found = {result["name"] for result in results}
    return [name for name in names if name in found]
