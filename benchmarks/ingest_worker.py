"""One run of `ingest.py` in a process of its own: its job as JSON in the argument, what it took.

A run is timed up to the closed store: what is not on disk yet has to get there. Its beginning and
its end are on `time.monotonic`, which is the emulator's clock, too.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from corpus import each_text
from langchain_core.documents import Document
from machine import memory, versions
from qdrant_client import QdrantClient, models
from worker import our_embeddings, peer_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_gemini_qdrant import GeminiQdrantVectorStore

NAME = "bench"
BATCH = 100
FIRST = "A first text opens the connection."
LENGTH = 350  # characters: langchain-google-genai then sends as many at a time as it is given
SOURCE = 50  # documents
_PACKAGES = (
    "langchain-gemini-qdrant",
    "langchain-google-genai",
    "google-genai",
    "langchain-qdrant",
    "qdrant-client",
    "qdrant-edge-py",
    "google-ai-generativelanguage",
    "protobuf",
)

Job = dict[str, Any]
Result = dict[str, Any]


class Moment(NamedTuple):
    """A point in time, or a span of it: seconds on the clock, and CPU time of this process."""

    wall: float
    cpu: float

    def plus(self, span: Moment) -> Moment:
        """Return the sum."""
        return Moment(self.wall + span.wall, self.cpu + span.cpu)

    def since(self, before: Moment) -> Moment:
        """Return the difference."""
        return Moment(self.wall - before.wall, self.cpu - before.cpu)


def now() -> Moment:
    """Return the present."""
    return Moment(time.monotonic(), time.process_time())


def documents(count: int) -> Iterator[Document]:
    """Yield documents, and keep none."""
    for number, text in enumerate(each_text(count)):
        metadata = {"source": f"book-{number // SOURCE}.pdf", "page": number % SOURCE}
        yield Document(text[:LENGTH], metadata=metadata)


def add_theirs(job: Job) -> Result:
    """Add documents with langchain-qdrant and langchain-google-genai, as both tell to."""
    from langchain_qdrant import QdrantVectorStore  # noqa: PLC0415 - as the other side's

    given = list(documents(job["count"]))
    in_memory = job["engine"] == "memory"
    client = QdrantClient(":memory:") if in_memory else QdrantClient(path=job["path"])
    params = models.VectorParams(size=job["size"], distance=models.Distance.COSINE)
    client.create_collection(NAME, vectors_config=params)
    # It embeds a text to see that the sizes agree, which opens the connection.
    store = QdrantVectorStore(client, NAME, peer_embeddings(job))
    began = now()
    store.add_documents(given)
    ended = now()
    return _result(began, ended, done=client.count(NAME).count, close=client.close)


def ingest_ours(job: Job) -> Result:
    """Ingest documents; the same again if asked to."""
    from langchain_gemini_qdrant import ingest  # noqa: PLC0415 - not in each environment

    anonymous: list[int] = []

    def sample(_: object) -> None:
        anonymous.append(memory()["RssAnon"])

    store = _store(job)
    given = documents(job["count"]) if job["lazily"] else list(documents(job["count"]))
    began = now()
    ingest(store, given, on_progress=sample if job["lazily"] else None)
    ended = now()
    further: Result = {"anonymous_bytes": max(anonymous, default=0)}
    if job["again"]:
        ingest(store, given)
        further["again_s"] = now().wall - ended.wall
    return _result(began, ended, done=store.count(), close=store.close) | further


def embed(job: Job) -> Result:
    """Embed the texts of the documents and keep no vector."""
    texts = [document.page_content for document in documents(job["count"])]
    embeddings = our_embeddings(job)
    embeddings.embed_query(FIRST)
    began = now()
    done = sum(1 for _ in embeddings.stream_documents(texts))
    return _result(began, now(), done=done, close=embeddings.close)


def store(job: Job) -> Result:
    """Store the documents with vectors that are there, as arrays and in batches of a request."""
    import numpy as np  # noqa: PLC0415 - not in each environment

    chance = np.random.default_rng(1)
    vector_store = _store(job)
    given = documents(job["count"])
    spent = Moment(0.0, 0.0)
    while batch := list(islice(given, BATCH)):
        vectors = chance.standard_normal((len(batch), job["size"]), np.float32)
        began = now()
        vector_store.client.upsert(
            vector_store.collection_name,
            [
                models.PointStruct.model_construct(
                    id=str(uuid.uuid4()),
                    vector={"": vector},  # local mode wants arrays by name
                    payload={"page_content": each.page_content, "metadata": each.metadata},
                )
                for each, vector in zip(batch, vectors, strict=True)
            ],
        )
        spent = spent.plus(now().since(began))
    ended = now()
    done = vector_store.count()
    return _result(ended.since(spent), ended, done=done, close=vector_store.close)


JOBS: dict[str, Callable[[Job], Result]] = {
    "add_theirs": add_theirs,
    "ingest_ours": ingest_ours,
    "embed": embed,
    "store": store,
}


def _store(job: Job) -> GeminiQdrantVectorStore:
    from langchain_gemini_qdrant import create_vector_store  # noqa: PLC0415 - as above

    embeddings = our_embeddings(job)
    embeddings.embed_query(FIRST)
    if job["engine"] == "memory":
        return create_vector_store(embeddings, NAME, location=":memory:")
    is_apart = job["engine"] == "worker"
    return create_vector_store(embeddings, NAME, path=job["path"], worker=is_apart)


def _result(began: Moment, ended: Moment, *, done: int, close: Callable[[], None]) -> Result:
    closing = now()
    close()
    spent = ended.since(began).plus(now().since(closing))
    return {
        "began": began.wall,
        "ended": ended.wall,
        "wall_s": spent.wall,
        "cpu_s": spent.cpu,
        "done": done,
    }


def main() -> None:
    """Do the job in the argument."""
    job = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    result = JOBS[job["do"]](job)
    result |= {"peak_bytes": memory()["VmHWM"], "versions": versions(*_PACKAGES)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
