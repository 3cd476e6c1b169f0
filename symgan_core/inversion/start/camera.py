"""Where the camera is: how far it may be from where the intake has put it, and where the refinement network would put it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...faces.closeup import Closeup
from ...geometry import Camera

CAMERA_LIMITS = (12.0, 9.0, 0.06, 0.06, 0.1, 15.0)
"""How far yaw and pitch (degrees), crop offset (shares of the width), log zoom and roll (degrees) may change."""
READ_LOW, READ_LARGE = 0.0035, 0.004
"""The refinement network reads frames so many of their widths too low, and by this logarithm too large (means over 158 views of the
training's people)."""
FAR = 0.96
"""A change is read as no farther than this share of its limit, of which it is as good as free (``atanh(1)`` is infinite)."""


def adjusted_camera(camera: Tensor, delta: Tensor) -> Tensor:
    """A camera turned about the world's centre and with its picture shifted and zoomed.

    Args:
        camera: ``[1, 25]``; delta: ``[6]`` unlimited numbers, squashed into ``CAMERA_LIMITS``.
    """
    yaw, pitch, dx, dy, zoom, roll = torch.tanh(delta) * delta.new_tensor(CAMERA_LIMITS)
    cam = Camera.from_vector(camera)
    # The x axis of the camera is the one to tilt about; the world's y axis the one to pan about.
    turn = _rotation(cam.cam2world[0, :3, 2], torch.deg2rad(roll)) @ _rotation(cam.cam2world[0, :3, 0], -torch.deg2rad(pitch))
    turn = _rotation(delta.new_tensor([0.0, 1, 0]), torch.deg2rad(yaw)) @ turn
    full = F.pad(turn, (0, 1, 0, 1)) + torch.diag(delta.new_tensor([0.0, 0, 0, 1]))
    scale = torch.exp(zoom)
    k = cam.intrinsics[0]
    row0 = torch.stack([k[0, 0] * scale, k[0, 1], k[0, 2] + dx])
    row1 = torch.stack([k[1, 0], k[1, 1] * scale, k[1, 2] + dy])
    return Camera((full @ cam.cam2world[0])[None], torch.stack([row0, row1, k[2]])[None]).vector()


def _rotation(axis: Tensor, angle: Tensor) -> Tensor:
    """Rodrigues' formula, ``[3, 3]``."""
    x, y, z = axis
    zero = torch.zeros_like(x)
    k = torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
    return torch.eye(3, device=axis.device) + angle.sin() * k + (1 - angle.cos()) * (k @ k)


def read_camera_delta(close: Closeup, camera: Tensor, side: int) -> Tensor:
    """The change ``[6]`` of a camera ``[1, 25]`` to the pose and the frame that the refinement network reads in a photo of ``side``
    pixels."""
    cam = Camera.from_vector(camera)
    yaw, pitch = cam.yaw_pitch()
    a, b, x, y = (float(v) / side for v in close.frame)
    y, zoom = y - READ_LOW, math.log(math.hypot(a, b)) - READ_LARGE
    right, down = (cam.intrinsics[0, :2, 2]).tolist()
    roll = -math.degrees(math.atan2(b, a))  # a camera that rolls one way sees the world roll the other
    asked = camera.new_tensor([close.yaw - yaw, close.pitch - pitch, x - right, y - down, zoom, roll])
    return torch.atanh((asked / asked.new_tensor(CAMERA_LIMITS)).clamp(-FAR, FAR))
