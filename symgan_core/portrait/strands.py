"""The texture of hair: procedural noise (Perlin 1985) that is stretched along the fall of the hair, on a chart around the head."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry.images import smooth_step

CENTRE, RADIUS = (0.0, 0.02, -0.1), 0.3
"""World units: a place on the axis through the crown of a head, somewhat behind its middle, and the head's radius."""
CROWN = (0.15, 0.45)
"""Distance from the axis as a share of that from the centre: what is nearer to the crown than the first has no strands."""
WIDTH, HEIGHT = 2048, 640
"""Texels of the chart around the head, and from the crown down."""
DOWN = math.pi / 2 + 1.8
"""What the chart's height stands for: the angle from the crown to the equator, and then the way down in radii."""
OCTAVES = ((40, 6, 0.5), (90, 8, 0.7), (190, 10, 0.9), (400, 12, 0.9), (800, 14, 0.6))
"""Cells around the head, how many times longer than wide they are, and amplitude."""
WAVES = ((9, 5, 0.02), (22, 12, 0.008), (50, 24, 0.003))
"""Of what bends strands: cells around the head, cells down, and amplitude in half turns."""


def strands_at(points: Tensor) -> Tensor:
    """The texture at ``points [N, 3]``, ``[N]``: of zero mean and unit deviation, but near the crown, where it fades."""
    x, y, z = (points - points.new_tensor(CENTRE)).unbind(1)
    across = torch.hypot(x, z)
    from_crown = torch.where(y > 0, torch.atan2(across, y), math.pi / 2 - y / RADIUS)
    place = torch.stack([torch.atan2(x, z) / math.pi, 2 * from_crown / DOWN - 1], 1)
    found = F.grid_sample(_texture().to(points.device), place[None, None], padding_mode="border", align_corners=False)
    return found.flatten() * smooth_step(across / torch.hypot(across, y).clamp(min=1e-6), *CROWN)


@lru_cache(maxsize=1)
def _texture() -> Tensor:
    """``[1, 1, HEIGHT, WIDTH]``, always the same: columns run from the crown down, and the first one lies beside the last one."""
    rng = torch.Generator().manual_seed(0)
    shares = DOWN / (2 * math.pi)
    straight = torch.stack([weight * _noise(n, max(3, round(n * shares / longer)), rng) for n, longer, weight in OCTAVES]).sum(0)
    bent = torch.stack([weight * _noise(around, down, rng) for around, down, weight in WAVES]).sum(0)
    rows, columns = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in (HEIGHT, WIDTH))
    place = torch.stack([(columns + bent[0, 0] + 1) % 2 - 1, rows[:, None].expand(-1, WIDTH)], -1)
    texture = F.grid_sample(straight, place[None], padding_mode="border", align_corners=False)
    return (texture - texture.mean()) / texture.std()


def _noise(around: int, down: int, rng: torch.Generator) -> Tensor:
    """``[1, 1, HEIGHT, WIDTH]`` of zero mean and unit deviation, with so many cells; goes on at the sides."""
    cells = F.pad(torch.randn(1, 1, down, around, generator=rng), (2, 2, 0, 0), mode="circular")
    width = round(WIDTH * (around + 4) / around)
    fine = F.interpolate(cells, (HEIGHT, width), mode="bicubic", align_corners=False)
    first = (width - WIDTH) // 2
    fine = fine[..., first : first + WIDTH]
    return (fine - fine.mean()) / fine.std()
