from __future__ import annotations

from typing import NamedTuple

import pytest

from langchain_gemini_qdrant.embeddings._batching import batches, estimate_tokens

ENGLISH = (
    "Retrieval augmented generation answers a question from passages that a search has found. "
)
CHINESE = "检索增强生成是一种结合信息检索与文本生成的方法"
CODE = "for index, value in enumerate(values):\n    total += weights[index] * value\n"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        # Google's page on tokens: 100 tokens are 60 to 80 English words, 4 characters each
        (ENGLISH * 50, len(ENGLISH) * 50 / 5, len(ENGLISH) * 50 / 3),
        (CHINESE * 100, 0.5 * len(CHINESE) * 100, 1.1 * len(CHINESE) * 100),
        (CODE * 50, len(CODE) * 50 / 5, len(CODE) * 50 / 2.5),
        ("1234567890", 10, 10),
        ("x", 1, 1),
    ],
)
def test_estimate_is_fair_in_any_script(text, low, high):
    assert low <= estimate_tokens(text) <= high


def test_mixed_scripts_add_up():
    parts = [ENGLISH, CHINESE, CODE]
    assert estimate_tokens("\n".join(parts)) == pytest.approx(
        sum(map(estimate_tokens, parts)), abs=3
    )


class Text(NamedTuple):
    text: str


def sizes(count, **limits):
    passages = [Text("one two three four five") for _ in range(count)]
    return [len(batch) for batch in batches(passages, **limits)]


def test_600_english_words_and_100_texts_are_one_request():
    assert sizes(100, max_texts=100) == [100]


def test_batches_are_bounded_by_texts():
    assert sizes(250, max_texts=100) == [100, 100, 50]
    assert sizes(0, max_texts=100) == []


def test_batches_are_bounded_by_tokens():
    assert sizes(7, max_texts=100, max_tokens=18) == [3, 3, 1]


def test_text_above_the_bound_goes_alone():
    passages = [Text("a"), Text("word " * 50), Text("b")]
    assert [len(batch) for batch in batches(passages, max_texts=9, max_tokens=10)] == [1, 1, 1]
