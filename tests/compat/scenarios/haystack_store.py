"""Haystack's document store, which takes addresses and folders, and creates a client itself."""

from __future__ import annotations

from haystack_integrations.document_stores.qdrant import QdrantDocumentStore
from steps import client, report, step

qdrant = client()
with step("create"):
    QdrantDocumentStore(client=qdrant)
qdrant.close()
report()
