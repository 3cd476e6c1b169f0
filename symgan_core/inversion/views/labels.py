"""Pseudo labels for views that the photo does not show: warps of the photo and of its mirror, with what may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Head
from ...geometry import DepthView, mirror_image, unproject, warp_to_view
from ...geometry.images import eroded, mean_within, resized
from ..appearance.light import Light, fit_lamp
from ..target.target import Target
from .symmetry import compare_with_mirror, face_region, well_seen
from .warping import MirrorWarp, PhotoWarp


@dataclass(frozen=True, eq=False)
class Label:
    """A view to agree with: ``image [1, 3, H, W]``, ``trust [1, 1, H, W]`` in {0, 1}, ``camera [1, 25]``."""

    image: Tensor
    trust: Tensor
    camera: Tensor


@dataclass(frozen=True, eq=False)
class MirrorEvidence:
    """What photo and mirrored photo say of each other: ``conflict`` (None: not looked for) and ``compared``, each ``[1, 1, H, W]`` in the
    photo's view, and the ``light`` of one side (None: not matched)."""

    conflict: Tensor | None
    compared: Tensor
    light: Light | None

    @property
    def rejected_share(self) -> float | None:
        """Share of the comparable pixels that disagree; None where no conflicts are looked for."""
        return None if self.conflict is None else float(self.conflict.sum() / self.compared.sum().clamp(min=1))


@torch.no_grad()
def neighbour_label(head: Head, target: Target, depth: Tensor, camera: Tensor, warping: PhotoWarp,
                    filling: Tensor | None = None) -> Label:
    """The photo as ``camera`` would see it (SPI: neighbours). ``depth [1, 1, R, R]`` is that of the ``head`` in the photo's view.

    ``filling [1, 3, H, W]``: what is to be seen there where the photo sees nothing (HFGI3D); by default those pixels are not trusted.
    """
    seen = head.draft(camera)
    well = well_seen(eroded(target.supervised_mask), depth, target.camera, warping.grazing)
    warp = warp_to_view(target.image, DepthView(target.camera, depth), DepthView(camera, seen.depth), well, warping.tolerance)
    solid = resized(seen.opacity, warp.image.shape[-1]) > 0.8
    trust = warp.visible * solid
    if filling is not None:
        return Label(torch.where(trust > 0.5, warp.image, filling), torch.ones_like(trust), camera)
    return Label(warp.image, trust, camera)


@torch.no_grad()
def mirror_label(head: Head, target: Target, depth: Tensor, camera: Tensor, evidence: MirrorEvidence, warping: PhotoWarp) -> Label:
    """The mirrored photo as ``camera`` would see it (SPI: mirrored neighbours), on the face alone and in the light of that side; ``depth``
    as ``neighbour_label`` has it.

    What the photo itself shows there is taken from the photo's own labels, and what contradicts it is left out.
    """
    mirrored = target.mirrored()
    seen, size = head.draft(camera), target.image.shape[-1]
    view = DepthView(camera, seen.depth)
    warp = warp_to_view(mirrored.image, DepthView(mirrored.camera, mirror_image(depth)), view, eroded(mirrored.supervised_mask),
                        warping.tolerance)
    shown = well_seen(torch.ones_like(mirrored.image[:, :1]), depth, target.camera, warping.grazing)
    direct = warp_to_view(target.image, DepthView(target.camera, depth), view, shown, warping.tolerance, size)
    region = face_region(unproject(resized(seen.depth, size), camera))[:, None]
    trust = warp.visible * (1 - direct.visible) * region * (resized(seen.opacity, size) > 0.8)
    if evidence.conflict is not None:
        against = F.grid_sample(mirror_image(evidence.conflict), warp.uv * 2 - 1, align_corners=False)
        trust = trust * (against < 0.5)
    image = warp.image
    if evidence.light is not None:
        image = evidence.light.relit(image, camera, seen.depth)
    return Label(image, trust, camera)


@torch.no_grad()
def mirror_evidence(target: Target, depth: Tensor, warping: PhotoWarp, light: Light | None = None) -> MirrorEvidence:
    """Compare photo and mirror where both show the face: moles, partings and raised brows differ, and are not to be mirrored.

    The light of one side is matched first, and what is left of it in the local mean is taken out.

    Args:
        light: where it is known; else it is fitted to the photo.
    """
    mirror = warping.mirror or MirrorWarp()
    comparison = compare_with_mirror(target, depth, warping.tolerance, warping.grazing)
    image, compared = comparison
    conflict = None
    if mirror.match_light:
        light = light or fit_lamp(target, depth, comparison)
        image = light.relit(image, target.camera, depth)
    if mirror.conflict_threshold is not None:
        conflict = _conflict(target, depth, image, compared, mirror.conflict_threshold, warping.tolerance)
    return MirrorEvidence(conflict, compared, light if mirror.match_light else None)


def _conflict(target: Target, depth: Tensor, image: Tensor, compared: Tensor, threshold: float, tolerance: float) -> Tensor:
    """``[1, 1, H, W]`` in {0, 1}: where photo and mirrored ``image`` disagree by more than the ``threshold``."""
    size = target.image.shape[-1]
    wide = size // 6 | 1
    difference = target.image - image
    difference = difference - mean_within(difference, compared, wide)
    fine = size // 32 | 1
    residual = F.avg_pool2d(difference.abs().mean(1, keepdim=True) * compared, fine, 1, fine // 2)
    conflict = (residual > threshold).float() * compared
    conflict = F.max_pool2d(conflict, fine, 1, fine // 2) * compared
    # The verdict holds for both sides: what differs on one cheek differs on the other.
    mirrored, photo = DepthView(target.mirrored().camera, mirror_image(depth)), DepthView(target.camera, depth)
    back = warp_to_view(mirror_image(conflict).expand(-1, 3, -1, -1), mirrored, photo, tolerance=tolerance)
    return torch.maximum(conflict, (back.image[:, :1] > 0.5).float() * back.visible)
