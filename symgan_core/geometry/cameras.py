"""The convention page: every other file refers to the definitions here.

World
    Right-handed. ``y`` points up, the face looks along ``+z``, the person's LEFT side is ``+x``.
Camera
    OpenCV axes: ``x`` right, ``y`` down, ``z`` forward (viewing direction). ``cam2world`` is 4x4:
    ``X_world = cam2world @ X_camera``; its last column is the camera's position.
Intrinsics
    3x3, in units of the image width: ``u = fx X/Z + cx``, ``v = fy Y/Z + cy``, with ``(u, v)`` in [0, 1],
    (0, 0) the top left corner of the image. The centre of pixel (column i, row j) is ``((i + .5)/W, (j + .5)/H)``.
25-vector
    EG3D's packing: the 16 numbers of ``cam2world`` row by row, then the 9 of ``intrinsics`` row by row.
Angles
    Degrees wherever a person sees or types them. ``yaw > 0`` moves the camera to the person's left (+x),
    ``pitch > 0`` raises it. ``position = pivot + radius (sin yaw cos pitch, sin pitch, cos yaw cos pitch)``.
Depth
    Distance along the unit ray (what the renderer gives), not z along the camera's axis, unless a name says ``z``.
Images
    ``[B, 3, H, W]`` in [-1, 1], RGB, row 0 on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DEFAULT_FOCAL = 2985.29 / 700
"""Focal length in image widths of all FFHQ crops of EG3D, and of the built-in heads."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A batch of pinhole cameras.

    Attributes:
        cam2world: ``[B, 4, 4]``.
        intrinsics: ``[B, 3, 3]``, in image widths.
    """

    cam2world: Tensor
    intrinsics: Tensor

    def __post_init__(self) -> None:
        if self.cam2world.shape[-2:] != (4, 4) or self.intrinsics.shape[-2:] != (3, 3):
            raise ValueError(f"cam2world {tuple(self.cam2world.shape)} or intrinsics {tuple(self.intrinsics.shape)} "
                             "is not [B, 4, 4] / [B, 3, 3]")

    @classmethod
    def from_vector(cls, vector: Tensor) -> Camera:
        """``[25]`` or ``[B, 25]`` to a camera."""
        if vector.shape[-1] != 25:
            raise ValueError(f"a camera vector has 25 numbers, not {vector.shape[-1]}")
        vector = vector.reshape(-1, 25)
        return cls(vector[:, :16].reshape(-1, 4, 4), vector[:, 16:].reshape(-1, 3, 3))

    @classmethod
    def orbit(cls, yaw: float | Tensor, pitch: float | Tensor = 0.0, radius: float = 2.7,
              pivot: tuple[float, float, float] = (0.0, 0.0, 0.0), focal: float = DEFAULT_FOCAL) -> Camera:
        """Cameras on a sphere around ``pivot``, looking at it, without roll.

        Args:
            yaw, pitch: degrees, floats or ``[B]``; differentiable. ``|pitch| < 90``.
        """
        angles = torch.broadcast_tensors(*(torch.as_tensor(a, dtype=torch.float32).reshape(-1) for a in (yaw, pitch)))
        yaw, pitch = torch.deg2rad(torch.stack(angles)).unbind()
        outward = torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], -1)
        forward = -outward
        right = torch.stack([yaw.cos(), torch.zeros_like(yaw), -yaw.sin()], -1)
        down = torch.linalg.cross(forward, right)
        position = torch.as_tensor(pivot, dtype=torch.float32, device=yaw.device) + radius * outward
        top = torch.stack([right, down, forward, position], -1)
        bottom = torch.tensor([0.0, 0, 0, 1], device=yaw.device).expand(len(yaw), 1, 4)
        return cls(torch.cat([top, bottom], 1), make_intrinsics(focal).to(yaw.device).expand(len(yaw), 3, 3))

    def vector(self) -> Tensor:
        """``[B, 25]``, EG3D's packing."""
        return torch.cat([self.cam2world.flatten(1), self.intrinsics.flatten(1)], 1)

    def mirror(self) -> Camera:
        """The camera that sees the mirrored scene (at the plane x = 0) as this one's picture flipped left-right.

        ``F M F`` with F = diag(-1, 1, 1, 1); the principal point is mirrored too (a no-op at 0.5).
        """
        flip = self.cam2world.new_tensor([-1.0, 1, 1, 1])
        intrinsics = self.intrinsics.clone()
        intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
        intrinsics[:, 0, 1] = -intrinsics[:, 0, 1]
        return Camera(self.cam2world * flip[:, None] * flip[None, :], intrinsics)

    def zoomed(self, zoom: float) -> Camera:
        """The same view with the focal length multiplied by ``zoom``."""
        scale = self.intrinsics.new_tensor([[zoom, zoom, 1], [1, zoom, 1], [1, 1, 1]])
        return Camera(self.cam2world, self.intrinsics * scale)

    def interlaced(self, stride: int, column: int, row: int, size: int) -> Camera:
        """The camera whose picture of ``size`` pixels a side is every ``stride``-th column and row, from (column, row) on, of this one's
        picture of ``size * stride``."""
        shift = self.intrinsics.new_tensor([column, row]).add(0.5).div(stride).sub(0.5) / size
        intrinsics = self.intrinsics.clone()
        intrinsics[:, :2, 2] -= shift
        return Camera(self.cam2world, intrinsics)

    def position(self) -> Tensor:
        """``[B, 3]`` in world units."""
        return self.cam2world[:, :3, 3]

    def angles(self) -> tuple[Tensor, Tensor]:
        """Yaw and pitch in degrees, each ``[B]``, of the direction opposite to the viewing direction."""
        outward = -self.cam2world[:, :3, 2]
        yaw = torch.atan2(outward[:, 0], outward[:, 2])
        pitch = torch.asin(outward[:, 1].clamp(-1, 1))
        return torch.rad2deg(yaw), torch.rad2deg(pitch)

    def yaw_pitch(self) -> tuple[float, float]:
        """Yaw and pitch in degrees of the first camera, as plain numbers."""
        yaw, pitch = self.angles()
        return float(yaw[0]), float(pitch[0])


def make_intrinsics(focal: float = DEFAULT_FOCAL) -> Tensor:
    """``[1, 3, 3]`` with the principal point in the middle; ``focal`` in image widths."""
    return torch.tensor([[[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]], dtype=torch.float32)
