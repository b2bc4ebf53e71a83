"""Layer between the transports and the API: scripted answers, quotas, records."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from typing import TYPE_CHECKING, Literal

import numpy as np

from langchain_gemini_qdrant.testing._api._calls import Answer
from langchain_gemini_qdrant.testing._api._errors import ApiError
from langchain_gemini_qdrant.testing._api._named_errors import vertex_quota_error
from langchain_gemini_qdrant.testing._api._quota_errors import quota_error
from langchain_gemini_qdrant.testing._api._records import RecordedRequest
from langchain_gemini_qdrant.testing._api._script import Fault, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from langchain_gemini_qdrant.testing._api._api import GeminiApi
    from langchain_gemini_qdrant.testing._api._calls import Call, Plan
    from langchain_gemini_qdrant.testing._api._quotas import Quotas
    from langchain_gemini_qdrant.testing._api._script import WrongAnswer
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector

    Reply = Answer | ApiError | Literal["not-json", "disconnect", "reset"]


_LARGE_BODY = 1_000_000  # bytes
_LONG_STRING, _SHOWN = 10_000, 100  # characters


class Exchange:
    """Answers calls from any number of threads.

    Attributes:
        latency: Delay of each answer, in seconds.
        script: Actions for the next requests.
        quotas: The quotas and their use.
        api: The API, with its batch jobs and files.
    """

    def __init__(
        self,
        api: GeminiApi,
        *,
        latency: float,
        quotas: Quotas,
        clock: Callable[[], float],
        record: bool,
        on_request: Callable[[RecordedRequest], None] | None = None,
    ) -> None:
        self.latency = latency
        self.script = Script()
        self.quotas = quotas
        self._clock = clock
        self._keep_contents = record
        self._on_request = on_request
        self._first_latency = latency
        self.api = api
        self._records: list[RecordedRequest] = []
        self._request_counts: Counter[int | None] = Counter()
        self._text_counts: Counter[int | None] = Counter()
        self._in_flight = 0
        self._lock = threading.Lock()
        self._recorded = threading.Condition(self._lock)
        self._stopped = threading.Event()
        self._released = threading.Event()  # ends the waits of hanging requests

    def start(self) -> None:
        self._stopped.clear()

    def stop(self) -> None:
        """End every wait."""
        self._stopped.set()
        self._release()

    def records(self) -> list[RecordedRequest]:
        with self._lock:
            return list(self._records)

    def wait_for_requests(self, count: int, timeout: float) -> bool:
        """Wait for `count` recorded requests; return whether they came within `timeout` seconds."""
        with self._recorded:
            return self._recorded.wait_for(lambda: len(self._records) >= count, timeout)

    def request_counts(self) -> Counter[int | None]:
        with self._lock:
            return self._request_counts.copy()

    def text_counts(self) -> Counter[int | None]:
        with self._lock:
            return self._text_counts.copy()

    def clear(self) -> None:
        self.script.clear()
        self.quotas.clear()
        self.api.clear()
        self.latency = self._first_latency
        self._release()
        with self._lock:
            self._records.clear()
            self._request_counts.clear()
            self._text_counts.clear()

    def _release(self) -> None:
        with self._lock:
            self._released, released = threading.Event(), self._released
        released.set()

    def reply(self, call: Call) -> Reply:
        """Answer a call; it is recorded before its answer is sent."""
        with self._lock:
            self._in_flight += 1
            in_flight, received_at = self._in_flight, self._clock()
        try:
            plan = self._plan(call)
            texts = () if isinstance(plan, ApiError) else plan.texts
            act = self.script.take(texts, call.method)
            what = None if act is None else act.what
            reply = self._act(call, plan, what)
            keep = self._keep_contents
            record = RecordedRequest(
                transport=call.transport,
                path=call.path,
                api_version=call.api_version,
                method=call.method,
                model=call.model,
                resource=_resource(call, reply),
                size_bytes=call.size_bytes,
                headers=call.headers if keep else {},
                query=call.query if keep else {},
                body=_kept(call) if keep else None,
                texts=texts if keep else (),
                status=_status(reply),
                answer_message=reply.message if isinstance(reply, ApiError) else "",
                received_at=received_at,
                in_flight=in_flight,
            )
            with self._lock:
                self._records.append(record)
                self._request_counts[record.status] += 1
                self._text_counts[record.status] += len(texts)
                self._recorded.notify_all()
                released = self._released
            if self._on_request is not None:
                self._on_request(record)
            if what != "hang":
                self._stopped.wait(self.latency + (0.0 if act is None else act.delay))
            elif not self._stopped.is_set():  # otherwise nothing would end this wait
                released.wait()
        finally:
            with self._lock:
                self._in_flight -= 1
        return reply

    def _plan(self, call: Call) -> Plan | ApiError:
        try:
            return self.api.plan(call)
        except ApiError as error:
            return error

    def _act(
        self, call: Call, plan: Plan | ApiError, act: Fault | WrongAnswer | bytes | None
    ) -> Reply:
        if isinstance(act, Fault):
            return act.error(call, self.api.quota_name(call.model))
        if act in {"hang", "disconnect", "reset"}:
            return "reset" if act == "reset" else "disconnect"
        if not isinstance(plan, ApiError) and (excess := self._over_quota(call, plan)):
            return excess
        if act == "not-json":
            return "not-json"
        return plan if isinstance(plan, ApiError) else self._carry_out(plan, act)

    def _carry_out(self, plan: Plan, act: WrongAnswer | bytes | None) -> Reply:
        try:
            answer = plan.answer()
        except ApiError as error:  # two requests at a time asked for the same
            return error
        if act == "failed-file" and answer.resource is not None:
            self.api.files.fail(answer.resource)
        return "disconnect" if act == "lost" else _spoiled(answer, act)

    def _over_quota(self, call: Call, plan: Plan) -> ApiError | None:
        """Take the quota for a request, or return the error of the quota that it exceeds."""
        if not plan.texts or not plan.takes_quota:
            return None
        excess = self.quotas.take(call.model, len(plan.texts), plan.tokens)
        if excess is None:
            return None
        if call.vertex:
            return vertex_quota_error(excess.quota, call.model or "")
        model = self.api.quota_name(call.model)
        return quota_error({excess.quota: excess.limit}, model, retry_after=excess.retry_after)


def _status(reply: Reply) -> int | None:
    if isinstance(reply, str) and reply != "not-json":
        return None
    return reply.code if isinstance(reply, ApiError) else 200


def _resource(call: Call, reply: Reply) -> str | None:
    return call.resource or (reply.resource if isinstance(reply, Answer) else None)


def _kept(call: Call) -> object:
    """Return the body for the record: of a large one, the bytes of its media are shortened."""
    return call.body if call.size_bytes <= _LARGE_BODY else _shortened(call.body)


def _shortened(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and len(value) > _LONG_STRING:
        return f"{value[:_SHOWN]}... ({len(value)} characters)"
    return value


def _numbers(vector: Vector) -> NDArray[np.float32]:
    return vector if isinstance(vector, np.ndarray) else vector.numbers()


def _spoiled(answer: Answer, act: WrongAnswer | bytes | None) -> Answer:
    """Return a wrong form of the answer; without vectors, some acts leave it as it is."""
    if isinstance(act, bytes):
        return Answer(fields={}, raw=act)
    if act == "empty":
        return Answer(fields={})
    if act == "cut":
        return dataclasses.replace(answer, cut=True)
    if act == "unusual":
        fields = {"comingField": {"shape": [len(answer.vectors or ()), 1]}, **answer.fields}
        return dataclasses.replace(answer, fields=fields, unusual=True)
    if act in {None, "slow", "failed-file"} or answer.vectors is None:
        return answer
    return _with_wrong_vectors(answer, answer.vectors, act)


def _with_wrong_vectors(
    answer: Answer, vectors: Sequence[Vector | None], act: WrongAnswer | None
) -> Answer:
    if act == "no-values":
        nothing: list[dict[str, object]] = [{} for _ in vectors]
        name, value = ("embedding", nothing[0]) if answer.single else ("embeddings", nothing)
        return Answer(fields={**answer.fields, name: value})
    if act == "short":
        vectors = vectors[:-1]
    elif act == "long":
        vectors = [*vectors, vectors[-1]]
    elif act == "size":
        vectors = [None if vector is None else _numbers(vector)[:-1] for vector in vectors]
    else:
        number = np.float32("nan" if act == "nan" else "-inf")
        vectors = [
            None if vector is None else np.append(_numbers(vector)[:-1], number)
            for vector in vectors
        ]
    return dataclasses.replace(answer, vectors=vectors)
