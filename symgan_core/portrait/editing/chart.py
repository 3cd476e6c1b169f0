"""The face seen from the front as a chart: a square of the plane that the face looks along, with the depth of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces.mesh import OUTLINE
from ...geometry import project
from ...geometry.images import smooth_step
from ...geometry.warp import sample_image
from .fields import at
from .fit import FaceSurface
from .openings import Opening, polyline

CHART = 176
"""Pixels a side."""
MARGIN = 1.25
"""The chart is so much wider than the face."""
BORDER = 0.2
"""Width of the soft border, as a share of the way from the middle of the face to its outline."""
SMOOTH = 4
"""Pixels of the chart over which the face's depth is averaged, to each side."""


@dataclass(frozen=True, eq=False)
class FaceChart:
    """Coordinates are horizontal and vertical, [-1, 1] across, the bottom row first.

    Attributes:
        centre: ``[2]`` and ``half``: the middle and half the side, world units.
        places: ``[H, W, 3]``: the face's surface at each pixel, smoothed a little.
        inner: ``[1, 1, H, W]``: 1 on the face, falling to 0 at its outline.
    """

    centre: Tensor
    half: float
    places: Tensor
    inner: Tensor

    def coordinates(self, points: Tensor) -> Tensor:
        """World points ``[..., 3]`` to the chart, ``[..., 2]``."""
        return (points[..., :2] - self.centre) / self.half

    def at(self, maps: Tensor, points: Tensor) -> Tensor:
        """Maps on the chart ``[1, C, H, W]`` at world points ``[..., 3]``: ``[..., C]``."""
        return at(maps, self.coordinates(points))

    def opening(self, mesh: Tensor, rims: tuple[tuple[int, ...], tuple[int, ...]]) -> Opening:
        """What lies between two rims of a mesh ``[468, 3]``."""
        return Opening(*(self.coordinates(mesh[list(rim)]) for rim in rims))


def face_chart(face: FaceSurface) -> FaceChart:
    """The chart of a face."""
    low, high = face.mesh[:, :2].amin(0), face.mesh[:, :2].amax(0)
    centre, half = (low + high) / 2, float((high - low).max()) / 2 * MARGIN
    line = torch.linspace(-1, 1, CHART, device=centre.device) * half
    y, x = torch.meshgrid(line + centre[1], line + centre[0], indexing="ij")
    z = torch.full_like(x, float(face.mesh[:, 2].mean()))
    for _ in range(4):  # rays are not parallel: which pixel shows a place depends on how deep it lies
        uv = project(torch.stack([x, y, z], -1)[None], face.camera)[0]
        z = sample_image(face.surface, uv)[0, 2]
    smooth = F.avg_pool2d(F.pad(z[None, None], (SMOOTH,) * 4, mode="replicate"), 2 * SMOOTH + 1, 1)[0, 0]
    places = torch.stack([x, y, smooth], -1)
    return FaceChart(centre, half, places, _inner((face.mesh[list(OUTLINE), :2] - centre) / half, (places[..., :2] - centre) / half))


def _inner(outline: Tensor, here: Tensor) -> Tensor:
    """``[1, 1, H, W]``: 1 well within the closed line ``outline [N, 2]``, falling to 0 there, at places ``here [H, W, 2]``."""
    middle = outline.mean(0)
    rim, places = outline - middle, here - middle
    around, length = torch.atan2(rim[:, 0], rim[:, 1]), rim.norm(dim=1)
    order = around.argsort()
    around, length = around[order], length[order]
    around = torch.cat([around[-1:] - 2 * torch.pi, around, around[:1] + 2 * torch.pi])
    edge = polyline(around, torch.cat([length[-1:], length, length[:1]]), torch.atan2(places[..., 0], places[..., 1]))
    return (1 - smooth_step(places.norm(dim=-1) / edge, 1 - BORDER, 1.0))[None, None]
