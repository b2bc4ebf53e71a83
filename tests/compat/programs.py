"""Run other programs over qdrant-client on `EdgeClient`, with Gemini's vectors from the emulator.

Used by `make compat-programs`. Each program has an environment of its own with its newest version,
`.venv-compat-NAME`, in which its scenario runs over `EdgeClient` and over qdrant-client's local
mode. The run fails if a step works in local mode and not over `EdgeClient`, or if the steps that
fail are not the ones listed below. `--write` writes the table of docs/programs.md; `--only NAME`
runs some programs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "programs.md"
BEGIN, END = "<!-- written by make compat-programs -->\n", "<!-- until here -->\n"
HEAD = (
    "| program, tested with | where the client goes, and Gemini's vectors "
    "| works | does not work |\n"
    "|---|---|---|---|\n"
)
LANGGRAPH = {
    "client": "`QdrantStore(client)`, `AsyncQdrantStore(async_client)`",
    "vectors": '`index={"embed": embeddings, ...}`',
}
BY_HAND = "a class of your own, a few lines"
ONE_METHOD = (
    "it embeds documents and questions by one method; `task_type='SEMANTIC_SIMILARITY'`, as in the "
    "scenario, treats both in the same way"
)
REMOVED = "on no engine: it calls `search`, which qdrant-client 1.20 does not have"


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program: its packages (the first is what the table names), and how it is used."""

    name: str
    packages: tuple[str, ...]
    client: str
    vectors: str
    fails: dict[str, str] = field(default_factory=dict)


PROGRAMS = {
    "langgraph_store": Program(
        name="[LangGraph's memory](memory.md)",
        packages=("langgraph-store-qdrant",),
        **LANGGRAPH,
    ),
    "langgraph_store_oldest": Program(
        name="LangGraph's memory, oldest versions",
        packages=("langgraph-store-qdrant==0.1.0", "langgraph-checkpoint<3"),
        **LANGGRAPH,
    ),
    "langmem_tools": Program(
        name="LangMem",
        packages=("langmem", "langgraph-store-qdrant"),
        client="the tools' `store=QdrantStore(client)`",
        vectors=LANGGRAPH["vectors"],
    ),
    "langchain_qdrant_store": Program(
        name="langchain-qdrant",
        packages=("langchain-qdrant",),
        client="`QdrantVectorStore(client, ...)`",
        vectors="`embedding=embeddings`",
    ),
    "llamaindex_index": Program(
        name="LlamaIndex",
        packages=(
            "llama-index-vector-stores-qdrant",
            "llama-index-embeddings-langchain",
        ),
        client="`QdrantVectorStore(client=client)`, `aclient=async_client`",
        vectors="`LangchainEmbedding(embeddings)`",
    ),
    "mem0_memory": Program(
        name="mem0",
        packages=("mem0ai", "langchain"),
        client='`"client": client` and `"embedding_model_dims"` in the configuration',
        vectors='the embedder `"langchain"`, with `"model": embeddings`',
        fails={"tasks": ONE_METHOD},
    ),
    "crewai_rag": Program(
        name="CrewAI",
        packages=("crewai",),
        client="`crewai.rag.qdrant.client.QdrantClient(client, ...)`",
        vectors="",
        fails={"create": "on no engine: it imports names that qdrant-client 1.20 does not have"},
    ),
    "chonkie_handshake": Program(
        name="Chonkie",
        packages=("chonkie",),
        client="`QdrantHandshake(client, ...)`",
        vectors=BY_HAND,
        fails={"tasks": ONE_METHOD},
    ),
    "dspy_retriever": Program(
        name="DSPy",
        packages=("dspy-qdrant",),
        client="`QdrantRM(name, client, ...)`",
        vectors=BY_HAND,
    ),
    "ragbits_store": Program(
        name="ragbits",
        packages=("ragbits-core[qdrant]",),
        client="`QdrantVectorStore(async_client, ...)`",
        vectors=BY_HAND,
        fails={"tasks": ONE_METHOD},
    ),
    "semantic_kernel_store": Program(
        name="Semantic Kernel",
        packages=("semantic-kernel",),
        client="`QdrantCollection(client=async_client)`",
        vectors="given with each record",
        fails={"search": REMOVED, "filter": REMOVED},
    ),
    "haystack_store": Program(
        name="Haystack",
        packages=("qdrant-haystack",),
        client="nowhere: `QdrantDocumentStore` creates its own",
        vectors="",
        fails={"create": "it takes no client: use it with a Qdrant server"},
    ),
}


def main() -> None:
    """Run the scenarios, compare the engines, and print the table, or write it."""
    options = argparse.ArgumentParser(description=__doc__)
    what = options.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write docs/programs.md")
    what.add_argument("--only", nargs="+", choices=PROGRAMS, help="run some programs")
    arguments = options.parse_args()
    rows, wrong = [], []
    for scenario in arguments.only or PROGRAMS:
        python = environment(scenario)
        edge, local = run(python, scenario, "edge"), run(python, scenario, "local")
        wrong += problems(scenario, edge, local)
        rows.append(row(PROGRAMS[scenario], versions(python, PROGRAMS[scenario]), edge))
        sys.stdout.write(rows[-1])
        sys.stdout.flush()
    if wrong:
        sys.exit("\n".join(wrong))
    if arguments.write:
        write("".join(rows))


def environment(scenario: str) -> Path:
    """Make or update the environment of a program; return its Python."""
    folder = ROOT / f".venv-compat-{scenario.replace('_', '-')}"
    if not folder.exists():
        venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--upgrade"]
    subprocess.run([*pip, ROOT, *PROGRAMS[scenario].packages], check=True)  # noqa: S603
    return python


def run(python: Path, scenario: str, engine: str) -> dict[str, str]:
    """Return the result of each step of a scenario."""
    file = HERE / "scenarios" / f"{scenario.removesuffix('_oldest')}.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-W", "ignore", file, engine, Path(folder) / "index"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def problems(scenario: str, edge: dict[str, str], local: dict[str, str]) -> list[str]:
    """Return the steps that fail over our client alone, and those that the list above lacks."""
    failed = {step: result for step, result in edge.items() if result != "yes"}
    ours = [f"{scenario}: only over EdgeClient: {step}" for step in failed if local[step] == "yes"]
    if failed.keys() != PROGRAMS[scenario].fails.keys():
        ours.append(f"{scenario}: not as listed: {failed}")
    return ours


def versions(python: Path, program: Program) -> str:
    """Return the packages of a program with their installed versions."""
    names = [re.split(r"[\[=<]", each)[0] for each in program.packages]
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run(  # noqa: S603
        [python, "-c", code, *names], check=True, capture_output=True, text=True
    )
    pairs = zip(names, done.stdout.split(), strict=True)
    return ", ".join(f"{name} {version}" for name, version in pairs)


def row(program: Program, installed: str, found: dict[str, str]) -> str:
    """Return a program's row of the table."""
    works = ", ".join(step for step, result in found.items() if result == "yes") or "—"
    steps: dict[str, list[str]] = {}
    for step, reason in program.fails.items():
        steps.setdefault(reason, []).append(step)
    fails = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in steps.items()) or "—"
    used = f"{program.client}<br>{program.vectors}" if program.vectors else program.client
    cells = (f"{program.name}<br>{installed}", used, works, fails)
    return f"| {' | '.join(cells)} |\n"


def write(rows: str) -> None:
    """Replace the table of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{HEAD}{rows}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
