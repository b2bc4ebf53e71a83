"""Runs examples/media_search in a headless browser; as a script it makes the screenshots of docs/.

The folder that is searched is made of the files of `testing.sample_media`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.testing import sample_media

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
APP = ROOT / "examples" / "media_search" / "app.py"
SCREENSHOTS = ROOT / "docs" / "screenshots"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
QUERY = "a sailing boat in the harbour"

_SHOWN = """() => [...document.querySelectorAll('#found :is(img, video)')]
  .filter(each => each.getBoundingClientRect().top < innerHeight)
  .every(each => each.complete || each.readyState > 1)"""

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)


def make_folder(folder: Path) -> Path:
    """Write files of all kinds, whose texts tell the emulator what is in them."""
    folder.mkdir()
    size = (320, 240)
    files = {
        "beach.png": sample_media.png("A dog runs along the beach", size=size),
        "boat.png": sample_media.png("A red sailing boat in the harbour", size=size),
        "forest.jpg": sample_media.jpeg("A path through the forest in autumn", size=size),
        "market.png": sample_media.png("Fruit and vegetables on the market", size=size),
        "birds.mp3": sample_media.mp3("Birds sing in the forest", 3),
        "waves.wav": sample_media.wav("Waves of the sea at the beach", 2),
        "sailing.mp4": sample_media.mp4("A sailing boat leaves the harbour", 3),
        "travel.pdf": sample_media.pdf(
            "By train to Lisbon", "A hotel room with a view of the harbour", "Insurance"
        ),
        "trip.txt": b"The boat leaves the harbour at nine. Bring a jacket: it is windy at sea.\n",
        "dog.txt": b"After six in the evening, the dog may come along to the beach.\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@contextmanager
def serving(
    folder: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Callable[[], str]]]:
    """Run the application until the block ends; yield its address, and what returns its output.

    Raises:
        RuntimeError: It ended, with its output.
    """
    command = [sys.executable, str(APP), str(folder), "--port", "0", *options]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "log"
        with (
            path.open("w") as log,
            subprocess.Popen(  # noqa: S603 - ours
                command, stdout=log, stderr=log, env={**os.environ, **(env or {})}
            ) as process,
        ):
            try:
                yield _address(process, path.read_text), path.read_text
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=200)


def _address(process: subprocess.Popen[bytes], log: Callable[[], str]) -> str:
    """Wait until the application has written its address."""
    while not (found := re.search(r"running on (http://[\d.:]+)", log())):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            raise RuntimeError(log())
    return found[1]


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser of this machine, without a window."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the examples' environment

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def make_screenshots() -> None:
    """Search once at each size, and store what is seen."""
    SCREENSHOTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = make_folder(Path(place) / "holiday")
        with serving(folder, "--emulator") as (address, _), browsing() as browser:
            for name, (width, height) in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(address)
                page.fill("#query textarea", QUERY)
                page.keyboard.press("Enter")
                page.wait_for_selector("#found .score:not(:empty)")
                page.wait_for_function(_SHOWN)
                page.wait_for_timeout(1500)  # Chromium turns a circle on new videos
                page.screenshot(path=SCREENSHOTS / f"media-search-{name}.png")
                page.close()


if __name__ == "__main__":
    make_screenshots()
