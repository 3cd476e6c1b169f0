"""Eight visitors at once, each with a gallery, sliders and a run: everybody gets his own head, or a sentence."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.gallery import list_examples
from symgan_core.generator import TriPlaneGenerator, load_generator
from symgan_core.inversion import Portrait3D, to_uint8

from .driving import ROOT, Server, at_rest, frame, slide, still

STAGE = """() => { const c = document.querySelector('.sv-canvas'); const o = new OffscreenCanvas(64, 64).getContext('2d');
o.drawImage(c, 0, 0, 64, 64); return [...o.getImageData(0, 0, 64, 64).data]; }"""


def stage(page) -> np.ndarray:
    """The picture on the stage, small: ``[64, 64, 3]``."""
    return np.array(page.evaluate(STAGE), float).reshape(64, 64, 4)[..., :3]


def from_the_front(folder: Path, generator: TriPlaneGenerator) -> np.ndarray:
    """A stored head, as ``stage`` has it."""
    picture = to_uint8(Portrait3D.load(folder, base=generator).render(yaw=0.0).image)
    return np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BOX), float)


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    """A page whose runs are short."""
    server = Server(tmp_path, ROOT / "tests/demo/quick_page.py")
    yield server
    server.stop()


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
    last = pages[-1]
    last.locator("#status", has_text="in the line").wait_for(timeout=120_000)  # who waits sees his place
    shown = at_rest(last)  # and may play with the gallery's head meanwhile
    slide(last, "edit-smile", 2)
    still(last, shown)
    slide(last, "edit-smile", 0)
    for page in pages:
        page.wait_for_selector("#status .sg-done", timeout=600_000)
    generator = load_generator("builtin", "cpu")
    heads = [from_the_front(example.folder, generator) for example in examples]
    for number, page in enumerate(pages):
        page.click("#mode >> text=Photo")
        page.wait_for_selector(".sv-photo:not([hidden])", timeout=60_000)
        page.click("#mode >> text=Head")
        assert frame(page), "an empty stage"
        at_rest(page)
        apart = [np.abs(stage(page) - head)[16:48, 16:48].mean() for head in heads]
        assert int(np.argmin(apart)) == number, f"visitor {number} sees the head of visitor {int(np.argmin(apart))}"
        page.context.close()
