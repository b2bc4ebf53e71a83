"""Collections moved to another engine, or re-embedded with another model or vector size."""

from __future__ import annotations

from langchain_gemini_qdrant.migration._report import ReembedReport
from langchain_gemini_qdrant.migration.migrate import MigrationReport, amigrate, migrate
from langchain_gemini_qdrant.migration.reembed import areembed, reembed

__all__ = ["MigrationReport", "ReembedReport", "amigrate", "areembed", "migrate", "reembed"]
