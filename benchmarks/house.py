"""How the package is built: its map, and the calls and files that everyday operations enter.

Counted, not timed, so it prints the same on every machine. Each operation runs once to warm up and
once, with other texts, under `sys.setprofile`, against the package's emulator and a temporary
Qdrant Edge folder. The emulator's own calls are left out.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
import threading
import tomllib
import warnings
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import terminal
from langchain_core.documents import Document
from tables import Table

import langchain_gemini_qdrant
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest
from langchain_gemini_qdrant.testing import GeminiEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

ROOT = Path(langchain_gemini_qdrant.__file__).parent
PROJECT = Path(__file__).parent.parent / "pyproject.toml"
_NAME = "langchain_gemini_qdrant"


def main() -> None:
    """Print the map and the counts, beside those of another version if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="save the figures")
    parser.add_argument("--against", type=Path, help="figures saved before, to show beside these")
    parser.add_argument(
        "--project", type=Path, default=PROJECT, help="the pyproject.toml with the import layers"
    )
    options = parser.parse_args()
    figures = {**the_map(options.project), **operations()}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    before = json.loads(options.against.read_text(encoding="utf-8")) if options.against else {}
    terminal.show(table(figures, before).markdown())


def table(figures: dict[str, int], before: dict[str, int]) -> Table:
    """Show the figures, beside those from before if there are any."""
    note = "Calls, functions and files of this package alone; moves go from one file to another."
    if not before:
        rows = [[name, f"{value:,}"] for name, value in figures.items()]
        return Table(title="The house", note=note, head=["figure", "now"], rows=rows)
    rows = []
    for name, value in figures.items():
        old = before.get(name)
        ratio = f"{value / old:.2f}" if old else "-"
        rows.append([name, "-" if old is None else f"{old:,}", f"{value:,}", ratio])
    head = ["figure", "before", "now", "now / before"]
    return Table(title="The house", note=note, head=head, rows=rows)


def the_map(project: Path) -> dict[str, int]:
    """Count files, import layers, and what imports what."""
    modules = {_dotted(path): path for path in sorted(ROOT.rglob("*.py"))}
    contracts = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [each["layers"] for each in contracts if each["type"] == "layers"]
    at_root = [path.stem for path in modules.values() if path.parent == ROOT]
    private = [stem for stem in at_root if stem.startswith("_") and not stem.startswith("__")]
    arrows = _arrows(modules)
    upward = _upward(arrows, layers)
    upward_when_run = upward & _arrows(modules, with_types=False)
    for importer, imported in sorted(upward):
        terminal.progress(f"upward or along a row: {importer} imports {imported}")
    return {
        "files at the root": len(at_root),
        "files at the root, public": len(at_root) - len(private),
        "files at the root, private": len(private),
        "packages": sum(path.name == "__init__.py" for path in modules.values()),
        "modules": len(modules),
        "import rows": len(layers),
        "arrows between what is at the root": len(arrows),
        "arrows upward or along a row, when run": len(upward_when_run),
        "arrows upward or along a row, for type checkers only": len(upward - upward_when_run),
    }


def _arrows(modules: dict[str, Path], *, with_types: bool = True) -> set[tuple[str, str]]:
    """Return which files and folders at the root import which; the root itself is none of them."""
    arrows = {
        (_room(importer), _room(imported))
        for importer, path in modules.items()
        for imported in _imports(path, modules, with_types=with_types)
    }
    return {(a, b) for a, b in arrows if a and b and a != b}


def _upward(arrows: set[tuple[str, str]], layers: list[str]) -> set[tuple[str, str]]:
    """Return the arrows that the import rows forbid."""
    rows = {name.strip(): row for row, layer in enumerate(layers) for name in layer.split("|")}
    return {(a, b) for a, b in arrows if a in rows and b in rows and rows[a] >= rows[b]}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    return ".".join(module.split(".")[1:2])


def _imports(path: Path, modules: dict[str, Path], *, with_types: bool) -> set[str]:
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set() if with_types else set(_for_type_checkers(tree))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_NAME):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules}
    return found


def _for_type_checkers(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what stands below `if TYPE_CHECKING:`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.body:
                yield from ast.walk(statement)


def operations() -> dict[str, int]:
    """Count what four everyday operations enter."""
    figures: dict[str, int] = {}
    warnings.simplefilter("ignore")
    with GeminiEmulator() as emulator, tempfile.TemporaryDirectory() as folder:
        embeddings = GeminiEmbeddings(
            api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=768
        )
        with closing(embeddings), create_vector_store(embeddings, "c", path=folder) as store:
            store.add_texts([f"text {number}" for number in range(20)])

            def documents(turn: int) -> list[Document]:
                return [Document(f"passage {turn} {n}", metadata={"source": "a"}) for n in (1, 2)]

            calls: dict[str, Callable[[int], Any]] = {
                "embed_query": lambda turn: embeddings.embed_query(f"question {turn}"),
                "similarity_search": lambda turn: store.similarity_search(f"asked {turn}", k=4),
                "add_documents(2)": lambda turn: store.add_documents(documents(turn)),
                "ingest(2)": lambda turn: ingest(store, documents(10 + turn)),
            }
            for name, call in calls.items():
                call(0)
                entered = _entered(lambda call=call: call(1))
                files = [code.co_filename for code in entered]
                figures[f"{name}: calls"] = len(entered)
                figures[f"{name}: functions"] = len(set(entered))
                figures[f"{name}: files"] = len(set(files))
                figures[f"{name}: moves"] = sum(a != b for a, b in pairwise(files))
    return figures


def _entered(call: Callable[[], Any]) -> list[CodeType]:
    """Return the code of each function of the package that a call enters, in order."""
    entered: list[CodeType] = []
    package, emulator = str(ROOT), str(ROOT / "testing")

    def note(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(package) and not file.startswith(emulator):
            entered.append(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return entered


if __name__ == "__main__":
    main()
