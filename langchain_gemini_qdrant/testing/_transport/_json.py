"""Fast JSON for bodies: a batch of 100 full vectors has 300,000 numbers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from langchain_gemini_qdrant.testing._api._calls import Answer
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector

_STRING_OR_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[]}])')
_PLACE = "\uf8ff"  # placeholder for the numbers of a vector, which are inserted afterwards
_PLACE_JSON = json.dumps(_PLACE).encode()

# A number is written into a row of 20 bytes, filled with NUL, which is dropped at the end: sign,
# point and zeros behind it (8), three times three digits (4 each), the last with a comma.
_NUL = b"\0"
_ROW = 20
_DIGITS = 9  # enough for any float32; 6 are always exact, so that fewer are these without zeros
_LEAST_DIGITS = 6
_SMALLEST = np.float32(1e-4)  # a smaller number has an exponent
_POWERS = 10.0 ** np.arange(16)


def _table(texts: list[str], width: int) -> bytes:
    return b"".join(text.encode().ljust(width, _NUL) for text in texts)


_STARTS = np.frombuffer(
    _table([f"{sign}0.{'0' * zeros}" for sign in ("", "-") for zeros in range(4)], 8), np.uint64
)
_GROUPS = np.frombuffer(_table([f"{i:03}" for i in range(1000)], 4), np.uint32)
_LAST_GROUPS = np.frombuffer(_table([f"{i:03}".rstrip("0") for i in range(1000)], 4), np.uint32)
_COMMA = np.frombuffer(b"\0\0\0,", np.uint32)[0]


def read_json(body: bytes) -> object:
    """Return the value of a request body; as in the API, a comma after the last item is allowed.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return json.loads(body)
    except ValueError:
        text = body.decode()
        if (shorter := _STRING_OR_LAST_COMMA.sub(r"\1", text)) == text:
            raise
        return json.loads(shorter)


def write_json(value: object, *, compact: bool) -> bytes:
    """Return a body in the API's layout, or in one line without spaces."""
    if compact:
        return json.dumps(value, separators=(",", ":")).encode()
    return json.dumps(value, indent=2).encode() + b"\n"


def answer_json(answer: Answer, *, compact: bool) -> list[bytes]:
    """Return the body of a successful answer, in pieces for the sender to join."""
    body = write_json(_message(answer), compact=compact)
    if not answer.vectors:
        return [body]
    pieces = body.split(_PLACE_JSON)
    write = vector_json if answer.statistics is None else _double_json
    vectors = [vector for vector in answer.vectors if vector is not None]
    numbers = [write(vector) for vector in vectors[: len(pieces) - 1]]
    if not compact:
        indents = [len(line) - len(line.lstrip()) for line in map(_last_line, pieces)]
        numbers = [_lines(each, indent) for each, indent in zip(numbers, indents, strict=False)]
    return [piece for pair in zip(pieces, [*numbers, b""], strict=True) for piece in pair]


def _message(answer: Answer) -> object:
    """Return an answer with placeholders for its vectors."""
    if answer.vectors is None or (answer.single and not answer.vectors):
        return answer.fields
    values = [{} if vector is None else {"values": _PLACE} for vector in answer.vectors]
    if answer.single:
        return {"embedding": values[0], **answer.fields}
    if answer.statistics is None:
        return {"embeddings": values, **answer.fields}
    last = len(answer.statistics) - 1  # a wrong answer has one more vector
    predictions = [
        {"embeddings": {"values": _PLACE, "statistics": answer.statistics[min(i, last)]}}
        for i in range(len(answer.vectors))
    ]
    return {"predictions": predictions, **answer.fields}


def _last_line(text: bytes) -> bytes:
    return text[text.rfind(b"\n") + 1 :]


def _lines(numbers: bytes, indent: int) -> bytes:
    """Return a list of numbers, one per line, at the end of a line with this indent."""
    end = b"\n" + b" " * indent
    return b"".join((b"[", end, b"  ", numbers[1:-1].replace(b",", b"," + end + b"  "), end, b"]"))


def _double_json(vector: Vector) -> bytes:
    """Return the numbers as in the JSON of a protobuf struct: float64 with all digits."""
    numbers = vector if isinstance(vector, np.ndarray) else vector.numbers()
    text = json.dumps(numbers.astype(np.float64).tolist(), separators=(",", ":"))
    return re.sub("NaN|-?Infinity", r'"\g<0>"', text).encode()


def vector_json(vector: Vector) -> bytes:
    """Return a list of numbers, each as the shortest text that is read back as the same float32.

    A number that is not finite is written as `"NaN"` or `"-Infinity"`, as in protobuf.
    """
    if not isinstance(vector, np.ndarray):
        return b"".join(vector.json())
    size = np.abs(vector)
    usual = (size >= _SMALLEST) & (size < 1)
    digits, exponents = _shortest(np.where(usual, size, np.float32(0.5)))
    thousands = digits // 1000
    millions = thousands // 1000
    last, middle = digits - thousands * 1000, thousands - millions * 1000
    text = np.empty((len(vector), _ROW // 4), np.uint32)
    starts = _STARTS[4 * (vector < 0) - exponents - 1]
    text[:, :2] = starts.view(np.uint32).reshape(-1, 2)
    nothing = last == 0
    text[:, 2] = np.where(nothing & (middle == 0), _LAST_GROUPS[millions], _GROUPS[millions])
    text[:, 3] = np.where(nothing, _LAST_GROUPS[middle], _GROUPS[middle])
    text[:, 4] = _LAST_GROUPS[last] | _COMMA
    rows = text.view(np.uint8)
    for i in np.flatnonzero(~usual):
        rows[i] = np.frombuffer(_unusual(vector[i]).ljust(_ROW - 1, _NUL) + b",", np.uint8)
    return b"[" + text.tobytes().translate(None, _NUL)[:-1] + b"]"


def _unusual(number: np.float32) -> bytes:
    if not np.isfinite(number):
        return json.dumps(json.dumps(float(number))).encode()
    return str(number).removesuffix(".0").encode()


def _shortest(sizes: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nine digits of numbers from 0.0001 to 1, their trailing zeros and exponents."""
    exact = sizes.astype(np.float64)
    exponents = np.floor(np.log10(exact)).astype(np.int64)
    digits = np.rint(exact * _POWERS[_DIGITS - 1 - exponents])
    for count in range(_DIGITS - 1, _LEAST_DIGITS - 1, -1):
        power = _POWERS[count - 1 - exponents]
        fewer = np.rint(exact * power)
        same = (fewer / power).astype(np.float32) == sizes
        digits = np.where(same, fewer * _POWERS[_DIGITS - count], digits)
    tenfold = digits == _POWERS[_DIGITS]  # 0.0999999999 as 0.1
    return np.where(tenfold, _POWERS[_DIGITS - 1], digits).astype(np.int64), exponents + tenfold
