"""What LangChain documents of every vector store, and its example selectors."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.example_selectors import (
    MaxMarginalRelevanceExampleSelector,
    SemanticSimilarityExampleSelector,
)
from langchain_core.prompts import FewShotPromptTemplate, PromptTemplate

from langchain_gemini_qdrant import GeminiQdrantVectorStore, create_vector_store

TEMPLATE = "langchain_cli/integration_template/docs/vectorstores.ipynb"
HERE = {"source": "https://example.com"}
THERE = {"source": "https://another-example.com"}
EXAMPLES = [
    {"input": "happy cats", "output": "sad cats"},
    {"input": "tall trees", "output": "short trees"},
    {"input": "sunny days", "output": "gloomy days"},
]
SELECTORS = [SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector]


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def store(client, embeddings):
    return create_vector_store(embeddings, "c", client=client)


@pytest.fixture(params=["edge", "edge, binary", pytest.param(":memory:", marks=pytest.mark.slow)])
def options(request, tmp_path):
    """Arguments of `from_texts` for each engine."""
    return {
        "edge": {"path": tmp_path},
        "edge, binary": {"path": tmp_path, "quantization": "binary"},
        ":memory:": {"location": ":memory:"},
    }[request.param]


def in_short(documents):
    return [(document.id, document.page_content, document.metadata) for document in documents]


async def added(store, twin):
    documents = [Document(text, metadata=HERE) for text in ("foo", "bar", "baz")]
    ids = ["1", "2", "3"]
    assert await twin(store, "add_documents", documents=documents, ids=ids) == ids


async def test_the_calls_of_langchain_s_page_for_vector_stores_work(store, twin):
    """The page that langchain-cli makes for a new vector store, from top to bottom."""
    await added(store, twin)
    await twin(store, "update_documents", document_id="1", document=Document("qux", metadata=THERE))
    await twin(store, "delete", ids=["3"])

    found = await twin(store, "similarity_search", query="thud", k=1, filter=THERE)
    assert in_short(found) == [("1", "qux", THERE)]
    scored = await twin(store, "similarity_search_with_score", query="thud", k=1, filter=HERE)
    [(document, score)] = scored
    assert in_short([document]) == [("2", "bar", HERE)]
    assert isinstance(score, float)
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 1})
    assert len(await twin(retriever, "invoke", "thud")) == 1
    retriever = store.as_retriever(
        search_type="mmr", search_kwargs={"k": 1, "fetch_k": 2, "lambda_mult": 0.5}
    )
    [found] = await twin(retriever, "invoke", "qux")
    assert found.page_content == "qux"


def test_langchain_s_template_of_that_page_runs_unchanged(store, capsys):
    """All cells of the notebook below the one that makes the store."""
    try:
        template = distribution("langchain-cli").locate_file(TEMPLATE)
    except PackageNotFoundError:
        pytest.skip("langchain-cli is not installed")
    cells = json.loads(Path(template).read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    [constructor] = [i for i, cell in enumerate(code) if cell.count("vector_store = ")]
    namespace = {"vector_store": store}
    for cell in code[constructor + 1 :]:
        exec(cell, namespace)  # noqa: S102 - LangChain's own code
    assert len(code) > constructor + 5
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"* qux [{THERE}]"
    assert re.fullmatch(rf"\* \[SIM=\d.\d+\] bar \[{re.escape(str(HERE))}\]", lines[1])
    assert sorted(hit.page_content for hit in store.similarity_search("x")) == ["bar", "qux"]


async def test_documents_are_updated_as_in_chroma(store, twin):
    await added(store, twin)
    new = [Document(text, metadata=THERE) for text in ("one", "two", "three")]
    await twin(store, "update_documents", ids=["1", "3"], documents=[new[0], new[2]])
    await twin(store, "update_documents", document_id="2", document=new[1])
    assert in_short(store.get_by_ids(["1", "2", "3"])) == [
        ("1", "one", THERE),
        ("2", "two", THERE),
        ("3", "three", THERE),
    ]
    [found] = await twin(store, "similarity_search", "three", k=1)
    assert found.id == "3"


@pytest.mark.parametrize("selector", SELECTORS)
async def test_examples_are_chosen_by_meaning(embeddings, options, twin, selector):
    selector = await twin(
        selector, "from_examples", EXAMPLES, embeddings, GeminiQdrantVectorStore, k=1, **options
    )
    assert await twin(selector, "select_examples", {"input": "trees"}) == [EXAMPLES[1]]

    winter = {"input": "cold winters", "output": "hot summers"}
    added_id = await twin(selector, "add_example", winter)
    assert in_short(selector.vectorstore.get_by_ids([added_id])) == [
        (added_id, "cold winters hot summers", winter)
    ]
    assert await twin(selector, "select_examples", {"input": "winters"}) == [winter]
    selector.vectorstore.client.close()


async def test_only_input_keys_are_embedded_and_only_example_keys_returned(
    embeddings, options, twin, emulator
):
    selector = await twin(
        SemanticSimilarityExampleSelector,
        "from_examples",
        EXAMPLES,
        embeddings,
        GeminiQdrantVectorStore,
        k=2,
        input_keys=["input"],
        example_keys=["output"],
        vectorstore_kwargs={"filter": {"output": "gloomy days"}},
        **options,
    )
    assert [text.text.split(": ")[-1] for text in emulator.texts] == [
        example["input"] for example in EXAMPLES
    ]
    selected = await twin(selector, "select_examples", {"input": "cats", "note": "unused"})
    assert selected == [{"output": "gloomy days"}]
    selector.vectorstore.client.close()


async def test_few_shot_prompt_holds_the_nearest_examples(embeddings, options):
    selector = SemanticSimilarityExampleSelector.from_examples(
        EXAMPLES, embeddings, GeminiQdrantVectorStore, k=1, **options
    )
    prompt = FewShotPromptTemplate(
        example_selector=selector,
        example_prompt=PromptTemplate.from_template("{input} -> {output}"),
        suffix="{input} ->",
        input_variables=["input"],
    )
    expected = "tall trees -> short trees\n\nold trees ->"
    assert prompt.format(input="old trees") == expected
    assert await prompt.aformat(input="old trees") == expected
    selector.vectorstore.client.close()
