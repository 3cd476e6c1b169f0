"""How fast the page answers: ``python -m tests.browser.load`` prints seconds from a click to its picture, alone and beside a run.

Medians over a few clicks, in one Chromium on the machine that serves the page; nothing is asserted.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from .conftest import CHROMIUM
from .driving import Server, at_rest, draft, frame, open_from_gallery, slide, still, turning, upload

CLICKS = 5


def gallery_click(page, number: int) -> float:
    """Seconds from a click on a picture of the gallery to another head on the stage."""
    begin = time.monotonic()
    open_from_gallery(page, number)
    return time.monotonic() - begin


def slider_move(page, value: float) -> tuple[float, float]:
    """Seconds from a slider's new value to a draft of the head that shows it, and to its full picture."""
    old = frame(page)
    begin = time.monotonic()
    slide(page, "edit-smile", value)
    draft(page, old)
    first = time.monotonic() - begin
    still(page, old)
    return first, time.monotonic() - begin


def clicks(page) -> dict[str, float]:
    """Median seconds of ``CLICKS`` gallery clicks, and of as many moves of a slider of one head after the first."""
    gallery = [gallery_click(page, 1 + number % 7) for number in range(CLICKS)]
    at_rest(page)
    moves = [slider_move(page, 0.5 + number / 4) for number in range(CLICKS + 1)]
    drafts, full = (round(statistics.median(seconds), 2) for seconds in zip(*moves[1:], strict=True))
    return {"gallery": round(statistics.median(gallery), 2), "first slider": round(moves[0][0], 2), "slider": drafts, "in full": full}


def main() -> None:
    """Print the figures as JSON."""
    import skimage.data
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        server = Server(Path(folder))
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

        def visitor():
            page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US").new_page()
            page.goto(server.url)
            turning(page)
            return page

        try:
            page = visitor()
            time.sleep(20)  # the page warms up
            figures = {"alone": clicks(page)}
            other = visitor()
            upload(other, skimage.data.astronaut(), Path(folder))
            other.click("#go")
            other.locator("#stop").wait_for(timeout=30_000)
            still(other)
            figures["beside a run"] = clicks(page)
        finally:
            server.stop()
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
