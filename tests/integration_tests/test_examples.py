"""Every example runs as its first lines say: without a key, and with one."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests import notebook

EXAMPLES = Path(__file__).parents[2] / "examples"

# What each script needs beyond the package, and what of its output only a search can have found.
SCRIPTS = {
    "rag_chain.py": ([], "[page 3] Employees get 30 days of paid vacation a year."),
    "agent.py": (["langchain"], "tool: Travel is booked through the office in Lisbon."),
    "langgraph_memory.py": (
        ["langgraph.store.qdrant"],
        "Alice books travel through the office in Lisbon.",
    ),
    "memory_agent.py": (
        ["langchain", "langgraph.store.qdrant"],
        "tool: Alice takes a window seat on flights.",
    ),
    "llamaindex.py": (["llama_index"], "Travel is booked through the office in Lisbon."),
}
OTHERS = {
    "fastapi_app.py": ["fastapi", "uvicorn"],
    "notebook.ipynb": ["ipykernel", "ipywidgets", "nbclient"],
}


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
def test_notebook_shows_again_what_is_stored_in_it():
    stored = notebook.NOTEBOOK.read_text(encoding="utf-8")
    assert notebook.texts(notebook.executed()) == notebook.texts(stored)


def test_notebook_is_stored_with_its_picture_and_a_search_that_finds_the_answer():
    stored = notebook.NOTEBOOK.read_text(encoding="utf-8")
    cells = {cell["id"]: cell.get("outputs") for cell in json.loads(stored)["cells"]}
    assert "210 added" in "".join(cells["store"][-1]["data"]["text/plain"])
    assert "The printer in Lisbon is" in cells["search"][0]["text"][0]
    assert "The bicycle shed in Oslo is" in cells["filter"][0]["text"][0]
    assert "image/png" in cells["plot"][0]["data"]
    assert "".join(cells["choice"][0]["data"]["text/plain"]).startswith("Use oversampling")
    tables = [cells[each][-1]["data"] for each in ("store", "recall", "comparison")]
    assert all("<table>" in "".join(data["text/html"]) for data in tables)


def test_notebook_shows_nothing_of_the_machine_it_ran_on():
    stored = notebook.NOTEBOOK.read_text(encoding="utf-8")
    assert len(stored) < 300_000
    shown = json.loads(stored)
    for cell in shown["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr"
    for word in ("/tmp", "/home", "/root", "Warning", "127.0.0.1"):  # noqa: S108
        assert word not in json.dumps([cell.get("outputs") for cell in shown["cells"]])


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
    folders = {f"{each.parent.name}/README.md" for each in EXAMPLES.glob("*/app.py")}
    assert files == {*SCRIPTS, *OTHERS}
    assert folders == {"media_search/README.md"}  # test_media_search.py
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w./]+)\)", page)) == files | folders
