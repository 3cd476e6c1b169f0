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
    """Mean feature of the three planes at points.

    Args:
        planes: ``[B, 3, C, H, W]``; fastest after ``for_sampling``.
        points: ``[B, P, 3]`` in world units.
        projections: from ``axes_to_projections``.

    Returns:
        ``[B, P, C]``; zeros outside the box.
    """
    grid = torch.einsum("bpi,kij->bkpj", points * (2 / box_warp), projections)
    return (_by_texel if texels_pay(planes) else _by_grid)(planes, grid)


def texels_pay(planes: Tensor) -> bool:
    """Whether ``sample_planes`` reads whole texels: three times faster on a CPU with 32 channels, no gain with 16, or on a GPU."""
    return not planes.is_cuda and planes.shape[2] >= 32


def for_sampling(planes: Tensor) -> Tensor:
    """The same planes, laid out in memory as ``sample_planes`` reads them; saves it the work each time."""
    return planes.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) if texels_pay(planes) else planes


def _by_grid(planes: Tensor, grid: Tensor) -> Tensor:
    batch, _, channels = planes.shape[:3]
    sampled = F.grid_sample(planes.flatten(0, 1), grid.flatten(0, 1)[:, None], mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled.reshape(batch, 3, channels, -1).mean(1).transpose(1, 2)


def _by_texel(planes: Tensor, grid: Tensor) -> Tensor:
    """The same as a weighted sum of twelve rows of a table; ``grid_sample`` on a CPU walks the planes channel by channel."""
    batch, _, channels, height, width = planes.shape
    place = (grid + 1) * (grid.new_tensor([width, height]) / 2) - 0.5
    corner = place.floor()
    share, corner = place - corner, corner.int()
    # [B, 3, P, 2 (low, high)] for each axis; what lies outside the plane weighs nothing
    columns, rows = (corner[..., axis, None] + torch.tensor([0, 1], dtype=torch.int32) for axis in (0, 1))
    across, down = (torch.stack([1 - share[..., axis], share[..., axis]], -1) for axis in (0, 1))
    across = across * ((columns >= 0) & (columns < width))
    down = down * (((rows >= 0) & (rows < height)) / 3)
    first = torch.arange(3 * batch, dtype=torch.int32).reshape(batch, 3, 1, 1, 1) * (height * width)
    texels = rows.clamp(0, height - 1)[..., None] * width + columns.clamp(0, width - 1)[..., None, :] + first
    weights = down[..., None] * across[..., None, :]
    table = planes.permute(0, 1, 3, 4, 2).reshape(-1, channels)
    texels, weights = (x.flatten(-2).transpose(1, 2).reshape(-1, 12) for x in (texels, weights))
    return F.embedding_bag(texels, table, mode="sum", per_sample_weights=weights.to(table.dtype)).reshape(batch, -1, channels)


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
        """``[B, P, C]`` to raw density ``[B, P]`` and features ``[B, C, P]`` in about [0, 1]."""
        out = F.linear(F.softplus(F.linear(features, *self.net[0].scaled())), *self.net[2].scaled())
        return out[..., 0], (torch.sigmoid(out[..., 1:]) * 1.002 - 0.001).transpose(1, 2)
