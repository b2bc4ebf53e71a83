"""The command group, and how errors are shown at the terminal."""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.advice import advice
from langchain_gemini_qdrant.cli.commands.delete import delete
from langchain_gemini_qdrant.cli.commands.demo import demo
from langchain_gemini_qdrant.cli.commands.emulator import emulator
from langchain_gemini_qdrant.cli.commands.info import info
from langchain_gemini_qdrant.cli.commands.ingest import ingest
from langchain_gemini_qdrant.cli.commands.list import list_collections
from langchain_gemini_qdrant.cli.commands.mcp import mcp
from langchain_gemini_qdrant.cli.commands.migrate import migrate, reembed
from langchain_gemini_qdrant.cli.commands.recall import recall
from langchain_gemini_qdrant.cli.commands.repair import repair
from langchain_gemini_qdrant.cli.commands.search import search
from langchain_gemini_qdrant.cli.commands.show import show
from langchain_gemini_qdrant.cli.commands.tune import tune
from langchain_gemini_qdrant.cli.connecting import base_url, servers
from langchain_gemini_qdrant.cli.excerpts import printable
from langchain_gemini_qdrant.cli.local_mode import describe_local_mode
from langchain_gemini_qdrant.cli.progress import say, shown_log
from langchain_gemini_qdrant.cli.reasons import first_sentence
from langchain_gemini_qdrant.cli.wording import in_options
from langchain_gemini_qdrant.errors import (
    GeminiQdrantError,
    IngestError,
    LocalModeError,
    RateLimitError,
    ServiceError,
)

if TYPE_CHECKING:
    from typing import TextIO

EXIT_FAILED = 1

_RAISING = frozenset({"strict", "surrogateescape"})
_RESUMED = frozenset({"demo", "ingest", "migrate", "reembed"})


class _Group(click.Group):
    """Shows expected failures as one line; a traceback would mean a bug."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's signature
        _replace_unencodable()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with warnings.catch_warnings(), shown_log():
                warnings.filterwarnings("always", module="langchain_gemini_qdrant")
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except BrokenPipeError:  # nobody reads the rest: click ends the command in silence
            raise
        except KeyboardInterrupt:
            message = "Interrupted."
            if ctx.invoked_subcommand in _RESUMED:
                message += " Stored data is kept; run the same command to resume."
        except _expected_errors() as error:
            told = in_options(_told(error), self.commands.get(ctx.invoked_subcommand or ""))
            next_step = advice(error, ctx.invoked_subcommand)
            message = f"Error: {told}{_address(error, ctx)}{next_step}"
        say(printable(message))
        return ctx.exit(EXIT_FAILED)


def _replace_unencodable() -> None:
    """Print a question mark for each character that the encoding of the output does not have.

    On Windows, the encoding of a redirected output is not UTF-8. A different replacement, as with
    `PYTHONIOENCODING=cp1252:backslashreplace`, is kept. Standard error never fails: it has
    backslashes in place of such characters.
    """
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors in _RAISING:
        sys.stdout.reconfigure(errors="replace")


def _address(error: Exception, context: click.Context) -> str:
    """Return the address that did not answer."""
    cause = error.__cause__ if isinstance(error, IngestError) else error
    if isinstance(cause, ServiceError):
        asked = base_url(context) if cause.status_code is None else None
    else:
        asked = None if isinstance(error, GeminiQdrantError | OSError) else servers(context)
    return f" ({asked})" if asked else ""


def _show_warning(  # noqa: PLR0917
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001 - the signature of warnings.showwarning
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    context = click.get_current_context(silent=True)
    say(printable(f"Warning: {in_options(str(message), context.command if context else None)}"))


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return our errors, the system's, and qdrant-client's if a command has loaded it."""
    if "qdrant_client" not in sys.modules:
        return GeminiQdrantError, OSError
    from langchain_gemini_qdrant.vectorstores._qdrant_errors import (  # noqa: PLC0415
        EXPECTED_ERRORS,
    )

    return EXPECTED_ERRORS


def _told(error: Exception) -> str:
    """Return the text of an expected error; qdrant-client's have the raw answer."""
    if isinstance(error, LocalModeError):
        return describe_local_mode(error)
    if isinstance(error, RateLimitError):  # it has a dozen lines
        return first_sentence(str(error))
    if isinstance(error, IngestError) and isinstance(error.__cause__, RateLimitError):
        told = str(error).removesuffix(". Run it again to resume")  # the advice says when
        if stopped := (error.report.stopped or "").removesuffix("."):
            told = told.replace(stopped, first_sentence(stopped).removesuffix("."))
        return told
    if isinstance(error, GeminiQdrantError | OSError):
        return str(error)
    from langchain_gemini_qdrant.vectorstores._qdrant_errors import reason  # noqa: PLC0415

    return reason(error)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="langchain-gemini-qdrant")
def cli() -> None:
    """Gemini embeddings and Qdrant, from the command line.

    The API key is read from GOOGLE_API_KEY or GEMINI_API_KEY. Exit status: 0 done, 1 failed,
    2 wrong usage.
    """


for _command in (
    *(demo, ingest, search, list_collections, info, show, delete),
    *(recall, tune, migrate, reembed, repair, mcp, emulator),
):
    cli.add_command(_command)
