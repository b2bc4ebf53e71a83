"""qdrant-client's backend interface over a folder of the embedded engine."""

from __future__ import annotations

from langchain_gemini_qdrant.edge._backend._collections import CollectionsApi
from langchain_gemini_qdrant.edge._backend._read import ReadingApi
from langchain_gemini_qdrant.edge._backend._search import SearchingApi
from langchain_gemini_qdrant.edge._backend._storage import StorageApi
from langchain_gemini_qdrant.edge._backend._unsupported import refuse_the_rest
from langchain_gemini_qdrant.edge._backend._write import WritingApi


@refuse_the_rest
class EdgeBackend(CollectionsApi, WritingApi, ReadingApi, SearchingApi, StorageApi):
    """Backend of `EdgeClient`: every method of `QdrantBase` is served or raises an error."""
