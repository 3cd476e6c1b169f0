"""The surface that a view sees: which way it faces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .cameras import Camera
from .warp import unproject


def surface_normals(depth: Tensor, camera: Tensor) -> Tensor:
    """``[1, 3, R, R]``: unit normals in world axes, towards the camera, of ``depth [1, 1, R, R]`` along the ray, smoothed a little."""
    return _normals_and_sight(depth, camera)[0]


def facing(depth: Tensor, camera: Tensor) -> Tensor:
    """``[1, 1, R, R]`` in [0, 1]: cosine of the angle between the surface of ``depth [1, 1, R, R]`` and the line of sight; 0 where seen
    edge-on."""
    normals, sight = _normals_and_sight(depth, camera)
    return (normals * F.normalize(sight, dim=1)).sum(1, keepdim=True)


def _normals_and_sight(depth: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """Normals, and the way from the surface to the camera, each ``[1, 3, R, R]``."""
    points = unproject(F.avg_pool2d(F.pad(depth, (2, 2, 2, 2), mode="replicate"), 5, 1), camera).permute(0, 3, 1, 2)
    wide = F.pad(points, (1, 1, 1, 1), mode="replicate")
    across, down = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2], wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]
    normals = F.normalize(torch.linalg.cross(across, down, dim=1), dim=1)
    sight = Camera.from_vector(camera).position()[..., None, None] - points
    return normals * torch.sign((normals * sight).sum(1, keepdim=True)), sight
