"""Run every promise against this package and against its peers, and print the page of it.

Used by `make compare`. Makes an environment for each side, with the newest versions, and an
emulator of the Gemini API for each; each probe has a process of its own. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare_page import PAGE, make_page
from processes import ROOT, environment, install, python
from terminal import progress, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
FOLDERS = {"ours": ROOT / ".venv-compare-ours", "theirs": ROOT / ".venv-compare-theirs"}
_BOTH = ("langchain-tests", "langchain-classic")  # LangChain's tests for stores, and its cache
REQUIREMENTS = {
    "ours": (f"{ROOT}[cli]", *_BOTH),
    "theirs": ("langchain-google-genai", "langchain-qdrant", *_BOTH),
}


class Emulator:
    """`gemini-qdrant emulator`, from `with` to its end."""

    def __init__(self) -> None:
        command = [python(FOLDERS["ours"]), "-u", "-m", "langchain_gemini_qdrant", "emulator"]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--port", "0", "--stand-in-vectors", "--quiet"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> dict[str, str]:
        """Return its address and its key."""
        assert self._process.stdout  # noqa: S101 - a pipe, as asked for above
        lines = [self._process.stdout.readline() for _ in range(2)]
        url, key = (line.strip().partition("=")[2] for line in lines)
        return {"url": url, "key": key}

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


def answers(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Let the environment of a side do a job; yield its answers as they come."""
    process = subprocess.Popen(  # noqa: S603 - our own script
        [python(FOLDERS[job["side"]]), str(HERE / "probe.py"), json.dumps(job)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout  # noqa: S101 - a pipe, as asked for above
    for line in process.stdout:
        yield json.loads(line)
    if process.wait():
        message = f"{job} ended with {process.returncode}"
        raise RuntimeError(message)


def probe(side: str, ids: Sequence[str], google_genai: list[str]) -> dict[str, dict[str, Any]]:
    """Try promises against a side, one after the other; return what was seen by their ids."""
    seen = {}
    with Emulator() as address:
        job = {"side": side, "ids": ids, "google_genai": google_genai}
        for each in answers(job | address):
            seen[each["id"]] = each
            verdict = "pass" if each["passed"] else "FAIL"
            progress(f"{each['id']:3}  {side:6}  {verdict}  {each['evidence']}")
    return seen


def newest_google_genai() -> list[str]:
    """Return the newest release of each major version of google-genai that this package allows."""
    command = [python(FOLDERS["ours"]), "-m", "pip", "index", "versions", "google-genai"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603 - ours
    _, _, listed = done.stdout.partition("Available versions: ")
    newest: dict[str, str] = {}
    for version in listed.splitlines()[0].split(", "):  # the newest first
        newest.setdefault(version.partition(".")[0], version)
    return [newest["2"], newest["3"]]


def main() -> None:
    """Install, probe, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="+", metavar="ID", help="of the promises, such as E5 S4")
    options.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    given = options.parse_args()
    if given.only and given.write:
        options.error("the page has all promises: --write goes without --only")
    progress("installing")
    install({FOLDERS[side]: needed for side, needed in REQUIREMENTS.items()})
    about = {side: next(answers({"side": side})) for side in FOLDERS}
    promises = [
        each for each in about["ours"]["promises"] if not given.only or each["id"] in given.only
    ]
    ids = [each["id"] for each in promises if not each["reason"]]
    google_genai = newest_google_genai()
    with ThreadPoolExecutor() as sides:
        try_all = partial(probe, ids=ids, google_genai=google_genai)
        seen = dict(zip(FOLDERS, sides.map(try_all, FOLDERS), strict=True))
    page = make_page(promises, seen, {side: each["versions"] for side, each in about.items()})
    show(page)
    if given.write:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
