"""The assertions of the test kit: what they let pass, and how they explain what they do not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from langchain_gemini_qdrant.testing import (
    GeminiEmulator,
    assert_no_secrets,
    assert_statuses,
    assert_texts,
    assert_vectors,
)
from langchain_gemini_qdrant.testing._api._calls import Call

ONE, TWO = "models/gemini-embedding-001", "models/gemini-embedding-2"
QUERY, DOCUMENT = "task: search result | query: ", "title: none | text: "


@pytest.fixture
def emulator():
    """It never listens: requests are handed to it."""
    return GeminiEmulator()


def send(emulator, *texts, model=TWO, **settings):
    """Embed texts in one batch; a tuple of texts is one content."""
    contents = [(text,) if isinstance(text, str) else text for text in texts]
    body = {
        "requests": [
            {"model": model, "content": {"parts": [{"text": part} for part in parts]}, **settings}
            for parts in contents
        ]
    }
    emulator._exchange.reply(
        Call(
            transport="rest",
            path=f"/v1/{model}:batchEmbedContents",
            api_version="v1",
            method="batchEmbedContents",
            model=model,
            headers={"x-goog-api-key": emulator.api_key},
            body=body,
        )
    )


def explanation(function, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_texts_and_tasks_are_those_the_model_understands(emulator):
    send(emulator, f"{DOCUMENT}whales", f"{DOCUMENT}bread")
    send(emulator, "yeast", model=ONE, taskType="RETRIEVAL_DOCUMENT")
    assert_texts(emulator, ["bread", "yeast", "whales"], task_type="RETRIEVAL_DOCUMENT")
    assert_texts(emulator, ["whales", "bread", "yeast"], in_order=True, title="")


def test_what_failed_was_not_embedded(emulator):
    emulator.fail_next(status=503)
    send(emulator, "whales")
    assert_texts(emulator, [])
    send(emulator, "whales")
    assert_texts(emulator, ["whales"])


def test_fused_texts_are_explained(emulator):
    send(emulator, ("whales", "bread"))
    told = explanation(assert_texts, emulator, ["whales", "bread"])
    assert "1 embedded, 2 expected" in told
    assert "2 texts in one content, so they share one vector" in told
    assert "missing: 'whales'" in told


def test_missing_repeated_and_unexpected_texts_are_told_apart(emulator):
    send(emulator, "twice", "twice", "once", "other")
    told = explanation(assert_texts, emulator, ["twice", "once", "once", "lost"])
    assert "embedded 2 times, expected 1: 'twice'" in told
    assert "embedded 1 times, expected 2: 'once'" in told
    assert "not expected: 'other'" in told
    assert "missing: 'lost'" in told


def test_a_long_text_is_shown_in_part(emulator):
    send(emulator, "whale " * 1000)
    told = explanation(assert_texts, emulator, [])
    assert "(6000 characters)" in told
    assert len(told) < 300


def test_the_order_is_checked_on_demand(emulator):
    send(emulator, "a", "b")
    assert_texts(emulator, ["b", "a"])
    told = explanation(assert_texts, emulator, ["b", "a"], in_order=True)
    assert "text 0 is 'a', expected 'b'" in told


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"task_type": "RETRIEVAL_DOCUMENT"}, "task_type 'RETRIEVAL_QUERY', expected 'RETR"),
        ({"title": "Sea"}, "title '', expected 'Sea'"),
        ({"model": "gemini-embedding-001"}, f"model '{TWO}', expected '{ONE}'"),
        ({"output_dimensionality": 8}, "output_dimensionality 768, expected 8, of 2 texts"),
    ],
)
def test_texts_sent_in_another_way_are_explained(emulator, expected, told):
    send(emulator, f"{QUERY}whales", f"{QUERY}bread", outputDimensionality=768)
    assert told in explanation(assert_texts, emulator, ["whales", "bread"], **expected)


def test_a_missing_prefix_is_a_task_that_was_not_named(emulator):
    send(emulator, "whales", taskType="RETRIEVAL_DOCUMENT")  # gemini-embedding-2 ignores it
    told = explanation(assert_texts, emulator, ["whales"], task_type="RETRIEVAL_DOCUMENT")
    assert "task_type 'TASK_TYPE_UNSPECIFIED', expected 'RETRIEVAL_DOCUMENT'" in told


def test_statuses_are_checked_in_order_and_all_requests_are_listed(emulator):
    emulator.fail_next(status=429, retry_after=2)
    emulator.answer_next("disconnect")
    for _ in range(3):
        send(emulator, "whales")
    assert_statuses(emulator, [429, None, 200])
    told = explanation(assert_statuses, emulator, [429, 200]).splitlines()
    assert told[1].strip() == "expected [429, 200], got [429, None, 200]"
    assert "429  batchEmbedContents, 1 texts: You exceeded your current quota" in told[2]
    assert "none  batchEmbedContents" in told[3]


def test_equal_vectors_pass_within_the_tolerance():
    vectors = np.eye(3)
    assert_vectors(vectors.tolist(), vectors + 1e-6)
    assert_vectors([], [])
    assert "vector 0" in explanation(assert_vectors, vectors, vectors + 1e-6, tolerance=1e-7)


@pytest.mark.parametrize(
    ("actual", "expected", "told"),
    [
        ([[1, 0]], [[1, 0], [0, 1]], "1 vectors, expected 2"),
        ([], [[1, 0]], "0 vectors, expected 1"),
        ([[]], [[1, 0]], "0 numbers in a vector, expected 2"),
        ([[1, 0]], [[1, 0, 0]], "2 numbers in a vector, expected 3"),
        ([[0, 1], [1, 0]], [[1, 0], [0, 1]], "vector 0: is the vector that was expected at 1"),
        ([[0.6, 0]], [[1, 0]], "vector 0: has the right direction and length 0.6, expected 1"),
        ([[float("nan"), 0]], [[1, 0]], "1 of its numbers are not finite"),
        ([[0, 0]], [[1, 0]], "has length 0, expected 1"),
        ([[1, 0]], [[0, 1]], "cosine 0.0000, numbers differ by up to 1: a different text"),
        ([[1, 0], [1]], [[1, 0], [1, 0]], "the actual vectors have different sizes"),
        ([[1, 0]], [1, 0], "the expected vectors must be a list of lists"),
    ],
)
def test_vectors_that_differ_are_explained(actual, expected, told):
    assert told in explanation(assert_vectors, actual, expected)


def test_of_many_vectors_the_first_are_shown():
    told = explanation(assert_vectors, np.eye(9), -np.eye(9))
    assert "vector 4" in told
    assert "vector 5" not in told
    assert "and 4 more" in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"uri: 'https://x?k=AIza{'a' * 35}'", "an API key of Google"),
        ("X-Goog-Api-Key:", "the header x-goog-api-key"),
        ("uri: https://generativelanguage.googleapis.com/v1/models?key=REDACTED", "parameter key"),
        (json.dumps({"access_token": "ya29." + "a" * 30}), "an access token"),
        ("- a-key-of-ours", "a secret of this run"),
    ],
)
def test_secrets_are_found_and_not_repeated(tmp_path, line, told):
    (tmp_path / "cassettes").mkdir()
    cassette = tmp_path / "cassettes" / "test_it.yaml"
    cassette.write_text(f"interactions:\n{line}\n")
    message = explanation(assert_no_secrets, tmp_path, "a-key-of-ours")
    assert f"{cassette}:2: " in message
    assert told in message
    assert line not in message


def test_a_clean_recording_passes(tmp_path):
    cassette = tmp_path / "test_it.yaml"
    cassette.write_text("uri: https://generativelanguage.googleapis.com/v1/models?pageSize=2\n")
    assert_no_secrets(cassette)
    assert_no_secrets(tmp_path)
    with pytest.raises(FileNotFoundError):
        assert_no_secrets(tmp_path / "nothing")
