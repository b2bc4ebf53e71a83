"""LangChain's own promises, for every back end."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests

from langchain_gemini_qdrant import GeminiEmbeddings


class _OnTheEmulator(EmbeddingsIntegrationTests):
    options: dict[str, str]

    @pytest.fixture(autouse=True)
    def _emulator(self, emulator):
        self.emulator = emulator

    @pytest.fixture
    async def model(self):
        model = GeminiEmbeddings(**self.embedding_model_params)
        yield model
        await model.aclose()

    @property
    def embeddings_class(self):
        return GeminiEmbeddings

    @property
    def embedding_model_params(self):
        grpc = self.options["backend"] == "grpc"
        address = self.emulator.grpc_url if grpc else self.emulator.base_url
        return {"api_key": self.emulator.api_key, "base_url": address, **self.options}


class TestGoogleGenai(_OnTheEmulator):
    options = {"backend": "google-genai"}  # noqa: RUF012 - read only


class TestGrpc(_OnTheEmulator):
    options = {"backend": "grpc"}  # noqa: RUF012 - read only


class TestGoogleGenerativeaiOverRest(_OnTheEmulator):
    options = {"backend": "google-generativeai", "transport": "rest"}  # noqa: RUF012 - read only
