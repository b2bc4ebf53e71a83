"""Search a folder of pictures, PDFs, sound, video and texts in the browser, by text or by picture.

    pip install 'langchain-gemini-qdrant[cli,files]' gradio pypdfium2
    python examples/media_search/app.py FOLDER

This needs GOOGLE_API_KEY or GEMINI_API_KEY. With `--emulator`, an emulator of the Gemini API on
this machine makes the vectors.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
from contextlib import ExitStack
from html import escape
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

import gradio
import page
import pypdfium2
import uvicorn
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from starlette.middleware.trustedhost import TrustedHostMiddleware

from langchain_gemini_qdrant import (
    GeminiEmbeddings,
    GeminiQdrantError,
    GeminiQdrantVectorStore,
    create_vector_store,
)
from langchain_gemini_qdrant.media import MEDIA_TYPES, content_blocks

if TYPE_CHECKING:
    from langchain_gemini_qdrant.media import Content

HOSTS = ["127.0.0.1", "localhost"]
PER_KIND = 6
MOST = 24
WIDTH = 600  # pixels of a page's picture
Query = tuple[list[float], Document | None]  # the vector, and the document that hits are like
RENDERING = Lock()  # PDFium renders in one thread at a time

FILTERS: dict[str, dict[str, Any]] = {
    kind: {"mime_type": [name for name, found in MEDIA_TYPES.items() if found == modality]}
    for kind, modality in page.MODALITIES.items()
} | {page.PASSAGES: {"mime_type": None}}


def main() -> None:
    """Store the folder, then serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what to search")
    parser.add_argument("--emulator", action="store_true", help="vectors without a key")
    parser.add_argument("--index", default="media-index", help="where to store the vectors")
    parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1 (default: 8000)")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    if not folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    with ExitStack() as stack:
        if options.emulator:
            options.index = stack.enter_context(TemporaryDirectory())
            start_emulator(stack)
        collection = f"media-{hashlib.sha256(bytes(folder)).hexdigest()[:8]}"
        ingest(folder, options.index, collection)
        try:
            embeddings = stack.enter_context(GeminiEmbeddings(deadline=20))
            store = create_vector_store(
                embeddings, collection, path=options.index, media_key="media", media_root=folder
            )
        except GeminiQdrantError as error:
            sys.exit(str(error))
        stack.enter_context(store)
        uvicorn.run(web_app(Library(embeddings, store, folder)), host=HOSTS[0], port=options.port)


def start_emulator(stack: ExitStack) -> None:
    """Serve the Gemini API on this machine, to this program and the ones that it starts."""
    from langchain_gemini_qdrant.testing import GeminiEmulator  # noqa: PLC0415

    emulator = stack.enter_context(GeminiEmulator(record=False))
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url


def ingest(folder: Path, index: str, collection: str) -> None:
    """Store what is new in the folder, as the command line does; files that fail are listed."""
    place = ["--path", index, "--collection", collection, "--quantization", "none"]
    options = ["--media", "--cleanup", "full", *place]
    command = [sys.executable, "-m", "langchain_gemini_qdrant", "ingest", str(folder), *options]
    status = subprocess.run(command, check=False).returncode  # noqa: S603 - ours
    if status not in {0, 1}:  # 1: some files cannot be read
        sys.exit(status)


class Library:
    """The stored folder.

    Attributes:
        embeddings: Embed queries.
        store: The collection with the contents of the folder.
        folder: The only folder that files are served from.
    """

    def __init__(
        self, embeddings: GeminiEmbeddings, store: GeminiQdrantVectorStore, folder: Path
    ) -> None:
        self.embeddings = embeddings
        self.store = store
        self.folder = folder
        self.numbers = {kind: store.count(conditions) for kind, conditions in FILTERS.items()}

    def query(self, wanted: Content | Document) -> Query:
        """Embed a text, a medium, both together, or a stored document."""
        if isinstance(wanted, Document):
            content = content_blocks(wanted, root=self.folder)
            return self.embeddings.embed_query(content), wanted
        return self.embeddings.embed_query(wanted), None

    def search(self, query: Query, kind: str) -> dict[str, list[tuple[Document, float]]]:
        """Return the nearest hits of each kind; the kind with the best hit is first.

        A text is closer to texts than to pictures of the same thing. In one list, the texts would
        hide the pictures, so each kind has its own list.
        """
        vector, like = query
        found = {}
        for each in FILTERS if kind == page.ALL else [kind]:
            hits = self.store.similarity_search_with_score_by_vector(
                vector, k=PER_KIND if kind == page.ALL else MOST, filter=FILTERS[each]
            )
            found[each] = [hit for hit in hits if like is None or hit[0].id != like.id]
        by_score = sorted(found.items(), key=lambda entry: [-score for _, score in entry[1][:1]])
        return {each: hits for each, hits in by_score if hits}

    def samples(self) -> list[Document]:
        """Return one document of each kind."""
        found = [islice(self.store.iter_documents(FILTERS[kind]), 1) for kind in FILTERS]
        return [document for documents in found for document in documents]

    def document(self, point: str) -> Document:
        """Return a stored document, or the error 404."""
        for document in self.store.get_by_ids([point]):
            return document
        raise HTTPException(404, "nothing is stored under this id")

    def file(self, document: Document) -> Path:
        """Return the file of a document if it is still in the folder, or the error 404."""
        path = Path(str(document.metadata.get("media", "")).partition("#page=")[0]).resolve()
        if path.is_relative_to(self.folder) and path.is_file():
            return path
        raise HTTPException(404, "the file is not in the folder")


def web_app(library: Library) -> FastAPI:
    """Return the page, and the addresses of the files that it shows.

    Files have the ids of their documents as addresses, so an address cannot name other files.
    """
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # A page of another site cannot read the files by a name that leads to this machine.
    web.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @web.get("/media/{point}")
    def medium(point: str) -> Response:
        document = library.document(point)
        headers = {"X-Content-Type-Options": "nosniff"}
        return FileResponse(
            library.file(document), media_type=document.metadata["mime_type"], headers=headers
        )

    @web.get("/media/{point}/page")
    def picture_of_page(point: str) -> Response:
        document = library.document(point)
        path = library.file(document)
        try:
            with RENDERING, pypdfium2.PdfDocument(path) as pdf:
                sheet = pdf[document.metadata.get("page", 1) - 1]
                picture = sheet.render(scale=WIDTH / sheet.get_width()).to_pil()
        except (pypdfium2.PdfiumError, IndexError) as error:
            raise HTTPException(404, "the PDF has changed") from error
        png = io.BytesIO()
        picture.save(png, "PNG")
        return Response(png.getvalue(), media_type="image/png")

    return gradio.mount_gradio_app(
        web, search_page(library), path="/", head=page.HEAD, footer_links=[], run_history=False
    )


def search_page(library: Library) -> gradio.Blocks:
    """Return the page: a box for text and a picture, the kinds, and the hits."""
    start = page.welcome(library.numbers, library.samples())

    def by_box(box: dict[str, Any], kind: str) -> tuple[Query | None, str]:
        files = [Blob.from_path(path, guess_type=False) for path in box["files"]]
        parts = [box["text"].strip(), *files]
        return answer([part for part in parts if part], kind)

    def like_hit(kind: str, event: gradio.EventData) -> tuple[Query | None, str, dict[str, Any]]:
        return *answer(library.document(event.point), kind), {"text": "", "files": []}

    def answer(wanted: Content | Document, kind: str) -> tuple[Query | None, str]:
        if not wanted:
            return None, start
        try:
            query = library.query(wanted)
        except GeminiQdrantError as error:
            return None, page.failure(error)
        return query, of_kind(query, kind)

    def of_kind(query: Query | None, kind: str) -> str:
        return page.hits(library.search(query, kind), query[1]) if query else start

    hour = 3600
    with gradio.Blocks(
        title="Media search", analytics_enabled=False, delete_cache=(hour, hour)
    ) as blocks:
        gradio.HTML(f"<h1>{escape(library.folder.name)}</h1>", elem_id="title")
        box = gradio.MultimodalTextbox(
            show_label=False,
            placeholder="Describe it, or drop a picture",
            file_types=page.ENDINGS,
            sources=["upload"],
            autofocus=True,
            elem_id="query",
        )
        kind = gradio.Radio(
            [page.ALL, *(each for each in FILTERS if library.numbers[each])],
            value=page.ALL,
            show_label=False,
            container=False,
            elem_id="kinds",
        )
        query = gradio.State()
        found = gradio.HTML(
            start, js_on_load=page.ON_CLICK, elem_id="found", apply_default_css=False
        )
        box.submit(by_box, [box, kind], [query, found])
        found.click(like_hit, kind, [query, found, box])
        kind.change(of_kind, [query, kind], found)
    return blocks


if __name__ == "__main__":
    main()
