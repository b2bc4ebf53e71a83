"""What to do about an error, in addition to its message."""

from __future__ import annotations

import re
import sys

from langchain_gemini_qdrant.errors import (
    BillingError,
    DailyQuotaError,
    IngestError,
    RateLimitError,
)

_STATUSES = {
    401: "The server needs a valid key: set {key}.",
    403: "The key does not allow this: check {key}.",
}
# Of OpenSSL, which both transports use. Certificates of other hosts, or expired ones, are named in
# the messages.
_CONNECTIONS = {
    re.compile(pattern, re.IGNORECASE): advice
    for pattern, advice in {
        r"self[- ]signed|issuer certificate|unable to verify": "The server's certificate is not "
        "trusted: name a file with the certificate of its authority with --ca-file.",
        r"certificate[ _]required|alert (?:bad certificate|unknown ca)": "The server needs a "
        "client certificate that it trusts: name its file with --client-cert.",
        r"wrong[ _]version[ _]number": "The server does not use TLS: begin its address with "
        "http://.",
    }.items()
}


def advice(error: Exception, command: str | None) -> str:
    """Return a line of advice on a quota, address, key or certificate; empty if there is none.

    Args:
        error: The error with which the command ends.
        command: Name of the command.
    """
    cause = error.__cause__ if isinstance(error, IngestError) else error
    if isinstance(cause, RateLimitError):
        kept = "Stored data is kept: run" if isinstance(error, IngestError) else "Run"
        return f"\n{kept} the command again {_when(cause)}."
    if "qdrant_client" not in sys.modules or not isinstance(cause, Exception):
        return ""
    from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure  # noqa: PLC0415

    failure = read_failure(cause)
    if failure is None:
        return ""
    if failure.status is not None:
        key = "--qdrant-api-key" + (" or --to-qdrant-api-key" if command == "migrate" else "")
        found = _STATUSES.get(failure.status, "").format(key=key)
    else:
        found = next((say for sign, say in _CONNECTIONS.items() if sign.search(failure.words)), "")
    return found and f"\n{found}"


def _when(error: RateLimitError) -> str:
    """Return when to run a command again after a quota is used up."""
    # https://ai.google.dev/gemini-api/docs/rate-limits
    if isinstance(error, BillingError):
        return "once the project's plan, balance or spending cap allows it"
    if isinstance(error, DailyQuotaError):
        return "after midnight Pacific time, when the day's quota is renewed"
    return "later"
