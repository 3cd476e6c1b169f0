"""Perceptual distances of two pictures: LPIPS with the shipped weights, and one of structure and gradients that needs none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import RequestError
from ..weights import read_shipped

PERCEPTUAL = ("gradient", "lpips-alex", "lpips-vgg")
"""What ``load_perceptual`` knows."""
WEIGHTS = Path(__file__).parent / "weights"
LEAST = 32
"""AlexNet's poolings need pictures of so many pixels a side; smaller ones are enlarged."""


@dataclass(frozen=True)
class PerceptualLoss:
    """A named distance of two pictures: ``loss(a, b)`` with ``[B, 3, H, W]`` in [-1, 1] gives a scalar."""

    name: str
    function: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self.function(a, b)


def load_perceptual(name: str, device: torch.device) -> PerceptualLoss:
    """A distance by its name (``PERCEPTUAL``): "gradient" (``gradient_structure_loss``), or LPIPS (Zhang et al., CVPR 2018).

    Raises:
        RequestError: there is no such distance. CheckpointError: its weights are damaged.
    """
    if name not in PERCEPTUAL:
        raise RequestError(f"There is no perceptual loss '{name}'.", f"Choose one of: {', '.join(PERCEPTUAL)}.")
    if name == "gradient":
        return PerceptualLoss(name, gradient_structure_loss)
    network = load_lpips(name.removeprefix("lpips-"), device)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return network(*(_enlarged(x) for x in (a, b))).mean()

    return PerceptualLoss(name, distance)


@lru_cache(maxsize=4)
def load_lpips(net: str, device: torch.device) -> Any:
    """``lpips.LPIPS`` on "alex" or "vgg", frozen, with the shipped convolutions. Raises CheckpointError if their file is damaged."""
    import lpips

    state = read_shipped(WEIGHTS / f"lpips_{net}.safetensors")
    # The package draws random weights first: neither the caller's random numbers nor their stderr are to notice.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    model.net.load_state_dict(state)
    return model.to(device).eval().requires_grad_(False)


def vgg_features(image: Tensor) -> Tensor:
    """``[B, 3, H, W]`` in [-1, 1] to ``[B, H/2 · W/2, 128]``: the second block of VGG16 (relu2_2), for ``contextual_loss``."""
    model = load_lpips("vgg", image.device)
    return model.net.slice2(model.net.slice1(model.scaling_layer(image))).flatten(2).transpose(1, 2)


def _enlarged(x: Tensor) -> Tensor:
    least = min(x.shape[-2:])
    return x if least >= LEAST else F.interpolate(x, scale_factor=LEAST / least, mode="bilinear", align_corners=False)


def gradient_structure_loss(a: Tensor, b: Tensor, scales: int = 4) -> Tensor:
    """Structure over four scales plus differences of image gradients.

    SSIM (Wang et al. 2004) at each level of an averaging pyramid, weighted equally, and the mean absolute difference of
    horizontal and vertical gradients, which punishes blur that SSIM alone lets pass. Zero for equal pictures.
    """
    total = a.new_zeros(())
    for level in range(scales):
        total = total + (1 - _ssim(a, b)) / scales
        edges = sum((a.diff(dim=d) - b.diff(dim=d)).abs().mean() for d in (-1, -2))
        total = total + edges / scales
        if level + 1 < scales:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return total


def _ssim(a: Tensor, b: Tensor, window: int = 7) -> Tensor:
    """Mean SSIM with a flat window, of pictures in [-1, 1].

    Brightness is counted from black: about a mid-grey of zero its term would change its sign, and with it what the structure is asked for.
    """
    a, b = (a + 1) / 2, (b + 1) / 2

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, window, 1)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return score.mean()
