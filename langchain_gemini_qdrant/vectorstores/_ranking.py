"""How the hits of a search are scored and chosen, beside their similarity: settings and checks."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import check_model
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.vectorstores._arguments import as_whole
from langchain_gemini_qdrant.vectorstores.filters import names_of
from langchain_gemini_qdrant.vectorstores.score_factors import ScoreFactor

OPTIONS = ("score_formula", "group_by", "group_size")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """A formula and groups; a store has defaults, which a call overrides.

    Attributes:
        score_formula: Qdrant's formula, or factors of the score; None leaves the scores.
        group_by: The metadata field whose values may be repeated only `group_size` times; None for
            no groups.
        group_size: Most hits with the same value.
    """

    score_formula: models.FormulaQuery | tuple[ScoreFactor, ...] | None = None
    group_by: str | None = None
    group_size: int = 1

    @property
    def has_own_scale(self) -> bool:
        """Whether the scores are those of Qdrant's formula, on a scale that only it defines."""
        return isinstance(self.score_formula, models.FormulaQuery)


def as_ranking(score_formula: object, group_by: object, group_size: object) -> Ranking:
    """Return checked settings.

    Raises:
        ConfigurationError: The formula or the field has a wrong type.
        InvalidInputError: A number is out of range.
    """
    return Ranking(
        score_formula=_as_formula(score_formula),
        group_by=_as_field(group_by),
        group_size=as_whole(group_size, "group_size"),
    )


def taken_from(options: MutableMapping[str, Any], defaults: Ranking) -> Ranking:
    """Take the settings out of a call's options; those that it does not name are the store's.

    Raises:
        ConfigurationError: The formula or the field has a wrong type.
        InvalidInputError: A number is out of range, or `group_size` has no `group_by`.
    """
    given = {name: options.pop(name) for name in OPTIONS if name in options}
    if not given:
        return defaults
    changed: dict[str, Any] = {}
    if "score_formula" in given:
        changed["score_formula"] = _as_formula(given["score_formula"])
    if "group_by" in given:
        changed["group_by"] = _as_field(given["group_by"])
    if "group_size" in given:
        changed["group_size"] = as_whole(given["group_size"], "group_size")
    ranking = replace(defaults, **changed)
    if "group_size" in given and ranking.group_by is None:
        raise InvalidInputError("group_size needs group_by, such as group_by='source'")
    return ranking


def refuse_with_mmr(ranking: Ranking) -> None:
    """Refuse a formula or groups, for a search by maximal marginal relevance.

    Raises:
        InvalidInputError: There is a formula, or there are groups.
    """
    for name in ("score_formula", "group_by"):
        if getattr(ranking, name) is not None:
            raise InvalidInputError(
                f"MMR chooses hits by their vectors, so {name} has no effect on it: pass "
                f"{name}=None to search without it, or use similarity_search"
            )


def _as_formula(value: object) -> models.FormulaQuery | tuple[ScoreFactor, ...] | None:
    if value is None:
        return None
    if isinstance(value, models.FormulaQuery):
        check_model(value, "score_formula")
        return value
    factors = (
        tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    )
    if not factors or not all(isinstance(factor, ScoreFactor) for factor in factors):
        raise ConfigurationError(
            "score_formula must be newer_first(...), boost(...), a list of these or a "
            f"models.FormulaQuery, got {value!r}"
        )
    return factors


def _as_field(value: object) -> str | None:
    if value is None:
        return None
    if names_of(value) is None or not isinstance(value, str):
        raise ConfigurationError(
            f"group_by must name a metadata field, such as 'source' or 'book.title', got {value!r}"
        )
    return value
