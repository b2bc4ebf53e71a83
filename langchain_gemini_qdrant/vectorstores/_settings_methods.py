"""The methods that change a collection as a whole, over `_settings` and `_optimize`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_qdrant import QdrantVectorStore

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.vectorstores import _optimize, _settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrant_client import models

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._optimize import OptimizeProgress


class SettingsMethods(QdrantVectorStore):
    """The methods of a store that change how its collection is stored and searched.

    Attributes:
        collection: The collection for the sync methods.
        async_collection: The collection for the async methods.
    """

    collection: Collection
    async_collection: Collection

    def set_quantization(self, quantization: Quantization | None) -> None:
        """Change the collection's quantization, or switch it on or off.

        Searches then use the new setting's defaults, overridden by the store's `search_params`.
        The `search_params` that the collection remembers are forgotten, as they were chosen for
        other codes.

        A server makes the new codes in the background; `optimize` waits for them. The embedded
        engine makes them before this method returns. Local mode warns that it does not quantize.

        Args:
            quantization: A preset or its name, a model of qdrant-client or a dict; None for off.
                If the vector has its own setting, that one is changed; else the collection's,
                which applies to its other vectors, too.

        Raises:
            ConfigurationError: The value is not valid, the server is too old for it, or the store
                has only sparse vectors.
        """
        run(_settings.set_quantization(self.collection, quantization))

    async def aset_quantization(self, quantization: Quantization | None) -> None:
        """Change the collection's quantization, or switch it on or off, without blocking.

        Args:
            quantization: A preset or its name, a model of qdrant-client or a dict; None for off.

        Raises:
            ConfigurationError: The value is not valid, the server is too old for it, or the store
                has only sparse vectors.
        """
        await _settings.set_quantization(self.async_collection, quantization)

    def optimize(
        self,
        *,
        timeout: float = 3600.0,
        on_progress: Callable[[OptimizeProgress], None] | None = None,
    ) -> None:
        """Build all graphs and codes; do this after large writes and before measuring recall.

        The embedded engine builds them now. A server builds them on its own, and this method waits
        until its status is green; if a restart has interrupted it (grey), building is resumed
        first. Local mode has none to build.

        Args:
            timeout: Most seconds to wait for a server. Default: 3,600.
            on_progress: Called with the `OptimizeProgress` of each status that the server reports.

        Raises:
            OptimizationError: The server failed to build them (red), or did not finish in time.
        """
        run(_optimize.optimize(self.collection, timeout, on_progress))

    async def aoptimize(
        self,
        *,
        timeout: float = 3600.0,
        on_progress: Callable[[OptimizeProgress], None] | None = None,
    ) -> None:
        """Build all graphs and codes, or wait for a server, without blocking the event loop.

        Args:
            timeout: Most seconds to wait for a server. Default: 3,600.
            on_progress: Called with the `OptimizeProgress` of each status that the server reports.

        Raises:
            OptimizationError: The server failed to build them (red), or did not finish in time.
        """
        await _optimize.optimize(self.async_collection, timeout, on_progress)

    def remember_search_params(self, search_params: models.SearchParams | None) -> None:
        """Store search parameters in the collection's metadata, as defaults of all its stores.

        Unset fields keep the defaults of the quantization. The `search_params` of a store that is
        opened later, or of a call, override them field by field.

        Args:
            search_params: The parameters; None removes those that the collection remembers.

        Raises:
            ConfigurationError: The server is older than 1.16 and does not store metadata.
        """
        run(_settings.remember_search_params(self.collection, search_params))

    async def aremember_search_params(self, search_params: models.SearchParams | None) -> None:
        """Store search parameters in the collection's metadata, as defaults of all its stores.

        Args:
            search_params: The parameters; None removes those that the collection remembers.

        Raises:
            ConfigurationError: The server is older than 1.16 and does not store metadata.
        """
        await _settings.remember_search_params(self.async_collection, search_params)
