"""Options that several commands share, and the embeddings and stores that they open."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK, BlockingClock
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from langchain_gemini_qdrant.quantization import QuantizationName
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

F = TypeVar("F", bound="Callable[..., object]")
T = TypeVar("T")

DEFAULT_PATH = "gemini-qdrant-index"

# The keys of QUANTIZATION_PRESETS, which take a second to import.
QUANTIZATIONS = (
    "binary",
    "binary-1.5bit",
    "binary-2bit",
    "scalar",
    "product",
    "turbo-1bit",
    "turbo-2bit",
    "turbo-4bit",
    "none",
)

TITLE_KEY = "title"
"""Metadata key of a passage's title, in everything that this command stores."""

_EMBEDDING_OPTIONS = (
    click.option("--model", default=DEFAULT_MODEL, show_default=True, help="Gemini model."),
    click.option(
        "--output-dimensionality",
        type=int,
        help="Length of the vectors.  [default: the model's own]",
    ),
    click.option(
        "--backend",
        type=click.Choice(["google-genai", "google-generativeai"]),
        default="google-genai",
        show_default=True,
        help="Google SDK.",
    ),
    click.option(
        "--base-url",
        help="Address to use instead of Google's, such as an emulator's.  "
        "[default: GOOGLE_GEMINI_BASE_URL]",
    ),
)
_QUOTA_OPTIONS = (
    click.option(
        "--requests-per-minute",
        type=click.FloatRange(min=0, min_open=True),
        metavar="TEXTS",
        help="Your quota; each text counts as a request.  [default: learned from the first 429]",
    ),
    click.option(
        "--tokens-per-minute",
        type=click.FloatRange(min=0, min_open=True),
        metavar="TOKENS",
        help="Your quota.  [default: learned from the first 429]",
    ),
)
_STORE_OPTIONS = (
    click.option(
        "--collection", default="documents", show_default=True, help="Name of the collection."
    ),
    click.option("--path", type=click.Path(), help="Folder of the embedded engine."),
    click.option("--url", help="Address of a Qdrant server, instead of --path."),
    click.option("--qdrant-api-key", envvar="QDRANT_API_KEY", help="The server's key."),
)


def embedding_options(command: F) -> F:
    """Add the options that describe the embeddings."""
    return _with(command, _EMBEDDING_OPTIONS)


def quota_options(command: F) -> F:
    """Add the options of the quotas per minute."""
    return _with(command, _QUOTA_OPTIONS)


def store_options(command: F) -> F:
    """Add the options that name a collection and its engine."""
    return _with(command, _STORE_OPTIONS)


def _with(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def until_the_end(resource: AbstractContextManager[T]) -> T:
    """Open a resource, which is closed when the running command ends or fails."""
    return click.get_current_context().with_resource(resource)


def make_embeddings(
    *,
    model: str,
    output_dimensionality: int | None,
    backend: str,
    base_url: str | None,
    api_key: str | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
) -> GeminiEmbeddings:
    """Return the embeddings that the options describe, open until the command ends.

    The key is read from the environment.
    """
    options: dict[str, Any] = {
        "model": model,
        "output_dimensionality": output_dimensionality,
        "backend": backend,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
    }
    if base_url is not None:
        options["base_url"] = base_url
    if backend == "google-generativeai":
        options["transport"] = "rest"  # the address of an emulator or proxy is an HTTP one
    if api_key is not None:
        options["api_key"] = api_key
    return until_the_end(GeminiEmbeddings(**options))


def open_store(
    embeddings: GeminiEmbeddings,
    *,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None = None,
    quantization: QuantizationName | Literal["none"] = "none",
    create: bool = True,
) -> GeminiQdrantVectorStore:
    """Open the collection that the options name until the command ends; create it if `create`.

    Raises:
        ConfigurationError: There is no such collection, and `create` is False.
    """
    # The engines take a second to import: `--help` must not wait for them.
    from langchain_gemini_qdrant.vectorstores.factory import create_vector_store  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore  # noqa: PLC0415

    engine = {"url": url, "api_key": qdrant_api_key} if url else {"path": path or DEFAULT_PATH}
    if create:
        store = create_vector_store(
            embeddings,
            collection,
            **engine,
            quantization=None if quantization == "none" else quantization,
            title_key=TITLE_KEY,
        )
    else:
        store = GeminiQdrantVectorStore.from_existing_collection(
            collection, embeddings, **engine, title_key=TITLE_KEY
        )
    return until_the_end(store)


@contextmanager
def open_store_if_any(
    embeddings: GeminiEmbeddings,
    *,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None = None,
) -> Iterator[GeminiQdrantVectorStore | None]:
    """Open the collection that the options name, or yield None; never create it."""
    from langchain_gemini_qdrant.edge import EdgeClient  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores._retry import RetryingClient  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores._server import server_client  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore  # noqa: PLC0415

    folder = Path(path or DEFAULT_PATH)
    if not url and not (folder / "meta.json").exists():
        yield None
        return
    client = server_client(url, api_key=qdrant_api_key) if url else EdgeClient(folder)
    with closing(client):
        waits, random = BlockingClock(SYSTEM_CLOCK), Random()  # noqa: S311 - when to try again
        retrying = RetryingClient(client, waits, random, blocking=True)
        if run(retrying.collection_exists(collection)):
            yield GeminiQdrantVectorStore.from_existing_collection(
                collection, embeddings, client=client, title_key=TITLE_KEY
            )
        else:
            yield None
