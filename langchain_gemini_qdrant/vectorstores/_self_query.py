"""Translate LangChain's structured queries, which a model makes of questions, to filters."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from langchain_core.structured_query import Comparator, Comparison, Operation, Operator, Visitor
from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    from langchain_core.structured_query import Expr, StructuredQuery

    from langchain_gemini_qdrant.vectorstores.filters import Filter


class GeminiQdrantTranslator(Visitor):
    """Translates the filters of LangChain's `SelfQueryRetriever` for `GeminiQdrantVectorStore`.

    ```python
    SelfQueryRetriever.from_llm(
        model, store, "Films", attributes, structured_query_translator=GeminiQdrantTranslator()
    )
    ```

    - `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in` and `nin` become `$eq`, `$ne` and so on.
    - A date means that whole day in UTC: a time on that day is equal to it, and not after it.
    - `like` finds texts with these words (without a text index, a server finds texts with this
      exact part); a surrounding `%` is left out. `contain` finds lists with this element, or with
      all elements of a given list, and texts as `like` does.
    - If a question only filters, no text remains to search with, and Gemini does not embed blank
      texts: the filter's names and values are the search text.

    Args:
        metadata_payload_key: The store's `metadata_payload_key`.
    """

    allowed_comparators = tuple(Comparator)
    allowed_operators = tuple(Operator)

    def __init__(self, metadata_payload_key: str = "metadata") -> None:
        self._metadata_key = metadata_payload_key

    def visit_structured_query(
        self, structured_query: StructuredQuery
    ) -> tuple[str, dict[str, Filter]]:
        """Return the text to search with, and the filter if there is one."""
        query, condition = structured_query.query, structured_query.filter
        if condition is None:
            return query, {}
        return query if query.strip() else _in_words(condition), {"filter": condition.accept(self)}

    def visit_operation(self, operation: Operation) -> Filter:
        """Return the filter of a logical operator; `not` of several conditions excludes each."""
        self._validate_func(operation.operator)
        conditions = [each.accept(self) for each in operation.arguments]
        if operation.operator == Operator.NOT:
            return {"$not": {"$or": conditions}}
        return {f"${operation.operator.value}": conditions}

    def visit_comparison(self, comparison: Comparison) -> Filter:
        """Return the filter of a comparison.

        Raises:
            InvalidInputError: A date does not exist.
        """
        self._validate_func(comparison.comparator)
        field, comparator, value = comparison.attribute, comparison.comparator, comparison.value
        if comparator in _OPPOSITES:
            return {"$not": Comparison(_OPPOSITES[comparator], field, value).accept(self)}
        if comparator not in _OF_EACH or not isinstance(value, list | tuple):
            return self._compared(field, comparator, value)
        if not value:
            return {field: {"$in": []}}
        operator, of_each = _OF_EACH[comparator]
        return {operator: [self._compared(field, of_each, each) for each in value]}

    def _compared(self, field: str, comparator: Comparator, value: Any) -> Filter:  # noqa: ANN401
        if isinstance(value, dict) and value.keys() & _TIMES:
            return {field: _bounds(comparator, value)}
        if comparator == Comparator.LIKE:
            return self._like(field, value)
        if comparator == Comparator.CONTAIN and isinstance(value, str):
            return {"$or": [{field: value}, self._like(field, value)]}
        operator = comparator.value if comparator in _ORDERS else "eq"
        return {field: {f"${operator}": value}}

    def _like(self, field: str, value: object) -> models.Filter:
        key = metadata_field(field, self._metadata_key)
        match = models.MatchText(text=str(value).strip("%"))
        return models.Filter(must=[models.FieldCondition(key=key, match=match)])


_TIMES = frozenset({"date", "datetime"})  # keys of LangChain's parser
_ORDERS = frozenset({Comparator.GT, Comparator.GTE, Comparator.LT, Comparator.LTE})
_OPPOSITES = {Comparator.NE: Comparator.EQ, Comparator.NIN: Comparator.IN}
_OF_EACH = {
    Comparator.IN: ("$or", Comparator.EQ),
    Comparator.CONTAIN: ("$and", Comparator.CONTAIN),
}


def _bounds(comparator: Comparator, value: dict[str, str]) -> dict[str, Any]:
    """Return the condition for a time, or for all times of a day."""
    by_comparator: dict[Comparator, dict[str, Any]]
    if "date" in value:
        try:
            day = date.fromisoformat(value["date"])
        except ValueError as error:
            raise InvalidInputError(f"there is no date {value['date']!r}") from error
        last = datetime.combine(day, time.max, UTC)
        by_comparator = {
            Comparator.GT: {"$gt": last},
            Comparator.GTE: {"$gte": day},
            Comparator.LT: {"$lt": day},
            Comparator.LTE: {"$lte": last},
        }
    else:
        by_comparator = {each: {f"${each.value}": value["datetime"]} for each in _ORDERS}
    equal = by_comparator[Comparator.GTE] | by_comparator[Comparator.LTE]
    return by_comparator.get(comparator, equal)


def _in_words(condition: Expr) -> str:
    """Return the names and values in a filter."""
    if isinstance(condition, Operation):
        return " ".join(map(_in_words, condition.arguments))
    asked: Any = condition
    values = asked.value if isinstance(asked.value, list | tuple) else [asked.value]
    words = [
        each.get("date") or each.get("datetime") if isinstance(each, dict) else each
        for each in values
    ]
    return " ".join(map(str, [asked.attribute, *words]))
