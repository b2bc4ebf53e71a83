"""A collection's configuration: to the engine when it is created, back in `get_collection`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant.edge._convert._models import HNSW_DEFAULTS, EdgeObject, to_edge
from langchain_gemini_qdrant.edge._convert._validate import VectorSchema
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine

if TYPE_CHECKING:
    from collections.abc import Mapping

_SEARCH_THREADS = 2  # the engine's default, one per core and collection, adds up
# the engine's behavior in the server's terms
_OPTIMIZER_DEFAULTS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "indexing_threshold": 20000,
    "flush_interval_sec": 5,
}
# the engine refuses a collection without vectors; no point ever has this one
_NO_VECTORS = {"no vectors": models.SparseVectorParams()}

_DISTANCES = (models.Distance.EUCLID, models.Distance.MANHATTAN)


def vector_schema(config: models.CreateCollection) -> VectorSchema:
    """Return names, kinds and sizes of a collection's vectors."""
    named = named_vectors(config.vectors)
    return VectorSchema(
        dense={n: p.size for n, p in named.items() if p.multivector_config is None},
        multi={n: p.size for n, p in named.items() if p.multivector_config is not None},
        sparse=frozenset(config.sparse_vectors or {}),
        by_distance=frozenset(n for n, p in named.items() if p.distance in _DISTANCES),
    )


def edge_config(config: models.CreateCollection) -> EdgeObject:
    """Return the engine's configuration of a new collection."""
    payload, id_tracker = config.payload, config.id_tracker
    sparse = config.sparse_vectors or (None if config.vectors else _NO_VECTORS)
    with conversion_errors("collection configuration"):
        return engine().EdgeConfig(
            vectors=to_edge(_quantized(config)),
            sparse_vectors=to_edge(sparse),
            on_disk_payload=config.on_disk_payload,
            hnsw_config=to_edge(config.hnsw_config),
            optimizers=to_edge(config.optimizers_config),
            max_search_threads=_SEARCH_THREADS,
            payload_memory=None if payload is None else to_edge(payload.memory),
            id_tracker_memory=None if id_tracker is None else to_edge(id_tracker.memory),
        )


def _quantized(
    config: models.CreateCollection,
) -> models.VectorParams | dict[str, models.VectorParams] | None:
    """Return the vectors, each with the quantization that applies to it.

    The engine can remove quantization from a vector, but not from a collection.
    """
    shared = config.quantization_config

    def with_own(params: models.VectorParams) -> models.VectorParams:
        own = params.quantization_config or shared
        return params.model_copy(update={"quantization_config": own})

    if isinstance(config.vectors, dict):
        return {name: with_own(params) for name, params in config.vectors.items()}
    return config.vectors and with_own(config.vectors)


def collection_info(
    config: models.CreateCollection,
    payload_schema: Mapping[str, models.PayloadFieldSchema],
    info: EdgeObject,
) -> models.CollectionInfo:
    """Return the result of `get_collection`; `info` is the engine's own report."""
    indexed_points = {name: field.points for name, field in info.payload_schema.items()}
    return models.CollectionInfo(
        status=models.CollectionStatus.GREEN,
        optimizer_status=models.OptimizersStatusOneOf.OK,
        indexed_vectors_count=info.indexed_vectors_count,
        points_count=info.points_count,
        segments_count=info.segments_count,
        payload_schema={
            name: _index_info(field, indexed_points.get(name, 0))
            for name, field in payload_schema.items()
        },
        config=models.CollectionConfig(
            params=models.CollectionParams(
                vectors=config.vectors,
                sparse_vectors=config.sparse_vectors,
                shard_number=1,
                replication_factor=1,
                write_consistency_factor=1,
                on_disk_payload=config.on_disk_payload,
                payload=config.payload,
                id_tracker=config.id_tracker,
            ),
            hnsw_config=models.HnswConfig(**{**HNSW_DEFAULTS, **_fields(config.hnsw_config)}),
            optimizer_config=models.OptimizersConfig(
                **{**_OPTIMIZER_DEFAULTS, **_fields(config.optimizers_config)}
            ),
            wal_config=models.WalConfig(wal_capacity_mb=32, wal_segments_ahead=0),
            quantization_config=config.quantization_config,
            metadata=config.metadata,
        ),
    )


def _index_info(schema: models.PayloadFieldSchema, points: int) -> models.PayloadIndexInfo:
    if isinstance(schema, models.PayloadSchemaType):
        return models.PayloadIndexInfo(data_type=schema, points=points)
    data_type = models.PayloadSchemaType(schema.type.value)
    return models.PayloadIndexInfo(data_type=data_type, params=schema, points=points)


def _fields(diff: models.HnswConfigDiff | models.OptimizersConfigDiff | None) -> dict[str, Any]:
    if diff is None:
        return {}
    fields = diff.model_dump(exclude_none=True)
    if not isinstance(fields.get("max_optimization_threads", 0), int):
        del fields["max_optimization_threads"]  # "auto", which the report cannot express
    return fields
