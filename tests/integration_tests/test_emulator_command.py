"""`gemini-qdrant emulator`, and an emulator that is told what to do over HTTP."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner
from google import genai
from google.genai import errors, types

from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.testing import sample_media

MODEL = "gemini-embedding-2"


@contextlib.contextmanager
def command(*options):
    """Run the command as a user would; give what it exports and what it says of requests."""
    line = [sys.executable, "-m", "langchain_gemini_qdrant", "emulator", "--port", "0", *options]
    with subprocess.Popen(  # noqa: S603 - ours
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said = []
            for told in process.stderr:
                said.append(told.strip())
                if told.startswith("Listening"):
                    break
            count = 4 if "--tls" in options else 2
            lines = [process.stdout.readline() for _ in range(count)]
            found = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
            yield found, said, process.stderr
        finally:
            process.terminate()


@contextlib.contextmanager
def client_of(environment):
    client = genai.Client(
        api_key=environment["GOOGLE_API_KEY"],
        http_options={"base_url": environment["GOOGLE_GEMINI_BASE_URL"]},
    )
    yield client
    client.close()


def tell(base_url, name, body=None):
    """Ask for a path under /emulator/; None reads it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base_url}/emulator/{name}", data=data)  # noqa: S310 - ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - ours
        return json.load(answer)


@pytest.mark.slow
def test_options_reach_the_emulator_and_each_request_is_a_line():
    options = ["--api-key", "mine", "--requests-per-minute", "1", "--quota-window", "3600"]
    with command(*options) as (environment, _, log), client_of(environment) as client:
        assert environment["GOOGLE_API_KEY"] == "mine"
        client.models.embed_content(model=MODEL, contents="a")
        with pytest.raises(errors.ClientError, match="limit: 1, model: gemini-embedding-2"):
            client.models.embed_content(model=MODEL, contents="b")
        lines = [log.readline().strip() for _ in range(2)]
    assert lines[0] == "200 batchEmbedContents gemini-embedding-2, 1 text"
    assert lines[1].startswith("429 batchEmbedContents gemini-embedding-2, 1 text: You exceeded")


@pytest.mark.slow
def test_media_and_files_are_told_in_the_line_of_a_request():
    png, wav = sample_media.png("a dog"), sample_media.wav("rain")
    with (
        command("--file-seconds", "3600") as (environment, _, log),
        client_of(environment) as client,
    ):
        parts = [types.Part.from_bytes(data=png, mime_type="image/png")] * 2
        parts += [types.Part(text="a"), types.Part.from_bytes(data=wav, mime_type="audio/wav")]
        client.models.embed_content(model=MODEL, contents=types.Content(parts=parts))
        config = {"mime_type": "image/png", "name": "dog"}
        file = client.files.upload(file=io.BytesIO(png), config=config)
        assert file.state == types.FileState.PROCESSING
        client.files.get(name=file.name)
        client.files.list()
        lines = [log.readline().strip() for _ in range(5)]
    assert lines[0] == f"200 batchEmbedContents {MODEL}, 1 text, 2 image/png, 1 audio/wav"
    assert lines[1] == "200 files.create"
    assert lines[2] == f"200 files.upload files/dog, {len(png):,} bytes"
    assert lines[3:] == ["200 files.get files/dog", "200 files.list"]


@pytest.mark.slow
def test_options_for_media_reach_the_emulator():
    options = ["--refuse-wrong-media", "--max-request-images", "1", "--quiet"]
    with command(*options) as (environment, _, _), client_of(environment) as client:
        wrong = types.Part.from_bytes(data=b"no image", mime_type="image/png")
        image = types.Part.from_bytes(data=sample_media.png("a"), mime_type="image/png")
        for parts, message in (([wrong], "Unable to process"), ([image] * 2, "at most 1 images")):
            with pytest.raises(errors.ClientError, match=message):
                client.models.embed_content(model=MODEL, contents=types.Content(parts=parts))


@pytest.mark.slow
def test_faults_by_chance_are_those_asked_for():
    options = ["--fault-rate", "1", "--fault", "502", "--quiet"]
    with (
        command(*options) as (environment, _, _),
        client_of(environment) as client,
        pytest.raises(errors.ServerError, match="502"),
    ):
        client.models.embed_content(model=MODEL, contents="a")


@pytest.mark.slow
def test_tls_and_grpc_say_where_they_are(monkeypatch):
    with command("--tls", "--grpc") as (environment, said, _):
        assert any(re.fullmatch(r"gRPC listens at 127\.0\.0\.1:\d+\.", line) for line in said)
        assert environment["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] == environment["SSL_CERT_FILE"]
        monkeypatch.setenv("SSL_CERT_FILE", environment["SSL_CERT_FILE"])
        with client_of(environment) as client:
            assert client.models.embed_content(model=MODEL, contents="a").embeddings


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--fault-rate", "2"], "0.0<=x<=1.0"),
        (["--fault", "nonsense"], "Error: --fault must be statuses in 400..599, or words among "),
        (["--fault", "nonsense"], "hang; got 'nonsense'"),
        (["--fault", "200"], "got 200"),
        (["--quota-window", "0"], "x>0.0"),
    ],
)
def test_wrong_options_are_told(options, told):
    result = CliRunner().invoke(cli, ["emulator", "--port", "0", *options])
    assert result.exit_code == 2
    assert told in result.output


def test_an_emulator_is_told_what_to_do_over_http(emulator):
    tell(emulator.base_url, "fail_next", {"status": 503, "times": 2})
    tell(emulator.base_url, "settings", {"latency": 0.01, "requests_per_minute": 3})
    assert (emulator.latency, emulator.requests_per_minute) == (0.01, 3)
    options = {"base_url": emulator.base_url}
    client = genai.Client(api_key=emulator.api_key, http_options=options)
    for _ in range(2):
        with pytest.raises(errors.ServerError, match="503"):
            client.models.embed_content(model=MODEL, contents="whales")
    client.models.embed_content(model=MODEL, contents="whales")
    tell(emulator.base_url, "answer_next", {"wrong": "short"})
    assert client.models.embed_content(model=MODEL, contents="whales").embeddings == []
    client.close()
    received = tell(emulator.base_url, "requests")["requests"]
    assert [request["status"] for request in received] == [503, 503, 200, 200]
    assert received[2]["texts"][0]["text"] == "whales"
    assert len(emulator.requests) == 4  # what it is told is no request of the API
    tell(emulator.base_url, "misbehave", {"rate": 1, "kinds": [500]})
    tell(emulator.base_url, "clear", {})
    assert tell(emulator.base_url, "requests") == {"requests": []}


def test_media_and_files_are_read_and_set_over_http(emulator):
    settings = {
        "file_polls": 1,
        "file_seconds": 0,
        "max_request_images": None,
        "max_request_bytes": 9000,
        "refuse_wrong_media": True,
    }
    tell(emulator.base_url, "settings", settings)
    assert {name: getattr(emulator, name) for name in settings} == settings
    options = {"base_url": emulator.base_url}
    with genai.Client(api_key=emulator.api_key, http_options=options) as client:
        png = sample_media.png("a dog")
        file = client.files.upload(file=io.BytesIO(png), config={"mime_type": "image/png"})
        assert file.state == types.FileState.PROCESSING
        image = types.Content(parts=[types.Part.from_bytes(data=png, mime_type="image/png")])
        client.models.embed_content(model=MODEL, contents=image)
    start, piece, embed = tell(emulator.base_url, "requests")["requests"]
    assert (start["method"], piece["method"]) == ("files.create", "files.upload")
    assert (piece["resource"], piece["size_bytes"], piece["body"]) == (file.name, len(png), None)
    (medium,) = embed["texts"][0]["media"]
    assert (medium["mime_type"], medium["text"]) == ("image/png", "a dog")


@pytest.mark.parametrize(
    ("name", "body", "status", "told"),
    [
        ("fail_next", {"status": 200}, 400, "status must be in 400..599"),
        ("fail_next", {"stats": 503}, 400, "unexpected keyword argument 'stats'"),
        ("answer_next", {"wrong": "shrt"}, 400, "wrong must be one of"),
        ("settings", {"rpm": 3}, 400, "settings are latency, requests_per_minute"),
        ("settings", {"latency": None}, 400, "latency must be a number, got None"),
        ("settings", {"refuse_wrong_media": 1}, 400, "must be true or false, got 1"),
        ("settings", {"file_polls": None}, 400, "file_polls must be a number, got None"),
        ("settings", {"quota_window": 0}, 400, "quota_window must be more than 0"),
        ("fail_next", {"status": 429, "quota": "tokens"}, 400, "quota must be one of requests_per"),
        ("settings", [1], 400, "expected a JSON object"),
        ("nonsense", {}, 404, "POST /emulator/fail_next"),
        ("clear", None, 404, "does not know GET /emulator/clear"),
    ],
)
def test_what_it_cannot_be_told_is_explained(emulator, name, body, status, told):
    with pytest.raises(urllib.error.HTTPError) as caught:
        tell(emulator.base_url, name, body)
    with caught.value as answer:
        assert answer.code == status
        assert told in json.load(answer)["error"]
