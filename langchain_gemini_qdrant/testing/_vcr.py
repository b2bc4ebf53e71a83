"""Options for VCR.py that record Gemini requests without their secrets."""

from __future__ import annotations

_SECRET_HEADERS = ("x-goog-api-key", "authorization", "proxy-authorization", "cookie")
# They change with every release of an SDK and of Python, and say whose project it is.
_CHANGING_HEADERS = ("user-agent", "x-goog-api-client", "x-goog-user-project")
# Where credentials become access tokens: both are in the bodies, so none of it is kept.
_TOKEN_HOSTS = (
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "iamcredentials.googleapis.com",
    "metadata.google.internal",
    "169.254.169.254",
)


def gemini_vcr_config() -> dict[str, object]:
    """Make options of `vcr.VCR`, or of pytest-recording's fixture `vcr_config`.

    API keys, in the header `x-goog-api-key` and the query parameter `key`, and access tokens
    are not recorded; neither are exchanges with Google's servers that give out tokens. Requests
    match by their bodies, too, so that each text gets the vector that was recorded for it.

    Returns:
        A new dict, yours to change.
    """
    return {
        "filter_headers": [(name, None) for name in (*_SECRET_HEADERS, *_CHANGING_HEADERS)],
        "filter_query_parameters": [("key", None), ("access_token", None)],
        "ignore_hosts": list(_TOKEN_HOSTS),
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "decode_compressed_response": True,  # cassettes that people can read and compare
    }
