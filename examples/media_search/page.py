"""What the page of app.py shows: words, cards and colors."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from langchain_gemini_qdrant.errors import RateLimitError

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from langchain_gemini_qdrant import GeminiQdrantError

ALL = "All"
PASSAGES = "Passages"
MODALITIES = {"Pictures": "IMAGE", "Pages": "DOCUMENT", "Sound": "AUDIO", "Video": "VIDEO"}
SMALL = {"Pictures", "Pages", "Video"}
ENDINGS = [".png", ".jpg", ".jpeg", ".pdf", ".mp3", ".wav", ".mp4", ".mov"]

ON_CLICK = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-point]')
  if (!button) return
  trigger('click', {point: button.dataset.point})
  window.scrollTo({top: 0, behavior: 'smooth'})
})
"""

HEAD = """<style>
.gradio-container { width: 100%; max-width: 1240px !important; margin: 0 auto }
#title h1 { font-size: 22px; font-weight: 600 }
.html-container { padding: 0 !important }
#found { --gap: 14px; line-height: 1.45 }
#found section { margin-bottom: 26px }
#found .heading { font-size: 18px; font-weight: 600; margin: 4px 0 14px }
#found h2 { font-size: 16px; font-weight: 600; margin: 0 0 8px }
#found .cards { display: grid; gap: var(--gap);
  grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)) }
#found .wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 360px), 1fr)) }
#found article { display: flex; flex-direction: column; overflow: hidden; border-radius: 10px;
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill) }
#found .view { display: block; background: var(--background-fill-secondary) }
#found .view :is(img, video) { width: 100%; height: 170px; object-fit: contain; display: block }
#found .view audio { width: 100%; display: block; padding: 8px }
#found .about { display: flex; flex-direction: column; gap: 8px; padding: 10px 12px; flex: 1 }
#found .passage { white-space: pre-line; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 8 }
#found footer { display: grid; grid-template-columns: 1fr auto; gap: 2px 10px; margin-top: auto;
  font-size: 13px }
#found .source { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
#found .score { font-variant-numeric: tabular-nums; opacity: 0.7 }
#found button { grid-column: 1 / -1; justify-self: start; padding: 2px 0; cursor: pointer;
  background: none; border: 0; font-size: 13px; color: var(--link-text-color) }
#found button:hover { text-decoration: underline }
#found .message { overflow-wrap: anywhere; padding: 32px 8px; text-align: center }
#found .message strong { display: block; font-size: 18px }
@media (max-width: 640px) {
  .main.fillable { padding: 12px !important }
  #found { --gap: 10px }
  #found .cards:not(.wide) { grid-template-columns: 1fr 1fr }
  #found .view :is(img, video) { height: 124px }
}
</style>"""


def welcome(numbers: dict[str, int], samples: list[Document]) -> str:
    """Return what is shown before the first search: how much there is, and some of it."""
    if not any(numbers.values()):
        return message(
            "There is nothing to search yet",
            "Put pictures, PDFs, sound, video or texts into the folder, and start again.",
        )
    stored = ", ".join(f"{number:,} {kind.lower()}" for kind, number in numbers.items() if number)
    return message("What are you looking for?", f"Stored: {stored}") + row(
        "Or start from one of these", "", [card(document) for document in samples]
    )


def failure(error: GeminiQdrantError) -> str:
    """Return an error in words; messages of this package contain no key."""
    title = "The quota is used up" if isinstance(error, RateLimitError) else "No search was made"
    return message(title, str(error), role="alert")


def message(title: str, text: str, *, role: str = "status") -> str:
    """Return a title with a text below it, in place of hits."""
    return (
        f'<div class="message" role="{role}"><strong>{escape(title)}</strong>{escape(text)}</div>'
    )


def hits(found: dict[str, list[tuple[Document, float]]], like: Document | None) -> str:
    """Return the hits of each kind as a row of cards, below the document that they are like."""
    if not found:
        return message("Nothing of this kind is stored", "Choose another kind.")
    rows = [
        row(kind, "" if kind in SMALL else "wide", [card(*hit) for hit in hits])
        for kind, hits in found.items()
    ]
    heading = f'<p class="heading">More like {escape(source(like))}</p>' if like else ""
    return heading + "".join(rows)


def row(title: str, style: str, cards: list[str]) -> str:
    """Return some cards below a title."""
    return f'<section><h2>{title}</h2><div class="cards {style}">{"".join(cards)}</div></section>'


def card(document: Document, score: float | None = None) -> str:
    """Return one hit: its picture, page, player or passage, with caption, source and score."""
    number = "" if score is None else f"{score:.2f}"
    name = escape(source(document))
    text = escape(document.page_content)
    return f"""<article>{view(document)}<div class="about">
{f'<div class="passage">{text}</div>' if text else ""}
<footer><span class="source" title="{escape(document.metadata.get("source", ""))}">{name}</span>
<span class="score" title="Cosine similarity: compare it within one kind only">{number}</span>
<button type="button" data-point="{escape(str(document.id))}">More like this</button>
</footer></div></article>"""


def view(document: Document) -> str:
    """Return the medium of a hit as HTML; nothing plays by itself."""
    address = f"media/{quote(str(document.id), safe='')}"
    caption = escape(document.page_content or source(document))
    match str(document.metadata.get("mime_type", "")).partition("/")[0]:
        case "image":
            shown = f'<img src="{address}" alt="{caption}" loading="lazy">'
        case "application":
            shown = f'<img src="{address}/page" alt="{caption}" loading="lazy">'
            address = f"{address}#page={document.metadata.get('page', 1)}"
        case "audio":
            shown = f'<audio src="{address}" controls preload="none"></audio>'
            return f'<div class="view">{shown}</div>'
        case "video":
            shown = f'<video src="{address}" controls preload="metadata"></video>'
            return f'<div class="view">{shown}</div>'
        case _:
            return ""
    return f'<a class="view" href="{address}" target="_blank">{shown}</a>'


def source(document: Document) -> str:
    """Return where a hit is from: the file's name, and the page of a PDF."""
    name = Path(document.metadata.get("source", "")).name
    page = document.metadata.get("page")
    return f"{name}, page {page}" if page else name
