"""The embedding models of the Gemini Developer API: sizes, limits and behavior.

Sources: https://ai.google.dev/gemini-api/docs/embeddings,
https://ai.google.dev/gemini-api/docs/deprecations
"""

from __future__ import annotations

from dataclasses import dataclass

_METHODS = ("embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent")


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """Properties of one model.

    Attributes:
        name: Resource name, `models/...`.
        size: Components of its vectors, unless fewer are requested.
        can_shorten: Whether it accepts `outputDimensionality`.
        input_tokens: Input limit; longer texts are silently truncated.
        reads_prefixes: Whether the task is a prefix of the text, and `taskType` and `title` are
            ignored.
        reports_usage: Whether its answers on the Developer API have `usageMetadata`.
        normalizes: Whether shortened vectors have length 1, too.
        space: Models with the same space return the same vectors; by default its own name.
        unrelated: Cosine of two unrelated texts. Recorded answers
            of 2025 and 2026 have 0.44 to 0.62 (median 0.527) with gemini-embedding-001, 0.61 to
            0.90 with gemini-embedding-2, 0.64 to 0.94 with embedding-001; there is no recording of
            text-embedding-004.
        retired: Whether Google now answers 404.
        quota_name: Its name in quota errors.
        methods: `supportedGenerationMethods`.
    """

    name: str
    display_name: str
    version: str = "001"
    size: int = 3072
    can_shorten: bool = True
    input_tokens: int = 2048
    reads_prefixes: bool = False
    reports_usage: bool = False
    normalizes: bool = False
    space: str = ""
    unrelated: float = 0.527
    retired: bool = False
    quota_name: str = ""
    description: str = "Obtain a distributed representation of a text."
    methods: tuple[str, ...] = _METHODS

    def resource(self) -> dict[str, object]:
        """The answer of `models.get` for this model."""
        return {
            "name": self.name,
            "version": self.version,
            "displayName": self.display_name,
            "description": self.description,
            "inputTokenLimit": self.input_tokens,
            "outputTokenLimit": 1,
            "supportedGenerationMethods": list(self.methods),
        }


_ALL = (
    Model(
        name="models/embedding-gecko-001",
        display_name="Embedding Gecko",
        size=768,
        input_tokens=1024,
        retired=True,
        methods=("embedText", "countTextTokens"),
    ),
    Model(
        name="models/embedding-001",
        display_name="Embedding 001",
        size=768,
        can_shorten=False,
        normalizes=True,
        unrelated=0.75,
        retired=True,
    ),
    Model(
        name="models/text-embedding-004",
        display_name="Text Embedding 004",
        version="004",
        size=768,
        normalizes=True,
        retired=True,
    ),
    Model(
        name="models/gemini-embedding-exp-03-07",
        display_name="Gemini Embedding Experimental 03-07",
        version="exp-03-07",
        input_tokens=8192,
        retired=True,
    ),
    Model(
        name="models/gemini-embedding-exp",
        display_name="Gemini Embedding Experimental",
        version="exp-03-07",
        input_tokens=8192,
        retired=True,
    ),
    Model(
        name="models/gemini-embedding-001",
        display_name="Gemini Embedding 001",
        quota_name="gemini-embedding-1.0",
    ),
    Model(
        name="models/gemini-embedding-2-preview",
        display_name="Gemini Embedding 2 Preview",
        version="2",
        description="Obtain a distributed representation of multimodal content.",
        input_tokens=8192,
        reads_prefixes=True,
        reports_usage=True,
        normalizes=True,
        space="gemini-embedding-2",
        unrelated=0.74,
    ),
    Model(
        name="models/gemini-embedding-2",
        display_name="Gemini Embedding 2",
        version="2",
        description="Obtain a distributed representation of multimodal content.",
        input_tokens=8192,
        reads_prefixes=True,
        reports_usage=True,
        normalizes=True,
        space="gemini-embedding-2",
        unrelated=0.74,
    ),
)

MODELS = {model.name: model for model in _ALL}
