"""What stands behind a head in a training picture, and what cameras and files do to all of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def backgrounds(count: int, pictures: Tensor, side: int) -> Tensor:
    """``[count, 3, side, side]``: coloured noise of all scales, bars and boxes, and scraps of other pictures."""
    out = torch.rand(count, 3, 1, 1) * 2 - 1
    for size in (2, 4, 8, 16, 48):
        strength = torch.rand(count, 1, 1, 1) ** (2 if size < 16 else 5) * 0.8
        grey = torch.rand(count, 1, 1, 1) < 0.5
        noise = torch.randn(count, 3, size, size)
        noise = torch.where(grey, noise[:, :1], noise)
        out = out + strength * F.interpolate(noise, (side, side), mode="bilinear" if torch.rand(()) < 0.6 else "nearest")
    scraps = pictures.roll(1, 0)[:, :, 30:110, 30:110]
    turn = int(torch.randint(1, 4, ()))
    scraps = F.interpolate(torch.rot90(scraps, turn, (2, 3)), (side, side), mode="bilinear")
    use = torch.rand(count, 1, 1, 1) < 0.15
    out = torch.where(use, scraps, out)
    line = torch.linspace(0, 1, side)
    for _ in range(4):
        low = torch.rand(count, 2, 1) - 0.1
        high = low + 0.6 * torch.rand(count, 2, 1) ** 2
        box = ((line > low) & (line < high)).float()
        inside = box[:, 0, :, None] * box[:, 1, None, :] * (torch.rand(count, 1, 1) < 0.6)
        out = out * (1 - inside[:, None]) + inside[:, None] * (torch.rand(count, 3, 1, 1) * 2 - 1)
    return out.clamp(-1, 1)


def distort(x: Tensor) -> Tensor:
    """Photometric distortions of ``[B, 3, S, S]`` in [-1, 1]: gamma, contrast, colour cast, grey, blur, noise, a cover."""
    count = len(x)

    def some(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(count, channels, 1, 1).uniform_(low, high)

    x = ((x + 1) / 2).clamp(1e-4, 1) ** torch.exp(some(-0.6, 0.6))
    x = (x - 0.5) * some(0.6, 1.4) + 0.5 + some(-0.15, 0.15)
    x = x * some(0.85, 1.15, 3)
    ramp = torch.linspace(-1, 1, x.shape[-1])
    x = x * (1 + some(-0.35, 0.35) * ramp + some(-0.35, 0.35) * ramp[:, None])
    grey = x.mean(1, keepdim=True).expand_as(x)
    x = torch.lerp(x, grey, torch.where(some(0, 1) < 0.15, torch.ones(count, 1, 1, 1), some(-0.2, 0.5)))
    large = max(1, x.shape[-1] / 128)
    small = int(large * int(torch.randint(28, 97, ())))
    soft = F.interpolate(F.interpolate(x, (small, small), mode="area"), x.shape[-2:], mode="bilinear")
    x = torch.where(some(0, 1) < 0.5, soft, x)
    x = x + torch.randn_like(x) * some(0, 0.06)
    if torch.rand(()) < 0.4:
        top, left = (int(large * int(torch.randint(0, 70, ()))) for _ in range(2))
        hide, edge = torch.rand(count) < 0.3, int(large * 26)
        x[hide, :, top: top + edge, left: left + edge] = torch.rand(int(hide.sum()), 3, 1, 1)
    return x.clamp(0, 1) * 2 - 1
