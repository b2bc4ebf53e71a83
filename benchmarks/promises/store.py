"""What is written to a store, and how it comes back."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index

from promises.promise import Seen, failure, not_run, promise, told
from promises.side import COLLECTION, PARAMETER, PREFIXED, Circle, RecordingClient

if TYPE_CHECKING:
    from promises.side import Side

_TAKES = 0.2  # seconds for a request and for a write
_MANY = 2000  # texts, of more requests than go out at the same time
_OF_A = 2  # of the five texts are of source a
_ANGLES = ["0", "20", "40", "60", "80"]


def _count(client: RecordingClient) -> int:
    return client.count(COLLECTION).count


@promise("S1", "LangChain's own tests for vector stores pass")
def _suite(side: Side) -> Seen:
    class Tally:
        """Counts, and gives the tests their side."""

        passed = run = 0

        @pytest.fixture
        def side(self) -> Side:
            return side

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call" or (report.when == "setup" and report.failed):
                self.run += 1
                self.passed += report.passed

    tally = Tally()
    options = ["-c", os.devnull, "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    tests = Path(__file__).with_name("suite.py")
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*options, "-W", "ignore", str(tests)], plugins=[tally])
    return Seen(
        passed=0 < tally.run == tally.passed,
        evidence=f"{tally.passed} of {tally.run} pass over `:memory:`",
    )


@promise("S2", "Any iterable of texts is stored whole")
def _iterables(side: Side) -> Seen:
    client = RecordingClient()
    side.store(Circle(), client).add_texts(angle for angle in _ANGLES)
    count = _count(client)
    return Seen(passed=count == len(_ANGLES), evidence=f"a generator of 5 texts: {count} stored")


@promise("S3", "Fewer ids than texts are an error before anything is written")
def _ids(side: Side) -> Seen:
    client = RecordingClient()
    store = side.store(Circle(), client)
    error = failure(lambda: store.add_texts(_ANGLES, ids=["0" * 32]))
    count = _count(client)
    return Seen(
        passed=error is not None and not count,
        evidence=f"5 texts, 1 id: {type(error).__name__ if error else 'no error'}, {count} stored",
    )


@promise("S7", "Any string is an id and comes back unchanged; `index` works with each of its keys")
def _strings(side: Side) -> Seen:
    found = {}
    store = side.store(Circle(), RecordingClient())
    ids: list[str | None] = []

    def add() -> None:
        store.add_texts(["0"], ids=["handbook#1"])
        ids.extend(document.id for document in store.get_by_ids(["handbook#1"]))

    found["`handbook#1`"] = failure(add)
    for encoder in ("sha1", "sha256", "sha512", "blake2b"):
        records = InMemoryRecordManager(encoder)
        records.create_schema()
        found[encoder] = failure(
            lambda encoder=encoder, records=records: index(
                [Document("0")], records, store, key_encoder=encoder
            )
        )
    wrong = [name for name, error in found.items() if error]
    return Seen(
        passed=not wrong and ids == ["handbook#1"],
        evidence=f"not with {', '.join(wrong)}: {told(found[wrong[0]])}"
        if wrong
        else f"id {ids[0]!r}; {', '.join(list(found)[1:])} work",
    )


@promise("S8", "A hit has its id, its metadata as it went in, and replaces itself when added again")
def _hits(side: Side) -> Seen:
    client = RecordingClient()
    store = side.store(Circle(), client)
    store.add_documents([Document("0", metadata={"source": "a"})])
    hit = store.similarity_search("0", k=1)[0]
    own, metadata = hit.id, dict(hit.metadata)
    store.add_documents([hit])
    count = _count(client)
    return Seen(
        passed=own is not None and metadata == {"source": "a"} and count == 1,
        evidence=f"`Document.id` {'set' if own else 'None'}; metadata {', '.join(metadata)}; "
        f"{count} stored after adding it again",
    )


@promise("S11", "Filters are dicts, delete too takes one, and deleting nothing is no error")
def _filters(side: Side) -> Seen:
    client = RecordingClient()
    store = side.store(Circle(), client)
    store.add_texts(_ANGLES, [{"source": name} for name in "aabbb"])
    hits: list[Any] = []
    search = failure(lambda: hits.extend(store.similarity_search("0", filter={"source": "a"})))
    delete = failure(lambda: store.delete(filter={"source": "a"}))
    left = _count(client)
    nothing = failure(lambda: store.delete([]))
    return Seen(
        passed=len(hits) == _OF_A and left == len(_ANGLES) - _OF_A and nothing is None,
        evidence=f"search: {type(search).__name__ if search else f'{len(hits)} of 2 hits'}; "
        f"delete: {type(delete).__name__ if delete else f'{5 - left} of 2 deleted'}; "
        f"delete([]): {type(nothing).__name__ if nothing else 'no error'}",
    )


not_run(
    "S12",
    "Payload indexes are made on request, once",
    "an error of Qdrant Cloud, known from reports only",
)


@promise("S15", "While vectors are stored, the next texts are embedded")
def _pipeline(side: Side) -> Seen:
    client = RecordingClient()
    store = side.store(side.embeddings(), client)
    client.calls.clear()
    side.emulator.clear()
    side.emulator.settings(latency=_TAKES)
    client.write_seconds = _TAKES
    store.add_texts([f"This is number {number}." for number in range(_MANY)])
    # Both clocks are the system's: a request that takes _TAKES overlaps a write, or does not.
    arrivals = [request["received_at"] for request in side.emulator.requests]
    during = sum(
        any(begin - _TAKES < arrival < end for begin, end in client.writes) for arrival in arrivals
    )
    return Seen(
        passed=during > 0,
        evidence=f"{during} of {len(arrivals)} requests overlapped one of "
        f"the {len(client.writes)} writes",
    )


@promise("S16", "An interrupted run resumes without duplicates and without paying twice")
def _rerun(side: Side) -> Seen:
    client = RecordingClient()
    store = side.store(side.embeddings(), client)
    documents = [
        Document(f"This is number {number}.", metadata={"source": "a"}) for number in range(300)
    ]
    side.emulator.clear()
    side.emulator.fail_next(status=400, times=None, containing="number 190.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        broken = failure(lambda: side.ingest(store, documents))
        paid = len(side.emulator.texts)
        side.emulator.clear()
        side.ingest(store, documents)
    again = paid + len(side.emulator.texts) - len(documents)
    count = _count(client)
    return Seen(
        passed=broken is not None and count == len(documents) and again <= 0,
        evidence=f"after {type(broken).__name__} and a second run {count} of 300 stored, "
        f"{again} paid twice",
    )


@promise("S17", "`from_texts` takes a client, and two stores of a process share a folder")
def _clients(side: Side) -> Seen:
    texts: dict[str, Any] = {"texts": ["0"], "embedding": Circle(), "collection_name": COLLECTION}
    client = RecordingClient()
    given = failure(lambda: side.store_class.from_texts(**texts, client=client))
    path = str(side.folder / "index")
    first = side.store_class.from_texts(**texts, path=path)
    second = failure(lambda: side.store_class.from_texts(**texts, path=path))
    first.client.close()
    return Seen(
        passed=given is None and second is None,
        evidence=f"client: {told(given)}; second store: "
        + (type(second).__name__ if second else told(None)),
    )


@promise("S18", "A collection remembers its embedding: another model of the same size is an error")
def _memory(side: Side) -> Seen:
    client = RecordingClient()
    side.store(side.embeddings(PARAMETER), client).add_texts(["a text"])
    error = failure(lambda: side.store(side.embeddings(PREFIXED), client))
    return Seen(
        passed=error is not None,
        evidence=f"{PARAMETER}, then {PREFIXED}: {type(error).__name__ if error else 'no error'}",
    )


@promise("S21", "What is built on it can be tested without a network")
def _offline(side: Side) -> Seen:
    imitation = side.imitation()
    if imitation is None:
        modules = [each for name in side.packages for each in metadata.files(name) or ()]
        modules = [str(each) for each in modules if each.suffix == ".py"]
        found = [each for each in modules if re.search("test|fake|mock|emulat", each)]
        return Seen(
            passed=False,
            evidence=f"{len(found)} of {len(modules)} modules of {' and '.join(side.packages)} "
            "have test, fake, mock or emulator in their name",
        )
    with imitation as emulator:
        side.emulator.url, side.emulator.key = emulator.base_url, emulator.api_key
        size = len(side.embeddings().embed_query("a"))
    return Seen(passed=size > 0, evidence=f"an emulator of the API; a vector of {size} components")


not_run(
    "S22",
    "A collection is embedded again with a new model while it is in use",
    "the peers have nothing for it; known from reports only",
)
