"""One batch from plan to vectors: cache, limiter, retries, checks; and many batches at once.

What to do next is decided in generators that yield steps and are sent their results, so that sync
and async use differ only in the line that carries a step out.
"""

from __future__ import annotations

import math
import random
import sys
import threading
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_gemini_qdrant.embeddings._batching import estimate_tokens
from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter, Ticket
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.errors import (
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ResponseMismatchError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant._retry_policy import RetryPolicy
    from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer, EmbedRequest
    from langchain_gemini_qdrant.embeddings._request import Form, Passage

_UNIT_TOLERANCE = 1e-6  # float32 rounding of a unit vector of 3,072 components stays below it
# Where the API answers so, it would answer the same to every other request of the call.
_HOPELESS_STATUS = frozenset({401, 403, 404})


class Prepare(NamedTuple):
    """Have the client made: it takes a third of a second, which a granted request must not wait."""


class Wait(NamedTuple):
    """Let some time pass."""

    seconds: float


class Send(NamedTuple):
    """Send a request; its answer is the result."""

    request: EmbedRequest


class Count(NamedTuple):
    """Ask how many tokens a text has."""

    model: str
    text: str


class AskLeave(NamedTuple):
    """Ask the user's own rate limiter, once for each text."""

    texts: int


class Load(NamedTuple):
    """Read from the cache; the result has bytes or None for each key."""

    keys: list[str]


class Save(NamedTuple):
    """Write to the cache."""

    pairs: list[tuple[str, bytes]]


Step = Prepare | Wait | Send | Count | AskLeave | Load | Save
Vector = list[float]


@dataclass(kw_only=True, slots=True)
class Call:
    """What the batches of one call share.

    Attributes:
        form: How texts are sent.
        limiter: Of the process, for this key and model.
        deadline: On the clock, None for none.
        hopeless: The error that every further request would meet, once one has met it.
        usage: So far.
    """

    form: Form
    limiter: Limiter
    policy: RetryPolicy
    clock: Clock
    deadline: float | None
    cached: bool
    asks_leave: bool
    usd_per_token: float | None
    random: random.Random = field(default_factory=random.Random)
    hopeless: EmbeddingError | None = None
    usage: EmbeddingUsage = field(default_factory=EmbeddingUsage)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, usage: EmbeddingUsage) -> None:
        """Count what a request cost."""
        with self.lock:
            self.usage += usage


def count_tokens(call: Call, passage: Passage) -> Generator[Step, Any, int]:
    """Ask the API for the tokens of a passage whose estimate is near the limit."""
    attempt = 0
    while True:
        try:
            tokens: int = yield Count(call.form.model, passage.text)
        except (RateLimitError, ServiceError) as error:
            if isinstance(error, DailyQuotaError):
                raise
            yield Wait(_delay_or_raise(call, error, attempt))
            attempt += 1
        else:
            return tokens


def embed_batch(call: Call, passages: Sequence[Passage]) -> Generator[Step, Any, list[Vector]]:
    """Embed the passages of one request, those that the cache does not have.

    Raises:
        EmbeddingError: The batch failed for good; nothing of it is in the cache.
    """
    if not call.cached:
        return (yield from _send(call, passages))
    keys = [call.form.key(passage) for passage in passages]
    loaded: Sequence[bytes | None] = yield Load(keys)
    vectors = [None if data is None else _decode(data, call.form.size) for data in loaded]
    missing = [i for i, vector in enumerate(vectors) if vector is None]
    call.add(EmbeddingUsage(cached=len(passages) - len(missing)))
    if missing:
        new = yield from _send(call, [passages[i] for i in missing])
        yield Save([(keys[i], _encode(v)) for i, v in zip(missing, new, strict=True)])
        for i, vector in zip(missing, new, strict=True):
            vectors[i] = vector
    return [vector for vector in vectors if vector is not None]


def _send(call: Call, passages: Sequence[Passage]) -> Generator[Step, Any, list[Vector]]:
    request = call.form.request(passages)
    estimate = sum(estimate_tokens(text) for text in request.texts)
    yield Prepare()
    if call.asks_leave:
        yield AskLeave(len(request.texts))
    attempt = 0
    while True:
        ticket = yield from _admission(call, len(request.texts), estimate)
        try:
            answer: EmbedAnswer = yield Send(request)
            vectors = check_answer(request, answer, call.form.size)
        except DailyQuotaError as error:
            call.limiter.release(ticket)
            error.attempts = attempt + 1
            call.hopeless = error
            raise
        except RateLimitError as error:
            now = call.clock.now()
            # The pause holds back everybody, this request too: it waits for its next admission.
            pause = call.limiter.rate_limited(
                now,
                retry_after=error.retry_after,
                unit=error.unit,
                limit=error.limit,
                ticket=ticket,
            )
            _delay_or_raise(call, error, attempt, waiting=pause)
        except (ServiceError, ResponseMismatchError) as error:
            yield Wait(_delay_or_raise(call, error, attempt))
        except RequestRejectedError as error:
            error.attempts = attempt + 1
            if error.status_code in _HOPELESS_STATUS or "API key" in str(error):
                call.hopeless = error
            raise
        else:
            call.limiter.settle(ticket, tokens=answer.tokens)
            call.add(_usage(request, answer, estimate, call.usd_per_token))
            return vectors
        attempt += 1


def _admission(call: Call, texts: int, tokens: int) -> Generator[Step, Any, Ticket]:
    """Wait until the limiter lets the request go."""
    since = call.clock.now()
    while True:
        if call.hopeless is not None:
            raise call.hopeless
        now = call.clock.now()
        grant = call.limiter.try_acquire(now, texts=texts, tokens=tokens, since=since)
        if isinstance(grant, Ticket):
            return grant
        if call.deadline is not None and now + grant > call.deadline:
            raise _out_of_time(call, f"the rate limit asks for {grant:.1f} s more")
        yield Wait(grant)


def _delay_or_raise(
    call: Call, error: EmbeddingError, attempt: int, *, waiting: float | None = None
) -> float:
    """Return the seconds to wait before the next attempt, or raise where there is none."""
    error.attempts = attempt + 1
    if attempt >= call.policy.max_retries:
        raise error
    retry_after = error.retry_after if isinstance(error, RateLimitError) else None
    delay = waiting
    if delay is None:
        delay = call.policy.delay(attempt, retry_after=retry_after, random=call.random)
    if call.deadline is not None and call.clock.now() + delay > call.deadline:
        raise error
    return delay


def _out_of_time(call: Call, why: str) -> ServiceError:
    return ServiceError(
        f"{call.form.model}: the deadline ended the call: {why}", model=call.form.model
    )


def _usage(
    request: EmbedRequest, answer: EmbedAnswer, estimate: int, usd_per_token: float | None
) -> EmbeddingUsage:
    reported = answer.tokens
    tokens = estimate if reported is None else reported
    return EmbeddingUsage(
        requests=1,
        texts=len(request.texts),
        reported_tokens=reported or 0,
        estimated_tokens=estimate if reported is None else 0,
        usd=None if usd_per_token is None else tokens * usd_per_token,
    )


def check_answer(request: EmbedRequest, answer: EmbedAnswer, size: int | None) -> list[Vector]:
    """Return the answer's vectors at length 1, or refuse an answer that does not fit.

    Raises:
        ResponseMismatchError: Their count, size or numbers are wrong.
    """
    if len(answer.vectors) != len(request.texts):
        raise ResponseMismatchError(
            f"{request.model}: {len(request.texts)} texts were sent, {len(answer.vectors)} "
            "vectors came back; none of them is used",
            model=request.model,
        )
    return [_unit(vector, size or len(answer.vectors[0]), request) for vector in answer.vectors]


def _unit(vector: Vector, size: int, request: EmbedRequest) -> Vector:
    if len(vector) != size:
        raise ResponseMismatchError(
            f"{request.model}: vectors of {size} components were asked for, {len(vector)} came "
            "back; none of them is used",
            model=request.model,
        )
    norm = math.hypot(*vector)
    if not math.isfinite(norm) or norm == 0.0:
        raise ResponseMismatchError(
            f"{request.model}: a vector came back whose length is {norm}; none of them is used",
            model=request.model,
        )
    if abs(norm - 1.0) <= _UNIT_TOLERANCE:
        return vector
    return [component / norm for component in vector]


def _encode(vector: Vector) -> bytes:
    return _little_endian(array("f", vector)).tobytes()


def _decode(data: bytes, size: int | None) -> Vector | None:
    """Return the vector, or None for bytes that are no vector of this size: they are replaced."""
    numbers = array("f")
    if not data or len(data) % numbers.itemsize:
        return None
    numbers.frombytes(data)
    vector = _little_endian(numbers).tolist()
    norm = math.hypot(*vector)
    fits = size in {None, len(vector)} and math.isfinite(norm) and norm > 0.0
    return vector if fits else None


def _little_endian(numbers: array[float]) -> array[float]:
    """Swap the bytes where this machine has them the other way round than the cache."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
