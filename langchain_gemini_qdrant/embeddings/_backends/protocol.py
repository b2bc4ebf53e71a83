"""The interface between `embeddings` and a back end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from langchain_gemini_qdrant.embeddings.tasks import TaskType
    from langchain_gemini_qdrant.media._contents import Parts

SHORTEST_DEADLINE = 10
"""Seconds: the API refuses a shorter deadline with "Manually set deadline 5s is too short"."""

Vector: TypeAlias = "list[float] | NDArray[np.float32]"
"""A list as JSON has it, or a one-dimensional array as protobuf has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendSettings:
    """How to reach the API.

    Attributes:
        api_key: In plain text; None only together with a client of the user's own.
        timeout: Seconds for one request; None leaves it to the user's own client.
        client: The user's own SDK client, for sync use (and async, where the SDK has one for both).
        async_client: The user's own async client, for the SDK that has two.
        vertexai: Use Vertex AI, as `project` in `location` with `credentials`, and not the Gemini
            Developer API with `api_key`.
        auto_truncate: Let Vertex AI cut texts that are too long; the Developer API always does.
    """

    api_key: str | None
    base_url: str | None = None
    timeout: float | None = None
    transport: Literal["grpc", "rest"] | None = None
    client: object | None = None
    async_client: object | None = None
    vertexai: bool = False
    project: str | None = None
    location: str | None = None
    credentials: object | None = None
    auto_truncate: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r}, timeout={self.timeout!r})"


def shortest(*timeouts: float | None) -> float | None:
    """Return the shortest timeout; None means no timeout."""
    return min((timeout for timeout in timeouts if timeout is not None), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedRequest:
    """The texts of one API request, in the form in which they are sent.

    Attributes:
        model: Name with `models/`.
        titles: One for each text; sent only with a `task_type` of RETRIEVAL_DOCUMENT.
        task_type: The parameter, None to leave it out.
        output_dimensionality: The parameter, None to leave it out.
        parts: For each text the texts and media that are sent in its place, empty if it is sent
            itself; empty for texts alone.
    """

    model: str
    texts: Sequence[str]
    titles: Sequence[str | None]
    task_type: TaskType | None
    output_dimensionality: int | None
    parts: Sequence[Parts] = ()

    @property
    def contents(self) -> Iterator[Parts]:
        """The parts of each content, also of texts."""
        if not self.parts:
            return ((text,) for text in self.texts)
        return (parts or (text,) for text, parts in zip(self.texts, self.parts, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedAnswer:
    """The unchecked answer: any number of vectors of any size.

    Attributes:
        tokens: Input tokens that the API reported, None if it did not.
        tokens_by_modality: The same by modality, such as `TEXT`; empty if it did not.
    """

    vectors: Sequence[Vector]
    tokens: int | None
    tokens_by_modality: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file that the Files API stores for 48 hours.

    Attributes:
        name: Its name, with `files/`.
        uri: Its address in requests.
        state: `ACTIVE` once it can be used, `PROCESSING` before, `FAILED` if it never can be.
        sha256: The digest of its bytes in hex, None if the API did not send it.
        problem: Why its processing failed, in the API's words.
    """

    name: str
    uri: str
    state: str
    sha256: str | None
    problem: str


class Backend(Protocol):
    """One Google SDK.

    Sending raises subclasses of `EmbeddingError` and never the SDK's own errors. A request ends
    after `timeout` seconds, the time left for its call, or after the timeout of the settings if
    that is shorter. Closing closes the connections of this process or event loop, never those of a
    user's own client; the next request opens new ones.
    """

    def max_batch_size(self, model: str) -> int:
        """Return how many texts one request to this model may have."""

    def max_batch_tokens(self, model: str) -> int | None:
        """Return how many tokens these texts may have in total, None for no known bound."""

    def prepare(self) -> None:
        """Create the client of this process, so that no request waits for it."""

    async def aprepare(self) -> None:
        """Create the client of the running event loop."""

    def embed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request and wait for its answer."""

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""

    def close(self) -> None:
        """Close the connections of synchronous use."""

    async def aclose(self) -> None:
        """Close the connections that the running event loop has used."""


class DeveloperApi:
    """The limits of a request to the Gemini Developer API, the same for all models."""

    def max_batch_size(self, model: str) -> int:  # noqa: ARG002
        """Return how many texts one request may have."""
        return MAX_BATCH_SIZE

    def max_batch_tokens(self, model: str) -> int | None:
        """Return None: no bound is documented."""
