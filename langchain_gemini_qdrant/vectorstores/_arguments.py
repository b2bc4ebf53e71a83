"""Arguments of stores and searches, checked and converted once, when they are passed."""

from __future__ import annotations

import difflib
import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

import numpy as np
from langchain_core.vectorstores import VectorStoreRetriever
from pydantic import BaseModel, ValidationError
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.quantization import wrong_fields

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores._scores import FusionModel

EnumT = TypeVar("EnumT", bound=Enum)
ModelT = TypeVar("ModelT", bound=BaseModel)

_KINDS_FUSED = 2  # dense and sparse hits


# Settings


def as_member(kind: type[EnumT], value: object, name: str) -> EnumT:
    """Return a member of an enum, given as the member, its value or its name in any case.

    Raises:
        ConfigurationError: There is no such member.
    """
    for member in kind:
        if value is member:
            return member
        if isinstance(value, str) and value.lower() in {member.value.lower(), member.name.lower()}:
            return member
    known = ", ".join(repr(member.value) for member in kind)
    raise ConfigurationError(f"{name} must be one of {known}, got {value!r}")


def as_model(
    model: type[ModelT], fields: object, name: str, known: Mapping[str, object] | None = None
) -> ModelT:
    """Return a dict of fields as a model of qdrant-client; they override the known fields.

    Raises:
        ConfigurationError: It is not a dict, or a field is unknown or has a wrong value.
    """
    if not isinstance(fields, Mapping):
        raise ConfigurationError(
            f"{name} must be a dict with fields of models.{model.__name__}, got {fields!r}"
        )
    try:
        return model.model_validate({**(known or {}), **fields})
    except ValidationError as error:
        raise ConfigurationError(
            f"{name} has the fields {', '.join(model.model_fields)}: {wrong_fields(error, name)}"
        ) from error


def as_search_params(value: object) -> models.SearchParams | None:
    """Return search parameters, given as a model or as a dict of its fields.

    Raises:
        ConfigurationError: The value is neither.
    """
    if value is None or isinstance(value, models.SearchParams):
        return value
    return as_model(models.SearchParams, value, "search_params")


def as_fusion(value: object) -> FusionModel | None:
    """Return how hits are merged, given as a model, or as the name of RRF or DBSF.

    Raises:
        ConfigurationError: The value is neither, or has a number out of range.
    """
    if isinstance(value, str):  # also models.Fusion
        return models.FusionQuery(fusion=as_member(models.Fusion, value, "hybrid_fusion"))
    if value is None or isinstance(value, models.FusionQuery):
        return value
    if not isinstance(value, models.RrfQuery):
        raise ConfigurationError(
            "hybrid_fusion must be 'rrf', 'dbsf', a models.FusionQuery or a models.RrfQuery, got "
            f"{value!r}"
        )
    k, weights = value.rrf.k, value.rrf.weights
    if k is not None and k < 1:
        raise ConfigurationError(f"k of hybrid_fusion must be 1 or larger, got {k}")
    if weights is not None and not (
        len(weights) == _KINDS_FUSED
        and all(weight >= 0 and math.isfinite(weight) for weight in weights)
        and any(weights)
    ):
        raise ConfigurationError(
            "weights of hybrid_fusion must be two numbers, for dense and for sparse hits, 0 or "
            f"larger and one of them above 0, got {weights!r}"
        )
    return value


def check_embedding(embedding: object, name: str) -> None:
    """Refuse an object that cannot embed.

    Raises:
        ConfigurationError: It is a class, or has no method `embed_query`.
    """
    if embedding is None:
        return
    if inspect.isclass(embedding):
        raise ConfigurationError(
            f"{name} must be an object, got the class {embedding.__name__}: call it, "
            f"{embedding.__name__}(...)"
        )
    if not callable(getattr(embedding, "embed_query", None)):
        raise ConfigurationError(
            f"{name} must be an object that embeds, such as GeminiEmbeddings() for dense and "
            f"EdgeBm25() for sparse vectors, got {type(embedding).__name__}"
        )


def check_clients(client: object, async_client: object) -> None:
    """Refuse a sync client in place of an async one and vice versa, and any other object.

    Raises:
        ConfigurationError: A client has the wrong type.
    """
    given = (("client", client, QdrantClient), ("async_client", async_client, AsyncQdrantClient))
    for name, value, kind in given:
        if value is not None and not isinstance(value, kind):
            raise ConfigurationError(
                f"{name} must be an instance of {kind.__name__}, got {type(value).__name__}: "
                "client= serves sync and async use, async_client= takes an AsyncQdrantClient, and "
                "url= takes the address of a server"
            )


def check_name(value: object, name: str) -> None:
    """Refuse a value that is not a name.

    Raises:
        ConfigurationError: It is not a string, or is empty.
    """
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} must be a string that is not empty, got {value!r}")


def check_retriever(options: Mapping[str, object]) -> None:
    """Refuse options that LangChain's retriever would drop, or refuse with an unclear message.

    Raises:
        ConfigurationError: An option is not a field of a retriever, or the search type is unknown.
    """
    taken = VectorStoreRetriever.model_fields.keys() - {"vectorstore"}
    if others := sorted(options.keys() - taken):
        inside = ", ".join(f"{name!r}: ..." for name in others)
        hint = (
            f"options of the search go into search_kwargs, as_retriever(search_kwargs={{{inside}}})"
        )
        for name in others:  # search_params, of a search, is less similar to search_kwargs
            for near in difflib.get_close_matches(name, taken, n=1, cutoff=0.85):
                hint = f"did you mean {near!r}?"
        raise ConfigurationError(
            f"as_retriever takes {', '.join(sorted(taken))}, got also {', '.join(others)}: {hint}"
        )
    types = VectorStoreRetriever.allowed_search_types
    if options.get("search_type", "similarity") not in types:
        raise ConfigurationError(
            f"search_type must be one of {', '.join(map(repr, types))}, got "
            f"{options['search_type']!r}"
        )


def options_of(method: Callable[..., object], *given: str) -> frozenset[str]:
    """Return the options of a client's method, except those that we pass ourselves."""
    named = inspect.signature(method).parameters
    return frozenset(named) - {"self", "collection_name", "kwargs", *given}


def check_options(
    options: Mapping[str, object],
    taken: frozenset[str],
    what: str,
    *,
    ours: Sequence[str] = (),
    others: Mapping[str, str] | None = None,
) -> None:
    """Refuse options that a client would ignore, and name the most similar option.

    Args:
        options: The given options, without our own.
        taken: Names of options that are passed to the client.
        what: The call, in words.
        ours: Names of our own options of this call.
        others: Options of other calls, each with that call in words.

    Raises:
        TypeError: An option is unknown.
    """
    for name in sorted(options.keys() - taken):
        known, elsewhere = sorted({*taken, *ours}), others or {}
        if name in elsewhere:
            raise TypeError(f"{what} takes no option {name!r}: it is for {elsewhere[name]}")
        near = difflib.get_close_matches(name, {*known, *elsewhere}, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its options are {', '.join(known)}"
        raise TypeError(f"{what} takes no option {name!r}: {hint}")


# Numbers and vectors of a search


def as_whole(value: object, name: str, least: int = 1, most: int | None = None) -> int:
    """Return a whole number.

    Raises:
        InvalidInputError: The value is not a whole number, or out of range.
    """
    number: int | None = None
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):  # including NumPy's
        number = operator.index(value)
    if number is None or number < least or (most is not None and number > most):
        wanted = f"{least} or larger" if most is None else f"in {least}..{most}"
        raise InvalidInputError(f"{name} must be a whole number, {wanted}, got {value!r}")
    return number


def as_number(value: object, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a number.

    Raises:
        InvalidInputError: The value is not a number, NaN, or out of range.
    """
    number = float(value) if isinstance(value, Real) else math.nan
    if isinstance(value, bool) or not low <= number <= high:
        raise InvalidInputError(f"{name} must be a number in {low:g}..{high:g}, got {value!r}")
    return number


def as_vector(value: Any) -> list[float]:  # noqa: ANN401 - checked here
    """Return a vector to search with, given as any sequence of numbers or an array.

    Raises:
        InvalidInputError: The value is not a vector, or has a number that is not finite.
    """
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(())
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise InvalidInputError(
            "a search by vector needs a list of finite numbers, such as embed_query returns, got "
            f"{type(value).__name__}"
        )
    numbers: list[float] = vector.tolist()
    return numbers
