"""Writes `cli.md`, the `--help` of each command, before mkdocs reads the pages."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from langchain_gemini_qdrant.cli import cli

PAGE = Path(__file__).with_name("cli.md")
INTRODUCTION = """\
# Command line

`gemini-qdrant` comes with the extra `cli`. This page has the `--help` of each command.

```console
$ pip install 'langchain-gemini-qdrant[cli]'
```

For examples, see [ingestion](ingestion.md#from-the-command-line), [recall](recall.md),
[migration](migration.md), the [MCP server](mcp.md) and, for the emulator, [testing](testing.md).

- **A collection knows its options.** Model, vector size, task and quantization of an existing
  collection are read from it, so `--model`, `--output-dimensionality` and `--quantization` are for
  new collections. An option that differs from the collection is an error. A collection of another
  program does not say which model made its vectors: name it with `--model`. `--text-key` and
  `--metadata-key` name the keys of its payloads. `reembed` keeps the model,
  and the size of the same model, unless you name others.
- **Terminals and pipes.** On a terminal, `search` and `list` print text and tables in color; the
  environment variable `NO_COLOR` turns color off. In a pipe they print one line for each hit or
  collection, with tabs between the fields. `--json` prints one JSON object on each line.
- **Gemini over gRPC.** `--backend grpc` embeds over gRPC, with the extra `grpc`; it does not matter
  which back end filled a collection. `--base-url` is then the address of gRPC, without a path:
  `gemini-qdrant emulator --grpc` prints its own. `--prefer-grpc` is for a Qdrant server.
- **Private servers.** The key of a Qdrant server is read from `QDRANT_API_KEY`. `--ca-file` names
  the certificates to trust, `--client-cert` the certificate and key to show, and `--prefer-grpc`
  uses gRPC.
- **Failed commands leave nothing behind.** Only `ingest`, `demo`, `migrate`, `repair` and `mcp`
  make a folder, and a new one in which nothing was stored is removed. What was stored is kept.
- **One process at a time** can open a folder: nothing can be searched while `ingest` or `mcp` runs.
  A server has no such limit.

## What is stored

```console
$ gemini-qdrant ingest README.md
$ gemini-qdrant list
$ gemini-qdrant info
$ gemini-qdrant info --sources
$ gemini-qdrant search "Which quantization is small?" --filter '{"source": "README.md"}'
$ gemini-qdrant show --source README.md --limit 2
$ gemini-qdrant delete --source README.md --yes
```

## Shell completion

Add the line of your shell to the file, and open a new shell. Tab then completes commands and
options.

- bash, `~/.bashrc`: `eval "$(_GEMINI_QDRANT_COMPLETE=bash_source gemini-qdrant)"`
- zsh, `~/.zshrc`: `eval "$(_GEMINI_QDRANT_COMPLETE=zsh_source gemini-qdrant)"`
- fish, `~/.config/fish/completions/gemini-qdrant.fish`:
  `_GEMINI_QDRANT_COMPLETE=fish_source gemini-qdrant | source`
"""
SECTION = """
## {name}

```console
$ gemini-qdrant {arguments}
```

```text
{output}
```
"""


def on_pre_build(config: object) -> None:  # noqa: ARG001 - mkdocs passes it by this name
    """Write the page, unless it is there already: a watcher builds again after each change."""
    names = ["", *cli.commands]
    text = INTRODUCTION + "".join(_section(name) for name in names)
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")


def _section(name: str) -> str:
    arguments = f"{name} --help".strip()
    result = CliRunner().invoke(
        cli, arguments.split(), prog_name="gemini-qdrant", terminal_width=80, catch_exceptions=False
    )
    title = name or "gemini-qdrant"
    return SECTION.format(name=title, arguments=arguments, output=result.output.rstrip())
