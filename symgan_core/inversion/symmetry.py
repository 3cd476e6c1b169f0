"""The photo against its own mirror: where both show the face, and what light falls on it from one side.

SPI takes a mirrored pixel as it is, so a light from the left becomes a light from both sides (its authors name that limit). Here one
distant lamp over an even light is fitted to the photo: where a point and its mirror point are both seen, the skin is the same and the
light alone differs; and most skin of a face is of one colour. The lamp then says how much darker or brighter a mirrored pixel has to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..geometry import Camera, mirror_image, unproject, warp_to_view
from .target import Target

GAMMA = 2.2
"""Pictures store light to the power of 1 / GAMMA."""
DARKEST = 0.01
"""Added to pixels before logarithms: black ones say nothing about light."""
LEAST = 1e-3
"""Share of a square below which its mean is not told."""
GAIN_LIMIT = 1.1
"""Largest logarithm of a gain: threefold."""


class Comparison(NamedTuple):
    """``image [1, 3, H, W]``: the mirrored photo as the photo's own camera would see it; ``compared [1, 1, H, W]`` in {0, 1}: where
    both show the face."""

    image: Tensor
    compared: Tensor


@dataclass(frozen=True, eq=False)
class Lamp:
    """``direction [3]`` in world axes, towards the lamp; its length is the lamp's strength as a multiple of the even light."""

    direction: Tensor

    def shade(self, normals: Tensor) -> Tensor:
        """Logarithm of a matte surface's brightness in the picture, ``[1, 1, H, W]``, for ``normals [1, 3, H, W]`` (Lambert's law)."""
        return torch.log1p(torch.einsum("bchw,c->bhw", normals, self.direction).clamp(min=0))[:, None] / GAMMA

    def relit(self, mirrored: Tensor, normals: Tensor) -> Tensor:
        """What ``mirrored [1, 3, H, W]`` in [-1, 1], whose light is the mirrored one, looks like where the surface has ``normals``."""
        gain = (self.shade(normals) - self.shade(flipped(normals))).clamp(-GAIN_LIMIT, GAIN_LIMIT).exp()
        return ((mirrored + 1) * gain - 1).clamp(-1, 1)

    def mirrored_photo(self, target: Target, depth: Tensor) -> Target:
        """The flipped photo at the mirrored camera, lit as the face is there (``depth`` of the photo's view; the head's is taken as
        symmetric)."""
        other = target.mirrored()
        normals = resized(surface_normals(mirror_image(depth), other.camera), other.image.shape[-1])
        return Target(self.relit(other.image, normals), other.mask, other.camera, other.matte)


def face_region(points: Tensor) -> Tensor:
    """Whether world points ``[..., 3]`` belong to the front of the face (no hair, ears or neck): an ellipsoid of the head frame.

    Built-in heads and EG3D's FFHQ heads stand alike in their frames, within what this coarse region needs.
    """
    centre, radii = points.new_tensor([0.0, -0.08, 0.06]), points.new_tensor([0.17, 0.19, 0.26])
    return (((points - centre) / radii).square().sum(-1) < 1) & (points[..., 2] > 0.0)


@torch.no_grad()
def compare_with_mirror(target: Target, depth: Tensor, tolerance: float) -> Comparison:
    """Bring the mirrored photo into the photo's view. ``depth [1, 1, R, R]`` is that view's; ``tolerance`` in world units."""
    mirrored = target.mirrored()
    warp = warp_to_view(mirrored.image, mirrored.camera, mirror_image(depth), target.camera, depth, eroded(mirrored.mask), tolerance)
    points = unproject(resized(depth, target.image.shape[-1]), target.camera)
    return Comparison(warp.image, warp.visible * face_region(points)[:, None])


def surface_normals(depth: Tensor, camera: Tensor) -> Tensor:
    """``[1, 3, R, R]``: unit normals in world axes, towards the camera, of ``depth [1, 1, R, R]`` along the ray, smoothed a little."""
    points = unproject(F.avg_pool2d(F.pad(depth, (2, 2, 2, 2), mode="replicate"), 5, 1), camera).permute(0, 3, 1, 2)
    wide = F.pad(points, (1, 1, 1, 1), mode="replicate")
    across, down = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2], wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]
    normals = F.normalize(torch.linalg.cross(across, down, dim=1), dim=1)
    towards = Camera.from_vector(camera).position()[..., None, None] - points
    return normals * torch.sign((normals * towards).sum(1, keepdim=True))


def flipped(normals: Tensor) -> Tensor:
    """Normals ``[1, 3, H, W]`` of the mirror points."""
    return normals * normals.new_tensor([-1.0, 1, 1])[:, None, None]


def fit_lamp(target: Target, depth: Tensor, comparison: Comparison, steps: int = 80) -> Lamp:
    """The lamp of a photo, from the face that it shows.

    Two kinds of evidence, both under a Cauchy loss, so that moles, brows and lips do not count as light: the ratio of a pixel to its mirror
    pixel, and the skin's evenness. A weak prior holds the lamp to be dim where they say little.
    """
    size = target.image.shape[-1]
    image, compared = comparison
    region = face_region(unproject(resized(depth, size), target.camera))
    if target.mask is not None:
        region = region & (eroded(target.mask)[:, 0] > 0.5)
    if not region.any():
        return Lamp(torch.zeros(3, device=depth.device))
    normals = resized(surface_normals(depth, target.camera), size)[:, :, region[0]][:, :, None]  # [1, 3, 1, M]
    light, other, compared = (x[:, :, region[0]][:, :, None] for x in (_log_light(target.image), _log_light(image), compared))
    direction = torch.tensor([0.0, 0.1, 0.5], device=light.device, requires_grad=True)
    skin = light.median().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([direction, skin], 0.1, betas=(0.9, 0.95))
    with torch.enable_grad():
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / steps) + 0.005
            lamp = Lamp(direction)
            shade = lamp.shade(normals)
            pairs = compared * _cauchy(light - other - shade + lamp.shade(flipped(normals)))
            loss = (pairs + _cauchy(light - shade - skin)).mean() + 1e-4 * direction.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Lamp(direction.detach())


def _cauchy(residual: Tensor, scale: float = 0.12) -> Tensor:
    return (residual / scale).square().log1p()


def box_mean(x: Tensor, width: int) -> Tensor:
    """Mean over squares of an odd width, zeros beyond the border; rows and columns apart, which for wide squares is twenty times faster."""
    rows = F.avg_pool2d(x, (1, width), 1, (0, width // 2))
    return F.avg_pool2d(rows, (width, 1), 1, (width // 2, 0))


def mean_within(x: Tensor, mask: Tensor, width: int) -> Tensor:
    """The same over what of each square lies in ``mask [1, 1, H, W]``; where that is next to nothing, next to nothing."""
    return box_mean(x * mask, width) / box_mean(mask, width).clamp(min=LEAST)


def eroded(mask: Tensor | None, pixels: int = 3) -> Tensor | None:
    """Shrink a mask: its edge carries background colour."""
    return None if mask is None else -F.max_pool2d(-mask, 2 * pixels + 1, 1, pixels)


def resized(maps: Tensor, size: int) -> Tensor:
    """``[1, C, R, R]`` to ``[1, C, size, size]``, bilinear."""
    return F.interpolate(maps, (size, size), mode="bilinear", align_corners=False)


def _log_light(image: Tensor) -> Tensor:
    """``[1, 1, H, W]``: logarithm of a smoothed picture's grey, from [-1, 1]."""
    smooth = F.avg_pool2d(F.pad(image.mean(1, keepdim=True), (2, 2, 2, 2), mode="replicate"), 5, 1)
    return torch.log(((smooth + 1) / 2).clamp(min=0) + DARKEST)
