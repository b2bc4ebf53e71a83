"""`gemini-qdrant ingest` in an empty folder, and what it prints and stores."""

from __future__ import annotations

import re
from contextlib import closing

from click.testing import CliRunner

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings, GeminiQdrantVectorStore
from langchain_gemini_qdrant.cli import cli

SIZE = "128"


def ingest(*arguments, stdin=None):
    command = ["ingest", "--output-dimensionality", SIZE, *arguments]
    return CliRunner().invoke(cli, command, prog_name="gemini-qdrant", input=stdin)


def cells(result):
    """Return the rows of all tables by their first cell, with each run of spaces as one."""
    rows = {}
    name = None
    for line in result.stdout.splitlines():
        if line.startswith("│"):
            first, rest = (" ".join(cell.split()) for cell in line.strip("│").split("│"))
            name = first or name
            rows[name] = f"{rows[name]} {rest}" if not first else rest
    return rows


def counts(result):
    """Return passages added, updated, already stored, deleted and failed."""
    return [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", cells(result)["passages"])]


def stored(path="gemini-qdrant-index", collection="documents"):
    """Return what is stored, by source."""
    with closing(EdgeClient(path)) as client:
        store = GeminiQdrantVectorStore.from_existing_collection(
            collection, GeminiEmbeddings(output_dimensionality=int(SIZE)), client=client
        )
        by_source = {}
        for document in store.iter_documents():
            by_source.setdefault(document.metadata["source"], []).append(document)
        return by_source
