"""What the store adds to the time of Qdrant itself, beside langchain-qdrant.

Run by `make bench-store`; `--help` lists the options. In one process each engine is used by hand,
through this package and through langchain-qdrant, in turns; the tables show medians. Embedding
costs nothing: the vectors are made beforehand.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
import terminal
from corpus import make_texts
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from tables import Table

from langchain_gemini_qdrant import GeminiQdrantVectorStore
from langchain_gemini_qdrant.edge import EdgeClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

ROOT = Path(__file__).parent.parent
PACKAGES = ("langchain-gemini-qdrant", "langchain-qdrant", "langchain-core", "qdrant-client")
SIDES = ("raw", "ours", "theirs")
STORED = {"Edge": 10_000, "memory": 1_000, "server": 1_000}  # documents that are searched
SERVER_SIZES = (768,)  # with longer vectors a server's own time hides all else
ADDED = 1_000
BATCH = 100
GATHERED = 16
VECTOR = ""  # name of the vector, langchain-qdrant's default

Vector = list[float]
Results = list[dict[str, Any]]


def main() -> None:
    """Measure what the command line asks for and print it."""
    options = _options()
    if options.serve:
        serve()
        return
    described = machine.here(*PACKAGES)  # its load before this adds to it
    searches: Results = []
    adds: Results = []
    concurrent: Results = []
    for size in options.size:
        for engine in options.engine:
            if engine == "server" and size not in SERVER_SIZES:
                continue
            with opened(engine, size, options.url) as bench, bench.filled(STORED[engine]) as name:
                cell = {"engine": engine, "size": size}
                terminal.progress(f"{engine} {size}: searches")
                searches += [cell | run for run in measure_searches(bench, name, options.searches)]
                terminal.progress(f"{engine} {size}: concurrent searches")
                runs = asyncio.run(measure_concurrent(bench, name, options.repetitions))
                concurrent += [cell | run for run in runs]
                terminal.progress(f"{engine} {size}: documents added")
                adds += [cell | run for run in measure_adds(bench, options.repetitions)]
    tables = (show_searches, searches), (show_calls, searches), (show_concurrent, concurrent)
    terminal.show(described + "\n")
    for show, results in (*tables, (show_adds, adds)):
        terminal.show(show(results).markdown())


# What is compared


@dataclass
class Meter:
    """What a client and an embedding were asked, and the seconds that the client took."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def clear(self) -> None:
        """Begin anew."""
        self.calls.clear()
        self.seconds.clear()


class Prepared(Embeddings):
    """Looks up vectors that were made beforehand."""

    def __init__(self, texts: list[str], size: int, meter: Meter) -> None:
        vectors = np.random.default_rng(7).standard_normal((len(texts), size)).tolist()
        self._vectors: dict[str, Vector] = dict(zip(texts, vectors, strict=True))
        self._other = [1.0] * size
        self._meter = meter

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        """Return the vectors of texts, the same one for all that were not prepared."""
        self._meter.calls["embedding"] += 1
        return [self._vectors.get(text, self._other) for text in texts]

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a text."""
        self._meter.calls["embedding"] += 1
        return self._vectors[text]

    async def aembed_query(self, text: str) -> Vector:
        """Return the vector of a text."""
        return self.embed_query(text)


class Raw:
    """What one writes by hand: a call of the client, and documents made of its answer."""

    def __init__(
        self,
        client: QdrantClient,
        collection_name: str,
        embedding: Embeddings,
        async_client: AsyncQdrantClient | None = None,
    ) -> None:
        self.client = client
        self.async_client = async_client
        self.collection_name = collection_name
        self.embedding = embedding

    def similarity_search_with_score(self, query: str, k: int) -> list[tuple[Document, float]]:
        """Search with a text."""
        return _hits(self._query(self.embedding.embed_query(query), k))

    def similarity_search_by_vector(self, embedding: Vector, k: int) -> list[Document]:
        """Search with a vector."""
        return [document for document, _ in _hits(self._query(embedding, k))]

    def max_marginal_relevance_search(self, query: str, k: int) -> list[Document]:
        """Search for unlike hits."""
        vector = self.embedding.embed_query(query)
        mmr = models.Mmr(diversity=0.5, candidates_limit=20)
        response = self._query(models.NearestQuery(nearest=vector, mmr=mmr), k)
        return [document for document, _ in _hits(response)]

    async def asimilarity_search(self, query: str, k: int) -> list[Document]:
        """Search with a text; in place where the engine is in this process."""
        vector = await self.embedding.aembed_query(query)
        if self.async_client is None:
            response = self._query(vector, k)
        else:
            response = await self.async_client.query_points(
                self.collection_name, query=vector, using=VECTOR, limit=k
            )
        return [document for document, _ in _hits(response)]

    def add_documents(self, documents: list[Document], batch_size: int) -> None:
        """Store documents."""
        for start in range(0, len(documents), batch_size):
            batch = documents[start : start + batch_size]
            vectors = self.embedding.embed_documents([each.page_content for each in batch])
            points = [_point(*pair) for pair in zip(batch, vectors, strict=True)]
            self.client.upsert(self.collection_name, points)

    def _query(self, query: Vector | models.NearestQuery, k: int) -> models.QueryResponse:
        return self.client.query_points(self.collection_name, query=query, using=VECTOR, limit=k)


def _point(document: Document, vector: Vector) -> models.PointStruct:
    payload = {"page_content": document.page_content, "metadata": document.metadata}
    return models.PointStruct(id=document.id, vector={VECTOR: vector}, payload=payload)


def _hits(response: models.QueryResponse) -> list[tuple[Document, float]]:
    return [(_document(point), point.score) for point in response.points]


def _document(point: models.ScoredPoint) -> Document:
    payload = point.payload or {}
    return Document(
        id=str(point.id), page_content=payload["page_content"], metadata=payload["metadata"]
    )


SEARCHES: dict[str, Callable[[Any, str, Vector], list[Any]]] = {
    "with_score, k=4": lambda store, text, _: store.similarity_search_with_score(text, k=4),
    "with_score, k=100": lambda store, text, _: store.similarity_search_with_score(text, k=100),
    "by_vector, k=4": lambda store, _, vector: store.similarity_search_by_vector(vector, k=4),
    "MMR, k=4": lambda store, text, _: store.max_marginal_relevance_search(text, k=4),
}


# Engines


def metered(client_class: type[QdrantClient], meter: Meter) -> type[QdrantClient]:
    """Return a class of clients that tell a meter of each call of theirs."""

    def method(name: str) -> Callable[..., Any]:
        def call(self: QdrantClient, *args: object, **options: object) -> object:
            began = time.perf_counter()
            try:
                return getattr(client_class, name)(self, *args, **options)
            finally:
                meter.seconds[name] += time.perf_counter() - began
                meter.calls[name] += 1

        return call

    names = [
        name
        for name, value in vars(QdrantClient).items()
        if callable(value) and not name.startswith("_")
    ]
    return type("MeteredClient", (client_class,), {name: method(name) for name in names})


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One engine and what is used with it.

    Attributes:
        url: Of a server, None for an engine in this process.
        size: Components of a vector.
    """

    client: QdrantClient
    meter: Meter
    url: str | None
    embedding: Prepared
    documents: list[Document]
    size: int

    @contextlib.contextmanager
    def filled(self, count: int = 0) -> Iterator[str]:
        """Make a collection for a while, with `count` documents, and return its name."""
        name = f"bench-{uuid.uuid4().hex}"
        params = models.VectorParams(size=self.size, distance=models.Distance.COSINE)
        self.client.create_collection(name, vectors_config={VECTOR: params})
        chance = np.random.default_rng(1)
        try:
            for start in range(0, count, BATCH):
                points = [
                    _point(
                        self.documents[number % ADDED].model_copy(update={"id": _id(number)}),
                        chance.standard_normal(self.size).tolist(),
                    )
                    for number in range(start, start + BATCH)
                ]
                self.client.upsert(name, points)
            yield name
        finally:
            self.client.delete_collection(name)

    def stores(self, name: str, async_client: AsyncQdrantClient | None = None) -> dict[str, Any]:
        """Return what uses a collection, by side."""
        return {
            "raw": Raw(self.client, name, self.embedding, async_client),
            "ours": GeminiQdrantVectorStore(
                self.client, name, self.embedding, async_client=async_client
            ),
            "theirs": QdrantVectorStore(self.client, name, self.embedding),
        }

    @contextlib.asynccontextmanager
    async def async_client(self) -> AsyncIterator[AsyncQdrantClient | None]:
        """Connect to the server asynchronously, if there is one."""
        if self.url is None:
            yield None
            return
        client = AsyncQdrantClient(self.url, check_compatibility=False)
        try:
            yield client
        finally:
            await client.close()


@contextlib.contextmanager
def opened(engine: str, size: int, url: str | None) -> Iterator[Bench]:
    """Open an engine for a while."""
    meter = Meter()
    texts = make_texts(ADDED)
    with contextlib.ExitStack() as stack:
        address: dict[str, Any] = {"location": ":memory:"}
        client_class: type[QdrantClient] = QdrantClient
        if engine == "Edge":
            client_class = EdgeClient
            address = {"path": stack.enter_context(tempfile.TemporaryDirectory())}
        elif engine == "server":
            url = url or stack.enter_context(stand_in())
            address = {"url": url, "check_compatibility": False}
        client = metered(client_class, meter)(**address)
        stack.callback(client.close)
        yield Bench(
            client=client,
            meter=meter,
            url=address.get("url"),
            embedding=Prepared(texts, size, meter),
            documents=[
                Document(id=_id(number), page_content=text, metadata=_metadata(number))
                for number, text in enumerate(texts)
            ],
            size=size,
        )


def _id(number: int) -> str:
    return str(uuid.UUID(int=number))  # langchain-qdrant takes no other strings


def _metadata(number: int) -> dict[str, Any]:
    return {"source": f"book-{number % 7}.pdf", "page": number, "language": "en"}


@contextlib.contextmanager
def stand_in() -> Iterator[str]:
    """Run the tests' server in a process of its own and return its address."""
    process = subprocess.Popen(  # noqa: S603 - this script
        [sys.executable, __file__, "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout  # noqa: S101 - a pipe, as asked for above
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def serve() -> None:
    """Serve until the standard input ends."""
    sys.path.insert(0, str(ROOT))
    from tests.integration_tests.qdrant_server import QdrantServer  # noqa: PLC0415 - see above

    with QdrantServer() as server:
        terminal.show(server.url)
        sys.stdin.read()


# Measuring


def measure_searches(bench: Bench, name: str, count: int) -> Results:
    """Search with each method, in turns; the first of each is not counted."""
    stores = bench.stores(name)
    results: Results = []
    for title, search in SEARCHES.items():
        runs: Results = []
        for turn, document in enumerate(bench.documents[: count + 1]):
            text = document.page_content
            vector = bench.embedding.embed_query(text)
            found = {}
            for side in _turns(turn):
                bench.meter.clear()
                began = time.perf_counter()
                hits = search(stores[side], text, vector)
                whole = time.perf_counter() - began
                besides = whole - bench.meter.seconds["query_points"]
                calls = dict(bench.meter.calls)
                runs.append({"side": side, "whole_s": whole, "besides_s": besides, "calls": calls})
                found[side] = [hit[0] if isinstance(hit, tuple) else hit for hit in hits]
            _check_alike(found)
        results += [{"search": title, **run} for run in runs[len(SIDES) :]]
    return results


def _check_alike(found: dict[str, list[Document]]) -> None:
    texts = [[document.page_content for document in documents] for documents in found.values()]
    if any(one != texts[0] for one in texts):
        message = "the stores found different documents, so their times cannot be compared"
        raise RuntimeError(message)


def measure_adds(bench: Bench, repetitions: int) -> Results:
    """Store documents in empty collections, in turns."""
    results: Results = []
    for turn in range(repetitions):
        for side in _turns(turn):
            with bench.filled() as name:
                store = bench.stores(name)[side]
                bench.meter.clear()
                began = time.perf_counter()
                store.add_documents(bench.documents, batch_size=BATCH)
                whole = time.perf_counter() - began
                besides = whole - bench.meter.seconds["upsert"]
                results.append({"side": side, "whole_s": whole, "besides_s": besides})
    return results


async def measure_concurrent(bench: Bench, name: str, repetitions: int) -> Results:
    """Search asynchronously, one by one and many at a time, in turns."""
    texts = [document.page_content for document in bench.documents[:GATHERED]]
    results: Results = []
    async with bench.async_client() as async_client:
        stores = bench.stores(name, async_client)
        for store in stores.values():  # threads and connections are made
            await asyncio.gather(*(store.asimilarity_search(text, k=4) for text in texts))
        for turn in range(repetitions):
            for side in _turns(turn):
                store = stores[side]
                began = time.perf_counter()
                for text in texts:
                    await store.asimilarity_search(text, k=4)
                single = time.perf_counter() - began
                began = time.perf_counter()
                await asyncio.gather(*(store.asimilarity_search(text, k=4) for text in texts))
                gathered = time.perf_counter() - began
                results.append({"side": side, "single_s": single, "gathered_s": gathered})
    return results


def _turns(turn: int) -> tuple[str, ...]:
    """Let each begin once in a while."""
    first = turn % len(SIDES)
    return SIDES[first:] + SIDES[:first]


# Showing


def show_searches(results: Results) -> Table:
    """Show how long a search takes, and how long all but Qdrant's search takes."""
    rows = []
    for (engine, size, search), sides in _cells(results, "engine", "size", "search"):
        whole = [_median(sides[side], "whole_s") * 1e6 for side in SIDES]
        numbers = [*whole, *(seconds * 1e6 for seconds in _besides(sides))]
        rows.append((engine, f"{size:,}", search, *(f"{number:,.0f}" for number in numbers)))
    return Table(
        title="One search",
        note="Microseconds. The first three columns are the whole search; `documents` is what "
        "making them by hand takes of it; `adds` is what a store spends besides that and besides "
        "Qdrant's own `query_points`.",
        head=("engine", "size", "search", *SIDES, "documents", "ours adds", "theirs adds"),
        rows=rows,
    )


def show_calls(results: Results) -> Table:
    """Show what a search asks of Qdrant and of the embedding."""
    rows = []
    for (search,), sides in _cells(results, "search"):
        calls = [_only(run["calls"] for run in sides[side]) for side in ("ours", "theirs")]
        rows.append((search, *(f"{sum(each.values())}: {_listed(each)}" for each in calls)))
    return Table(
        title="Calls of a search",
        note="Counted at the client and at the embedding, the same on each engine.",
        head=("search", "ours", "theirs"),
        rows=rows,
    )


def _only(calls: Iterator[dict[str, int]]) -> dict[str, int]:
    first, *others = calls
    if any(each != first for each in others):
        message = f"a search that asks now {first}, now something else"
        raise RuntimeError(message)
    return first


def _listed(calls: dict[str, int]) -> str:
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in calls.items())


def show_concurrent(results: Results) -> Table:
    """Show how long asynchronous searches take."""
    rows = []
    for (engine, size), sides in _cells(results, "engine", "size"):
        numbers = [
            _median(sides[side], key) / GATHERED * 1e3
            for key in ("single_s", "gathered_s")
            for side in SIDES
        ]
        rows.append((engine, f"{size:,}", *(f"{number:,.2f}" for number in numbers)))
    return Table(
        title="Asynchronous searches",
        note=f"`asimilarity_search`, k=4: milliseconds for each search, one after the other and "
        f"{GATHERED} of them in `asyncio.gather`.",
        head=("engine", "size", *SIDES, *(f"{side}, gathered" for side in SIDES)),
        rows=rows,
    )


def show_adds(results: Results) -> Table:
    """Show how long it takes to store documents, and how long all but Qdrant's part takes."""
    rows = []
    for (engine, size), sides in _cells(results, "engine", "size"):
        whole = [_median(sides[side], "whole_s") * 1e3 for side in SIDES]
        numbers = [f"{number:,.0f}" for number in whole]
        numbers += [f"{seconds * 1e3:,.1f}" for seconds in _besides(sides)]
        rows.append((engine, f"{size:,}", *numbers))
    return Table(
        title=f"{ADDED:,} documents added",
        note=f"`add_documents(batch_size={BATCH})`, in milliseconds; `points` is what making them "
        "by hand takes of it, `adds` what a store spends besides that and besides Qdrant's own "
        "`upsert`.",
        head=("engine", "size", *SIDES, "points", "ours adds", "theirs adds"),
        rows=rows,
    )


def _cells(results: Results, *keys: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Results]]]:
    """Yield the results of each cell by side, in the order measured."""
    cells: dict[tuple[Any, ...], dict[str, Results]] = {}
    for result in results:
        cell = cells.setdefault(tuple(result[key] for key in keys), {})
        cell.setdefault(result["side"], []).append(result)
    yield from cells.items()


def _besides(sides: dict[str, Results]) -> Iterator[float]:
    """Yield what is spent besides Qdrant by hand, and what each store adds to that."""
    raw = sides["raw"]
    yield _median(raw, "besides_s")
    for side in SIDES[1:]:
        turns = zip(sides[side], raw, strict=True)
        yield statistics.median(one["besides_s"] - other["besides_s"] for one, other in turns)


def _median(runs: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.median(float(run[key]) for run in runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--engine", nargs="+", choices=STORED, default=list(STORED), help="engines to use")
    add("--size", nargs="+", type=int, help="components of a vector (768 3072)")
    add("--searches", type=int, help="searches of each kind (50)")
    add("--repetitions", type=int, help="runs of all else (5)")
    add("--url", help="a Qdrant server; without, the tests' stand-in for one is used")
    add("--quick", action="store_true", help="768 components, fewer repetitions: under a minute")
    add("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.size = options.size or ([768] if options.quick else [768, 3072])
    options.searches = options.searches or (10 if options.quick else 50)
    options.repetitions = options.repetitions or (2 if options.quick else 5)
    return options


if __name__ == "__main__":
    main()
