"""A sheet with pictures of each editing direction at both ends."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

SIDE, LABEL = 256, 150
"""Pixels of a picture on the sheet, and of the column with the names."""


def strip(images: list[np.ndarray]) -> np.ndarray:
    """Square uint8 pictures beside each other, ``[SIDE, N * SIDE, 3]``."""
    return np.concatenate([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in images], 1)


def write_sheet(path: Path, strips: dict[str, list[np.ndarray]]) -> None:
    """A JPEG: a row a direction, its name on the left, then low, unedited and high of each portrait."""
    rows = []
    for name, pictures in strips.items():
        label = Image.new("RGB", (LABEL, SIDE), "white")
        ImageDraw.Draw(label).text((8, SIDE // 2), name, fill="black", font_size=18)
        rows.append(np.concatenate([np.asarray(label), *pictures], 1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=88)
