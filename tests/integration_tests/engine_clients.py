"""Clients of one call on each engine, and what they answer, in a form that can be compared."""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import groupby

import grpc
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from langchain_gemini_qdrant.edge import EdgeClient
from tests.integration_tests.qdrant_server import QdrantServer
from tests.integration_tests.qdrant_server_proxy import UPSTREAM

WAYS = ["edge", pytest.param("worker", marks=pytest.mark.slow), "memory", "rest", "grpc"]
REFUSED = "refused"


@contextmanager
def client_over(way, folder):
    """A client over one of `WAYS`; with QDRANT_URL, the server is a real one."""
    if way in {"edge", "worker"}:
        with closing(EdgeClient(folder, worker=way == "worker")) as client:
            yield client
    elif way == "memory":
        with closing(QdrantClient(":memory:")) as client:
            yield client
    else:
        with (
            QdrantServer() as server,
            closing(
                QdrantClient(
                    url=server.url,
                    grpc_port=server.grpc_port,
                    prefer_grpc=way == "grpc",
                    check_compatibility=False,
                )
            ) as client,
        ):
            yield client


@contextmanager
def collection_over(way, folder, name, points):
    """A client over one of `WAYS`, with points in a collection of three vectors."""
    with client_over(way, folder) as client:
        client.create_collection(
            name,
            {
                "near": models.VectorParams(size=2, distance=models.Distance.DOT),
                "far": models.VectorParams(size=2, distance=models.Distance.EUCLID),
            },
            sparse_vectors_config={"words": models.SparseVectorParams()},
        )
        client.upsert(name, points)
        yield client


def is_local_mode(way):
    """Whether qdrant-client's local mode answers, which it does for the tests' own server, too."""
    return way == "memory" or (way in {"rest", "grpc"} and not UPSTREAM)


def outcome(call):
    """Return what a call gives; the errors that a wrong request may give are one."""
    try:
        return call()
    except (ValueError, TypeError, AttributeError, UnexpectedResponse, grpc.RpcError):
        return REFUSED


def rounded(points):
    """Return ids and scores; those of one score in the order of their ids."""
    pairs = [(point.id, round(point.score, 4)) for point in points]
    return [pair for _, same in groupby(pairs, lambda pair: pair[1]) for pair in sorted(same)]


def total(*terms):
    return models.SumExpression(sum=list(terms))


def product(*factors):
    return models.MultExpression(mult=list(factors))
