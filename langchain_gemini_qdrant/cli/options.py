"""Options that several commands share."""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from langchain_gemini_qdrant.cli.connecting import keep_option
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

_GIVEN = click.core.ParameterSource.COMMANDLINE
_OF_SERVERS = frozenset({"qdrant_api_key", "prefer_grpc", "grpc_port", "verify", "cert"})

F = TypeVar("F", bound="Callable[..., object]")

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

SOURCE_KEY = "source"
"""Metadata key of the source, in all passages that this command stores."""

TITLE_KEY = "title"
"""Metadata key of the title, in all passages that this command stores."""

MEDIA_KEY = "media"
"""Metadata key of the path of an image, sound, video or page, in all that this command stores."""

_FILTER_EXAMPLE = """Example: '{"page": {"$gte": 3}}'"""

_SDK_OPTIONS = (
    click.option(
        "--backend",
        type=click.Choice(["google-genai", "grpc", "google-generativeai"]),
        default="google-genai",
        show_default=True,
        help="Way to Gemini: REST, gRPC (extra 'grpc'; less CPU time), or REST as the older SDK.",
    ),
    click.option(
        "--base-url",
        help="Address to use instead of Google's, such as an emulator's; for gRPC without a path.  "
        "[default: GOOGLE_GEMINI_BASE_URL]",
    ),
)
_EMBEDDING_OPTIONS = (
    click.option("--model", default=DEFAULT_MODEL, show_default=True, help="Gemini model."),
    click.option(
        "--output-dimensionality",
        type=int,
        help="Length of the vectors.  [default: the model's own]",
    ),
    *_SDK_OPTIONS,
)
_STORED_EMBEDDING_OPTIONS = (
    click.option(
        "--model",
        help=f"Gemini model.  [default: the collection's; {DEFAULT_MODEL} for a new one]",
    ),
    click.option(
        "--output-dimensionality",
        type=int,
        help="Length of the vectors.  [default: the collection's; the model's own for a new one]",
    ),
    *_SDK_OPTIONS,
)
_CHANGED_EMBEDDING_OPTIONS = (
    click.option("--model", help="Gemini model.  [default: the collection's]"),
    click.option(
        "--output-dimensionality",
        type=int,
        help="Length of the vectors.  [default: the collection's; the model's own for a different "
        "model]",
    ),
    *_SDK_OPTIONS,
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


def _kept_option(*names: str, **settings: Any) -> Callable[[F], F]:
    """Return an option that is read when a collection is opened, not by commands."""
    return click.option(*names, **settings, expose_value=False, callback=keep_option)


_COLLECTION_OPTION = click.option(
    "--collection", default="documents", show_default=True, help="Name of the collection."
)
_ENGINE_OPTIONS = (
    click.option("--path", type=click.Path(), help="Folder of the embedded engine."),
    click.option("--url", help="Address of a Qdrant server, instead of --path."),
    click.option("--qdrant-api-key", envvar="QDRANT_API_KEY", help="The server's key."),
    _kept_option("--prefer-grpc", is_flag=True, help="Talk gRPC to the server."),
    _kept_option(
        "--grpc-port", type=click.IntRange(1, 65535), help="Its gRPC port.  [default: 6334]"
    ),
    _kept_option(
        "--ca-file",
        "verify",
        type=click.Path(exists=True, dir_okay=False),
        help="Certificates to trust, in PEM.  [default: the system's]",
    ),
    _kept_option(
        "--client-cert",
        "cert",
        type=click.Path(exists=True, dir_okay=False),
        help="Certificate and key to show the server, in one PEM file.",
    ),
)
_LAYOUT_OPTIONS = (
    _kept_option(
        "--text-key",
        "content_payload_key",
        metavar="NAME",
        help="Payload key of the text in collections of other programs.  [default: page_content]",
    ),
    _kept_option(
        "--metadata-key",
        "metadata_payload_key",
        metavar="NAME",
        help="Payload key of the metadata; '' if it is next to the text.  [default: metadata]",
    ),
)


def _parsed_filter(_: object, __: object, text: str | None) -> dict[str, Any] | None:
    try:
        conditions = None if text is None else json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}. {_FILTER_EXAMPLE}") from error
    if not isinstance(conditions, dict | None):
        raise click.BadParameter(f"expected a JSON object. {_FILTER_EXAMPLE}")
    return conditions


filter_option = click.option(
    "--filter",
    "conditions",
    metavar="JSON",
    callback=_parsed_filter,
    help=f"Conditions on metadata. {_FILTER_EXAMPLE}",
)
_CHOOSING_OPTIONS = (
    click.option("--source", "sources", multiple=True, help="Source; may be repeated."),
    click.option("--id", "ids", multiple=True, help="Id of a passage; may be repeated."),
    filter_option,
)


def embedding_options(command: F) -> F:
    """Add the options that describe the embeddings of new vectors."""
    return _with(command, _EMBEDDING_OPTIONS)


def stored_embedding_options(command: F) -> F:
    """Add the options that describe the embeddings of a collection; it knows their defaults."""
    return _with(command, _STORED_EMBEDDING_OPTIONS)


def changed_embedding_options(command: F) -> F:
    """Add the options that describe new embeddings of a collection; it knows their defaults."""
    return _with(command, _CHANGED_EMBEDDING_OPTIONS)


def quota_options(command: F) -> F:
    """Add the options of the quotas per minute."""
    return _with(command, _QUOTA_OPTIONS)


def engine_options(command: F) -> F:
    """Add the options that name an engine."""
    return _with(_checking_server_options(command), _ENGINE_OPTIONS)


def store_options(command: F) -> F:
    """Add the options that name a collection and its engine."""
    return _with(_checking_server_options(command), (_COLLECTION_OPTION, *_ENGINE_OPTIONS))


def layout_options(command: F) -> F:
    """Add the options for collections that other programs have filled."""
    return _with(command, _LAYOUT_OPTIONS)


def choosing_options(command: F) -> F:
    """Add the options that choose passages."""
    return _with(command, _CHOOSING_OPTIONS)


def _checking_server_options(command: F) -> F:
    """Refuse options of a server in a command that names none."""

    @wraps(command)
    def checked(*args: object, **kwargs: object) -> object:
        context = click.get_current_context()
        if not (context.params.get("url") or context.params.get("to_url")):
            for each in context.command.params:
                is_given = context.get_parameter_source(each.name or "") is _GIVEN
                if each.name in _OF_SERVERS and is_given:
                    raise click.UsageError(f"{max(each.opts, key=len)} goes with --url")
        return command(*args, **kwargs)

    return cast("F", checked)


def _with(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
