"""LangChain's tests for vector stores, for the side that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from qdrant_client import QdrantClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promises.side import Side


class TestStore(VectorStoreIntegrationTests):
    """Over local mode."""

    @pytest.fixture
    def vectorstore(self, side: Side) -> Iterator[Any]:
        """Make an empty store of the six components that the tests use."""
        client = QdrantClient(":memory:")
        embeddings = self.get_embeddings()
        yield side.store(embeddings, client)
        client.close()
