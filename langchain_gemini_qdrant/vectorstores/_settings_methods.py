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
    """Every way to change how the collection is stored and searched.

    Attributes:
        collection: Of the sync methods.
        async_collection: Of the async ones.
    """

    collection: Collection
    async_collection: Collection

    def set_quantization(self, quantization: Quantization | None) -> None:
        """Change the collection's quantization, or switch it on or off.

        Searches then have the new setting's defaults, overridden by the `search_params` that the
        store was given. `search_params` remembered by the collection are forgotten: they were
        chosen for other codes.

        A server makes the new codes in the background: `optimize` waits for them. The embedded
        engine makes them before this returns. Local mode warns that it does not quantize.

        Args:
            quantization: A preset or its name, a model of qdrant-client or a dict; None for off.
                Where the vector has a setting of its own that one is changed, else the
                collection's, which holds for its other vectors, too.

        Raises:
            ConfigurationError: It is none of these, the server is too old for it, or the store has
                sparse vectors only.
        """
        run(_settings.set_quantization(self.collection, quantization))

    async def aset_quantization(self, quantization: Quantization | None) -> None:
        """Change the collection's quantization, or switch it on or off, without blocking.

        Args:
            quantization: A preset or its name, a model of qdrant-client or a dict; None for off.

        Raises:
            ConfigurationError: It is none of these, the server is too old for it, or the store has
                sparse vectors only.
        """
        await _settings.set_quantization(self.async_collection, quantization)

    def optimize(
        self,
        *,
        timeout: float = 3600.0,
        on_progress: Callable[[OptimizeProgress], None] | None = None,
    ) -> None:
        """Have all graphs and codes built: after much was stored, and before recall is measured.

        The embedded engine builds them now. A server builds them by itself, and this waits until
        its status is green; where a restart has interrupted it (grey), it is woken first. Local
        mode has none to build.

        Args:
            timeout: Seconds to wait for a server at most: an hour, unless you say otherwise.
            on_progress: Called with each status that the server reports.

        Raises:
            OptimizationError: The server failed to build them (red), or was not done in time.
        """
        run(_optimize.optimize(self.collection, timeout, on_progress))

    async def aoptimize(
        self,
        *,
        timeout: float = 3600.0,
        on_progress: Callable[[OptimizeProgress], None] | None = None,
    ) -> None:
        """Have all graphs and codes built, without blocking the event loop.

        Args:
            timeout: Seconds to wait for a server at most.
            on_progress: Called with each status that the server reports.

        Raises:
            OptimizationError: The server failed to build them (red), or was not done in time.
        """
        await _optimize.optimize(self.async_collection, timeout, on_progress)

    def remember_search_params(self, search_params: models.SearchParams | None) -> None:
        """Keep search parameters in the collection's metadata: defaults of all stores over it.

        Unset fields stay as the quantization needs them; `search_params` of a store that is opened
        later, and of a call, override them field by field.

        Args:
            search_params: None forgets those that the collection remembers.

        Raises:
            ConfigurationError: The server keeps no metadata: it is older than 1.16.
        """
        run(_settings.remember_search_params(self.collection, search_params))

    async def aremember_search_params(self, search_params: models.SearchParams | None) -> None:
        """Keep search parameters in the collection's metadata: defaults of all stores over it.

        Args:
            search_params: None forgets those that the collection remembers.

        Raises:
            ConfigurationError: The server keeps no metadata: it is older than 1.16.
        """
        await _settings.remember_search_params(self.async_collection, search_params)
