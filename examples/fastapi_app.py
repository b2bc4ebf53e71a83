"""A web service over the async store: Gemini and Qdrant do not block the event loop.

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_app:app
    curl -X PUT localhost:8000/notes -H 'content-type: application/json' \
        -d '[{"id": "hours", "text": "The office closes at six."}]'
    curl 'localhost:8000/search?question=When+does+the+office+close'

If GOOGLE_API_KEY or GEMINI_API_KEY is set, Gemini makes the vectors. Without a key, an emulator of
the Gemini API on this machine makes them.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from langchain_gemini_qdrant import (
    GeminiEmbeddings,
    GeminiQdrantError,
    GeminiQdrantVectorStore,
    acreate_vector_store,
)
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.testing import GeminiEmulator

if not (os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")):
    emulator = GeminiEmulator()
    emulator.start()
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the store when the application starts, and close it when the application stops."""
    # To keep the notes, pass a folder instead of ":temporary:", or url="https://..." of a server.
    async with (
        GeminiEmbeddings(deadline=10) as embeddings,
        await acreate_vector_store(embeddings, "notes", path=":temporary:", worker=True) as store,
    ):
        app.state.store = store
        yield


def opened_store(request: Request) -> GeminiQdrantVectorStore:
    """Return the store that `lifespan` opened."""
    store: GeminiQdrantVectorStore = request.app.state.store
    return store


app = FastAPI(lifespan=lifespan)
Store = Annotated[GeminiQdrantVectorStore, Depends(opened_store)]


class Note(BaseModel):
    """A text with an id that the caller chooses."""

    id: str
    text: str


@app.put("/notes")
async def put_notes(notes: list[Note], store: Store) -> list[str]:
    """Store notes. A note with the id of a stored note replaces it."""
    return await store.aadd_texts([note.text for note in notes], ids=[note.id for note in notes])


@app.get("/search")
async def search(question: str, store: Store, k: int = 3) -> list[Note]:
    """Return the notes nearest to a question, nearest first."""
    hits = await store.asimilarity_search(question, k=k)
    return [Note(id=hit.id, text=hit.page_content) for hit in hits]


@app.exception_handler(GeminiQdrantError)
async def no_answer(_: Request, error: GeminiQdrantError) -> JSONResponse:
    """Return the reason as JSON; error messages of this package contain no key."""
    status = 422 if isinstance(error, InvalidInputError) else 503
    return JSONResponse({"detail": str(error)}, status_code=status)
