"""Pictures of the page for the docs: ``python -m tests.browser.screenshots FOLDER`` writes start, run, result, phone and dark .jpg."""

import argparse
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from skimage.data import astronaut

from .conftest import CHROMIUM
from .driving import Server, at, at_rest, slide, still, turning, upload

LARGEST = 250_000
"""Bytes of a picture."""
RUN = 1800
"""Seconds that a run may take, on the slowest of machines."""


@contextmanager
def visitor(browser: Browser, url: str, width: int, height: int) -> Iterator[Page]:
    """A page with a head that turns."""
    context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=1.5, has_touch=width < 800,
                                  locale="en-US")
    page = context.new_page()
    page.goto(url)
    turning(page)
    yield page
    context.close()


def save(page: Page, path: Path) -> None:
    """What is on the screen, as good as ``LARGEST`` allows."""
    page.mouse.move(2, 2)
    page.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for quality in range(92, 40, -4):
        picture.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size < LARGEST:
            break
    print(f"{path} {picture.size[0]}x{picture.size[1]}, {path.stat().st_size // 1000} kB, quality {quality}", flush=True)


def smile(page: Page) -> None:
    """The head from the front, smiling."""
    plain = at_rest(page)
    slide(page, "edit-smile", 1.5)
    at(page, "edit-smile", 1.5)
    still(page, plain)
    page.evaluate("document.activeElement.blur()")


def astronauts(browser: Browser, url: str, out: Path, folder: Path) -> None:
    """A run with the astronaut's photo, and its result."""
    with visitor(browser, url, 1440, 900) as page:
        upload(page, astronaut(), folder)
        page.click("#go")
        page.wait_for_function("parseFloat(document.querySelector('#status .sg-fill')?.style.width) > 30", timeout=RUN * 1000)
        still(page, timeout=RUN)
        save(page, out / "run.jpg")
        page.wait_for_selector("#status .sg-done", timeout=RUN * 1000)
        turning(page)
        smile(page)
        save(page, out / "result.jpg")


def main() -> None:
    """Serve the page, visit it, save what is seen."""
    parser = argparse.ArgumentParser(description="Make the pictures of the page for the docs.")
    parser.add_argument("out", type=Path, metavar="FOLDER")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        server = Server(Path(name))
        try:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            with visitor(browser, server.url, 1440, 900) as page:
                save(page, out / "start.jpg")
            with visitor(browser, server.url + "?__theme=dark&example=noor", 1440, 900) as page:
                smile(page)
                save(page, out / "dark.jpg")
            with visitor(browser, server.url, 390, 844) as page:
                smile(page)
                below = page.locator(".sv").bounding_box()["height"] + 12
                page.locator("#undo").evaluate("(node, below) => window.scrollBy(0, node.getBoundingClientRect().top - below)", below)
                save(page, out / "phone.jpg")
            astronauts(browser, server.url, out, Path(name))
            browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
