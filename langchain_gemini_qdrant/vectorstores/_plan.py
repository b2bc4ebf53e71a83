"""The request of a search: its options, checked, and its queries with their prefetches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from qdrant_client import AsyncQdrantClient, models

from langchain_gemini_qdrant._qdrant_values import check_model
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.quantization import merge_search_params
from langchain_gemini_qdrant.vectorstores import _scores
from langchain_gemini_qdrant.vectorstores._arguments import (
    as_number,
    as_search_params,
    as_whole,
    check_options,
    options_of,
)
from langchain_gemini_qdrant.vectorstores._ranking import OPTIONS as RANKING_OPTIONS
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._ranking import Ranking
    from langchain_gemini_qdrant.vectorstores._scores import FusionModel
    from langchain_gemini_qdrant.vectorstores.filters import Filter
    from langchain_gemini_qdrant.vectorstores.score_factors import ScoreFormula

CANDIDATES = 100
"""Fewest hits that are merged, scored by a formula or grouped; using one number for the first pages
keeps them consistent."""

_OPTIONS = options_of(AsyncQdrantClient.query_points, "query", "using", "query_filter", "limit")
_OWN_OPTIONS = ("k", "filter", "score_key", "fetch_k", *RANKING_OPTIONS)
_MMR = "max_marginal_relevance_search, or a retriever's search_type='mmr'"
_OTHER_OPTIONS = {"hybrid_fusion": "a hybrid search with a text", "lambda_mult": _MMR}


class SearchOptions(TypedDict, total=False):
    """Options of every search; further options of `QdrantClient.query_points` are passed on.

    Attributes:
        filter: Conditions on the metadata as a dict, or on the payload as Qdrant's `Filter`.
        search_params: Search parameters that override the store's, field by field.
        offset: Number of hits to skip.
        score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
        consistency: Read consistency: how many replicas must agree.
        score_key: A metadata key under which each hit's score is written.
        score_formula: Factors of the score, or Qdrant's own formula; None leaves the scores.
        group_by: A metadata field; at most `group_size` hits have the same value in it.
    """

    filter: Filter | None
    search_params: models.SearchParams | None
    offset: int
    score_threshold: float | None
    consistency: models.ReadConsistency | None
    score_key: str | None
    score_formula: ScoreFormula | None
    group_by: str | None
    group_size: int
    timeout: int | None
    shard_key_selector: models.ShardKeySelector | None
    prefetch: models.Prefetch | list[models.Prefetch] | None
    lookup_from: models.LookupLocation | None
    with_payload: bool | list[str] | models.PayloadSelector
    with_vectors: bool | list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A search, without the documents that it leaves out.

    Attributes:
        options: Checked arguments of `query_points`, without the queries.
        queries: What is searched with, by the name of the stored vector.
        fusion: How the hits of several queries are merged; None for one query.
        formula: Computes new scores of the hits; None leaves them.
        candidates: How many hits of each query are merged, scored by the formula or grouped.
    """

    options: Mapping[str, Any]
    queries: Mapping[str, Any]
    fusion: FusionModel | None = None
    formula: models.FormulaQuery | None = None
    candidates: int

    @property
    def is_rescored(self) -> bool:
        """Whether a hit's score depends on which hits are candidates, or on the formula."""
        return self.fusion is not None or self.formula is not None

    def arguments(self, condition: models.Filter | None = None) -> dict[str, Any]:
        """Return the arguments of `query_points`; `condition` narrows the search's filter.

        Filter and search parameters belong to the searches for vectors, so that quantized ones are
        searched with oversampling and rescoring before their hits are merged or scored.
        """
        further = dict(self.options)
        own, params = further.pop("query_filter"), further.pop("search_params")
        if own is not None and condition is not None:
            condition = models.Filter(must=[own, condition])
        shared = {"filter": condition or own, "params": params}
        prefetch = further.pop("prefetch", None)
        searches = [
            {"using": name, "query": query, "prefetch": prefetch, **shared}
            for name, query in self.queries.items()
        ]
        search = searches[0]
        if self.fusion is not None:
            search = {"query": self.fusion, "prefetch": self._prefetched(searches), **shared}
        if self.formula is not None:
            search = {"query": self.formula, "prefetch": self._prefetched([search])}
        further["query_filter"] = search.pop("filter", None)
        further["search_params"] = search.pop("params", None)
        return {**further, **search}

    def _prefetched(self, searches: list[dict[str, Any]]) -> list[models.Prefetch]:
        return [models.Prefetch(**search, limit=self.candidates) for search in searches]


def checked_options(collection: Collection, k: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check all options and return those of `query_points`; called before anything is sent.

    Raises:
        ConfigurationError: `search_params` are not valid.
        InvalidInputError: The filter is not valid, or a number is not finite or out of range.
        TypeError: An option is unknown.
    """
    further: dict[str, Any] = {**options}
    condition = further.pop("filter", None)
    if condition is not None:
        condition = to_filter(condition, collection.layout.metadata_key)
    own = as_search_params(further.pop("search_params", None))
    offset = as_whole(further.pop("offset", None) or 0, "offset", least=0)
    if further.get("score_threshold") is not None:
        further["score_threshold"] = as_number(further["score_threshold"], "score_threshold")
    check_options(further, _OPTIONS, "this search", ours=_OWN_OPTIONS, others=_OTHER_OPTIONS)
    check_model({"search_params": own, **further}, "options")
    _check_prefetch(further.get("prefetch"))
    return {
        "query_filter": condition,
        "search_params": merge_search_params(collection.state.search_params, own),
        "limit": as_whole(k, "k"),
        "offset": offset,
        "with_payload": True,
        **further,
    }


def _check_prefetch(value: object) -> None:
    searches = value if isinstance(value, list) else [value]
    if value is not None and not all(isinstance(each, models.Prefetch) for each in searches):
        raise InvalidInputError(f"prefetch must be models.Prefetch or a list of it, got {value!r}")


def meet_threshold(
    collection: Collection,
    request: dict[str, Any],
    ranking: Ranking,
    distance: models.Distance | None = None,
    *,
    as_relevance: bool = False,
) -> None:
    """Adapt the threshold to the engines' rounding; `distance` is None unless search is dense.

    Raises:
        InvalidInputError: Similarities are needed, but the scores will be numbers of bits or those
            of Qdrant's formula.
    """
    if as_relevance and ranking.has_own_scale:
        raise InvalidInputError(
            "relevance scores from 0 to 1 need a known scale, and that of a models.FormulaQuery is "
            "not known: use similarity_search_with_score, newer_first() or boost(), or pass "
            "score_formula=None"
        )
    given, params = request.get("score_threshold"), request["search_params"]
    if given is not None:
        of_distance = distance if ranking.score_formula is None else None
        request["score_threshold"] = _scores.threshold(given, of_distance)
    elif not as_relevance:
        return
    codes = params and not params.exact and params.quantization
    if (
        distance is not None
        and not ranking.has_own_scale
        and collection.state.has_binary_codes
        and codes
        and codes.rescore is False
        and not codes.ignore
    ):
        raise InvalidInputError(
            "score_threshold and relevance scores need similarities, and with rescore=False the "
            "scores of binary codes are numbers of bits: search with rescore=True, or without a "
            "threshold"
        )


def search_options(
    filter: Filter | None,
    search_params: models.SearchParams | None,
    score_threshold: float | None,
    consistency: models.ReadConsistency | None,
    further: dict[str, Any],
    offset: int = 0,
) -> dict[str, Any]:
    """Return a method's named options and further ones as one dict."""
    return {
        "filter": filter,
        "search_params": search_params,
        "score_threshold": score_threshold,
        "consistency": consistency,
        "offset": offset,
        **further,
    }


def candidates(wanted: int) -> int:
    """Return how many hits to merge, score or group for `wanted` hits, including skipped ones.

    The number grows by doubling, as fused scores, and the hits that a formula can raise, depend on
    the candidates: pages with the same number of candidates have no gaps or repetitions.
    """
    doublings = max(0, math.ceil(math.log2(2 * wanted / CANDIDATES)))
    return CANDIDATES << doublings
