"""Spans and metrics of OpenTelemetry, if the application records them; otherwise nothing happens.

OpenTelemetry is never imported here: `sys.modules` has it if the application uses it. A failing
tracer or exporter causes one warning for each span, and nothing else.

Sources: https://github.com/open-telemetry/semantic-conventions-genai and
https://opentelemetry.io/docs/specs/semconv/database/database-spans/
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.errors import GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import TracerProvider

T = TypeVar("T")
Attributes: TypeAlias = "Mapping[str, str | bool | int | float | Sequence[str]]"

SCOPE: Final = "langchain_gemini_qdrant"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
"""Ports of addresses that name none, for `server.port`."""
MOST_EVENTS: Final = 100
"""Events of one span; further ones are counted. SDKs keep 128 by default."""
MOST_TEXTS: Final = 20
"""Texts or documents shown on one span, if texts are shown at all."""

_MOST_CHARACTERS = 1_000  # of one text
_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
# `true` is its older value; those of opentelemetry-util-genai that mean spans.
_SHOWS_TEXTS = frozenset({"TRUE", "SPAN_ONLY", "SPAN_AND_EVENT"})

# Those that the conventions ask for.
_SECONDS = [0.01 * 2**i for i in range(14)]
_TOKENS = [float(4**i) for i in range(14)]
_OF_METRICS = (
    *("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"),
    *("server.address", "server.port"),
)
_NOTHING: AbstractContextManager[None] = nullcontext()


class Span:
    """One operation, as a span of OpenTelemetry; threads and tasks may share it.

    Attributes:
        shows_texts: Whether texts may be recorded on it.
    """

    def __init__(self, span: OtelSpan, context: Context, attributes: Attributes) -> None:
        self.shows_texts = span.is_recording() and shows_texts()
        self._span = span
        self._context = context
        self._attributes = attributes
        self._began = time.perf_counter()
        self._lock = threading.Lock()
        self._events = 0
        self._texts: dict[str, None] = {}
        self._has_failed = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make spans that begin inside the block children of this one."""
        api: Any = sys.modules["opentelemetry.context"]
        token = self._try(lambda: api.attach(self._context))
        try:
            yield
        finally:
            if token is not None:
                self._try(lambda: api.detach(token))

    def set(self, describe: Callable[..., Attributes], *args: object) -> None:
        """Set the attributes that `describe` returns for `args`."""
        self._try(lambda: self._span.set_attributes(describe(*args)))

    def event(self, name: str, attributes: Attributes) -> None:
        """Add an event, unless there are many already."""
        with self._lock:
            self._events += 1
            if self._events > MOST_EVENTS:
                return
        self._try(lambda: self._span.add_event(name, attributes))

    def add_texts(self, texts: Iterable[str]) -> None:
        """Record texts that were sent, if they may be shown."""
        if not self.shows_texts:
            return
        with self._lock:
            for text in texts:
                if len(self._texts) >= MOST_TEXTS:
                    return
                self._texts[shown(text)] = None

    def measure(self, tokens: int, error: BaseException | None) -> None:
        """Record duration and tokens as metrics, if the application records metrics."""
        if "opentelemetry.metrics" in sys.modules:
            self._try(lambda: self._measure(tokens, error))

    def end(self, error: BaseException | None = None) -> None:
        """End it; the message of an error is recorded only if texts may be shown."""
        self._try(lambda: self._finish(error))
        self._try(self._span.end)

    def _measure(self, tokens: int, error: BaseException | None) -> None:
        api: Any = sys.modules["opentelemetry.metrics"]
        durations, usage = _histograms(api.get_meter_provider())
        common: dict[str, Any] = {
            name: self._attributes[name] for name in _OF_METRICS if name in self._attributes
        }
        if is_failure(error):
            common["error.type"] = type(error).__name__
        durations.record(time.perf_counter() - self._began, common, context=self._context)
        if tokens:
            usage.record(tokens, {**common, "gen_ai.token.type": "input"}, context=self._context)

    def _finish(self, error: BaseException | None) -> None:
        if self._events > MOST_EVENTS:
            self._span.set_attribute("gemini_qdrant.dropped_events", self._events - MOST_EVENTS)
        if self._texts:
            self._span.set_attribute("gemini_qdrant.inputs", [*self._texts])
        if error is None or not is_failure(error):
            return
        kind = type(error)
        event = {"exception.type": f"{kind.__module__}.{kind.__qualname__}"}
        # The message may quote an answer, a filter or the name of a document; that of another
        # library's error may even have a key.
        if self.shows_texts and isinstance(error, GeminiQdrantError):
            event["exception.message"] = shown(str(error))
        status = getattr(error, "status_code", None)
        if isinstance(error, GeminiQdrantError) and isinstance(status, int):
            self._span.set_attribute("http.response.status_code", status)
        self._span.set_attribute("error.type", kind.__name__)
        self._span.add_event("exception", event)
        api: Any = sys.modules["opentelemetry.trace"]
        self._span.set_status(api.Status(api.StatusCode.ERROR, event.get("exception.message")))

    def _try(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - from any tracer
            if not self._has_failed:
                self._has_failed = True
                _warn(error)
            return None


def start_span(
    describe: Callable[..., tuple[str, Attributes]],
    *args: object,
    kind: Literal["CLIENT", "INTERNAL"] = "CLIENT",
    hides_embeddings: bool = False,
    is_silent: bool = False,
) -> Span | None:
    """Start a span, a child of the current one; None if the application records none.

    Args:
        describe: Returns the span's name and attributes; called only if there will be a span.
        *args: The arguments of `describe`.
        kind: The kind of span: for a call of another service, or for work in this process.
        hides_embeddings: Whether other instrumentations make no embedding spans below it, because
            this one counts the same tokens.
        is_silent: Nothing is recorded, since somebody else records this operation; only the effect
            of `hides_embeddings` and the metrics remain.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    try:
        provider = _provider()
        if provider is None:
            return None
        span, context, attributes = _start(None if is_silent else provider, describe(*args), kind)
        if hides_embeddings:
            context = _hiding_embeddings(context)
        return Span(span, context, attributes)
    except Exception as error:  # noqa: BLE001 - from any tracer
        _warn(error)
        return None


def attached(span: Span | None) -> AbstractContextManager[None]:
    """Make a span, if there is one, the current one inside the block."""
    return _NOTHING if span is None else span.current()


@contextmanager
def running(span: Span) -> Iterator[Span]:
    """Make a span the current one inside the block, and end it there."""
    failure: BaseException | None = None
    try:
        with span.current():
            yield span
    except BaseException as error:
        failure = error
        raise
    finally:
        span.end(failure)


@contextmanager
def below_run(run_id: object) -> Iterator[None]:
    """Make spans inside the block children of a LangChain run's span.

    Those of OpenInference's instrumentation of LangChain are not the current ones; others are.
    """
    token = None
    langchain: Any = sys.modules.get("openinference.instrumentation.langchain")
    if langchain is not None:
        try:
            token = _attach_run(langchain.LangChainInstrumentor(), run_id)
        except Exception as error:  # noqa: BLE001 - from any tracer
            _warn(error)
    try:
        yield
    finally:
        if token is not None:
            sys.modules["opentelemetry.context"].detach(token)


def _attach_run(instrumentor: Any, run_id: object) -> object:  # noqa: ANN401
    if not instrumentor.is_instrumented_by_opentelemetry:
        return None
    span = instrumentor.get_span(run_id)
    if span is None:
        return None
    trace, context = sys.modules["opentelemetry.trace"], sys.modules["opentelemetry.context"]
    token: object = context.attach(trace.set_span_in_context(span))
    return token


def is_failure(error: BaseException | None) -> bool:
    """Return whether an operation failed; closing a generator early is no failure."""
    return error is not None and not isinstance(error, GeneratorExit)


def shows_texts() -> bool:
    """Return whether the application asks for texts on spans."""
    return os.environ.get(_SWITCH, "").strip().upper() in _SHOWS_TEXTS


def shown(text: str) -> str:
    """Return a text as it is shown on a span: cut, and without what UTF-8 cannot express."""
    cut = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
    return cut.encode(errors="replace").decode()


def _provider() -> TracerProvider | None:
    """Return the application's provider of tracers, None if nothing is recorded."""
    api: Any = sys.modules["opentelemetry.trace"]
    find = getattr(api, "get_tracer_provider", None)  # another thread may be importing it
    provider: TracerProvider | None = None if find is None else find()
    if isinstance(provider, (api.ProxyTracerProvider, api.NoOpTracerProvider)):
        return None
    utils: Any = sys.modules.get("opentelemetry.instrumentation.utils")
    if utils is not None and not utils.is_instrumentation_enabled():
        return None
    return provider


def _start(
    provider: TracerProvider | None, described: tuple[str, Attributes], kind: str
) -> tuple[OtelSpan, Context, Attributes]:
    """Return a new span, the context in which it is current, and its attributes.

    Without a provider, the span records nothing and has the ids of the current one.
    """
    trace: Any = sys.modules["opentelemetry.trace"]
    name, attributes = described
    span: OtelSpan
    if provider is None:
        span = trace.NonRecordingSpan(trace.get_current_span().get_span_context())
    else:
        tracer = provider.get_tracer(SCOPE, _version())
        span = tracer.start_span(name, kind=trace.SpanKind[kind], attributes=attributes)
    context: Context = trace.set_span_in_context(span)
    return span, context, attributes


def _hiding_embeddings(context: Context) -> Context:
    """Return a context in which OpenTelemetry's own instrumentations make no embedding spans."""
    genai: Any = sys.modules.get("opentelemetry.util.genai.invocation")
    key = getattr(genai, "CLIENT_EMBEDDING_CONTEXT_KEY", None)
    data = getattr(genai, "EmbeddingData", None)
    if key is None or data is None:
        return context
    api: Any = sys.modules["opentelemetry.context"]
    hiding: Context = api.set_value(key, data(), context)
    return hiding


@lru_cache(maxsize=4)
def _histograms(provider: MeterProvider) -> tuple[Histogram, Histogram]:
    meter = provider.get_meter(SCOPE, _version())
    return (
        meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        ),
        meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        ),
    )


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - some milliseconds

    return version("langchain-gemini-qdrant")


def _warn(error: Exception) -> None:
    warn_in_passing(
        f"OpenTelemetry failed ({type(error).__name__}): a span is missing or incomplete; vectors "
        "and documents are not affected"
    )
