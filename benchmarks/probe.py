"""Probes of one side, in its environment.

The job comes as JSON in the argument: `{"side": "ours", "ids": ["E1"], "url": ..., "key": ...,
"google_genai": [...]}`, and a line of JSON goes out for each id. Without `ids` it is one line,
which says what there is to be run.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import versions
from promises import PROMISES, Seen
from promises.promise import told
from promises.side import Emulator

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from promises.side import Side

TIME_LIMIT = 60.0  # seconds for a probe, of which the slowest takes a third
_FORK = multiprocessing.get_context("fork")
_PACKAGES = (
    "langchain-gemini-qdrant",
    "langchain-google-genai",
    "langchain-qdrant",
    "langchain-core",
    "google-genai",
    "qdrant-client",
    "qdrant-edge-py",
)


def side_class(job: dict[str, Any]) -> type[Side]:
    """Import one side; the other one is in another environment."""
    if job["side"] == "ours":
        from promises.ours import Ours  # noqa: PLC0415

        return Ours
    from promises.theirs import Theirs  # noqa: PLC0415

    return Theirs


def run(name: str, job: dict[str, Any]) -> dict[str, object]:
    """Try one promise in a process that starts with everything imported and nothing open."""
    reader, writer = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_try, args=(name, job, writer))
    child.start()
    writer.close()
    seen = Seen(passed=False, evidence=f"no end within {TIME_LIMIT:.0f} s")
    try:
        if reader.poll(TIME_LIMIT):
            seen = reader.recv()
    except EOFError:
        child.join()
        seen = Seen(passed=False, evidence=f"the process ended with {child.exitcode}")
    child.kill()
    child.join()
    return {"id": name, "passed": seen.passed, "evidence": seen.evidence}


def _try(name: str, job: dict[str, Any], out: Connection) -> None:
    """Send what the probe finds; what it raises where it should not is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(job["url"], job["key"])
        side = side_class(job)(emulator, Path(folder), job["google_genai"])
        side.emulator.clear()
        try:
            seen = PROMISES[name].try_on(side)
        except Exception as error:  # noqa: BLE001 - the outcome of a promise that is not kept
            seen = Seen(passed=False, evidence=told(error))
    out.send(seen)


def about() -> dict[str, object]:
    """Return what this environment holds, and all promises in order."""
    ordered = sorted(PROMISES.values(), key=lambda each: (each.id[0], int(each.id[1:])))
    return {
        "versions": versions(*_PACKAGES),
        "promises": [
            {
                "id": each.id,
                "sentence": each.sentence,
                "reason": each.reason,
                "mended": each.mended,
            }
            for each in ordered
        ],
    }


def main() -> None:
    """Do the job in the argument."""
    job = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    logging.disable()
    if "ids" not in job:
        _say(about())
    else:
        side_class(job)  # imported once, for all
        for name in job["ids"]:
            _say(run(name, job))


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
