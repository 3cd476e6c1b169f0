"""What stage 2 learns on the planes themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator.gated import GatedPlanes, Planes


class PlanesOffset:
    """An offset on planes: a sum of learned parts of several resolutions, zero as yet.

    Args:
        planes: ``[1, 3, C, H, W]``, whose size the offset has.
        divisors: what the planes' resolution is divided by for each part, the finest first.
        gate: ``[1, 1, D, D, D]``, where in the box the offset counts; None: everywhere.
    """

    def __init__(self, planes: Tensor, divisors: Sequence[int], gate: Tensor | None = None):
        self.gate, self._shape = gate, planes.shape
        self.levels = [planes.new_zeros(*planes.shape[:3], *(n // k for n in planes.shape[3:])).requires_grad_(True) for k in divisors]

    def added_to(self, planes: Tensor) -> Planes:
        """``planes [1, 3, C, H, W]`` with the offset on them."""
        return planes + self._sum() if self.gate is None else GatedPlanes(planes, self._sum(), self.gate)

    @torch.no_grad()
    def total(self) -> Tensor:
        """``[1, 3, C, H, W]``: all of it."""
        return self._sum()

    def _sum(self) -> Tensor:
        """From the coarsest part on: planes do not fit into a processor's cache, so each pass over whole ones counts."""
        total = self.levels[-1]
        for part in reversed(self.levels[:-1]):
            total = part + enlarged(total, part.shape)
        return enlarged(total, self._shape)


def enlarged(planes: Tensor, shape: torch.Size) -> Tensor:
    """``planes [1, 3, C, h, w]`` in the resolution of the ``shape`` (1, 3, C, H, W)."""
    if planes.shape == shape:
        return planes
    return F.interpolate(planes.flatten(0, 1), shape[-2:], mode="bilinear", align_corners=False).unflatten(0, planes.shape[:2])
