"""Errors as the Gemini API words them: code, status, message and typed details."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Detail = Mapping[str, object]

TYPE_URL = "type.googleapis.com/google.rpc."
SERVICE = "generativelanguage.googleapis.com"
RATE_LIMITS_URL = "https://ai.google.dev/gemini-api/docs/rate-limits"

# HTTP status -> (status word, message). https://ai.google.dev/gemini-api/docs/troubleshooting
_OVERLOADED = (
    "This model is currently experiencing high demand. Spikes in demand are usually temporary. "
    "Please try again later."
)
DEFAULTS: dict[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    408: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
    409: ("ABORTED", "The operation was aborted."),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    501: ("UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled."),
    502: ("UNAVAILABLE", "The service is currently unavailable."),
    503: ("UNAVAILABLE", _OVERLOADED),
    504: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
}

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_NUMBERS = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}


class ApiError(Exception):
    """An error as answer of the API.

    Attributes:
        code: HTTP status.
        status: Name of the google.rpc.Code, such as `INVALID_ARGUMENT`.
        message: The human-readable text.
        details: Typed details, each with its `@type`.
        headers: Additional response headers.
        raw: Over REST, the whole body, sent unchanged; None for the API's JSON.
        of_api: Whether the API sends it; a proxy's page is not the API's.
    """

    def __init__(
        self,
        code: int,
        message: str | None = None,
        *,
        status: str | None = None,
        details: Sequence[Detail] = (),
        headers: Mapping[str, str | bytes] | None = None,
        raw: bytes | None = None,
    ) -> None:
        usual = ("UNKNOWN", "An unknown error has occurred.")
        usual_status, default_message = DEFAULTS.get(code, usual)
        self.code = code
        self.status = status or usual_status
        self.message = default_message if message is None else message
        self.details = tuple(details)
        self.headers = dict(headers or {})
        self.raw = raw
        self.of_api = True
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        # By default an exception is copied and unpickled by a call with only its message.
        return self.__class__.__new__, (self.__class__, *self.args), self.__dict__

    @property
    def number(self) -> int:
        """The number of `status` in gRPC and in results of batch jobs."""
        return _NUMBERS.get(self.status, _NUMBERS["UNKNOWN"])

    def send(self, raw: bytes) -> None:
        """Send this body over REST; over gRPC, send its content if it is the JSON of an error."""
        self.raw, self.of_api = raw, False
        try:
            said = json.loads(raw)
        except (ValueError, RecursionError):
            return
        said = said[0] if isinstance(said, list) and said else said
        error = said.get("error") if isinstance(said, dict) else None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            self.of_api = True
            self.message = error["message"]
            self.status = str(error.get("status", self.status))
            details = error.get("details")
            self.details = tuple(details) if isinstance(details, list) else ()

    def body(self) -> dict[str, object]:
        """The JSON of the answer."""
        error: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


def error_info(reason: str, **metadata: str) -> Detail:
    return {
        "@type": f"{TYPE_URL}ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": SERVICE, **metadata},
    }


def localized(message: str) -> Detail:
    return {"@type": f"{TYPE_URL}LocalizedMessage", "locale": "en-US", "message": message}


def retry_info(retry_after: float) -> Detail:
    """Return the delay, in seconds, which Google truncates: less than a second is `0s`."""
    return {"@type": f"{TYPE_URL}RetryInfo", "retryDelay": f"{int(retry_after)}s"}


def invalid_request(violations: Sequence[str]) -> ApiError:
    """Return the API's error for requests that are readable but invalid."""
    return ApiError(400, "\n".join(f"* {violation}" for violation in violations))


class Violation(NamedTuple):
    """A mistake in a body, and its field: `""` for the message itself."""

    description: str
    field: str = ""


def invalid_json(violations: Sequence[Violation]) -> ApiError:
    """Return the API's error for a body that does not fit its messages, one mistake per line."""
    fields = [
        {"field": field, "description": description} if field else {"description": description}
        for description, field in violations
    ]
    return ApiError(
        400,
        "\n".join(description for description, _ in violations),
        details=[{"@type": f"{TYPE_URL}BadRequest", "fieldViolations": fields}],
    )


def bad_api_key() -> ApiError:
    message = "API key not valid. Please pass a valid API key."
    return ApiError(400, message, details=[error_info("API_KEY_INVALID"), localized(message)])


def no_api_key() -> ApiError:
    return ApiError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    )


def model_not_found(model: str, api_version: str, method: str) -> ApiError:
    return ApiError(
        404,
        f"{model} is not found for API version {api_version}, or is not supported for {method}. "
        "Call ModelService.ListModels to see the list of available models and their supported "
        "methods.",
    )
