"""What is paid for comes back, whatever stands beside a call: caches, tracers, warnings."""

from __future__ import annotations

import logging
import warnings
from concurrent.futures import CancelledError

import pytest
from langchain_core.stores import InMemoryByteStore
from langsmith import Client
from langsmith.run_helpers import tracing_context

from langchain_gemini_qdrant.errors import PartialEmbeddingError

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
