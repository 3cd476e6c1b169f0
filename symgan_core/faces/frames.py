"""Squares of a picture, as (a, b, x, y): the x axis, whose length is the side, and the centre, in pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def as_tensor(picture: np.ndarray) -> Tensor:
    """uint8 ``[H, W, 3]`` as ``[1, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.array(picture, order="C")).permute(2, 0, 1)[None].float() / 127.5 - 1  # a copy: photos may be read-only


class Pyramid:
    """A picture ``[1, 3, H, W]`` at its full, half, quarter... resolution, each made when it is first asked for."""

    def __init__(self, image: Tensor):
        self.shape = image.shape
        self._levels = [image]

    def level(self, number: int) -> Tensor:
        """The picture halved so many times, as far as it can be."""
        while len(self._levels) <= number and min(self._levels[-1].shape[-2:]) >= 4:
            self._levels.append(F.avg_pool2d(self._levels[-1], 2, ceil_mode=True, count_include_pad=False))
        return self._levels[min(number, len(self._levels) - 1)]


def cut_squares(image: Tensor | Pyramid, frames: Tensor, size: int, padding: str = "border") -> Tensor:
    """Cut rotated squares out of a picture.

    Args:
        image: ``[1, 3, H, W]``; a Pyramid where much is cut out of one.
        frames: ``[B, 4]`` (a, b, x, y) in pixels: the square's x axis (its length is the side) and its centre.
        padding: outside the picture its "border" is repeated, or it goes on as its own "reflection", or there are "zeros": for
            pictures in [-1, 1] a middle grey.

    Returns:
        ``[B, 3, size, size]``.
    """
    height, width = image.shape[-2:]
    line = (torch.arange(size, dtype=torch.float32) + 0.5) / size - 0.5
    v, u = torch.meshgrid(line, line, indexing="ij")
    a, b, x, y = (frames[:, n, None, None] for n in range(4))
    px, py = x + a * u - b * v, y + b * u + a * v
    grid = torch.stack([px / width, py / height], -1) * 2 - 1
    # The side decides how much to blur before sampling, or fine detail would alias: each square takes its pyramid level.
    levels = image if isinstance(image, Pyramid) else Pyramid(image)
    out = []
    for i in range(len(frames)):
        step = float(frames[i, :2].norm()) / size
        level = max(0, int(math.log2(max(step, 1e-6)) + 0.5))
        out.append(F.grid_sample(levels.level(level), grid[i: i + 1], mode="bilinear", padding_mode=padding, align_corners=False))
    return torch.cat(out)


def compose_frames(outer: Tensor, inner: Tensor) -> Tensor:
    """Frames ``[B, 4]`` given within squares ``[B, 4]``, in the squares' own units (pixels)."""
    a, b, x, y = outer.unbind(-1)
    c, d, u, v = inner.unbind(-1)
    u, v = u - 0.5, v - 0.5
    return torch.stack([a * c - b * d, a * d + b * c, x + a * u - b * v, y + b * u + a * v], -1)


def points_to_photo(points: Tensor, squares: Tensor) -> Tensor:
    """Points ``[B, P, 2]`` in units of their squares to pixels."""
    a, b, x, y = (squares[:, n, None] for n in range(4))
    u, v = (points - 0.5).unbind(-1)
    return torch.stack([x + a * u - b * v, y + b * u + a * v], -1)


def points_in_squares(points: Tensor, squares: Tensor) -> Tensor:
    """The way back: points ``[B, P, 2]`` in pixels to units of their squares."""
    a, b, x, y = (squares[:, n, None] for n in range(4))
    u, v = points[..., 0] - x, points[..., 1] - y
    return torch.stack([a * u + b * v, a * v - b * u], -1) / (a * a + b * b)[..., None] + 0.5


def relative_frame(outer: Tensor, inner: Tensor) -> Tensor:
    """Squares ``[B, 4]`` in units of others ``[B, 4]``: ``compose_frames(outer, relative_frame(outer, inner))`` is ``inner``."""
    a, b, x, y = outer.unbind(-1)
    c, d, u, v = inner.unbind(-1)
    size = a * a + b * b
    u, v = u - x, v - y
    return torch.stack([(a * c + b * d) / size, (a * d - b * c) / size, (a * u + b * v) / size + 0.5, (a * v - b * u) / size + 0.5], -1)
