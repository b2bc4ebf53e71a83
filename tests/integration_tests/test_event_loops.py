"""One instance and any number of event loops: none of them leaves anything behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from langchain_gemini_qdrant import create_vector_store
from tests.integration_tests.places import run_elsewhere


def run(coroutine):
    return asyncio.run(coroutine)


def run_and_close(coroutine):
    """As older frameworks do: nobody tells the loop that it ends."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def collect():
    """More than once: what a finalizer has seen again goes the next time."""
    for _ in range(3):
        gc.collect()


async def loop_of(coroutine):
    await coroutine
    return weakref.ref(asyncio.get_running_loop())


# asyncio warns of what a loop leaves open that is closed so
CLOSED = pytest.param(
    run_and_close, marks=pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
)


@pytest.fixture(params=[run, CLOSED])
def run_loop(request):
    return request.param


def test_embeddings_keep_no_loop_that_has_ended(make_embeddings, run_loop, caplog):
    embeddings = make_embeddings(output_dimensionality=128)
    if embeddings.transport == "grpc" and run_loop is run_and_close:
        pytest.skip("gRPC itself keeps such loops while its server runs in this process")
    loops = [run_loop(loop_of(embeddings.aembed_query("a"))) for _ in range(5)]
    run(embeddings.aclose())
    run(embeddings.aembed_query("the next use"))
    collect()
    assert [loop() for loop in loops] == [None] * 5
    assert caplog.records == []  # such as "Task exception was never retrieved"


def test_stores_keep_no_loop_that_has_ended(embeddings, qdrant_server, run_loop, caplog):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    with create_vector_store(embeddings, "c", client=client) as store:
        loops = [run_loop(loop_of(store.acount())) for _ in range(5)]
        run(store.acount())
        collect()
        assert [loop() for loop in loops] == [None] * 5
    assert caplog.records == []
    client.close()


async def test_closing_twice_and_side_by_side_is_closing_once(make_embeddings):
    embeddings = make_embeddings(output_dimensionality=128)
    await embeddings.aembed_query("a")
    await asyncio.gather(embeddings.aclose(), embeddings.aclose())
    assert len(await embeddings.aembed_query("opens it again")) == 128
    await embeddings.aclose()


DESCRIPTORS = """
import asyncio, os, warnings
warnings.simplefilter("ignore")
from langchain_gemini_qdrant import GeminiEmbeddings
embeddings = GeminiEmbeddings(**{options!r})
def count():
    return len(os.listdir("/proc/self/fd"))
asyncio.run(embeddings.aembed_query("a"))
before = count()
counts = []
for _ in range(30):
    asyncio.run(embeddings.aembed_query("a"))
    counts.append(count())
print(max(counts) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_descriptors_stay_as_many_over_event_loops(make_embeddings):
    embeddings = make_embeddings(output_dimensionality=128)
    result = run_elsewhere(DESCRIPTORS, embeddings)
    assert result.returncode == 0, result.stderr
    # gRPC closes its sockets a little later, in threads of its own.
    assert int(result.stdout) <= (5 if embeddings.transport == "grpc" else 0)
