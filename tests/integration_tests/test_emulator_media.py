"""Images, sounds, videos and PDF files at the emulator: google-genai, both platforms, gRPC."""

from __future__ import annotations

import asyncio
import hashlib
import warnings

import grpc
import httpx
import numpy as np
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.testing import assert_texts, sample_media

with warnings.catch_warnings():
    # google-api-core announces the end of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services import generative_service
    from google.api_core import exceptions

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"
DOG = "a brown dog on the beach"
PNG, WAV = sample_media.png(DOG), sample_media.wav("rain on a tin roof", 3)
FILES = {
    "image/png": PNG,
    "image/jpeg": sample_media.jpeg(DOG),
    "audio/wav": sample_media.wav(DOG, 2.5),
    "audio/mp3": sample_media.mp3(DOG, 1),
    "video/mp4": sample_media.mp4(DOG, 40),
    "application/pdf": sample_media.pdf(DOG, "second page"),
}
TOKENS = {
    "image/png": ("IMAGE", 258),
    "image/jpeg": ("IMAGE", 258),
    "audio/wav": ("AUDIO", 62),
    "audio/mp3": ("AUDIO", 25),
    "video/mp4": ("VIDEO", 32 * 66),
    "application/pdf": ("DOCUMENT", 2 * 258),
}


def part(data, mime_type="image/png"):
    return types.Part.from_bytes(data=data, mime_type=mime_type)


def content(*parts):
    """A content of strings and parts."""
    given = [types.Part(text=each) if isinstance(each, str) else each for each in parts]
    return types.Content(parts=given)


@pytest.fixture(params=["developer", "vertex"])
def make_client(request, emulator):
    def make_client():
        options = {"http_options": {"base_url": emulator.base_url}}
        if request.param == "vertex":
            options |= {"vertexai": True, "project": "p", "location": "l"}
            return genai.Client(**options, credentials=Credentials("x"))
        return genai.Client(**options, api_key=emulator.api_key)

    return make_client


@pytest.fixture
def client(make_client):
    with make_client() as client:
        yield client


@pytest.fixture(params=["sync", "async"])
def embed(request, make_client):
    """Embed contents, one vector for each, by google-genai."""

    def embed_now(contents, config):
        with make_client() as client:
            embed = client.models.embed_content
            return [embed(model=TWO, contents=each, config=config) for each in contents]

    async def embed_later(contents, config):
        with make_client() as client:
            async with client.aio as later:
                embed = later.models.embed_content
                return [await embed(model=TWO, contents=each, config=config) for each in contents]

    def embed(*contents, **config):
        if request.param == "async":
            answers = asyncio.run(embed_later(contents, config))
        else:
            answers = embed_now(contents, config)
        return np.array([answer.embeddings[0].values for answer in answers], dtype=np.float64)

    return embed


def test_a_text_finds_the_image_of_its_words(embed):
    dog, ship, query = embed(
        content(part(PNG)), content(part(sample_media.png("a ship at night"))), content("brown dog")
    )
    assert query @ dog > query @ ship + 0.05
    assert query @ dog < 0.5  # a text of these words has more


def test_a_caption_and_its_image_are_one_vector_near_both(embed, emulator):
    fused, text, image, other = embed(
        content("at sunset", part(PNG)),
        content("at sunset"),
        content(part(PNG)),
        content(part(sample_media.png("a ship"))),
    )
    assert fused @ image > 0.7
    assert fused @ text > 0.5
    assert fused @ other < 0.5
    assert np.linalg.norm(fused) == pytest.approx(1, abs=1e-6)
    assert [(each.text, each.parts) for each in emulator.texts[:1]] == [("at sunset", 2)]


def test_the_record_of_a_content_has_its_media_without_their_bytes(embed, emulator):
    embed(content("rain", part(PNG), part(WAV, "audio/wav")))
    (text,) = emulator.texts
    image, sound = text.media
    assert (image.mime_type, image.size_bytes, image.uri) == ("image/png", len(PNG), None)
    assert image.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (sound.mime_type, sound.text) == ("audio/wav", "rain on a tin roof")
    assert_texts(emulator, [["rain", PNG, WAV]])


def test_vectors_of_a_smaller_size_are_the_start_of_the_whole_ones(embed):
    (whole,) = embed(content("at sunset", part(PNG)))
    (short,) = embed(content("at sunset", part(PNG)), output_dimensionality=128)
    assert whole[:128] / np.linalg.norm(whole[:128]) == pytest.approx(short, abs=1e-6)


@pytest.mark.parametrize("mime_type", FILES)
def test_tokens_are_counted_by_modality(client, mime_type):
    """258 an image and a page, 25 a second of sound, 66 a frame of video."""
    modality, expected = TOKENS[mime_type]
    if client.vertexai and modality == "VIDEO":
        expected = 40 * 66  # up to 120 frames
    answer = client.models.count_tokens(
        model=TWO, contents=content("two words", part(FILES[mime_type], mime_type))
    )
    assert answer.total_tokens == 2 + expected


@pytest.mark.parametrize("vertex", [True, False])
def test_answers_have_the_tokens_of_each_modality(emulator, vertex):
    """The Developer API spells the field promptTokenDetails, Vertex AI promptTokensDetails."""
    parts = [
        {"inlineData": {"mimeType": kind, "data": encoded(data)}} for kind, data in FILES.items()
    ]
    body = {"content": {"parts": [{"text": "two words"}, *parts]}}
    if vertex:
        place = "v1beta1/projects/p/locations/l/publishers/google/"
        headers, name = {"Authorization": "Bearer x"}, "promptTokensDetails"
    else:
        place, headers = "v1beta/", {"x-goog-api-key": emulator.api_key}
        name = "promptTokenDetails"
    url = f"{emulator.base_url}/{place}models/{TWO}:embedContent"
    usage = httpx.post(url, json=body, headers=headers).json()["usageMetadata"]
    found = {each["modality"]: each["tokenCount"] for each in usage[name]}
    video = 40 * 66 if vertex else 32 * 66
    assert found == {"TEXT": 2, "IMAGE": 516, "AUDIO": 87, "VIDEO": video, "DOCUMENT": 516}
    assert usage["promptTokenCount"] == sum(found.values())


def encoded(data):
    return types.Blob(data=data, mime_type="").model_dump(mode="json")["data"]


def test_the_text_of_a_document_counts_with_ocr(emulator):
    """Which is for Vertex AI only."""
    part = {"inlineData": {"mimeType": "application/pdf", "data": encoded(sample_media.pdf("one"))}}
    body = {"content": {"parts": [part]}, "embedContentConfig": {"documentOcr": True}}
    url = (
        f"{emulator.base_url}/v1beta1/projects/p/locations/l/publishers/google/models/{TWO}"
        ":embedContent"
    )
    answer = httpx.post(url, json=body, headers={"Authorization": "Bearer x"}).json()
    assert answer["usageMetadata"]["promptTokenCount"] == 258 + 1


def test_a_window_of_a_video_is_accepted(client):
    blob = types.Blob(data=FILES["video/mp4"], mime_type="video/mp4")
    window = types.VideoMetadata(start_offset="3s", end_offset="9s", fps=2.0)
    given = content(types.Part(inline_data=blob, video_metadata=window))
    assert client.models.embed_content(model=TWO, contents=given).embeddings[0].values


def test_an_address_has_a_vector_of_its_own_and_the_words_of_its_name(embed, emulator):
    def at(uri):
        return content(types.Part.from_uri(file_uri=uri, mime_type="image/png"))

    dog, same, cat, query = embed(
        at("gs://b/brown-dog.png"),
        at("gs://b/brown-dog.png"),
        at("gs://b/cat.png"),
        content("brown dog"),
    )
    assert np.array_equal(dog, same)
    assert query @ dog > query @ cat + 0.05
    (medium,) = emulator.texts[0].media
    assert (medium.uri, medium.sha256, medium.size_bytes) == ("gs://b/brown-dog.png", "", 0)


def test_grpc_gives_the_vectors_and_errors_of_rest(emulator):
    fields = {"inline_data": {"mime_type": "image/png", "data": PNG}}
    wrong = {"inline_data": {"mime_type": "image/png", "data": WAV}}
    items = [
        {"model": f"models/{TWO}", "content": {"parts": parts}}
        for parts in ([{"text": "at sunset"}, fields], [wrong], [fields])
    ]
    key = [("x-goog-api-key", emulator.api_key)]
    with grpc.insecure_channel(emulator.grpc_target) as channel:
        transport = generative_service.transports.GenerativeServiceGrpcTransport(channel=channel)
        stub = glm.GenerativeServiceClient(transport=transport)
        request = {"model": f"models/{TWO}", "requests": items}
        found = [
            each.values for each in stub.batch_embed_contents(request, metadata=key).embeddings
        ]
        items[0]["content"]["parts"] = [fields] * 7
        with pytest.raises(exceptions.InvalidArgument, match="at most 6 image parts"):
            stub.batch_embed_contents(request, metadata=key)
    options = {"base_url": emulator.base_url}
    with genai.Client(api_key=emulator.api_key, http_options=options) as client:
        answer = client.models.embed_content(model=TWO, contents=content("at sunset", part(PNG)))
    assert np.array_equal(np.float32(answer.embeddings[0].values), np.float32(found[0]))
    assert [len(each) for each in found] == [3072, 0, 3072]
    assert emulator.texts[0].media == emulator.texts[2].media


def test_the_assertion_says_which_medium_is_missing_and_which_was_not_expected(embed, emulator):
    embed(content("a caption", part(PNG)))
    with pytest.raises(AssertionError) as caught:
        assert_texts(emulator, [["a caption", WAV], "a caption"])
    digest = hashlib.sha256(PNG).hexdigest()[:8]
    lines = str(caught.value).splitlines()
    medium = f"image/png of {len(PNG)} bytes (SHA-256 {digest}...)"
    assert f"  not expected: 'a caption' with {medium}" in lines
    assert any(f"with a medium of {len(WAV)} bytes" in line for line in lines)
    assert "  missing: 'a caption'" in lines
    assert_texts(emulator, [["a caption", PNG]], task_type="RETRIEVAL_DOCUMENT")  # has no task


def test_a_prefix_beside_a_medium_is_text_like_any_other(embed, emulator):
    embed(content("title: none | text: a dog", part(PNG)))
    with pytest.raises(AssertionError, match="not expected: 'title: none"):
        assert_texts(emulator, [["a dog", PNG]])


def test_a_fault_may_meet_only_a_medium_of_some_words(client, emulator):
    emulator.fail_next(status=503, containing="brown dog")
    client.models.embed_content(model=TWO, contents=content(part(WAV, "audio/wav")))
    with pytest.raises(errors.ServerError):
        client.models.embed_content(model=TWO, contents=content(part(PNG)))
