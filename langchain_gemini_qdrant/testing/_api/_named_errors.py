"""Errors that Google has sent to others, under our own names.

Sources: https://github.com/google-gemini/gemini-cli/issues/14831,
https://github.com/firebase/genkit/issues/1127, https://github.com/cocoindex-io/cocoindex/issues/1151,
and logs in public repositories of 2026.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant.testing._api._errors import (
    SERVICE,
    ApiError,
    error_info,
    localized,
)
from langchain_gemini_qdrant.testing._api._quota_errors import exceeded, quota_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant.testing._api._calls import Call
    from langchain_gemini_qdrant.testing._api._quota_errors import Quota

NamedError = Literal[
    "blocked-method",
    "credits",
    "expired-key",
    "leaked-key",
    "limit-0",
    "location",
    "spending-cap",
    "vertex-list",
    "vertex-requests",
    "vertex-tokens",
]


def named_error(name: NamedError, call: Call) -> ApiError:
    """Return the error as the answer to this call."""
    return _ERRORS[name](call)


def vertex_quota_error(quota: Quota, model: str) -> ApiError:
    """429 of Vertex AI, which has no details and no delay."""
    metric = (
        "embed_content_input_tokens_per_minute_per_base_model"
        if quota == "tokens_per_minute"
        else "online_prediction_requests_per_base_model"
    )
    base = "textembedding-gecko" if model.startswith("models/text") else "gemini-embedding"
    return ApiError(
        429,
        f"Quota exceeded for aiplatform.googleapis.com/{metric} with base model: {base}. Please "
        "submit a quota increase request. "
        "https://cloud.google.com/vertex-ai/docs/generative-ai/quotas-genai.",
    )


def _blocked_method(call: Call) -> ApiError:
    version, name = call.api_version or "v1beta", call.method or ""
    method = (
        f"google.ai.generativelanguage.{version}.GenerativeService.{name[:1].upper()}{name[1:]}"
    )
    message = f"Requests to this API {SERVICE} method {method} are blocked."
    info = error_info("API_KEY_SERVICE_BLOCKED", apiName=SERVICE, methodName=method)
    return ApiError(403, message, details=[info, localized(message)])


def _expired_key(_: Call) -> ApiError:
    message = "API key expired. Please renew the API key."
    return ApiError(400, message, details=[error_info("API_KEY_INVALID"), localized(message)])


def _limit_0(_: Call) -> ApiError:
    metric = "embed_content_paid_tier_requests"
    violation = {
        "quotaMetric": f"{SERVICE}/{metric}",
        "quotaId": "EmbedContentPerMinutePerProjectPerUserPerModel-PaidTier",
    }
    lines = exceeded(metric, 0, model=None)
    return quota_failure("https://ai.dev/usage?tab=rate-limit", lines, [violation])


def _vertex_list(_: Call) -> ApiError:
    message = (
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
    )
    error = ApiError(429, message)
    reasons = [{"message": message, "domain": "global", "reason": "rateLimitExceeded"}]
    body = [{"error": {"code": 429, "message": message, "status": error.status, "errors": reasons}}]
    error.raw = json.dumps(body, indent=2).encode()
    return error


_ERRORS: dict[NamedError, Callable[[Call], ApiError]] = {
    "blocked-method": _blocked_method,
    "credits": lambda _: ApiError(
        429,
        "Your prepayment credits are depleted. Please go to AI Studio at "
        "https://ai.studio/projects to manage your project and billing.",
    ),
    "expired-key": _expired_key,
    "leaked-key": lambda _: ApiError(
        403, "Your API key was reported as leaked. Please use another API key."
    ),
    "limit-0": _limit_0,
    "location": lambda _: ApiError(
        400, "User location is not supported for the API use.", status="FAILED_PRECONDITION"
    ),
    "spending-cap": lambda _: ApiError(
        429,
        "Your project has exceeded its monthly spending cap. Please go to AI Studio at "
        "https://ai.studio/spend to manage your project spend cap.",
    ),
    "vertex-list": _vertex_list,
    "vertex-requests": lambda call: vertex_quota_error("requests_per_minute", call.model or ""),
    "vertex-tokens": lambda call: vertex_quota_error("tokens_per_minute", call.model or ""),
}
