"""The usage of embedding: requests, texts, tokens and price."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant._forks import renew_lock_in_children
from langchain_gemini_qdrant.embeddings._tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer, EmbedRequest
    from langchain_gemini_qdrant.embeddings._request import Content
    from langchain_gemini_qdrant.embeddings.models import GeminiModel


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingUsage(Displayed):
    """Requests, texts, tokens and price of one call, or of an instance so far.

    Attributes:
        requests: Successful requests; failed and refused ones are not counted.
        texts: Texts in these requests.
        reported_tokens: Input tokens that the API reported.
        estimated_tokens: Estimated input tokens of the requests whose answer had no count;
            gemini-embedding-001 and older models report none on the Developer API.
        cached: Vectors read from the cache; their texts were not sent.
        usd: Price of all tokens in US dollars, at the model's list prices
            (`langchain_gemini_qdrant.embeddings.models`); None for a model without a price.
        tokens_by_modality: The tokens as `TEXT`, `IMAGE`, `AUDIO`, `VIDEO` and `DOCUMENT` (pages
            of a PDF); those that the API did not report by modality are counted here.
    """

    requests: int = 0
    texts: int = 0
    reported_tokens: int = 0
    estimated_tokens: int = 0
    cached: int = 0
    usd: float | None = 0.0
    tokens_by_modality: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def tokens(self) -> int:
        """Input tokens, reported or estimated."""
        return self.reported_tokens + self.estimated_tokens

    def __add__(self, other: EmbeddingUsage) -> EmbeddingUsage:
        """Return the sum; its price is unknown if either price is."""
        known = self.usd is not None and other.usd is not None
        return EmbeddingUsage(
            requests=self.requests + other.requests,
            texts=self.texts + other.texts,
            reported_tokens=self.reported_tokens + other.reported_tokens,
            estimated_tokens=self.estimated_tokens + other.estimated_tokens,
            cached=self.cached + other.cached,
            usd=(self.usd or 0.0) + (other.usd or 0.0) if known else None,
            tokens_by_modality=_sum(self.tokens_by_modality, other.tokens_by_modality),
        )

    def since(self, before: EmbeddingUsage) -> EmbeddingUsage:
        """Return the usage since `before`, an earlier usage of the same instance."""
        known = self.usd is not None and before.usd is not None
        return EmbeddingUsage(
            requests=self.requests - before.requests,
            texts=self.texts - before.texts,
            reported_tokens=self.reported_tokens - before.reported_tokens,
            estimated_tokens=self.estimated_tokens - before.estimated_tokens,
            cached=self.cached - before.cached,
            usd=(self.usd or 0.0) - (before.usd or 0.0) if known else None,
            tokens_by_modality=_sum(self.tokens_by_modality, before.tokens_by_modality, -1),
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int], sign: int = 1) -> dict[str, int]:
    total = {name: one.get(name, 0) + sign * other.get(name, 0) for name in {**one, **other}}
    return {name: tokens for name, tokens in total.items() if tokens}


def billed_tokens(content: Content, limit: int | None) -> int:
    """Estimate the tokens that the model reads of a content with its title, at most its limit."""
    tokens = content.tokens + (estimate_tokens(content.title) if content.title else 0)
    return tokens if limit is None else min(tokens, limit)


def usage_of(
    request: EmbedRequest,
    answer: EmbedAnswer,
    estimate: int,
    media: Mapping[str, int],
    model: GeminiModel | None,
) -> EmbeddingUsage:
    """Return the usage of one request; its estimate and `media` count if the answer has none."""
    reported = answer.tokens
    tokens = estimate if reported is None else reported
    by_modality = dict(answer.tokens_by_modality or media)
    if (rest := tokens - sum(by_modality.values())) > 0:
        by_modality["TEXT"] = by_modality.get("TEXT", 0) + rest
    return EmbeddingUsage(
        requests=1,
        texts=len(request.texts),
        reported_tokens=reported or 0,
        estimated_tokens=estimate if reported is None else 0,
        usd=None if model is None else model.usd(by_modality),
        tokens_by_modality=by_modality,
    )


class UsageTotal:
    """The usage of an instance so far; it is thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self.value = EmbeddingUsage()

    def add(self, usage: EmbeddingUsage) -> None:
        """Add the usage of a call."""
        with self._lock:
            self.value += usage
