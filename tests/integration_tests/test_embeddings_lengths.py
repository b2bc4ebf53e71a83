"""Texts near the limit: some are counted by the API, the others judged by them."""

from __future__ import annotations

import random

import pytest

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
    with pytest.warns(UserWarning, match=f"not counted here \\({status} of countTokens\\)"):
        assert len(call(embeddings, "embed_documents", ["a", prose(5500, 1)])) == 2
