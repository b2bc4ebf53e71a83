"""Checks, error messages and pickling of options; messages contain no secrets."""

from __future__ import annotations

import difflib
import os
import pickle
import re
import warnings
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, SecretStr, ValidationInfo

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant.embeddings.tasks import TaskType, parse_task_type
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import ValidationError

    from langchain_gemini_qdrant._display import Printer

T = TypeVar("T")

# Empty values of these options count as not set. For an address or project, None means none.
_EMPTY: dict[str, tuple[object, ...]] = {
    "api_key": ("", None),
    "google_api_key": ("", None),
    "base_url": ("",),
    "project": ("",),
    "location": ("",),
}

_OWN_CLIENT = "pass client=google.genai.Client(api_key=..., http_options=...), which accepts it"
_INSTEAD = {
    "request_options": "pass timeout=, in seconds",
    "client_options": "pass its api_endpoint as base_url=",
    "client_args": _OWN_CLIENT,
    "additional_headers": _OWN_CLIENT,
    "api_version": _OWN_CLIENT,
}
"""Options of langchain-google-genai, with their replacements here."""


_PASSWORD = re.compile(r"(?<=://)[^/?#]+@")


def given_options(options: object) -> object:
    """Return a constructor's options without empty ones.

    Raises:
        ConfigurationError: Both `api_key` and `google_api_key` are given.
    """
    if not isinstance(options, dict):
        return options
    given = {
        name: value
        for name, value in options.items()
        if name not in _EMPTY or _without_blanks(value) not in _EMPTY[name]
    }
    if "api_key" in given and "google_api_key" in given:
        raise ConfigurationError(
            "api_key and google_api_key are two names of one option, got both: leave out one"
        )
    return given


def _without_blanks(value: object) -> object:
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    return value.strip() if isinstance(value, str) else value


def clean_key(key: str | SecretStr, name: str) -> str:
    """Return a key without surrounding blanks and line breaks, as it is sent in a header.

    Raises:
        ConfigurationError: A header cannot contain it, or it is the mask that dumps show.
    """
    key = (key.get_secret_value() if isinstance(key, SecretStr) else key).strip()
    wrong = next((i for i, c in enumerate(key) if not (c.isascii() and c.isprintable())), None)
    if wrong is not None:
        raise ConfigurationError(
            f"{name} must have only printable ASCII characters, as it is sent in a header, found "
            f"U+{ord(key[wrong]):04X} at character {wrong + 1} of {len(key)}: copy it again"
        )
    if key and not key.strip("*"):
        raise ConfigurationError(
            f"{name} is masked, as in the output of model_dump_json(): pass the key itself, or "
            "leave it out to take the environment's"
        )
    return key


def clean_word(value: str, name: str) -> str:
    """Return an address or a name without surrounding blanks and line breaks.

    Raises:
        ConfigurationError: It contains blanks or line breaks.
    """
    value = value.strip()
    wrong = next((i for i, c in enumerate(value) if c.isspace() or not c.isprintable()), None)
    if wrong is not None:
        raise ConfigurationError(
            f"{name} must have no blanks, line breaks or invisible characters, found "
            f"U+{ord(value[wrong]):04X} at character {wrong + 1} of {len(value)}"
        )
    return value


def variable(*names: str) -> str | None:
    """Return the first of these environment variables that is set and not empty, or None.

    Raises:
        ConfigurationError: Its value contains a blank or a line break.
    """
    for name in names:
        if value := os.environ.get(name, "").strip():
            return clean_word(value, name)
    return None


def from_environment(*names: str) -> Callable[[], str | None]:
    """Return a default factory that reads environment variables by `variable`."""
    return lambda: variable(*names)


def environments_key() -> SecretStr | None:
    """Return the API key of the environment, None if there is none.

    Raises:
        ConfigurationError: A header cannot contain it.
    """
    names = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    for name in names:
        if key := clean_key(os.environ.get(name, ""), name):
            return SecretStr(key)
    return None


def _clean_key(key: SecretStr) -> SecretStr:
    return SecretStr(clean_key(key, "api_key"))


def _clean_word(value: str, info: ValidationInfo) -> str:
    return clean_word(value, str(info.field_name))


def _any_case(task_type: object) -> object:
    return parse_task_type(task_type) if isinstance(task_type, str) else task_type


Key = Annotated[SecretStr, AfterValidator(_clean_key)]
Word = Annotated[str, AfterValidator(_clean_word)]
Task = Annotated[TaskType, BeforeValidator(_any_case)]


class DisplayedOptions(Displayed):
    """Options whose `repr` hides passwords in addresses.

    A notebook shows the model and the other options that were given, except the key.
    """

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        for name, value in cast("BaseModel", super()).__repr_args__():
            yield name, _PASSWORD.sub("***@", value) if isinstance(value, str) else value

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:  # noqa: ARG002, FBT001 - IPython's
        printer.text(repr(self))

    def _facts(self) -> dict[str, object]:
        own = cast("BaseModel", self)
        given = {"model", *own.model_fields_set} - {"api_key"}
        return {str(name): value for name, value in own.__repr_args__() if name in given}


def picklable(value: T, name: str) -> T | None:
    """Return the value of an option, or None with a warning if it cannot be pickled."""
    try:
        pickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - objects may raise anything
        warnings.warn(
            f"{name} is left out, as it cannot be pickled ({error}): the unpickled object has none",
            stacklevel=4,
        )
        return None
    return value


def describe_options(error: ValidationError, model: type[BaseModel]) -> str:
    """Return what was expected and what was found for each wrong option."""
    return "; ".join(_describe(dict(detail), model) for detail in error.errors())


def _describe(detail: dict[str, Any], model: type[BaseModel]) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"unknown option {name!r}: {_INSTEAD.get(name) or _near(name, model)}"
    if isinstance(cause := detail.get("ctx", {}).get("error"), ConfigurationError):
        return str(cause)
    found = "" if "key" in name else f", got {detail['input']!r}"
    return f"{name}: {detail['msg']}{found}"


def _near(name: str, model: type[BaseModel]) -> str:
    """Return a hint: the option most similar to an unknown name, or the names of all options."""
    if near := difflib.get_close_matches(name, model.model_fields, n=1):
        return f"did you mean {near[0]!r}?"
    return f"the options are {', '.join(sorted(model.model_fields))}"
