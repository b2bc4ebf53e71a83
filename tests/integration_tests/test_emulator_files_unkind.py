"""Files that are processed for long or in vain, and uploads that break off, over the wire."""

from __future__ import annotations

import httpx
import pytest
from google.genai import errors, types

from langchain_gemini_qdrant.testing import GeminiEmulator, assert_statuses, sample_media
from tests.integration_tests.test_emulator_files import MP4, PNG, Files, files, uploaded, use

PROCESSING, ACTIVE, FAILED = (
    types.FileState.PROCESSING,
    types.FileState.ACTIVE,
    types.FileState.FAILED,
)
NOT_ACTIVE = "is not in an ACTIVE state and usage is not allowed"


__all__ = ["files"]  # a fixture


def is_of_the_connection(error):
    """Of httpx, or of httpx2 with google-genai 3."""
    return type(error).__module__.startswith("httpx")


@pytest.fixture
def upload(emulator):
    """Start an upload; give what sends its pieces."""
    key = {"x-goog-api-key": emulator.api_key}

    def start(data=PNG, body=None):
        answer = httpx.post(
            f"{emulator.base_url}/upload/v1beta/files",
            json=body or {"file": {"displayName": "a"}},
            headers={
                **key,
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Length": str(len(data)),
                "X-Goog-Upload-Header-Content-Type": "image/png",
            },
        )
        assert answer.status_code == 200
        assert answer.headers["x-goog-upload-status"] == "active"

        def send(command, piece=b"", offset=0):
            return httpx.post(
                answer.headers["x-goog-upload-url"],
                content=piece,
                headers={"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset)},
            )

        return send

    return start


def status_of(answer):
    found = (
        answer.headers["x-goog-upload-status"],
        answer.headers.get("x-goog-upload-size-received"),
    )
    return answer.status_code, *found


def test_a_file_is_processed_for_a_number_of_polls(files, emulator):
    emulator.file_polls = 2
    file = uploaded(files, MP4, "video/mp4")
    assert file.state == PROCESSING
    with pytest.raises(errors.ClientError, match=NOT_ACTIVE) as caught:
        files.embed(use(file))
    assert (caught.value.code, caught.value.status) == (400, "FAILED_PRECONDITION")
    assert files.list()[0].state == PROCESSING  # which is no poll
    states = [files.get(name=file.name).state for _ in range(4)]
    assert states == [PROCESSING, PROCESSING, ACTIVE, ACTIVE]
    assert len(files.embed(use(file))) == 3072


def test_a_file_is_processed_for_some_seconds_of_the_clock():
    now = 0.0
    with (
        GeminiEmulator(file_seconds=10, clock=lambda: now) as emulator,
        Files(emulator, later=False) as files,
    ):
        name = uploaded(files, MP4, "video/mp4").name
        now = 9.0
        assert files.get(name=name).state == PROCESSING
        now = 10.0
        assert files.get(name=name).state == ACTIVE


def test_a_file_may_fail_after_it_was_processed(files, emulator):
    emulator.file_polls = 1
    emulator.answer_next("failed-file", method="files.upload")
    file = uploaded(files, MP4, "video/mp4")
    assert [files.get(name=file.name).state for _ in range(2)] == [PROCESSING, FAILED]
    assert files.get(name=file.name).error.message
    with pytest.raises(errors.ClientError, match=NOT_ACTIVE):
        files.embed(use(file))
    assert uploaded(files, MP4, "video/mp4").state == PROCESSING  # the next one does not
    assert files.list()[0].state == PROCESSING


def test_a_fault_may_meet_only_a_method_of_the_files_api(files, emulator):
    emulator.fail_next(status=500, method="files.get")
    file = uploaded(files)
    with pytest.raises(errors.ServerError):
        files.get(name=file.name)
    assert files.get(name=file.name).state == ACTIVE
    assert_statuses(emulator, [200, 200, 500, 200])


def test_a_lost_last_answer_leaves_the_file_in_place(files, emulator):
    """So that the same upload by name is 409, and the file can be taken."""
    for wrong in ("lost", "cut"):
        emulator.clear()
        emulator.answer_next(wrong, method="files.upload")
        with pytest.raises(Exception, check=is_of_the_connection):  # noqa: B017 - any SDK
            uploaded(files, name="a")
        assert [each.uri.rpartition("/")[2] for each in emulator.files] == ["a"]
        with pytest.raises(errors.ClientError, match="ALREADY_EXISTS"):
            uploaded(files, name="a")
        assert files.get(name="files/a").state == ACTIVE


def test_a_connection_cut_in_the_middle_of_an_upload_leaves_no_file(files, emulator):
    data = sample_media.png("a", padding=9 * 1024 * 1024)
    emulator.answer_next("slow", delay=0.0, method="files.upload")  # the first piece
    emulator.answer_next("reset", method="files.upload")
    with pytest.raises(Exception, check=is_of_the_connection):  # noqa: B017 - any SDK
        uploaded(files, data, name="a")
    assert emulator.files == []
    assert uploaded(files, data, name="a").size_bytes == len(data)


def test_an_upload_that_was_cut_resumes_where_the_server_says(upload, emulator):
    send = upload()
    assert status_of(send("upload", PNG[:100])) == (200, "active", None)
    emulator.answer_next("lost", method="files.upload")
    with pytest.raises(httpx.RemoteProtocolError):
        send("upload", PNG[100:200], 100)
    assert status_of(send("query")) == (200, "active", "200")
    answer = send("upload, finalize", PNG[200:], 200)
    assert status_of(answer) == (200, "final", None)
    assert answer.json()["file"]["sizeBytes"] == str(len(PNG))
    assert status_of(send("query")) == (200, "final", "0")
    assert [each.size_bytes for each in emulator.files] == [len(PNG)]


def test_a_503_for_a_piece_stores_nothing_of_it(upload, emulator):
    send = upload()
    emulator.fail_next(status=503, method="files.upload")
    answer = send("upload, finalize", PNG)
    assert answer.status_code == 503
    assert "x-goog-upload-status" not in answer.headers  # so google-genai sends it again
    assert status_of(send("query")) == (200, "active", "0")
    assert send("upload, finalize", PNG).status_code == 200


@pytest.mark.slow  # google-genai waits a second
def test_google_genai_sends_a_piece_again_after_503(files, emulator):
    emulator.fail_next(status=503, method="files.upload")
    assert uploaded(files).state == ACTIVE
    assert_statuses(emulator, [200, 503, 200])


@pytest.mark.parametrize(
    ("command", "piece", "offset"),
    [
        ("upload", PNG[:10], 5),  # a hole
        ("upload", PNG[:10], 0),  # bytes that are there already
        ("upload, finalize", PNG[100:-1], 100),  # a byte is missing
        ("upload, finalize", PNG[100:] + b"a", 100),
        ("nonsense", b"", 0),
    ],
)
def test_a_piece_that_does_not_fit_is_refused_and_the_upload_goes_on(
    upload, command, piece, offset
):
    send = upload()
    assert send("upload", PNG[:100]).status_code == 200
    assert status_of(send(command, piece, offset))[:2] == (400, "active")
    assert send("upload, finalize", PNG[100:], 100).json()["file"]["sizeBytes"] == str(len(PNG))


def test_a_piece_of_an_upload_that_has_ended_is_refused(upload, emulator):
    send = upload()
    assert status_of(send("cancel"))[1] == "cancelled"
    assert status_of(send("upload", PNG))[:2] == (400, "cancelled")
    send = upload()
    assert send("upload, finalize", PNG).status_code == 200
    assert status_of(send("upload, finalize", PNG))[:2] == (400, "final")
    emulator.clear()
    assert send("query").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Goog-Upload-Command": "begin"},
        {"X-Goog-Upload-Header-Content-Length": "many"},
        {"X-Goog-Upload-Header-Content-Length": str(2 * 1024**3 + 1)},
    ],
)
def test_a_start_that_is_wrong_is_refused(emulator, headers):
    answer = httpx.post(
        f"{emulator.base_url}/upload/v1beta/files",
        headers={
            "x-goog-api-key": emulator.api_key,
            "X-Goog-Upload-Command": "start",
            **headers,
        },
    )
    assert answer.status_code == 400


def test_a_start_without_a_key_is_refused(emulator):
    assert httpx.post(f"{emulator.base_url}/upload/v1beta/files").status_code == 403


@pytest.mark.parametrize("verb", ["PATCH", "POST"])
def test_what_the_files_api_does_not_have_is_unknown(emulator, verb):
    answer = httpx.request(verb, f"{emulator.base_url}/v1beta/files/a")
    assert answer.status_code == 404
    assert "GET /{v1,v1beta,v1alpha}/files/{id}" in answer.json()["error"]["message"]


def test_chance_meets_the_files_api_too(files, emulator):
    emulator.misbehave(1.0, kinds=[500])
    with pytest.raises((errors.ServerError, KeyError)):
        uploaded(files)
    assert emulator.request_counts[200] == 0


def test_two_uploads_of_one_name_at_a_time_give_one_file(upload, emulator):
    """They start before there is a file; the last piece of the second one is refused."""
    first, second = (upload(body={"file": {"name": "files/a"}}) for _ in range(2))
    assert first("upload, finalize", PNG).status_code == 200
    answer = second("upload, finalize", PNG)
    assert (answer.status_code, answer.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert len(emulator.files) == 1
