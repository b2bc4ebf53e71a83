"""`gemini-qdrant mcp` in a process of its own, over standard input and output and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from markdown_it import MarkdownIt
from mcp import Client, StdioServerParameters
from qdrant_client import models

from langchain_gemini_qdrant import EdgeClient
from tests.integration_tests.folders import is_free

COMMAND = [sys.executable, "-m", "langchain_gemini_qdrant", "mcp"]
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "0"},
}
EVERYWHERE = "0.0.0.0"  # noqa: S104
HTTP = ("--transport", "streamable-http", "--port", "0")
TEXT = "Vacation is 30 days a year."
FOLDER = Path("gemini-qdrant-index")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _handbook(command):
    """An index with one collection, and the emulator as the API, in an empty folder."""
    Path("rules.md").write_text(TEXT)
    options = ("--collection", "handbook", "--output-dimensionality", "128")
    assert command("ingest", "rules.md", *options).exit_code == 0


class Process:
    """A server at whose standard input and output a test writes and reads JSON."""

    def __init__(self, *arguments):
        self.popen = subprocess.Popen(  # noqa: S603
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, method, **params):
        self.send({"id": 1, "method": method, "params": params})
        return json.loads(self.popen.stdout.readline())["result"]

    def send(self, message):
        self.popen.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.popen.stdin.flush()

    def call(self, name, **arguments):
        return self.ask("tools/call", name=name, arguments=arguments)


@contextmanager
def serving(*arguments):
    """A server that has been initialized; it is killed if a test leaves it."""
    process = Process("--collection", "handbook", *arguments)
    try:
        process.ask("initialize", **INITIALIZE)
        process.send({"method": "notifications/initialized"})
        yield process
    finally:
        process.popen.kill()
        process.popen.wait(60)
        for stream in (process.popen.stdin, process.popen.stdout, process.popen.stderr):
            stream.close()


def stored(collection="handbook"):
    with closing(EdgeClient(FOLDER)) as client:
        return client.count(collection).count


async def test_the_sdks_client_starts_the_command_and_uses_its_tools():
    arguments = [*COMMAND[1:], "--collection", "handbook"]
    # The SDK passes on only a part of this process's environment.
    server = StdioServerParameters(command=COMMAND[0], args=arguments, env={**os.environ})
    async with Client(server) as client:
        found = await client.call_tool("search_documents", {"query": "How long is the vacation?"})
        assert found.structured_content["hits"][0]["text"] == TEXT
        result = await client.call_tool("store_document", {"text": "Lunch is at noon."})
        assert result.structured_content["status"] == "added"
    assert is_free(FOLDER)
    assert stored() == 2


@pytest.mark.parametrize("end", ["leaves", signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_leaves_the_index(end):
    with serving() as process:
        assert not process.call("store_document", text="Lunch is at noon.")["isError"]
        if end == "leaves":
            process.popen.stdin.close()
        else:
            process.popen.send_signal(end)
        assert process.popen.wait(60) == 0
        assert process.popen.stdout.read() == ""
        assert "Traceback" not in process.popen.stderr.read()
    assert is_free(FOLDER)
    assert stored() == 2


def test_a_killed_server_has_stored_what_it_confirmed():
    with serving() as process:
        assert not process.call("store_document", text="Lunch is at noon.")["isError"]
        process.popen.kill()
        process.popen.wait(60)
    assert stored() == 2


def test_a_client_that_leaves_during_a_store_leaves_the_index_whole(emulator):
    emulator.fail_next(status=429, retry_after=30)
    with serving() as process:
        call = {"name": "store_document", "arguments": {"text": "Lunch is at noon."}}
        process.send({"id": 2, "method": "tools/call", "params": call})
        assert any("waiting 3" in line for line in process.popen.stderr)  # to try again
        process.popen.stdin.close()
        assert process.popen.wait(60) == 0
    assert stored() == 1


def test_a_client_that_dies_before_it_reads_the_answer_leaves_the_index():
    with serving() as process:
        process.popen.stdout.close()
        process.send({"id": 2, "method": "ping"})
        process.popen.stdin.close()
        assert process.popen.wait(60) == 0
        assert process.popen.stderr.read() == ""
    assert is_free(FOLDER)


@pytest.mark.parametrize(
    ("escaped", "kept"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\uDE00\uD83D", "\ufffd\ufffd"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\\ud83d", r"\ud83d"),
    ],
)
def test_half_a_character_is_replaced(escaped, kept):
    """JavaScript leaves halves of surrogate pairs where it cuts a text."""
    call = {"name": "store_document", "arguments": {"text": "cut", "source": "ESCAPED"}}
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}
    line = json.dumps(message).replace("ESCAPED", escaped) + "\n"
    with serving() as process:
        for part in (line[:-20], line[-20:]):
            process.popen.stdin.write(part)
            process.popen.stdin.flush()
        assert not json.loads(process.popen.stdout.readline())["result"]["isError"]
        sources = process.call("list_sources")["structuredContent"]["sources"]
    assert kept in [each["source"] for each in sources]


def test_standard_output_has_nothing_but_the_protocol():
    with closing(EdgeClient(FOLDER)) as client:
        params = models.VectorParams(size=384, distance=models.Distance.COSINE)
        client.create_collection("others", {"fast-all-minilm-l6-v2": params})
    with serving("--collection", "others", "--collection", "new") as process:
        for collection in ("handbook", "others", "new"):
            process.call("search_documents", query="vacation", collection=collection)
            process.call("list_sources", collection=collection)
        process.send({"id": 3, "method": "nonsense"})
        assert "error" in json.loads(process.popen.stdout.readline())
        process.popen.stdin.write("this is no JSON\n")
        process.popen.stdin.close()
        for line in process.popen.stdout:
            assert json.loads(line)["jsonrpc"] == "2.0"
        assert process.popen.wait(60) == 0
        said = process.popen.stderr.read()
    assert "Warning: collection 'others' has vectors of FastEmbed" in said
    assert "Collection 'new' is new." in said
    with closing(EdgeClient(FOLDER)) as client:
        assert not client.collection_exists("new")  # nothing was stored in it


def test_read_only_creates_and_stores_nothing():
    with serving("--read-only") as process:
        names = [tool["name"] for tool in process.ask("tools/list")["tools"]]
        assert "search_documents" in names
        assert "store_document" not in names
    result = _failed("--read-only", "--collection", "nothing")
    assert "there is no collection 'nothing', found 'handbook'" in result


def _failed(*arguments):
    """Return what a command that ends with status 1 says, on standard error alone."""
    result = subprocess.run(  # noqa: S603
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


def test_an_index_that_is_in_use_is_told_at_the_start():
    with closing(EdgeClient(FOLDER)):
        assert "one process at a time can use it" in _failed("--collection", "handbook")


def test_a_missing_extra_is_named():
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from langchain_gemini_qdrant.cli import cli; cli(['mcp'])"
    )
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "pip install 'langchain-gemini-qdrant[mcp]'" in result.stderr


PAGE = Path(__file__).parents[2] / "docs" / "mcp.md"
CONFIGURATIONS = [
    json.loads(token.content)
    for token in MarkdownIt().parse(PAGE.read_text(encoding="utf-8"))
    if token.type == "fence" and token.info == "json"
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids="-".join)
async def test_the_configurations_of_the_docs_start_a_server(configuration, tmp_path):
    [entry] = (configuration.get("mcpServers") or configuration["servers"]).values()
    assert entry.get("type", "stdio") == "stdio"
    assert entry["command"] == "gemini-qdrant"
    assert list(entry["env"]) == ["GOOGLE_API_KEY"]
    arguments = [
        f"{tmp_path / FOLDER}" if each == "/home/you/index" else each for each in entry["args"]
    ]
    command = [*COMMAND[:-1], *arguments]
    server = StdioServerParameters(
        command=command[0], args=command[1:], env={**os.environ}, cwd="/"
    )
    async with Client(server) as client:
        found = await client.call_tool("search_documents", {"query": "vacation"})
        assert found.structured_content["hits"][0]["text"] == TEXT


@contextmanager
def serving_http(*arguments):
    """A server over HTTP; yields the process, its address and its first line."""
    with subprocess.Popen(  # noqa: S603
        [*COMMAND, "--collection", "handbook", *HTTP, *arguments],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"http://\S+:(\d+)/mcp", line):
                    yield process, f"http://127.0.0.1:{found[1]}/mcp"
                    break
        finally:
            process.kill()


async def test_two_clients_at_once_use_one_server_over_http():
    async def one(url, text):
        async with Client(url) as client:
            stored = await client.call_tool("store_document", {"text": text})
            found = await client.call_tool("search_documents", {"query": text, "k": 1})
            return stored.structured_content["id"], found.structured_content["hits"][0]["id"]

    with serving_http() as (process, url):
        pairs = await asyncio.gather(one(url, "Lunch is at noon."), one(url, "Shoes are white."))
        assert all(stored == found for stored, found in pairs)
        async with Client(url) as client:  # still connected as the server ends
            await client.list_tools()
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 60) == 0
    assert is_free(FOLDER)
    assert stored() == 3


def test_requests_that_do_not_end_are_cancelled_without_a_traceback():
    with serving_http() as (process, url):
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port)) as slow:
            slow.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            assert _status(url) == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        said = process.stderr.read()
    assert "timeout graceful shutdown exceeded" in said
    assert "Traceback" not in said


def test_a_website_cannot_reach_it_by_a_name_of_its_own():
    with serving_http("--host", EVERYWHERE, "--allowed-host", "handbook.lan") as (process, url):
        statuses = {
            host: _status(url, Host=host)
            for host in ("evil.example", "handbook.lan", "handbook.lan:80", "localhost", EVERYWHERE)
        }
        assert statuses == {
            "evil.example": 421,
            "handbook.lan": 200,
            "handbook.lan:80": 200,
            "localhost": 200,
            EVERYWHERE: 421,
        }
        assert _status(url, Origin="http://evil.example") == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        said = process.stderr.read()
    assert "there is no authentication: whoever reaches this address" in said


def _status(url, **headers):
    accept = {"Accept": "application/json, text/event-stream"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    return httpx.post(url, headers={**accept, **headers}, json=message).status_code


def test_an_address_that_cannot_be_used_is_told():
    with serving_http() as (_, url):
        port = url.rsplit(":", 1)[1].removesuffix("/mcp")
        EdgeClient(FOLDER.with_name("other")).close()
        options = ("--transport", "streamable-http", "--port", port, "--path", "other")
        assert f"cannot listen on 127.0.0.1, port {port}" in _failed(*options)
