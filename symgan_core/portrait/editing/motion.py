"""Shape and expression as a motion of the head in its own space.

An edited head is the unedited one, asked at the place where each point came from, so that all that the photo gave to it moves along. Far
from the face the motion is a smooth field on a grid over the box; on the face it is a chart, finer, on which lips and lids part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces.mesh import COUNT, LIDS, LIPS, OPENINGS
from ...geometry.images import smooth_step
from ...geometry.volume import box_points
from .chart import CHART, FaceChart
from .directions import DIRECTIONS, EXPRESSION
from .fields import at, inverse, spline, spline_weights, summed
from .fit import FaceSurface, fitted_controls
from .openings import Opening, stretched_between, within

SMOOTH, EXACT = 0.3, 1e-3
"""Ridges (``fields.spline``) of the field over the box, in which lips that part would make waves, and of upper and lower chart."""
GRID = 32
"""Cells a side of the field over the box."""
DEPTHS = (0.09, 0.03)
"""World units behind the surface: deeper than the first the chart does not count, less deep than the second it counts wholly."""
STILL = 1e-4
"""World units: lids that move less stay."""
PARTED = 0.004
"""World units: lips that are less apart show nothing between them."""
RIM = 0.004
"""World units: what is so near to the rim of an opening may show what lies within, and is hidden when it closes."""
FIXED = 2
"""Point of the mesh with which the upper teeth move in an expression: below the nose. In another shape they move with the lips."""
SEAM = 0.02
"""World units: beside the mouth, upper and lower part of the chart are blended over twice this height."""

EXPRESSIONS = frozenset(d.name for d in DIRECTIONS if d.group == EXPRESSION)
"""Directions that leave the skull as it is."""

Inside = Callable[[], FaceSurface]
"""A head with an open mouth, as ``FaceSurface``."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Takes points of an edited head to where they were before.

    Attributes:
        field: ``[1, 3, D, D, D]``: displacement in world units over the box, x fastest.
        chart: ``[1, 6, H, W]``: what is to be added to the field's displacement on the face; depth of the surface (z); how far the chart
            counts; how far what is seen there comes from between lips that were closed.
        between: ``[1, 3, H, W]``: where in the open mouth that is found (displacement), or None.
        face: the chart's place in the world.
        half_box: half the side of the box.
    """

    field: Tensor
    chart: Tensor
    between: Tensor | None
    face: FaceChart
    half_box: float

    def pull_back(self, points: Tensor) -> Tensor:
        """``points [..., 3]`` to where they were."""
        moved = at(self.field, points / self.half_box)
        found = self.face.at(self.chart, points)
        weight = self._weight(points, found)
        return (points + moved).addcmul_(weight, found[..., :3])

    def box_shift(self, size: int) -> Tensor:
        """How far ``pull_back`` takes ``size`` points a side that are evenly spread over the box: ``[3, size, size, size]``, x fastest.
        Faster: all points behind each other have one place on the chart."""
        shift = F.interpolate(self.field, (size,) * 3, mode="trilinear", align_corners=True)[0]
        points = box_points(size, 2 * self.half_box, self.field.device)
        front = points[:, 0, 0, 2] > self._least_depth - DEPTHS[0]  # behind the face the chart does not count
        found = self.face.at(self.chart, points[0])
        shift[:, front] += (self._weight(points[front], found[None]) * found[..., :3]).permute(3, 0, 1, 2)
        return shift

    def from_inside(self, points: Tensor) -> Tensor:
        """``[..., 1]`` in [0, 1]: how far what is at ``points [..., 3]`` comes from between lips that were closed."""
        share = torch.zeros_like(points[..., :1])
        if self.between is None:
            return share
        near = points[..., 2] > self._least_depth - 2 * DEPTHS[0]
        for axis, (low, high) in enumerate(self._parted):
            near &= (points[..., axis] - (low + high) / 2).abs() < (high - low) / 2
        there = points[near]  # few are: no need to ask all
        found = self.face.at(self.chart, there)
        share[near] = found[..., 5:] * smooth_step(there[..., 2:] - found[..., 3:4], -2 * DEPTHS[0], -1.5 * DEPTHS[0])
        return share

    def inside_mouth(self, points: Tensor) -> Tensor:
        """``points [..., 3]`` between the lips to where the open mouth has them."""
        return points if self.between is None else points + self.face.at(self.between, points)

    @cached_property
    def _least_depth(self) -> float:
        return float(self.chart[:, 3].amin())

    @cached_property
    def _parted(self) -> list[tuple[float, float]]:
        """World units: the least and the greatest x, and y, of pixels of the chart that show what lay between lips, a pixel wider."""
        pixels = (self.chart[0, 5] > 0).nonzero().flip(1)
        corners = torch.stack([pixels.amin(0) - 1, pixels.amax(0) + 1]) * (2 / (CHART - 1)) - 1
        return (self.face.centre + self.face.half * corners).T.tolist()

    @staticmethod
    def _weight(points: Tensor, found: Tensor) -> Tensor:
        return found[..., 4:5] * smooth_step(points[..., 2:] - found[..., 3:4], -DEPTHS[0], -DEPTHS[1])


class MotionBasis:
    """All motions that one head can make, kept as fields for each direction.

    Args:
        face, chart: of the unedited head.
        half_box: half the side of the box, world units.
        opened: a head with an open mouth; asked for when lips that are closed are parted.
    """

    @torch.no_grad()
    def __init__(self, face: FaceSurface, chart: FaceChart, half_box: float, opened: Inside):
        self._face, self._half_box, self._opened = face, half_box, opened
        self._controls = fitted_controls(face)
        self.names = tuple(self._controls.motions)
        self._chart = chart
        self._half, self._places, self._here = chart.half, chart.places, chart.coordinates(chart.places)
        grid = box_points(GRID, 2 * half_box, face.mesh.device).reshape(-1, 3)
        values = torch.cat([torch.cat(list(self._controls.motions[name]), 1) for name in self.names], 1)  # [K, 6 D]
        self._field = spline(self._controls.points, values, grid, SMOOTH).T.reshape(-1, 2, 3, GRID, GRID, GRID)
        upper, lower = (sorted({n for rims in LIPS + OPENINGS for n in rims[k][1:-1]} | {n for rims in LIDS for n in rims[k]})
                        for k in (0, 1))
        weights = torch.cat([self._weights(values, without) for without in (lower, upper)], 1)
        parts = summed(self._controls.points, weights, self._places.reshape(-1, 3)).T.chunk(2)
        self._upper, self._lower = (part.reshape(-1, 2, 3, CHART, CHART) for part in parts)
        self._wanted = F.max_pool2d(chart.inner, 3, 1, 1)[0, 0] > 0

    def _weights(self, values: Tensor, without: list[int]) -> Tensor:
        """Of all control points, 0 for those that are left out."""
        kept = torch.ones(len(values), dtype=torch.bool, device=values.device)
        kept[without] = False
        weights = torch.zeros_like(values)
        weights[kept] = spline_weights(self._controls.points[kept], values[kept], EXACT)
        return weights

    @torch.no_grad()
    def motion(self, strengths: Mapping[str, float], hair: Tensor | None = None) -> Motion | None:
        """For strengths of several directions at once, and what hair does besides (``hair_field``); None where nothing moves."""
        moving = {name: s for name, s in strengths.items() if s and name in self.names}
        if not moving and hair is None:
            return None
        field = self._summed(self._field, moving)[None] / self._half_box
        grid = box_points(GRID, 2.0, field.device)
        back = ((inverse(field, grid) - grid) * self._half_box).permute(3, 0, 1, 2)[None].contiguous()
        shift, depth, parted = self._on_face(moving)
        surface = torch.cat([self._places[..., :2], depth], -1)
        rest = shift - at(back, surface / self._half_box)
        if hair is not None:  # what hair does is undone first
            points = box_points(hair.shape[-1], 2 * self._half_box, hair.device) + hair[0].permute(1, 2, 3, 0)
            back = hair + at(back, points / self._half_box).permute(3, 0, 1, 2)[None]
        chart = torch.cat([torch.cat([rest, depth], -1).permute(2, 0, 1)[None], self._chart.inner, parted[None, None]], 1)
        between = self._between(moving, parted) if bool((parted > 0).any()) else None
        return Motion(back, chart.contiguous(), between, self._chart, self._half_box)

    def _summed(self, fields: Tensor, moving: Mapping[str, float]) -> Tensor:
        """Of ``fields [D, 2, ...]`` those that strengths ask for."""
        asked = (fields[self.names.index(name), 0 if s > 0 else 1] * abs(s) for name, s in moving.items())
        return sum(asked, torch.zeros_like(fields[0, 0]))

    def _on_face(self, moving: Mapping[str, float]) -> tuple[Tensor, Tensor, Tensor]:
        """How far back each pixel of the chart came from, ``[H, W, 3]``; how deep the moved surface lies there, ``[H, W, 1]``; and how far
        it lies between lips that were closed, ``[H, W]`` in [0, 1]."""
        upper, lower = self._summed(self._upper, moving)[None], self._summed(self._lower, moving)[None]
        here, mesh = self._here, self._moved(moving)
        openings, moved = ([self._chart.opening(points, rims) for rims in OPENINGS] for points in (self._face.mesh, mesh))
        moved = [opening.closed() for opening in moved]
        above = self._above(here, moved)
        sides = ((lower, above[..., 0] < 1), (upper, above[..., 0] > 0))
        from_lower, from_upper = (self._came(field, here, where & self._wanted) for field, where in sides)
        came = torch.lerp(from_lower, from_upper, above)
        parted, steps = torch.zeros_like(here[..., 0]), mesh - self._face.mesh
        expression = self._moved({name: s for name, s in moving.items() if name in EXPRESSIONS}) - self._face.mesh
        lips = [n for rim in OPENINGS[0] for n in rim[1:-1]]
        teeth = (expression[FIXED, 1] + (steps - expression)[lips, 1].mean()) / self._half
        for number, (before, after) in enumerate(zip(openings, moved, strict=True)):
            if number and steps[[n for rim in OPENINGS[number] for n in rim]].abs().max() < STILL:
                continue
            columns = after.covers(here[0, :, 0])  # all others stay
            places = here[:, columns]
            beside, between = self._beside(before, after, places, came[:, columns])
            rim = OPENINGS[number][0]
            first, last = (teeth, teeth) if number == 0 else (steps[n, 1] / self._half for n in (rim[0], rim[-1]))
            along = after.along(places[..., 0])
            found, below = within(before, after, places, torch.lerp(first.expand_as(along), last.expand_as(along), along))
            came[:, columns] = torch.where(between[..., None], found, beside)
            if number == 0:
                below = torch.ones_like(below) if before.gap() * self._half < PARTED else smooth_step(below * self._half, -RIM, 0.0)
                parted[:, columns] = below * self._soft(after, places)
        deeper = torch.lerp(at(lower[:, 2:], came), at(upper[:, 2:], came), above)
        depth = at(self._places[..., 2][None, None], came) + deeper
        return torch.cat([(came - here) * self._half, -deeper], -1), depth, parted

    def _came(self, field: Tensor, here: Tensor, where: Tensor) -> Tensor:
        """``inverse`` of a part of the chart at its pixels ``here [H, W, 2]``, where it is wanted (bool ``[H, W]``)."""
        found = here.clone()
        found[where] = inverse(field[:, :2] / self._half, here[where])
        return found

    def _above(self, here: Tensor, openings: list[Opening]) -> Tensor:
        """``[H, W, 1]``: 1 above the seam of the lips or lids that are nearest, 0 below it, blended beside them."""
        mouth, right, left = (self._above_one(here, opening) for opening in openings)
        middle = (openings[1].corners[1] + openings[2].corners[0]) / 2  # between the eyes
        lids = torch.where(here[..., 0] < middle[0], right, left)
        halfway = (middle[1] + openings[0].upper[:, 1].mean()) / 2
        soft = 2 * SEAM / self._half
        return torch.lerp(mouth, lids, smooth_step(here[..., 1] - halfway, -soft, soft))[..., None]

    def _above_one(self, here: Tensor, opening: Opening) -> Tensor:
        columns = here[:1, :, 0]  # each has one height of the rims
        high, low = opening.heights(columns)
        seam = here[..., 1] - (high + low) / 2
        soft = smooth_step(seam, -SEAM / self._half, SEAM / self._half)
        return torch.where(opening.covers(columns), (seam > 0).float(), soft)

    def _beside(self, before: Opening, after: Opening, here: Tensor, came: Tensor) -> tuple[Tensor, Tensor]:
        """``came`` with nothing of what lay between the rims beside them; and what lies between them now, bool ``[H, W]``. All for columns
        of the chart between the corners."""
        high, low = after.heights(here[:1, :, 0])
        level = here[..., 1]
        top, bottom = before.heights(came[..., 0])
        closing = RIM / self._half * (1 - after.gap() / before.gap().clamp(min=1e-6)).clamp(0, 1)
        top, bottom = top + closing, bottom - closing
        height = torch.where(level >= (high + low) / 2, torch.maximum(came[..., 1], top), torch.minimum(came[..., 1], bottom))
        return torch.stack([came[..., 0], height], -1), (level < high) & (level > low)

    def _soft(self, opening: Opening, here: Tensor) -> Tensor:
        """``[H, W]``: 1 between the rims, 0 beyond them, with a border of a pixel."""
        return (opening.inside(here) * (CHART / 2) + 0.5).clamp(0, 1)

    def _between(self, moving: Mapping[str, float], parted: Tensor) -> Tensor:
        """``[1, 3, H, W]``: how far from each pixel of the chart between the lips (``parted [H, W]`` is not 0) the open mouth has what is
        seen there."""
        lips_part = F.max_pool2d(parted[None, None], 3, 1, 1)[0, 0] > 0
        here, opened, moved = self._here[lips_part], self._opened(), self._moved(moving)
        wide, after = self._chart.opening(opened.mesh, OPENINGS[0]), self._chart.opening(moved, OPENINGS[0]).closed()
        there = (stretched_between(wide, after, here) - here) * self._half
        lips = [n for rim in OPENINGS[0] for n in rim]
        shift = torch.zeros_like(self._places)
        shift[lips_part] = F.pad(there, (0, 1), value=float((opened.mesh[lips, 2] - moved[lips, 2]).mean()))
        return shift.permute(2, 0, 1)[None].contiguous()

    def _moved(self, moving: Mapping[str, float]) -> Tensor:
        """``[468, 3]``: the mesh of the edited face."""
        steps = (self._controls.motions[name][0 if s > 0 else 1, :COUNT] * abs(s) for name, s in moving.items())
        return sum(steps, self._face.mesh)
