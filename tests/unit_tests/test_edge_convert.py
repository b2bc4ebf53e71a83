"""qdrant-client's models in the embedded engine's terms."""

from __future__ import annotations

import sys

import pytest
import qdrant_edge
from qdrant_client import models

from langchain_gemini_qdrant.edge import _engine
from langchain_gemini_qdrant.edge._backend._lookup import with_vectors_for_ids
from langchain_gemini_qdrant.edge._convert._config import vector_schema
from langchain_gemini_qdrant.edge._convert._models import (
    edge_filter,
    edge_index,
    edge_payload_selector,
    edge_vector_selector,
    to_edge,
)
from langchain_gemini_qdrant.edge._convert._query import edge_query_request
from langchain_gemini_qdrant.edge._convert._validate import VectorSchema
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError, StorageError

ENUMS = [
    models.Distance,
    models.Direction,
    models.BinaryQuantizationEncoding,
    models.BinaryQuantizationQueryEncoding,
    models.CompressionRatio,
    models.Language,
    models.Memory,
    models.Modifier,
    models.MultiVectorComparator,
    models.PayloadSchemaType,
    models.ScalarType,
    models.SnowballLanguage,
    models.TokenizerType,
    models.TurboQuantBitSize,
    models.UpdateMode,
    models.Datatype,
]


@pytest.mark.parametrize("enum", ENUMS)
def test_every_member_has_its_own_counterpart(enum):
    converted = [to_edge(member) for member in enum]
    assert len({str(member) for member in converted}) == len(enum)


def fields(edge_object, *names):
    return tuple(getattr(edge_object, name) for name in names)


def test_a_quantization_keeps_every_setting():
    binary = to_edge(
        models.BinaryQuantization(
            binary=models.BinaryQuantizationConfig(
                always_ram=True, encoding="two_bits", query_encoding="scalar8bits"
            )
        )
    )
    assert fields(binary, "always_ram", "encoding", "query_encoding") == (
        True,
        qdrant_edge.BinaryQuantizationEncoding.TwoBits,
        qdrant_edge.BinaryQuantizationQueryEncoding.Scalar8Bits,
    )
    scalar = to_edge(
        models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8", quantile=0.9))
    )
    assert scalar.type == qdrant_edge.ScalarType.Int8
    assert scalar.quantile == pytest.approx(0.9)
    product = to_edge(
        models.ProductQuantization(product=models.ProductQuantizationConfig(compression="x32"))
    )
    assert product.compression == qdrant_edge.CompressionRatio.X32
    turbo = to_edge(
        models.TurboQuantization(turbo=models.TurboQuantQuantizationConfig(bits="bits2"))
    )
    assert turbo.bits == qdrant_edge.TurboQuantBitSize.Bits2


def test_search_parameters_keep_every_setting():
    params = to_edge(
        models.SearchParams(
            hnsw_ef=64,
            exact=True,
            quantization=models.QuantizationSearchParams(
                ignore=True, rescore=False, oversampling=3.0
            ),
        )
    )
    assert fields(params, "hnsw_ef", "exact") == (64, True)
    assert fields(params.quantization, "ignore", "rescore", "oversampling") == (True, False, 3.0)


def test_vector_and_graph_settings_are_filled_with_the_servers_defaults():
    params = to_edge(
        models.VectorParams(
            size=3,
            distance=models.Distance.EUCLID,
            datatype=models.Datatype.FLOAT16,
            hnsw_config=models.HnswConfigDiff(m=7),
        )
    )
    assert params.datatype == qdrant_edge.VectorStorageDatatype.Float16
    assert fields(params.hnsw_config, "m", "ef_construct", "full_scan_threshold") == (7, 100, 10000)
    sparse = to_edge(
        models.SparseVectorParams(
            modifier="idf", index=models.SparseIndexParams(on_disk=True, full_scan_threshold=9)
        )
    )
    assert fields(sparse, "on_disk", "full_scan_threshold") == (True, 9)
    optimizers = to_edge(
        models.OptimizersConfigDiff(
            indexing_threshold=5, memmap_threshold=6, prevent_unoptimized=True
        )
    )
    assert fields(optimizers, "indexing_threshold", "prevent_unoptimized") == (5, None)


@pytest.mark.parametrize("kind", models.PayloadSchemaType)
def test_every_payload_index_has_its_counterpart(kind):
    name = f"{kind.name.title()}IndexParams"
    params = getattr(models, name)(type=kind.value, on_disk=True)
    assert isinstance(to_edge(params), getattr(qdrant_edge, name))


def test_a_text_index_keeps_its_language_settings():
    index = to_edge(
        models.TextIndexParams(
            type="text",
            tokenizer="multilingual",
            phrase_matching=True,
            stopwords=models.StopwordsSet(languages=["english"], custom=["oh"]),
            stemmer=models.SnowballParams(type="snowball", language="german"),
            scoring=True,
        )
    )
    assert fields(index.stopwords, "languages", "custom") == (
        {qdrant_edge.Language.English},
        {"oh"},
    )
    assert index.stemmer.language == qdrant_edge.SnowballLanguage.German
    plain = models.TextIndexParams(
        type="text", stemmer=models.DisabledStemmerParams(type="none"), stopwords="french"
    )
    assert isinstance(to_edge(plain).stemmer, qdrant_edge.DisabledStemmer)


def test_booleans_to_match_stay_booleans():
    """The binding reads a Python bool as an integer; this test passing without numpy ends that."""
    assert qdrant_edge.MatchValue(True).value is not True
    converted = to_edge(models.MatchValue(value=True)).value
    assert converted is True


def test_a_filter_may_be_a_dict_as_in_json():
    converted = edge_filter({"must": [{"key": "a", "match": {"value": "b"}}]})
    assert converted.must[0].key == "a"
    with pytest.raises(InvalidInputError, match="filter"):
        edge_filter({"musst": []})
    with pytest.raises(InvalidInputError, match="refuses this FieldCondition"):
        edge_filter(
            models.Filter(must=models.FieldCondition(key="a[", match=models.MatchValue(value=1)))
        )


def test_a_selector_of_another_kind_is_refused():
    with pytest.raises(InvalidInputError, match="got str"):
        edge_payload_selector("title")
    with pytest.raises(InvalidInputError, match="got 'dense'"):
        edge_vector_selector("dense", SCHEMA)
    with pytest.raises(InvalidInputError, match="Not existing vector name error: 'dense'"):
        edge_vector_selector(["", "dense"], SCHEMA)


def test_a_model_without_counterpart_says_so():
    with pytest.raises(NotImplementedError, match="RelevanceFeedbackInput is not supported"):
        to_edge(models.RelevanceFeedbackInput.model_construct())


SCHEMA = vector_schema(
    models.CreateCollection(vectors=models.VectorParams(size=2, distance=models.Distance.DOT))
)


def converted(request):
    """Convert a query that names no stored points."""
    return edge_query_request(with_vectors_for_ids(request, "here", look_up=pytest.fail), SCHEMA)


def test_mmr_keeps_its_diversity_and_candidates():
    query = models.NearestQuery(
        nearest=[1.0, 0.0], mmr=models.Mmr(diversity=0.3, candidates_limit=50)
    )
    mmr = converted(models.QueryRequest(query=query, limit=5)).query
    assert mmr.lambda_ == pytest.approx(0.7)
    assert mmr.candidates_limit == 50


NEAREST = models.Prefetch(query=[1.0, 0.0])


@pytest.mark.parametrize(
    "request_",
    [
        {"query": models.NearestQuery(nearest=[1.0, 0.0], mmr=models.Mmr(candidates_limit=20000))},
        {"query": models.RrfQuery(rrf=models.Rrf(k=0)), "prefetch": {"query": [1.0, 0.0]}},
        {"query": models.FusionQuery(fusion="rrf"), "using": "", "prefetch": []},
        {
            "query": models.FusionQuery(fusion="rrf"),
            "using": "a",
            "prefetch": {"query": [1.0, 0.0]},
        },
        {"query": [1.0, 0.0], "prefetch": {"query": [1.0, 0.0], "limit": 0}},
        {"query": [1.0], "limit": 3},
        {"query": models.RrfQuery(rrf=models.Rrf(weights=[1.0])), "prefetch": [NEAREST, NEAREST]},
        {"query": models.FormulaQuery(formula="$score")},
        {"query": models.ContextQuery(context=[])},
        {"query": models.RecommendQuery(recommend=models.RecommendInput(negative=[[1.0, 0.0]]))},
        {
            "query": models.RecommendQuery(
                recommend=models.RecommendInput(strategy=models.RecommendStrategy.SUM_SCORES)
            )
        },
        {"query": models.TextQuery(text="a")},
        {"query": models.OrderByQuery(order_by="a"), "score_threshold": 0.5},
        {
            "query": models.RelevanceFeedbackQuery(
                relevance_feedback=models.RelevanceFeedbackInput(
                    target=[1.0, 0.0],
                    feedback=[],
                    strategy=models.NaiveFeedbackStrategy(
                        naive=models.NaiveFeedbackStrategyParams(a=1.0, b=-1.0, c=1.0)
                    ),
                )
            )
        },
    ],
)
def test_queries_that_a_server_refuses_are_refused(request_):
    with pytest.raises(InvalidInputError):
        converted(models.QueryRequest(**request_))


SPARSE = models.SparseVector(indices=[1], values=[1.0])


@pytest.mark.parametrize(
    ("request_", "way_round"),
    [
        ({"query": models.NearestQuery(nearest=SPARSE, mmr=models.Mmr())}, "use a dense one"),
        (
            {
                "query": models.FusionQuery(fusion="rrf"),
                "using": None,
                "prefetch": models.Prefetch(
                    query=models.NearestQuery(nearest=[1.0, 0.0], mmr=models.Mmr())
                ),
            },
            "use it in the query itself",
        ),
    ],
)
def test_a_query_that_the_engine_would_not_obey_names_the_way_round(request_, way_round):
    schema = VectorSchema(dense={"": 2}, multi={}, sparse=frozenset({"words"}))
    request = models.QueryRequest(**{"using": "words", **request_})
    with pytest.raises(NotImplementedError, match=way_round):
        edge_query_request(request, schema)


def test_a_text_index_finds_phrases_unless_told_not_to():
    for schema in (models.PayloadSchemaType.TEXT, models.TextIndexParams(type="text")):
        assert edge_index(schema).phrase_matching is True
    plain = models.TextIndexParams(type="text", phrase_matching=False)
    assert edge_index(plain).phrase_matching is False
    assert edge_index(models.PayloadSchemaType.KEYWORD) == qdrant_edge.PayloadSchemaType.Keyword


def test_inference_is_left_to_the_embeddings():
    document = models.Document(text="a", model="b")
    request = models.QueryRequest(query=models.NearestQuery(nearest=document))
    with pytest.raises(NotImplementedError, match="no inference"):
        converted(request)


def test_a_missing_package_names_the_platforms_and_the_alternatives(monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    with pytest.raises(ConfigurationError, match=r"macOS.*`url=`.*`location=\":memory:\"`"):
        _engine.engine.__wrapped__()


def test_a_panic_of_the_engine_becomes_a_storage_error():
    """The class of a panic derives from BaseException and cannot be imported."""
    panic = type("PanicException", (BaseException,), {})
    with (
        pytest.raises(StorageError, match="failed while it tried to"),
        _engine.engine_errors("search"),
    ):
        raise panic("index out of bounds")
    with pytest.raises(KeyboardInterrupt), _engine.engine_errors("search"):
        raise KeyboardInterrupt
