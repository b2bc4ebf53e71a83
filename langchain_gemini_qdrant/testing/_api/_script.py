"""Script of faults and wrong answers for the next requests."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from langchain_gemini_qdrant.testing._api._errors import ApiError, error_info, retry_info
from langchain_gemini_qdrant.testing._api._named_errors import NamedError, named_error
from langchain_gemini_qdrant.testing._api._quota_errors import Quotas, quota_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_gemini_qdrant.testing._api._calls import Call
    from langchain_gemini_qdrant.testing._api._errors import Detail
    from langchain_gemini_qdrant.testing._api._records import RecordedText

WrongAnswer = Literal[
    "short",
    "long",
    "empty",
    "no-values",
    "nan",
    "infinite",
    "size",
    "unusual",
    "not-json",
    "cut",
    "reset",
    "disconnect",
    "lost",
    "failed-file",
    "slow",
    "hang",
]
Kind: TypeAlias = int | NamedError | WrongAnswer
ERROR_STATUSES = range(400, 600)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An error to answer with: a named one, or a status with the API's default message.

    Attributes:
        quotas: The used-up quotas and their limits, for status 429.
    """

    name: NamedError | None = None
    status: int = 0
    message: str | None = None
    retry_after: float | None = None
    quotas: Quotas | None = None
    reason: str | None = None
    headers: Mapping[str, str | bytes] | None = None
    body: bytes | None = None

    def error(self, call: Call, model: str) -> ApiError:
        """Return the answer to a call of a model that has this name in quota errors."""
        if self.name is not None:
            error = named_error(self.name, call)
        elif self.quotas:
            error = quota_error(self.quotas, model, retry_after=self.retry_after)
        else:
            details: list[Detail] = []
            if self.reason is not None:
                details.append(error_info(self.reason))
            if self.retry_after is not None:
                details.append(retry_info(self.retry_after))
            error = ApiError(self.status, details=details)
        if self.message is not None:
            error.message = self.message
        error.headers.update(self.headers or {})
        if self.body is not None:
            error.send(self.body)
        return error


@dataclass(frozen=True, slots=True)
class Act:
    """Action for a request: an error, or a wrong answer, which may be the bytes of its body.

    Attributes:
        delay: Seconds to wait, in addition to the latency.
    """

    what: Fault | WrongAnswer | bytes
    delay: float = 0.0


def _act(kind: Kind, delay: float) -> Act:
    if isinstance(kind, int):
        return Act(Fault(status=kind))
    if kind in get_args(NamedError):
        return Act(Fault(name=cast("NamedError", kind)))
    return Act(cast("WrongAnswer", kind), delay if kind == "slow" else 0.0)


@dataclass(kw_only=True, slots=True)
class _Step:
    act: Act
    times: int | None
    containing: str | None
    method: str | None

    def concerns(self, texts: Sequence[RecordedText], method: str | None) -> bool:
        if self.method not in {None, method}:
            return False
        containing = self.containing
        return containing is None or any(
            containing in text.text or any(containing in medium.text for medium in text.media)
            for text in texts
        )


class _Chance:
    """Random actions; each request consumes two random numbers, whatever its outcome."""

    def __init__(self, rate: float, seed: int, kinds: Sequence[Kind], delay: float) -> None:
        if not 0 <= rate <= 1:
            message = f"rate must be in 0..1, got {rate!r}"
            raise ValueError(message)
        if isinstance(kinds, str) or not kinds:
            message = f"kinds must be a non-empty sequence, such as [503, 'short'], got {kinds!r}"
            raise ValueError(message)
        names = (*get_args(NamedError), *get_args(WrongAnswer))
        for kind in kinds:
            if kind not in (*ERROR_STATUSES, *names):
                message = (
                    f"kinds must be statuses in 400..599, or words among {', '.join(names)}; "
                    f"got {kind!r}"
                )
                raise ValueError(message)
        self._rate = rate
        self._acts = [_act(kind, delay) for kind in kinds]
        self._random = random.Random(seed)  # noqa: S311  it keeps no secret

    def draw(self) -> Act | None:
        hit, which = self._random.random(), self._random.random()
        return self._acts[int(which * len(self._acts))] if hit < self._rate else None


class Script:
    """Steps for requests, used up oldest first, then random ones; safe for several threads."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._chance: _Chance | None = None
        self._lock = threading.Lock()

    def add(
        self, act: Act, *, times: int | None, containing: str | None, method: str | None = None
    ) -> None:
        if times is not None and times < 1:
            message = f"times must be at least 1, or None for every request, got {times}"
            raise ValueError(message)
        with self._lock:
            self._steps.append(_Step(act=act, times=times, containing=containing, method=method))

    def misbehave(
        self, rate: float, *, seed: int, kinds: Sequence[Kind], delay: float = 0.0
    ) -> None:
        with self._lock:
            self._chance = _Chance(rate, seed, kinds, delay)

    def take(self, texts: Sequence[RecordedText], method: str | None = None) -> Act | None:
        """Use up one step for a request of this method with these texts."""
        with self._lock:
            for step in self._steps:
                if not step.concerns(texts, method):
                    continue
                if step.times is not None:
                    step.times -= 1
                    if step.times == 0:
                        self._steps.remove(step)
                return step.act
            by_chance = texts or (method or "").startswith("files.")
            return self._chance.draw() if by_chance and self._chance else None

    def clear(self) -> None:
        with self._lock:
            self._steps.clear()
            self._chance = None
