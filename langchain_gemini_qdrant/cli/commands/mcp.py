"""`gemini-qdrant mcp`: serve collections to models over the Model Context Protocol."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import click

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant.cli.options import (
    engine_options,
    layout_options,
    stored_embedding_options,
)


def _descriptions(_: object, __: object, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise click.BadParameter(f"expected NAME=TEXT, got {wrong[0]!r}")
    return {name: text for name, _, text in pairs}


@click.command()
@click.option(
    "--collection",
    "names",
    multiple=True,
    default=("documents",),
    show_default=True,
    help="Name of a collection; may be repeated.",
)
@click.option(
    "--describe",
    "descriptions",
    multiple=True,
    metavar="NAME=TEXT",
    callback=_descriptions,
    help="What is in a collection, for the model that chooses one; may be repeated.",
)
@click.option("--read-only", is_flag=True, help="Offer no tool that stores; create nothing.")
@click.option(
    "--transport",
    type=click.Choice(["stdio", "streamable-http"]),
    default="stdio",
    show_default=True,
    help="Over standard input and output, for a client that starts this command; or over HTTP.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on, for HTTP."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    help="Name by which clients reach --host; may be repeated.  [default: that of --host, and this "
    "machine's loopback names]",
)
@engine_options
@stored_embedding_options
@layout_options
def mcp(
    *,
    names: tuple[str, ...],
    descriptions: dict[str, str],
    read_only: bool,
    transport: str,
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    **options: Any,
) -> None:
    """Serve collections to models over the Model Context Protocol (MCP).

    A model can search, read and list what is stored, and store texts unless --read-only is given.
    It cannot change or delete anything. A missing collection is created, and removed if it stays
    empty in a folder. HTTP has no authentication: whoever reaches the port can use all tools.
    Needs the extra 'mcp'. Without --path and --url the folder is ./gemini-qdrant-index.
    """
    if unknown := sorted(descriptions.keys() - set(names)):
        raise click.UsageError(f"--describe {unknown[0]!r} is not a --collection")
    try:
        from langchain_gemini_qdrant.cli.serving import open_served  # noqa: PLC0415 - an extra
        from langchain_gemini_qdrant.cli.transports import (  # noqa: PLC0415
            serve_http,
            serve_stdio,
        )
        from langchain_gemini_qdrant.mcp import create_mcp_server  # noqa: PLC0415
    except ImportError as error:  # names the extra
        if "langchain-gemini-qdrant[mcp]" not in str(error):
            raise
        raise click.ClickException(str(error)) from error
    _log_warnings()
    served = open_served(
        names,
        options,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        create=not read_only,
        worker=transport != "stdio",  # one client waits for the start, many for the event loop
        descriptions=descriptions,
    )
    server = create_mcp_server(served, read_only=read_only)
    if transport == "stdio":
        serve_stdio(server)
    else:
        serve_http(server, host, port, allowed_hosts)


def _log_warnings() -> None:
    """Log warnings of other packages on standard error, and errors with their tracebacks.

    Requests that the end of the server cancels are no errors.
    """
    handler = logging.StreamHandler()
    # The command line itself shows the log of this package.
    handler.addFilter(lambda record: not record.name.startswith(LOGGER.name))
    handler.addFilter(lambda record: not _is_cancelled(record.exc_info))
    handler.setLevel(logging.WARNING)
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s: %(message)s", handlers=[handler]
    )


def _is_cancelled(exc_info: object) -> bool:
    return isinstance(exc_info, tuple) and isinstance(exc_info[1], asyncio.CancelledError)
