"""Spans beside other instrumentations, failing tracers, and without OpenTelemetry."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys

import pytest
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langsmith import Client
from langsmith.run_helpers import tracing_context
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.errors import RequestRejectedError
from tests.integration_tests.ingesting import passages
from tests.integration_tests.spans import events

EMBEDDINGS = "embeddings gemini-embedding-2"
SEARCH = {"retrieval c": {EMBEDDINGS: {}, "query_points c": {}}}


@pytest.fixture
def instrument(spans):
    """Switch instrumentations on, until the test ends."""
    switched = []

    def instrument(module, name):
        made = getattr(importlib.import_module(module), name)()
        made.instrument(
            tracer_provider=spans.provider, meter_provider=spans.meters, skip_dep_check=True
        )
        switched.append(made)

    yield instrument
    for made in switched:
        made.uninstrument()


@pytest.fixture
def store(embeddings, spans, tmp_path):
    with create_vector_store(embeddings, "c", path=tmp_path / "index") as store:
        store.add_texts(["vacation is 25 days", "lunch is at noon"])
        spans.clear()
        yield store
    embeddings.close()


# Of google-genai


def official(instrument):
    instrument("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor")
    genai = pytest.importorskip("opentelemetry.util.genai.invocation")
    if not hasattr(genai, "EmbeddingData"):
        pytest.skip("it makes no embedding spans")


def test_official_instrumentation_of_google_genai_doubles_nothing(
    embeddings, call, spans, instrument
):
    official(instrument)
    small = embeddings.model_copy(update={"batch_size": 2})
    call(small, "embed_documents", ["alpha", "beta", "gamma"])
    assert [span.name for span in spans.all] == [EMBEDDINGS]
    assert spans.sum("gen_ai.usage.input_tokens") == small.usage.tokens > 0
    [tokens] = spans.metric("gen_ai.client.token.usage")
    assert (tokens.count, tokens.sum) == (1, small.usage.tokens)
    [duration] = spans.metric("gen_ai.client.operation.duration")
    assert duration.count == 1


def test_openinference_s_spans_are_below_ours_with_the_texts(embeddings, call, spans, instrument):
    instrument("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor")
    call(embeddings.model_copy(), "embed_documents", ["alpha", "beta"])
    [(name, [below])] = spans.tree().items()
    assert (name, below.removeprefix("Async")) == (EMBEDDINGS, "EmbedContent")
    shown = [v for k, v in spans.one(below).attributes.items() if k.endswith(".embedding.text")]
    assert shown == ["title: none | text: alpha", "title: none | text: beta"]
    ours = spans.one(EMBEDDINGS).attributes["gen_ai.usage.input_tokens"]
    assert spans.sum("gen_ai.usage.input_tokens") == ours


@pytest.mark.parametrize("method", ["embed_documents", "stream_documents"])
def test_requests_of_all_threads_and_tasks_are_below_their_call(
    embeddings, spans, instrument, method
):
    """And what the consumer of a stream does meanwhile is not."""
    instrument("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor")
    small = embeddings.model_copy(update={"batch_size": 1, "max_concurrency": 4})
    given = [f"text {i}" for i in range(9)]
    with spans.tracer.start_as_current_span("app"):
        for _ in getattr(small, method)(given):
            spans.tracer.start_span("consumer").end()

    async def consume():
        if method == "embed_documents":
            await small.aembed_documents(given)
        else:
            async for _ in small.astream_documents(given):
                spans.tracer.start_span("async consumer").end()
        await small.aclose()

    with spans.tracer.start_as_current_span("async app"):
        asyncio.run(consume())
    consumers = {"consumer": {}}
    async_consumers = {} if method == "embed_documents" else {"async consumer": {}}
    assert spans.tree() == {
        "app": {EMBEDDINGS: {"EmbedContent": {}}, **consumers},
        "async app": {EMBEDDINGS: {"AsyncEmbedContent": {}}, **async_consumers},
    }
    assert len(spans.named("EmbedContent")) == len(spans.named("AsyncEmbedContent")) == 9


# Of qdrant-client


def test_openllmetry_s_span_of_a_call_takes_the_place_of_ours(store, spans, instrument):
    instrument("opentelemetry.instrumentation.qdrant", "QdrantInstrumentor")
    store.similarity_search("holidays", k=1)
    assert spans.tree() == {"retrieval c": {EMBEDDINGS: {}, "qdrant.query_points": {}}}
    spans.clear()
    store.get_by_ids(["no such id"])  # it does not wrap this one
    assert spans.tree() == {"retrieve c": {}}


def test_openllmetry_doubles_no_asynchronous_call(store, spans, instrument):
    instrument("opentelemetry.instrumentation.qdrant", "QdrantInstrumentor")

    async def search():
        await store.asimilarity_search("holidays", k=1)
        await store.aadd_texts(["new"])
        await store.async_client.close()
        await store.embeddings.aclose()

    asyncio.run(search())
    assert len([span for span in spans.all if "query_points" in span.name]) == 1
    assert len([span for span in spans.all if "upsert" in span.name]) == 1


# Of LangChain


@pytest.mark.parametrize("way", ["invoke", "batch", "ainvoke", "abatch"])
def test_searches_are_below_openinference_s_spans_of_the_retriever(store, spans, instrument, way):
    instrument("openinference.instrumentation.langchain", "LangChainInstrumentor")
    retriever = store.as_retriever(search_kwargs={"k": 1})
    chain = {"found": retriever, "query": RunnablePassthrough()} | RunnableLambda(len)
    given = "holidays" if "invoke" in way else ["holidays", "lunch"]

    async def awaited():
        await getattr(chain, way)(given)
        await store.async_client.close()
        await store.embeddings.aclose()

    if way.startswith("a"):
        asyncio.run(awaited())
    else:
        getattr(chain, way)(given)
    ids = {span.context.span_id: span.name for span in spans.all}
    above = [ids[search.parent.span_id] for search in spans.named("retrieval c")]
    assert above == ["VectorStoreRetriever"] * (1 if "invoke" in way else 2)


OPENLLMETRY = """
import asyncio, sys
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from opentelemetry import trace
from opentelemetry.instrumentation.langchain import LangchainInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store

exporter = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
LangchainInstrumentor().instrument(skip_dep_check=True)
_, key, url, path = sys.argv
embeddings = GeminiEmbeddings(api_key=key, base_url=url)
with create_vector_store(embeddings, "c", path=path) as store:
    retriever = store.as_retriever()
    chain = {"found": retriever, "query": RunnablePassthrough()} | RunnableLambda(len)
    chain.invoke("a")
    chain.batch(["a", "b"])
    asyncio.run(chain.ainvoke("a"))
spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
for span in spans.values():
    if span.name == "retrieval c":
        print(spans[span.parent.span_id].name)
"""


@pytest.mark.slow
def test_searches_are_below_openllmetry_s_spans_of_the_retriever(emulator, tmp_path):
    """In a process of its own, as it cannot be switched off again."""
    above = output(OPENLLMETRY, emulator, tmp_path).splitlines()
    assert above == ["vector_db_retrieve VectorStoreRetriever"] * 4


def output(code, emulator, tmp_path):
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, emulator.api_key, emulator.base_url, tmp_path / "index"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


# LangSmith


def test_a_run_of_langsmith_does_not_replace_the_span(embeddings, call, spans):
    with tracing_context(enabled="local"):
        call(embeddings.model_copy(), "embed_query", "alpha")
    assert list(spans.tree()) == [EMBEDDINGS]


def test_a_run_that_langsmith_makes_a_span_of_is_not_doubled(embeddings, call, spans, instrument):
    official(instrument)
    client = Client(
        api_key="no key",
        api_url="http://127.0.0.1:9",
        tracing_mode="otel",
        otel_tracer_provider=spans.provider,
    )
    with tracing_context(enabled=True, client=client):
        call(embeddings.model_copy(), "embed_documents", ["alpha", "beta"])
    client.flush()
    client.cleanup()
    [span] = spans.all
    assert span.name.startswith("GeminiEmbeddings.")
    assert span.attributes["gen_ai.usage.input_tokens"] > 0


# Tracers that fail


class _RaisingSpan:
    def __init__(self, span):
        self._span = span

    def __getattr__(self, name):
        raise RuntimeError("alpha: the tracer is broken")


class Raising(TracerProvider):
    """Raises when a span begins, or at each of its methods."""

    def __init__(self, at):
        super().__init__()
        self._at = at

    def get_tracer(self, *args, **kwargs):
        if self._at == "tracer":
            raise RuntimeError("alpha: the tracer is broken")
        tracer = super().get_tracer(*args, **kwargs)
        if self._at == "span":
            tracer.start_span = lambda *_, **__: _RaisingSpan(None)
        return tracer


class RaisingExporter(SpanExporter):
    def export(self, _):
        raise RuntimeError("the exporter is broken")


@pytest.mark.parametrize("at", ["tracer", "span"])
def test_a_tracer_that_raises_loses_no_vectors_and_warns_once(
    embeddings, emulator, call, monkeypatch, at
):
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: Raising(at))
    alone = embeddings.model_copy()
    with pytest.warns(UserWarning, match=r"OpenTelemetry failed \(RuntimeError\)") as caught:
        vectors = call(alone, "embed_documents", ["alpha", "beta"])
    assert len(vectors) == 2
    assert len(caught) == 1
    assert "alpha" not in str(caught[0].message)
    emulator.fail_next(status=400)
    with (
        pytest.warns(UserWarning, match="OpenTelemetry failed"),
        pytest.raises(RequestRejectedError),
    ):
        call(alone, "embed_query", "alpha")


@pytest.mark.filterwarnings("ignore:OpenTelemetry failed")
@pytest.mark.parametrize("at", ["tracer", "span"])
def test_a_tracer_that_raises_loses_no_documents(store, run, monkeypatch, at):
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: Raising(at))
    assert run(store, passages(30)).added == 30
    assert len(store.similarity_search("passage", k=4)) == 4


def test_an_exporter_that_raises_loses_nothing(embeddings, call, spans):
    spans.provider.add_span_processor(SimpleSpanProcessor(RaisingExporter()))
    assert len(call(embeddings.model_copy(), "embed_documents", ["alpha", "beta"])) == 2
    assert list(spans.tree()) == [EMBEDDINGS]


# Applications that record nothing


def test_spans_that_are_not_sampled_cost_no_vectors(store, run, monkeypatch):
    provider = TracerProvider(sampler=ALWAYS_OFF)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    assert run(store, passages(3)).added == 3
    assert len(store.similarity_search("passage", k=1)) == 1


def test_the_standard_suppression_is_respected(store, spans):
    with suppress_instrumentation():
        store.similarity_search("holidays", k=1)
    assert spans.all == []


@pytest.mark.parametrize("provider", ["NoOpTracerProvider", "ProxyTracerProvider"])
def test_without_a_provider_that_records_nothing_is_made(store, spans, monkeypatch, provider):
    monkeypatch.setattr(trace, "get_tracer_provider", getattr(trace, provider))
    store.similarity_search("holidays", k=1)
    assert spans.all == []


WITHOUT = """
import sys

class Absent:
    asked = []

    def find_spec(self, name, *_):
        if name.partition(".")[0] == "opentelemetry":
            frame = sys._getframe(1)
            while frame.f_globals["__name__"].startswith("importlib"):
                frame = frame.f_back
            self.asked.append(frame.f_globals["__name__"])
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Absent())
from langchain_core.documents import Document
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest

_, key, url, path = sys.argv
embeddings = GeminiEmbeddings(api_key=key, base_url=url)
with create_vector_store(embeddings, "c", path=path) as store:
    ingest(store, [Document("alpha")])
    print(len(store.as_retriever().invoke("alpha")))
print([name for name in Absent.asked if name.startswith("langchain_gemini_qdrant")])
"""


@pytest.mark.slow
def test_without_opentelemetry_all_works_and_nothing_asks_for_it(emulator, tmp_path):
    assert output(WITHOUT, emulator, tmp_path).splitlines() == ["1", "[]"]


def test_events_of_a_run_s_embedding_are_on_its_span(store, run, spans, emulator):
    emulator.fail_next(status=503)
    run(store, passages(3))
    assert [name for name, _ in events(spans.one(EMBEDDINGS))] == ["gemini_qdrant.retry"]
