"""Operations on pictures and masks ``[1, C, H, W]`` that geometry needs."""

from __future__ import annotations

from typing import overload

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LEAST_SHARE = 1e-3
"""Share of a square below which its mean within a mask is not told."""


def box_mean(x: Tensor, width: int) -> Tensor:
    """Mean over squares of an odd ``width`` in pixels, zeros beyond the border; rows and columns apart, which for wide squares is twenty
    times faster."""
    rows = F.avg_pool2d(x, (1, width), 1, (0, width // 2))
    return F.avg_pool2d(rows, (width, 1), 1, (width // 2, 0))


def mean_within(x: Tensor, mask: Tensor, width: int) -> Tensor:
    """The same over what of each square lies in ``mask [1, 1, H, W]``; where that is next to nothing, next to nothing."""
    return box_mean(x * mask, width) / box_mean(mask, width).clamp(min=LEAST_SHARE)


@overload
def eroded(mask: Tensor, pixels: int = 3) -> Tensor: ...


@overload
def eroded(mask: Tensor | None, pixels: int = 3) -> Tensor | None: ...


def eroded(mask: Tensor | None, pixels: int = 3) -> Tensor | None:
    """Shrink a mask by so many pixels; beyond the border it goes on. None stays None."""
    return None if mask is None else -F.max_pool2d(-mask, 2 * pixels + 1, 1, pixels)


def widened(mask: Tensor, pixels: int) -> Tensor:
    """Grow a mask by so many pixels."""
    return F.max_pool2d(mask, 2 * pixels + 1, 1, pixels)


def resized(maps: Tensor, size: int) -> Tensor:
    """``[B, C, R, R]`` to ``[B, C, size, size]``, bilinear; the same tensor where it has that size."""
    return maps if maps.shape[-1] == size else F.interpolate(maps, (size, size), mode="bilinear", align_corners=False)


def smooth_step(x: Tensor, low: float, high: float) -> Tensor:
    """0 below ``low``, 1 above ``high``, a cubic between them."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def spread(values: Tensor, known: Tensor, steps: int | None = None) -> Tensor:
    """``values [1, C, R, R]`` where they are ``known`` (bool ``[1, 1, R, R]``), elsewhere those of the nearest known pixels, grown outwards
    by means over 5 x 5 pixels.

    Args:
        steps: of two pixels each; by default until all is filled.
    """
    reach = known.to(values.dtype)
    filled, left = values * reach, steps
    while bool(known.any()) and bool((reach == 0).any()) and left != 0:
        total, number = (F.avg_pool2d(x, 5, 1, 2) for x in (filled * reach, reach))
        filled = torch.where(reach > 0, filled, total / number.clamp(min=1e-6))
        reach = torch.maximum(reach, (number > 1e-6).to(values.dtype))
        left = None if left is None else left - 1
    return torch.where(reach > 0, filled, values)


def to_uint8(image: Tensor) -> np.ndarray:
    """``[1, 3, H, W]`` or ``[3, H, W]`` in [-1, 1] to uint8 ``[H, W, 3]``, rounded."""
    image = image.detach().reshape(image.shape[-3:])
    return (image.permute(1, 2, 0).float() * 127.5 + 127.5).round().clamp(0, 255).byte().cpu().numpy()
