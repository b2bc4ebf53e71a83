"""Office files, e-books and e-mail as programs write them, made where a test wants them."""

from __future__ import annotations

import io
import itertools
import struct
import zipfile

import docx
import openpyxl
import pptx
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR = 512


def _saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def word(*, title="", headings=True, rows=(("City", "Days"), ("Oslo", "3"))):
    """Return a Word document with two headings, a list, a table and a picture."""
    document = docx.Document()
    document.core_properties.title = title
    if headings:
        document.add_heading("Travel", 1)
    document.add_paragraph("Trips are booked a week ahead.")
    if headings:
        document.add_heading("Costs", 2)
    document.add_paragraph("Trains first.", style="List Bullet")
    table = document.add_table(rows=0, cols=len(rows[0]))
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_picture(io.BytesIO(_PNG))
    return _saved(document)


def slides(*, title=""):
    """Return two slides: one with a table, a chart and notes, one with a group of shapes."""
    show = pptx.Presentation()
    show.core_properties.title = title
    first = show.slides.add_slide(show.slide_layouts[5])
    first.shapes.title.text = "The plan"
    table = first.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for i, text in enumerate(("Step", "Weeks", "Build", "6")):
        table.cell(i // 2, i % 2).text = text
    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Sales", (4, 5.5))
    first.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 100, 100, data)
    first.notes_slide.notes_text_frame.text = "Say thanks."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Risks"
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 10, 10).text_frame.text = "Rain in June"
    second.shapes.add_picture(io.BytesIO(_PNG), 0, 0)
    return _saved(show)


def workbook(**sheets):
    """Return a workbook of sheets, each a list of rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return _saved(book)


def zipped(files, *, mimetype=None):
    """Return an archive of files, as OpenDocument and EPUB are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype is not None:
            archive.writestr("mimetype", mimetype)
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def opendocument(kind, body, *, title=""):
    """Return an OpenDocument file of `text`, `presentation` or `spreadsheet`."""
    names = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
        for name, full in (
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
            ("presentation", "presentation"),
        )
    )
    files = {
        "content.xml": f"<office:document-content{names}><office:body><office:{kind}>{body}"
        f"</office:{kind}></office:body></office:document-content>",
        "meta.xml": '<meta xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title></meta>",
    }
    return zipped(files, mimetype=f"application/vnd.oasis.opendocument.{kind}")


def epub(*, encrypted=()):
    """Return a book of two chapters and a table of contents."""
    files = {
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OEBPS/a.opf"/>'
        "</rootfiles></container>",
        "OEBPS/a.opf": '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>The sea</dc:title><dc:creator>Ada Berg</dc:creator></metadata><manifest>"
        '<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        '<item id="two" href="text/c%202.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="one" href="text/c1.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="p" href="p.png" media-type="image/png"/></manifest>'
        '<spine><itemref idref="n"/><itemref idref="one"/><itemref idref="two"/></spine></package>',
        "OEBPS/nav.xhtml": '<html><body><nav><a href="text/c1.xhtml">Low tide</a></nav></body>'
        "</html>",
        "OEBPS/text/c1.xhtml": '<?xml version="1.0"?><html><body><h1>Tides</h1><h2>Low</h2>'
        '<p>The water leaves.<img src="../p.png"/></p></body></html>',
        "OEBPS/text/c 2.xhtml": "<html><body><h2>Waves</h2><p>They come.</p></body></html>",
    }
    if encrypted:
        files["META-INF/encryption.xml"] = (
            "<encryption>"
            + "".join(f'<CipherReference URI="{name}"/>' for name in encrypted)
            + "</encryption>"
        )
    return zipped(files, mimetype="application/epub+zip")


def compound(streams):
    """Return an OLE file, as Office wrote them until 2003; `folder/name` is in a storage."""
    entries = [("Root Entry", 5, 0, b"")]
    folders = {}
    for name, content in streams.items():
        folder, _, inner = name.rpartition("/")
        if folder and folder not in folders:
            folders[folder] = len(entries)
            entries.append((folder, 1, 0, b""))
        padded = content.ljust(4096, b"\0")  # shorter ones are kept elsewhere
        entries.append((inner, 2, folders.get(folder, 0), padded))
    sectors, fat, starts = [], [], []
    for _, _, _, content in entries:
        count = len(content) // _SECTOR + bool(len(content) % _SECTOR)
        starts.append(len(fat) if count else _END)
        sectors += [content[i * _SECTOR : (i + 1) * _SECTOR] for i in range(count)]
        fat += [*range(len(fat) + 1, len(fat) + count), _END] if count else []
    directory = _directory(entries, starts)
    count = len(directory) // _SECTOR
    first = len(fat)
    fat += [*range(first + 1, first + count), _END, _FAT]
    sectors += [directory[i * _SECTOR : (i + 1) * _SECTOR] for i in range(count)]
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(_SECTOR, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    head += struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, first, 0, 4096, _END, 0, _END, 0)
    head += struct.pack("<109I", len(fat) - 1, *[_FREE] * 108)
    return head + b"".join(each.ljust(_SECTOR, b"\0") for each in sectors) + table


def _directory(entries, starts):
    children = {}
    for i, (_, _, parent, _) in enumerate(entries[1:], 1):
        children.setdefault(parent, []).append(i)
    right = {}
    for inside in children.values():
        inside.sort(key=lambda i: (len(entries[i][0]), entries[i][0].upper()))
        right.update(itertools.pairwise(inside))
    out = b""
    for i, (name, kind, _, content) in enumerate(entries):
        encoded = name.encode("utf-16-le")
        links = (_FREE, right.get(i, _FREE), children.get(i, [_FREE])[0])
        out += encoded.ljust(64, b"\0") + struct.pack("<HBB3I", len(encoded) + 2, kind, 1, *links)
        out += b"\0" * 36 + struct.pack("<IQ", starts[i], len(content))
    return out.ljust(-(-len(out) // _SECTOR) * _SECTOR, b"\0")


def old_workbook(name, rows):
    """Return a workbook as Excel 97 wrote it, with texts and numbers."""

    def record(kind, content):
        return struct.pack("<HH", kind, len(content)) + content

    begin = struct.pack("<HHHHII", 0x600, 5, 0, 1997, 0, 6)
    sheet = record(0x809, begin[:2] + struct.pack("<H", 0x10) + begin[4:])
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            place = struct.pack("<HHH", i, j, 0)
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                sheet += record(0x204, place + text)
            else:
                sheet += record(0x203, place + struct.pack("<d", value))
    sheet += record(0x0A, b"")
    head = record(0x809, begin)
    bound_length = 4 + 8 + len(name)
    offset = len(head) + bound_length + 4
    bound = struct.pack("<IHBB", offset, 0, len(name), 0) + name.encode()
    return compound({"Workbook": head + record(0x85, bound) + record(0x0A, b"") + sheet})


def outlook(*, subject, body, sender, recipient, attachment):
    """Return a message as Outlook saves it."""
    streams = {}

    def take(folder, header, texts):
        prefix = f"{folder}/" if folder else ""
        listed = header
        for number, text in texts.items():
            encoded = text.ljust(2048).encode("utf-16-le")  # what is shorter gets NULs above
            streams[f"{prefix}__substg1.0_{number:04X}001F"] = encoded
            listed += struct.pack("<HHIII", 0x1F, number, 6, len(encoded) + 2, 0)
        streams[f"{prefix}__properties_version1.0"] = listed

    names = {0x37: subject, 0x1000: body, 0x0C1A: sender, 0x1A: "IPM.Note"}
    take("", struct.pack("<8x4I8x", 1, 1, 1, 1), names)
    take("__recip_version1.0_#00000000", b"\0" * 8, {0x3001: recipient, 0x39FE: "to@x.org"})
    take("__attach_version1.0_#00000000", b"\0" * 8, {0x3707: attachment})
    return compound(streams)


_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
