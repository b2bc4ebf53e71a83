"""Draws the pictures of the README and of these pages, in `assets/`, before mkdocs reads them.

Each is 480 wide with letters of 15, so that they can be read on a phone, too, and has its own
background and the colours of both schemes: `prefers-color-scheme` of a picture is the page's.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

ASSETS = Path(__file__).with_name("assets")
WIDTH = 480
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"
  viewBox="0 0 {width} {height}">
<title>{title}</title>
<style>
  text {{ font: 15px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif }}
  text {{ fill: #1f2430; text-anchor: middle }}
  .small {{ font-size: 13px; fill: #4d5566 }}
  .code {{ font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }}
  .left {{ text-anchor: start }}
  .strong {{ font-weight: 600 }}
  .card {{ fill: #fff }}
  .box {{ fill: #eef0fb; stroke: #5c6bc0 }}
  .chosen {{ fill: #d5f0e3; stroke: #1f8a5b }}
  .plain {{ fill: #f3f4f6; stroke: #a3aab8 }}
  .full {{ fill: #5c6bc0 }}
  .line {{ stroke: #5c6bc0; stroke-width: 1.5; fill: none }}
  .tip {{ fill: #5c6bc0 }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6e8ef }}
    .small {{ fill: #b4bac8 }}
    .card {{ fill: #171a21 }}
    .box {{ fill: #262c47; stroke: #8c9eff }}
    .chosen {{ fill: #173d2d; stroke: #4cc38a }}
    .plain {{ fill: #242832; stroke: #5f6778 }}
    .full {{ fill: #8c9eff }}
    .line {{ stroke: #8c9eff }}
    .tip {{ fill: #8c9eff }}
  }}
</style>
<rect class="card" width="{width}" height="{height}" rx="8"/>
{shapes}
</svg>
"""


class Drawing:
    """Shapes from top to bottom; coordinates in units of the picture, which is 480 wide."""

    def __init__(self, title: str, height: int) -> None:
        self.title = title
        self.height = height
        self.shapes: list[str] = []

    def text(self, x: float, y: float, words: str, style: str = "") -> None:
        """Write one line whose base line is at `y`, centred on `x` unless `style` has `left`."""
        self.shapes.append(f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(words)}</text>')

    def box(  # noqa: PLR0917 - place and size, as SVG has them
        self, x: float, y: float, width: float, height: float, words: str = "", style: str = "box"
    ) -> None:
        """Draw a box with lines of text in its middle; a line that begins with `~` is small."""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.shapes.append(f'<rect class="{style}" {place} rx="6"/>')
        lines = words.split("\n") if words else []
        top = y + height / 2 - 9.5 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            small = line.startswith("~")
            self.text(x + width / 2, top + 19 * number, line.lstrip("~"), "small" if small else "")

    def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """Draw a line with a tip that points down at `(to_x, to_y)`."""
        self.shapes.append(f'<path class="line" d="M{x:g} {y:g} L{to_x:g} {to_y - 7:g}"/>')
        self.shapes.append(f'<path class="tip" d="M{to_x - 5:g} {to_y - 9:g} h10 l-5 9 z"/>')

    def svg(self) -> str:
        """Return the file."""
        return FRAME.format(
            title=escape(self.title), width=WIDTH, height=self.height, shapes="\n".join(self.shapes)
        )


def overview() -> Drawing:
    """Draw how documents and questions become vectors, and questions find documents."""
    drawing = Drawing(
        "Documents and questions go to Gemini, each in its own way; their vectors meet in Qdrant.",
        430,
    )
    drawing.box(20, 16, 200, 52, "your documents\n~files, pages, records", "plain")
    drawing.box(260, 16, 200, 52, "a question\n~from your user", "plain")
    drawing.arrow(120, 68, 120, 116)
    drawing.arrow(360, 68, 360, 116)
    drawing.text(128, 95, "as documents", "small left")
    drawing.text(368, 95, "as a question", "small left")
    drawing.box(20, 116, 440, 52, "GeminiEmbeddings\n~text in, vector out, within your quota")
    drawing.arrow(120, 168, 120, 216)
    drawing.arrow(360, 168, 360, 216)
    drawing.text(128, 195, "stored", "small left")
    drawing.text(368, 195, "compared", "small left")
    drawing.box(20, 216, 440, 124)
    drawing.text(240, 238, "GeminiQdrantVectorStore")
    drawing.text(240, 256, "Qdrant, in your process or on a server", "small")
    drawing.box(36, 270, 188, 56, "short codes\n~in memory: find candidates", "plain")
    drawing.box(256, 270, 188, 56, "full vectors\n~rank the candidates", "plain")
    drawing.shapes.append('<path class="line" d="M224 298 H248"/>')
    drawing.shapes.append('<path class="tip" d="M246 293 v10 l9 -5 z"/>')
    drawing.arrow(360, 340, 360, 378)
    drawing.box(20, 378, 440, 38, "the passages that answer the question", "chosen")
    return drawing


def two_sides() -> Drawing:
    """Draw the text that gemini-embedding-2 reads of a document, and of a question."""
    drawing = Drawing(
        "A document and a question get different prefixes, so that their vectors are close.", 322
    )
    drawing.text(240, 32, "A document with the title Vacation", "strong")
    drawing.box(20, 44, 440, 34, "", "plain")
    drawing.text(240, 66, "It is 30 days.", "code")
    drawing.arrow(240, 78, 240, 104)
    drawing.box(20, 104, 440, 34)
    drawing.text(240, 126, "title: Vacation | text: It is 30 days.", "code")
    drawing.text(240, 172, "A question", "strong")
    drawing.box(20, 184, 440, 34, "", "plain")
    drawing.text(240, 206, "How long is it?", "code")
    drawing.arrow(240, 218, 240, 244)
    drawing.box(20, 244, 440, 34)
    drawing.text(240, 266, "task: search result | query: How long is it?", "code")
    drawing.text(
        240, 306, "gemini-embedding-2 reads the blue boxes; both vectors are close", "small"
    )
    return drawing


def quantization() -> Drawing:
    """Draw a vector and its binary code, and the sizes of both to scale."""
    drawing = Drawing("A binary code keeps the sign of each number: 1 bit instead of 32.", 296)
    numbers = (0.12, -0.41, 0.08, 0.33, -0.27, -0.05, 0.19, -0.36)
    drawing.text(20, 32, "the full vector: 32 bits for each number", "left")
    drawing.text(20, 128, "its binary code: the sign, 1 bit for each", "left")
    for place, number in enumerate(numbers):
        x = 20 + 55 * place
        drawing.box(x, 42, 55, 34)
        drawing.text(x + 27.5, 64, f"{number:.2f}".replace("-", "\N{MINUS SIGN}"), "code")
        drawing.arrow(x + 27.5, 80, x + 27.5, 108)
        drawing.box(x, 138, 55, 34, "", "chosen" if number > 0 else "plain")
        drawing.text(x + 27.5, 160, str(int(number > 0)), "code")
    drawing.text(20, 206, "3,072 numbers take, to scale:", "left")
    drawing.box(20, 218, 340, 18, "", "full")
    drawing.text(370, 232, "12,288 bytes", "left")
    drawing.box(20, 252, 11, 18, "", "full")
    drawing.text(41, 266, "384 bytes", "left")
    return drawing


CODES = "CAFBDEHG"
"""Eight passages, nearest first, as their codes rank them."""
NEAREST = "ABCFDE"
"""The first six of them, as their full vectors rank them."""


def oversampling() -> Drawing:
    """Draw which passages are found with oversampling 1 and 3."""
    drawing = Drawing(
        "For the 2 nearest passages, oversampling 3 fetches 6 candidates by their codes.", 236
    )
    drawing.text(20, 32, "wanted: the 2 nearest passages, which are A and B", "left")
    for row, (factor, found) in enumerate({1: "B is missed", 3: "A and B are among them"}.items()):
        y = 72 + 88 * row
        drawing.text(
            20, y, f"oversampling {factor}: {2 * factor} candidates, {found}", "left strong"
        )
        for place, name in enumerate(CODES):
            drawing.box(
                20 + 55 * place, y + 10, 48, 34, name, "chosen" if place < 2 * factor else "plain"
            )
    drawing.text(
        20, 226, "passages in the order of their codes, which is nearly right", "small left"
    )
    return drawing


def rescoring() -> Drawing:
    """Draw the candidates in the order of their codes, then of their full vectors."""
    drawing = Drawing(
        "Rescoring ranks the candidates by their full vectors and keeps the best 2.", 226
    )
    drawing.text(20, 32, "6 candidates, in the order of their codes", "left")
    drawing.text(20, 206, "in the order of their full vectors; A and B are returned", "left")
    for place, name in enumerate(CODES[:6]):
        drawing.box(20 + 74 * place, 42, 66, 34, name, "plain")
        to = NEAREST.index(name)
        drawing.arrow(53 + 74 * place, 76, 53 + 74 * to, 150)
        drawing.box(20 + 74 * to, 150, 66, 34, name, "chosen" if name in "AB" else "plain")
    return drawing


def engines() -> Drawing:
    """Draw the places that a store's collection can have."""
    drawing = Drawing(
        "One store; its collection is in your process, in a worker, or on a server.", 300
    )
    drawing.box(20, 16, 440, 36, "GeminiQdrantVectorStore")
    places = (
        ("path=", "Qdrant Edge, in this process"),
        ("path=, worker=True", "Qdrant Edge, in a process of its own"),
        ("url=", "Qdrant server, cluster or Qdrant Cloud"),
        ('location=":memory:"', "qdrant-client's own Python, for tests"),
    )
    for row, (argument, place) in enumerate(places):
        y = 68 + 56 * row
        drawing.box(20, y, 170, 40, "", "plain")
        drawing.text(105, y + 25, argument, "code")
        drawing.box(214, y, 246, 40)
        drawing.text(337, y + 25, place, "small")
        drawing.shapes.append(f'<path class="line" d="M190 {y + 20} H206"/>')
        drawing.shapes.append(f'<path class="tip" d="M204 {y + 15} v10 l9 -5 z"/>')
    return drawing


def cluster() -> Drawing:
    """Draw three nodes with two replicas of three shards."""
    drawing = Drawing(
        "A store asks any node, which collects the answer from the shards of all nodes.", 236
    )
    drawing.box(20, 16, 440, 36, "GeminiQdrantVectorStore")
    drawing.text(128, 77, "one address, any node", "small left")
    drawing.arrow(120, 52, 90, 92)
    for place, shards in enumerate(((1, 3), (2, 1), (3, 2))):
        x = 20 + 150 * place
        drawing.box(x, 92, 140, 124, "", "box")
        drawing.text(x + 70, 114, f"node {place + 1}", "strong")
        for row, shard in enumerate(shards):
            drawing.box(x + 16, 126 + 42 * row, 108, 34, f"shard {shard}", "plain")
    return drawing


LOGO = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<title>langchain-gemini-qdrant</title>
<path fill="none" stroke="{colour}" stroke-width="2.5" d="M16 2 28 9v14L16 30 4 23V9z"/>
<path fill="{colour}" d="M16 8c1 5 3 7 8 8-5 1-7 3-8 8-1-5-3-7-8-8 5-1 7-3 8-8z"/>
</svg>
"""

DRAWINGS = (overview, two_sides, quantization, oversampling, rescoring, engines, cluster)


def files() -> dict[str, str]:
    """Return each file of `assets/` by its name."""
    drawn = {f"{draw.__name__.replace('_', '-')}.svg": draw().svg() for draw in DRAWINGS}
    return drawn | {
        "logo.svg": LOGO.format(colour="#fff"),
        "favicon.svg": LOGO.format(colour="#5c6bc0"),
    }


def on_pre_build(config: object) -> None:  # noqa: ARG001 - mkdocs passes it by this name
    """Write what has changed: a watcher builds again after each change."""
    for name, text in files().items():
        path = ASSETS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
