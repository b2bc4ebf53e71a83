"""The list of promises, which the modules with their probes fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from promises.side import Side

    Probe = Callable[[Side], "Seen"]

_LONGEST = 110  # characters of an error's message that are told


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a probe found.

    Attributes:
        passed: Whether the promise was kept.
        evidence: What was seen, in one line.
    """

    passed: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Promise:
    """One row of the comparison.

    Attributes:
        id: `E` and a number for embeddings, `S` and a number for the store.
        sentence: What is promised.
        probe: Runs it against a side; None where nothing is run.
        reason: Why nothing is run.
        mended: The first release of a peer that was seen to keep it, if an earlier one did not.
    """

    id: str
    sentence: str
    probe: Probe | None = None
    reason: str = ""
    mended: str = ""

    def try_on(self, side: Side) -> Seen:
        """Run the probe."""
        if self.probe is None:
            message = f"{self.id} is not run: {self.reason}"
            raise ValueError(message)
        return self.probe(side)


PROMISES: dict[str, Promise] = {}


def promise(id: str, sentence: str, *, mended: str = "") -> Callable[[Probe], Probe]:
    """List a promise with the function below it as its probe."""

    def listed(probe: Probe) -> Probe:
        PROMISES[id] = Promise(id=id, sentence=sentence, probe=probe, mended=mended)
        return probe

    return listed


def not_run(id: str, sentence: str, reason: str) -> None:
    """List a promise that the comparison does not run."""
    PROMISES[id] = Promise(id=id, sentence=sentence, reason=reason)


def failure(call: Callable[[], object]) -> Exception | None:
    """Return what a call raises, None if it returns."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - which one it is, is the evidence
        return error
    return None


def told(error: BaseException | None) -> str:
    """Return an error in one line."""
    if error is None:
        return "no error"
    message = " ".join(str(error).split())
    if len(message) > _LONGEST:
        message = message[:_LONGEST].rsplit(" ", 1)[0] + " ..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
