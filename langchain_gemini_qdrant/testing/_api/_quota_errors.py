"""429: the API's messages for a used-up quota, and the delay before a retry."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from langchain_gemini_qdrant.testing._api._errors import (
    RATE_LIMITS_URL,
    SERVICE,
    TYPE_URL,
    ApiError,
    retry_info,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.testing._api._errors import Detail

Quota = Literal["requests_per_minute", "requests_per_day", "tokens_per_minute"]
Quotas: TypeAlias = "Mapping[Quota, int | None]"

# quota -> (metric, id, limit) of the free tier.
_FREE: dict[Quota, tuple[str, str, int]] = {
    "requests_per_minute": (
        "embed_content_free_tier_requests",
        "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier",
        100,
    ),
    "requests_per_day": (
        "embed_content_free_tier_requests",
        "EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier",
        1000,
    ),
    "tokens_per_minute": (
        "embed_content_free_tier_input_token_count",
        "EmbedContentInputTokensPerMinutePerUserPerProjectPerModel-FreeTier",
        30000,
    ),
}


def read_quotas(quota: Quota | Sequence[Quota] | Quotas) -> Quotas:
    """Return quotas and their limits, in order; the free tier's limits are the default.

    Raises:
        ValueError: A name is not a quota, or a limit is below 0.
    """
    if isinstance(quota, Mapping):
        limits = dict(quota)
    else:
        names = [quota] if isinstance(quota, str) else list(quota)
        limits = {name: _FREE[name][2] if name in _FREE else None for name in names}
    for name, limit in limits.items():
        if name not in _FREE:
            message = f"quota must be one of {', '.join(get_args(Quota))}, got {name!r}"
            raise ValueError(message)
        if limit is not None and limit < 0:
            message = f"the limit of {name} must be at least 0, or None to hide it, got {limit!r}"
            raise ValueError(message)
    return limits


def quota_error(quotas: Quotas, model: str, *, retry_after: float | None) -> ApiError:
    """Return a 429 of the free tier, with the violated quotas in its details.

    Args:
        quotas: The quotas that are used up, with their limits. A limit of 0 has no `quotaValue`,
            because protobuf's JSON omits zeros; None hides the free tier's limit.
        model: The model's name in quota errors.
        retry_after: Seconds to wait; None leaves the delay out.
    """
    lines, violations = [], []
    for quota, limit in quotas.items():
        metric, quota_id, free_limit = _FREE[quota]
        shown = free_limit if limit is None else limit
        lines.append(exceeded(metric, shown, model))
        violations.append(
            {
                "quotaMetric": f"{SERVICE}/{metric}",
                "quotaId": quota_id,
                "quotaDimensions": {"location": "global", "model": model},
                **({"quotaValue": str(limit)} if limit else {}),
            }
        )
    if retry_after is not None:
        lines.append(f"\nPlease retry in {delay_text(retry_after)}.")
    return quota_failure(
        "https://ai.dev/rate-limit", "".join(lines), violations, retry_after=retry_after
    )


def quota_failure(
    usage_page: str,
    lines: str,
    violations: Sequence[Mapping[str, object]],
    *,
    retry_after: float | None = None,
) -> ApiError:
    """Return a 429 that names the exceeded quotas in its text and its details."""
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more "
        f"information on this error, head to: {RATE_LIMITS_URL}. To monitor your current usage, "
        f"head to: {usage_page}. {lines}"
    )
    link = {"description": "Learn more about Gemini API quotas", "url": RATE_LIMITS_URL}
    details: list[Detail] = [
        {"@type": f"{TYPE_URL}Help", "links": [link]},
        {"@type": f"{TYPE_URL}QuotaFailure", "violations": violations},
    ]
    if retry_after is not None:
        details.append(retry_info(retry_after))
    return ApiError(429, message, details=details, headers={"x-gemini-service-tier": "standard"})


def exceeded(metric: str, limit: int, model: str | None) -> str:
    """Return one line of the message."""
    name = f", model: {model}" if model else ""
    return f"\n* Quota exceeded for metric: {SERVICE}/{metric}, limit: {limit}{name}"


def delay_text(seconds: float) -> str:
    """Return a delay in the message's format: `8.386476ms`, `48.939935699s`, `9h10m57.29s`."""
    nanoseconds = round(seconds * 10**9)
    if 0 < nanoseconds < 10**9:
        return f"{_shifted(nanoseconds, 6)}ms"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    larger = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{larger}{_shifted(rest, 9)}s"


def _shifted(number: int, places: int) -> str:
    """Return `number` divided by 10 to the power of `places`, without trailing zeros."""
    return f"{Decimal(number).scaleb(-places):f}".rstrip("0").rstrip(".")
