"""Methods that the embedded engine does not support raise and name an alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from qdrant_client.client_base import QdrantBase

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

Backend = TypeVar("Backend", bound=type[QdrantBase])

_SERVER = "use a Qdrant server (`url=`)"
_COPY = "use backup(path) of the client"
_ADVICE = {
    "create_full_snapshot": _COPY,
    "create_shard_snapshot": _COPY,
    "create_snapshot": _COPY,
    "get_optimizations": "use optimize(), which returns when it is done",
}


def refuse_the_rest(backend: Backend) -> Backend:
    """Make each method of `QdrantBase` that the class lacks raise an error with an alternative."""
    for name, method in vars(QdrantBase).items():
        if not name.startswith("_") and callable(method) and getattr(backend, name) is method:
            setattr(backend, name, _refusal(name))
    return backend


def _refusal(name: str) -> Callable[..., NoReturn]:
    message = f"{name}() is not supported by the embedded engine; {_ADVICE.get(name, _SERVER)}"

    def refuse(self: QdrantBase, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(message)

    refuse.__name__ = name
    return refuse
