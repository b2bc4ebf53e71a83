"""What a Qdrant server is sent: recorded by a stub that answers as Qdrant's API reference says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr
from qdrant_client import models

from langchain_gemini_qdrant import create_vector_store

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")


class QdrantStub(BaseHTTPRequestHandler):
    """One collection, kept as the JSON that created it; a search finds one point."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        server = self.server
        path = self.path.split("?")[0].removeprefix("/collections/c")
        server.seen.append((self.command, path, body, dict(self.headers)))
        result = json.dumps({"result": self.result(path, body), "status": "ok", "time": 0.0})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(result)))
        self.end_headers()
        self.wfile.write(result.encode())

    do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

    def result(self, path, body):
        server = self.server
        match self.command, path:
            case "GET", "/exists":
                return {"exists": server.created is not None}
            case "PUT", "":
                server.created = body
                return True
            case "GET", "":
                return {
                    "status": "green",
                    "optimizer_status": "ok",
                    "segments_count": 1,
                    "points_count": 0,
                    "payload_schema": {},
                    "config": {
                        "params": {"vectors": server.created["vectors"].get("", {})},
                        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 1},
                        "optimizer_config": {
                            "deleted_threshold": 0.2,
                            "vacuum_min_vector_number": 1,
                            "default_segment_number": 0,
                            "flush_interval_sec": 5,
                        },
                        "quantization_config": server.created["quantization_config"],
                    },
                }
            case "PUT", "/points":
                return {"operation_id": 0, "status": "completed"}
            case "POST", "/points/query":
                payload = {"page_content": "found", "metadata": {"a": 1}}
                return {"points": [{"id": 7, "version": 0, "score": 0.5, "payload": payload}]}
        raise AssertionError(f"no answer for {self.command} {path}")

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), QdrantStub)
    server.seen, server.created = [], None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(server, embeddings):
    store = create_vector_store(
        embeddings,
        "c",
        url=f"http://127.0.0.1:{server.server_port}",
        api_key=SecretStr("qdrant-key"),
        timeout=7,
        quantization="binary",
    )
    yield store
    store.client.close()


def test_collection_is_created_once_with_size_distance_and_quantization(store, server):
    [created] = [body for method, path, body, _ in server.seen if (method, path) == ("PUT", "")]
    assert created["vectors"] == {"": {"size": 768, "distance": "Cosine"}}
    assert created["quantization_config"] == {
        "binary": {"always_ram": True, "query_encoding": "scalar8bits"}
    }
    again = create_vector_store(store.embeddings, "c", client=store.client, quantization="binary")
    assert again.search_params == store.search_params
    assert [call[:2] for call in server.seen].count(("PUT", "")) == 1


def test_every_request_carries_the_key(store, server):
    store.add_texts(["a"])
    headers = [{k.lower(): v for k, v in headers.items()} for *_, headers in server.seen]
    assert {each["api-key"] for each in headers} == {"qdrant-key"}
    assert "qdrant-key" not in repr(store)


def test_points_carry_text_metadata_and_the_id_as_given(store, server):
    store.add_texts(["a"], [{"page": 1}], ids=["my id"])
    _, _, body, _ = server.seen[-1]
    [point] = body["points"]
    assert point["payload"] == {
        "page_content": "a",
        "metadata": {"page": 1},
        "document_id": "my id",
    }
    assert len(point["vector"][""]) == 768


@pytest.mark.parametrize(
    ("search_type", "kwargs"),
    [
        ("similarity", {}),
        ("mmr", {"fetch_k": 9, "lambda_mult": 0.25}),
        ("similarity_score_threshold", {"score_threshold": 0.1}),
    ],
)
def test_every_retriever_is_one_request_with_oversampling_and_rescore(
    store, server, search_type, kwargs
):
    server.seen.clear()
    retriever = store.as_retriever(search_type=search_type, search_kwargs={"k": 3, **kwargs})
    [hit] = retriever.invoke("q")
    assert (hit.id, hit.page_content, hit.metadata) == ("7", "found", {"a": 1})
    [(_, path, body, _)] = server.seen
    assert path == "/points/query"
    assert body["params"]["quantization"] == {"rescore": True, "oversampling": 3.0}
    assert body["limit"] == 3
    if search_type == "mmr":
        assert body["query"]["mmr"] == {"diversity": 0.75, "candidates_limit": 9}


def test_search_params_of_a_call_go_out_instead(store, server):
    quantization = models.QuantizationSearchParams(rescore=False)
    store.similarity_search("q", search_params=models.SearchParams(quantization=quantization))
    assert server.seen[-1][2]["params"]["quantization"] == {"rescore": False, "oversampling": 3.0}
