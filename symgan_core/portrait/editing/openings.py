"""Mouth and eyes: rims that part, what lies between them, and the places where a field of motion must not be smooth.

All on a chart: the face seen from the front, horizontal and vertical coordinates in [-1, 1] (left to right, bottom to top).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Opening:
    """The upper and lower rim ``[N, 2]`` of an opening, each from its left corner to its right one."""

    upper: Tensor
    lower: Tensor

    @property
    def corners(self) -> tuple[Tensor, Tensor]:
        """``[2]`` each: left and right."""
        return self.upper[0], self.upper[-1]

    def heights(self, across: Tensor) -> tuple[Tensor, Tensor]:
        """Of both rims at horizontal places ``[...]``; beyond the corners those of the corners."""
        return _line(self.upper, across), _line(self.lower, across)

    def covers(self, across: Tensor) -> Tensor:
        """Whether horizontal places lie between the corners."""
        return (across > self.corners[0][0]) & (across < self.corners[1][0])

    def along(self, across: Tensor) -> Tensor:
        """Horizontal places ``[...]`` as shares of the way from the left corner to the right one, in [0, 1]."""
        left, right = (corner[0] for corner in self.corners)
        return ((across - left) / (right - left)).clamp(0, 1)

    def inside(self, places: Tensor) -> Tensor:
        """``[...]``: how far places ``[..., 2]`` lie within the nearer rim (negative: beyond it), upwards or downwards."""
        high, low = self.heights(places[..., 0])
        return torch.minimum(high - places[..., 1], places[..., 1] - low)

    def gap(self) -> Tensor:
        """How far the rims are apart in the middle third."""
        third = len(self.upper) // 3
        return (self.upper[third:-third, 1].mean() - self.lower[third:-third, 1].mean()).clamp(min=0)

    def closed(self) -> Opening:
        """The same with rims that do not pass each other: where they would, both are the middle."""
        places = self.upper[:, 0]
        low = _line(self.lower, places)
        middle = (self.upper[:, 1] + low) / 2
        above, below = torch.maximum(self.upper[:, 1], middle), torch.minimum(low, middle)
        return Opening(torch.stack([places, above], 1), torch.stack([places, below], 1))


def within(before: Opening, after: Opening, places: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
    """Where on the chart that which lies at ``places [..., 2]`` between the rims of ``after`` was between those of ``before``.

    What lies within moves as ``carried [...]`` says, upwards, and not with the rims, which cover it when they close. When the upper rim
    rises, what was seen is stretched.

    Returns:
        the places, kept between the old rims, and ``[...]``: how far below the old lower rim they would have been (negative: above it).
    """
    share = after.along(places[..., 0])
    across = torch.lerp(before.corners[0][0].expand_as(share), before.corners[1][0].expand_as(share), share)
    top, bottom = before.heights(across)
    high = after.heights(places[..., 0])[0] - carried
    level = places[..., 1] - carried
    stretch = ((top - bottom) / (high - bottom).clamp(min=1e-5)).clamp(0, 1)
    level = torch.where(level > bottom, bottom + (level - bottom) * stretch, level)
    return torch.stack([across, torch.maximum(torch.minimum(level, top), bottom)], -1), bottom - level


def stretched_between(before: Opening, after: Opening, places: Tensor) -> Tensor:
    """Where on the chart that which lies at ``places [..., 2]`` between the rims of ``after`` is between those of ``before``, if all of it
    is stretched or squeezed."""
    share = after.along(places[..., 0])
    across = torch.lerp(before.corners[0][0].expand_as(share), before.corners[1][0].expand_as(share), share)
    high, low = after.heights(places[..., 0])
    top, bottom = before.heights(across)
    level = ((places[..., 1] - low) / (high - low).clamp(min=1e-5)).clamp(0, 1)
    return torch.stack([across, torch.lerp(bottom, top, level)], -1)


def polyline(x: Tensor, y: Tensor, across: Tensor) -> Tensor:
    """Heights at ``across [...]`` of the line through ``x`` (ascending) and ``y [N]``; beyond its ends those of the ends."""
    right = torch.searchsorted(x, across.contiguous()).clamp(1, len(x) - 1)
    share = ((across - x[right - 1]) / (x[right] - x[right - 1]).clamp(min=1e-6)).clamp(0, 1)
    return torch.lerp(y[right - 1], y[right], share)


def _line(rim: Tensor, across: Tensor) -> Tensor:
    """Heights of a rim ``[N, 2]``."""
    return polyline(torch.cummax(rim[:, 0], 0)[0], rim[:, 1].contiguous(), across)
