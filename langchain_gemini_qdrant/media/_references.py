"""References to media in metadata: paths, and `file:`, `data:`, `gs:` and `https:` addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import url2pathname

from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media._contents import (
    ADDRESSES,
    is_address,
    medium_at,
    medium_of_data_uri,
)
from langchain_gemini_qdrant.media._fetch import fetch_bytes
from langchain_gemini_qdrant.media._medium import (
    Medium,
    medium_of_bytes,
    medium_of_file,
    short,
    split_page,
)

# One letter is a drive of Windows.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(?=//)|(data|file):", re.IGNORECASE)
_WEB = {"http", "https"}
_BY_DIGEST = "sha256:"


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """Where references lead to.

    Attributes:
        root: The folder that files must be in, and that relative paths start from; None for no
            such bound, and the current folder.
        fetch: Whether `http:` and `https:` addresses are read from the network: True for public
            ones, or the names of the only hosts to read from, which may be private ones.
    """

    root: str | os.PathLike[str] | None = None
    fetch: bool | Collection[str] = False

    def __post_init__(self) -> None:
        """Check `fetch`: of a single host, each letter would be one.

        Raises:
            ConfigurationError: `fetch` is not a bool or a list of names.
        """
        given: Any = self.fetch
        if isinstance(given, bool):
            return
        is_many = isinstance(given, Collection) and not isinstance(given, str)
        hosts: tuple[object, ...] = tuple(given) if is_many else (None,)
        if not all(isinstance(host, str) for host in hosts):
            raise ConfigurationError(
                "fetch (of a store: fetch_media) must be True, False or a list of names of hosts, "
                f"got {given!r}"
            )
        object.__setattr__(self, "fetch", hosts)  # a copy, which nobody changes

    def media(self, references: object, mime_type: object = None) -> tuple[Medium, ...]:
        """Return the media of one reference or a list; None and an empty list have none.

        It reads files and may read from the network.

        Args:
            references: A path, `file:`, `data:`, `gs:` or `https:` address or `files/...`, or a
                list of these. `#page=3` behind a path takes one page of a PDF.
            mime_type: Their MIME type, or a list with one for each; None reads it from the bytes.

        Raises:
            InvalidInputError: One leads to no file, outside `root`, or not to a medium.
        """
        several = each_reference(references)
        types = types_of(several, mime_type)
        return tuple([self._medium(*each) for each in zip(several, types, strict=True)])

    def may_fetch(self) -> bool:
        """Return whether any address is read from the network."""
        return bool(self.fetch)

    def _medium(self, reference: str, mime_type: str | None) -> Medium:
        if reference.startswith(_BY_DIGEST):
            raise InvalidInputError(
                f"{reference!r} stands for bytes that were given as a data: address, which are not "
                "stored: give them again, or keep them in a file"
            )
        scheme = scheme_of(reference)
        if scheme == "data":
            return medium_of_data_uri(reference, mime_type)
        if is_address(reference):
            return medium_at(reference, mime_type)
        place, page = split_page(reference)
        if scheme in _WEB:
            return medium_of_bytes(
                self._fetched(place), mime_type=mime_type, source=reference, page=page
            )
        if scheme not in {None, "file"}:
            raise InvalidInputError(
                f"{short(reference)!r} cannot be read: a reference is a path, or starts with "
                f"file:, data:, https: or {' or '.join(ADDRESSES[:2])}"
            )
        path = self._path(reference, _path_of_uri(place) if scheme else place)
        return medium_of_file(path, mime_type=mime_type, source=reference, page=page)

    def _fetched(self, address: str) -> bytes:
        if not self.may_fetch():
            raise InvalidInputError(
                f"{short(address)!r} is on the network, which is not read: allow it with "
                "fetch_media=True, or save it as a file"
            )
        hosts = None if isinstance(self.fetch, bool) else self.fetch
        try:
            return fetch_bytes(address, hosts)
        except InvalidInputError as error:
            raise InvalidInputError(f"{short(address)!r} {error}") from error

    def _path(self, reference: str, place: str) -> Path:
        try:
            path = (Path(self.root or "").resolve() / place).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL character
            raise InvalidInputError(f"{short(reference)!r} is no path: {error}") from error
        self.check_inside(path, reference)
        return path

    def check_inside(self, path: Path, reference: str) -> None:
        """Refuse a resolved path, that of a reference, which is outside `root`.

        Raises:
            InvalidInputError: It is outside.
        """
        if self.root is not None and not path.is_relative_to(Path(self.root).resolve()):
            raise InvalidInputError(
                f"{short(reference)!r} is outside media_root, {str(self.root)!r}"
            )


def without_bytes(reference: str, medium: Medium) -> str:
    """Return a reference in the form that is stored: bytes are named by their digest."""
    return _BY_DIGEST + medium.digest if scheme_of(reference) == "data" else reference


def scheme_of(reference: str) -> str | None:
    """Return the scheme of an address in lower case, None for a path."""
    match = _SCHEME.match(reference)
    return (match[1] or match[2]).lower() if match else None


def each_reference(references: object) -> list[str]:
    """Return the references of a value of metadata.

    Raises:
        InvalidInputError: It is no string, path, or list of these, or one is blank.
    """
    if references is None:
        return []
    several = list(references) if isinstance(references, list | tuple) else [references]
    texts = [os.fspath(each) if isinstance(each, os.PathLike) else each for each in several]
    checked = [each for each in texts if isinstance(each, str) and each.strip()]
    if len(checked) != len(texts):
        wrong = next(each for each in texts if each not in checked)
        raise InvalidInputError(
            "a reference to a medium must be a string that is not blank, got "
            f"{repr(wrong) if isinstance(wrong, str) else type(wrong).__name__}"
        )
    return checked


def types_of(references: list[str], mime_type: object) -> list[str | None]:
    """Return the MIME type of each reference.

    Raises:
        InvalidInputError: They are no strings, or not as many as references.
    """
    if not references:
        return []
    types = mime_type if isinstance(mime_type, list | tuple) else [mime_type] * len(references)
    checked = [each for each in types if each is None or isinstance(each, str)]
    if len(checked) != len(types) or len(types) != len(references):
        raise InvalidInputError(
            "mime_type must be a string or None, or a list with one for each of "
            f"{counted(len(references), 'reference')}, got {mime_type!r}"
        )
    return checked


def _path_of_uri(uri: str) -> str:
    """Return the path of a `file:` URI.

    Raises:
        InvalidInputError: It is on another host.
    """
    place = uri[len("file:") :]
    if place.startswith("//"):
        host, slash, rest = place[2:].partition("/")
        if host.lower() not in {"", "localhost"} and os.name != "nt":
            raise InvalidInputError(f"{uri!r} is on the host {host!r}: mount it, and give its path")
        place = slash + rest if host.lower() in {"", "localhost"} else place
    return url2pathname(place) if os.name == "nt" else unquote(place)
