"""How many tokens a text has, estimated without a tokenizer."""

from __future__ import annotations

import re
import string

# Pieces of one token each, as a subword tokenizer with a large vocabulary makes them of scripts
# other than ASCII: some 6 letters of an English word, 3 of another alphabet's, each digit, sign and
# Chinese character by itself, spaces with the word behind them.
_PIECE = re.compile(r"[A-Za-z]{1,6}|[0-9]|[^\W\d_]{1,3}|\n+|[^\S\n]{2,}|[^\w\s]|[\d_]")
# Common pairs of Chinese characters are one token. They are counted by the run: four times as fast
# as one by one.
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]+")
_TOKENS_OF_AN_IDEOGRAPH = 0.8

# ASCII, which is most text, is counted without a regular expression: six times as fast.
_SIGN_CODES = (string.digits + string.punctuation).encode()
_LETTERS = bytes(c if chr(c).isalpha() else ord(" ") for c in range(128)) + bytes(128)
_SIGNS = bytes(ord(".") if c in _SIGN_CODES else c for c in range(128)) + bytes(128)
_LETTERS_BEYOND_A_WORD = 10  # a further token for so many: 1.3 to 1.5 tokens a word of English


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text in any script, without a tokenizer; at least 1.

    For prose, code and mixtures it is meant to be within a third of the truth; a text of one
    repeated character can be further off. English comes to the 4 characters a token that
    https://ai.google.dev/gemini-api/docs/tokens gives.
    """
    if not text.isascii():
        rest, runs = _IDEOGRAPHS.subn("\0", text)  # a sign, which keeps words apart
        ideographs = len(text) - len(rest) + runs
        tokens = len(_PIECE.findall(rest)) - runs + ideographs
        return max(1, tokens - round((1 - _TOKENS_OF_AN_IDEOGRAPH) * ideographs))
    data = text.encode()
    words = data.translate(_LETTERS).split()
    letters = sum(map(len, words))
    signs = data.translate(_SIGNS).count(b".")
    lines = data.count(b"\n") + data.count(b"\n ")  # and their indentation
    return max(1, len(words) + letters // _LETTERS_BEYOND_A_WORD + signs + lines)
