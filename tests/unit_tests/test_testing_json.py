"""Bodies as the emulator reads and writes them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from langchain_gemini_qdrant.testing._api._calls import Answer
from langchain_gemini_qdrant.testing._api._errors import ApiError
from langchain_gemini_qdrant.testing._api._messages import (
    BatchEmbedContentsRequest,
    EmbedContentRequest,
    read_message,
)
from langchain_gemini_qdrant.testing._api._stand_ins import choose_stand_ins
from langchain_gemini_qdrant.testing._api._vectors import Meaning
from langchain_gemini_qdrant.testing._transport._json import answer_json, read_json, vector_json


def written(answer, *, compact=True):
    return b"".join(answer_json(answer, compact=compact))


def shortest(number):
    """The shortest text that is read back as this float32, by another implementation."""
    return str(number).removesuffix(".0")


def test_numbers_are_the_shortest_that_are_read_back_as_the_same_float32():
    random = np.random.default_rng(7)
    sizes = 10 ** random.uniform(-7, 0.5, 20_000) * random.choice([-1, 1], 20_000)
    short = random.integers(-9999, 9999, 5_000) / 10 ** random.integers(4, 8, 5_000)
    numbers = np.concatenate([sizes, short]).astype(np.float32)
    printed = vector_json(numbers)[1:-1].decode().split(",")
    assert printed == ["0.0001" if x == "1e-04" else x for x in map(shortest, numbers)]
    assert np.array_equal(np.float32([float(x) for x in printed]), numbers)


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (4.623822e-05, "4.623822e-05"),
        (-0.02342152, "-0.02342152"),
        (0.1, "0.1"),
        (0.01, "0.01"),
        (1e-4, "0.0001"),
        (0.09999999403953552, "0.099999994"),
        (0.99999994, "0.99999994"),
        (1, "1"),
        (-1, "-1"),
        (0, "0"),
        (12.5, "12.5"),
        (float("nan"), '"NaN"'),
    ],
)
def test_a_number_is_printed_as_the_api_prints_it(number, printed):
    assert vector_json(np.array([number, 0.5], dtype=np.float32)).decode() == f"[{printed},0.5]"


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("fields", [{}, {"usageMetadata": {"promptTokenCount": 3}}])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_answers_are_valid_json(fields, count, compact):
    vectors = [np.array([0.5, -0.25], dtype=np.float32)] * count
    values = [{"values": [0.5, -0.25]}] * count
    many = json.loads(written(Answer(fields=fields, vectors=vectors), compact=compact))
    assert many == {"embeddings": values, **fields}
    single = Answer(fields=fields, vectors=vectors, single=True)
    one = {"embedding": values[0], **fields} if count else fields
    assert json.loads(written(single, compact=compact)) == one


@pytest.mark.parametrize("kind", ["batch", "single", "predict"])
@pytest.mark.parametrize("stand_in", [False, True])
def test_answers_are_laid_out_with_two_blanks_and_end_with_a_line(kind, stand_in):
    if stand_in:
        meaning = Meaning(text="a", title=None, task_type="CLUSTERING", media=())
        (vector,) = choose_stand_ins([meaning], space="s", model_size=64, size=64, normalizes=True)
    else:
        vector = np.array([0.5, -0.25, 4.623822e-05], dtype=np.float32)
    answer = Answer(
        fields={"usageMetadata": {"promptTokenCount": 3}},
        vectors=[vector] if kind == "single" else [vector, vector],
        single=kind == "single",
        statistics=[{"token_count": 1, "truncated": False}] if kind == "predict" else None,
    )
    text = written(answer, compact=False).decode()
    laid_out = json.dumps(json.loads(text), indent=2) + "\n"
    assert text == laid_out


def test_predictions_have_all_digits_of_a_float64():
    number = np.float32(-0.020920176059007645)
    answer = Answer(fields={}, vectors=[np.array([number])], statistics=[{}])
    assert b"[-0.020920176059007645]" in written(answer)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, 2,], "b": "x",}', {"a": [1, 2], "b": "x"}),
        (b'{"a": ",]", "b": "\\",}",\n}', {"a": ",]", "b": '",}'}),
        (b'[{"a": 1,\n},\n]', [{"a": 1}]),
    ],
)
def test_a_comma_after_the_last_item_is_read_over(body, value):
    assert read_json(body) == value


@pytest.mark.parametrize("body", [b"{,}x", b"[1,,]", b"", b'{"a"', b"\xff"])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(ValueError, match="."):
        read_json(body)


def unknown(name):
    return f"Invalid JSON payload received. Unknown name {name}: Cannot find field."


def test_all_that_is_wrong_with_a_body_is_said_one_to_a_line():
    item = {"model": "models/m", "content": {"parts": [{"text": "a"}], "roll": "user"}}
    body = {"dims": 3, "requests": [{**item, "size": 3}, {**item, "title": 7}]}
    with pytest.raises(ApiError) as caught:
        read_message(BatchEmbedContentsRequest, body)
    lines = [
        unknown('"dims"'),
        unknown("\"roll\" at 'requests[0].content'"),
        unknown("\"size\" at 'requests[0]'"),
        unknown("\"roll\" at 'requests[1].content'"),
        "Invalid value at 'requests[1].title' (TYPE_STRING), 7",
    ]
    assert caught.value.message == "\n".join(lines)
    (detail,) = caught.value.details
    fields = ["", "requests[0].content", "requests[0]", "requests[1].content", "requests[1].title"]
    assert [violation.get("field", "") for violation in detail["fieldViolations"]] == fields
    assert [violation["description"] for violation in detail["fieldViolations"]] == lines


def test_parts_may_have_all_fields_of_the_api():
    part = {
        "text": "a",
        "thought": True,
        "thoughtSignature": "AAAA",
        "videoMetadata": {"startOffset": "3s", "fps": 2.0},
        "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
        "partMetadata": {"mine": 1},
    }
    read = read_message(EmbedContentRequest, {"content": {"parts": [part]}})
    assert read["content"]["parts"][0]["text"] == "a"
    assert read["content"]["parts"][0]["video_metadata"]["fps"] == 2.0
