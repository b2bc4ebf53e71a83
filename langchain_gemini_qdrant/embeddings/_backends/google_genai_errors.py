"""Our errors in place of those of google-genai and of its HTTP libraries."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from google.auth.exceptions import GoogleAuthError
from google.genai import errors

from langchain_gemini_qdrant._retry_policy import read_retry_after
from langchain_gemini_qdrant.embeddings._backends.error_details import ErrorDetails, read_error_body
from langchain_gemini_qdrant.embeddings._backends.errors import (
    UNREADABLE,
    error_for_status,
    says_closed,
    unreachable,
    unreadable,
    unsendable,
    unusable_client,
)
from langchain_gemini_qdrant.errors import GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_gemini_qdrant.errors import EmbeddingError

_SETTINGS_ERRORS = {
    "httpx": ("InvalidURL", "UnsupportedProtocol"),
    "httpx2": ("InvalidURL", "UnsupportedProtocol"),
    "aiohttp": ("InvalidURL",),
}
_CLIENT_ERRORS = ("ImportError", "OSError", "ValueError")  # while a client is made
_TRANSPORT_ERRORS = {
    "httpx": ("RequestError",),
    "httpx2": ("RequestError",),
    "aiohttp": ("ClientError",),
    "asyncio": ("TimeoutError",),
    "builtins": ("TimeoutError", "ConnectionError"),
}
_ILLEGAL_HEADER = re.compile("^Illegal header|header injection attack")  # h11's and aiohttp's words
_OK = 200


@contextmanager
def translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of the SDK's and its HTTP library's."""
    try:
        yield
    except errors.APIError as error:
        raise _error_of_answer(error, model) from error
    except (GeminiQdrantError, GoogleAuthError):
        raise
    except _loaded(_SETTINGS_ERRORS) as error:
        raise unsendable(error) from None
    except _loaded(_TRANSPORT_ERRORS) as error:
        raise _error_of_transport(error, model) from error
    except (*UNREADABLE, RuntimeError) as error:
        raise _error_of_use(error, model) from error


def _error_of_transport(error: BaseException, model: str) -> GeminiQdrantError:
    if _is_of_header(error):
        raise unsendable(error) from None
    return unreachable(error, model=model)


def _error_of_use(error: Exception, model: str) -> GeminiQdrantError:
    """Return the error for a failure of the SDK with a request or with its answer."""
    if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
        raise error  # about a text that is sent
    if _is_of_header(error):
        raise unsendable(error) from None
    if isinstance(error, UNREADABLE):
        return _unread(error, model)
    if says_closed(error):
        return unusable_client()
    raise error


def _error_of_answer(error: errors.APIError, model: str) -> EmbeddingError:
    message, details = read_error_body(error.details)
    if details.retry_after is None:
        details.retry_after = read_retry_after(getattr(error.response, "headers", None) or {})
    return error_for_status(status_code=error.code, message=message, model=model, details=details)


def _is_of_header(error: BaseException) -> bool:
    """Return whether an error is about a header that cannot be sent; h11 quotes the header."""
    return isinstance(error, UnicodeEncodeError) or bool(_ILLEGAL_HEADER.search(str(error)))


def _unread(error: BaseException, model: str) -> EmbeddingError:
    """Return the error for an answer that the SDK failed to read; its frames have the status.

    An error page that is not in UTF-8 is enough.
    """
    step = error.__traceback__
    while step is not None:
        response = step.tb_frame.f_locals.get("response")
        status = getattr(response, "status_code", getattr(response, "status", _OK))
        if isinstance(status, int) and status != _OK:
            return error_for_status(
                status_code=status, message="", model=model, details=ErrorDetails()
            )
        step = step.tb_next
    return unreadable(error, model=model)


def errors_of_making() -> tuple[type[BaseException], ...]:
    """Return the errors that mean that a client cannot be made with its settings."""
    return _loaded({**_SETTINGS_ERRORS, "builtins": _CLIENT_ERRORS})


def _loaded(names: Mapping[str, tuple[str, ...]]) -> tuple[type[BaseException], ...]:
    """Return the errors of those HTTP libraries that are loaded: the SDK chooses among them."""
    return tuple(
        getattr(sys.modules[module], name)
        for module in names
        if module in sys.modules
        for name in names[module]
    )
