"""Recordings of VCR.py: what is in them, what is not, and what they are played back to."""

from __future__ import annotations

import asyncio
import functools
import json
import urllib.parse
import urllib.request

import pytest
import vcr
from google import genai
from vcr.errors import CannotOverwriteExistingCassetteException

from langchain_gemini_qdrant.testing import (
    GeminiEmulator,
    assert_no_secrets,
    assert_vectors,
    gemini_vcr_config,
)

KEY = "a-key-that-must-not-leak"
MODEL = "gemini-embedding-2"


def google_genai(base_url, text):
    client = genai.Client(api_key=KEY, http_options={"base_url": base_url})
    answer = client.models.embed_content(model=MODEL, contents=text)
    client.close()
    return answer.embeddings[0].values


def google_genai_async(base_url, text):
    async def embed():
        client = genai.Client(api_key=KEY, http_options={"base_url": base_url})
        answer = await client.aio.models.embed_content(model=MODEL, contents=text)
        await client.aio.aclose()
        client.close()
        return answer.embeddings[0].values

    return asyncio.run(embed())


def google_generativeai(old_genai, base_url, text):
    old_genai.configure(api_key=KEY, transport="rest", client_options={"api_endpoint": base_url})
    return old_genai.embed_content(f"models/{MODEL}", text)["embedding"]


def no_sdk(base_url, text):
    """The key is a query parameter, as in Google's own examples of REST."""
    url = f"{base_url}/v1/models/{MODEL}:embedContent?{urllib.parse.urlencode({'key': KEY})}"
    body = json.dumps({"content": {"parts": [{"text": text}]}}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - ours
        return json.load(answer)["embedding"]["values"]


@pytest.fixture(params=[google_genai, google_genai_async, google_generativeai, no_sdk])
def embed(request):
    if request.param is google_generativeai:
        return functools.partial(google_generativeai, request.getfixturevalue("old_genai"))
    return request.param


def test_a_recording_has_no_key_and_plays_back_each_text_its_vector(embed, tmp_path):
    cassette = tmp_path / "cassette.yaml"
    recorder = vcr.VCR(**gemini_vcr_config())
    with (
        GeminiEmulator(api_keys=[KEY]) as emulator,
        recorder.use_cassette(str(cassette), record_mode="once"),
    ):
        recorded = [embed(emulator.base_url, text) for text in ("whales", "bread")]
        base_url = emulator.base_url
    assert len(emulator.requests) == 2
    assert_no_secrets(tmp_path, KEY)
    with recorder.use_cassette(str(cassette), record_mode="none"):
        played = [embed(base_url, text) for text in ("bread", "whales")]  # nobody listens
        with pytest.raises(CannotOverwriteExistingCassetteException):
            embed(base_url, "another text")
    assert_vectors(played, recorded[::-1])


def test_without_this_configuration_the_key_is_found(tmp_path):
    with (
        GeminiEmulator(api_keys=[KEY]) as emulator,
        vcr.VCR().use_cassette(str(tmp_path / "cassette.yaml")),
    ):
        google_genai(emulator.base_url, "whales")
    with pytest.raises(AssertionError, match="x-goog-api-key"):
        assert_no_secrets(tmp_path)


def test_exchanges_that_give_out_tokens_are_not_recorded():
    recorder = vcr.VCR(**gemini_vcr_config())
    keep = recorder.get_merged_config()["before_record_request"]
    token = vcr.request.Request("POST", "https://oauth2.googleapis.com/token", b"secret", {})
    other = vcr.request.Request("GET", "https://aiplatform.googleapis.com/v1", None, {})
    assert keep(token) is None
    assert keep(other) is not None


def test_every_call_gives_a_dict_of_its_own():
    gemini_vcr_config()["filter_headers"].clear()
    assert gemini_vcr_config()["filter_headers"]
