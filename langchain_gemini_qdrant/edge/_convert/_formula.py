"""Formulas that compute scores, in qdrant-client's form -> the engine's.

Each kind of expression is a model with one field, and the engine's function has the field's name;
`_EXCEPTIONS` has those that take several arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from langchain_gemini_qdrant._portable import portable_condition
from langchain_gemini_qdrant._qdrant_values import python_number
from langchain_gemini_qdrant.edge._convert._models import EdgeObject, to_edge
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrant_client import models

_CONDITIONS = (
    "FieldCondition",
    "Filter",
    "HasIdCondition",
    "HasVectorCondition",
    "IsEmptyCondition",
    "IsNullCondition",
    "NestedCondition",
    "SliceCondition",
)


def edge_formula(query: models.FormulaQuery) -> EdgeObject:
    """Return the engine's form of a formula with its defaults.

    Defaults are converted to JSON, as qdrant-client does for a server.
    """
    with conversion_errors("formula"):
        defaults = to_jsonable_python(query.defaults or {}, fallback=python_number)
        for variable, value in defaults.items():
            if variable.startswith("$") and type(value) not in {int, float}:
                raise InvalidInputError(
                    f"formula: the default of {variable!r} must be a number, got {value!r}"
                )
        return engine().Formula(_expression(query.formula), defaults)


def _expression(expression: object) -> EdgeObject:
    kinds = engine().Expression
    if isinstance(expression, str):
        return kinds.Variable(expression)
    if isinstance(expression, int | float):
        return kinds.Constant(float(expression))
    if type(expression).__name__ in _CONDITIONS:
        condition: Any = expression
        return kinds.Condition(to_edge(portable_condition(condition)))
    ((field, value),) = dict(expression).items()  # type: ignore[call-overload] # one-field models
    if field in _EXCEPTIONS:
        return _EXCEPTIONS[field](value)
    function = getattr(kinds, field.title().replace("_", ""))
    if field.startswith("datetime"):
        return function(value)
    return function(
        [_expression(e) for e in value] if isinstance(value, list) else _expression(value)
    )


def _decay(kind: str) -> Callable[[models.DecayParamsExpression], EdgeObject]:
    return lambda params: engine().Expression.Decay(
        getattr(engine().DecayKind, kind),
        _expression(params.x),
        None if params.target is None else _expression(params.target),
        params.midpoint,
        params.scale,
    )


_EXCEPTIONS: dict[str, Callable[[Any], EdgeObject]] = {
    "div": lambda params: engine().Expression.Div(
        _expression(params.left), _expression(params.right), params.by_zero_default
    ),
    "exp_decay": _decay("Exp"),
    "gauss_decay": _decay("Gauss"),
    "geo_distance": lambda params: engine().Expression.GeoDistance(
        to_edge(params.origin), params.to
    ),
    "lin_decay": _decay("Lin"),
    "pow": lambda params: engine().Expression.Pow(
        _expression(params.base), _expression(params.exponent)
    ),
}
