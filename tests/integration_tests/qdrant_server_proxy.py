"""A real Qdrant server behind the server of the tests, which then only records and forwards."""

from __future__ import annotations

import functools
import json
import os
import re
import threading
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import grpc
import httpx

from tests.integration_tests.qdrant_server_exchange import QdrantError, grpc_types
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
    """Sends each request on, and at the end deletes the collections that came to be through it.

    There, each name of a collection or alias has a prefix of its own, so that tests in several
    processes use the same names side by side; none sees the collections of another.
    """

    def __init__(self, upstream):
        self._prefix = f"test-{uuid4().hex}-"
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
        content, path = request.content, request.path
        if path == "/collections/aliases":
            content = json.dumps({"actions": self._renamed(request.body["actions"])}).encode()
        else:
            path = path.replace("/collections/", f"/collections/{self._prefix}", 1)
        answer = self._http.request(
            request.method,
            path,
            params=request.query,
            content=content,
            headers={"content-type": "application/json", **self._headers},
        )
        created = re.fullmatch(r"/collections/([^/]+)", path)
        if created and request.method == "PUT" and answer.is_success:
            self._remember(unquote(created[1]))
        content = answer.content
        lists = request.method == "GET" and re.search("/(collections|aliases)$", path)
        if lists and answer.is_success:
            content = self._ours(answer.json())
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name in {"content-type", "retry-after"}
        }
        return answer.status_code, kept, content.replace(self._prefix.encode(), b"")

    def grpc(self, request):
        """Forward a gRPC request in bytes.

        Raises:
            QdrantError: The server's, with the HTTP status that fits its code.
        """
        request_type, response_type = grpc_types(request.path)
        message = request_type.FromString(request.content)
        if "collection_name" in message.DESCRIPTOR.fields_by_name:
            message.collection_name = self._prefix + message.collection_name
        for action in getattr(message, "actions", ()):
            for _, names in action.ListFields():
                for field, name in names.ListFields():
                    setattr(names, field.name, self._prefix + name)
        try:
            answer = self._channel.unary_unary(request.path)(
                message.SerializeToString(), metadata=list(self._headers.items()), timeout=60
            )
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata() or ())
            raise QdrantError(
                status_of(error.code()),
                error.details().replace(self._prefix, ""),
                retry_after=trailers.get("retry-after"),
            ) from error
        if request.path == "/qdrant.Collections/Create":
            self._remember(message.collection_name)
        listed = response_type.FromString(answer)
        for name in {"collections", "aliases"} & set(response_type.DESCRIPTOR.fields_by_name):
            self._keep_ours(getattr(listed, name))
            answer = listed.SerializeToString()
        return answer

    def _renamed(self, actions):
        """Changes of aliases, in which every string is a name."""
        return [
            {
                kind: {key: self._prefix + name for key, name in names.items()}
                for kind, names in action.items()
            }
            for action in actions
        ]

    def _ours(self, answer):
        """A list of collections or aliases, without those of others, as JSON in bytes."""
        for name, entries in answer["result"].items():
            answer["result"][name] = [
                each
                for each in entries
                if all(value.startswith(self._prefix) for value in each.values())
            ]
        return json.dumps(answer).encode()

    def _keep_ours(self, entries):
        """The same in a message."""
        names = [[(field.name, value) for field, value in each.ListFields()] for each in entries]
        del entries[:]
        for fields in names:
            if all(value.startswith(self._prefix) for _, value in fields):
                entries.add(**{key: value.removeprefix(self._prefix) for key, value in fields})

    def _remember(self, name):
        with self._lock:
            self._created.add(name)


def version_of(upstream):
    """Return the version of a real server, such as (1, 15)."""
    return tuple(map(int, _told(upstream, "/")["version"].split(".")[:2]))


def is_cluster(upstream):
    """Say whether a real server has other nodes beside it."""
    return len(_told(upstream, "/cluster")["result"].get("peers", ())) > 1


@functools.cache
def _told(upstream, path):
    headers = {"api-key": upstream.api_key} if upstream.api_key else {}
    url = f"{upstream.url.rstrip('/')}{path}"
    answer = httpx.get(url, headers=headers, timeout=60, trust_env=False)
    return answer.raise_for_status().json()
