"""The emulator of the Gemini embeddings API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing._api._api import GeminiApi
from langchain_gemini_qdrant.testing._api._media import MAX_REQUEST_BYTES, MediaRules
from langchain_gemini_qdrant.testing._api._quotas import Limits, Quotas
from langchain_gemini_qdrant.testing._transport._controls import Controls
from langchain_gemini_qdrant.testing._transport._exchange import Exchange
from langchain_gemini_qdrant.testing._transport._rest import RestServer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from langchain_gemini_qdrant.testing._api._records import RecordedRequest
    from langchain_gemini_qdrant.testing._transport._grpc import GrpcServer
    from langchain_gemini_qdrant.testing._transport._tls import Identity

_API_KEY = "emulator-key"


class GeminiEmulator(Controls):
    """A local server that answers Google's clients, over REST and gRPC, like the Gemini API.

    Use it as a context manager, or call `start()` and `stop()`; it serves any thread, event loop
    or process. Vectors depend only on the texts and are the same on every machine: texts that share
    words are close, if each has the correct task. For an image, a sound, a video or a PDF file, the
    text inside it counts: see `sample_media`.
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
        tls: bool = False,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        requests_per_day: int | None = None,
        quota_window: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        batch_seconds: float = 0.0,
        file_seconds: float = 0.0,
        file_polls: int = 0,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        max_request_images: int | None = None,
        refuse_wrong_media: bool = False,
        record: bool = True,
        stand_in_vectors: bool = False,
        compact: bool = False,
        on_request: Callable[[RecordedRequest], None] | None = None,
    ) -> None:
        """Set up the emulator; `start()` makes it listen.

        Args:
            host: Address to listen on.
            port: Port of the REST side; 0 uses a free one.
            api_keys: Accepted keys; None accepts only `"emulator-key"`.
            retired_models: Serve models that Google has retired, such as text-embedding-004.
            latency: Delay of each answer, in seconds.
            grpc: Serve gRPC, too. Needs the extra `grpc`.
            grpc_port: Port of the gRPC side; 0 uses a free one.
            tls: Serve HTTPS, and gRPC over TLS, with its own certificate for localhost, at
                `certificate`. Needs the extra `testing`.
            requests_per_minute: Texts that each model may embed in any minute, over all keys;
                requests beyond it get 429. None for no limit. A batch of 100 texts counts 100.
            tokens_per_minute: Tokens per minute and model, as counted by the emulator; None for no
                limit.
            requests_per_day: Texts per day and model; a day begins with a model's first text. None
                for no limit.
            quota_window: Length of a quota minute, in seconds; a day has 1440 of them.
            clock: Function that returns seconds, for quotas, batch jobs, files and `received_at`;
                `time.monotonic` by default.
            batch_seconds: Seconds that a job of the Batch API takes; it is pending for the first
                half and then runs.
            file_seconds: Seconds that an uploaded file is processed; it is active then.
            file_polls: Number of times that `files.get` finds an uploaded file processed.
            max_request_bytes: Size of the body of a request, in bytes; a larger one gets 400.
                Uploads have other limits.
            max_request_images: Images in all contents of a request; more of them get 400. None for
                no limit beyond the 6 of each content.
            refuse_wrong_media: Answer 400 to a medium with an unknown MIME type, or with bytes of
                another type. Otherwise, as seen with Google, the answer is 200 and the content has
                an embedding without values.
            record: Whether `requests` keeps headers, bodies and texts.
            stand_in_vectors: Return fast placeholder vectors, not meaningful: for benchmarks of
                clients. Equal texts have equal vectors; sizes and lengths are right.
            compact: Send JSON without spaces and without gzip: faster, for benchmarks. Otherwise
                answers over REST have Google's layout, and are compressed if the client asks for
                it.
            on_request: Called with each request before its answer is sent, from any thread.

        Raises:
            ValueError: `api_keys` is a single string, or empty; a quota is negative, or
                `quota_window` not more than 0.
        """
        if isinstance(api_keys, str) or (api_keys is not None and not api_keys):
            message = "api_keys must be a non-empty collection of keys, such as ['a-key']"
            raise ValueError(message)
        self._api_keys = (_API_KEY,) if api_keys is None else tuple(api_keys)
        api = GeminiApi(
            api_keys=self._api_keys,
            retired_models=retired_models,
            stand_in_vectors=stand_in_vectors,
            batch_seconds=batch_seconds,
            file_seconds=file_seconds,
            file_polls=file_polls,
            media_rules=MediaRules(
                request_bytes=max_request_bytes,
                request_images=max_request_images,
                refuses_wrong_types=refuse_wrong_media,
            ),
            clock=clock,
        )
        limits = Limits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            requests_per_day=requests_per_day,
            window=quota_window,
        )
        quotas = Quotas(limits, clock=clock)
        super().__init__(
            Exchange(
                api,
                latency=latency,
                quotas=quotas,
                clock=clock,
                record=record,
                on_request=on_request,
            )
        )
        self._host = host
        self._port = port
        self._with_grpc = grpc
        self._grpc_port = grpc_port
        self._rest: RestServer | None = None
        self._grpc: GrpcServer | None = None
        self._with_tls = tls
        self._compact = compact
        self._identity: Identity | None = None

    def start(self) -> None:
        """Start listening; does nothing if it is already listening.

        Raises:
            OSError: The REST port is in use.
            RuntimeError: The gRPC port is in use.
            ImportError: `grpc=True` without google-ai-generativelanguage, or `tls=True` without
                cryptography.
        """
        if self._rest is not None:
            return
        if self._with_tls and self._identity is None:
            # Imported here: cryptography is optional.
            from langchain_gemini_qdrant.testing._transport._tls import Identity  # noqa: PLC0415

            self._identity = Identity(self._host)
        identity = self._identity
        tls = None if identity is None else identity.context()
        self._exchange.start()
        self._rest = RestServer(
            self._exchange, host=self._host, port=self._port, tls=tls, compact=self._compact
        )
        if self._with_grpc:
            try:
                # Imported here: it takes a second, and the package for it is optional.
                from langchain_gemini_qdrant.testing._transport._grpc import GrpcServer  # noqa: PLC0415

                self._grpc = GrpcServer(
                    self._exchange,
                    host=self._host,
                    port=self._grpc_port,
                    tls=None if identity is None else identity.pair(),
                )
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Close all connections, including waiting ones; the records stay readable."""
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
        """URL of the REST side: `http://127.0.0.1:<port>`, or `https://`."""
        if self._rest is None:
            message = "the emulator is not running: use it in a with statement or call start()"
            raise RuntimeError(message)
        return f"{self._scheme}://{self._authority(self._rest.port)}"

    @property
    def grpc_target(self) -> str:
        """Address of the gRPC side, for a channel: `127.0.0.1:<port>`."""
        if self._grpc is None:
            message = "the emulator serves no gRPC: start it with GeminiEmulator(grpc=True)"
            raise RuntimeError(message)
        return self._authority(self._grpc.port)

    @property
    def grpc_url(self) -> str:
        """`grpc_target` as a URL; the scheme says whether it is plaintext: `http://...`."""
        return f"{self._scheme}://{self.grpc_target}"

    @property
    def certificate(self) -> Path:
        """With `tls=True`, the PEM file that a client must trust.

        Set it in the environment before the first client is created: as `SSL_CERT_FILE` for
        google-genai and for `GeminiEmbeddings` over it or over gRPC, as
        `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH` for Google's own clients over gRPC.
        """
        if self._identity is None:
            message = "the emulator serves no TLS: start it with GeminiEmulator(tls=True)"
            raise RuntimeError(message)
        return self._identity.certificate

    @property
    def api_key(self) -> str:
        """An accepted key."""
        return self._api_keys[0]

    @property
    def _scheme(self) -> str:
        return "https" if self._with_tls else "http"

    def _authority(self, port: int) -> str:
        return f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"
