"""`GeminiEmbeddings`: plan the requests, send them, check and collect the vectors."""

from __future__ import annotations

import difflib
import math
import warnings
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.utils import from_env, secret_from_env
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)

from langchain_gemini_qdrant._backends import BackendName, create_backend
from langchain_gemini_qdrant._backends.protocol import BackendSettings, EmbedRequest
from langchain_gemini_qdrant._batching import batches
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    ResponseMismatchError,
)
from langchain_gemini_qdrant.gemini_models import (
    DEFAULT_MODEL,
    MAX_BATCH_SIZE,
    find_model,
    guess_conditioning,
)
from langchain_gemini_qdrant.tasks import TaskType, parse_task_type, task_sides, with_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant._backends.protocol import Backend, EmbedAnswer
    from langchain_gemini_qdrant.gemini_models import GeminiModel

_STACKLEVEL = 5  # past pydantic's constructor and ours, to the line that makes the instance
_UNIT_TOLERANCE = 1e-6  # float32 rounding of a unit vector of 3,072 components stays below it


class GeminiEmbeddings(BaseModel, Embeddings):
    """Gemini embeddings that tell the model which side of a search they embed.

    `embed_documents` embeds retrieval documents and `embed_query` retrieval queries, by the
    parameter `task_type` for gemini-embedding-001 and older, by a text prefix for
    gemini-embedding-2, which ignores the parameter. Every vector has length 1 (L2).

    Constructing it sends nothing and imports no Google SDK. Instances cannot be changed.

    Attributes:
        model: With or without `models/`. A model that is not in
            `langchain_gemini_qdrant.gemini_models` is tried all the same, with a warning.
        task_type: The job, in any case; it sets both sides. None is search.
        output_dimensionality: Length of the vectors; None is the model's own (3,072 for the
            current ones). Google recommends 768, 1,536 or 3,072.
        api_key: Default: GOOGLE_API_KEY, then GEMINI_API_KEY. `google_api_key` is accepted too.
        base_url: Another address than Google's, such as an emulator's or a proxy's. Default:
            GOOGLE_GEMINI_BASE_URL.
        timeout: Seconds for one request. 60: a hundred texts take 1 to 4 s, and the SDK would
            wait for ever. For a client of your own it applies only if it is set.
        batch_size: Texts in one request, 1 to 100, the most that the API takes.
        backend: The Google SDK. `google-generativeai` needs the extra of that name.
        transport: How google-generativeai sends: `grpc` (its default) or `rest`.
        client: A client of your own: `google.genai.Client`, or `GenerativeServiceClient` of
            `google.ai.generativelanguage`. It brings its key and address along.
        async_client: A `GenerativeServiceAsyncClient`, for google-generativeai.

    Raises:
        ConfigurationError: An option is unknown, out of range or at odds with another, or there
            is no API key.

    Source: https://ai.google.dev/gemini-api/docs/embeddings
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    model: str = Field(default=DEFAULT_MODEL, min_length=1)
    task_type: TaskType | None = None
    output_dimensionality: int | None = None
    api_key: SecretStr | None = Field(
        default_factory=secret_from_env(["GOOGLE_API_KEY", "GEMINI_API_KEY"], default=None),
        validation_alias=AliasChoices("api_key", "google_api_key"),
    )
    base_url: str | None = Field(default_factory=from_env("GOOGLE_GEMINI_BASE_URL", default=None))
    timeout: float = Field(default=60.0, gt=0)
    batch_size: int = Field(default=MAX_BATCH_SIZE, ge=1, le=MAX_BATCH_SIZE)
    backend: BackendName = "google-genai"
    transport: Literal["grpc", "rest"] | None = None
    client: object | None = Field(default=None, exclude=True, repr=False)
    async_client: object | None = Field(default=None, exclude=True, repr=False)

    _backend: Backend | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # type checkers see the signature that pydantic makes of the fields

        def __init__(self, **kwargs: object) -> None:
            try:
                super().__init__(**kwargs)
            except ValidationError as error:
                raise ConfigurationError(_describe(error, type(self))) from error

    @field_validator("task_type", mode="before")
    @classmethod
    def _any_case(cls, task_type: object) -> object:
        return parse_task_type(task_type) if isinstance(task_type, str) else task_type

    def model_post_init(self, context: object, /) -> None:
        """Check what no field can check alone, and warn of what will not work for long."""
        super().model_post_init(context)
        self._check_connection()
        known = find_model(self.model)
        _check_dimensionality(self.output_dimensionality, known)
        if known is None:
            warnings.warn(
                f"{self.model!r} is not a model this version knows: its task is given by "
                f"{guess_conditioning(self.model)} and its vector size is found by embedding a "
                "word. langchain_gemini_qdrant.gemini_models lists the known ones",
                stacklevel=_STACKLEVEL,
            )
        elif known.is_shut_down(datetime.now(timezone.utc).date()):
            warnings.warn(
                f"Google announced the shutdown of {known.name!r} for {known.shutdown}: use "
                f"{known.replacement!r} and embed the stored texts again",
                stacklevel=_STACKLEVEL,
            )

    @property
    def vector_size(self) -> int | None:
        """Length of the vectors, None for an unknown model without `output_dimensionality`."""
        known = find_model(self.model)
        return self.output_dimensionality or (known.output_dimensionality if known else None)

    def embed_documents(
        self,
        texts: list[str],
        *,
        titles: Sequence[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[list[float]]:
        """Embed texts that will be stored and searched.

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
            ConfigurationError: `titles` do not fit the texts or the task.
            RateLimitError: 429; `retry_after` is in seconds.
            ServiceError: 5xx, or no answer within `timeout`.
            RequestRejectedError: The API refuses the key, the model or the request.
            ResponseMismatchError: The answer has another count or size, or is not finite.

        Source: https://ai.google.dev/gemini-api/docs/embeddings
        """
        task = self._task(task_type, task_sides(self.task_type).document)
        requests = self._plan(texts, titles, task, output_dimensionality)
        vectors: list[list[float]] = []
        for request in requests:
            vectors += self._checked(request, self._sdk.embed(request))
        return vectors

    async def aembed_documents(
        self,
        texts: list[str],
        *,
        titles: Sequence[str | None] | None = None,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[list[float]]:
        """Embed texts that will be stored and searched; see `embed_documents`."""
        task = self._task(task_type, task_sides(self.task_type).document)
        requests = self._plan(texts, titles, task, output_dimensionality)
        vectors: list[list[float]] = []
        for request in requests:
            vectors += self._checked(request, await self._sdk.aembed(request))
        return vectors

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
            As `embed_documents`.
        """
        task = self._task(task_type, task_sides(self.task_type).query)
        [request] = self._plan([text], None, task, output_dimensionality)
        return self._checked(request, self._sdk.embed(request))[0]

    async def aembed_query(
        self,
        text: str,
        *,
        task_type: str | None = None,
        output_dimensionality: int | None = None,
    ) -> list[float]:
        """Embed a text that searches among the documents; see `embed_query`."""
        task = self._task(task_type, task_sides(self.task_type).query)
        [request] = self._plan([text], None, task, output_dimensionality)
        return self._checked(request, await self._sdk.aembed(request))[0]

    def close(self) -> None:
        """Close the connections of this process; a later call opens new ones."""
        if self._backend is not None:
            self._backend.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones.

        Worth a call before a loop ends: Python warns of connections that outlive theirs.
        """
        if self._backend is not None:
            await self._backend.aclose()

    def _check_connection(self) -> None:
        if self.backend == "google-genai" and self.async_client is not None:
            raise ConfigurationError(
                "async_client is for backend='google-generativeai': a google.genai.Client given as "
                "client serves both sync and async"
            )
        if self.backend == "google-genai" and self.transport is not None:
            raise ConfigurationError(
                f"transport={self.transport!r} is for backend='google-generativeai': google-genai "
                "has REST alone"
            )
        own = self.client is not None or self.async_client is not None
        if own and self.model_fields_set & {"api_key", "base_url", "transport"}:
            raise ConfigurationError(
                "client and async_client bring their own key, address and transport: leave out "
                "api_key, base_url and transport, or leave out the clients"
            )
        if not own and (self.api_key is None or not self.api_key.get_secret_value()):
            raise ConfigurationError(
                "an API key is needed: pass api_key or set GOOGLE_API_KEY or GEMINI_API_KEY "
                "(https://aistudio.google.com/apikey)"
            )

    @property
    def _sdk(self) -> Backend:
        if self._backend is None:
            own = self.client is not None or self.async_client is not None
            settings = BackendSettings(
                api_key=self.api_key.get_secret_value() if self.api_key and not own else None,
                base_url=self.base_url,
                timeout=self.timeout if not own or "timeout" in self.model_fields_set else None,
                transport=self.transport,
                client=self.client,
                async_client=self.async_client,
            )
            self._backend = create_backend(self.backend, settings)
        return self._backend

    def _task(self, literal: str | None, side: TaskType) -> TaskType:
        return side if literal is None else parse_task_type(literal)

    def _plan(
        self,
        texts: Sequence[str],
        titles: Sequence[str | None] | None,
        task: TaskType,
        output_dimensionality: int | None,
    ) -> list[EmbedRequest]:
        """Turn texts into requests, or refuse them before anything is sent."""
        texts = list(texts)
        _check_texts(texts)
        titles = [None] * len(texts) if titles is None else list(titles)
        _check_titles(titles, len(texts), task)
        known = find_model(self.model)
        size = output_dimensionality or self.output_dimensionality
        _check_dimensionality(size, known)
        if known is not None and known.dimensionalities[0] == known.dimensionalities[1]:
            size = None  # its one size is refused as a parameter
        conditioning = known.conditioning if known else guess_conditioning(self.model)
        if conditioning == "prefix":
            texts = [
                with_prefix(text, task, title) for text, title in zip(texts, titles, strict=True)
            ]
            titles = [None] * len(texts)
        by_parameter = conditioning == "task_type" and task != "TASK_TYPE_UNSPECIFIED"
        return [
            EmbedRequest(
                model=self.model if "/" in self.model else f"models/{self.model}",
                texts=batch_texts,
                titles=batch_titles,
                task_type=task if by_parameter else None,
                output_dimensionality=size,
            )
            for batch_texts, batch_titles in zip(
                batches(texts, self.batch_size), batches(titles, self.batch_size), strict=True
            )
        ]

    def _checked(self, request: EmbedRequest, answer: EmbedAnswer) -> list[list[float]]:
        """Return the answer's vectors at length 1, or refuse an answer that does not fit."""
        known = find_model(self.model)
        size = request.output_dimensionality or (known.output_dimensionality if known else None)
        if len(answer.vectors) != len(request.texts):
            raise ResponseMismatchError(
                f"{request.model}: {len(request.texts)} texts were sent, {len(answer.vectors)} "
                "vectors came back; none of them is used",
                model=request.model,
            )
        return [_unit(vector, size or len(answer.vectors[0]), request) for vector in answer.vectors]


def _unit(vector: list[float], size: int, request: EmbedRequest) -> list[float]:
    if len(vector) != size:
        raise ResponseMismatchError(
            f"{request.model}: vectors of {size} components were asked for, {len(vector)} came "
            "back; none of them is used",
            model=request.model,
        )
    norm = math.hypot(*vector)
    if not math.isfinite(norm) or norm == 0.0:
        raise ResponseMismatchError(
            f"{request.model}: a vector came back whose length is {norm}; none of them is used",
            model=request.model,
        )
    if abs(norm - 1.0) <= _UNIT_TOLERANCE:
        return vector
    return [component / norm for component in vector]


def _check_texts(texts: Sequence[object]) -> None:
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        raise InvalidInputError(
            f"texts must be strings, got {type(texts[wrong[0]]).__name__} at index {wrong[0]}",
            indices=wrong,
        )
    blank = [i for i, text in enumerate(texts) if not str(text).strip()]
    if blank:
        raise InvalidInputError(
            f"{len(blank)} of {len(texts)} texts are blank, at index "
            f"{', '.join(map(str, blank))}: the API refuses the request of a blank. Leave them out",
            indices=blank,
        )


def _check_titles(titles: Sequence[str | None], count: int, task: TaskType) -> None:
    if len(titles) != count:
        raise InvalidInputError(
            f"titles must have one entry (a string or None) for each text: {count} texts, "
            f"{len(titles)} titles"
        )
    if task != "RETRIEVAL_DOCUMENT" and any(titles):
        raise ConfigurationError(
            f"titles are read for RETRIEVAL_DOCUMENT only, this call embeds for {task}: leave them "
            "out, or put them into the texts"
        )


def _check_dimensionality(size: int | None, known: GeminiModel | None) -> None:
    low, high = known.dimensionalities if known else (1, 2**31 - 1)
    if size is not None and not low <= size <= high:
        allowed = f"{low}" if low == high else f"in {low}..{high}"
        raise ConfigurationError(
            f"output_dimensionality must be {allowed}"
            f"{f' for {known.name!r}' if known else ''}, got {size}"
        )


def _describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Say in one line what was expected of each wrong option, without a secret in it."""
    return "; ".join(_describe_one(dict(detail), model) for detail in error.errors())


def _describe_one(detail: dict[str, Any], model: type[BaseModel]) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, n=1)
        return f"unknown option {name!r}: " + (
            f"did you mean {near[0]!r}?"
            if near
            else f"options are {', '.join(sorted(model.model_fields))}"
        )
    if isinstance(cause := detail.get("ctx", {}).get("error"), ConfigurationError):
        return str(cause)
    found = "" if "key" in name else f", got {detail['input']!r}"
    return f"{name}: {detail['msg']}{found}"
