"""The points of the face lie where the photo has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import PivotStage
    from ..step import Step


@dataclass(frozen=True)
class Landmarks(Term):
    """Mean distance of the face's points from the photo's, in picture widths: pixels alone draw a mouth over its own height only, and pull
    smiles shut.

    Attributes:
        refresh_every: steps after which the points are read anew in a render; between, w's slopes say how they move.
    """

    weight: float = 20.0
    refresh_every: int = 6

    def start(self, stage: PivotStage) -> Loss | None:
        """None for generators in whose frame points are not read."""
        return None if stage.landmarks is None else Loss(self)

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        """ "points"."""
        points, camera = step.stage.landmarks, step.target.camera
        if step.number % self.refresh_every == 0:
            points.find(step.ws.detach(), camera.detach())
        return {"points": scale * points.difference(step.ws, camera)}
