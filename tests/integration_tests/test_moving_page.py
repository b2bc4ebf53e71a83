"""What docs/moving.md says of langchain-qdrant, tried with both; `make moving` does the rest."""

from __future__ import annotations

import ast
import re
from contextlib import closing
from itertools import pairwise

import pytest
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import EdgeClient, GeminiQdrantVectorStore, migrate
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError
from tests.moving.changes import APP, PAGE, RENAMED, moved, rows

DOCUMENTS = [
    Document(f"Vacation is {days} days a year.", metadata={"days": days}) for days in range(20, 32)
]
QUESTION = "How many days of vacation are there?"
PATH = {"collection_name": "handbook", "path": "qdrant_data"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_application_has_each_line_that_the_page_changes():
    """So that `make moving` tries all that can be tried."""
    source = APP.read_text(encoding="utf-8")
    assert len(rows()) >= 5
    assert [before for before in (*rows(), *RENAMED) if before not in source] == []
    changed = moved(source)
    ast.parse(changed)
    assert not re.search(r"langchain_google_genai|qdrant_data|metadata\[\"_id\"\]", changed)
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*RENAMED, *RENAMED.values()) if name not in page] == []


def found(store):
    hits = store.similarity_search_with_score(QUESTION, k=6)
    return [(document.page_content, round(score, 5)) for document, score in hits]


def test_a_folder_of_langchain_qdrant_is_searched_here_and_there_alike(embeddings, emulator):
    theirs = QdrantVectorStore.from_documents(DOCUMENTS, embeddings, **PATH)
    wanted, ids = found(theirs), [hit.metadata["_id"] for hit in theirs.similarity_search(QUESTION)]
    theirs.client.close()
    emulator.clear()
    with (
        closing(QdrantClient(path="qdrant_data")) as old,
        closing(EdgeClient("edge_data")) as new,
        closing(QdrantClient(path="qdrant_back")) as back,
    ):
        migrate(old, new, "handbook")
        assert migrate(new, back, "handbook").added == len(DOCUMENTS)
        assert emulator.requests == []
        ours = GeminiQdrantVectorStore.from_existing_collection("handbook", embeddings, client=new)
        assert found(ours) == wanted
        hits = ours.similarity_search(QUESTION)
        assert [hit.id for hit in hits] == ids
        assert {tuple(hit.metadata) for hit in hits} == {("days",)}
    back = QdrantVectorStore.from_existing_collection(
        embedding=embeddings, collection_name="handbook", path="qdrant_back"
    )
    assert found(back) == wanted
    back.client.close()


def thresholds(theirs, ours, distance):
    """Return how many hits each store has from a relevance on, by thresholds of langchain-qdrant's.

    Between two scores, where rounding decides nothing.
    """
    scores = sorted(
        score for _, score in theirs.similarity_search_with_relevance_scores(QUESTION, k=12)
    )
    for low, high in pairwise(scores):
        if high - low > 1e-4:
            old = (low + high) / 2
            new = 2 * old - 1 if distance == models.Distance.COSINE else old
            yield [
                len(
                    store.as_retriever(
                        search_type="similarity_score_threshold",
                        search_kwargs={"k": 12, "score_threshold": threshold},
                    ).invoke(QUESTION)
                )
                for store, threshold in ((theirs, old), (ours, new))
            ]


@pytest.mark.parametrize("distance", [models.Distance.COSINE, models.Distance.EUCLID])
def test_the_threshold_of_the_page_lets_the_same_hits_through(embeddings, distance):
    theirs, ours = both(embeddings, distance)
    counts = [*thresholds(theirs, ours, distance)]
    assert len(counts) >= 5
    assert [theirs for theirs, _ in counts] == [ours for _, ours in counts]
    assert len({theirs for theirs, _ in counts}) == len(counts)


def test_with_dot_products_langchain_qdrant_gives_the_best_hit_the_lowest_relevance(embeddings):
    [theirs, ours] = [
        [score for _, score in store.similarity_search_with_relevance_scores(QUESTION, k=12)]
        for store in both(embeddings, models.Distance.DOT)
    ]
    assert theirs == sorted(theirs)
    assert ours == sorted(ours, reverse=True)
    assert [1 - score for score in theirs] == pytest.approx(ours, abs=1e-5)


def test_lambda_mult_is_one_minus_the_old_one(embeddings):
    theirs, ours = both(embeddings, models.Distance.COSINE)

    def diverse(store, value):
        hits = store.max_marginal_relevance_search(QUESTION, k=5, lambda_mult=value)
        return [hit.page_content for hit in hits]

    for old in (0.2, 0.9):
        assert diverse(theirs, old) == diverse(ours, 1 - old)
    assert diverse(ours, 0.2) != diverse(ours, 0.9)


def both(embeddings, distance):
    """Fill a store of each package with the same documents."""
    options = {"location": ":memory:", "collection_name": "c", "distance": distance}
    return [
        kind.from_documents(DOCUMENTS, embeddings, **options)
        for kind in (QdrantVectorStore, GeminiQdrantVectorStore)
    ]


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        ({"request_options": {"timeout": 10}}, "pass timeout=, in seconds"),
        ({"client_options": {"api_endpoint": "x"}}, "as base_url="),
        ({"client_args": {}}, "pass client=google.genai.Client"),
        ({"additional_headers": {}}, "pass client=google.genai.Client"),
        ({"api_version": "v1"}, "pass client=google.genai.Client"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_of_langchain_google_genai_is_refused_with_what_replaces_it(option, instead):
    with pytest.raises(ConfigurationError, match=re.escape(instead)):
        GeminiEmbeddings(api_key="k", **option)
    assert f"{next(iter(option))}=" in PAGE.read_text(encoding="utf-8")
