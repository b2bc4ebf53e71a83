"""The fixtures that pytest finds by itself, as a user's own tests use them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.testing import assert_texts

PLUGIN = "langchain_gemini_qdrant.pytest_plugin"


def run_python(*arguments, cwd=None):
    return subprocess.run(  # noqa: S603  our own code
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        text=True,
    )


def run_test(folder, source):
    (folder / "test_it.py").write_text(source)
    options = ("-p", PLUGIN, "-p", "no:cacheprovider", "--strict-markers", "-Werror")
    return run_python("-m", "pytest", *options, cwd=folder)


@pytest.mark.slow
def test_the_plugin_imports_nothing_until_it_is_used():
    code = (
        "import sys, uuid, pytest; before = set(sys.modules); "
        f"import {PLUGIN}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    assert run_python("-c", code).stdout.split() == ["langchain_gemini_qdrant", PLUGIN]


@pytest.mark.slow
def test_a_test_that_sends_an_unknown_request_fails(tmp_path):
    result = run_test(
        tmp_path,
        "import contextlib, urllib.error, urllib.request\n"
        "def test_it(gemini_emulator):\n"
        "    with contextlib.suppress(urllib.error.HTTPError):\n"
        "        urllib.request.urlopen(gemini_emulator.base_url + '/v1/nonsense').close()\n",
    )
    assert "does not know GET /v1/nonsense" in result.stdout
    assert result.returncode == 1


@pytest.mark.slow
def test_the_tests_that_the_page_shows_pass(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    (shown,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "def test_" in block
    ]
    result = run_test(tmp_path, shown)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_a_marker_without_names_is_refused(tmp_path):
    result = run_test(
        tmp_path,
        "import pytest\n@pytest.mark.gemini_emulator(100)\ndef test_it(gemini_emulator): ...\n",
    )
    assert "the marker gemini_emulator takes keyword arguments only" in result.stdout
    assert result.returncode == 1


def test_embeddings_ask_the_emulator_whatever_the_environment_says(
    gemini_emulator, gemini_embeddings, monkeypatch
):
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1")
    vectors = gemini_embeddings.embed_documents(["whales", "bread"])
    assert [len(vector) for vector in vectors] == [3072, 3072]
    assert_texts(gemini_emulator, ["whales", "bread"], task_type="RETRIEVAL_DOCUMENT")


async def test_fixtures_serve_async_tests(gemini_emulator, gemini_qdrant_store):
    await gemini_qdrant_store.aadd_texts(["Whales sleep near the surface.", "Yeast makes bread."])
    (found,) = await gemini_qdrant_store.asimilarity_search("Where do whales sleep?", k=1)
    assert found.page_content == "Whales sleep near the surface."
    assert gemini_emulator.request_counts == {200: 2}
    await gemini_qdrant_store.aclose()
    await gemini_qdrant_store.embeddings.aclose()


@pytest.mark.gemini_emulator(requests_per_minute=7, latency=0.01)
class TestMarkers:
    @pytest.mark.gemini_emulator(latency=0.0)
    def test_the_nearest_marker_counts(self, gemini_emulator):
        assert gemini_emulator.requests_per_minute == 7
        assert gemini_emulator.latency == 0.0

    @pytest.mark.gemini_embeddings(model="gemini-embedding-001", output_dimensionality=256)
    @pytest.mark.gemini_qdrant_store(collection_name="animals", quantization="binary")
    def test_every_fixture_takes_options(self, gemini_emulator, gemini_qdrant_store):
        gemini_qdrant_store.add_texts(["whales"])
        assert gemini_qdrant_store.collection_name == "animals"
        assert_texts(
            gemini_emulator, ["whales"], model="gemini-embedding-001", output_dimensionality=256
        )
        config = gemini_qdrant_store.client.get_collection("animals").config
        assert config.quantization_config.binary is not None

    @pytest.mark.gemini_qdrant_store(location=":memory:")
    def test_another_engine_may_hold_the_store(self, gemini_qdrant_store):
        gemini_qdrant_store.add_texts(["whales"])
        assert len(gemini_qdrant_store.similarity_search("whales")) == 1


@pytest.mark.parametrize(
    ("options", "transport"),
    [
        pytest.param(options, transport, marks=pytest.mark.gemini_embeddings(**options))
        for options, transport in [
            ({"backend": "google-genai"}, "rest"),
            ({"backend": "grpc"}, "grpc"),
            ({"backend": "google-generativeai"}, "grpc"),
            ({"backend": "google-generativeai", "transport": "grpc"}, "grpc"),
            ({"backend": "google-generativeai", "transport": "rest"}, "rest"),
        ]
    ],
)
def test_each_back_end_reaches_the_emulator(gemini_emulator, gemini_embeddings, options, transport):
    assert len(gemini_embeddings.embed_query("whales")) == 3072
    assert [each.transport for each in gemini_emulator.requests] == [transport]
    assert gemini_embeddings.backend == options["backend"]


_keys = []


@pytest.mark.parametrize("run", [1, 2])
def test_each_test_has_a_key_of_its_own(gemini_emulator, run):  # noqa: ARG001 - runs twice
    """So what a client has learnt of the quota of a key does not slow the next test."""
    assert gemini_emulator.api_key not in _keys
    _keys.append(gemini_emulator.api_key)
    with GeminiEmbeddings(api_key="emulator-key", base_url=gemini_emulator.base_url) as embeddings:
        assert len(embeddings.embed_query("a")) == 3072
