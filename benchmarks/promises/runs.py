"""Embedding much, often and elsewhere: quotas, faults, loops and processes."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import pickle
import threading
import time
from typing import TYPE_CHECKING

from promises.promise import Seen, failure, promise, told

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from promises.side import GeminiEmbedding, Side

_TEXTS = [f"This is number {number}." for number in range(300)]
_REQUESTS = 3  # that they take
_LOOPS = 3
_MINUTE = 12.0  # seconds that the minute of a quota takes
_REFUSED = 429
_PATIENCE = 10.0  # seconds for what takes a fraction of one


@promise("E5", "After a 429 the call waits as long as the server asks, and a 503 is retried")
def _retries(side: Side) -> Seen:
    found = []
    passed = True
    for status, wait in ((_REFUSED, 1.0), (503, None)):
        side.emulator.clear()
        side.emulator.fail_next(status=status, retry_after=wait)
        error = failure(lambda: side.embeddings().embed_documents(["a"]))
        arrivals = [request["received_at"] for request in side.emulator.requests]
        pause = arrivals[-1] - arrivals[0]
        passed &= error is None and pause >= (wait or 0.0)
        found.append(
            f"{status}: {type(error).__name__} after {len(arrivals)} request"
            if error
            else f"{status}: sent again after {pause:.1f} s"
        )
    return Seen(passed=passed, evidence="; ".join(found))


@promise("E6", "With a given quota, a run stays below it and counts texts as Google does")
def _quota(side: Side) -> Seen:
    side.emulator.settings(requests_per_minute=100, quota_window=_MINUTE)
    texts = _TEXTS[:200]
    vectors: list[list[float]] = []
    embeddings = side.under_quota(100, _MINUTE)
    error = failure(lambda: vectors.extend(embeddings.embed_documents(texts)))
    refused = sum(request["status"] == _REFUSED for request in side.emulator.requests)
    return Seen(
        passed=len(vectors) == len(texts) and not refused,
        evidence=f"200 texts, 100 a minute: {len(vectors)} vectors, {refused} requests refused"
        + (f"; {type(error).__name__}" if error else ""),
    )


@promise("E7", "Requests run concurrently, also in async, and the vectors keep their order")
def _concurrency(side: Side) -> Seen:
    embeddings = side.embeddings()
    right = embeddings.embed_documents(_TEXTS[:1] + _TEXTS[-1:])
    ways = {
        "sync": embeddings.embed_documents,
        "async": lambda texts: asyncio.run(side.embeddings().aembed_documents(texts)),
    }
    found = []
    passed = True
    for name, embed in ways.items():
        side.emulator.clear()
        side.emulator.settings(latency=1.0)
        vectors = embed(_TEXTS)
        most = max(request["in_flight"] for request in side.emulator.requests)
        passed &= most == _REQUESTS and [vectors[0], vectors[-1]] == right
        found.append(f"{name} {most} at a time")
    return Seen(passed=passed, evidence=f"3 requests: {'; '.join(found)}")


@promise("E8", "A failed request does not lose the vectors of the others")
def _partial(side: Side) -> Seen:
    side.emulator.fail_next(status=400, times=None, containing="number 150.")
    error = failure(lambda: side.embeddings().embed_documents(_TEXTS))
    # Whatever the error calls them.
    held = [each for each in vars(error).values() if isinstance(each, list)] if error else []
    vectors = [vector for each in held for vector in each if vector]
    return Seen(
        passed=len(vectors) == len(_TEXTS) - 100,
        evidence=f"1 of 3 requests failed: {type(error).__name__} with {len(vectors)} vectors",
    )


@promise(
    "E11",
    "Instances work in one event loop after the other",
    mended="langchain-google-genai 4.4.3",
)
def _loops(side: Side) -> Seen:
    embeddings = side.embeddings()
    vectors: list[list[float]] = []
    error = None
    for _ in range(_LOOPS):
        error = error or failure(lambda: vectors.append(asyncio.run(embeddings.aembed_query("a"))))
    return Seen(
        passed=error is None and len(vectors) == _LOOPS,
        evidence=f"{len(vectors)} of 3 calls of `asyncio.run` work"
        + (f"; {told(error)}" if error else ""),
    )


@promise("E12", "After a fork, each process gets its own vectors")
def _forks(side: Side) -> Seen:
    embeddings = side.embeddings()
    texts = [f"This is number {number}." for number in range(20)]
    right = {text: embeddings.embed_query(text) for text in texts}
    side.emulator.settings(latency=0.01)
    context = multiprocessing.get_context("fork")
    wrong = failed = lost = 0
    children = []
    for share in range(4):
        reader, writer = context.Pipe(duplex=False)
        own = texts[share::4]
        child = context.Process(target=_in_child, args=(embeddings, own, right, writer))
        child.start()
        children.append((child, reader))
    for child, reader in children:
        if reader.poll(_PATIENCE):
            theirs, errors = reader.recv()
            wrong, failed = wrong + theirs, failed + errors
        else:
            lost += 1
        child.kill()
    return Seen(
        passed=not (wrong or failed or lost),
        evidence=f"80 queries in 4 children: {wrong} wrong vectors, {failed} errors"
        + (f", {lost} children without an end" if lost else ""),
    )


def _in_child(
    embeddings: GeminiEmbedding, texts: list[str], right: dict[str, list[float]], out: Connection
) -> None:
    wrong = failed = 0
    for text in texts * 4:
        vectors: list[list[float]] = []
        if failure(lambda text=text, into=vectors: into.append(embeddings.embed_query(text))):
            failed += 1
        elif vectors[0] != right[text]:
            wrong += 1
    out.send((wrong, failed))


@promise("E13", "Instances can be pickled and copied, and neither pickle nor `repr` shows the key")
def _pickles(side: Side) -> Seen:
    os.environ["GOOGLE_API_KEY"] = side.emulator.key  # what the receiver of a pickle has
    embeddings = side.embeddings()
    right = embeddings.embed_query("a")
    ways = {
        "pickle": lambda: pickle.loads(pickle.dumps(embeddings)),  # noqa: S301 - our own
        "copy": lambda: copy.deepcopy(embeddings),
    }
    found = []
    passed = side.emulator.key not in repr(embeddings)
    for name, way in ways.items():
        vectors: list[list[float]] = []
        error = failure(lambda way=way, into=vectors: into.append(way().embed_query("a")))
        passed &= vectors == [right]
        found.append(f"{name}: {told(error) if error else 'the same vector'}")
    if passed:
        passed = side.emulator.key.encode() not in pickle.dumps(embeddings)
        found.append("no key in the pickle" if passed else "the key is in the pickle")
    return Seen(passed=passed, evidence="; ".join(found))


@promise("E14", "Misspelt options are refused, and the documented timeout works")
def _options(side: Side) -> Seen:
    misspelt = failure(lambda: side.embeddings(tasktype="CLUSTERING"))
    side.emulator.answer_next(wrong="hang", times=None)
    errors: list[Exception | None] = []
    caller = threading.Thread(
        target=lambda: errors.append(failure(lambda: side.within(1.0).embed_query("a"))),
        daemon=True,
    )
    start = time.perf_counter()
    caller.start()
    caller.join(_PATIENCE)
    wall = time.perf_counter() - start
    ended = f"{type(errors[0]).__name__} after {wall:.1f} s" if errors else f"none in {wall:.0f} s"
    return Seen(
        passed=misspelt is not None and bool(errors),
        evidence=f"`tasktype=`: {type(misspelt).__name__ if misspelt else 'no error'}; "
        f"timeout of 1 s: {ended}",
    )


@promise(
    "E18",
    "Constructing an instance needs no network, and the 404 of a retired model names a replacement",
)
def _retired(side: Side) -> Seen:
    model = "text-embedding-004"
    embeddings = side.embeddings(model)
    sent = len(side.emulator.requests)
    error = failure(lambda: embeddings.embed_query("a"))
    advice = "gemini-embedding" in str(error)
    return Seen(
        passed=not sent and advice,
        evidence=f"{sent} requests to make it; {model}: "
        f"{type(error).__name__} that {'names' if advice else 'does not name'} a replacement",
    )
