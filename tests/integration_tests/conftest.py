"""The real SDKs against the emulator, sync and async; the real engines."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest
from click.testing import CliRunner
from qdrant_client import QdrantClient

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.cli.progress import console
from langchain_gemini_qdrant.embeddings._backends import create_backend
from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.ingesting import Runs
from tests.integration_tests.media import APIS, making
from tests.integration_tests.places import PLACES
from tests.integration_tests.qdrant_server import QdrantServer
from tests.integration_tests.qdrant_server_proxy import UPSTREAM, is_cluster, version_of
from tests.integration_tests.spans import SWITCH, recorded

with warnings.catch_warnings():
    # google-api-core announces the end of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    import google.ai.generativelanguage_v1beta  # noqa: F401

BACKENDS = {
    "google-genai": {"backend": "google-genai"},
    "google-generativeai-rest": {"backend": "google-generativeai", "transport": "rest"},
    "grpc": {"backend": "grpc", "transport": "grpc"},
}
# Where three engines do the same, the quick run asks one.
ENGINES = ["edge", *(pytest.param(each, marks=pytest.mark.slow) for each in (":memory:", "server"))]


@pytest.fixture(autouse=True)
def _served_by_the_real_server(request):
    """Skip what a real server cannot serve, by the marks `qdrant` and `one_node`."""
    mark = request.node.get_closest_marker("qdrant")
    if mark and UPSTREAM and version_of(UPSTREAM) < tuple(map(int, mark.args[0].split("."))):
        pytest.skip(f"Qdrant {mark.args[0]} or later: {mark.args[1]}")
    mark = request.node.get_closest_marker("one_node")
    if mark and UPSTREAM and is_cluster(UPSTREAM):
        pytest.skip(f"not a cluster: {mark.args[0]}")


@pytest.fixture(scope="session")
def _running_emulator():
    with GeminiEmulator(grpc=True) as emulator:
        yield emulator


@pytest.fixture
def emulator(_running_emulator):
    """The Gemini API over REST and gRPC, with nothing recorded and no fault waiting."""
    _running_emulator.clear()
    return _running_emulator


@pytest.fixture
def in_an_empty_folder(monkeypatch, emulator, tmp_path):
    """The command line starts there, with the emulator as the API, in 120 columns."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def make_embeddings(emulator, backend):
    """Make GeminiEmbeddings of each back end in turn, bound to the emulator."""

    made = []

    def make(*, clock=None, **options):
        grpc = backend == "grpc"
        address = emulator.grpc_url if grpc else emulator.base_url
        reached = {"api_key": emulator.api_key, "base_url": address, "clock": clock}
        embeddings = GeminiEmbeddings(**{**reached, **BACKENDS[backend], **options})
        made.append(embeddings)
        return embeddings

    yield make
    for embeddings in made:
        embeddings.close()


@pytest.fixture(params=APIS)
def api(request):
    """An API that takes media: the Gemini Developer API, or Vertex AI."""
    return request.param


@pytest.fixture
def make(api, emulator):
    """Make embeddings over this API."""
    with making(api, emulator) as make:
        yield make


@pytest.fixture
def developer(emulator):
    """Make embeddings over the Gemini Developer API."""
    with making("developer", emulator) as make:
        yield make


@pytest.fixture(scope="session")
def old_genai():
    """google-generativeai itself, which holds the packages that it shares to old versions."""
    with warnings.catch_warnings():
        # its end of life, and that of the Python that runs it
        warnings.simplefilter("ignore", FutureWarning)
        return pytest.importorskip("google.generativeai", reason="`make lowest` has it")


@pytest.fixture(scope="module")
def loop():
    """One event loop for all tests of a file: google-genai 2.x fails in a second one."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def make_backend(emulator):
    """Make a back end of one kind, bound to the emulator."""
    made = []

    def make(place, **options):
        grpc = place == "grpc"
        address = emulator.grpc_url if grpc else emulator.base_url
        settings = {"api_key": emulator.api_key, "base_url": address, **PLACES[place], **options}
        made.append(create_backend(settings.pop("name"), BackendSettings(**settings)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


class CountingClock:
    """Waits by counting, so that an hour takes no time."""

    def __init__(self):
        self._lock = threading.Lock()
        self._now = 1000.0
        self.waits = []

    def now(self):
        with self._lock:
            return self._now

    def sleep(self, seconds, cancelled):
        if not cancelled.is_set():
            with self._lock:
                self._now += seconds
                self.waits.append(seconds)

    async def asleep(self, seconds):
        self.sleep(seconds, threading.Event())


@pytest.fixture
def clock():
    return CountingClock()


@pytest.fixture
def spans(monkeypatch):
    """The spans that the package makes in this test, as of an application that records them."""
    monkeypatch.delenv(SWITCH, raising=False)
    with recorded(monkeypatch) as spans:
        yield spans


@pytest.fixture(params=["sync", "async"])
def call(request):
    """Call a method by its sync name, or its async twin in an event loop of its own."""

    def call(target, name, *args, **kwargs):
        if request.param == "sync":
            return getattr(target, name)(*args, **kwargs)
        return asyncio.run(call_async(target, f"a{name}", *args, **kwargs))

    async def call_async(target, name, *args, **kwargs):
        try:
            return await getattr(target, name)(*args, **kwargs)
        finally:
            await target.aclose()

    return call


@pytest.fixture(params=["sync", "async"])
def twin(request):
    """Call a method by its sync name, or await its async twin."""

    async def call(target, name, *args, **kwargs):
        if request.param == "sync":
            return getattr(target, name)(*args, **kwargs)
        return await getattr(target, f"a{name}")(*args, **kwargs)

    return call


@pytest.fixture
def on_store(call):
    """Call a method of a store, sync or async, and close what an event loop has opened."""

    class Target:
        def __init__(self, store):
            self.store = store

        def __getattr__(self, name):
            return getattr(self.store, name)

        async def aclose(self):
            await self.store.async_client.close()
            if isinstance(self.store.embeddings, GeminiEmbeddings):
                await self.store.embeddings.aclose()

    return lambda store, name, *args, **kwargs: call(Target(store), name, *args, **kwargs)


@pytest.fixture
def embeddings(emulator):
    """GeminiEmbeddings of the default back end and model at 768 dimensions."""
    return GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=768
    )


@pytest.fixture
def qdrant_server():
    """A Qdrant server on a real socket, empty, that records what it is sent."""
    with QdrantServer() as server:
        yield server


@pytest.fixture(params=ENGINES)
def client(request, tmp_path):
    """A client of each engine; in the quick run, of the one that is in the process."""
    if request.param == "edge":
        client = EdgeClient(tmp_path / "index")
    elif request.param == ":memory:":
        client = QdrantClient(":memory:")
    else:
        url = request.getfixturevalue("qdrant_server").url
        client = QdrantClient(url=url, check_compatibility=False, verify=False)
    yield client
    client.close()


@pytest.fixture
def engine(tmp_path):
    """Make a client of an engine: `engine("edge")`, `":memory:"`, `"server"` or `"grpc"`."""
    made = []

    def make(kind):
        if kind == "edge":
            client = EdgeClient(tmp_path / f"index {len(made)}")
        elif kind == ":memory:":
            client = QdrantClient(":memory:")
        else:
            server = QdrantServer()
            server.__enter__()
            client = QdrantClient(
                url=server.url,
                grpc_port=server.grpc_port,
                prefer_grpc=kind == "grpc",
                check_compatibility=False,
                verify=False,
            )
            client.server = server
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
        if hasattr(client, "server"):
            client.server.__exit__()


@pytest.fixture
def run(call):
    """Call `ingest`, or `aingest` in an event loop of its own."""
    return lambda store, documents, **options: call(Runs(store), "ingest", documents, **options)


@pytest.fixture
def command(monkeypatch, emulator, tmp_path):
    """Run a command in an empty folder, with the emulator as the API: `command("search", "x")`."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")


@pytest.fixture
def terminal(monkeypatch):
    """Let commands print on a terminal of some width: `terminal(80)`."""

    def terminal(columns):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        # rich before 13.8 remembers FORCE_COLOR: what it remembers ends with the test
        monkeypatch.setattr(console, "_force_terminal", True)

    return terminal
