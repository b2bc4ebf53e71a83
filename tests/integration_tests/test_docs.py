"""Every code block of the README and of docs/ runs, and prints what stands below it."""

from __future__ import annotations

import contextlib
import io
import pydoc
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

import langchain_gemini_qdrant as package
from langchain_gemini_qdrant import (
    edge,
    embeddings,
    errors,
    ingestion,
    migration,
    quantization,
    recall,
    sizing,
    testing,
    vectorstores,
)
from langchain_gemini_qdrant.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page):
    """Return (language, text, line) of each fenced block."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [(t.info, t.content, t.map[0] + 1) for t in tokens if t.type == "fence"]


def pages_with(*languages):
    return [page for page in PAGES if {language for language, _, _ in blocks(page)} & {*languages}]


def as_python(language, text):
    """Return the code of a block: of a diff, what stands there after it."""
    if language == "python":
        return text
    kept = [line for line in text.splitlines() if not line.startswith("-")]
    return "\n".join(line[1:] for line in kept)


@pytest.fixture
def _in_an_empty_folder(monkeypatch, emulator, qdrant_server, tmp_path):
    """As a reader's shell: a key, addresses, and nothing else."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("QDRANT_URL", qdrant_server.url)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "README.md", tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("page", pages_with("python", "diff"), ids=lambda page: page.name)
def test_python_blocks_run_in_order_and_print_what_the_page_says(page):
    namespace = {"__name__": page.stem}
    printed = ""
    for language, text, line in blocks(page):
        if language in {"python", "diff"}:
            code = compile("\n" * line + as_python(language, text), str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(code, namespace)  # noqa: S102 - the page's own code
            printed = out.getvalue()
        elif language == "console":
            printed = None
        elif language == "text" and printed is not None:
            assert printed.rstrip() == text.rstrip()
    for value in namespace.values():
        if hasattr(value, "client") and hasattr(value.client, "close"):
            value.client.close()


@pytest.mark.slow
@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("page", pages_with("console"), ids=lambda page: page.name)
def test_commands_work_and_print_what_the_page_says(page):
    printed = None
    for language, text, _ in blocks(page):
        if language == "console":
            for line in text.splitlines():
                printed = run(shlex.split(line.removeprefix("$ ")))
        elif language == "text" and printed is not None:
            assert printed.rstrip() == text.rstrip()
        else:
            printed = None


def run(command):
    match command:
        case ["make", target]:
            subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)  # noqa: S603, S607
        case ["pip", "install", requirement]:
            extras = Requirement(requirement).extras
            declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
            assert all(re.search(rf"^{extra} = ", declared, re.MULTILINE) for extra in extras)
        case ["gemini-qdrant", *arguments]:
            result = CliRunner().invoke(
                cli, arguments, prog_name="gemini-qdrant", terminal_width=80
            )
            assert result.exit_code == 0, result.output
            return result.output
        case _:
            pytest.fail(f"no way to run {command}")
    return None


def test_every_kind_of_block_is_tested():
    for page in PAGES:
        languages = {language for language, _, _ in blocks(page)}
        assert languages <= {"python", "text", "console", "diff", "mermaid"}


def test_the_reference_has_every_command():
    found = re.findall(r"^\$ gemini-qdrant (\S+) --help$", text_of("cli.md"), re.MULTILINE)
    assert sorted(found) == sorted(cli.commands)


def test_the_reference_has_every_public_name():
    found = re.findall(
        r"^::: langchain_gemini_qdrant\.(.+)$", text_of("reference.md"), re.MULTILINE
    )
    homes = (edge, embeddings, errors, ingestion, migration, quantization, recall, sizing)
    inner = {
        f"{home.__name__.rpartition('.')[2]}.{name}"
        for home in (*homes, testing, vectorstores)
        for name in home.__all__
        if name not in package.__all__
    }
    assert sorted(found) == sorted({*package.__all__, *inner})


def test_the_reference_shows_what_a_class_has_of_one_that_is_not_public():
    pattern = r"^::: langchain_gemini_qdrant\.(\S+)(?:\n +options: (.*))?$"
    entries = dict(re.findall(pattern, text_of("reference.md"), re.MULTILINE))
    checked = 0
    for name, options in entries.items():
        found = pydoc.locate(f"langchain_gemini_qdrant.{name}")
        private = [
            base
            for base in getattr(found, "__mro__", ())[1:]
            if base.__module__.startswith("langchain_gemini_qdrant.")
            and not any(base.__name__ == other.rpartition(".")[2] for other in entries)
        ]
        if isinstance(found, type) and private:
            checked += 1
            assert "inherited_members: true" in options, (name, private)
    assert checked


def test_every_error_has_advice():
    found = re.findall(r"^\| `(\w+Error)` \|", text_of("errors.md"), re.MULTILINE)
    assert {*found, "GeminiQdrantError", "EmbeddingError"} == set(errors.__all__)


def test_every_page_can_be_reached():
    """And no entry of the site's menu leads nowhere."""
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": (\w+\.md)$", config, re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in PAGES[1:])


def text_of(page):
    return (ROOT / "docs" / page).read_text(encoding="utf-8")
