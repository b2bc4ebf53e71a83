"""The task types of both sides of a search, and the text prefixes that give them to a model.

Sources: https://ai.google.dev/gemini-api/docs/embeddings (task types, and the prefixes of
gemini-embedding-2) and https://ai.google.dev/api/embeddings#tasktype.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple, get_args

from langchain_gemini_qdrant.errors import ConfigurationError

TaskType = Literal[
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
]

TASK_TYPES: tuple[TaskType, ...] = get_args(TaskType)
"""Every task type, in the order of the API's numbers: `TASK_TYPES[2]` is RETRIEVAL_DOCUMENT."""

_SYMMETRIC: frozenset[TaskType] = frozenset(
    {"SEMANTIC_SIMILARITY", "CLASSIFICATION", "CLUSTERING", "TASK_TYPE_UNSPECIFIED"}
)

_QUERY_PREFIXES: dict[TaskType, str] = {
    "RETRIEVAL_QUERY": "search result",
    "QUESTION_ANSWERING": "question answering",
    "FACT_VERIFICATION": "fact checking",
    "CODE_RETRIEVAL_QUERY": "code retrieval",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
    "SEMANTIC_SIMILARITY": "sentence similarity",
}


class TaskSides(NamedTuple):
    """The task types of documents and of queries."""

    document: TaskType
    query: TaskType


def parse_task_type(task_type: object) -> TaskType:
    """Return the task type of a name, in upper or lower case.

    Raises:
        ConfigurationError: The name is not one of `TASK_TYPES`.
    """
    name = task_type.upper() if isinstance(task_type, str) else None
    for known in TASK_TYPES:
        if known == name:
            return known
    raise ConfigurationError(
        f"task_type must be one of {', '.join(TASK_TYPES)} (in any case), got {task_type!r}"
    )


@cache
def task_sides(task_type: TaskType | None) -> TaskSides:
    """Return the task types of documents and of queries for one task; None is search.

    Search tasks look for documents, so their document side is always RETRIEVAL_DOCUMENT. Symmetric
    tasks have the same task type on both sides.
    """
    if task_type is None or task_type in ("RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"):
        return TaskSides("RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY")
    if task_type in _SYMMETRIC:
        return TaskSides(task_type, task_type)
    return TaskSides("RETRIEVAL_DOCUMENT", task_type)


def with_prefix(text: str, task_type: TaskType, title: str | None = None) -> str:
    """Return the text with the prefix that gives its task to gemini-embedding-2.

    Args:
        text: The original text.
        task_type: The task type of this side. TASK_TYPE_UNSPECIFIED leaves the text unchanged.
        title: The document's title; used for RETRIEVAL_DOCUMENT only. Without a title the prefix
            has `none`, as Google specifies.
    """
    if task_type == "RETRIEVAL_DOCUMENT":
        return f"title: {title or 'none'} | text: {text}"
    if task_type == "TASK_TYPE_UNSPECIFIED":
        return text
    return f"task: {_QUERY_PREFIXES[task_type]} | query: {text}"
