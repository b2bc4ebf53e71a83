"""The folder of an index that the command line makes."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing

import pytest

from langchain_gemini_qdrant import EdgeClient
from tests.integration_tests.command_line import cells, ingest, stored
from tests.samples import write

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


@pytest.fixture
def docs(in_an_empty_folder):
    return write(in_an_empty_folder / "docs", {"a.md": b"# A"})


@pytest.mark.slow
@pytest.mark.usefixtures("docs")
def test_git_ignores_a_new_index(tmp_path):
    ingest("docs", "--path", "some/ix")
    assert (tmp_path / "some/ix/.gitignore").read_text() == "*\n"
    if git := shutil.which("git"):
        subprocess.run([git, "init", "--quiet", "."], check=True)  # noqa: S603
        command = [git, "status", "--porcelain", "--untracked-files=all"]
        listed = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
        assert listed.stdout.decode() == "?? docs/a.md\n"
    assert cells(ingest(".", "--path", "some/ix"))["files"].startswith("1 read")


@pytest.mark.usefixtures("docs")
def test_a_folder_that_existed_gets_no_gitignore(tmp_path):
    (tmp_path / "mine").mkdir()
    ingest("docs", "--path", "mine")
    with closing(EdgeClient("made")):
        pass
    ingest("docs", "--path", "made")
    assert not [*tmp_path.rglob(".gitignore")]
    assert set(stored("mine")) == set(stored("made")) == {"docs/a.md"}


@pytest.mark.usefixtures("docs")
def test_a_new_folder_is_removed_if_nothing_was_stored(tmp_path, emulator):
    emulator.fail_next(error="expired-key")
    assert ingest("docs", "--path", "some/ix").exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]
    ingest("docs")
    with closing(EdgeClient("gemini-qdrant-index")) as client:
        client.backup(tmp_path / "copy")
    assert set(stored("copy")) == {"docs/a.md"}
