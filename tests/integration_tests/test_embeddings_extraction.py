"""Vectors are taken out of an answer before google-genai parses it: the same numbers, sooner."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from google import genai
from google.genai import types
from google.genai.models import AsyncModels, Models
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedRequest
from tests.integration_tests.test_embeddings_odd_answers import Answering, http

HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")  # google-genai 3.4
PLACES = ["google-genai", *(["vertex"] if HAS_BATCHES else [])]
REQUEST = EmbedRequest(
    model="models/gemini-embedding-2",
    texts=["alpha text", "beta text"],
    titles=[None, None],
    task_type=None,
    output_dimensionality=768,
)
USAGE = '"usageMetadata": {"promptTokenCount": 7}'


def answer(*values, more=USAGE):
    embeddings = ", ".join(f'{{"values": [{each}]}}' for each in values)
    return f'{{"embeddings": [{embeddings}], {more}}}'


BODIES = {
    "numbers of an API": answer("0.0123, -0.04567", "1e-05, -2.5E+3"),
    "numbers of any length": answer(
        "0.1234567890123456789012345678901, 2.2250738585072011e-308, 5e-324, 12345.123456789e-9",
        "0.30000000000000004, 9007199254740993.0, 1.7976931348623157e308, -0.0",
    ),
    "whole numbers": answer("1, 0", "-0, 12345678901234567890123"),
    "a whole number past all floats": answer("1" + "0" * 400),
    "numbers in strings": answer('"1.5", "2"'),
    "numbers that are none": answer("NaN, Infinity", '"NaN", -Infinity'),
    "a number past all floats": answer("1e999"),
    "true": answer("true, false"),
    "null": answer("null"),
    "a number of another base": answer("0x1"),
    "a leading zero": answer("01"),
    "lists": answer("[1.0]"),
    "a trailing comma": answer("1.0,"),
    "no numbers": answer("", ""),
    "no vectors": answer(),
    "no values": '{"embeddings": [{}, {"values": [1.0]}]}',
    "values are null": '{"embeddings": [{"values": null}]}',
    "values are an object": '{"embeddings": [{"values": {"0": 1.0}}]}',
    "embeddings are an object": '{"embeddings": {"0": {"values": [1.0]}}}',
    "embeddings are null": '{"embeddings": null}',
    "embeddings are lists": '{"embeddings": [[["values", [1.0]]]]}',
    "a list": f"[{answer('1.0')}]",
    "an error": '{"error": {"code": 429, "message": "used up", "status": "RESOURCE_EXHAUSTED"}}',
    "an error beside vectors": answer("1.0", more='"error": {"code": 429}'),
    "one vector": '{"embedding": {"values": [1.0]}}',
    "predictions": '{"predictions": [{"embeddings": {"values": [1.0]}}]}',
    "the same key twice": answer("1.0", more='"embeddings": [{"values": [2.0], "values": [3.0]}]'),
    "the same key twice, then a number": answer("1.0", more='"embeddings": 7'),
    "no usage": answer("1.0", "2.0", more='"truncated": false'),
    "usage as a float": answer("1.0", more='"usageMetadata": {"promptTokenCount": 7.0}'),
    "usage as a word": answer("1.0", more='"usageMetadata": {"promptTokenCount": "many"}'),
    "usage is a list": answer("1.0", more='"usageMetadata": [7]'),
    "unknown fields": answer("1.0", more='"x": {"y": [1e400, 12345678901234567890, "\\u00e9"]}'),
    "unknown fields of a vector": '{"embeddings": [{"values": [1.0], "shape": [1]}]}',
    "unknown fields of one vector": '{"embeddings": [{"values": [1.0]}, {"values": [], "x": 1}]}',
    "statistics": '{"embeddings": [{"values": [1.0], "statistics": {"tokenCount": 3}}]}',
    "odd statistics": '{"embeddings": [{"values": [1.0], "statistics": 3}]}',
    "half a character": answer("1.0", more='"x": "\\ud800"'),
    "a control character": answer("1.0", more='"x": "\x01"'),
    "no UTF-8": answer("1.0", more='"x": "häufig"').encode("latin-1"),
    "UTF-16": answer("1.0").encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + answer("1.0").encode(),
    "deeper than Python reads": answer("1.0", more=f'"x": {"[" * 50_000}{"]" * 50_000}'),
    "deeper than Rust reads": answer("1.0", more=f'"x": {"[" * 500}{"]" * 500}'),
    "more behind it": answer("1.0") + " {}",
    "spaces around it": f"\r\n {answer('1.0')}\n",
    "half": answer("1.0")[:-9],
}
BODIES = {name: each if isinstance(each, bytes) else each.encode() for name, each in BODIES.items()}

ANSWERS = {name: http(body) for name, body in BODIES.items()}
GOOD = BODIES["numbers of an API"]
ANSWERS |= {
    "gzip": http(gzip.compress(GOOD), content_encoding="gzip"),
    "deflate": http(zlib.compress(GOOD), content_encoding="deflate"),
    "packed twice": http(zlib.compress(gzip.compress(GOOD)), content_encoding="gzip, deflate"),
    "an unknown packing": http(GOOD, content_encoding="none-such"),
    "gzip that is none": http(GOOD, content_encoding="gzip"),
    "half of gzip": http(gzip.compress(GOOD)[:30], content_encoding="gzip"),
    "declared as UTF-16": http(GOOD, content_type="application/json; charset=utf-16"),
    "declared as latin-1": http(
        BODIES["no UTF-8"], content_type="application/json; charset=iso-8859-1"
    ),
    "201": http(GOOD, "201 Created"),
    "429": http(GOOD, "429 Too Many Requests"),
}


@pytest.fixture
def server():
    with Answering().running() as server:
        yield server


@pytest.fixture
def own():
    """Make a client of the user's own, whose answers the SDK reads itself."""
    made = []

    def make(place, url):
        access = {"api_key": "key", "vertexai": False}
        if place == "vertex":
            access = {"project": "p", "location": "global", "credentials": Credentials("token")}
            access["vertexai"] = True
        made.append(genai.Client(**access, http_options=types.HttpOptions(base_url=url)))
        return made[-1]

    yield make
    for client in made:
        client.close()


async def outcome(twin, backend):
    """Return what a request comes to: an answer, or an error with its words."""
    try:
        return repr(await twin(backend, "embed", REQUEST))
    except Exception as error:  # noqa: BLE001 - to be compared
        return type(error), str(error), getattr(error, "status_code", None)


@pytest.mark.parametrize("place", PLACES)
async def test_any_answer_comes_to_what_the_sdk_makes_of_it(make_backend, server, own, twin, place):
    ours = make_backend(place, base_url=server.url, timeout=30.0)
    client = own(place, server.url)
    theirs = make_backend(place, client=client, api_key=None, base_url=None, timeout=30.0)
    wrong = {}
    for name, server.answer in ANSWERS.items():
        expected, found = await outcome(twin, theirs), await outcome(twin, ours)
        if found != expected:
            wrong[name] = (expected, found)
    await ours.aclose()
    await client.aio.aclose()
    assert wrong == {}


class Parsed:
    """Notes the length of every document that is parsed by `json.loads`, in this thread."""

    def __init__(self):
        self.lengths = []

    def __enter__(self):
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _note(self, frame, event, _argument):
        if event == "call" and frame.f_code is json.loads.__code__:
            self.lengths.append(len(frame.f_locals["s"]))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("compression", [True, False])
async def test_sdk_parses_an_answer_without_its_vectors(
    make_backend, server, twin, place, compression
):
    body = answer(*[", ".join(["0.0123"] * 768)] * 2).encode()
    packed = http(gzip.compress(body), content_encoding="gzip")
    server.answer = packed if compression else http(body)
    backend = make_backend(place, base_url=server.url)
    with Parsed() as parsed:
        result = await twin(backend, "embed", REQUEST)
    await backend.aclose()
    assert result.vectors == [[0.0123] * 768] * 2
    assert [length for length in parsed.lengths if length > 100] == []
    assert parsed.lengths != []


async def test_own_client_reads_its_answers_itself(make_backend, server, own, twin):
    server.answer = http(GOOD)
    client = own("google-genai", server.url)
    backend = make_backend("google-genai", client=client, api_key=None, base_url=None)
    with Parsed() as parsed:
        await twin(backend, "embed", REQUEST)
    await client.aio.aclose()
    assert len(GOOD) in parsed.lengths


async def test_who_watches_a_call_sees_its_vectors(make_backend, twin, monkeypatch):
    seen = []
    embed, aembed = Models.embed_content, AsyncModels.embed_content

    def watched(*args, **kwargs):
        seen.append(embed(*args, **kwargs))
        return seen[-1]

    async def awatched(*args, **kwargs):
        seen.append(await aembed(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(Models, "embed_content", watched)
    monkeypatch.setattr(AsyncModels, "embed_content", awatched)
    backend = make_backend("google-genai")
    result = await twin(backend, "embed", REQUEST)
    await backend.aclose()
    assert [[each.values for each in response.embeddings] for response in seen] == [result.vectors]


@pytest.mark.parametrize("place", PLACES)
async def test_requests_side_by_side_get_their_own_vectors(make_backend, place):
    backend = make_backend(place)
    requests = [replace(REQUEST, texts=[f"text {i}", f"more {i}"]) for i in range(24)]
    alone = [backend.embed(request) for request in requests]
    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(backend.embed, requests)] == alone
    assert await asyncio.gather(*map(backend.aembed, requests)) == alone
    await backend.aclose()
