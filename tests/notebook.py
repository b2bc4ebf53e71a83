"""Executes examples/notebook.ipynb; as a script it stores what the cells show, too.

GitHub shows the stored outputs. They have no local paths, no warnings and nothing of this machine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"

# What differs from run to run: a measurement's date, a bar's times and rates, and recall, as codes
# that tie are found in the order in which batches happened to be stored
_CHANGING = re.compile(r"at \d{4}-\d\d-\d\dT[\d:+]+|\[\d\d:\d\d<[^]]*\]|\d?\.\d\d+")


def executed(path: Path = NOTEBOOK) -> str:
    """Return the JSON of a notebook with the outputs that a run has now."""
    import nbclient  # noqa: PLC0415 - of the examples' environment
    import nbformat  # noqa: PLC0415

    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, coalesce_streams=True).execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = last_states(output.text)
    return nbformat.writes(notebook, version=4) + "\n"


def last_states(text: str) -> str:
    """Return text as it is in the end: a bar overwrites its line."""
    return re.sub(r"[^\n]*\r", "", text)


def texts(notebook: str) -> list[str]:
    """Return what the cells show as text, but for what differs from run to run."""
    shown = []
    for cell in json.loads(notebook)["cells"]:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            shown.append(_CHANGING.sub("...", "".join(text)))
    return shown


if __name__ == "__main__":
    NOTEBOOK.write_text(executed(), encoding="utf-8")
