"""Read the aliases of an engine, and point them to another collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdrant_client import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qdrant_client import AsyncQdrantClient


async def read_aliases(client: AsyncQdrantClient) -> dict[str, str]:
    """Return the name of the collection of each alias."""
    found = (await client.get_aliases()).aliases
    return {alias.alias_name: alias.collection_name for alias in found}


async def switch(client: AsyncQdrantClient, names: Sequence[str], collection_name: str) -> None:
    """Point aliases to a collection, all of them in one step."""
    aliases = await read_aliases(client)
    operations: list[models.AliasOperations] = []
    for name in names:
        if aliases.get(name) == collection_name:
            continue
        if name in aliases:
            delete = models.DeleteAlias(alias_name=name)
            operations.append(models.DeleteAliasOperation(delete_alias=delete))
        create = models.CreateAlias(collection_name=collection_name, alias_name=name)
        operations.append(models.CreateAliasOperation(create_alias=create))
    if not operations:
        return
    try:
        await client.update_collection_aliases(operations)
    except Exception:
        aliases = await read_aliases(client)
        if any(aliases.get(name) != collection_name for name in names):
            raise  # otherwise only the answer was lost
