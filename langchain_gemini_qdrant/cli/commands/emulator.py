"""`gemini-qdrant emulator`: the Gemini embeddings API on this machine."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.cli.wording import in_options

if TYPE_CHECKING:
    from langchain_gemini_qdrant.testing import GeminiEmulator, RecordedRequest

_PORT = click.IntRange(0, 65535)
_SECONDS = click.FloatRange(min=0.0)
_COUNT = click.IntRange(min=0)


def _kind(value: str) -> int | str:
    """Read a status, or the name of an error or a wrong answer."""
    return int(value) if value.isdigit() else value


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, default=8080, show_default=True, help="Port; 0 for any.")
@click.option("--grpc", is_flag=True, help="Serve gRPC, too, for --backend grpc.")
@click.option("--grpc-port", type=_PORT, default=0, help="Port of gRPC.  [default: any]")
@click.option("--tls", is_flag=True, help="Serve TLS, with a certificate made for this run.")
@click.option(
    "--api-key",
    "api_keys",
    multiple=True,
    help="Key to accept; may be repeated.  [default: emulator-key]",
)
@click.option("--retired-models", is_flag=True, help="Serve models that Google has retired.")
@click.option("--latency", type=_SECONDS, default=0.0, help="Delay of each answer, in seconds.")
@click.option("--requests-per-minute", type=_COUNT, help="Quota of each model, in texts.")
@click.option("--tokens-per-minute", type=_COUNT, help="Quota of each model, in tokens.")
@click.option("--requests-per-day", type=_COUNT, help="Quota of each model, in texts.")
@click.option(
    "--quota-window",
    type=click.FloatRange(min=0.0, min_open=True),
    default=60.0,
    show_default=True,
    help="Length of a quota minute, in seconds.",
)
@click.option(
    "--batch-seconds", type=_SECONDS, default=0.0, help="Duration of a batch job, in seconds."
)
@click.option(
    "--file-seconds", type=_SECONDS, default=0.0, help="Time that a file is processed, in seconds."
)
@click.option(
    "--max-request-images", type=_COUNT, help="Images in a request.  [default: 6 in each content]"
)
@click.option(
    "--refuse-wrong-media",
    is_flag=True,
    help="Answer 400 to media of a wrong type; otherwise their embedding has no values.",
)
@click.option(
    "--fault-rate",
    type=click.FloatRange(0.0, 1.0),
    default=0.0,
    help="Share of requests that fail.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    help="Kind of failure: a status, or a word such as credits, reset, slow, short, hang; may be"
    " repeated."
    "  [default: 429 500 503 disconnect short]",
)
@click.option("--fault-seed", type=int, default=0, help="Seed that chooses which requests fail.")
@click.option(
    "--fault-delay",
    type=_SECONDS,
    default=1.0,
    show_default=True,
    help="Delay of slow, in seconds.",
)
@click.option("--stand-in-vectors", is_flag=True, help="Fast placeholder vectors, not meaningful.")
@click.option("--compact", is_flag=True, help="Send JSON without spaces or gzip: faster.")
@click.option("--no-record", is_flag=True, help="Keep no texts, bodies and headers of requests.")
@click.option("--quiet", is_flag=True, help="Print no line for each request.")
def emulator(
    *,
    api_keys: tuple[str, ...],
    fault_rate: float,
    faults: tuple[str, ...],
    fault_seed: int,
    fault_delay: float,
    no_record: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Serve an emulator of the Gemini embeddings API until Ctrl-C.

    Any Gemini client can use it. Its vectors are placeholders: close if the texts share words.
    Control it over HTTP: POST /emulator/fail_next, answer_next, misbehave, settings and clear;
    GET /emulator/requests returns what it received.
    """
    from langchain_gemini_qdrant.testing import GeminiEmulator  # noqa: PLC0415 - on first use

    server = GeminiEmulator(
        api_keys=api_keys or None,
        record=not no_record,
        on_request=None if quiet else _print_request,
        **options,
    )
    kinds: dict[str, Any] = {"kinds": [_kind(fault) for fault in faults]} if faults else {}
    try:
        server.misbehave(fault_rate, seed=fault_seed, delay=fault_delay, **kinds)
    except ValueError as error:
        command = click.get_current_context().command
        raise click.UsageError(in_options(str(error), command)) from error
    try:
        server.start()
    except ImportError as error:  # names the missing extra
        raise click.ClickException(in_options(str(error), None)) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {options['host']}, port {options['port']}: {error.strerror}. "
            "Choose with --host and --port; --port 0 uses any free port"
        ) from error
    except RuntimeError as error:  # of gRPC
        raise click.ClickException(
            f"gRPC cannot listen on {options['host']}, port {options['grpc_port']}. Choose with "
            "--host and --grpc-port; without it gRPC uses any free port"
        ) from error
    with server:
        _print_address(server, grpc=options["grpc"], tls=options["tls"])
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


def _print_address(server: GeminiEmulator, *, grpc: bool, tls: bool) -> None:
    """Print lines that a shell can evaluate."""
    click.echo(f"export GOOGLE_GEMINI_BASE_URL={server.base_url}")
    click.echo(f"export GOOGLE_API_KEY={server.api_key}")
    if tls:
        click.echo(f"export SSL_CERT_FILE={server.certificate}")
        click.echo(f"export GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={server.certificate}")
    if grpc:
        click.echo(f"gRPC listens at {server.grpc_target}.", err=True)
        click.echo(f"Commands use it with --backend grpc --base-url {server.grpc_url}", err=True)
    click.echo("Listening; Ctrl-C stops it.", err=True)


def _print_request(request: RecordedRequest) -> None:
    model = (request.model or "").removeprefix("models/")
    what = " ".join(filter(None, [request.method or request.path, model]))
    reason = request.answer_message.partition("\n")[0]
    click.echo(
        f"{request.status or '---'} {what}{_contents(request)}{reason and ': '}{reason}", err=True
    )


def _contents(request: RecordedRequest) -> str:
    """Say how many texts and media were sent, or which file."""
    if request.resource or request.method == "files.upload":
        sent = f", {request.size_bytes:,} bytes" if request.size_bytes else ""
        return f" {request.resource or ''}".rstrip() + sent
    texts = sum(bool(text.text) for text in request.texts)
    kinds = Counter(medium.mime_type for text in request.texts for medium in text.media)
    said = [counted(texts, "text")] if texts else []
    said += [f"{count} {kind}" for kind, count in kinds.items()]
    return "".join(f", {each}" for each in said)
