"""`GeminiEmbeddings`: LangChain's embeddings over the Gemini API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.stores import BaseStore
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    SkipValidation,
    ValidationError,
    model_serializer,
    model_validator,
)

from langchain_gemini_qdrant._clock import Clock
from langchain_gemini_qdrant._forks import MAKING
from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._runtime import AsAsync, as_sync, run
from langchain_gemini_qdrant.embeddings._backends import BackendName
from langchain_gemini_qdrant.embeddings._connection import (
    OPTIONS,
    Connection,
    as_decided,
    check_connection,
    connect,
    has_own_client,
)
from langchain_gemini_qdrant.embeddings._embedder import Embedder, make_embedder
from langchain_gemini_qdrant.embeddings._options import (
    DisplayedOptions,
    Key,
    Task,
    Word,
    describe_options,
    environments_key,
    from_environment,
    given_options,
    picklable,
)
from langchain_gemini_qdrant.embeddings._request import call_spec, check_model
from langchain_gemini_qdrant.embeddings._signature import options, typed_as
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage, UsageTotal
from langchain_gemini_qdrant.embeddings._vectors import Vectors
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, MAX_BATCH_SIZE, find_model
from langchain_gemini_qdrant.errors import ConfigurationError, PartialEmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
    from typing import Self


class GeminiEmbeddings(DisplayedOptions, BaseModel, Embeddings):  # noqa: PLW1641 - pydantic adds the hash
    """Gemini embeddings that tell the model which side of a search they embed.

    `embed_documents` embeds retrieval documents and `embed_query` retrieval queries, by the
    parameter `task_type` for gemini-embedding-001 and older, by a text prefix for
    gemini-embedding-2, which ignores the parameter. Every vector has length 1 (L2).

    Constructing it sends nothing and imports no Google SDK. Instances cannot be changed; they may
    be shared by threads and event loops, pickled, and used after a fork.

    Attributes:
        model: With or without `models/`, or a resource name of Vertex AI. A model that is not in
            `langchain_gemini_qdrant.embeddings.models` is tried all the same, with a warning.
        task_type: The job, in any case; it sets both sides. None is search. Models before
            gemini-embedding-2 read TASK_TYPE_UNSPECIFIED as RETRIEVAL_QUERY, with a warning.
        output_dimensionality: Length of the vectors; None is the model's own (3,072 for the
            current ones). Google recommends 768, 1,536 or 3,072.
        api_key: Default, also for None: GOOGLE_API_KEY, then GEMINI_API_KEY; empty variables are
            not set. `google_api_key` is accepted too.
        base_url: Another address than Google's, such as an emulator's or a proxy's. Default:
            GOOGLE_GEMINI_BASE_URL.
        timeout: Seconds for one request. 60: a hundred texts take 1 to 4 s, and the SDK would
            wait for ever. For a client of your own it applies only if it is set.
        batch_size: Texts in one request, 1 to 100, the most that the API takes.
        max_concurrency: Requests under way at a time, in one call.
        requests_per_minute: Your quota; each text of a batch counts as one. None finds it out
            from the first 429. All instances of one key and model in the process share it.
        tokens_per_minute: Your quota of input tokens; as `requests_per_minute`.
        rate_limiter: An additional limiter of LangChain's, acquired once for each text. One that
            cannot be pickled, such as `InMemoryRateLimiter`, stays behind with a warning.
        max_retries: Further attempts of a request after 408, 429, 5xx, a lost connection, a
            timeout or an answer that does not fit. Other 4xx, day quotas and billing are not.
        deadline: Seconds for a whole call with all its waiting; None for no end.
        on_too_long: Treatment of texts with more tokens than the model reads: `error` refuses
            them before anything is sent, `warn` and `truncate` let the API cut them.
        cache: Any LangChain `ByteStore`. Keyed by model, size, task, title and text, so that
            documents and queries never mix; written batch by batch.
        on_usage: Called with the `EmbeddingUsage` of each call. What it raises is a warning.
        pickle_api_key: Let key and credentials travel in pickles; by default the receiver takes
            those of its own environment.
        vertexai: Vertex AI in place of the Gemini Developer API. None: as
            GOOGLE_GENAI_USE_VERTEXAI says, else yes if `project` or `credentials` is given.
        project: Of Google Cloud, for Vertex AI. Default: GOOGLE_CLOUD_PROJECT.
        location: For Vertex AI. Default: GOOGLE_CLOUD_LOCATION, then `global`.
        credentials: `google.auth.credentials.Credentials`; None is the machine's own. With
            neither project nor credentials, `api_key` is Vertex AI's (express mode).
        backend: The Google SDK. `google-generativeai` needs the extra of that name.
        transport: How google-generativeai sends: `grpc` (its default) or `rest`.
        client: A client of your own: `google.genai.Client`, or `GenerativeServiceClient` of
            `google.ai.generativelanguage`. It brings its key and address along.
        async_client: A `GenerativeServiceAsyncClient`, for google-generativeai.
        clock: What measures time and waits, for tests; None is the machine's.

    Raises:
        ConfigurationError: An option is unknown, out of range or at odds with another, or there
            is no API key.

    Source: https://ai.google.dev/gemini-api/docs/embeddings
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        str_strip_whitespace=True,
        populate_by_name=True,
    )

    model: Word = Field(default=DEFAULT_MODEL, min_length=1)
    task_type: Task | None = None
    output_dimensionality: int | None = None
    api_key: Key | None = Field(
        default_factory=environments_key,
        validation_alias=AliasChoices("api_key", "google_api_key"),
    )
    base_url: Word | None = Field(default_factory=from_environment("GOOGLE_GEMINI_BASE_URL"))
    timeout: float = Field(default=60.0, gt=0, le=1e9)  # more overflows the clocks of libraries
    batch_size: int = Field(default=MAX_BATCH_SIZE, ge=1, le=MAX_BATCH_SIZE)
    max_concurrency: int = Field(default=8, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    rate_limiter: BaseRateLimiter | None = Field(default=None, exclude=True, repr=False)
    max_retries: int = Field(default=6, ge=0)
    deadline: float | None = Field(default=None, gt=0)
    on_too_long: Literal["error", "warn", "truncate"] = "error"
    cache: BaseStore[str, bytes] | None = Field(default=None, exclude=True, repr=False)
    on_usage: Callable[[EmbeddingUsage], None] | None = Field(
        default=None, exclude=True, repr=False
    )
    pickle_api_key: bool = False
    vertexai: bool | None = None
    project: Word | None = Field(default_factory=from_environment("GOOGLE_CLOUD_PROJECT"))
    location: Word | None = Field(default_factory=from_environment("GOOGLE_CLOUD_LOCATION"))
    credentials: object | None = Field(default=None, exclude=True, repr=False)
    backend: BackendName = "google-genai"
    transport: Literal["grpc", "rest"] | None = None
    client: object | None = Field(default=None, exclude=True, repr=False)
    async_client: object | None = Field(default=None, exclude=True, repr=False)
    clock: SkipValidation[Clock] | None = Field(default=None, exclude=True, repr=False)

    _connection: Connection = PrivateAttr()
    _made: Embedder | None = PrivateAttr(default=None)
    _used: UsageTotal = PrivateAttr(default_factory=UsageTotal)

    @typed_as(options)
    def __init__(self, *args: object, **kwargs: object) -> None:
        if args:
            raise ConfigurationError(
                "options are given by name, as GeminiEmbeddings(model='gemini-embedding-2'), "
                f"got {len(args)} without one"
            )
        try:
            super().__init__(**kwargs)
        except ValidationError as error:
            raise ConfigurationError(describe_options(error, type(self))) from error

    @model_validator(mode="before")
    @classmethod
    def _given(cls, options: object) -> object:
        return given_options(options)

    @model_serializer(mode="wrap")
    def _decided(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return as_decided(dump(self), self._connection)

    def model_post_init(self, context: object, /) -> None:
        """Check what no field can check alone, and warn of what will not work for long."""
        super().model_post_init(context)
        self._connection = connect(self)
        check_model(self, vertexai=self._connection.is_vertex)

    @property
    def vector_size(self) -> int | None:
        """Length of the vectors, None for an unknown model without `output_dimensionality`."""
        known = find_model(self.model)
        return self.output_dimensionality or (known.output_dimensionality if known else None)

    @property
    def usage(self) -> EmbeddingUsage:
        """What this instance has sent so far."""
        return self._used.value

    # Embedding

    def embed_documents(
        self,
        texts: list[str],
        *,
        titles: Sequence[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[list[float]]:
        """Embed texts that will be stored and searched.

        Up to `max_concurrency` requests are under way at a time; equal texts are sent once. A
        request that fails is retried alone, and the others continue.

        Args:
            texts: `n` texts, none blank.
            titles: One title, or None, for each text; only for RETRIEVAL_DOCUMENT, which is the
                document side of every search task.
            task_type: For this call, taken literally; default: the document side of the
                instance's `task_type`.
            output_dimensionality: For this call.

        Returns:
            `n` vectors in the order of `texts`, shape `(n, output_dimensionality)`, each of
            length 1 (L2). `n = 0` gives `[]` and sends nothing.

        Raises:
            InvalidInputError: A text is blank or no string; `indices` says which. Nothing is sent.
            TextTooLongError: A text has more tokens than the model reads; nothing is embedded.
            ConfigurationError: `titles` do not fit the texts or the task.
            RateLimitError: 429 after the last retry; `retry_after` is in seconds.
            DailyQuotaError: The quota of a day is used up.
            ServiceError: 5xx or no answer, to the end, or the `deadline` has come.
            RequestRejectedError: The API refuses the key, the model or the request.
            ResponseMismatchError: The answer has another count or size, or is not finite.
            PartialEmbeddingError: Some of these befell some texts; it carries the other vectors.

        Source: https://ai.google.dev/gemini-api/docs/embeddings
        """
        spec = call_spec(self, "document", task_type, output_dimensionality)
        wanted = Vectors(spec, spec.checked_contents(texts, titles))
        embedder = self._embedder
        services = embedder.blocking_services()
        return run(embedder.embed_call("embed_documents", wanted, services))

    async def aembed_documents(
        self,
        texts: list[str],
        *,
        titles: Sequence[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[list[float]]:
        """Embed texts that will be stored and searched, without blocking the event loop.

        Arguments, vectors and errors are `embed_documents`'s. Cancelling it cancels the requests.
        """
        spec = call_spec(self, "document", task_type, output_dimensionality)
        wanted = Vectors(spec, spec.checked_contents(texts, titles))
        return await (await self._aembedder()).embed_call("aembed_documents", wanted)

    def embed_query(
        self,
        text: str,
        *,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[float]:
        """Embed a text that searches among the documents.

        Args:
            text: Not blank.
            task_type: For this call, taken literally; default: the query side of the
                instance's `task_type`.
            output_dimensionality: For this call.

        Returns:
            One vector of length 1 (L2), shape `(output_dimensionality,)`.

        Raises:
            GeminiQdrantError: As `embed_documents`.
        """
        spec = call_spec(self, "query", task_type, output_dimensionality)
        embedder = self._embedder
        call = embedder.call(spec, embedder.query_services)
        with embedder.accounted("embed_query", call, 1):
            return run(embedder.embed_one(call, text))

    async def aembed_query(
        self,
        text: str,
        *,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[float]:
        """Embed a text that searches, as `embed_query` does, without blocking the event loop."""
        spec = call_spec(self, "query", task_type, output_dimensionality)
        embedder = await self._aembedder()
        call = embedder.call(spec)
        with embedder.accounted("aembed_query", call, 1):
            return await embedder.embed_one(call, text)

    def retry_failed(self, error: PartialEmbeddingError) -> list[list[float]]:
        """Send only the texts that a call could not embed.

        Args:
            error: Of an `embed_documents` of this instance, or of an earlier `retry_failed`.

        Returns:
            All vectors of that call, in order.

        Raises:
            GeminiQdrantError: As `embed_documents`.
        """
        wanted, embedder = Vectors.unfinished(error), self._embedder
        return run(embedder.embed_call("retry_failed", wanted, embedder.blocking_services()))

    async def aretry_failed(self, error: PartialEmbeddingError) -> list[list[float]]:
        """Send only the texts that a call could not embed, without blocking; return all vectors."""
        wanted, embedder = Vectors.unfinished(error), await self._aembedder()
        return await embedder.embed_call("aretry_failed", wanted)

    def stream_documents(
        self,
        texts: Iterable[str],
        *,
        titles: Iterable[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> Iterator[list[float]]:
        """Embed any number of texts and yield their vectors in order, as they come.

        Texts are read as room for them is made: at most `2 * max_concurrency` batches are held.

        Args:
            texts: Any iterable.
            titles: One title, or None, for each text; only for RETRIEVAL_DOCUMENT.
            task_type: For this call; default: the document side of the instance's `task_type`.
            output_dimensionality: For this call.

        Yields:
            One vector for each text.

        Raises:
            GeminiQdrantError: As `embed_documents`, at the text's place and after all vectors
                before it; never `PartialEmbeddingError`.
        """
        check_list(texts, "texts")
        spec = call_spec(self, "document", task_type, output_dimensionality)
        embedder = self._embedder
        call = embedder.call(spec, embedder.blocking_services())
        with (
            embedder.accounted("stream_documents", call, None),
            closing(as_sync(embedder.stream(call, AsAsync(texts), titles))) as stream,
        ):
            for vectors in stream:
                yield from vectors

    async def astream_documents(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        titles: Iterable[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> AsyncIterator[list[float]]:
        """Embed any number of texts and yield one vector for each, without blocking.

        Args:
            texts: Any iterable, asynchronous ones too.
            titles: One title, or None, for each text; only for RETRIEVAL_DOCUMENT.
            task_type: For this call; default: the document side of the instance's `task_type`.
            output_dimensionality: For this call.
        """
        check_list(texts, "texts")
        spec = call_spec(self, "document", task_type, output_dimensionality)
        embedder = await self._aembedder()
        call = embedder.call(spec)
        source = texts if isinstance(texts, AsyncIterable) else AsAsync(texts)
        with embedder.accounted("astream_documents", call, None):
            async with aclosing(embedder.stream(call, source, titles)) as stream:
                async for vectors in stream:
                    for vector in vectors:
                        yield vector

    # Connections

    def close(self) -> None:
        """Close the connections of this process; a later call opens new ones."""
        if self._made is not None:
            self._made.services.backend.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones.

        A loop that ends (`asyncio.run`, a server) closes them by itself.
        """
        if self._made is not None:
            await self._made.services.backend.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # Copies and pickles

    def __eq__(self, other: object) -> bool:
        """Return whether the other has the same settings, whatever either has sent."""
        if type(self) is not type(other) or not isinstance(other, GeminiEmbeddings):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self._connection == other._connection

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a changed copy; what `update` leaves of the connection is not decided again."""
        copied = super().model_copy(update=update, deep=deep)
        if update and not OPTIONS.isdisjoint(update):
            copied._connection = connect(copied)  # noqa: SLF001 - of its own kind
        return copied

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._made = None  # noqa: SLF001 - of its own kind; a changed copy must not share it
        copied._used = UsageTotal()  # noqa: SLF001
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that shares client, cache and callback; nothing else could change."""
        return self.__copy__()

    def __getstate__(self) -> dict[Any, Any]:
        if has_own_client(self):
            raise ConfigurationError(
                "an SDK's client cannot be pickled: leave out client and async_client"
            )
        state = super().__getstate__()
        kept: dict[str, object] = {"rate_limiter": picklable(self.rate_limiter, "rate_limiter")}
        if not self.pickle_api_key:
            kept |= {"api_key": None, "credentials": None}
        return {
            **state,
            "__dict__": {**state["__dict__"], **kept},
            "__pydantic_private__": {"_connection": self._connection},
        }

    def __setstate__(self, state: dict[Any, Any]) -> None:
        fields = dict(state["__dict__"])
        if fields["api_key"] is None:
            fields["api_key"] = environments_key()
        private = {**state["__pydantic_private__"], "_made": None, "_used": UsageTotal()}
        super().__setstate__({**state, "__dict__": fields, "__pydantic_private__": private})
        check_connection(self, self._connection)
        check_model(self, vertexai=self._connection.is_vertex)

    # Inside

    @property
    def _embedder(self) -> Embedder:
        return self._made or self._make()

    async def _aembedder(self) -> Embedder:
        return await asyncio.to_thread(self._make) if self._made is None else self._made

    def _make(self) -> Embedder:
        with MAKING:
            self._made = made = self._made or make_embedder(self, self._connection, self._used)
            return made
