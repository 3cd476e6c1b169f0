"""A run as a user has it: a photo, the wait, the head, its link; and what outlives a restart."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .driving import Server, at, at_rest, frame, open_group, phone_too, pictures_in, slide, still, turning, upload


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), Path(__file__).with_name("short_page.py"))
    yield server
    server.stop()


@phone_too
def test_stop_keeps_the_best_so_far(page, astronaut, tmp_path) -> None:
    upload(page, astronaut, tmp_path)
    page.click("#go")
    page.locator("#stop").wait_for(timeout=30_000)
    page.click("#stop")
    page.locator("#stop", has_text="Stopping").wait_for(timeout=10_000)
    page.wait_for_selector("#status .sg-done", timeout=300_000)
    assert "Stopped" in page.inner_text("#status")
    turning(page)


@phone_too
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
    report = json.loads(max((server.folder / "work").rglob("report.json"), key=lambda path: path.stat().st_mtime).read_text())
    assert report["preset"] == "fast" and report["steps"].keys() == {"guess", "pivot", "tuning"}
    assert report["metrics"]["lpips"] < 0.05 and report["metrics"]["psnr_without_detail"] > 16, report["metrics"]  # in so few steps
    stored = {p.name for p in (server.folder / "shares").rglob("*") if p.is_file()}
    assert "portrait.safetensors" in stored and not {name for name in stored if "input" in name or "photo" in name}
    assert pictures_in(server.folder / "work")
    server.stop()
    assert not pictures_in(server.folder / "work")
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
