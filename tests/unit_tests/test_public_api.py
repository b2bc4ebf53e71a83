"""Names, parameters and defaults that users rely on; a change here is a change for them."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import subprocess
import sys
from typing import get_args

import pytest
from langchain_qdrant import QdrantVectorStore

import langchain_gemini_qdrant as package
from langchain_gemini_qdrant.embeddings import _signature
from langchain_gemini_qdrant.embeddings.tasks import TASK_TYPES


def test_every_public_name_can_be_imported():
    assert package.__all__ == sorted(package.__all__, key=lambda name: (not name.isupper(), name))
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


OLD_NAMES = """
    GEMINI_MODELS QUANTIZATION_PRESETS CollectionMismatchError ComparisonRow ConfigurationError
    DailyQuotaError EmbeddingError EmbeddingUsage GeminiModel IngestProgress IngestReport
    InvalidInputError MemoryEstimate MigrationReport PartialEmbeddingError PartialWriteError
    QuantizationComparison RateLimitError RecallProgress RecallReport RecallRow Recommendation
    ReembedReport RequestRejectedError ResponseMismatchError ServiceError StorageError TaskType
    TextTooLongError acompare_quantizations compare_quantizations memory_size
"""


@pytest.mark.parametrize("name", OLD_NAMES.split())
def test_a_name_that_moved_into_a_folder_is_still_found_at_the_root(name):
    assert name not in package.__all__
    assert getattr(package, name) is not None


def test_the_root_lists_what_most_programs_use():
    assert set(package.__all__) == {
        *("GeminiEmbeddings", "GeminiQdrantVectorStore", "EdgeBm25", "QuantizationPreset"),
        *("create_vector_store", "acreate_vector_store", "EdgeClient", "AsyncEdgeClient"),
        *("ingest", "aingest", "migrate", "amigrate", "reembed", "areembed"),
        *("measure_recall", "ameasure_recall", "recommend", "GeminiQdrantError", "IngestError"),
    }


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("tasks", "TASK_TYPES TaskType parse_task_type task_sides with_prefix"),
        ("gemini_models", "DEFAULT_MODEL GEMINI_MODELS MAX_BATCH_SIZE GeminiModel find_model"),
        ("identity", "ID_KEY content_id document_id point_id"),
        ("embeddings", "GeminiEmbeddings"),
        ("vectorstores", "GeminiQdrantVectorStore"),
        ("recall", "measure_recall RecallReport"),
        ("edge", "EdgeClient AsyncEdgeClient"),
        ("edge.bm25", "EdgeBm25"),
        ("errors", "IngestError RateLimitError"),
    ],
)
def test_import_paths_of_older_programs_work(module, names):
    found = importlib.import_module(f"langchain_gemini_qdrant.{module}")
    for name in names.split():
        assert getattr(found, name) is not None


def test_the_version_is_that_of_the_distribution():
    assert package.__version__ == importlib.metadata.version("langchain-gemini-qdrant")


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = package.Nope


def test_options_of_the_embeddings_and_their_defaults():
    fields = package.GeminiEmbeddings.model_fields
    from_environment = {"api_key", "base_url", "location", "project"}
    assert {n: field.default for n, field in fields.items() if n not in from_environment} == {
        "model": "gemini-embedding-2",
        "task_type": None,
        "output_dimensionality": None,
        "timeout": 60.0,
        "batch_size": 100,
        "max_concurrency": 8,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "rate_limiter": None,
        "max_retries": 6,
        "deadline": None,
        "on_too_long": "error",
        "cache": None,
        "on_usage": None,
        "pickle_api_key": False,
        "vertexai": None,
        "credentials": None,
        "backend": "google-genai",
        "transport": None,
        "client": None,
        "async_client": None,
        "clock": None,
    }


def test_editors_show_the_options_that_the_embeddings_have():
    fields = package.GeminiEmbeddings.model_fields
    shown = dict(inspect.signature(_signature.options).parameters)
    del shown["self"], shown["google_api_key"]
    assert list(shown) == list(fields)
    made = {name for name, field in fields.items() if field.default_factory}
    for name, parameter in shown.items():
        assert parameter.default == (None if name in made else fields[name].default)
    assert get_args(_signature.LowerTaskType) == tuple(map(str.lower, TASK_TYPES))


def test_arguments_of_the_factories():
    signature = inspect.signature(package.create_vector_store)
    assert inspect.signature(package.acreate_vector_store) == signature
    assert list(signature.parameters) == [
        "embedding",
        "collection_name",
        "path",
        "url",
        "location",
        "client",
        "async_client",
        "worker",
        "durability",
        "api_key",
        "prefer_grpc",
        "grpc_port",
        "timeout",
        "client_options",
        "quantization",
        "search_params",
        "distance",
        "vector_name",
        "title_key",
        "media_key",
        "media_root",
        "fetch_media",
        "payload_indexes",
        "retrieval_mode",
        "sparse_embedding",
        "sparse_vector_name",
        "hybrid_fusion",
        "score_formula",
        "group_by",
        "group_size",
        "content_payload_key",
        "metadata_payload_key",
        "vector_params",
        "sparse_vector_params",
        "collection_create_options",
        "force_recreate",
        "clock",
    ]


def test_arguments_of_the_estimate_of_memory():
    parameters = inspect.signature(package.memory_size).parameters
    assert {name: each.default for name, each in parameters.items()} == {
        "points_count": inspect.Parameter.empty,
        "size": 3072,
        "quantization": None,
        "datatype": "float32",
        "on_disk": False,
        "m": 16,
        "payload_bytes": 0,
    }


def test_arguments_of_ingest_and_what_it_reports():
    parameters = inspect.signature(package.ingest).parameters
    assert list(inspect.signature(package.aingest).parameters) == list(parameters)
    assert {name: each.default for name, each in parameters.items()} == {
        "store": inspect.Parameter.empty,
        "documents": inspect.Parameter.empty,
        "id_keys": ("source",),
        "cleanup": "none",
        "source_key": "source",
        "batch_size": 100,
        "total": None,
        "progress": False,
        "on_progress": None,
        "on_error": "raise",
    }
    shared = ["requests", "texts", "tokens", "estimated_tokens", "usd"]
    shared += ["tokens_by_modality", "usd_by_modality", "seconds"]
    assert [field.name for field in dataclasses.fields(package.IngestReport)] == [
        *shared,
        *("added", "updated", "skipped", "deleted", "failed", "stopped", "causes"),
    ]
    assert [field.name for field in dataclasses.fields(package.IngestProgress)] == [
        *shared,
        *("total", "read", "skipped", "embedded", "stored", "failed", "deleted"),
        *("remaining_seconds", "waiting"),
    ]


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        (
            "measure_recall",
            {
                "queries": None,
                "limits": (10, 20, 50, 100),
                "oversampling": (1, 2, 3),
                "rescore": (False, True),
                "hnsw_ef": (None,),
                "filter": None,
                "sample_size": 200,
                "seed": None,
                "latency_queries": 100,
                "confidence": 0.95,
                "batch_size": 16,
                "timeout": 60,
                "progress": False,
                "on_progress": None,
            },
        ),
        (
            "compare_quantizations",
            {
                "queries": None,
                "presets": None,
                "limits": (10, 100),
                "oversampling": None,
                "filter": None,
                "distance": "Cosine",
                "sample_size": 10_000,
                "query_count": 200,
                "seed": None,
                "latency_queries": 100,
                "confidence": 0.95,
                "progress": False,
                "on_progress": None,
            },
        ),
    ],
)
def test_arguments_of_the_measurements(name, defaults):
    first, *others = inspect.signature(getattr(package, name)).parameters.values()
    assert {each.name: each.default for each in others} == defaults
    assert inspect.signature(getattr(package, f"a{name}")) == inspect.signature(
        getattr(package, name)
    )
    assert first.default is inspect.Parameter.empty


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (
            "migrate",
            (
                "source target collection_name target_collection_name batch_size progress "
                "on_progress clock"
            ),
        ),
        (
            "reembed",
            (
                "store new_embeddings collection_name alias delete_old reuse_vectors batch_size "
                "progress on_progress"
            ),
        ),
    ],
)
def test_arguments_of_what_moves_a_collection(name, arguments):
    for each in (name, f"a{name}"):
        assert list(inspect.signature(getattr(package, each)).parameters) == arguments.split()


def test_every_method_of_the_store_has_an_async_twin():
    store = package.GeminiQdrantVectorStore
    sync_only = {"as_retriever", "client", "embeddings", "sparse_embeddings", "async_client"}
    sync_only |= {"hybrid_fusion", "search_params", "title_key", "media_key"}
    sync_only |= {"score_formula", "group_by", "group_size"}
    names = {name for name in dir(store) if name[0].islower()} - sync_only
    for name in names - {f"a{each}" for each in names}:
        assert f"a{name}" in names, name
        assert getattr(store, f"a{name}").__module__.startswith(
            ("langchain_gemini_qdrant", "langchain_core")
        )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, method in vars(QdrantVectorStore).items()
        if name[0] != "_" and callable(getattr(QdrantVectorStore, name))
    ],
)
def test_methods_take_langchain_qdrant_s_arguments_in_the_same_order(name):
    theirs, ours = (
        [each for each in inspect.signature(getattr(cls, name)).parameters if each != "kwargs"]
        for cls in (QdrantVectorStore, package.GeminiQdrantVectorStore)
    )
    if name == "from_existing_collection":  # the others are named in **kwargs
        theirs = theirs[:3]
    assert ours[: len(theirs)] == theirs


def _loaded(code):
    """Return the modules that a fresh interpreter has loaded after running `code`."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


HEAVY = {"google.genai", "google.generativeai", "grpc", "langchain_qdrant", "numpy"} | {
    "qdrant_client",
    "qdrant_edge",
}


@pytest.mark.slow
def test_importing_the_package_loads_nothing_but_the_package():
    loaded = _loaded("import langchain_gemini_qdrant")
    assert not loaded & (HEAVY | {"langchain_core", "pydantic"})


@pytest.mark.slow
def test_making_embeddings_loads_no_sdk_no_engine_and_no_numpy():
    code = "from langchain_gemini_qdrant import GeminiEmbeddings\nGeminiEmbeddings(api_key='k')"
    assert not _loaded(code) & HEAVY


@pytest.mark.slow
def test_pytest_plugin_loads_nothing_heavy():
    assert not _loaded("import langchain_gemini_qdrant.pytest_plugin") & HEAVY


@pytest.mark.slow
def test_help_of_the_command_line_loads_no_engine():
    assert not _loaded("import langchain_gemini_qdrant.cli") & HEAVY
