from __future__ import annotations

from langchain_core.documents.base import Blob

from langchain_gemini_qdrant._runtime import AsAsync
from langchain_gemini_qdrant.embeddings._batching import batches, read_ahead
from langchain_gemini_qdrant.embeddings._request import Content
from langchain_gemini_qdrant.embeddings._tokens import estimate_tokens


def content(text):
    return Content(text, None, estimate_tokens(text))


def sizes(count, **limits):
    contents = [content("one two three four five") for _ in range(count)]
    return [len(batch) for batch in batches(contents, **limits)]


def test_600_english_words_and_100_texts_are_one_request():
    assert sizes(100, max_texts=100) == [100]


def test_batches_are_bounded_by_texts():
    assert sizes(250, max_texts=100) == [100, 100, 50]
    assert sizes(0, max_texts=100) == []


def test_batches_are_bounded_by_tokens():
    assert sizes(7, max_texts=100, max_tokens=18) == [3, 3, 1]


def test_text_above_the_bound_goes_alone():
    contents = [content("a"), content("word " * 50), content("b")]
    assert [len(batch) for batch in batches(contents, max_texts=9, max_tokens=10)] == [1, 1, 1]


def test_batches_are_bounded_by_the_bytes_that_are_sent():
    assert [len(b) for b in batches([content("€" * 500_000)] * 5, max_texts=9)] == [2, 2, 1]


async def test_images_in_memory_are_read_ahead_by_4_mb_and_files_by_number():
    image, file = Blob.from_data(bytes(1_500_000)), Blob.from_path("dog.png")
    block = {"type": "image", "base64": "A" * 5_000_000}
    contents = [image, "a", ["b", image], image, "c", block, *[file] * 5]
    runs = [(first, len(run)) async for first, run in read_ahead(AsAsync(contents), None, 4)]
    assert runs == [(0, 4), (4, 2), (6, 4), (10, 1)]
