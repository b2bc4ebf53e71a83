"""What searches ask and what they find."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING

from qdrant_client import models

from promises.promise import Seen, failure, not_run, promise, told
from promises.side import COLLECTION, Circle, RecordingClient, Steepness, stand_in_server

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from promises.side import Side


_SEARCHES = 40
_SQUEEZED = 0.5  # the least that (score + 1) / 2 gives


def _texts(documents: list[Document]) -> str:
    return ", ".join(document.page_content for document in documents)


@promise("S4", "MMR: `lambda_mult=1` is relevance only, 0 diversity only")
def _mmr(side: Side) -> Seen:
    store = side.store(Circle(), RecordingClient())
    store.add_texts(["0", "5", "10", "90"])
    relevant, diverse = (
        _texts(store.max_marginal_relevance_search("1", k=2, lambda_mult=weight))
        for weight in (1.0, 0.0)
    )
    return Seen(
        passed=relevant == "0, 5" and diverse == "0, 90",
        evidence=f"of directions at 0, 5, 10 and 90 degrees: 1 gives {relevant}; 0 gives {diverse}",
    )


@promise("S5", "No requests to Gemini or Qdrant except those that were asked for")
def _hidden_calls(side: Side) -> Seen:
    client = RecordingClient()
    store = side.store(side.embeddings(), client)
    opened = len(side.emulator.requests)
    store.add_texts(["a", "b"])
    side.emulator.clear()
    store.max_marginal_relevance_search("c", k=1)
    searched = len(side.emulator.requests)
    client.calls.clear()
    store.similarity_search_by_vector([1.0] * 128, k=1)
    described = len(client.named("get_collection"))
    return Seen(
        passed=(opened, searched, described) == (0, 1, 0),
        evidence=f"requests to Gemini: {opened} to open, {searched} for an MMR search; "
        f"`get_collection` in a search by vector: {described}",
    )


@promise("S6", "Async is native: 40 searches wait at the same time, more than there are threads")
def _native_async(side: Side) -> Seen:
    store = side.store(side.embeddings(), RecordingClient())
    store.add_texts(["a"])

    async def search() -> None:
        await asyncio.gather(
            *(store.asimilarity_search(f"query {i}", k=1) for i in range(_SEARCHES))
        )

    side.emulator.clear()
    side.emulator.settings(latency=2.0)  # seconds, in which a busy machine starts all of them
    asyncio.run(search())
    most = max(request["in_flight"] for request in side.emulator.requests)
    return Seen(
        passed=most == _SEARCHES,
        evidence=f"{_SEARCHES} searches: at most {most} at a time",
    )


@promise(
    "S9", "A collection with binary codes is searched with oversampling and rescoring by default"
)
def _defaults(side: Side) -> Seen:
    found = []
    with stand_in_server() as server:  # local mode has no codes to search
        client = RecordingClient(server.url)
        store = side.store(Circle(), client, binary=True)
        store.add_texts(["0", "5"])
        for kind in ("similarity", "mmr"):
            client.calls.clear()
            store.as_retriever(search_type=kind, search_kwargs={"k": 1}).invoke("0")
            params = client.named("query_points")[0]["search_params"]
            found.append(params and params.quantization)
        client.close()
    return Seen(
        passed=all(each and each.rescore and (each.oversampling or 0) > 1 for each in found),
        evidence="; ".join(
            f"{kind} retriever: "
            + (
                f"oversampling {each.oversampling}, rescore {each.rescore}"
                if each
                else "no settings"
            )
            for kind, each in zip(("similarity", "mmr"), found, strict=True)
        ),
    )


@promise("S10", "Binary quantization works without a server, or a warning says that it does not")
def _embedded(side: Side) -> Seen:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store = side.binary_in_folder(Circle())
    config = store.client.get_collection(COLLECTION).config.quantization_config
    told_so = any("quantiz" in str(warning.message) for warning in caught)
    store.client.close()
    return Seen(
        passed=config is not None or told_so,
        evidence=f"the collection's quantization: {type(config).__name__ if config else 'none'}"
        + ("" if config else f", {'a' if told_so else 'no'} warning"),
    )


@promise("S13", "Hybrid: pages follow each other, and relevance is not squeezed into 0.5 to 1")
def _hybrid(side: Side) -> Seen:
    store = side.store(Circle(), RecordingClient(), sparse=Steepness())
    texts = [str(angle) for angle in range(0, 120, 10)]
    store.add_texts(texts)
    pages = [store.similarity_search("0", k=4, offset=offset) for offset in (0, 4, 8)]
    different = {document.page_content for page in pages for document in page}
    relevances = [
        score for _, score in store.similarity_search_with_relevance_scores("0", k=len(texts))
    ]
    return Seen(
        passed=different == set(texts) and min(relevances) < _SQUEEZED,
        evidence=f"three pages of 4 have {', '.join(str(len(page)) for page in pages)}; "
        f"relevance {min(relevances):.2f} to {max(relevances):.2f}",
    )


@promise("S14", "`score_threshold` is one scale in all searches with cosine")
def _thresholds(side: Side) -> Seen:
    store = side.store(Circle(), RecordingClient())
    store.add_texts(["0", "60", "80"])
    scored = store.similarity_search_with_score("0", score_threshold=0.4)
    relevant = store.similarity_search_with_relevance_scores("0", score_threshold=0.4)
    return Seen(
        passed=len(scored) == len(relevant),
        evidence=f"0.4 lets {len(scored)} of 3 through by score, {len(relevant)} by relevance",
    )


@promise("S19", "Relevance scores are there for all four distances")
def _distances(side: Side) -> Seen:
    wrong = {}
    for distance in models.Distance:
        store = side.store(Circle(), RecordingClient(), distance=distance)
        store.add_texts(["0", "5"])
        if error := failure(lambda store=store: store.similarity_search_with_relevance_scores("0")):
            wrong[distance.name] = error
    return Seen(
        passed=not wrong,
        evidence="; ".join(f"{name}: {told(error)}" for name, error in wrong.items())
        or f"{', '.join(distance.name for distance in models.Distance)} work",
    )


not_run(
    "S20",
    "The oversampling that keeps recall is measured on the user's own collection",
    "the peers have nothing for it; known from reports only",
)
