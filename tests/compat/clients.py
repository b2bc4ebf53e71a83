"""Ask the emulator with every client it is for, and compare what they get.

Used by `make compat-clients`. Each set of clients has an environment of its own.
Fails where two clients get other vectors, statuses or details from the emulator of this checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = {
    "google-genai 2, oldest": ["google-genai==2.0.0"],
    "google-genai 2, newest": ["google-genai>=2,<3", "langchain-google-genai>=4"],
    "google-genai 3": ["google-genai>=3,<4", "google-ai-generativelanguage>=0.12"],
    "google-generativeai": ["google-generativeai>=0.8.6,<0.9", "google-genai>=3,<4"],
}


def main() -> None:
    """Make the environments, ask, compare."""
    found: dict[str, object] = {}
    for name, requirements in ENVIRONMENTS.items():
        with tempfile.TemporaryDirectory() as folder:
            for client, answers in ask(Path(folder), requirements).items():
                found[f"{client} ({name})"] = answers
    first, *others = found
    different = [name for name in others if not same(found[name], found[first])]
    for name in found:
        sys.stdout.write(f"{'DIFFERENT' if name in different else 'same'}  {name}\n")
    if different:
        sys.exit(f"not as {first}:\n{json.dumps(found, indent=1)}")


def ask(folder: Path, requirements: list[str]) -> dict[str, object]:
    """Install clients, and return what each of them got."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run([*pip, "numpy>=1.26.2,<3", *requirements], check=True)  # noqa: S603
    run = [python, "-W", "ignore", HERE / "client_answers.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(run, check=True, stdout=subprocess.PIPE, env=environment)  # noqa: S603
    answers: dict[str, object] = json.loads(result.stdout)
    return answers


def same(answers: object, others: object) -> bool:
    """Whether what both of them know is the same: not every client has every method."""
    if not isinstance(answers, dict) or not isinstance(others, dict):
        return answers == others
    shared = answers.keys() & others.keys()
    return bool(shared) and all(answers[name] == others[name] for name in shared)


if __name__ == "__main__":
    main()
