"""Files from the network, from public addresses only."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_MOST_BYTES = 20 * 1024**2
_SECONDS = 60.0  # for the whole file
_STEP_SECONDS = 15.0  # for connecting, and for each piece
_MOST_REDIRECTS = 5
_UNICAST = ipaddress.IPv6Network("2000::/3")  # beside it there are only translated addresses


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
    with (
        httpx.Client(timeout=_STEP_SECONDS, trust_env=False) as client,
        _ended_at(deadline) as trace,
    ):
        for _ in range(1 + _MOST_REDIRECTS):
            target, extensions = _checked(url, hosts)
            extensions["trace"] = trace
            headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
            try:
                with client.stream(
                    "GET", target, headers=headers, extensions=extensions
                ) as response:
                    if not response.has_redirect_location:
                        return _body(response, deadline)
                    url = _parsed(str(url.join(response.headers["Location"])))
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                _check_time(deadline)
                kind = type(error).__name__
                raise InvalidInputError(f"cannot be fetched: {kind} {error}") from error
    raise InvalidInputError(f"cannot be fetched: it has more than {_MOST_REDIRECTS} redirects")


@contextmanager
def _ended_at(deadline: float) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Give a trace function, with which all connections end at a time of `time.monotonic()`.

    httpx bounds each wait. With headers that come byte by byte, there could be thousands of them.
    """
    sockets: list[socket.socket] = []

    def end() -> None:
        for each in sockets:
            with suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # TLS would change it in use

    def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            sockets.append(info["return_value"].get_extra_info("socket"))
            if time.monotonic() > deadline:
                end()

    timer = threading.Timer(deadline - time.monotonic(), end)
    timer.daemon = True
    timer.start()
    try:
        yield trace
    finally:
        timer.cancel()


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise InvalidInputError(f"cannot be fetched: it took more than {_SECONDS:.0f} seconds")


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


def _checked(url: httpx.URL, hosts: Collection[str] | None) -> tuple[httpx.URL, dict[str, Any]]:
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
    if not all(map(_is_public, ips)):
        raise InvalidInputError(
            f"is at {url.host!r}, which is not a public address: name the host to allow it"
        )
    chosen = next((ip for ip in ips if isinstance(ip, ipaddress.IPv4Address)), ips[0])
    return url.copy_with(host=str(chosen)), {"sni_hostname": url.host}


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and (ip not in _UNICAST or ip.sixtofour is not None):
        return False  # those with an IPv4 address inside, which a gateway would connect to
    return ip.is_global and not ip.is_multicast


def _body(response: httpx.Response, deadline: float) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise InvalidInputError(f"cannot be fetched: status {response.status_code}")
    data = bytearray()
    for piece in response.iter_raw():  # so that no piece can unpack to gigabytes
        data += piece
        if len(data) > _MOST_BYTES:
            raise InvalidInputError(f"has more than {_MOST_BYTES:,} bytes: save it as a file")
        _check_time(deadline)
    return bytes(data)
