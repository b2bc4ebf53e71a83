"""The first asynchronous call does its slow work, imports and clients, beside the event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from google import genai

from langchain_gemini_qdrant import GeminiEmbeddings

OPTIONS = {"output_dimensionality": 128, "batch_size": 5}

IMPORTS = """
import asyncio, sys, threading
from langchain_gemini_qdrant import GeminiEmbeddings

importers = {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        importers.setdefault(name, threading.current_thread())

sys.meta_path.insert(0, Watch())
address, key, backend = sys.argv[1:]

async def main():
    async with GeminiEmbeddings(api_key=key, base_url=address, backend=backend) as embeddings:
        await embeddings.aembed_query("hello")

asyncio.run(main())
slow = {"google.genai", "google.genai.types", "google.ai.generativelanguage_v1beta", "grpc"}
found = slow & set(importers)
assert found, sorted(importers)
assert threading.main_thread() not in {importers[name] for name in found}
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["google-genai", "grpc"])
def test_sdk_is_imported_in_a_thread(emulator, backend):
    address = emulator.base_url if backend == "google-genai" else emulator.grpc_url
    command = [sys.executable, "-c", IMPORTS, address, emulator.api_key, backend]
    subprocess.run(command, check=True, timeout=120)  # noqa: S603 - our own code


@pytest.fixture
def makers(monkeypatch):
    """The threads in which clients of google-genai are made, in order."""
    threads = []

    class Watched(genai.Client):
        def __init__(self, **options):
            threads.append(threading.current_thread())
            super().__init__(**options)

    monkeypatch.setattr(genai, "Client", Watched)
    return threads


@pytest.mark.parametrize("vertexai", [False, True])
def test_client_of_a_loop_is_made_once_and_in_a_thread(emulator, makers, vertexai):
    embeddings = GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, vertexai=vertexai, **OPTIONS
    )

    async def use():
        texts = [f"text {i}" for i in range(40)]
        await asyncio.gather(*(embeddings.aembed_documents(texts) for _ in range(3)))
        await embeddings.aembed_query("hello")
        await embeddings.aclose()
        await embeddings.aembed_query("hello")  # with a new one
        await embeddings.aclose()

    for loops in (1, 2):
        asyncio.run(use())
        assert len(makers) == 2 * loops
    assert threading.current_thread() not in makers


async def test_client_that_cannot_be_made_fails_all_requests_alike(emulator, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "ftp://proxy")
    embeddings = GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url, **OPTIONS)
    results = await asyncio.gather(
        *(embeddings.aembed_query("a") for _ in range(4)), return_exceptions=True
    )
    assert {type(result).__name__ for result in results} == {"ConfigurationError"}
    monkeypatch.delenv("HTTP_PROXY")
    assert len(await embeddings.aembed_query("a")) == 128
    await embeddings.aclose()
