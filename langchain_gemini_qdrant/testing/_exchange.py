"""Between the transports and the API: the script of the next answers, and the record."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Literal

import numpy as np

from langchain_gemini_qdrant.testing._api import Answer
from langchain_gemini_qdrant.testing._errors import ApiError
from langchain_gemini_qdrant.testing._records import RecordedRequest
from langchain_gemini_qdrant.testing._script import Fault, Script

if TYPE_CHECKING:
    from langchain_gemini_qdrant.testing._api import Call, GeminiApi, Plan
    from langchain_gemini_qdrant.testing._script import WrongAnswer

    Reply = Answer | ApiError | Literal["not-json", "disconnect"]


class Exchange:
    """Answers calls from any number of threads.

    Attributes:
        latency: Seconds that each answer waits.
        script: What happens to the next requests.
    """

    def __init__(self, api: GeminiApi, *, latency: float) -> None:
        self.latency = latency
        self.script = Script()
        self._first_latency = latency
        self._api = api
        self._records: list[RecordedRequest] = []
        self._in_flight = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._released = threading.Event()  # ends the waits of requests that hang now

    def start(self) -> None:
        self._stopped.clear()

    def stop(self) -> None:
        """End every wait."""
        self._stopped.set()
        self._release()

    def records(self) -> list[RecordedRequest]:
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        self.script.clear()
        self.latency = self._first_latency
        self._release()
        with self._lock:
            self._records.clear()

    def _release(self) -> None:
        with self._lock:
            self._released, released = threading.Event(), self._released
        released.set()

    def reply(self, call: Call) -> Reply:
        """Answer a call; it is on record before its answer leaves."""
        with self._lock:
            self._in_flight += 1
            in_flight, received_at = self._in_flight, time.monotonic()
        try:
            plan = self._plan(call)
            texts = () if isinstance(plan, ApiError) else plan.texts
            act = self.script.take(texts)
            reply = self._act(call, plan, act)
            record = RecordedRequest(
                transport=call.transport,
                path=call.path,
                api_version=call.api_version,
                method=call.method,
                model=call.model,
                headers=call.headers,
                query=call.query,
                body=call.body,
                texts=texts,
                status=_status(reply),
                answer_message=reply.message if isinstance(reply, ApiError) else "",
                received_at=received_at,
                in_flight=in_flight,
            )
            with self._lock:
                self._records.append(record)
                released = self._released
            if act != "hang":
                self._stopped.wait(self.latency)
            elif not self._stopped.is_set():  # else nobody would end this wait
                released.wait()
        finally:
            with self._lock:
                self._in_flight -= 1
        return reply

    def _plan(self, call: Call) -> Plan | ApiError:
        try:
            return self._api.plan(call)
        except ApiError as error:
            return error

    def _act(self, call: Call, plan: Plan | ApiError, act: Fault | WrongAnswer | None) -> Reply:
        if isinstance(act, Fault):
            return act.error(self._api.quota_name(call.model))
        if act in {"hang", "disconnect"}:
            return "disconnect"
        if act == "not-json":
            return "not-json"
        if isinstance(plan, ApiError):
            return plan
        return plan.answer() if act is None else _spoiled(plan.answer(), act)


def _status(reply: Reply) -> int | None:
    if reply == "disconnect":
        return None
    return reply.code if isinstance(reply, ApiError) else 200


def _spoiled(answer: Answer, act: WrongAnswer) -> Answer:
    """The answer with something wrong; one without vectors can only be emptied."""
    if act == "empty":
        return Answer(fields={})
    vectors = answer.vectors
    if vectors is None:
        return answer
    if act == "no-values":
        nothing: list[dict[str, object]] = [{} for _ in vectors]
        name, value = ("embedding", nothing[0]) if answer.single else ("embeddings", nothing)
        return Answer(fields={**answer.fields, name: value})
    if act == "short":
        vectors = vectors[:-1]
    elif act == "long":
        vectors = [*vectors, vectors[-1]]
    elif act == "size":
        vectors = [vector[:-1] for vector in vectors]
    else:
        vectors = [np.append(vector[:-1], np.float32("nan")) for vector in vectors]
    return dataclasses.replace(answer, vectors=vectors)
