"""E-mail to texts with sender, receivers, date and subject."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from tests.office_files import outlook

ABOUT = {
    "subject": "Größe der Küche",
    "from": "Ada Berg <ada@example.org>",
    "to": "Bo <bo@example.org>",
    "date": "2026-03-01T12:00:00+01:00",
    "title": "Größe der Küche",
}


def message(text="Come at noon.", html=None, *, attachment=None, subject="Größe der Küche"):
    mail = EmailMessage()
    mail["From"] = "Ada Berg <ada@example.org>"
    mail["To"] = "Bo <bo@example.org>"
    mail["Date"] = "Sun, 1 Mar 2026 12:00:00 +0100"
    if subject:
        mail["Subject"] = subject
    if text is not None:
        mail.set_content(text)
    if html is not None:
        (mail.set_content if text is None else mail.add_alternative)(html, subtype="html")
    if attachment is not None:
        mail.add_attachment(b"\x89PNG" * 900, "image", "png", filename=attachment)
    return mail


def test_message_is_its_text_with_headers_as_metadata_and_attachments_named(read):
    mail = message("Grüße!\n", "<b>Grüße!</b>", attachment="plan 2.png")
    parts, reading = read("m.eml", mail.as_bytes(policy=SMTP))
    assert [(text.replace("\r", ""), about) for text, about in parts] == [
        ("Grüße!\n\nAttachments: plan 2.png", ABOUT)
    ]
    assert reading.problem is None


def test_message_that_is_only_a_page_is_markdown(read):
    page = "<style>p {}</style><h1>News</h1><p>One <a href='https://x.org/very'>link</a></p>"
    [(text, _)], _ = read("m.eml", message(None, page).as_bytes())
    assert text == "# News\n\nOne link"


def test_message_without_a_subject_has_the_name_of_its_file_as_title(read):
    [(_, about)], _ = read("m.eml", message(subject=None).as_bytes())
    assert about["title"] == "m"
    assert "subject" not in about


def test_forwarded_messages_are_read(read):
    outer = message("See below.", subject="Fwd")
    outer.add_attachment(message("The inner text.", subject="Inner"))
    [(text, _)], _ = read("m.eml", outer.as_bytes())
    assert [*filter(None, text.splitlines())] == ["See below.", "Inner", "The inner text."]


@pytest.mark.parametrize(
    ("declared", "content", "text"),
    [
        ("iso-8859-15", "10 €".encode("iso-8859-15"), "10 €"),
        ("unknown-8bit", "Grüße".encode(), "Grüße"),
        ("us-ascii", "Grüße".encode("cp1252"), "Grüße"),
    ],
)
def test_text_in_another_encoding_than_declared_is_read(read, declared, content, text):
    head = f"From: a@x.org\nContent-Type: text/plain; charset={declared}\n"
    parts, _ = read("m.eml", head.encode() + b"Content-Transfer-Encoding: 8bit\n\n" + content)
    assert parts[0][0] == text


def test_malformed_headers_are_no_failure(read):
    head = b"From: <@>,,;:\nTo: \xff\xfe\nDate: yesterday\nSubject: =?utf-8?q?a=FF?=\n\ntext"
    [(text, about)], reading = read("m.eml", head)
    assert (text, about["date"], reading.problem) == ("text", "yesterday", None)


def test_mailbox_has_its_messages_with_their_numbers(read, tmp_path):
    box = mailbox.mbox(tmp_path / "made")
    for number in (1, 2, 3):
        box.add(message(f"Text {number}.\nFrom here on.", subject=f"Subject {number}"))
    box.close()
    parts, _ = read("all.mbox", (tmp_path / "made").read_bytes())
    assert [(about["title"], about["message"]) for _, about in parts] == [
        ("Subject 1", 1),
        ("Subject 2", 2),
        ("Subject 3", 3),
    ]
    assert parts[2][0].startswith("Text 3.")


@pytest.mark.parametrize(
    ("name", "problem"), [("m.eml", "is not an e-mail"), ("m.mbox", "is not a mailbox")]
)
def test_what_is_no_mail_says_so(read, name, problem):
    parts, reading = read(name, b"Just a line of text\n\nand one more")
    assert parts == []
    assert problem in reading.problem


def test_message_of_outlook_is_read(read):
    content = outlook(
        subject="Lunch", body="At noon.", sender="Ada Berg", recipient="Bo", attachment="menu.pdf"
    )
    [(text, about)], reading = read("m.msg", content)
    assert text == "At noon.\n\nAttachments: menu.pdf"
    assert about.items() >= {"subject": "Lunch", "title": "Lunch", "to": "Bo"}.items()
    assert reading.problem is None
