"""The page in Firefox, where that and Mozilla's driver are installed (``apt install firefox-esr``, ``pip install marionette_driver``)."""

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from .driving import Server

FIREFOX = next((found for name in ("firefox-esr", "firefox") if (found := shutil.which(name))), None)
FRAME = "(document.querySelector('.sv-canvas')?.dataset.frame || '')"
SLIDE = """const box = document.querySelector(arguments[0]); box.value = arguments[1];
for (const kind of ['input', 'change']) box.dispatchEvent(new Event(kind, { bubbles: true }));"""
SHOW = "document.querySelector(arguments[0]).style.cssText = 'display: block !important; position: fixed; top: 0; left: 0; z-index: 9999'"
"""A hidden input takes no file from a driver."""
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (FIREFOX and importlib.util.find_spec("marionette_driver")),
                                                   reason="no Firefox, or no marionette_driver")]


class Page:
    """The page in one window."""

    def __init__(self, driver: Any):
        self.driver = driver

    def run(self, code: str, *given: object) -> Any:
        return self.driver.execute_script(code, script_args=given)

    def wait(self, condition: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not self.run(f"return {condition}"):
            assert time.monotonic() < until, condition
            time.sleep(0.1)

    def changed(self, act: Callable[[], object], start: str = "") -> None:
        """Do something, and wait for another picture on the stage, of a name that begins so."""
        old = self.run(f"return {FRAME}")
        act()
        self.wait(f"{FRAME} !== '{old}' && {FRAME}.startsWith('{start}')")

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)


@pytest.fixture
def page(server: Server, tmp_path: Path) -> Iterator[Page]:
    from marionette_driver.marionette import Marionette

    driver = Marionette(bin=FIREFOX, headless=True, prefs={"media.autoplay.default": 0}, gecko_log=str(tmp_path / "gecko.log"))
    driver.start_session()
    try:
        driver.set_window_rect(width=1440, height=1000)
        driver.navigate(server.url)
        yield Page(driver)
    finally:
        driver.quit()


def test_a_head_turns_is_dragged_edited_and_changed_and_a_photo_is_taken(page: Page, astronaut, tmp_path: Path) -> None:
    from marionette_driver.marionette import ActionSequence

    page.wait(f"{FRAME}.includes('webp')", 120)
    page.changed(lambda: None)  # it turns by itself
    stage = page.find(".sv-canvas")
    hand = ActionSequence(page.driver, "pointer", "mouse", {"pointerType": "mouse"})
    hand.pointer_move(0, 0, origin=stage).pointer_down().pointer_move(120, 0, origin=stage, duration=300).pointer_up()
    page.changed(hand.perform)
    page.changed(lambda: None, "still")  # a fresh picture where the hand rests
    page.changed(lambda: page.run(SLIDE, "#edit-smile input[type=number]", "2"), "still")
    page.changed(lambda: page.driver.find_elements("css selector", "#gallery button img")[2].click(), "http")
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    page.run(SHOW, "#photo input[type=file]")
    page.find("#photo input[type=file]").send_keys(str(tmp_path / "astronaut.png"))
    page.wait("!!document.querySelector('#check img')", 120)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
