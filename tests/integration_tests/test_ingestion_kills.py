"""Runs that are killed (-9) at any moment: the next one goes on, and pays for nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from langchain_gemini_qdrant import EdgeClient
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.ingesting import captioned, passages, texts

PASSAGES = 1_500
BATCH = 10
CONCURRENCY = 4
IN_FLIGHT = 2 * CONCURRENCY * BATCH
ROOT = Path(__file__).parents[2]

# Makes a victim for each line that it reads: a fork, as a new Python would need seconds to start.
# A worker holds the other end of `alive`, too, so that its end is waited for.
NURSERY = """
import os, sys
import google.genai
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest
from pathlib import Path
from tests.integration_tests.ingesting import captioned, passages

key, address, path, worker, folder, count, batch, concurrency = sys.argv[1:]

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # whole lines, whenever it is killed

def victim():
    embeddings = GeminiEmbeddings(
        api_key=key, base_url=address, output_dimensionality=128,
        batch_size=int(batch), max_concurrency=int(concurrency),
    )
    media = {"media_key": "media", "media_root": folder} if folder else {}
    store = create_vector_store(embeddings, "c", path=path, worker=worker == "True", **media)
    documents = captioned(Path(folder), int(count)) if folder else passages(int(count))
    show = lambda progress: say("progress")
    report = ingest(store, documents, batch_size=int(batch), on_progress=show)
    say("finished", report.added, report.updated, report.skipped)
    store.close()

for _ in sys.stdin:
    alive, life = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(life, 2)
        try:
            victim()
        except BaseException as error:
            say("failed", repr(error).replace("\\n", " "))
        os._exit(0)
    os.close(life)
    say("victim", pid)
    os.waitpid(pid, 0)
    while os.read(alive, 4096):
        pass
    os.close(alive)
    say("gone")
"""


class Nursery:
    """Starts ingestions in processes of their own."""

    def __init__(self, process):
        self._process = process
        self.pid = 0

    def start(self):
        self._process.stdin.write("next\n")
        self._process.stdin.flush()
        word, pid = self.line().split()
        assert word == "victim"
        self.pid = int(pid)

    def line(self):
        line = self._process.stdout.readline()
        assert line, "the nursery has ended"
        return line.rstrip()

    def rest(self):
        """Return what the victim still says, until it is gone."""
        lines = list(iter(self.line, "gone"))
        assert not [line for line in lines if line.startswith("failed")]
        return lines


@pytest.fixture
def emulator():
    with GeminiEmulator(stand_in_vectors=True, latency=0.02) as emulator:
        yield emulator


def found(path):
    """Return the texts that the index has, of which each must be there once."""
    client = EdgeClient(path)
    records, _ = (
        client.scroll("c", limit=10 * PASSAGES) if client.collection_exists("c") else ([], 0)
    )
    client.close()
    contents = [record.payload["page_content"] for record in records]
    assert len(contents) == len(set(contents))
    return set(contents)


def sent(emulator):
    return [text.text.rpartition("text: ")[2] for text in emulator.texts]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals and fork")
@pytest.mark.parametrize(
    ("worker", "kills", "media"), [(False, 20, False), (True, 3, False), (False, 6, True)]
)
def test_killed_runs_go_on_where_they_were_and_pay_at_most_for_what_was_under_way(
    emulator, tmp_path, worker, kills, media
):
    """Killed after a random number of requests, or of reports of progress, in turn."""
    chance = random.Random(7)  # the same moments each time
    index, folder = tmp_path / "index", tmp_path / "media" if media else ""
    if media:
        folder.mkdir()
        captioned(folder, 50)
    options = [emulator.api_key, emulator.base_url, index, worker, folder]
    options += [PASSAGES, BATCH, CONCURRENCY]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", NURSERY, *map(str, options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
    ) as process:
        nursery = Nursery(process)
        kept = set()
        for number in range(kills):
            before = len(sent(emulator))
            nursery.start()
            if number % 2:
                due = len(emulator.requests) + chance.randint(1, 8)
                emulator.wait_for_requests(due, timeout=200)
            else:
                for _ in range(chance.randint(1, 20)):
                    assert nursery.line() == "progress"
            os.kill(nursery.pid, signal.SIGKILL)
            assert not [line for line in nursery.rest() if line.startswith("finished")]
            assert not kept & set(sent(emulator)[before:])  # what is stored is not sent again
            before_kill, kept = kept, found(index)
            assert before_kill <= kept
        nursery.start()
        last = nursery.rest()[-1]
        assert last == f"finished {PASSAGES - len(kept)} 0 {len(kept)}"
        process.stdin.close()
    assert sorted(found(index)) == texts(passages(PASSAGES))
    again = len(sent(emulator)) - PASSAGES
    assert 0 < again <= kills * IN_FLIGHT
