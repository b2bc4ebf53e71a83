"""The `gemini-qdrant` command."""

import sys


def main() -> None:
    """Run the command line, or exit with a message on how to install it."""
    try:
        from langchain_gemini_qdrant.cli import cli  # noqa: PLC0415 - click is an extra
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich", "langchain_text_splitters"}:
            raise
        sys.exit(f"gemini-qdrant needs {error.name}: pip install 'langchain-gemini-qdrant[cli]'")
    except KeyboardInterrupt:  # while it is loaded
        sys.exit("Interrupted.")
    cli(prog_name="gemini-qdrant")


if __name__ == "__main__":
    main()
