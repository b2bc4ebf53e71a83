"""Code as the pages write it passes mypy and pyright, without pydantic's plugin."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import langchain_gemini_qdrant

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHERS = {"testing.md"}  # it is about other SDKs
# Of what may be None they show what it has: `store.search_params.quantization`
UNGUARDED = {"errors.md", "quantization.md"}
_NONE = re.compile("union-attr|reportOptionalMemberAccess")
_NOT_INSTALLED = re.compile("import-not-found|reportMissingImports")  # of `make examples` alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("basedpyright") is None, reason="the checkers are for `make lint`"
    ),
]


def python_of(page):
    """Return a page with nothing but its Python, each line where it stands in the page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    kept = [""] * len(lines)
    for token in MarkdownIt().parse("\n".join(lines)):
        if token.type == "fence" and token.info in {"python", "diff"}:
            code = token.content.splitlines()
            if token.info == "diff":  # what stands there after it
                code = ["" if line.startswith("-") else line[1:] for line in code]
            kept[slice(token.map[0] + 1, token.map[1] - 1)] = code
    return "\n".join(kept)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the Python of the pages, and the settings of both checkers."""
    folder = tmp_path_factory.mktemp("written")
    for page in PAGES:
        if page.name not in OTHERS and (code := python_of(page)).strip():
            name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
            (folder / f"page_{name}.py").write_text(code, encoding="utf-8")
    code = (ROOT / "tests" / "typing" / "as_written.py").read_text(encoding="utf-8")
    (folder / "as_written.py").write_text(code, encoding="utf-8")
    return folder


def check(folder, *command):
    """Return what a checker says of our files, and not of the package itself."""
    run = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    lines = [line.strip() for line in run.stdout.splitlines()]
    assert any(re.match(r"Success|Found \d|\d+ errors", line) for line in lines), run.stderr
    return [
        line
        for line in lines
        if re.search(r"(page_|as_written)\w*\.py:\d+:.*error:", line)
        or re.search(r"(page_|as_written)\w*\.py:\d+:\d+ - error", line)
    ]


def mypy(folder, *options):
    source = Path(langchain_gemini_qdrant.__file__).parents[1]
    # mypy finds what is installed, and refuses to be told of it.
    path = "" if source.name == "site-packages" else f"mypy_path = {source}\n"
    (folder / "mypy.ini").write_text(f"[mypy]\n{path}")
    return check(folder, "mypy", "--config-file=mypy.ini", "--strict", *options)


def pyright(folder, mode, pattern):
    settings = {
        "typeCheckingMode": mode,
        "include": [pattern],
        "extraPaths": [str(Path(langchain_gemini_qdrant.__file__).parents[1])],
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return check(folder, "basedpyright", "--pythonpath", sys.executable)


def unexpected(errors):
    """Return the errors but those of pages that may read what is None elsewhere."""
    stems = "|".join(name.removesuffix(".md") for name in UNGUARDED)
    return [
        error
        for error in errors
        if not (_NONE.search(error) and re.search(rf"page_docs_({stems})\.py", error))
        and not _NOT_INSTALLED.search(error)
    ]


def test_keys_tasks_and_class_methods_pass_mypy_in_strict_mode(written):
    assert mypy(written, "--warn-unused-ignores", "as_written.py") == []


def test_keys_tasks_and_class_methods_pass_pyright_in_strict_mode(written):
    assert pyright(written, "strict", "as_written.py") == []


def test_what_the_pages_write_passes_mypy_in_strict_mode(written):
    """But for functions of the reader's, which the pages leave without annotations."""
    readers = ("untyped-defs", "untyped-calls", "incomplete-defs", "redefinition")
    pages = [str(each) for each in written.glob("page_*.py")]
    assert unexpected(mypy(written, *(f"--allow-{each}" for each in readers), *pages)) == []


def test_what_the_pages_write_passes_pyright(written):
    assert unexpected(pyright(written, "standard", "page_*.py")) == []
