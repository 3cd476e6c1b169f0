"""What stage 2 learns on the planes themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator.gated import GatedPlanes, Planes
from ..preparation import Preparation
from .gate import SurfaceGate

if TYPE_CHECKING:
    from ..state import TuningStage


@dataclass(frozen=True)
class OptimizePlanes(Preparation):
    """An offset on the planes is learned beside the generator's weights: it takes up detail that these would need many steps for.

    Attributes:
        rate: of Adam, in standard deviations of the planes.
        levels: the offset is a sum of such parts of the planes' resolution, the finest (1: all of it) first. With coarser ones beside it,
            colour and shape of whole regions come in a few steps, and single texels need not do it.
        floor: gradients far below this move it less than in proportion (Adam's epsilon).
        gate: where in space the offset counts; None: everywhere.
    """

    rate: float = 0.005
    levels: tuple[int, ...] = (1, 2, 4)
    floor: float = 1e-6
    gate: SurfaceGate | None = None

    def apply(self, stage: TuningStage) -> None:
        """Give the state an offset of zero."""
        gate = None if self.gate is None else self.gate.volume(stage)
        stage.state.offset = PlanesOffset(stage.planes, self.levels, gate)
        # Adam moves what has a tiny gradient as far as what has a large one: without a floor, texels that no label sees fill with noise.
        stage.groups.append({"params": stage.state.offset.levels, "rate": self.rate * stage.planes_deviation, "eps": self.floor})


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
        """``[1, 3, C, H, W]``: all of it, as a copy."""
        return self._sum().clone()

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
