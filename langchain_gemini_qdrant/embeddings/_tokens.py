"""Estimate the number of tokens of a text without a tokenizer."""

from __future__ import annotations

import re
import string

# Pieces of one token each, as a subword tokenizer with a large vocabulary makes them from scripts
# other than ASCII: about 6 letters of an English word, 3 of other alphabets, each single digit,
# sign and Chinese character, spaces together with the following word.
_PIECE = re.compile(r"[A-Za-z]{1,6}|[0-9]|[^\W\d_]{1,3}|\n+|[^\S\n]{2,}|[^\w\s]|[\d_]")
# Common pairs of Chinese characters are one token. They are counted run by run, which is four times
# as fast as one by one.
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]+")
_TOKENS_OF_AN_IDEOGRAPH = 0.8

# ASCII, the most common case, is counted without a regular expression and without a loop, which is
# four times as fast.
_IS_LETTER = bytes(chr(c).isalpha() for c in range(128)) + bytes(128)
_NO_SIGNS = bytes(set(range(256)) - set((string.digits + string.punctuation).encode()))
_LETTERS_BEYOND_A_WORD = 10  # one more token for this many: 1.3 to 1.5 tokens per English word


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text in any script, without a tokenizer; at least 1.

    For prose, code and mixtures the error should be at most a third; it can be larger for a text of
    one repeated character. English has about 4 characters per token, as
    https://ai.google.dev/gemini-api/docs/tokens says.
    """
    if not text.isascii():
        rest, runs = _IDEOGRAPHS.subn("\0", text)  # a sign, to separate words
        ideographs = len(text) - len(rest) + runs
        tokens = len(_PIECE.findall(rest)) - runs + ideographs
        return max(1, tokens - round((1 - _TOKENS_OF_AN_IDEOGRAPH) * ideographs))
    data = text.encode()
    letters = int.from_bytes(data.translate(_IS_LETTER), "little")  # a byte of 1 for each
    beginnings = letters & ~(letters << 8)  # letters after something else: one in each word
    signs = len(data.translate(None, _NO_SIGNS))
    lines = data.count(b"\n") + data.count(b"\n ")  # newlines and indentation
    words = beginnings.bit_count() + letters.bit_count() // _LETTERS_BEYOND_A_WORD
    return max(1, words + signs + lines)
