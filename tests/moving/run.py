"""Move an application here and back, each side in an environment of its own.

Used by `make moving`. `app.py` answers with the newest langchain-google-genai and langchain-qdrant;
then, changed as docs/moving.md says, with this package over the folder that was moved; then as it
was, over the folder that went back. Fails where an answer is another one. Needs an index of
packages; Gemini is the emulator of this checkout.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from changes import APP, moved

ROOT = APP.parents[2]
_BOTH = ("fastapi", "httpx", "langchain", "langchain-classic", "langchain-text-splitters")
THEIRS = ("langchain-google-genai", "langchain-qdrant", *_BOTH)
OURS = (f"{ROOT}[cli]", *_BOTH)
BACK = """
from langchain_gemini_qdrant import EdgeClient, migrate
from qdrant_client import QdrantClient

source, target = EdgeClient("edge_data"), QdrantClient(path="qdrant_data")
print(migrate(source, target, "handbook").added)
target.close()
source.close()
"""


def main() -> None:
    """Go there and back in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        there_and_back(Path(folder))


def there_and_back(work: Path) -> None:
    """Run the application three times; say what was changed, and what it answered."""
    theirs = environment(ROOT / ".venv-moving-theirs", THEIRS)
    ours = environment(ROOT / ".venv-moving-ours", OURS)
    old = APP.read_text(encoding="utf-8")
    new = moved(old)
    say(difference(old, new))
    with subprocess.Popen(  # noqa: S603 - our own command
        [ours, "-u", "-m", "langchain_gemini_qdrant", "emulator", "--port", "0", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as emulator:
        assert emulator.stdout
        exports = [emulator.stdout.readline().strip().removeprefix("export ") for _ in range(2)]
        os.environ |= dict(export.split("=", 1) for export in exports)
        try:
            before = answers(theirs, old, work)
            expect(f"before: {len(before)} answers", all(before.values()), before)
            refused = call(ours, "-c", new.replace("edge_data", "qdrant_data"), work=work)
            expect("the folder is recognised", "LocalModeError" in refused.stderr, refused.stderr)
            migrate = ("-m", "langchain_gemini_qdrant", "migrate", "--collection", "handbook")
            run(ours, *migrate, "--path", "qdrant_data", "--to-path", "edge_data", work=work)
            expect_same("moved here", answers(ours, new, work), before)
            (work / "qdrant_data").rename(work / "qdrant_data before")
            run(ours, "-c", BACK, work=work)
            expect_same("moved back", answers(theirs, old, work), before)
        finally:
            emulator.terminate()


def environment(folder: Path, requirements: tuple[str, ...]) -> str:
    """Make an environment, or bring it up to date; return its interpreter."""
    if not folder.exists():
        venv.create(folder, with_pip=True)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "--quiet", "install", "--upgrade", *requirements)
    listed = run(*pip, "list").splitlines()
    say("  ".join(" ".join(line.split()) for line in listed if named(line)))
    return python


def named(line: str) -> bool:
    """Whether a package is worth a word."""
    return line.startswith(("google-genai", "langchain-g", "langchain-q", "qdrant"))


def call(*command: str, work: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with no checkout on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(  # noqa: S603
        command, cwd=work, env=environment, capture_output=True, text=True, check=False
    )


def run(*command: str, work: Path = ROOT) -> str:
    """Run a command that must succeed; return what it prints."""
    done = call(*command, work=work)
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def answers(python: str, source: str, work: Path) -> dict[str, object]:
    """Return the answers of the application, with scores as far as engines agree on them."""
    found = json.loads(run(python, "-c", source, work=work))
    return found | {"scores": [round(score, 3) for score in found["scores"]]}


def difference(old: str, new: str) -> str:
    """Return the changed lines."""
    lines = [*difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")][2:]
    changed = [line for line in lines if not line.startswith("@@")]
    count = sum(line.startswith("+") for line in changed)
    return "\n".join([*changed, f"{count} of {len(old.splitlines())} lines changed"])


def expect(what: str, is_so: bool, seen: object) -> None:
    """Say that a step is as it should be, or end with what was seen.

    Raises:
        SystemExit: It is not.
    """
    if not is_so:
        sys.exit(f"not so: {what}\n{seen}")
    say(f"ok  {what}")


def expect_same(what: str, found: dict[str, object], wanted: dict[str, object]) -> None:
    """Compare answers by the question."""
    different = {key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}
    expect(f"{what}: {len(wanted)} answers are the same", not different, different)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
