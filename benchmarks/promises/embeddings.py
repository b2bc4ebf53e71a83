"""What is sent to Gemini and what comes back."""

from __future__ import annotations

import base64
import math
import re
from importlib import metadata
from typing import TYPE_CHECKING

from langchain_core.documents.base import Blob
from langchain_core.stores import InMemoryByteStore
from packaging.requirements import Requirement

from promises.promise import Seen, failure, not_run, promise, told
from promises.side import PREFIXED

if TYPE_CHECKING:
    from promises.side import Side

_KEPT = 200  # of 300 texts, of whose three requests one fails
_TEXT = "The office closes at six."
_IMAGE = base64.b64decode(  # one black pixel, as PNG
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="
)


@promise(
    "E1",
    f"With {PREFIXED}, which ignores `task_type`, documents and queries are still embedded "
    "differently",
)
def _conditioning(side: Side) -> Seen:
    embeddings = side.embeddings(PREFIXED)
    differ = embeddings.embed_documents([_TEXT])[0] != embeddings.embed_query(_TEXT)
    document, query = (text["text"].replace(_TEXT, "...") for text in side.emulator.texts)
    return Seen(passed=differ, evidence=f"the model reads `{document}` and `{query}`")


@promise(
    "E2", "One task sets both sides: with QUESTION_ANSWERING, documents are RETRIEVAL_DOCUMENT"
)
def _sides(side: Side) -> Seen:
    embeddings = side.embeddings(task_type="QUESTION_ANSWERING")
    embeddings.embed_documents([_TEXT])
    embeddings.embed_query(_TEXT)
    document, query = (text["task_type"] for text in side.emulator.texts)
    return Seen(
        passed=(document, query) == ("RETRIEVAL_DOCUMENT", "QUESTION_ANSWERING"),
        evidence=f"documents as {document}, queries as {query}",
    )


@promise("E3", "Each text has a vector of its own, and an answer with too few is an error")
def _counts(side: Side) -> Seen:
    embeddings = side.embeddings(PREFIXED)
    texts = ["one", "two", "three"]
    vectors = embeddings.embed_documents(texts)
    side.emulator.answer_next(wrong="short", times=None)
    short: list[list[float]] = []
    error = failure(lambda: short.extend(side.within(20.0).embed_documents(["four", "five"])))
    return Seen(
        passed=len({tuple(vector) for vector in vectors}) == len(texts) and error is not None,
        evidence=f"3 texts: {len(vectors)} vectors; 2 texts and an answer with one: "
        + (told(error) if error else f"{len(short)} vector returned"),
    )


@promise("E4", "Each document's title reaches the model, in full batches too")
def _titles(side: Side) -> Seen:
    titles = ["A", "B", "C"]
    side.embeddings().embed_documents(["one", "two", "three"], titles=titles)
    sent = [text["title"] for text in side.emulator.texts]
    return Seen(passed=sent == titles, evidence=f"titles sent: {', '.join(map(str, sent))}")


@promise("E9", "Shortened vectors have length 1")
def _lengths(side: Side) -> Seen:
    vector = side.embeddings(output_dimensionality=768).embed_documents([_TEXT])[0]
    length = math.hypot(*vector)
    return Seen(passed=math.isclose(length, 1.0, abs_tol=1e-5), evidence=f"length {length:.3f}")


@promise("E10", "Batches are as full as the API allows: 100 texts of 600 words are one request")
def _batches(side: Side) -> Seen:
    side.embeddings().embed_documents([f"{number} " + "word " * 600 for number in range(100)])
    count = len(side.emulator.requests)
    return Seen(passed=count == 1, evidence=f"{count} request{'s' * (count > 1)}")


@promise("E15", "What a call cost is told, in tokens and in money")
def _usage(side: Side) -> Seen:
    embeddings = side.embeddings()
    embeddings.embed_documents([_TEXT])
    usage = getattr(embeddings, "usage", None)
    if usage is None:
        names = [name for name in dir(embeddings) if not name.startswith("_")]
        telling = [name for name in names if re.search("usage|token|cost|price", name)]
        return Seen(
            passed=bool(telling),
            evidence=f"{len(telling)} of {len(names)} attributes have usage, token, cost or price "
            "in their name",
        )
    return Seen(
        passed=usage.tokens > 0 and usage.usd > 0,
        evidence=f"{usage.tokens} tokens, ${usage.usd:.7f}",
    )


@promise(
    "E16",
    "The newest google-genai of both major versions can be installed beside it",
    mended="langchain-google-genai 4.4.3",
)
def _requirements(side: Side) -> Seen:
    listed = map(Requirement, metadata.requires(side.packages[0]) or ())
    required = next(each for each in listed if each.name == "google-genai")
    allowed = [version for version in side.google_genai if required.specifier.contains(version)]
    return Seen(
        passed=len(allowed) == len(side.google_genai),
        evidence=f"requires `{required}`: {' and '.join(allowed) or 'neither'} of "
        f"{' and '.join(side.google_genai)}",
    )


not_run(
    "E17",
    "An empty text is refused by its index before anything is sent",
    "what the peers do is known from reports only",
)


@promise("E19", "A cache keeps documents and queries apart, and what was embedded before a failure")
def _cache(side: Side) -> Seen:
    cache = InMemoryByteStore()
    embeddings = side.cached(cache)
    apart = embeddings.embed_documents([_TEXT])[0] != embeddings.embed_query(_TEXT)
    before = len(list(cache.yield_keys()))
    side.emulator.fail_next(status=400, times=None, containing="number 250.")
    texts = [f"This is number {number}." for number in range(300)]
    error = failure(lambda: embeddings.embed_documents(texts))
    kept = len(list(cache.yield_keys())) - before
    return Seen(
        passed=apart and error is not None and kept == _KEPT,
        evidence=f"the query got {'its own' if apart else 'the document' + chr(39) + 's'} vector; "
        f"the last of 3 requests failed, {kept} vectors of the others kept",
    )


@promise("E20", "Images are embedded beside texts, and an image with its caption is one vector")
def _media(side: Side) -> Seen:
    image = Blob.from_data(_IMAGE, mime_type="image/png")
    contents = [_TEXT, image, [_TEXT, image]]
    vectors: list[list[float]] = []
    error = failure(lambda: vectors.extend(side.embeddings(PREFIXED).embed_documents(contents)))
    found = len({tuple(vector) for vector in vectors})
    return Seen(
        passed=found == len(contents),
        evidence="a text, an image, and both together: "
        + (told(error) if error else f"{found} different vectors"),
    )
