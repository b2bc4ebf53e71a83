"""What the scenarios of `make compat-programs` share: a client, Gemini's vectors, and the steps.

A scenario is run in an environment of its own: `python SCENARIO.py ENGINE FOLDER`. It prints the
result of each step as JSON: "yes", or the error.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qdrant_client import AsyncQdrantClient, QdrantClient

from langchain_gemini_qdrant import AsyncEdgeClient, EdgeClient, GeminiEmbeddings
from langchain_gemini_qdrant.testing import GeminiEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE, FOLDER = sys.argv[1:]
TEXTS = {
    "vacation": "Employees get 30 days of paid vacation a year.",
    "travel": "Travel is booked through the office in Lisbon.",
    "bicycle": "Bicycles are parked in the yard.",
}
QUESTION, ANSWER = "Where do I book travel?", TEXTS["travel"]
IDS = {name: f"00000000-0000-4000-8000-00000000000{n}" for n, name in enumerate(TEXTS)}
FOUND: dict[str, str] = {}

emulator = GeminiEmulator()
emulator.start()
os.environ |= {"GOOGLE_API_KEY": emulator.api_key, "GOOGLE_GEMINI_BASE_URL": emulator.base_url}
embeddings = GeminiEmbeddings()
# For programs that embed documents and questions by one method.
similarity = GeminiEmbeddings(task_type="SEMANTIC_SIMILARITY")


def client() -> QdrantClient:
    """Return a client over the folder: ours, or qdrant-client's local mode."""
    return EdgeClient(FOLDER) if ENGINE == "edge" else QdrantClient(path=FOLDER)


def async_client() -> AsyncQdrantClient:
    """Return the async counterpart; one client at a time has the folder open."""
    return AsyncEdgeClient(FOLDER) if ENGINE == "edge" else AsyncQdrantClient(path=FOLDER)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Record whether the block does what it asserts."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever another program raises is the result
        FOUND[name] = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    else:
        FOUND.setdefault(name, "yes")


def report() -> None:
    """Print the results, with the tasks that Gemini was sent; other output goes before them."""
    sent = [each.text for each in emulator.texts]
    if sent:
        with step("tasks"):
            assert all(text.startswith("title: none | text: ") for text in sent if ANSWER in text)
            asked = [text for text in sent if QUESTION in text]
            assert set(asked) == {f"task: search result | query: {QUESTION}"}
    emulator.stop()
    sys.stdout.write("\n" + json.dumps(FOUND) + "\n")
