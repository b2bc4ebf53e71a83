"""Files from the network, from public addresses only."""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import TYPE_CHECKING

import httpx

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection

_MOST_BYTES = 20 * 1024**2
_SECONDS = 60.0  # for the whole file
_STEP_SECONDS = 15.0  # for connecting, and for each piece
_MOST_REDIRECTS = 5


def fetch_bytes(address: str, hosts: Collection[str] | None) -> bytes:
    """Return the bytes at an `http:` or `https:` address, at most 20 MB.

    References come from metadata, which others may have written. So without `hosts` it reads only
    from public addresses: no loopback, private, link-local or reserved ones. It connects to the
    address that was checked, so a name that resolves differently a second time does no harm.

    Args:
        address: The address; redirects are followed, and each is checked in the same way.
        hosts: The names or addresses of the only hosts to read from, also if they are private.

    Raises:
        InvalidInputError: It cannot be read.
    """
    deadline = time.monotonic() + _SECONDS
    url = _parsed(address)
    # Not the proxy of the environment: it would resolve names itself.
    with httpx.Client(timeout=_STEP_SECONDS, trust_env=False) as client:
        for _ in range(1 + _MOST_REDIRECTS):
            target, extensions = _checked(url, hosts)
            headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
            try:
                with client.stream(
                    "GET", target, headers=headers, extensions=extensions
                ) as response:
                    if not response.has_redirect_location:
                        return _body(response, deadline)
                    url = _parsed(str(url.join(response.headers["Location"])))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                kind = type(error).__name__
                raise InvalidInputError(f"cannot be fetched: {kind} {error}") from error
    raise InvalidInputError(f"cannot be fetched: it has more than {_MOST_REDIRECTS} redirects")


def _parsed(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise InvalidInputError(f"is not a valid address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidInputError(
            f"leads to {url.scheme or 'no scheme'}: only http and https are read"
        )
    return url.copy_with(fragment=None)


def _checked(url: httpx.URL, hosts: Collection[str] | None) -> tuple[httpx.URL, dict[str, str]]:
    """Return the address to connect to, and the host's name for TLS."""
    if hosts is not None:
        if url.host not in {host.lower() for host in hosts}:
            raise InvalidInputError(
                f"is at {url.host!r}, and only these hosts are read: {', '.join(sorted(hosts))}"
            )
        return url, {}
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InvalidInputError(f"cannot be fetched: {url.host!r} is not found") from error
    ips = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not all(ip.is_global and not ip.is_multicast for ip in ips):
        raise InvalidInputError(
            f"is at {url.host!r}, which is not a public address: name the host to allow it"
        )
    chosen = next((ip for ip in ips if isinstance(ip, ipaddress.IPv4Address)), ips[0])
    return url.copy_with(host=str(chosen)), {"sni_hostname": url.host}


def _body(response: httpx.Response, deadline: float) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise InvalidInputError(f"cannot be fetched: status {response.status_code}")
    data = bytearray()
    for piece in response.iter_raw():  # so that no piece can unpack to gigabytes
        data += piece
        if len(data) > _MOST_BYTES:
            raise InvalidInputError(f"has more than {_MOST_BYTES:,} bytes: save it as a file")
        if time.monotonic() > deadline:
            raise InvalidInputError(f"cannot be fetched: it took more than {_SECONDS:.0f} seconds")
    return bytes(data)
