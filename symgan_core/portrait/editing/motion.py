"""Shape and expression as a motion of the head in its own space.

An edited head is the unedited one, asked at the place where each point came from, so that all that the photo gave to it moves along. Far
from the face the motion is a smooth field on a grid over the box; on the face it is a chart, finer, on which lips and lids part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces.mesh import COUNT, LIDS, LIPS, OPENINGS, OUTLINE
from ...geometry import project
from ...geometry.images import smooth_step
from ...geometry.volume import box_points
from ...geometry.warp import sample_image
from .fields import at, inverse, spline
from .fit import FaceSurface, fitted_controls
from .openings import Opening, polyline, stretched_between, within

GRID = 32
"""Cells a side of the field over the box."""
CHART = 176
"""Pixels a side of the chart."""
MARGIN = 1.25
"""The chart is so much wider than the face."""
DEPTHS = (0.09, 0.03)
"""World units behind the surface: deeper than the first the chart does not count, less deep than the second it counts wholly."""
BORDER = 0.2
"""Width of the chart's soft border, as a share of the way from the middle of the face to its outline."""
SMOOTH = 4
"""Pixels of the chart over which the face's depth is averaged, to each side."""
PARTED = 0.004
"""World units: lips that are less apart show nothing between them."""
RIM = 0.004
"""World units: what is so near to the rim of an opening may show what lies within, and is hidden when it closes."""
FIXED = (2, 2)
"""Point of the mesh with which the upper teeth move: below the nose."""
SEAM = 0.02
"""World units: beside the mouth, upper and lower part of the chart are blended over twice this height."""

Inside = Callable[[], FaceSurface]
"""The same head with an open mouth, as ``FaceSurface``."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Takes points of an edited head to where they were before.

    Attributes:
        field: ``[1, 3, D, D, D]``: displacement in world units over the box, x fastest.
        chart: ``[1, 6, H, W]``: what is to be added to the field's displacement on the face; depth of the surface (z); how far the chart
            counts; how far what is seen there comes from between lips that were closed.
        between: ``[1, 3, H, W]``: where in the open mouth that is found (displacement), or None.
        centre: ``[2]`` and ``half``: the chart's middle and half its side, world units.
        half_box: half the side of the box.
    """

    field: Tensor
    chart: Tensor
    between: Tensor | None
    centre: Tensor
    half: float
    half_box: float

    def pull_back(self, points: Tensor) -> Tensor:
        """``points [..., 3]`` to where they were."""
        moved = at(self.field, points / self.half_box)
        found = self._on_chart(points, self.chart)
        weight = self._weight(points, found)
        return points + moved + weight * found[..., :3]

    def from_inside(self, points: Tensor) -> Tensor:
        """``[..., 1]`` in [0, 1]: how far what is at ``points [..., 3]`` comes from between lips that were closed."""
        if self.between is None:
            return torch.zeros_like(points[..., :1])
        found = self._on_chart(points, self.chart)
        return found[..., 5:] * smooth_step(points[..., 2:] - found[..., 3:4], -2 * DEPTHS[0], -1.5 * DEPTHS[0])

    def inside_mouth(self, points: Tensor) -> Tensor:
        """``points [..., 3]`` between the lips to where the open mouth has them."""
        return points + self._on_chart(points, self.between)

    def _on_chart(self, points: Tensor, chart: Tensor) -> Tensor:
        return at(chart, (points[..., :2] - self.centre) / self.half)

    @staticmethod
    def _weight(points: Tensor, found: Tensor) -> Tensor:
        return found[..., 4:5] * smooth_step(points[..., 2:] - found[..., 3:4], -DEPTHS[0], -DEPTHS[1])


class MotionBasis:
    """All motions that one head can make, kept as fields for each direction.

    Args:
        face: of the unedited head.
        half_box: half the side of the box, world units.
        opened: the same head with an open mouth; asked for when lips that are closed are parted.
    """

    @torch.no_grad()
    def __init__(self, face: FaceSurface, half_box: float, opened: Inside):
        self._face, self._half_box, self._opened = face, half_box, opened
        self._controls = fitted_controls(face)
        self.names = tuple(self._controls.motions)
        low, high = face.mesh[:, :2].amin(0), face.mesh[:, :2].amax(0)
        self._centre, self._half = (low + high) / 2, float((high - low).max()) / 2 * MARGIN
        self._places = self._chart_places()
        grid = box_points(GRID, 2 * half_box, face.mesh.device).reshape(-1, 3)
        values = torch.cat([torch.cat(list(self._controls.motions[name]), 1) for name in self.names], 1)  # [K, 6 D]
        self._field = self._spline(values, grid).T.reshape(-1, 2, 3, GRID, GRID, GRID)
        upper, lower = (sorted({n for rims in LIPS + OPENINGS for n in rims[k][1:-1]} | {n for rims in LIDS for n in rims[k]})
                        for k in (0, 1))
        shape = (-1, 2, 3, CHART, CHART)
        surface = self._places.reshape(-1, 3)
        self._upper, self._lower = (self._spline(values, surface, without).T.reshape(shape) for without in (lower, upper))
        self._border = self._inner()

    def _spline(self, values: Tensor, places: Tensor, without: list[int] | None = None) -> Tensor:
        kept = torch.ones(len(values), dtype=torch.bool, device=values.device)
        kept[without or []] = False
        return spline(self._controls.points[kept], values[kept], places)

    def _chart_places(self) -> Tensor:
        """``[H, W, 3]``: the face's surface at each pixel of the chart, bottom row first, smoothed a little."""
        line = torch.linspace(-1, 1, CHART, device=self._centre.device) * self._half
        y, x = torch.meshgrid(line + self._centre[1], line + self._centre[0], indexing="ij")
        z = torch.full_like(x, float(self._face.mesh[:, 2].mean()))
        for _ in range(4):  # rays are not parallel: which pixel shows a place depends on how deep it lies
            uv = project(torch.stack([x, y, z], -1)[None], self._face.camera)[0]
            z = sample_image(self._face.surface, uv)[0, 2]
        smooth = F.avg_pool2d(F.pad(z[None, None], (SMOOTH,) * 4, mode="replicate"), 2 * SMOOTH + 1, 1)
        return torch.stack([x, y, smooth[0, 0]], -1)

    def _inner(self) -> Tensor:
        """``[1, 1, H, W]``: 1 on the face, falling to 0 at its outline."""
        outline = self._to_chart(self._face.mesh[list(OUTLINE)])
        middle = outline.mean(0)
        places = self._to_chart(self._places) - middle
        rim = outline - middle
        around, length = torch.atan2(rim[:, 0], rim[:, 1]), rim.norm(dim=1)
        order = around.argsort()
        around, length = around[order], length[order]
        around = torch.cat([around[-1:] - 2 * torch.pi, around, around[:1] + 2 * torch.pi])
        edge = polyline(around, torch.cat([length[-1:], length, length[:1]]), torch.atan2(places[..., 0], places[..., 1]))
        return (1 - smooth_step(places.norm(dim=-1) / edge, 1 - BORDER, 1.0))[None, None]

    def _to_chart(self, points: Tensor) -> Tensor:
        return (points[..., :2] - self._centre) / self._half

    @torch.no_grad()
    def motion(self, strengths: Mapping[str, float]) -> Motion | None:
        """For strengths of several directions at once, or None where none of them moves anything."""
        moving = {name: s for name, s in strengths.items() if s and name in self.names}
        if not moving:
            return None
        field = self._summed(self._field, moving)[None] / self._half_box
        grid = box_points(GRID, 2.0, field.device)
        back = ((inverse(field, grid) - grid) * self._half_box).permute(3, 0, 1, 2)[None].contiguous()
        shift, depth, parted = self._on_face(moving)
        surface = torch.cat([self._places[..., :2], depth], -1)
        rest = shift - at(back, surface / self._half_box)
        chart = torch.cat([torch.cat([rest, depth], -1).permute(2, 0, 1)[None], self._border, parted[None, None]], 1)
        between = self._between(moving) if bool((parted > 0).any()) else None
        return Motion(back, chart.contiguous(), between, self._centre, self._half, self._half_box)

    def _summed(self, fields: Tensor, moving: Mapping[str, float]) -> Tensor:
        """Of ``fields [D, 2, ...]`` those that strengths ask for."""
        return sum(fields[self.names.index(name), 0 if s > 0 else 1] * abs(s) for name, s in moving.items())

    def _on_face(self, moving: Mapping[str, float]) -> tuple[Tensor, Tensor, Tensor]:
        """How far back each pixel of the chart came from, ``[H, W, 3]``; how deep the moved surface lies there, ``[H, W, 1]``; and how far
        it lies between lips that were closed, ``[H, W]`` in [0, 1]."""
        upper, lower = self._summed(self._upper, moving)[None], self._summed(self._lower, moving)[None]
        here = self._to_chart(self._places)
        openings = [self._opening(self._face.mesh, rims) for rims in OPENINGS]
        moved = [self._opening(self._moved(moving), rims).closed() for rims in OPENINGS]
        above = self._above(here, moved)
        came = torch.lerp(*(inverse(field[:, :2] / self._half, here) for field in (lower, upper)), above)
        parted, steps = torch.zeros_like(here[..., 0]), self._moved(moving) - self._face.mesh
        for number, (before, after) in enumerate(zip(openings, moved, strict=True)):
            came, between = self._beside(before, after, here, came)
            first, last = (steps[n, 1] / self._half for n in (FIXED if number == 0 else (OPENINGS[number][0][0], OPENINGS[number][0][-1])))
            along = ((here[..., 0] - after.corners[0][0]) / (after.corners[1][0] - after.corners[0][0])).clamp(0, 1)
            found, below = within(before, after, here, torch.lerp(first.expand_as(along), last.expand_as(along), along))
            came = torch.where(between[..., None], found, came)
            if number == 0:
                below = torch.ones_like(below) if before.gap() * self._half < PARTED else smooth_step(below * self._half, -RIM, 0.0)
                parted = below * between
        deeper = torch.lerp(*(at(field[:, 2:], came) for field in (lower, upper)), above)
        depth = at(self._places[..., 2][None, None], came) + deeper
        return torch.cat([(came - here) * self._half, -deeper], -1), depth, parted

    def _above(self, here: Tensor, openings: list[Opening]) -> Tensor:
        """``[H, W, 1]``: 1 above the seam of the lips or lids that are nearest, 0 below it, blended beside them."""
        mouth, right, left = (self._above_one(here, opening) for opening in openings)
        middle = (openings[1].corners[1] + openings[2].corners[0]) / 2  # between the eyes
        lids = torch.where(here[..., 0] < middle[0], right, left)
        halfway = (middle[1] + openings[0].upper[:, 1].mean()) / 2
        soft = 2 * SEAM / self._half
        return torch.lerp(mouth, lids, smooth_step(here[..., 1] - halfway, -soft, soft))[..., None]

    def _above_one(self, here: Tensor, opening: Opening) -> Tensor:
        high, low = opening.heights(here[..., 0])
        seam = here[..., 1] - (high + low) / 2
        soft = smooth_step(seam, -SEAM / self._half, SEAM / self._half)
        return torch.where(opening.covers(here[..., 0]), (seam > 0).float(), soft)

    def _beside(self, before: Opening, after: Opening, here: Tensor, came: Tensor) -> tuple[Tensor, Tensor]:
        """``came`` with nothing of what lay between the rims beside them; and what lies between them now, bool ``[H, W]``."""
        high, low = after.heights(here[..., 0])
        covered, level = after.covers(here[..., 0]), here[..., 1]
        top, bottom = before.heights(came[..., 0])
        closing = RIM / self._half * (1 - after.gap() / before.gap().clamp(min=1e-6)).clamp(0, 1)
        top, bottom = top + closing, bottom - closing
        upper, lower = covered & (level >= (high + low) / 2), covered & (level < (high + low) / 2)
        height = torch.where(upper, torch.maximum(came[..., 1], top), torch.where(lower, torch.minimum(came[..., 1], bottom), came[..., 1]))
        return torch.stack([came[..., 0], height], -1), covered & (level < high) & (level > low)

    def _between(self, moving: Mapping[str, float]) -> Tensor:
        """``[1, 3, H, W]``: how far from each pixel of the chart between the lips the open mouth has what is seen there."""
        here, opened, moved = self._to_chart(self._places), self._opened(), self._moved(moving)
        wide, after = self._opening(opened.mesh, OPENINGS[0]), self._opening(moved, OPENINGS[0]).closed()
        there = (stretched_between(wide, after, here) - here) * self._half
        lips = [n for rim in OPENINGS[0] for n in rim]
        deeper = (opened.mesh[lips, 2] - moved[lips, 2]).mean().expand_as(there[..., :1])
        return torch.cat([there, deeper], -1).permute(2, 0, 1)[None].contiguous()

    def _opening(self, mesh: Tensor, rims: tuple[tuple[int, ...], tuple[int, ...]]) -> Opening:
        return Opening(*(self._to_chart(mesh[list(rim)]) for rim in rims))

    def _moved(self, moving: Mapping[str, float]) -> Tensor:
        """``[468, 3]``: the mesh of the edited face."""
        steps = (self._controls.motions[name][0 if s > 0 else 1, :COUNT] * abs(s) for name, s in moving.items())
        return self._face.mesh + sum(steps)
