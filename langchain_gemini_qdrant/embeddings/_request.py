"""Convert texts and titles to the contents of requests: prefixes, checks and cache keys."""

from __future__ import annotations

import hashlib
import json
import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedRequest
from langchain_gemini_qdrant.embeddings._checks import check_texts, check_titles
from langchain_gemini_qdrant.embeddings._media import (
    MediaSupport,
    media_support,
    media_support_of,
    media_tokens,
)
from langchain_gemini_qdrant.embeddings._tokens import estimate_tokens
from langchain_gemini_qdrant.embeddings.models import (
    find_model,
    guess_conditioning,
    model_id,
    warn_of_model,
    warn_of_task,
)
from langchain_gemini_qdrant.embeddings.tasks import parse_task_type, task_sides, with_prefix
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError, TextTooLongError
from langchain_gemini_qdrant.media._contents import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal

    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.embeddings.models import GeminiModel
    from langchain_gemini_qdrant.embeddings.tasks import TaskType
    from langchain_gemini_qdrant.media._contents import Parts

# Outside these shares of a model's limit the estimate is trusted; between them the API counts the
# tokens.
_SURELY_SHORT = 0.6
_SURELY_LONG = 2.0


class Content(NamedTuple):
    """One content as it is sent, with an estimate of its tokens.

    Attributes:
        text: Its text; with media, all of its texts.
        title: Its title, for models that have a field for it.
        tokens: Estimated tokens of text and media.
        parts: Its texts and media in order; empty if it is a text alone.
    """

    text: str
    title: str | None
    tokens: int
    parts: Parts = ()

    @property
    def media_tokens(self) -> int:
        """Tokens of its media alone."""
        return media_tokens([self.parts]).total() if self.parts else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSpec:
    """How the texts of one call are sent.

    Attributes:
        model: Name of the model, with `models/`.
        task: The task type of the texts.
        output_dimensionality: The parameter, None to leave it out.
        size: Length of the vectors that must be returned, None if it is not known.
        prefix: Adds the task in front of each text, None for models without text prefixes.
        by_parameter: Whether the task is sent as a parameter.
        max_input_tokens: The model's input limit for one content, None if it is not known.
        media: Whether media can be sent.
    """

    model: str
    task: TaskType
    output_dimensionality: int | None
    size: int | None
    prefix: str | None
    by_parameter: bool
    max_input_tokens: int | None
    media: MediaSupport

    def content(self, text: str | Parts, title: str | None = None) -> Content:
        """Return one content in the form in which it is sent.

        Raises:
            ConfigurationError: A title is given for a task that reads none.
        """
        if title and self.task != "RETRIEVAL_DOCUMENT":
            raise ConfigurationError(
                f"titles are for RETRIEVAL_DOCUMENT only, this call embeds for "
                f"{self.task}: leave them out, or put them into the texts"
            )
        if not isinstance(text, str):
            return _with_media(text, title)
        text = _plain(text)
        if title:
            if self.prefix is None:
                return Content(text, _plain(title), estimate_tokens(text))
            text = with_prefix(text, self.task, _plain(title))
        elif self.prefix:
            text = self.prefix + text
        return Content(text, None, estimate_tokens(text))

    def contents(
        self, texts: Iterable[str | Parts], titles: Iterable[str | None] | None
    ) -> Iterator[Content]:
        """Yield texts in the form in which they are sent, one by one; see `content`."""
        if titles is None:
            return map(self.content, texts)
        return (self.content(text, title) for text, title in zip(texts, titles, strict=True))

    def checked_contents(
        self, texts: Sequence[object], titles: Iterable[str | None] | None
    ) -> list[Content]:
        """Check the contents of a call and return them in the form in which they are sent.

        Raises:
            InvalidInputError: A content cannot be embedded, titles are not a list of strings, or
                the counts differ.
            ConfigurationError: A title is given for a task that reads none, or a medium for a model
                or a back end that takes none.
        """
        read = self.read(texts)
        if titles is not None:
            check_list(titles, "titles")
            titles = list(titles)
            check_titles(titles)
            if len(titles) != len(read):
                raise InvalidInputError(
                    "titles must have one entry (a string or None) for each text: "
                    f"{len(read)} texts, {len(titles)} titles"
                )
        return list(self.contents(read, titles))

    def read(self, values: Sequence[object]) -> list[str | Parts]:
        """Check contents and return them in the form that `content` takes.

        Raises:
            InvalidInputError: One cannot be embedded.
            ConfigurationError: One has media, which cannot be sent.
        """
        read, problem = self.read_until_wrong(values)
        if problem is not None:
            raise problem
        return read

    def read_until_wrong(
        self, values: Sequence[object], first: int = 0
    ) -> tuple[list[str | Parts], InvalidInputError | None]:
        """Return the contents before the first that cannot be embedded, and its error.

        Args:
            values: Contents; their media are read.
            first: The position of the first one.
        """
        texts = [each for each in values if self.media.is_text(each)]
        read: list[str | Parts] = [*texts]
        problem: InvalidInputError | None = None
        if len(texts) < len(values):
            read, problem = self.media.read_until_wrong(values, first=first)
            texts = [each if isinstance(each, str) else "-" for each in read]
        try:
            check_texts(texts, first=first)
        except InvalidInputError as error:
            return read[: error.indices[0] - first], error
        return read, problem

    def read_each(
        self, values: Sequence[object], titles: Sequence[str | None] | None
    ) -> list[Content | InvalidInputError]:
        """Return each content in the form in which it is sent, or why it cannot be embedded."""
        read: list[Content | InvalidInputError] = []
        for value, title in zip(values, titles or [None] * len(values), strict=True):
            try:
                text = value if self.media.is_text(value) else self.media.read(value)
                check_texts([text] if isinstance(text, str) else [])
                read.append(self.content(text, title))
            except InvalidInputError as error:
                read.append(error)
        return read

    def request(self, contents: Sequence[Content]) -> EmbedRequest:
        """Return the request for some contents."""
        parts = [content.parts for content in contents]
        return EmbedRequest(
            model=self.model,
            texts=[content.text for content in contents],
            titles=[content.title for content in contents],
            task_type=self.task if self.by_parameter else None,
            output_dimensionality=self.output_dimensionality,
            parts=parts if any(parts) else (),
        )

    def key(self, content: Content) -> str:
        """Return the cache key of this content's vector: equal for equal vectors only."""
        parts: list[object] = [
            _qualified(model_id(self.model)),
            self.size,
            self.task,
            content.title,
            content.text,
        ]
        if content.parts:
            parts.append([p if isinstance(p, str) else p.key for p in content.parts])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def near_limit(self, contents: Sequence[Content]) -> list[Content]:
        """Return the contents whose estimate is above the limit or too near it to be trusted."""
        limit = self.max_input_tokens
        if limit is None:
            return []
        near = [content for content in contents if content.tokens > limit * _SURELY_SHORT]
        return [content for content in near if self._may_be_too_long(content)]

    def _may_be_too_long(self, content: Content) -> bool:
        media, room = content.media_tokens, self.room(content)
        return (
            content.tokens - media > room * _SURELY_SHORT
            and len(content.text.encode()) > room  # a token has at least one byte
        )

    def is_surely_too_long(self, content: Content) -> bool:
        """Return whether the estimate is far enough above the limit to need no count by the API."""
        room = self.room(content)
        return content.tokens - content.media_tokens > room * _SURELY_LONG

    def room(self, content: Content) -> float:
        """Return how many tokens a content's text may have beside its media."""
        return (self.max_input_tokens or math.inf) - content.media_tokens

    def too_long(self, indices: Sequence[int]) -> TextTooLongError:
        """Return the error for texts above the limit."""
        limit = self.max_input_tokens or 0
        return TextTooLongError(
            f"{self.model} reads at most {limit} tokens of a text and would cut off the rest of "
            f"{len(indices)}, at index {', '.join(map(str, indices))}: split them, or set "
            "on_too_long='truncate' or 'warn'",
            indices=indices,
            max_input_tokens=limit,
        )


def _with_media(parts: Parts, title: str | None) -> Content:
    """Return a content with media: its text gets no prefix, and the title is its first line.

    Source: https://ai.google.dev/gemini-api/docs/embeddings (task types, multimodal input)
    """
    if title:
        caption = [part for part in parts[:1] if isinstance(part, str)]
        parts = ("\n".join([_plain(title), *caption]), *parts[len(caption) :])
    text = text_of(parts)
    tokens = media_tokens([parts]).total()
    return Content(text, None, tokens + (estimate_tokens(text) if text else 0), parts)


@lru_cache(maxsize=256, typed=True)
def request_spec(
    model: str,
    task: TaskType,
    output_dimensionality: int | None,
    media: MediaSupport | None = None,
) -> RequestSpec:
    """Return how contents for this task are sent to a model, by default to the Developer API.

    Raises:
        ConfigurationError: The model does not support vectors of this length.
    """
    known = find_model(model)
    check_dimensionality(output_dimensionality, known)
    conditioning = known.conditioning if known else guess_conditioning(model)
    one_size = known is not None and known.dimensionalities[0] == known.dimensionalities[1]
    return RequestSpec(
        model=_qualified(model),
        task=task,
        # A model with one size refuses the parameter.
        output_dimensionality=None if one_size else output_dimensionality,
        size=output_dimensionality or (known.output_dimensionality if known else None),
        prefix=with_prefix("", task) if conditioning == "prefix" else None,
        by_parameter=conditioning == "task_type" and task != "TASK_TYPE_UNSPECIFIED",
        max_input_tokens=known.max_input_tokens if known else None,
        media=media or media_support(model, is_vertex=False),
    )


def _qualified(model: str) -> str:
    return model if "/" in model else f"models/{model}"


def call_spec(
    options: GeminiEmbeddings,
    side: Literal["document", "query"],
    task_type: object = None,
    output_dimensionality: object = None,
) -> RequestSpec:
    """Return how the contents of a call are sent; its task and size override the instance's.

    Raises:
        ConfigurationError: The task or the size is not valid.
    """
    task: TaskType = getattr(task_sides(options.task_type), side)
    if task_type is not None:
        task = parse_task_type(task_type)
        if side == "document":
            warn_of_task(options.model, task)
    size = options.output_dimensionality
    if output_dimensionality is not None:
        size = _whole_number(output_dimensionality)
    return request_spec(options.model, task, size, media_support_of(options))


def _whole_number(value: object) -> int:
    """Return an integer of any type, such as NumPy's, as a Python integer."""
    if not isinstance(value, SupportsIndex) or isinstance(value, bool):
        raise ConfigurationError(f"output_dimensionality must be an integer, got {value!r}")
    return operator.index(value)


def check_model(options: GeminiEmbeddings, *, vertexai: bool) -> None:
    """Refuse a size that the model does not support; warn of problems with the model or the task.

    Raises:
        ConfigurationError: The size is out of range.
    """
    check_dimensionality(options.output_dimensionality, find_model(options.model))
    warn_of_model(options.model, vertexai=vertexai)
    warn_of_task(options.model, options.task_type)


def check_dimensionality(size: int | None, known: GeminiModel | None) -> None:
    """Refuse a vector length that the model does not support; unknown models may have any.

    Raises:
        ConfigurationError: The length is out of range.
    """
    low, high = known.dimensionalities if known else (1, 2**31 - 1)
    if size is not None and not low <= size <= high:
        allowed = f"{low}" if low == high else f"in {low}..{high}"
        raise ConfigurationError(
            f"output_dimensionality must be {allowed}"
            f"{f' for {known.name!r}' if known else ''}, got {size}"
        )


def _plain(text: str) -> str:
    """Return a plain `str`: the `format` of a subclass may return different text."""
    return text if type(text) is str else "".join((text,))
