"""What type checkers and editors show of `GeminiEmbeddings(...)`: what it takes, not what it keeps.

The signature that they make of pydantic's fields refuses what pydantic converts: a key as `str`,
another name of an option, a task in lower case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, ParamSpec, TypeAlias, TypeVar

from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, MAX_BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.rate_limiters import BaseRateLimiter
    from langchain_core.stores import BaseStore
    from pydantic import SecretStr

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.embeddings._backends import BackendName
    from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
    from langchain_gemini_qdrant.embeddings.tasks import TaskType

P = ParamSpec("P")
R = TypeVar("R")

LowerTaskType: TypeAlias = Literal[
    "task_type_unspecified",
    "retrieval_query",
    "retrieval_document",
    "semantic_similarity",
    "classification",
    "clustering",
    "question_answering",
    "fact_verification",
    "code_retrieval_query",
]


# It is never called. Editors show its docstring where `GeminiEmbeddings(` is written.
def options(  # noqa: D417 - the class describes all
    self: object,
    *,
    model: str = DEFAULT_MODEL,
    task_type: TaskType | LowerTaskType | None = None,
    output_dimensionality: int | None = None,
    api_key: str | SecretStr | None = None,
    google_api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    timeout: float = 60.0,
    batch_size: int = MAX_BATCH_SIZE,
    max_concurrency: int = 8,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    rate_limiter: BaseRateLimiter | None = None,
    max_retries: int = 6,
    deadline: float | None = None,
    on_too_long: Literal["error", "warn", "truncate"] = "error",
    cache: BaseStore[str, bytes] | None = None,
    on_usage: Callable[[EmbeddingUsage], None] | None = None,
    pickle_api_key: bool = False,
    vertexai: bool | None = None,
    project: str | None = None,
    location: str | None = None,
    credentials: object | None = None,
    backend: BackendName = "google-genai",
    transport: Literal["grpc", "rest"] | None = None,
    client: object | None = None,
    async_client: object | None = None,
    clock: Clock | None = None,
) -> None:
    """Make Gemini embeddings that tell the model which side of a search they embed.

    It sends nothing and imports no Google SDK. Hover over the class where it is imported for all
    options.

    Args:
        model: Such as `gemini-embedding-2`.
        task_type: The job, such as `"question_answering"`, for both sides of a search; None is
            search.
        output_dimensionality: Length of the vectors; None is the model's own.
        api_key: None takes GOOGLE_API_KEY, then GEMINI_API_KEY, from the environment.
        timeout: Seconds for one request.
        requests_per_minute: Your quota; None learns it from the first 429.
        tokens_per_minute: Your quota of input tokens; as `requests_per_minute`.
        max_retries: Further attempts of a request that may succeed later.
        deadline: Seconds for a whole call with all its waiting; None for no end.
        cache: Any LangChain `ByteStore`: texts in it are not sent again.
        on_usage: Called with texts, tokens and price of each call.

    Raises:
        ConfigurationError: An option is unknown, out of range or at odds with another, or there
            is no API key.
    """


def typed_as(signature: Callable[P, R]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Return a decorator that changes nothing but the types of a function's arguments."""
    del signature
    return lambda function: function
