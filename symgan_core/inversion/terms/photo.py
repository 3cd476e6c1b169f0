"""The photo's own view: the render against the photo, and its opacity against the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Synthesized
from ...geometry.images import eroded, resized
from ...losses import PerceptualLoss
from ...portrait import Portrait3D
from ..target.target import fill_from_render
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import Stage, TuningStage
    from ..step import Step

SQUARED = 4.0
"""Weight of the mean squared difference in stage 2, beside the absolute one's ``pixel``."""
ASK_EVERY = 5
"""Where a strided render is near enough to stop, the whole view is compared, once in so many steps."""


@dataclass(frozen=True)
class Photo(Term):
    """Of stage 1: weights of the perceptual loss, of the mean absolute difference, and of the mean squared one of opacity and mask."""

    perceptual: float = 1.0
    pixel: float = 1.0
    opacity: float = 1.0

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        """ "perceptual", "pixel" and "opacity", as far as they have a weight."""
        found, view = {}, step.view
        if self.perceptual:
            found["perceptual"] = scale * self.perceptual * step.stage.perceptual(view.out.image, view.image)
        if self.pixel:
            found["pixel"] = scale * self.pixel * (view.out.image - view.image).abs().mean()
        return found | self._opacity(step, scale)

    def _opacity(self, step: Step, scale: float) -> dict[str, Tensor]:
        if not self.opacity:
            return {}
        mask = step.view.mask if step.target.white_background else None
        return {"opacity": scale * self.opacity * opacity_difference(step.view.out, mask)}


@dataclass(frozen=True)
class TunedPhoto(Photo):
    """Of stage 2.

    Attributes:
        edge: half the width, in pixels of a strided render, of the band at the mask's edge that colour losses leave out: there opacity
            alone is fitted.
        stop_at_lpips: end the stage when the whole photo's view is this near (PTI and SPI: 0.05), for methods whose perceptual loss is
            LPIPS; None: never.
    """

    pixel: float = 3.0
    opacity: float = 8.0
    edge: int = 1
    stop_at_lpips: float | None = None

    def losses(self, step: Step, scale: float) -> dict[str, Tensor]:
        """As ``Photo`` has them; "pixel" has squared differences as well."""
        view, found = step.view, {}
        image = view.image
        if step.target.white_background:
            image = color_target(view.out, image, view.mask, self.edge, view.occluder_mask)
        difference = view.out.image - image
        if self.perceptual:
            found["perceptual"] = scale * self.perceptual * step.stage.perceptual(view.out.image, image)
        if self.pixel:
            found["pixel"] = scale * self.pixel * difference.abs().mean() + scale * SQUARED * difference.square().mean()
        return found | self._opacity(step, scale)

    def start(self, stage: TuningStage) -> Loss:
        """A loss that may end the stage."""
        return _StoppingPhoto(self, stage)


class _StoppingPhoto(Loss):
    """Compares the whole view now and then, once a part of it is near enough."""

    def __init__(self, term: TunedPhoto, stage: Stage):
        super().__init__(term)
        self._asked = -ASK_EVERY

    def finished(self, step: Step, losses: dict[str, Tensor]) -> bool:
        """As ``Loss`` has it."""
        limit, perceptual, weight = self.term.stop_at_lpips, step.stage.perceptual, self.scale * self.term.perceptual
        if not weight or step.number < self._asked + ASK_EVERY:
            return False
        if not near_enough(float(losses["perceptual"].detach()) / weight, limit, perceptual):
            return False
        self._asked = step.number
        return near_enough(whole_distance(step.stage), limit, perceptual)


def near_enough(distance: float, limit: float | None, perceptual: PerceptualLoss) -> bool:
    """Whether a stage may end at this perceptual ``distance`` of the photo's view (``TunedPhoto.stop_at_lpips``)."""
    return limit is not None and perceptual.name.startswith("lpips") and distance <= limit


@torch.no_grad()
def whole_distance(stage: Stage) -> float:
    """Perceptual distance of the photo and the view as the portrait will show it: some pixels of it alone are far nearer (0.05 where this
    is 0.17)."""
    state, target = stage.state, stage.target
    offset = None if state.offset is None else state.offset.total()
    drawn = Portrait3D(state.generator, state.ws, target.camera, planes_offset=offset).render(target.camera).image
    drawn = F.interpolate(drawn, target.image.shape[-2:], mode="bilinear", antialias=True, align_corners=False)
    image, _ = fill_from_render(target.image, None, drawn, None, target.out_of_frame)
    return float(stage.perceptual(drawn, image))


def opacity_difference(out: Synthesized, mask: Tensor | None) -> Tensor:
    """Mean squared difference of the rendered opacity and a ``mask [1, 1, H, W]`` (0 without one): keeps the background out of the head.

    EG3D's own generators render the background as part of the volume; for them there is no mask.
    """
    if mask is None:
        return out.image.new_zeros(())
    mask = F.interpolate(mask, out.image_opacity.shape[-2:], mode="area")
    return (out.image_opacity - mask).square().mean()


def color_target(out: Synthesized, image: Tensor, mask: Tensor | None, edge: int = 0, occluder_mask: Tensor | None = None) -> Tensor:
    """The photo ``image [1, 3, H, W]`` to compare colours with, but the render itself where opacity alone is to change: along the edge of
    the ``mask [1, 1, H, W]``, and where the photo has background and the render is solid all around (between strands of hair). What is
    painted there is white, and stays on the head when it turns.

    Args:
        edge: half the edge's width, in pixels; 0: colours are compared there too.
        occluder_mask: ``[1, 1, H, W]``: what else is left out (``Target``).
    """
    if mask is None:
        return image
    solid = eroded(resized(out.image_opacity, image.shape[-1]), 1)
    border = (eroded(mask, edge) < 0.5) & (-eroded(-mask, edge) > 0.5)
    left_out = border | ((mask < 0.5) & (solid > 0.9))
    if occluder_mask is not None:
        left_out = left_out | (occluder_mask > 0.5)
    return torch.where(left_out, out.image.detach(), image)
