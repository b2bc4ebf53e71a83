"""A Qdrant for sync and async use: embedded, in memory, or a server."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.async_client_base import AsyncQdrantBase

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from qdrant_client.client_base import QdrantBase

_EDGE_OPTIONS = ("worker", "durability")
_SERVER_OPTIONS = ("api_key", "prefer_grpc", "timeout", "https", "prefix")


class Engine:
    """One Qdrant, with a client for sync use and one for each event loop.

    Args:
        client: A client to use; None makes one with the options of `async_client` when it is
            needed.
        async_client: A client to use; None makes one for each event loop, of the same server, or
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
        self._given = client
        self._given_async = async_client
        self._owned = owned
        self._made = Clients(self._make, self._make_async)

    @property
    def client(self) -> QdrantClient:
        """The client for sync use.

        Raises:
            ConfigurationError: There is only an asynchronous one, over an engine of its own.
        """
        return self._given or self._made.of_process()

    @property
    def async_client(self) -> AsyncQdrantClient:
        """The client for the running event loop."""
        return self._given_async or self._made.of_loop()

    @property
    def given(self) -> QdrantClient | AsyncQdrantClient | None:
        """The client that this engine is of."""
        return self._given or self._given_async

    @property
    def is_local_mode(self) -> bool:
        """Whether this is qdrant-client's pure-Python engine: no quantization, no indexes."""
        return self.given is not None and _is_local_mode(self.given)

    @property
    def is_server(self) -> bool:
        """Whether this is a server: neither the embedded engine nor local mode."""
        edge = isinstance(self.given, EdgeClient | AsyncEdgeClient)
        return not (edge or self.is_local_mode)

    def close(self) -> None:
        """Close the sync client, unless the user gave it."""
        made = self._made.take_of_process()
        if made is not None:
            made.close()
        if self._owned and self._given is not None:
            self._given.close()

    async def aclose(self) -> None:
        """Close the client of the running event loop and the sync one, unless the user gave it."""
        made = self._made.take_of_loop()
        if made is not None:
            await made.close()
        self.close()

    def _make(self) -> QdrantClient:
        if isinstance(self._given_async, AsyncEdgeClient):
            return EdgeClient(**self._given_async.init_options, worker=True)
        if self._given_async is None or _is_local_mode(self._given_async):
            raise ConfigurationError(
                "this store has an AsyncQdrantClient over an engine of its own and no sync client: "
                "use the asynchronous methods, or pass client= with the QdrantClient of that engine"
            )
        return QdrantClient(**_quiet(self._given_async.init_options))

    def _make_async(self) -> AsyncQdrantClient:
        client = self.client
        options = client.init_options
        if isinstance(client, EdgeClient) and options.pop("worker"):
            return AsyncEdgeClient(**options)
        if isinstance(client, EdgeClient) or _is_local_mode(client):
            return _InPlaceClient(client)
        return AsyncQdrantClient(**_quiet(options))


def connect(
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    host: str | None = None,
    location: str | None = None,
    client: QdrantClient | None = None,
    async_client: AsyncQdrantClient | None = None,
    **options: Any,
) -> Engine:
    """Return one engine; `options` are those of `QdrantClient`, for a server, or of `EdgeClient`.

    Raises:
        ConfigurationError: Not exactly one engine, or options that it does not have.
        StorageError: `path` cannot be used.
    """
    if location is not None and location.startswith(("http://", "https://")):
        url, location = location, None  # a QdrantClient takes it so, too
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
        raise ConfigurationError(f"{' and '.join(misplaced)} go with path=, not with {given[0]}=")
    if url is not None or host is not None:
        key = options.get("api_key")
        options["api_key"] = key.get_secret_value() if isinstance(key, SecretStr) else key
        return Engine(QdrantClient(url=url, host=host, **_quiet(options)), owned=True)
    misplaced = [name for name in _SERVER_OPTIONS if options.get(name)]
    if misplaced:
        raise ConfigurationError(f"{' and '.join(misplaced)} go with url=, not with {given[0]}=")
    if unknown := sorted(options.keys() - inspect.signature(QdrantClient).parameters.keys()):
        raise ConfigurationError(f"unknown options {unknown}: QdrantClient has none of that name")
    if path is not None:
        settings = {name: value for name, value in edge.items() if value is not None}
        return Engine(EdgeClient(path, **settings), owned=True)
    if location is None:
        return Engine(client, async_client)
    if location != ":memory:":
        raise ConfigurationError(
            f"location must be ':memory:', got {location!r}: the address of a server is url="
        )
    return Engine(QdrantClient(location=location), owned=True)


def _quiet(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with which a client does not ask for the server's version unasked."""
    return {**options, "check_compatibility": False}


def _is_local_mode(client: QdrantClient | AsyncQdrantClient) -> bool:
    if isinstance(client, EdgeClient | AsyncEdgeClient):
        return False
    options = client.init_options
    return options.get("location") == ":memory:" or options.get("path") is not None


class _InPlaceClient(AsyncQdrantClient):
    """The asynchronous face of an engine in this process: a call is done where it is awaited.

    Such an engine computes, so a thread would only make the event loop wait for it elsewhere.
    """

    def __init__(self, client: QdrantClient) -> None:
        super().__init__(location=":memory:")
        # `_client` is what a client of qdrant-client sends all calls to; here both share one
        self._client = _InPlaceBackend(client._client)  # noqa: SLF001
        if isinstance(client, EdgeClient):
            self._optimize = client.optimize

    async def optimize(self, collection_name: str) -> bool:
        """Build graphs and codes; see `EdgeClient.optimize`."""
        return self._optimize(collection_name)


class _InPlaceBackend(AsyncQdrantBase):
    def __init__(self, backend: QdrantBase) -> None:
        super().__init__()
        self.backend = backend

    async def close(self, **kwargs: Any) -> None:
        """Leave the engine open: it belongs to the sync client."""


def _in_place(name: str) -> Callable[..., Any]:
    def call(self: _InPlaceBackend, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - by method
        return getattr(self.backend, name)(*args, **kwargs)

    async def acall(self: _InPlaceBackend, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - by method
        return call(self, *args, **kwargs)

    return acall if inspect.iscoroutinefunction(getattr(AsyncQdrantBase, name)) else call


for _name, _method in vars(AsyncQdrantBase).items():
    if not _name.startswith("_") and _name != "close" and callable(_method):
        setattr(_InPlaceBackend, _name, _in_place(_name))
