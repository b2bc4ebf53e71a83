"""Texts, images, sounds, videos and PDFs in one collection: they find each other."""

from __future__ import annotations

from base64 import b64encode

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages.content import create_image_block, create_text_block
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_qdrant import RetrievalMode
from langsmith._internal._serde import dumps_json
from qdrant_client import models

from langchain_gemini_qdrant import EdgeBm25, ameasure_recall, create_vector_store
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.testing import sample_media

DOG = "a brown dog on the beach"
TOWER = "a tall tower in the fog"
WHALES = "whales sing in the deep sea"
CONTRACT = "the contract ends in march"
BREAD = "how to bake bread at home"

FILES = {
    "dog.png": sample_media.png(DOG),
    "tower.jpg": sample_media.jpeg(TOWER),
    "whales.wav": sample_media.wav(WHALES),
    "contract.pdf": sample_media.pdf(CONTRACT),
    "bread.mp4": sample_media.mp4(BREAD),
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def make(client, embeddings, folder):
    def make(**options):
        options = {"media_key": "media", "media_root": folder, **options}
        return create_vector_store(embeddings, "c", client=client, **options)

    return make


@pytest.fixture
def store(make):
    """One document of each medium without a text, by its name, and one of each text."""
    store = make()
    store.add_images(list(FILES), ids=list(FILES))
    texts = [DOG, TOWER, WHALES, CONTRACT, BREAD]
    store.add_texts(texts, ids=["dog", "tower", "whales", "contract", "bread"])
    return store


def ids(hits):
    return [(hit[0] if isinstance(hit, tuple) else hit).id for hit in hits]


ALIKE = [
    ("dog.png", "dog", DOG),
    ("tower.jpg", "tower", TOWER),
    ("whales.wav", "whales", WHALES),
    ("contract.pdf", "contract", CONTRACT),
    ("bread.mp4", "bread", BREAD),
]


@pytest.mark.parametrize(("name", "text_id", "text"), ALIKE)
async def test_a_text_finds_the_medium_and_a_medium_finds_both(
    store, twin, folder, name, text_id, text
):
    media = {"media": {"$exists": True}}  # texts are closer to any text than media are
    assert ids(await twin(store, "similarity_search", text, k=1, filter=media)) == [name]
    assert ids(await twin(store, "similarity_search", text, k=1)) == [text_id]
    found = await twin(store, "similarity_search", Blob.from_path(folder / name), k=2)
    assert ids(found) == [name, text_id]
    assert ids(await twin(store, "similarity_search_by_image", name, k=2)) == [name, text_id]


async def test_a_query_is_a_blob_a_block_or_a_sequence_of_these(store, twin, folder):
    blob = Blob.from_path(folder / "dog.png")
    block = create_image_block(base64=b64encode(blob.as_bytes()).decode(), mime_type="image/png")
    for query in (blob, block, [block], [DOG, blob], [create_text_block(DOG), block]):
        assert set(ids(await twin(store, "similarity_search", query, k=2))) == {"dog.png", "dog"}


async def test_relevance_is_the_cosine_from_0_to_1(store, twin, folder):
    name = "similarity_search_by_image_with_relevance_score"
    hits = await twin(store, name, "dog.png", k=10)
    assert ids(hits)[:2] == ["dog.png", "dog"]
    scores = [score for _, score in hits]
    assert scores[0] == pytest.approx(1.0)
    assert all(0 <= score <= 1 for score in scores)
    blob = Blob.from_path(folder / "dog.png")
    assert hits == await twin(store, "similarity_search_with_relevance_scores", blob, k=10)


async def test_filters_thresholds_pages_and_mmr_take_media(store, twin, folder):
    query = Blob.from_path(folder / "dog.png")
    only = {"mime_type": {"$in": ["audio/wav", "image/jpeg"]}}
    found = await twin(store, "similarity_search_by_image", "dog.png", k=9, filter=only)
    assert set(ids(found)) == {"whales.wav", "tower.jpg"}
    hits = await twin(store, "similarity_search_with_score", query, k=10, score_threshold=0.9)
    assert ids(hits) == ["dog.png"]
    every = ids(await twin(store, "similarity_search", query, k=10))
    assert ids(await twin(store, "similarity_search", query, k=3, offset=3)) == every[3:6]
    found = await twin(
        store, "max_marginal_relevance_search", query, k=3, fetch_k=10, lambda_mult=1.0
    )
    assert ids(found) == every[:3]
    diverse = await twin(
        store, "max_marginal_relevance_search", query, k=3, fetch_k=10, lambda_mult=0.0
    )
    assert ids(diverse)[0] == "dog.png"
    assert ids(diverse) != every[:3]


@pytest.mark.filterwarnings("ignore:qdrant-client's local mode")
async def test_recall_is_measured_with_media_and_on_stored_vectors_of_media(store, folder):
    queries = [Blob.from_path(folder / "dog.png"), [TOWER, Blob.from_path(folder / "tower.jpg")]]
    for given in (queries, [DOG], None):
        report = await ameasure_recall(
            store, given, limits=[2], sample_size=5, latency_queries=0, rescore=[True]
        )
        assert report.rows[0].recall == 1.0
        assert report.query_kind == ("stored vectors" if given is None else "texts")


async def test_an_option_that_is_not_valid_is_refused_before_anything_is_sent(
    store, twin, folder, emulator
):
    emulator.clear()
    query = Blob.from_path(folder / "dog.png")
    with pytest.raises(InvalidInputError, match="k must be"):
        await twin(store, "similarity_search", query, k=0)
    with pytest.raises(InvalidInputError):
        await twin(store, "similarity_search", Blob.from_data(b"no medium"))
    with pytest.raises(InvalidInputError, match="int"):
        await twin(store, "similarity_search", 7)
    with pytest.raises(InvalidInputError, match=r"gone\.png"):
        await twin(store, "similarity_search_by_image", "gone.png")
    with pytest.raises(InvalidInputError, match="outside media_root"):
        await twin(store, "similarity_search_by_image", "../secret.png")
    assert emulator.requests == []


# Retrievers


SEARCHES = {
    "similarity": {},
    "mmr": {"lambda_mult": 1.0},
    "similarity_score_threshold": {"score_threshold": 0.2},
}


@pytest.mark.parametrize("search_type", SEARCHES)
async def test_retrievers_take_media(store, twin, folder, search_type):
    options = {"k": 2, **SEARCHES[search_type]}
    retriever = store.as_retriever(search_type=search_type, search_kwargs=options)
    blob = Blob.from_path(folder / "dog.png")
    for query in (blob, [blob], [DOG, blob]):
        assert set(ids(await twin(retriever, "invoke", query))) == {"dog.png", "dog"}
    assert ids(await twin(retriever, "invoke", DOG))[0] == "dog"


async def test_callbacks_and_traces_get_a_description_and_not_the_bytes(store, twin):
    data = sample_media.png(DOG, padding=500_000)
    blob = Blob.from_data(data, mime_type="image/png", metadata={"source": "here.png"})
    runs = RunCollectorCallbackHandler()
    retriever = store.as_retriever()
    await twin(retriever, "invoke", ["near this", blob], config={"callbacks": [runs]})
    [run] = runs.traced_runs
    assert run.name == "VectorStoreRetriever"
    assert run.inputs == {"query": "near this [here.png, image/png]"}
    assert len(dumps_json(run.inputs)) < 100


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (f"data:image/png;base64,{b64encode(FILES['dog.png']).decode()}", "data:image/png;base64,"),
        ("https://user:secret@host/dog.png?signature=secret", "https://host/dog.png,"),
    ],
)
async def test_the_description_of_a_blob_has_neither_bytes_nor_secrets(store, twin, source, shown):
    blob = Blob.from_data(FILES["dog.png"], mime_type="image/png", metadata={"source": source})
    runs = RunCollectorCallbackHandler()
    await twin(store.as_retriever(), "invoke", blob, config={"callbacks": [runs]})
    query = runs.traced_runs[0].inputs["query"]
    assert query.startswith(f"[{shown}")
    assert len(query) < 100
    assert "secret" not in query


# Hybrid and sparse


@pytest.fixture
def hybrid(make):
    store = make(sparse_embedding=EdgeBm25())
    store.add_documents(
        [
            Document(DOG, metadata={"media": "dog.png"}),
            Document("", metadata={"media": "whales.wav"}),
            Document("the beach is closed"),
        ],
        ids=["dog", "whales", "closed"],
    )
    return store


async def test_hybrid_search_finds_media_by_their_captions_and_by_media(hybrid, twin, folder):
    assert ids(await twin(hybrid, "similarity_search", "beach", k=3))[0] in {"dog", "closed"}
    found = await twin(hybrid, "similarity_search", ["closed", Blob.from_path(folder / "dog.png")])
    assert set(ids(found)[:2]) == {"dog", "closed"}
    alone = await twin(hybrid, "similarity_search", Blob.from_path(folder / "whales.wav"), k=1)
    assert ids(alone) == ["whales"]


@pytest.mark.parametrize(
    "fusion",
    [
        "rrf",
        "dbsf",
        models.RrfQuery(rrf=models.Rrf(k=10, weights=[3.0, 1.0])),
        models.RrfQuery(rrf=models.Rrf(weights=[0.0, 1.0])),
    ],
)
async def test_media_alone_have_scores_on_the_scale_of_hybrid_search(hybrid, twin, folder, fusion):
    name, query = "similarity_search_with_relevance_scores", Blob.from_path(folder / "whales.wav")
    hits = await twin(hybrid, name, query, k=3, hybrid_fusion=fusion)
    assert ids(hits)[0] == "whales"
    scores = [score for _, score in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    if fusion != "dbsf":
        assert scores[0] == pytest.approx(1.0)  # first among the only kind of hits


async def test_a_medium_without_a_caption_has_no_sparse_vector(hybrid):
    points = hybrid.client.scroll("c", with_vectors=True)[0]
    named = {point.payload["page_content"]: set(point.vector) for point in points}
    assert "langchain-sparse" in named[DOG]
    assert "langchain-sparse" not in named[""]


@pytest.mark.usefixtures("hybrid")
async def test_a_store_of_sparse_vectors_refuses_media(make, twin, folder):
    sparse = make(sparse_embedding=EdgeBm25(), retrieval_mode=RetrievalMode.SPARSE)
    assert ids(await twin(sparse, "similarity_search", "dog")) == ["dog"]
    with pytest.raises(ConfigurationError, match="DENSE or HYBRID"):
        await twin(sparse, "similarity_search", Blob.from_path(folder / "dog.png"))
    with pytest.raises(ConfigurationError, match="DENSE or HYBRID"):
        await twin(sparse, "add_images", ["dog.png"])


async def test_another_embedding_refuses_a_search_with_media(client, twin, folder):
    store = create_vector_store(DeterministicFakeEmbedding(size=8), "other", client=client)
    with pytest.raises(ConfigurationError, match="GeminiEmbeddings"):
        await twin(store, "similarity_search", Blob.from_path(folder / "dog.png"))


async def test_a_store_of_texts_can_be_searched_with_media(client, embeddings, twin, folder):
    store = create_vector_store(embeddings, "texts", client=client)
    store.add_texts([TOWER, DOG])
    found = await twin(store, "similarity_search", Blob.from_path(folder / "dog.png"), k=1)
    assert found[0].page_content == DOG
