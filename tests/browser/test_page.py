"""The page in a real Chromium: a turning head, drag and keys, upload and wait, gallery, sliders, link and its deletion after a restart."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
REQUIRED = os.environ.get("SYMGAN_BROWSER_REQUIRED") == "1"
pytestmark = [pytest.mark.browser,
              pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="no Chromium on this machine: install it to drive the page")]


class Server:
    """The page as a user starts it, on a free port, with shares that outlive it."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        ours = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}  # the page has the whole machine, as a user's has
        env = ours | {"GRADIO_SERVER_PORT": str(self.port), "SYMGAN_SHARES": str(self.folder / "shares"),
                            "SYMGAN_WORK": str(self.folder / "work"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        log = (self.folder / "server.log").open("a")
        self.process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=log, stderr=log)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(240):
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            try:
                opener.open(self.url, timeout=2)
                return
            except OSError:
                time.sleep(0.5)
        raise AssertionError("the page did not come up")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "browser tests are required here, and there is no Chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[
            "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1440, 900)])
def page(request, browser, server: Server):
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US", has_touch=width < 800)
    page = context.new_page()
    page.asked = []
    page.on("request", lambda asked: page.asked.append(asked.url) if "/queue/join" in asked.url else None)
    page.goto(server.url)
    turning(page)
    yield page
    context.close()


both_sizes = pytest.mark.parametrize("page", [(1440, 900), (390, 844)], indirect=True)


def frame(page) -> str:
    return page.evaluate("document.querySelector('.sv-canvas')?.dataset.frame || ''")


def new_frame(page, old: str, timeout: float = 60) -> str:
    """Wait until the stage shows something else."""
    page.wait_for_function("old => (document.querySelector('.sv-canvas')?.dataset.frame || old) !== old", arg=old, timeout=timeout * 1000)
    return frame(page)


def still(page, old: str = "", timeout: float = 60) -> str:
    """Wait for a fresh picture from the server."""
    fresh = "old => { const f = document.querySelector('.sv-canvas').dataset.frame || ''; return f.startsWith('still') && f !== old }"
    page.wait_for_function(fresh, arg=old, timeout=timeout * 1000)
    return frame(page)


def turning(page, timeout: float = 60) -> None:
    """Wait until the head turns by itself."""
    page.wait_for_function("(document.querySelector('.sv-canvas')?.dataset.frame || '').includes('webp')", timeout=timeout * 1000)
    new_frame(page, frame(page), timeout)


def middle(page) -> tuple[float, float]:
    box = page.locator(".sv-canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def at_rest(page) -> str:
    """Look at the head from the front, without motion."""
    page.locator(".sv-canvas").focus()
    page.keyboard.press("Home")
    return still(page)


def slide(page, element: str, value: float) -> None:
    box = page.locator(f"#{element} input[type=number]")
    box.fill(str(value))
    box.press("Enter")


def at(page, element: str, value: float) -> None:
    """Wait until a slider is there."""
    there = "([id, value]) => { const n = document.querySelector(`#${id} input[type=number]`); return n && Number(n.value) === value }"
    page.wait_for_function(there, arg=[element, value], timeout=30_000)


def open_group(page, name: str) -> None:
    page.locator(f"#group-{name} > button").click()


def upload(page, astronaut, tmp_path) -> None:
    """Give the page the astronaut."""
    path = tmp_path / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    page.set_input_files("#photo input[type=file]", str(path))
    page.wait_for_selector("#check img", timeout=60_000)  # crop, points and pose, before time is spent


@both_sizes
def test_a_head_turns_before_anything_is_clicked(page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.querySelector('.sv-canvas').getBoundingClientRect().bottom < window.innerHeight")
    assert page.locator("#gallery button img").count() >= 8
    assert "deleted when you leave" in page.inner_text(".sg-privacy")


@both_sizes
def test_the_head_follows_hand_and_keys_without_the_server(page) -> None:
    at_rest(page)
    x, y = middle(page)
    before, seen = len(page.asked), set()
    page.mouse.move(x, y)
    page.mouse.down()
    for number in range(30):
        page.mouse.move(x + 4 * number, y)
        page.wait_for_timeout(15)
        seen.add(frame(page))
    assert len(seen) > 4 and len(page.asked) == before
    page.mouse.up()
    rested = still(page)  # a fresh picture when the hand rests
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    still(page, rested)
    page.locator(".sv-canvas").dblclick()
    page.wait_for_function("document.querySelector('.sv-canvas').getAttribute('aria-valuenow') === '0'", timeout=10_000)


def test_upload_wait_and_a_turning_head(page, server: Server, astronaut, tmp_path, browser) -> None:
    upload(page, astronaut, tmp_path)
    page.click("#go")
    page.locator("#stop").wait_for(timeout=30_000)
    pictures, shown = {still(page, timeout=120)}, time.monotonic()
    while not page.locator("#status .sg-done").count() and time.monotonic() - shown < 600:
        pictures.add(frame(page))
        page.wait_for_timeout(200)
    assert len({name for name in pictures if name.startswith("still")}) >= 4
    turning(page)
    plain = at_rest(page)
    slide(page, "edit-smile", 1.5)
    smiling = still(page, plain)
    open_group(page, "shape")
    slide(page, "edit-face_width", -1)
    still(page, smiling)
    page.screenshot(path=str(server.folder / "page.png"))
    page.click("#share")
    page.wait_for_selector("#link textarea, #link input", timeout=120_000)
    link = page.locator("#link textarea, #link input").first.input_value()
    stored = {p.name for p in (server.folder / "shares").rglob("*") if p.is_file()}
    assert "portrait.safetensors" in stored and not {name for name in stored if "input" in name or "photo" in name}
    server.stop()
    server.start()
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    other = context.new_page()
    other.goto(link)
    turning(other)
    at(other, "edit-smile", 1.5)  # the sliders are where they were when it was shared
    assert not other.locator("#go").is_visible()
    page.goto(server.url)
    turning(page)
    page.locator("#my-links > button").click()
    page.click("#unshare")
    page.locator(".toast-body", has_text="deleted").wait_for(timeout=30_000)
    other.goto(link)
    other.locator("#status .sg-error", has_text="does not lead").wait_for(timeout=60_000)
    context.close()


def test_gallery_opens_at_once_and_sliders_reset_again_and_again(page) -> None:
    old = frame(page).split()[0]
    page.locator("#gallery button img").nth(2).click()
    other = "old => { const f = document.querySelector('.sv-canvas').dataset.frame || ''; return f && !f.startsWith(old) }"
    page.wait_for_function(other, arg=old, timeout=30_000)
    shown = at_rest(page)
    for _ in range(3):
        slide(page, "edit-smile", 2)
        shown = still(page, shown)
        page.click("#reset-all")
        at(page, "edit-smile", 0)
        shown = still(page, shown)
    slide(page, "edit-smile", 1)
    shown = still(page, shown)
    page.click("#undo")
    at(page, "edit-smile", 0)


def test_an_edited_head_can_be_turned_without_the_server(page) -> None:
    shown = at_rest(page)
    page.click("#expression-surprise")
    for name, value in (("brow_raise", 2), ("eye_opening", 2), ("mouth_open", 1.6), ("smile", 0)):
        at(page, f"edit-{name}", value)
    still(page, shown)
    x, y = middle(page)
    page.wait_for_selector(".sv-canvas[data-own=true]", timeout=120_000)  # the strip of the edited head
    page.wait_for_timeout(1500)
    before, seen = len(page.asked), set()
    page.mouse.move(x, y)
    page.mouse.down()
    for number in range(25):
        page.mouse.move(x - 5 * number, y)
        page.wait_for_timeout(15)
        seen.add(frame(page))
    assert len({name for name in seen if name.startswith("data:")}) > 3 and len(page.asked) == before
    page.mouse.up()


def test_photo_depth_and_mesh_are_shown(page) -> None:
    shown = at_rest(page)
    page.click("#compare input")
    page.wait_for_selector(".sv-photo:not([hidden])", timeout=30_000)
    page.click("#compare input")
    page.wait_for_selector(".sv-photo[hidden]", state="attached", timeout=30_000)
    page.click("#depth input")
    still(page, shown)
    page.locator("#downloads > button").click()
    page.click("#make-mesh")
    page.wait_for_selector("#mesh canvas", timeout=180_000)


def test_stop_keeps_the_best_so_far(page, astronaut, tmp_path) -> None:
    upload(page, astronaut, tmp_path)
    page.click("#go")
    page.locator("#stop").wait_for(timeout=30_000)
    page.click("#stop")
    page.locator("#stop", has_text="Stopping").wait_for(timeout=10_000)
    page.wait_for_selector("#status .sg-done", timeout=300_000)
    assert "Stopped" in page.inner_text("#status")
    turning(page)


def test_a_bad_file_is_told_in_a_line_and_loses_nothing(page, tmp_path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("this is no picture")
    page.set_input_files("#photo input[type=file]", str(path))
    page.locator("#status .sg-error", has_text="not a picture").wait_for(timeout=60_000)
    page.click("#go")
    page.locator(".toast-body", has_text="not a picture").wait_for(timeout=60_000)
    page.locator("#go").wait_for(timeout=10_000)
    assert not page.locator("#stop").is_visible()


def pictures_in(folder: Path) -> list[Path]:
    """Files that are pictures, whatever their names."""
    heads = (b"\x89PNG", b"RIFF", b"\xff\xd8\xff\xe0")
    return [path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:4] in heads]


def none_left(folder: Path, seconds: float = 20) -> bool:
    """Wait until no picture is in a folder."""
    until = time.monotonic() + seconds
    while pictures_in(folder) and time.monotonic() < until:
        time.sleep(0.2)
    return not pictures_in(folder)


def test_nothing_of_a_photo_stays_behind(browser, server: Server, astronaut, tmp_path) -> None:
    """Deleted by a click; when its visitor leaves; at the start after a crash; and at SIGTERM."""
    work = server.folder / "work"

    def visitor():
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        page = context.new_page()
        page.goto(server.url)
        turning(page)
        upload(page, astronaut, tmp_path)
        assert pictures_in(work)
        return page

    page = visitor()
    page.click("#forget")
    page.locator("#status .sg-done", has_text="are deleted").wait_for(timeout=30_000)
    assert none_left(work)
    page.context.close()
    visitor().context.close()
    assert none_left(work)
    page = visitor()
    server.process.kill()
    server.process.wait()
    assert pictures_in(work)
    page.context.close()
    server.start()
    assert none_left(work)
    page = visitor()
    server.stop()
    assert not pictures_in(work)
    page.context.close()
    server.start()


def test_an_unknown_link_is_told(browser, server: Server) -> None:
    page = browser.new_page()
    page.goto(server.url + "?r=AAAAAAAAAAAAAAAAAAAAAA")
    page.wait_for_selector("#status .sg-error", timeout=60_000)
    assert "does not lead" in page.inner_text("#status")
