"""examples/media_search in a headless browser: the right files are found for texts and pictures."""

from __future__ import annotations

import base64
import importlib.util
import re
import urllib.error
import urllib.request

import pytest

from langchain_gemini_qdrant.testing import GeminiEmulator, sample_media
from tests.media_search import CHROMIUM, SIZES, browsing, make_folder, serving

MISSING = [
    *(each for each in ("gradio", "playwright", "pypdfium2") if not importlib.util.find_spec(each)),
    *(["a browser: Chromium or Chrome"] if CHROMIUM is None else []),
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

# Names every host that the programs look up or connect to.
WATCH = """
import sys
def watch(event, args):
    if event == "socket.getaddrinfo":
        print("asked for", args[0], file=sys.stderr, flush=True)
    elif event == "socket.connect" and isinstance(args[1], tuple):
        print("asked for", args[1][0], file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""
DROP = """([data, name]) => {
  const files = new DataTransfer()
  const bytes = Uint8Array.from(atob(data), each => each.charCodeAt(0))
  files.items.add(new File([bytes], name, {type: 'image/png'}))
  return files
}"""


@pytest.fixture(scope="module")
def gemini():
    with GeminiEmulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp("searched") / "holiday")
    markup = "${7*7} {{value}} <script>document.title = 'hacked'</script> <b>of a stranger</b>"
    (folder / "markup.txt").write_text(markup)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """A folder in which Python finds code that names the hosts that it asks for."""
    place = tmp_path_factory.mktemp("watch")
    (place / "sitecustomize.py").write_text(WATCH)
    return place


@pytest.fixture(scope="module")
def served(folder, gemini, hosts, tmp_path_factory):
    """The address of the application, and what it wrote."""
    env = {
        "GOOGLE_API_KEY": gemini.api_key,
        "GOOGLE_GEMINI_BASE_URL": gemini.base_url,
        "PYTHONPATH": str(hosts),
    }
    index = str(tmp_path_factory.mktemp("index"))
    with serving(folder, "--index", index, env=env) as (address, log):
        yield address, log


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


@pytest.fixture
def page(request, served, browser):
    """The page as a newcomer sees it: it loads nothing from elsewhere, and plays nothing."""
    address, _ = served
    width, height = SIZES[getattr(request, "param", "desktop")]
    page = browser.new_page(viewport={"width": width, "height": height})
    asked, errors = [], []
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("websocket", lambda opened: asked.append(opened.url))
    page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 - it marks the function
    page.goto(address)
    page.wait_for_selector("#found .message")
    yield page
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.querySelectorAll('audio, video')].every(e => e.paused)")
    page.close()


def type_query(page, text):
    page.fill("#query textarea", text)
    page.keyboard.press("Enter")


def found(page, kind):
    """Return the sources of the hits of a kind, once there are hits."""
    page.wait_for_selector("#found .score:not(:empty)")
    row = page.locator("#found section", has=page.locator("h2", has_text=kind))
    return [name.strip() for name in row.locator(".source").all_inner_texts()]


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_a_typed_text_finds_pictures_pages_players_and_passages(page):
    type_query(page, "a sailing boat in the harbour")
    firsts = {kind: found(page, kind)[0] for kind in ("Pictures", "Pages", "Video", "Passages")}
    assert firsts == {
        "Pictures": "boat.png",
        "Pages": "travel.pdf, page 2",
        "Video": "sailing.mp4",
        "Passages": "trip.txt",
    }
    scores = [float(each) for each in page.locator(".score").all_inner_texts()]
    assert all(0 < score < 1 for score in scores)
    assert page.locator("#found img").first.evaluate("each => each.decode().then(() => true)")


@pytest.mark.parametrize("way", ["dropped", "chosen"])
def test_a_picture_finds_pictures_of_the_same(page, way):
    data = sample_media.png("The red boat is sailing", color=(9, 99, 200))
    if way == "dropped":
        encoded = base64.b64encode(data).decode()
        files = page.evaluate_handle(DROP, [encoded, "mine.png"])
        page.dispatch_event("#query textarea", "drop", {"dataTransfer": files})
    else:
        file = {"name": "mine.png", "mimeType": "image/png", "buffer": data}
        page.set_input_files("#query input[type=file]", file)
    page.wait_for_selector("#query img")
    page.focus("#query textarea")
    page.keyboard.press("Enter")
    assert found(page, "Pictures")[0] == "boat.png"
    assert page.locator("#found h2").first.inner_text() == "Pictures"


def test_one_kind_is_shown_alone(page):
    type_query(page, "the sea at the beach")
    assert found(page, "Pictures")[0] == "beach.png"
    page.get_by_label("Sound").check()
    page.wait_for_function("document.querySelectorAll('#found h2').length == 1")
    assert found(page, "Sound") == ["waves.wav", "birds.mp3"]


def test_more_like_this_finds_other_files(page):
    page.locator("article", has_text="sailing.mp4").get_by_role("button").click()
    page.wait_for_selector("#found .heading")
    assert page.locator(".heading").inner_text() == "More like sailing.mp4"
    assert found(page, "Pictures")[0] == "boat.png"
    assert found(page, "Video") == []


def test_markup_in_a_file_is_shown_as_text(page, folder):
    type_query(page, "markup of a stranger")
    found(page, "Passages")
    passage = page.locator("article", has_text="markup.txt").locator(".passage")
    assert passage.inner_text() == (folder / "markup.txt").read_text()
    assert page.title() == "Media search"


def test_errors_are_told_in_words_and_the_next_search_works(page, gemini):
    gemini.fail_next(status=403)
    type_query(page, "boat")
    assert "403" in page.locator("#found [role=alert]").inner_text()
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("#query input[type=file]", file)
    page.wait_for_selector("#query button[aria-label='Remove this file'], #query .thumbnail-item")
    page.focus("#query textarea")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#found').innerText.includes('image/png')")
    page.reload()
    type_query(page, "boat in the harbour")
    assert found(page, "Pictures")[0] == "boat.png"


def test_a_quota_that_is_used_up_is_told_in_words(page, gemini):
    gemini.fail_next(status=429, quota="requests_per_day")
    type_query(page, "boat")
    assert "The quota is used up" in page.locator("#found [role=alert]").inner_text()


def test_nothing_outside_this_machine_is_asked(served, page):
    type_query(page, "boat in the harbour")
    found(page, "Pictures")
    _, log = served
    asked = set(re.findall(r"asked for (\S+)", log()))
    assert "127.0.0.1" in asked
    assert asked <= {"127.0.0.1", "localhost", "::1", "None"}


def test_a_file_that_cannot_be_read_is_named_at_the_start(served):
    _, log = served
    assert "broken.png" in log()


def get(address, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_only_files_of_the_folder_are_served(served, page, folder, tmp_path):
    address, _ = served
    type_query(page, "dog at the beach")
    assert found(page, "Pictures")[0] == "beach.png"
    link = page.locator("article", has_text="beach.png").locator("img").get_attribute("src")
    assert get(f"{address}/{link}") == (200, (folder / "beach.png").read_bytes())
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (folder / "beach.png").rename(tmp_path / "kept.png")
    (folder / "beach.png").symlink_to(secret)
    try:
        assert get(f"{address}/{link}")[0] == 404
    finally:
        (folder / "beach.png").unlink()
        (tmp_path / "kept.png").rename(folder / "beach.png")
    for path in (f"media/..%2f{secret.name}", f"media/{secret}", f"gradio_api/file={secret}"):
        assert get(f"{address}/{path}")[0] in {403, 404}, path
    assert get(f"{address}/{link}", Host="stranger.example")[0] == 400


def test_pages_and_players_get_their_bytes(served, page, folder):
    address, _ = served
    type_query(page, "boat in the harbour")
    found(page, "Pages")
    view = page.locator("article", has_text="page 2").locator(".view")
    status, png = get(f"{address}/{view.locator('img').get_attribute('src')}")
    assert status == 200
    assert png.startswith(b"\x89PNG")
    assert view.get_attribute("href").endswith("#page=2")
    kept = (folder / "travel.pdf").read_bytes()
    (folder / "travel.pdf").write_bytes(kept[:100])
    try:
        assert get(f"{address}/{view.locator('img').get_attribute('src')}")[0] == 404
    finally:
        (folder / "travel.pdf").write_bytes(kept)
    link = page.locator("article", has_text="sailing.mp4").locator("video").get_attribute("src")
    status, part = get(f"{address}/{link}", Range="bytes=4-7")
    assert (status, part) == (206, (folder / "sailing.mp4").read_bytes()[4:8])


def test_an_empty_folder_says_what_to_do(browser, tmp_path):
    (tmp_path / "empty").mkdir()
    with serving(tmp_path / "empty", "--emulator") as (address, _):
        page = browser.new_page()
        page.goto(address)
        assert "nothing to search yet" in page.locator("#found .message").inner_text()
        page.close()


def test_without_a_key_it_says_which_one_is_missing(folder, tmp_path):
    with (
        pytest.raises(RuntimeError, match="GOOGLE_API_KEY"),
        serving(folder, "--index", str(tmp_path)),
    ):
        pass


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="is not a folder"), serving(tmp_path / "gone"):
        pass
