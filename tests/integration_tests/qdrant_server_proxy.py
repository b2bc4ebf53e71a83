"""A real Qdrant server behind the server of the tests, which then only records and forwards."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import grpc
import httpx

from tests.integration_tests.qdrant_server_exchange import QdrantError
from tests.integration_tests.qdrant_server_grpc import status_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """Where the real server listens.

    `grpc_target` is `host:port`, by default the host of `url` and port 6334.
    """

    url: str
    grpc_target: str = ""
    api_key: str | None = None


def upstream_from(environ):
    """Read QDRANT_URL, QDRANT_GRPC_URL and QDRANT_API_KEY; None if there is no QDRANT_URL."""
    if not environ.get("QDRANT_URL"):
        return None
    return Upstream(
        url=environ["QDRANT_URL"],
        grpc_target=environ.get("QDRANT_GRPC_URL", "").rpartition("//")[2].rstrip("/"),
        api_key=environ.get("QDRANT_API_KEY"),
    )


# Read on import, before the fixture that hides the developer's keys from the tests.
UPSTREAM = upstream_from(os.environ)


class ForwardedQdrant:
    """Sends each request on, and at the end deletes the collections that came to be through it."""

    def __init__(self, upstream):
        self._headers = {"api-key": upstream.api_key} if upstream.api_key else {}
        url = urlsplit(upstream.url)
        https = url.scheme == "https"  # reading the certificates takes 50 ms
        self._http = httpx.Client(base_url=upstream.url, verify=https, timeout=60, trust_env=False)
        target = upstream.grpc_target or f"{url.hostname}:6334"
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
        ]
        if https:
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        self._lock = threading.Lock()
        self._created = set()

    def close(self):
        for name in self._created:
            path = f"/collections/{quote(name, safe='')}"
            self._http.delete(path, headers=self._headers).raise_for_status()
        self._http.close()
        self._channel.close()

    def rest(self, request):
        """Forward a REST request; return the answer's status, headers and content."""
        answer = self._http.request(
            request.method,
            request.path,
            params=request.query,
            content=request.content,
            headers={"content-type": "application/json", **self._headers},
        )
        created = re.fullmatch(r"/collections/([^/]+)", request.path)
        if created and request.method == "PUT" and answer.is_success:
            self._remember(unquote(created[1]))
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name in {"content-type", "retry-after"}
        }
        return answer.status_code, kept, answer.content

    def grpc(self, request):
        """Forward a gRPC request in bytes.

        Raises:
            QdrantError: The server's, with the HTTP status that fits its code.
        """
        try:
            answer = self._channel.unary_unary(request.path)(
                request.content, metadata=list(self._headers.items()), timeout=60
            )
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            raise QdrantError(
                status_of(error.code()), error.details(), retry_after=trailers.get("retry-after")
            ) from error
        if request.path == "/qdrant.Collections/Create":
            self._remember(request.body["collection_name"])
        return answer

    def _remember(self, name):
        with self._lock:
            self._created.add(name)
