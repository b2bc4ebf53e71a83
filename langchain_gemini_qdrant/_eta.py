"""Estimate the remaining time of a run."""

from __future__ import annotations

from collections import deque

_LATE_S = 30.0
_LATE_WITH_WAITS_S = 120.0  # a quota admits texts in bursts, a minute apart


class EtaEstimator:
    """Estimates from a run's recent speed: skipping stored documents is faster than embedding."""

    def __init__(self) -> None:
        self._late_s = _LATE_S
        self._marks: deque[tuple[float, int]] = deque([(0.0, 0)])

    def remaining(
        self, seconds: float, done: int, total: int | None, *, wait: float = 0.0
    ) -> float | None:
        """Return the seconds left, including the wait; None if they are not known.

        Args:
            seconds: Seconds since the run began.
            done: How many of `total` are done by now.
            total: None if it is not known; then the time left is not known either.
            wait: Seconds for which nothing more is sent. They count as time of the texts already
                done, which used up the quota: 300 texts and then a wait of 53 s are 300 a minute.
        """
        if wait:
            self._late_s = _LATE_WITH_WAITS_S
            while len(self._marks) > 1 and self._marks[-1][1] == done:
                self._marks.pop()
        self._marks.append((seconds + wait, done))
        while self._marks[1][0] < seconds - self._late_s:
            self._marks.popleft()
        since, before = self._marks[0]
        if total is None or done == before:
            return None
        pace = (seconds + wait - since) / (done - before)
        return wait + max(total - done, 0) * pace
