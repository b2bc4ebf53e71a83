"""`gemini-qdrant migrate` and `reembed`: a collection in another engine, or with new vectors."""

from __future__ import annotations

import shlex
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.connecting import (
    DEFAULT_PATH,
    connected,
    kept_layout,
    require_collection,
)
from langchain_gemini_qdrant.cli.local_mode import open_local_mode
from langchain_gemini_qdrant.cli.opening import embeddings_even_without_key
from langchain_gemini_qdrant.cli.options import (
    MEDIA_KEY,
    TITLE_KEY,
    changed_embedding_options,
    layout_options,
    quota_options,
    store_options,
)
from langchain_gemini_qdrant.cli.progress import console, cost, counted, ingest_line, progress_bar
from langchain_gemini_qdrant.cli.tables import reasons_table
from langchain_gemini_qdrant.cli.wording import in_options
from langchain_gemini_qdrant.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qdrant_client import models

    from langchain_gemini_qdrant.migration.migrate import MigrationReport
    from langchain_gemini_qdrant.vectorstores._connection import Connection


@click.command()
@store_options
@click.option("--to-path", type=click.Path(), help="Folder of the embedded engine to copy to.")
@click.option("--to-url", help="Address of a Qdrant server to copy to, instead of --to-path.")
@click.option(
    "--to-qdrant-api-key", envvar="TO_QDRANT_API_KEY", help="Key of the server to copy to."
)
@click.option("--to-collection", help="Name of the copy.  [default: the same]")
def migrate(  # noqa: PLR0917 - one argument for each option
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    to_path: str | None,
    to_url: str | None,
    to_qdrant_api_key: str | None,
    to_collection: str | None,
) -> None:
    """Copy a collection to another engine, with vectors and settings, without calling Gemini.

    --path can also be a folder of qdrant-client's local mode, which langchain-qdrant fills. The
    points of all its collections are unpickled, which can run code: name only a folder that you
    trust. The same command resumes an interrupted copy: points already there are compared and not
    sent again. At the end the copy is verified. Without --path and --url the source is
    ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.edge._storage._local_mode import local_collections  # noqa: PLC0415
    from langchain_gemini_qdrant.migration.migrate import migrate as migrate_collection  # noqa: PLC0415

    if (to_path is None) == (to_url is None):
        raise click.UsageError("one of --to-path and --to-url is needed")
    if to_path is not None and local_collections(Path(to_path).expanduser()) is not None:
        raise click.UsageError(
            f"--to-path {to_path} is a folder of qdrant-client's local mode: name a new folder"
        )
    with _source(path, url, qdrant_api_key, collection) as source, ExitStack() as stack:
        require_collection(source, collection)  # before the target's folder is made
        target = stack.enter_context(connected(to_path, to_url, to_qdrant_api_key, create=True))
        with _bar(_migration_line) as show:
            report = migrate_collection(
                source.client,
                target.client,
                collection,
                target_collection_name=to_collection,
                on_progress=lambda done: show(done.total, done.done, done),
            )
            copy = target.client.get_collection(to_collection or collection)
    console.print(
        f"{counted(report.added, 'point')} copied, {report.updated:,} replaced, "
        f"{report.skipped:,} already there; verified by count and sample"
        if report.total
        else "The source has no points; its settings are copied"
    )
    where = f"--path {shlex.quote(to_path)}" if to_path else f"--url {to_url}"
    _print_next_step(copy, f"{where} --collection {shlex.quote(to_collection or collection)}")


@click.command()
@store_options
@layout_options
@changed_embedding_options
@quota_options
@click.option("--to-collection", help="Name of the new collection.  [default: old name and model]")
@click.option("--vector-name", default="", help="Vector to re-embed.  [default: the unnamed one]")
@click.option(
    "--media-key",
    default=MEDIA_KEY,
    show_default=True,
    help="Metadata key of the references to media.",
)
@click.option(
    "--media-root",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of references that are relative.  [default: the current folder]",
)
@click.option(
    "--reuse-vectors/--no-reuse-vectors",
    default=None,
    help="Shorten the stored vectors and send nothing; or embed again also where they could be "
    "shortened.  [default: shorten vectors of the same model and task]",
)
@click.option("--alias", help="Create or repoint this alias to the new collection.")
@click.option("--delete-old", is_flag=True, help="Delete the old collection after the switch.")
def reembed(  # noqa: PLR0917 - one argument for each option
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    to_collection: str | None,
    vector_name: str,
    media_key: str,
    media_root: str | None,
    reuse_vectors: bool | None,
    alias: str | None,
    delete_old: bool,
    **options: Any,
) -> None:
    """Build a new collection with another model or size from the stored texts and media.

    The model stays unless --model is given. The size stays unless --output-dimensionality or a
    different model is given. The first line of the output says what changes, and the price.

    A smaller size of the same model costs nothing and needs no key: the stored vectors are
    shortened, which gives the vectors that Gemini would send. Otherwise texts are embedded again,
    and files of media are read again from their paths.

    If --collection is an alias, it is switched to the new collection in one step when that is
    complete. The old collection stays, unless --delete-old is given. The same command resumes an
    interrupted run. Without --path and --url the folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.cli.grpc_hint import print_grpc_hint  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.reembedding import Reembedding  # noqa: PLC0415
    from langchain_gemini_qdrant.migration.reembed import reembed as reembed_store  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore  # noqa: PLC0415

    with connected(path, url, qdrant_api_key) as connection, _bar(ingest_line) as show:
        info = require_collection(connection, collection)
        change = Reembedding.of(collection, info, vector_name, options)
        options |= {"model": change.model, "output_dimensionality": change.size}
        embeddings, no_key = embeddings_even_without_key(options)
        store = GeminiQdrantVectorStore(
            connection.client,
            collection,
            embeddings,  # not the options of the old vectors, which are not read
            vector_name=vector_name,
            title_key=TITLE_KEY,
            media_key=media_key,
            media_root=media_root,
            validate_collection_config=False,
            **kept_layout(),
        )
        why_embed = change.why_embed(info, store, reuse_vectors)
        if why_embed is not None:
            why_embed = in_options(why_embed, click.get_current_context().command)
        if why_embed is None or not reuse_vectors:  # else reembed refuses, and there is no price
            described = change.describe(store, embeddings, why_embed)
            console.print(described, markup=False, soft_wrap=True)
            if no_key is not None and why_embed is not None:
                raise no_key
        try:
            report = reembed_store(
                store,
                embeddings,
                collection_name=to_collection,
                alias=alias,
                delete_old=delete_old,
                reuse_vectors=reuse_vectors,
                on_progress=lambda done: show(done.total or 0, done.done, done),
            )
        except IngestError as error:
            if error.report.failed:
                console.print(reasons_table("Not embedded", error.report.failed))
            raise
    done = report.ingest
    reused = report.vectors_reused
    stored = f"{counted(done.added, 'document')} embedded, {done.updated:,} updated"
    if reused:
        embedded = done.added + done.updated - reused
        stored = f"{counted(reused, 'vector')} reused, {counted(embedded, 'document')} embedded"
    console.print(f"{stored}, {done.skipped:,} already there, {', '.join(cost(done))}")
    leading = "".join(f", {each!r} points to it" for each in report.aliases)
    kept = "deleted" if report.old_deleted else "kept"
    console.print(
        f"New collection {report.collection_name!r}{leading}; {report.old_collection_name!r} is "
        f"{kept}",
        soft_wrap=True,
    )
    print_grpc_hint(done, embeddings)


@contextmanager
def _source(
    path: str | None, url: str | None, api_key: str | None, collection: str
) -> Iterator[Connection]:
    """Connect to a server, an index or a folder of qdrant-client's local mode."""
    from langchain_gemini_qdrant.edge._storage._local_mode import local_collections  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores._connection import Connection  # noqa: PLC0415

    folder = Path(path or DEFAULT_PATH).expanduser()
    if not url and local_collections(folder) is not None:
        with open_local_mode(folder, collection) as client:
            yield Connection(client)
    else:
        with connected(path, url, api_key) as connection:
            yield connection


def _print_next_step(copy: models.CollectionInfo, where: str) -> None:
    """Print the command that searches a copy, with options that the copy does not record."""
    from langchain_gemini_qdrant._qdrant_values import named_vectors  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores._metadata import stored_embeddings  # noqa: PLC0415

    command, note = f'Next: gemini-qdrant search "..." {where}', ""
    vectors = named_vectors(copy.config.params.vectors)
    if "" not in vectors and len(vectors) != 1:  # no search without a choice among them
        command = f"Next: gemini-qdrant info {where}"
    elif not stored_embeddings(copy):
        command += " --model MODEL"
        note = (
            "MODEL is the model that made the vectors, such as gemini-embedding-001: the "
            "collection does not record it."
        )
    console.print(command, soft_wrap=True, markup=False)  # on one line, to be copied
    if note:
        console.print(note)


@contextmanager
def _bar(line: Callable[[Any], str]) -> Iterator[Callable[[int, int, object], None]]:
    """Show a bar when its total is known; yield a function that moves it."""
    with ExitStack() as stack:
        bars: list[Callable[[int, str], None]] = []

        def show(total: int, completed: int, done: object) -> None:
            if not bars:
                bars.append(stack.enter_context(progress_bar(total)))
            bars[0](completed, line(done))

        yield show


def _migration_line(done: MigrationReport) -> str:
    parts = [
        f"{done.added:,} copied",
        f"{done.updated:,} replaced" if done.updated else "",
        f"{done.skipped:,} already there" if done.skipped else "",
    ]
    return " · ".join(filter(None, parts))
