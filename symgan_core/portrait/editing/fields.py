"""Smooth fields of displacement through control points, on grids, and their inverses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTH = 0.05
"""World units: at such a distance from it a control point's kernel is half as strong."""
DAMPING, STEPS = 0.5, 14
"""Of the fixed-point iteration that inverts a field: with a half, stretches of up to four are found."""
CHUNK = 16384


def kernel(a: Tensor, b: Tensor) -> Tensor:
    """``[A, B]``: rational quadratic kernel (positive definite) between points ``[A, 3]`` and ``[B, 3]``."""
    return 1 / (1 + torch.cdist(a, b).square() / WIDTH**2)


def spline(points: Tensor, values: Tensor, places: Tensor, ridge: float) -> Tensor:
    """The smooth function with ``values [K, C]`` at ``points [K, 3]``, at ``places [P, 3]``: ``[P, C]``. Far from all points it is 0.

    Args:
        ridge: added to the kernel's diagonal; the larger, the smoother, and the less exactly are the values met.
    """
    points, values = points.double(), values.double()
    system = kernel(points, points) + ridge * torch.eye(len(points), dtype=points.dtype, device=points.device)
    weights = torch.linalg.solve(system, values).float()
    return torch.cat([kernel(part, points.float()) @ weights for part in places.float().split(CHUNK)])


def at(field: Tensor, points: Tensor) -> Tensor:
    """A field ``[1, C, D, D, D]`` over [-1, 1]³ (or ``[1, C, H, W]`` over [-1, 1]²) at ``points [..., 3]`` (or ``[..., 2]``):
    ``[..., C]``. Beyond the border it is repeated."""
    flat = points.reshape(1, -1, *(1,) * (points.shape[-1] - 1), points.shape[-1])
    found = F.grid_sample(field, flat, padding_mode="border", align_corners=True)
    return found.reshape(field.shape[1], -1).T.reshape(*points.shape[:-1], field.shape[1])


def inverse(forward: Tensor, places: Tensor) -> Tensor:
    """Where what a field moves to ``places [..., n]`` came from: the ``x`` with ``x + forward(x) = place``.

    Args:
        forward: ``[1, n, ...]``, displacements in the units of its grid ([-1, 1] across), x fastest.
    """
    found = places
    for _ in range(STEPS):
        found = found + DAMPING * (places - found - at(forward, found))
    return found
