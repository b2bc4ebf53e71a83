"""Run langchain-qdrant's own tests against `GeminiQdrantVectorStore`.

Used by `make compat`. The tests come from the sdist of the installed release. The run fails if a
test fails that `differences.py` does not list, if a listed test passes, or if
docs/compatibility.md is out of date; `--write` updates that page.

With QDRANT_URL, a server without collections, the tests that need a server run, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from differences import DIFFERENCES
from qdrant_client import QdrantClient

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "compatibility.md"
BEGIN, END = "<!-- written by make compat -->\n", "<!-- until here -->\n"
RELEASE = version("langchain-qdrant")


def main() -> None:
    """Download, run twice, and compare the numbers with the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    write = options.parse_args().write
    url = os.environ.get("QDRANT_URL")
    if url and QdrantClient(url).get_collections().collections:
        sys.exit(f"{url} has collections, and these tests delete all of them: use an empty server")
    with tempfile.TemporaryDirectory() as folder:
        tests = download(Path(folder))
        as_it_stands = run(tests)
        put_back = run(tests, "--put-back")
    if put_back["outcomes"]["passed"] != as_it_stands["outcomes"]["explained"]:
        sys.exit("with the differences removed, not all listed tests passed")
    if url:
        sys.stdout.write("docs/compatibility.md describes a run without a server: not compared\n")
    else:
        check(results(as_it_stands), write=write)


def download(folder: Path) -> Path:
    """Unpack the tests of the installed release; return the folder that contains `tests`."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    source = ["--no-deps", "--no-binary", "langchain-qdrant", f"langchain-qdrant=={RELEASE}"]
    subprocess.run([*pip, *source, "--dest", folder], check=True)  # noqa: S603
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        root = sdist.getnames()[0].split("/")[0]
        # Without the package beside them, the tests import the one that is installed.
        members = [each for each in sdist if each.name.startswith(f"{root}/tests/")]
        sdist.extractall(folder, members, filter="data")
    return folder / root


def run(folder: Path, *options: str) -> dict[str, dict]:
    """Run the tests in a separate process; return the plugin's counts."""
    tally = folder / "tally.json"
    path = [str(folder), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "pytest", "-p", "compat_plugin", "-c", HERE / "pytest.ini"]
    done = subprocess.run(  # noqa: S603
        [*command, f"--rootdir={folder}", f"--tally={tally}", *options, "tests"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        check=False,
    )
    if done.returncode:
        sys.exit("tests/compat/differences.py lists the tests that may fail, and how")
    return json.loads(tally.read_text(encoding="utf-8"))


def results(tally: dict[str, dict]) -> str:
    """Return the results of the run as Markdown."""
    counts = tally["outcomes"]
    summary = (
        f"With langchain-qdrant {RELEASE} and without a server, **{counts['passed']} tests pass "
        f"and {counts['explained']} fail on purpose**. No test fails for any other reason. The "
        f"{counts['explained']} tests pass if the differences below are removed."
    )
    lines = [
        summary,
        "",
        "| langchain-qdrant's tests expect | here | tests |",
        "|---|---|---:|",
    ]
    lines += [
        f"| {difference.theirs} | {difference.ours} | {count or 'with a server'} |"
        for difference, count in zip(DIFFERENCES, tally["differences"], strict=True)
    ]
    lines += [
        "",
        "Left out:",
        "",
        f"- {counts['skipped']} tests that need a server, which run with `QDRANT_URL`",
    ]
    lines += [
        f"- {files} file{'s' * (files > 1)} with tests {reason}"
        for reason, files in tally["left_out"].items()
    ]
    return "\n".join(lines) + "\n"


def check(found: str, *, write: bool) -> None:
    """Compare the page with what was found, or write it."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n{found}\n{END}{after}"
    if write:
        PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        sys.exit(f"{PAGE.name} is out of date; `run.py --write` writes\n\n{found}")


if __name__ == "__main__":
    main()
