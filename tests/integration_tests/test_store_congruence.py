"""One question to a store has one answer: embedded, in memory, and on a server by REST and gRPC.

What the engines tell apart for good is in `test_engine_differences.py`; none of it may show here.
"""

from __future__ import annotations

import random
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import RetrievalMode, SparseEmbeddings
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import EdgeClient, create_vector_store
from langchain_gemini_qdrant.vectorstores import boost, newer_first
from langchain_gemini_qdrant.vectorstores.filters import metadata_field
from tests.integration_tests.qdrant_server import QdrantServer
from tests.integration_tests.test_filters import INDEXES, RANDOM_METADATAS, random_filter

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

WORDS = ["rain", "snow", "wind", "sun", "fog", "Lisbon", "Oslo", "sea", "hill", "river", "ü"]
DISTANCES = list(models.Distance)
LONG_FLOATS = [1732693200.123457, 0.1 + 0.2, 2.2864980512635398e27, -1.7e9 / 7, 9.007e15 / 7]
BIG = 2**53
NOW = datetime(2026, 7, 1, tzinfo=UTC)
ODD_METADATAS = [
    *({"mtime": each, "n": BIG + number} for number, each in enumerate(LONG_FLOATS)),
    {"gaps": [None, 1], "deep": {"a": [{"b": None}, {"b": [1, None]}]}, "n": -BIG},
    {"gaps": [None], "deep": {"a": []}, "n": BIG - 1},
    {"gaps": None, "": "empty name", "ü": {"ß": [0.1, "x"]}, "n": 2.5},
    {"gaps": [], "v1.2": 1, "n": [1, 5]},
    {"source": "a.pdf", "page_content": "mine", "document_id": "mine"},
]
METADATAS = [*RANDOM_METADATAS, *ODD_METADATAS]


class SparseWords(SparseEmbeddings):
    """Words with weights that no two texts share, so that no scores are equal."""

    def embed_documents(self, texts):
        return [self._embed(text) for text in texts]

    def embed_query(self, text):
        return self._embed(text)

    @staticmethod
    def _embed(text):
        words = sorted({zlib.crc32(word.encode()) % 10007 for word in text.split()})
        weights = random.Random(text)
        return models.SparseVector(indices=words, values=[weights.uniform(0.5, 2) for _ in words])


def text(number):
    rng = random.Random(number)
    return " ".join([*rng.sample(WORDS, rng.randint(2, 5)), f"no{number}"])


@pytest.fixture(scope="module")
def connections(tmp_path_factory):
    """What reaches each engine; each protocol has a server of its own."""
    with QdrantServer() as rest, QdrantServer() as grpc:
        options = {"check_compatibility": False}
        ways = {
            "edge": {"client": EdgeClient(tmp_path_factory.mktemp("edge"))},
            "memory": {"client": QdrantClient(":memory:")},
            "rest": {"url": rest.url, "client_options": {**options, "verify": False}},
            "grpc": {
                "url": grpc.url,
                "client_options": {**options, "grpc_port": grpc.grpc_port, "prefer_grpc": True},
            },
        }
        yield ways
        for way in ("edge", "memory"):
            ways[way]["client"].close()


@pytest.fixture(scope="module")
def open_stores(connections):
    """Open one collection on all engines, by the name of the way to each."""
    opened = []

    def open_stores(name, **options):
        stores = {
            way: create_vector_store(
                DeterministicFakeEmbedding(size=16), name, **connection, **options
            )
            for way, connection in connections.items()
        }
        opened.extend(stores.values())
        return stores

    yield open_stores
    for store in opened:
        store.close()


class Answers:
    """Asks all stores, every other time by the async method, and compares what they say."""

    def __init__(self, loop):
        self._loop = loop
        self.count = self.telling = 0

    def same(self, stores, name, *args, **kwargs):
        answers = {way: self._ask(store, name, args, kwargs) for way, store in stores.items()}
        expected = answers.pop("memory")
        has_ties = "hybrid_fusion" in kwargs
        for way, answer in answers.items():
            assert is_same(answer, expected, has_ties=has_ties), (
                way,
                name,
                args,
                kwargs,
                answer,
                expected,
            )
        self.count += 1
        self.telling += bool(expected)
        return expected

    def _ask(self, store, name, args, kwargs):
        if name == "invoke":
            store, kwargs = store.as_retriever(**kwargs), {}
        try:
            if self.count % 2 or name == "iter_documents":
                found = getattr(store, name)(*args, **kwargs)
                return list(found) if name == "iter_documents" else found
            return self._loop.run_until_complete(getattr(store, f"a{name}")(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - one engine must not refuse what others take
            return type(error).__name__


def is_same(one, other, *, has_ties):
    """Say whether two answers are the same, scores nearly.

    Merged ranks have ties: any document of an equal score may stand for another, also where the
    page cuts them.
    """
    if not isinstance(one, list) or not one or not isinstance(one[0], tuple):
        return is_close(one, other)
    if not isinstance(other, list) or len(one) != len(other):
        return False
    scores = [score for _, score in one]
    if scores != pytest.approx([score for _, score in other], rel=1e-4, abs=1e-5):
        return False
    rounded = [round(score, 4) for score in scores]
    tied = {rounded[0], rounded[-1], *(each for each in rounded if rounded.count(each) > 1)}
    return all(
        is_close(document, its) or (has_ties and score in tied)
        for (document, _), (its, _), score in zip(one, other, rounded, strict=True)
    )


def is_close(one, other):
    """Say whether values are the same but for the last bits of floats, which engines round."""
    if isinstance(one, Document) and isinstance(other, Document):
        return is_close(vars(one), vars(other))
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_close, one, other))
    return one == (pytest.approx(other, rel=1e-14) if isinstance(other, float) else other)


@pytest.fixture
def answers(loop, request):
    """Count the questions of a test: these are asked, and half of them find something."""
    answers = Answers(loop)
    yield answers
    asked, _ = QUESTIONS[request.node.originalname]
    assert answers.count >= asked, answers.count
    assert answers.telling > answers.count / 2, answers.telling


def fill(stores):
    for store in stores.values():
        store.add_texts(
            [text(number) for number in range(len(METADATAS))],
            METADATAS,
            [str(number) if number % 3 else f"id {number}" for number in range(len(METADATAS))],
        )
    return stores


INDEXED = {**INDEXES, "n": "float", "mtime": "float", "gaps": "integer"}


@pytest.fixture(scope="module", params=["unindexed", "indexed"])
def indexes(request):
    return INDEXED if request.param == "indexed" else None


@pytest.fixture(scope="module")
def dense(open_stores, indexes):
    return fill(open_stores(f"dense {bool(indexes)}", payload_indexes=indexes))


def key(field):
    return metadata_field(field, "metadata")


def own_filter(rng):
    """Return one of Qdrant's filters, in a form that engines read otherwise."""
    number = rng.choice([-3, 0, 2, 2019, 2020, 2021])
    field = rng.choice(["year", "price", "n"])
    bounds = rng.sample(["gt", "gte", "lt", "lte"], rng.randint(1, 4))
    within = models.FieldCondition(
        key=key(field),
        range=models.Range(**{each: number + rng.randint(-2, 2) for each in bounds}),
    )
    null = models.IsNullCondition(
        is_null=models.PayloadField(key=key(rng.choice(["gaps", "source", "made", "year"])))
    )
    word = models.FieldCondition(key=key("source"), match=models.MatchAny(any=["a.pdf", "7"]))
    draft = models.FieldCondition(key=key("draft"), match=models.MatchValue(value=True))
    several = rng.choices([within, null, word, draft], k=rng.randint(1, 3))
    match rng.randrange(6):
        case 0:
            return models.Filter(must=[within])
        case 1:
            return models.Filter(must=several, must_not=[several[0]])
        case 2:
            return models.Filter(should=several, must_not=rng.sample([word, draft, null], 1))
        case 3:
            least = models.MinShould(conditions=several, min_count=rng.randint(1, 3))
            return models.Filter(must=[word], min_should=least)
        case 4:
            least = models.MinShould(conditions=several, min_count=rng.randint(1, 3))
            return models.Filter(min_should=least)
        case _:
            return models.Filter(must_not=several)


def some_filter(rng):
    kind = rng.randrange(8)
    if kind < 2:
        return None
    if kind < 4:
        return own_filter(rng)
    if kind == 4:
        value = rng.choice([*LONG_FLOATS, BIG, BIG + 1, BIG - 1, float(BIG), None, 2.5])
        operator = rng.choice(["$eq", "$ne", "$gte", "$lt", "$in"])
        field = rng.choice(["mtime", "n", "gaps"])
        if value is None and operator in {"$gte", "$lt"}:
            operator = "$eq"
        return {field: {operator: [value, 7] if operator == "$in" else value}}
    return random_filter(rng, 2)


def some_options(rng):
    options = {"k": rng.choice([1, 3, 10, 100]), "filter": some_filter(rng)}
    if rng.random() < 0.5:
        options["offset"] = rng.choice([0, 1, 4, 60])
    return options


def test_searches_find_the_same_with_the_same_scores(dense, answers):
    rng = random.Random(1)
    for number in range(200):
        options = some_options(rng)
        query = rng.choice([text(number), "rain in Lisbon"])
        hits = answers.same(dense, "similarity_search_with_score", query, **options)
        if hits:
            _, score = rng.choice(hits)
            answers.same(dense, "similarity_search", query, score_threshold=score, **options)
        vector = dense["edge"].embeddings.embed_query(query)
        answers.same(dense, "similarity_search_by_vector", vector, **options)


def test_searches_for_unlike_hits_find_the_same(dense, answers):
    rng = random.Random(2)
    for number in range(150):
        options = some_options(rng)
        options |= {"fetch_k": rng.choice([1, 20, 50]), "lambda_mult": rng.choice([0, 0.3, 1])}
        answers.same(dense, "max_marginal_relevance_search", text(number), **options)


def test_filters_count_and_list_the_same(dense, answers):
    rng = random.Random(3)
    for _ in range(150):
        condition = some_filter(rng)
        count = answers.same(dense, "count", condition)
        listed = answers.same(
            dense, "iter_documents", filter=condition, batch_size=rng.choice([1, 7, 100])
        )
        assert len(listed) == count


@pytest.mark.parametrize("distance", DISTANCES)
def test_thresholds_and_relevance_are_met_alike(open_stores, answers, distance):
    stores = fill(open_stores(f"by {distance.value}", distance=distance))
    rng = random.Random(4)
    for number in range(25):
        query = text(number)
        hits = answers.same(stores, "similarity_search_with_score", query, k=20)
        for _, score in rng.sample(hits, 2):
            options = {"k": 30, "score_threshold": score}
            answers.same(stores, "similarity_search_with_score", query, **options)
        found = answers.same(stores, "similarity_search_with_relevance_scores", query, k=20)
        for score in (1.0, rng.choice(found)[1]):
            kwargs = {"k": 30, "score_threshold": score}
            answers.same(
                stores,
                "invoke",
                query,
                search_type="similarity_score_threshold",
                search_kwargs=kwargs,
            )


FUSIONS = [
    models.FusionQuery(fusion=models.Fusion.RRF),
    models.FusionQuery(fusion=models.Fusion.DBSF),
    models.RrfQuery(rrf=models.Rrf(k=60)),
    models.RrfQuery(rrf=models.Rrf(k=2, weights=[3.0, 1.0])),
]


@pytest.mark.parametrize("mode", [RetrievalMode.HYBRID, RetrievalMode.SPARSE])
def test_searches_by_words_find_the_same(open_stores, answers, mode):
    stores = open_stores(
        mode.value,
        retrieval_mode=mode,
        sparse_embedding=SparseWords(),
        sparse_vector_name="words",
    )
    fill(stores)
    rng = random.Random(5)
    for number in range(100):
        options = some_options(rng)
        if mode is RetrievalMode.HYBRID:
            options["hybrid_fusion"] = rng.choice(FUSIONS)
            options["fetch_k"] = rng.choice([None, 110])
        answers.same(stores, "similarity_search_with_score", text(number), **options)
        options.pop("offset", None)
        answers.same(stores, "similarity_search_with_relevance_scores", text(number), **options)


def some_ranking(rng):
    factors = [
        newer_first("made", timedelta(days=900), weight=0.7, now=NOW),
        newer_first("mtime", 1e8, now=NOW, unix_time=True, undated=0.8),
        boost(random_filter(rng, 2), rng.choice([0.5, 3.0])),
    ]
    options = {"score_formula": rng.choice([None, *factors, factors[1:]])}
    if rng.random() < 0.7:
        options["group_by"] = rng.choice(["source", "year", "author.name", "draft", "price"])
        options["group_size"] = rng.choice([1, 2])
    return options


@pytest.mark.parametrize("mode", RetrievalMode)
def test_formulas_and_groups_find_the_same(open_stores, answers, mode):
    stores = open_stores(
        f"ranked {mode.value}",
        retrieval_mode=mode,
        sparse_embedding=None if mode is RetrievalMode.DENSE else SparseWords(),
    )
    fill(stores)
    rng = random.Random(8)
    for number in range(80):
        options = some_options(rng) | some_ranking(rng)
        if mode is RetrievalMode.HYBRID:
            options["hybrid_fusion"] = models.FusionQuery(fusion=models.Fusion.DBSF)
        found = answers.same(stores, "similarity_search_with_score", text(number), **options)
        assert isinstance(found, list), (found, options)
        options.pop("offset", None)
        options["fetch_k"] = rng.choice([None, 7, 30])
        answers.same(stores, "similarity_search_with_relevance_scores", text(number), **options)


def test_phrases_and_words_over_a_text_index_are_found_alike(open_stores, answers):
    stores = open_stores("texts")
    texts = [text(number) for number in range(len(METADATAS))]
    for store in stores.values():
        store.add_texts(texts, [{"body": each} for each in texts])
        store.create_payload_indexes({"body": "text"})
    rng = random.Random(6)
    for number in range(40):
        words = text(number).split()
        start = rng.randrange(len(words) - 1)
        for match in (
            models.MatchPhrase(phrase=" ".join(words[start : start + 2])),
            models.MatchText(text=" ".join(rng.sample(words, 2)).upper()),
            models.MatchTextAny(text_any=" ".join(rng.sample(words, 2))),
        ):
            condition = models.Filter(must=[models.FieldCondition(key=key("body"), match=match)])
            assert answers.same(stores, "count", condition)


def test_writes_leave_the_same(open_stores, answers):
    stores = open_stores("written")
    rng = random.Random(7)
    ids = ["1", "2", "a", "b", "0195c1f8-0000-7000-8000-000000000001", "ß"]
    for number in range(120):
        some = rng.sample(ids, rng.randint(1, 3))
        match rng.randrange(6):
            case 0 | 1 | 2:
                documents = [
                    Document(text(1000 * number + place), metadata=rng.choice(METADATAS))
                    for place in range(len(some))
                ]
                answers.same(stores, "add_documents", documents, ids=some)
            case 3:
                answers.same(stores, "delete", some)
            case 4:
                condition = some_filter(rng)
                answers.same(stores, "delete", filter=condition or {"source": "a.pdf"})
            case _:
                answers.same(stores, "get_by_ids", [*some, *some, "none"])
        answers.same(stores, "iter_documents")
        answers.same(stores, "similarity_search_with_score", text(number), k=3)


# Questions of each test, and how often it runs.
QUESTIONS = {
    "test_searches_find_the_same_with_the_same_scores": (500, 2),
    "test_searches_for_unlike_hits_find_the_same": (150, 2),
    "test_filters_count_and_list_the_same": (300, 2),
    "test_thresholds_and_relevance_are_met_alike": (150, len(DISTANCES)),
    "test_searches_by_words_find_the_same": (200, 2),
    "test_formulas_and_groups_find_the_same": (160, len(RetrievalMode)),
    "test_phrases_and_words_over_a_text_index_are_found_alike": (120, 1),
    "test_writes_leave_the_same": (300, 1),
}


def test_at_least_1800_questions_are_answered_alike():
    total = sum(asked * times for asked, times in QUESTIONS.values())
    assert total >= 1800, total
