"""The controls of a running emulator over HTTP, for tests in other processes and languages."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing._transport._controls import Controls

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant.testing._transport._exchange import Exchange

PREFIX = "/emulator/"
_CALLS = ("fail_next", "answer_next", "misbehave", "clear")
_QUOTAS = ("requests_per_minute", "tokens_per_minute", "requests_per_day")  # or null: no limit
_MEDIA = ("file_seconds", "file_polls", "max_request_bytes", "max_request_images")
_SETTINGS = (
    "latency",
    *_QUOTAS,
    "quota_window",
    "batch_seconds",
    *_MEDIA,
    "refuse_wrong_media",
)
_NULLABLE = (*_QUOTAS, "max_request_images")
KNOWN_PATHS = [
    "  GET /emulator/requests",
    *(f"  POST /emulator/{name}" for name in (*_CALLS, "settings")),
]


class Remote:
    """Answers the paths under `/emulator/`, which are not part of the API and not recorded."""

    def __init__(self, exchange: Exchange) -> None:
        self._controls = Controls(exchange)

    def answer(self, verb: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Carry out a request; return an HTTP status and a JSON body."""
        name = path.removeprefix(PREFIX)
        try:
            if (verb, name) == ("GET", "requests"):
                requests = [dataclasses.asdict(each) for each in self._controls.requests]
                return 200, json.dumps({"requests": requests}).encode()
            if verb != "POST" or name not in (*_CALLS, "settings"):
                known = "\n".join(KNOWN_PATHS)
                return _refuse(404, f"The emulator does not know {verb} {path}. It knows:\n{known}")
            options = json.loads(body or b"{}")
            if not isinstance(options, dict):
                return _refuse(400, f"expected a JSON object, got {options!r}")
            self._call(name)(**options)
        except (TypeError, ValueError) as error:
            return _refuse(400, str(error))
        return 200, b"{}"

    def _call(self, name: str) -> Callable[..., None]:
        calls: dict[str, Callable[..., None]] = {
            "fail_next": self._controls.fail_next,
            "answer_next": self._controls.answer_next,
            "misbehave": self._controls.misbehave,
            "clear": self._controls.clear,
            "settings": self._set,
        }
        return calls[name]

    def _set(self, **settings: object) -> None:
        for name, value in settings.items():
            if name not in _SETTINGS:
                message = f"settings are {', '.join(_SETTINGS)}, got {name!r}"
                raise ValueError(message)
            if name == "refuse_wrong_media":
                kind, fits = "true or false", isinstance(value, bool)
            else:
                kind = "a number"
                fits = isinstance(value, int | float) and not isinstance(value, bool)
            if not fits and not (value is None and name in _NULLABLE):
                message = f"{name} must be {kind}, got {value!r}"
                raise ValueError(message)
        for name, value in settings.items():
            setattr(self._controls, name, value)


def _refuse(status: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error": message}).encode()
