"""How a gRPC channel reaches the API: address, certificates, proxy and limits."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import grpc

from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C")

_HOST = "generativelanguage.googleapis.com"
_OPTIONS: list[tuple[str, int | str]] = [
    # 100 vectors of 3,072 floats are 1.2 MB; gRPC's default is 4 MB.
    ("grpc.max_receive_message_length", 64 * 2**20),
    # An idle connection is closed before a NAT or load balancer forgets it without a word; the
    # shortest of these times is some four minutes. gRPC's default is 30 minutes.
    ("grpc.client_idle_timeout_ms", 3 * 60_000),
    # While a request waits, pings find a connection that is lost. Without one there are none, as
    # servers answer these with "too_many_pings".
    # https://github.com/grpc/grpc/blob/master/doc/keepalive.md
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Our own layer waits before it retries; by default, gRPC would refuse requests for up to two
    # minutes after a server is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


def open_channel(
    base_url: str | None, *, secure: Callable[..., C], insecure: Callable[..., C]
) -> C:
    """Return a channel with TLS, or in plaintext for `http://` and `unix:`; nothing is sent.

    Args:
        base_url: An address that `check_grpc_address` accepts; None for Google's.
        secure: `secure_channel` of grpc or grpc.aio.
        insecure: `insecure_channel` of the same module.

    Raises:
        ConfigurationError: The proxy or the file of certificates cannot be used.
    """
    address = base_url or _HOST
    if address.startswith("unix:"):
        return insecure(address, options=_OPTIONS)
    url = urlsplit(address if "://" in address else f"https://{address}")
    host = url.netloc.rpartition("@")[2].rstrip(":")  # gRPC's messages would show a password
    target = host if url.port else f"{host}:{80 if url.scheme == 'http' else 443}"
    options = [*_OPTIONS, *_proxy_options(url.scheme, host)]
    if url.scheme == "http":
        return insecure(target, options=options)
    return secure(target, grpc.ssl_channel_credentials(_certificates()), options=options)


def _certificates() -> bytes | None:
    """Return the file of SSL_CERT_FILE, which gRPC does not read; None for gRPC's own choice."""
    path = os.environ.get("SSL_CERT_FILE")
    if not path or os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)  # checks it
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"SSL_CERT_FILE must name a file of certificates in PEM, got {path!r} "
            f"({type(error).__name__})"
        ) from None


def _proxy_options(scheme: str, host: str) -> list[tuple[str, int | str]]:
    """Return the proxy of the environment as an option.

    By itself, gRPC reads the variables in lower case alone, and connects directly if it cannot
    use the proxy.
    """
    proxies = getproxies()
    proxy = os.environ.get("grpc_proxy") or proxies.get(scheme) or proxies.get("all")  # noqa: SIM112
    if not proxy or proxy_bypass(host):
        return [("grpc.enable_http_proxy", 0)]
    try:
        url = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        is_usable = url.scheme == "http" and bool(url.hostname) and url.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(
            "gRPC needs an HTTP proxy, such as http://proxy:3128, in grpc_proxy, HTTP_PROXY, "
            "HTTPS_PROXY or ALL_PROXY, got a different one; it is not shown, as it may hold a "
            "password. NO_PROXY names hosts that need no proxy; backend='google-genai' can use "
            "other proxies"
        )
    place = url.netloc if url.port else f"{url.netloc.rstrip(':')}:80"  # gRPC's default is 443
    return [("grpc.http_proxy", f"http://{place}")]
