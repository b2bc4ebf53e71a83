"""References in metadata: where they may lead, and what is refused."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media._medium import medium_of_bytes, short
from langchain_gemini_qdrant.media._references import References
from langchain_gemini_qdrant.testing import sample_media

PNG = sample_media.png("a dog")
PDF = sample_media.pdf("one", "two", "three")
IMAGE = medium_of_bytes(PNG)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with media, as the current one; a file lies outside."""
    (tmp_path / "outside.png").write_bytes(PNG)
    folder = tmp_path / "media"
    (folder / "inner").mkdir(parents=True)
    (folder / "dog.png").write_bytes(PNG)
    (folder / "inner" / "ein Hund é#1.png").write_bytes(PNG)
    (folder / "report.pdf").write_bytes(PDF)
    (folder / "in.png").symlink_to("dog.png")
    (folder / "out.png").symlink_to(tmp_path / "outside.png")
    (folder / "loop.png").symlink_to("loop.png")
    monkeypatch.chdir(folder)
    return folder


def refused(references, reference, mime_type=None):
    with pytest.raises(InvalidInputError) as caught:
        references.media(reference, mime_type)
    return str(caught.value)


def forms(path):
    uri = Path(path).absolute().as_uri()
    return [
        path,
        Path(path),
        f"./{path}",
        f"inner/../{path}",
        str(Path(path).absolute()),
        uri,
        uri.replace("file:///", "file:/"),
        uri.replace("file:///", "FILE://localhost/"),
    ]


@pytest.mark.parametrize("root", [None, "str", "path", "relative"])
def test_files_are_named_by_paths_and_uris(folder, root):
    given = {None: None, "str": str(folder), "path": folder, "relative": "."}[root]
    for path in ("dog.png", "in.png", "inner/ein Hund é#1.png"):
        for form in forms(path):
            [medium] = References(root=given).media(form)
            assert medium == IMAGE
            assert medium.source == os.fspath(form)
            assert medium.read() == PNG


def test_a_file_in_a_folder_named_files_is_none_of_the_files_api(folder):
    (folder / "files").mkdir()
    (folder / "files" / "dog.png").write_bytes(PNG)
    [medium] = References(root=folder).media("files/dog.png")
    assert medium.read() == PNG
    [address] = References(root=folder).media("files/my-dog", "image/png")
    assert address.uri == "files/my-dog"


def test_relative_paths_start_from_the_root(folder, monkeypatch):
    monkeypatch.chdir("/")
    assert References(root=folder).media("dog.png") == (IMAGE,)
    assert References(root=folder / "inner").media("../inner/ein Hund é#1.png") == (IMAGE,)
    assert "No such file" in refused(References(), "dog.png")


@pytest.mark.parametrize(
    "path",
    ["../outside.png", "out.png", "inner/../../outside.png", "file:../outside.png", "/etc/passwd",
     "file:///etc/passwd", "..", "/", "file://localhost/etc/passwd", "%2e%2e/../../outside.png",
     "file:%2e%2e/outside.png"],
)  # fmt: skip
def test_nothing_outside_the_root_is_read(folder, path):
    assert "is outside media_root" in refused(References(root=folder), path)


def test_a_sibling_whose_name_starts_like_the_root_is_outside(folder):
    (folder.parent / "media2").mkdir()
    (folder.parent / "media2" / "a.png").write_bytes(PNG)
    assert "is outside media_root" in refused(References(root=folder), "../media2/a.png")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("gone.png", "^gone.png cannot be read: No such file or directory"),
        ("~/dog.png", "^~/dog.png cannot be read: No such file"),
        ("C:\\dog.png", r"^C:\\dog.png cannot be read: No such file"),
        ("dog.png/inner", "^dog.png/inner cannot be read: Not a directory"),
        ("inner", "^inner is a folder: name the files in it"),
        ("loop.png", "loop.png"),
        ("a\0b", "'a\\\\x00b' is no path: "),
        ("a" * 5000, "cannot be read: File name too long"),
        ("", "must be a string that is not blank, got ''"),
        (" ", "must be a string that is not blank, got ' '"),
        (3, "must be a string that is not blank, got int"),
        (b"dog.png", "got bytes"),
        ({"path": "dog.png"}, "got dict"),
        (["dog.png", None], "got NoneType"),
        ("file://server/share/dog.png", "is on the host 'server': mount it, and give its path"),
        ("s3://bucket/dog.png", "'s3://bucket/dog.png' cannot be read: a reference is a path, or"),
        ("ftp://a/b.png", "cannot be read: a reference is a path"),
        ("https://u:secret@example.com/dog.png?sig=x", r"^'https://example.com/dog.png' is on"),
        ("HTTP://example.com/dog.png", "is on the network, which is not read: allow it with"),
        ("data:image/png", "is not a data: URI: it has no comma"),
        ("data:image/png;base64,*", "the base64 of a medium is not valid"),
        ("data:image/jpeg;base64," + base64.b64encode(PNG).decode(), "is image/jpeg by its MIME"),
        ("gs://bucket/dog", "gs://bucket/dog needs a mime_type, one of image/png"),
        ("files/abc", "files/abc needs a mime_type"),
        ("gs://b/r.pdf#page=2", "gs://b/r.pdf#page=2 is a page of an address, which the API reads"),
        ("dog.png#page=1", "^dog.png#page=1 is image/png, which has no pages"),
        ("report.pdf#page=4", "^report.pdf#page=4 has 3 pages, and no page 4"),
        ("report.pdf#page=0", "has 3 pages, and no page 0"),
        ("report.pdf#page=one", "^report.pdf#page=one cannot be read: No such file"),
        ("gone.pdf#page=1", "^gone.pdf#page=1 cannot be read: No such file"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("folder")
def test_a_reference_that_leads_to_no_medium_is_named(reference, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        References().media(reference)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.usefixtures("folder")
def test_lists_have_their_media_in_order():
    references = References()
    assert references.media(None) == references.media([]) == references.media((), "image/png") == ()
    media = references.media(["report.pdf#page=2", "dog.png", "report.pdf"])
    assert [(medium.mime_type, medium.page) for medium in media] == [
        ("application/pdf", 2),
        ("image/png", None),
        ("application/pdf", None),
    ]
    assert len({medium.digest for medium in media}) == 3
    assert references.media(("dog.png", "in.png"), "image/png") == (IMAGE, IMAGE)
    assert references.media(["dog.png", "in.png"], [None, "image/png"]) == (IMAGE, IMAGE)
    assert references.media("dog.png", ["image/png"]) == (IMAGE,)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("types", [["image/png"], [None] * 3, 3, [3, None], []])
def test_types_that_do_not_fit_the_references_are_refused(types):
    message = refused(References(), ["dog.png", "in.png"], types)
    assert message.startswith("mime_type must be a string or None, or a list with one for each")


def test_data_and_addresses_need_no_file():
    data = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert References().media([data, data.upper()[:15] + data[15:]]) == (IMAGE, IMAGE)
    [stored] = References().media("gs://bucket/a%20dog.jpeg")
    assert (stored.uri, stored.mime_type) == ("gs://bucket/a%20dog.jpeg", "image/jpeg")
    octets = "application/octet-stream"
    assert References().media("gs://bucket/a%20dog.jpeg", octets) == (stored,)
    [file] = References().media("files/abc", "video/mov")
    assert (file.uri, file.mime_type) == ("files/abc", "video/quicktime")


@pytest.mark.parametrize("fetch", ["example.com", [["example.com"]], None, 1])
def test_the_network_is_allowed_by_a_bool_or_a_list_of_hosts(fetch):
    with pytest.raises(ConfigurationError, match="must be True, False or a list of names of host"):
        References(fetch=fetch)
    allowed = {each: References(fetch=each).may_fetch() for each in (False, (), True, ("h",))}
    assert allowed == {False: False, (): False, True: True, ("h",): True}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:secret@h:8/a?token=x#page=2", "https://h:8/a#page=2"),
        ("https://h/a@b.png", "https://h/a@b.png"),
        ("photos/what?.png", "photos/what?.png"),
        ("data:" + "A" * 1000, "data:" + "A" * 55 + "..."),
    ],
)
def test_messages_leave_out_secrets_and_megabytes(address, shown):
    assert short(address) == shown
