"""Hair that is made longer, shorter, fuller or flatter: what the head has of it is stretched or pressed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ...geometry.images import smooth_step
from ...geometry.volume import box_points
from .parts import Parts

FULLER, LONGER = 0.06, 0.16
"""Share by which the distance from the middle of the skull, and the length below the brows, grow for a strength of 1."""
SKULL = (0.0, 0.06, 0.0)
"""Its middle in the built-in generator's world."""
BROWS, BELOW = 0.04, 0.08
"""Height above which length does not change, and world units below it over which that begins."""
BORDER = (0.8, 0.97)
"""Shares of half the box between which hair stops to move: beyond the box there is nothing to be pulled in."""
GRID = 40
"""Cells a side of the field."""
REACH = 8
"""Cells over which hair's share goes on into the empty space around."""
DIRECTIONS = ("hair_length", "hair_volume")


@torch.no_grad()
def hair_field(share: Tensor, strengths: Mapping[str, float], half_box: float) -> Tensor:
    """How far back what is at a point came from.

    Args:
        share: ``hair_share``.
        strengths: of ``DIRECTIONS``.
        half_box: half the side of the box, world units.

    Returns:
        ``[1, 3, D, D, D]``, world units over the box, x fastest.
    """
    volume, length = (strengths.get(name, 0.0) for name in ("hair_volume", "hair_length"))
    points = box_points(share.shape[-1], 2 * half_box, share.device).permute(3, 0, 1, 2)[None]
    share = share * (1 - smooth_step(points.abs().amax(1, keepdim=True) / half_box, *BORDER))
    skull = points.new_tensor(SKULL).reshape(1, 3, 1, 1, 1)
    fuller, longer = (torch.exp(share * s * by) for s, by in ((volume, FULLER), (length, LONGER)))
    below = smooth_step(BROWS - points[:, 1:2], 0.0, BELOW)
    came = skull + (points - skull) / fuller
    height = came[:, 1:2]
    lower = torch.where(height < BROWS, BROWS + (height - BROWS) / longer, height)
    came = torch.cat([came[:, :1], torch.lerp(height, lower, below), came[:, 2:]], 1)
    return (came - points).contiguous()


def hair_share(parts: Parts) -> Tensor:
    """``[1, 1, D, D, D]``: how far each cell of the box moves with the hair: the head's own share on it, and beside the hair that of the
    nearest."""
    share, known = parts.volume[:, :1] * parts.known, parts.known
    for _ in range(REACH):
        wide, number = (F.avg_pool3d(x, 3, 1, 1) for x in (share, known))
        beyond = known <= 0
        share = torch.where(beyond, wide / number.clamp(min=1e-6), share)
        known = torch.where(beyond, (number > 0).float(), known)
        share = share * (known > 0)
    return F.interpolate(F.avg_pool3d(F.pad(share, (1,) * 6, mode="replicate"), 3, 1), (GRID,) * 3, mode="trilinear", align_corners=True)
