"""The perceptual distance that drives the inversion: LPIPS where its backbone is on disk, else one that needs no download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

BACKBONES = {"vgg": "vgg16-397923af.pth", "alex": "alexnet-owt-7be5be79.pth"}
"""LPIPS networks and the torchvision files that they need."""


@dataclass(frozen=True)
class PerceptualLoss:
    """A named distance of two pictures: ``loss(a, b)`` with ``[B, 3, H, W]`` in [-1, 1] gives a scalar."""

    name: str
    function: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self.function(a, b)


def lpips_backbone() -> str | None:
    """Which LPIPS backbone lies in torch's hub folder, or None. Nothing is ever downloaded."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for net, file in BACKBONES.items():
        if (folder / file).is_file():
            return net
    return None


@lru_cache(maxsize=2)
def load_perceptual(device: torch.device) -> PerceptualLoss:
    """The best distance that works offline."""
    net = lpips_backbone()
    if net is None:
        return PerceptualLoss("gradient-ms-ssim", gradient_ms_ssim)
    import lpips

    model = lpips.LPIPS(net=net, verbose=False).to(device).eval().requires_grad_(False)
    return PerceptualLoss(f"lpips-{net}", lambda a, b: model(a, b).mean())


def gradient_ms_ssim(a: Tensor, b: Tensor, scales: int = 4) -> Tensor:
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
