"""A newcomer's path: from `pip install` of the wheel over the first answer to measured recall.

Run by `make bench-newcomer`. The wheel, the environment and the folder are new; pip takes from its
cache what it has there, unless told otherwise. The code is the README's quick start, up to its
first answer, then its command lines, over the manual of this checkout. The emulator answers in
place of the Gemini API.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import page
import terminal
from processes import HERE, ROOT, Emulator, call, environment, python
from tables import Table

_QUICK_START = re.compile(
    r"^## Quick start\n.*?```python\n(.*?)```.*?```text\n(.*?)```", re.MULTILINE | re.DOTALL
)
_COMMANDS = re.compile(r"^## Command line\n.*?```console\n(.*?)```", re.MULTILINE | re.DOTALL)
_VERSIONS = "import machine, sys; print(machine.listed(machine.versions(*sys.argv[1:])))"


def main() -> None:
    """Go the path, print what it took, and write it to the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-cache", action="store_true", help="download every package")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    load = machine.load()
    with tempfile.TemporaryDirectory() as folder:
        packages, table = go(Path(folder), with_cache=not options.no_cache)
    text = f"{machine.describe(packages, load)}\n\n{table.markdown()}"
    terminal.show(text)
    if options.write:
        page.write("bench-newcomer", "path", text)


def go(folder: Path, *, with_cache: bool) -> tuple[str, Table]:
    """Install the wheel, run quick start and commands; return the packages and what it took.

    Raises:
        RuntimeError: The quick start printed something else than the README says.
    """
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT))
    [wheel] = folder.glob("*.whl")
    new = folder / "env"
    call(sys.executable, "-m", "venv", str(new))
    terminal.progress(f"installing {wheel.name}")
    pip = [python(new), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    pip += [] if with_cache else ["--no-cache-dir"]
    began = time.monotonic()
    call(*pip, str(wheel))
    installing = time.monotonic() - began
    code, expected = quick_start()
    runs = []
    with Emulator(new, stand_in_vectors=False) as emulator:
        given = {"GOOGLE_API_KEY": emulator.addresses["key"]}
        given["GOOGLE_GEMINI_BASE_URL"] = emulator.addresses["rest"]
        for name in ("first", "second"):
            place = folder / name
            place.mkdir()
            terminal.progress(f"quick start, {name} run")
            began = time.monotonic()
            printed = output(python(new), "-c", code, place=place, given=given)
            runs.append(time.monotonic() - began)
            if printed != expected:
                message = f"the quick start printed {printed!r}, the README says {expected!r}"
                raise RuntimeError(message)
        steps = [step(line, new, [*pip, f"{wheel}[cli]"], place, given) for line in commands()]
    lines = sum(1 for line in code.splitlines() if line.strip())
    names = ("langchain-gemini-qdrant", "google-genai", "qdrant-client", "qdrant-edge-py")
    given = {"PYTHONPATH": str(HERE)}
    versions = output(python(new), "-c", _VERSIONS, *names, place=folder, given=given).strip()
    rows = [
        ("`pip install` of the wheel, in a new environment", "1", f"{installing:.1f}"),
        ("the key, in `GOOGLE_API_KEY`", "1", "-"),
        ("the quick start, to its first document", f"{lines}", f"{runs[0]:.1f}"),
        ("all", f"{lines + 2}", f"{installing + runs[0]:.1f}"),
        ("the quick start in another folder", "-", f"{runs[1]:.1f}"),
        *((f"`{line}`", "1", f"{seconds:.1f}") for line, seconds in steps),
    ]
    how = "Pip had the packages in its cache" if with_cache else "Pip downloaded every package"
    note = (
        "Lines typed, without blank ones, and seconds from `pip install` to the first retrieved "
        "document, then of the README's command lines, over the pages of this manual; each in a "
        f"process of its own. {how}. The emulator answered, without latency."
    )
    table = Table(title="A newcomer's path", note=note, head=("step", "lines", "s"), rows=rows)
    return versions, table


def quick_start() -> tuple[str, str]:
    """Return the code of the README's quick start and what it prints."""
    found = _QUICK_START.search((ROOT / "README.md").read_text(encoding="utf-8"))
    if found is None:
        sys.exit("README.md has no quick start with code and its output")
    return found[1], found[2]


def commands() -> list[str]:
    """Return the command lines of the README."""
    found = _COMMANDS.search((ROOT / "README.md").read_text(encoding="utf-8"))
    if found is None:
        sys.exit("README.md has no command lines")
    return [line.removeprefix("$ ") for line in found[1].splitlines()]


def step(
    line: str, environment: Path, pip: list[str], place: Path, given: dict[str, str]
) -> tuple[str, float]:
    """Run a command line in a folder with the manual; `pip` is what installs the wheel here."""
    terminal.progress(line)
    shutil.copytree(ROOT / "docs", place / "docs", dirs_exist_ok=True)
    program, *arguments = shlex.split(line)
    command = [python(environment), "-m", "langchain_gemini_qdrant", *arguments]
    began = time.monotonic()
    output(*(pip if program == "pip" else command), place=place, given=given)
    return line, time.monotonic() - began


def output(*command: str, place: Path, given: dict[str, str]) -> str:
    """Run a command in a folder, with variables given to it; return what it prints."""
    variables = environment() | given
    done = subprocess.run(  # noqa: S603
        command, check=True, env=variables, cwd=place, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
