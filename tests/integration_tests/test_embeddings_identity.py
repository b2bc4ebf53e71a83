"""What an instance is, it stays: in another environment, in a copy, a pickle and a fork."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError, EmbeddingError
from tests.integration_tests.places import run_elsewhere

SIZE = {"output_dimensionality": 128}


def pickled(embeddings):
    return pickle.loads(pickle.dumps(embeddings))  # noqa: S301 - our own


COPIES = {
    "itself": lambda embeddings: embeddings,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda embeddings: embeddings.model_copy(update={"batch_size": 3}),
    "pickle": pickled,
}


# The environment


@pytest.fixture
def later(monkeypatch, emulator):
    """Change every variable that says where requests go, after an instance was made."""

    def change(address):
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        monkeypatch.setenv("GOOGLE_GENAI_USE_ENTERPRISE", "true")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-another")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "eu")
        monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", address)
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", address)

    return change


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_instance_of_the_developer_api_stays_one(make_embeddings, emulator, call, later, copied):
    embeddings = make_embeddings(pickle_api_key=True, **SIZE)
    later("http://127.0.0.1:9")
    same = copied(embeddings)
    assert len(call(same, "embed_query", "a")) == 128
    same.close()
    assert "/projects/" not in emulator.requests[-1].path
    assert "authorization" not in emulator.requests[-1].headers


class ServiceAccount(Credentials):
    project_id = "its-own"


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_instance_of_vertex_ai_stays_one(emulator, call, later, copied):
    embeddings = GeminiEmbeddings(
        credentials=ServiceAccount("token"),
        base_url=emulator.base_url,
        location="us",
        pickle_api_key=True,
        **SIZE,
    )
    later("http://127.0.0.1:9")
    same = copied(embeddings)
    assert len(call(same, "embed_query", "a")) == 128
    same.close()
    assert "/projects/its-own/locations/us/" in emulator.requests[-1].path


def test_pickle_without_its_credentials_is_of_vertex_ai_and_the_same_project(emulator, later):
    embeddings = GeminiEmbeddings(
        credentials=ServiceAccount("token"), base_url=emulator.base_url, location="us"
    )
    later("http://127.0.0.1:9")
    received = pickled(embeddings)
    assert received.credentials is None
    assert received._connection == embeddings._connection
    assert (received._connection.is_vertex, received._connection.project) == (True, "its-own")
    assert not received._connection.takes_key


@pytest.mark.parametrize("vertex", [False, True])
def test_address_that_is_set_later_is_not_taken(emulator, call, later, vertex):
    """Google's own is asked, which no test can reach."""
    if vertex:
        options = {"vertexai": True, "project": "p", "credentials": Credentials("token")}
    else:
        options = {"api_key": emulator.api_key}
    embeddings = GeminiEmbeddings(max_retries=0, timeout=5, **options)
    later(emulator.base_url)
    with pytest.raises(EmbeddingError):
        call(embeddings, "embed_query", "a")
    embeddings.close()
    assert emulator.requests == []


# Equality, copies, pickles


@pytest.mark.parametrize("copied", [c for n, c in COPIES.items() if n != "model_copy"])
def test_instances_of_equal_settings_are_equal_also_after_use(make_embeddings, call, copied):
    first, second = (make_embeddings(pickle_api_key=True, **SIZE) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    call(first, "embed_query", "a")
    assert first == second == copied(first)
    assert hash(first) == hash(copied(first))
    assert first != make_embeddings(output_dimensionality=256)
    assert first != "another thing"


class Plain(BaseRateLimiter):
    """One that can be pickled."""

    def acquire(self, *, blocking=True):
        return blocking

    async def aacquire(self, *, blocking=True):
        return blocking


def test_rate_limiter_with_a_lock_stays_behind_with_a_warning(make_embeddings, call):
    limiter = InMemoryRateLimiter(requests_per_second=1e6, max_bucket_size=1e6)
    embeddings = make_embeddings(rate_limiter=limiter, pickle_api_key=True, **SIZE)
    with pytest.warns(UserWarning, match="rate_limiter is left out.*cannot pickle"):
        received = pickled(embeddings)
    assert received.rate_limiter is None
    assert len(call(received, "embed_query", "a")) == 128
    received.close()
    assert copy.deepcopy(embeddings).rate_limiter is limiter


def test_rate_limiter_that_can_be_pickled_travels(make_embeddings):
    embeddings = make_embeddings(rate_limiter=Plain(), pickle_api_key=True)
    assert isinstance(pickled(embeddings).rate_limiter, Plain)


def test_changed_copy_is_checked_and_connected_anew(make_embeddings):
    embeddings = make_embeddings()
    with pytest.raises(ConfigurationError, match="API key is needed"):
        embeddings.model_copy(update={"api_key": None})


def test_copy_with_a_client_of_the_user_needs_no_key_and_no_address(emulator):
    client = own_client(emulator)
    embeddings = GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url, **SIZE)
    with pytest.raises(ConfigurationError, match="bring their own key"):
        embeddings.model_copy(update={"client": client})
    none = {"api_key": None, "base_url": None}
    same = embeddings.model_copy(update={"client": client, **none})
    assert same.embed_query("a") == embeddings.embed_query("a")
    embeddings.close()
    client.close()


# Limiters


def own_client(emulator):
    return genai.Client(
        api_key=emulator.api_key, http_options=types.HttpOptions(base_url=emulator.base_url)
    )


async def test_new_client_inherits_nothing_of_one_that_is_gone(emulator, twin, clock):
    for _ in range(10):
        emulator.fail_next(status=429, retry_after=40)
        client = own_client(emulator)
        told = GeminiEmbeddings(client=client, clock=clock, max_retries=0)
        with pytest.raises(EmbeddingError):
            await twin(told, "embed_query", "a")
        await closed(client)
        del client, told
        gc.collect()
        client = own_client(emulator)
        await twin(GeminiEmbeddings(client=client, clock=clock), "embed_query", "a")
        await closed(client)
    assert clock.waits == []


async def test_instances_of_one_client_share_what_it_was_told(emulator, twin, clock):
    client = own_client(emulator)
    emulator.fail_next(status=429, retry_after=40)
    told = GeminiEmbeddings(client=client, clock=clock, max_retries=0)
    with pytest.raises(EmbeddingError):
        await twin(told, "embed_query", "a")
    await twin(GeminiEmbeddings(client=client, clock=clock), "embed_query", "a")
    await closed(client)
    assert sum(clock.waits) >= 40


async def closed(client):
    client.close()
    await client.aio.aclose()


def test_pause_outlives_the_instance_that_was_told(emulator, call, clock):
    """Applications that make an instance for each request keep within the quota, too."""
    emulator.fail_next(status=429, retry_after=40)
    told = GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, clock=clock, max_retries=0
    )
    with pytest.raises(EmbeddingError):
        call(told, "embed_query", "a")
    told.close()
    del told
    gc.collect()
    with GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, clock=clock
    ) as embeddings:
        call(embeddings, "embed_query", "a")
    assert sum(clock.waits) >= 40


# Forks

FORKS = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
from langchain_gemini_qdrant import GeminiEmbeddings
options = {options!r}
embeddings = GeminiEmbeddings(**options)
thread = threading.Thread(target=embeddings.embed_query, args=["a"])
thread.start()
children = []
for _ in range(6):  # while the SDK is imported and its first client made, which take seconds
    time.sleep(0.05)
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        os._exit(0 if len(embeddings.embed_query("b")) == 128 else 1)
    children.append(pid)
thread.join()
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""

COMPLETED = """
import warnings
warnings.simplefilter("ignore")
from google.genai import types
from pydantic import BaseModel
from langchain_gemini_qdrant.embeddings._backends import create_backend
from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest
options = {options!r}
settings = BackendSettings(api_key=options["api_key"], base_url=options["base_url"])
backend = create_backend("google-genai", settings)
models = [m for m in vars(types).values() if isinstance(m, type) and issubclass(m, BaseModel)]
left = [model for model in models if not model.__pydantic_complete__]
for name in ("models/gemini-embedding-001", "models/gemini-embedding-2"):
    rest = {"titles": [None] * 2, "task_type": None, "output_dimensionality": 128}
    backend.embed(EmbedRequest(model=name, texts=["a", "b"], **rest))
    backend.count_tokens(name, "a")
print([model.__name__ for model in left if model.__pydantic_complete__])
"""

HELD = """
import os, signal, threading, warnings
warnings.simplefilter("ignore")
from langchain_gemini_qdrant import GeminiEmbeddings
embeddings = GeminiEmbeddings(**{options!r})
embeddings.embed_query("a")
locks = [embeddings._embedder.limiter._lock, embeddings._used._lock]
held, done = threading.Event(), threading.Event()
def hold():
    for lock in locks:
        lock.acquire()
    held.set()
    done.wait()
    for lock in locks:
        lock.release()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    embeddings.embed_query("b")
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
done.set()
thread.join()
print(len(embeddings.embed_query("c")))
"""


IMPORTING = """
import importlib, os, signal, sys, threading
import langchain_gemini_qdrant._forks
begun, goes_on = threading.Event(), threading.Event()
sys.modules["events"] = type("Events", (), {"begun": begun, "goes_on": goes_on})
os.register_at_fork(before=goes_on.set)
thread = threading.Thread(target=importlib.import_module, args=["slow_module"])
thread.start()
begun.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    os._exit(0 if importlib.import_module("slow_module").is_complete else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread.join()
"""

SLOW_MODULE = """
import threading
import events
events.begun.set()
events.goes_on.wait()
threading.Event().wait(0.2)  # long enough for a fork that does not wait
is_complete = True
"""


def run_forking(script, embeddings):
    result = run_elsewhere(script, embeddings)
    return result.stdout.split("\n")[:-1] or result.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_in_the_middle_of_the_first_use_hangs_no_child(make_embeddings):
    embeddings = make_embeddings(**SIZE)
    if embeddings.backend == "grpc":
        pytest.skip("gRPC refuses children of calls in flight: see test_embeddings_grpc.py")
    assert run_forking(FORKS, embeddings) == [str([0] * 6)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["google-genai"], indirect=True)
def test_requests_complete_no_model_of_the_sdk(make_embeddings):
    """Pydantic completes a model under a lock, which a forked child could find held."""
    assert run_elsewhere(COMPLETED, make_embeddings(**SIZE)).stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_waits_for_what_another_thread_is_importing(tmp_path):
    """As SDKs do in their first request; a child could not end the import."""
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE)
    result = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r})\n{IMPORTING}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert result.stdout == "0\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_while_another_thread_holds_the_locks_hangs_no_child(make_embeddings):
    embeddings = make_embeddings(**SIZE)
    if embeddings.backend == "grpc" and sys.platform != "linux":
        pytest.skip("gRPC's fork handlers are Linux's")
    assert run_forking(HELD, embeddings) == ["0", "128"]
