"""The face is as deep as a network that knows real faces reads it in the photo."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces import read_face_depth
from ...geometry import Camera
from ...geometry.warp import sample_image
from .base import Loss, Term

if TYPE_CHECKING:
    from ..state import Stage
    from ..step import Step

NOISE = 0.006
"""The error of a depth, in picture widths."""
OUTLIER = 0.02
"""A depth that is off by more than this, in picture widths, counts less."""
SHORT = 0.1
"""The mesh turns with the head, but not as far: its slope to the side falls short by this share of the yaw's sine (0.09 and 0.15 on a man
of whom there are three photos; 0.08 at 30 and 0.13 at 45 degrees on heads of the built-in generator)."""
SOLID = 0.9
"""Opacity that is surface."""
LEARNED, FOREIGN = 0.06, 0.08
"""Domain gap (``start/domain_gap.py``) up to which the generator knows better how deep a face is, and from which on the mesh does. The mesh
reads faces of the built-in generator's training as deeper than they are, by an eighth, and as turned down by 3 degrees."""
ROUNDS = 3
"""Of the middle, outliers held back."""


@dataclass(frozen=True)
class FaceDepth(Term):
    """Mean difference, in picture widths, of the depth of the photo's view from that of MediaPipe's mesh of the face. Pixels, points and a
    prior of synthetic heads say little of how deep a face is that is seen from one side, and how it is turned. How far away it is stays
    open."""

    weight: float = 20.0

    def start(self, stage: Stage) -> Loss | None:
        """None where no face is read, the generator frames faces otherwise, or knows this one better."""
        share = mesh_share(stage.state.domain_gap)
        if not stage.target.white_background or share == 0:
            return None
        wanted = read_face_depth(stage.target.image.clamp(-1, 1).cpu())
        return None if wanted is None else _FaceDepth(self, share, wanted.to(stage.target.image))


class _FaceDepth(Loss):
    term: FaceDepth

    def __init__(self, term: FaceDepth, share: float, wanted: Tensor):
        super().__init__(term)
        self.scale *= share
        self._wanted = wanted

    def losses(self, step: Step) -> dict[str, Tensor]:
        """ "face_depth"."""
        view, camera = step.view, Camera.from_vector(step.target.camera.detach())
        depth = view.out.image_depth
        uv = F.interpolate(view.uv, depth.shape[-2:], mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
        wanted, weights = sample_image(self._wanted, uv).split(1, 1)
        weights = weights * (view.out.image_opacity.detach() > SOLID)
        if view.occluder_mask is not None:
            weights = weights * (1 - F.interpolate(view.occluder_mask, depth.shape[-2:]))
        focal, centre = camera.intrinsics[0, 0, 0], camera.intrinsics[0, :2, 2]
        away = depth / (1 + ((uv - centre) / focal).square().sum(-1)[:, None]).sqrt()  # along the camera's axis
        middle = (weights * away.detach()).sum() / weights.sum().clamp(min=1e-6)
        short = SHORT * math.sin(math.radians(camera.yaw_pitch()[0]))
        off = away * (focal / middle.clamp(min=1e-3)) - wanted + short * (uv[..., 0] - 0.5)[:, None]
        return {"face_depth": self.scale * depth_difference(off, weights)}


def mesh_share(domain_gap: float | None) -> float:
    """Share of the weight that the mesh's depth keeps, in [0, 1]; 1 where the gap was not measured."""
    return 1.0 if domain_gap is None else min(1.0, max(0.0, (domain_gap - LEARNED) / (FOREIGN - LEARNED)))


def depth_difference(off: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the absolute ``off``, of any shape, from its own middle; outliers count less (Cauchy's weights)."""
    with torch.no_grad():
        counted = weights
        for _ in range(ROUNDS):
            middle = (counted * off).sum() / counted.sum().clamp(min=1e-6)
            counted = weights / (1 + ((off - middle) / OUTLIER).square())
    return (counted * ((off - middle).square() + NOISE**2).sqrt()).sum() / counted.sum().clamp(min=1e-6)
