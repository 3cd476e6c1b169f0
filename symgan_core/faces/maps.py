"""The 68 points of a face, and maps of where they may be."""

from __future__ import annotations

import torch
from torch import Tensor

LANDMARKS = 68
"""iBUG's scheme: jaw 0-16 from the person's right, brows 17-26, nose 27-35, eyes 36-47, lips 48-67."""
JAW = 17
"""So many of them come first and lie along the jaw: where on that outline is a convention, and changes as a head turns."""
MIRRORED = (*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
            54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65)
"""Place of each point's partner on the other side of the face."""


def heat_line(heat: Tensor) -> Tensor:
    """``[S]``: places of the columns or rows of maps ``[..., S, S]``; they reach a little beyond the crop."""
    return torch.linspace(-0.08, 1.08, heat.shape[-1], device=heat.device)


AROUND = 0.12
"""How far around its peak a map is read, in sides of the crop."""


def places_of(heat: Tensor) -> Tensor:
    """Places ``[B, P, 2]`` (x, y): means under the softmax of ``[B, P, S, S]`` around each map's peak.

    What a map holds elsewhere is doubt; on a real face a mean over all of it is drawn inwards.
    """
    line, side = heat_line(heat), heat.shape[-1]
    peak = heat.flatten(2).argmax(-1)
    beyond = [(line - line[at][..., None]).abs() > AROUND for at in (peak % side, peak // side)]
    chance = heat.masked_fill(beyond[0][:, :, None] | beyond[1][..., None], -torch.inf).flatten(2).softmax(-1).view_as(heat)
    return torch.stack([chance.sum(2) @ line, chance.sum(3) @ line], -1)


def feature_points(points: Tensor) -> Tensor:
    """``[..., 6, 2]``: the six that the first look reads (``network.POINTS``), of the 68 ``[..., 68, 2]``."""
    eyes = points[..., [36, 39, 42, 45], :].unflatten(-2, (2, 2)).mean(-2)
    return torch.cat([eyes, points[..., [30, 48, 54, 8], :]], -2)
