"""Import path for older code of `langchain_gemini_qdrant.embeddings.tasks`."""

from __future__ import annotations

from langchain_gemini_qdrant.embeddings.tasks import (
    TASK_TYPES,
    TaskSides,
    TaskType,
    parse_task_type,
    task_sides,
    with_prefix,
)

__all__ = ["TASK_TYPES", "TaskSides", "TaskType", "parse_task_type", "task_sides", "with_prefix"]
