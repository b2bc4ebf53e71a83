"""A connection to a Qdrant engine for sync and async use: embedded, in memory, or a server."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import httpx
from qdrant_client import AsyncQdrantClient, QdrantClient

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant._telemetry import DEFAULT_PORTS
from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.edge._in_place import InPlaceBackend
from langchain_gemini_qdrant.edge.async_client import InPlaceEdgeClient
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.vectorstores._arguments import check_clients
from langchain_gemini_qdrant.vectorstores._server import quiet, server_client

if TYPE_CHECKING:
    import os

    from qdrant_client.async_client_base import AsyncQdrantBase

EngineKind: TypeAlias = Literal["edge", "local", "server"]
"""Qdrant Edge, qdrant-client's pure-Python local mode, or a Qdrant server."""

_EDGE_OPTIONS = ("worker", "durability")
_SERVER_OPTIONS = ("api_key", "prefer_grpc", "timeout", "https", "prefix")


class Connection:
    """One Qdrant engine, with a client for sync use and one for each event loop.

    Args:
        client: The sync client; None makes one on first use, with the options of `async_client`.
        async_client: The async client; None makes one for each event loop, to the same server, or
            over the engine that `client` has in this process.
        owned: Whether `close` closes the clients that were given.
    """

    def __init__(
        self,
        client: QdrantClient | None,
        async_client: AsyncQdrantClient | None = None,
        *,
        owned: bool = False,
    ) -> None:
        check_clients(client, async_client)
        self._given = client
        self._given_async = async_client
        self._owned = owned
        self._made = Clients(self._make, self._make_async, _close_async)
        # An engine in this process is identified by the client that has it, sync or async.
        self._origin: QdrantClient | None = None
        if isinstance(async_client, InPlaceEdgeClient | LocalModeClient):
            self._origin = async_client.sync_client
        given = client or self._origin or async_client
        self.kind: EngineKind = "server" if given is None else _engine_kind(given)

    @property
    def client(self) -> QdrantClient:
        """The client for sync use.

        Raises:
            ConfigurationError: There is only an async client, with an engine of its own.
        """
        return self._given or self._origin or self._made.of_process()

    @property
    def async_client(self) -> AsyncQdrantClient:
        """The client for the running event loop."""
        return self._given_async or self._made.of_loop()

    @property
    def any_client(self) -> QdrantClient | AsyncQdrantClient | None:
        """A client that was given, or over which another one was made; None if there is none."""
        return self._given or self._origin or self._given_async

    @property
    def is_grpc(self) -> bool:
        """Whether calls go over gRPC."""
        client = self._given or self._given_async
        return self.kind == "server" and bool(client and client.init_options.get("prefer_grpc"))

    @property
    def takes_arrays(self) -> bool:
        """Whether a point's dense vectors may be arrays of 32-bit floats, not only lists."""
        client = self.any_client
        # Local mode with a folder pickles what it is given, and other programs expect lists there.
        in_memory = client is not None and client.init_options.get("location") == ":memory:"
        return self.kind == "edge" or (self.kind == "local" and in_memory)

    @property
    def place(self) -> str:
        """The engine and its location, for messages; nothing is sent."""
        client = self.any_client
        if client is None:
            return self.kind
        if self.kind == "server":
            address = _address(client)  # these parts contain no key or password
            return f"server {address.scheme}://{address.netloc.decode()}"
        folder = client.init_options.get("path")
        return f"{self.kind} {folder or 'in memory'}"

    def is_same_engine(self, other: Connection) -> bool:
        """Return whether both are clients of one engine, as far as their options show."""
        one, two = self.any_client, other.any_client
        if one is two:
            return True
        if one is None or two is None or self.kind != other.kind:
            return False
        if self.kind == "edge":
            paths = (one.init_options["path"], two.init_options["path"])
            return Path(paths[0]).resolve() == Path(paths[1]).resolve()
        return self.kind == "server" and _address(one) == _address(two)

    def close(self) -> None:
        """Close the sync client, unless the user passed it, and release an engine's folder."""
        for client in self._made.of_all_loops():
            if isinstance(client, AsyncEdgeClient):
                client._release()  # noqa: SLF001 - closing it would need its event loop
        made = self._made.take_of_process()
        if made is not None:
            made.close()
        if self._owned and self._given is not None:
            self._given.close()

    async def aclose(self) -> None:
        """Close the running event loop's client and the sync one, unless the user passed them."""
        try:
            await self._made.close_of_loop()
        finally:
            self.close()

    def _make(self) -> QdrantClient:
        if isinstance(self._given_async, AsyncEdgeClient):
            self._given_async._check_open()  # noqa: SLF001
            return EdgeClient(**self._given_async.init_options, worker=True)
        if self._given_async is None or self.kind == "local":
            raise ConfigurationError(
                "this store has an AsyncQdrantClient with an engine of its own and no sync client: "
                "use the asynchronous methods, or pass client= with the QdrantClient of that engine"
            )
        return QdrantClient(**quiet(self._given_async.init_options))

    def _make_async(self) -> AsyncQdrantClient:
        client = self.client
        if isinstance(client, EdgeClient):
            return AsyncEdgeClient.over(client)
        if self.kind == "local":
            return LocalModeClient(client)
        return AsyncQdrantClient(**quiet(client.init_options))


def connect(
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    host: str | None = None,
    location: str | None = None,
    client: QdrantClient | None = None,
    async_client: AsyncQdrantClient | None = None,
    **options: Any,
) -> Connection:
    """Return a connection; `options` are those of `QdrantClient`, or of `EdgeClient`.

    Raises:
        ConfigurationError: Not exactly one engine is given, or options that it does not have.
        StorageError: `path` cannot be used.
    """
    if location is not None and location.startswith(("http://", "https://")):
        url, location = location, None  # as QdrantClient does
    engines = {
        "path": path,
        "url": url,
        "host": host,
        "location": location,
        "client": client if client is not None else async_client,
    }
    given = [name for name, value in engines.items() if value is not None]
    if len(given) != 1:
        raise ConfigurationError(
            "one of path= (embedded engine), url= (server), location=':memory:' and client= is "
            f"needed, got {' and '.join(given) or 'none'}"
        )
    edge = {name: options.pop(name) for name in _EDGE_OPTIONS if name in options}
    if path is None and (misplaced := [name for name, value in edge.items() if value]):
        raise _misplaced(misplaced, "path", given[0])
    if url is not None or host is not None:
        return Connection(server_client(url, host, **options), owned=True)
    misplaced = [name for name in _SERVER_OPTIONS if options.get(name)]
    if misplaced:
        raise _misplaced(misplaced, "url", given[0])
    if unknown := sorted(options.keys() - inspect.signature(QdrantClient).parameters.keys()):
        raise ConfigurationError(f"unknown options {unknown}: QdrantClient has no such options")
    if path is not None:
        settings = {name: value for name, value in edge.items() if value is not None}
        return Connection(EdgeClient(path, **settings), owned=True)
    if location is None:
        return Connection(client, async_client)
    if location != ":memory:":
        raise ConfigurationError(
            f"location must be ':memory:', got {location!r}: pass the address of a server as url="
        )
    return Connection(QdrantClient(location=location), owned=True)


def _misplaced(options: list[str], engine: str, given: str) -> ConfigurationError:
    verb = "go" if len(options) > 1 else "goes"
    return ConfigurationError(f"{' and '.join(options)} {verb} with {engine}=, not with {given}=")


async def _close_async(client: AsyncQdrantClient) -> None:
    await client.close()


def server_of(client: QdrantClient | AsyncQdrantClient | None) -> dict[str, str | int]:
    """Return the address of a client's server as attributes of spans; empty for other engines."""
    if client is None or _engine_kind(client) != "server":
        return {}
    url = _address(client)
    is_grpc = client.init_options.get("prefer_grpc")
    port: int = (
        client.init_options["grpc_port"] if is_grpc else url.port or DEFAULT_PORTS[url.scheme]
    )
    return {"server.address": url.host, "server.port": port}


def _engine_kind(client: QdrantClient | AsyncQdrantClient) -> EngineKind:
    if isinstance(client, EdgeClient | AsyncEdgeClient):
        return "edge"
    options = client.init_options
    is_local = options.get("location") == ":memory:" or options.get("path") is not None
    return "local" if is_local else "server"


def _address(client: QdrantClient | AsyncQdrantClient) -> httpx.URL:
    """Return the address of a client's server, whichever of its options has it."""
    return httpx.URL(client.http.client.host.rstrip("/"))


class LocalModeClient(AsyncQdrantClient):
    """The asynchronous client over a `QdrantClient` in local mode.

    Attributes:
        sync_client: The client that has the engine.
    """

    def __init__(self, client: QdrantClient) -> None:
        super().__init__(location=":memory:")
        # A client of qdrant-client sends all calls to its `_client`; here both share one.
        self._client = cast("AsyncQdrantBase", InPlaceBackend(client._client))  # noqa: SLF001
        self.sync_client = client

    async def optimize(self, collection_name: str) -> bool:  # noqa: ARG002
        """Raise a ConfigurationError: there is nothing to optimize."""
        raise ConfigurationError("local mode has nothing to optimize: it scans all vectors")
