"""Tokens that the API counts: of texts near the limit, and of a sample where answers have none."""

from __future__ import annotations

import random

import pytest
from langchain_core.documents import Document

import langchain_gemini_qdrant
from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.errors import TextTooLongError

WORDS = "the vacation of an employee begins on a working day and may be moved once a year".split()  # noqa: SIM905


def prose(characters, seed):
    """Words of a manual; the emulator counts some 1.1 tokens a word of it."""
    rng, words, length = random.Random(seed), [], 0
    while length < characters:
        words.append(rng.choice(WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)


@pytest.fixture
def embeddings(make_embeddings):
    return make_embeddings(model="gemini-embedding-001", output_dimensionality=128)


def counted(emulator):
    return [request.method for request in emulator.requests].count("countTokens")


def test_long_passages_of_one_kind_are_counted_by_sample(embeddings, emulator, call):
    texts = [prose(5000 + 12 * i, i) for i in range(100)]
    assert len(call(embeddings, "embed_documents", texts)) == 100
    assert 8 <= counted(emulator) <= 12


def test_text_of_another_kind_is_counted_itself(embeddings, emulator, call):
    texts = [prose(5000 + 12 * i, i) for i in range(40)]
    texts[17] = "9 1 " * 650  # signs and digits have more tokens a byte
    call(embeddings, "embed_documents", texts)
    assert counted(emulator) == 9


def test_text_over_the_limit_among_others_is_found(embeddings, call):
    texts = [prose(5000, i) for i in range(40)]
    texts[17] = prose(12_500, 17)
    with pytest.raises(TextTooLongError) as caught:
        call(embeddings, "embed_documents", texts)
    assert caught.value.indices == (17,)


@pytest.mark.parametrize("status", [403, 404, 501])
def test_gateway_that_does_not_count_leaves_it_to_the_estimate(embeddings, emulator, call, status):
    emulator.fail_next(status=status)  # counting comes first
    with pytest.warns(UserWarning, match=f"cannot be counted \\(countTokens answered {status}\\)"):
        assert len(call(embeddings, "embed_documents", ["a", prose(5500, 1)])) == 2


TEXTS = [prose(200, i) for i in range(400)]


def test_models_without_usage_have_a_sample_counted_to_use_a_quota_of_tokens(
    make_embeddings, emulator, call, clock
):
    limited = make_embeddings(
        model="gemini-embedding-001",
        output_dimensionality=128,
        batch_size=10,
        tokens_per_minute=20_000,
        clock=clock,
    )
    call(limited, "embed_documents", TEXTS)
    assert 2 <= counted(emulator) <= 3
    sent = sum(len(text.text.split()) for text in emulator.texts)
    ratio = limited._embedder.limiter._ratio()
    estimated = limited.usage.estimated_tokens
    assert ratio * estimated == pytest.approx(sent * 1.1, rel=0.15)  # by the emulator's rule


def test_without_a_limit_of_tokens_nothing_is_counted(make_embeddings, emulator, call):
    free = make_embeddings(model="gemini-embedding-001", output_dimensionality=128, batch_size=10)
    call(free, "embed_documents", TEXTS)
    assert counted(emulator) == 0


async def test_ingest_counts_long_passages_by_sample_and_refuses_the_one_that_is_too_long(
    embeddings, emulator, twin
):
    texts = [prose(5000 + 6 * i, i) for i in range(200)]
    texts[150] = prose(12_500, 150)
    store = create_vector_store(embeddings, "notes", location=":memory:")
    documents = [Document(text, id=str(i)) for i, text in enumerate(texts)]
    report = await twin(langchain_gemini_qdrant, "ingest", store, documents, on_error="report")
    assert report.added == 199
    assert "reads at most 2048 tokens of a text" in report.failed["150"]
    assert counted(emulator) <= 20
    await store.aclose()
    await embeddings.aclose()
