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
[migration](migration.md) and, for the emulator, [testing](testing.md).
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
