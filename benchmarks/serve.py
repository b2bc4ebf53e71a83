"""The emulator in a process of its own: commands in, answers out, a line of JSON each."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from langchain_gemini_qdrant.testing import GeminiEmulator


def main() -> None:
    """Serve until the standard input ends."""
    settings = json.loads(sys.argv[1])
    speed = settings.pop("speed", 1.0)
    # With the quotas' clock accelerated, the delays that the emulator asks for are, too.
    clock = (lambda: time.monotonic() * speed) if speed != 1.0 else time.monotonic
    settings = {"stand_in_vectors": True, "compact": True} | settings
    with GeminiEmulator(clock=clock, **settings) as emulator:
        _say(
            key=emulator.api_key,
            rest=emulator.base_url,
            grpc=emulator.grpc_url if settings.get("grpc") else None,
        )
        for line in sys.stdin:
            _say(**_obey(emulator, json.loads(line)))


def _obey(emulator: GeminiEmulator, command: dict[str, Any]) -> dict[str, Any]:
    if "report" in command:
        return {
            "requests": {str(k): v for k, v in emulator.request_counts.items()},
            "texts": {str(k): v for k, v in emulator.text_counts.items()},
            "cpu_s": time.process_time(),  # since its start
            "log": [
                (request.received_at, len(request.texts), request.status)
                for request in emulator.requests
            ],
        }
    emulator.clear()
    emulator.latency = command.get("latency", 0.0)
    for kind, containing in command.get("faults", ()):
        if isinstance(kind, int):
            emulator.fail_next(status=kind, containing=containing)
        else:
            emulator.answer_next(kind, containing=containing)
    return {}


def _say(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
