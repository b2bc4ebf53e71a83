"""The steps of `gemini-qdrant demo --media`: a few small files, found by text and by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from langchain_core.documents.base import Blob

from langchain_gemini_qdrant.cli.documents.corpus import Corpus
from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.cli.documents.passages import CHUNK_SIZE
from langchain_gemini_qdrant.cli.hits import hits_view
from langchain_gemini_qdrant.cli.progress import console, cost, counted, ingest_line, progress_bar
from langchain_gemini_qdrant.ingestion.ingest import ingest
from langchain_gemini_qdrant.testing import sample_media

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_QUESTIONS = ("a dog at the sea", "How much did travel cost?", "church bells")


def write_files(folder: Path) -> Path:
    """Write the files, unless they are there; return an image to search with.

    The text inside each file is what the emulator reads in place of its content.
    """
    files = {
        "dog.png": sample_media.png("A brown dog runs along the sea."),
        "cat.jpg": sample_media.jpeg("A grey cat sleeps on the sofa."),
        "bells.wav": sample_media.wav("Church bells ring on Sunday morning.", 2),
        "interview.mp3": sample_media.mp3("An interview with a baker about bread.", 3),
        "surf.mp4": sample_media.mp4("Surfers ride a big wave.", 4),
        "report.pdf": sample_media.pdf("Sales rose by ten percent.", "Travel cost 2,400 euros."),
        "query/wave.png": sample_media.png("A big wave with surfers."),
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(content)
    return folder / "query/wave.png"


def run_media_demo(store: GeminiQdrantVectorStore, folder: Path) -> None:
    """Store the files, and search them by text and by image.

    Args:
        store: A store whose `media_key` is that of this command.
        folder: Where the files are written.
    """
    image = write_files(folder)
    found = find_files([str(folder)], root=folder, exclude=["query/"], media=True)
    corpus = Corpus(found, chunk_size=CHUNK_SIZE, media=True, pages=True)
    with progress_bar(corpus.total_bytes) as show:
        report = ingest(
            store,
            cast("Iterator[Document]", corpus.passages()),
            on_progress=lambda done: show(corpus.settled_bytes(done.done), ingest_line(done)),
        )
    console.print(
        f"{counted(len(found.files), 'file')} in {folder}: "
        f"{report.added + report.updated:,} media and pages embedded and stored, "
        f"{report.skipped:,} already stored, {', '.join(cost(report))}",
        markup=False,
    )
    for question in _QUESTIONS:
        console.print(hits_view(question, store.similarity_search_with_score(question, 2)))
    hits = store.similarity_search_with_score(Blob.from_path(image), 2)
    console.print(hits_view(f"The image {image}", hits))
