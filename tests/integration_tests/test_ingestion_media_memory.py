"""How much memory a run over large media takes, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from langchain_gemini_qdrant.testing import GeminiEmulator

COUNT = 250
SIZE = 2_000_000
ROOT = Path(__file__).parents[2]

RUN = """
import asyncio, os, sys, threading
from pathlib import Path
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_gemini_qdrant import GeminiEmbeddings, aingest, create_vector_store, ingest

key, address, folder, kind, face, count, size = sys.argv[1:]
embeddings = GeminiEmbeddings(api_key=key, base_url=address, output_dimensionality=128)
store = create_vector_store(
    embeddings, "c", path=f"{folder}/index", media_key="media", media_root=folder
)
embeddings.embed_query("what is loaded on first use")

def data():
    return b"\\x89PNG\\r\\n\\x1a\\n" + os.urandom(int(size))

def documents():
    for number in range(int(count)):
        source = {"source": f"{number}.png"}
        if kind == "blobs":
            yield Blob.from_data(data(), mime_type="image/png", metadata=source)
        else:
            yield Document("", metadata={"media": "one.png", **source})

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

Path(folder, "one.png").write_bytes(data())
before = most = resident()

def watch(ended):
    global most
    while not ended.wait(0.005):
        most = max(most, resident())

ended = threading.Event()
thread = threading.Thread(target=watch, args=[ended])
thread.start()
report = ingest(store, documents()) if face == "sync" else asyncio.run(aingest(store, documents()))
ended.set()
thread.join()
print(report.added, most - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("kind", ["blobs", "files"])
def test_large_media_take_less_than_200_mb_however_many_they_are(tmp_path, kind, face):
    with GeminiEmulator(stand_in_vectors=True, record=False) as emulator:
        options = [emulator.api_key, emulator.base_url, tmp_path, kind, face, COUNT, SIZE]
        result = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", RUN, *map(str, options)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
        )
    added, taken = map(int, result.stdout.split())
    assert added == COUNT
    assert taken < 200_000_000
