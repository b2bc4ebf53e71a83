"""Which engine a client leads to, what stays open when opening fails, and use in event loops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import warnings
from pathlib import Path

import httpx
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from qdrant_client import AsyncQdrantClient, QdrantClient, models

import langchain_gemini_qdrant
from langchain_gemini_qdrant import (
    AsyncEdgeClient,
    CollectionMismatchError,
    ConfigurationError,
    EdgeClient,
    GeminiQdrantVectorStore,
    PartialWriteError,
    StorageError,
    amigrate,
    create_vector_store,
    ingest,
    measure_recall,
    migrate,
    reembed,
    vectorstores,
)
from langchain_gemini_qdrant.vectorstores._connection import Connection
from tests.integration_tests.plane import Plane

VECTORS = models.VectorParams(size=2, distance=models.Distance.COSINE)
ENGINES = ["edge", "worker", "memory", "local", "server"]


@pytest.fixture
def make_client(tmp_path, request):
    """Make clients of an engine; those of one name are of one folder or server."""
    with contextlib.ExitStack() as stack:

        def make(kind, name="one"):
            if kind == "server":
                url = request.getfixturevalue("qdrant_server").url
                client = QdrantClient(url=url, check_compatibility=False, verify=False)
            elif kind == "memory":
                client = QdrantClient(":memory:")
            elif kind == "local":
                client = QdrantClient(path=tmp_path / name)
            else:
                client = EdgeClient(tmp_path / name, worker=kind == "worker")
            return stack.enter_context(contextlib.closing(client))

        yield make


# An engine is known by its clients


class OwnEdge(EdgeClient):
    pass


class OwnAsyncEdge(AsyncEdgeClient):
    pass


class OwnClient(QdrantClient):
    pass


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("edge", "edge"),
        ("worker", "edge"),
        ("memory", "local"),
        ("local", "local"),
        ("server", "server"),
    ],
)
async def test_both_clients_of_a_store_are_of_its_engine(make_client, kind, engine):
    store = create_vector_store(Plane(), "c", client=make_client(kind))
    assert Connection(store.client).kind == engine
    assert Connection(None, store.async_client).kind == engine
    one = Connection(store.client)
    assert one.is_same_engine(Connection(None, store.async_client))
    assert Connection(None, store.async_client).is_same_engine(one)
    with pytest.raises(ConfigurationError, match="same collection"):
        await amigrate(store.async_client, store.async_client, "c")
    with pytest.raises(ConfigurationError, match="same collection"):
        migrate(store.client, store.client, "c")
    await store.aclose()


async def test_subclasses_of_clients_are_of_the_same_engines(tmp_path):
    edge, memory = OwnEdge(tmp_path / "edge"), OwnClient(":memory:")
    aedge = OwnAsyncEdge(tmp_path / "worker")
    assert Connection(edge).kind == "edge"
    assert Connection(None, aedge).kind == "edge"
    assert Connection(memory).kind == "local"
    assert Connection(OwnClient(url="http://localhost:1", check_compatibility=False)).kind == (
        "server"
    )
    edge.close()
    memory.close()
    await aedge.close()


@pytest.mark.parametrize("kind", ["edge", "worker"])
async def test_quantization_is_copied_through_the_async_client_of_a_store(make_client, kind):
    source = create_vector_store(
        Plane(), "c", client=make_client(kind), quantization="binary", payload_indexes={"n": "text"}
    )
    await source.aadd_texts(["1 0", "0 1"])
    target = create_vector_store(Plane(), "other", client=make_client("edge", "two"))
    report = await amigrate(source.async_client, target.async_client, "c")
    assert (report.added, report.not_kept) == (2, ())
    info = target.client.get_collection("c")
    assert info.config.quantization_config.binary
    assert list(info.payload_schema) == ["metadata.n"]
    await source.aclose()


async def test_numbers_that_local_mode_only_reports_are_not_copied_from_its_async_client(
    make_client,
):
    source = create_vector_store(Plane(), "c", client=make_client("memory"))
    target = create_vector_store(Plane(), "plain", client=make_client("edge"))
    await amigrate(source.async_client, target.async_client, "c")
    plain, copy = (target.client.get_collection(name).config for name in ("plain", "c"))
    assert copy.hnsw_config == plain.hnsw_config
    assert copy.optimizer_config == plain.optimizer_config


async def test_a_second_store_over_a_store_s_async_client_has_the_same_engine(make_client):
    one = create_vector_store(Plane(), "c", client=make_client("edge"), quantization="binary")
    two = create_vector_store(
        Plane(), "c", async_client=one.async_client, quantization="binary"
    )  # and no warning: it is no local mode
    await two.aadd_texts(["1 0"])
    assert two.client is one.client
    assert [document.page_content for document in two.similarity_search("1 0")] == ["1 0"]
    assert two.search_params == one.search_params
    await two.aset_quantization(None)
    two.close()
    assert one.count() == 1


async def test_a_second_store_over_local_mode_is_warned_and_has_nothing_to_optimize(make_client):
    one = create_vector_store(Plane(), "c", client=make_client("memory"))
    with pytest.warns(UserWarning, match="has no effect here"):
        two = create_vector_store(
            Plane(), "c", async_client=one.async_client, quantization="binary"
        )
    assert two.count() == 0
    with pytest.raises(ConfigurationError, match="nothing to optimize"):
        await one.async_client.optimize("c")


def test_a_path_is_the_same_however_it_is_spelt(make_client, tmp_path, monkeypatch):
    client = make_client("edge")
    client.create_collection("c", VECTORS)
    monkeypatch.chdir(tmp_path)
    for path in ("one", Path("one"), tmp_path / "two" / ".." / "one", f"{tmp_path}/one/"):
        with (
            contextlib.closing(EdgeClient(path)) as other,
            pytest.raises(ConfigurationError, match="same collection"),
        ):
            migrate(client, other, "c")


@pytest.mark.skipif(os.name != "posix", reason="needs the right to make links")
def test_a_link_leads_to_the_same_folder(make_client, tmp_path):
    client = make_client("edge")
    client.create_collection("c", VECTORS)
    (tmp_path / "link").symlink_to(tmp_path / "one")
    with (
        contextlib.closing(EdgeClient(tmp_path / "link")) as other,
        pytest.raises(ConfigurationError, match="same collection"),
    ):
        migrate(client, other, "c")


def test_two_throw_away_folders_are_two_engines():
    with (
        contextlib.closing(EdgeClient(":temporary:")) as one,
        contextlib.closing(EdgeClient(":temporary:")) as two,
    ):
        one.create_collection("c", VECTORS)
        one.upsert("c", [models.PointStruct(id=1, vector=[1, 0])])
        assert migrate(one, two, "c").added == 1


async def test_two_indexes_in_memory_are_two_engines(make_client):
    one = create_vector_store(Plane(), "c", client=make_client("memory"))
    two = create_vector_store(Plane(), "other", client=make_client("memory"))
    one.add_texts(["1 0"])
    assert (await amigrate(one.async_client, two.async_client, "c")).added == 1


SAME_SERVER = [
    {"url": "http://localhost:8333"},
    {"location": "http://localhost:8333"},
    {"url": "http://localhost:8333/"},
    {"url": "localhost:8333"},
    {"url": "HTTP://LOCALHOST:8333"},
    {"url": "http://localhost", "port": 8333},
    {"host": "localhost", "port": 8333},
    {"host": "localhost", "port": 8333, "https": False, "prefer_grpc": True, "timeout": 3},
    {"port": 8333},
]


@pytest.mark.parametrize("options", SAME_SERVER)
@pytest.mark.parametrize("client_class", [QdrantClient, AsyncQdrantClient])
def test_a_server_is_the_same_however_it_is_spelt(options, client_class):
    one = Connection(QdrantClient(**SAME_SERVER[0], check_compatibility=False))
    client = client_class(**options, check_compatibility=False)
    two = Connection(client) if client_class is QdrantClient else Connection(None, client)
    assert one.is_same_engine(two)
    assert two.is_same_engine(one)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://localhost:8334"},
        {"url": "https://localhost:8333"},
        {"url": "http://localhost:8333/tenant"},
        {"url": "http://localhost:8333", "prefix": "tenant"},
        {"host": "other", "port": 8333},
        {"path": "local"},
        {"location": ":memory:"},
    ],
)
def test_other_addresses_are_other_engines(options, tmp_path):
    one = Connection(QdrantClient(**SAME_SERVER[0], check_compatibility=False))
    if "path" in options:
        options = {"path": tmp_path / options["path"]}
    two = QdrantClient(**options, check_compatibility=False)
    assert not one.is_same_engine(Connection(two))
    assert not Connection(two).is_same_engine(one)
    two.close()


async def test_two_clients_of_one_server_are_one_engine(qdrant_server):
    options = {"check_compatibility": False, "verify": False}
    one = QdrantClient(url=qdrant_server.url, **options)
    two = QdrantClient(location=qdrant_server.url, **options)
    one.create_collection("c", VECTORS)
    with pytest.raises(ConfigurationError, match="same collection"):
        migrate(one, two, "c")
    aone = AsyncQdrantClient(host="127.0.0.1", port=qdrant_server.port, **options)
    atwo = AsyncQdrantClient(url=qdrant_server.url, prefer_grpc=True, **options)
    with pytest.raises(ConfigurationError, match="same collection"):
        await amigrate(aone, atwo, "c")
    for client in (one, two):
        client.close()
    for client in (aone, atwo):
        await client.close()


# A store that fails to open leaves nothing open


class Failing(Embeddings):
    """Cannot embed "bad", whose `error` it raises."""

    error = ValueError("bad")

    def embed_documents(self, texts):
        if "bad" in texts:
            raise self.error
        return Plane().embed_documents(texts)

    def embed_query(self, text):
        return Plane().embed_query(text)


class Seen(GeminiQdrantVectorStore):
    """Notes clients of the stores that are made of it, by the names of their properties."""

    names = ()
    clients = ()

    def __init__(self, client, *args, **kwargs):
        super().__init__(client, *args, **kwargs)
        for name in self.names:
            self.clients.append(getattr(self, name))


@pytest.fixture
def seen(monkeypatch, request):
    """The clients that the stores of this test have, in the order of their making."""
    is_async = request.node.callspec.params["twin"] == "async"
    clients = []
    monkeypatch.setattr(Seen, "names", ["client", "async_client"][: 1 + is_async])
    monkeypatch.setattr(Seen, "clients", clients)
    return clients


FAULTS = {
    "another distance": ({"distance": models.Distance.DOT}, CollectionMismatchError),
    "another vector": ({"vector_name": "other"}, CollectionMismatchError),
    "quantization": ({"quantization": "nonsense"}, ConfigurationError),
    "quantized otherwise": ({"quantization": "binary"}, CollectionMismatchError),
    "title_key": ({"title_key": "title"}, ConfigurationError),
}


async def open_store(twin, way, engine, **options):
    if way == "construct_instance":
        names = {*engine} | {*options} & {"quantization", "title_key"}
        given = {**engine, **options}
        client_options = {name: given[name] for name in names}
        rest = {name: value for name, value in options.items() if name not in names}
        return await twin(
            *(Seen, way, Plane()), client_options=client_options, collection_name="c", **rest
        )
    if way == "from_existing_collection":
        return await twin(Seen, way, "c", Plane(), **engine, **options)
    return await twin(Seen, way, ["1 0"], Plane(), collection_name="c", **engine, **options)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", ["construct_instance", "from_existing_collection", "from_texts"])
async def test_what_does_not_fit_leaves_the_folder_free(twin, way, fault, tmp_path):
    path = tmp_path / "index"
    create_vector_store(Plane(), "c", path=path).close()
    options, error = FAULTS[fault]
    with pytest.raises(error) as caught:
        await open_store(twin, way, {"path": path}, **options)
    assert caught.value.__traceback__  # which holds what is not closed
    EdgeClient.restore(path, tmp_path / "copy")


@pytest.mark.parametrize("fault", ["another distance", "quantization", "title_key"])
async def test_what_does_not_fit_ends_the_worker(twin, fault, tmp_path):
    path = tmp_path / "index"
    create_vector_store(Plane(), "c", path=path).close()
    options, error = FAULTS[fault]
    with pytest.raises(error) as caught:
        await open_store(
            twin, "from_existing_collection", {"path": path, "worker": True}, **options
        )
    assert caught.value.__traceback__
    EdgeClient.restore(path, tmp_path / "copy")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"payload_indexes": {"a": "nonsense"}}, ConfigurationError),
        ({"client_options": {"nonsense": 1}}, ConfigurationError),
        ({"collection_create_options": {"nonsense": 1}}, Exception),
        ({"quantization": "nonsense"}, ConfigurationError),
        ({"title_key": "title"}, ConfigurationError),
    ],
)
async def test_wrong_options_of_a_new_collection_leave_the_folder_free(
    twin, options, error, tmp_path
):
    path = tmp_path / "index"
    create_vector_store(Plane(), "other", path=path).close()
    with pytest.raises(error) as caught:
        await twin(vectorstores, "create_vector_store", Plane(), "c", path=path, **options)
    assert caught.value.__traceback__
    EdgeClient.restore(path, tmp_path / "copy")


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
@pytest.mark.parametrize("way", ["construct_instance", "from_existing_collection", "from_texts"])
async def test_what_does_not_fit_closes_the_sockets(twin, way, prefer_grpc, qdrant_server, seen):
    engine = {
        "url": qdrant_server.url,
        "grpc_port": qdrant_server.grpc_port,
        "prefer_grpc": prefer_grpc,
    }
    create_vector_store(Plane(), "c", **engine).close()
    with pytest.raises(CollectionMismatchError):
        await open_store(twin, way, engine, distance=models.Distance.DOT)
    assert seen
    assert all(client._client.closed for client in seen)


@pytest.mark.parametrize("way", ["construct_instance", "from_existing_collection", "from_texts"])
@pytest.mark.parametrize("kind", ["edge", "memory", "server"])
async def test_a_client_that_was_given_stays_open(twin, way, kind, make_client):
    client = make_client(kind)
    create_vector_store(Plane(), "c", client=client)
    with pytest.raises(CollectionMismatchError):
        await open_store(twin, way, {"client": client}, distance=models.Distance.DOT)
    assert client.collection_exists("c")


async def test_texts_that_cannot_be_added_leave_the_folder_free(twin, tmp_path):
    path = tmp_path / "index"
    with pytest.raises(ValueError, match="bad") as caught:
        await twin(Seen, "from_texts", ["bad"], Failing(), collection_name="c", path=path)
    assert caught.value.__traceback__
    EdgeClient.restore(path, tmp_path / "copy")
    with create_vector_store(Plane(), "c", path=path) as store:
        assert store.count() == 0
    document = Document("bad")
    with pytest.raises(ValueError, match="bad"):
        await twin(Seen, "from_documents", [document], Failing(), collection_name="c", path=path)
    EdgeClient.restore(path, tmp_path / "copy 2")


def test_from_texts_takes_langchain_qdrant_s_arguments(tmp_path):
    store = GeminiQdrantVectorStore.from_texts(
        *(["1 0", "0 1"], Plane(), [{"n": 1}, {"n": 2}], ["a", "b"], "named"),
        path=str(tmp_path),
        distance=models.Distance.DOT,
        content_payload_key="text",
        batch_size=1,
        force_recreate=True,
        quantization="binary",
    )
    assert store.client.get_collection("named").config.params.vectors[""].distance == "Dot"
    assert [document.metadata for document in store.get_by_ids(["b", "a"])] == [{"n": 2}, {"n": 1}]
    assert store.client.scroll("named")[0][0].payload["text"]
    store.close()
    with pytest.raises(ConfigurationError, match="unknown options .'nonsense'"):
        GeminiQdrantVectorStore.from_texts(["1 0"], Plane(), path=str(tmp_path), nonsense=1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("worker", [False, True])
def test_an_interrupt_while_opening_leaves_the_folder_free(error, worker, tmp_path):
    class Interrupted(Failing):
        def embed_documents(self, texts):
            assert texts  # one, to learn the size of its vector
            raise error

    path = tmp_path / "index"
    create_vector_store(Plane(), "other", path=path).close()
    with pytest.raises(error) as caught:
        create_vector_store(Interrupted(), "c", path=path, worker=worker)
    assert caught.value.__traceback__
    EdgeClient.restore(path, tmp_path / "copy")


@pytest.mark.parametrize("worker", [False, True])
@pytest.mark.parametrize("texts", [[], ["1 0"]], ids=["opening", "adding"])
async def test_a_cancelled_opening_leaves_the_folder_free(worker, texts, tmp_path):
    asked = asyncio.Event()

    class Endless(Failing):
        async def aembed_documents(self, given):
            if given != ["size"] or not texts:
                asked.set()
                await asyncio.Event().wait()
            return [[1.0, 0.0]]

    path = tmp_path / "index"
    create_vector_store(Plane(), "other", path=path).close()
    task = asyncio.create_task(
        Seen.afrom_texts(texts, Endless(), collection_name="c", path=path, worker=worker)
    )
    await asked.wait()
    with pytest.raises(StorageError, match="open"):
        EdgeClient.restore(path, tmp_path / "copy")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    EdgeClient.restore(path, tmp_path / "copy")


async def test_a_cancelled_close_closes_the_sync_client_too(qdrant_server):
    limits = httpx.Limits(max_keepalive_connections=1)  # there is a connection to close
    options = {"client_options": {"limits": limits}}
    store = create_vector_store(Plane(), "c", url=qdrant_server.url, **options)
    client = store.client
    assert await store.acount() == 0
    task = asyncio.create_task(store.aclose())
    asyncio.get_running_loop().call_soon(task.cancel)  # once it has begun
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client._client.closed


# Sync calls inside a running event loop


@pytest.mark.parametrize("kind", ENGINES)
async def test_sync_calls_work_inside_a_running_event_loop(make_client, kind):
    client = make_client(kind)
    with warnings.catch_warnings():
        if kind in {"memory", "local"}:
            warnings.simplefilter("ignore", UserWarning)
        store = create_vector_store(Plane(), "c", client=client, quantization="scalar")
    ids = store.add_texts(["1 0", "0 1", "1 1"], [{"n": n} for n in range(3)], ["a", "b", "c"])
    assert [document.id for document in store.get_by_ids(ids)] == ids
    assert store.similarity_search("1 0", k=1)[0].id == "a"
    assert len(store.max_marginal_relevance_search("1 0", k=2)) == 2
    documents = store.iter_documents(batch_size=1)
    next(documents)
    documents.close()
    assert len(list(store.iter_documents({"n": {"$gte": 1}}, batch_size=1))) == 2
    store.create_payload_indexes({"n": "integer"})
    assert ingest(store, [Document("0 1", id="b"), Document("2 1", id="d")]).added == 1
    if kind not in {"memory", "local"}:
        assert measure_recall(store, limits=[1], sample_size=2, latency_queries=1).rows
    with contextlib.closing(EdgeClient(":temporary:")) as other, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of settings that are not kept
        assert migrate(client, other, "c").added == 4
    report = reembed(store, Plane(), collection_name="new", alias="live")
    assert report.store.count() == 4
    assert store.delete(["a"])
    assert store.count() == 3
    store.close()


class StopError(Exception):
    pass


@pytest.mark.parametrize("name", ["iter_documents", "add_texts", "ingest", "reembed"])
async def test_no_generator_is_left_to_the_garbage_collector(
    twin, make_client, embeddings, emulator, name
):
    """One that is collected would be closed at any time, in any thread, or by a closed loop."""
    small = embeddings.model_copy(update={"batch_size": 2})
    store = create_vector_store(small, "c", client=make_client("edge"))
    store.add_texts([f"text {i}" for i in range(10)])
    found = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=found.append)
    try:
        if name == "add_texts":
            emulator.fail_next(times=None, status=400, containing="bad")
            texts = [f"other {i}" for i in range(200)]
            texts[10] = "bad"
            with pytest.raises(PartialWriteError):
                await twin(store, "add_texts", texts, batch_size=2)
        elif name == "iter_documents":
            documents = store.iter_documents(batch_size=2)
            next(documents)
            del documents
        else:
            arguments = ["ingest", store, [Document("a"), Document("b")]]
            if name == "reembed":
                arguments = ["reembed", store, Plane()]

            def stop(_):
                raise StopError

            with pytest.raises(StopError):
                await twin(langchain_gemini_qdrant, *arguments, on_progress=stop, batch_size=1)
        gc.collect()
        assert found == []
    finally:
        sys.set_asyncgen_hooks(*hooks)
    store.close()
    await small.aclose()
