"""The Batch API for embeddings: jobs that are created, run for some time, and are polled.

Sources: https://ai.google.dev/gemini-api/docs/batch-api, https://ai.google.dev/api/batch-api
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing._api._calls import Answer, Plan
from langchain_gemini_qdrant.testing._api._embed import embed_items, item_tokens, read_single
from langchain_gemini_qdrant.testing._api._errors import ApiError, invalid_request
from langchain_gemini_qdrant.testing._api._messages import (
    AsyncBatchEmbedContentRequest,
    read_message,
)
from langchain_gemini_qdrant.testing._transport._json import vector_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_gemini_qdrant.testing._api._calls import Call
    from langchain_gemini_qdrant.testing._api._embed import Item
    from langchain_gemini_qdrant.testing._api._media import MediaReader
    from langchain_gemini_qdrant.testing._api._models import Model

    # The outcome of each request: its item and its metadata, or the error.
    Entry = tuple[Item | ApiError, Mapping[str, object]]

_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main."
_CANCELLED = 1  # https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto


@dataclass(kw_only=True, slots=True)
class _Job:
    name: str
    display_name: str
    model: Model
    entries: Sequence[Entry]
    created: float  # on the emulator's clock
    created_at: dt.datetime
    seconds: float
    cancelled: float | None = None
    output: Mapping[str, object] | None = None

    def elapsed(self, now: float) -> float:
        """Seconds of work so far; the count stops when the job ends."""
        end = now if self.cancelled is None else self.cancelled
        return min(max(end - self.created, 0.0), self.seconds)

    def state(self, now: float) -> str:
        if self.cancelled is not None:
            return "BATCH_STATE_CANCELLED"
        elapsed = now - self.created
        if elapsed >= self.seconds:
            return "BATCH_STATE_SUCCEEDED"
        # First pending, then running: half of the time each, as Google documents neither.
        return f"BATCH_STATE_{'PENDING' if elapsed < self.seconds / 2 else 'RUNNING'}"


class BatchJobs:
    """All jobs of an emulator; safe to use from several threads.

    Attributes:
        seconds: Duration of new jobs.
    """

    def __init__(
        self, *, seconds: float, clock: Callable[[], float], stand_ins: bool = False
    ) -> None:
        self.seconds = self._first_seconds = seconds
        self._clock = clock
        self._stand_ins = stand_ins
        self._jobs: dict[str, _Job] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._jobs.clear()
        self.seconds = self._first_seconds

    def plan_create(self, call: Call, model: Model, reader: MediaReader) -> Plan:
        """Check a request that creates a job.

        Each item is checked separately, when it is processed: its error takes its place.

        Raises:
            ApiError: The request is refused.
        """
        batch = read_message(AsyncBatchEmbedContentRequest, call.body).get("batch", {})
        config = batch.get("input_config", {})
        if "file_name" in config:
            raise ApiError(
                404, "The Gemini emulator reads no requests from files: send them inline."
            )
        requests = config.get("requests", {}).get("requests", [])
        if not requests:
            raise invalid_request(["EmbedContentBatch.input_config: requests is not specified"])
        entries: list[Entry] = []
        for inlined in requests:
            try:
                item: Item | ApiError = read_single(inlined.get("request", {}), model, reader)
            except ApiError as error:
                item = error
            entries.append((item, inlined.get("metadata", {})))

        def answer() -> Answer:
            job = _Job(
                name=f"batches/emulated-{next(self._numbers)}",
                display_name=batch.get("display_name", ""),
                model=model,
                entries=entries,
                created=self._clock(),
                created_at=dt.datetime.now(dt.UTC),
                seconds=self.seconds,
            )
            with self._lock:
                self._jobs[job.name] = job
            # The API reports this even for the quickest job.
            return Answer(fields=self._operation(job, "BATCH_STATE_PENDING", job.created))

        texts = tuple(item.recorded(model) for item, _ in entries if not isinstance(item, ApiError))
        return Plan(answer=answer, texts=texts, takes_quota=False)

    def plan_list(self, *, size: int, start: int) -> Plan:
        with self._lock:
            jobs = list(reversed(self._jobs.values()))  # newest first
        now = self._clock()
        page = jobs[start : start + size]
        fields: dict[str, object] = {
            "operations": [self._operation(job, job.state(now), now) for job in page]
        }
        if start + size < len(jobs):
            fields["nextPageToken"] = str(start + size)
        return Plan(answer=lambda: Answer(fields=fields))

    def plan_job(self, call: Call) -> Plan:
        """Plan `get`, `cancel` or `delete` of one job.

        Raises:
            ApiError: 404, there is no such job.
        """
        name = call.resource or ""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise ApiError(404)

        def answer() -> Answer:
            now = self._clock()
            if call.method == "batches.get":
                return Answer(fields=self._operation(job, job.state(now), now))
            with self._lock:
                if call.method == "batches.delete":
                    self._jobs.pop(name, None)
                elif job.state(now) != "BATCH_STATE_SUCCEEDED":
                    job.cancelled = now
            return Answer(fields={})

        return Plan(answer=answer)

    def _operation(self, job: _Job, state: str, now: float) -> dict[str, object]:
        """A job as google.longrunning.Operation, with its output once it has one."""
        ended = state in {"BATCH_STATE_SUCCEEDED", "BATCH_STATE_CANCELLED"}
        updated = _timestamp(job.created_at + dt.timedelta(seconds=job.elapsed(now)))
        failed = sum(isinstance(item, ApiError) for item, _ in job.entries)
        done = state == "BATCH_STATE_SUCCEEDED"
        stats = {
            "requestCount": len(job.entries),
            "successfulRequestCount": len(job.entries) - failed if done else 0,
            "failedRequestCount": failed if done else 0,
            "pendingRequestCount": 0 if ended else len(job.entries),
        }
        metadata: dict[str, object] = {
            "@type": f"{_TYPE}EmbedContentBatch",
            "model": job.model.name,
            "displayName": job.display_name,
            "name": job.name,
            "createTime": _timestamp(job.created_at),
            "updateTime": updated,
            # 64-bit numbers are strings in the JSON of protobuf, which leaves zeros out.
            "batchStats": {name: str(count) for name, count in stats.items() if count},
            "state": state,
        }
        operation: dict[str, object] = {"name": job.name, "metadata": metadata}
        if ended:
            operation["done"] = True
            metadata["endTime"] = updated
        if state == "BATCH_STATE_CANCELLED":
            operation["error"] = {"code": _CANCELLED, "message": "The operation was cancelled."}
        if done:
            with self._lock:
                if job.output is None:
                    job.output = self._output(job)
            metadata["output"] = job.output
            operation["response"] = {"@type": f"{_TYPE}EmbedContentBatchOutput", **job.output}
        return operation

    def _output(self, job: _Job) -> Mapping[str, object]:
        items = [item for item, _ in job.entries if not isinstance(item, ApiError)]
        vectors = embed_items(items, job.model, stand_ins=self._stand_ins)
        tokens = item_tokens(items, job.model)
        embedded = zip(vectors, tokens, strict=True)
        responses = []
        for item, metadata in job.entries:
            response: dict[str, object] = {"metadata": metadata} if metadata else {}
            if isinstance(item, ApiError):
                response["error"] = {"code": item.number, "message": item.message}
            else:
                vector, count = next(embedded)
                values = {} if vector is None else {"values": json.loads(vector_json(vector))}
                response["response"] = {"embedding": values, "tokenCount": str(count)}
            responses.append(response)
        return {"inlinedResponses": {"inlinedResponses": responses}}


def _timestamp(at: dt.datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
