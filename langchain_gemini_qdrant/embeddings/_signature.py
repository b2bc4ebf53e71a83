"""The signature of `GeminiEmbeddings(...)` for type checkers and editors.

The signature that they derive from pydantic's fields refuses arguments that pydantic converts: a
key as `str`, an alias of an option, a task type in lower case.
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


# It is never called. Editors show its docstring for `GeminiEmbeddings(`.
def options(  # noqa: D417 - the class describes all options
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
    """Make Gemini embeddings that send the right task type for documents and for queries.

    Constructing sends nothing and imports no Google SDK. Hover over the imported class to see all
    options.

    Args:
        model: A model's name, such as `gemini-embedding-2`.
        task_type: The use of the vectors, such as `"question_answering"`, for both sides of a
            search. Default: search.
        output_dimensionality: Length of the vectors. Default: the model's own, 3,072 for the
            current models.
        api_key: Default: the environment's GOOGLE_API_KEY, then GEMINI_API_KEY.
        timeout: Seconds for one request. Default: 60.
        requests_per_minute: Your quota; each text counts as one request. Default: learned from the
            first 429.
        tokens_per_minute: Your quota of input tokens. Default: learned from the first 429.
        max_retries: Further attempts of a request that failed and may succeed later.
        deadline: Seconds for a whole call, including waits and retries. Default: no limit.
        cache: Any LangChain `ByteStore`; texts whose vectors it contains are not sent again.
        on_usage: Called with the texts, tokens and price of each call.

    Raises:
        ConfigurationError: An option is unknown, out of range or contradicts another option, or
            there is no API key.
    """


def typed_as(signature: Callable[P, R]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Return a decorator that changes nothing but the types of a function's arguments."""
    del signature
    return lambda function: function
