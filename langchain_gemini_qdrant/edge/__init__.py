"""Qdrant's own engine inside the process, behind qdrant-client's methods.

```python
from langchain_gemini_qdrant.edge import EdgeClient

client = EdgeClient("./index")  # a `qdrant_client.QdrantClient` in every respect that it supports
```
"""

from langchain_gemini_qdrant.edge._sizes import VectorStorageSize
from langchain_gemini_qdrant.edge.client import EdgeClient

__all__ = ["EdgeClient", "VectorStorageSize"]
