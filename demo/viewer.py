"""The stage: a head that turns by itself, by hand and by keys, in the browser alone; the server draws it anew when it rests."""

from __future__ import annotations

import base64
import io
import itertools
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from symgan_core.export import STRIP_COLUMNS, orbit_angles, strip_sheet, strip_views

from . import texts
from .work import FRAMES

FOLDER = Path(__file__).parent
TEMPLATE = """<div class="sv" role="group">
<canvas class="sv-canvas" width="512" height="512" tabindex="0" role="slider" aria-orientation="horizontal"
 aria-valuemin="-50" aria-valuemax="50" aria-valuenow="0"></canvas>
<img class="sv-photo" alt="" hidden>
<div class="sv-hint" hidden></div>
<ul class="sv-legend" hidden></ul>
</div>"""
_count = itertools.count(1)


def viewer(elem_id: str) -> gr.HTML:
    """A component whose value is what ``head_value``, ``strip_value`` or ``still_value`` give. Its events: ``turn`` (the head rests at
    yaw and pitch), ``strip`` (an edited head has rested for a while) and ``near`` (the hand comes near the sliders). Its texts come with a
    value, from ``spoken``."""
    return gr.HTML(None, html_template=TEMPLATE, css_template=(FOLDER / "viewer.css").read_text(),
                   js_on_load=(FOLDER / "viewer.js").read_text(), apply_default_css=False, elem_id=elem_id)


def spoken(said: texts.Texts) -> dict[str, Any]:
    """The texts of the viewer, and the document's language and title: what Gradio does not translate."""
    tag = "zh-CN" if said.language == "zh" else said.language  # its file is in simplified characters
    return {"said": {"language": tag, "title": f"{texts.TITLE}: {said.TAGLINE}", "stage": said.STAGE, "turn": said.TURN_BY_KEYS,
                     "photo": said.PHOTO, "hint": said.HINT, "legend": said.LEGEND}}


def head_value(head_id: str, strip: str | Path, coarse: str | Path | None = None, stale: bool = False) -> dict[str, Any]:
    """A head to turn: the strips of its orbit (``export.write_strip``). ``stale``: the same head was edited after they were made."""
    angles = orbit_angles(FRAMES)
    yaws = [round(angles[number][0], 2) for number in strip_views(FRAMES)]
    return {"id": head_id, "strip": _file(strip), "coarse": _file(coarse) if coarse else None, "columns": STRIP_COLUMNS, "yaws": yaws,
            "stale": stale}


def strip_value(head_id: str, pictures: list[np.ndarray], yaws: list[float]) -> dict[str, Any]:
    """The same from pictures of an edited head, uint8 ``[S, S, 3]``, by rising yaw."""
    return {"id": head_id, "strip": inline(strip_sheet(pictures)), "coarse": None, "columns": STRIP_COLUMNS, "yaws": yaws, "stale": True,
            "own": True}


def still_value(picture: np.ndarray, yaw: float, pitch: float, stale: bool | None = None, stop: bool = False,
                legend: bool = False, draft: bool = False) -> dict[str, Any]:
    """A fresh picture, uint8 ``[H, W, 3]``, of the head at yaw and pitch in degrees.

    Args:
        stale: whether the strip shows another state of the head; None leaves that as it is.
        stop: the head stops turning by itself and is shown so.
        legend: whether the colours of origins are explained.
        draft: the viewer asks for a better one as soon as no slider is held.
    """
    value = {"still": inline(picture), "yaw": yaw, "pitch": pitch, "count": next(_count), "stop": stop, "legend": legend, "draft": draft}
    return value if stale is None else value | {"stale": stale}


def photo_value(photo: np.ndarray) -> dict[str, Any]:
    """The photo, uint8 ``[S, S, 3]``, before the head until the next value or the next turn."""
    return {"photo": inline(photo)}


def middle(picture: np.ndarray) -> np.ndarray:
    """The square in the middle of a picture that shows several views beside each other; any other as it is."""
    height, width = picture.shape[:2]
    return picture[:, (width - height) // 2:(width + height) // 2] if width > height else picture


def inline(picture: np.ndarray) -> str:
    """A picture as a data address: nothing of it is written to a disk."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=90, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _file(path: str | Path) -> dict[str, Any]:
    return gr.FileData(path=str(path)).model_dump()
