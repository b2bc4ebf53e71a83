"""The Gemini embedding models with their limits and prices, and the sources.

Sources, read in November 2026:
- sizes, limits, conditioning, normalisation: https://ai.google.dev/gemini-api/docs/embeddings
- shutdown dates and replacements: https://ai.google.dev/gemini-api/docs/deprecations
- models only on Vertex AI:
  https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
- prices: https://ai.google.dev/gemini-api/docs/pricing
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant._warnings import warn

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MODEL = "gemini-embedding-2"
"""The newest model, which Google names as replacement of all others."""

MAX_BATCH_SIZE = 100
"""Most texts in one request; the API refuses more: `at most 100 requests can be in one batch`."""

Conditioning = Literal["task_type", "prefix", "none"]

# Google's model names as the Developer API, Vertex AI and gateways write them, with or without a
# version.
_RESOURCE_NAME = re.compile(
    r"(?:models/|google/|(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/)?"
    r"(?P<id>[^/@]+)(?:@[^/@]*)?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeminiModel(Displayed):
    """Limits, price and behavior of one embedding model.

    Attributes:
        name: Name without `models/`.
        output_dimensionality: Default length of its vectors.
        dimensionalities: Smallest and largest length of its vectors; equal if the model has only
            one size.
        max_input_tokens: Input limit for one text, in tokens; the API silently truncates the rest.
        conditioning: How the task is given: by the parameter `task_type`, by a text prefix, or not
            at all.
        shutdown: First day on which the Gemini Developer API may switch it off, None if no day is
            announced. Vertex AI has different dates: text-embedding-004 still works there.
        replacement: The model that Google recommends instead, None if there is none.
        usd_per_million_tokens: Price of text input, None if it is no longer sold by the token.
        vertex_only: Whether the model is available on Vertex AI only.
        takes_media: Whether it embeds images, sound, video and PDFs beside texts.
        usd_per_million_media_tokens: Price of media by the modality in which Google counts them.
            The pricing page has no row for DOCUMENT, the pages of a PDF: they are counted as
            images.
    """

    name: str
    output_dimensionality: int
    dimensionalities: tuple[int, int]
    max_input_tokens: int
    conditioning: Conditioning
    shutdown: date | None = None
    replacement: str | None = None
    usd_per_million_tokens: float | None = None
    vertex_only: bool = False
    takes_media: bool = False
    usd_per_million_media_tokens: Mapping[str, float] = field(default_factory=dict, hash=False)

    def usd(self, tokens_by_modality: Mapping[str, int]) -> float | None:
        """Return the price of tokens of each modality, None if it is not sold by the token."""
        text = self.usd_per_million_tokens
        if text is None:
            return None
        prices = self.usd_per_million_media_tokens
        return sum([n * (prices.get(m, text) / 1e6) for m, n in tokens_by_modality.items()])

    def is_shut_down(self, today: date) -> bool:
        """Return whether the shutdown date on the Gemini Developer API has been reached."""
        return self.shutdown is not None and self.shutdown <= today


GEMINI_MODELS: dict[str, GeminiModel] = {
    model.name: model
    for model in (
        GeminiModel(
            name="gemini-embedding-2",
            output_dimensionality=3072,
            dimensionalities=(128, 3072),
            max_input_tokens=8192,
            conditioning="prefix",
            usd_per_million_tokens=0.20,
            takes_media=True,
            usd_per_million_media_tokens={
                "IMAGE": 0.45,
                "AUDIO": 6.50,
                "VIDEO": 12.00,
                "DOCUMENT": 0.45,
            },
        ),
        GeminiModel(
            name="gemini-embedding-2-preview",
            output_dimensionality=3072,
            dimensionalities=(128, 3072),
            max_input_tokens=8192,
            conditioning="prefix",
            shutdown=date(2026, 8, 10),
            replacement="gemini-embedding-2",
            takes_media=True,
        ),
        GeminiModel(
            name="gemini-embedding-001",
            output_dimensionality=3072,
            dimensionalities=(128, 3072),
            max_input_tokens=2048,
            conditioning="task_type",
            shutdown=date(2028, 5, 14),
            replacement="gemini-embedding-2",
            usd_per_million_tokens=0.15,
        ),
        GeminiModel(
            name="text-embedding-004",
            output_dimensionality=768,
            dimensionalities=(1, 768),
            max_input_tokens=2048,
            conditioning="task_type",
            shutdown=date(2026, 1, 14),
            replacement="gemini-embedding-2",
        ),
        GeminiModel(
            name="embedding-001",
            output_dimensionality=768,
            dimensionalities=(768, 768),
            max_input_tokens=2048,
            conditioning="task_type",
            shutdown=date(2025, 10, 30),
            replacement="gemini-embedding-2",
        ),
        GeminiModel(
            name="embedding-gecko-001",
            output_dimensionality=768,
            dimensionalities=(768, 768),
            max_input_tokens=1024,
            conditioning="none",
            shutdown=date(2025, 10, 30),
            replacement="gemini-embedding-2",
        ),
        *(
            GeminiModel(
                name=name,
                output_dimensionality=3072,
                dimensionalities=(128, 3072),
                max_input_tokens=8192,
                conditioning="task_type",
                shutdown=date(2025, 10, 30),
                replacement="gemini-embedding-2",
            )
            for name in ("gemini-embedding-exp", "gemini-embedding-exp-03-07")
        ),
        *(
            GeminiModel(
                name=name,
                output_dimensionality=768,
                dimensionalities=(1, 768),
                max_input_tokens=2048,
                conditioning="task_type",
                vertex_only=True,
            )
            for name in ("text-embedding-005", "text-multilingual-embedding-002")
        ),
    )
}
"""Every text embedding model of the Gemini Developer API, and those of Vertex AI, by name."""


def model_id(name: str) -> str:
    """Return a model's short name, such as `gemini-embedding-2`, equal for all its spellings.

    Args:
        name: The short name, `models/...`, `google/...` or a resource name of Vertex AI
            (`projects/p/locations/l/publishers/google/models/...`), each with or without
            `@version`. Any other name, such as that of an endpoint or of another publisher's
            model, is returned unchanged.
    """
    match = _RESOURCE_NAME.fullmatch(name)
    return name if match is None else match["id"]


def find_model(name: str) -> GeminiModel | None:
    """Return a model's entry by any spelling of its name (see `model_id`), None if unknown."""
    return GEMINI_MODELS.get(model_id(name))


def guess_conditioning(name: str) -> Conditioning:
    """Return how the task is most likely given to a model that is not in the table.

    Google moved to prefixes with gemini-embedding-2 and replaces all older models by it. So later
    `gemini-embedding-…` models are assumed to read prefixes, and all others the parameter.
    """
    return "prefix" if model_id(name).startswith("gemini-embedding-") else "task_type"


def warn_of_task(name: str, task_type: str | None) -> None:
    """Warn if documents would be embedded as queries, which is how the API reads a missing task.

    Measured: without `taskType`, gemini-embedding-001 returns the vectors of RETRIEVAL_QUERY.
    """
    known = find_model(name)
    conditioning = known.conditioning if known else guess_conditioning(name)
    if task_type == "TASK_TYPE_UNSPECIFIED" and conditioning == "task_type":
        warn(
            f"{name!r} embeds documents of TASK_TYPE_UNSPECIFIED as RETRIEVAL_QUERY: leave out "
            "task_type for search, or name the task, such as SEMANTIC_SIMILARITY",
        )


def warn_of_model(name: str, *, vertexai: bool = False) -> None:
    """Warn of an unknown model, or of one that Google shuts down.

    Args:
        name: The model's name in any spelling.
        vertexai: Whether it is used on Vertex AI, to which the table's shutdown dates do not apply.
    """
    known = find_model(name)
    if known is None:
        warn(
            f"{name!r} is not a model that this version knows: its task is given by "
            f"{guess_conditioning(name)}, and its vector size is found by embedding a word. "
            "langchain_gemini_qdrant.embeddings.models lists the known models",
        )
    elif not vertexai and known.is_shut_down(datetime.now(UTC).date()):
        warn(
            f"Google announced the shutdown of {known.name!r} on the Gemini Developer API for "
            f"{known.shutdown}: use {known.replacement!r} and embed the stored texts again",
        )
