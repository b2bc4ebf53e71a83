"""What passes through the Qdrant server of the tests: requests recorded, faults scripted."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from google.protobuf import descriptor_pool, json_format, message_factory
from qdrant_client import grpc as _messages  # noqa: F401 - registers the messages in the pool

_VERSION_PATHS = ("/", "/qdrant.Qdrant/HealthCheck")


def grpc_types(path):
    """Return the protobuf classes (request, response) of a path such as `/qdrant.Points/Get`."""
    method = descriptor_pool.Default().FindMethodByName(path.strip("/").replace("/", "."))
    return tuple(
        message_factory.GetMessageClass(each) for each in (method.input_type, method.output_type)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class QdrantRequest:
    """One request as it came in.

    REST: `method` is `"PUT"`, `path` is `"/collections/c/points"`, `query` what stood after `?`.
    gRPC: `method` is `"Upsert"`, `path` is `"/qdrant.Points/Upsert"`. Header names are lower case.
    """

    protocol: Literal["rest", "grpc"]
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str]
    content: bytes = field(repr=False)

    @property
    def body(self):
        """The JSON body, or the message with its fields' names as in the `.proto`; None for none.

        As protobuf's JSON has it, 64-bit integers such as point ids are strings in a message.
        """
        if self.protocol == "grpc":
            message = grpc_types(self.path)[0].FromString(self.content)
            return json_format.MessageToDict(message, preserving_proto_field_name=True)
        return json.loads(self.content) if self.content else None


class QdrantError(Exception):
    """An answer that is an error, by its HTTP status; gRPC answers with the code that fits it."""

    def __init__(self, status, message, *, retry_after=None, content=None):
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after  # seconds, or None
        self.content = content  # of the REST answer, where it is no JSON of Qdrant's


class ConnectionLostError(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """How a request fails; see `QdrantServer.fail_next`."""

    kind: Literal["reset", "status"]
    status: int
    retry_after: int | None
    after_effect: bool
    path: str
    message: str = "scripted failure"
    content: bytes | None = None

    def strike(self):
        if self.kind == "reset":
            raise ConnectionLostError
        raise QdrantError(
            self.status, self.message, retry_after=self.retry_after, content=self.content
        )


class Exchange:
    """Records each request, lets a scripted fault strike, checks the key, has it answered.

    Attributes:
        check: Called with each request, which it may refuse.
    """

    def __init__(self, *, api_key=None):
        self.check = lambda request: None  # noqa: ARG005
        self._api_key = api_key
        self._lock = threading.Lock()
        self._requests = []
        self._faults = deque()
        self.failures = []  # what the server could not answer: a hole in it, or a client's mistake

    @property
    def requests(self):
        with self._lock:
            return list(self._requests)

    def clear(self):
        with self._lock:
            self._requests.clear()
            self._faults.clear()

    def script(self, fault, times):
        with self._lock:
            self._faults.extend([fault] * times)

    def answer(self, request, serve):
        """Return `serve(request)`.

        Raises:
            QdrantError: An error for the client, scripted or not.
            ConnectionLostError: By script.
        """
        fault = self._record(request)
        if fault and not fault.after_effect:
            fault.strike()
        self._check_key(request)
        self.check(request)
        try:
            answer = serve(request)
        except QdrantError:
            raise
        except Exception as error:
            self.failures.append(f"{request.method} {request.path}: {error!r}")
            raise QdrantError(500, f"Service internal error: {error!r}") from error
        if fault:
            fault.strike()
        return answer

    def _record(self, request):
        """Keep a request and return the fault that meets it; none meets a question for the version.

        A client asks for the version from a thread of its own, so no test could say when.
        """
        with self._lock:
            self._requests.append(request)
            if request.path not in _VERSION_PATHS:
                for fault in self._faults:
                    if fault.path in f"{request.method} {request.path}":
                        self._faults.remove(fault)
                        return fault
        return None

    def _check_key(self, request):
        if self._api_key is None or request.path == "/":
            return
        key = request.headers.get("api-key")
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._api_key not in {key, bearer}:
            message = "Must provide an API key or an Authorization bearer token"
            if key or bearer:
                message = "Invalid API key or JWT"
            raise QdrantError(401, message, content=message.encode())
