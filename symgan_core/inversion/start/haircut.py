"""The encoder's haircut is kept through stage 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..preparation import Preparation
from ..target.parts import parts_shown

if TYPE_CHECKING:
    from ..state import PivotStage


@dataclass(frozen=True)
class KeepHaircut(Preparation):
    """The numbers of w that choose the hair are not optimised, where they are known: else tails grow behind necks, where no photo shows
    that none is. What the photo shows beside the neck counts as hair only where that haircut has some."""

    def apply(self, stage: PivotStage) -> None:
        """Freeze the haircut, and mask the photo by it."""
        traits, target = stage.generator.traits, stage.target
        if traits is None:
            return
        stage.frozen, stage.haircut_kept = traits.haircut, True
        if target.hair_candidates is not None:
            stage.target = target.remove_unsupported_hair(parts_shown(stage.generator, stage.state.ws, stage.fitted_camera))
