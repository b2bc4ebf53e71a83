"""Web pages as browsers understand them, as Markdown."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.cli.documents.readers import read
from langchain_gemini_qdrant.cli.documents.reading import Reading
from langchain_gemini_qdrant.cli.documents.webpages import parse_page
from tests.samples import write


def markdown(body):
    return parse_page(f"<title>T</title>{body}").markdown


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<ul><li>a<li>b<li>c</ul>", "* a\n* b\n* c"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        (
            "<table><tr><th>A<th>B<tr><td>1<td>2</table>",
            "| A | B |\n| --- | --- |\n| 1 | 2 |",
        ),
        ("<p>one<p>two", "one\n\ntwo"),
        ("<dl><dt>term<dd>meaning<dt>next<dd>other</dl>", "term\n:   meaning\n\nnext\n:   other"),
        ("<pre>\n  if x:\n    y &lt; 1\n</pre>", "```\n  if x:\n    y < 1\n```"),
        ("<details><summary>More</summary>body</details>", "More\n\nbody"),
        ("<b>bo</b>ld <i>and</i> <code>a_b*c</code>", "**bo**ld *and* `a_b*c`"),
    ],
)
def test_end_tags_may_be_missing_and_nothing_is_glued(body, expected):
    assert markdown(body) == expected


@pytest.mark.parametrize(
    "unseen",
    [
        "<?php echo 1 ?>",
        "<!-- a comment -->",
        "<select><option>Albania<option>Austria</select>",
        "<button>Click</button>",
        "<p hidden>secret</p>",
        '<div style="color: red; display:none">secret</div>',
        '<div style="DISPLAY: none"><nav hidden><button>twice</button></nav></div>',
        "<nav><a href=/>Home</a></nav>",
        '<div role="navigation">Home</div>',
        '<form role="search"><input>Search</form>',
        "<footer>Imprint</footer>",
        "<template><p>later</p></template>",
        "<noscript>No script</noscript>",
        "<svg><title>arrow</title><text>arrow</text></svg>",
        '<textarea rows="3">draft</textarea>',
    ],
)
def test_what_is_no_content_is_left_out(unseen):
    page = f"<body>{unseen}<p>Seen.</p>{unseen}<p>Too.</p>"
    assert parse_page(page).markdown == "Seen.\n\nToo."


def test_declaration_of_xml_is_left_out():
    page = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n<html><body>Text.</body></html>'
    )
    assert parse_page(page).markdown == "Text."


@pytest.mark.parametrize(
    "page",
    [
        "<html hidden><body>All.",
        '<body style="display:none" role="navigation">All.<script>show()</script>',
        '<html xmlns="http://www.w3.org/1999/xhtml"><title/><script src="a.js" /><style/>All.',
    ],
)
def test_pages_that_only_a_script_shows_and_tags_closed_at_once_hide_nothing(page):
    assert parse_page(page) == ("", "All.")


@pytest.mark.parametrize("main", ["<main>{}</main>", '<div class="page" role="main">{}</div>'])
def test_main_content_is_taken_where_it_is_marked(main):
    page = "<div>Menu</div>" + main.format("<h1>Text</h1><footer>Notes</footer>") + "<div>Ad</div>"
    assert markdown(page) == "# Text\n\nNotes"


@pytest.mark.parametrize("body", ["<main> </main><p>All.</p>", "<main>A</main><main>B</main>"])
def test_all_is_taken_where_main_content_is_not_marked_or_empty(body):
    assert markdown(body).replace("\n\n", "") in {"All.", "AB"}


def test_footer_of_an_article_stays():
    body = "<article><p>Text.</p><footer>By an author.</footer></article><footer>Imprint</footer>"
    assert markdown(body) == "Text.\n\nBy an author."


def test_links_of_headings_to_themselves_are_left_out():
    assert markdown('<h2>Install<a href="#install">¶</a></h2>') == "## Install"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> A\n page </title><h1>Top</h1>", "A page"),
        ("<title></title><h1>The <i>top</i></h1>", "The top"),
        ("<svg><title>arrow</title></svg><p>text", ""),
    ],
)
def test_title_is_the_pages_or_its_first_heading(page, title):
    assert parse_page(page).title == title


@pytest.mark.parametrize(
    "tag", ["div", "b", "ul><li", "blockquote", "font size=1", "table><tr><td"]
)
def test_tags_may_be_nested_thousands_deep(tag):
    page = f"<p>top</p>{f'<{tag}>' * 5000}<p>one</p><pre>two</pre>"
    text = markdown(page)
    assert text.startswith("top")
    assert text.index("one") < text.index("two")


def test_page_that_nothing_can_be_made_of_is_read_in_the_end(tmp_path):
    files = find_files([str(write(tmp_path, {"a.html": b"<<<>>&&; <![CDATA[ x ]]> </p></html>x"}))])
    reading = Reading(file=files.files[0])
    assert [part.page_content.strip()[-1] for part in read(reading)] == ["x"]
    assert reading.problem is None
