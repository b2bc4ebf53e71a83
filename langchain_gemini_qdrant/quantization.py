"""Quantization: what a collection is created with, and what its searches then need.

Pure functions over qdrant-client's models.
"""

from __future__ import annotations

from typing import Literal

from qdrant_client import models

from langchain_gemini_qdrant.errors import ConfigurationError

Quantization = Literal["binary"] | models.QuantizationConfig
"""A preset's name or qdrant-client's own model."""

OVERSAMPLING = 3.0
"""Candidates fetched by their codes, as a multiple of `k`, before rescoring with full vectors.

Qdrant's page for Gemini reports a recall@10 of 0.95 at 3, 0.83 at 1:
https://qdrant.tech/documentation/embeddings/gemini/
"""

_BINARY = models.BinaryQuantization(
    binary=models.BinaryQuantizationConfig(
        # `always_ram` and not its successor `memory`, which servers before 1.18 do not know.
        always_ram=True,
        # The query keeps 8 bits for each component, the stored vector 1: recall rises at no cost
        # in memory (servers since 1.15; older ones leave it out).
        query_encoding=models.BinaryQuantizationQueryEncoding.SCALAR8BITS,
    )
)

# Fields that do not change what is stored: where codes lie, and how queries are encoded.
_NOT_STORED = {"always_ram", "memory", "query_encoding"}


def quantization_config(quantization: Quantization) -> models.QuantizationConfig:
    """Return the collection's setting for a preset's name, or the setting given.

    Raises:
        ConfigurationError: No preset has this name, or it is none of qdrant-client's models.
    """
    if isinstance(
        quantization,
        (
            models.BinaryQuantization,
            models.ScalarQuantization,
            models.ProductQuantization,
            models.TurboQuantization,
        ),
    ):
        return quantization
    if quantization == "binary":
        return _BINARY.model_copy(deep=True)
    raise ConfigurationError(
        "quantization must be None, 'binary' or a qdrant_client.models.QuantizationConfig, got "
        f"{quantization!r}"
    )


def search_params_for(config: models.QuantizationConfig | None) -> models.SearchParams | None:
    """Return the search settings that a collection quantized so needs, None for plain vectors."""
    if config is None:
        return None
    oversampling = OVERSAMPLING if isinstance(config, models.BinaryQuantization) else None
    return models.SearchParams(
        quantization=models.QuantizationSearchParams(rescore=True, oversampling=oversampling)
    )


def merge_search_params(
    default: models.SearchParams | None, override: models.SearchParams | None
) -> models.SearchParams | None:
    """Return `override` with the fields that it leaves unset taken from `default`.

    The fields of `quantization` are merged one by one too, so a call that sets `rescore` alone
    keeps the store's oversampling.
    """
    if default is None or override is None:
        return override or default
    merged = default.model_dump(exclude_unset=True) | override.model_dump(exclude_unset=True)
    if default.quantization is not None and override.quantization is not None:
        merged["quantization"] = default.quantization.model_dump(
            exclude_unset=True
        ) | override.quantization.model_dump(exclude_unset=True)
    return models.SearchParams.model_validate(merged)


def stored_alike(
    one: models.QuantizationConfig | None, other: models.QuantizationConfig | None
) -> bool:
    """Say whether two settings store the same codes."""
    return _stored_form(one) == _stored_form(other)


def _stored_form(config: models.QuantizationConfig | None) -> dict[str, object]:
    if config is None:
        return {}
    [(kind, settings)] = config.model_dump(mode="json", exclude_none=True).items()
    form = {key: value for key, value in settings.items() if key not in _NOT_STORED}
    if kind == "binary":
        form.setdefault("encoding", "one_bit")
    return {kind: form}
