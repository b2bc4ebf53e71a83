"""The kinds of files that are read, by suffix."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "text",
    "markdown",
    "rst",
    "html",
    "pdf",
    "word",
    "slides",
    "workbook",
    "odt",
    "odp",
    "epub",
    "rtf",
    "mail",
    "mailbox",
    "outlook",
    "notebook",
    "subtitles",
    "json",
    "jsonl",
    "csv",
    "config",
    "code",
    "image",
    "sound",
    "video",
    "pages",
]

LANGUAGES = {
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".cxx": "cpp",
    ".ex": "elixir",
    ".exs": "elixir",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".java": "java",
    ".js": "js",
    ".jsx": "js",
    ".kt": "kotlin",
    ".lua": "lua",
    ".mjs": "js",
    ".php": "php",
    ".pl": "perl",
    ".proto": "proto",
    ".ps1": "powershell",
    ".py": "python",
    ".pyi": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "sh",
    ".sol": "sol",
    ".sql": "sql",
    ".swift": "swift",
    ".ts": "ts",
    ".tsx": "ts",
}
"""Languages of source code by suffix, as langchain-text-splitters names them where it has them."""

SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "text": (".txt", ".text"),
    "markdown": (".md", ".markdown"),
    "rst": (".rst",),
    "html": (".html", ".htm", ".xhtml"),
    "pdf": (".pdf",),
    "word": (".docx", ".docm"),
    "slides": (".pptx", ".pptm"),
    "workbook": (".xlsx", ".xlsm", ".xls", ".ods"),
    "odt": (".odt",),
    "odp": (".odp",),
    "epub": (".epub",),
    "rtf": (".rtf",),
    "mail": (".eml",),
    "mailbox": (".mbox",),
    "outlook": (".msg",),
    "notebook": (".ipynb",),
    "subtitles": (".srt", ".vtt"),
    "json": (".json",),
    "jsonl": (".jsonl", ".ndjson"),
    "csv": (".csv", ".tsv"),
    "config": (".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml"),
    "code": tuple(LANGUAGES),
}

KINDS: dict[str, Kind] = {
    suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes
}
"""Kinds by suffix. Other files are read as text if they are named."""

MEDIA_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg"),
    "sound": (".mp3", ".wav"),
    "video": (".mp4", ".mov"),
}
"""The kinds that `--media` adds."""

MEDIA_KINDS: dict[str, Kind] = {
    suffix: kind for kind, suffixes in MEDIA_SUFFIXES.items() for suffix in suffixes
}
"""Kinds of media by suffix."""

GROUPS: dict[str, tuple[Kind, ...]] = {
    "text": ("text", "rst", "markdown"),
    "web pages": ("html",),
    "PDF": ("pdf",),
    "Office and OpenDocument": ("word", "slides", "workbook", "odt", "odp"),
    "e-books and RTF": ("epub", "rtf"),
    "e-mail": ("mail", "mailbox", "outlook"),
    "notebooks": ("notebook",),
    "subtitles": ("subtitles",),
    "JSON": ("json", "jsonl"),
    "tables": ("csv",),
    "settings": ("config",),
    "source code": ("code",),
}
"""The kinds in the help."""

KINDS_OF_FILES = "Kinds of files: {}.".format(
    "; ".join(
        f"{name} ({', '.join(suffix for kind in kinds for suffix in SUFFIXES[kind])})"
        for name, kinds in GROUPS.items()
    )
) + " With --media also: {}.".format(
    "; ".join(f"{kind} ({', '.join(suffixes)})" for kind, suffixes in MEDIA_SUFFIXES.items())
)
"""All kinds and suffixes, for the help."""

LIBRARIES: dict[Kind, str] = {
    "word": "mammoth",
    "slides": "pptx",
    "workbook": "openpyxl",
    "odt": "lxml",
    "odp": "lxml",
    "epub": "lxml",
    "rtf": "striprtf",
    "outlook": "oxmsg",
    "subtitles": "pysubs2",
}
"""The library of a kind that the extra `files` installs."""

MISSING = "needs pip install 'langchain-gemini-qdrant[files]'"


def is_missing(library: str) -> bool:
    """Return whether a library of the extra `files` is not installed."""
    return find_spec(library) is None


def needs_extra(kind: Kind) -> bool:
    """Return whether files of a kind need the extra `files`, and it is not installed."""
    return kind in LIBRARIES and is_missing(LIBRARIES[kind])
