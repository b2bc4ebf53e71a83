"""What a benchmark says while it runs, and what it prints at the end."""

from __future__ import annotations

import sys
import time


def progress(text: str) -> None:
    """Tell how far it is, beside the results."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def show(text: str) -> None:
    """Print a part of the results at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
