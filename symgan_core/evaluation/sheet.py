"""A picture of an evaluation: what was given, what is true, and what each method made of it, from the side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..files import whole_file
from ..geometry import Camera
from ..inversion import Portrait3D, to_uint8

YAWS = (-60.0, -40.0, 40.0, 60.0)
DEPTHS = 2.35, 2.95
"""Distances that are drawn white and black."""


class Sheet:
    """Strips of pictures in a folder, one a person and method, so that a resumed run has all of them."""

    def __init__(self, folder: Path):
        self.folder = folder

    def truth(self, name: str, images: np.ndarray, cameras: np.ndarray, given: int) -> None:
        """The given view, then the true views that come nearest to ``YAWS``. ``images [V, H, W, 3]``, ``cameras [V, 25]``."""
        yaws = Camera.from_vector(torch.from_numpy(cameras)).angles()[0]
        chosen = [given, *(int((yaws - yaw).abs().argmin()) for yaw in YAWS)]
        self._write(name, "truth", [images[v] for v in chosen])

    def method(self, name: str, method: str, portrait: Portrait3D) -> None:
        """The given view again, ``YAWS``, and the depth from the front."""
        views = [portrait.render(portrait.camera), *(portrait.render(yaw=yaw) for yaw in YAWS)]
        depth = _shaded(portrait.render().image_depth, views[0].image.shape[-1])
        self._write(name, method, [*(to_uint8(v.image) for v in views), depth])

    def has(self, name: str, method: str) -> bool:
        """Whether the strip is there already."""
        return self._place(name, method).is_file()

    def write(self, path: Path, names: list[str], methods: list[str], side: int = 160) -> Path:
        """All strips of these people, a row a method under the truth."""
        rows = [Image.open(self._place(name, row)) for name in names for row in ("truth", *methods) if self.has(name, row)]
        picture = Image.new("RGB", (side * (len(YAWS) + 2), side * len(rows)), "white")
        for i, row in enumerate(rows):
            picture.paste(row.resize((round(row.width * side / row.height), side), Image.Resampling.LANCZOS), (0, i * side))
        with whole_file(path) as partial:
            picture.save(partial, quality=90)
        return path

    def _place(self, name: str, row: str) -> Path:
        return self.folder / f"{name}-{row}.png"

    def _write(self, name: str, row: str, pictures: list[np.ndarray]) -> None:
        with whole_file(self._place(name, row)) as partial:
            Image.fromarray(np.concatenate(pictures, 1)).save(partial)


def _shaded(depth: Tensor, size: int) -> np.ndarray:
    near, far = DEPTHS
    grey = ((far - F.interpolate(depth, (size, size), mode="bilinear")) / (far - near)).clamp(0, 1)
    return to_uint8(grey.expand(-1, 3, -1, -1) * 2 - 1)
