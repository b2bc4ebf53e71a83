"""Media that are too many, too long, of a wrong type or damaged; large bodies, and the memory."""

from __future__ import annotations

import base64
import tracemalloc

import httpx
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.testing import GeminiEmulator, sample_media
from tests.integration_tests.media import encoded

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"
PNG, WAV, PDF = sample_media.png("a"), sample_media.wav("b"), sample_media.pdf("c")


def part(data, mime_type="image/png"):
    return types.Part.from_bytes(data=data, mime_type=mime_type)


@pytest.fixture(params=["developer", "vertex"])
def client(request, emulator):
    options = {"http_options": {"base_url": emulator.base_url}}
    if request.param == "vertex":
        options |= {"vertexai": True, "project": "p", "location": "l"}
        options["credentials"] = Credentials("x")
    else:
        options["api_key"] = emulator.api_key
    client = genai.Client(**options)
    yield client
    client.close()


def embed(client, *parts, model=TWO):
    contents = types.Content(parts=list(parts))
    (embedding,) = client.models.embed_content(model=model, contents=contents).embeddings
    return embedding.values


@pytest.fixture
def post(emulator):
    """Send a batch of contents, each a list of pairs of bytes and MIME type."""

    def post(*contents, key=None, headers=(), **more):
        items = [
            {"model": f"models/{TWO}", "content": {"parts": [inline(*pair) for pair in content]}}
            for content in contents
        ]
        return httpx.post(
            f"{emulator.base_url}/v1beta/models/{TWO}:batchEmbedContents",
            json={"requests": items, **more},
            headers={"x-goog-api-key": key or emulator.api_key, **dict(headers)},
            timeout=60,
        )

    return post


def inline(data, mime_type="image/png"):
    return {"inlineData": {"mimeType": mime_type, "data": encoded(data)}}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([part(PNG)] * 7, "supports at most 6 image parts"),
        ([part(PDF, "application/pdf")] * 2, "supports at most 1 document part,"),
        ([part(sample_media.mp4("d"), "video/mp4")] * 2, "supports at most 1 video part,"),
        ([part(sample_media.pdf(*"abcdefg"), "application/pdf")], "at most 6 pages"),
        ([part(sample_media.wav("e", 181), "audio/wav")], "at most 180 seconds of audio"),
        ([part(sample_media.mp3("f", 182), "audio/mpeg")], "at most 180 seconds of audio"),
        ([part(sample_media.mp4("g", 121), "video/mp4")], "at most 120 seconds of video"),
    ],
)
def test_a_content_beyond_a_limit_is_refused_in_the_words_of_the_limit(client, parts, message):
    with pytest.raises(errors.ClientError, match=message) as caught:
        embed(client, *parts)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "parts",
    [
        [part(PNG)] * 6,
        [part(sample_media.pdf(*"abcdef"), "application/pdf")],
        [part(sample_media.mp3("f", 180), "audio/mpeg")],
        [part(sample_media.mp4("g", 120), "video/mp4")],
    ],
)
def test_a_content_at_a_limit_is_embedded(client, parts):
    assert len(embed(client, *parts)) == 3072


def test_001_takes_no_media(emulator):
    options = {"base_url": emulator.base_url}
    with (
        genai.Client(api_key=emulator.api_key, http_options=options) as client,
        pytest.raises(errors.ClientError, match="embeds text only"),
    ):
        embed(client, part(PNG), model=ONE)


def test_images_of_a_batch_are_limited_only_if_the_emulator_is_told_so(post, emulator):
    contents = [[(PNG, "image/png")]] * 7
    assert post(*contents).status_code == 200
    emulator.max_request_images = 6
    answer = post(*contents)
    assert answer.status_code == 400
    assert "at most 6 images" in answer.json()["error"]["message"]
    assert post(*contents[:6]).status_code == 200
    emulator.clear()
    assert emulator.max_request_images is None


WRONG = [
    (sample_media.mp4("a"), "video/wav"),
    (PNG, "image/jpeg"),
    (WAV, "video/mp4"),
    (PNG, "image/gif"),
    (PNG, ""),
    (b"no medium", "image/png"),
    (PNG[:3], "image/png"),
]


@pytest.mark.parametrize(("data", "mime_type"), WRONG)
def test_a_wrong_type_has_an_embedding_without_values(client, data, mime_type):
    """As seen with Google: status 200, and nothing in place of the vector."""
    contents = types.Content(parts=[part(data, mime_type)])
    answer = client.models.embed_content(model=TWO, contents=contents)
    # Of a single embedding without values, google-genai makes no embeddings.
    assert [embedding.values for embedding in answer.embeddings or []] in ([], [None])


@pytest.mark.parametrize(("data", "mime_type"), WRONG)
def test_a_wrong_type_is_400_if_the_emulator_is_told_so(client, emulator, data, mime_type):
    emulator.refuse_wrong_media = True
    with pytest.raises(errors.ClientError, match="Unsupported MIME type|Unable to process input"):
        embed(client, part(data, mime_type))
    assert len(embed(client, part(PNG))) == 3072


def test_the_other_contents_of_a_batch_have_their_vectors(post):
    right, wrong = [(PNG, "image/png")], [(WAV, "image/png")]
    answer = post(right, wrong, right).json()
    assert [len(each.get("values", [])) for each in answer["embeddings"]] == [3072, 0, 3072]
    assert answer["usageMetadata"]["promptTokenCount"] == 2 * 258


@pytest.mark.parametrize("wrong", ["size", "nan", "short", "long", "no-values", "unusual"])
def test_wrong_answers_also_have_embeddings_without_values(post, emulator, wrong):
    emulator.answer_next(wrong)
    answer = post([(PNG, "image/png")], [(WAV, "image/png")])
    assert answer.status_code == 200
    assert answer.json()["embeddings"]


@pytest.mark.parametrize("mime_type", ["image/webp", "image/bmp"])
def test_vertex_ai_takes_more_types_of_images(client, mime_type):
    data = {"image/webp": b"RIFF\0\0\0\0WEBPVP8 ", "image/bmp": b"BM\0\0"}[mime_type]
    contents = types.Content(parts=[part(data, mime_type)])
    (embedding,) = client.models.embed_content(model=TWO, contents=contents).embeddings
    assert bool(embedding.values) == client.vertexai


def test_a_file_cut_short_is_answered(client):
    """Whatever stands inside; the emulator looks at the beginning."""
    for data, kind in [
        (sample_media.png("a" * 500), "image/png"),
        (sample_media.jpeg("a" * 500), "image/jpeg"),
        (sample_media.wav("a" * 500), "audio/wav"),
        (sample_media.mp3("a" * 500), "audio/mpeg"),
        (sample_media.mp4("a" * 500), "video/mp4"),
        (sample_media.pdf("a" * 500), "application/pdf"),
    ]:
        for size in (12, 20, 60, 200, len(data) - 100):
            assert len(embed(client, part(data[:size], kind))) == 3072


def test_data_without_bytes_is_an_empty_part(post):
    answer = post([(b"", "image/png")])
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith("contains an empty Part.")


def test_data_that_is_not_base64_is_named(emulator):
    body = {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "?!"}}]}}
    answer = httpx.post(
        f"{emulator.base_url}/v1beta/models/{TWO}:embedContent",
        json=body,
        headers={"x-goog-api-key": emulator.api_key},
    )
    assert answer.status_code == 400
    message = "Invalid value at 'content.parts[0].inline_data.data' (TYPE_BYTES)"
    assert message in answer.json()["error"]["message"]


def test_a_body_above_the_limit_is_refused_in_the_words_of_the_api(post, emulator):
    assert emulator.max_request_bytes == 20 * 1024 * 1024
    emulator.max_request_bytes = 4000
    answer = post([(sample_media.png("a", padding=4000), "image/png")])
    assert answer.status_code == 400
    message = "Request payload size exceeds the limit: 4000 bytes."
    assert answer.json()["error"]["message"] == message
    assert post([(PNG, "image/png")]).status_code == 200


def test_fifteen_megabytes_are_answered_and_not_kept():
    """Neither by `record=False` nor otherwise."""
    data = sample_media.png("a dog", padding=15_000_000)
    for record in (False, True):
        with GeminiEmulator(record=record, stand_in_vectors=not record, compact=True) as emulator:
            body = {"content": {"parts": [inline(data)]}}
            request = httpx.Request(
                "POST",
                f"{emulator.base_url}/v1beta/models/{TWO}:embedContent",
                json=body,
                headers={"x-goog-api-key": emulator.api_key},
            )
            with httpx.Client(timeout=60) as client:
                assert client.send(request).status_code == 200
                tracemalloc.start()
                for _ in range(3):
                    assert client.send(request).status_code == 200
                client.get(emulator.base_url)  # the connection is done with what was before
                kept, _ = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            assert kept < 1_000_000
            assert [each.size_bytes for each in emulator.requests] == [len(request.content)] * 4 + [
                0
            ]
            assert len(emulator.texts) == 4 * record


def test_of_a_large_body_the_record_has_the_structure_and_the_start_of_each_string(post, emulator):
    for padding in (0, 1_000_000):
        post([(sample_media.png("a", padding=padding), "image/png")])
    small, large = (each.body["requests"][0] for each in emulator.requests)
    (data,) = [part["inlineData"]["data"] for part in small["content"]["parts"]]
    assert base64.b64decode(data) == PNG
    (data,) = [part["inlineData"]["data"] for part in large["content"]["parts"]]
    assert data.endswith(" characters)")
    assert len(data) < 150
    assert large["model"] == small["model"]


def test_placeholder_vectors_are_those_of_the_bytes():
    with GeminiEmulator(stand_in_vectors=True) as emulator:
        options = {"base_url": emulator.base_url}
        with genai.Client(api_key=emulator.api_key, http_options=options) as client:
            one, same, other = (
                embed(client, part(sample_media.png(text))) for text in ("a", "a", "b")
            )
        assert one == same != other
        assert emulator.texts[0].media[0].text == ""
