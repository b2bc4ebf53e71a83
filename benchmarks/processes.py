"""Environments, and the processes in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
ROOT = HERE.parent
OURS = ROOT / ".venv-bench-ours"
PEER = ROOT / ".venv-bench-peer"
SDK = ROOT / ".venv-bench-sdk"  # google-generativeai pins old versions of what it needs
REQUIREMENTS = {
    # Google's clients by name: pip leaves what only a package needs as old as it finds it.
    OURS: (f"{ROOT}[grpc]", "google-genai>=3,<4", "google-ai-generativelanguage>=0.12,<0.13"),
    PEER: ("langchain-google-genai", "langchain-qdrant"),
}
SDK_REQUIREMENTS = {SDK: (f"{ROOT}[google-generativeai]",)}
_ENVIRONMENTS = {"peer": PEER, "sdk": SDK}


def install(environments: Mapping[Path, Sequence[str]] = REQUIREMENTS) -> None:
    """Make environments, or bring them up to date."""
    for folder, requirements in environments.items():
        if not folder.exists():
            call(sys.executable, "-m", "venv", str(folder))
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--upgrade")
        call(python(folder), *pip, *requirements)


def python(folder: Path) -> str:
    """Return the interpreter of an environment."""
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


class Emulator:
    """An emulator in a process of its own, from `with` to its end."""

    def __init__(self, folder: Path = OURS, **settings: object) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [python(folder), str(HERE / "serve.py"), json.dumps(settings)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if settings.get("grpc") else None,  # gRPC's own chatter
            text=True,
        )
        self.addresses = self._hear()

    def reset(self, **settings: object) -> None:
        """Forget everything and take new settings: `latency`, `faults`."""
        self._ask(settings)

    def report(self) -> dict[str, Any]:
        """Return what was answered since the last reset."""
        return self._ask({"report": True})

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin  # noqa: S101 - a pipe, as asked for above
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            message = f"the emulator ended with {self._process.wait()}"
            raise RuntimeError(message)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class Client:
    """A worker that runs while others may: a script of this folder that takes a job.

    The environment is that of the job's `client`, or of its `environment` if it names one.
    """

    def __init__(self, emulator: Emulator, job: dict[str, Any], script: str = "worker.py") -> None:
        folder = _ENVIRONMENTS.get(job.get("environment", job["client"]), OURS)
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [python(folder), str(HERE / script), json.dumps(emulator.addresses | job)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, timeout: float | None = None) -> dict[str, Any] | None:
        """Wait for the worker and return its result; None if it had to be stopped.

        Raises:
            RuntimeError: It failed before it could measure anything.
        """
        try:
            out, err = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return None
        if self._process.returncode:
            message = f"a worker ended with {self._process.returncode}:\n{err}"
            raise RuntimeError(message)
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result


def environment() -> dict[str, str]:
    """Return the environment without keys, addresses and proxies that clients would read."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("GOOGLE_", "GEMINI_", "PYTHON", "LANGSMITH_"))
        and not name.upper().endswith("_PROXY")
    }
    return kept | {"GRPC_VERBOSITY": "ERROR"}


def call(*command: str) -> None:
    """Run a command; what it prints goes to the standard error."""
    subprocess.run(command, check=True, env=environment(), stdout=sys.stderr)  # noqa: S603
