"""Addresses that open something, a click on a face, and a connection that breaks."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from demo.gallery import list_examples
from demo.workfolder import STALLED

from .driving import COLD, Server, frame, none_left, phone_too, pictures_in, turning, upload

GRACE = 6


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), COLD, SYMGAN_GRACE_SECONDS=str(GRACE))
    yield server
    server.stop()


class Wire:
    """A wire to the page that can be cut: forwards what comes to a port of its own."""

    def __init__(self, port: int):
        self.port, self._ends = port, []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """All connections break; new ones can be made."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends = []

    def remove(self) -> None:
        """There is no network any more."""
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._door.accept()
                there = socket.create_connection(("127.0.0.1", self.port))
                self._ends += [here, there]
                for source, target in ((here, there), (there, here)):
                    threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("name", "opened"), [("kofi", "kofi"), ("nobody", list_examples()[0].name)])
def test_an_example_is_opened_by_its_name(browser, server: Server, name: str, opened: str) -> None:
    page = browser.new_page()
    page.goto(f"{server.url}?example={name}")
    turning(page)
    assert f"/{opened}/" in frame(page)
    assert not page.locator(".sg-error").count() and not page.locator(".toast-body").count()
    page.close()


@phone_too
def test_a_link_shows_the_head_alone_and_ends_when_it_expires(page, browser, server: Server) -> None:
    page.click("#share")
    page.wait_for_selector("#link textarea, #link input", timeout=120_000)
    link = page.locator("#link textarea, #link input").first.input_value()
    share_id = urlsplit(link).query.removeprefix("r=")
    assert f"/share/{share_id}.jpg" in httpx.get(link, trust_env=False).text
    other = browser.new_page()
    other.goto(link)
    turning(other)
    other.locator("h2", has_text="shared this head").wait_for(timeout=30_000)
    for hidden in ("#photo", "#go", "#gallery", "#share", "#my-links", "#forget"):
        assert not other.locator(hidden).is_visible(), hidden
    assert other.locator("#edit-smile").is_visible() and other.locator("#downloads").is_visible()
    meta = server.folder / "shares" / share_id / "share.json"
    told = json.loads(meta.read_text())
    meta.write_text(json.dumps(told | {"created": told["created"] - (told["days"] + 1) * 86400}))
    other.goto(link)
    other.locator("#status .sg-error", has_text="does not lead").wait_for(timeout=60_000)
    assert other.locator("#photo").is_visible()
    assert httpx.get(f"{server.url}share/{share_id}.jpg", trust_env=False).status_code == 404
    other.close()


@phone_too
def test_the_third_face_of_a_group_is_taken_by_a_click(page, tmp_path) -> None:
    from insightface.data import get_image

    from symgan_core.faces import load_provider

    photo = get_image("t1")[..., ::-1]
    left, top, right, bottom = load_provider().find(photo.copy())[2].box[:4]
    Image.fromarray(photo).save(tmp_path / "group.png")
    page.set_input_files("#photo input[type=file]", str(tmp_path / "group.png"))
    page.wait_for_selector("#check img", timeout=120_000)
    before = page.locator("#check img").get_attribute("src")
    picture = page.locator("#boxes img")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    scale = min(box["width"] / photo.shape[1], box["height"] / photo.shape[0])  # the picture is shown whole, in the middle
    x = (box["width"] - scale * photo.shape[1]) / 2 + scale * (left + right) / 2
    y = (box["height"] - scale * photo.shape[0]) / 2 + scale * (top + bottom) / 2
    picture.click(position={"x": float(x), "y": float(y)})
    page.locator("#status", has_text="number 3 is chosen").wait_for(timeout=60_000)
    page.wait_for_function("old => document.querySelector('#check img').getAttribute('src') !== old", arg=before, timeout=60_000)
    page.locator("#options > button").click()
    page.wait_for_function("document.querySelector('#face input')?.value === '3'", timeout=60_000)


@pytest.mark.slow
def test_a_broken_connection_loses_nothing_unless_it_stays_broken(browser, server: Server, astronaut, tmp_path) -> None:
    work, wire = server.folder / "work", Wire(server.port)
    page = browser.new_page()
    page.goto(wire.url)
    turning(page)
    upload(page, astronaut, tmp_path)
    wire.cut()
    until = time.monotonic() + 3 * GRACE
    while time.monotonic() < until:
        assert pictures_in(work)
        page.wait_for_timeout(500)
    page.set_input_files("#photo input[type=file]", str(tmp_path / "astronaut.png"))
    wire.remove()
    assert none_left(work, STALLED + 3 * GRACE + 10)  # of an upload that is half there, too
    page.close()


@pytest.mark.parametrize("way", ["closed", "another page"])
def test_who_leaves_is_forgotten_at_once(browser, server: Server, astronaut, tmp_path, way: str) -> None:
    """Sooner than a connection that broke: the page says it."""
    page = browser.new_page()
    page.goto(server.url)
    turning(page)
    upload(page, astronaut, tmp_path)
    assert pictures_in(server.folder / "work")
    if way == "closed":
        page.close()
    else:
        page.goto("about:blank")
    assert none_left(server.folder / "work", GRACE - 2)
    page.close()
