"""The form of vectors: lists of floats for callers, what arrived for what is stored."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from langchain_core.stores import InMemoryByteStore

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings._session import open_session, stream_outcomes
from langchain_gemini_qdrant.errors import PartialEmbeddingError

SIZES = pytest.mark.parametrize("size", [256, 3072])  # 001 has length 1 at 3,072 only
MODEL = "gemini-embedding-001"
TEXTS = [f"passage {i % 240}." for i in range(250)]


def are_lists(vectors):
    return all(
        type(vector) is list and {type(number) for number in vector} == {float}
        for vector in vectors
    )


def are_float32(vectors):
    return all(np.array(vector, np.float32).tolist() == vector for vector in vectors)


async def closing(embeddings, coroutine):
    async with embeddings:
        return await coroutine


@SIZES
def test_callers_get_lists_of_floats(make_embeddings, backend, call, size):
    embeddings = make_embeddings(model=MODEL, output_dimensionality=size)
    vectors = [*call(embeddings, "embed_documents", TEXTS), call(embeddings, "embed_query", "a")]
    assert are_lists(vectors)
    assert vectors[0] == vectors[240]
    if "grpc" in backend:
        assert are_float32(vectors)


def test_streams_yield_lists_of_floats(make_embeddings):
    async def astream():
        async with embeddings:
            return [vector async for vector in embeddings.astream_documents(TEXTS)]

    embeddings = make_embeddings(model=MODEL, output_dimensionality=256)
    for vectors in [list(embeddings.stream_documents(TEXTS)), asyncio.run(astream())]:
        assert len(vectors) == 250
        assert are_lists(vectors)


@pytest.mark.parametrize("message", ["no", "payload size exceeds the limit"])
def test_failed_call_keeps_lists_of_floats(make_embeddings, emulator, call, message):
    emulator.fail_next(status=400, message=message, times=None, containing="passage 15.")
    embeddings = make_embeddings(model=MODEL, output_dimensionality=256)
    with pytest.raises(PartialEmbeddingError) as caught:
        call(embeddings, "embed_documents", TEXTS)
    held = [vector for vector in caught.value.vectors if vector is not None]
    assert 0 < len(held) < 250
    assert are_lists(held)
    emulator.clear()
    vectors = call(embeddings, "retry_failed", caught.value)
    assert len(vectors) == 250
    assert are_lists(vectors)


def test_cached_vectors_are_lists_of_floats(make_embeddings, backend, call):
    embeddings = make_embeddings(
        model=MODEL, output_dimensionality=256, cache=InMemoryByteStore(), batch_size=100
    )
    first = call(embeddings, "embed_documents", TEXTS[:50])
    again = call(embeddings, "embed_documents", TEXTS[:150])
    assert are_lists(again)
    if "grpc" in backend:
        assert again[:50] == first
    else:
        assert again[:50] == [np.array(vector, np.float32).tolist() for vector in first]


def session_of(embeddings, blocking):
    async def results():
        async with open_session(embeddings, "test", blocking=blocking) as session:
            request = session.start(TEXTS[:100], None)
            while not request.done():
                await session.wait_any([request])
            return request.result()

    return results()


def stream_of(embeddings, blocking):
    async def results():
        batches = stream_outcomes(embeddings, TEXTS[:100], None, blocking=blocking)
        return [outcome async for batch in batches for outcome in batch]

    return results()


@SIZES
@pytest.mark.parametrize("blocking", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("source", [session_of, stream_of], ids=["session", "stream"])
def test_what_is_stored_stays_as_it_arrived(make_embeddings, backend, source, size, blocking):
    embeddings = make_embeddings(model=MODEL, output_dimensionality=size)
    results = source(embeddings, blocking)
    vectors = run(results) if blocking else asyncio.run(closing(embeddings, results))
    assert len(vectors) == 100
    if "grpc" in backend:
        assert {(type(v), v.dtype, v.shape) for v in vectors} == {
            (np.ndarray, np.dtype(np.float32), (size,))
        }
    else:
        assert are_lists(vectors)
    assert [*map(list, vectors)] == embeddings.embed_documents(TEXTS[:100])
