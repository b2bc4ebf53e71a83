"""Every example runs as its first lines say: without a key, and with one."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

# What each script needs beyond the package, and what of its output only a search can have found.
SCRIPTS = {
    "rag_chain.py": ([], "[page 3] Employees get 30 days of paid vacation a year."),
    "agent.py": (["langchain"], "tool: Travel is booked through the office in Lisbon."),
    "langgraph_memory.py": (
        ["langgraph.store.qdrant"],
        "Alice books travel through the office in Lisbon.",
    ),
    "llamaindex.py": (["llama_index"], "Travel is booked through the office in Lisbon."),
}
OTHERS = {"fastapi_app.py": ["fastapi", "uvicorn"], "notebook.ipynb": ["ipykernel", "nbclient"]}


def is_installed(module):
    parent = module.rpartition(".")[0]
    return (not parent or is_installed(parent)) and importlib.util.find_spec(module) is not None


def needs(modules):
    """Skip where a package is missing that only the examples need; `make examples` has all."""
    missing = [name for name in modules if not is_installed(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(params=["without a key", "with a key"])
def gemini(request, emulator, monkeypatch, tmp_path):
    """The two ways to run an example; the second is as with Google, which is this emulator."""
    monkeypatch.chdir(tmp_path)
    if request.param == "with a key":
        monkeypatch.setenv("GEMINI_API_KEY", emulator.api_key)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    yield emulator
    assert bool(emulator.texts) == (request.param == "with a key")


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("gemini")
@pytest.mark.parametrize(
    ("name", "found"),
    [pytest.param(name, found, marks=needs(m)) for name, (m, found) in SCRIPTS.items()],
)
def test_script_finds_what_it_was_asked_for(name, found):
    assert found in run(sys.executable, str(EXAMPLES / name)).splitlines()


@pytest.mark.slow
@pytest.mark.usefixtures("gemini")
@needs(OTHERS["notebook.ipynb"])
def test_notebook_runs_from_top_to_bottom_and_shows_its_picture(tmp_path):
    shutil.copy(EXAMPLES / "notebook.ipynb", tmp_path)
    run(sys.executable, "-m", "jupyter", "execute", "--inplace", "notebook.ipynb")
    cells = json.loads((tmp_path / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = {cell["id"]: cell.get("outputs") for cell in cells}
    assert "300 added" in "".join(outputs["store"][0]["text"])
    assert "In kitchen 12 is rule 19." in "".join(outputs["search"][0]["text"])
    assert "image/png" in outputs["plot"][0]["data"]
    assert "".join(outputs["choice"][0]["text"]).startswith("Take oversampling")


def test_notebook_is_kept_without_outputs():
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.fixture
def service(gemini):  # noqa: ARG001 - it sets the environment
    """The address of the service, started by uvicorn; in the end Ctrl-C must end it cleanly."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - ours
        [*command, "fastapi_app:app"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = iter(process.stderr.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+", line)))
        finally:
            process.send_signal(signal.SIGINT)
            _, log = process.communicate(timeout=200)
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def ask(address, body=None):
    """Return status and JSON of an answer; with a body, it is put there."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(  # noqa: S310 - our own server
        address, data, headers, method="GET" if body is None else "PUT"
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
@needs(OTHERS["fastapi_app.py"])
def test_service_stores_finds_and_says_why_it_cannot(service, gemini):
    notes = [
        {"id": "hours", "text": "The office closes at six."},
        {"id": "bikes", "text": "Bicycles are parked in the yard."},
    ]
    assert ask(f"{service}/notes", notes) == (200, ["hours", "bikes"])
    search = f"{service}/search?k=1&question={urllib.parse.quote('When does the office close?')}"
    assert ask(search) == (200, notes[:1])
    status, answer = ask(f"{service}/notes", [{"id": "blank", "text": " "}])
    assert status == 422
    assert "blank" in answer["detail"]
    if gemini.texts:  # this one is asked, so it can be told to refuse
        gemini.fail_next(status=403)
        status, answer = ask(search)
        assert status == 503
        assert "403" in answer["detail"]


def test_every_example_is_run_here_and_described_beside_it():
    files = {each.name for each in EXAMPLES.iterdir() if each.suffix in {".py", ".ipynb"}}
    assert files == {*SCRIPTS, *OTHERS}
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w.]+)\)", page)) == files
