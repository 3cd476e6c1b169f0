"""Rays through pixels (conventions: ``cameras.py``)."""

from __future__ import annotations

import torch
from torch import Tensor

from .cameras import Camera


def pixel_rays(camera: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
    """Rays through image points.

    Args:
        camera: ``[B, 25]``.
        uv: ``[B, M, 2]`` in [0, 1].

    Returns:
        Origins and unit directions, each ``[B, M, 3]``, in world units.
    """
    cam = Camera.from_vector(camera)
    k = cam.intrinsics[:, None]
    y = (uv[..., 1] - k[..., 1, 2]) / k[..., 1, 1]
    x = (uv[..., 0] - k[..., 0, 2] - k[..., 0, 1] * y) / k[..., 0, 0]
    local = torch.stack([x, y, torch.ones_like(x)], -1)
    directions = torch.nn.functional.normalize(local @ cam.cam2world[:, :3, :3].transpose(1, 2), dim=-1)
    return cam.position()[:, None].expand_as(directions), directions


def pixel_centres(resolution: int, device: torch.device | None = None) -> Tensor:
    """``[resolution², 2]``: (u, v) of the pixel centres, row by row."""
    line = (torch.arange(resolution, device=device, dtype=torch.float32) + 0.5) / resolution
    v, u = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([u, v], -1).reshape(-1, 2)


def camera_rays(camera: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """Rays through all pixel centres, row by row: origins and unit directions ``[B, resolution², 3]``."""
    uv = pixel_centres(resolution, camera.device)
    return pixel_rays(camera, uv.expand(camera.shape[0], -1, -1))
