"""Many texts at once: order, bounds, streams, loops, threads and processes."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    RequestRejectedError,
)
from tests.integration_tests.places import run_elsewhere

TEXTS = [f"passage number {i}" for i in range(60)]
SIZE = {"output_dimensionality": 128}


@pytest.fixture
def alone(make_embeddings):
    """The vector of each text, embedded by itself."""
    embeddings = make_embeddings(**SIZE, max_concurrency=1)
    return embeddings.embed_documents(TEXTS)


def test_requests_overlap_up_to_the_bound_and_order_is_kept(make_embeddings, emulator, call, alone):
    emulator.clear()
    emulator.latency = 0.05
    embeddings = make_embeddings(**SIZE, batch_size=5, max_concurrency=3)
    assert call(embeddings, "embed_documents", TEXTS) == alone
    assert len(emulator.requests) == 12
    assert max(request.in_flight for request in emulator.requests) == 3


def test_equal_texts_are_sent_once(make_embeddings, emulator, call):
    vectors = call(make_embeddings(**SIZE), "embed_documents", ["a", "b", "a", "a"])
    assert [text.text for text in emulator.texts] == [
        "title: none | text: a",
        "title: none | text: b",
    ]
    assert vectors[0] == vectors[2] == vectors[3] != vectors[1]


async def test_sync_call_works_inside_a_running_loop(make_embeddings, alone):
    assert make_embeddings(**SIZE, batch_size=5).embed_documents(TEXTS) == alone


def test_stream_yields_in_order_and_reads_no_further_than_it_must(make_embeddings, emulator, alone):
    read = []

    def texts():
        for text in TEXTS:
            read.append(text)
            yield text

    embeddings = make_embeddings(**SIZE, batch_size=5, max_concurrency=2)
    stream = embeddings.stream_documents(texts())
    assert next(stream) == alone[0]
    assert len(read) <= 5 * 2 * 2
    assert [alone[0], *stream] == alone
    assert len(emulator.texts) == 2 * len(TEXTS)


def test_stream_that_is_left_sends_no_more(make_embeddings, emulator):
    embeddings = make_embeddings(**SIZE, batch_size=1, max_concurrency=2)
    stream = embeddings.stream_documents(TEXTS)
    next(stream)
    stream.close()
    assert len(emulator.requests) <= 4


async def test_async_stream_takes_async_iterables(make_embeddings, alone):
    async def texts():
        for text in TEXTS:
            yield text

    embeddings = make_embeddings(**SIZE, batch_size=7, max_concurrency=2)
    assert [vector async for vector in embeddings.astream_documents(texts())] == alone
    assert [vector async for vector in embeddings.astream_documents(TEXTS)] == alone
    await embeddings.aclose()


async def test_streams_take_titles(make_embeddings, emulator):
    embeddings = make_embeddings(model="gemini-embedding-001", **SIZE)
    list(embeddings.stream_documents(["a", "b"], titles=["x", None]))
    async for _ in embeddings.astream_documents(["a", "b"], titles=["x", None]):
        pass
    assert [text.title for text in emulator.texts] == ["x", None, "x", None]
    await embeddings.aclose()


def test_stream_fails_at_the_text_s_place_and_names_it(make_embeddings):
    embeddings = make_embeddings(**SIZE, batch_size=5, max_concurrency=1)
    stream = embeddings.stream_documents([*TEXTS[:12], " "])
    with pytest.raises(InvalidInputError, match="index 12") as caught:
        list(stream)
    assert caught.value.indices == (12,)


def test_stream_raises_the_api_s_error(make_embeddings, emulator):
    emulator.fail_next(status=400, containing="number 7")
    stream = make_embeddings(**SIZE, batch_size=5).stream_documents(TEXTS)
    assert len([next(stream) for _ in range(5)]) == 5
    with pytest.raises(RequestRejectedError):
        next(stream)


async def test_cancelling_ends_what_is_under_way(make_embeddings, emulator):
    emulator.answer_next("hang", times=None)
    embeddings = make_embeddings(**SIZE, batch_size=5, max_concurrency=2)
    before = asyncio.all_tasks()
    if embeddings.transport == "rest":
        pytest.skip("google-generativeai's REST is synchronous: it ends with its timeout")
    task = asyncio.create_task(embeddings.aembed_documents(TEXTS))
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, emulator.wait_for_requests, 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() <= before
    emulator.clear()
    await embeddings.aclose()


def test_one_instance_serves_16_threads(make_embeddings, alone):
    embeddings = make_embeddings(**SIZE)
    with ThreadPoolExecutor(16) as pool:
        vectors = list(pool.map(lambda text: embeddings.embed_documents([text])[0], TEXTS))
    assert vectors == alone


def test_several_loops_in_several_threads_share_one_instance(make_embeddings, alone):
    embeddings = make_embeddings(**SIZE, batch_size=5)

    async def embed():
        async with embeddings:
            return await embeddings.aembed_documents(TEXTS)

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: asyncio.run(embed()), range(8)))
    assert all(vectors == alone for vectors in runs)


FORKED = """
import os, sys, warnings
warnings.simplefilter("ignore")
from langchain_gemini_qdrant import GeminiEmbeddings
options = {options!r}
embeddings = GeminiEmbeddings(**options)
texts = [f"text {i}" for i in range(20)]
expected = embeddings.embed_documents(texts)
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        ok = all(embeddings.embed_documents([t]) == [v] for t, v in zip(texts, expected))
        os._exit(0 if ok else 1)
    children.append(pid)
mine = all(embeddings.embed_documents([t]) == [v] for t, v in zip(texts, expected))
states = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print(mine, states)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork on this system")
def test_forked_children_get_their_own_answers(make_embeddings):
    embeddings = make_embeddings(**SIZE)
    if embeddings.backend == "grpc" and sys.platform != "linux":
        pytest.skip("gRPC's fork handlers are Linux's")
    result = run_elsewhere(FORKED, embeddings)
    assert result.stdout.strip() == "True [0, 0, 0, 0]", result.stderr


def test_pickle_leaves_the_key_at_home(make_embeddings, emulator, monkeypatch):
    embeddings = make_embeddings(**SIZE)
    vector = embeddings.embed_query("a")
    pickled = pickle.dumps(embeddings)
    assert emulator.api_key.encode() not in pickled
    with pytest.raises(ConfigurationError, match="API key is needed"):
        pickle.loads(pickled)  # noqa: S301 - our own
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    received = pickle.loads(pickled)  # noqa: S301
    assert repr(received) == repr(embeddings)
    assert received.embed_query("a") == vector
    received.close()


def test_pickle_takes_the_key_along_when_asked(make_embeddings):
    embeddings = make_embeddings(**SIZE, pickle_api_key=True)
    received = pickle.loads(pickle.dumps(embeddings))  # noqa: S301 - our own
    assert received.embed_query("a") == embeddings.embed_query("a")
    received.close()


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_copies_work_and_share_nothing_that_changes(make_embeddings, copier):
    embeddings = make_embeddings(**SIZE)
    embeddings.embed_query("a")
    copied = copier(embeddings)
    assert copied.usage.requests == 0
    assert copied.embed_query("a") == embeddings.embed_query("a")
    copied.close()


def test_changed_copy_asks_the_changed_model(make_embeddings, emulator):
    embeddings = make_embeddings(**SIZE)
    embeddings.embed_query("a")
    changed = embeddings.model_copy(update={"model": "gemini-embedding-001"})
    changed.embed_query("a")
    assert emulator.texts[-1].model == "models/gemini-embedding-001"
    changed.close()


def test_own_client_is_not_pickled():
    embeddings = GeminiEmbeddings(client=object())
    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        pickle.dumps(embeddings)


async def test_context_managers_close_and_a_later_call_opens_again(make_embeddings):
    with make_embeddings(**SIZE) as embeddings:
        vector = embeddings.embed_query("a")
    assert embeddings.embed_query("a") == vector
    async with embeddings:
        await embeddings.aembed_query("a")
    async with embeddings:
        assert await embeddings.aembed_query("a") == vector
