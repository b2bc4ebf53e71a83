"""Bytes of installed packages with all that they need, for each list of names in the argument."""

from __future__ import annotations

import json
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(names: list[str]) -> set[str]:
    """Return these packages and, without extras that nobody asks for, what they need."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        found.add(canonicalize_name(requirement.name))
        for line in metadata.requires(requirement.name) or ():
            further = Requirement(line)
            extras = {"", *requirement.extras}
            if not further.marker or any(further.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(further)
    return found


def size(names: list[str]) -> int:
    """Return the bytes of their files, as pip has recorded them: bytecode included."""
    paths = {path.locate() for name in needed(names) for path in metadata.files(name) or ()}
    return sum(path.stat().st_size for path in paths if path.exists())


if __name__ == "__main__":
    sys.stdout.write(json.dumps([size(names) for names in json.loads(sys.argv[1])]) + "\n")
