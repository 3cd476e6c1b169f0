"""Measures of two pictures; the ones that need no weights come from ``piq``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..inversion import mean_within
from ..losses import identity_similarity, load_perceptual

MS_SSIM_SIDE = 160
"""Multi-scale SSIM halves the picture four times and needs more than this."""
SHADED_LEAST = 0.002
"""The least share of the picture whose shading is judged."""


def picture_metrics(picture: Tensor, truth: Tensor, mask: Tensor | None = None) -> dict[str, float | None]:
    """Compare pictures ``[1, 3, H, W]`` in [-1, 1], at the size of the first.

    Args:
        truth: of any size. mask: ``[1, 1, *, *]`` in [0, 1]: only these pixels count (elsewhere the truth is put into the picture).

    Returns:
        ``psnr`` (dB, over the mask), ``ssim``, ``ms_ssim``, ``haarpsi`` (higher is better), ``gmsd``, ``lpips`` (AlexNet; lower is
        better), and ``id``, which is None without its weights.
    """
    import piq

    picture, side = picture.clamp(-1, 1), picture.shape[-1]
    truth = to_side(truth, side)
    if mask is not None:
        mask = to_side(mask, side)
        picture = torch.lerp(truth, picture, mask)
    share = 1.0 if mask is None else float(mask.mean())
    if share == 0:
        return dict.fromkeys(("psnr", "ssim", "ms_ssim", "haarpsi", "gmsd", "lpips", "id"))
    a, b = (picture.float().cpu() + 1) / 2, (truth.float().cpu() + 1) / 2
    error = float((a - b).square().mean()) / share
    whole = mask is None
    large = min(a.shape[-2:]) > MS_SSIM_SIDE
    return {
        "psnr": -10 * math.log10(max(error, 1e-10)), "ssim": float(piq.ssim(a, b)),
        "ms_ssim": float(piq.multi_scale_ssim(a, b)) if large else None, "haarpsi": float(piq.haarpsi(a, b)), "gmsd": float(piq.gmsd(a, b)),
        "lpips": lpips_distance(picture, truth), "id": identity_similarity(_uint8(a), _uint8(b)) if whole else None}


def to_side(image: Tensor, side: int) -> Tensor:
    """``[1, C, H, H]`` at ``[1, C, side, side]``, without aliasing where it becomes smaller."""
    return image if image.shape[-1] == side else F.interpolate(image, (side, side), mode="bilinear", antialias=True, align_corners=False)


@torch.no_grad()
def lpips_distance(a: Tensor, b: Tensor) -> float:
    """LPIPS on AlexNet, as the field reports it, of pictures ``[1, 3, H, W]`` in [-1, 1]."""
    return float(load_perceptual("lpips-alex", torch.device("cpu"))(a.float().cpu(), b.float().cpu()))


def shading_error(picture: Tensor, truth: Tensor, mask: Tensor) -> float | None:
    """How far the light on a surface is off: mean absolute difference of the logarithms of grey, over ``mask [1, 1, H, W]`` in {0, 1}.

    The grey is a mean over squares of a sixteenth of the picture, within the mask, so that neither texture nor small shifts count. None
    where the mask is all but empty.

    Args:
        picture, truth: ``[1, 3, H, W]`` in [-1, 1].
    """
    if mask.sum() < SHADED_LEAST * mask.numel():
        return None
    wide = truth.shape[-1] // 16 | 1
    greys = ((image.clamp(-1, 1).mean(1, keepdim=True) + 1) / 2 for image in (picture, truth))
    a, b = (mean_within(grey, mask, wide).clamp(min=0.02).log() for grey in greys)
    return float(((a - b).abs() * mask).sum() / mask.sum())


def _uint8(x: Tensor) -> np.ndarray:
    return (x[0].permute(1, 2, 0) * 255).round().byte().numpy()


def mean_metrics(items: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Mean of each measure over pictures; None where nothing was measured."""
    out: dict[str, float | None] = {}
    for key in items[0] if items else ():
        values = [item[key] for item in items if item[key] is not None]
        out[key] = mean(values) if values else None
    return out


def folded(items: list[Any], fold: Callable[[list[float]], float | None]) -> Any:
    """Results of the same form, nested in dicts and lists, as one: ``fold`` of the numbers at each place, None where none has a number.
    Text is the first's."""
    first = items[0]
    if isinstance(first, dict):
        return {key: folded([item[key] for item in items], fold) for key in first}
    if isinstance(first, list):
        return [folded(list(same), fold) for same in zip(*items, strict=True)]
    if isinstance(first, str):
        return first
    values = [item for item in items if item is not None]
    return fold(values) if values else None


def mean(values: list[float]) -> float:
    """To five digits."""
    return round(sum(values) / len(values), 5)


def spread(values: list[float]) -> float | None:
    """Standard deviation of a sample; None of a single value."""
    return round(statistics.stdev(values), 5) if len(values) > 1 else None
