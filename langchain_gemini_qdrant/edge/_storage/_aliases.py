"""Aliases of collections, changed by the server's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from qdrant_client.conversions import common_types as types


def change_aliases(
    aliases: dict[str, str], operations: Sequence[types.AliasOperations], names: Collection[str]
) -> None:
    """Apply the operations, in their order, to `aliases`: alias -> collection.

    Raises:
        InvalidInputError: A collection or alias is missing, or an alias has a collection's name.
    """
    for operation in operations:
        if isinstance(operation, models.CreateAliasOperation):
            create = operation.create_alias
            if create.collection_name not in names:
                raise InvalidInputError(f"Collection {create.collection_name} not found")
            _check_free(create.alias_name, names)
            aliases[create.alias_name] = create.collection_name
        elif isinstance(operation, models.DeleteAliasOperation):
            aliases.pop(operation.delete_alias.alias_name, None)
        elif isinstance(operation, models.RenameAliasOperation):
            rename = operation.rename_alias
            if rename.old_alias_name not in aliases:
                raise InvalidInputError(f"Alias {rename.old_alias_name} not found")
            _check_free(rename.new_alias_name, names)
            aliases[rename.new_alias_name] = aliases.pop(rename.old_alias_name)
        else:
            raise InvalidInputError(
                f"an alias operation must create, delete or rename an alias, got {operation!r}"
            )


def _check_free(alias: str, names: Collection[str]) -> None:
    if alias in names:
        raise InvalidInputError(f"Collection {alias} already exists")
