"""Depth-guided warp from one view to another, with visibility (SPI, arXiv 2211.16927, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .cameras import Camera
from .rays import camera_rays


class DepthView(NamedTuple):
    """``camera [B, 25]`` and the ``depth [B, 1, R, R]`` that it sees, distance along the ray."""

    camera: Tensor
    depth: Tensor


class Warp(NamedTuple):
    """``image [B, 3, H, W]`` sampled from the source, ``visible [B, 1, H, W]`` in {0, 1}, ``uv [B, H, W, 2]`` in [0, 1]."""

    image: Tensor
    visible: Tensor
    uv: Tensor


def unproject(depth: Tensor, camera: Tensor) -> Tensor:
    """Points seen by a view.

    Args:
        depth: ``[B, 1, R, R]``, distance along the ray.
        camera: ``[B, 25]``.

    Returns:
        ``[B, R, R, 3]`` world points.
    """
    resolution = depth.shape[-1]
    origins, directions = camera_rays(camera, resolution)
    points = origins + directions * depth.flatten(1)[..., None]
    return points.reshape(-1, resolution, resolution, 3)


def project(points: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """Where world points fall in a view.

    Args:
        points: ``[B, ..., 3]``; camera: ``[B, 25]``.

    Returns:
        ``uv [B, ..., 2]`` in image units and ``distance [B, ...]`` from the camera (negative behind it).
    """
    cam = Camera.from_vector(camera)
    flat = points.flatten(1, -2)
    offset = flat - cam.position()[:, None]
    local = offset @ cam.cam2world[:, :3, :3]
    z = local[..., 2:].clamp(min=1e-6)
    uv = (local / z) @ cam.intrinsics.transpose(1, 2)
    distance = offset.norm(dim=-1) * torch.sign(local[..., 2])
    return uv[..., :2].reshape(*points.shape[:-1], 2), distance.reshape(points.shape[:-1])


def sample_image(image: Tensor, uv: Tensor, mode: str = "bilinear") -> Tensor:
    """Image values at ``uv [B, H, W, 2]`` in [0, 1]; the border is repeated outside."""
    return F.grid_sample(image, uv * 2 - 1, mode=mode, padding_mode="border", align_corners=False)


@torch.no_grad()
def warp_to_view(picture: Tensor, source: DepthView, target: DepthView, mask: Tensor | None = None, tolerance: float = 0.05,
                 resolution: int | None = None) -> Warp:
    """Draw the source's picture as the target's camera would see it, with the target's own depth.

    Each target pixel is unprojected with the target's depth, projected into the source camera and looked up there. It is
    visible if it falls inside the source picture, if the depth that the source sees there agrees with the projected one,
    and if the source's mask holds there. No gradient runs through the warp.

    Args:
        picture: ``[B, 3, H, W]``, of the source.
        mask: ``[B, 1, h, w]`` in [0, 1], of the source, or None.
        tolerance: world units (SPI's public code: 0.05).
        resolution: of the result; default: that of the picture.
    """
    resolution = resolution or picture.shape[-1]
    depth = F.interpolate(target.depth, size=(resolution, resolution), mode="bilinear", align_corners=False)
    uv, distance = project(unproject(depth, target.camera), source.camera)
    inside = ((uv > 0) & (uv < 1)).all(-1) & (distance > 0)
    seen = sample_image(source.depth, uv)[:, 0]
    visible = inside & ((seen - distance).abs() < tolerance)
    if mask is not None:
        visible = visible & (sample_image(mask, uv)[:, 0] > 0.5)
    return Warp(sample_image(picture, uv), visible[:, None].to(picture.dtype), uv)
