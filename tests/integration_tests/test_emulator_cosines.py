"""Cosines and lengths on the emulator are those of recorded answers of Google's."""

from __future__ import annotations

import numpy as np
import pytest
from google import genai
from google.genai import types

from langchain_gemini_qdrant.testing import GeminiEmulator, sample_media
from tests.integration_tests.test_emulator_tasks import QUESTIONS, QUESTIONS_AND_ANSWERS

ONE, TWO, PREVIEW = "gemini-embedding-001", "gemini-embedding-2", "gemini-embedding-2-preview"
ANSWERS = list(QUESTIONS_AND_ANSWERS.values())
UNRELATED = ~np.eye(len(ANSWERS), dtype=bool)
QUERY, DOCUMENT = "task: search result | query: {}", "title: none | text: {}"
PREFIXES = [
    DOCUMENT,
    QUERY,
    *(
        f"task: {task} | query: {{}}"
        for task in (
            "question answering",
            "fact checking",
            "code retrieval",
            "classification",
            "clustering",
            "sentence similarity",
        )
    ),
]


@pytest.fixture(scope="module")
def client():
    with GeminiEmulator(retired_models=True) as emulator:
        options = {"base_url": emulator.base_url}
        with genai.Client(api_key=emulator.api_key, http_options=options) as client:
            yield client


@pytest.fixture
def embed(client):
    """Embed contents as google-genai does: shape `(n, size)`."""

    def embed(model, contents, **config):
        vectors = []
        for content in contents:
            parts = [types.Part(text=content)] if isinstance(content, str) else content
            answer = client.models.embed_content(
                model=model, contents=types.Content(parts=parts), config=config
            )
            vectors.append(answer.embeddings[0].values)
        return np.array(vectors)

    return embed


def cosines(some, others):
    some, others = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (some, others))
    return some @ others.T


@pytest.mark.parametrize("task", ["RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "RETRIEVAL_QUERY"])
def test_unrelated_texts_are_as_near_as_on_001(embed, task):
    vectors = embed(ONE, ANSWERS, task_type=task)
    found = cosines(vectors, vectors)[UNRELATED]
    assert 0.51 < np.median(found) < 0.56
    assert np.percentile(found, 2) > 0.44
    assert np.percentile(found, 90) < 0.62


def test_unrelated_texts_are_as_near_as_on_2(embed):
    raw = embed(TWO, ANSWERS, output_dimensionality=768)
    found = cosines(raw, raw)[UNRELATED]
    assert 0.7 < np.median(found) < 0.8
    assert found.min() > 0.61
    assert found.max() < 0.9


def test_unrelated_texts_are_as_near_as_on_embedding_001(embed):
    vectors = embed("embedding-001", ANSWERS)
    found = cosines(vectors, vectors)[UNRELATED]
    assert found.min() > 0.64
    assert found.max() < 0.94


@pytest.mark.parametrize(
    ("model", "query", "document", "lowest", "threshold"),
    [(ONE, "{}", "{}", 0.44, 0.61), (TWO, QUERY, DOCUMENT, 0.61, 0.785)],
)
def test_a_threshold_of_the_real_scale_tells_answers_from_other_texts(
    embed, model, query, document, lowest, threshold
):
    """And one that lets every text through on Google does so here."""
    queries = [query.format(text) for text in QUESTIONS]
    documents = [document.format(text) for text in ANSWERS]
    found = cosines(
        embed(model, queries, task_type="RETRIEVAL_QUERY"),
        embed(model, documents, task_type="RETRIEVAL_DOCUMENT"),
    )
    assert found.diagonal().min() > threshold
    assert found[UNRELATED].max() < threshold
    assert found[UNRELATED].min() > lowest
    assert 0.65 < found.diagonal().mean() < 0.85


def test_one_word_under_each_prefix_is_as_near_as_on_2(embed):
    hello, world = (
        embed(TWO, [prefix.format(word) for prefix in PREFIXES]) for word in ("hello", "world")
    )
    prefixed = np.concatenate([hello, world])
    found = cosines(prefixed, prefixed)[np.triu_indices(len(prefixed), 1)]
    assert found.min() > 0.7
    assert found.max() < 0.97
    raw = embed(TWO, ["hello"])
    assert cosines(raw, world).min() == pytest.approx(0.5, abs=0.05)
    documents = embed(TWO, [DOCUMENT.format("hello"), DOCUMENT.format("world")])
    query = embed(TWO, [QUERY.format("Hello, world!")])
    assert cosines(query, documents)[0] == pytest.approx([0.80, 0.80], abs=0.07)


def test_2_and_its_preview_share_a_space(embed):
    raw = embed(PREVIEW, ["hello"])
    found = cosines(raw, embed(TWO, [prefix.format("hello") for prefix in PREFIXES]))
    assert found.min() > 0.66
    assert found.max() < 0.85
    assert abs(cosines(raw, embed(ONE, ["hello"])).item()) < 0.1


def part_of(data, mime_type):
    return types.Part.from_bytes(data=data, mime_type=mime_type)


def test_media_are_as_near_as_on_2(embed):
    """Recorded: 0.35 to 0.44 for a text and its image, 0.23 to 0.25 for another one."""
    texts = [types.Part(text=text) for text in ANSWERS]
    images = [part_of(sample_media.png(text), "image/png") for text in ANSWERS]
    text, image = (embed(TWO, [[part] for part in parts]) for parts in (texts, images))
    sound = embed(TWO, [[part_of(sample_media.mp3(text), "audio/mp3")] for text in ANSWERS])
    found = cosines(text, image)
    assert found.diagonal().min() > found[UNRELATED].max()
    assert np.median(found.diagonal()) == pytest.approx(0.39, abs=0.05)
    assert np.median(found[UNRELATED]) == pytest.approx(0.25, abs=0.05)
    assert np.median(cosines(image, sound)[UNRELATED]) == pytest.approx(0.30, abs=0.05)
    fused = embed(TWO, [list(parts) for parts in zip(texts, images, strict=True)])
    assert np.median(cosines(fused, text).diagonal()) == pytest.approx(0.61, abs=0.1)
    assert np.median(cosines(fused, image).diagonal()) == pytest.approx(0.79, abs=0.1)


@pytest.mark.parametrize("query", [QUERY, "{}"])
def test_a_question_finds_the_medium_of_its_answer(embed, query):
    makers = [
        (sample_media.png, "image/png"),
        (sample_media.jpeg, "image/jpeg"),
        (sample_media.wav, "audio/wav"),
        (sample_media.mp4, "video/mp4"),
        (sample_media.pdf, "application/pdf"),
    ]
    chosen = [makers[i % len(makers)] for i in range(len(ANSWERS))]
    pairs = zip(ANSWERS, chosen, strict=True)
    media = embed(TWO, [[part_of(make(text), kind)] for text, (make, kind) in pairs])
    found = cosines(embed(TWO, [query.format(text) for text in QUESTIONS]), media)
    assert np.mean(found.argmax(axis=1) == np.arange(len(ANSWERS))) > 0.9


def test_an_image_finds_an_image_of_the_same_words_and_no_image_is_another(embed):
    png = embed(TWO, [[part_of(sample_media.png(text), "image/png")] for text in ANSWERS])
    jpeg = embed(TWO, [[part_of(sample_media.jpeg(text), "image/jpeg")] for text in ANSWERS])
    found = cosines(png, jpeg)
    assert found.diagonal().min() > 0.8
    assert found.max() < 0.95
    assert found[UNRELATED].max() < 0.5


@pytest.mark.parametrize(
    ("size", "shortest", "longest"), [(768, 0.568, 0.588), (256, 0.362, 0.389)]
)
def test_a_short_vector_of_001_is_the_start_of_the_whole_one(embed, size, shortest, longest):
    whole, short = embed(ONE, ANSWERS), embed(ONE, ANSWERS, output_dimensionality=size)
    assert np.array_equal(whole[:, :size], short)
    assert np.linalg.norm(whole, axis=1) == pytest.approx(np.ones(len(ANSWERS)), abs=1e-6)
    lengths = np.linalg.norm(short, axis=1)
    assert shortest < np.median(lengths) < longest
    assert lengths == pytest.approx(np.full(len(ANSWERS), np.median(lengths)), abs=0.04)


def test_a_short_vector_of_2_is_the_start_of_the_whole_one_at_length_1(embed):
    whole, short = embed(TWO, ANSWERS), embed(TWO, ANSWERS, output_dimensionality=768)
    start = np.linalg.norm(whole[:, :768], axis=1)
    assert np.abs(whole[:, :768] / start[:, None] - short).max() < 1e-7
    assert np.median(start) == pytest.approx(0.565, abs=0.02)
