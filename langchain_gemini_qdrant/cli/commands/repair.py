"""`gemini-qdrant repair`: repair an index whose log cannot be read."""

from __future__ import annotations

import click


@click.command()
@click.argument("damaged", type=click.Path(exists=True, file_okay=False))
@click.argument("path", type=click.Path())
def repair(damaged: str, path: str) -> None:
    """Create in PATH a repaired copy of an index that cannot be opened.

    An update in the log of DAMAGED that nests too deep, or has a bound that is not finite, prevents
    the embedded engine from opening a collection. PATH gets everything else, and DAMAGED is not
    changed.
    """
    # Imported here: `--help` must not wait for the engines.
    from langchain_gemini_qdrant.edge import EdgeClient  # noqa: PLC0415

    repairs = EdgeClient.repair(damaged, path)
    for each in repairs:
        click.echo(each)
    click.echo(
        f"{path} has everything{' else' if repairs else ''} that {damaged} has, and can be opened."
    )
