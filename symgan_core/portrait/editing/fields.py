"""Smooth fields of displacement through control points, on grids, and their inverses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WIDTH = 0.05
"""World units: at such a distance from it a control point's kernel is half as strong."""
DAMPING, STEPS = 0.5, 14
"""Of the fixed-point iteration that inverts a field: with a half, stretches of up to four are found."""
STILL = 3e-5
"""In the units of the grid: a place that moves by less in a step has been found. Most of a head does not move at all."""
CHUNK = 1024
"""Places whose kernels are computed at once: they stay in the processor's cache."""


def kernel(a: Tensor, b: Tensor) -> Tensor:
    """``[A, B]``: rational quadratic kernel (positive definite) between points ``[A, 3]`` and ``[B, 3]``."""
    return torch.cdist(a, b).square_().mul_(1 / WIDTH**2).add_(1).reciprocal_()


def spline(points: Tensor, values: Tensor, places: Tensor, ridge: float) -> Tensor:
    """The smooth function with ``values [K, C]`` at ``points [K, 3]``, at ``places [P, 3]``: ``[P, C]``. Far from all points it is 0.

    Args:
        ridge: added to the kernel's diagonal; the larger, the smoother, and the less exactly are the values met.
    """
    return summed(points, spline_weights(points, values, ridge), places)


def spline_weights(points: Tensor, values: Tensor, ridge: float) -> Tensor:
    """``[K, C]``: what ``summed`` makes that function of."""
    points, values = points.double(), values.double()
    system = kernel(points, points) + ridge * torch.eye(len(points), dtype=points.dtype, device=points.device)
    return torch.linalg.solve(system, values).float()


def summed(points: Tensor, weights: Tensor, places: Tensor) -> Tensor:
    """The kernels about ``points [K, 3]``, each times its ``weights [K, C]``, at ``places [P, 3]``: ``[P, C]``."""
    points = points.float()
    return torch.cat([kernel(part, points) @ weights for part in places.float().split(CHUNK)])


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
    aim = here = places.reshape(-1, places.shape[-1])
    found, number = here.clone(), torch.arange(len(here), device=here.device)
    for _ in range(STEPS):
        step = DAMPING * (aim - here - at(forward, here))
        here = here + step
        moving = (step.abs() > STILL).any(-1)
        if 2 * int(moving.sum()) < len(moving):  # fewer points are worth the sorting out
            found[number] = here
            number, aim, here = number[moving], aim[moving], here[moving]
            if not len(number):
                break
    found[number] = here
    return found.reshape(places.shape)
