"""The `gemini-qdrant` command line: the only place that prints, draws progress or exits."""

from __future__ import annotations

from langchain_gemini_qdrant.cli.main import cli

__all__ = ["cli"]
