"""Qdrant's own engine inside the process, behind qdrant-client's methods.

```python
from langchain_gemini_qdrant.edge import EdgeClient

client = EdgeClient("./index")  # a `qdrant_client.QdrantClient`; docs/edge.md lists the differences
```
"""

from langchain_gemini_qdrant.edge._storage._info import StorageInfo
from langchain_gemini_qdrant.edge._storage._location import Durability
from langchain_gemini_qdrant.edge._storage._repair import Repair
from langchain_gemini_qdrant.edge._storage._sizes import VectorStorageSize
from langchain_gemini_qdrant.edge.async_client import AsyncEdgeClient
from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
from langchain_gemini_qdrant.edge.client import EdgeClient

__all__ = [
    "AsyncEdgeClient",
    "Durability",
    "EdgeBm25",
    "EdgeClient",
    "Repair",
    "StorageInfo",
    "VectorStorageSize",
]
