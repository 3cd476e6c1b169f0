"""Pictures for checking: which faces were found, and how one of them was cut out and posed."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .align import FaceCrop
from .provider import Face

AXES = (("#e5484d", (1.0, 0.0, 0.0)), ("#30a46c", (0.0, 1.0, 0.0)), ("#3e63dd", (0.0, 0.0, 1.0)))
"""The head's own axes: to its left, up, and where the face looks."""
SHOWN = 900
"""Longest side of the drawn photo."""


def draw_faces(photo: np.ndarray, faces: list[Face], chosen: int = 0) -> np.ndarray:
    """The photo, uint8 ``[H, W, 3]``, with a numbered box around each face; the chosen one stands out."""
    scale = _shown(photo)
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    picture = Image.fromarray(photo).resize(size, Image.Resampling.BOX)
    pen, width = ImageDraw.Draw(picture), max(2, max(size) // 250)
    for number, face in enumerate(faces):
        box = [v * scale for v in face.box]
        colour = "#ffb224" if number == chosen else "#f0f0f0"
        pen.rectangle(box, outline=colour, width=width)
        height = max(14, max(size) // 32)
        _label(pen, (box[0], max(3.0, box[1] - 1.3 * height)), str(number + 1), height, colour)
    return np.asarray(picture)


def face_at(photo: np.ndarray, faces: list[Face], x: float, y: float) -> int | None:
    """The number of the face at a place of what ``draw_faces`` gives, in its pixels; None where there is none."""
    x, y = x / _shown(photo), y / _shown(photo)
    return next((n for n, face in enumerate(faces) if face.box[0] <= x <= face.box[2] and face.box[1] <= y <= face.box[3]), None)


def _shown(photo: np.ndarray) -> float:
    """How much smaller than the photo the picture of its faces is."""
    return min(1.0, SHOWN / max(photo.shape[:2]))


def draw_check(crop: FaceCrop, side: int = 360) -> np.ndarray:
    """The crop, its background dimmed, with the found points (hollow: hidden) and the head's axes: uint8 ``[side, side, 3]``."""
    scale = side / crop.image.shape[0]
    dimmed = 255 - (255 - crop.image.astype(np.float32)) * 0.35
    mask = crop.mask[..., None].astype(np.float32) / 255
    picture = Image.fromarray((crop.image * mask + dimmed * (1 - mask)).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    pen, radius = ImageDraw.Draw(picture), side / 120
    for (x, y), visible in zip(crop.contour * scale, crop.visible, strict=True):
        fill, outline, r = ("#ffb224", "#3b2300", radius * 0.6) if visible > 0.5 else (None, "#ffb224", radius * 0.6)
        pen.ellipse((x - r, y - r, x + r, y + r), fill, outline)
    for x, y in crop.landmarks * scale:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="#ffb224", outline="#3b2300")
    start = crop.landmarks[2] * scale  # the nose
    to_camera = crop.camera.cam2world[0, :3, :3].numpy().T
    for colour, axis in sorted(AXES, key=lambda a: -float((to_camera @ np.array(a[1]))[2])):  # what is nearest is drawn last
        x, y, _ = to_camera @ np.array(axis)
        end = start + np.array([x, y]) * side * 0.18
        pen.line((*start, *end), fill=colour, width=max(2, side // 90))
        pen.ellipse((*(end - radius * 1.3), *(end + radius * 1.3)), fill=colour)
    return np.asarray(picture)


def _label(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, colour: str) -> None:
    font = ImageFont.load_default(size)
    box = pen.textbbox(place, text, font=font)
    pen.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=colour)
    pen.text(place, text, fill="#1a1523", font=font)
