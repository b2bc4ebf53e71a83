"""`gemini-qdrant demo`: all steps on text that every machine has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.hits import hits_view
from langchain_gemini_qdrant.cli.opening import make_embeddings, open_store, until_the_end
from langchain_gemini_qdrant.cli.options import MEDIA_KEY, embedding_options
from langchain_gemini_qdrant.cli.progress import console, counted, ingest_line, progress_bar
from langchain_gemini_qdrant.embeddings._options import environments_key
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.runnables import Runnable
    from rich.console import RenderableType

    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

FOLDER = "demo-media"

QUESTIONS = (
    "How do I set a timeout for an HTTP request?",
    "Which library draws progress bars in the terminal?",
    "How do I create a collection and upload points?",
)


@click.command()
@click.option(
    "--path", default="demo-index", show_default=True, type=click.Path(), help="Where to store."
)
@click.option(
    "--media",
    is_flag=True,
    help=f"Instead, write a few small images, sounds, videos and PDF pages to {FOLDER} next to "
    "the index, and find them by text and by image. Always with the emulator, which reads a text "
    "inside each file.",
)
@embedding_options
def demo(path: str, media: bool, base_url: str | None, **options: Any) -> None:
    """Index the READMEs of the Python packages installed here and ask them three questions.

    With GOOGLE_API_KEY or GEMINI_API_KEY set, Gemini embeds them; without, an emulator of its API
    on this machine does. A second run finds everything stored and embeds only the questions.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.cli.documents.passages import (  # noqa: PLC0415
        read_distributions,
        split_documents,
    )
    from langchain_gemini_qdrant.ingestion.ingest import ingest  # noqa: PLC0415

    started = time.perf_counter()
    emulated = not base_url and (media or environments_key() is None)
    if emulated:
        base_url, options["api_key"] = _start_emulator(grpc=options["backend"] == "grpc")
        start = "An" if media else "No GOOGLE_API_KEY or GEMINI_API_KEY is set: an"
        console.print(
            f"[yellow]{start} emulator of the Gemini API on this machine makes the vectors. These "
            "placeholder vectors are close if texts share words; Gemini's are close if texts share "
            "their meaning.[/]"
        )
    embeddings = make_embeddings(base_url=base_url, **options)
    # Vectors of the emulator and of Gemini, or of two models, must never share a collection.
    name = f"{'emulated-' if emulated else ''}{model_id(embeddings.model)}"
    store = open_store(
        embeddings,
        collection=f"{'media' if media else 'readmes'}-{name}-{embeddings.vector_size}",
        path=path,
        url=None,
        quantization="binary",
        media_key=MEDIA_KEY if media else None,
    )
    if media:
        from langchain_gemini_qdrant.cli.media_demo import run_media_demo  # noqa: PLC0415

        run_media_demo(store, Path(path).absolute().with_name(FOLDER))
        return
    passages = split_documents(read_distributions())
    with progress_bar(len(passages)) as show:
        report = ingest(
            store, passages, on_progress=lambda done: show(done.done, ingest_line(done))
        )
    console.print(
        f"{counted(report.added + report.updated, 'passage')} embedded and stored, "
        f"{report.skipped:,} already stored or repeated"
    )
    chain = _question_chain(store)
    for question in QUESTIONS:
        console.print(chain.invoke(question))
    console.print(
        _figures(store, embeddings.vector_size, time.perf_counter() - started),
        style="bold",
        soft_wrap=True,
    )


def _start_emulator(*, grpc: bool) -> tuple[str, str]:
    """Start an emulator that runs until the command ends; return its address and key."""
    from langchain_gemini_qdrant.testing import GeminiEmulator  # noqa: PLC0415 - on first use

    try:
        emulator = until_the_end(GeminiEmulator(grpc=grpc))
    except ImportError as error:  # names the missing extra
        raise ConfigurationError(str(error)) from error
    return (emulator.grpc_url if grpc else emulator.base_url), emulator.api_key


def _question_chain(store: GeminiQdrantVectorStore) -> Runnable[str, RenderableType]:
    """Return a chain from a question to its hits; an application would add a prompt and a model."""
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough  # noqa: PLC0415

    def to_view(found: dict[str, Any]) -> RenderableType:
        hits: list[Document] = found["hits"]
        scored = [(hit, hit.metadata["score"]) for hit in hits]
        return hits_view(found["question"], scored)

    retriever = store.as_retriever(search_kwargs={"k": 3, "score_key": "score"})
    return {"question": RunnablePassthrough(), "hits": retriever} | RunnableLambda(to_view)


def _figures(store: GeminiQdrantVectorStore, vector_size: int | None, seconds: float) -> str:
    from langchain_gemini_qdrant.edge import EdgeClient  # noqa: PLC0415
    from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS  # noqa: PLC0415
    from langchain_gemini_qdrant.recall import measure_recall  # noqa: PLC0415

    if not isinstance(store.client, EdgeClient):
        raise TypeError(
            f"the demo stores in the embedded engine, got {type(store.client).__name__}"
        )
    name = store.collection_name
    count = store.client.count(name).count
    bytes_of = store.client.vector_storage_size(name)
    recall = measure_recall(
        store,
        limits=(10,),
        oversampling=(QUANTIZATION_PRESETS["binary"].oversampling,),
        latency_queries=0,
    )
    without, rescored = (row.recall for row in recall.rows)
    return (
        f"{counted(count, 'passage')}, vector size {vector_size:,}, "
        f"float vectors {bytes_of.original_bytes:,} bytes, "
        f"binary {bytes_of.quantized_bytes:,} bytes "
        f"(1/{bytes_of.original_bytes / bytes_of.quantized_bytes:.0f}), "
        f"recall@10 {rescored:.3f} ({without:.3f} without rescoring), "
        f"{seconds:.1f} s"
    )
