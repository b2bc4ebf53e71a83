"""Factors that change the scores of a search: newer documents first, and boosts by metadata.

The factors of a store or a search become one formula, which Qdrant computes for each candidate:
https://qdrant.tech/documentation/concepts/hybrid-queries/#score-boosting
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores._arguments import as_number
from langchain_gemini_qdrant.vectorstores.filters import Filter, metadata_field, to_filter

_LARGEST_FACTOR = 1e6  # so that products of several stay within Qdrant's 32-bit scores
_SMALLEST_HALF_LIFE = 1e-6  # seconds: Qdrant's dates are in microseconds


class ScoreFactor(ABC):
    """A number, different for each document, that a search multiplies scores by.

    `newer_first` and `boost` make score factors. They are values: they can be shared by stores with
    different payload keys, compared and copied.
    """

    @abstractmethod
    def expression(self, metadata_key: str) -> models.Expression:
        """Return the factor as an expression for a formula of your own.

        Args:
            metadata_key: The payload key of the metadata: `"metadata"`, unless the store has a
                different `metadata_payload_key`; empty if the payload itself is the metadata.
        """


ScoreFormula: TypeAlias = models.FormulaQuery | ScoreFactor | Sequence[ScoreFactor]
"""How a search computes scores: one or more factors, or Qdrant's own formula."""


@dataclass(frozen=True)
class _NewerFirst(ScoreFactor):
    key: str
    half_life: float
    weight: float
    now: datetime | None
    undated: float
    unix_time: bool

    def expression(self, metadata_key: str) -> models.Expression:
        key = metadata_field(self.key, metadata_key)
        now = self.now or datetime.now(UTC)
        date: models.Expression = models.DatetimeKeyExpression(datetime_key=key)
        past: Any = models.DatetimeRange(lte=now)
        future: Any = models.DatetimeRange(gt=now)
        if self.unix_time:
            date = key
            past, future = models.Range(lte=now.timestamp()), models.Range(gt=now.timestamp())
        # Also for numbers: an engine's constants have 32 bits, which is up to 64 s off today.
        today = models.DatetimeExpression(datetime=now.isoformat())
        decay = models.ExpDecayExpression(
            exp_decay=models.DecayParamsExpression(
                x=date, target=today, scale=self.half_life, midpoint=0.5
            )
        )
        # Qdrant fails on a value that is no date. It does not compute the factors after a 0, so the
        # condition in front of the decay keeps such values away from it.
        freshness = [
            self.undated,
            _product(_one_value(key, past), _sum(decay, -self.undated)),
            _product(_one_value(key, future), 1.0 - self.undated),
        ]
        return _sum(1.0 - self.weight, _product(self.weight, _sum(*freshness)))

    @property
    def indexes(self) -> tuple[str, ...]:
        """The types of index from which Qdrant reads the dates, or past which it reads them."""
        return ("float", "integer", "text") if self.unix_time else ("datetime", "keyword", "text")


@dataclass(frozen=True)
class _Boost(ScoreFactor):
    filter: Filter
    factor: float

    def expression(self, metadata_key: str) -> models.Expression:
        condition = to_filter(self.filter, metadata_key)
        assert condition is not None  # noqa: S101 - boost() has refused an empty filter
        return _sum(1.0, _product(condition, self.factor - 1.0))


def newer_first(
    key: str,
    half_life: timedelta | float,
    *,
    weight: float = 1.0,
    now: datetime | None = None,
    undated: float = 0.5,
    unix_time: bool = False,
) -> ScoreFactor:
    """Return a score factor with which newer documents come first.

    A document's score is multiplied by `1 - weight + weight * 0.5 ** (age / half_life)`: with
    `weight=1`, by 1 if it is new, by 0.5 after one half-life and by 0.25 after two. A date in the
    future counts as new.

    Args:
        key: The metadata field with the date, named as in dict filters. Its values are datetimes or
            strings in ISO 8601, such as `"2026-03-01"` or `"2026-03-01T12:00:00+02:00"`; without a
            time zone they are in UTC.
        half_life: The age at which the score is halved, as a `timedelta` or in seconds.
        weight: How much age counts, from 0 (not at all) to 1. With 0.5, the oldest document keeps
            half of its score.
        now: The time from which ages are counted, in UTC if it has no time zone; None is the time
            of each search.
        undated: What stands for `0.5 ** (age / half_life)` if a document has no date, a value that
            is not a date, or a list of several values: from 0 (very old) to 1 (new). The default
            0.5 is that of a document one half-life old.
        unix_time: Whether the dates are numbers: seconds since 1970-01-01 in UTC.

    Returns:
        The factor, for `score_formula` of a store, a search or a retriever's `search_kwargs`. If
        the field has an index of a type without such dates, the search raises
        `CollectionMismatchError`.

    Raises:
        InvalidInputError: The key does not name a field, or a number is out of range.
    """
    metadata_field(key, "")
    seconds = half_life.total_seconds() if isinstance(half_life, timedelta) else half_life
    seconds = as_number(seconds, "half_life", _SMALLEST_HALF_LIFE, timedelta.max.total_seconds())
    if now is not None and not isinstance(now, datetime):
        raise InvalidInputError(f"now must be a datetime, got {now!r}")
    if now is not None:
        try:
            now = now.replace(tzinfo=UTC) if now.utcoffset() is None else now.astimezone(UTC)
        except OverflowError as error:
            message = f"now must be in the years 1..9999 in UTC, got {now!r}"
            raise InvalidInputError(message) from error
    return _NewerFirst(
        key=key,
        half_life=seconds,
        weight=as_number(weight, "weight", 0.0, 1.0),
        now=now,
        undated=as_number(undated, "undated", 0.0, 1.0),
        unix_time=bool(unix_time),
    )


def boost(filter: Filter, factor: float) -> ScoreFactor:
    """Return a score factor that raises or lowers the documents that match a filter.

    Args:
        filter: Conditions on the metadata, such as `{"source": "handbook.pdf"}`, or Qdrant's
            `Filter`. Documents that do not match keep their scores; none is left out.
        factor: The number that multiplies a matching document's score, from 0.000001 to 1,000,000:
            above 1 raises it, below 1 lowers it.

    Returns:
        The factor, for `score_formula` of a store, a search or a retriever's `search_kwargs`.

    Raises:
        InvalidInputError: The filter is empty or not valid, or the factor is out of range.
    """
    if to_filter(filter, "") is None:
        raise InvalidInputError(
            "boost needs a filter with a condition, such as {'source': 'handbook.pdf'}, got "
            f"{filter!r}"
        )
    number = as_number(factor, "factor", 1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
    return _Boost(filter=deepcopy(filter), factor=number)


def formula_of(
    given: models.FormulaQuery | tuple[ScoreFactor, ...],
    metadata_key: str,
    distance: models.Distance | None,
    size: int,
) -> models.FormulaQuery:
    """Return the formula for one search.

    Factors multiply a score that is above 0, and leave one below 0, of an unrelated document,
    unchanged: a factor below 1 must not raise it. A distance is first converted to a similarity, as
    `_scores.relevance` does, but without the limit at 0.

    Args:
        given: The factors, or a formula, which is returned as it is.
        metadata_key: The payload key of the metadata.
        distance: How dense vectors are compared; None for sparse or fused scores.
        size: Length of the dense vectors.
    """
    if isinstance(given, models.FormulaQuery):
        return given
    score: models.Expression = "$score"
    if distance is models.Distance.EUCLID:
        score = _sum(1.0, _product(-1.0 / math.sqrt(2.0), "$score"))
    elif distance is models.Distance.MANHATTAN:
        score = _sum(1.0, _product(-1.0 / math.sqrt(2.0 * size), "$score"))
    size_of_score = models.AbsExpression(abs=score)
    factors = [factor.expression(metadata_key) for factor in given]
    positive = _product(0.5, _sum(score, size_of_score), *factors)
    negative = _product(0.5, _sum(score, models.NegExpression(neg=size_of_score)))
    return models.FormulaQuery(formula=_sum(positive, negative))


def unfit_index(
    factors: Sequence[ScoreFactor], metadata_key: str, indexes: Mapping[str, str]
) -> tuple[str, str, str] | None:
    """Return the payload key of a factor's dates, the index that it needs, and the one it has."""
    for factor in factors:
        if isinstance(factor, _NewerFirst):
            key = metadata_field(factor.key, metadata_key)
            if key in indexes and indexes[key] not in factor.indexes:
                return key, factor.indexes[0], indexes[key]
    return None


def _one_value(key: str, bounds: models.Range | models.DatetimeRange) -> models.Filter:
    """Return the condition that a field has one value, within the bounds."""
    single = models.FieldCondition(key=key, values_count=models.ValuesCount(lt=2))
    return models.Filter(must=[models.FieldCondition(key=key, range=bounds), single])


def _sum(*terms: models.Expression) -> models.Expression:
    return models.SumExpression(sum=list(terms))


def _product(*factors: models.Expression) -> models.Expression:
    return models.MultExpression(mult=list(factors))
