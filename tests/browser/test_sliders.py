"""Each slider of the page, at both ends."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from symgan_core.portrait.editing import DIRECTIONS
from tests.browser.driving import at, at_rest, open_from_gallery, open_group, phone_too, slide, still

LEAST, BLOCKS = 2.0, 32
"""Mean difference, of 255, of that block of the canvas, of so many a side, that changes most: eyes are a small part of the picture."""
DRAWN = 1e-6
"""Two pictures of the same head are equal."""


def shown(page) -> np.ndarray:
    """What the canvas shows, ``[H, W, 3]``."""
    data = page.evaluate("document.querySelector('.sv-canvas').toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB"), float)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    away = Image.fromarray(np.abs(one - other).mean(2).astype(np.float32))
    return float(np.asarray(away.resize((BLOCKS, BLOCKS), Image.Resampling.BOX)).max())


@phone_too
@pytest.mark.slow
def test_each_slider_changes_the_head_and_goes_back(page) -> None:
    open_from_gallery(page, 1)
    frame = at_rest(page)
    plain, unchanged = shown(page), []
    for key in ("shape", "hair", "colour-and-light"):
        open_group(page, key)
    for direction in DIRECTIONS:
        for end in (direction.limit, -direction.limit):
            slide(page, f"edit-{direction.name}", end)
            frame = still(page, frame)
            if difference(shown(page), plain) < LEAST:
                unchanged.append((direction.name, end))
        slide(page, f"edit-{direction.name}", 0)
        at(page, f"edit-{direction.name}", 0)
        frame = still(page, frame)
        assert np.abs(shown(page) - plain).mean() < DRAWN, direction.name
    assert not unchanged
