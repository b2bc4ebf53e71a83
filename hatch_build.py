"""Gives the package its links when a workflow of GitHub builds it, which names the repository.

A build elsewhere has no links, and the README as it is written: the address of a repository is
in none of its files.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Links(MetadataHookInterface):
    """Project links, and a README whose links hold on PyPI."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `urls`; links lead to the files of the version that is built."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["urls"] = {}
        if repository := os.environ.get("GITHUB_REPOSITORY"):
            address = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
            files = f"{address}/blob/v{metadata['version']}"
            metadata["urls"] = {
                "Documentation": f"{files}/docs/index.md",
                "Changelog": f"{files}/CHANGELOG.md",
                "Issues": f"{address}/issues",
                "Source": address,
            }
            # `?raw=true` is the picture itself, not the page that shows it.
            text = re.sub(r"(!\[[^\]]*\])\((?!\w+:)(.+?)\)", rf"\1({files}/\2?raw=true)", text)
            text = re.sub(r"(?<=\])\((?!\w+:)(.+?)\)", rf"({files}/\1)", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
