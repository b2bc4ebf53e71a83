"""Choose the hits of a search so that few of them have the same value in a metadata field.

The same search is repeated without the values that have enough hits, so that one long document can
fill neither the page nor the candidates. Qdrant's `query_points_groups` does that, too, but omits
points without the field, ends after ten searches, and in hybrid search the first hits of each
repetition get the scores of the best. Source:
https://github.com/qdrant/qdrant/blob/v1.19.0/lib/shard/src/grouping/driver.rs
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores._qdrant_errors import asks_to_split
from langchain_gemini_qdrant.vectorstores.filters import to_filter, value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._plan import Plan
    from langchain_gemini_qdrant.vectorstores._ranking import Ranking

_Value = tuple[bool, Any]  # whether it is a bool, as True == 1; and the value


async def grouped_points(
    collection: Collection, plan: Plan, ranking: Ranking, wanted: int
) -> list[models.ScoredPoint]:
    """Return the first `wanted` points of which at most `group_size` have the same value.

    A point with a list counts for each of its values. A point without a value, or whose value is an
    object, is never left out.
    """
    groups = _Groups(collection, ranking)
    chosen: list[models.ScoredPoint] = []
    condition: models.Filter | None = None
    while True:
        arguments = plan.arguments(condition) | {"limit": plan.candidates, "offset": 0}
        try:
            points = (await collection.client.query_points(collection.name, **arguments)).points
        except Exception as error:
            if condition is not None and asks_to_split(error):
                raise InvalidInputError(_too_long(collection, plan, len(chosen))) from error
            raise
        found = [point for point in _in_order(points) if groups.admits(point)]
        if plan.is_rescored and chosen:
            # The repeated search ranks without the earlier hits, which stay above its own.
            least = chosen[-1].score
            found = [p.model_copy(update={"score": min(p.score, least)}) for p in found]
        chosen += found
        is_last = len(chosen) >= wanted or len(points) < plan.candidates
        if is_last or not (found or groups.leaves_out(points)):
            return chosen[:wanted]
        condition = groups.others()


class _Groups:
    """How many points were admitted with each value."""

    def __init__(self, collection: Collection, ranking: Ranking) -> None:
        self._layout = collection.layout
        self._field = ranking.group_by or ""
        self._size = ranking.group_size
        self._most = collection.state.limits.listed
        self._ids: dict[_Value, list[models.ExtendedPointId]] = {}
        self._alone: list[models.ExtendedPointId] = []

    def admits(self, point: models.ScoredPoint) -> bool:
        """Admit a point unless one of its values has enough points."""
        values = set(self._values(point))
        if any(len(self._ids.get(value, ())) >= self._size for value in values):
            return False
        for value in values:
            self._ids.setdefault(value, []).append(point.id)
        if not values:
            self._alone.append(point.id)
        return True

    def leaves_out(self, points: list[models.ScoredPoint]) -> bool:
        """Leave out points that the filter finds though their values have enough points.

        A filter with many whole numbers finds 2.0 though 2 is left out, for example. Return whether
        there is a point that was not left out before.
        """
        new = {point.id for point in points}.difference(self._alone)
        self._alone += new
        return bool(new)

    def others(self) -> models.Filter:
        """Return the condition for points that were not seen and can still be admitted."""
        full, seen = [], [*self._alone]
        for (_, value), ids in self._ids.items():
            if len(ids) >= self._size:
                full.append(value)
            else:
                seen += ids
        excluded: list[Any] = [models.HasIdCondition(has_id=ids) for ids in self._parts(seen)]
        key = self._layout.metadata_key
        excluded += [to_filter({self._field: values}, key) for values in self._parts(full)]
        return models.Filter(must_not=excluded)

    def _parts(self, values: list[Any]) -> list[list[Any]]:
        """Return the values in lists that a condition may have."""
        most = self._most or len(values) or 1
        return [values[start : start + most] for start in range(0, len(values), most)]

    def _values(self, point: models.ScoredPoint) -> Iterator[_Value]:
        value = value_at(self._layout.metadata(point.payload or {}), self._field)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | int | float):
                yield isinstance(each, bool), each


def _too_long(collection: Collection, plan: Plan, found: int) -> str:
    return (
        f"group_by found {found} documents among {plan.candidates} candidates, and the strict mode "
        f"of collection {collection.name!r} does not allow the filter of a further search: raise "
        "fetch_k, lower k, or narrow the search with filter="
    )


def _in_order(points: Iterable[models.ScoredPoint]) -> Iterator[models.ScoredPoint]:
    """Yield points with equal scores in the order of their ids: engines return them in any."""
    for _, equal in groupby(points, key=lambda point: point.score):
        yield from sorted(equal, key=lambda point: str(point.id))
