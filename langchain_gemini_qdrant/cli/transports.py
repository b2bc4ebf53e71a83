"""Run an MCP server until its client leaves or a signal stops it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import signal
import socket
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from langchain_gemini_qdrant.cli.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mcp.server.mcpserver import MCPServer

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not listened on
_STDIN = 0
_READ_BYTES = 65_536
_GRACE = 3  # seconds in which open connections may end
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)"  # the group is half of a pair
)


def serve_stdio(server: MCPServer[Any]) -> None:
    """Serve the client at standard input and output, until it leaves or a signal comes.

    The SDK reads standard input in a thread, and no signal ends such a read. So it is given a
    socket, which is filled from standard input and shut down by a signal. Halves of surrogate
    pairs, which JavaScript leaves where it cuts a text, are replaced: the SDK does not answer
    a message that has one.
    """
    ours, theirs = socket.socketpair()

    def end() -> None:
        with suppress(OSError):  # it has ended already
            ours.shutdown(socket.SHUT_WR)

    def fill() -> None:
        held: list[bytes] = []  # the start of a line
        with suppress(OSError):  # a signal came, or standard input is closed
            while data := os.read(_STDIN, _READ_BYTES):
                lines, newline, rest = data.rpartition(b"\n")
                if newline:
                    ours.sendall(_whole_characters(b"".join([*held, lines, newline])))
                    held.clear()
                held.append(rest)
            ours.sendall(_whole_characters(b"".join(held)))
        end()

    given = sys.stdin
    with ours, theirs, theirs.makefile(encoding="utf-8") as stream, _stopped_by_signals(end):
        threading.Thread(target=fill, daemon=True).start()
        try:
            sys.stdin = stream
            server.run("stdio")
        except* BrokenPipeError:
            pass  # the client does not read any more: it has left
        finally:
            sys.stdin = given


def _whole_characters(lines: bytes) -> bytes:
    """Replace the escapes of halves of surrogate pairs."""
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], lines)


def serve_http(server: MCPServer[Any], host: str, port: int, allowed_hosts: Sequence[str]) -> None:
    """Serve clients over HTTP until a signal comes.

    Args:
        server: The server.
        host: Address to listen on.
        port: Port to listen on, 0 for any free one.
        allowed_hosts: Names by which clients may reach it, next to `host` and loopback names.

    Raises:
        click.ClickException: The address cannot be listened on.
    """
    listening = _listen(host, port)
    own = () if host in _ANY else (host,)
    names = {*_LOOPBACK, *map(_bracketed, (*own, *allowed_hosts))}
    hosts = sorted(f"{name}{port}" for name in names for port in ("", ":*"))
    # Otherwise a website could reach this server through the browser: its own name can point here.
    security = TransportSecuritySettings(
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{each}" for scheme in ("http", "https") for each in hosts],
    )
    app = server.streamable_http_app(transport_security=security)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE
    )
    address = f"{_bracketed(host)}:{listening.getsockname()[1]}"
    say(f"Serving http://{address}/mcp; Ctrl-C stops it.")
    if not _is_loopback(listening.getsockname()[0]):
        say(
            "Warning: there is no authentication: whoever reaches this address can use all tools. "
            "--read-only leaves out the one that stores; --allowed-host names this machine"
        )
    # uvicorn ends by a signal, and then raises the signal again.
    with listening, _stopped_by_signals(lambda: None):
        asyncio.run(uvicorn.Server(config).serve([listening]))


def _listen(host: str, port: int) -> socket.socket:
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        problem = (error.strerror or "").partition(" (")[0]  # `socket` adds the address
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {problem}. Choose with --host and --port; "
            "--port 0 uses any free port"
        ) from error


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _bracketed(host: str) -> str:
    """Return a host as it is written in an address."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and a request to terminate call `stop`, so that the index is closed.

    The second signal of a kind has its usual effect.
    """

    def handle(number: int, _: object) -> None:
        signal.signal(number, kept[number])
        stop()

    kept = {int(each): signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
