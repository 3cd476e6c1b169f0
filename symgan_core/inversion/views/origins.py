"""Where the pixels of a turned head come from."""

from __future__ import annotations

import torch
from torch import Tensor

from ...generator import Head
from ...geometry import DepthView, warp_to_view
from ...geometry.images import resized
from ...portrait.detail import INVENTED, MIRRORED, SEEN
from ..appearance.light import Light
from ..target.target import Target
from .labels import mirror_evidence, mirror_label
from .warping import PhotoWarp


@torch.no_grad()
def origins(head: Head, target: Target, cameras: Tensor, warping: PhotoWarp, light: Light | None = None) -> Tensor:
    """Where each pixel of the views ``cameras [N, 25]`` comes from, ``[N, 1, H, W]`` uint8: SEEN in the photo, MIRRORED from it, INVENTED
    by the generator, or 0 where there is no head.

    Args:
        warping: of the method; its ``mirror`` None: it has not used the mirrored photo.
        light: where it is known.
    """
    size, depth = target.image.shape[-1], head.draft(target.camera).depth
    photo = DepthView(target.camera, depth)
    evidence = mirror_evidence(target, depth, warping, light) if warping.mirror is not None and target.mirror_weight > 0 else None
    maps = []
    for camera in cameras.split(1):
        seen = head.draft(camera)
        out = INVENTED * (resized(seen.opacity, size) > 0.5).byte()
        if evidence is not None:
            label = mirror_label(head, target, depth, camera, evidence, warping)
            out[(label.trust > 0.5) & (out > 0)] = MIRRORED
        direct = warp_to_view(target.image, photo, DepthView(camera, seen.depth), target.supervised_mask, warping.tolerance)
        out[(direct.visible > 0.5) & (out > 0)] = SEEN
        maps.append(out)
    return torch.cat(maps)
