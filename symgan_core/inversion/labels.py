"""Pseudo labels for views that the photo does not show: warps of the photo and of its mirror, with what may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import TriPlaneGenerator
from ..geometry import mirror_image, unproject, warp_to_view
from .config import TuningConfig
from .target import Target


@dataclass(frozen=True, eq=False)
class Label:
    """A view to agree with: ``image [1, 3, H, W]``, ``trust [1, 1, H, W]`` in {0, 1}, ``camera [1, 25]``."""

    image: Tensor
    trust: Tensor
    camera: Tensor
    mirrored: bool


@dataclass(frozen=True, eq=False)
class MirrorEvidence:
    """Where photo and mirrored photo can be compared: ``conflict`` and ``compared``, each ``[1, 1, H, W]`` in the photo's view."""

    conflict: Tensor
    compared: Tensor

    @property
    def rejected_share(self) -> float:
        """Share of the comparable pixels that disagree."""
        return float(self.conflict.sum() / self.compared.sum().clamp(min=1))


def face_region(points: Tensor) -> Tensor:
    """Whether world points ``[..., 3]`` belong to the front of the face (no hair, ears or neck): an ellipsoid of the head frame.

    Built-in heads and EG3D's FFHQ heads stand alike in their frames, within what this coarse region needs.
    """
    centre, radii = points.new_tensor([0.0, -0.08, 0.06]), points.new_tensor([0.17, 0.19, 0.26])
    return (((points - centre) / radii).square().sum(-1) < 1) & (points[..., 2] > 0.0)


@torch.no_grad()
def neighbour_label(generator: TriPlaneGenerator, planes: Tensor, target: Target, depth: Tensor, camera: Tensor,
                    config: TuningConfig) -> Label:
    """The photo as ``camera`` would see it (SPI: neighbours). ``depth [1, 1, R, R]`` is the photo's view's."""
    seen = generator.render(planes, camera)
    warp = warp_to_view(target.image, target.camera, depth, camera, seen.depth, _eroded(target.mask), config.visibility_tolerance)
    solid = F.interpolate(seen.opacity, warp.image.shape[-2:], mode="bilinear") > 0.8
    return Label(warp.image, warp.visible * solid, camera, mirrored=False)


@torch.no_grad()
def mirror_label(generator: TriPlaneGenerator, planes: Tensor, target: Target, depth: Tensor, camera: Tensor,
                 evidence: MirrorEvidence | None, config: TuningConfig) -> Label:
    """The mirrored photo as ``camera`` would see it (SPI: mirrored neighbours), on the face alone.

    What the photo itself shows there is taken from the photo's own labels, and what contradicts it is left out.
    """
    mirrored = target.mirrored()
    mirrored_depth = mirror_image(depth)
    seen = generator.render(planes, camera)
    warp = warp_to_view(mirrored.image, mirrored.camera, mirrored_depth, camera, seen.depth, _eroded(mirrored.mask),
                        config.visibility_tolerance)
    direct = warp_to_view(target.image, target.camera, depth, camera, seen.depth, None, config.visibility_tolerance,
                          resolution=warp.image.shape[-1])
    size = warp.image.shape[-2:]
    region = face_region(unproject(F.interpolate(seen.depth, size, mode="bilinear"), camera))[:, None]
    solid = F.interpolate(seen.opacity, size, mode="bilinear") > 0.8
    trust = warp.visible * (1 - direct.visible) * region * solid
    if evidence is not None:
        against = F.grid_sample(mirror_image(evidence.conflict), warp.uv * 2 - 1, align_corners=False)
        trust = trust * (against < 0.5)
    return Label(warp.image, trust, camera, mirrored=True)


@torch.no_grad()
def mirror_evidence(target: Target, depth: Tensor, config: TuningConfig) -> MirrorEvidence:
    """Compare photo and mirror where both show the face: moles, partings and raised brows differ, and are not to be mirrored.

    Differences of the local mean are light, not features, and are taken out first.
    """
    mirrored = target.mirrored()
    warp = warp_to_view(mirrored.image, mirrored.camera, mirror_image(depth), target.camera, depth, _eroded(mirrored.mask),
                        config.visibility_tolerance)
    size = target.image.shape[-2:]
    region = face_region(unproject(F.interpolate(depth, size, mode="bilinear"), target.camera))[:, None]
    compared = warp.visible * region
    wide = size[0] // 6 | 1
    weight = F.avg_pool2d(compared, wide, 1, wide // 2).clamp(min=1e-3)

    def local(x: Tensor) -> Tensor:
        return F.avg_pool2d(x * compared, wide, 1, wide // 2) / weight

    difference = (target.image - local(target.image)) - (warp.image - local(warp.image))
    fine = size[0] // 32 | 1
    residual = F.avg_pool2d(difference.abs().mean(1, keepdim=True) * compared, fine, 1, fine // 2)
    conflict = (residual > config.conflict_threshold).float() * compared
    conflict = F.max_pool2d(conflict, fine, 1, fine // 2) * compared
    # The verdict holds for both sides: what differs on one cheek differs on the other.
    back = warp_to_view(mirror_image(conflict).expand(-1, 3, -1, -1), mirrored.camera, mirror_image(depth), target.camera, depth,
                        tolerance=config.visibility_tolerance)
    both = torch.maximum(conflict, (back.image[:, :1] > 0.5).float() * back.visible)
    return MirrorEvidence(both, compared)


def _eroded(mask: Tensor | None, pixels: int = 3) -> Tensor | None:
    """Shrink a mask: its edge carries background colour."""
    return None if mask is None else -F.max_pool2d(-mask, 2 * pixels + 1, 1, pixels)
