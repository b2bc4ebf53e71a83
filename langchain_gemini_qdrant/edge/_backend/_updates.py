"""Updates of points, each checked as a whole before the engine is asked to apply it.

A function here takes the arguments of qdrant-client's method and returns the update, ready to be
applied to a collection. As on the server, an id that is not stored does not stop an update: the
other points are changed, then the call raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from qdrant_client import models

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._qdrant_values import ON_EDGE, check_payload
from langchain_gemini_qdrant.edge._convert._models import (
    EdgeObject,
    edge_filter,
    edge_point,
    edge_point_vectors,
    to_edge,
)
from langchain_gemini_qdrant.edge._convert._validate import (
    check_point_id,
    check_point_vectors,
    check_points,
    check_vector_name,
)
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.edge._storage._shard import Collection
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge._convert._validate import VectorSchema

Update: TypeAlias = Callable[[Collection], None]
PointIds: TypeAlias = "list[int | str]"


class _Ready(NamedTuple):
    """A checked point in the engine's form."""

    id: int | str
    converted: EdgeObject
    size_bytes: int


def upsert(
    points: object, schema: VectorSchema, update_filter: object = None, update_mode: object = None
) -> Update:
    """Return the update that writes points, all or none of them."""
    is_plain = update_filter is None and update_mode is None
    with conversion_errors("update"):
        condition = None if update_filter is None else edge_filter(update_filter)
        mode = None if update_mode is None else to_edge(models.UpdateMode(update_mode))
        rounds: list[dict[int | str, _Ready]] = [{}]
        for point in check_points(points, schema):
            ready = _Ready(point.id, edge_point(point), point.size_bytes)
            if is_plain or ready.id not in rounds[0]:
                rounds[0][ready.id] = ready  # the last one of each id
            else:
                _add_to_a_later_round(rounds, ready)
        operations = []
        for batch in rounds:
            _, converted, sizes = zip(*batch.values(), strict=True)
            operation = engine().UpdateOperation.upsert_points([*converted], condition, mode)
            operations.append((operation, sum(sizes)))

    def apply(collection: Collection) -> None:
        with collection.exclusive():
            for operation, size_bytes in operations:
                collection.update(operation, size_bytes=size_bytes)

    return apply


def _add_to_a_later_round(rounds: list[dict[int | str, _Ready]], point: _Ready) -> None:
    """Put a repeated id into a batch without that id: a condition may be true only once."""
    batch = next((batch for batch in rounds if point.id not in batch), None)
    if batch is None:
        rounds.append(batch := {})
    batch[point.id] = point


def update_vectors(points: object, schema: VectorSchema, update_filter: object = None) -> Update:
    """Return the update that replaces vectors of stored points."""
    checked = {point.id: point for point in check_point_vectors(points, schema)}
    condition = edge_filter(update_filter)
    updates = engine().UpdateOperation

    def apply(collection: Collection) -> None:
        with collection.exclusive():
            stored = collection.stored_ids(list(checked))
            present = [checked[point_id] for point_id in stored]
            if present:
                collection.update(
                    updates.update_vectors(edge_point_vectors(present), condition),
                    size_bytes=sum(point.size_bytes for point in present),
                )
        _report_missing(checked, stored)

    return apply


def delete_vectors(names: Sequence[str], selector: object, schema: VectorSchema) -> Update:
    """Return the update that removes vectors from points."""
    check_list(names, "vectors")
    if not names:
        raise InvalidInputError("There must be at least one vector name to delete")
    for name in names:
        check_vector_name(name, schema)
    updates, vector_names = engine().UpdateOperation, list(names)
    return _for_selected(
        selector,
        lambda ids: updates.delete_vectors(ids, vector_names),
        lambda condition: updates.delete_vectors_by_filter(condition, vector_names),
    )


def delete(selector: object) -> Update:
    """Return the update that deletes points; ids that are not stored are ignored."""
    selected, updates = _selected(selector), engine().UpdateOperation
    if isinstance(selected, models.Filter):
        operation = updates.delete_points_by_filter(edge_filter(selected))
    else:
        operation = updates.delete_points(selected)
    return lambda collection: collection.update(operation)


def set_payload(payload: object, selector: object, key: str | None = None) -> Update:
    """Return the update that merges into payloads, or into the object at `key` in them."""
    above = 0 if key is None else key.count(".") + key.count("[") + 1
    fields = check_payload(payload, ON_EDGE._replace(levels=ON_EDGE.levels - above))
    updates = engine().UpdateOperation
    return _for_selected(
        selector,
        lambda ids: updates.set_payload(ids, fields, key),
        lambda condition: updates.set_payload_by_filter(condition, fields, key),
        point_bytes=fields.size_bytes,
    )


def overwrite_payload(payload: object, selector: object) -> Update:
    """Return the update that replaces payloads."""
    fields = check_payload(payload)
    updates = engine().UpdateOperation
    return _for_selected(
        selector,
        lambda ids: updates.overwrite_payload(ids, fields),
        lambda condition: updates.overwrite_payload_by_filter(condition, fields),
        point_bytes=fields.size_bytes,
    )


def delete_payload(keys: Sequence[str], selector: object) -> Update:
    """Return the update that removes keys from payloads."""
    check_list(keys, "keys")
    updates, names = engine().UpdateOperation, list(keys)
    return _for_selected(
        selector,
        lambda ids: updates.delete_payload(ids, names),
        lambda condition: updates.delete_payload_by_filter(condition, names),
    )


def clear_payload(selector: object) -> Update:
    """Return the update that empties payloads."""
    updates = engine().UpdateOperation
    return _for_selected(selector, updates.clear_payload, updates.clear_payload_by_filter)


def of_operation(operation: object, schema: VectorSchema) -> Update:  # noqa: PLR0911 - a table
    """Return the update that an operation of a batch asks for."""
    match operation:
        case models.UpsertOperation(upsert=models.PointsBatch() as given):
            return upsert(given.batch, schema, given.update_filter, given.update_mode)
        case models.UpsertOperation(upsert=models.PointsList() as given):
            return upsert(given.points, schema, given.update_filter, given.update_mode)
        case models.UpdateVectorsOperation(update_vectors=given):
            return update_vectors(given.points, schema, given.update_filter)
        case models.DeleteVectorsOperation(delete_vectors=given):
            return delete_vectors(given.vector, _points_or_filter(given), schema)
        case models.DeleteOperation(delete=selector):
            return delete(selector)
        case models.SetPayloadOperation(set_payload=given):
            return set_payload(given.payload, _points_or_filter(given), given.key)
        case models.OverwritePayloadOperation(overwrite_payload=given):
            return overwrite_payload(given.payload, _points_or_filter(given))
        case models.DeletePayloadOperation(delete_payload=given):
            return delete_payload(given.keys, _points_or_filter(given))
        case models.ClearPayloadOperation(clear_payload=selector):
            return clear_payload(selector)
        case _:
            raise InvalidInputError(
                "an update operation must be one of qdrant-client's,"
                f" got {type(operation).__name__}"
            )


def _points_or_filter(
    given: models.SetPayload | models.DeletePayload | models.DeleteVectors,
) -> object:
    return given.filter if given.points is None else given.points


def _for_selected(
    selector: object,
    by_ids: Callable[[PointIds], EdgeObject],
    by_filter: Callable[[EdgeObject], EdgeObject],
    *,
    point_bytes: int = 0,
) -> Update:
    """Return an update of the selected points; `point_bytes` is the size that it adds to each."""
    selected = _selected(selector)
    if isinstance(selected, models.Filter):
        condition = edge_filter(selected)
        with conversion_errors("update"):
            operation = by_filter(condition)
        return lambda collection: collection.update(
            operation, size_bytes=point_bytes and point_bytes * collection.count(condition)
        )
    with conversion_errors("update"):
        by_ids(selected)  # refuses a bad key before anything is applied

    def apply(collection: Collection) -> None:
        with collection.exclusive():
            stored = collection.stored_ids(selected)
            if stored:
                collection.update(by_ids(stored), size_bytes=point_bytes * len(stored))
        _report_missing(selected, stored)

    return apply


def _report_missing(wanted: Iterable[int | str], stored: PointIds) -> None:
    missing = dict.fromkeys(wanted).keys() - set(stored)
    if missing:
        names = ", ".join(sorted(map(str, missing)))
        raise InvalidInputError(f"No point with id {names}; the other points were changed")


def _selected(selector: object) -> models.Filter | PointIds:
    if isinstance(selector, models.FilterSelector):
        return selector.filter
    if isinstance(selector, models.Filter):
        return selector
    ids = selector.points if isinstance(selector, models.PointIdsList) else selector
    if not isinstance(ids, list | tuple):
        raise InvalidInputError(
            "points must be selected by a list of ids, a Filter, a PointIdsList or a"
            f" FilterSelector, got {type(selector).__name__}"
        )
    if not ids:
        raise InvalidInputError("Empty update request: there must be at least one id")
    return [check_point_id(point_id) for point_id in ids]
