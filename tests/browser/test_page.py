"""The page in a real Chromium: upload, wait, a playing video; gallery; sliders; share and its link after a restart."""

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


@pytest.fixture
def page(browser, server: Server):
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-US")
    page = context.new_page()
    page.goto(server.url)
    page.get_by_role("button", name="Turn my head").wait_for(timeout=60_000)
    yield page
    context.close()


def playing(page, timeout: float = 60) -> float:
    """Wait until the video moves; returns its length in seconds."""
    moves = "() => { const v = document.querySelector('#video video'); return v && v.readyState >= 2 && v.currentTime > 0.3 }"
    page.wait_for_function(moves, timeout=timeout * 1000)
    return page.evaluate("document.querySelector('#video video').duration")


def picture(page) -> str:
    page.wait_for_selector("#view img", timeout=60_000)
    return page.get_attribute("#view img", "src")


def new_picture(page, old: str) -> str:
    changed = "old => { const i = document.querySelector('#view img'); return i && i.src !== old }"
    page.wait_for_function(changed, arg=old, timeout=60_000)
    return picture(page)


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


def upload(page, astronaut, tmp_path, preset: str) -> None:
    """Give the page the astronaut, and start."""
    path = tmp_path / "astronaut.png"
    Image.fromarray(astronaut).save(path)
    page.set_input_files("#photo input[type=file]", str(path))
    page.wait_for_selector("#photo img", timeout=30_000)
    page.wait_for_selector("#check img", timeout=60_000)  # crop, points and pose, before time is spent
    page.get_by_text(preset, exact=True).click()
    page.click("#go")
    page.wait_for_selector("#preview img", timeout=120_000)  # a picture while it works


def test_upload_wait_and_a_playing_video(page, server: Server, astronaut, tmp_path) -> None:
    upload(page, astronaut, tmp_path, "Fast")
    page.wait_for_selector("#status .sg-done", timeout=600_000)
    assert playing(page) >= 2
    first = picture(page)
    slide(page, "yaw", 30)
    second = new_picture(page, first)
    slide(page, "edit-smile", 1.5)
    third = new_picture(page, second)
    open_group(page, "shape")
    slide(page, "edit-face_width", -1)
    new_picture(page, third)
    page.screenshot(path=str(server.folder / "page.png"))
    page.click("#share")
    page.wait_for_selector("#link textarea, #link input", timeout=120_000)
    link = page.locator("#link textarea, #link input").first.input_value()
    stored = {p.name for p in (server.folder / "shares").rglob("*") if p.is_file()}
    assert stored == {"orbit.mp4", "portrait.safetensors", "report.json", "share.json"}
    server.stop()
    server.start()
    page.goto(link)
    assert playing(page) >= 2
    shared = picture(page)
    at(page, "edit-smile", 1.5)  # the sliders are where they were when it was shared
    open_group(page, "shape")
    at(page, "edit-face_width", -1)
    slide(page, "yaw", -20)
    turned = new_picture(page, shared)
    page.click("#reset-shape")
    new_picture(page, turned)
    at(page, "edit-face_width", 0)
    at(page, "edit-smile", 1.5)
    assert not page.locator("#go").is_visible()


def test_gallery_opens_at_once_and_its_sliders_work(page) -> None:
    page.locator("#gallery button img, #gallery .grid-container img").first.click()
    assert playing(page, 30) >= 2
    first = picture(page)
    slide(page, "yaw", -35)
    new_picture(page, first)


def test_an_expression_is_one_click_and_a_film_another(page) -> None:
    page.locator("#gallery button img, #gallery .grid-container img").first.click()
    playing(page, 30)
    plain = picture(page)
    page.click("#film-expression")  # none yet
    page.locator("#status .sg-error", has_text="expression").wait_for(timeout=30_000)
    page.click("#expression-surprise")
    surprised = new_picture(page, plain)
    for name, value in (("brow_raise", 2), ("eye_opening", 2), ("mouth_open", 1.6), ("smile", 0)):
        at(page, f"edit-{name}", value)
    page.click("#film-expression")
    page.locator("#status .sg-done", has_text="new video").wait_for(timeout=300_000)
    assert abs(playing(page) - 3) < 0.2  # 72 frames
    page.click("#expression-neutral")
    neutral = new_picture(page, surprised)
    at(page, "edit-brow_raise", 0)
    page.click("#expression-smile")
    smiling = new_picture(page, neutral)
    page.click("#reset-all")
    new_picture(page, smiling)
    at(page, "edit-smile", 0)


def test_stop_keeps_the_best_so_far(page, astronaut, tmp_path) -> None:
    upload(page, astronaut, tmp_path, "Best")
    page.click("#stop")
    page.wait_for_selector("#status .sg-done", timeout=300_000)
    assert "Stopped" in page.inner_text("#status")
    assert playing(page) >= 2


def test_a_bad_file_is_told_in_a_line_and_loses_nothing(page, tmp_path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("this is no picture")
    page.set_input_files("#photo input[type=file]", str(path))
    page.wait_for_timeout(1500)
    page.click("#go")
    # The check of the upload tells it too, and may do so before the run begins; the run's own warning says that the run has ended.
    page.locator(".toast-body", has_text="not a picture").wait_for(timeout=60_000)
    page.locator("#status .sg-error", has_text="not a picture").wait_for(timeout=10_000)
    page.locator("#go").wait_for(timeout=10_000)
    assert not page.locator("#stop").is_visible()


def test_an_unknown_link_is_told(browser, server: Server) -> None:
    page = browser.new_page()
    page.goto(server.url + "?r=AAAAAAAAAAAAAAAAAAAAAA")
    page.wait_for_selector("#status .sg-error", timeout=60_000)
    assert "does not lead" in page.inner_text("#status")
