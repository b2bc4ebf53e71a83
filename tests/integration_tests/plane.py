"""An embedding whose vectors a test writes down: the text "1 0.5" is the vector (1, 0.5).

Words are (1, 0).
"""

from __future__ import annotations

from langchain_core.embeddings import Embeddings


class Plane(Embeddings):
    def embed_documents(self, texts):
        return [
            [1.0, 0.0] if text[0].isalpha() else [float(number) for number in text.split()]
            for text in texts
        ]

    def embed_query(self, text):
        return self.embed_documents([text])[0]
