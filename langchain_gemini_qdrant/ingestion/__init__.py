"""Incremental ingestion: stored documents are not embedded or sent again."""

from __future__ import annotations

from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
from langchain_gemini_qdrant.ingestion.ingest import Cleanup, aingest, ingest

__all__ = ["Cleanup", "IngestProgress", "IngestReport", "aingest", "ingest"]
