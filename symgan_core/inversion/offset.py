"""Changes of planes as a sum of several resolutions."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def new_levels(planes: Tensor, parts: tuple[int, ...]) -> list[Tensor]:
    """Zeros to be learned: for ``planes [1, 3, C, H, W]`` one ``[1, 3, C, H / part, W / part]`` each."""
    return [planes.new_zeros(*planes.shape[:3], *(n // part for n in planes.shape[3:])).requires_grad_(True) for part in parts]


def joined(levels: list[Tensor], size: int) -> Tensor:
    """``[1, 3, C, size, size]``: the sum of offsets of several resolutions."""
    return sum(level if level.shape[-1] == size else F.interpolate(
        level.flatten(0, 1), (size, size), mode="bilinear", align_corners=False).unflatten(0, level.shape[:2]) for level in levels)
