"""What media cost: a folder ingested by one command, twice, and the memory for many images.

Run by `make bench-media`; `--help` lists the options. The files are made, of usual sizes; the
emulator, each command and each generator have a process of their own.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import page
import terminal
from langchain_core.documents.base import Blob
from processes import Emulator
from tables import Table

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.testing import sample_media

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PARTS = ("folder", "memory")
PAGE = "media.md"
MB = 1_000_000
_PHOTO_BYTES, _SOUND_BYTES, _VIDEO_BYTES = 300_000, 500_000, 4 * MB
_PAGES = 5  # of each PDF
_CELL = re.compile(r"│\s*(.*?)\s*│\s*(.*?)\s*│")


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a process.

    Attributes:
        printed: Its standard output.
        peak_bytes: Its largest resident set.
    """

    printed: str
    seconds: float
    peak_bytes: int


def main() -> None:
    """Measure what the command line asks for, print it, and write it to the page if asked to."""
    options = _options()
    if options.images_from_generator:
        _send_images(*options.images_from_generator)
        return
    load = machine.load()
    for part in options.only:
        terminal.progress(part)
        with Emulator(Path(sys.prefix), record=False) as emulator:
            table = {"folder": _folder, "memory": _memory}[part](options, emulator)
        packages = machine.listed(machine.versions("google-genai", "qdrant-edge-py", "pypdf"))
        text = f"{machine.describe(packages, load)}\n\n{table.markdown()}"
        terminal.show(text)
        if options.write:
            page.write("bench-media", part, text, PAGE)


def _folder(options: argparse.Namespace, emulator: Emulator) -> Table:
    """Ingest a folder of all kinds, twice."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "library"
        numbers = _fill(folder, options.scale)
        command = (
            "-m",
            "langchain_gemini_qdrant",
            "ingest",
            "library",
            "--media",
            "--pdf",
            "pages",
        )
        runs = [_run(command, emulator, cwd=place) for _ in range(2)]
    rows = [_row(name, done) for name, done in zip(("first", "second"), runs, strict=True)]
    return Table(
        title="A folder of media, ingested twice",
        note=f"`gemini-qdrant ingest library --media --pdf pages`: {numbers}. The price is "
        "Google's list price for these tokens. Time and memory are those of the whole command; the "
        "emulator answers without delay.",
        head=("run", "passages", "sent", "by kind", "seconds", "peak memory"),
        rows=rows,
    )


def _fill(folder: Path, scale: float) -> str:
    """Make the files, and return their numbers in words."""
    folder.mkdir()
    images, pdfs, sounds, videos = (max(1, round(scale * n)) for n in (200, 20, 20, 5))
    kinds: list[tuple[int, str, Callable[[str], bytes]]] = [
        (images, "jpg", lambda text: sample_media.jpeg(text, padding=_PHOTO_BYTES)),
        (pdfs, "pdf", lambda text: sample_media.pdf(*[f"{text} {n}" for n in range(_PAGES)])),
        (sounds, "mp3", lambda text: sample_media.mp3(text, 30, padding=_SOUND_BYTES)),
        (videos, "mp4", lambda text: sample_media.mp4(text, seconds=10, padding=_VIDEO_BYTES)),
    ]
    for number, suffix, make in kinds:
        for i in range(number):
            (folder / f"{suffix}-{i}.{suffix}").write_bytes(make(f"{suffix} number {i}"))
    return (
        f"{images} images of 0.3 MB, {pdfs} PDFs of {_PAGES} pages, {sounds} sounds of 30 s and "
        f"{videos} videos of 10 s and 4 MB"
    )


def _row(name: str, done: Done) -> tuple[str, ...]:
    cells = dict(_CELL.findall(done.printed))
    shown = [cells.get(label, "-") for label in ("passages", "sent", "by kind")]
    shown[0] = ", ".join([part for part in shown[0].split(", ") if not part.startswith("0 ")])
    return (name, *shown, f"{done.seconds:.1f}", f"{done.peak_bytes / MB:.0f} MB")


def _memory(options: argparse.Namespace, emulator: Emulator) -> Table:
    """Send images of 2 MB from a generator, a tenth of them and all."""
    most = max(20, round(options.scale * 2_000))
    rows = []
    for count in (most // 10, most):
        arguments = (__file__, "--images-from-generator", str(count), str(2 * MB))
        done = _run(arguments, emulator)
        rows.append(
            (
                f"{count:,}",
                f"{count * 2:,} MB",
                f"{done.seconds:.1f}",
                f"{done.peak_bytes / MB:.0f} MB",
            )
        )
    return Table(
        title="Images from a generator",
        note="`stream_documents` over images of 2 MB that a generator makes one by one; by default "
        "8 requests are in flight.",
        head=("images", "bytes", "seconds", "peak memory"),
        rows=rows,
    )


def _send_images(count: int, size: int) -> None:
    def images() -> Iterator[Blob]:
        for i in range(count):
            data = sample_media.png(f"{i}", padding=size)
            yield Blob.from_data(data, mime_type="image/png")

    with GeminiEmbeddings(output_dimensionality=768) as embeddings:
        vectors = sum(1 for _ in embeddings.stream_documents(images()))
    if vectors != count:
        sys.exit(f"{vectors} vectors of {count} images")


def _run(arguments: Sequence[str], emulator: Emulator, cwd: str | None = None) -> Done:
    """Run Python with these arguments until it ends.

    Raises:
        RuntimeError: It failed, so its time says nothing.
    """
    addresses = emulator.addresses
    settings = {
        "GOOGLE_API_KEY": addresses["key"],
        "GOOGLE_GEMINI_BASE_URL": addresses["rest"],
        "COLUMNS": "400",  # no cell of the command's table is broken
    }
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, *arguments],
        env={**os.environ, **settings},
        cwd=cwd,
        stdout=subprocess.PIPE,
    )
    assert process.stdout  # noqa: S101 - a pipe, as asked for above
    printed = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"{' '.join(arguments)} ended with {process.returncode}: {printed}"
        raise RuntimeError(message)
    unit = 1 if sys.platform == "darwin" else 1024
    return Done(
        printed=printed, seconds=time.perf_counter() - began, peak_bytes=usage.ru_maxrss * unit
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the files")
    parser.add_argument("--write", action="store_true", help=f"write the tables to docs/{PAGE}")
    parser.add_argument(
        "--images-from-generator",
        nargs=2,
        type=int,
        metavar=("COUNT", "BYTES"),
        help="only send them: what a measured process does",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
