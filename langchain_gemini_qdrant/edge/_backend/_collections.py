"""The backend's methods for collections: their settings, names, vectors and indexes."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import check_payload
from langchain_gemini_qdrant.edge._backend._base import (
    WITHOUT_MEANING,
    FolderAccess,
    check_options,
    completed,
)
from langchain_gemini_qdrant.edge._convert._config import collection_info
from langchain_gemini_qdrant.edge._convert._config_changes import (
    changed_settings,
    with_vector_name,
    without_vector_name,
)
from langchain_gemini_qdrant.edge._convert._models import edge_index, to_edge
from langchain_gemini_qdrant.edge._convert._validate import check_collection
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.edge._storage._aliases import change_aliases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qdrant_client.conversions import common_types as types

    from langchain_gemini_qdrant.edge._storage._sizes import VectorStorageSize

_CREATION_WITHOUT_MEANING = frozenset(
    {"replication_factor", "shard_number", "wal_config", "write_consistency_factor"}
)
_INDEX_SCHEMA: TypeAdapter[models.PayloadFieldSchema] = TypeAdapter(models.PayloadFieldSchema)


class CollectionsApi(FolderAccess):
    """Creating, describing, changing and deleting collections."""

    def info(self) -> models.VersionInfo:
        """Return the version of qdrant-client, whose calls are served; the engine reports none."""
        return models.VersionInfo(
            title="Qdrant Edge", version=importlib.metadata.version("qdrant-client"), commit=None
        )

    def create_collection(
        self,
        collection_name: str,
        vectors_config: types.VectorParams | Mapping[str, types.VectorParams] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Add an empty collection; the arguments are the server's."""
        settings = {
            name: value
            for name, value in kwargs.items()
            if value is not None and name not in _CREATION_WITHOUT_MEANING | WITHOUT_MEANING
        }
        for name in ("sharding_method", "strict_mode_config"):
            if name in settings:
                raise NotImplementedError(f"{name} is not supported by the embedded engine")
        if "sparse_vectors_config" in settings:
            settings["sparse_vectors"] = dict(settings.pop("sparse_vectors_config"))
        if "metadata" in settings:
            settings["metadata"] = dict(check_payload(settings["metadata"]))
        if vectors_config is not None:
            settings["vectors"] = vectors_config
        with conversion_errors("collection configuration"):
            config = models.CreateCollection(**settings)
        check_collection(config, collection_name)
        self._open_folder.create(collection_name, config)
        return True

    def collection_exists(self, collection_name: str, **kwargs: Any) -> bool:
        """Return whether there is a collection of this name."""
        check_options(kwargs)
        return collection_name in {*self._open_folder.names(), *self._open_folder.aliases()}

    def get_collection(self, collection_name: str, **kwargs: Any) -> models.CollectionInfo:
        """Return configuration and size of a collection."""
        check_options(kwargs)
        entry = self._open_folder.entry(collection_name)
        info = self._collection(collection_name).read(
            "describe a collection", lambda shard: shard.info()
        )
        return collection_info(entry.config, entry.payload_schema, info)

    def get_collections(self, **kwargs: Any) -> models.CollectionsResponse:
        """Return the collections' names."""
        check_options(kwargs)
        return models.CollectionsResponse(
            collections=[
                models.CollectionDescription(name=name) for name in self._open_folder.names()
            ]
        )

    def delete_collection(self, collection_name: str, **kwargs: Any) -> bool:
        """Remove a collection with its data; False if there was none."""
        check_options(kwargs)
        return self._open_folder.delete(collection_name)

    def recreate_collection(
        self,
        collection_name: str,
        vectors_config: types.VectorParams | Mapping[str, types.VectorParams] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Remove a collection, if there is one, and add an empty one of its name."""
        self.delete_collection(collection_name)
        return self.create_collection(collection_name, vectors_config, **kwargs)

    def update_collection(
        self, collection_name: str, metadata: types.Payload | None = None, **kwargs: Any
    ) -> bool:
        """Change settings that the engine can change, and merge into the metadata.

        The next `optimize` applies them to stored points.
        """
        given = {
            name: v for name, v in kwargs.items() if v is not None and name not in WITHOUT_MEANING
        }
        fields = None if metadata is None else dict(check_payload(metadata))
        folder = self._open_folder
        if given:
            folder.reconfigure(collection_name, lambda config: changed_settings(config, given))
        if fields is not None:
            folder.merge_metadata(collection_name, fields)
        folder.resolve(collection_name)  # a missing collection is always an error
        return True

    def optimize(self, collection_name: str) -> bool:
        """Run the engine's optimizers until nothing is left to do."""
        return self._collection(collection_name).optimize()

    def update_collection_aliases(
        self, change_aliases_operations: Sequence[types.AliasOperations], **kwargs: Any
    ) -> bool:
        """Create, delete and rename aliases, all of them or none."""
        check_options(kwargs)
        folder = self._open_folder
        folder.change_aliases(
            lambda aliases: change_aliases(aliases, change_aliases_operations, folder.names())
        )
        return True

    def get_aliases(self, **kwargs: Any) -> types.CollectionsAliasesResponse:
        """Return all aliases."""
        check_options(kwargs)
        return models.CollectionsAliasesResponse(
            aliases=[
                models.AliasDescription(alias_name=alias, collection_name=name)
                for alias, name in self._open_folder.aliases().items()
            ]
        )

    def get_collection_aliases(
        self, collection_name: str, **kwargs: Any
    ) -> types.CollectionsAliasesResponse:
        """Return the aliases of one collection."""
        found = self.get_aliases(**kwargs).aliases
        return models.CollectionsAliasesResponse(
            aliases=[alias for alias in found if alias.collection_name == collection_name]
        )

    def create_payload_index(
        self,
        collection_name: str,
        field_name: str,
        field_schema: types.PayloadSchemaType | None = None,
        field_type: types.PayloadSchemaType | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Index a payload field, which makes filters on it some hundred times faster."""
        check_options(kwargs)
        with conversion_errors("field_schema"):
            schema = _INDEX_SCHEMA.validate_python(
                field_type if field_schema is None else field_schema
            )
            operation = engine().UpdateOperation.create_field_index(field_name, edge_index(schema))
        self._collection(collection_name).change_schema(operation)
        self._open_folder.record_index(collection_name, field_name, schema)
        return completed()

    def delete_payload_index(
        self, collection_name: str, field_name: str, **kwargs: Any
    ) -> models.UpdateResult:
        """Remove the index of a payload field; a field without one is ignored."""
        check_options(kwargs)
        with conversion_errors("field_name"):
            operation = engine().UpdateOperation.delete_field_index(field_name)
        self._collection(collection_name).change_schema(operation)
        self._open_folder.record_index(collection_name, field_name, None)
        return completed()

    def create_vector_name(
        self,
        collection_name: str,
        vector_name: str,
        vector_name_config: types.VectorNameConfig,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Add a named vector, which no point has yet; repeating the call has no effect."""
        check_options(kwargs)
        folder, updates = self._open_folder, engine().UpdateOperation
        with conversion_errors("vector configuration"):
            if isinstance(vector_name_config, models.DenseVectorNameConfig):
                dense = vector_name_config.dense
                operation = updates.create_dense_vector(
                    vector_name,
                    dense.size,
                    to_edge(dense.distance),
                    to_edge(dense.multivector_config),
                    to_edge(dense.datatype),
                )
            else:
                sparse = vector_name_config.sparse
                operation = updates.create_sparse_vector(
                    vector_name, to_edge(sparse.modifier), to_edge(sparse.datatype)
                )
        config = with_vector_name(
            folder.entry(collection_name).config, vector_name, vector_name_config
        )
        check_collection(config, folder.resolve(collection_name))
        self._collection(collection_name).change_schema(operation)
        folder.change_config(collection_name, config)
        if config.quantization_config is not None:  # the new vector's, too
            folder.reconfigure(collection_name, lambda config: config)
        return completed()

    def delete_vector_name(
        self, collection_name: str, vector_name: str, **kwargs: Any
    ) -> models.UpdateResult:
        """Remove a named vector from the collection and all points; a missing one is ignored."""
        check_options(kwargs)
        folder = self._open_folder
        operation = engine().UpdateOperation.delete_vector_name(vector_name)
        config = without_vector_name(folder.entry(collection_name).config, vector_name)
        collection = self._collection(collection_name)
        # in this order, a crash in between leaves a vector that nobody can write to
        folder.change_config(collection_name, config)
        collection.change_schema(operation)
        return completed()

    def vector_storage_size(self, collection_name: str) -> VectorStorageSize:
        """Measure the size of the collection's vectors and their codes."""
        return self._collection(collection_name).vector_storage_size()
