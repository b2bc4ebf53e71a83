"""Check the addresses to which requests are sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from langchain_gemini_qdrant.errors import ConfigurationError

DEFAULT_LOCATION = "global"
"""The SDK's default; gemini-embedding-2 is available only there and in `us` and `eu`."""

DEVELOPER_HOST = "generativelanguage.googleapis.com"
"""The host of the Gemini Developer API."""

_MULTI_REGIONS = frozenset({"eu", "us"})


def vertex_host(location: str | None) -> str:
    """Return the host of Vertex AI in a location, as google-genai chooses it."""
    location = location or DEFAULT_LOCATION
    if location == DEFAULT_LOCATION:
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def check_base_url(base_url: str, *, scheme_needed: bool) -> None:
    """Refuse an address to which no client can send.

    Raises:
        ConfigurationError: Its scheme is neither http nor https, or it has no host.
    """
    scheme, separator, _ = base_url.partition("://")
    if not separator:
        if scheme_needed:
            raise ConfigurationError(
                "base_url must begin with https:// or http://, got one without either"
            )
        base_url = f"https://{base_url}"
    elif scheme.lower() not in {"http", "https"}:
        raise ConfigurationError(
            f"base_url must begin with https:// or http://, got the scheme {scheme!r}"
        )
    if not _has_host(base_url):
        raise ConfigurationError(
            "base_url must be an address with a host, such as 'https://gateway.example/gemini', "
            "and a port of at most 65535, without blanks; the value is not shown, as it may "
            "hold a password"
        )


def check_grpc_address(base_url: str, *, advice: str) -> None:
    """Refuse an address to which gRPC cannot send.

    Raises:
        ConfigurationError: It is none, or has a path: the paths of gRPC are those of its methods.
    """
    if base_url.startswith("unix:"):
        return
    check_base_url(base_url, scheme_needed=False)
    path = urlsplit(base_url if "://" in base_url else f"https://{base_url}").path
    if path.strip("/"):
        raise ConfigurationError(
            f"base_url (or GOOGLE_GEMINI_BASE_URL) must be a host and port for gRPC, got the path "
            f"{path!r}: use {advice} for an address with a path"
        )


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not any(map(str.isspace, url))
    except ValueError:
        return False
