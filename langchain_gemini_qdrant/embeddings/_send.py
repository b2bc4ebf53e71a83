"""Embed one batch: cache, limiter, retries, checks."""

from __future__ import annotations

import math
import random
import re
import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant._retry_policy import LONGEST_DELAY
from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.embeddings._batching import MAX_IMAGES
from langchain_gemini_qdrant.embeddings._cache import decode, encode
from langchain_gemini_qdrant.embeddings._media import images_in, media_tokens
from langchain_gemini_qdrant.embeddings._quota import Reservation
from langchain_gemini_qdrant.embeddings._response import (
    NoVectorError,
    check_answer,
    is_plausible,
    without_odd_count,
)
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage, billed_tokens, usage_of
from langchain_gemini_qdrant.embeddings._vectors import Result, Vectors
from langchain_gemini_qdrant.embeddings._waiting import Waits
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.errors import (
    BillingError,
    ConfigurationError,
    DailyQuotaError,
    EmbeddingError,
    GeminiQdrantError,
    InvalidInputError,
    RateLimitError,
    RequestRejectedError,
    ResponseMismatchError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from langchain_gemini_qdrant._clock import AsyncClock
    from langchain_gemini_qdrant._retry_policy import RetryPolicy
    from langchain_gemini_qdrant.embeddings._backends.protocol import (
        EmbedAnswer,
        EmbedRequest,
        Vector,
    )
    from langchain_gemini_qdrant.embeddings._concurrency import SideBySide
    from langchain_gemini_qdrant.embeddings._lengths import Counted
    from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec
    from langchain_gemini_qdrant.embeddings._uploads import Files
    from langchain_gemini_qdrant.embeddings.models import GeminiModel

T = TypeVar("T")

_MOST_FREE = 2  # pauses of one request that may be too short without counting as an attempt
_LONGEST_COUNT = 5.0  # seconds for counting a sample, which is optional
POLL = 0.01
"""Seconds between two requests to the user's rate limiter."""

# Single contents refused, and none accepted, before a call stops: a folder may begin with some
# broken images.
_REFUSALS = 24
_MOST_IMAGES = re.compile(r"at most (\d+) image")  # in the answer 400 to more of them

# A request that is too large: the status of a proxy, and the words of Google, whose status is 400.
_TOO_LARGE_STATUS = 413
_TOO_LARGE = "payload size exceeds the limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The objects that a call awaits: asynchronous ones, or blocking ones with the same methods.

    Attributes:
        backend: A `Backend`, of which the asynchronous methods are called.
        cache: A LangChain `ByteStore`, used in the same way; None for no cache.
        rate_limiter: A LangChain rate limiter, used in the same way; None for none.
        files: Sends large media through the Files API.
        apart: Calls a function that reads files: in a thread, or here if all calls block.
        side_by_side: Makes a runner for the given number of concurrent batches.
    """

    backend: Any
    clock: AsyncClock
    cache: Any
    rate_limiter: Any
    files: Files
    apart: Callable[..., Awaitable[Any]]
    side_by_side: Callable[[int], SideBySide]


@dataclass(kw_only=True, slots=True)
class CallContext:
    """State shared by the batches of one call.

    Attributes:
        spec: How contents are sent.
        model: The model's entry in the table, None if it is unknown.
        limiter: The process's limiter for this key and model.
        deadline: A time of the clock, None for no deadline.
        fatal_error: An error that every further request would also get; None if there was none.
        usage: The usage so far.
        max_images: Most images in one request; an answer may show that it is lower.
        refusals: Requests for one content that the API refused.
        counted: The token counts of long texts so far.
    """

    spec: RequestSpec
    services: Services
    limiter: Limiter
    policy: RetryPolicy
    deadline: float | None
    model: GeminiModel | None
    fatal_error: GeminiQdrantError | None = None
    usage: EmbeddingUsage = field(default_factory=EmbeddingUsage)
    max_images: int = MAX_IMAGES
    refusals: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    counted: list[Counted] = field(default_factory=list)
    waits: Waits = field(init=False)

    def __post_init__(self) -> None:
        """Create the record of waits."""
        self.waits = Waits(self.name, self.services.clock, lambda: self.fatal_error is not None)

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        return model_id(self.spec.model)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline, None for none."""
        if self.deadline is None:
            return None
        return max(self.deadline - self.services.clock.now(), 0.001)

    def check(self) -> None:
        """Refuse to start a request that cannot succeed.

        Raises:
            GeminiQdrantError: Every further request would fail with it, or the deadline has passed.
        """
        if self.fatal_error is not None:
            raise self.fatal_error
        if self.deadline is not None and self.services.clock.now() >= self.deadline:
            raise _out_of_time(self, "some texts were not sent yet")

    def add(self, usage: EmbeddingUsage) -> None:
        """Add the usage of a request."""
        with self.lock:
            self.usage += usage

    def give_up(self, error: BaseException) -> None:
        """Make the requests that have not been sent fail at once."""
        if self.fatal_error is None:
            if not isinstance(error, GeminiQdrantError):
                error = EmbeddingError("not sent, because the run ended", model=self.spec.model)
            self.fatal_error = error

    def learn_max_images(self, error: RequestRejectedError, images: int) -> None:
        """Lower the bound of images if an answer says that a request had too many."""
        if found := _MOST_IMAGES.search(str(error)):
            most = int(found[1]) if int(found[1]) < images else images // 2
            self.max_images = max(1, min(most, self.max_images))

    def refused(self, error: GeminiQdrantError) -> None:
        """Count a content that was refused alone; the contents are not the cause if all are."""
        self.refusals += isinstance(error, RequestRejectedError)
        if self.refusals == _REFUSALS and self.usage.requests == 0:
            self.give_up(error)


async def retried(call: CallContext, send: Callable[[], Awaitable[T]]) -> T:
    """Send a request that the quota of embeddings does not limit, and retry it.

    Raises:
        GeminiQdrantError: It failed after all retries, or no time is left.
    """
    attempt = 0
    while True:
        call.check()
        try:
            return await send()
        except (DailyQuotaError, BillingError):
            raise
        except (RateLimitError, ServiceError) as error:
            await _before_retry(call, error, attempt)
            attempt += 1
        except (GeminiQdrantError, CancelledError):
            raise
        except Exception as error:
            raise _unexpected(call, error) from error


async def count_tokens(call: CallContext, content: Content) -> int:
    """Ask the API for the tokens of a text whose estimate is near the limit.

    Raises:
        EmbeddingError: The API did not count them.
    """
    backend, model = call.services.backend, call.spec.model
    tokens: int = await retried(
        call, lambda: backend.acount_tokens(model, content.text, timeout=call.seconds_left)
    )
    if not is_plausible(tokens, [content.text]):
        raise RequestRejectedError(
            f"{model}: countTokens answered {tokens}, which is not a count",
            model=model,
            status_code=200,
        )
    return tokens


async def embed_batch(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    """Return the vectors of one request's contents; those in the cache are not sent.

    A request that is refused as too large is sent in halves, and so is one with media that fails
    for a reason that may be one content's: the others do not fail with it.

    Raises:
        PartialEmbeddingError: Some halves failed after all retries.
        EmbeddingError: The batch failed after all retries; nothing of it is in the cache.
    """
    try:
        return await embed_at_once(call, contents)
    except GeminiQdrantError as error:
        if len(contents) == 1 or not _is_worth_halving(call, error, contents):
            if len(contents) == 1 and contents[0].parts:
                call.refused(error)
            raise
    return await _embed_halves(call, contents)


def _is_worth_halving(
    call: CallContext, error: GeminiQdrantError, contents: Sequence[Content]
) -> bool:
    if not isinstance(error, RequestRejectedError):
        return halves_may_pass(error)
    return _is_too_large(error) or (
        error is not call.fatal_error and any(content.parts for content in contents)
    )


def _is_too_large(error: RequestRejectedError) -> bool:
    return error.status_code == _TOO_LARGE_STATUS or _TOO_LARGE in str(error)


async def _embed_halves(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    wanted, half = Vectors(call.spec, contents), len(contents) // 2
    for part in (contents[:half], contents[half:]):
        try:
            wanted.collect(part, Result(value=await embed_batch(call, part)))
        except GeminiQdrantError as error:
            wanted.collect(part, Result(error=error))
    return wanted.all()


class SentInHalvesError(GeminiQdrantError):
    """A request of several contents was not sent, because its halves may pass."""


def halves_may_pass(error: BaseException) -> bool:
    """Return whether a request failed with an error that one of its halves may not get."""
    # InvalidInputError: a file has changed or is gone.
    return isinstance(
        error, RequestRejectedError | InvalidInputError | NoVectorError | SentInHalvesError
    )


async def embed_at_once(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    """Return the vectors of one request's contents, as `embed_batch` does, but never in halves.

    Raises:
        GeminiQdrantError: The request failed after all retries; see `halves_may_pass`.
    """
    try:
        if call.services.cache is None:
            return await _send(call, contents)
        return await _send_missing(call, contents)
    except (GeminiQdrantError, CancelledError):
        raise
    except Exception as error:  # from a rate limiter, or unexpected ones from the SDK
        raise _unexpected(call, error) from error


async def _send_missing(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    keys = [call.spec.key(content) for content in contents]
    vectors = await _load(call, keys)
    missing = [i for i, vector in enumerate(vectors) if vector is None]
    if missing:
        new = await _send(call, [contents[i] for i in missing])
        await _save(call, [(keys[i], encode(v)) for i, v in zip(missing, new, strict=True)])
        for i, vector in zip(missing, new, strict=True):
            vectors[i] = vector
    call.add(EmbeddingUsage(cached=len(contents) - len(missing)))
    return [vector for vector in vectors if vector is not None]


async def _load(call: CallContext, keys: list[str]) -> list[Vector | None]:
    try:
        found = await call.services.cache.amget(keys)
        return [decode(data, call.spec.size) for _, data in zip(keys, found, strict=True)]
    except Exception as error:  # noqa: BLE001 - any store may fail; the texts are embedded
        _warn_of_cache("reading", error)
        return [None] * len(keys)


async def _save(call: CallContext, pairs: list[tuple[str, bytes]]) -> None:
    try:
        await call.services.cache.amset(pairs)
    except Exception as error:  # noqa: BLE001 - any store may fail; the vectors are complete
        _warn_of_cache("writing", error)


def _warn_of_cache(doing: str, error: Exception) -> None:
    warn_in_passing(
        f"{doing} the cache of embeddings failed ({type(error).__name__}: {error}): the vectors "
        "are complete, and a later call embeds and pays for these texts again"
    )


async def _send(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    """Send one request, after its large media."""
    try:
        return await call.services.files.sending(call, contents, _send_request)
    except RequestRejectedError as error:
        if error.refuses_all:
            call.fatal_error = error
        raise


async def _send_request(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    services, limiter = call.services, call.limiter
    request = _request(call, contents)
    limit = call.spec.max_input_tokens
    estimate = sum([billed_tokens(content, limit) for content in contents])
    media = media_tokens(request.parts)
    # Creating a client takes a third of a second, and no admitted request should wait for it.
    await services.backend.aprepare()
    if services.rate_limiter is not None:
        await _ask_rate_limiter(call, len(contents))
    await _calibrate(call, contents)
    attempt = free = 0
    while True:
        reservation = await _admission(call, len(contents), estimate, media.total())
        try:
            answer, vectors = await _ask(call, request, reservation)
        except (DailyQuotaError, BillingError) as error:
            limiter.release(reservation)
            error.attempts = attempt + 1
            call.fatal_error = error
            raise
        except RateLimitError as error:
            cost = _pause(call, error, reservation, attempt, may_be_free=free < _MOST_FREE)
            free += 1 - cost
            attempt += cost
        except (ServiceError, ResponseMismatchError) as error:
            await _before_retry(call, error, attempt)
            attempt += 1
        except RequestRejectedError as error:
            error.attempts = attempt + 1
            call.learn_max_images(error, images_in(request.parts))
            raise
        except ConfigurationError as error:  # the SDK reports it only now
            call.fatal_error = error
            raise
        else:
            limiter.settle(reservation, tokens=answer.tokens)
            call.add(usage_of(request, answer, estimate, media, call.model))
            return vectors


def _request(call: CallContext, contents: Sequence[Content]) -> EmbedRequest:
    """Return the request for some contents, unless answers have shown that it has too many images.

    The bytes of media are not in it: the back end reads them while it sends.
    """
    request = call.spec.request(contents)
    if len(contents) > 1 and images_in(request.parts) > call.max_images:
        raise SentInHalvesError("the API has refused as many images")
    return request


async def _ask(
    call: CallContext, request: EmbedRequest, reservation: Reservation
) -> tuple[EmbedAnswer, list[Vector]]:
    """Send a request once and check its answer."""
    try:
        sent = await call.services.backend.aembed(request, timeout=call.seconds_left)
    except InvalidInputError:  # a file has changed or is gone; nothing was sent
        call.limiter.release(reservation)
        raise
    answer = without_odd_count(sent, request)
    return answer, check_answer(request, answer, call.spec.size)


async def _calibrate(call: CallContext, contents: Sequence[Content]) -> None:
    """Count a sample of requests if answers have no token count but a limit of tokens applies.

    Counting is free, and an estimate that is too high wastes quota.
    """
    limit = call.spec.max_input_tokens or math.inf
    short = [c for c in contents if c.text and c.tokens <= limit / 2]  # not truncated ones
    if not short or not call.limiter.wants_count():
        return
    text = " ".join([part for c in short for part in (c.title, c.text) if part])
    left = call.seconds_left
    timeout = _LONGEST_COUNT if left is None else min(_LONGEST_COUNT, left / 4)
    try:
        tokens: int = await call.services.backend.acount_tokens(
            call.spec.model, text, timeout=timeout
        )
    except GeminiQdrantError as error:  # a gateway may not support counting; the estimate is enough
        LOGGER.info("%s: tokens could not be counted: %s", call.name, error)
    else:
        if is_plausible(tokens, [text]):
            call.limiter.calibrate(
                estimate=sum(c.tokens - c.media_tokens for c in short), tokens=tokens
            )


async def _ask_rate_limiter(call: CallContext, texts: int) -> None:
    """Wait until the user's rate limiter admits each text; stop if the call cannot succeed."""
    limiter, clock = call.services.rate_limiter, call.services.clock
    for _ in range(texts):
        call.check()
        if call.deadline is None:
            await limiter.aacquire()
            continue
        while not await limiter.aacquire(blocking=False):
            await clock.asleep(min(POLL, call.seconds_left or POLL))
            call.check()


async def _admission(call: CallContext, texts: int, tokens: int, media_tokens: int) -> Reservation:
    """Wait until the limiter admits the request; its tokens include those of its media."""
    clock = call.services.clock
    since = now = clock.now()
    while True:
        call.check()
        needed = {
            "texts": texts,
            "tokens": max(tokens - media_tokens, 0),
            "media_tokens": media_tokens,
        }
        if texts > 1 and not call.limiter.fits(**needed):
            raise SentInHalvesError("a 429 has reported a limit that it exceeds")
        grant = call.limiter.try_acquire(now, **needed, since=since)
        if isinstance(grant, Reservation):
            return grant
        if call.deadline is not None and now + grant > call.deadline:
            raise _out_of_time(call, f"the rate limit asks for {grant:.1f} s more")
        await call.waits.for_quota(grant, call.limiter.limits)
        now = clock.now()


def _pause(
    call: CallContext,
    error: RateLimitError,
    reservation: Reservation,
    attempt: int,
    *,
    may_be_free: bool,
) -> int:
    """Pause all requests after a 429; this one waits for its next admission.

    Returns:
        The number of attempts to count: 0 if the previous pause ended too early, else 1.

    Raises:
        RateLimitError: No attempts or no time are left.
    """
    pause = call.limiter.rate_limited(
        call.services.clock.now(),
        retry_after=error.retry_after,
        limits=error.limits,
        reservation=reservation,
    )
    if pause.lesson:
        LOGGER.info("%s: 429: the limit is now %s", call.name, pause.lesson)
    if pause.was_too_short and may_be_free:
        _check_deadline(call, error, pause.seconds)
        return 0
    _check_attempts(call, error, attempt)
    _check_deadline(call, error, pause.seconds)
    return 1


async def _before_retry(call: CallContext, error: EmbeddingError, attempt: int) -> None:
    """Wait before the next attempt, or raise the error if there is none."""
    error.attempts = attempt + 1
    if call.deadline is not None and call.services.clock.now() >= call.deadline:
        raise _out_of_time(call, f"a request was in flight ({error})", error.attempts) from error
    _check_attempts(call, error, attempt)
    retry_after = getattr(error, "retry_after", None)
    if isinstance(error, NoVectorError) or (retry_after or 0.0) > LONGEST_DELAY:
        raise error
    delay = call.policy.delay(attempt, retry_after=retry_after, random=random.Random())  # noqa: S311 - no secret
    _check_deadline(call, error, delay)
    status = "no answer" if error.status_code is None else f"an answer of {error.status_code}"
    reason = f"retry {attempt + 1} of {call.policy.max_retries}, after {status}"
    await call.waits.for_retry(delay, reason)


def _check_attempts(call: CallContext, error: EmbeddingError, attempt: int) -> None:
    """Raise the error if no attempts are left."""
    error.attempts = attempt + 1
    if attempt >= call.policy.max_retries:
        raise error


def _check_deadline(call: CallContext, error: EmbeddingError, delay: float) -> None:
    """Raise the error if the deadline is before the next attempt."""
    if call.deadline is not None and call.services.clock.now() + delay > call.deadline:
        raise error


def _out_of_time(call: CallContext, why: str, attempts: int = 0) -> ServiceError:
    return ServiceError(
        f"{call.spec.model}: the deadline ended the call: {why}",
        model=call.spec.model,
        attempts=attempts,
    )


def _unexpected(call: CallContext, error: Exception) -> EmbeddingError:
    """Return our error for an unexpected one, without its message, which may contain a key."""
    return EmbeddingError(
        f"{call.spec.model}: a request ended with an unexpected {type(error).__name__}, which is "
        "this error's __cause__",
        model=call.spec.model,
    )
