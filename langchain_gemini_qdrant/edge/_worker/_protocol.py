"""Protocol between a client and the engine's process: numbered, pickled messages.

Both ends run this code, and nobody else has the pipes between them, so pickle is safe here.

```
8 bytes  number of the call, little endian; its answer has the same number
8 bytes  length of what follows
         a `Call`, or an `Answer`
```
"""

from __future__ import annotations

import functools
import io
import pickle
import struct
import traceback
import warnings
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import is_float32
from langchain_gemini_qdrant.errors import InvalidInputError, StorageError

_HEADER = struct.Struct("<QQ")
_PROTOCOL = 5  # of pickle; both ends have the same Python

# method, positional and named arguments
Call: TypeAlias = "tuple[str, tuple[Any, ...], dict[str, Any]]"


class Answer(NamedTuple):
    """The outcome of a call: a value or an error, and the warnings raised during it."""

    value: Any = None
    error: BaseException | None = None
    trace: str = ""
    warned: tuple[Warning, ...] = ()

    @classmethod
    def of_error(cls, error: BaseException) -> Answer:
        """Create the answer to a call that failed."""
        return cls(error=error, trace="".join(traceback.format_exception(error)))

    def unwrap(self, *, stacklevel: int) -> Any:  # noqa: ANN401 - of whatever was called
        """Issue the warnings, then return the value or raise the error."""
        for warning in self.warned:
            warnings.warn(warning, stacklevel=stacklevel + 1)
        if self.error is not None:
            raise self.error from _ErrorInWorker(self.trace)
        return self.value


class _ErrorInWorker(Exception):  # noqa: N818 - it is only shown
    """Carries the other process's traceback as text."""

    def __str__(self) -> str:
        return f"in the engine's process:\n{self.args[0]}"


_POINTS = frozenset({models.PointStruct, models.Record, models.ScoredPoint})


class _Pickler(pickle.Pickler):
    """Pickles points in a third of the time and half of the bytes of pickle's default."""

    def reducer_override(self, obj: object) -> Any:  # noqa: ANN401 - pickle's protocol
        """Return how to rebuild a point; everything else is pickled as usual."""
        if type(obj) in _POINTS:
            try:
                return _rebuild, _parts(obj)
            except (struct.error, OverflowError):  # a bad vector, which the engine's side refuses
                pass
        return NotImplemented


def _parts(point: Any) -> tuple[type, dict[str, Any], set[str]]:  # noqa: ANN401 - one of `_POINTS`
    fields = {**vars(point), "vector": _pack_vectors(point.vector)}
    return type(point), fields, point.__pydantic_fields_set__


def _rebuild(kind: Any, fields: dict[str, Any], fields_set: set[str]) -> object:  # noqa: ANN401
    fields["vector"] = _unpack_vectors(fields["vector"])
    point = kind.__new__(kind)
    # as pydantic's own pickles do it; it is quicker than `model_construct`
    point.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_fields_set__": fields_set,
            "__pydantic_extra__": None,
            "__pydantic_private__": None,
        }
    )
    return point


def _pack_vectors(vector: Any) -> Any:  # noqa: ANN401 - of whatever kind
    """Return 32-bit floats, as the engine stores them: a list as bytes, an array as bytearray."""
    if is_float32(vector):
        return bytearray(vector.tobytes())
    if type(vector) is dict:
        return {name: _pack_vectors(value) for name, value in vector.items()}
    if type(vector) is list and vector and type(vector[0]) is not list:
        return _floats(len(vector)).pack(*vector)
    return vector


def _unpack_vectors(vector: Any) -> Any:  # noqa: ANN401 - of whatever kind
    if type(vector) is dict:
        return {name: _unpack_vectors(value) for name, value in vector.items()}
    if type(vector) is bytes:
        return list(_floats(len(vector) // 4).unpack(vector))
    if type(vector) is bytearray:
        return np.frombuffer(vector, np.float32)
    return vector


@functools.cache
def _floats(count: int) -> struct.Struct:
    return struct.Struct(f"{count}f")


def call_frame(number: int, call: Call) -> memoryview:
    """Return the bytes of a call.

    Raises:
        InvalidInputError: An argument cannot be sent to another process.
    """
    try:
        return _frame(number, call)
    except Exception as error:  # whatever an argument's own class raises
        raise InvalidInputError(
            f"The arguments of {call[0]}() cannot be sent to the engine's process: {error}."
            " Pass arguments that can be pickled, or use `EdgeClient(path)` without worker=True."
        ) from error


def read_call(body: bytearray) -> Call:
    """Return the call in a message.

    Raises:
        InvalidInputError: An argument is of a class that only the caller's process knows.
    """
    try:
        call: Call = pickle.loads(body)  # noqa: S301 - from the process that started this one
    except Exception as error:  # whatever an argument's own class raises
        raise InvalidInputError(
            f"An argument cannot be read in the engine's process: {error}. Pass values of"
            " importable classes, or use `EdgeClient(path)` without worker=True."
        ) from error
    return call


def answer_frame(number: int, answer: Answer) -> memoryview:
    """Return the bytes of an answer, or of an error if it cannot be pickled."""
    try:
        return _frame(number, answer)
    except Exception as error:  # noqa: BLE001 - whatever a foreign error's own class raises
        lost = answer.error if answer.error is not None else error
        return _frame(
            number,
            Answer(error=StorageError(f"{type(lost).__name__}: {lost}"), trace=answer.trace),
        )


def read_answer(body: bytearray) -> Answer:
    """Return the answer in a message, or an error if it cannot be read."""
    try:
        answer: Answer = pickle.loads(body)  # noqa: S301 - from the process that we started
    except Exception as error:  # noqa: BLE001 - whatever a foreign error's own class raises
        answer = Answer.of_error(StorageError(f"The engine's answer cannot be read: {error}"))
    return answer


def _frame(number: int, message: object) -> memoryview:
    buffer = io.BytesIO(bytes(_HEADER.size))
    buffer.seek(_HEADER.size)
    _Pickler(buffer, _PROTOCOL).dump(message)
    frame = buffer.getbuffer()
    _HEADER.pack_into(frame, 0, number, len(frame) - _HEADER.size)
    return frame


def write_frame(pipe: io.FileIO, frame: memoryview) -> None:
    """Write a whole message; `OSError` if the other end is gone."""
    while frame:
        frame = frame[pipe.write(frame) :]


def read_frame(pipe: io.FileIO) -> tuple[int, bytearray] | None:
    """Wait for a message and return its number and content; None once the other end is gone."""
    header = _read_exactly(pipe, _HEADER.size)
    if header is None:
        return None
    number, length = _HEADER.unpack(header)
    body = _read_exactly(pipe, length)
    return None if body is None else (number, body)


def _read_exactly(pipe: io.FileIO, length: int) -> bytearray | None:
    content = bytearray(length)
    missing = memoryview(content)
    while missing:
        count = pipe.readinto(missing)
        if not count:
            return None
        missing = missing[count:]
    return content
