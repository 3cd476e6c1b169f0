"""From planes to densities and colours at points."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Axes, GeneratorConfig
from .layers import Linear


def axes_to_projections(axes: Axes) -> Tensor:
    """``[3, 3, 2]``: matrices that take row vectors (x, y, z) to the (horizontal, vertical) coordinates of each plane."""
    return torch.linalg.inv(torch.tensor(axes, dtype=torch.float32))[:, :, :2].contiguous()


def sample_planes(planes: Tensor, points: Tensor, projections: Tensor, box_warp: float) -> Tensor:
    """Features of the three planes at points.

    Args:
        planes: ``[B, 3, C, H, W]``.
        points: ``[B, P, 3]`` in world units.
        projections: from ``axes_to_projections``.

    Returns:
        ``[B, 3, C, P]``; zeros outside the box.
    """
    batch, _, channels, height, width = planes.shape
    grid = torch.einsum("bpi,kij->bkpj", points * (2 / box_warp), projections)
    grid = grid.reshape(batch * 3, 1, -1, 2)
    flat = planes.reshape(batch * 3, channels, height, width)
    sampled = F.grid_sample(flat, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled.reshape(batch, 3, channels, -1)


class Decoder(nn.Module):
    """Two linear layers from the mean plane feature to raw density and ``C`` colour features (spec 5.2)."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        m = config.decoder_lr_multiplier
        self.net = nn.Sequential(
            Linear(config.plane_channels, config.decoder_hidden, lr_multiplier=m),
            nn.Softplus(),
            Linear(config.decoder_hidden, 1 + config.plane_channels, lr_multiplier=m))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 3, C, P]`` to raw density ``[B, P]`` and features ``[B, C, P]`` in about [0, 1]."""
        # A point a row: the two products are then plain matrix products, a quarter faster than channel-first on a CPU.
        rows = features.mean(1).transpose(1, 2)
        out = F.linear(F.softplus(F.linear(rows, *self.net[0].scaled())), *self.net[2].scaled())
        return out[..., 0], (torch.sigmoid(out[..., 1:]) * 1.002 - 0.001).transpose(1, 2)
