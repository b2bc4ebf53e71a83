"""Bytes on the wire, counted by a relay between a client and the emulator."""

from __future__ import annotations

import json
import urllib.request
import zlib
from typing import TYPE_CHECKING, Any

import terminal
from corpus import make_texts
from processes import Emulator
from relay import Relay
from tables import Table

from embedding.runs import BACKENDS, BATCH, JOBS, PEER, Results, present, runs

if TYPE_CHECKING:
    import argparse

_TEXTS = 1000
_PLAIN = "the JSON, not compressed"
_GZIP = "the JSON, gzip level 6"
_MODEL = "models/gemini-embedding-001"


def measure(options: argparse.Namespace) -> Results:
    """Let each client embed through a relay; beside it, read the emulator's JSON by hand."""
    results: Results = []
    # Vectors and layout as Google has them: placeholders repeat, which gzip would find.
    settings = {"stand_in_vectors": False, "compact": False, "record": False, "grpc": True}
    with Emulator(**settings) as emulator:
        for size in options.size:
            for name in (*options.backends, PEER):
                terminal.progress(f"bytes {size} {name}")
                side = "grpc" if name == "grpc" else "rest"
                with Relay(emulator.addresses[side]) as relay:
                    job = {"size": size, "texts": [_TEXTS], "from_the_first_byte": True}
                    job |= JOBS[name] | {side: relay.address}
                    [run] = runs(emulator, name, job, size=size)
                results.append(run | {"sent": relay.sent, "received": relay.received})
            results += [
                {"name": name, "client": "", "size": size, "versions": {}, "texts": BATCH}
                | {"sent": None, "received": received}
                for name, received in _answer_bytes(emulator, size).items()
            ]
    return results


def _answer_bytes(emulator: Emulator, size: int) -> dict[str, int]:
    """Return the bytes of an answer to a full request over REST, and of it compressed."""
    requests = [
        {
            "model": _MODEL,
            "content": {"parts": [{"text": text}]},
            "taskType": "RETRIEVAL_DOCUMENT",
            "outputDimensionality": size,
        }
        for text in make_texts(BATCH)
    ]
    request = urllib.request.Request(  # noqa: S310 - the emulator's address
        f"{emulator.addresses['rest']}/v1beta/{_MODEL}:batchEmbedContents",
        json.dumps({"requests": requests}).encode(),
        {"x-goog-api-key": emulator.addresses["key"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        body = response.read()
    return {_PLAIN: len(body), _GZIP: len(zlib.compress(body, 6))}


def show(results: Results) -> list[Table]:
    """Set all clients side by side."""
    rows = []
    for size in sorted({result["size"] for result in results}):
        same = {result["name"]: result for result in results if result["size"] == size}
        rows += [_row(same[name]) for name in (*present(results, BACKENDS), PEER, _PLAIN, _GZIP)]
    return [
        Table(
            title="Bytes on the wire",
            note=f"Bytes for a text, of {_TEXTS:,} texts: everything on the connections, without "
            "TLS and below it. Clients of REST ask for gzip, and the emulator then compresses as "
            "quickly as it can; the last two rows are an answer's body alone.",
            head=("client", "size", "sent", "received"),
            rows=rows,
        )
    ]


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    counts = (result["sent"], result["received"])
    name = f"ours, {result['name']}" if result["name"] in BACKENDS else result["name"]
    per_text = ("-" if count is None else f"{count / result['texts']:,.0f}" for count in counts)
    return (name, f"{result['size']:,}", *per_text)
