"""One client in a process of its own: its job as JSON in the argument, what it took on stdout."""

from __future__ import annotations

import array
import asyncio
import hashlib
import json
import resource
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from corpus import make_texts
from machine import versions

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant import GeminiEmbeddings

    Embed = Callable[[list[str]], Sequence[Any]]

MODEL = "gemini-embedding-001"  # the newest one that takes tasks from every client here
FIRST = "A first text opens the connection."
_BATCH = 100
_SIDE_BY_SIDE = 8
_KIB = 1024
PACKAGES = (
    "langchain-gemini-qdrant",
    "langchain-google-genai",
    "google-genai",
    "google-generativeai",
    "google-ai-generativelanguage",
    "grpcio",
    "protobuf",
)


class FastClock:
    """A clock whose minute takes `60 / speed` seconds: for quotas of a shortened minute."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def now(self) -> float:
        """Return accelerated seconds."""
        return time.monotonic() * self._speed

    def sleep(self, seconds: float, cancelled: threading.Event) -> None:
        """Wait for accelerated seconds."""
        cancelled.wait(seconds / self._speed)


def our_embeddings(job: dict[str, Any]) -> GeminiEmbeddings:
    """Make this package's embeddings, with the back end and the transport that the job names."""
    from langchain_gemini_qdrant import GeminiEmbeddings  # noqa: PLC0415 - one of four clients

    backend, transport = job.get("backend", "google-genai"), job.get("transport")
    is_rest = transport == "rest" or backend == "google-genai"
    speed = job.get("speed", 1.0)
    return GeminiEmbeddings(
        model=MODEL,
        backend=backend,
        transport=transport,
        api_key=job["key"],
        base_url=job["rest" if is_rest else "grpc"],
        output_dimensionality=job["size"],
        clock=None if speed == 1.0 else FastClock(speed),
        **job.get("options", {}),
    )


def peer_embeddings(job: dict[str, Any]) -> Embeddings:
    """Make the embeddings of langchain-google-genai."""
    from langchain_google_genai import GoogleGenerativeAIEmbeddings  # noqa: PLC0415

    return GoogleGenerativeAIEmbeddings(
        model=MODEL,
        google_api_key=job["key"],
        base_url=job["rest"],
        output_dimensionality=job["size"],
        **job.get("options", {}),
    )


def embeddings_of(job: dict[str, Any]) -> Embeddings:
    """Make the embeddings of one side."""
    return peer_embeddings(job) if job["client"] == "peer" else our_embeddings(job)


def langchain(job: dict[str, Any]) -> Embed:
    """Take `embed_documents`, or `aembed_documents` in one event loop."""
    embeddings = embeddings_of(job)
    if not job.get("is_async"):
        return embeddings.embed_documents
    runner = asyncio.Runner()
    return lambda texts: runner.run(embeddings.aembed_documents(texts))


def sdk(job: dict[str, Any]) -> Embed:
    """Take `embed_content` of google-generativeai."""
    import google.generativeai as genai  # noqa: PLC0415

    further: dict[str, Any] = {}
    if job["transport"] == "rest":
        genai.configure(
            api_key=job["key"], transport="rest", client_options={"api_endpoint": job["rest"]}
        )
    else:
        import grpc  # noqa: PLC0415
        from google.ai import generativelanguage_v1beta as glm  # noqa: PLC0415

        # A plaintext channel does not carry the key by itself.
        channel = grpc.insecure_channel(job["grpc"].removeprefix("http://"))
        transport = glm.GenerativeServiceClient.get_transport_class("grpc")(channel=channel)
        further = {
            "client": glm.GenerativeServiceClient(transport=transport),
            "request_options": {"metadata": [("x-goog-api-key", job["key"])]},
        }

    def embed(texts: list[str]) -> list[list[float]]:
        result = genai.embed_content(
            f"models/{MODEL}",
            texts,
            task_type="retrieval_document",
            output_dimensionality=job["size"],
            **further,
        )
        return result["embedding"]

    return embed


def bare(job: dict[str, Any]) -> Embed:
    """Call gRPC by hand: the least that a client with Google's messages can do.

    It returns the messages of the vectors as protobuf has parsed them, or lists of floats if the
    job has `lists`.
    """
    import grpc  # noqa: PLC0415
    from google.ai.generativelanguage_v1beta import types  # noqa: PLC0415

    def message(name: str) -> Any:  # noqa: ANN401 - a generated class, below proto-plus
        wrapper = getattr(types, name)
        return type(wrapper.pb(wrapper()))

    request_type = message("BatchEmbedContentsRequest")
    channel = grpc.insecure_channel(
        job["grpc"].removeprefix("http://"), options=[("grpc.max_receive_message_length", -1)]
    )
    send = channel.unary_unary(
        "/google.ai.generativelanguage.v1beta.GenerativeService/BatchEmbedContents",
        request_serializer=request_type.SerializeToString,
        response_deserializer=message("BatchEmbedContentsResponse").FromString,
    )
    name, metadata = f"models/{MODEL}", [("x-goog-api-key", job["key"])]

    def embed_batch(texts: list[str]) -> list[Any]:
        request = request_type(model=name)
        for text in texts:
            each = request.requests.add(
                model=name,
                task_type=types.TaskType.RETRIEVAL_DOCUMENT,
                output_dimensionality=job["size"],
            )
            each.content.parts.add(text=text)
        response = send(request, metadata=metadata)
        if job["lists"]:
            return [list(embedding.values) for embedding in response.embeddings]
        return list(response.embeddings)

    pool = ThreadPoolExecutor(_SIDE_BY_SIDE)

    def embed(texts: list[str]) -> list[Any]:
        batches = [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
        return [vector for vectors in pool.map(embed_batch, batches) for vector in vectors]

    return embed


CLIENTS: dict[str, Callable[[dict[str, Any]], Embed]] = {
    "ours": langchain,
    "peer": langchain,
    "sdk": sdk,
    "bare": bare,
}


def run(embed: Embed, count: int, *, digest: bool) -> dict[str, Any]:
    """Embed so many texts; say what it took and what came of it."""
    texts = make_texts(count)
    outcome: dict[str, Any] = {"texts": count, "returned": 0, "error": None}
    vectors: Sequence[Any] = []
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    try:
        vectors = embed(texts)
    except Exception as error:  # noqa: BLE001 - the outcome of a client that gives up
        outcome["error"] = f"{type(error).__name__}: {error}"
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    unit = 1 if sys.platform == "darwin" else _KIB
    outcome |= {
        "returned": len(vectors),
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_bytes": after.ru_maxrss * unit,
    }
    if digest:
        digested = hashlib.sha256()
        for vector in vectors:
            digested.update(array.array("d", vector).tobytes())
        outcome["digest"] = digested.hexdigest()
    return outcome


def main() -> None:
    """Do the job in the argument."""
    job = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    embed = CLIENTS[job["client"]](job)
    if not job.get("from_the_first_byte"):
        embed([FIRST])
    runs = [run(embed, count, digest=job.get("digest", False)) for count in job["texts"]]
    sys.stdout.write(json.dumps({"versions": versions(*PACKAGES), "runs": runs}) + "\n")


if __name__ == "__main__":
    main()
