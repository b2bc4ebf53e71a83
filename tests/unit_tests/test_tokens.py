from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_gemini_qdrant.embeddings._tokens import estimate_tokens

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


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("检索", 2),
        ("检索" * 50, 80),
        ("检索,增强", 4),
        ("ab检索cd", 4),
        ("检 索 検 검", 3),
        ("\0检索\0", 4),
        ("ß检索", 3),
    ],
)
def test_ideographs_are_counted_each_and_keep_words_apart(text, tokens):
    assert estimate_tokens(text) == tokens


@given(st.text("aZ09._- \n\t\0\x7f", max_size=80))
def test_ascii_has_a_token_for_each_word_ten_letters_sign_and_line(text):
    words, signs = re.findall("[A-Za-z]+", text), string.digits + string.punctuation
    expected = len(words) + len("".join(words)) // 10 + sum(char in signs for char in text)
    expected += text.count("\n") + text.count("\n ")
    assert estimate_tokens(text) == max(1, expected)
