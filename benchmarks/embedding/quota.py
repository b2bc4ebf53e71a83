"""Embed for some minutes under a quota: told, found out, and not cared for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import terminal
from corpus import TOKENS
from processes import Client, Emulator
from tables import Table

from embedding.runs import PEER, Results

if TYPE_CHECKING:
    import argparse

REQUESTS_PER_MINUTE = 3000
TOKENS_PER_MINUTE = 200_000
OK = 200
REFUSED = 429


def measure(options: argparse.Namespace) -> Results:
    """Embed in three processes, each with a quota of its own."""
    speed = 60.0 / options.minute
    quotas = {"requests_per_minute": REQUESTS_PER_MINUTE, "tokens_per_minute": TOKENS_PER_MINUTE}
    cases = {
        "ours, told the quota": {"client": "ours", "options": quotas},
        "ours, finding it out": {"client": "ours", "options": {}},
        PEER: {"client": "peer"},
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


def show(results: Results) -> list[Table]:
    """Show what came of the quota."""
    rows = []
    for result in results:
        answers = [status for _, _, status in result["log"]]
        refused = answers.count(REFUSED)
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
    return [
        Table(
            title="Under a quota",
            note=f"{results[0]['texts']:,} texts, {REQUESTS_PER_MINUTE:,} texts and "
            f"{TOKENS_PER_MINUTE:,} tokens a minute, of which the tokens are the narrower: "
            f"{TOKENS_PER_MINUTE // TOKENS:,} texts. The quota used is that after the first "
            f"minute, measured from request to request; latency 100 ms.{shortened}",
            head=("client", "texts embedded", "not", "time", "quota used", "requests refused"),
            rows=rows,
        )
    ]


def _steady_share(result: dict[str, Any]) -> float | None:
    """Return the share of the quota that was used from the second minute to the end."""
    accepted = [(at, texts) for at, texts, status in result["log"] if status == OK]
    if not accepted:
        return None
    first = result["log"][0][0]
    steady = [(at, texts) for at, texts in accepted if at >= first + 60]
    if len(steady) < 2:  # noqa: PLR2004 - there was no steady state
        return None
    began, ended = steady[0][0], steady[-1][0]
    per_second = min(REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE / TOKENS) / 60
    return sum(texts for _, texts in steady[1:]) / (per_second * (ended - began))


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
