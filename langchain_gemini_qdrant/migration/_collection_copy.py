"""Copy a collection's settings; find points that a second collection lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_jsonable_python
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import point_id
from langchain_gemini_qdrant.vectorstores._limits import IDS_AT_A_TIME, Limits, at_most, exact_count
from langchain_gemini_qdrant.vectorstores._parts import in_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qdrant_client import AsyncQdrantClient

    from langchain_gemini_qdrant.vectorstores._connection import EngineKind


class Side(NamedTuple):
    """A collection to read or write: a client with retries, the name, the limits."""

    client: AsyncQdrantClient
    name: str
    limits: Limits = Limits()


_LOCAL_MODE = ("vectors_config", "sparse_vectors_config", "metadata")
_SERVER = (
    *("shard_number", "replication_factor", "write_consistency_factor"),
    *("wal_config", "strict_mode_config"),
)


def settings(info: models.CollectionInfo, source: EngineKind, target: EngineKind) -> dict[str, Any]:
    """Return the options of `create_collection` that copy the settings of `source` to `target`."""
    options = _settings(info)
    if source == "local":  # local mode reports numbers that it does not use
        options = {name: options[name] for name in _LOCAL_MODE if name in options}
    if {source, target} != {"server"}:
        options = {name: value for name, value in options.items() if name not in _SERVER}
    return options


def not_kept(
    wanted: models.CollectionInfo, found: models.CollectionInfo, source: EngineKind
) -> tuple[str, ...]:
    """Return the names of settings of `source` that its copy does not have."""
    options = _settings(wanted)
    if source == "local":
        options = {name: options[name] for name in _LOCAL_MODE if name in options}
    return tuple(_differences(_as_json(options, wanted), _as_json(_settings(found), found)))


def _settings(info: models.CollectionInfo) -> dict[str, Any]:
    config, params = info.config, info.config.params
    strict = config.strict_mode_config
    options = {
        "vectors_config": params.vectors or {},
        "sparse_vectors_config": params.sparse_vectors,
        "metadata": config.metadata,
        "on_disk_payload": params.on_disk_payload,
        "payload": params.payload,
        "id_tracker": params.id_tracker,
        "quantization_config": config.quantization_config,
        "hnsw_config": models.HnswConfigDiff(**config.hnsw_config.model_dump()),
        "optimizers_config": models.OptimizersConfigDiff(**config.optimizer_config.model_dump()),
        "wal_config": config.wal_config and models.WalConfigDiff(**config.wal_config.model_dump()),
        "strict_mode_config": models.StrictModeConfig(**strict.model_dump(exclude_none=True))
        if strict is not None and strict.enabled
        else None,
    }
    for name in ("shard_number", "replication_factor", "write_consistency_factor"):
        number = getattr(params, name)
        options[name] = number if (number or 1) > 1 else None
    return {name: value for name, value in options.items() if value is not None}


def _as_json(options: Mapping[str, Any], info: models.CollectionInfo) -> dict[str, Any]:
    schema = {name: _index(field) for name, field in info.payload_schema.items()}
    form: dict[str, Any] = to_jsonable_python(
        {**options, "payload_schema": schema}, exclude_none=True
    )
    return form


def _index(field: models.PayloadIndexInfo) -> dict[str, Any]:
    return {"data_type": field.data_type, "params": field.params}


def _differences(
    wanted: Mapping[str, Any], found: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    for name, value in wanted.items():
        other = found.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            yield from _differences(value, other, f"{prefix}{name}.")
        elif other != value:
            yield f"{prefix}{name}"


async def create_indexes(
    target: Side, wanted: models.CollectionInfo, found: models.CollectionInfo
) -> None:
    """Index the payload fields that are indexed in one collection and not yet in the target."""
    for name, field in wanted.payload_schema.items():
        if name not in found.payload_schema:
            schema = field.data_type if field.params is None else field.params
            await target.client.create_payload_index(target.name, name, schema)


async def count(side: Side) -> int:
    """Count the points of a collection."""
    return await exact_count(side.client, side.name, None, side.limits)


async def others(of: Side, than: Side) -> list[str | int]:
    """Return the ids that one collection has and the other one lacks, in order."""
    found: list[str | int] = []
    offset: Any = None
    while True:
        limit = at_most(IDS_AT_A_TIME, of.limits.hits)
        records, offset = await of.client.scroll(
            of.name, limit=limit, offset=offset, with_payload=False
        )
        ids = [point_id(str(record.id)) for record in records]
        if ids:
            answers = await in_parts(
                lambda some: than.client.retrieve(than.name, some, with_payload=False), ids
            )
            known = {point_id(str(record.id)) for records in answers for record in records}
            found += sorted({*ids} - known, key=str)
        if offset is None:
            return found
