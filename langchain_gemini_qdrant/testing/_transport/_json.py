"""Answers as JSON, quickly: a batch of 100 full vectors holds 300,000 numbers."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from langchain_gemini_qdrant.testing._api._calls import Answer
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector

_DECIMALS = 9  # float32 holds no more of components of unit vectors
# A number is written as four words of four characters; blanks are dropped at the end.
_START = np.frombuffer(b"  0. -0.", dtype=np.uint32)
_DIGITS = np.frombuffer(b"".join(b"%03d " % i for i in range(1000)), dtype=np.uint32)
_LAST_DIGITS = np.frombuffer(b"".join(b"%03d," % i for i in range(1000)), dtype=np.uint32)


def answer_json(answer: Answer) -> list[bytes]:
    """The body of a successful answer, in pieces: whoever sends it joins what is sent at once."""
    rest = json.dumps(answer.fields).encode()
    vectors = answer.vectors
    if vectors is None or (answer.single and not vectors):
        return [rest]
    if answer.single:
        pieces = [b'{"embedding":{"values":', *_pieces(vectors[0]), b"}"]
    else:
        pieces = [b'{"embeddings":[']
        for vector in vectors:
            pieces += [b'{"values":', *_pieces(vector), b"},"]
        pieces[-1] = b"}]" if vectors else b'{"embeddings":[]'
    return [*pieces, b"," if answer.fields else b"", rest[1:]]


def _pieces(vector: Vector) -> list[bytes]:
    return [vector_json(vector)] if isinstance(vector, np.ndarray) else vector.json()


def vector_json(vector: NDArray[np.float32]) -> bytes:
    """A list of numbers; of a number that is not finite, its name, as protobuf writes it."""
    scaled = np.rint(np.abs(vector.astype(np.float64)) * 10**_DECIMALS)
    if not (scaled < 10**_DECIMALS).all():  # 1 or more, or not a number: for single components
        numbers = [float(x) for x in vector]
        return json.dumps([x if math.isfinite(x) else "NaN" for x in numbers]).encode()
    digits = scaled.astype(np.int32)
    thousands = digits // 1000
    millions = thousands // 1000
    text = np.empty((len(vector), 4), dtype=np.uint32)
    text[:, 0] = _START[(vector < 0).astype(np.intp)]
    text[:, 1] = _DIGITS[millions]
    text[:, 2] = _DIGITS[thousands - millions * 1000]
    text[:, 3] = _LAST_DIGITS[digits - thousands * 1000]
    return b"[" + text.tobytes().translate(None, b" ")[:-1] + b"]"
