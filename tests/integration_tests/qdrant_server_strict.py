"""Strict mode of the tests' Qdrant server: what a request may ask for, refused in Qdrant's words.

Source: lib/collection/src/operations/verification of https://github.com/qdrant/qdrant, 1.19.
"""

from __future__ import annotations

from qdrant_client import models

from tests.integration_tests.qdrant_server_exchange import QdrantError

_SPLIT = "request larger than rate limiter capacity, please try to split your request"


def check(config, operation, body):
    """Refuse an operation; `body` is its model, of a write a dict, and `config` is JSON.

    Raises:
        QdrantError: It asks for more than is allowed.
    """
    if config.get("enabled"):
        _CHECKS.get(operation, lambda *_: None)(config, body)


def check_timeout(config, seconds):
    """Refuse the timeout that a request brings, if it brings one."""
    if config.get("enabled") and seconds is not None:
        _at_most(config, "max_timeout", int(seconds), "timeout")


def _at_most(config, key, value, name):
    limit = config.get(key)
    if limit is not None and value is not None and value > limit:
        raise QdrantError(
            400,
            f'Bad request: Limit exceeded {value} > {limit} for "{name}". Help: Reduce the '
            f'"{name}" parameter to or below {limit}.',
        )


def _rated(config, key, kind, cost):
    limit = config.get(key)
    if limit is not None and cost > limit:
        raise QdrantError(429, f"Rate limiting exceeded: {kind} rate limit exceeded, {_SPLIT}")


def _exact(config, is_exact):
    if is_exact and config.get("search_allow_exact") is False:
        raise QdrantError(400, "Bad request: Exact search disabled!. Help: Set exact=false.")


def _conditions(given):
    """Yield a filter's conditions with those of the filters in it."""
    if isinstance(given, models.NestedCondition):
        given = given.nested.filter
    if not isinstance(given, models.Filter):
        yield given
        return
    for name in ("must", "should", "must_not"):
        clause = getattr(given, name) or []
        for each in clause if isinstance(clause, list) else [clause]:
            yield from _conditions(each)
    for each in given.min_should.conditions if given.min_should else []:
        yield from _conditions(each)


def _size(condition):
    match = getattr(condition, "match", None)
    for values in (
        getattr(condition, "has_id", None),
        getattr(match, "any", None),
        getattr(match, "except_", None),
    ):
        if values is not None:
            return len(values)
    return 0


def _filter(config, given):
    conditions = [] if given is None else list(_conditions(given))
    for key, name, found in (
        ("filter_max_conditions", "Filter condition", len(conditions)),
        ("condition_max_size", "Condition size", max(map(_size, conditions), default=0)),
    ):
        limit = config.get(key)
        if limit is not None and found > limit:
            raise QdrantError(400, f"Bad request: {name} limit reached ({found} > {limit})")


def _page(config, body):
    _at_most(config, "max_query_limit", body.limit, "limit")


def _query(config, body):
    prefetch = body.prefetch or []
    for each in prefetch if isinstance(prefetch, list) else [prefetch]:
        _query(config, each)
    _page(config, body)
    _filter(config, body.filter)
    quantization = body.params and body.params.quantization
    if quantization:
        _at_most(config, "search_max_oversampling", quantization.oversampling, "oversampling")
    _exact(config, body.params and body.params.exact)


def _query_batch(config, body):
    _at_most(config, "search_max_batchsize", len(body.searches), "search batch size")
    _rated(config, "read_rate_limit", "Read", len(body.searches))
    for each in body.searches:
        _query(config, each)


def _upsert(config, body):
    points = body["batch"]["ids"] if "batch" in body else body["points"]
    _at_most(config, "upsert_max_batchsize", len(points), "upsert limit")


_CHECKS = {
    "scroll": _page,
    "facet": _page,
    "count": lambda config, body: _exact(config, body.exact),
    "query": _query,
    "query_batch": _query_batch,
    "upsert": _upsert,
    "retrieve": lambda config, body: _rated(config, "read_rate_limit", "Read", len(body.ids)),
    "delete": lambda config, body: _rated(
        config, "write_rate_limit", "Write", len(body.get("points") or ())
    ),
}
