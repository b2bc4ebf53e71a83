"""Embed while requests fail, each repetition with other ones, the same for all clients."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import terminal
from corpus import mark
from processes import Client, Emulator
from tables import Table

from embedding.runs import BATCH, JOBS, PEER, Results, in_turns

if TYPE_CHECKING:
    import argparse

FAULT_RATE = 0.05
FAULT_KINDS = (503, "disconnect", "hang", "short")
FAULT_TIMEOUT = 2.0  # seconds after which a client gives a request up
PATIENCE = 45.0  # seconds after which a client that waits for ever is stopped
QUICK_PATIENCE = 15.0


def measure(options: argparse.Namespace) -> Results:
    """Embed with faults and, for comparison, without."""
    results: Results = []
    patience = QUICK_PATIENCE if options.quick else PATIENCE
    with Emulator(record=False, grpc=True) as emulator:
        for repetition in range(options.repetitions):
            for name in in_turns((*options.backends, PEER), repetition):
                for seed in (None, repetition):
                    terminal.progress(f"faults {repetition + 1} {name} seed {seed}")
                    results.append(
                        _run(emulator, name, max(options.texts), seed, patience)
                        | {"repetition": repetition}
                    )
    return results


def _run(
    emulator: Emulator, name: str, count: int, seed: int | None, patience: float
) -> dict[str, Any]:
    faults = [] if seed is None else _faults(count, seed)
    emulator.reset(latency=0.1, faults=faults)
    limit = {"request_options": {"timeout": 2}} if name == PEER else {"timeout": FAULT_TIMEOUT}
    job = JOBS[name] | {"size": 768, "texts": [count], "digest": True, "options": limit}
    result = Client(emulator, job).result(patience)
    run = result["runs"][0] if result else {"error": "no end", "returned": 0}
    return {
        "name": name,
        "client": JOBS[name]["client"],
        "seed": seed,
        "faults": [kind for kind, _ in faults],
        "sent": emulator.report()["texts"],
        "patience": patience,
        "versions": result["versions"] if result else {},
        **run,
    }


def _faults(count: int, seed: int) -> list[tuple[int | str, str]]:
    """Choose what fails: by a text, so that order and concurrency change nothing."""
    chance = random.Random(seed)  # noqa: S311 - it keeps no secret
    firsts = range(0, count, BATCH)
    failing = chance.choices(firsts, k=max(len(FAULT_KINDS), round(FAULT_RATE * len(firsts))))
    return [
        (FAULT_KINDS[(seed + i) % len(FAULT_KINDS)], mark(first)) for i, first in enumerate(failing)
    ]


def show(results: Results) -> list[Table]:
    """Show what came of the faults."""
    rows = []
    for result in results:
        if result["seed"] is None:
            continue
        (clean,) = (
            other
            for other in results
            if other["seed"] is None
            and (other["name"], other["repetition"]) == (result["name"], result["repetition"])
        )
        kinds = [str(kind) for kind in result["faults"]]
        failed = result["sent"].get("503", 0) + result["sent"].get("None", 0)
        failed += kinds.count("short") * BATCH  # these were answered with 200
        again = sum(result["sent"].values()) - sum(clean["sent"].values())
        is_ours = result["name"] != PEER
        if is_ours:
            equal = "all equal" if result["digest"] == clean["digest"] else "DIFFERENT"
        else:
            equal = "-"
        rows.append(
            (
                f"ours, {result['name']}" if is_ours else PEER,
                ", ".join(f"{kinds.count(kind)} x {kind}" for kind in sorted(set(kinds))),
                _outcome(result),
                equal,
                f"{failed:,}" if is_ours else "-",
                f"{again:,}" if is_ours else "-",
                f"{result['wall_s']:.1f}" if "wall_s" in result else "-",
                f"{clean['wall_s']:.1f}",
            )
        )
    rows.sort(key=lambda row: (row[0] == PEER, row[0]))
    return [
        Table(
            title="With faults",
            note=f"{FAULT_RATE:.0%} of the requests of {BATCH} texts fail, by seeds 0, 1, 2...: "
            "503, a connection closed without an answer, no answer at all (the clients are given a "
            f"timeout of {FAULT_TIMEOUT:g} s), a vector too few. 768 components, latency 100 ms; "
            "wall time in seconds. The vectors are compared with those of a run without faults.",
            head=(
                "client",
                "faults",
                "outcome",
                "vectors",
                "texts in failed requests",
                "sent again",
                "wall s",
                "without faults",
            ),
            rows=rows,
        )
    ]


def _outcome(result: dict[str, Any]) -> str:
    if result["error"] == "no end":
        return f"no end within {result['patience']:g} s"
    if result["error"]:
        reason = result["error"].split("{")[0].split(": ")[-1].strip(" .")
        return f"no vectors, stopped by: {reason}"
    missing = result["texts"] - result["returned"]
    if missing:
        return f"{result['returned']:,} vectors, without an error: {missing} too few"
    return f"{result['returned']:,} vectors"
