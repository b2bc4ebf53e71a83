"""Who looks at the SDK's calls, as tracers and cost guards do, sees the texts that are sent."""

from __future__ import annotations

import functools

import pytest
from google import genai
from google.genai import types
from google.genai.models import AsyncModels, Models
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedRequest

PLACES = ["google-genai", "vertex"]
TEXTS = ["alpha text", "beta text", "gamma text"]
HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")  # google-genai 3.4


def request(place, texts):
    takes_one = place == "vertex" and not HAS_BATCHES
    model = "text-embedding-005" if takes_one else "gemini-embedding-2"
    return EmbedRequest(
        model=f"models/{model}",
        texts=texts,
        titles=[None] * len(texts),
        task_type=None,
        output_dimensionality=128,
    )


def texts_of(contents):
    return [content.parts[0].text for content in contents]


def client_of(place, emulator):
    options = types.HttpOptions(base_url=emulator.base_url)
    if place == "vertex":
        return genai.Client(
            vertexai=True,
            project="p",
            location="global",
            credentials=Credentials("an-access-token"),
            http_options=options,
        )
    return genai.Client(api_key=emulator.api_key, vertexai=False, http_options=options)


def bare(embed_content, seen):
    def watched(*args, **kwargs):
        seen.append(texts_of(kwargs["contents"]))
        return embed_content(*args, **kwargs)

    return watched


def named(embed_content, seen):
    return functools.wraps(embed_content)(bare(embed_content, seen))


@pytest.fixture
def own(emulator):
    """Make a client of the user's own, closed at the end."""
    made = []

    def make(place):
        made.append(client_of(place, emulator))
        return made[-1]

    yield make
    for client in made:
        client.close()


def check_sent(emulator, texts):
    assert [[text.text for text in sent.texts] for sent in emulator.requests] == [texts]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]])
@pytest.mark.parametrize("wrap", [bare, named])
def test_wrapped_class_sees_the_texts(
    make_backend, emulator, call, monkeypatch, place, texts, wrap
):
    seen = []
    for models in (Models, AsyncModels):
        monkeypatch.setattr(models, "embed_content", wrap(models.embed_content, seen))
    answer = call(make_backend(place), "embed", request(place, texts))
    assert seen == [texts]
    assert len(answer.vectors) == len(texts)
    check_sent(emulator, texts)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wrap", [bare, named])
async def test_wrapped_method_of_an_own_client_sees_the_texts(
    make_backend, emulator, twin, own, monkeypatch, place, wrap
):
    seen = []
    client = own(place)
    for models in (client.models, client.aio.models):
        monkeypatch.setattr(models, "embed_content", wrap(models.embed_content, seen))
    backend = make_backend(place, client=client, base_url=None, api_key=None)
    answer = await twin(backend, "embed", request(place, TEXTS))
    await client.aio.aclose()
    assert seen == [TEXTS]
    assert len(answer.vectors) == len(TEXTS)
    check_sent(emulator, TEXTS)


@pytest.mark.parametrize("place", PLACES)
def test_subclass_of_a_client_s_models_sees_the_texts(make_backend, emulator, own, place):
    seen = []

    class Guarded(Models):
        def embed_content(self, **kwargs):
            seen.append(texts_of(kwargs["contents"]))
            return super().embed_content(**kwargs)

    client = own(place)
    client.models.__class__ = Guarded
    backend = make_backend(place, client=client, base_url=None, api_key=None)
    backend.embed(request(place, TEXTS))
    assert seen == [TEXTS]
    check_sent(emulator, TEXTS)


@pytest.mark.parametrize(
    ("place", "texts"),
    # It does not read the request of one text on Vertex AI.
    [("google-genai", TEXTS), ("google-genai", TEXTS[:1]), ("vertex", TEXTS)],
)
def test_openinference_shows_one_text_for_each_vector(make_backend, call, place, texts):
    instrumentation = pytest.importorskip("openinference.instrumentation.google_genai")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.GoogleGenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    try:
        answer = call(make_backend(place), "embed", request(place, texts))
    finally:
        instrumentor.uninstrument()
    [span] = exporter.get_finished_spans()
    shown = {name: value for name, value in span.attributes.items() if name.endswith(".text")}
    vectors = [name for name in span.attributes if name.endswith(".vector")]
    assert list(shown.values()) == texts
    assert len(vectors) == len(answer.vectors) == len(texts)
