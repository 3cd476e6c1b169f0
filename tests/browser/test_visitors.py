"""Eight visitors at once, each with a gallery, sliders and a run: everybody gets his own head, or a sentence."""

import numpy as np
import pytest
from PIL import Image

from demo.gallery import list_examples

from .driving import Server, at_rest, frame, slide, still

STAGE = """() => { const c = document.querySelector('.sv-canvas'); const o = new OffscreenCanvas(64, 64).getContext('2d');
o.drawImage(c, 0, 0, 64, 64); return [...o.getImageData(0, 0, 64, 64).data]; }"""


def stage(page) -> np.ndarray:
    """The picture on the stage, small: ``[64, 64, 3]``."""
    return np.array(page.evaluate(STAGE), float).reshape(64, 64, 4)[..., :3]


def on_white(path) -> np.ndarray:
    picture = Image.open(path).convert("RGBA").resize((64, 64), Image.Resampling.BOX)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture), float)[..., :3]


@pytest.mark.slow
def test_eight_visitors_at_once_keep_their_own_heads(browser, server: Server) -> None:
    examples = list_examples()
    assert len(examples) == 8
    pages = []
    for example in examples:
        # Without motion: eight heads that turn are more than one machine can draw.
        page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", reduced_motion="reduce").new_page()
        page.goto(server.url)
        still(page, timeout=180)
        page.set_input_files("#photo input[type=file]", str(example.photo))
        pages.append(page)
    for page in pages:
        page.wait_for_selector("#check img", timeout=120_000)
    for page in pages:
        page.click("#go")
    for page in pages:
        page.locator("#stop").wait_for(timeout=60_000)
    last = pages[-1]
    last.locator("#status", has_text="in the line").wait_for(timeout=120_000)  # who waits sees his place
    shown = at_rest(last)  # and may play with the gallery's head meanwhile
    slide(last, "edit-smile", 2)
    still(last, shown)
    slide(last, "edit-smile", 0)
    for page in pages:  # the best so far is enough here
        page.locator("#status", has_text="details").wait_for(timeout=600_000)
        page.click("#stop")
    for page in pages:
        page.wait_for_selector("#status .sg-done:has-text('Stopped')", timeout=300_000)
    photos = [on_white(example.photo) for example in examples]
    for number, page in enumerate(pages):
        page.click("#mode >> text=Photo")
        page.wait_for_selector(".sv-photo:not([hidden])", timeout=60_000)
        page.click("#mode >> text=Head")
        assert frame(page), "an empty stage"
        at_rest(page)
        apart = [np.abs(stage(page) - photo)[16:48, 16:48].mean() for photo in photos]
        assert int(np.argmin(apart)) == number, f"visitor {number} sees the head of visitor {int(np.argmin(apart))}"
        page.context.close()
