"""Make our errors from an HTTP status and Google's error body, in the same way for all SDKs."""

from __future__ import annotations

import os
import re
import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant._retry_policy import DURATION, LONGEST_DELAY
from langchain_gemini_qdrant.embeddings._backends.error_details import without_markup
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, GEMINI_MODELS, find_model
from langchain_gemini_qdrant.errors import (
    BillingError,
    ConfigurationError,
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.embeddings._backends.error_details import ErrorDetails, UsedUp

_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
# The words of the Developer API and of Vertex AI; other 404s come from a proxy, or have other
# causes.
_NO_SUCH_MODEL = re.compile("is not found for API version|Publisher Model .* not found", re.DOTALL)
_CLIENT_ERRORS = range(400, 500)
_NOT_IMPLEMENTED = 501
# 408 and 499 mean that the request ended before its answer, not that it was wrong.
_UNANSWERED = frozenset({408, 499})
# The API would give these answers to every other request of the call, too.
_REFUSES_ALL = frozenset({401, 403, 404, _NOT_IMPLEMENTED})
# A file of the Files API, or in Cloud Storage, that is gone or of somebody else: other contents may
# pass.
_NO_SUCH_FILE = re.compile(r"access the File|gs://|storage\.objects")

_UNPAID = re.compile(r"credits are depleted|spending (?:cap|limit)", re.IGNORECASE)
_RETRY_SENTENCE = re.compile(rf"(?:please )?retry in {DURATION}\.?", re.IGNORECASE)
_LONGEST_MESSAGE = 2_000  # characters of a body's message; a proxy's page may have thousands

# Google's keys and access tokens, and anything in their places: a gateway may quote a request.
_SECRET = re.compile(
    r"AIza[\w-]{6,}|AQ\.[\w-]{6,}|ya29\.[\w.-]{6,}|(?<=key=)[^&\s\"']+|(?<=Bearer )[^\s\"']+",
    re.IGNORECASE,
)

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Exceptions that SDKs raise on answers that are not the API's."""

NO_TLS = "WRONG_VERSION_NUMBER"
"""OpenSSL's word for a server that answers a TLS handshake with something else."""


_keys: set[str] = set()
_SHORTEST_KEY = 8  # characters; a shorter one could be a word of the message


def hide(key: str | None) -> None:
    """Mask a key in all later error messages, as a gateway may quote it."""
    if key is not None and len(key) >= _SHORTEST_KEY:
        _keys.add(key)


def error_for_status(
    *,
    status_code: int,
    message: str,
    model: str,
    details: ErrorDetails,
) -> EmbeddingError:
    """Return our error for an answer other than 200."""
    message = _shown(message) or "no message"
    text = f"{model}: the API answered {status_code}: {message}"
    if status_code == _TOO_MANY_REQUESTS:
        return _rate_limit_error(text, message, model, details)
    retry_after = details.delay(message)
    is_refusal = status_code in _CLIENT_ERRORS or status_code == _NOT_IMPLEMENTED
    if is_refusal and status_code not in _UNANSWERED:
        bad_key = "API_KEY_INVALID" in details.reasons or "API key not valid" in message
        if bad_key:
            text += " Check api_key, GOOGLE_API_KEY or GEMINI_API_KEY."
        elif status_code == _NOT_FOUND and _NO_SUCH_MODEL.search(message):
            text += _advice_on_model(model, of_developer_api="API version" in message)
        refuses_all = (
            bad_key or status_code in _REFUSES_ALL or details.status == "FAILED_PRECONDITION"
        ) and not _NO_SUCH_FILE.search(message)
        return RequestRejectedError(
            text, model=model, status_code=status_code, refuses_all=refuses_all
        )
    return ServiceError(text, model=model, status_code=status_code, retry_after=retry_after)


def _shown(message: str) -> str:
    """Return a message on one line, without keys."""
    message = message.encode(errors="replace").decode()
    for key in list(_keys):
        message = message.replace(key, "***")
    return _SECRET.sub("***", without_markup(message)[:_LONGEST_MESSAGE])


def _rate_limit_error(text: str, message: str, model: str, details: ErrorDetails) -> RateLimitError:
    retry_after, quotas = details.delay(message), details.quotas(message)
    if any(quota.limit == 0 for quota in quotas) or (
        retry_after is None and _UNPAID.search(message)
    ):
        kind: type[RateLimitError] = BillingError
        advice = "Waiting does not help: change the project's plan, balance or spending cap."
    elif any(quota.per_day for quota in quotas):
        kind, advice = DailyQuotaError, "The daily quota is renewed at midnight Pacific time."
    else:
        kind = DailyQuotaError if (retry_after or 0.0) > LONGEST_DELAY else RateLimitError
        return kind(text, model=model, retry_after=retry_after, limits=_limits(quotas, kind))
    # The delay that Google sends with such a quota is that of a quota per minute.
    text = f"{_RETRY_SENTENCE.sub('', text).strip()} {advice}"
    return kind(text, model=model, limits=_limits(quotas, kind))


def unreachable(error: BaseException, *, model: str) -> ServiceError | ConfigurationError:
    """Return the error for a connection that was refused, lost or too slow.

    Its message has the operating system's words. The library's own words are left out: they may
    contain a key, a proxy's password or an address with either.
    """
    reason = ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            # aiohttp's error is one, too, without the words
            return untrusted(getattr(cause, "verify_message", "CERTIFICATE_VERIFY_FAILED"))
        if isinstance(cause, ssl.SSLError) and cause.reason == NO_TLS:
            return without_tls()
        reason = _system_s_words(cause) or reason
        cause = cause.__cause__ or cause.__context__
    return no_answer(f"{type(error).__name__}{reason}", model=model)


def no_answer(reason: str, *, model: str) -> ServiceError:
    """Return the error for a request without an answer, for a reason that is safe to show."""
    shown = _shown(reason).rstrip(".")
    return ServiceError(
        f"{model}: no answer from the API: {shown}. Check the network, base_url and timeout",
        model=model,
    )


def _system_s_words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):  # its number is not the system's
        return f": {error.reason}" if error.reason else ""
    if isinstance(error, socket.gaierror):
        return f": {error.strerror}"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return f": {os.strerror(error.errno)}"
    return ""


def untrusted(reason: str) -> ConfigurationError:
    """Return the error for a server whose certificate is not trusted."""
    return ConfigurationError(
        f"the server's TLS certificate is not trusted ({reason}): check base_url, or name the "
        "certificates that you trust by SSL_CERT_FILE (REQUESTS_CA_BUNDLE for google-generativeai "
        "over REST); over gRPC, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH overrides it"
    )


def without_tls() -> ConfigurationError:
    """Return the error for a server that is addressed with TLS and has none."""
    return ConfigurationError(
        f"the server, or a proxy, does not speak TLS ({NO_TLS}): begin its address with http:// if "
        "plaintext is meant; base_url means https:// if it begins with neither"
    )


def not_grpc() -> ConfigurationError:
    """Return the error for a server of another protocol at an address for gRPC."""
    return ConfigurationError(
        "the address (base_url, GOOGLE_GEMINI_BASE_URL or the client's) does not serve gRPC, or a "
        "proxy does not let it through: name that of gRPC, or send over REST with "
        "backend='google-genai'"
    )


def unsendable(error: BaseException) -> ConfigurationError:
    """Return the error for a setting with which nothing can be sent.

    Raise it `from None`: the original error may quote a key or a password.
    """
    return ConfigurationError(
        f"nothing can be sent with these settings ({type(error).__name__}): the API key must be "
        "printable ASCII, base_url, what it redirects to and the proxy (HTTP_PROXY, HTTPS_PROXY, "
        "ALL_PROXY) must be addresses, SSL_CERT_FILE a file of certificates, and a SOCKS proxy "
        "needs a package of its own (pip install 'httpx2[socks]', 'httpx[socks]' or "
        "'requests[socks]')"
    )


def says_closed(error: BaseException) -> bool:
    """Return whether an error says that a client is closed or of another loop.

    Such errors have no class of their own.
    """
    return re.search(r"clos|event loop|different loop", str(error), re.IGNORECASE) is not None


def unusable_client() -> ConfigurationError:
    """Return the error for a client that cannot send."""
    return ConfigurationError(
        "the SDK's client cannot send: it is closed, or its connections belong to another event "
        "loop. Pass an open client of the running loop, or no client: embeddings then make one "
        "for each loop"
    )


def unreadable(error: BaseException, *, model: str) -> ServiceError:
    """Return the error for an answer that is not what the API sends."""
    return ServiceError(
        f"{model}: the API answered with a body that cannot be read ({type(error).__name__}). "
        "Check that base_url is the Gemini API and not a proxy's page",
        model=model,
        status_code=200,
    )


def _limits(
    quotas: Sequence[UsedUp], kind: type[RateLimitError]
) -> dict[Literal["texts", "tokens"], float | None]:
    """Return the smallest limit of each unit; of daily quotas only if one of these is used up."""
    limits: dict[Literal["texts", "tokens"], float | None] = {}
    for quota in quotas:
        if quota.per_day == (kind is DailyQuotaError) or kind is BillingError:
            known = [x for x in (limits.get(quota.unit), quota.limit) if x is not None]
            limits[quota.unit] = min(known, default=None)
    return dict(sorted(limits.items(), key=lambda item: item[1] is None))  # named ones first


def _advice_on_model(model: str, *, of_developer_api: bool) -> str:
    known = find_model(model)
    if known is None:
        return f" Known models: {', '.join(sorted(GEMINI_MODELS))}."
    if of_developer_api and known.vertex_only:
        return f" {known.name} is available on Vertex AI only: pass vertexai=True and project."
    if of_developer_api and known.is_shut_down(datetime.now(UTC).date()):
        return (
            f" {known.name} was shut down on {known.shutdown}. Use {known.replacement!r}"
            f"{' (the default)' if known.replacement == DEFAULT_MODEL else ''} and embed the "
            "stored texts again: vectors of two models cannot be compared."
        )
    return ""
