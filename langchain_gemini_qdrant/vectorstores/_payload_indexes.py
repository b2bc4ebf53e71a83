"""Indexes of metadata fields, which make filters on them fast."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from qdrant_client import models

from langchain_gemini_qdrant._portable import portable_index
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.vectorstores.filters import metadata_field
from langchain_gemini_qdrant.vectorstores.score_factors import unfit_index

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores._collection import Collection

PayloadIndex: TypeAlias = (
    Literal["keyword", "integer", "float", "bool", "datetime", "text", "uuid", "geo", "tenant"]
    | models.PayloadSchemaParams
)
"""How a metadata field is indexed: one of Qdrant's types, `"tenant"` for a keyword that identifies
the owner of a document, or a model of qdrant-client."""

_MODELS = get_args(models.PayloadSchemaParams)


async def create_payload_indexes(
    collection: Collection, fields: Mapping[str, PayloadIndex]
) -> None:
    """Index metadata fields that are not indexed yet; local mode has no indexes.

    Raises:
        ConfigurationError: A type is unknown; nothing is indexed.
        CollectionMismatchError: A field has an index of a different type; nothing is indexed.
    """
    wanted = wanted_indexes(fields, collection.layout.metadata_key)
    if collection.connection.kind == "local":
        return
    info = await collection.client.get_collection(collection.name)
    for key in wanted.keys() & info.payload_schema.keys():
        found, asked = info.payload_schema[key].data_type.value, wanted[key].type.value
        if found != asked:
            raise CollectionMismatchError(
                f"{key!r} of collection {collection.name!r} is indexed as {found}, not as {asked}: "
                f"leave it out, or delete the index with client.delete_payload_index first"
            )
    collection.state.indexes = indexes_of(info)
    for key, schema in wanted.items():
        if key not in info.payload_schema:
            await collection.client.create_payload_index(collection.name, key, schema)
            collection.state.indexes |= {key: schema.type.value}


def indexes_of(info: models.CollectionInfo) -> dict[str, str]:
    """Return the types of a collection's indexes by payload key."""
    return {key: index.data_type.value for key, index in info.payload_schema.items()}


async def check_date_indexes(
    collection: Collection, formula: object, *, known: bool = True
) -> None:
    """Refuse factors by dates that an index hides from the engine, which reads them from it.

    Args:
        collection: The collection to search.
        formula: The factors of the search; Qdrant's own formula is not checked.
        known: Whether to check the indexes that are known first, and only then those of now.

    Raises:
        CollectionMismatchError: The index of a field has no dates, or dates of a different kind.
    """
    if not isinstance(formula, tuple):
        return
    key = collection.layout.metadata_key
    if known and unfit_index(formula, key, collection.state.indexes) is None:
        return
    info = await collection.client.get_collection(collection.name)
    collection.state.indexes = indexes_of(info)
    if (found := unfit_index(formula, key, collection.state.indexes)) is not None:
        field, asked, index = found
        raise CollectionMismatchError(
            f"newer_first() needs an index of type {asked}, or no index, on {field!r} of "
            f"collection {collection.name!r}, which has one of type {index}: delete it with "
            "client.delete_payload_index, or store the dates in a different field. unix_time=True "
            "is for numbers, and False for dates in ISO 8601"
        )


def wanted_indexes(
    fields: Mapping[str, PayloadIndex], metadata_key: str
) -> dict[str, models.PayloadSchemaParams]:
    """Return payload keys with the settings of their indexes.

    Raises:
        ConfigurationError: `fields` is not a dict, or a type is unknown.
        InvalidInputError: A field's name is not valid.
    """
    if not isinstance(fields, Mapping):
        raise ConfigurationError(
            "payload indexes must be a dict such as {'source': 'keyword'}, got "
            f"{type(fields).__name__}"
        )
    return {
        metadata_field(field, metadata_key): portable_index(_schema(fields[field]))
        for field in fields
    }


_SCHEMAS: dict[str, type[models.PayloadSchemaParams]] = {
    "keyword": models.KeywordIndexParams,
    "integer": models.IntegerIndexParams,
    "float": models.FloatIndexParams,
    "bool": models.BoolIndexParams,
    "datetime": models.DatetimeIndexParams,
    "text": models.TextIndexParams,
    "uuid": models.UuidIndexParams,
    "geo": models.GeoIndexParams,
}


def _schema(index: PayloadIndex) -> models.PayloadSchemaParams:
    if not isinstance(index, str) and isinstance(index, _MODELS):
        return index
    if index == "tenant":
        return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    if not isinstance(index, str) or index not in _SCHEMAS:
        known = [*_SCHEMAS, "tenant"]
        near = difflib.get_close_matches(str(index).lower(), known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigurationError(
            f"a payload index must be one of {known} or a model of qdrant-client, got "
            f"{index!r}{hint}"
        )
    return _SCHEMAS[index].model_validate({"type": index})
