"""References to media in metadata: paths, and `file:`, `data:`, `gs:` and `https:` addresses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._medium import Medium, medium_of_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """Where references lead to.

    Attributes:
        root: The folder that files must be in, and that relative paths start from; None for no
            such bound, and the current folder.
        fetch: Whether `http:` and `https:` addresses are read from the network.
    """

    root: Path | None = None
    fetch: bool = False

    def media(self, references: object, mime_type: object = None) -> tuple[Medium, ...]:
        """Return the media of one reference or a list.

        Raises:
            InvalidInputError: One leads to no file, outside `root`, or not to a medium.
        """
        several = list(references) if isinstance(references, list | tuple) else [references]
        types = mime_type if isinstance(mime_type, list) else [mime_type] * len(several)
        return tuple(self._medium(each, kind) for each, kind in zip(several, types, strict=True))

    def _medium(self, reference: object, mime_type: object) -> Medium:
        if not isinstance(reference, str):
            raise InvalidInputError(
                f"a reference to a medium must be a string, got {type(reference).__name__}"
            )
        path = self._path(reference)
        kind = mime_type if isinstance(mime_type, str) else None
        return medium_of_bytes(path.read_bytes, mime_type=kind, source=reference)

    def _path(self, reference: str) -> Path:
        base = (self.root or Path.cwd()).resolve()
        path = (base / reference).resolve()
        if self.root is not None and not path.is_relative_to(base):
            raise InvalidInputError(f"{reference!r} is outside media_root {str(self.root)!r}")
        if not path.is_file():
            raise InvalidInputError(f"{reference!r} is not a file")
        return path
