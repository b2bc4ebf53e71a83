"""Every code block of the README and of docs/ runs, and prints what stands below it."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from langchain_gemini_qdrant.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page):
    """Return (language, text, line) of each fenced block."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [(t.info, t.content, t.map[0] + 1) for t in tokens if t.type == "fence"]


@pytest.fixture
def _in_an_empty_folder(monkeypatch, emulator, tmp_path):
    """As a reader's shell: a key, an address, and nothing else."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "README.md", tmp_path)


@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run_in_order_and_print_what_the_page_says(page):
    namespace = {"__name__": page.stem}
    printed = ""
    for language, text, line in blocks(page):
        if language == "python":
            code = compile("\n" * line + text, str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, namespace)  # noqa: S102 - the page's own code
            printed = out.getvalue()
        elif language == "text":
            assert printed.rstrip() == text.rstrip()
    for value in namespace.values():
        if hasattr(value, "client") and hasattr(value.client, "close"):
            value.client.close()


@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_work(page):
    for language, text, _ in blocks(page):
        for line in text.splitlines() if language == "console" else []:
            run(shlex.split(line.removeprefix("$ ")))


def run(command):
    match command:
        case ["make", target]:
            subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)  # noqa: S603, S607
        case ["pip", "install", requirement]:
            extras = Requirement(requirement).extras
            declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
            assert all(re.search(rf"^{extra} = ", declared, re.MULTILINE) for extra in extras)
        case ["gemini-qdrant", *arguments]:
            result = CliRunner().invoke(cli, arguments)
            assert result.exit_code == 0, result.output
        case _:
            pytest.fail(f"no way to run {command}")


def test_every_kind_of_block_is_tested():
    for page in PAGES:
        assert {language for language, _, _ in blocks(page)} <= {"python", "text", "console"}


def test_every_command_of_the_command_line_is_documented():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in cli.commands:
        assert f"gemini-qdrant {name}" in text or f"`{name}`" in text
