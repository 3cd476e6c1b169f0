"""What no view shows stays smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ...losses import total_variation
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import TuningStage
    from ..step import Step


@dataclass(frozen=True)
class OffsetSmoothness(Term):
    """Total variation of the finest part of the offset on the planes, in standard deviations of the planes."""

    weight: float = 0.5
    every: int = 3

    def start(self, stage: TuningStage) -> Loss | None:
        """None where no offset is learned."""
        return None if stage.state.offset is None else Loss(self)

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        """ "smooth"."""
        return {"smooth": scale / step.stage.planes_deviation * total_variation(step.stage.state.offset.levels[0])}
