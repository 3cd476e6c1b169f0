"""The code stays near the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ...losses import latent_distance
from .base import Term

if TYPE_CHECKING:
    from ..step import Step


@dataclass(frozen=True)
class LatentPrior(Term):
    """Weight of the code's squared distance from the mean, in standard deviations, and of its rows' spread."""

    weight: float = 0.012

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        """ "prior"."""
        return {"prior": scale * latent_distance(step.ws, *step.stage.statistics)}
