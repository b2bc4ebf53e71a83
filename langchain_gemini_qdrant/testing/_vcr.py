"""Options for VCR.py that record Gemini requests without their secrets."""

from __future__ import annotations

_SECRET_HEADERS = ("x-goog-api-key", "authorization", "proxy-authorization", "cookie")
# They change with every release of an SDK and of Python, and name the project.
_CHANGING_HEADERS = ("user-agent", "x-goog-api-client", "x-goog-user-project")
# Here credentials are exchanged for access tokens: the bodies contain both, so none is recorded.
_TOKEN_HOSTS = (
    "oauth2.googleapis.com",
    "sts.googleapis.com",
    "iamcredentials.googleapis.com",
    "metadata.google.internal",
    "169.254.169.254",
)


def gemini_vcr_config() -> dict[str, object]:
    """Return options for `vcr.VCR` or for pytest-recording's fixture `vcr_config`.

    API keys, in the header `x-goog-api-key` and the query parameter `key`, and access tokens
    are not recorded, nor are exchanges with Google's token servers. Requests are matched by their
    bodies, too, so that each text gets the vector that was recorded for it.

    Returns:
        A new dict, which you may change.
    """
    return {
        "filter_headers": [(name, None) for name in (*_SECRET_HEADERS, *_CHANGING_HEADERS)],
        "filter_query_parameters": [("key", None), ("access_token", None)],
        "ignore_hosts": list(_TOKEN_HOSTS),
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "decode_compressed_response": True,  # cassettes that people can read and compare
    }
