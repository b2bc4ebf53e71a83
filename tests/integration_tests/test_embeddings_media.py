"""Media beside texts: what is sent, and what is refused before anything is."""

from __future__ import annotations

import io
import math
from collections import deque

import pytest
from google import genai
from langchain_core.documents.base import Blob

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    RequestRejectedError,
    TextTooLongError,
)
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.media import (
    ADDRESSES,
    HAS_BATCHES,
    blob,
    block,
    encoded,
    png,
    sent,
)

DOG, CAT = png("a dog"), png("a cat")
WAV, MP4, PDF = sample_media.wav("a talk"), sample_media.mp4("a film"), sample_media.pdf("a page")


@pytest.fixture
def embeddings(make):
    """Embeddings whose requests arrive in order; before 3.4, Vertex AI takes one content each."""
    return make(max_concurrency=1)


@pytest.fixture
def address(api, emulator):
    """An image that the API reads itself."""
    if api == "developer":
        own = genai.Client(api_key=emulator.api_key, http_options={"base_url": emulator.base_url})
        config = {"name": ADDRESSES[api], "mime_type": "image/png"}
        own.files.upload(file=io.BytesIO(DOG), config=config)
    return {"type": "image", "url": ADDRESSES[api], "mime_type": "image/png"}


def test_each_kind_of_content_is_sent_as_its_parts_and_gets_one_vector(
    embeddings, emulator, call, api, address
):
    contents = [
        "a text",
        blob(DOG),
        block(CAT),
        ["a dog", blob(DOG)],
        [blob(WAV), {"type": "text", "text": "a talk"}],
        [blob(MP4), blob(PDF), address],
        ["only", "texts"],
    ]
    vectors = call(embeddings, "embed_documents", contents)
    assert [len(vector) for vector in vectors] == [128] * len(contents)
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-5) for vector in vectors)
    assert [content for request in sent(emulator) for content in request] == [
        [("text", "title: none | text: a text")],
        [("image/png", DOG)],
        [("image/png", CAT)],
        [("text", "a dog"), ("image/png", DOG)],
        [("audio/wav", WAV), ("text", "a talk")],
        [("video/mp4", MP4), ("application/pdf", PDF), ("file", ADDRESSES[api])],
        [("text", "title: none | text: only\ntexts")],
    ]
    assert len(sent(emulator)) == (1 if api == "developer" or HAS_BATCHES else len(contents))


def test_developer_api_gets_the_json_of_its_reference(developer, emulator):
    developer().embed_documents([["a dog", blob(DOG)]])
    assert emulator.requests[-1].body == {
        "requests": [
            {
                "model": "models/gemini-embedding-2",
                "outputDimensionality": 128,
                "content": {
                    "parts": [
                        {"text": "a dog"},
                        {"inlineData": {"mimeType": "image/png", "data": encoded(DOG)}},
                    ]
                },
            }
        ]
    }


@pytest.mark.parametrize("task", [None, "CLASSIFICATION", "TASK_TYPE_UNSPECIFIED"])
def test_text_beside_media_has_no_prefix_and_no_task(make, emulator, call, task):
    embeddings = make(task_type=task)
    call(embeddings, "embed_query", ["a dog", blob(DOG)])
    call(embeddings, "embed_documents", [["a dog", blob(DOG)]])
    assert sent(emulator) == [[[("text", "a dog"), ("image/png", DOG)]]] * 2
    assert all(text.task_type is None for text in emulator.texts)


def test_title_of_media_is_the_first_line_of_their_text(embeddings, emulator, call):
    contents = [["a caption", blob(DOG)], blob(DOG)]
    call(embeddings, "embed_documents", contents, titles=["A title", "Another"])
    assert [content for request in sent(emulator) for content in request] == [
        [("text", "A title\na caption"), ("image/png", DOG)],
        [("text", "Another"), ("image/png", DOG)],
    ]


def test_title_beside_a_task_without_titles_is_refused_for_media_as_for_texts(make):
    with pytest.raises(ConfigurationError, match="titles are for RETRIEVAL_DOCUMENT only"):
        make(task_type="CLUSTERING").embed_documents([blob(DOG)], titles=["A title"])


def test_query_of_an_image_finds_the_same_image(embeddings, call):
    query = call(embeddings, "embed_query", blob(DOG))
    [stored] = call(embeddings, "embed_documents", [block(DOG)])
    assert query == pytest.approx(stored, abs=1e-6)


def test_equal_media_are_sent_once(embeddings, emulator, call, tmp_path):
    (tmp_path / "dog.png").write_bytes(DOG)
    contents = [blob(DOG), Blob.from_path(tmp_path / "dog.png"), block(DOG), ["x", blob(DOG)]]
    vectors = call(embeddings, "embed_documents", contents)
    assert vectors[0] == vectors[1] == vectors[2] != vectors[3]
    assert [content for request in sent(emulator) for content in request] == [
        [("image/png", DOG)],
        [("text", "x"), ("image/png", DOG)],
    ]


# Every way to pass contents


@pytest.mark.parametrize("concurrency", [1, 4])
def test_stream_takes_contents_and_ends_at_one_that_is_not_valid(make, emulator, concurrency):
    embeddings = make(batch_size=2, max_concurrency=concurrency)
    contents = iter(["a", blob(DOG), ["b", blob(CAT)], blob(b"no medium"), blob(DOG)])
    stream, vectors = embeddings.stream_documents(contents), []
    with pytest.raises(InvalidInputError, match="index 3") as caught:
        vectors.extend(stream)
    assert len(vectors) == 3
    assert caught.value.indices == (3,)
    assert sum(map(len, sent(emulator))) == 3


async def test_async_stream_takes_contents(make, emulator):
    embeddings = make()

    async def contents():
        yield "a"
        yield blob(DOG)

    vectors = [vector async for vector in embeddings.astream_documents(contents())]
    await embeddings.aclose()
    assert len(vectors) == 2
    assert [content for request in sent(emulator) for content in request] == [
        [("text", "title: none | text: a")],
        [("image/png", DOG)],
    ]


def test_embed_image_takes_paths_and_addresses(embeddings, emulator, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a dog.png").write_bytes(DOG)
    (tmp_path / "talk.wav").write_bytes(WAV)
    vectors = call(embeddings, "embed_image", ["a dog.png", tmp_path / "talk.wav"])
    assert len(vectors) == 2
    assert [content for request in sent(emulator) for content in request] == [
        [("image/png", DOG)],
        [("audio/wav", WAV)],
    ]


def test_embed_image_names_the_address_that_leads_nowhere(embeddings, emulator, call, tmp_path):
    (tmp_path / "dog.png").write_bytes(DOG)
    with pytest.raises(InvalidInputError, match=r"index 1: .*gone\.png") as caught:
        call(embeddings, "embed_image", [str(tmp_path / "dog.png"), str(tmp_path / "gone.png")])
    assert caught.value.indices == (1,)
    with pytest.raises(InvalidInputError, match="uris"):
        call(embeddings, "embed_image", str(tmp_path / "dog.png"))
    assert not emulator.requests


# Refused before anything is sent


@pytest.mark.parametrize(
    "wrong",
    [
        [blob(png(str(i))) for i in range(7)],
        blob(b"no medium at all"),
        [],
        ["", " "],
        b"bytes",
        7,
        blob(b""),
    ],
    ids=["7 images", "no medium", "empty", "blank", "bytes", "number", "empty file"],
)
def test_content_that_the_model_does_not_take_is_named_by_index(embeddings, emulator, call, wrong):
    with pytest.raises(InvalidInputError, match="index 2") as caught:
        call(embeddings, "embed_documents", ["a", blob(DOG), wrong])
    assert caught.value.indices == (2,)
    assert not emulator.requests


def test_data_uri_is_not_embedded_as_a_text(embeddings, emulator, call):
    address = f"data:image/png;base64,{encoded(DOG)}"
    for name, argument in {"embed_documents": ["a", address], "embed_query": address}.items():
        with pytest.raises(InvalidInputError, match="would be embedded letter by letter: pass a B"):
            call(embeddings, name, argument)
    assert not emulator.requests
    call(embeddings, "embed_documents", ["data: what it is", f"see {address}"])


def test_data_uri_is_a_text_for_a_model_without_media(developer, emulator, call):
    call(developer(model="gemini-embedding-001"), "embed_query", "data:image/png;base64,AAAA")
    assert sent(emulator) == [[[("text", "data:image/png;base64,AAAA")]]]


def test_address_of_the_other_api_is_refused(embeddings, emulator, call, api):
    other = ADDRESSES["vertex" if api == "developer" else "developer"]
    content = {"type": "image", "url": other, "mime_type": "image/png"}
    expected = "reads no Cloud Storage" if api == "developer" else "pass a gs:// address"
    with pytest.raises(InvalidInputError, match=f"index 1: .*{expected}"):
        call(embeddings, "embed_documents", ["a", content])
    assert not emulator.requests


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"backend": "grpc"}, "use backend='google-genai'"),
        ({"backend": "google-generativeai", "transport": "rest"}, "use backend='google-genai'"),
        ({"model": "gemini-embedding-001"}, "use 'gemini-embedding-2'"),
        ({"model": "text-embedding-006"}, "use 'gemini-embedding-2'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is not a model that this version knows")
def test_media_are_refused_where_they_cannot_be_sent_before_a_file_is_read(
    emulator, call, options, advice, tmp_path
):
    gone = Blob.from_path(tmp_path / "gone.png")
    address = emulator.grpc_url if options.get("backend") == "grpc" else emulator.base_url
    embeddings = GeminiEmbeddings(api_key=emulator.api_key, base_url=address, **options)
    gone_too = {
        "embed_documents": ["a", gone],
        "embed_query": deque(["a", gone]),
        "embed_image": [gone.path],
    }
    for name, argument in gone_too.items():
        with pytest.raises(ConfigurationError, match=advice):
            call(embeddings, name, argument)
    assert not emulator.requests


@pytest.mark.filterwarnings("ignore:.*is not a model that this version knows")
def test_later_models_are_expected_to_take_media(developer):
    embeddings = developer(model="gemini-embedding-3")
    with pytest.raises(RequestRejectedError, match="404"):  # it is the API that says so
        embeddings.embed_query(blob(DOG))


# Lengths: the tokens of all parts together


def filled(words):
    """A content with 6 images, 1,548 tokens, and a text."""
    return ["word " * words, *[blob(png(str(i))) for i in range(6)]]


def test_text_beside_media_has_what_the_media_leave_of_the_limit(embeddings, emulator, call):
    call(embeddings, "embed_documents", ["word " * 7_500])
    emulator.clear()
    with pytest.raises(TextTooLongError) as caught:
        call(embeddings, "embed_documents", ["a", filled(100), filled(7_500)])
    assert caught.value.indices == (2,)
    assert [each.method for each in emulator.requests] == ["countTokens"]  # of the text alone
    assert not any("inlineData" in str(each.body) for each in emulator.requests)


def test_text_that_is_surely_too_long_beside_media_is_not_counted(embeddings, emulator, call):
    with pytest.raises(TextTooLongError):
        call(embeddings, "embed_documents", [filled(40_000)])
    assert not emulator.requests


def test_long_texts_beside_media_are_cut_if_the_user_says_so(make, emulator, call):
    call(make(on_too_long="truncate"), "embed_documents", [filled(9_000)])
    with pytest.warns(UserWarning, match="at index 0"):
        call(make(on_too_long="warn"), "embed_documents", [filled(9_000)])
    assert len(sent(emulator)) == 2
