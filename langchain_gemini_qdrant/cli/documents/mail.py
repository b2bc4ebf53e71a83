"""Reads e-mail: single messages, mailboxes, and messages as Outlook saves them."""

from __future__ import annotations

import mailbox
from email import message_from_binary_file, policy
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import MarkdownText, one_line
from langchain_gemini_qdrant.cli.documents.webpages import markdown_of
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import EmailMessage, MIMEPart
    from typing import BinaryIO

    from oxmsg.recipient import Recipient

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_ENCODINGS = ("utf-8", "cp1252", "latin-1")  # encodings if a message names none, or a wrong one


def read_mail(reading: Reading) -> Iterator[Document]:
    """Yield the text of one message."""
    with reading.file.path.open("rb") as stream:
        message = _parse(stream)
    if not message.keys() or (message.defects and not _header(message, "from")):
        raise InvalidInputError("is not an e-mail: it has no header")
    yield _document(message, reading, {})


def read_mailbox(reading: Reading) -> Iterator[Document]:
    """Yield the text of each message of a mailbox in mbox format."""
    factory = cast("Any", _parse)  # typeshed knows only mailbox's own messages
    box = mailbox.mbox(reading.file.path, factory=factory, create=False)
    try:
        keys = box.keys()
        if not keys:
            raise InvalidInputError("is not a mailbox: no line begins with 'From '")
        for number, key in enumerate(keys, 1):
            reading.position = reading.file.size * number // len(keys)
            try:
                yield _document(cast("EmailMessage", box[key]), reading, {"message": number})
            except Exception as error:  # noqa: BLE001 - as in `read`; other messages may be sound
                reading.fail(f"{type(error).__name__}: {error}", f"message {number:,}")
    finally:
        box.close()


def _parse(stream: BinaryIO) -> EmailMessage:
    # The headers are decoded one by one below: the newer policies stop at the first malformed one.
    return message_from_binary_file(stream, policy=policy.default)


def _document(message: EmailMessage, reading: Reading, own: Mapping[str, int]) -> Document:
    headers = {name: _header(message, name) for name in ("subject", "from", "to", "date")}
    headers["date"] = _date(headers["date"])
    names = [one_line(part.get_filename()) for part in message.walk() if part.get_filename()]
    is_page, text = _body(message)
    return mail_text(text, headers, names, reading, own, is_page=is_page)


def mail_text(
    text: str,
    headers: Mapping[str, str],
    attachments: list[str],
    reading: Reading,
    own: Mapping[str, int],
    *,
    is_page: bool,
) -> Document:
    """Return a message with its headers as metadata; attachments are named, not read."""
    if is_page:
        text = markdown_of(text)
    if attachments:
        text = f"{text.rstrip()}\n\nAttachments: {', '.join(attachments)}"
    title = headers["subject"] or reading.file.stem
    known = {name: value for name, value in headers.items() if value}
    kind = MarkdownText if is_page else Document
    return kind(page_content=text, metadata={**known, TITLE_KEY: title, **own})


def _header(message: EmailMessage, name: str) -> str:
    try:
        return one_line(str(message.get(name, "")))
    except Exception:  # noqa: BLE001 - the standard library's parser fails on malformed ones
        raw = next((v for k, v in message.raw_items() if k.lower() == name), "")
        return one_line(str(raw).encode("ascii", "replace").decode())


def _date(text: str) -> str:
    """Return a date as ISO 8601, or unchanged if it is not a date."""
    try:
        return parsedate_to_datetime(text).isoformat()
    except ValueError:
        return text


def _body(message: EmailMessage) -> tuple[bool, str]:
    """Return the text of a message, and whether it is a web page; plain text is preferred."""
    body = message.get_body(("plain", "html"))
    parts = [] if body is None else [body]
    if message.is_multipart():
        others = message.iter_attachments()
        parts += [
            p for p in others if p.get_content_type() == "text/plain" and not p.get_filename()
        ]
    is_page = body is not None and body.get_content_subtype() == "html"
    texts = [_decoded(part) for part in parts]
    for part in message.walk():
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            inner = cast("EmailMessage", part.get_payload(0))
            inner_body = inner.get_body(("plain",))
            texts += [_header(inner, "subject"), _decoded(inner_body) if inner_body else ""]
    return is_page, "\n\n".join(filter(None, texts))


def _decoded(part: MIMEPart) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    for encoding in (part.get_content_charset("utf-8"), *_ENCODINGS):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return ""  # unreachable: Latin-1 decodes everything


def _recipient(recipient: Recipient) -> str:
    return one_line(recipient.name) or recipient.email_address


def read_outlook(reading: Reading) -> Iterator[Document]:
    """Yield the text of a message that Outlook has saved."""
    from oxmsg import Message  # noqa: PLC0415 - of the extra

    message = Message.load(str(reading.file.path))
    date = message.sent_date
    headers = {
        "subject": one_line(message.subject),
        "from": one_line(str(make_header(decode_header(message.sender or "")))),
        "to": ", ".join(filter(None, map(_recipient, message.recipients))),
        "date": date.isoformat() if date else "",
    }
    names = [name for each in message.attachments if (name := one_line(each.file_name))]
    text = message.body or message.html_body or ""
    is_page = not message.body and bool(message.html_body)
    yield mail_text(text, headers, names, reading, {}, is_page=is_page)
