"""LangChain's own promises for a vector store, on each engine."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import VectorStoreIntegrationTests
from qdrant_client import QdrantClient

from langchain_gemini_qdrant import EdgeClient, create_vector_store


class TestInMemory(VectorStoreIntegrationTests):
    quantization = None

    @pytest.fixture
    def client(self, tmp_path):  # noqa: ARG002 - the same arguments for each engine
        return QdrantClient(":memory:")

    @pytest.fixture
    def vectorstore(self, client):
        yield create_vector_store(
            self.get_embeddings(), "c", client=client, quantization=self.quantization
        )
        client.close()


class TestEdge(TestInMemory):
    @pytest.fixture
    def client(self, tmp_path):
        return EdgeClient(tmp_path)


class TestEdgeWithBinaryQuantization(TestEdge):
    quantization = "binary"


@pytest.fixture(scope="module")
def worker():
    """One process for the engine: its start takes a second."""
    client = EdgeClient(":temporary:", worker=True)
    yield client
    client.close()


class TestEdgeInAWorker(TestInMemory):
    @pytest.fixture
    def vectorstore(self, worker):
        worker.delete_collection("c")
        return create_vector_store(self.get_embeddings(), "c", client=worker, quantization="binary")


class TestServer(TestInMemory):
    @pytest.fixture
    def client(self, qdrant_server):
        return QdrantClient(url=qdrant_server.url, check_compatibility=False, verify=False)


class TestServerOverGrpc(TestInMemory):
    @pytest.fixture
    def client(self, qdrant_server):
        return QdrantClient(
            url=qdrant_server.url,
            grpc_port=qdrant_server.grpc_port,
            prefer_grpc=True,
            check_compatibility=False,
            verify=False,
        )
