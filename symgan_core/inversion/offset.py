"""What stage 2 learns on the planes themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator.gated import GatedPlanes, Planes


class PlanesOffset:
    """An offset on planes: what grew at once, and a sum of learned parts of several resolutions, zero as yet.

    Args:
        grown: ``[1, 3, C, H, W]``, which is not learned.
        divisors: what the planes' resolution is divided by for each part, the finest first.
        gate: ``[1, 1, D, D, D]``, where in the box the offset counts; None: everywhere.
    """

    def __init__(self, grown: Tensor, divisors: Sequence[int], gate: Tensor | None = None):
        self.grown, self.gate = grown, gate
        self.levels = [grown.new_zeros(*grown.shape[:3], *(n // k for n in grown.shape[3:])).requires_grad_(True) for k in divisors]
        self._last: tuple[Tensor, Tensor] | None = None

    def added_to(self, planes: Tensor) -> Planes:
        """``planes [1, 3, C, H, W]`` with the offset on them."""
        if self.gate is not None:
            return GatedPlanes(planes, self.grown + self._learned(), self.gate)
        if self._last is None or self._last[0] is not planes:  # mostly they are the same from step to step
            self._last = planes, planes + self.grown
        return self._last[1] + self._learned()

    @torch.no_grad()
    def total(self) -> Tensor:
        """``[1, 3, C, H, W]``: all of it."""
        return self.grown + self._learned()

    def _learned(self) -> Tensor:
        """From the coarsest part on: planes do not fit into a processor's cache, so each pass over whole ones counts."""
        total = self.levels[-1]
        for part in reversed(self.levels[:-1]):
            total = part + enlarged(total, part)
        return enlarged(total, self.grown)


def enlarged(planes: Tensor, like: Tensor) -> Tensor:
    """``planes [1, 3, C, h, w]`` in the resolution of ``like [1, 3, C, H, W]``."""
    if planes.shape == like.shape:
        return planes
    size = like.shape[-2:]
    return F.interpolate(planes.flatten(0, 1), size, mode="bilinear", align_corners=False).unflatten(0, planes.shape[:2])
