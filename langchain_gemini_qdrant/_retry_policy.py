"""How often and when a failed request is sent again, to Gemini and to Qdrant.

`embeddings/_send.py` and `vectorstores/_retry.py` decide which errors are retried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How often and when a request that failed goes out again; delays are in seconds.

    By default six delays of at most 63 s in all; after a 429 the limiter's own pause counts too,
    so a minute's quota is free again before the last attempt.
    """

    max_retries: int = 6
    initial_delay: float = 1.0
    max_delay: float = 60.0

    def delay(self, attempt: int, *, retry_after: float | None, random: Random) -> float:
        """Return the seconds before retry number `attempt`, from 0, at random within bounds.

        What the server asked for is a promise, so up to 10 % come on top of it. Without it, the
        whole of a doubling delay is random (full jitter), so workers do not wake up together.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        if retry_after is not None:
            return retry_after * random.uniform(1.0, 1.1)
        return random.uniform(
            0.0, min(self.max_delay, self.initial_delay * 2.0 ** min(attempt, 63))
        )
