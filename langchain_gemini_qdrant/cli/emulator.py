"""`gemini-qdrant emulator`: the Gemini embeddings API on this machine."""

from __future__ import annotations

import threading

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 for any."
)
def emulator(host: str, port: int) -> None:
    """Serve an emulator of the Gemini embeddings API until Ctrl-C.

    Its vectors are lexical stand-ins: close where words are shared.
    """
    from langchain_gemini_qdrant.testing import GeminiEmulator  # noqa: PLC0415

    with GeminiEmulator(host=host, port=port) as running:
        click.echo(f"export GOOGLE_GEMINI_BASE_URL={running.base_url}")
        click.echo(f"export GOOGLE_API_KEY={running.api_key}")
        click.echo("Listening; Ctrl-C stops it.", err=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
