"""Incremental ingestion: stored documents are not embedded or sent again."""

from __future__ import annotations

from langchain_gemini_qdrant.ingestion._cleanup import CleanupMode
from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport, RunCost
from langchain_gemini_qdrant.ingestion.ingest import aingest, ingest

__all__ = ["CleanupMode", "IngestProgress", "IngestReport", "RunCost", "aingest", "ingest"]
