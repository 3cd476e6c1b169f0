"""The photo's palette for the whole head: what no photo shows would otherwise keep the pivot's colours, and stand beside the photo's.

A pivot's hair is brown where the photo's is blond. How the colours that it paints become the photo's is one affine map of their logits,
fitted where both are seen. The decoder gives colours as sigmoids of a linear layer, so the map is a change of that layer: it holds
everywhere, hidden parts too, and touches no density.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..generator import TriPlaneGenerator
from .symmetry import box_mean, mean_within
from .target import Target

TEXTURE = 9
"""Colours are compared as means over squares of so many pixels of the photo."""
OUTLIER = 3.0
"""Of a colour's logits: what differs by more, as teeth and eyes do, hardly counts."""
STILL = 0.02
"""Weight of a map's squared distance from none, as a share of the pixels'."""
DARKEST = 0.03
"""Colours are kept so far from 0 and 1, where logits run away."""


@torch.no_grad()
def colour_map(render: Tensor, photo: Tensor, mask: Tensor, rounds: int = 6) -> Tensor:
    """``[3, 4]``: the affine map of logits of colours from ``render`` to ``photo``, both ``[1, 3, H, W]`` in [-1, 1], over ``mask
    [1, 1, H, W]`` in {0, 1}; the identity where the mask is all but empty.

    Least squares, reweighted ``rounds`` times (Cauchy), with a pull to the identity.
    """
    known = (box_mean(mask, TEXTURE) > 0.6)[0, 0] & (mask > 0.5)[0, 0]
    still = torch.eye(3, 4, device=render.device)
    if known.sum() < 100:
        return still
    source, aim = (mean_within((x + 1) / 2, mask, TEXTURE)[0][:, known].T.logit(DARKEST) for x in (render, photo))
    source = F.pad(source, (0, 1), value=1.0)
    found, pull = still, STILL * len(source) * torch.eye(4, device=render.device)
    for _ in range(rounds):
        weight = 1 / (1 + ((source @ found.T - aim) / OUTLIER).square().sum(1, keepdim=True))
        found = torch.linalg.solve(source.T @ (weight * source) + pull, source.T @ (weight * aim) + pull @ still.T).T
    return found


@torch.no_grad()
def in_the_photos_colours(generator: TriPlaneGenerator, planes: Tensor, target: Target, grid: Tensor | None = None) -> TriPlaneGenerator:
    """A copy whose decoder paints the head of ``planes [1, 3, C, H, W]`` (``grid``: their density) in the photo's palette.

    The generator itself where there is no mask, or where its colours go through a super-resolution.
    """
    if target.mask is None or not target.matte or generator.superresolution is not None:
        return generator
    seen = generator.render(planes, target.camera, target.image.shape[-1], grid=grid)
    both = ((target.mask > 0.9) & (seen.opacity > 0.9)).float()
    change = colour_map(seen.features, target.image, both)
    tinted = generator.with_own(["decoder"])
    tinted.decoder.map_colour_logits(change)
    return tinted
