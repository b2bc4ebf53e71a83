"""Every code block of the README and of docs/ runs, and prints what stands below it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import json
import pydoc
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from opentelemetry import trace
from packaging.requirements import Requirement

import langchain_gemini_qdrant as package
from langchain_gemini_qdrant import (
    edge,
    embeddings,
    errors,
    ingestion,
    mcp,
    media,
    migration,
    quantization,
    recall,
    sizing,
    testing,
    vectorstores,
)
from langchain_gemini_qdrant.cli import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Their blocks need what the ones before them left in the folder, whatever their language.
TUTORIALS = [page for page in PAGES if page.parent.name == "tutorials"]
GENERATED = {"changelog.md", "examples.md"}


def blocks(page):
    """Return (language, text, line) of each fenced block."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [(t.info, t.content, t.map[0] + 1) for t in tokens if t.type == "fence"]


def pages_with(*languages):
    return [
        page
        for page in PAGES
        if page not in TUTORIALS and {language for language, _, _ in blocks(page)} & {*languages}
    ]


def can_run(text):
    """Whether the packages of a block are here; `make lowest` has google-generativeai."""
    needed = re.search(r"google\.generativeai|\bold_genai\b", text)
    return not needed or importlib.util.find_spec("google.generativeai") is not None


def as_python(language, text):
    """Return the code of a block: of a diff, what stands there after it."""
    if language == "python":
        return text
    kept = [line for line in text.splitlines() if not line.startswith("-")]
    return "\n".join(line[1:] for line in kept)


@pytest.fixture
def _in_an_empty_folder(monkeypatch, emulator, qdrant_server, tmp_path):
    """As a shell of somebody who installed it with pip: a key, addresses, and nothing else."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("QDRANT_URL", qdrant_server.url)
    monkeypatch.chdir(tmp_path)
    provide = functools.partial(monkeypatch.setattr, trace, "get_tracer_provider")
    # OpenTelemetry's own would stay behind for all other tests.
    monkeypatch.setattr(trace, "set_tracer_provider", lambda provider: provide(lambda: provider))


@pytest.fixture
def _in_a_clone(_in_an_empty_folder, tmp_path):
    """The same, and what a clone has to read: `README.md` and `docs`."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs", ignore=shutil.ignore_patterns("*.py", "assets"))


@pytest.mark.slow
# Of google-genai, where aiohttp is installed, as it is with the examples.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("page", pages_with("python", "diff"), ids=lambda page: page.name)
def test_python_blocks_run_in_order_and_print_what_the_page_says(page):
    need_what_it_imports(page)
    with namespace_of(page) as namespace:
        printed = ""
        for language, text, line in blocks(page):
            if language in {"python", "diff"}:
                code = as_python(language, text)
                printed = execute(code, namespace, page, line) if can_run(code) else None
            elif language == "console":
                printed = None
            elif language == "text" and printed is not None:
                assert printed.rstrip() == text.rstrip()


def need_what_it_imports(page):
    """Skip where a package is missing that only some pages use; `make examples` has all."""
    written = page.read_text(encoding="utf-8")
    for module in re.findall(r"^from (langchain|langgraph\.store\.qdrant)[. ]", written, re.M):
        pytest.importorskip(module, reason="`make examples` has it")


@contextlib.contextmanager
def namespace_of(page):
    """The names of a page's code; the clients among them are closed at the end."""
    namespace = {"__name__": page.stem}
    yield namespace
    for value in namespace.values():
        if hasattr(value, "client") and hasattr(value.client, "close"):
            value.client.close()


def execute(text, namespace, page, line):
    """Run a page's code and return what it printed."""
    code = compile("\n" * line + text, str(page), "exec", dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, namespace)  # noqa: S102 - the page's own code
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.usefixtures("_in_an_empty_folder")
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.name)
def test_a_tutorial_runs_from_top_to_bottom(page):
    need_what_it_imports(page)
    with namespace_of(page) as namespace:
        printed = ""
        for language, text, line in blocks(page):
            if language == "python":
                printed = execute(text, namespace, page, line)
            elif language == "console":
                printed = [run(shlex.split(each.removeprefix("$ "))) for each in text.splitlines()]
            else:
                assert printed.rstrip() == text.rstrip()


@pytest.mark.slow
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_pages_can_be_followed_one_after_the_other_in_one_folder():
    """Where one opens what another made, with other settings, is a CollectionMismatchError."""
    for page in pages_with("python"):
        if 'path="./index"' in page.read_text(encoding="utf-8"):
            with namespace_of(page) as namespace:
                for language, text, line in blocks(page):
                    if language == "python":
                        execute(text, namespace, page, line)


@pytest.mark.slow
@pytest.mark.usefixtures("_in_an_empty_folder")
def test_the_quick_start_can_be_run_twice():
    """Its documents are stored once."""
    page = ROOT / "README.md"
    code = next((text, line) for language, text, line in blocks(page) if language == "python")
    for _ in range(2):
        with namespace_of(page) as namespace:
            execute(code[0], namespace, page, code[1])
            assert namespace["store"].count() == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "folder", "answer"),
    [
        (ROOT / "README.md", "_in_a_clone", "like the Gemini API"),
        (DOCS / "quickstart.md", "_in_an_empty_folder", "opens at nine"),
    ],
    ids=["README.md", "quickstart.md"],
)
def test_the_search_that_a_newcomer_types_finds_its_answer(request, page, folder, answer):
    """In quickstart.md, with nothing but the files that the page itself writes."""
    request.getfixturevalue(folder)
    texts = [text for language, text, _ in blocks(page) if language == "console"]
    found = []
    for line in (line.removeprefix("$ ") for text in texts for line in text.splitlines()):
        if line.startswith("gemini-qdrant search"):
            found += run([*shlex.split(line), "--json"]).splitlines()
        else:
            run(shlex.split(line))
    assert [answer in json.loads(hit)["text"] for hit in found] == [True]


@pytest.mark.slow
@pytest.mark.usefixtures("_in_a_clone")
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
        case ["mkdir", folder]:
            Path(folder).mkdir()
        case ["echo", text, ">", file]:
            Path(file).write_text(f"{text}\n", encoding="utf-8")
        case ["gemini-qdrant", "emulator"]:
            return started("emulator", "--port", "0")
        case ["gemini-qdrant", *arguments]:
            result = CliRunner().invoke(
                cli, arguments, prog_name="gemini-qdrant", terminal_width=80
            )
            assert result.exit_code == 0, result.output
            return result.output
        case _:
            pytest.fail(f"no way to run {command}")
    return None


def started(*arguments):
    """Return what a command prints before it waits, at whatever port, as if at its default."""
    command = [sys.executable, "-u", "-m", "langchain_gemini_qdrant", *arguments]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        waits = process.stderr.readline()
        process.terminate()
        printed, _ = process.communicate()
    assert waits.startswith("Listening")
    return re.sub(r":\d+$", ":8080", printed, flags=re.MULTILINE)


def test_every_kind_of_block_is_tested():
    for page in PAGES:
        languages = {language for language, _, _ in blocks(page)}
        # Those in JSON are started by test_mcp_command.py.
        assert languages <= {"python", "text", "console", "diff", "json"}


def test_the_reference_has_every_command():
    found = re.findall(r"^\$ gemini-qdrant (\S+) --help$", text_of("cli.md"), re.MULTILINE)
    assert sorted(found) == sorted(cli.commands)


def reference():
    """Return the options of each name that a page of the reference shows."""
    pattern = r"^::: langchain_gemini_qdrant\.(\S+)(?:\n +options: (.*))?$"
    pages = sorted((DOCS / "reference").glob("*.md"))
    found = [each for page in pages for each in re.findall(pattern, page.read_text("utf-8"), re.M)]
    assert len(found) == len(dict(found))
    return dict(found)


def test_the_reference_has_every_public_name():
    homes = (edge, embeddings, errors, ingestion, mcp, media, migration, quantization, recall)
    inner = {
        f"{home.__name__.rpartition('.')[2]}.{name}"
        for home in (*homes, sizing, testing, vectorstores)
        for name in home.__all__
        if name not in package.__all__
    }
    assert sorted(reference()) == sorted({*package.__all__, *inner})


def test_the_reference_shows_what_a_class_has_of_one_that_is_not_public():
    entries = reference()
    checked = 0
    for name, options in entries.items():
        found = pydoc.locate(f"langchain_gemini_qdrant.{name}")
        private = [
            base
            for base in getattr(found, "__mro__", ())[1:]
            if base.__module__.startswith("langchain_gemini_qdrant.")
            and not all(member.startswith("_") for member in vars(base))
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
    listed = re.findall(r" ([\w/]+\.md)$", config, re.MULTILINE)
    written = {page.relative_to(DOCS).as_posix() for page in PAGES[1:]}
    assert sorted(listed) == sorted(written | GENERATED)


def test_pictures_are_as_they_are_drawn():
    """`make docs` draws them; the README shows them without it."""
    spec = importlib.util.spec_from_file_location("drawings", DOCS / "drawings.py")
    drawings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawings)
    kept = {path.name: path.read_text(encoding="utf-8") for path in drawings.ASSETS.iterdir()}
    assert kept == drawings.files()


def test_links_of_the_readme_lead_to_files():
    """On PyPI, too, where the build makes them absolute."""
    page = ROOT / "README.md"
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    relative = [link for link in links if "://" not in link]
    assert relative
    assert [link for link in relative if not (ROOT / link).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def text_of(page):
    return (DOCS / page).read_text(encoding="utf-8")
