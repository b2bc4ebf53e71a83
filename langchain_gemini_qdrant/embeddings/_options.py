"""Options: what is wrong with them, in one line and without a secret, and which of them travel."""

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

# Where these are empty, they are not set; an address or a project that is None is none, though.
_EMPTY: dict[str, tuple[object, ...]] = {
    "api_key": ("", None),
    "google_api_key": ("", None),
    "base_url": ("",),
    "project": ("",),
    "location": ("",),
}

_OWN_CLIENT = "pass client=google.genai.Client(api_key=..., http_options=...), which takes it"
_INSTEAD = {
    "request_options": "pass timeout=, in seconds",
    "client_options": "pass base_url= for its api_endpoint",
    "client_args": _OWN_CLIENT,
    "additional_headers": _OWN_CLIENT,
    "api_version": _OWN_CLIENT,
}
"""Options of langchain-google-genai, and what does here what they do there."""


_PASSWORD = re.compile(r"(?<=://)[^/?#]+@")


def given_options(options: object) -> object:
    """Return the options of a constructor without those that are empty.

    Raises:
        ConfigurationError: There are two keys.
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
    """Return a key as it can stand in a header, without blanks and line breaks around it.

    Raises:
        ConfigurationError: It cannot, or it is what a dump shows in a key's place.
    """
    key = (key.get_secret_value() if isinstance(key, SecretStr) else key).strip()
    wrong = next((i for i, c in enumerate(key) if not (c.isascii() and c.isprintable())), None)
    if wrong is not None:
        raise ConfigurationError(
            f"{name} must have printable ASCII characters alone, as it is sent in a header, found "
            f"U+{ord(key[wrong]):04X} at character {wrong + 1} of {len(key)}: copy it again"
        )
    if key and not key.strip("*"):
        raise ConfigurationError(
            f"{name} is masked, as in the output of model_dump_json(): pass the key itself, or "
            "leave it out to take the environment's"
        )
    return key


def clean_word(value: str, name: str) -> str:
    """Return an address or a name without blanks and line breaks around it.

    Raises:
        ConfigurationError: There are some in the middle of it.
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
        ConfigurationError: It has a blank or a line break in the middle.
    """
    for name in names:
        if value := os.environ.get(name, "").strip():
            return clean_word(value, name)
    return None


def from_environment(*names: str) -> Callable[[], str | None]:
    """Return what makes the default of an option: see `variable`."""
    return lambda: variable(*names)


def environments_key() -> SecretStr | None:
    """Return the API key of the environment, None if there is none.

    Raises:
        ConfigurationError: No header can carry it.
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
    """Options whose `repr` shows no password of an address.

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
        return f"unknown option {name!r}: {_INSTEAD.get(name) or _near(name, model)}"
    if isinstance(cause := detail.get("ctx", {}).get("error"), ConfigurationError):
        return str(cause)
    found = "" if "key" in name else f", got {detail['input']!r}"
    return f"{name}: {detail['msg']}{found}"


def _near(name: str, model: type[BaseModel]) -> str:
    """Return the option that an unknown name may stand for, or all of them."""
    if near := difflib.get_close_matches(name, model.model_fields, n=1):
        return f"did you mean {near[0]!r}?"
    return f"options are {', '.join(sorted(model.model_fields))}"
