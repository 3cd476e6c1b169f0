"""Eyes, lips and irises of a face, and where on it skin ages, as maps on its chart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...faces.mesh import LIPS, OPENINGS, mean_head
from ...generator import Synthesized
from ...geometry import project
from ...geometry.images import resized, smooth_step
from ...geometry.warp import sample_image
from .chart import FaceChart
from .fields import spline
from .fit import FaceSurface, shipped_age

IRIS_RADIUS = 0.088
"""In eye distances: half of 11.7 mm beside 63 mm, and a little."""
SOFT = 0.006
"""World units over which the borders of eyes and lips are soft."""
DEPTHS = (0.06, 0.03)
"""World units behind the surface: deeper than the first the maps do not count, less deep than the second they count wholly."""


@dataclass(frozen=True, eq=False)
class FaceMaps:
    """On the chart, ``maps [1, 3, H, W]`` in [0, 1]: eyes, lips and irises; ``uv [1, 2, H, W]``: where a frontal view of the mean head has
    what is there; and ``aged [1, 1, S, S]``: of such a view, the logarithm of how much brighter old skin is than young skin."""

    chart: FaceChart
    maps: Tensor
    uv: Tensor
    aged: Tensor

    def age_at(self, points: Tensor, size: int) -> Tensor:
        """``[1, 1, size, size]`` of ``aged`` at ``points [1, h, w, 3]``."""
        found = self.chart.at(torch.cat([self.uv, self.chart.inner], 1), points).permute(0, 3, 1, 2).contiguous()
        uv, inner = resized(found, size).split((2, 1), 1)
        return sample_image(self.aged, uv.permute(0, 2, 3, 1)) * inner

    def at(self, points: Tensor) -> Tensor:
        """``[1, 3, h, w]`` at ``points [1, h, w, 3]`` near the face."""
        found = self.chart.at(torch.cat([self.maps, self.chart.places[None, None, ..., 2]], 1), points)
        near = smooth_step(points[..., 2:] - found[..., 3:], -DEPTHS[0], -DEPTHS[1])
        return (found[..., :3] * near).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def face_maps(face: FaceSurface, chart: FaceChart, view: Synthesized) -> FaceMaps:
    """Of a face, in its frontal ``view``."""
    here, soft = chart.coordinates(chart.places), SOFT / chart.half
    mouth, right, left = (_within(chart, face.mesh, rims, here, soft) for rims in (LIPS[2], *OPENINGS[1:]))
    pixel = _seen(view, face, chart)
    apart = (_middle(chart, face.mesh, OPENINGS[1]) - _middle(chart, face.mesh, OPENINGS[2])).norm()
    irises = torch.zeros_like(mouth)
    for inside in (right, left):
        dark = inside * (1 - pixel) ** 4
        centre = (dark[..., None] * here).sum((0, 1)) / dark.sum().clamp(min=1e-6)
        reach = (here - centre).norm(dim=-1)
        radius = IRIS_RADIUS * apart
        irises = torch.maximum(irises, (1 - smooth_step(reach, float(radius - soft), float(radius + soft))) * inside)
    head = mean_head()[0].to(face.mesh)
    there = spline(face.mesh, head - face.mesh, chart.places.reshape(-1, 3), 1e-2).reshape_as(chart.places) + chart.places
    uv = project(there[None], face.camera)[0].permute(0, 3, 1, 2)
    return FaceMaps(chart, torch.stack([torch.maximum(right, left), mouth, irises])[None], uv, shipped_age().to(uv))


def _within(chart: FaceChart, mesh: Tensor, rims: tuple, here: Tensor, soft: float) -> Tensor:
    opening = chart.opening(mesh, rims)
    return smooth_step(opening.inside(here), -soft, soft) * opening.covers(here[..., 0])


def _middle(chart: FaceChart, mesh: Tensor, rims: tuple) -> Tensor:
    return chart.coordinates(mesh[[n for rim in rims for n in rim]]).mean(0)


def _seen(view: Synthesized, face: FaceSurface, chart: FaceChart) -> Tensor:
    """``[H, W]``: brightness in [0, 1] of the view at each pixel of the chart."""
    uv = project(chart.places[None], face.camera)[0]
    return sample_image(view.image.mean(1, keepdim=True) / 2 + 0.5, uv)[0, 0].clamp(0, 1)
