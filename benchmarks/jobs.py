"""Measurements, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def run(script: str, job: str, folder: str, **settings: object) -> dict[str, Any]:
    """Let a script do a job, which it gets as JSON behind `--job`, and return what it prints."""
    settings |= {"job": job, "path": folder}
    command = [sys.executable, str(Path(script).resolve()), "--job", json.dumps(settings)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def do(job: str, known: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
    """Do the job that `run` has given this process, and print its result."""
    warnings.filterwarnings("ignore", "Local mode is not recommended", UserWarning)
    settings = json.loads(job)
    terminal.show(json.dumps(known[settings["job"]](settings)))
