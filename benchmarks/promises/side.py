"""What a probe may ask of either side, and what stands around both."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.embeddings import Embeddings
from langchain_qdrant.sparse_embeddings import SparseEmbeddings, SparseVector
from qdrant_client import QdrantClient, models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from langchain_core.documents import Document
    from langchain_core.stores import ByteStore
    from langchain_core.vectorstores import VectorStore

GeminiEmbedding: TypeAlias = Any  # of either side; what they have in common is more than a base
Store: TypeAlias = Any
COLLECTION = "c"
PREFIXED = "gemini-embedding-2"  # takes the task as a prefix of the text
PARAMETER = "gemini-embedding-001"  # takes the task as a parameter
_OK = 200
SIZE = 128  # components; the fewest, as no probe needs more


class Emulator:
    """The emulator that a side talks to, by its controls over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """Return a control, such as `fail_next`, `settings` or `clear`."""
        return lambda **options: self._ask(name, json.dumps(options).encode())

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All requests since the last `clear`."""
        found: list[dict[str, Any]] = self._ask("requests")["requests"]
        return found

    @property
    def texts(self) -> list[dict[str, Any]]:
        """All texts of requests that were answered with 200."""
        return [
            text
            for request in self.requests
            if request["status"] == _OK
            for text in request["texts"]
        ]

    def _ask(self, name: str, body: bytes | None = None) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/emulator/{name}", body) as answer:  # noqa: S310 - ours
            found: dict[str, Any] = json.load(answer)
        return found


class Side(ABC):
    """This package, or its peers."""

    packages: tuple[str, ...]  # distributions, first the one that asks Gemini
    store_class: type[VectorStore]

    def __init__(self, emulator: Emulator, folder: Path, google_genai: Sequence[str]) -> None:
        """Nothing is opened.

        Args:
            emulator: Answers for Gemini.
            folder: Empty, for what the probe stores.
            google_genai: The newest release of each major version of that SDK.
        """
        self.emulator = emulator
        self.folder = folder
        self.google_genai = google_genai

    @abstractmethod
    def embeddings(self, model: str = PARAMETER, **options: object) -> GeminiEmbedding:
        """Make embeddings of the Gemini API, of `SIZE` components where nothing else is said."""

    @abstractmethod
    def within(self, seconds: float) -> GeminiEmbedding:
        """Make embeddings whose requests may take that long, as the documentation says."""

    @abstractmethod
    def under_quota(self, texts: int, window: float) -> GeminiEmbedding:
        """Make embeddings told of a quota, if they can be, whose minute takes `window` seconds."""

    @abstractmethod
    def cached(self, cache: ByteStore) -> GeminiEmbedding:
        """Make embeddings with a cache, for queries too."""

    @abstractmethod
    def store(
        self,
        embedding: Embeddings,
        client: QdrantClient,
        *,
        distance: models.Distance = models.Distance.COSINE,
        binary: bool = False,
        sparse: SparseEmbeddings | None = None,
    ) -> Store:
        """Make a collection and open it, or open the one that is there."""

    @abstractmethod
    def binary_in_folder(self, embedding: Embeddings) -> Store:
        """Make a collection with binary quantization in `folder`, without a server."""

    @abstractmethod
    def ingest(self, store: Store, documents: list[Document]) -> None:
        """Store documents in the way that is meant to be run again."""

    @abstractmethod
    def imitation(self) -> AbstractContextManager[Any] | None:
        """Return what the side ships to test against without a network, None for nothing."""


class RecordingClient(QdrantClient):
    """A client that keeps what is asked of it; of local mode, if nothing else is said.

    Attributes:
        calls: Names and options.
        writes: When each write began and ended, in seconds of `time.monotonic()`.
        write_seconds: Seconds that are added to each write.
    """

    def __init__(self, location: str = ":memory:") -> None:
        super().__init__(location, check_compatibility=False)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.writes: list[tuple[float, float]] = []
        self.write_seconds = 0.0

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the options of all calls with this name."""
        return [options for called, options in self.calls if called == name]

    def query_points(self, *args: object, **options: Any) -> object:
        """Search."""
        self.calls.append(("query_points", options))
        return super().query_points(*args, **options)

    def get_collection(self, *args: object, **options: Any) -> object:
        """Describe a collection."""
        self.calls.append(("get_collection", options))
        return super().get_collection(*args, **options)

    def upsert(self, *args: object, **options: Any) -> object:
        """Write points, as slowly as asked for."""
        self.calls.append(("upsert", options))
        begin = time.monotonic()
        threading.Event().wait(self.write_seconds)
        try:
            return super().upsert(*args, **options)
        finally:
            self.writes.append((begin, time.monotonic()))


def stand_in_server() -> AbstractContextManager[Any]:
    """Return the Qdrant server of this repository's tests, which keeps quantizations."""
    sys.path.append(str(Path(__file__).parents[2]))
    from tests.integration_tests.qdrant_server import QdrantServer  # noqa: PLC0415

    return QdrantServer()


class Circle(Embeddings):
    """The text `"30"` is the direction at 30 degrees; so scores are cosines of differences.

    Words, which stores embed to learn the size, are at 0.
    """

    size = 2

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return two components for each text."""
        angles = [math.radians(float(text) if text.isdigit() else 0.0) for text in texts]
        return [[math.cos(angle), math.sin(angle)] for angle in angles]

    def embed_query(self, text: str) -> list[float]:
        """Return two components."""
        return self.embed_documents([text])[0]


class Steepness(SparseEmbeddings):
    """One word, that counts less the larger the angle is: ranks as `Circle` does around 0."""

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        """Return one weight for each text."""
        return [SparseVector(indices=[0], values=[180.0 - float(text)]) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        """Return one weight."""
        return self.embed_documents([text])[0]
