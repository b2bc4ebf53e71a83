"""Checks of texts and titles before they are sent, and of the number of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_titles(titles: Sequence[object], *, first: int = 0) -> None:
    """Refuse titles that cannot be sent; `first` is the position of the first one.

    Raises:
        InvalidInputError: A title is neither a string nor None, or was cut inside a character.
    """
    wrong = [i for i, title in enumerate(titles, first) if not isinstance(title, str | None)]
    if wrong:
        raise InvalidInputError(
            f"titles must be strings or None, got {type(titles[wrong[0] - first]).__name__} at "
            f"index {wrong[0]}",
            indices=wrong,
        )
    _check_encodable(titles, "titles", first)


def check_texts(texts: Sequence[object], *, first: int = 0) -> None:
    """Refuse texts that the API would refuse; `first` is the position of the first one.

    Raises:
        InvalidInputError: A text is not a string, is blank, or was cut inside a character.
    """
    for text in texts:
        if not isinstance(text, str) or not text.isascii() or not text.strip():
            break
    else:
        return  # the usual case, tested fast
    wrong = [i for i, text in enumerate(texts, first) if not isinstance(text, str)]
    if wrong:
        raise InvalidInputError(
            f"texts must be strings, got {type(texts[wrong[0] - first]).__name__} at index "
            f"{wrong[0]}",
            indices=wrong,
        )
    _check_encodable(texts, "texts", first)
    blank = [i for i, text in enumerate(texts, first) if not str(text).strip()]
    if blank:
        raise InvalidInputError(
            f"{len(blank)} of {len(texts)} texts are blank, at index "
            f"{', '.join(map(str, blank))}: the API refuses blank texts. Leave them out",
            indices=blank,
        )


def _check_encodable(values: Sequence[object], name: str, first: int) -> None:
    broken = [i for i, value in enumerate(values, first) if not _is_encodable(str(value))]
    if broken:
        raise InvalidInputError(
            f"{len(broken)} of {len(values)} {name} contain half of a surrogate pair, which UTF-8 "
            f"cannot encode, at index {', '.join(map(str, broken))}: such {name} were cut inside "
            "a character",
            indices=broken,
        )


def _is_encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_count(embedding: object, vectors: Sequence[object], texts: int) -> None:
    """Refuse the result of an embedding if it is not one vector for each text.

    Raises:
        InvalidInputError: The counts differ.
    """
    if len(vectors) != texts:
        raise InvalidInputError(
            f"{type(embedding).__name__} must return one vector for each text, got {len(vectors)} "
            f"for {texts}: none of these is stored"
        )
