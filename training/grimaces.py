"""Expressions that the meshes lack, laid over rendered crops: faces pulled here and there, broad and lopsided smiles with teeth, squints
and closed eyes, and the folds that come with them. Each is a map of places, so points, pictures and regions move alike."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.faces.maps import LANDMARKS

PULL_WIDTH = 0.05
"""Standard deviation of what a pull at a face moves, in sides of its frame."""
SMILE_WIDTH = 1.4
"""Corners of the mouth go far and take so much more along."""
EYES = ((36, 39, 37, 38, 41, 40), (42, 45, 43, 44, 47, 46))
"""Points of a slit: its two ends, two of its upper and two of its lower edge."""
MOUTH = (60, 64, 61, 63, 67, 65)
_SLITS = (*EYES, MOUTH)
_MARGINS = (0.45, 0.45, 0.3)
"""How far beyond its edges a slit moves things, in its own lengths."""


def grimaces(points: Tensor, sides: Tensor, size: float) -> Tensor:
    """``[B, 8, 5]``: where (x, y) faces are pulled, by how much, and how wide, in crops with ``points [B, 68, 2]``.

    ``sides [B]``: of the heads' frames. Our people smile little and their features sit where the mesh has them; faces in photos do not keep
    to that.
    """
    count = len(points)
    centres = points[torch.arange(count)[:, None], torch.randint(0, LANDMARKS, (count, 6))]
    sides = sides[:, None, None]
    amounts = torch.randn(count, 6, 2).clamp(-2, 2) * 0.012 * sides
    corners = points[:, [48, 54]]
    width = (corners[:, 1] - corners[:, 0])[:, None]
    across = width * torch.tensor([-1.0, 1.0])[:, None] * (torch.empty(count, 1, 1).uniform_(-0.1, 0.4) + 0.06 * torch.randn(count, 2, 1))
    lift = (torch.empty(count, 1, 1).uniform_(-0.03, 0.01) + 0.008 * torch.randn(count, 2, 1)) * sides
    smile = across + torch.cat([torch.zeros(count, 2, 1), lift], 2)
    width = PULL_WIDTH * sides * torch.tensor([1.0] * 6 + [SMILE_WIDTH] * 2)[:, None]
    return torch.cat([torch.cat([centres, corners], 1), size * torch.cat([amounts, smile], 1), width], 2)


def pulled(points: Tensor, pulls: Tensor, back: bool = False) -> Tensor:
    """Points ``[B, P, 2]`` after the pulls ``[B, K, 5]`` (``grimaces``); ``back``: where they were before."""
    def shift(at: Tensor) -> Tensor:
        squared = (at[:, :, None] - pulls[:, None, :, :2]).square().sum(-1)
        return torch.exp(-squared / (2 * pulls[:, None, :, 4].square())) @ pulls[..., 2:4]

    if not back:
        return points + shift(points)
    found = points
    for _ in range(4):  # a fixed point: pulls are smaller than they are wide
        found = points - shift(found)
    return found


class Slits(NamedTuple):
    """Both eyes and the mouth of ``B`` crops as slits that may close or open.

    Along a slit runs t from 0 to 1; its edges lie at 4 t (1 - t) (a + b t) above the line between its ends.

    ``start, axis [B, 3, 2]`` (ends are start and start + axis); ``before, after [B, 3, 2, 2]``: (a, b) of the upper and the lower edge,
    in units of the slit's length.
    """

    start: Tensor
    axis: Tensor
    before: Tensor
    after: Tensor

    def _local(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """t and height of places ``[B, N, 2]``, each ``[B, 3, N]``; edges there ``[B, 3, 2 (before, after), 2 (upper, lower), N]``."""
        t, h = _along(places[:, None], self.start, self.axis)
        line = torch.stack([self.before, self.after], 2)
        bow = (4 * t * (1 - t)).clamp(min=0)
        return t, h, bow[:, :, None, None] * (line[..., :1] + line[..., 1:] * t[:, :, None, None])

    def moved(self, places: Tensor, back: bool = False) -> Tensor:
        """Where places ``[B, N, 2]`` come to lie; ``back``: where what lies there came from. What is within a slit stays."""
        _, h, edges = self._local(places)
        old, new = edges.flip(2).unbind(2) if back else edges.unbind(2)
        margin = h.new_tensor(_MARGINS)[None, :, None]
        top, bottom = torch.maximum(old[:, :, 0], new[:, :, 0]) + margin, torch.minimum(old[:, :, 1], new[:, :, 1]) - margin
        above = new[:, :, 0] + (h - old[:, :, 0]) * (top - new[:, :, 0]) / (top - old[:, :, 0])
        below = new[:, :, 1] + (h - old[:, :, 1]) * (new[:, :, 1] - bottom) / (old[:, :, 1] - bottom)
        to = torch.where((h >= old[:, :, 0]) & (h < top), above, torch.where((h <= old[:, :, 1]) & (h > bottom), below, h))
        across = torch.stack([self.axis[..., 1], -self.axis[..., 0]], -1)
        return places + ((to - h)[..., None] * across[:, :, None]).sum(1)

    def moved_points(self, points: Tensor) -> Tensor:
        """``[B, 68, 2]``: where a face's points come to lie; those of an edge stay on it, even where both edges are one line."""
        out = self.moved(points)
        t, _, edges = self._local(points)
        for slit, numbers in enumerate(_SLITS):
            for side in (0, 1):
                edge = list(numbers[2 + 2 * side: 4 + 2 * side])
                x, y = self.axis[:, slit, None].unbind(-1)
                along, height = t[:, slit, edge], edges[:, slit, 1, side][:, edge]
                out[:, edge] = self.start[:, slit, None] + torch.stack([along * x + height * y, along * y - height * x], -1)
        return out

    def opened(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """For places ``[B, N, 2]``: whether they lie in the mouth as it opened, and how far down in it (0 to 1)."""
        _, h, edges = self._local(places)
        upper, lower = edges[:, 2, 1].unbind(1)
        gap = (upper - lower).clamp(min=1e-4)
        wide = (self.after[:, 2, 0, 0] > self.before[:, 2, 0, 0])[:, None]
        return wide & (h[:, 2] < upper) & (h[:, 2] > lower), ((upper - h[:, 2]) / gap).clamp(0, 1)


def _along(places: Tensor, start: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """t and height ``[B, 3, N]`` of places ``[B, 3 or 1, N, 2]`` beside slits, in units of each slit's length."""
    away, x, y = places - start[:, :, None], axis[..., :1], axis[..., 1:]
    squared = (x * x + y * y).clamp(min=1e-6)
    return (away[..., 0] * x + away[..., 1] * y) / squared, (away[..., 0] * y - away[..., 1] * x) / squared


def slits(points: Tensor, visible: Tensor, size: float) -> Slits:
    """Eyes that squint or close, and lips that part, in crops with ``points [B, 68, 2]`` of which ``visible [B, 68]`` can be seen."""
    count, which = len(points), torch.tensor(_SLITS)
    ends = points[:, which[:, :2]]
    start, axis = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    t, h = _along(points[:, which[:, 2:]], start, axis)
    t = t.clamp(0.1, 0.9)
    level = (h / (4 * t * (1 - t))).unflatten(-1, (2, 2))  # of upper and lower edge, at two places each
    t = t.unflatten(-1, (2, 2))
    apart = (t[..., 1] - t[..., 0]).clamp(min=0.1)
    slope = (level[..., 1] - level[..., 0]) / apart
    before = torch.stack([level[..., 0] - slope * t[..., 0], slope], -1)
    gap = before[:, :, :1] - before[:, :, 1:]
    kind = torch.rand(count, 1)
    shut = torch.where(kind < 0.22, torch.empty(count, 2).uniform_(0.85, 1), torch.empty(count, 2).uniform_(0, 0.75))
    shut = torch.where(kind < 0.5, shut[:, :1] + 0.1 * (shut - shut[:, :1]), torch.zeros(count, 2))
    from_above = torch.empty(count, 1).uniform_(0.45, 1)
    parts = torch.where(torch.rand(count, 1) < 0.4, torch.empty(count, 1).uniform_(0.02, 0.24), torch.zeros(count, 1))
    seen = (visible[:, which.flatten()].unflatten(1, (3, 6)).amin(2) > 0.5) & (axis.square().sum(-1) > 0.03**2)
    change = torch.zeros_like(before)
    change[:, :2, 0] = -(shut * from_above)[..., None] * gap[:, :2, 0]
    change[:, :2, 1] = (shut * (1 - from_above))[..., None] * gap[:, :2, 0]
    change[:, 2, 0, 0], change[:, 2, 1, 0] = 0.3 * parts[:, 0], -0.7 * parts[:, 0]
    return Slits(start, axis, before, before + size * seen[..., None, None] * change)


def creases(points: Tensor, visible: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Smiles whose line goes on a little beyond the lips, lids that meet beyond the white of the eye, and folds from the nose to the
    corners of the mouth or past them: points ``[B, 68, 2]`` with the corners at the lines' ends, and factors ``[B, 1, side, side]`` that
    darken what lies under the lines and may brighten the cheek above a fold. ``visible [B, 68]``: 0 or 1. A fold moves no point: it is not
    the mouth."""
    count, moving, opposite = len(points), [48, 54, 36, 45, 39, 42], [54, 48, 39, 42, 36, 45]
    corners = points[:, moving]
    across = corners - points[:, opposite]
    up = torch.stack([across[..., 1], -across[..., 0]], -1) * torch.tensor([-1.0, 1, -1, 1, 1, -1])[:, None]
    often, reach, rise, fall = (torch.tensor(x).repeat_interleave(2)[:, None] for x in (
        [0.5, 0.75, 0.7], [0.24, 0.35, 0.3], [0.09, 0.08, 0.02], [-0.02, -0.1, -0.12]))
    shared = torch.rand(count, 3, 1).repeat_interleave(2, 1)  # what both corners of a mouth or a pair of eyes have in common
    some = (torch.rand(count, 6, 1) < often) * visible[:, moving, None] * (0.7 * shared + 0.3 * torch.rand(count, 6, 1))
    ends = corners + some * (reach * across + up * (fall + (rise - fall) * torch.rand(count, 3, 1).repeat_interleave(2, 1)))
    length = across.norm(dim=-1).clamp(min=1e-3)
    depth = torch.empty(count, 6).uniform_(0.2, 0.7) * (some[..., 0] > 0)
    dark = line(corners, ends, length * torch.empty(count, 6).uniform_(0.02, 0.07), depth, side)
    beside = corners[:, :2] + across[:, :2] * torch.empty(count, 2, 1).uniform_(0.04, 0.3)
    wings = points[:, [31, 35]] + (points[:, [31, 35]] - points[:, [33]]) * torch.empty(count, 2, 1).uniform_(0.1, 0.6)
    below = beside - up[:, :2] * torch.empty(count, 2, 1).uniform_(0, 0.25) + across[:, :2] * torch.empty(count, 2, 1).uniform_(-0.1, 0.05)
    laughing = torch.rand(count, 1, 1) < 0.4  # the fold comes down to the corner itself and runs into the line of the lips
    steep = across[:, :2] * torch.empty(count, 2, 1).uniform_(0, 0.18) + up[:, :2] * torch.empty(count, 2, 1).uniform_(0.12, 0.4)
    beside = torch.where(laughing, ends[:, :2] + steep, beside)
    below = torch.where(laughing, ends[:, :2], below)
    deep = torch.empty(count, 2).uniform_(0.05, 0.7) * (torch.rand(count, 1) < 0.6) * visible[:, moving[:2]]
    wide = length[:, :2] * torch.empty(count, 2).uniform_(0.02, 0.08)
    lower = deep * torch.where(laughing[..., 0], torch.empty(count, 2).uniform_(0.5, 1), torch.rand(count, 2))
    dark = dark * torch.minimum(line(wings, beside, wide, deep, side), line(beside, below, wide, lower, side))
    out_of_line = (0.5 * across[:, :2] + up[:, :2]) * (wide / length[:, :2])[..., None]
    cheeks = deep * torch.empty(count, 2).uniform_(-0.5, 0.1)
    shaded = deep * torch.empty(count, 2).uniform_(0, 0.6)
    dark = dark * line(wings + 2 * out_of_line, beside + 2 * out_of_line, 2 * wide, cheeks, side)
    dark = dark * line(wings - 2 * out_of_line, beside - 2 * out_of_line, 2 * wide, shaded, side)
    out = points.clone()
    out[:, moving] = ends
    return out, dark


def line(start: Tensor, end: Tensor, width: Tensor, depth: Tensor, side: int) -> Tensor:
    """Factors ``[B, 1, side, side]`` of lines from ``start`` to ``end [B, K, 2]`` with soft edges; ``width, depth [B, K]``."""
    drawn = torch.nonzero(depth)  # few of them: what is not drawn costs nothing
    run = (end - start)[drawn[:, 0], drawn[:, 1]]
    length = run.norm(dim=1).clamp(min=1e-4)
    x, y = (run / length[:, None]).unbind(1)
    middles = (torch.arange(side) + 0.5) / side
    right, down = (middles - start[drawn[:, 0], drawn[:, 1], i, None] for i in (0, 1))
    along = (right * x[:, None])[:, None] + (down * y[:, None])[..., None]
    beside = (right * y[:, None])[:, None] - (down * x[:, None])[..., None]
    beyond = along - along.clamp(min=0).minimum(length[:, None, None])
    squared = (beside.square() + beyond.square()) / width[drawn[:, 0], drawn[:, 1]].square()[:, None, None]
    factors = 1 - depth[drawn[:, 0], drawn[:, 1], None, None] * torch.exp(-squared)
    out = torch.ones(len(start), side, side)
    for crop, factor in zip(drawn[:, 0].tolist(), factors, strict=True):
        out[crop] *= factor
    return out[:, None]


def teeth(deep: Tensor, bright: Tensor) -> Tensor:
    """Colours ``[B, 3, S, S]`` in [-1, 1] of opened mouths: teeth above, dark below. ``deep [B, 1, S, S]``: 0 at the upper lip to 1;
    ``bright [B, 1, 1, 1]``: of the face, in [-1, 1]."""
    count = len(deep)
    ivory = (0.55 + 0.45 * bright + 0.35 * torch.rand(count, 1, 1, 1)) * torch.tensor([1.0, 0.95, 0.86])[None, :, None, None]
    dark = torch.rand(count, 1, 1, 1) * 0.5 * torch.tensor([0.8, 0.4, 0.4])[None, :, None, None] - 0.9
    to = torch.empty(count, 1, 1, 1).uniform_(0.2, 1.3)
    return torch.where(deep < to, ivory, dark).clamp(-1, 1)


def folds(count: int, side: int, most: int = 3) -> Tensor:
    """Factors ``[count, 1, side, side]``: a few thin arcs, mostly darker: folds of the skin and single strands of hair."""
    line = (torch.arange(side) + 0.5) / side
    out = torch.ones(count, 1, side, side)
    for _ in range(most):
        middle, angle = torch.empty(count, 2, 1, 1).uniform_(0.15, 0.85), torch.rand(count, 1, 1) * 2 * math.pi
        radius, half = torch.empty(count, 1, 1).uniform_(0.05, 0.4), torch.empty(count, 1, 1).uniform_(0.02, 0.1)
        x = line[None, None, :] - middle[:, 0] + radius * angle.cos()
        y = line[None, :, None] - middle[:, 1] + radius * angle.sin()
        distance = (x.square() + y.square()).sqrt()
        along = ((x - radius * angle.cos()).square() + (y - radius * angle.sin()).square()) / half.square()
        width = torch.empty(count, 1, 1).uniform_(0.003, 0.012)
        depth = torch.empty(count, 1, 1).uniform_(-0.15, 0.4) * (torch.rand(count, 1, 1) < 0.6)
        out = out * (1 - depth * torch.exp(-((distance - radius) / width).square() - along))[:, None]
    return out


def blurred(mask: Tensor) -> Tensor:
    """A mask ``[B, 1, S, S]`` with an edge of a pixel."""
    return F.avg_pool2d(F.pad(mask, (1, 1, 1, 1), mode="replicate"), 3, 1)
