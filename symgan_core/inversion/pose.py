"""Where the camera is: how far it may be from where the intake has put it, and a first correction from the points of the face."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..faces import look_closer
from ..faces.maps import JAW, LANDMARKS
from ..generator import TriPlaneGenerator
from ..geometry import Camera, project
from ..geometry.warp import sample_image, unproject

CAMERA_LIMITS = (12.0, 9.0, 0.06, 0.06, 0.1, 15.0)
"""How far yaw and pitch (degrees), crop offset (shares of the width), log zoom and roll (degrees) may move."""
FACE = slice(JAW, LANDMARKS)
"""Points that stay where they are on the head when it turns; the outline of the jaw does not."""
ROUNDS, STEPS = 2, 8
"""The head is rendered so many times; so many steps of Gauss and Newton after each."""
OUTLIER = 0.012
"""A point that is off by more than this, in picture widths, counts less: faces differ."""
STAY = (5e-5, 1e-3, 5e-5, 1e-3, 1e-3, 3e-4)
"""Weight of the squared move beside squared distances of the points: what they do not decide stays."""


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
    wanted, wanted_seen = _points(photo)
    move = torch.zeros(6, device=device)
    for _ in range(ROUNDS):
        seen_from = adjusted_camera(camera, move)
        out = generator.view(planes, ws, seen_from, resolution, samples=samples, grid=grid)
        found, found_seen = _points(out.image)
        surface = unproject(out.image_depth, seen_from).permute(0, 3, 1, 2)
        places = sample_image(surface, found[None, None].to(device))[0, :, 0].T
        move = _fit(places, wanted.to(device), (wanted_seen * found_seen).to(device), camera, move)
    return move


def _points(image: Tensor) -> tuple[Tensor, Tensor]:
    """Points of the face ``[P, 2]`` in picture widths, and the chance that each is seen."""
    close = look_closer(image.clamp(-1, 1).cpu())
    return torch.from_numpy(close.landmarks[FACE] / image.shape[-1]).float(), torch.from_numpy(close.visible[FACE]).float()


def _fit(places: Tensor, wanted: Tensor, weights: Tensor, camera: Tensor, move: Tensor) -> Tensor:
    """``move`` for which ``places [P, 3]`` project to ``wanted [P, 2]``: least squares, with outliers held back (Cauchy's weights)."""
    def off(at: Tensor) -> Tensor:
        return project(places[None], adjusted_camera(camera, at))[0][0] - wanted

    stay = move.new_tensor(STAY)
    for _ in range(STEPS):
        left = off(move)
        weight = (weights / (1 + (left.norm(dim=1) / OUTLIER).square()))[:, None, None]
        slope = torch.autograd.functional.jacobian(off, move, vectorize=True)
        pull = (weight * slope).flatten(0, 1).T
        move = move - torch.linalg.solve(pull @ slope.flatten(0, 1) + torch.diag(stay), pull @ left.flatten() + stay * move)
        move = move.clamp(-2, 2)  # within its limits a move has a gradient
    return move
