"""Stage 1's second view: the flipped photo at the mirrored camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ..appearance.light import Lamp, fit_lamp
from ..target.target import Target, fill_from_render
from ..views.symmetry import compare_with_mirror
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import PivotStage
    from ..step import Step

LIGHT_EVERY = 12
"""Steps after which the lamp is fitted anew."""


@dataclass(frozen=True)
class MirroredView(Term):
    """The flipped photo at the mirrored camera, weighted by yaw as well (SPI's m).

    Attributes:
        match_light: where the generator's w knows lamps, it is compared with the head under mirrored lamps; elsewhere, once the steps are
            no more coarse, it is shown in the light of its side (``appearance/light.py``). SPI does not.
    """

    weight: float = 1.0
    every: int = 3
    match_light: bool = True

    def start(self, stage: PivotStage) -> Loss | None:
        """None for a photo from the front."""
        return _MirroredView(self) if stage.target.mirror_weight > 0 else None


class _MirroredView(Loss):
    def __init__(self, term: MirroredView):
        super().__init__(term)
        self._lamp: Lamp | None = None
        self._shown: tuple[Target, Tensor] | None = None

    def renew(self, step: Step) -> None:
        """Decide what the mirrored view is compared with, and which code it shows."""
        if step.number % self.term.every == 0:
            self._shown = self._view(step)

    def _view(self, step: Step) -> tuple[Target, Tensor]:
        traits, stage = step.generator.traits, step.stage
        if self.term.match_light and traits is not None:  # the mirrored photo is the same face under the mirrored lamps
            return step.target.mirrored(), traits.light_mirrored(step.ws)
        if not self.term.match_light or step.previous is None or step.share < stage.method.pivot.coarse_share:
            return step.target.mirrored(), step.ws
        # In the coarse steps the geometry says little of the light.
        depth, seen = step.previous.image_depth.detach(), stage.target.with_camera(step.target.camera.detach())
        if self._lamp is None or step.number % LIGHT_EVERY == 0:
            self._lamp = fit_lamp(seen, depth, compare_with_mirror(seen, depth, stage.method.warp.tolerance))
        return self._lamp.mirrored_photo(seen, depth).with_camera(step.target.mirrored().camera), step.ws

    def losses(self, step: Step) -> dict[str, Tensor]:
        """ "mirror"."""
        other, ws = self._shown
        head = step.head if ws is step.ws else step.head_of(ws)
        out, (image, outside) = step.render(other.camera, (other.image, other.out_of_frame), head)
        image, _ = fill_from_render(image, None, out.image, None, outside)
        return {"mirror": self.scale * step.target.mirror_weight * step.stage.perceptual(out.image, image)}
