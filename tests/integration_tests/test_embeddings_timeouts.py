"""A request ends after its time, however slowly a server answers."""

from __future__ import annotations

import asyncio

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.embeddings._backends import create_backend
from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest
from langchain_gemini_qdrant.errors import ServiceError

MODEL = "models/gemini-embedding-2"
REQUEST = EmbedRequest(
    model=MODEL, texts=["a"], titles=[None], task_type=None, output_dimensionality=128
)
METHODS = {"embed": (REQUEST,), "count_tokens": (MODEL, "a")}


PLACES = {
    "google-genai": {"name": "google-genai"},
    "vertex": {
        "name": "google-genai",
        "vertexai": True,
        "api_key": None,
        "project": "p",
        "credentials": Credentials("an-access-token"),
    },
    "google-generativeai-rest": {"name": "google-generativeai", "transport": "rest"},
    "google-generativeai-grpc": {"name": "google-generativeai", "transport": "grpc"},
}


@pytest.fixture
def make_backend(emulator):
    """Make a back end of one kind, bound to the emulator."""
    made = []

    def make(place, **options):
        grpc = place == "google-generativeai-grpc"
        address = emulator.grpc_url if grpc else emulator.base_url
        settings = {"api_key": emulator.api_key, "base_url": address, **PLACES[place], **options}
        made.append(create_backend(settings.pop("name"), BackendSettings(**settings)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("left", "timeout"), [(0.05, 60.0), (60.0, 0.05), (0.05, None), (None, 0.05)]
)
def test_request_ends_with_its_own_time_or_its_call_s(
    make_backend, emulator, call, place, method, left, timeout
):
    emulator.answer_next("hang")
    with pytest.raises(ServiceError):
        call(make_backend(place, timeout=timeout), method, *METHODS[method], timeout=left)
    emulator.clear()


@pytest.mark.parametrize("place", ["google-genai", "vertex"])
@pytest.mark.parametrize(("seconds", "told"), [(0.5, 10), (9.9, 10), (10.0, 10), (10.1, 11)])
def test_server_is_never_told_less_time_than_it_takes(
    make_backend, emulator, call, place, seconds, told
):
    """The Developer API refuses less than 10 s: "Manually set deadline 5s is too short"."""
    backend = make_backend(place, timeout=60.0)
    for method, arguments in METHODS.items():
        call(backend, method, *arguments, timeout=seconds)
    sent = [float(request.headers["x-server-timeout"]) for request in emulator.requests]
    assert sent == [told, told]


def test_time_of_an_own_client_stays_where_the_call_has_more(make_backend, emulator, call):
    own = genai.Client(
        api_key=emulator.api_key,
        http_options=types.HttpOptions(base_url=emulator.base_url, timeout=50),
    )
    backend = make_backend("google-genai", client=own, api_key=None, base_url=None)
    emulator.answer_next("hang")
    with pytest.raises(ServiceError):
        call(backend, "embed", REQUEST, timeout=60.0)
    emulator.clear()
    own.close()
    asyncio.run(own.aio.aclose())
