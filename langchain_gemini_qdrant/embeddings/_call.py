"""The state that the requests of one call share, and how they are retried."""

from __future__ import annotations

import random
import re
import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant._retry_policy import LONGEST_DELAY
from langchain_gemini_qdrant.embeddings._batching import MAX_IMAGES
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.embeddings._waiting import Waits
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.errors import (
    BillingError,
    DailyQuotaError,
    EmbeddingError,
    GeminiQdrantError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from langchain_gemini_qdrant._retry_policy import RetryPolicy
    from langchain_gemini_qdrant._telemetry import Span
    from langchain_gemini_qdrant.embeddings._lengths import Counted
    from langchain_gemini_qdrant.embeddings._quota import Reservation
    from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
    from langchain_gemini_qdrant.embeddings._request import RequestSpec
    from langchain_gemini_qdrant.embeddings._services import Services
    from langchain_gemini_qdrant.embeddings.models import GeminiModel

# Single contents refused, and none accepted, before a call stops: a folder may begin with some
# broken images.
_REFUSALS = 24
_MOST_IMAGES = re.compile(r"at most (\d+) image")  # in the answer 400 to more of them

T = TypeVar("T")


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
        span: The call as a span of OpenTelemetry, None if the application records none.
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
    span: Span | None = None
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
            raise out_of_time(self, "some texts were not sent yet")

    def add(self, usage: EmbeddingUsage) -> None:
        """Add the usage of a request."""
        with self.lock:
            self.usage += usage

    def event(self, name: str, attributes: Mapping[str, str | int | float]) -> None:
        """Add an event to the call's span, if it has one."""
        if self.span is not None:
            self.span.event(f"gemini_qdrant.{name}", attributes)

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
            await before_retry(call, error, attempt)
            attempt += 1
        except (GeminiQdrantError, CancelledError):
            raise
        except Exception as error:
            raise unexpected(call, error) from error


def pause_all(
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
        _record_retry(call, error, attempt, pause.seconds)
        return 0
    _check_attempts(call, error, attempt)
    _check_deadline(call, error, pause.seconds)
    _record_retry(call, error, attempt, pause.seconds)
    return 1


async def before_retry(call: CallContext, error: EmbeddingError, attempt: int) -> None:
    """Wait before the next attempt, or raise the error if there is none."""
    error.attempts = attempt + 1
    if call.deadline is not None and call.services.clock.now() >= call.deadline:
        raise out_of_time(call, f"a request was in flight ({error})", error.attempts) from error
    _check_attempts(call, error, attempt)
    retry_after = getattr(error, "retry_after", None)
    if (retry_after or 0.0) > LONGEST_DELAY:
        raise error
    delay = call.policy.delay(attempt, retry_after=retry_after, random=random.Random())  # noqa: S311 - no secret
    _check_deadline(call, error, delay)
    status = "no answer" if error.status_code is None else f"an answer of {error.status_code}"
    reason = f"retry {attempt + 1} of {call.policy.max_retries}, after {status}"
    _record_retry(call, error, attempt, delay)
    await call.waits.for_retry(delay, reason)


def _record_retry(call: CallContext, error: EmbeddingError, attempt: int, delay: float) -> None:
    """Add an event to the call's span before the request is sent again."""
    told: dict[str, str | int | float] = {
        "error.type": type(error).__name__,
        "gemini_qdrant.attempt": attempt + 1,
        "gemini_qdrant.wait_seconds": delay,
    }
    if error.status_code is not None:
        told["http.response.status_code"] = error.status_code
    call.event("retry", told)


def _check_attempts(call: CallContext, error: EmbeddingError, attempt: int) -> None:
    """Raise the error if no attempts are left."""
    error.attempts = attempt + 1
    if attempt >= call.policy.max_retries:
        raise error


def _check_deadline(call: CallContext, error: EmbeddingError, delay: float) -> None:
    """Raise the error if the deadline is before the next attempt."""
    if call.deadline is not None and call.services.clock.now() + delay > call.deadline:
        raise error


def out_of_time(call: CallContext, why: str, attempts: int = 0) -> ServiceError:
    """Return the error of a call whose deadline has passed."""
    return ServiceError(
        f"{call.spec.model}: the deadline ended the call: {why}",
        model=call.spec.model,
        attempts=attempts,
    )


def unexpected(call: CallContext, error: Exception) -> EmbeddingError:
    """Return our error for an unexpected one, without its message, which may contain a key."""
    return EmbeddingError(
        f"{call.spec.model}: a request ended with an unexpected {type(error).__name__}, which is "
        "this error's __cause__",
        model=call.spec.model,
    )
