"""Matter where the photo has head and the generator has none: shoulders and hair that the prior does not know."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import TriPlaneGenerator
from ..geometry import unproject
from ..geometry.images import spread
from .target import Target

SOLID = 30.0
"""Raw density of what is surely matter."""
LEAST = 7
"""Holes into which no square of so many rendered pixels a side fits are left to the losses: those are rims of an outline."""
LAYERS = (0.0, 0.01, 0.02, 0.03)
"""Depths of the slab that fills a hole, behind its surface, in world units."""


def holes(opacity: Tensor, target: Target) -> Tensor:
    """``[1, 1, R, R]`` bool: the mask has head, the render (``opacity [1, 1, R, R]``) has none; never where no matte is asked for."""
    if target.mask is None or not target.matte:
        return torch.zeros_like(opacity, dtype=torch.bool)
    missing = (F.interpolate(target.mask, opacity.shape[-2:], mode="area") > 0.7) & (opacity < 0.5)
    # Morphological opening; beyond the picture's border the hole goes on.
    half = LEAST // 2
    filled = F.pad(missing.float(), (half,) * 4, mode="replicate")
    core = -F.max_pool2d(-filled, LEAST, 1)
    return missing & (F.max_pool2d(core, LEAST, 1, half) > 0)


def grow_matter(generator: TriPlaneGenerator, planes: Tensor, target: Target, grid: Tensor | None = None, steps: int = 20,
                rate: float = 0.06) -> Tensor:
    """An offset on ``planes [1, 3, C, H, W]`` with which each hole is filled with the photo's colour, at the nearest head's depth.

    Rendering alone cannot do that: far below zero the density's softplus is flat, and empty rays have no gradient. So points of a slab are
    asked directly. Only the plane that faces the front is changed: its texels stand behind the hole and nowhere else in a frontal view,
    where those of the other two planes run across the whole head.

    Args:
        grid: the planes' density.
        steps: few, because a push beyond what the decoder knows gives gaudy colours that stage 2 does not get rid of (astronaut at
            ``fast``: 24.6 dB with 20, 22.7 with 50); what is still open then has a gradient at least.
        rate: Adam, in standard deviations of the planes.
    """
    with torch.no_grad():
        offset = torch.zeros_like(planes)
        rendered = generator.render(planes, target.camera, generator.config.draft_resolution, grid=grid)
        missing, known = holes(rendered.opacity, target), rendered.opacity > 0.8
        if not missing.any() or not known.any():
            return offset
        depth = spread(rendered.depth, known)
        picture = F.interpolate(target.image, depth.shape[-2:], mode="area") / 2 + 0.5
        points = torch.cat([unproject(depth + k, target.camera)[0][missing[0, 0]] for k in LAYERS])[None]
        colour = picture[:, :, missing[0, 0]].repeat(1, 1, len(LAYERS))
    with torch.enable_grad():
        front = torch.zeros_like(offset[:, :1], requires_grad=True)
        optimizer = torch.optim.Adam([front], rate * float(planes.std()), betas=(0.9, 0.9))
        for _ in range(steps):
            sigma, features = generator.query(torch.cat([planes[:, :1] + front, planes[:, 1:]], 1), points)
            loss = F.relu(SOLID - sigma).mean() / SOLID + (features[:, :3] - colour).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return torch.cat([front.detach(), offset[:, 1:]], 1)
