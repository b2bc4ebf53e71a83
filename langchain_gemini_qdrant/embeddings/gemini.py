"""`GeminiEmbeddings`: LangChain's embeddings over the Gemini API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Literal

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
from langchain_gemini_qdrant.embeddings._embedder import Embedder
from langchain_gemini_qdrant.embeddings._image_methods import ImageMethods
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
from langchain_gemini_qdrant.embeddings._setup import make_embedder
from langchain_gemini_qdrant.embeddings._signature import options, typed_as
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage, UsageTotal
from langchain_gemini_qdrant.embeddings._vectors import Vectors
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, MAX_BATCH_SIZE, find_model
from langchain_gemini_qdrant.errors import ConfigurationError, PartialEmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from langchain_gemini_qdrant.media import Content


class GeminiEmbeddings(DisplayedOptions, BaseModel, ImageMethods):  # noqa: PLW1641 - pydantic adds the hash
    """Gemini embeddings that send the right task type for documents and for queries.

    `embed_documents` embeds retrieval documents and `embed_query` retrieval queries: by the
    parameter `task_type` for gemini-embedding-001 and older, by a text prefix for
    gemini-embedding-2, which ignores the parameter. Every vector has length 1 (L2).

    Constructing sends nothing and imports no Google SDK. Instances are immutable; they can be
    shared by threads and event loops, pickled, and used after a fork.

    Attributes:
        model: Name with or without `models/`, or a resource name of Vertex AI. A model that is not
            in `langchain_gemini_qdrant.embeddings.models` is used all the same, with a warning.
        task_type: Task type for both sides, in any case; None is search. Models before
            gemini-embedding-2 read TASK_TYPE_UNSPECIFIED as RETRIEVAL_QUERY, with a warning.
        output_dimensionality: Length of the vectors; None is the model's own (3,072 for the
            current ones). Google recommends 768, 1,536 or 3,072.
        api_key: API key. Default, also for None: GOOGLE_API_KEY, then GEMINI_API_KEY; an empty
            variable counts as not set. `google_api_key` is accepted, too.
        base_url: Address of a proxy or an emulator, in place of Google's; over gRPC without a path.
            Default: GOOGLE_GEMINI_BASE_URL.
        timeout: Seconds for one request. Default: 60, as a hundred texts take 1 to 4 s, and the SDK
            would wait for ever. A client of your own keeps its timeout unless this is set.
        batch_size: Texts in one request, 1 to 100, the most that the API accepts.
        max_concurrency: Requests of one call that may be in flight at the same time.
        requests_per_minute: Your quota; each text of a batch counts as one request. None: learned
            from the first 429. All instances in the process with one key and model share it.
        tokens_per_minute: Your quota of input tokens; None: learned from the first 429.
        rate_limiter: An additional LangChain rate limiter, acquired once per text. A pickle leaves
            out one that cannot be pickled, such as `InMemoryRateLimiter`, with a warning.
        max_retries: Further attempts of a request after 408, 429, 5xx, a lost connection, a timeout
            or a response that does not match. Other 4xx, daily quotas and billing: none.
        deadline: Seconds for a whole call, including waits and retries; None for no limit.
        on_too_long: What to do with texts over the model's input limit: `error` refuses them before
            anything is sent; `truncate` lets the API cut them; `warn` does so with a warning.
        cache: Any LangChain `ByteStore`. Keys consist of model, size, task, title, text and digests
            of media, so documents and queries never mix. It is written batch by batch.
        on_usage: Called with the `EmbeddingUsage` of each call. Its exceptions become warnings.
        pickle_api_key: Include key and credentials in pickles; by default the receiver uses those
            of its own environment.
        vertexai: Use Vertex AI, not the Gemini Developer API. None: GOOGLE_GENAI_USE_VERTEXAI
            decides; if it is not set, True if `project` or `credentials` is passed.
        project: Google Cloud project, for Vertex AI. Default: GOOGLE_CLOUD_PROJECT.
        location: Vertex AI location. Default: GOOGLE_CLOUD_LOCATION, then `global`.
        credentials: `google.auth.credentials.Credentials`; None is the machine's own. With
            neither project nor credentials, `api_key` is Vertex AI's (express mode).
        backend: `google-genai`, or `grpc` and `google-generativeai` with the extra of that name.
        transport: `grpc`, or `rest`, for `backend="google-generativeai"`; its default is `grpc`.
        client: A client of your own, with its key and address: `google.genai.Client`, or
            `GenerativeServiceClient` of `google.ai.generativelanguage` for the other back ends.
        async_client: A `GenerativeServiceAsyncClient`, for the other back ends, too.
        clock: Measures time and waits, for tests; None is the machine's clock.

    Raises:
        ConfigurationError: An option is unknown, out of range or contradicts another option, or
            there is no API key.

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
    timeout: float = Field(default=60.0, gt=0, le=1e9)  # more overflows libraries' clocks
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
                "options are passed by name, such as GeminiEmbeddings(model='gemini-embedding-2'), "
                f"got {len(args)} without a name"
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
        """Check options that depend on each other, and warn of deprecated models."""
        super().model_post_init(context)
        self._connection = connect(self)
        check_model(self, vertexai=self._connection.is_vertex)

    @property
    def vector_size(self) -> int | None:
        """Length of the vectors; None for an unknown model without `output_dimensionality`."""
        known = find_model(self.model)
        return self.output_dimensionality or (known.output_dimensionality if known else None)

    @property
    def usage(self) -> EmbeddingUsage:
        """Requests, texts, tokens and price of this instance so far."""
        return self._used.value

    # Embedding

    def embed_documents(
        self,
        texts: Iterable[Content],
        *,
        titles: Sequence[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[list[float]]:
        """Embed texts and media that will be stored and searched.

        Up to `max_concurrency` requests are in flight at a time; equal texts are sent once. Only
        a failed request is retried; the others continue.

        Args:
            texts: `n` texts, none blank; or images, sound, video and PDFs as `Blob`s or content
                blocks of LangChain; a sequence of texts and media gets one vector.
            titles: One title, or None, for each text; only for RETRIEVAL_DOCUMENT, which is the
                document side of every search task.
            task_type: Task type of this call, used unchanged. Default: the document side of the
                instance's `task_type`.
            output_dimensionality: Length of this call's vectors. Default: the instance's.

        Returns:
            `n` vectors in the order of `texts`, shape `(n, output_dimensionality)`, each of
            length 1 (L2). `n = 0` gives `[]` and sends nothing.

        Raises:
            InvalidInputError: Texts are blank, or media are not what the model takes, at `indices`,
                or the counts of titles and texts differ; nothing is sent.
            TextTooLongError: A text or a sequence is over the model's input limit; nothing is
                embedded.
            ConfigurationError: An option of this call is not valid, or the task reads no titles.
            RateLimitError: 429 after the last retry; `retry_after` is in seconds.
            DailyQuotaError: The daily quota is used up.
            ServiceError: 5xx or no answer after the last retry, or the `deadline` has passed.
            RequestRejectedError: The API refuses the key, the model or the request.
            ResponseMismatchError: Count, size or numbers of the returned vectors are wrong.
            PartialEmbeddingError: Some texts failed with these errors; it has the other vectors.

        Source: https://ai.google.dev/gemini-api/docs/embeddings
        """
        spec = call_spec(self, "document", task_type, output_dimensionality)
        embedder = self._embedder
        services = embedder.blocking_services()
        return run(embedder.embed_documents("embed_documents", spec, texts, titles, services))

    async def aembed_documents(
        self,
        texts: Iterable[Content],
        *,
        titles: Sequence[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[list[float]]:
        """Embed texts and media that will be stored, without blocking the event loop.

        Arguments, vectors and errors are those of `embed_documents`. Cancelling cancels requests.
        """
        spec = call_spec(self, "document", task_type, output_dimensionality)
        embedder = await self._aembedder()
        return await embedder.embed_documents("aembed_documents", spec, texts, titles)

    def embed_query(
        self,
        text: Content,
        *,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[float]:
        """Embed a text, a medium or a sequence of both with which documents are searched.

        Args:
            text: The text, not blank, or what `embed_documents` takes.
            task_type: Task type of this call, used unchanged. Default: the query side of the
                instance's `task_type`.
            output_dimensionality: Length of this call's vector. Default: the instance's.

        Returns:
            One vector of length 1 (L2), shape `(output_dimensionality,)`.

        Raises:
            GeminiQdrantError: The errors of `embed_documents`, such as `RateLimitError`.
        """
        spec = call_spec(self, "query", task_type, output_dimensionality)
        embedder = self._embedder
        call = embedder.call(spec, embedder.query_services)
        with embedder.accounted("embed_query", call, 1):
            return run(embedder.embed_one(call, text))

    async def aembed_query(
        self,
        text: Content,
        *,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[float]:
        """Embed a text with which documents are searched, without blocking the event loop."""
        spec = call_spec(self, "query", task_type, output_dimensionality)
        embedder = await self._aembedder()
        call = embedder.call(spec)
        with embedder.accounted("aembed_query", call, 1):
            return await embedder.embed_one(call, text)

    def retry_failed(self, error: PartialEmbeddingError) -> list[list[float]]:
        """Send only the texts that a call could not embed.

        Args:
            error: Raised by `embed_documents` or `retry_failed` of this instance.

        Returns:
            All vectors of the failed call, in order.

        Raises:
            GeminiQdrantError: The errors of `embed_documents`, such as `RateLimitError`.
        """
        wanted, embedder = Vectors.unfinished(error), self._embedder
        return run(embedder.embed_call("retry_failed", wanted, embedder.blocking_services()))

    async def aretry_failed(self, error: PartialEmbeddingError) -> list[list[float]]:
        """Send only the texts that a call could not embed, without blocking; return all vectors."""
        wanted, embedder = Vectors.unfinished(error), await self._aembedder()
        return await embedder.embed_call("aretry_failed", wanted)

    def stream_documents(
        self,
        texts: Iterable[Content],
        *,
        titles: Iterable[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> Iterator[list[float]]:
        """Embed any number of texts and yield their vectors in order, as they arrive.

        Texts are read on demand: at most `2 * max_concurrency` batches are in memory.

        Args:
            texts: Any iterable of texts, none blank.
            titles: One title, or None, for each text; only for RETRIEVAL_DOCUMENT.
            task_type: Task type of this call. Default: the document side of the instance's.
            output_dimensionality: Length of this call's vectors. Default: the instance's.

        Yields:
            One vector of length 1 for each text.

        Raises:
            GeminiQdrantError: After the vectors before a failed text; not `PartialEmbeddingError`.
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
        texts: Iterable[Content] | AsyncIterable[Content],
        *,
        titles: Iterable[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> AsyncIterator[list[float]]:
        """Embed any number of texts and yield one vector for each, without blocking.

        Args:
            texts: Any sync or async iterable of texts, none blank.
            titles: One title, or None, for each text; only for RETRIEVAL_DOCUMENT.
            task_type: Task type of this call. Default: the document side of the instance's.
            output_dimensionality: Length of this call's vectors. Default: the instance's.
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

        They are closed automatically when the loop ends (`asyncio.run`, a server).
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
        """Return whether the other has the same settings, regardless of usage."""
        if type(self) is not type(other) or not isinstance(other, GeminiEmbeddings):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self._connection == other._connection

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with changed options; the connection is kept unless `update` changes it."""
        copied = super().model_copy(update=update, deep=deep)
        if update and not OPTIONS.isdisjoint(update):
            copied._connection = connect(copied)  # noqa: SLF001 - the same class
        return copied

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._made = None  # noqa: SLF001 - the same class; a changed copy must not share it
        copied._used = UsageTotal()  # noqa: SLF001
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that shares client, cache and callback; all else is immutable."""
        return self.__copy__()

    def __getstate__(self) -> dict[Any, Any]:
        if has_own_client(self):
            raise ConfigurationError(
                "an SDK client cannot be pickled: leave out client and async_client"
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
