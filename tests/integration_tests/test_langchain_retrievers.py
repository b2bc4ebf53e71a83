"""LangChain's promises for retrievers, and what LangChain builds on them."""

from __future__ import annotations

import pytest
from langchain_classic.retrievers import (
    EnsembleRetriever,
    MultiVectorRetriever,
    ParentDocumentRetriever,
)
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import ConfigurableField, RunnablePassthrough
from langchain_core.stores import InMemoryByteStore, InMemoryStore
from langchain_core.tools import create_retriever_tool
from langchain_tests.integration_tests import RetrieversIntegrationTests
from langchain_text_splitters import RecursiveCharacterTextSplitter

from langchain_gemini_qdrant import create_vector_store

CATS_SLEEP = Document("Cats sleep for most of the day", metadata={"source": "cats"})
CATS_HUNT = Document("Cats hunt mice at night", metadata={"source": "cats"})
DOGS = Document("Dogs bark at strangers", metadata={"source": "dogs"})
QDRANT = Document("Qdrant quantizes vectors to one bit", metadata={"source": "manual"})
DOCUMENTS = [CATS_SLEEP, CATS_HUNT, DOGS, QDRANT]
QUESTIONS = {
    "When do cats sleep?": CATS_SLEEP,
    "Which mice do cats hunt?": CATS_HUNT,
    "At which strangers do dogs bark?": DOGS,
    "To how many bits does Qdrant quantize vectors?": QDRANT,
}
QUESTION = "When do cats sleep?"
SEARCHES = {"similarity": {}, "mmr": {}, "similarity_score_threshold": {"score_threshold": 0.0}}


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def quantization():
    return None


@pytest.fixture
def store(client, embeddings, quantization):
    return create_vector_store(embeddings, "c", client=client, quantization=quantization)


def page_contents(documents):
    return [document.page_content for document in documents]


def in_short(documents):
    return [(document.page_content, document.metadata) for document in documents]


@pytest.mark.parametrize("search_type", SEARCHES)
@pytest.mark.parametrize(
    ("client", "quantization"),
    [
        ("edge", None),
        ("edge", "binary"),
        pytest.param(":memory:", None, marks=pytest.mark.slow),
    ],
    indirect=["client"],
)
class TestStandard(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _filled(self, store, search_type):
        store.add_documents(DOCUMENTS)
        self.store = store
        self.search_type = search_type

    @property
    def retriever_constructor(self):
        return self.make

    @property
    def retriever_constructor_params(self):
        return SEARCHES[self.search_type]

    @property
    def retriever_query_example(self):
        return QUESTION

    def make(self, **search_kwargs):
        return self.store.as_retriever(search_type=self.search_type, search_kwargs=search_kwargs)


@pytest.mark.parametrize("search_type", SEARCHES)
async def test_a_call_s_options_win_over_the_retriever_s(store, twin, search_type):
    retriever = store.as_retriever(
        search_type=search_type, search_kwargs={"k": 3, **SEARCHES[search_type]}
    )
    await twin(retriever, "add_documents", DOCUMENTS)
    assert len(await twin(retriever, "invoke", QUESTION)) == 3
    [found] = await twin(retriever, "invoke", QUESTION, k=1)
    assert in_short([found]) == in_short([CATS_SLEEP])
    found = await twin(retriever, "invoke", QUESTION, filter={"source": "manual"})
    assert in_short(found) == in_short([QDRANT])


async def test_score_threshold_is_a_relevance_from_0_to_1(store, twin):
    store.add_documents(DOCUMENTS)
    scored = await twin(store, "similarity_search_with_relevance_scores", QUESTION, k=4)
    relevances = [relevance for _, relevance in scored]
    assert relevances == sorted(relevances, reverse=True)
    assert 0 <= relevances[-1] < relevances[0] <= 1
    for threshold, expected in ((relevances[0] - 1e-4, 1), (relevances[1] - 1e-4, 2), (0.0, 4)):
        retriever = store.as_retriever(
            search_type="similarity_score_threshold",
            search_kwargs={"k": 4, "score_threshold": threshold},
        )
        assert len(await twin(retriever, "invoke", QUESTION)) == expected


def test_traces_name_the_store_and_the_embeddings(store):
    assert store.as_retriever().tags == ["GeminiQdrantVectorStore", "GeminiEmbeddings"]


async def test_chain_answers_a_batch_in_order(store, twin):
    store.add_documents(DOCUMENTS)
    chain = {
        "context": store.as_retriever(search_kwargs={"k": 1})
        | (lambda documents: documents[0].page_content),
        "question": RunnablePassthrough(),
    } | ChatPromptTemplate.from_template("{context}|{question}")
    questions = list(QUESTIONS) * 5
    prompts = await twin(chain, "batch", questions, config={"max_concurrency": 8})
    assert [prompt.messages[0].content for prompt in prompts] == [
        f"{QUESTIONS[question].page_content}|{question}" for question in questions
    ]


async def test_search_kwargs_can_be_set_for_each_run(store, twin):
    store.add_documents(DOCUMENTS)
    retriever = store.as_retriever(search_kwargs={"k": 1}).configurable_fields(
        search_kwargs=ConfigurableField(id="search_kwargs")
    )
    config = {"configurable": {"search_kwargs": {"k": 2}}}
    assert len(await twin(retriever, "invoke", QUESTION)) == 1
    assert len(await twin(retriever, "invoke", QUESTION, config)) == 2


async def test_tool_answers_a_model_s_call(store, twin):
    store.add_documents(DOCUMENTS)
    tool = create_retriever_tool(
        store.as_retriever(search_kwargs={"k": 2}),
        "look_up",
        "Looks animals up.",
        document_prompt=PromptTemplate.from_template("{source}: {page_content}"),
        document_separator=" / ",
        response_format="content_and_artifact",
    )
    call = {"name": "look_up", "args": {"query": QUESTION}, "id": "1", "type": "tool_call"}
    message = await twin(tool, "invoke", call)
    first, second = message.artifact
    assert in_short([first]) == in_short([CATS_SLEEP])
    assert message.content == " / ".join(
        f"{each.metadata['source']}: {each.page_content}" for each in (first, second)
    )


async def test_ensemble_merges_two_retrievers(store, embeddings, twin):
    store.add_documents([CATS_SLEEP, CATS_HUNT])
    other = create_vector_store(embeddings, "other", client=store.client)
    other.add_documents([DOGS, CATS_HUNT])
    ensemble = EnsembleRetriever(
        retrievers=[
            store.as_retriever(),
            other.as_retriever(search_type="mmr", search_kwargs={"lambda_mult": 1.0}),
        ],
        weights=[0.6, 0.4],
    )
    found = await twin(ensemble, "invoke", "Which mice do cats hunt?")
    assert page_contents(found[:2]) == page_contents([CATS_HUNT, CATS_SLEEP])
    assert page_contents(found[2:]) == page_contents([DOGS])


async def test_parent_is_found_by_its_children(store, twin):
    parents = [
        Document(f"{one.page_content}. {two.page_content}.", metadata={"pair": number})
        for number, (one, two) in enumerate([(CATS_SLEEP, QDRANT), (CATS_HUNT, DOGS)])
    ]
    retriever = ParentDocumentRetriever(
        vectorstore=store,
        docstore=InMemoryStore(),
        child_splitter=RecursiveCharacterTextSplitter(
            chunk_size=36, chunk_overlap=0, separators=[". "]
        ),
        search_kwargs={"k": 1},
    )
    await twin(retriever, "add_documents", parents, ids=["first", "second"])
    children = await twin(store, "similarity_search", QUESTION, k=10)
    assert sorted(child.metadata["doc_id"] for child in children) == ["first"] * 2 + ["second"] * 2
    for question, parent in zip(QUESTIONS, [0, 1, 1, 0], strict=True):
        assert await twin(retriever, "invoke", question) == [parents[parent]]


# langchain-core 1.4 warns of a default of its own that InMemoryStore's users cannot set
@pytest.mark.filterwarnings("ignore:The default value of .allowed_objects.")
@pytest.mark.parametrize("search_type", SEARCHES)
async def test_each_of_several_vectors_finds_its_document(store, twin, search_type):
    retriever = MultiVectorRetriever(
        vectorstore=store,
        byte_store=InMemoryByteStore(),
        search_type=search_type,
        search_kwargs={"k": 2, "filter": {"doc_id": "1"}, **SEARCHES[search_type]},
    )
    retriever.docstore.mset([("1", CATS_SLEEP), ("2", DOGS)])
    store.add_texts(
        ["the rest of cats", "the day of cats", "noise of dogs"],
        metadatas=[{"doc_id": "1"}, {"doc_id": "1"}, {"doc_id": "2"}],
    )
    assert in_short(await twin(retriever, "invoke", "noise of cats")) == in_short([CATS_SLEEP])
