"""How fast this package embeds, beside langchain-google-genai and google-generativeai.

Run by `make bench-embeddings`; `--help` lists the options. The emulator and each client have a
process of their own; clients take turns, and a table shows medians over the repetitions.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import terminal
from corpus import TOKENS, mark
from processes import Client, Emulator, install
from tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

REQUESTS_PER_MINUTE = 3000
TOKENS_PER_MINUTE = 200_000
BATCH = 100
FAULT_RATE = 0.05
FAULT_KINDS = (503, "disconnect", "hang", "short")
FAULT_TIMEOUT = 2.0  # seconds after which a client gives a request up
PATIENCE = 45.0  # seconds after which a client that waits for ever is stopped
OK = "200"
REFUSED = "429"
MEGABYTE = 1e6

Results = list[dict[str, Any]]


def main() -> None:
    """Measure what the command line asks for and print it."""
    options = _options()
    measured: dict[str, Results] = {}
    if options.saved:
        for path in options.saved:
            for name, results in json.loads(path.read_text(encoding="utf-8")).items():
                measured.setdefault(name, []).extend(results)
    else:
        if not options.no_install:
            terminal.progress("installing")
            install()
        for name in options.only:
            measured[name] = SECTIONS[name][0](options)
    if options.format == "json":
        terminal.show(json.dumps(measured, indent=1))
        return
    tables = [SECTIONS[name][1](results) for name, results in measured.items()]
    terminal.show(_machine(measured) + "\n")
    for table in tables:
        terminal.show(table.text() if options.format == "text" else table.markdown())


# Speed, beside langchain-google-genai


def measure_speed(options: argparse.Namespace) -> Results:
    """Embed without quota and faults, at several sizes and latencies."""
    results: Results = []
    with Emulator(record=False) as emulator:
        for repetition in range(options.repetitions):
            for size in options.size:
                for latency in options.latency:
                    for client in _turns(("ours", "peer"), repetition):
                        terminal.progress(f"speed {repetition + 1} {size} {latency} ms {client}")
                        emulator.reset(latency=latency / 1000)
                        job = {"client": client, "size": size, "texts": sorted(options.texts)}
                        results += _runs(emulator, job, size=size, latency=latency)
    return results


def show_speed(results: Results) -> Table:
    """Set both clients side by side."""
    rows = []
    for cell in _cells(results, "texts", "size", "latency"):
        ours, peer = _sides(cell, ("ours", "peer"))
        count = ours["texts"]
        rows.append(
            (
                f"{count:,}",
                f"{ours['size']:,}",
                f"{ours['latency']}",
                f"{ours['wall_s']:.2f}",
                f"{peer['wall_s']:.2f}",
                f"{peer['wall_s'] / ours['wall_s']:.1f}",
                f"{ours['cpu_s'] / count * 1000:.3f}",
                f"{peer['cpu_s'] / count * 1000:.3f}",
                f"{ours['cpu_s'] / peer['cpu_s']:.2f}",
                f"{ours['peak_bytes'] / MEGABYTE:,.0f}",
                f"{peer['peak_bytes'] / MEGABYTE:,.0f}",
            )
        )
    return Table(
        title="Beside langchain-google-genai",
        note="`embed_documents` without quota; seconds of wall time and of the client's CPU for "
        "1,000 texts, peak memory of its process in MB, both with the vectors that are returned.",
        head=(
            "texts",
            "size",
            "latency, ms",
            "wall s, ours",
            "theirs",
            "times faster",
            "CPU s, ours",
            "theirs",
            "ours / theirs",
            "MB, ours",
            "theirs",
        ),
        rows=rows,
    )


# google-generativeai


def measure_sdk(options: argparse.Namespace) -> Results:
    """Embed through google-generativeai and with it."""
    results: Results = []
    with Emulator(record=False, grpc=True) as emulator:
        for repetition in range(options.repetitions):
            for size in options.size:
                for transport in ("grpc", "rest"):
                    for client in _turns(("ours", "sdk"), repetition):
                        terminal.progress(f"sdk {repetition + 1} {size} {transport} {client}")
                        emulator.reset()
                        job = {
                            "client": client,
                            "size": size,
                            "transport": transport,
                            "texts": [options.sdk_texts],
                        }
                        results += _runs(emulator, job, size=size, transport=transport)
    return results


def show_sdk(results: Results) -> Table:
    """Set this package's way through the SDK beside the SDK's own."""
    rows = []
    for cell in _cells(results, "size", "transport"):
        ours, theirs = _sides(cell, ("ours", "sdk"))
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
    return Table(
        title="Through google-generativeai",
        note="`embed_documents` with `backend='google-generativeai'` beside the SDK's own "
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


# Quotas


def measure_quota(options: argparse.Namespace) -> Results:
    """Embed for some minutes under a quota: told, found out, and not cared for."""
    speed = 60.0 / options.minute
    quotas = {"requests_per_minute": REQUESTS_PER_MINUTE, "tokens_per_minute": TOKENS_PER_MINUTE}
    cases = {
        "ours, told the quota": {"client": "ours", "options": quotas},
        "ours, finding it out": {"client": "ours", "options": {}},
        "langchain-google-genai": {"client": "peer"},
    }
    results: Results = []
    terminal.progress(f"quota, about {options.quota_texts / 2000 * options.minute:.0f} s")
    # Side by side, each with an emulator of its own: they do little but wait.
    emulators = [Emulator(record=True, speed=speed, **quotas) for _ in cases]
    try:
        clients = []
        for emulator, case in zip(emulators, cases.values(), strict=True):
            emulator.reset(latency=0.1 / speed)
            further = {"speed": speed, "size": 768, "texts": [options.quota_texts]}
            clients.append(Client(emulator, case | further))
        for emulator, name, client in zip(emulators, cases, clients, strict=True):
            result = client.result()
            assert result is not None  # noqa: S101 - it has all the time in the world
            log = sorted(emulator.report()["log"])[1:]  # without the text that opened it
            results.append(
                {
                    "case": name,
                    "client": cases[name]["client"],
                    "minute_s": options.minute,
                    "log": log,
                    "versions": result["versions"],
                    **result["runs"][0],
                }
            )
    finally:
        for emulator in emulators:
            emulator.__exit__()
    return results


def show_quota(results: Results) -> Table:
    """Show what came of the quota."""
    rows = []
    for result in results:
        answers = [status for _, _, status in result["log"]]
        refused = answers.count(int(REFUSED))
        stopped = f"stopped by 429 after {result['wall_s']:.1f} s"
        rows.append(
            (
                result["case"],
                f"{result['returned']:,}",
                f"{result['texts'] - result['returned']:,}",
                stopped
                if result["error"]
                else f"{result['wall_s'] / result['minute_s']:.2f} minutes",
                _share(_steady_share(result)),
                f"{refused} of {len(answers)} ({refused / len(answers):.1%})",
            )
        )
    minute = results[0]["minute_s"]
    shortened = "" if minute == 60 else f" A minute was shortened to {minute:g} s on both sides."  # noqa: PLR2004
    return Table(
        title="Under a quota",
        note=f"{results[0]['texts']:,} texts, {REQUESTS_PER_MINUTE:,} texts and "
        f"{TOKENS_PER_MINUTE:,} tokens a minute, of which the tokens are the narrower: "
        f"{TOKENS_PER_MINUTE // TOKENS:,} texts. The quota used is that after the first "
        f"minute, measured from request to request; latency 100 ms.{shortened}",
        head=("client", "texts embedded", "not", "time", "quota used", "requests refused"),
        rows=rows,
    )


def _steady_share(result: dict[str, Any]) -> float | None:
    """Return the share of the quota that was used from the second minute to the end."""
    accepted = [(at, texts) for at, texts, status in result["log"] if status == int(OK)]
    if not accepted:
        return None
    first = result["log"][0][0]
    steady = [(at, texts) for at, texts in accepted if at >= first + 60]
    if len(steady) < 2:  # noqa: PLR2004 - there was no steady state
        return None
    began, ended = steady[0][0], steady[-1][0]
    per_second = min(REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE / TOKENS) / 60
    return sum(texts for _, texts in steady[1:]) / (per_second * (ended - began))


# Faults


def measure_faults(options: argparse.Namespace) -> Results:
    """Embed while requests fail, each repetition with other ones, the same for both clients."""
    count = max(options.texts)
    results: Results = []
    limits = {"ours": {"timeout": FAULT_TIMEOUT}, "peer": {"request_options": {"timeout": 2}}}
    with Emulator(record=False) as emulator:
        for repetition in range(options.repetitions):
            for client in _turns(("ours", "peer"), repetition):
                for seed in (None, repetition):
                    terminal.progress(f"faults {repetition + 1} {client} seed {seed}")
                    faults = [] if seed is None else _faults(count, seed)
                    emulator.reset(latency=0.1, faults=faults)
                    job = {
                        "client": client,
                        "size": 768,
                        "texts": [count],
                        "digest": True,
                        "options": limits[client],
                    }
                    result = Client(emulator, job).result(PATIENCE)
                    run = result["runs"][0] if result else {"error": "no end", "returned": 0}
                    results.append(
                        {
                            "client": client,
                            "seed": seed,
                            "repetition": repetition,
                            "faults": [kind for kind, _ in faults],
                            "sent": emulator.report()["texts"],
                            "versions": result["versions"] if result else {},
                            **run,
                        }
                    )
    return results


def _faults(count: int, seed: int) -> list[tuple[int | str, str]]:
    """Choose what fails: by a text, so that order and concurrency change nothing."""
    chance = random.Random(seed)  # noqa: S311 - it keeps no secret
    firsts = range(0, count, BATCH)
    failing = chance.choices(firsts, k=max(len(FAULT_KINDS), round(FAULT_RATE * len(firsts))))
    return [
        (FAULT_KINDS[(seed + i) % len(FAULT_KINDS)], mark(first)) for i, first in enumerate(failing)
    ]


def show_faults(results: Results) -> Table:
    """Show what came of the faults."""
    rows = []
    for result in results:
        if result["seed"] is None:
            continue
        (clean,) = (
            other
            for other in results
            if other["seed"] is None
            and (other["client"], other["repetition"]) == (result["client"], result["repetition"])
        )
        kinds = [str(kind) for kind in result["faults"]]
        failed = result["sent"].get("503", 0) + result["sent"].get("None", 0)
        failed += kinds.count("short") * BATCH  # these were answered with 200
        again = sum(result["sent"].values()) - sum(clean["sent"].values())
        is_ours = result["client"] == "ours"
        if is_ours:
            equal = "all equal" if result["digest"] == clean["digest"] else "DIFFERENT"
        else:
            equal = "-"
        rows.append(
            (
                "ours" if is_ours else "langchain-google-genai",
                ", ".join(f"{kinds.count(kind)} x {kind}" for kind in sorted(set(kinds))),
                _outcome(result),
                equal,
                f"{failed:,}" if is_ours else "-",
                f"{again:,}" if is_ours else "-",
                f"{result['wall_s']:.1f}" if "wall_s" in result else "-",
                f"{clean['wall_s']:.1f}",
            )
        )
    rows.sort(key=lambda row: row[0] != "ours")
    return Table(
        title="With faults",
        note=f"{FAULT_RATE:.0%} of the requests of {BATCH} texts fail, by seeds 0, 1, 2...: 503, "
        "a connection closed without an answer, no answer at all (both clients are given a "
        f"timeout of {FAULT_TIMEOUT:g} s), a vector too few. 768 components, latency 100 ms; wall "
        "time in seconds. The vectors are compared with those of a run without faults.",
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


def _outcome(result: dict[str, Any]) -> str:
    if result["error"] == "no end":
        return f"no end within {PATIENCE:g} s"
    if result["error"]:
        reason = result["error"].split("{")[0].split(": ")[-1].strip(" .")
        return f"no vectors, stopped by: {reason}"
    missing = result["texts"] - result["returned"]
    if missing:
        return f"{result['returned']:,} vectors, without an error: {missing} too few"
    return f"{result['returned']:,} vectors"


# What they share


def _runs(emulator: Emulator, job: dict[str, Any], **cell: object) -> Results:
    result = Client(emulator, job).result()
    assert result is not None  # noqa: S101 - it has all the time in the world
    for run in result["runs"]:
        if run["error"] or run["returned"] != run["texts"]:
            message = f"{job['client']} failed without a fault: {run['error']}"
            raise RuntimeError(message)
    return [
        {"client": job["client"], "versions": result["versions"], **cell, **run}
        for run in result["runs"]
    ]


def _turns(clients: Sequence[str], repetition: int) -> Iterable[str]:
    """Let the other one begin in every other repetition."""
    return clients if repetition % 2 == 0 else reversed(clients)


def _cells(results: Results, *keys: str) -> list[Results]:
    cells: dict[tuple[Any, ...], Results] = {}
    for result in results:
        cells.setdefault(tuple(result[key] for key in keys), []).append(result)
    return [cells[key] for key in sorted(cells)]


def _sides(cell: Results, clients: Iterable[str]) -> list[dict[str, Any]]:
    """Return the medians of each client."""
    sides = []
    for client in clients:
        runs = [run for run in cell if run["client"] == client]
        medians = {
            key: statistics.median(run[key] for run in runs)
            for key in ("wall_s", "cpu_s", "peak_bytes")
        }
        sides.append(runs[0] | medians)
    return sides


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _machine(measured: dict[str, Results]) -> str:
    versions: dict[str, set[str]] = {}
    for results in measured.values():
        for result in results:
            side = "beside it " if result.get("client") == "peer" else ""
            for name, version in result["versions"].items():
                versions.setdefault(f"{side}{name}", set()).add(version)
    return machine.describe(
        machine.listed({name: "/".join(sorted(found)) for name, found in versions.items()})
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="parts to run")
    add("--texts", nargs="+", type=int, help="texts of a call (2000 10000)")
    add("--size", nargs="+", type=int, default=[768, 3072], help="components of a vector")
    add("--latency", nargs="+", type=int, help="milliseconds of each answer (0 100 300)")
    add("--sdk-texts", type=int, help="texts for google-generativeai (1000)")
    add("--quota-texts", type=int, default=8000, help="texts under the quota (8000)")
    add("--minute", type=float, help="seconds that a minute of the quota takes (60)")
    add("--repetitions", type=int, help="runs of each cell (3)")
    add("--quick", action="store_true", help="one repetition, fewer cells, a minute of 10 s")
    add("--format", choices=("text", "markdown", "json"), default="text")
    add("--saved", nargs="+", type=Path, help="measure nothing: print what json has kept")
    add("--no-install", action="store_true", help="take the environments as they are")
    options = parser.parse_args()
    quick = options.quick
    options.texts = options.texts or ([2000] if quick else [2000, 10_000])
    if options.latency is None:
        options.latency = [0, 300] if quick else [0, 100, 300]
    options.sdk_texts = options.sdk_texts or (200 if quick else 1000)
    options.minute = options.minute or (10.0 if quick else 60.0)
    options.repetitions = options.repetitions or (1 if quick else 3)
    return options


SECTIONS: dict[str, tuple[Callable[[argparse.Namespace], Results], Callable[[Results], Table]]] = {
    "speed": (measure_speed, show_speed),
    "sdk": (measure_sdk, show_sdk),
    "quota": (measure_quota, show_quota),
    "faults": (measure_faults, show_faults),
}

if __name__ == "__main__":
    main()
