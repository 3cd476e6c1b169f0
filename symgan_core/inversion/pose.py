"""Where the camera is: how far it may be from where the intake has put it, and a first correction from the points of the face."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..faces import look_closer
from ..faces.closeup import Closeup
from ..faces.maps import JAW, LANDMARKS
from ..generator import TriPlaneGenerator
from ..geometry import Camera, project
from ..geometry.warp import sample_image, unproject

CAMERA_LIMITS = (12.0, 9.0, 0.06, 0.06, 0.1, 15.0)
"""How far yaw and pitch (degrees), crop offset (shares of the width), log zoom and roll (degrees) may move."""
FAR = 0.96
"""A move is read as no farther than this share of its limit, of which it is as good as free (``atanh(1)`` is infinite)."""
FACE = slice(JAW, LANDMARKS)
"""Points that stay where they are on the head when it turns; the outline of the jaw does not."""
ROUNDS, STEPS = 2, 8
"""The head is rendered so many times; so many steps of Gauss and Newton after each."""
OUTLIER = 0.012
"""A point that is off by more than this, in picture widths, counts less: faces differ."""
TRUST = (1e-2, 5e-3, 1e-2, 5e-3, 3e-3, 1e-2)
"""Weight of the squared distance from the move that the second look's pose and frame ask for, beside squared distances of the points: faces
differ from their guesses, so that either alone is wrong by half as much again as both together."""


def adjusted_camera(camera: Tensor, move: Tensor) -> Tensor:
    """A camera turned about the world's centre and with its picture shifted and zoomed.

    Args:
        camera: ``[1, 25]``; move: ``[6]`` unlimited numbers, squashed into ``CAMERA_LIMITS``.
    """
    yaw, pitch, dx, dy, zoom, roll = torch.tanh(move) * move.new_tensor(CAMERA_LIMITS)
    cam = Camera.from_vector(camera)
    # The x axis of the camera is the one to tilt about; the world's y axis the one to pan about.
    turn = _rotation(cam.cam2world[0, :3, 2], torch.deg2rad(roll)) @ _rotation(cam.cam2world[0, :3, 0], -torch.deg2rad(pitch))
    turn = _rotation(move.new_tensor([0.0, 1, 0]), torch.deg2rad(yaw)) @ turn
    full = F.pad(turn, (0, 1, 0, 1)) + torch.diag(move.new_tensor([0.0, 0, 0, 1]))
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


@torch.no_grad()
def camera_from_points(generator: TriPlaneGenerator, ws: Tensor, camera: Tensor, photo: Tensor) -> Tensor:
    """The move ``[6]`` of the camera after which the head ``ws`` has the points of its face where the photo has them.

    Two faces differ, but not in one way all over; a wrong camera moves all points together.

    Args:
        ws: ``[1, num_ws, w_dim]``; camera: ``[1, 25]``; photo: ``[1, 3, H, W]`` in [-1, 1], framed as the built-in generator frames heads.
    """
    device = generator.device
    planes = generator.planes(ws)
    grid, samples, resolution = generator.density_grid(planes), generator.config.draft_samples, generator.config.draft_resolution
    close = look_closer(photo.clamp(-1, 1).cpu())
    read = move_read(close, camera, photo.shape[-1]).to(device)
    wanted, wanted_seen = _points(close, photo.shape[-1])
    move = read.clone()
    for _ in range(ROUNDS):
        seen_from = adjusted_camera(camera, move)
        out = generator.view(planes, ws, seen_from, resolution, samples=samples, grid=grid)
        found, found_seen = _points(look_closer(out.image.clamp(-1, 1).cpu()), resolution)
        surface = unproject(out.image_depth, seen_from).permute(0, 3, 1, 2)
        places = sample_image(surface, found[None, None].to(device))[0, :, 0].T
        move = _fit(places, wanted.to(device), (wanted_seen * found_seen).to(device), camera, move, read)
    return move


def move_read(close: Closeup, camera: Tensor, side: int) -> Tensor:
    """The move ``[6]`` of a camera ``[1, 25]`` to the pose and the frame that the second look reads in a photo of ``side`` pixels."""
    cam = Camera.from_vector(camera)
    yaw, pitch = cam.yaw_pitch()
    a, b, x, y = (float(v) / side for v in close.frame)
    right, down = (cam.intrinsics[0, :2, 2]).tolist()
    roll = -math.degrees(math.atan2(b, a))  # a camera that rolls one way sees the world roll the other
    asked = camera.new_tensor([close.yaw - yaw, close.pitch - pitch, x - right, y - down, math.log(math.hypot(a, b)), roll])
    return torch.atanh((asked / asked.new_tensor(CAMERA_LIMITS)).clamp(-FAR, FAR))


def _points(close: Closeup, side: int) -> tuple[Tensor, Tensor]:
    """Points of the face ``[P, 2]`` in picture widths, and the chance that each is seen."""
    return torch.from_numpy(close.landmarks[FACE] / side).float(), torch.from_numpy(close.visible[FACE]).float()


def _fit(places: Tensor, wanted: Tensor, weights: Tensor, camera: Tensor, move: Tensor, read: Tensor) -> Tensor:
    """``move`` for which ``places [P, 3]`` project to ``wanted [P, 2]``: least squares, with outliers held back (Cauchy's weights), and
    with ``TRUST`` in the move that was ``read``."""
    def off(at: Tensor) -> Tensor:
        return project(places[None], adjusted_camera(camera, at))[0][0] - wanted

    trust = move.new_tensor(TRUST)
    for _ in range(STEPS):
        left = off(move)
        weight = (weights / (1 + (left.norm(dim=1) / OUTLIER).square()))[:, None, None]
        slope = torch.autograd.functional.jacobian(off, move, vectorize=True)
        pull = (weight * slope).flatten(0, 1).T
        move = move - torch.linalg.solve(pull @ slope.flatten(0, 1) + torch.diag(trust), pull @ left.flatten() + trust * (move - read))
        move = move.clamp(-2, 2)  # within its limits a move has a gradient
    return move
