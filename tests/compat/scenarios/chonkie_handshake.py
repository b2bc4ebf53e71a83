"""Chonkie: chunks written to and found in a collection through its handshake."""

from __future__ import annotations

import numpy as np
from chonkie import QdrantHandshake, SentenceChunker
from chonkie.embeddings import BaseEmbeddings
from steps import ANSWER, QUESTION, TEXTS, client, report, similarity, step


class Gemini(BaseEmbeddings):
    """Gemini's vectors for Chonkie, which asks for one text at a time."""

    def embed(self, text):
        return np.array(similarity.embed_query(text))

    @property
    def dimension(self):
        return similarity.vector_size

    def get_tokenizer(self):
        return len


def found(handshake, **options):
    return [match["text"] for match in handshake.search(QUESTION, **options)]


qdrant = client()
with step("create"):
    handshake = QdrantHandshake(qdrant, "handbook", Gemini())
with step("add"):
    chunker = SentenceChunker(chunk_size=60)
    for text in TEXTS.values():
        handshake.write(chunker(text))
with step("search"):
    assert found(handshake, limit=1) == [ANSWER]
with step("reopen"):
    qdrant.close()
    qdrant = client()
    assert found(QdrantHandshake(qdrant, "handbook", Gemini()), limit=1) == [ANSWER]
qdrant.close()
report()
