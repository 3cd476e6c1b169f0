"""From which side the light falls, and what a mirrored pixel looks like in the light of the side that it is put on.

SPI takes a mirrored pixel as it is, so a light from the left becomes a light from both sides (its authors name that limit). A generator
whose w says where its lamps stand finds the light of a photo in stage 1, where the mirrored photo is compared with the head under mirrored
lamps. Then the two halves of that pivot differ as the light on them does: their ratio (as in the quotient image of Riklin-Raviv and
Shashua, 1999) is what a mirrored pixel is multiplied by. For other generators one distant lamp over an even light is fitted to the photo:
where a point and its mirror point are both seen, the light alone differs; and most skin of a face is of one colour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ...generator import Head
from ...geometry import Camera, mirror_image, surface_normals, unproject
from ...geometry.images import eroded, mean_within, resized
from ..target.target import Target
from ..views.symmetry import Comparison, face_region

GAMMA = 2.2
"""Pictures store light to the power of 1 / GAMMA."""
DARKEST = 0.01
"""Added to pixels before logarithms: black ones say nothing about light."""
GAIN_LIMIT = 1.1
"""Largest logarithm of a gain: threefold."""
TINT_LIMIT = 0.06
"""Largest part of it that is a colour's own. A half of a pivot that no photo shows is a little off in colour; lamps are nearly white."""
PATCH = 16
"""Renders are compared as means over squares of this part of the picture: light, not features."""


class Light(Protocol):
    """What falls on a head."""

    def relit(self, mirrored: Tensor, camera: Tensor, depth: Tensor) -> Tensor:
        """What ``mirrored [1, 3, H, W]`` in [-1, 1], whose light is the mirrored one, looks like in this light, where ``camera [1, 25]``
        sees the surface of ``depth [1, 1, R, R]``."""


@dataclass(frozen=True, eq=False)
class RenderedLight:
    """The generator's own word: what the two halves of its head look like."""

    head: Head

    def relit(self, mirrored: Tensor, camera: Tensor, depth: Tensor) -> Tensor:
        """As ``Light`` has it; ``depth`` is not asked."""
        resolution = self.head.generator.config.draft_resolution
        found = []
        for view in (camera, Camera.from_vector(camera).mirror().vector()):
            seen = self.head.draft(view)
            colours = mean_within((seen.features[:, :3] + 1) / 2, (seen.opacity > 0.8).float(), resolution // PATCH | 1)
            found.append((colours.clamp(min=0) + DARKEST).log())
        gain = found[0] - mirror_image(found[1])
        grey = gain.mean(1, keepdim=True)
        return brightened(mirrored, resized(grey + (gain - grey).clamp(-TINT_LIMIT, TINT_LIMIT), mirrored.shape[-1]))


def rendered_light(head: Head) -> RenderedLight | None:
    """That of the ``head``; None for generators whose w says nothing of light: those took the mirrored photo's."""
    return RenderedLight(head) if head.generator.traits else None


def brightened(image: Tensor, gain: Tensor) -> Tensor:
    """``image [1, 3, H, W]`` in [-1, 1] times ``gain [1, 1 or 3, H, W]``, a logarithm."""
    return ((image + 1) * gain.clamp(-GAIN_LIMIT, GAIN_LIMIT).exp() - 1).clamp(-1, 1)


@dataclass(frozen=True, eq=False)
class Lamp:
    """``direction [3]`` in world axes, towards the lamp; its length is the lamp's strength as a multiple of the even light."""

    direction: Tensor

    def shade(self, normals: Tensor) -> Tensor:
        """Logarithm of a matte surface's brightness in the picture, ``[1, 1, H, W]``, for ``normals [1, 3, H, W]`` (Lambert's law)."""
        return torch.log1p(torch.einsum("bchw,c->bhw", normals, self.direction).clamp(min=0))[:, None] / GAMMA

    def relit(self, mirrored: Tensor, camera: Tensor, depth: Tensor) -> Tensor:
        """As ``Light`` has it, by the surface's normals."""
        normals = resized(surface_normals(depth, camera), mirrored.shape[-1])
        return brightened(mirrored, self.shade(normals) - self.shade(flipped(normals)))

    def mirrored_photo(self, target: Target, depth: Tensor) -> Target:
        """The flipped photo at the mirrored camera, lit as the face is there (``depth`` of the photo's view; the head's is taken as
        symmetric)."""
        other = target.mirrored()
        return replace(other, image=self.relit(other.image, other.camera, mirror_image(depth)))


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


def _log_light(image: Tensor) -> Tensor:
    """``[1, 1, H, W]``: logarithm of a smoothed picture's grey, from [-1, 1]."""
    smooth = F.avg_pool2d(F.pad(image.mean(1, keepdim=True), (2, 2, 2, 2), mode="replicate"), 5, 1)
    return torch.log(((smooth + 1) / 2).clamp(min=0) + DARKEST)
