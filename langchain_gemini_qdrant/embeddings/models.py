"""What each Gemini embedding model allows, and who says so.

Sources, read in November 2026:
- sizes, limits, conditioning, normalisation: https://ai.google.dev/gemini-api/docs/embeddings
- shutdown dates and replacements: https://ai.google.dev/gemini-api/docs/deprecations
- models of Vertex AI alone:
  https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
- prices: https://ai.google.dev/gemini-api/docs/pricing
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant._warnings import warn

DEFAULT_MODEL = "gemini-embedding-2"
"""The newest model, and the one that Google names as replacement of all others."""

MAX_BATCH_SIZE = 100
"""Texts in one request; the API answers 400 `at most 100 requests can be in one batch`."""

Conditioning = Literal["task_type", "prefix", "none"]

# As the Developer API, Vertex AI and gateways spell Google's models, with a version or without.
_RESOURCE_NAME = re.compile(
    r"(?:models/|google/|(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/)?"
    r"(?P<id>[^/@]+)(?:@[^/@]*)?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeminiModel(Displayed):
    """Limits and habits of one embedding model.

    Attributes:
        name: Without `models/`.
        output_dimensionality: Length of its vectors where none is asked for.
        dimensionalities: Lowest and highest length that can be asked for; equal where the model
            has one size only.
        max_input_tokens: Tokens it reads of one text; the API cuts the rest without a word.
        conditioning: How it learns the task: from the parameter `task_type`, from a text prefix,
            or not at all.
        shutdown: First day on which the Gemini Developer API may switch it off, None where none is
            announced. Vertex AI has dates of its own: text-embedding-004 answers there still.
        usd_per_million_tokens: Price of text input, None where it is no longer sold by the token.
        vertex_only: The Gemini Developer API does not have it.
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

    def is_shut_down(self, today: date) -> bool:
        """Return whether the shutdown date on the Gemini Developer API has come."""
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
        ),
        GeminiModel(
            name="gemini-embedding-2-preview",
            output_dimensionality=3072,
            dimensionalities=(128, 3072),
            max_input_tokens=8192,
            conditioning="prefix",
            shutdown=date(2026, 8, 10),
            replacement="gemini-embedding-2",
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
    """Return a model's name alone, as `gemini-embedding-2`: equal for all spellings of one model.

    Args:
        name: Also `models/...`, `google/...`, a resource name of Vertex AI
            (`projects/p/locations/l/publishers/google/models/...`), and each with `@version`.
            Anything else, such as an endpoint or another publisher's model, is returned as it is.
    """
    match = _RESOURCE_NAME.fullmatch(name)
    return name if match is None else match["id"]


def find_model(name: str) -> GeminiModel | None:
    """Return what is known of a model, by any spelling of its name; see `model_id`."""
    return GEMINI_MODELS.get(model_id(name))


def guess_conditioning(name: str) -> Conditioning:
    """Return how a model that is not in the table most likely learns the task.

    Google moved to prefixes with gemini-embedding-2 and replaces all older models by it, so later
    `gemini-embedding-…` are taken to follow; anything else is taken for the older kind.
    """
    return "prefix" if model_id(name).startswith("gemini-embedding-") else "task_type"


def warn_of_task(name: str, task_type: str | None) -> None:
    """Warn where documents would be embedded as queries: the API's reading of no task at all.

    Measured: without `taskType`, gemini-embedding-001 answers byte for byte as for RETRIEVAL_QUERY.
    """
    known = find_model(name)
    conditioning = known.conditioning if known else guess_conditioning(name)
    if task_type == "TASK_TYPE_UNSPECIFIED" and conditioning == "task_type":
        warn(
            f"{name!r} embeds documents of TASK_TYPE_UNSPECIFIED as RETRIEVAL_QUERY: leave out "
            "task_type for search, or name the task, such as SEMANTIC_SIMILARITY",
        )


def warn_of_model(name: str, *, vertexai: bool = False) -> None:
    """Warn of a model that this version does not know, or that Google switches off.

    Args:
        name: By any spelling.
        vertexai: It is asked on Vertex AI, where the table's shutdown dates do not hold.
    """
    known = find_model(name)
    if known is None:
        warn(
            f"{name!r} is not a model this version knows: its task is given by "
            f"{guess_conditioning(name)} and its vector size is found by embedding a word. "
            "langchain_gemini_qdrant.embeddings.models lists the known ones",
        )
    elif not vertexai and known.is_shut_down(datetime.now(UTC).date()):
        warn(
            f"Google announced the shutdown of {known.name!r} on the Gemini Developer API for "
            f"{known.shutdown}: use {known.replacement!r} and embed the stored texts again",
        )
