"""Options: what is wrong with them, in one line and without a secret, and which of them travel."""

from __future__ import annotations

import difflib
import pickle
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


T = TypeVar("T")


def picklable(value: T, name: str) -> T | None:
    """Return the value of an option, or None with a warning if it cannot be pickled."""
    try:
        pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - whatever an object says that cannot
        warnings.warn(
            f"{name} stays behind, as it cannot be pickled ({error}): what is unpickled has none",
            stacklevel=4,
        )
        return None
    return value


def describe_options(error: ValidationError, model: type[BaseModel]) -> str:
    """Say what was expected of each wrong option and what was found."""
    return "; ".join(_describe(dict(detail), model) for detail in error.errors())


def _describe(detail: dict[str, Any], model: type[BaseModel]) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, n=1)
        return f"unknown option {name!r}: " + (
            f"did you mean {near[0]!r}?"
            if near
            else f"options are {', '.join(sorted(model.model_fields))}"
        )
    if isinstance(cause := detail.get("ctx", {}).get("error"), ConfigurationError):
        return str(cause)
    found = "" if "key" in name else f", got {detail['input']!r}"
    return f"{name}: {detail['msg']}{found}"
