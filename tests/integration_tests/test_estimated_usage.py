"""Where the API does not say what it read, the estimate is called one, wherever it is shown."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from langchain_core.documents import Document
from langsmith import trace
from langsmith.run_helpers import tracing_context

from langchain_gemini_qdrant import create_vector_store, ingest
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.embeddings import GEMINI_MODELS, EmbeddingUsage

OLD = "gemini-embedding-001"
# An SDK that drops the counts is one that is given none.
SILENT = pytest.mark.parametrize("backend", ["google-generativeai-rest"], indirect=True)


@SILENT
def test_estimate_of_a_text_that_is_cut_is_what_the_model_reads(make_embeddings, call):
    for model in (OLD, "gemini-embedding-2"):
        known = GEMINI_MODELS[model]
        embeddings = make_embeddings(model=model, on_too_long="truncate", output_dimensionality=128)
        call(embeddings, "embed_documents", ["word " * 100_000, "two words"])
        usage = embeddings.usage
        assert usage.reported_tokens == 0
        assert known.max_input_tokens < usage.estimated_tokens < known.max_input_tokens + 20
        price = usage.estimated_tokens * known.usd_per_million_tokens / 1e6
        assert usage.usd == pytest.approx(price)


@SILENT
def test_estimate_counts_the_title_with_its_text(make_embeddings, call):
    titled, plain = (make_embeddings(model=OLD, output_dimensionality=128) for _ in range(2))
    call(plain, "embed_documents", ["a text"])
    call(titled, "embed_documents", ["a text"], titles=["five words are a title"])
    assert titled.usage.estimated_tokens >= plain.usage.estimated_tokens + 5


@SILENT
def test_report_progress_and_trace_of_a_run_mark_an_estimate(make_embeddings):
    embeddings, seen = make_embeddings(output_dimensionality=128), []
    with create_vector_store(embeddings, "notes", path=":temporary:") as store:
        documents = [Document(f"passage {i}.") for i in range(10)]
        with tracing_context(enabled="local"), trace("parent") as parent:
            report = ingest(store, documents, on_progress=seen.append)
    assert report.estimated_tokens == report.tokens > 0
    assert report.is_estimate
    assert seen[-1].is_estimate
    assert f"tokens ~{report.tokens}, ~$0.0000" in str(report)
    assert parent.child_runs[0].outputs["estimated_tokens"] == report.tokens


@pytest.mark.parametrize("backend", ["google-genai"], indirect=True)
def test_counts_of_the_api_are_marked_as_no_estimate(make_embeddings):
    embeddings = make_embeddings(output_dimensionality=128)
    with create_vector_store(embeddings, "notes", path=":temporary:") as store:
        report = ingest(store, [Document("a passage.")])
    assert not report.is_estimate
    assert "~" not in str(report)


def test_command_line_marks_an_estimate(tmp_path, emulator, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    (tmp_path / "notes.md").write_text("# A title\n\nAnd a passage.\n")
    silent = ["--backend", "google-generativeai", "--base-url", emulator.base_url]
    where = ["ingest", str(tmp_path / "notes.md"), "--path", str(tmp_path / "index"), *silent]
    foretold = CliRunner().invoke(cli, [*where, "--dry-run"], env={"COLUMNS": "200"})
    assert re.search(r"1 text, ~\d+ tokens", foretold.output)
    stored = CliRunner().invoke(cli, where, env={"COLUMNS": "200"})
    assert re.search(r"~\d+ tokens, ~\$0", stored.output)


def test_usage_since_an_earlier_one_is_what_was_added():
    before = EmbeddingUsage(requests=1, texts=2, reported_tokens=3, usd=0.1)
    added = EmbeddingUsage(requests=2, texts=5, estimated_tokens=7, cached=1, usd=0.2)
    since = (before + added).since(before)
    assert since.usd == pytest.approx(added.usd)
    assert (since.requests, since.texts, since.cached) == (2, 5, 1)
    assert (since.reported_tokens, since.estimated_tokens) == (0, 7)
    assert (before + EmbeddingUsage(usd=None)).since(before).usd is None
