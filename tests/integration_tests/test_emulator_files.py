"""The Files API at the emulator: google-genai, sync and async, and other clients."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io

import httpx
import numpy as np
import pytest
from google import genai
from google.genai import errors, types

from langchain_gemini_qdrant.testing import GeminiEmulator, assert_texts, sample_media

TWO = "gemini-embedding-2"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
PNG = sample_media.png("a brown dog")
MP4 = sample_media.mp4("a ship at night", 3)


class Files:
    """`client.files` of google-genai, sync or async; a call gives its result."""

    def __init__(self, emulator, *, later, api_key=None):
        self._client = genai.Client(
            api_key=api_key or emulator.api_key, http_options={"base_url": emulator.base_url}
        )
        self._runner = asyncio.Runner() if later else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._runner is not None:
            self._runner.run(self._client.aio.aclose())
            self._runner.close()
        self._client.close()

    def __getattr__(self, name):
        def call(**arguments):
            if self._runner is not None:
                return self._runner.run(self._call_later(name, arguments))
            result = getattr(self._client.files, name)(**arguments)
            return list(result) if name == "list" else result

        return call

    async def _call_later(self, name, arguments):
        result = await getattr(self._client.aio.files, name)(**arguments)
        return [each async for each in result] if name == "list" else result

    def embed(self, *parts):
        contents = types.Content(parts=list(parts))
        answer = self._client.models.embed_content(model=TWO, contents=contents)
        return np.array(answer.embeddings[0].values)

    def count_tokens(self, *parts):
        contents = types.Content(parts=list(parts))
        return self._client.models.count_tokens(model=TWO, contents=contents).total_tokens


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def files(request, emulator):
    with Files(emulator, later=request.param) as files:
        yield files


def uploaded(files, data=PNG, mime_type="image/png", **config):
    return files.upload(file=io.BytesIO(data), config={"mime_type": mime_type, **config})


def use(file, mime_type=None):
    return types.Part.from_uri(file_uri=file.uri, mime_type=mime_type or file.mime_type)


def test_an_uploaded_file_is_described_as_by_the_api(files, emulator):
    file = uploaded(files, display_name="Dog")
    assert (file.display_name, file.mime_type, file.size_bytes) == ("Dog", "image/png", len(PNG))
    assert file.state == types.FileState.ACTIVE
    assert file.source == types.FileSource.UPLOADED
    assert file.uri == f"{GOOGLE}/{file.name}"
    digest = hashlib.sha256(PNG).hexdigest()
    assert base64.b64decode(file.sha256_hash).decode() == digest
    assert (file.expiration_time - file.create_time).total_seconds() == 48 * 3600
    assert files.get(name=file.name).uri == file.uri
    (stored,) = emulator.files
    assert (stored.uri, stored.sha256, stored.text) == (file.uri, digest, "a brown dog")


def test_an_upload_is_recorded_by_its_pieces(files, emulator, tmp_path):
    path = tmp_path / "dog.png"
    path.write_bytes(sample_media.png("a dog", padding=17 * 1024 * 1024))
    file = files.upload(file=str(path), config={"name": "my-dog"})
    start, *pieces = emulator.requests
    assert (start.method, start.resource) == ("files.create", None)
    assert start.headers["x-goog-upload-file-name"] == "dog.png"
    assert [each.method for each in pieces] == ["files.upload"] * 3
    assert [each.size_bytes for each in pieces][:2] == [8 * 1024 * 1024] * 2
    assert [each.resource for each in pieces] == [None, None, "files/my-dog"]
    assert file.size_bytes == path.stat().st_size
    assert emulator.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_has_the_vector_of_its_bytes(files, emulator):
    file = uploaded(files)
    inline = files.embed(types.Part.from_bytes(data=PNG, mime_type="image/png"))
    assert np.array_equal(files.embed(use(file)), inline)
    short = types.Part.from_uri(file_uri=file.name, mime_type="image/png")
    assert np.array_equal(files.embed(short), inline)
    assert [each.media[0].uri for each in emulator.texts] == [None, file.uri, file.uri]
    assert_texts(emulator, [PNG] * 3)


def test_the_tokens_of_a_file_are_those_of_its_content(files):
    file = uploaded(files, MP4, "video/mp4")
    assert file.video_metadata == {"videoDuration": "3s"}
    assert files.count_tokens(use(file)) == 3 * 66


def test_a_file_used_as_another_type_has_an_embedding_without_values(files):
    file = uploaded(files)
    found = files.embed(use(file, "audio/wav"))
    assert found.item() is None


def test_files_are_listed_in_pages_newest_first_and_deleted(files, emulator):
    names = [uploaded(files, sample_media.png(str(i))).name for i in range(5)]
    assert [file.name for file in files.list(config={"page_size": 2})] == names[::-1]
    listed = [each for each in emulator.requests if each.method == "files.list"]
    assert [each.query.get("pageToken") for each in listed] == [None, "2", "4"]
    for name in names:
        files.delete(name=name)
    assert files.list() == []
    assert emulator.files == []


def test_a_name_of_ones_own_is_taken_once(files):
    assert uploaded(files, name="my-file").name == "files/my-file"
    with pytest.raises(errors.ClientError) as caught:
        uploaded(files, name="my-file")
    assert (caught.value.code, caught.value.status) == (409, "ALREADY_EXISTS")
    files.delete(name="files/my-file")
    assert uploaded(files, name="files/my-file").name == "files/my-file"


@pytest.mark.parametrize("name", ["A", "-a", "a-", "a_b", "a" * 41, hashlib.sha256().hexdigest()])
def test_a_name_that_the_api_does_not_allow_is_400(files, name):
    with pytest.raises(errors.ClientError, match="at most 40 lowercase letters") as caught:
        uploaded(files, name=name)
    assert caught.value.code == 400


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a" * 40])
def test_a_name_that_the_api_allows_is_taken(files, name):
    assert uploaded(files, name=name).name == f"files/{name}"


@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_file_that_is_not_there_is_403(files, method):
    message = "You do not have permission to access the File nope or it may not exist."
    with pytest.raises(errors.ClientError) as caught:
        getattr(files, method)(name="files/nope")
    assert (caught.value.code, caught.value.message) == (403, message)
    with pytest.raises(errors.ClientError, match="access the File nope"):
        files.embed(types.Part.from_uri(file_uri="files/nope", mime_type="image/png"))


@pytest.mark.parametrize("later", [False, True])
def test_files_are_gone_after_48_hours(later):
    now = 0.0
    with (
        GeminiEmulator(clock=lambda: now) as emulator,
        Files(emulator, later=later) as files,
    ):
        file = uploaded(files, name="a")
        now = 48 * 3600 - 1.0
        assert files.get(name=file.name)
        now += 1
        for ask in (lambda: files.get(name=file.name), lambda: files.embed(use(file))):
            with pytest.raises(errors.ClientError, match="or it may not exist"):
                ask()
        assert files.list() == emulator.files == []
        assert uploaded(files, name="a")


@pytest.mark.parametrize("later", [False, True])
def test_each_key_has_its_own_files(later):
    with (
        GeminiEmulator(api_keys=["one", "two"]) as emulator,
        Files(emulator, later=later, api_key="one") as files,
        Files(emulator, later=later, api_key="two") as others,
    ):
        file = uploaded(files)
        assert others.list() == []
        for ask in (
            lambda: others.get(name=file.name),
            lambda: others.delete(name=file.name),
            lambda: others.embed(use(file)),
        ):
            with pytest.raises(errors.ClientError, match="403 PERMISSION_DENIED"):
                ask()
        assert [each.name for each in files.list()] == [file.name]


def test_a_multipart_upload_is_one_request(emulator):
    def upload(body, kind="multipart/related; boundary=xyz"):
        return httpx.post(
            f"{emulator.base_url}/upload/v1beta/files?uploadType=multipart",
            content=body,
            headers={"x-goog-api-key": emulator.api_key, "content-type": kind},
        )

    metadata = b'{"file": {"displayName": "Dog", "name": "files/dog"}}'
    for newline in (b"\r\n", b"\n"):
        lines = [
            b"--xyz",
            b"Content-Type: application/json",
            b"",
            metadata,
            b"--xyz",
            b"Content-Type: image/png",
            b"",
            PNG,
            b"--xyz--",
            b"",
        ]
        file = upload(newline.join(lines)).json()["file"]
        assert (file["displayName"], file["mimeType"]) == ("Dog", "image/png")
        assert file["sizeBytes"] == str(len(PNG))
        emulator.clear()
    for body, kind in [
        (b"--xyz\r\n\r\n{}\r\n--xyz--", "multipart/related; boundary=xyz"),
        (b"", "multipart/related; boundary=xyz"),
        (b"--xyz", "multipart/related"),
        (b"--xyz\r\n\r\n{\r\n--xyz\r\n\r\na\r\n--xyz--", "multipart/related; boundary=xyz"),
    ]:
        assert upload(body, kind).status_code == 400
    assert emulator.files == []


def test_vertex_ai_has_no_files_api(emulator):
    part = {"fileData": {"mimeType": "image/png", "fileUri": f"{GOOGLE}/files/a"}}
    place = f"v1beta1/publishers/google/models/{TWO}:embedContent"
    answer = httpx.post(
        f"{emulator.base_url}/{place}",
        json={"content": {"parts": [part]}},
        headers={"Authorization": "Bearer x"},
    )
    assert answer.status_code == 400
    assert "Unsupported file URI" in answer.json()["error"]["message"]


def test_an_upload_over_tls_has_an_address_of_tls(monkeypatch):
    with GeminiEmulator(tls=True) as emulator:
        monkeypatch.setenv("SSL_CERT_FILE", str(emulator.certificate))
        with Files(emulator, later=False) as files:
            assert uploaded(files).state == types.FileState.ACTIVE


def test_an_emulator_without_records_keeps_no_bytes_of_files():
    with GeminiEmulator(record=False) as emulator, Files(emulator, later=False) as files:
        uploaded(files)
        assert {each.body for each in emulator.requests} == {None}
        assert [each.size_bytes for each in emulator.files] == [len(PNG)]
