"""Controls of a running emulator: its settings, its script and its records."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

from langchain_gemini_qdrant.testing._api._named_errors import NamedError
from langchain_gemini_qdrant.testing._api._quota_errors import read_quotas
from langchain_gemini_qdrant.testing._api._script import (
    ERROR_STATUSES,
    Act,
    Fault,
    WrongAnswer,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from langchain_gemini_qdrant.testing._api._quota_errors import Quota, Quotas
    from langchain_gemini_qdrant.testing._api._records import (
        RecordedMedium,
        RecordedRequest,
        RecordedText,
    )
    from langchain_gemini_qdrant.testing._transport._exchange import Exchange

_OK = 200
_RESOURCE_EXHAUSTED = 429
_LONGEST = 315_576_000_000  # seconds: 10,000 years, the limit of google.protobuf.Duration
_SLOW = 1.0  # seconds; long for most tests, but less than any client's timeout


class Controls:
    """The part of `GeminiEmulator` that is independent of ports."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def latency(self) -> float:
        """Delay of each answer, in seconds; a change lasts until `clear()`."""
        return self._exchange.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._exchange.latency = seconds

    @property
    def requests_per_minute(self) -> int | None:
        """Texts of each model in any minute, None for no limit; can be changed like `latency`."""
        return self._exchange.quotas.limits.requests_per_minute

    @requests_per_minute.setter
    def requests_per_minute(self, limit: int | None) -> None:
        quotas = self._exchange.quotas
        quotas.limits = dataclasses.replace(quotas.limits, requests_per_minute=limit)

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens of each model in any minute, None for no limit; can be changed like `latency`."""
        return self._exchange.quotas.limits.tokens_per_minute

    @tokens_per_minute.setter
    def tokens_per_minute(self, limit: int | None) -> None:
        quotas = self._exchange.quotas
        quotas.limits = dataclasses.replace(quotas.limits, tokens_per_minute=limit)

    @property
    def requests_per_day(self) -> int | None:
        """Texts of each model in a day, None for no limit; can be changed like `latency`."""
        return self._exchange.quotas.limits.requests_per_day

    @requests_per_day.setter
    def requests_per_day(self, limit: int | None) -> None:
        quotas = self._exchange.quotas
        quotas.limits = dataclasses.replace(quotas.limits, requests_per_day=limit)

    @property
    def quota_window(self) -> float:
        """Length of a quota minute, in seconds; can be changed like `latency`."""
        return self._exchange.quotas.limits.window

    @quota_window.setter
    def quota_window(self, seconds: float) -> None:
        quotas = self._exchange.quotas
        quotas.limits = dataclasses.replace(quotas.limits, window=seconds)

    @property
    def batch_seconds(self) -> float:
        """Seconds that a batch job takes; a change applies to new jobs, until `clear()`."""
        return self._exchange.api.jobs.seconds

    @batch_seconds.setter
    def batch_seconds(self, seconds: float) -> None:
        self._exchange.api.jobs.seconds = seconds

    @property
    def file_seconds(self) -> float:
        """Seconds that a file is processed; a change applies to new files, until `clear()`."""
        return self._exchange.api.files.seconds

    @file_seconds.setter
    def file_seconds(self, seconds: float) -> None:
        self._exchange.api.files.seconds = seconds

    @property
    def file_polls(self) -> int:
        """Times that `files.get` finds a new file processed; can be changed like `latency`."""
        return self._exchange.api.files.polls

    @file_polls.setter
    def file_polls(self, count: int) -> None:
        self._exchange.api.files.polls = count

    @property
    def max_request_bytes(self) -> int:
        """Largest body of a request, except of uploads; can be changed like `latency`."""
        return self._exchange.api.media_rules.request_bytes

    @max_request_bytes.setter
    def max_request_bytes(self, size: int) -> None:
        self._set_rule(request_bytes=size)

    @property
    def max_request_images(self) -> int | None:
        """Images in all contents of a request, None for no limit; can be changed like `latency`."""
        return self._exchange.api.media_rules.request_images

    @max_request_images.setter
    def max_request_images(self, count: int | None) -> None:
        self._set_rule(request_images=count)

    @property
    def refuse_wrong_media(self) -> bool:
        """Whether media of a wrong type are refused; can be changed like `latency`."""
        return self._exchange.api.media_rules.refuses_wrong_types

    @refuse_wrong_media.setter
    def refuse_wrong_media(self, refuse: bool) -> None:
        self._set_rule(refuses_wrong_types=refuse)

    def _set_rule(self, **rule: Any) -> None:
        api = self._exchange.api
        api.media_rules = dataclasses.replace(api.media_rules, **rule)

    @property
    def files(self) -> list[RecordedMedium]:
        """The stored files of the Files API, oldest first."""
        return [medium.recorded() for medium in self._exchange.api.files.stored()]

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in the order of their answers."""
        return self._exchange.records()

    @property
    def texts(self) -> list[RecordedText]:
        """All contents of requests that were answered with 200, in order."""
        return [
            text for request in self.requests if request.status == _OK for text in request.texts
        ]

    @property
    def request_counts(self) -> Counter[int | None]:
        """Number of requests by status of their answer; None for no answer."""
        return self._exchange.request_counts()

    @property
    def text_counts(self) -> Counter[int | None]:
        """Number of contents by status of the answer to their request."""
        return self._exchange.text_counts()

    def fail_next(
        self,
        *,
        status: int | None = None,
        error: NamedError | None = None,
        times: int | None = 1,
        containing: str | None = None,
        method: str | None = None,
        delay: float = 0.0,
        message: str | None = None,
        retry_after: float | None = None,
        quota: Quota | Sequence[Quota] | Quotas | None = None,
        reason: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        body: str | bytes | None = None,
    ) -> None:
        """Answer the next requests with an error, with the API's message and details.

        Faults and wrong answers are used up in the order of these calls.

        Args:
            status: HTTP status; over gRPC, the corresponding code. Required if `error` is not
                given.
            error: A complete error that Google has sent to others. With status 429: `"credits"`
                (prepayment is used up), `"spending-cap"`, `"limit-0"` (a paid quota of 0) and
                Vertex AI's `"vertex-requests"`, `"vertex-tokens"` and `"vertex-list"`; with 403:
                `"blocked-method"` and `"leaked-key"`; with 400: `"expired-key"` and `"location"`.
            times: Number of requests; None for all until `clear()`.
            containing: Affect only requests with this string in one of their texts, or in the text
                of one of their media; None for any.
            method: Affect only requests of this method, such as `"files.upload"`, as in
                `RecordedRequest`; None for any.
            delay: Seconds before the answer, in addition to `latency`.
            message: Message of the error; None for the API's usual message.
            retry_after: Seconds in the `RetryInfo` detail, which Google truncates to whole seconds;
                only the usual message of a 429 has the fraction. None sends no detail. With status
                429 it also makes the error name the quota of requests per minute.
            quota: The used-up quotas that a 429 names, in this order: one, several, or a dict with
                their limits, where 0 and None send no `quotaValue`. None without `retry_after`
                gives the short 429 that names no quota.
            reason: Reason for an `ErrorInfo` detail, such as `"API_KEY_SERVICE_BLOCKED"`.
            headers: Additional response headers; trailing metadata over gRPC, where a name that
                ends in `-bin` has bytes, and `grpc-status-details-bin` replaces the details.
            body: Body to send unchanged instead of the API's JSON, such as a proxy's page. Over
                gRPC its status, message and details are sent if it is the JSON of an error, with
                details of any type; otherwise the call ends as gRPC ends it after such a page.

        Raises:
            ValueError: Both or neither of `status` and `error` are given, or `error` with a message
                or details; `status` is not in 400..599, `error` or `quota` is an unknown name, or
                `times` is less than 1.
        """
        given = {
            "message": message,
            "retry_after": retry_after,
            "quota": quota,
            "reason": reason,
            "body": body,
        }
        _check_fault(status, error, [name for name in given if given[name] is not None])
        if retry_after is not None and not 0 <= retry_after <= _LONGEST:
            problem = f"retry_after must be in 0..{_LONGEST} seconds, got {retry_after!r}"
            raise ValueError(problem)
        if quota is None and status == _RESOURCE_EXHAUSTED and retry_after is not None:
            quota = "requests_per_minute"
        fault = Fault(
            status=status or 0,
            name=error,
            message=message,
            retry_after=retry_after,
            quotas=None if quota is None else read_quotas(quota),
            reason=reason,
            headers=headers,
            body=body.encode() if isinstance(body, str) else body,
        )
        self._exchange.script.add(
            Act(fault, delay), times=times, containing=containing, method=method
        )

    def answer_next(
        self,
        wrong: WrongAnswer | None = None,
        *,
        times: int | None = 1,
        containing: str | None = None,
        method: str | None = None,
        delay: float | None = None,
        body: str | bytes | None = None,
    ) -> None:
        """Give the next valid requests a wrong answer.

        Args:
            wrong: `"short"` and `"long"`: one vector too few or too many; `"empty"`: `{}`;
                `"no-values"`: embeddings without numbers; `"nan"` and `"infinite"`: one number of
                each vector is not finite; `"size"`: each vector lacks its last number; `"unusual"`:
                the correct answer with unknown fields, over gRPC also with numbers in several
                pieces; `"not-json"`: a web page, over gRPC bytes that are not a message; `"cut"`:
                half of the correct answer, then the connection closes; `"reset"`: the connection is
                reset, `"disconnect"`: it closes, both without an answer; `"lost"`: the request is
                carried out, then the connection closes without an answer (over gRPC, all four are
                UNAVAILABLE); `"failed-file"`: the correct answer, but the file that it completes
                fails to be processed; `"slow"`: the correct answer, late; `"hang"`: no answer until
                `clear()` or `stop()` closes the connection. Leave it out if `body` is given.
            times: Number of requests; None for all until `clear()`.
            containing: Affect only requests with this string in one of their texts, or in the text
                of one of their media; None for any.
            method: Affect only requests of this method, such as `"files.upload"`, as in
                `RecordedRequest`; None for any.
            delay: Seconds before the answer, in addition to `latency`; None is 1 for `"slow"`,
                otherwise 0.
            body: Body to send with status 200; over gRPC, the bytes of the message.

        Raises:
            ValueError: Both or neither of `wrong` and `body` are given; `wrong` is an unknown name,
                or `times` is less than 1.
        """
        if (wrong is None) == (body is None):
            message = f"either wrong or body must be given, got {wrong!r} and {body!r}"
            raise ValueError(message)
        if wrong is not None and wrong not in get_args(WrongAnswer):
            message = f"wrong must be one of {', '.join(get_args(WrongAnswer))}, got {wrong!r}"
            raise ValueError(message)
        if delay is None:
            delay = _SLOW if wrong == "slow" else 0.0
        what = body.encode() if isinstance(body, str) else wrong or body or b""
        self._exchange.script.add(
            Act(what, delay), times=times, containing=containing, method=method
        )

    def misbehave(
        self,
        rate: float,
        *,
        seed: int = 0,
        kinds: Sequence[int | NamedError | WrongAnswer] = (429, 500, 503, "disconnect", "short"),
        delay: float = _SLOW,
    ) -> None:
        """Make a random share of the requests fail, until `clear()` or the next call.

        It affects requests that embed contents, and those of the Files API.

        Faults of `fail_next` and `answer_next` come first. With the same `rate`, `seed` and
        `kinds`, the n-th request after this call has the same outcome.

        Args:
            rate: Share of the requests, in 0..1; 0 stops the failures.
            seed: A different seed chooses different requests.
            kinds: Statuses and names of errors as in `fail_next` (429 names no quota) and wrong
                answers as in `answer_next`, all equally likely. Use `"hang"` only with clients that
                have a timeout.
            delay: Delay of `"slow"` in seconds.

        Raises:
            ValueError: `rate` is out of range, or `kinds` is empty or has an unknown kind.
        """
        self._exchange.script.misbehave(rate, seed=seed, kinds=kinds, delay=delay)

    def wait_for_requests(self, count: int, *, timeout: float = 10.0) -> None:
        """Wait until `count` requests have arrived, including those that hang or wait.

        Raises:
            TimeoutError: They have not arrived within `timeout` seconds.
        """
        if not self._exchange.wait_for_requests(count, timeout):
            message = f"{len(self.requests)} of {count} requests came within {timeout} s"
            raise TimeoutError(message)

    def clear(self) -> None:
        """Reset the emulator: no records, script, used quota, hanging requests, jobs or files.

        `latency`, the quotas and all other settings are reset to the values of the constructor.
        """
        self._exchange.clear()


def _check_fault(status: int | None, error: NamedError | None, details: Sequence[str]) -> None:
    if (status is None) == (error is None):
        message = f"either status or error must be given, got {status!r} and {error!r}"
    elif error is not None and error not in get_args(NamedError):
        message = f"error must be one of {', '.join(get_args(NamedError))}, got {error!r}"
    elif error is not None and details:
        message = f"error {error!r} has its own message and details: leave out {', '.join(details)}"
    elif error is None and status not in ERROR_STATUSES:
        message = f"status must be in 400..599, got {status}"
    elif "quota" in details and status != _RESOURCE_EXHAUSTED:
        message = f"quota is for status {_RESOURCE_EXHAUSTED}, got {status}"
    else:
        return
    raise ValueError(message)
