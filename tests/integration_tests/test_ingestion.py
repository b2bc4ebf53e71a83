"""Documents into a collection, each once, on each engine: ids, changes, overlap, accounts."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import subprocess
import sys
import uuid

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.stores import InMemoryByteStore
from langchain_qdrant import RetrievalMode
from langsmith import trace
from langsmith.run_helpers import tracing_context
from qdrant_client import QdrantClient

from langchain_gemini_qdrant import EdgeBm25, GeminiEmbeddings, aingest, create_vector_store, ingest
from langchain_gemini_qdrant._clock import SystemClock
from langchain_gemini_qdrant.embeddings import EmbeddingUsage
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.ingesting import passages, stored, texts


@pytest.fixture(scope="module")
def _running_emulator():
    """One whose vectors cost no time, and mean nothing."""
    with GeminiEmulator(stand_in_vectors=True) as emulator:
        yield emulator


@pytest.fixture
def embeddings(emulator):
    return GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=128
    )


@pytest.fixture
def store(client, embeddings):
    """A store on each engine in turn."""
    return create_vector_store(embeddings, "c", client=client)


@pytest.fixture
def edge(tmp_path, embeddings):
    """A store on the embedded engine, for what no engine has a part in."""
    with create_vector_store(embeddings, "c", path=tmp_path / "index") as store:
        yield store


def with_options(store, **options):
    """Return a store over the same collection, whose embeddings have other options."""
    embeddings = store.embeddings.model_copy(update=options)
    return create_vector_store(embeddings, "c", client=store.client)


def counts(report):
    return report.added, report.updated, report.skipped


# Each once


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_second_run_embeds_nothing_and_sends_nothing(store, run, emulator, kind):
    report = run(store, kind(passages(250)))
    assert counts(report) == (250, 0, 0)
    assert stored(store) == texts(passages(250))
    assert len(emulator.requests) == 3
    again = run(store, kind(passages(250)))
    assert counts(again) == (0, 0, 250)
    assert len(emulator.requests) == 3
    assert (again.requests, again.texts, again.usd) == (0, 0, 0.0)
    assert store.count() == 250


async def test_async_iterables_are_stored_whole(store):
    async def documents():
        for document in passages(120):
            yield document

    assert (await aingest(store, documents(), batch_size=50)).added == 120
    assert (await aingest(store, documents())).skipped == 120
    await store.async_client.close()
    await store.embeddings.aclose()


class Both:
    """Documents that can be read in either way, as some clients' pages can."""

    def __init__(self, count):
        self._documents = iter(passages(count))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._documents)

    def __aiter__(self):
        return self

    async def __anext__(self):
        loop = asyncio.get_running_loop()
        loop.call_soon((waiting := loop.create_future()).set_result, None)
        await waiting
        try:
            return next(self._documents)
        except StopIteration:
            raise StopAsyncIteration from None


def test_an_iterator_of_both_kinds_is_read_in_the_way_of_the_call(edge, run):
    assert run(edge, Both(120), batch_size=50).added == 120
    assert stored(edge) == texts(passages(120))


class LateClock(SystemClock):
    """As if the machine were busy with others for a second before each look at the clock."""

    def __init__(self):
        self._seconds = 0.0

    def now(self):
        self._seconds += 1.0
        return self._seconds


def with_clock(store, clock):
    """Return a store over the same collection that has another clock."""
    return create_vector_store(
        store.embeddings,
        store.collection_name,
        client=store.client,
        title_key=store.title_key,
        clock=clock,
    )


def test_no_document_is_lost_where_a_run_is_kept_waiting(edge, run):
    late = with_clock(edge, LateClock())
    assert run(late, passages(250)).added == 250
    assert stored(edge) == texts(passages(250))


async def test_no_document_of_an_async_iterable_is_lost_where_a_run_is_kept_waiting(store):
    async def documents():
        for document in passages(250):
            yield document

    late = with_clock(store, LateClock())
    assert (await aingest(late, documents())).added == 250
    await late.async_client.close()
    await store.embeddings.aclose()


@pytest.mark.slow
def test_second_run_over_10000_passages_sends_no_request(tmp_path):
    with GeminiEmulator(stand_in_vectors=True, record=False) as emulator:
        embeddings = GeminiEmbeddings(
            api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=128
        )
        with create_vector_store(embeddings, "c", path=tmp_path) as store:
            assert ingest(store, iter(passages(10_000))).added == 10_000
            assert emulator.request_counts == {200: 100}
            assert ingest(store, iter(passages(10_000))).skipped == 10_000
            assert emulator.request_counts == {200: 100}
            assert store.count() == 10_000


def test_nothing_is_a_run_too(edge, run, emulator):
    assert counts(run(edge, [])) == (0, 0, 0)
    assert emulator.requests == []


def test_passages_given_twice_are_stored_once(edge, run, emulator):
    far_apart = [*passages(5), *passages(300, first=5), *passages(5)]
    report = run(edge, far_apart)
    assert counts(report) == (305, 0, 5)
    assert len(emulator.texts) == 305


def test_each_document_has_its_own_vector(edge, run, emulator):
    emulator.fail_next(status=400, times=None, containing="passage 13.")
    small = with_options(edge, batch_size=7, max_concurrency=3)
    run(small, [*passages(60), *passages(20)], batch_size=9, on_error="report")
    records, _ = edge.client.scroll("c", limit=100, with_vectors=True)
    contents = [record.payload["page_content"] for record in records]
    assert len(contents) == 59
    own = edge.embeddings.embed_documents(contents)
    for record, vector in zip(records, own, strict=True):
        assert record.vector == pytest.approx(vector, abs=1e-6)


def test_what_is_new_alone_is_embedded(edge, run, emulator):
    run(edge, passages(150))
    emulator.clear()
    mixed = [
        each for pair in zip(passages(90), passages(90, first=1000), strict=True) for each in pair
    ]
    assert counts(run(edge, mixed)) == (90, 0, 90)
    assert len(emulator.requests) == 1
    assert len(emulator.texts) == 90


# Ids


def test_own_ids_of_any_kind_are_kept(store, run):
    own = ["a name", 7, str(uuid.UUID(int=5))]
    run(store, [Document(f"text {each}", id=each) for each in own])
    assert [found.id for found in store.get_by_ids(own)] == [str(each) for each in own]


def test_content_ids_tell_texts_apart_by_the_chosen_metadata(edge, run):
    def pages():
        for source, page in itertools.product("ab", range(2)):
            yield Document("the same", metadata={"source": source, "page": page})

    assert counts(run(edge, pages())) == (2, 0, 2)
    assert counts(run(edge, pages(), id_keys=("source", "page"))) == (4, 0, 0)
    assert counts(run(edge, pages(), id_keys=())) == (1, 0, 3)
    assert edge.count() == 7


@pytest.mark.parametrize("distance", [1, 2, 5, 60, 200])
def test_last_of_one_id_stays_wherever_the_others_were(edge, run, distance):
    """In the same batch, the next one, one that is under way, and one that is long stored."""
    small = with_options(edge, batch_size=5, max_concurrency=2)
    others = (Document(f"other {i}", id=f"o{i}") for i in itertools.count())
    documents = []
    for version in range(4):
        documents.append(Document(f"version {version}", id="a"))
        documents.extend(itertools.islice(others, distance - 1))
    report = run(small, documents, batch_size=5)
    assert edge.get_by_ids(["a"])[0].page_content == "version 3"
    assert report.complete
    assert sum(counts(report)) == len(documents)
    assert edge.count() == 4 * (distance - 1) + 1


def test_a_text_that_comes_back_within_a_run_stays(edge, run):
    versions = [Document(text, id="a") for text in ("old", "new", "old")]
    run(edge, versions, batch_size=1)
    assert stored(edge) == ["old"]
    assert counts(run(edge, [Document("old", id="a")])) == (0, 0, 1)


# Changes


def test_changed_text_of_the_same_id_is_embedded_again(store, run, emulator):
    run(store, [Document("old", id="a"), Document("same", id="b")])
    emulator.clear()
    assert counts(run(store, [Document("new", id="a"), Document("same", id="b")])) == (0, 1, 1)
    assert [text.text for text in emulator.texts] == ["title: none | text: new"]
    assert stored(store) == ["new", "same"]


def test_changed_metadata_is_stored_without_embedding(store, run, emulator):
    def documents(**metadata):
        return [Document(f"text {i}", id=f"{i}th", metadata=metadata) for i in range(120)]

    run(store, documents(page=1, draft=True))
    emulator.clear()
    assert counts(run(store, documents(page=2))) == (0, 120, 0)
    assert emulator.requests == []
    assert store.get_by_ids(["5th"])[0].metadata == {"page": 2}
    assert counts(run(store, documents(page=2))) == (0, 0, 120)
    records, _ = store.client.scroll("c", limit=200, with_vectors=True)
    assert [len(record.vector) for record in records] == [128] * 120


def test_changed_title_is_embedded_again(client, embeddings, run, emulator):
    store = create_vector_store(embeddings, "c", client=client, title_key="title")

    def documents(title):
        return [Document("x", metadata={"source": "s", "title": title, "page": 1})]

    run(store, documents("old"))
    assert counts(run(store, documents("new"))) == (0, 1, 0)
    assert counts(run(store, documents("new"))) == (0, 0, 1)
    assert [text.text for text in emulator.texts] == [
        "title: old | text: x",
        "title: new | text: x",
    ]


METADATA = {
    "tuple": (1, (2, 3)),
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC),
    "date": datetime.date(2026, 1, 2),
    "uuid": uuid.UUID(int=7),
    "set": {"b", "a", "c"},
    "nested": {"list": [None, 0.1, True, "\u043a"], "1": {}},
}


def test_metadata_that_json_has_in_another_form_is_no_change(store, run):
    document = Document("x", metadata=METADATA)
    assert counts(run(store, [document])) == (1, 0, 0)
    assert counts(run(store, [document])) == (0, 0, 1)
    assert store.get_by_ids([store_id(store)])[0].metadata["set"] == ["a", "b", "c"]


def store_id(store):
    return next(store.iter_documents()).id


@pytest.mark.parametrize(
    "metadata",
    [{"x": float("nan")}, {"x": object()}, {"x": b"\xff"}, {"x": 2**70}, {"x": "\ud800"}],
)
def test_metadata_that_json_does_not_have_fails_alone_and_costs_nothing(
    edge, run, emulator, metadata
):
    documents = [*passages(3), Document("x", id="bad", metadata=metadata)]
    report = run(edge, documents, on_error="report")
    assert report.added == 3
    assert list(report.failed) == ["bad"]
    assert "cannot be stored: A payload" in report.failed["bad"]
    assert len(emulator.texts) == 3


@pytest.mark.slow
def test_sets_are_no_change_in_another_process(tmp_path, emulator):
    """Python orders the strings of a set otherwise in each process."""
    script = """
import sys
from langchain_core.documents import Document
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest
embeddings = GeminiEmbeddings(api_key=sys.argv[2], base_url=sys.argv[3], output_dimensionality=128)
document = Document("x", metadata={"tags": {str(i) for i in range(20)}})
with create_vector_store(embeddings, "c", path=sys.argv[1]) as store:
    print(ingest(store, [document]).updated)
"""
    arguments = [str(tmp_path), emulator.api_key, emulator.base_url]
    updates = [
        subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert updates == ["0", "0"]


# Embeddings and stores of other kinds


def test_hybrid_stores_get_both_vectors(client, embeddings, run):
    store = create_vector_store(embeddings, "c", client=client, sparse_embedding=EdgeBm25())
    assert run(store, passages(150)).added == 150
    records, _ = client.scroll("c", limit=1000, with_vectors=True)
    assert {tuple(sorted(record.vector)) for record in records} == {("", "langchain-sparse")}


def test_sparse_stores_ask_gemini_nothing(client, run, emulator):
    store = create_vector_store(
        None,
        "c",
        client=client,
        sparse_embedding=EdgeBm25(),
        retrieval_mode=RetrievalMode.SPARSE,
    )
    report = run(store, passages(150))
    assert (report.added, report.texts) == (150, 0)
    assert counts(run(store, passages(150))) == (0, 0, 150)
    assert emulator.requests == []
    assert store.similarity_search("77", k=1)[0].page_content == "passage 77."


def test_sets_of_any_kind_in_metadata_are_stored_in_order(edge, run):
    kinds = {"set": {"b", "a"}, "frozen": frozenset("ba"), "keys": dict.fromkeys("ba").keys()}
    run(edge, [Document("x", id="sets", metadata=kinds)])
    [document] = edge.get_by_ids(["sets"])
    assert document.metadata == {key: ["a", "b"] for key in kinds}
    assert counts(run(edge, [Document("x", id="sets", metadata=kinds)])) == (0, 0, 1)


def test_other_embeddings_are_used_one_batch_at_a_time(edge, run):
    under_way, sizes = [], []

    class Fake(DeterministicFakeEmbedding):
        def embed_documents(self, texts):
            assert not under_way
            under_way.append(texts)
            sizes.append(len(texts))
            vectors = super().embed_documents(texts)
            under_way.clear()
            return vectors

    store = create_vector_store(Fake(size=8), "other", client=edge.client)
    sizes.clear()  # the size of the vectors was asked for
    report = run(store, passages(70), batch_size=20)
    assert (report.added, report.requests, report.usd) == (70, 0, 0.0)
    assert sizes == [20, 20, 20, 10]
    assert counts(run(store, passages(70))) == (0, 0, 70)


def test_other_embeddings_may_give_arrays_on_every_engine(client, run):
    class Arrays(DeterministicFakeEmbedding):
        def embed_documents(self, texts):
            return [np.array(vector) for vector in super().embed_documents(texts)]

    store = create_vector_store(Arrays(size=8), "c", client=client)
    report = run(store, passages(5))
    assert report.added == 5
    found, _ = store.client.scroll("c", with_vectors=True)
    given = DeterministicFakeEmbedding(size=8).embed_documents(texts(passages(5)))
    kept = {record.payload["page_content"]: record.vector for record in found}
    for text, vector in zip(texts(passages(5)), given, strict=True):
        assert np.allclose(kept[text], np.array(vector) / np.linalg.norm(vector), atol=1e-5)


# Requests, side by side


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"max_concurrency": 1}, [100, 20]),
        ({"batch_size": 7, "max_concurrency": 1}, [7] * 17 + [1]),
        ({"tokens_per_minute": 30_000, "max_concurrency": 1}, None),
    ],
)
def test_embeddings_own_settings_hold(edge, run, emulator, clock, options, sizes):
    small = with_options(edge, clock=clock, **options)
    long = [Document(f"{i} {'word ' * 300}") for i in range(120)]
    assert run(small, long).added == 120
    found = [len(request.texts) for request in emulator.requests]
    assert sum(found) == 120
    assert found == sizes if sizes else max(found) < 20


def test_batch_size_bounds_requests(edge, run, emulator):
    run(edge, passages(50), batch_size=20)
    assert sorted(len(request.texts) for request in emulator.requests) == [10, 20, 20]


def test_cache_is_asked_first(edge, run, emulator):
    cache = InMemoryByteStore()
    cached = with_options(edge, cache=cache)
    run(cached, passages(30))
    cached.delete([document.id for document in cached.iter_documents()])
    emulator.clear()
    report = run(cached, passages(40))
    assert (report.added, report.texts) == (40, 10)
    assert len(emulator.texts) == 10


def test_requests_overlap_up_to_the_bound(edge, run, emulator):
    emulator.latency = 0.05
    run(with_options(edge, batch_size=5, max_concurrency=3), passages(60))
    assert len(emulator.requests) == 12
    assert max(request.in_flight for request in emulator.requests) == 3


def test_storing_goes_on_while_requests_are_under_way_and_what_is_held_is_bounded(
    emulator, embeddings
):
    """Storing waits here until the next requests have come: it would for ever, in turn."""
    written = []
    read = []

    class Waiting(QdrantClient):
        def upsert(self, collection_name, points, **kwargs):
            written.extend(points)
            batches = len(written) // 10
            # 2 requests side by side, and 2 more that wait for these: unless all have come at once
            if len(points) < 2 * 2 * 10:
                emulator.wait_for_requests(min(batches + 1, 20))
            assert len(emulator.requests) <= batches + 2 * 2
            # and those that are looked up next
            assert len(read) <= 10 * (batches + 2 * 2 + 1 + 5)
            return super().upsert(collection_name, points, **kwargs)

    def documents():
        for document in passages(200):
            read.append(document)
            yield document

    client = Waiting(":memory:")
    small = embeddings.model_copy(update={"batch_size": 10, "max_concurrency": 2})
    store = create_vector_store(small, "c", client=client)
    ingest(store, documents(), batch_size=10)
    assert len(written) == 200
    assert len(emulator.requests) == 20
    client.close()


def test_an_endless_input_is_read_no_further_than_it_must(edge, run):
    """What is read and not done is what 2 * max_concurrency requests hold, and six batches."""
    small = with_options(edge, batch_size=5, max_concurrency=2)
    seen = []
    count = 0

    def documents():
        nonlocal count
        for count in range(1, 501):
            yield Document(f"text {count}")
            done = seen[-1].done if seen else 0
            assert count - done <= 5 * (2 * 2 + 6)

    assert run(small, documents(), batch_size=5, on_progress=seen.append).added == 500


# Accounts


def test_report_has_what_the_emulator_counted(edge, run, emulator):
    report = run(edge, passages(250))
    assert emulator.request_counts == {200: report.requests}
    assert emulator.text_counts == {200: report.texts}
    with edge.embeddings.model_copy() as alone:
        alone.embed_documents([document.page_content for document in passages(250)])
        assert report.tokens == alone.usage.tokens > 0
        assert report.usd == pytest.approx(alone.usage.usd)
    assert report.seconds > 0
    assert report.documents_per_second == pytest.approx(250 / report.seconds)
    assert report.tokens_per_second == pytest.approx(report.tokens / report.seconds)
    assert str(report) == (
        "250 added, 0 updated, 0 skipped, 0 deleted, 0 failed; "
        f"sent: texts 250, tokens {report.tokens:,}, ${report.usd:.4f}"
    )


def test_a_run_is_one_call_for_on_usage_and_in_langsmith(edge, run):
    seen = []
    accounted = with_options(edge, on_usage=seen.append)
    with tracing_context(enabled="local"), trace("parent") as parent:
        report = run(accounted, passages(250))
    [usage] = seen
    assert isinstance(usage, EmbeddingUsage)
    assert (usage.requests, usage.texts, usage.tokens) == (3, 250, report.tokens)
    assert accounted.embeddings.usage == usage
    [traced] = parent.child_runs
    assert traced.name in {"GeminiEmbeddings.ingest", "GeminiEmbeddings.aingest"}
    assert traced.outputs["usage_metadata"]["input_tokens"] == report.tokens


def test_progress_counts_up_to_the_report(edge, run):
    run(edge, passages(30))
    seen = []
    report = run(edge, passages(150), batch_size=20, on_progress=seen.append)
    last = seen[-1]
    assert (last.total, last.read, last.done) == (150, 150, 150)
    assert (last.skipped, last.embedded, last.stored, last.failed) == (30, 120, 120, 0)
    assert (last.texts, last.tokens, last.usd) == (report.texts, report.tokens, report.usd)
    assert last.remaining_seconds == 0
    assert seen[0].remaining_seconds > 0
    for name in ("read", "done", "embedded", "texts", "seconds"):
        values = [getattr(each, name) for each in seen]
        assert values == sorted(values)


@pytest.mark.parametrize(
    ("kind", "total", "expected"), [(list, None, 3), (iter, None, None), (iter, 3, 3)]
)
def test_total_is_the_length_or_what_is_told(edge, run, kind, total, expected):
    seen = []
    run(edge, kind(passages(3)), total=total, on_progress=seen.append)
    assert {each.total for each in seen} == {expected}
    assert seen[-1].remaining_seconds == (None if expected is None else 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cleanup": "all"}, "cleanup must be 'none', 'source' or 'full', got 'all'"),
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'report', got 'ignore'"),
        ({"id_keys": "source"}, "id_keys must be names"),
        ({"batch_size": 0}, "batch_size must be 1 or larger, got 0"),
    ],
)
def test_wrong_options_are_told_before_anything_is_read(edge, run, options, message):
    documents = iter(passages(1))
    with pytest.raises(ConfigurationError, match=message):
        run(edge, documents, **options)
    assert len(list(documents)) == 1


async def test_asynchronous_documents_need_aingest(edge):
    async def documents():
        yield passages(1)

    with pytest.raises(ConfigurationError, match="await aingest"):
        ingest(edge, documents())


# Quotas


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_a_run_of_several_minutes_of_quota_finishes_without_help(
    run, clock, tmp_path, told, max_concurrency
):
    """With limits of the free tier, told or learnt from the refusals."""
    limits = {"requests_per_minute": 100, "tokens_per_minute": 30_000}
    with GeminiEmulator(clock=clock.now, stand_in_vectors=True, **limits) as emulator:
        embeddings = GeminiEmbeddings(
            api_key=emulator.api_key,
            base_url=emulator.base_url,
            output_dimensionality=128,
            batch_size=20,
            max_concurrency=max_concurrency,
            clock=clock,
            **(limits if told else {}),
        )
        with create_vector_store(embeddings, "c", path=tmp_path, clock=clock) as store:
            report = run(store, passages(600))
            assert (report.added, report.texts) == (600, 600)
            assert stored(store) == texts(passages(600))
        assert emulator.text_counts[200] == 600
        assert report.seconds >= 4 * 60
        if max_concurrency == 1:  # waits side by side are added up by this clock
            assert report.seconds <= 8 * 60
        embeddings.close()
