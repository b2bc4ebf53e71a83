"""Changes of a collection's settings: the settings before and a change -> the settings after."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant.edge._engine import conversion_errors
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrant_client.conversions import common_types as types

Model = TypeVar("Model", bound=BaseModel)

_ANEW = "create a new collection with it and `migrate`, or copy the points by scroll and upsert"
_DIFFS = {
    "hnsw_config": "hnsw_config",
    "optimizers_config": "optimizers_config",
    "quantization_config": "quantization_config",
    "collection_params": "params",
    "vectors_config": "vectors",
    "sparse_vectors_config": "sparse_vectors",
}


def changed_settings(
    config: models.CreateCollection, given: Mapping[str, object]
) -> models.CreateCollection:
    """Return the settings after `update_collection`; settings that are not named stay.

    Raises:
        NotImplementedError: The engine cannot change this; the message names an alternative.
        InvalidInputError: A vector that is named does not exist, or a value has the wrong type.
    """
    if "strict_mode_config" in given:
        raise NotImplementedError("strict_mode_config is not supported by the embedded engine")
    unknown = given.keys() - _DIFFS.keys()
    if unknown:
        raise TypeError(f"unexpected arguments {sorted(unknown)!r}")
    with conversion_errors("collection configuration"):
        diff = models.UpdateCollection(**{_DIFFS[name]: value for name, value in given.items()})
    off = isinstance(diff.quantization_config, models.Disabled)
    changes: dict[str, object] = {
        "hnsw_config": _merged(config.hnsw_config, diff.hnsw_config),
        "optimizers_config": _merged(config.optimizers_config, diff.optimizers_config),
        "quantization_config": None
        if off
        else diff.quantization_config or config.quantization_config,
        "vectors": _vectors(config, diff.vectors or {}),
        "sparse_vectors": _sparse_vectors(config, diff.sparse_vectors or {}),
    }
    if diff.params is not None:  # its other fields have no effect on a single node
        for name in ("on_disk_payload", "payload", "id_tracker"):
            changes[name] = getattr(diff.params, name) or getattr(config, name)
    return config.model_copy(update=changes)


def _merged(old: Model | None, diff: Model | None) -> Model | None:
    if old is None or diff is None:
        return diff if old is None else old
    given = {name for name in diff.model_fields_set if getattr(diff, name) is not None}
    return old.model_copy(update={name: getattr(diff, name) for name in given})


def _vectors(
    config: models.CreateCollection, diffs: Mapping[str, models.VectorParamsDiff]
) -> models.VectorParams | dict[str, models.VectorParams] | None:
    named = dict(named_vectors(config.vectors))
    for name, diff in diffs.items():
        _check_known(name, named)
        changes = {n: v for n in diff.model_fields_set if (v := getattr(diff, n)) is not None}
        if isinstance(diff.quantization_config, models.Disabled):
            changes["quantization_config"] = None
        if diff.hnsw_config is not None:
            changes["hnsw_config"] = _merged(named[name].hnsw_config, diff.hnsw_config)
        named[name] = named[name].model_copy(update=changes)
    return named[""] if isinstance(config.vectors, models.VectorParams) else named or None


def _sparse_vectors(
    config: models.CreateCollection, diffs: Mapping[str, models.SparseVectorParams]
) -> dict[str, models.SparseVectorParams] | None:
    named = dict(config.sparse_vectors or {})
    for name, diff in diffs.items():
        _check_known(name, named)
        old = named[name]
        if diff.modifier not in {None, old.modifier}:
            raise NotImplementedError(
                f"The embedded engine cannot change the modifier of a sparse vector; {_ANEW}"
            )
        named[name] = old.model_copy(update={"index": _merged(old.index, diff.index)})
    return named or None


def with_vector_name(
    config: models.CreateCollection, name: str, added: types.VectorNameConfig
) -> models.CreateCollection:
    """Return the settings with one more named vector.

    Raises:
        InvalidInputError: A different vector has this name already.
    """
    dense, sparse = dict(named_vectors(config.vectors)), dict(config.sparse_vectors or {})
    with conversion_errors("vector configuration"):
        if isinstance(added, models.DenseVectorNameConfig):
            fields = added.dense.model_dump(mode="json", exclude_none=True)
            new: BaseModel = models.VectorParams(**fields)
        else:
            datatype = added.sparse.datatype
            index = None if datatype is None else models.SparseIndexParams(datatype=datatype.value)
            new = models.SparseVectorParams(modifier=added.sparse.modifier, index=index)
    old = dense.get(name) or sparse.get(name)
    if old is not None and not _same_vector(old, new):
        raise InvalidInputError(f"Vector {name!r} already exists with a different configuration")
    if old is not None:
        return config
    if isinstance(new, models.VectorParams):
        return config.model_copy(update={"vectors": {**dense, name: new}})
    return config.model_copy(update={"sparse_vectors": {**sparse, name: new}})


def _same_vector(old: BaseModel, new: BaseModel) -> bool:
    """Compare what defines a vector; storage and index settings may differ."""
    names = ("size", "distance", "multivector_config", "datatype", "modifier")
    return type(old) is type(new) and all(
        getattr(old, name, None) == getattr(new, name, None) for name in names
    )


def without_vector_name(config: models.CreateCollection, name: str) -> models.CreateCollection:
    """Return the settings without a vector; a missing name is ignored."""
    if name == "" and isinstance(config.vectors, models.VectorParams):
        raise InvalidInputError(
            "The unnamed vector cannot be deleted while it is the only dense one"
        )
    dense, sparse = dict(named_vectors(config.vectors)), dict(config.sparse_vectors or {})
    if name in dense:
        del dense[name]
        return config.model_copy(update={"vectors": dense})
    sparse.pop(name, None)
    return config.model_copy(update={"sparse_vectors": sparse or None})


def _check_known(name: str, vectors: Mapping[str, object]) -> None:
    if name not in vectors:
        raise InvalidInputError(
            f"Not existing vector name error: {name!r}; there are {sorted(vectors)!r}"
        )
