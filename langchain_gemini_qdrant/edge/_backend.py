"""qdrant-client's backend interface over a folder of the embedded engine."""

from __future__ import annotations

from langchain_gemini_qdrant.edge._collections_api import CollectionsApi
from langchain_gemini_qdrant.edge._reading_api import ReadingApi
from langchain_gemini_qdrant.edge._searching_api import SearchingApi
from langchain_gemini_qdrant.edge._storage_api import StorageApi
from langchain_gemini_qdrant.edge._unsupported import refuse_the_rest
from langchain_gemini_qdrant.edge._writing_api import WritingApi


@refuse_the_rest
class EdgeBackend(CollectionsApi, WritingApi, ReadingApi, SearchingApi, StorageApi):
    """What `EdgeClient` delegates to: every method of `QdrantBase` is served or says why not."""
