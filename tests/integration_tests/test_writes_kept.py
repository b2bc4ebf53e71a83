"""Documents whose vectors are paid for are stored, whatever becomes of the others."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document
from langchain_qdrant import RetrievalMode

from langchain_gemini_qdrant import (
    EdgeBm25,
    GeminiEmbeddings,
    aingest,
    create_vector_store,
    ingest,
)
from langchain_gemini_qdrant.errors import (
    DailyQuotaError,
    InvalidInputError,
    PartialWriteError,
    RequestRejectedError,
    TextTooLongError,
)

TEXTS = [f"passage {i}." for i in range(50)]
IDS = [str(i) for i in range(50)]
DOCUMENTS = [Document(text, id=i) for text, i in zip(TEXTS, IDS, strict=True)]


@pytest.fixture
async def make_store(emulator, clock):
    stores = []

    def make(*, kind=GeminiEmbeddings, sparse_embedding=None, **options):
        hybrid = {"sparse_embedding": sparse_embedding, "retrieval_mode": RetrievalMode.HYBRID}
        options = {"output_dimensionality": 128, "batch_size": 10, "clock": clock, **options}
        embeddings = kind(api_key=emulator.api_key, base_url=emulator.base_url, **options)
        stores.append(
            create_vector_store(
                embeddings, "notes", path=":temporary:", **(hybrid if sparse_embedding else {})
            )
        )
        return stores[-1]

    yield make
    for store in stores:
        store.embeddings.close()
        await store.embeddings.aclose()
        store.embeddings.close()
        await store.aclose()


def answered(emulator):
    """How many texts the API has embedded."""
    return sum(len(request.texts) for request in emulator.requests if request.status == 200)


@pytest.mark.parametrize("max_concurrency", [1, 3, 8])
@pytest.mark.parametrize("batch_size", [4, 10, 100])
async def test_adding_stores_all_that_was_paid_for(
    make_store, emulator, twin, max_concurrency, batch_size
):
    emulator.fail_next(status=400, containing="passage 15.")
    store = make_store(max_concurrency=max_concurrency)
    with pytest.raises(PartialWriteError) as caught:
        await twin(store, "add_texts", TEXTS, ids=IDS, batch_size=batch_size)
    assert isinstance(caught.value.__cause__, RequestRejectedError)
    assert not {"10", "15", "19"} & set(caught.value.written)
    assert caught.value.written == [i for i in IDS if i not in caught.value.missing]
    assert store.count() == len(caught.value.written) == answered(emulator)
    assert len(store.get_by_ids(caught.value.written)) == store.count()


async def test_adding_stores_the_halves_of_a_request_that_was_too_large(make_store, emulator, twin):
    for count in (10, 50):  # one request, several
        emulator.fail_next(status=413, times=None, containing="passage 5.")
        store = make_store()
        with pytest.raises(PartialWriteError) as caught:
            await twin(store, "add_texts", TEXTS[:count], ids=IDS[:count])
        assert caught.value.missing[0] == "5"
        assert store.count() == len(caught.value.written) >= 9
        emulator.clear()


async def test_adding_sends_no_more_once_the_quota_of_a_day_is_used_up(make_store, emulator, twin):
    emulator.fail_next(status=429, quota="requests_per_day", times=None, containing="passage 20.")
    store = make_store(max_concurrency=1)
    with pytest.raises(PartialWriteError, match="20 of 50 documents are stored") as caught:
        await twin(store, "add_texts", TEXTS, ids=IDS)
    assert isinstance(caught.value.__cause__, DailyQuotaError)
    assert len(emulator.requests) == 3


async def test_adding_names_the_place_of_a_text_that_is_too_long(make_store, twin):
    store = make_store(max_concurrency=1)
    with pytest.raises(PartialWriteError) as caught:
        await twin(store, "add_texts", [*TEXTS[:35], "word " * 30_000, *TEXTS[36:]])
    assert isinstance(caught.value.__cause__, TextTooLongError)
    assert caught.value.__cause__.indices == (35,)
    assert len(caught.value.written) == 30


class Shouting(GeminiEmbeddings):
    """Embeds by a method of its own."""

    def stream_documents(self, texts, **options):
        return super().stream_documents(map(str.upper, texts), **options)


def test_adding_uses_the_methods_of_a_subclass(make_store, emulator):
    emulator.fail_next(status=400, containing="PASSAGE 15.")
    with pytest.raises(PartialWriteError, match="10 of 50 documents are stored"):
        make_store(kind=Shouting).add_texts(TEXTS)


async def test_adding_with_nothing_stored_raises_the_error_itself(make_store, emulator, twin):
    emulator.fail_next(status=400, times=None)
    with pytest.raises(RequestRejectedError):
        await twin(make_store(), "add_texts", TEXTS)
    with pytest.raises(InvalidInputError, match="blank, at index 40"):
        await twin(make_store(), "add_texts", [*TEXTS[:40], " ", *TEXTS])


@pytest.mark.filterwarnings("error")
def test_ingest_stores_the_texts_beside_one_that_would_be_cut_where_warnings_are_errors(make_store):
    store = make_store(on_too_long="warn")
    long = Document("word " * 9_000, id="long")
    report = ingest(store, [*DOCUMENTS[:30], long, *DOCUMENTS[30:]], on_error="report")
    assert report.failed == {"long": "UserWarning"}
    assert report.added == 50


class StopError(Exception):
    """What a callback of the user's own raises."""


@pytest.mark.parametrize("error", [StopError, KeyboardInterrupt])
@pytest.mark.parametrize(("documents", "calls"), [(20, 1), (1_000, 1), (1_000, 3)])
@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_ingest_that_is_stopped_stores_all_that_was_paid_for(
    make_store, emulator, max_concurrency, documents, calls, error
):
    """By Ctrl-C or by `on_progress`; the error comes out as it is."""
    left = iter(range(1, calls))

    def on_progress(_progress):
        if next(left, None) is None:
            raise error

    store = make_store(max_concurrency=max_concurrency)
    emulator.latency = 0.02  # so that some requests are on their way, and others wait
    with pytest.raises(error):
        ingest(store, (DOCUMENTS * 20)[:documents], batch_size=10, on_progress=on_progress)
    assert store.count() == answered(emulator)
    emulator.clear()
    report = ingest(store, DOCUMENTS)
    assert report.skipped + report.added == 50
    assert answered(emulator) == report.added


class InterruptedOnce(EdgeBm25):
    """Ctrl-C comes while vectors that have arrived are being stored."""

    left = 1

    def embed_documents(self, texts):
        if InterruptedOnce.left:
            InterruptedOnce.left -= 1
            raise KeyboardInterrupt
        return super().embed_documents(texts)


@pytest.mark.parametrize("documents", [10, 50])
def test_ctrl_c_while_vectors_are_stored_loses_none_of_them(
    make_store, emulator, documents, monkeypatch
):
    monkeypatch.setattr(InterruptedOnce, "left", 1)
    store = make_store(sparse_embedding=InterruptedOnce(), max_concurrency=2)
    with pytest.raises(KeyboardInterrupt):
        ingest(store, DOCUMENTS[:documents], batch_size=10)
    assert store.count() == answered(emulator) > 0
    report = ingest(store, DOCUMENTS)
    assert report.skipped + report.added == answered(emulator) == 50


async def test_aingest_that_its_callback_stops_stores_all_that_was_paid_for(make_store, emulator):
    def on_progress(progress):
        if progress.stored:
            raise StopError

    store = make_store(max_concurrency=3)
    with pytest.raises(StopError):
        await aingest(store, DOCUMENTS, batch_size=10, on_progress=on_progress)
    assert store.count() == answered(emulator) > 0


async def test_cancelled_aingest_ends_at_once(make_store, emulator):
    emulator.answer_next("hang", times=None)
    task = asyncio.create_task(aingest(make_store(), DOCUMENTS, batch_size=10))
    await asyncio.to_thread(emulator.wait_for_requests, 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
