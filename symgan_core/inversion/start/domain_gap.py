"""How far the photo is from what the generator was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces import read_face_depth
from ...losses import load_perceptual
from ..preparation import Preparation
from ..rendering import draft

if TYPE_CHECKING:
    from ..state import PivotStage

COUNTED = 0.3
"""Trust of the face's depth from which on a pixel is compared."""
SOLID = 0.9
"""Opacity that is surface."""


@dataclass(frozen=True)
class DomainGap(Preparation):
    """Measure how unlike the photo the head is that the encoder takes it for. Of a picture like those of the training the encoder reads
    all that there is to see; then what the generator has learned of faces holds for this one too."""

    def apply(self, stage: PivotStage) -> None:
        """Set ``domain_gap`` of the state, where the photo shows a face in the generator's frame."""
        stage.state.domain_gap = domain_gap(stage)


@torch.no_grad()
def domain_gap(stage: PivotStage) -> float | None:
    """Geometric mean of LPIPS (AlexNet) and of the mean absolute difference, without the mean colours, of the face in photo and render.

    0.02 to 0.06 for people rendered as the training's are; 0.08 and more for photos.
    """
    target = stage.target
    if not target.white_background:
        return None
    depth = read_face_depth(target.image.clamp(-1, 1).cpu())
    if depth is None:
        return None
    out = draft(stage.generator, stage.state.ws, stage.state.camera)
    size = target.image.shape[-2:]
    image, opacity = (F.interpolate(x, size, mode="bilinear", align_corners=False) for x in (out.image.clamp(-1, 1), out.image_opacity))
    mask = ((depth[:, 1:].to(opacity) > COUNTED) & (opacity > SOLID)).float()
    if not mask.any():
        return None
    off = _centred(image, mask) - _centred(target.image, mask)
    mean = float((mask * off.abs()).sum() / (mask.sum() * off.shape[1]))
    lpips = load_perceptual("lpips-alex", target.image.device)
    return (mean * float(lpips(*(x * mask + 1 - mask for x in (image, target.image))))) ** 0.5


def _centred(image: Tensor, mask: Tensor) -> Tensor:
    """``image [1, C, H, W]`` minus its mean within ``mask [1, 1, H, W]``."""
    return image - (mask * image).sum((2, 3), keepdim=True) / mask.sum()
