"""Base of a folder's clients: they show where it is, and cannot be copied."""

from __future__ import annotations

from typing import Any, NoReturn

from langchain_gemini_qdrant._display import facts_html


class FolderClient:
    """A client of one folder; it keeps the options that create another client of that folder."""

    _options: dict[str, Any]

    def __repr__(self) -> str:
        """Return the call that creates such a client."""
        path, *others = self._options.items()
        arguments = ", ".join(f"{name}={value!r}" for name, value in others)
        return f"{type(self).__name__}({path[1]!r}, {arguments})"

    def _repr_html_(self) -> str:
        return facts_html(type(self).__name__, self._options)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} has the folder {self._options['path']!r} open and cannot be "
            "pickled or copied. Pass the path, and open a client where it is needed: one process "
            "at a time can have the folder open. A server, `url=`, serves any number of processes"
        )
