"""Spans of searches, of runs, and of calls of Qdrant."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from qdrant_client.http.exceptions import ResponseHandlingException

from langchain_gemini_qdrant import (
    EdgeBm25,
    GeminiEmbeddings,
    IngestError,
    create_vector_store,
    migrate,
    reembed,
)
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.ingesting import passages
from tests.integration_tests.media import blob
from tests.integration_tests.spans import SWITCH, events

EMBEDDINGS = "embeddings gemini-embedding-2"
SEARCH = {"retrieval c": {EMBEDDINGS: {}, "query_points c": {}}}
TEXTS = ["vacation is 25 days", "the office is in Berlin", "lunch is at noon"]


@pytest.fixture
def make_store(client, embeddings, spans):
    """Make a store with three documents over one client; its spans are forgotten."""
    made = []

    def make(**options):
        made.append(create_vector_store(embeddings, "c", client=client, **options))
        made[-1].add_texts(TEXTS, [{"source": "secret.txt"}] * 3, ids=["1", "2", "3"])
        spans.clear()
        return made[-1]

    yield make
    for store in made:
        store.close()
    embeddings.close()


@pytest.fixture
def store(make_store):
    return make_store()


# Searches


def test_a_search_is_a_span_above_its_embedding_and_its_call_of_qdrant(
    store, on_store, spans, qdrant_address
):
    on_store(store, "similarity_search", "holidays", k=2)
    assert spans.tree() == SEARCH
    span = spans.one("retrieval")
    assert (span.kind.name, span.status.status_code.name) == ("CLIENT", "UNSET")
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "c",
        "gen_ai.request.model": "gemini-embedding-2",
        "gen_ai.retrieval.top_k": 2,
        "db.system.name": "qdrant",
        "db.collection.name": "c",
        "gemini_qdrant.retrieval_mode": "dense",
        "gemini_qdrant.search": "similarity",
        "gemini_qdrant.hits": 2,
        **qdrant_address,
    }
    call = spans.one("query_points")
    assert call.kind.name == "CLIENT"
    assert dict(call.attributes) == {
        "db.system.name": "qdrant",
        "db.operation.name": "query_points",
        "db.collection.name": "c",
        **qdrant_address,
    }


@pytest.fixture
def qdrant_address(request, client):
    if request.node.callspec.params["client"] != "server":
        return {}
    host, _, port = client.http.client.host.rpartition("/")[2].partition(":")
    return {"server.address": host, "server.port": int(port)}


@pytest.mark.parametrize(
    ("method", "search"),
    [
        ("similarity_search_with_score", "similarity"),
        ("similarity_search_with_relevance_scores", "similarity"),
        ("max_marginal_relevance_search", "mmr"),
    ],
)
def test_each_search_is_one_span(store, on_store, spans, method, search):
    on_store(store, method, "holidays", k=2)
    assert spans.tree() == SEARCH
    assert spans.one("retrieval").attributes["gemini_qdrant.search"] == search


@pytest.mark.parametrize(
    ("method", "search"),
    [
        ("similarity_search_by_vector", "vector"),
        ("max_marginal_relevance_search_by_vector", "mmr"),
    ],
)
def test_a_search_by_vector_has_no_embedding_and_no_vector(
    store, embeddings, on_store, spans, method, search, monkeypatch
):
    monkeypatch.setenv(SWITCH, "true")
    vector = embeddings.embed_query("holidays")
    spans.clear()
    on_store(store, method, vector, k=2)
    assert spans.tree() == {"retrieval c": {"query_points c": {}}}
    span = spans.one("retrieval")
    assert span.attributes["gemini_qdrant.search"] == search
    assert "gen_ai.retrieval.query.text" not in span.attributes
    assert str(vector[0]) not in spans.content()


def test_a_hybrid_search_says_so(make_store, on_store, spans):
    on_store(make_store(sparse_embedding=EdgeBm25()), "similarity_search", "holidays", k=2)
    assert spans.tree() == SEARCH
    assert spans.one("retrieval").attributes["gemini_qdrant.retrieval_mode"] == "hybrid"


def test_a_search_by_image_is_one_span(store, on_store, spans, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(sample_media.png("a dog", size=(8, 8)))
    on_store(store, "similarity_search_by_image", str(path), k=2)
    assert spans.tree() == SEARCH


def test_a_refused_search_is_an_error_without_its_filter(store, on_store, spans):
    with pytest.raises(InvalidInputError):
        on_store(store, "similarity_search", "holidays", filter={"a": {"$secret": 1}})
    span = spans.one("retrieval")
    assert span.attributes["error.type"] == "InvalidInputError"
    assert span.status.status_code.name == "ERROR"
    assert "$secret" not in spans.content()


def test_a_search_of_another_store_inside_has_its_own_span(client, store, spans):
    """Here an embedding that looks up the query in another collection."""

    class LooksUp(GeminiEmbeddings):
        def embed_query(self, text, **options):
            store.similarity_search(text, k=1)
            return super().embed_query(text, **options)

    embeddings = store.embeddings
    looking = LooksUp(
        api_key=embeddings.api_key, base_url=embeddings.base_url, output_dimensionality=768
    )
    outer = create_vector_store(looking, "outer", client=client)
    spans.clear()
    outer.similarity_search("holidays", k=1)
    looking.close()
    inside = {EMBEDDINGS: {}, "query_points outer": {}, **SEARCH}
    assert spans.tree() == {"retrieval outer": inside}


def test_a_retriever_in_a_chain_keeps_the_application_s_span(store, spans):
    """In LangChain's threads of `batch` and of parallel steps, and in tasks."""
    retriever = store.as_retriever(search_kwargs={"k": 1})
    chain = {"found": retriever, "query": RunnablePassthrough()} | RunnableLambda(len)
    with spans.tracer.start_as_current_span("invoke"):
        chain.invoke("holidays")
    with spans.tracer.start_as_current_span("batch"):
        chain.batch(["holidays", "lunch"])

    async def ainvoke():
        await chain.ainvoke("holidays")
        await store.async_client.close()
        await store.embeddings.aclose()

    with spans.tracer.start_as_current_span("ainvoke"):
        asyncio.run(ainvoke())
    assert spans.tree() == {"invoke": SEARCH, "batch": SEARCH, "ainvoke": SEARCH}
    assert len(spans.named("retrieval")) == 4


# Texts


def test_no_text_is_on_the_spans_of_a_search(store, on_store, spans):
    on_store(store, "similarity_search", "holidays", k=2, filter={"source": "secret.txt"})
    for secret in ("holidays", *TEXTS, "secret.txt"):
        assert secret not in spans.content()


def test_the_switch_shows_the_query_and_the_documents(store, on_store, spans, monkeypatch):
    monkeypatch.setenv(SWITCH, "SPAN_ONLY")
    hits = on_store(store, "similarity_search_with_score", "holidays", k=2)
    attributes = spans.one("retrieval").attributes
    assert attributes["gen_ai.retrieval.query.text"] == "holidays"
    assert json.loads(attributes["gen_ai.retrieval.documents"]) == [
        {"id": document.id, "score": pytest.approx(score), "content": document.page_content}
        for document, score in hits
    ]


def test_the_switch_describes_media_of_a_query(store, on_store, spans, monkeypatch):
    monkeypatch.setenv(SWITCH, "true")
    data = sample_media.png("a dog", size=(8, 8))
    on_store(store, "similarity_search", ["like this", blob(data, "image/png")], k=1)
    shown = spans.one("retrieval").attributes["gen_ai.retrieval.query.text"]
    assert shown == "like this [bytes, image/png]"


# Calls of Qdrant


def test_retries_of_a_call_are_events_of_its_span(qdrant_server, embeddings, clock, spans):
    url = qdrant_server.url
    store = create_vector_store(embeddings, "c", url=url, clock=clock)
    spans.clear()
    qdrant_server.fail_next(2, kind="status", status=503)
    store.count()
    store.close()
    span = spans.one("count c")
    [first, second] = events(span)
    assert first == (
        "gemini_qdrant.retry",
        {
            "error.type": "UnexpectedResponse",
            "db.response.status_code": "503",
            "gemini_qdrant.attempt": 1,
            "gemini_qdrant.wait_seconds": clock.waits[0],
        },
    )
    assert second[1]["gemini_qdrant.wait_seconds"] == clock.waits[1]
    assert span.status.status_code.name == "UNSET"


def test_a_failed_call_has_its_status_and_no_message(qdrant_server, embeddings, clock, spans):
    store = create_vector_store(embeddings, "c", url=qdrant_server.url, clock=clock)
    qdrant_server.fail_next(kind="status", status=400, message="a secret")
    with pytest.raises(Exception, match="400"):
        store.count()
    store.close()
    span = spans.one("count c")
    assert span.attributes["db.response.status_code"] == "400"
    assert span.attributes["error.type"] == "UnexpectedResponse"
    [(name, told)] = events(span)
    assert (name, told.keys()) == ("exception", {"exception.type"})
    assert "a secret" not in spans.content()


def test_a_call_that_gets_no_answer_is_an_error(qdrant_server, embeddings, clock, spans):
    store = create_vector_store(embeddings, "c", url=qdrant_server.url, clock=clock)
    qdrant_server.fail_next(4)
    with pytest.raises(ResponseHandlingException):
        store.count()
    store.close()
    span = spans.one("count c")
    assert len(span.events) == 3 + 1
    assert span.attributes["error.type"] == "ResponseHandlingException"
    assert "db.response.status_code" not in span.attributes


def test_a_call_over_grpc_has_its_port(engine, embeddings, spans):
    client = engine("grpc")
    create_vector_store(embeddings, "c", client=client).count()
    assert spans.one("count c").attributes["server.port"] == client.server.grpc_port


# Runs


def test_a_run_is_a_span_with_the_report_s_numbers(store, run, spans):
    run(store, passages(5))
    spans.clear()
    report = run(store, passages(250))
    span = spans.one("ingest c")
    assert (span.kind.name, span.status.status_code.name) == ("INTERNAL", "UNSET")
    assert dict(span.attributes) == {
        "db.system.name": "qdrant",
        "db.collection.name": "c",
        "gemini_qdrant.added": 245,
        "gemini_qdrant.updated": 0,
        "gemini_qdrant.skipped": 5,
        "gemini_qdrant.deleted": 0,
        "gemini_qdrant.failed": 0,
        "gemini_qdrant.requests": 3,
        "gemini_qdrant.texts": 245,
        "gemini_qdrant.tokens": report.tokens,
        "gemini_qdrant.estimated_tokens": report.estimated_tokens,
        "gemini_qdrant.usd": report.usd,
    }
    assert spans.sum("gen_ai.usage.input_tokens") == report.tokens
    assert spans.sum("operation.cost") == pytest.approx(report.usd)


def test_spans_of_a_run_are_below_it_and_few(store, run, spans):
    run(store, passages(250))
    [(name, below)] = spans.tree().items()
    assert name == "ingest c"
    assert {EMBEDDINGS, "upsert c", "retrieve c"} <= below.keys()
    assert len(spans.named("embeddings")) == 1
    assert len(spans.all) < 20


def test_failed_documents_are_counted_without_names_and_texts(store, run, spans, emulator):
    emulator.fail_next(status=400, times=None, containing="passage 3.", message="passage 3.")
    with pytest.raises(IngestError):
        run(store, passages(5))
    span = spans.one("ingest c")
    assert (span.attributes["gemini_qdrant.failed"], span.attributes["gemini_qdrant.added"]) == (
        1,
        4,
    )
    assert span.attributes["error.type"] == "IngestError"
    assert "passage" not in spans.content()


def test_a_run_that_reports_its_failures_is_no_error(store, run, spans, emulator):
    emulator.fail_next(status=400, times=None, containing="passage 3.")
    run(store, passages(5), on_error="report")
    span = spans.one("ingest c")
    assert span.attributes["gemini_qdrant.failed"] == 1
    assert span.status.status_code.name == "UNSET"


def test_an_interrupted_run_ends_its_spans(store, run, spans):
    class StopError(Exception):
        pass

    def stop(_):
        raise StopError

    with pytest.raises(StopError):
        run(store, passages(250), on_progress=stop)
    assert spans.one("ingest c").attributes["error.type"] == "StopError"
    assert spans.one(EMBEDDINGS).attributes["error.type"] == "StopError"


def test_reembed_is_a_span_with_its_numbers(store, spans):
    small = store.embeddings.model_copy(update={"output_dimensionality": 128})
    report = reembed(store, small)
    numbers = spans.one("reembed c").attributes
    assert numbers["gemini_qdrant.added"] == report.ingest.added == len(TEXTS)
    assert numbers["gemini_qdrant.vectors_reused"] == report.vectors_reused == len(TEXTS)
    assert numbers["gemini_qdrant.requests"] == 0
    assert list(spans.tree()) == ["reembed c"]


def test_migrate_is_a_span_with_its_numbers(engine, embeddings, spans):
    source = engine("edge")
    create_vector_store(embeddings, "c", client=source).add_texts(TEXTS)
    spans.clear()
    migrate(source, engine("edge"), "c")
    assert dict(spans.one("migrate c").attributes) == {
        "db.system.name": "qdrant",
        "db.collection.name": "c",
        "gemini_qdrant.total": 3,
        "gemini_qdrant.added": 3,
        "gemini_qdrant.updated": 0,
        "gemini_qdrant.skipped": 0,
    }
    assert list(spans.tree()) == ["migrate c"]


def test_documents_added_without_a_run_are_below_the_application_s_span(store, on_store, spans):
    with spans.tracer.start_as_current_span("app"):
        on_store(store, "add_documents", [Document("new")])
    below = spans.tree()["app"]
    assert {EMBEDDINGS, "upsert c"} <= below.keys()
