"""The texture of skin: pores and blemishes, as noise that is fixed to the head and has no direction."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

CELLS = 48
"""A side of the noise, which repeats itself."""
OCTAVES = ((0.003, 1.0), (0.006, 0.8), (0.012, 0.6), (0.024, 0.3))
"""World units from one cell to the next, and amplitude; the head is some 0.45 high."""
SHIFT = 17.3
"""Cells from an octave's origin to the next one's, so that they do not line up."""


def grain_at(points: Tensor) -> Tensor:
    """The texture at ``points [N, 3]``, ``[N]``: of zero mean and unit deviation."""
    noise, out = _noise().to(points.device), torch.zeros_like(points[:, 0])
    for number, (width, amplitude) in enumerate(OCTAVES):
        cells = (points / width + SHIFT * number) % CELLS
        place = 2 * (cells + 1.5) / (CELLS + 2) - 1
        out = out + amplitude * F.grid_sample(noise, place[None, :, None, None], align_corners=False).flatten()
    return out / _deviation()


@lru_cache(maxsize=1)
def _noise() -> Tensor:
    """``[1, 1, CELLS + 2, CELLS + 2, CELLS + 2]``, always the same; each side's first and last cells are there again beyond the other."""
    return F.pad(torch.randn(1, 1, CELLS, CELLS, CELLS, generator=torch.Generator().manual_seed(0)), (1,) * 6, mode="circular")


def _deviation() -> float:
    """Of the sum of octaves. Between cells, linear interpolation leaves (2/3) of each axis' variance."""
    return (sum(amplitude**2 for _, amplitude in OCTAVES) * (2 / 3) ** 3) ** 0.5
