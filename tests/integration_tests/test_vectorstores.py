"""The store on the engines that run without a server."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeClient,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    create_vector_store,
)
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    InvalidInputError,
    RequestRejectedError,
    StorageError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator

DOCUMENTS = [
    Document("Qdrant quantizes vectors to one bit", metadata={"title": "Quantization", "page": 1}),
    Document("Cats sleep for most of the day", metadata={"title": "Cats", "page": 2}),
    Document("Gemini embeds documents and queries", metadata={"title": "Gemini", "page": 3}),
]


@pytest.fixture
def store(client, embeddings):
    return create_vector_store(embeddings, "c", client=client)


def test_collection_is_made_from_the_model_table(client, emulator):
    embeddings = GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url)
    create_vector_store(embeddings, "c", client=client)
    params = client.get_collection("c").config.params.vectors
    params = params[""] if isinstance(params, dict) else params
    assert (params.size, params.distance) == (3072, models.Distance.COSINE)


def test_model_of_unknown_size_is_asked_once_and_only_to_create(client, emulator):
    with pytest.warns(UserWarning, match="not a model"):
        embeddings = GeminiEmbeddings(
            model="gemini-embedding-9", api_key=emulator.api_key, base_url=emulator.base_url
        )
    with pytest.raises(RequestRejectedError):
        create_vector_store(embeddings, "c", client=client)
    assert len(emulator.requests) == 1
    assert not client.collection_exists("c")


def test_documents_and_questions_meet(store):
    store.add_documents(DOCUMENTS)
    assert store.similarity_search("When do cats sleep?", k=1)[0].metadata["title"] == "Cats"


def test_titles_reach_the_model(client, embeddings, emulator):
    store = create_vector_store(embeddings, "c", client=client, title_key="title")
    store.add_documents([*DOCUMENTS, Document("no title")])
    assert [text.text.split(" | ")[0] for text in emulator.texts] == [
        "title: Quantization",
        "title: Cats",
        "title: Gemini",
        "title: none",
    ]


def test_title_key_needs_an_embedding_that_reads_titles(client):
    embeddings = DeterministicFakeEmbedding(size=8)
    with pytest.raises(ConfigurationError, match="title_key needs GeminiEmbeddings"):
        create_vector_store(embeddings, "c", client=client, title_key="title")


def test_same_id_replaces(store):
    store.add_texts(["old"], ids=["a"])
    store.add_texts(["new"], ids=["a"])
    assert [document.page_content for document in store.similarity_search("x")] == ["new"]


def test_blank_text_in_the_middle_stores_nothing(store, emulator):
    with pytest.raises(InvalidInputError, match="index 1"):
        store.add_texts(["a", "", "b"])
    assert store.client.count("c").count == 0
    assert emulator.requests == []


def test_wrong_key_stores_nothing(client, emulator):
    embeddings = GeminiEmbeddings(api_key="wrong", base_url=emulator.base_url)
    store = create_vector_store(embeddings, "c", client=client)
    with pytest.raises(RequestRejectedError, match="Check api_key"):
        store.add_documents(DOCUMENTS)
    assert client.count("c").count == 0


def test_score_key_writes_each_hit_s_score_for_chains(store):
    store.add_documents(DOCUMENTS)
    [hit] = store.as_retriever(search_kwargs={"k": 1, "score_key": "score"}).invoke("cats sleep")
    [(document, score)] = store.similarity_search_with_score("cats sleep", k=1)
    assert hit.metadata == {**document.metadata, "score": score}


def test_qdrant_s_own_quantization_model_is_taken(tmp_path):
    own = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=False))
    store = create_vector_store(
        DeterministicFakeEmbedding(size=128), "c", path=tmp_path, quantization=own
    )
    assert store.client.get_collection("c").config.quantization_config.binary.always_ram is False
    assert store.search_params.quantization.oversampling == 8.0  # both sides have one bit
    store.client.close()


def test_quantization_in_memory_warns_that_it_is_ignored(embeddings):
    with pytest.warns(UserWarning, match="no effect here") as seen:
        store = create_vector_store(embeddings, "c", location=":memory:", quantization="binary")
    assert seen[0].filename == __file__
    store.add_documents(DOCUMENTS)
    assert store.similarity_search("cats sleep", k=1)[0].metadata["title"] == "Cats"


def test_other_size_is_a_mismatch_that_says_both(client, embeddings, emulator):
    create_vector_store(embeddings, "c", client=client)
    other = GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url)
    with pytest.raises(CollectionMismatchError, match="of size 768.*makes 3072"):
        create_vector_store(other, "c", client=client)


def test_other_distance_is_a_mismatch_that_says_both(client, embeddings):
    create_vector_store(embeddings, "c", client=client, distance=models.Distance.DOT)
    with pytest.raises(CollectionMismatchError, match="by Dot, not by Cosine"):
        create_vector_store(embeddings, "c", client=client)


def test_other_vector_name_is_a_mismatch_that_names_the_vectors(client, embeddings):
    create_vector_store(embeddings, "c", client=client, vector_name="dense")
    with pytest.raises(CollectionMismatchError, match="no dense vector named '', only 'dense'"):
        create_vector_store(embeddings, "c", client=client)


def test_other_quantization_is_a_mismatch_and_none_takes_what_is_there(tmp_path, embeddings):
    plain = create_vector_store(embeddings, "plain", path=tmp_path)
    with pytest.raises(CollectionMismatchError, match="quantization none, not 'binary'"):
        create_vector_store(embeddings, "plain", path=tmp_path, quantization="binary")
    plain.client.close()


def test_force_recreate_starts_empty(client, embeddings):
    create_vector_store(embeddings, "c", client=client).add_texts(["a"])
    store = create_vector_store(embeddings, "c", client=client, force_recreate=True)
    assert client.count("c").count == 0
    assert store.add_texts(["b"])


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({}, "got none"),
        ({"path": "x", "url": "http://localhost"}, "got path and url"),
        ({"location": "localhost"}, "location must be ':memory:', got 'localhost'"),
        ({"location": ":memory:", "api_key": "k"}, "api_key goes with url=, not with location="),
    ],
)
def test_engine_must_be_one_and_its_options_must_fit(embeddings, engine, message):
    with pytest.raises(ConfigurationError, match=message):
        create_vector_store(embeddings, "c", **engine)


def test_path_that_cannot_be_written_is_a_storage_error_and_nothing_is_sent(
    tmp_path, embeddings, emulator
):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        create_vector_store(embeddings, "c", path=tmp_path / "file" / "index")
    assert emulator.requests == []


def test_store_is_a_qdrant_vector_store_that_persists(tmp_path, embeddings):
    store = create_vector_store(embeddings, "c", path=tmp_path, quantization="binary")
    assert isinstance(store, QdrantVectorStore)
    assert isinstance(store.client, EdgeClient)
    store.add_documents(DOCUMENTS, ids=["a", "b", "c"])
    store.client.close()
    again = create_vector_store(embeddings, "c", path=tmp_path, quantization="binary")
    assert [document.id for document in again.similarity_search("cats sleep", k=1)] == ["b"]
    again.client.close()


@pytest.mark.parametrize("engine", ["path", "client"])
def test_from_documents_takes_langchain_qdrant_s_arguments_and_ours(tmp_path, embeddings, engine):
    client = QdrantClient(":memory:")
    options = {"path": tmp_path} if engine == "path" else {"client": client}
    store = GeminiQdrantVectorStore.from_documents(
        DOCUMENTS, embeddings, collection_name="c", title_key="title", **options
    )
    assert isinstance(store.client, EdgeClient if engine == "path" else QdrantClient)
    again = GeminiQdrantVectorStore.from_existing_collection(
        "c", embeddings, client=store.client, title_key="title"
    )
    assert len(again.similarity_search("cats", k=9)) == 3
    store.client.close()


def test_collections_of_langchain_qdrant_open_here_and_the_other_way_round(client, embeddings):
    client.create_collection(
        "theirs", models.VectorParams(size=768, distance=models.Distance.COSINE)
    )
    theirs = QdrantVectorStore(client, "theirs", embeddings)
    ids = theirs.add_documents(DOCUMENTS)
    ours = create_vector_store(embeddings, "theirs", client=client)
    found = ours.similarity_search("cats sleep", k=1)
    assert found[0].metadata == DOCUMENTS[1].metadata
    ours.add_texts(["Dogs bark at night"], ids=["dog"])
    assert theirs.similarity_search("dogs bark", k=1)[0].page_content == "Dogs bark at night"
    assert len(ids) == 3


async def test_retriever_answers_in_a_chain_sync_and_async(store):
    store.add_documents(DOCUMENTS)
    prompt = ChatPromptTemplate.from_template("{context}\n---\n{question}")

    def join(documents):
        return "\n".join(document.page_content for document in documents)

    chain = (
        {
            "context": store.as_retriever(search_kwargs={"k": 1}) | join,
            "question": RunnablePassthrough(),
        }
        | prompt
        | RunnableLambda(lambda value: value.to_string())
        | StrOutputParser()
    )
    expected = "Human: Cats sleep for most of the day\n---\nWhen do cats sleep?"
    assert chain.invoke("When do cats sleep?") == expected
    assert await chain.ainvoke("When do cats sleep?") == expected
    await store.embeddings.aclose()


def test_the_example_of_qdrant_s_gemini_page_runs():
    """Two titled texts, 768 dimensions, cosine, the old model over the old SDK."""
    with GeminiEmulator(retired_models=True, grpc=True) as emulator:
        with pytest.warns(UserWarning, match="shutdown"):
            embeddings = GeminiEmbeddings(
                model="models/embedding-001",
                backend="google-generativeai",
                api_key=emulator.api_key,
                base_url=emulator.grpc_url,
            )
        store = create_vector_store(embeddings, "example", location=":memory:", title_key="title")
        texts = [
            "Qdrant is a vector database that is compatible with Gemini.",
            "Gemini is a new family of Google PaLM models, released in December 2023.",
        ]
        store.add_texts(texts, [{"title": "Qdrant x Gemini"}] * 2)
        [first, second] = store.similarity_search("Is Qdrant compatible with Gemini?")
    assert [first.page_content, second.page_content] == texts
    vectors = store.client.get_collection("example").config.params.vectors
    params = vectors[""] if isinstance(vectors, dict) else vectors
    assert (params.size, params.distance) == (768, models.Distance.COSINE)
    assert {text.model for text in emulator.texts} == {"models/embedding-001"}
    assert [text.task_type for text in emulator.texts] == [
        "RETRIEVAL_DOCUMENT",
        "RETRIEVAL_DOCUMENT",
        "RETRIEVAL_QUERY",
    ]
    assert [text.title for text in emulator.texts] == ["Qdrant x Gemini"] * 2 + [None]
