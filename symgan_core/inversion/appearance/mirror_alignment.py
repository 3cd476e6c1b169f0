"""Moves the features of the mirrored photo to where the head has them.

The mirrored photo fits the head exactly only if the face is symmetric and the camera right. A brow that is a little higher on one side,
or a camera that is off by two degrees, puts the mirrored eye beside the real one. Where the features of the hidden side are, the photo and
the fitted head say together; the mirrored picture is warped to them smoothly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...faces import look_closer
from ...faces.maps import JAW, MIRRORED
from ...generator import TriPlaneGenerator
from ...geometry import Camera
from ...geometry.images import resized
from ...geometry.rays import pixel_centres
from ...geometry.warp import sample_image
from ..rendering import draft
from ..target.target import Target

REACH = 0.045
"""Picture widths over which a feature's displacement is felt (deviation of a Gaussian)."""
STILL = 0.15
"""What the rest of the picture, which is not moved, counts beside a feature."""
FARTHEST = 0.04
"""Picture widths: no feature is moved farther; what reads so is misread."""
SIZE = 64
"""The field's resolution."""


@torch.no_grad()
def mirror_field(generator: TriPlaneGenerator, ws: Tensor, target: Target) -> Tensor:
    """``[1, SIZE, SIZE, 2]`` in [0, 1]: where each place of the mirrored photo, seen from the mirrored camera, gets its content from.

    Args:
        ws: ``[1, num_ws, w_dim]`` of the head that was fitted, whose clear features say where they are.
        target: at the camera that was found, framed as the built-in generator frames heads.
    """
    camera = Camera.from_vector(target.camera).mirror().vector()
    photo = look_closer(target.image.clamp(-1, 1).cpu())
    here, there = (look_closer(draft(generator, ws, c).image.clamp(-1, 1).cpu()) for c in (target.camera, camera))
    wanted, own, other = (torch.from_numpy(close.landmarks).float() / side for close, side in (
        (photo, target.image.shape[-1]), (here, generator.config.draft_resolution), (there, generator.config.draft_resolution)))
    flipped = wanted[list(MIRRORED)] * torch.tensor([-1.0, 1]) + torch.tensor([1.0, 0])
    # What the fitted head misses in the photo's view, it misses in the mirrored one.
    moves = (other + wanted - own - flipped)[JAW:]
    sure = torch.from_numpy(photo.visible[list(MIRRORED)][JAW:]).float() * (moves.norm(dim=1) < FARTHEST)
    places = pixel_centres(SIZE)
    near = torch.exp(-(torch.cdist(places, (flipped[JAW:] + moves)) / REACH).square() / 2) * sure
    field = places - (near @ moves) / (near.sum(1, keepdim=True) + STILL)
    return field.reshape(1, SIZE, SIZE, 2).to(target.image)


def warped(picture: Tensor, field: Tensor) -> Tensor:
    """``picture [1, C, H, W]`` whose content comes from where the ``field [1, S, S, 2]`` says."""
    return sample_image(picture, resized(field.permute(0, 3, 1, 2), picture.shape[-1]).permute(0, 2, 3, 1))
