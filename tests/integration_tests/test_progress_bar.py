"""`progress=True` shows a bar, beside an `on_progress` of the caller's own."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from langchain_core.documents import Document
from qdrant_client import QdrantClient
from tqdm import tqdm

import langchain_gemini_qdrant as package
from langchain_gemini_qdrant import create_vector_store, ingest
from tests.integration_tests.test_waiting import GateClock

CELL = """
from types import SimpleNamespace
from langchain_gemini_qdrant._progress_bar import progress_bar

for total in (150, None):
    with progress_bar("documents", None, shown=True) as show:
        show(SimpleNamespace(done=150, total=total))
"""
DOCUMENTS = [Document(f"passage {i}") for i in range(150)]


@pytest.fixture
def shown(capsys):
    """Return what the bars have shown, line by line; none may be open."""

    def lines():
        assert not tqdm._instances
        return [line.strip() for line in re.split("[\r\n]", capsys.readouterr().err)]

    return lines


@pytest.fixture
def store(embeddings):
    with create_vector_store(embeddings, "c", location=":memory:") as store:
        yield store


async def test_ingest_shows_counts_and_price_and_still_calls_on_progress(store, twin, shown):
    seen = []
    await twin(package, "ingest", store, DOCUMENTS, progress=True, on_progress=seen.append)
    lines = shown()
    assert any(line.startswith("100%") and "150/150" in line for line in lines)
    bar = r"150/150 documents \[\d\d:\d\d<\d\d:\d\d, [\d,]+ tokens, \$0\.\d{4}]"
    assert re.search(bar, lines[-2])
    assert seen[-1].stored == 150
    await store.embeddings.aclose()


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, ("ipykernel", "ipywidgets", "nbclient"))), reason="needs a notebook"
)
def test_a_saved_notebook_keeps_the_last_state_of_a_widget_as_text():
    import nbclient  # noqa: PLC0415
    import nbformat  # noqa: PLC0415

    cell = nbformat.v4.new_code_cell(CELL)
    nbclient.NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=60).execute()
    [known, unknown] = [output["data"] for output in cell.outputs]
    assert list(known) == ["text/plain"]
    assert "150/150 documents [" in known["text/plain"]
    assert unknown["text/plain"].startswith("150 documents [")


def test_nothing_is_shown_unless_asked_for(store, shown):
    ingest(store, DOCUMENTS)
    assert shown() == [""]


def test_documents_without_a_length_are_counted_without_a_total(store, shown):
    ingest(store, iter(DOCUMENTS), progress=True)
    assert any(line.startswith("150 documents [") for line in shown())


@pytest.mark.parametrize("given", [list, iter])
def test_documents_found_stored_show_no_rate(store, shown, given):
    ingest(store, DOCUMENTS)
    ingest(store, given(DOCUMENTS), progress=True)
    lines = shown()
    assert "150" in lines[-2]
    assert not any("documents/s" in line for line in lines)


def test_an_exception_ends_the_bar_and_comes_out_as_it_is(store, shown):
    def stop(progress):
        if progress.stored:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        ingest(store, DOCUMENTS, progress=True, on_progress=stop)
    assert re.search("(50|100)/150", shown()[-2])  # whichever batch came first


async def test_a_bar_says_what_the_run_waits_for(make_embeddings, twin, shown):
    clock = GateClock()

    def on_progress(progress):
        if progress.waiting is not None:
            clock.heard.set()

    embeddings = make_embeddings(clock=clock, output_dimensionality=128, requests_per_minute=100)
    store = create_vector_store(embeddings, "c", location=":memory:", clock=clock)
    options = {"progress": True, "on_progress": on_progress}
    await twin(package, "ingest", store, DOCUMENTS, **options)
    lines = shown()
    assert any(re.search(r"waiting \d+ s for the quota", line) for line in lines)
    assert "waiting" not in lines[-2]
    await store.aclose()
    await embeddings.aclose()


def test_moving_a_collection_shows_its_points(store, shown):
    store.add_documents(DOCUMENTS)
    package.migrate(store.client, QdrantClient(":memory:"), "c", progress=True)
    assert any("150/150" in line for line in shown())


@pytest.mark.filterwarnings("ignore:qdrant-client's local mode")
async def test_reembedding_and_measuring_show_bars(store, twin, make_embeddings, shown):
    store.add_documents(DOCUMENTS)
    new = make_embeddings(output_dimensionality=128)
    report = await twin(package, "reembed", store, new, progress=True)
    assert any("150/150" in line for line in shown())
    await twin(package, "measure_recall", report.store, limits=(5,), sample_size=20, progress=True)
    assert any(line.startswith("100%") and "searches" in line for line in shown())
    await new.aclose()
    await report.store.aclose()


@pytest.mark.slow
async def test_comparing_names_the_quantization(store, twin, shown):
    store.add_documents(DOCUMENTS)
    options = {"presets": ["binary"], "limits": (5,), "progress": True}
    await twin(package, "compare_quantizations", store, **options)
    lines = shown()
    assert any(line.startswith("none: ") for line in lines)
    assert lines[-2].startswith("binary: 100%")
