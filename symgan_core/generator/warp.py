"""The planes of one face are those of another with their contents moved: a smooth field, given by w, does the moving."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import GeneratorConfig
from .layers import Linear

FIELD = 96
"""Points of a plane are moved by the field at this resolution."""
INVERSIONS = 6
"""Fixed-point steps that invert a field; it is smooth, so each leaves a small part of the error."""


class PlaneWarp(nn.Module):
    """Resamples planes along a field of displacements, one for each plane.

    A convolution moves an eye by two texels only by blurring it, and the eyes, noses and mouths of two people lie that far apart. With
    the field the backbone paints every head in the place of the mean one, in sharp focus (shape apart from texture, as in active appearance
    models). The field of an untrained network is zero.
    """

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.cells, hidden = config.plane_warp
        self.affine = Linear(config.w_dim, hidden, activate=True)
        self.field = Linear(hidden, 6 * self.cells**2, lr_multiplier=0.1)
        nn.init.zeros_(self.field.weight)

    def moves(self, w: Tensor, size: int) -> Tensor:
        """``[3 B, 2, size, size]``: how far from each texel its content comes, in the planes' units ([-1, 1] across). ``w [B, w_dim]``."""
        return F.interpolate(self.cells_of(w).flatten(0, 1), (size, size), mode="bicubic", align_corners=False)

    def cells_of(self, w: Tensor) -> Tensor:
        """``[B, 3, 2, cells, cells]``: the field itself, from which ``moves`` interpolates."""
        return self.field(self.affine(w)).reshape(-1, 3, 2, self.cells, self.cells)

    def places(self, w: Tensor, size: int) -> Tensor:
        """``[B, 3, size, size, 2]``: where on each plane ([-1, 1], horizontal first) the texel's content comes from. ``w [B, w_dim]``."""
        still = F.affine_grid(torch.eye(2, 3, device=w.device)[None], [1, 1, size, size], align_corners=False)
        return (still + self.moves(w, size).permute(0, 2, 3, 1)).unflatten(0, (-1, 3))

    def carry(self, planes: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Planes that are moved already, by ``before [B, w_dim]``, moved on to where ``after`` has their contents."""
        size = planes.shape[-1]
        moves, aim = self.moves(before, size), self.places(after, size).flatten(0, 1)
        places = aim
        for _ in range(INVERSIONS):
            places = aim - _at(moves, places).permute(0, 2, 3, 1)
        return _at(planes.flatten(0, 1), places).reshape(planes.shape)

    def pull_back(self, places: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Where on the planes of ``before [1, w_dim]`` lies what those of ``after`` have at ``places [3, P, 2]`` (in [-1, 1])."""
        at, there = (self.moves(w, FIELD) for w in (after, before))
        aim = places + _at(at, places[:, None])[:, :, 0].transpose(1, 2)
        found = aim
        for _ in range(INVERSIONS):
            found = aim - _at(there, found[:, None])[:, :, 0].transpose(1, 2)
        return found

    def forward(self, planes: Tensor, w: Tensor) -> Tensor:
        """``planes [B, 3, C, R, R]`` with their contents moved."""
        places = self.places(w, planes.shape[-1]).flatten(0, 1)
        return _at(planes.flatten(0, 1), places).reshape(planes.shape)


def _at(pictures: Tensor, places: Tensor) -> Tensor:
    """``pictures [N, C, R, R]`` at ``places [N, R, R, 2]``; beyond the edge it is repeated."""
    return F.grid_sample(pictures, places, padding_mode="border", align_corners=False)
