"""The photo against its own mirror: where both show the face."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...geometry import DepthView, facing, mirror_image, unproject, warp_to_view
from ...geometry.images import eroded, resized
from ..target.target import Target


class Comparison(NamedTuple):
    """``image [1, 3, H, W]``: the mirrored photo as the photo's own camera would see it; ``compared [1, 1, H, W]`` in {0, 1}: where
    both show the face."""

    image: Tensor
    compared: Tensor


def face_region(points: Tensor) -> Tensor:
    """Whether world points ``[..., 3]`` belong to the front of the face (no hair, ears or neck): an ellipsoid of the head frame.

    Built-in heads and EG3D's FFHQ heads stand alike in their frames, within what this coarse region needs.
    """
    centre, radii = points.new_tensor([0.0, -0.08, 0.06]), points.new_tensor([0.17, 0.19, 0.26])
    return (((points - centre) / radii).square().sum(-1) < 1) & (points[..., 2] > 0.0)


@torch.no_grad()
def compare_with_mirror(target: Target, depth: Tensor, tolerance: float, grazing: float = 0.0) -> Comparison:
    """Bring the mirrored photo into the photo's view. ``depth [1, 1, R, R]`` is that view's; ``tolerance`` in world units.

    ``grazing``: what either shows at less than this cosine to the surface is not compared. There the surface's least error smears it.
    """
    mirrored = target.mirrored()
    mask = well_seen(eroded(mirrored.mask), mirror_image(depth), mirrored.camera, grazing)
    source = DepthView(mirrored.camera, mirror_image(depth))
    warp = warp_to_view(mirrored.image, source, DepthView(target.camera, depth), mask, tolerance)
    points = unproject(resized(depth, target.image.shape[-1]), target.camera)
    compared = warp.visible * face_region(points)[:, None]
    return Comparison(warp.image, well_seen(compared, depth, target.camera, grazing))


def well_seen(mask: Tensor | None, depth: Tensor, camera: Tensor, grazing: float) -> Tensor | None:
    """The ``mask [1, 1, H, W]`` of a view without what it shows at less than the cosine ``grazing`` to the surface."""
    if mask is None or not grazing:
        return mask
    return mask * (resized(facing(depth, camera), mask.shape[-1]) > grazing)
