"""Files as people have them, made where a test wants them, and one error of each class."""

from __future__ import annotations

import json

from langchain_gemini_qdrant import errors
from langchain_gemini_qdrant.edge._worker._protocol import _ErrorInWorker
from langchain_gemini_qdrant.embeddings._halving import SentInHalvesError
from langchain_gemini_qdrant.embeddings._response import NoVectorError
from langchain_gemini_qdrant.ingestion import IngestReport
from langchain_gemini_qdrant.testing._api._errors import ApiError


def pdf(*pages, title=None):
    """Return a PDF with one line of text on each page; None is a page without text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    kids = []
    for text in pages:
        shown = b"" if text is None else b"BT /F1 12 Tf 40 700 Td (%s) Tj ET" % text.encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shown), shown))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    info = b""
    if title is not None:
        objects.append(b"<< /Title (%s) >>" % title.encode())
        info = b" /Info %d 0 R" % len(objects)
    return _file(objects, info)


def _file(objects, info):
    file = b"%PDF-1.4\n"
    offsets = []
    for number, each in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return b"%sxref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R%s >>\n" % (
        file,
        count,
        table,
        count,
        info,
    ) + b"startxref\n%d\n%%%%EOF\n" % len(file)


def paragraphs(characters):
    """Return prose without a repeated sentence, about so many characters."""
    lines = (
        f"Sentence {i} of this paragraph says that {i * i} is the square. " for i in range(10**9)
    )
    text = ""
    while len(text) < characters:
        text += "".join(next(lines) for _ in range(8)).strip() + "\n\n"
    return text


SOUND = {
    "big.txt": paragraphs(60_000).encode(),
    "line.txt": ("word " * 40_000).encode(),
    "guide.md": b"# The guide\n\nWelcome.\n\n## Install\n\nRun the installer.\n",
    "page.html": b"<title>A page</title><h1>Top</h1><p>Of the page.</p><script>no()</script>",
    "paper.pdf": pdf("First page.", "Second page.", title="A paper"),
    "records.jsonl": b"".join(
        json.dumps({"id": i, "text": f"Record {i}."}).encode() + b"\n" for i in range(5)
    ),
    "rows.csv": b"name,title,size\nash,The ash,3\noak,The oak,5\n",
    "copies/a.txt": b"The same text twice.",
    "copies/b.txt": b"The same text twice.",
    "\u00dcbersicht.md": "# Größe\n\nÜber Größen.".encode(),
    "обзор.md": "# Обзор\n\nЗвери спят.".encode(),  # noqa: RUF001 - Cyrillic
    "概要.md": "# 概要\n\n猫は眠る。".encode(),
    "نظرة.md": "# نظرة\n\nقطط تنام.".encode(),
    "utf16.txt": "Größe in UTF-16".encode("utf-16"),
    "cyrillic.txt": ("Звери спят большую часть дня, они охотятся ночью. " * 5).encode("cp1251"),
    "empty.txt": b"",
    "blank.md": b" \n\n",
    "header.csv": b"name,size\n",
    "image.png": b"\x89PNG",
    ".hidden.md": b"not to be read",
}
"""Contents by name: all formats, many scripts, and files without text."""

BROKEN = {
    "damaged.txt": "Größe ".encode() * 9 + b"\xff\xfe",
    "binary.txt": b"a\0b",
    "broken.pdf": b"%PDF-1.4 and nothing more",
    "scanned.pdf": pdf(None, None),
    "bad.jsonl": b'{"text": "good"}\n{"text":\n{"body": "x"}\n{"text": "also good"}\n',
    "open.csv": b'a,b\n1,2\n3,"never closed\n',
}
"""Files of which not all can be read."""


def write(folder, files):
    """Write contents by name."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


_FAILURE = errors.RateLimitError("429", model="m", retry_after=7.0, limit=100, unit="texts")
ERRORS = [
    errors.GeminiQdrantError("what happened"),
    errors.ConfigurationError("wrong"),
    errors.InvalidInputError("blank", indices=[1, 2]),
    errors.TextTooLongError("long", indices=[3], max_input_tokens=2048),
    errors.EmbeddingError("no answer", model="m", status_code=418, attempts=2),
    _FAILURE,
    errors.DailyQuotaError("tomorrow", model="m", attempts=3),
    errors.BillingError("never", model="m", limits={"texts": 0, "tokens": None}),
    errors.ServiceError("away", model="m", status_code=503, retry_after=21.0),
    errors.RequestRejectedError("no", model="m", status_code=403, refuses_all=True),
    errors.ResponseMismatchError("one is missing", model="m"),
    errors.PartialEmbeddingError(
        "1 of 2", model="m", vectors=[[1.0], None], failures={1: _FAILURE}
    ),
    errors.PartialWriteError("1 of 2", written=["a"], missing=[7]),
    errors.IngestError("not all", report=IngestReport(added=3, failed={"a": "blank"})),
    errors.CollectionMismatchError("another size"),
    errors.OptimizationError("not in time", status="yellow"),
    errors.StorageError("full"),
    errors.LocalModeError("/data", ["handbook"]),
    _ErrorInWorker("Traceback"),
    NoVectorError("none", model="m"),
    SentInHalvesError("halves"),
    ApiError(429, "slowly", details=[{"@type": "x"}], headers={"Retry-After": "3"}, raw=b"{}"),
]
"""One of each error class of the package, with all that it can hold."""


def parts(error):
    """Return what an error holds, and of errors in it what these hold."""
    held = dict(vars(error))
    if "failures" in held:
        held["failures"] = {index: parts(inner) for index, inner in held["failures"].items()}
    return type(error), str(error), held
