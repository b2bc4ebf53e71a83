"""Measuring and tuning as a person at the terminal meets them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.cli.commands.recall import print_report
from langchain_gemini_qdrant.recall import QuantizationComparison, RecallReport
from tests.unit_tests.test_recall_report import REPORT

PNG = b"\x89PNG"


@pytest.fixture
def run(monkeypatch, emulator, embeddings, tmp_path):
    """Run a command in a folder with a small index, with the emulator as the API."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    texts = [
        f"{color} {animal}" for color in ("red", "green", "blue", "grey") for animal in ANIMALS
    ]
    with create_vector_store(
        embeddings, "documents", path="gemini-qdrant-index", quantization="binary"
    ) as store:
        store.add_texts(texts)
    emulator.clear()

    def run(*arguments):
        return CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")

    return run


ANIMALS = ["cat", "dog", "cow", "hen", "fox", "owl", "bee", "ant", "eel", "elk", "emu", "yak"]
QUICK = ("--sample-size", "20", "--seed", "1")


def test_recall_needs_no_key_and_prints_the_table(run, emulator):
    result = run("recall", "--limit", "5", "--limit", "10", "--oversampling", "2", *QUICK)
    assert result.exit_code == 0, result.output
    assert "48 points of size 768, binary codes" in result.output
    assert "20 stored vectors, each without its own point" in " ".join(result.output.split())
    assert "limit 5 " in result.output
    assert "limit 10" in result.output
    assert emulator.requests == []


@pytest.mark.slow
def test_recall_prints_json_and_draws(run, tmp_path):
    result = run("recall", "--json", "--plot", "recall.png", "--rescore", "on", *QUICK)
    report = RecallReport.from_json(result.stdout)
    assert [(row.limit, row.oversampling, row.rescore) for row in report.rows] == [
        (limit, oversampling, True)
        for limit in (10, 20, 50, 100)
        for oversampling in (1.0, 2.0, 3.0)
    ]
    assert (tmp_path / "recall.png").read_bytes().startswith(PNG)


def test_recall_asks_the_questions_of_a_file(run, emulator, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    (tmp_path / "queries.txt").write_text("which cat?\n\n  which dog?  \n")
    result = run(
        "recall", "--output-dimensionality", "768", "--queries", "queries.txt", "--limit", "5"
    )
    assert result.exit_code == 0, result.output
    assert "2 texts embedded as queries" in result.output
    assert [text.text for text in emulator.requests[0].texts] == [
        "task: search result | query: which cat?",
        "task: search result | query: which dog?",
    ]


@pytest.mark.slow
def test_recall_compares_quantizations(run, tmp_path):
    result = run("recall", "--compare", "--json", "--plot", "all.png", "--limit", "5", *QUICK)
    assert result.exit_code == 0, result.output
    report = QuantizationComparison.from_json(result.stdout)
    assert [row.quantization for row in report.rows][:2] == ["none", "binary"]
    assert report.collection == "documents"
    assert (tmp_path / "all.png").read_bytes().startswith(PNG)


def test_tune_takes_the_cheapest_setting_and_the_collection_remembers_it(run, embeddings):
    result = run("tune", "--limit", "5", "--recall-at-k", "0.6", "--apply", "--json", *QUICK)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["applied"] is True
    assert found["report"]["collection"] == "documents"
    with create_vector_store(embeddings, "documents", path="gemini-qdrant-index") as store:
        assert store.search_params.model_dump(exclude_none=True) == found["search_params"]


def test_tune_says_what_to_change_and_exits_1_where_the_target_is_not_reached(run, tmp_path):
    arguments = ("tune", "--limit", "5", "--recall-at-k", "0.999", "--plot", "tuned.png", *QUICK)
    result = run(*arguments, "--apply", "--oversampling", "1")
    assert result.exit_code == 1
    assert "No measured setting reaches the target, a recall@5 of 0.999. The best" in result.stdout
    assert "`set_quantization` of a store, from Python, with 'turbo-2bit'" in result.stdout
    assert "from now on" not in result.stdout
    assert (tmp_path / "tuned.png").read_bytes().startswith(PNG)


def test_tune_shows_the_setting(run):
    result = run("tune", "--limit", "5", "--recall-at-k", "0.3", "--plot", "found.svg", *QUICK)
    assert result.exit_code == 0, result.output
    assert "Use oversampling" in result.stdout
    assert "The target is a recall@5 of 0.3." in result.stdout
    assert "drawn in found.svg" in result.stdout
    assert "from now on" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("recall", "--collection", "other"), "no collection 'other', found 'documents'"),
        (("tune", "--collection", "other"), "no collection 'other', found 'documents'"),
        (("recall", "--queries", "empty.txt"), "empty.txt has no text"),
    ],
)
def test_failure_is_one_line_and_exit_status_1(run, tmp_path, arguments, message):
    (tmp_path / "empty.txt").write_text("\n")
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_tune_advises_programs_in_options_too(run):
    arguments = ("tune", "--limit", "5", "--recall-at-k", "0.999", "--json", *QUICK)
    result = run(*arguments, "--oversampling", "1")
    advice = json.loads(result.stdout)["advice"]
    assert any("--oversampling 1.5 --oversampling 2 --oversampling 3" in each for each in advice)
    assert not any("measure_recall" in each or "store." in each for each in advice)


@pytest.mark.parametrize("command", ["recall", "tune"])
def test_a_report_gives_no_advice_for_python(capsys, command):
    report = replace(REPORT, status="yellow")
    print_report(report, cli.commands[command])
    shown = " ".join(capsys.readouterr().out.split())
    assert "measure again after `optimize` of a store, from Python" in shown
    assert "recall@limit" in shown


@pytest.mark.parametrize("command", ["recall", "tune"])
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--model", "gemini-embedding-001"), "--model"),
        (
            ("--output-dimensionality", "128", "--base-url", "http://a"),
            "--output-dimensionality, --base-url",
        ),
    ],
)
def test_options_of_queries_are_refused_without_queries(run, command, options, named):
    result = run(command, *options, *QUICK)
    assert result.exit_code == 2
    assert f"add --queries, or leave out {named}\n" in result.stderr


@pytest.mark.parametrize("command", ["recall", "tune"])
def test_the_commands_explain_themselves(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--oversampling" in result.output
