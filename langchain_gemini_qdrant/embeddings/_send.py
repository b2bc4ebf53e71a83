"""Embed one batch: cache, limiter, retries, checks."""

from __future__ import annotations

import math
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant._telemetry import attached
from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.embeddings._cache import decode, encode
from langchain_gemini_qdrant.embeddings._call import (
    before_retry,
    out_of_time,
    pause_all,
    retried,
    unexpected,
)
from langchain_gemini_qdrant.embeddings._halving import (
    SentInHalvesError,
    after_failure,
    is_worth_halving,
)
from langchain_gemini_qdrant.embeddings._media import images_in, media_tokens
from langchain_gemini_qdrant.embeddings._quota import Reservation
from langchain_gemini_qdrant.embeddings._response import (
    NoVectorError,
    all_of,
    check_answer,
    is_plausible,
    without_odd_count,
)
from langchain_gemini_qdrant.embeddings._services import POLL
from langchain_gemini_qdrant.embeddings._tracing import sending
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage, billed_tokens, usage_of
from langchain_gemini_qdrant.embeddings._vectors import Result
from langchain_gemini_qdrant.errors import (
    BillingError,
    ConfigurationError,
    DailyQuotaError,
    GeminiQdrantError,
    InvalidInputError,
    RateLimitError,
    RequestRejectedError,
    ResponseMismatchError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.embeddings._backends.protocol import (
        EmbedAnswer,
        EmbedRequest,
        Vector,
    )
    from langchain_gemini_qdrant.embeddings._call import CallContext
    from langchain_gemini_qdrant.embeddings._request import Content

_MOST_FREE = 2  # pauses of one request that may be too short without counting as an attempt
_LONGEST_COUNT = 5.0  # seconds for counting a sample, which is optional


async def count_tokens(call: CallContext, content: Content) -> int:
    """Ask the API for the tokens of a text whose estimate is near the limit.

    Raises:
        EmbeddingError: The API did not count them.
    """
    backend, model = call.services.backend, call.spec.model
    with attached(call.span):
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
        if len(contents) == 1 or not is_worth_halving(call, error, contents):
            if len(contents) == 1 and contents[0].parts:
                call.refused(error)
            raise
        wanted, parts = after_failure(call, contents, error)
    for part in parts:
        try:
            wanted.collect(part, Result(value=await embed_batch(call, part)))
        except GeminiQdrantError as error:
            wanted.collect(part, Result(error=error))
    return wanted.all()


async def embed_at_once(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    """Return the vectors of one request's contents, as `embed_batch` does, but never in halves.

    Raises:
        GeminiQdrantError: The request failed after all retries; see `halves_may_pass`.
    """
    try:
        with sending(call, contents):
            if call.services.cache is None:
                return await _send(call, contents)
            return await _send_missing(call, contents)
    except (GeminiQdrantError, CancelledError):
        raise
    except Exception as error:  # from a rate limiter, or unexpected ones from the SDK
        raise unexpected(call, error) from error


async def _send_missing(call: CallContext, contents: Sequence[Content]) -> list[Vector]:
    keys = [call.spec.key(content) for content in contents]
    vectors = await _load(call, keys)
    missing = [i for i, vector in enumerate(vectors) if vector is None]
    problem: NoVectorError | None = None
    if missing:
        new: Sequence[Vector | None]
        try:
            new = await _send(call, [contents[i] for i in missing])
        except NoVectorError as error:
            new, problem = error.vectors, error
        pairs = zip(missing, new, strict=True)
        found = [(i, vector) for i, vector in pairs if vector is not None]
        await _save(call, [(keys[i], encode(vector)) for i, vector in found])
        for i, vector in found:
            vectors[i] = vector
    call.add(EmbeddingUsage(cached=len(contents) - len(missing)))
    if problem is not None:
        problem.vectors = vectors
        raise problem
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
            cost = pause_all(call, error, reservation, attempt, may_be_free=free < _MOST_FREE)
            free += 1 - cost
            attempt += cost
        except (ServiceError, ResponseMismatchError) as error:
            await before_retry(call, error, attempt)
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
            return all_of(request, vectors)


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
) -> tuple[EmbedAnswer, list[Vector | None]]:
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
    since = clock.now()
    for _ in range(texts):
        call.check()
        if call.deadline is None:
            await limiter.aacquire()
            continue
        while not await limiter.aacquire(blocking=False):
            await clock.asleep(min(POLL, call.seconds_left or POLL))
            call.check()
    if (waited := clock.now() - since) >= POLL:
        _record_wait(call, waited, "rate_limiter")


def _record_wait(call: CallContext, seconds: float, reason: str) -> None:
    """Add an event to the call's span after a request has waited for a quota."""
    call.event("quota_wait", {"gemini_qdrant.wait_seconds": seconds, "gemini_qdrant.quota": reason})


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
            if now > since:
                _record_wait(call, now - since, call.limiter.limits or "unknown")
            return grant
        if call.deadline is not None and now + grant > call.deadline:
            raise out_of_time(call, f"the rate limit asks for {grant:.1f} s more")
        await call.waits.for_quota(grant, call.limiter.limits)
        now = clock.now()
