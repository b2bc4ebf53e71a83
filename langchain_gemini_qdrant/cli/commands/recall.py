"""`gemini-qdrant recall`: recall and latency against exact search."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.opening import open_store
from langchain_gemini_qdrant.cli.options import store_options, stored_embedding_options
from langchain_gemini_qdrant.cli.progress import console, progress_bar
from langchain_gemini_qdrant.cli.wording import in_options
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_gemini_qdrant.recall import RecallProgress
    from langchain_gemini_qdrant.recall._comparison_report import QuantizationComparison
    from langchain_gemini_qdrant.recall.report import RecallReport
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


def _checked_picture(_: object, __: object, file: str | None) -> Path | None:
    """Check the file of --plot before anything is measured for it."""
    if file is None:
        return None
    # Imported here: `--help` must not wait for the engines.
    from langchain_gemini_qdrant.recall._plot import checked_picture  # noqa: PLC0415

    try:
        return checked_picture(file)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from error


_RESCORE = {"both": (False, True), "on": (True,), "off": (False,)}
_OPTIONS = (
    click.option(
        "--oversampling",
        type=click.FloatRange(min=1),
        multiple=True,
        help="Candidates, as a multiple of the limit; may be repeated.",
    ),
    click.option(
        "--rescore",
        type=click.Choice(list(_RESCORE)),
        default="both",
        show_default=True,
        help="Rank the candidates again by their full vectors.",
    ),
    click.option(
        "--hnsw-ef",
        type=click.IntRange(min=1),
        multiple=True,
        help="Qdrant's hnsw_ef of a search; may be repeated.  [default: the collection's]",
    ),
    click.option(
        "--queries",
        "queries_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Texts to search with, one per line, embedded as queries.  [default: a sample of the "
        "stored vectors, which needs no API key]",
    ),
    click.option(
        "--sample-size",
        type=click.IntRange(min=1),
        default=200,
        show_default=True,
        help="Stored vectors to search with.",
    ),
    click.option("--seed", type=int, help="The same seed draws the same sample."),
    click.option(
        "--plot",
        "picture",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        callback=_checked_picture,
        help="Plot recall against latency into a .png, .svg or .pdf file.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON for programs."),
)


def measuring_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a measurement."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def measured_settings(
    *,
    oversampling: tuple[float, ...],
    rescore: str,
    hnsw_ef: tuple[int, ...],
    queries_file: Path | None,
    sample_size: int,
    seed: int | None,
) -> dict[str, Any]:
    """Return the options as arguments of `measure_recall`."""
    settings: dict[str, Any] = {
        "queries": None if queries_file is None else read_queries(queries_file),
        "rescore": _RESCORE[rescore],
        "hnsw_ef": hnsw_ef or (None,),
        "sample_size": sample_size,
        "seed": seed,
    }
    if oversampling:
        settings["oversampling"] = oversampling
    return settings


def read_queries(file: Path) -> list[str]:
    """Return the lines of a file that are not blank.

    Raises:
        InvalidInputError: There are none, or the file is not UTF-8.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{file} is not UTF-8 (byte {error.start + 1}): save it as UTF-8"
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    queries = [line for line in lines if line]
    if not queries:
        raise InvalidInputError(f"{file} has no text: one query per line is expected")
    return queries


_FOR_QUERIES = ("model", "output_dimensionality", "backend", "base_url")


def check_embedding_options(context: click.Context) -> None:
    """Refuse options of an embedding if there are no texts to embed.

    Raises:
        click.UsageError: One is given, and --queries is not.
    """
    if context.params["queries_file"] is not None:
        return
    given = [
        name
        for name in _FOR_QUERIES
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(
            f"without --queries nothing is embedded: add --queries, or leave out {options}"
        )


def opened(
    *,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    embeds: bool,
    **embedding: Any,
) -> GeminiQdrantVectorStore:
    """Open an existing collection, without embeddings and key if they are not needed.

    Raises:
        ConfigurationError: There is no such collection.
    """
    return open_store(
        embedding if embeds else None,
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        create=False,
    )


@contextmanager
def searches_bar(*, shown: bool) -> Iterator[Callable[[str, RecallProgress], None]]:
    """Show how many searches are done; yield a function that moves the bar."""
    bar = progress_bar(100) if shown else nullcontext(lambda _completed, _line: None)
    with bar as show:

        def move(name: str, progress: RecallProgress) -> None:
            of = f"{name}: " if name else ""
            line = f"{of}{progress.done:,} of {progress.total:,} searches"
            show(100 * progress.done // progress.total, line)

        yield move


@click.command()
@store_options
@stored_embedding_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    multiple=True,
    help="Number of hits, k; may be repeated.  [default: 10, 20, 50, 100; with --compare 10, 100]",
)
@measuring_options
@click.option(
    "--compare",
    is_flag=True,
    help="Compare all quantizations on a sample of the collection's vectors, in a temporary index.",
)
@click.pass_context
def recall(  # noqa: PLR0917 - one argument for each option
    context: click.Context,
    /,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    limit: tuple[int, ...],
    picture: Path | None,
    as_json: bool,
    compare: bool,
    oversampling: tuple[float, ...],
    rescore: str,
    hnsw_ef: tuple[int, ...],
    queries_file: Path | None,
    sample_size: int,
    seed: int | None,
    **embedding: Any,
) -> None:
    """Measure recall and latency against exact search.

    Each search setting is compared with an exact search; `gemini-qdrant tune` finds a setting that
    reaches your target. Without --path and --url the folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.recall import measure_recall  # noqa: PLC0415
    from langchain_gemini_qdrant.recall.compare import compare_quantizations  # noqa: PLC0415

    check_embedding_options(context)
    if compare and (hnsw_ef or rescore != "both"):
        raise click.UsageError(
            "--compare measures without a graph and always rescores: leave out --hnsw-ef and "
            "--rescore"
        )
    settings = measured_settings(
        oversampling=oversampling,
        rescore=rescore,
        hnsw_ef=hnsw_ef,
        queries_file=queries_file,
        sample_size=sample_size,
        seed=seed,
    )
    if limit:
        settings["limits"] = limit
    report: RecallReport | QuantizationComparison
    store = opened(
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        embeds=queries_file is not None,
        **embedding,
    )
    with searches_bar(shown=not as_json) as move:
        if compare:
            settings["query_count"] = settings.pop("sample_size")
            del settings["rescore"], settings["hnsw_ef"]
            report = compare_quantizations(store, on_progress=move, **settings)
        else:
            report = measure_recall(
                store, on_progress=lambda progress: move("", progress), **settings
            )
    if as_json:
        click.echo(report.to_json(indent=2))
    else:
        print_report(report, context.command)
    draw(report, picture, quiet=as_json)


def print_report(report: RecallReport | QuantizationComparison, command: click.Command) -> None:
    """Print the tables of a report, below notes in the command line's words."""
    notes, *tables = report.__rich__().renderables
    console.print(in_options(str(notes), command), markup=False)
    for table in tables:
        console.print(table)


def draw(
    report: RecallReport | QuantizationComparison, picture: Path | None, *, quiet: bool
) -> None:
    """Write the plot of a report if --plot is given, and print its path."""
    if picture is None:
        return
    report.plot(picture)
    if not quiet:
        console.print(f"drawn in {picture}", markup=False, soft_wrap=True)
