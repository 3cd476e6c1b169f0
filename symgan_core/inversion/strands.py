"""Strands for hair that no photo shows.

A prior's hair is a mean over many heads, smooth where the photo's own has strands: turned to the side, such a head has hair in front and a
felt cap behind. What hidden strands look like nobody knows; how strong they are, the photo says. So streaks of that contrast are written
into the plane that is seen from the side, where it holds hidden hair, along the direction of its features that changes brightness alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import TriPlaneGenerator
from ..generator.decoder import sample_planes
from ..geometry import unproject
from ..geometry.images import box_mean, eroded, mean_within
from .labels import HiddenView
from .palette import LITTLE, hair_seen
from .target import Target, takes_colours

WIDTH = 7
"""Strands are what differs from the mean over a square of so many pixels a side."""
FAINT = 0.02
"""Strands of less contrast than this are not drawn."""
DARKEST = 0.02
"""Added to colours before logarithms: black hair has no contrast."""
POINTS = 3000
"""So many points of the surface say what features do to colours and density."""
DENSITY, RIDGE = 6.0, 1e-3
"""Weight of a change of density, in standard deviations of it, and of the change of the features, beside that of colours."""
LARGEST = 4.0
"""Of such a change, in standard deviations of the features (the astronaut's has 1.4)."""
OCTAVES = ((2, 24, 0.7), (4, 32, 0.7), (9, 40, 0.5))
"""Streaks: texels across and along a cell of noise, and their strength."""
BEND = 0.04
"""How far strands wander, in half planes."""


@torch.no_grad()
def hair_strands(generator: TriPlaneGenerator, planes: Tensor, target: Target, views: Sequence[HiddenView],
                 grid: Tensor | None = None) -> Tensor:
    """An offset on ``planes [1, 3, C, H, W]`` that draws strands of the photo's contrast in the hair that ``views`` see and no photo shows.

    Zero where the second look finds no hair in the photo, where that is nearly as smooth as the generator's, or where colours go through a
    super-resolution. ``grid``: the planes' density.
    """
    offset = torch.zeros_like(planes)
    if not takes_colours(generator, target):
        return offset
    solid = target.mask > 0.9
    drawn = generator.render(planes, target.camera, target.image.shape[-1], grid=grid).features[:, :3]
    contrast, own = (strand_contrast(x, hair_seen(x) & solid) for x in (target.image, drawn))
    missing = math.sqrt(max(contrast**2 - own**2, 0.0))
    if missing < FAINT:
        return offset
    side = _side_plane(generator)
    mask, features = _hidden_hair(generator, planes, views, side, grid)
    if not len(features):
        return offset
    change = missing * brighter_features(generator, features)
    offset[:, side] = 3 * change[:, None, None] * (streaks(planes.shape[-1]).to(mask) * mask)[0]  # what is read is the three planes' mean
    return offset


def strand_contrast(image: Tensor, hair: Tensor) -> float:
    """Standard deviation of the logarithm of brightness around its local mean in ``image [1, 3, H, W]`` where there is ``hair
    [1, 1, H, W]`` (bool); 0 where there is next to none."""
    within = hair.float()
    inner = eroded(within, WIDTH // 2)
    if inner.mean() < LITTLE:
        return 0.0
    bright = (image.mean(1, keepdim=True).clamp(-1, 1) / 2 + 0.5 + DARKEST).log()
    return float((((bright - mean_within(bright, within, WIDTH)) * inner).square().sum() / inner.sum()).sqrt())


def streaks(size: int, seed: int = 0) -> Tensor:
    """``[1, 1, size, size]``: noise of unit deviation, long from top to bottom; always the same.

    A third of that is finer than ``WIDTH``: beside the photo's own hair, what is made up stays in the background.
    """
    rng = torch.Generator().manual_seed(seed)
    out = torch.zeros(1, 1, size, size)
    for across, along, strength in OCTAVES:
        cells = torch.randn(1, 1, max(size // along, 2), max(size // across, 2), generator=rng)
        out = out + strength * F.interpolate(cells, (size, size), mode="bicubic")
    bend = BEND * F.interpolate(torch.randn(1, 1, 5, 5, generator=rng), (size, size), mode="bicubic")[0, 0]
    places = F.affine_grid(torch.eye(2, 3)[None], [1, 1, size, size], align_corners=False) + torch.stack([bend, torch.zeros_like(bend)], -1)
    out = F.grid_sample(out, places, padding_mode="reflection", align_corners=False)
    return out / out.std()


def _side_plane(generator: TriPlaneGenerator) -> int:
    """The plane that does not ask for x."""
    return int(generator.projections[:, 0].abs().sum(1).argmin())


def _hidden_hair(generator: TriPlaneGenerator, planes: Tensor, views: Sequence[HiddenView], side: int,
                 grid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Where the plane ``side`` holds hidden hair, ``[1, 1, R, R]`` with soft edges, and the planes' features there ``[N, C]``."""
    size, resolution, box = planes.shape[-1], generator.config.draft_resolution, generator.config.box_warp
    mask, features = planes.new_zeros(1, 1, size, size), [planes.new_zeros(0, planes.shape[2])]
    for view in views:
        seen = generator.render(planes, view.camera, resolution, grid=grid)
        hidden = F.interpolate(view.hidden, (resolution,) * 2, mode="area") > 0.9
        there = hair_seen(seen.features[:, :3]) & hidden & (seen.opacity > 0.9)
        points = unproject(seen.depth, view.camera)[0][there[0, 0]]
        features.append(sample_planes(planes, points[None], generator.projections, box)[0])
        column, row = ((points * (2 / box) @ generator.projections[side] + 1) * (size / 2)).long().clamp(0, size - 1).unbind(1)
        mask[0, 0, row, column] = 1
    mask = -F.max_pool2d(-F.max_pool2d(mask, 5, 1, 2), 5, 1, 2)  # between the points too
    return box_mean(box_mean(mask, 9), 9), torch.cat(features)


def brighter_features(generator: TriPlaneGenerator, features: Tensor) -> Tensor:
    """``[C]``: the change of ``features [N, C]`` that adds 1 to the logarithms of all three colours, and the least to density.

    Less where that would lead far out of what the decoder knows: black hair stays black.
    """
    features = features[:: max(len(features) // POINTS, 1)]
    with torch.enable_grad():
        features = features.clone().requires_grad_(True)
        sigma, colours = generator.decoder(features[None])
        said = (*(colours[0, :3] + DARKEST).log(), sigma[0])
        *slopes, slope = (torch.autograd.grad(x.sum(), features, retain_graph=True)[0] for x in said)
    slopes, slope = torch.stack(slopes), slope / sigma.std().clamp(min=1e-3)
    # Least squares: all slopes @ change = 1, slope @ change = 0.
    normal = (slopes.transpose(1, 2) @ slopes).sum(0) + DENSITY * slope.T @ slope
    normal += RIDGE * slopes.square().sum() * torch.eye(features.shape[1], device=features.device)
    change = torch.linalg.solve(normal, slopes.sum((0, 1)))
    change = change / (slopes @ change).mean()
    return change * (LARGEST * features.std(0).norm() / change.norm()).clamp(max=1)
