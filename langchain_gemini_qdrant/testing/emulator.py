"""The Gemini embeddings API on this machine: start it, script it, read what it received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing._api import GeminiApi
from langchain_gemini_qdrant.testing._exchange import Exchange
from langchain_gemini_qdrant.testing._rest import RestServer
from langchain_gemini_qdrant.testing._script import Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from langchain_gemini_qdrant.testing._grpc import GrpcServer
    from langchain_gemini_qdrant.testing._records import RecordedRequest, RecordedText
    from langchain_gemini_qdrant.testing._script import Quota, WrongAnswer

_API_KEY = "emulator-key"
_OK = 200
_ERRORS = range(400, 600)
_RESOURCE_EXHAUSTED = 429


class GeminiEmulator:
    """Answers google-genai and google-generativeai as the Gemini API does.

    A context manager, or `start()` and `stop()`; its threads take requests from any thread,
    event loop or process. Vectors follow from the texts alone, on every machine: texts that
    share words are close, if each has the task of its side.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_keys: Collection[str] | None = None,
        retired_models: bool = False,
        latency: float = 0.0,
        grpc: bool = False,
        grpc_port: int = 0,
    ) -> None:
        """Nothing listens before `start()`.

        Args:
            host: Address to listen on.
            port: Port of the REST side; 0 takes a free one.
            api_keys: Keys that are accepted; None accepts `"emulator-key"`.
            retired_models: Serve models that the API no longer has, such as text-embedding-004.
            latency: Seconds that each answer waits.
            grpc: Serve gRPC, too; needs google-generativeai.
            grpc_port: Port of the gRPC side; 0 takes a free one.

        Raises:
            ValueError: `api_keys` is a single string, or empty.
        """
        if isinstance(api_keys, str) or (api_keys is not None and not api_keys):
            message = "api_keys must be a non-empty collection of keys, such as ['a-key']"
            raise ValueError(message)
        self._api_keys = (_API_KEY,) if api_keys is None else tuple(api_keys)
        api = GeminiApi(api_keys=self._api_keys, retired_models=retired_models)
        self._exchange = Exchange(api, latency=latency)
        self._host = host
        self._port = port
        self._with_grpc = grpc
        self._grpc_port = grpc_port
        self._rest: RestServer | None = None
        self._grpc: GrpcServer | None = None

    def start(self) -> None:
        """Listen; does nothing if it does already.

        Raises:
            OSError: The REST port is taken.
            RuntimeError: The gRPC port is taken.
            ImportError: `grpc=True` without google-generativeai.
        """
        if self._rest is not None:
            return
        self._exchange.start()
        self._rest = RestServer(self._exchange, host=self._host, port=self._port)
        if self._with_grpc:
            try:
                # Imported here: it takes a second, and google-generativeai is optional.
                from langchain_gemini_qdrant.testing._grpc import GrpcServer  # noqa: PLC0415

                self._grpc = GrpcServer(self._exchange, host=self._host, port=self._grpc_port)
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End all connections and waiting answers; the records stay readable."""
        self._exchange.stop()
        if self._grpc is not None:
            self._grpc.stop()
            self._grpc = None
        if self._rest is not None:
            self._rest.stop()
            self._rest = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where the REST side listens: `http://127.0.0.1:<port>`."""
        if self._rest is None:
            message = "the emulator is not running: use it in a with statement or call start()"
            raise RuntimeError(message)
        return f"http://{self._authority(self._rest.port)}"

    @property
    def grpc_target(self) -> str:
        """Where the gRPC side listens, for a plaintext channel: `127.0.0.1:<port>`."""
        if self._grpc is None:
            message = "the emulator serves no gRPC: start it with GeminiEmulator(grpc=True)"
            raise RuntimeError(message)
        return self._authority(self._grpc.port)

    @property
    def grpc_url(self) -> str:
        """`grpc_target` as a URL, whose scheme says that it is plaintext: `http://...`."""
        return f"http://{self.grpc_target}"

    @property
    def api_key(self) -> str:
        """A key that is accepted."""
        return self._api_keys[0]

    @property
    def latency(self) -> float:
        """Seconds that each answer waits; can be changed at any time, until `clear()`."""
        return self._exchange.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._exchange.latency = seconds

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in the order in which they were answered."""
        return self._exchange.records()

    @property
    def texts(self) -> list[RecordedText]:
        """All contents of requests that were answered with 200, in order."""
        return [
            text for request in self.requests if request.status == _OK for text in request.texts
        ]

    def fail_next(
        self,
        *,
        status: int,
        times: int | None = 1,
        containing: str | None = None,
        message: str | None = None,
        retry_after: float | None = None,
        quota: Quota | None = None,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next requests with an error, as the API words it.

        Faults and wrong answers are used up in the order in which they were asked for.

        Args:
            status: HTTP status; over gRPC, the code that belongs to it.
            times: How many requests; None for all until `clear()`.
            containing: Only requests with this in one of their texts; None for any.
            message: None for the API's usual message.
            retry_after: Seconds for the `RetryInfo` detail; None sends none. Also names the
                quota of the requests of a minute in an error with status 429.
            quota: The quota that a 429 says is used up; None with no `retry_after` gives the
                short 429 that names none.
            reason: Reason for an `ErrorInfo` detail, such as `"API_KEY_SERVICE_BLOCKED"`.
            headers: Further response headers; trailing metadata over gRPC.

        Raises:
            ValueError: `status` is not in 400..599, or `times` not at least 1.
        """
        if status not in _ERRORS:
            message = f"status must be in 400..599, got {status}"
            raise ValueError(message)
        if quota is None and status == _RESOURCE_EXHAUSTED and retry_after is not None:
            quota = "requests_per_minute"
        fault = Fault(
            status=status,
            message=message,
            retry_after=retry_after,
            quota=quota,
            reason=reason,
            headers=headers,
        )
        self._exchange.script.add(fault, times=times, containing=containing)

    def answer_next(
        self, wrong: WrongAnswer, *, times: int | None = 1, containing: str | None = None
    ) -> None:
        """Give the next requests an answer that is wrong, though none of them is.

        Args:
            wrong: `"short"` and `"long"`: one vector too few, too many; `"empty"`: `{}`;
                `"no-values"`: embeddings without numbers; `"nan"`: a number of each vector is not
                one; `"size"`: each vector lacks its last number; `"not-json"`: a web page, over
                gRPC bytes that are no message; `"disconnect"`: the connection closes; `"hang"`:
                no answer until `clear()` or `stop()` closes the connection.
            times: How many requests; None for all until `clear()`.
            containing: Only requests with this in one of their texts; None for any.

        Raises:
            ValueError: `times` is not at least 1.
        """
        self._exchange.script.add(wrong, times=times, containing=containing)

    def clear(self) -> None:
        """Be as if just started: nothing recorded, scripted or hanging, the first `latency`."""
        self._exchange.clear()

    def _authority(self, port: int) -> str:
        return f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"
