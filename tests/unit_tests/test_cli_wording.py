"""Messages of the package, as the command line says them."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.cli.wording import in_options

RECREATE = "use a different collection_name, or recreate it with force_recreate=True"


@pytest.mark.parametrize(
    ("command", "message", "told"),
    [
        ("search", "use a Qdrant server (`url=`)", "use a Qdrant server (--url)"),
        (
            "ingest",
            "set output_dimensionality=768, or take another collection_name",
            "set --output-dimensionality 768, or take another --collection",
        ),
        ("ingest", "output_dimensionality must be 1 or larger", "--output-dimensionality must be"),
        ("search", "url must be one address such as 'http://x'", "--url must be one address"),
        ("reembed", "Pass reuse_vectors=False to", "Pass --no-reuse-vectors to"),
        ("reembed", "if so, pass reuse_vectors=True", "if so, pass --reuse-vectors"),
        ("reembed", "pass alias=, or another collection_name", "pass --alias, or another --to-"),
        ("migrate", "pass a target_collection_name other than 'a'", "pass a --to-collection other"),
        (
            "tune",
            "more: measure_recall(store, oversampling=(9, 12), rescore=(True,))",
            "more: --oversampling 9 --oversampling 12 --rescore on",
        ),
        (
            "tune",
            "measure_recall(store, sample_size=900), about 900 in total",
            "--sample-size 900, about 900 in total",
        ),
        (
            "tune",
            "store.set_quantization('scalar'); compare_quantizations(store) shows more",
            "`set_quantization` of a store, from Python, with 'scalar'; gemini-qdrant recall --",
        ),
        ("demo", "the first is 'a': refused; `report.failed` has all.", "'a': refused."),
        ("search", "pass verify='ca.pem', got verify=None", "pass --ca-file ca.pem, got"),
        (
            "recall",
            "store some first, use a different filter, or pass queries",
            "or name texts with",
        ),
        ("recall", "no points: store more, or use a different filter", "no points: store more"),
        ("reembed", f"set output_dimensionality=9, {RECREATE}", "ty 9, or use a different --to-c"),
        ("search", f"refused: {RECREATE}", "refused: use a different --collection"),
        ("search", "has no text: open it with content_payload_key=", "open it with --text-key"),
    ],
)
def test_arguments_are_said_as_options(command, message, told):
    assert told in in_options(message, cli.commands[command])


@pytest.mark.parametrize(
    "message",
    [
        "https://example.org/?model=x&limit=3",
        "metadata 'source_name' is missing, path/model=3",
        "found model, path and url",
        "GOOGLE_API_KEY is not set",
    ],
)
def test_what_is_no_argument_stays(message):
    assert in_options(message, cli.commands["search"]) == message
