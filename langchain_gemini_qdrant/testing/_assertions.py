"""Assertions that report differences and their usual causes."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from langchain_gemini_qdrant.testing._api._embed import read_conditioning
from langchain_gemini_qdrant.testing._api._models import MODELS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from langchain_gemini_qdrant.testing._api._records import RecordedText
    from langchain_gemini_qdrant.testing._transport._controls import Controls

_SHOWN = 5  # lines for each kind of difference
_TEXT_SHOWN = 60  # characters
_SECRETS = {
    "an API key of Google": re.compile(r"AIza[\w-]{35}"),
    "an access token": re.compile(r"ya29\.[\w-]{20,}|\bBearer\s+[\w.-]{8,}"),
    "the header x-goog-api-key": re.compile(r"x-goog-api-key", re.IGNORECASE),
    "the query parameter key": re.compile(r"googleapis\.com/[^\s'\"]*[?&]key="),
}


@dataclass(frozen=True, slots=True)
class _Content:
    """What one vector was made of: a text, and SHA-256 or address of each medium."""

    text: str
    media: tuple[str, ...] = ()
    described: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        text = [_short(self.text)] if self.text or not self.media else []
        return " with ".join([*text, *self.described])


def assert_texts(
    emulator: Controls,
    expected: Iterable[str | bytes | Sequence[str | bytes]],
    *,
    task_type: str | None = None,
    title: str | None = None,
    model: str | None = None,
    output_dimensionality: int | None = None,
    in_order: bool = False,
) -> None:
    """Check which texts and media were embedded, each once and with its own vector.

    Texts, tasks and titles are compared as the model reads them: gemini-embedding-2 from the
    prefix of a text, older models from parameters.

    Args:
        emulator: The emulator that received the texts; texts of failed requests do not count.
        expected: The texts, without prefixes. Bytes stand for a medium with these bytes, whether
            inline or a file; a list of texts and bytes stands for a content of several parts.
        task_type: The task of all texts, such as `"RETRIEVAL_DOCUMENT"`; None for any. Contents
            with media have no task and no title.
        title: Their title, `""` for none; None for any.
        model: Their model, with or without `models/`; None for any.
        output_dimensionality: The requested size; None for any.
        in_order: Whether to check the order; concurrent requests arrive in any order.

    Raises:
        AssertionError: They differ; the message lists texts that are missing, fused, repeated or
            sent with other settings.
    """
    __tracebackhide__ = True
    contents = [_content(each) for each in expected]
    sent = [_understood(text) for text in emulator.texts]
    found = [content for content, _, _, _ in sent]
    lines = _differences_of_texts(contents, found, {c: r.parts for c, _, _, r in sent})
    if not lines and in_order and found != contents:
        at = next(i for i, pair in enumerate(zip(found, contents, strict=True)) if len({*pair}) > 1)
        lines.append(f"text {at} is {found[at]}, expected {contents[at]}: the order")
    name = None if model is None else f"models/{model.removeprefix('models/')}"
    with_task = [each for each in sent if not each[3].media]
    for what, wanted, chosen, seen in (
        ("task_type", task_type, with_task, [task for _, task, _, _ in with_task]),
        ("title", title, with_task, [given or "" for _, _, given, _ in with_task]),
        ("model", name, sent, [record.model for _, _, _, record in sent]),
        (
            "output_dimensionality",
            output_dimensionality,
            sent,
            [record.output_dimensionality for _, _, _, record in sent],
        ),
    ):
        if wanted is not None:
            lines += _others(what, wanted, [content for content, _, _, _ in chosen], seen)
    _fail("the emulator did not embed the expected texts", lines)


def assert_statuses(emulator: Controls, expected: Sequence[int | None]) -> None:
    """Check the HTTP statuses of all answers, in order; None for no answer.

    Raises:
        AssertionError: They differ; the message lists all requests with their answers.
    """
    __tracebackhide__ = True
    requests = emulator.requests
    if [request.status for request in requests] == list(expected):
        return
    lines = [f"expected {list(expected)}, got {[request.status for request in requests]}"]
    first = requests[0].received_at if requests else 0.0
    for request in requests:
        message = request.answer_message.partition("\n")[0]
        lines.append(
            f"{request.received_at - first:8.3f} s  {request.status or 'none'}  "
            f"{request.method or request.path}, {len(request.texts)} texts"
            + (f": {message[:_TEXT_SHOWN]}" if message else "")
        )
    _fail("requests were answered with other statuses", lines)


def assert_vectors(actual: ArrayLike, expected: ArrayLike, *, tolerance: float = 1e-5) -> None:
    """Check that two lists of vectors are equal within a tolerance.

    Args:
        actual: `n` vectors, shape `(n, size)`.
        expected: `n` vectors, shape `(n, size)`.
        tolerance: Largest allowed difference between two numbers.

    Raises:
        AssertionError: They differ; the message reports vectors that are missing, cut, swapped,
            repeated, not normalised or not numbers.
    """
    __tracebackhide__ = True
    ours, theirs = _matrix(actual, "actual"), _matrix(expected, "expected")
    _fail("the vectors are not the same", _differences_of_vectors(ours, theirs, tolerance))


def assert_no_secrets(path: str | os.PathLike[str], *secrets: str) -> None:
    """Check that recordings contain no API key and no access token.

    Args:
        path: A file, or a folder with all its files.
        secrets: Further strings that must not occur, such as the key of the run; they are never
            shown.

    Raises:
        AssertionError: A secret was found; the message names file and line, but not the secret.
        FileNotFoundError: `path` does not exist.
    """
    __tracebackhide__ = True
    root = Path(path)
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    patterns = {**_SECRETS, "a secret of this run": re.compile("|".join(map(re.escape, secrets)))}
    if not secrets:
        del patterns["a secret of this run"]
    lines = []
    for file in files:
        if file.is_dir():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            lines += [f"{file}:{number}: {what}" for what, p in patterns.items() if p.search(line)]
    _fail("the recordings contain secrets: record with the options of gemini_vcr_config()", lines)


def _content(expected: str | bytes | Sequence[str | bytes]) -> _Content:
    parts = [expected] if isinstance(expected, str | bytes) else expected
    media = [part for part in parts if isinstance(part, bytes)]
    digests = tuple(hashlib.sha256(medium).hexdigest() for medium in media)
    return _Content(
        "\n".join(part for part in parts if isinstance(part, str)),
        digests,
        tuple(map(_described, ["a medium"] * len(media), map(len, media), digests)),
    )


def _described(kind: str, size: int, digest: str) -> str:
    return f"{kind} of {size} bytes (SHA-256 {digest[:8]}...)"


def _understood(record: RecordedText) -> tuple[_Content, str, str | None, RecordedText]:
    """Return content, task and title as the model reads them, with their record."""
    model = MODELS.get(record.model)
    text, title, task_type = read_conditioning(
        record.text,
        title=record.title,
        task_type=record.task_type,
        reads_prefixes=model is not None and model.reads_prefixes,
        has_media=bool(record.media),
    )
    media = tuple(medium.sha256 or medium.uri or "" for medium in record.media)
    described = tuple(
        _described(medium.mime_type, medium.size_bytes, medium.sha256)
        if medium.sha256
        else f"{medium.mime_type} at {medium.uri}"
        for medium in record.media
    )
    return _Content(text, media, described), task_type, title, record


def _differences_of_texts(
    expected: Sequence[_Content], found: Sequence[_Content], parts: dict[_Content, int]
) -> list[str]:
    wanted, seen = Counter(expected), Counter(found)
    lines = []
    for text in list(seen - wanted)[:_SHOWN]:
        if text in wanted:
            lines.append(f"embedded {seen[text]} times, expected {wanted[text]}: {text}")
        elif parts[text] > 1 and not text.media:
            lines.append(
                f"{parts[text]} texts in one content, so they share one vector (google-genai "
                f"makes this of a list of strings for gemini-embedding-2): {text}"
            )
        else:
            lines.append(f"not expected: {text}")
    lines += [f"missing: {text}" for text in list(wanted - seen)[:_SHOWN] if not seen[text]]
    lines += [
        f"embedded {seen[text]} times, expected {wanted[text]}: {text}"
        for text in list(wanted - seen)[:_SHOWN]
        if seen[text]
    ]
    if lines:
        lines.insert(0, f"{len(found)} embedded, {len(expected)} expected")
    return lines


def _others(
    what: str, wanted: object, texts: Sequence[_Content], seen: Sequence[object]
) -> list[str]:
    """Return a line for each unexpected value, with a text that has it."""
    others = {value: text for value, text in zip(seen, texts, strict=True) if value != wanted}
    return [
        f"{what} {value!r}, expected {wanted!r}, of {sum(v == value for v in seen)} texts such as "
        f"{text}"
        for value, text in list(others.items())[:_SHOWN]
    ]


def _matrix(vectors: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        matrix = np.asarray(vectors, dtype=np.float64)
    except ValueError:
        message = f"the {name} vectors have different sizes, or contain values that are not numbers"
        raise AssertionError(message) from None
    if matrix.size == 0:
        return matrix.reshape(len(matrix), 0)
    if matrix.ndim != 2:  # noqa: PLR2004
        message = f"the {name} vectors must be a list of lists of numbers, got shape {matrix.shape}"
        raise AssertionError(message)
    return matrix


def _differences_of_vectors(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], tolerance: float
) -> list[str]:
    lines = []
    if len(ours) != len(theirs):
        lines.append(f"{len(ours)} vectors, expected {len(theirs)}")
    if len(ours) and len(theirs) and ours.shape[1] != theirs.shape[1]:
        lines.append(f"{ours.shape[1]} numbers in a vector, expected {theirs.shape[1]}")
        return lines
    for i, vector in enumerate(ours[: len(theirs)]):
        if np.allclose(vector, theirs[i], rtol=0, atol=tolerance):
            continue
        lines.append(f"vector {i}: {_difference(vector, theirs, i, tolerance)}")
    rest = len(lines) - _SHOWN
    return lines if rest <= 0 else [*lines[:_SHOWN], f"and {rest} more"]


def _difference(
    vector: NDArray[np.float64], theirs: NDArray[np.float64], i: int, tolerance: float
) -> str:
    if not np.isfinite(vector).all():
        return f"{np.count_nonzero(~np.isfinite(vector))} of its numbers are not finite"
    same = np.flatnonzero(np.isclose(theirs, vector, rtol=0, atol=tolerance).all(axis=1))
    if len(same):
        return f"is the vector that was expected at {same[0]}: other order, or a repeated text"
    wanted = theirs[i]
    length, wanted_length = np.linalg.norm(vector), np.linalg.norm(wanted)
    if not length or not wanted_length:
        return f"has length {length:.3g}, expected {wanted_length:.3g}"
    cosine = float(vector @ wanted / (length * wanted_length))
    if cosine > 1 - 1e-6:
        return (
            f"has the right direction and length {length:.4g}, expected {wanted_length:.4g}: "
            "normalised on one side only"
        )
    off = float(np.abs(vector - wanted).max())
    return (
        f"cosine {cosine:.4f}, numbers differ by up to {off:.3g}: a different text, task, title, "
        "model or size"
    )


def _short(text: str) -> str:
    shown = (
        text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}... ({len(text)} characters)"
    )
    return repr(shown)


def _fail(what: str, lines: Sequence[str]) -> None:
    __tracebackhide__ = True
    if lines:
        raise AssertionError("\n  ".join([f"{what}:", *lines]))
