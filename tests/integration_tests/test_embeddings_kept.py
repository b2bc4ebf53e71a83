"""What is paid for comes back, whatever stands beside a call: caches, tracers, warnings."""

from __future__ import annotations

import logging
import warnings
from concurrent.futures import CancelledError

import pytest
from langchain_core.stores import InMemoryByteStore
from langsmith import Client
from langsmith.run_helpers import tracing_context

from langchain_gemini_qdrant.errors import (
    InvalidInputError,
    PartialEmbeddingError,
    RequestRejectedError,
)

TEXTS = [f"passage {i}." for i in range(50)]
SMALL = {"output_dimensionality": 128, "batch_size": 10}


def full(_):
    raise OSError(28, "No space left on device")


def given_up(_):
    raise CancelledError


class Cache(InMemoryByteStore):
    def __init__(self, **methods):
        super().__init__()
        self.__dict__.update(methods)


CACHES = {
    "mset raises": {"mset": full},
    "mget raises": {"mget": full},
    "mset gives up": {"mset": given_up},
    "mget is too short": {"mget": lambda _keys: []},
    "mget has none": {"mget": lambda _keys: None},
}


@pytest.fixture(params=["warnings are shown", "warnings are errors"])
def told(request, caplog):
    """Collect what users are told, by warnings or, where these are errors, in the log."""
    with warnings.catch_warnings(record=request.param.endswith("shown")) as caught:
        warnings.simplefilter("error" if caught is None else "always")
        caplog.set_level(logging.WARNING, "langchain_gemini_qdrant")
        yield lambda: "\n".join(
            caplog.messages if caught is None else [str(each.message) for each in caught]
        )


@pytest.mark.parametrize("backend", ["google-genai"], indirect=True)
@pytest.mark.parametrize("cache", CACHES.values(), ids=CACHES)
def test_cache_that_fails_costs_no_vectors_though_warnings_are_errors(
    make_embeddings, emulator, call, told, cache
):
    embeddings = make_embeddings(cache=Cache(**cache), **SMALL)
    assert len(call(embeddings, "embed_documents", TEXTS)) == 50
    assert len(call(embeddings, "embed_query", "a")) == 128
    assert "the cache of embeddings failed" in told()
    assert len(emulator.requests) == 6


@pytest.mark.parametrize("backend", ["google-genai"], indirect=True)
def test_on_usage_that_raises_costs_nothing_though_warnings_are_errors(
    make_embeddings, emulator, call, told
):
    embeddings = make_embeddings(on_usage=full, **SMALL)
    assert len(call(embeddings, "embed_documents", TEXTS)) == 50
    assert len(list(embeddings.stream_documents(TEXTS))) == 50
    assert "on_usage raised" in told()
    emulator.fail_next(status=400, containing="passage 15.")
    with pytest.raises(PartialEmbeddingError, match="10 of 50"):
        call(embeddings, "embed_documents", TEXTS)


@pytest.mark.parametrize("backend", ["google-genai"], indirect=True)
@pytest.mark.parametrize("hidden", ["hide_inputs", "hide_outputs"])
def test_tracer_that_fails_costs_nothing_and_hides_no_error(
    make_embeddings, emulator, call, told, hidden
):
    """`hide_inputs` of one's own is called as a call begins, `hide_outputs` at its end, too."""

    def broken(values):
        if hidden == "hide_inputs" or values:
            full(values)
        return values

    embeddings = make_embeddings(**SMALL)
    client = Client(api_url=emulator.base_url, api_key="key", **{hidden: broken})
    with tracing_context(enabled=True, client=client):
        assert len(call(embeddings, "embed_documents", TEXTS)) == 50
        assert "LangSmith tracing failed (OSError)" in told()
        emulator.fail_next(status=400, containing="passage 15.")
        with pytest.raises(PartialEmbeddingError, match="10 of 50"):
            call(embeddings, "embed_documents", TEXTS)
    client.cleanup()


@pytest.mark.parametrize("backend", ["google-genai"], indirect=True)
def test_warning_of_a_cache_points_to_the_line_that_called(make_embeddings):
    embeddings = make_embeddings(cache=Cache(mset=full), **SMALL)
    with pytest.warns(UserWarning, match="writing the cache") as caught:
        embeddings.embed_query("a")
    assert caught[0].filename == __file__


# Requests that are too large

TOO_LARGE = {"message": "Request payload size exceeds the limit: 36000 bytes."}
REFUSALS = [{"status": 400, **TOO_LARGE}, {"status": 413}]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["Google's", "a proxy's"])
def test_request_that_is_too_large_is_sent_in_halves(
    make_embeddings, emulator, call, backend, refusal
):
    """Down to the text that is refused by itself; the halves that were taken are kept."""
    if backend == "grpc" and refusal["status"] == 413:
        pytest.skip("a status of HTTP")
    embeddings = make_embeddings(**SMALL)
    expected = call(embeddings, "embed_documents", TEXTS)
    emulator.fail_next(**refusal)
    assert call(embeddings, "embed_documents", TEXTS) == expected
    assert embeddings.usage.texts == 100

    emulator.clear()
    emulator.fail_next(**refusal, times=None, containing="passage 15.")
    with pytest.raises(PartialEmbeddingError) as caught:
        call(embeddings, "embed_documents", TEXTS)
    assert list(caught.value.failures) == [15]
    assert len(emulator.requests) == 5 + 2 * 3  # 10, then 5 + 5, then 2 + 3, then 1 + 1
    emulator.clear()
    assert call(embeddings, "retry_failed", caught.value) == expected


@pytest.mark.parametrize("max_concurrency", [1, 4])
def test_stream_yields_the_halves_before_the_text_that_is_too_large(
    make_embeddings, emulator, max_concurrency
):
    emulator.fail_next(**REFUSALS[0], times=None, containing="passage 15.")
    embeddings = make_embeddings(max_concurrency=max_concurrency, **SMALL)
    vectors = []
    with pytest.raises(RequestRejectedError):
        vectors.extend(embeddings.stream_documents(TEXTS))
    assert len(vectors) == 15


def test_refused_halves_are_not_cached_and_counted_twice(make_embeddings, emulator, call):
    cache = InMemoryByteStore()
    call(make_embeddings(cache=cache, **SMALL), "embed_documents", TEXTS[:4])
    emulator.fail_next(**REFUSALS[0])
    embeddings = make_embeddings(cache=cache, **SMALL)
    call(embeddings, "embed_documents", TEXTS[:10])
    assert (embeddings.usage.cached, embeddings.usage.texts) == (4, 6)


def test_texts_that_are_to_be_cut_go_in_requests_of_4_mb(make_embeddings, emulator, call):
    embeddings = make_embeddings(on_too_long="truncate", output_dimensionality=128)
    texts = [f"{i} " + "word " * 12_000 for i in range(100)]
    assert len(call(embeddings, "embed_documents", texts)) == 100
    assert sorted(len(request.texts) for request in emulator.requests) == [34, 66]


# Lists of one's own


def test_equal_texts_get_lists_of_their_own(make_embeddings, call):
    embeddings = make_embeddings(**SMALL)
    first, _, third = call(embeddings, "embed_documents", ["a", "b", "a"])
    assert first == third
    first[0] = 99.0
    assert third[0] != 99.0
    first, second = embeddings.stream_documents(["a", "a"])
    assert first is not second


def test_vectors_that_were_there_are_the_callers_own_after_a_retry(make_embeddings, emulator, call):
    emulator.fail_next(status=400, containing="passage 15.")
    embeddings = make_embeddings(**SMALL)
    with pytest.raises(PartialEmbeddingError) as caught:
        call(embeddings, "embed_documents", [*TEXTS, *TEXTS])
    vectors = call(embeddings, "retry_failed", caught.value)
    held = [vector for vector in caught.value.vectors if vector is not None]
    assert len({id(vector) for vector in [*vectors, *held]}) == 100 + 80
    assert caught.value.vectors[0] == vectors[0] == vectors[50]


@pytest.mark.parametrize("titles", [["one"], ["one", None, None]])
def test_stream_with_another_number_of_titles_yields_what_it_has_read(make_embeddings, titles):
    vectors = []
    with pytest.raises(InvalidInputError, match="titles than texts"):
        vectors.extend(make_embeddings(**SMALL).stream_documents(["a", "b"], titles=titles))
    assert len(vectors) == (1 if len(titles) == 1 else 2)
