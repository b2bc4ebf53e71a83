"""Messages of the package in the command line's words: options in place of Python's arguments.

The package speaks to programmers: `pass url=`. The command line's own options have the same names,
so a rule rewrites messages: an argument that is an option of the running command is written as that
option, with its value. Arguments with a different name, or none, are listed here.
"""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RECREATE = "use a different collection_name, or recreate it with force_recreate=True"
_INSIDE = r"(?:[^()]|\([^()]*\))*"  # content of parentheses, with one more level of them

# Phrases for Python only.
_PHRASES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"(pass \w+), or {_RECREATE}"), r"\1"),  # an option of a vector
    (re.compile(rf", {_RECREATE}"), ", or use a different collection_name"),
    (re.compile(_RECREATE), "use a different collection_name"),
    (
        re.compile(r"pass them as headers=\{[^}]*\}, or Qdrant's own key as api_key="),
        "Qdrant's own key is --qdrant-api-key",
    ),
    (
        re.compile(
            r": its task is given by .*\. langchain_gemini_qdrant\.embeddings\.models lists.*"
        ),
        ": check --model, unless the model is newer than this version",
    ),
    (re.compile(r"; `report\.failed` has all"), ""),
    (re.compile(r"GeminiEmulator\(grpc=True\)"), "gRPC of the emulator"),
    (re.compile(r"GeminiEmulator\(tls=True\)"), "TLS of the emulator"),
    (re.compile(r"^verify and cert must"), "--ca-file and --client-cert must"),
    (re.compile(r"pass api_key or set "), "set "),
    (re.compile(r"Check api_key, "), "Check "),
    (re.compile(r"network, base_url and timeout"), "network and --base-url"),
    (re.compile(r"`EdgeClient\.repair\([^`]*`\s+or the command "), ""),
    (
        re.compile(rf"measure_recall\(store, ({_INSIDE})\)"),
        lambda call: re.sub(r", (?=\w+=)", " ", call[1]),
    ),
    (re.compile(r", use a different filter, or pass queries"), ", or name texts with --queries"),
    (re.compile(r",(?: or)? use a different filter(?:, or pass vectors)?"), ""),
    (re.compile(r"more of `queries`"), "more lines in the file of --queries"),
    (re.compile(r"compare_quantizations\(store\)"), "gemini-qdrant recall --compare"),
    (re.compile(r"search with models\.SearchParams\(exact=True\)"), "search exactly, from Python"),
    (
        re.compile(rf"`?\b(?:store|client)\.(\w+)\(({_INSIDE})\)`?"),
        lambda call: f"`{call[1]}` of a store, from Python{call[2] and f', with {call[2]}'}",
    ),
)
_OTHER_NAMES = {
    "emulator": {"kinds": "--fault"},
    "migrate": {"target_collection_name": "--to-collection"},
    "reembed": {"collection_name": "--to-collection"},
}
_SAME_FOR_ALL = {"api_key": "--qdrant-api-key", "collection_name": "--collection"}

_VALUE = rf"\({_INSIDE}\)|'[^']*'|\"[^\"]*\"|[\w.-]*\w"
_ARGUMENT = re.compile(rf"(`?)(?<![\w/?&.-])(\w+)=({_VALUE})?\1")
_NAME = re.compile(r"(?<![\w'\"./-])[a-z]+(?:_[a-z]+)+(?![\w'\"(=])|^[a-z]+(?= must )")


def in_options(message: str, command: click.Command | None) -> str:
    """Return a message with the options of the running command in place of arguments."""
    for phrase, ours in _PHRASES:
        message = phrase.sub(ours, message)
    if command is None:
        return message
    options = _options(command)
    opposites = _opposites(command)

    def argument(found: re.Match[str]) -> str:
        option = options.get(found[2])
        if option is None:
            return found[0]
        if found[3] == "False" and found[2] in opposites:
            return opposites[found[2]]
        values = _values(found[3])
        return " ".join(f"{option} {value}".rstrip() for value in values)

    message = _ARGUMENT.sub(argument, message)
    return _NAME.sub(lambda found: options.get(found[0], found[0]), message)


def _options(command: click.Command) -> Mapping[str, str]:
    """Return the options of a command by their names in Python."""
    own = {
        each.name: max(each.opts, key=len)
        for each in command.params
        if isinstance(each, click.Option) and each.name is not None
    }
    return {**_SAME_FOR_ALL, **own, **_OTHER_NAMES.get(command.name or "", {})}


def _opposites(command: click.Command) -> Mapping[str, str]:
    """Return the options that switch options of a command off, by their names in Python."""
    return {each.name or "": opt for each in command.params for opt in each.secondary_opts}


def _values(text: str | None) -> list[str]:
    """Return the values of an argument in a shell's form, each for a separate option."""
    if text is None or text == "True":
        return [""]
    value: object = text
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(text)
    many = value if isinstance(value, tuple) else (value,)
    return [{True: "on", False: "off"}.get(each, str(each)) for each in many]
