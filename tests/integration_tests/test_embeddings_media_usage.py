"""Media in usage, price, quotas, caches and traces, and in embeddings that wrap others."""

from __future__ import annotations

import dataclasses
import functools
import json

import pytest
from google.genai.models import AsyncModels, Models
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.documents.base import Blob
from langchain_core.stores import InMemoryByteStore
from langsmith import trace
from langsmith.run_helpers import tracing_context

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings import GEMINI_MODELS, EmbeddingUsage
from langchain_gemini_qdrant.embeddings._wrappers import awaitable
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.media import HAS_USAGE, blob, block, needs_batches, png

needs_usage = pytest.mark.skipif(not HAS_USAGE, reason="google-genai 3.1 reads the counts")
WAV, MP4 = sample_media.wav("a talk", 4), sample_media.mp4("a film", 3)
CONTENTS = [
    "two words",
    blob(png()),
    ["a talk", blob(WAV)],
    blob(MP4),
    blob(sample_media.pdf("a page", "another page")),
]
MEDIA = {"IMAGE": 258, "AUDIO": 100, "VIDEO": 198, "DOCUMENT": 516}


def price(tokens):
    usd = {"TEXT": 0.20, "IMAGE": 0.45, "AUDIO": 6.50, "VIDEO": 12.00, "DOCUMENT": 0.45}
    return sum(usd[name] * count for name, count in tokens.items()) / 1e6


def media_of(usage):
    return {name: count for name, count in usage.tokens_by_modality.items() if name != "TEXT"}


# Usage and price


@needs_usage
def test_usage_has_the_tokens_and_the_price_of_each_modality(make, call):
    embeddings, seen = make(), []
    embeddings = embeddings.model_copy(update={"on_usage": seen.append})
    call(embeddings, "embed_documents", CONTENTS)
    [usage] = seen
    assert media_of(usage) == MEDIA
    assert sum(usage.tokens_by_modality.values()) == usage.tokens == usage.reported_tokens
    assert usage.usd == pytest.approx(price(usage.tokens_by_modality))


def test_usage_of_an_answer_without_counts_is_counted_here(developer, emulator, call):
    vector = [1.0] + [0.0] * 127
    emulator.answer_next(body=json.dumps({"embeddings": [{"values": vector}] * len(CONTENTS)}))
    embeddings = developer()
    call(embeddings, "embed_documents", CONTENTS)
    usage = embeddings.usage
    assert media_of(usage) == MEDIA
    assert usage.estimated_tokens == sum(usage.tokens_by_modality.values())
    assert usage.usd == pytest.approx(price(usage.tokens_by_modality))


@needs_usage
@pytest.mark.parametrize("name", ["promptTokensDetails", "promptTokenDetails"])
def test_both_spellings_of_the_counts_by_modality_are_read(developer, emulator, call, name):
    details = [{"modality": "TEXT", "tokenCount": 4}, {"modality": "AUDIO", "tokenCount": 96}]
    answer = {
        "embeddings": [{"values": [1.0] + [0.0] * 127}],
        "usageMetadata": {"promptTokenCount": 100, name: details},
    }
    emulator.answer_next(body=json.dumps(answer))
    embeddings = developer()
    call(embeddings, "embed_documents", [["a talk", blob(WAV)]])
    assert embeddings.usage.tokens_by_modality == {"TEXT": 4, "AUDIO": 96}


def test_usage_adds_up_subtracts_and_turns_into_json():
    one = EmbeddingUsage(requests=1, texts=1, tokens_by_modality={"TEXT": 3, "IMAGE": 258})
    two = EmbeddingUsage(requests=1, texts=1, tokens_by_modality={"TEXT": 2, "AUDIO": 50})
    total = one + two
    assert total.tokens_by_modality == {"TEXT": 5, "IMAGE": 258, "AUDIO": 50}
    assert total.since(one).tokens_by_modality == {"TEXT": 2, "AUDIO": 50}
    assert json.loads(json.dumps(dataclasses.asdict(total)))["tokens_by_modality"]["IMAGE"] == 258
    assert "'IMAGE': 258" in repr(total)
    assert len({one, two, one + two}) == 3


def test_prices_of_media_are_those_of_google_s_page():
    known = GEMINI_MODELS["gemini-embedding-2"]
    assert known.usd({"IMAGE": 258}) == pytest.approx(0.00012, rel=0.05)
    assert known.usd({"AUDIO": 25}) == pytest.approx(0.00016, rel=0.05)
    assert known.usd({"VIDEO": 66}) == pytest.approx(0.00079, rel=0.05)
    assert GEMINI_MODELS["text-embedding-004"].usd({"TEXT": 1}) is None


def test_text_alone_has_its_tokens_as_text(make, call):
    embeddings = make()
    call(embeddings, "embed_query", "two words")
    usage = embeddings.usage
    assert usage.tokens_by_modality == {"TEXT": usage.tokens}
    assert usage.usd == pytest.approx(price(usage.tokens_by_modality))


# Quotas


def test_quota_of_tokens_counts_media(developer, clock, emulator):
    # A batch has at most a twentieth of a minute's tokens.
    embeddings = developer(clock=clock, tokens_per_minute=6_000, max_concurrency=1)
    embeddings.embed_documents([blob(png(str(i))) for i in range(20)])
    assert len(emulator.requests) == 20
    assert sum(clock.waits) > 40  # 5,160 tokens, of which 600 may be sent at once


@needs_usage
def test_media_do_not_change_the_ratio_by_which_texts_are_estimated(developer, emulator):
    embeddings = developer(tokens_per_minute=1e9)
    limiter = embeddings._embedder.limiter
    embeddings.embed_query("some ordinary words in a sentence")
    before = limiter._ratio()
    vector = {"values": [1.0] + [0.0] * 127}
    usage = {"promptTokenCount": 5_000}
    emulator.answer_next(body=json.dumps({"embeddings": [vector], "usageMetadata": usage}))
    embeddings.embed_query(blob(png()))
    assert limiter._ratio() == before


def test_sample_for_the_quota_is_of_texts_alone(developer, emulator, call):
    embeddings = developer(tokens_per_minute=1e9)
    call(embeddings, "embed_documents", [blob(png()), ["a caption", blob(WAV)], "a text"])
    counted = [each for each in emulator.requests if each.method == "countTokens"]
    assert all("inlineData" not in json.dumps(each.body) for each in counted)


# Caches


def test_cache_knows_media_by_their_bytes(developer, emulator, call, tmp_path):
    (tmp_path / "dog.png").write_bytes(png("a dog"))
    cache = InMemoryByteStore()
    contents = [blob(png("a dog")), ["a dog", blob(png("a dog"))], "a dog"]
    first = call(developer(cache=cache), "embed_documents", contents)
    emulator.clear()
    again = developer(cache=cache)
    same = [Blob.from_path(tmp_path / "dog.png"), ["a dog", block(png("a dog"))], "a dog"]
    assert call(again, "embed_documents", same) == [pytest.approx(v, abs=1e-6) for v in first]
    assert not emulator.requests
    assert again.usage.cached == 3
    call(again, "embed_documents", [blob(png("a dog.")), ["A dog", blob(png("a dog"))]])
    assert len(emulator.texts) == 2


def test_keys_of_texts_in_a_cache_are_those_of_earlier_versions(developer):
    cache = InMemoryByteStore()
    embeddings = developer(cache=cache)
    embeddings.embed_documents(["a text"], titles=["A title"])
    embeddings.embed_query("a query")
    assert sorted(cache.yield_keys()) == [
        "818d91afcaed0b5b66b392b77c68b9f10f1e8e6ea983e6a2c4f45cfe44c2af62",
        "e0312013c5d7d4e0f3b7b491c012dad5ea231ca48a237ac2cc615a2d6cd93e65",
    ]


# Tracers, and embeddings that wrap others


@needs_usage
def test_trace_has_counts_and_no_bytes(make, call):
    with tracing_context(enabled="local"), trace("parent") as parent:
        call(make(), "embed_documents", CONTENTS)
    [traced] = parent.child_runs
    assert traced.inputs["texts"] == len(CONTENTS)
    details = traced.outputs["usage_metadata"]["input_token_details"]
    assert details == {name.lower(): count for name, count in MEDIA.items()}
    assert len(json.dumps([traced.inputs, traced.outputs])) < 2_000


@needs_batches
def test_who_watches_the_sdk_sees_the_media(make, emulator, call, monkeypatch):
    seen = []

    def watching(embed_content):
        @functools.wraps(embed_content)
        def watched(*args, **kwargs):
            seen.append(kwargs["contents"])
            return embed_content(*args, **kwargs)

        return watched

    for models in (Models, AsyncModels):
        monkeypatch.setattr(models, "embed_content", watching(models.embed_content))
    call(make(), "embed_documents", ["a text", ["a dog", blob(png())]])
    [[text, pictured]] = seen
    assert text.parts[0].text == "title: none | text: a text"
    assert pictured.parts[0].text == "a dog"
    assert pictured.parts[1].inline_data.data == png()
    assert len(emulator.texts) == 2


@pytest.mark.parametrize("blocking", [True, False], ids=["sync", "async"])
def test_langchain_s_cache_takes_texts_only_and_says_so(developer, emulator, blocking):
    cache = InMemoryByteStore()
    wrapped = CacheBackedEmbeddings.from_bytes_store(
        developer(), cache, namespace="n", key_encoder="sha256"
    )
    face = awaitable(wrapped, blocking=blocking)
    for method, argument in (
        (face.aembed_documents, ["a", blob(png())]),
        (face.aembed_query, ["a dog", blob(png())]),
    ):
        with pytest.raises(ConfigurationError, match=r"CacheBackedEmbeddings.*cache="):
            run(method(argument))
    assert not emulator.requests
    if blocking:
        assert len(run(face.aembed_documents(["a text", ["several", "texts"]]))) == 2


def test_subclass_gets_the_contents_as_they_were_passed(emulator):
    seen = []

    class Own(GeminiEmbeddings):
        def embed_documents(self, texts, **options):
            seen.extend(texts)
            return super().embed_documents(texts, **options)

    embeddings = Own(
        api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=128
    )
    content = ["a dog", blob(png())]
    assert len(run(awaitable(embeddings, blocking=True).aembed_documents([content]))) == 1
    assert seen == [content]


def test_chroma_s_protocol_gives_vectors_of_stored_images_and_of_queries(developer, tmp_path):
    (tmp_path / "dog.png").write_bytes(png())
    embeddings = developer()
    [vector] = embeddings.embed_image(uris=[str(tmp_path / "dog.png")])
    assert vector == pytest.approx(embeddings.embed_query(blob(png())), abs=1e-6)
