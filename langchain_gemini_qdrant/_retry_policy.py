"""When failed requests to Gemini and Qdrant are retried, and how servers' delays are read.

`embeddings/_send.py` and `vectorstores/_retry.py` decide which errors are retried.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

DURATION: Final = r"(?:[0-9.]+\s*(?:ms|h|m|s)(?![a-z])\s*)+"
"""A regular expression for durations such as `1m12.5s`."""

LONGEST_DELAY: Final = 3600.0
"""Seconds; a server that asks for more is not waited for. A quota per minute never does."""

_DURATION_PART = re.compile(r"([0-9.]+)\s*(ms|h|m|s)", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def uncut(seconds: float) -> float:
    """Return a server's delay, plus one second if it may have been truncated to whole seconds.

    Google sends `"48s"` for 48.94 s, and `"0s"` in the last second. The HTTP header Retry-After has
    no fractions either.
    """
    return seconds + 1.0 if float(seconds).is_integer() else seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often and after which delay a failed request is retried; delays are in seconds.

    The default is six delays of at most 63 s in total. After a 429 the limiter also pauses, so a
    quota per minute is available again before the last attempt.

    Attributes:
        floor: The share of each doubling delay that is not random, in [0, 1]: with 0.5, all delays
            together are at least half of their maximum.
    """

    max_retries: int = 6
    initial_delay: float = 1.0
    max_delay: float = 60.0
    floor: float = 0.0

    def delay(self, attempt: int, *, retry_after: float | None, random: Random) -> float:
        """Return the seconds before retry number `attempt` (from 0), random within bounds.

        A delay that the server asked for (see `uncut`) is a minimum: up to 10 % are added to it.
        Otherwise the doubling delay is multiplied by a random factor from `floor` to 1 (full jitter
        if `floor` is 0), so that workers do not wake up together.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        if retry_after is not None:
            return retry_after * random.uniform(1.0, 1.1)
        longest = min(self.max_delay, self.initial_delay * 2.0 ** min(attempt, 63))
        return random.uniform(self.floor * longest, longest)


def read_seconds(value: object) -> float | None:
    """Read a duration: seconds, `"33s"`, `"1m12.5s"`, `"850ms"` or protobuf's JSON object."""
    if isinstance(value, dict):
        seconds, nanos = read_number(value.get("seconds")), read_number(value.get("nanos"))
        if seconds is None and nanos is None:
            return None
        return (seconds or 0.0) + (nanos or 0.0) / 1e9
    if isinstance(value, str) and re.fullmatch(DURATION, value.strip(), re.IGNORECASE):
        parts = [(read_number(n), unit.lower()) for n, unit in _DURATION_PART.findall(value)]
        if any(number is None for number, _ in parts):
            return None
        return sum((number or 0.0) * _SECONDS[unit] for number, unit in parts)
    return read_number(value)


def read_number(value: object) -> float | None:
    """Read a number that is not below 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value.replace(",", "") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < math.inf else None


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the header Retry-After: seconds, or a date, compared with the server's own clock."""
    value = headers.get("retry-after")
    seconds = read_seconds(value)
    if seconds is not None or not isinstance(value, str):
        return seconds
    until, now = _read_date(value), _read_date(headers.get("date"))
    if until is None:
        return None
    return max((until - (now or datetime.now(UTC))).total_seconds(), 0.0)


def _read_date(value: object) -> datetime | None:
    try:
        date = parsedate_to_datetime(str(value))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
