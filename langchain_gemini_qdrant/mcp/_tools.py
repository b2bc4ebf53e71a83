"""The tools: what models may do with a collection."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

import anyio.lowlevel
from langchain_core.documents import Document
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BeforeValidator, Field

from langchain_gemini_qdrant._qdrant_values import content_id, named_vectors
from langchain_gemini_qdrant._sources import SOURCE_KEYS, source_of
from langchain_gemini_qdrant.ingestion import aingest
from langchain_gemini_qdrant.mcp._errors import in_time, words
from langchain_gemini_qdrant.mcp._results import (
    MAX_DOCUMENTS,
    MAX_HIT,
    MAX_METADATA,
    MAX_SOURCES,
    MAX_TEXT,
    CollectionFacts,
    CollectionsResult,
    DocumentsResult,
    Hit,
    SearchResult,
    Source,
    SourcesResult,
    StoredDocument,
    StoreResult,
    parts,
    short_name,
)
from langchain_gemini_qdrant.mcp._served import ServedCollection
from langchain_gemini_qdrant.vectorstores._limits import at_most
from langchain_gemini_qdrant.vectorstores._metadata import stored_embeddings
from langchain_gemini_qdrant.vectorstores._qdrant_errors import EXPECTED_ERRORS
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

MAX_STORED_TEXT = 32_000
"""Most characters of a text to store: about the 8,192 tokens that gemini-embedding-2 reads.

Source: https://ai.google.dev/gemini-api/docs/embeddings
"""

_PAGE = 256  # points read at a time, without their texts
_DEFAULT_K = 5


def _absent(default: object) -> BeforeValidator:
    """Return a default for what models send if they leave an option out."""
    return BeforeValidator(lambda value: default if value in (None, "", "null", "None") else value)


def _as_list(value: object) -> object:
    """Return ids as strings in a list: models also send one id, or numbers."""
    ids = value if isinstance(value, list | tuple) else [value]
    return [str(each) if isinstance(each, str | int) else each for each in ids]


Start = Annotated[int, Field(ge=0, le=2**53), _absent(0)]  # exact in every JSON


async def search_documents(
    served: ServedCollection,
    query: Annotated[str, Field(description="What to look for: a question, or a few words.")],
    *,
    k: Annotated[
        int,
        Field(ge=1, le=MAX_DOCUMENTS, description="Number of documents wanted."),
        _absent(_DEFAULT_K),
    ] = _DEFAULT_K,
    filter: Annotated[
        dict[str, Any],
        Field(
            description="Conditions on metadata, all of which must hold, for example "
            '{"source": "a.pdf", "page": {"$gte": 3}}. Operators of a field: $eq, $ne, $gt, $gte, '
            "$lt, $lte, $in, $nin, $exists; $and and $or take a list of conditions, $not takes "
            "one. A dot leads into a nested field: author.name."
        ),
        _absent({}),
    ] = {},  # noqa: B006 - the schema's default; it is only read
    group_by: Annotated[
        str,
        Field(
            description="Metadata field of which each value gives one hit only. With source, hits "
            "are from different sources."
        ),
        _absent(""),
    ] = "",
    start: Annotated[Start, Field(description="Number of hits to skip, for a next page.")] = 0,
) -> SearchResult:
    """Search by meaning for the stored documents that are nearest to a text.

    Each hit has an id, a score, its source, metadata and text. Long texts are cut:
    get_documents returns the rest.
    """
    if not query.strip():
        raise ToolError("query is blank: write what to look for")
    _require_embedding(served)
    groups = {"group_by": group_by, "group_size": 1} if group_by else {}  # or the store's own
    with in_time():
        hits = await served.store.asimilarity_search_with_score(
            query, k, filter=filter or None, offset=start, **groups
        )
    share = max(len(hits), 1)
    bounds = {
        "most_text": min(MAX_HIT, MAX_TEXT // share),
        "most_metadata": min(MAX_HIT // 2, MAX_METADATA // share),
    }
    return SearchResult(
        hits=[Hit(score=score, **parts(document, **bounds)) for document, score in hits]
    )


async def get_documents(
    served: ServedCollection,
    ids: Annotated[
        list[str],
        Field(min_length=1, max_length=MAX_DOCUMENTS, description="Ids of documents."),
        BeforeValidator(_as_list),
    ],
    start: Annotated[
        Start, Field(description="Index of the first character of the texts to return.")
    ] = 0,
) -> DocumentsResult:
    """Get stored documents by their ids, with their whole texts if they fit.

    Ask for fewer ids, or from `start`, to read a text that is cut.
    """
    # Programs that number their points use integers.
    numbers = [int(each) for each in ids if each.isdecimal() and len(each) < len(str(2**64))]
    found: dict[str, Document] = {}
    for document in await served.store.aget_by_ids([*ids, *numbers]):
        found.setdefault(str(document.id), document)
    share = max(len(found), 1)
    bounds = {"most_text": MAX_TEXT // share, "most_metadata": MAX_METADATA // share}
    return DocumentsResult(
        documents=[
            StoredDocument(**parts(found[each], start=start, **bounds))
            for each in dict.fromkeys(ids)
            if each in found
        ],
        missing_ids=[short_name(each) for each in dict.fromkeys(ids) if each not in found],
    )


async def store_document(
    served: ServedCollection,
    text: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_STORED_TEXT,
            description="The text to store. Store long texts in several documents.",
        ),
    ],
    source: Annotated[
        str,
        Field(max_length=MAX_HIT, description="File or address that the text is from."),
        _absent(""),
    ] = "",
    metadata: Annotated[
        dict[str, Any],
        Field(description="More fields, by which searches can filter. Any JSON object."),
        _absent({}),
    ] = {},  # noqa: B006 - the schema's default; it is only read
) -> StoreResult:
    """Store a text, so that later searches find it.

    The same text of the same source is stored once. Nothing that is stored is changed.
    """
    _require_embedding(served)
    store = served.store
    if store.media_key is not None and store.media_key in metadata:
        raise ToolError(
            f"metadata cannot have the field {store.media_key!r}, which names files to read: "
            "this tool stores texts"
        )
    if (length := len(json.dumps(metadata, ensure_ascii=False))) > MAX_METADATA:
        raise ToolError(
            f"metadata must have at most {MAX_METADATA} characters as JSON, got {length}: put what "
            "is to be found into the text"
        )
    document = Document(text, metadata={**metadata, "source": source} if source else metadata)
    name = content_id(document)
    if await store.aget_by_ids([name]):
        return StoreResult(id=name, status="already_stored")
    with in_time():
        report = await aingest(store, [document], on_error="report")
    if not report.complete:
        raise ToolError(report.stopped or ". ".join(report.failed.values()))
    return StoreResult(id=name, status="added" if report.added else "already_stored")


async def list_sources(
    served: ServedCollection,
    start: Annotated[Start, Field(description="Number of sources to skip, for a next page.")] = 0,
) -> SourcesResult:
    """List the sources of the stored documents, each with its number of documents.

    Searches in one source have the filter {"source": "..."}.
    """
    counts = await _documents_by_source(served)
    without = counts.pop("", 0)
    found: list[Source] = []
    left = MAX_TEXT
    for source in sorted(counts)[start : start + MAX_SOURCES]:
        name = short_name(source)
        left -= len(name)
        if left < 0 and found:
            break
        found.append(Source(source=name, documents=counts[source]))
    end = start + len(found)
    return SourcesResult(
        sources=found,
        total_sources=len(counts),
        documents_without_source=without,
        next_start=end if end < len(counts) else None,
    )


async def list_collections(served: dict[str, ServedCollection]) -> CollectionsResult:
    """List the collections of this server, with their numbers of documents."""
    return CollectionsResult(
        collections=[await _facts(name, each) for name, each in served.items()]
    )


def _require_embedding(served: ServedCollection) -> None:
    if served.problem is not None:
        raise ToolError(served.problem)


async def _facts(name: str, served: ServedCollection) -> CollectionFacts:
    collection = served.store.async_collection
    count = model = size = None
    problem = served.problem
    try:
        count = await served.store.acount()
        info = await collection.client.get_collection(collection.name)
    except (*EXPECTED_ERRORS, ValueError) as error:  # local mode's for a collection that is gone
        problem = words(error)
    else:
        vector = collection.layout.vector_name
        vectors = named_vectors(info.config.params.vectors)
        if vector not in vectors and len(vectors) == 1:
            [vector] = vectors
        model = stored_embeddings(info).get(vector, {}).get("model")
        size = vectors[vector].size if vector in vectors else None
    return CollectionFacts(
        name=name,
        description=served.description,
        documents=count,
        model=model,
        vector_size=size,
        searchable=problem is None,
        problem=problem,
    )


async def _documents_by_source(served: ServedCollection) -> Counter[str]:
    """Return how many documents each source has; "" is for no source. Only sources are read."""
    collection = served.store.async_collection
    keys = [metadata_field(each, collection.layout.metadata_key) for each in SOURCE_KEYS]
    counts = Counter[str]()
    offset: Any = None
    while True:
        records, offset = await collection.client.scroll(
            collection.name,
            limit=at_most(_PAGE, collection.state.limits.hits),
            offset=offset,
            with_payload=keys,
        )
        for record in records:
            counts[source_of(collection.document(record, is_whole=False))] += 1
        if offset is None:
            return counts
        await anyio.lowlevel.checkpoint()  # an engine in this process does not wait by itself
