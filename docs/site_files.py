"""Gives the site what is not written in `docs/`: changelog, examples, llms.txt, version, links.

The address of the repository is GitHub's own: its workflows name it, a build elsewhere has none.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.structure.nav import Section
from mkdocs.structure.pages import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation

ROOT = Path(__file__).parents[1]
_OUTSIDE = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc\s*=\s*["']?(?:https?:)?//[^"'\s>]+
    |<link\b(?=[^>]*\brel="?(?:stylesheet|icon|preload|preconnect))[^>]*\bhref="?(?:https?:)?//[^"\s>]+
    |(?:url\(|@import)\s*["']?(?:https?:)?//[^"')\s]+""",
    re.VERBOSE,
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Show version and licence below each page, and in a workflow of GitHub the repository."""
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.findall(r'^version = "(.+)"$', declared, re.MULTILINE)[0]
    config.copyright = f"langchain-gemini-qdrant {version}. Licence: MIT."
    if repository := os.environ.get("GITHUB_REPOSITORY"):
        config.repo_url = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
        config.repo_name = repository
        config.edit_uri = "edit/main/docs/"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that other files of the repository are the source of."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    lists = re.sub(r":\n- ", ":\n\n- ", changelog)  # Python-Markdown wants a blank line before them
    files.append(File.generated(config, "changelog.md", content=lists))
    files.append(File.generated(config, "examples.md", content="\n\n".join(_examples())))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Add llms.txt, the list of all pages, and llms-full.txt, the text of the guides."""
    listed = [f"# {config.site_name}", f"> {config.site_description}"]
    full = []
    for section in nav.items:
        pages = [*_pages(section)]
        listed.append(f"## {section.title or 'Start'}")
        listed.append("\n".join(_entry(page, config.site_url or "") for page in pages))
        full += [_source(page) for page in pages if not page.url.startswith("reference/")]
    for name, parts in {"llms.txt": listed, "llms-full.txt": full}.items():
        files.append(File.generated(config, name, content="\n\n".join(parts) + "\n"))
    return nav


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Show the landing page without a menu beside it: the tabs above are enough."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Check that a browser loads nothing from elsewhere to show a page.

    Raises:
        PluginError: A page or style sheet names a script, style or picture of an outside host.
    """
    for path in (*Path(config.site_dir).rglob("*.html"), *Path(config.site_dir).rglob("*.css")):
        if found := _OUTSIDE.search(path.read_text(encoding="utf-8")):
            raise PluginError(f"{path}: loaded from elsewhere: {found[0]}")


def _pages(item: object) -> Iterator[Page]:
    if isinstance(item, Section):
        for child in item.children:
            yield from _pages(child)
    elif isinstance(item, Page):
        yield item


def _source(page: Page) -> str:
    return page.file.content_string.strip()


def _entry(page: Page, site_url: str) -> str:
    """Return a line of llms.txt: title, address and first sentence of a page."""
    text = _source(page)
    prose = re.search(r"^[A-Z`\[*].*$", text, re.MULTILINE)
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose[0] if prose else "")
    sentence = re.split(r"(?<=[.?!:]) ", words.replace("**", ""))[0].rstrip(".:")
    title = re.findall(r"^# (.+)$", text, re.MULTILINE)[0]
    return f"- [{title}]({site_url}{page.url or './'}): {sentence}"


def _examples() -> Iterator[str]:
    """Yield the parts of the page with all examples: the overview, then each of them."""
    folder = ROOT / "examples"
    overview = (folder / "README.md").read_text(encoding="utf-8")
    linked = re.sub(r"\((\w+)/README\.md\)", r"(#\1)", overview)
    yield re.sub(r"\((\w+)\.(py|ipynb)\)", r"(#\1\2)", linked)
    for name in re.findall(r"\]\((\w+\.(?:py|ipynb))\)", overview):
        text = (folder / name).read_text(encoding="utf-8")
        yield f"## {name}"
        if name.endswith(".py"):
            yield _fence(text, "python")
        else:
            for cell in json.loads(text)["cells"]:
                yield from _cell(cell)
    for name in re.findall(r"\]\((\w+)/README\.md\)", overview):
        text = (folder / name / "README.md").read_text(encoding="utf-8")
        yield text.replace("# ", "## ", 1)
        for path in sorted((folder / name).glob("*.py")):
            yield _fence(path.read_text(encoding="utf-8"), f'python title="{name}/{path.name}"')


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    """Yield a notebook's cell and what it printed or drew."""
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield re.sub(r"^#+ (.+)$", r"**\1**", text, flags=re.MULTILINE)
        return
    yield _fence(text, "python")
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            picture = "".join(data["image/png"]).strip()
            yield f"![What the cell draws](data:image/png;base64,{picture})"
        elif text := "".join(output.get("text") or data.get("text/plain") or ""):
            yield _fence(text, "text")


def _fence(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"
