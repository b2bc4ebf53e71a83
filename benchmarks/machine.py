"""What a benchmark ran on, and the memory of its processes."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path


def load() -> str:
    """Return how busy the machine is: to be asked before a benchmark adds to it."""
    return f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""


def describe(packages: str, load: str = "") -> str:
    """Return the line above the tables."""
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores ({platform.machine()}, "
        f"{platform.system()}{load}), Python {platform.python_version()}; {packages}."
    )


def here(*names: str) -> str:
    """Return the line above tables that are about to be measured with these packages."""
    return describe(listed(versions(*names)), load())


def versions(*names: str) -> dict[str, str]:
    """Return what is installed here of these packages."""
    installed = {}
    for name in names:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def listed(found: dict[str, str]) -> str:
    """Return names and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in found.items())


def memory() -> dict[str, int]:
    """Return bytes of this process's memory by the kernel's names for them."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {
        name: int(value.split()[0]) * 1024
        for name, value in pairs
        if name in {"VmRSS", "RssAnon", "VmHWM"}
    }
