"""One client in a process of its own: its job as JSON in the argument, what it took on stdout."""

from __future__ import annotations

import array
import hashlib
import json
import resource
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

from corpus import make_texts
from machine import versions

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant import GeminiEmbeddings

    Embed = Callable[[list[str]], list[list[float]]]

MODEL = "gemini-embedding-001"  # the newest one that takes tasks from every client here
_KIB = 1024
_PACKAGES = (
    "langchain-gemini-qdrant",
    "langchain-google-genai",
    "google-genai",
    "google-generativeai",
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
    """Make this package's embeddings."""
    from langchain_gemini_qdrant import GeminiEmbeddings  # noqa: PLC0415 - one of four clients

    transport = job.get("transport")
    sdk = {"backend": "google-generativeai", "transport": transport} if transport else {}
    speed = job.get("speed", 1.0)
    return GeminiEmbeddings(
        model=MODEL,
        api_key=job["key"],
        base_url=job["grpc" if transport == "grpc" else "rest"],
        output_dimensionality=job["size"],
        clock=None if speed == 1.0 else FastClock(speed),
        **sdk,
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


def ours(job: dict[str, Any]) -> Embed:
    """Take this package's `embed_documents`."""
    return our_embeddings(job).embed_documents


def peer(job: dict[str, Any]) -> Embed:
    """Take `embed_documents` of langchain-google-genai."""
    return peer_embeddings(job).embed_documents


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


def run(embed: Embed, count: int, *, digest: bool) -> dict[str, Any]:
    """Embed so many texts; say what it took and what came of it."""
    texts = make_texts(count)
    outcome: dict[str, Any] = {"texts": count, "returned": 0, "error": None}
    vectors: list[list[float]] = []
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
    embed = {"ours": ours, "peer": peer, "sdk": sdk}[job["client"]](job)
    embed(["A first text opens the connection."])
    runs = [run(embed, count, digest=job.get("digest", False)) for count in job["texts"]]
    sys.stdout.write(json.dumps({"versions": versions(*_PACKAGES), "runs": runs}) + "\n")


if __name__ == "__main__":
    main()
