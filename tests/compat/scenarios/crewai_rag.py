"""CrewAI's RAG client, which takes a client, and imports names that qdrant-client has removed."""

from __future__ import annotations

from steps import client, report, step

qdrant = client()
with step("create"):
    from crewai.rag.qdrant.client import QdrantClient

    QdrantClient(qdrant, len)
qdrant.close()
report()
