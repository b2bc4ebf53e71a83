"""Documents in a run, and lookups of those that the collection already has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from langchain_gemini_qdrant.embeddings._media import images_in
from langchain_gemini_qdrant.media._medium import SHA256_KEY, Medium
from langchain_gemini_qdrant.vectorstores._comparison import VectorComparison, same_json
from langchain_gemini_qdrant.vectorstores._open import checked
from langchain_gemini_qdrant.vectorstores._parts import in_parts
from langchain_gemini_qdrant.vectorstores._schema import read_consistency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document
    from qdrant_client import models

    from langchain_gemini_qdrant.media._contents import Parts
    from langchain_gemini_qdrant.vectorstores._collection import Collection


class Given(NamedTuple):
    """A document, and facts about it that are known before the lookup.

    Attributes:
        document: The document.
        is_stored: It is known to be stored unchanged; it has an id and needs no text, and its media
            are not read.
        other_ids: Other ids under which its text and media may be stored: vectors are copied from
            there.
        media: The media that it names, if they were looked at already.
    """

    document: Document
    is_stored: bool = False
    other_ids: Sequence[str] = ()
    media: tuple[Medium, ...] = ()


class Incoming(NamedTuple):
    """One document in a run.

    Attributes:
        key: Its point id.
        name: Its id in the caller's form.
        text: The text.
        title: The title, embedded with the text.
        payload: The payload to store.
        vectors: The vectors that it already has, by name.
        has_own_id: A later document may have the same id and a different text; ids made from
            content differ by text.
        source: The source, by which failures are recorded for the cleanup.
        problem: Why it cannot be stored, None if it can.
        is_stored: It is known to be stored unchanged.
        other_keys: Points that may have its content, and therefore its vector.
        parts: What is embedded if it has media: the text, if there is one, and the media.
        vector: Its dense vector if that is known, so that it is not embedded; None if not.
    """

    key: str | int
    name: str
    text: str
    title: str | None
    payload: dict[str, Any]
    vectors: Mapping[str, Any] = {}
    has_own_id: bool = True
    source: object = None
    problem: str | None = None
    is_stored: bool = False
    other_keys: Sequence[str | int] = ()
    parts: Parts = ()
    vector: Any = None

    @property
    def content(self) -> str | Parts:
        """What is embedded."""
        return self.parts or self.text

    @property
    def size_bytes(self) -> int:
        """Bytes of its media."""
        return sum([part.size_bytes for part in self.parts if isinstance(part, Medium)])

    @property
    def images(self) -> int:
        """Number of its images."""
        return images_in([self.parts]) if self.parts else 0


class LookUps:
    """Finds documents that are stored on as many replicas as the collection's writes promise."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._consistency: int | None = None

    async def open(self) -> None:
        """Check that the collection is still the one that was opened, before anything is paid for.

        Raises:
            CollectionMismatchError: It is not.
        """
        collection = self._collection
        if collection.state.is_checked:
            info = await checked(collection)
        else:
            info = await collection.client.get_collection(collection.name)
        self._consistency = read_consistency(info)
        self._comparison = VectorComparison(info)

    async def payloads(self, keys: list[str | int]) -> dict[Any, dict[str, Any]]:
        """Return the payloads of those documents that are stored, by their keys."""
        answers = await in_parts(self._retrieve, keys)
        return {record.id: record.payload or {} for records in answers for record in records}

    async def existing(self, keys: list[str | int]) -> set[Any]:
        """Return those of the keys under which documents are stored."""
        answers = await in_parts(self._retrieve_ids, keys)
        return {record.id for records in answers for record in records}

    async def stored_as_known(
        self, documents: Mapping[str | int, Incoming], stored: Mapping[str | int, Any]
    ) -> set[str | int]:
        """Return the keys of stored documents whose vectors, if known, are those stored."""
        known = [key for key in stored if documents[key].vector is not None]
        if not known:
            return {*stored}
        name = self._collection.layout.vector_name
        found = {
            record.id: _dense(record, name)
            for records in await in_parts(self._retrieve_vectors, known)
            for record in records
        }
        others = {
            key
            for key in known
            if not self._comparison.same({name: documents[key].vector}, {name: found.get(key)})
        }
        return stored.keys() - others

    async def vectors(self, documents: Sequence[Incoming]) -> dict[Any, list[float]]:
        """Return the vectors of documents whose text and title are stored under other keys."""
        wanted = list({key: None for document in documents for key in document.other_keys})
        answers = await in_parts(self._retrieve_vectors, wanted)
        found = {record.id: record for records in answers for record in records}
        vectors: dict[Any, list[float]] = {}
        for document in documents:
            for key in document.other_keys:
                if key not in found:
                    continue
                vector = _dense(found[key], self._collection.layout.vector_name)
                if vector and self.embeds_alike(document, found[key].payload or {}):
                    vectors[document.key] = vector
        return vectors

    async def _retrieve(self, keys: list[str | int]) -> list[models.Record]:
        return await self._collection.client.retrieve(
            self._collection.name, keys, with_payload=True, consistency=self._consistency
        )

    async def _retrieve_ids(self, keys: list[str | int]) -> list[models.Record]:
        return await self._collection.client.retrieve(
            self._collection.name, keys, with_payload=False, consistency=self._consistency
        )

    async def _retrieve_vectors(self, keys: list[str | int]) -> list[models.Record]:
        return await self._collection.client.retrieve(
            self._collection.name,
            keys,
            with_payload=True,
            with_vectors=True,
            consistency=self._consistency,
        )

    def embeds_alike(self, document: Incoming, found: Mapping[str, Any]) -> bool:
        """Return whether a stored document has the same text, title and media as this one."""
        layout = self._collection.layout
        metadata, own = layout.metadata(found), layout.metadata(document.payload)
        same_title = document.title == layout.title(metadata) or same_json(own, metadata)
        return (
            found.get(layout.content_key) == document.payload.get(layout.content_key)
            and same_title
            and digests_of(own) == digests_of(metadata)
        )

    def differs(self, document: Incoming, found: Mapping[str, Any]) -> bool:
        """Return whether the stored payload differs; extra fields beside metadata are allowed."""
        payload = document.payload
        if not self._collection.layout.metadata_key and payload.keys() != found.keys():
            return True
        return not all(same_json(value, found.get(name)) for name, value in payload.items())


def digests_of(metadata: object) -> object:
    """Return the digests of the media in a document's vector, None if it is that of a text."""
    return metadata.get(SHA256_KEY) if isinstance(metadata, Mapping) else None


def _dense(record: models.Record, name: str) -> list[float] | None:
    """Return a point's dense vector, None if it has none."""
    vector = record.vector.get(name) if isinstance(record.vector, dict) else record.vector
    return cast("list[float]", vector) if isinstance(vector, list) and vector else None
