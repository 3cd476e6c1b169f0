"""The depth at other cameras stays near the untouched generator's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...losses import depth_drift
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import TuningStage
    from ..step import Step

CAMERAS = 6
YAW, PITCH = 40.0, 23.0
"""Limits of the cameras, degrees (SPI: 0.7 and 0.4 rad)."""


@dataclass(frozen=True)
class DepthPrior(Term):
    """Mean squared difference of depths along the ray, world units, at one of six random cameras a time (SPI: weight 1)."""

    weight: float = 60.0
    every: int = 3

    def start(self, stage: TuningStage) -> Loss:
        """With the depths of the generator as it is now."""
        return _DepthPrior(self, stage)


class _DepthPrior(Loss):
    @torch.no_grad()
    def __init__(self, term: DepthPrior, stage: TuningStage):
        super().__init__(term)
        head = stage.head
        self._resolution = stage.generator.config.draft_resolution // 2
        self._references: list[tuple[Tensor, Tensor]] = []
        for _ in range(CAMERAS):
            yaw, pitch = ((torch.rand(2, generator=stage.rng) * 2 - 1) * torch.tensor([YAW, PITCH])).tolist()
            camera = head.orbit(yaw, pitch)
            self._references.append((camera, head.render(camera, self._resolution, stage.sampling).depth))

    def losses(self, step: Step) -> dict[str, Tensor]:
        """ "depth"."""
        camera, depth = self._references[step.number // self.term.every % CAMERAS]
        now = step.head.render(camera, self._resolution, step.stage.sampling).depth
        return {"depth": self.scale * depth_drift(now, depth)}
