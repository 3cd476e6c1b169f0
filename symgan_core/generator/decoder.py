"""From planes to densities and colours at points."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .config import Axes, GeneratorConfig
from .gated import GatedPlanes, MovedPlanes, Planes, gate_at
from .layers import Linear

GROUPS = 2
"""On a CPU, planes are sampled in so many groups of channels: threads share out a batch, and three planes are few."""
BLOCK = 4096
"""Points that are decoded at a time on a CPU: their hidden features stay in the cache."""


def axes_to_projections(axes: Axes) -> Tensor:
    """``[3, 3, 2]``: matrices that take row vectors (x, y, z) to the (horizontal, vertical) coordinates of each plane."""
    return torch.linalg.inv(torch.tensor(axes, dtype=torch.float32))[:, :, :2].contiguous()


def sample_planes(planes: Planes, points: Tensor, projections: Tensor, box_warp: float) -> Tensor:
    """Mean feature of the three planes at points.

    Args:
        planes: ``[B, 3, C, H, W]``, or ``GatedPlanes`` or ``MovedPlanes`` (then B is 1); fastest after ``for_sampling``.
        points: ``[B, P, 3]`` in world units.
        projections: from ``axes_to_projections``.

    Returns:
        ``[B, P, C]``; zeros outside the box.
    """
    if isinstance(planes, MovedPlanes):
        return _sample_moved(planes, points, projections, box_warp)
    if isinstance(planes, GatedPlanes):
        base, offset = (sample_planes(x, points, projections, box_warp) for x in (planes.base, planes.offset))
        return torch.addcmul(base, gate_at(planes.gate, points, box_warp), offset)
    sample = _by_texel if texels_pay(planes) else _by_grid
    return sample(planes, torch.einsum("bpi,kij->jbkp", points * (2 / box_warp), projections))


def _sample_moved(planes: MovedPlanes, points: Tensor, projections: Tensor, box_warp: float) -> Tensor:
    found = sample_planes(planes.planes, planes.motion.pull_back(points), projections, box_warp)
    if planes.inside is None:
        return found
    share = planes.motion.from_inside(points)
    chosen = share[0, :, 0] > 0
    inside = sample_planes(planes.inside, planes.motion.inside_mouth(points[:, chosen]), projections, box_warp)
    return found.index_copy(1, chosen.nonzero()[:, 0], torch.lerp(found[:, chosen], inside, share[:, chosen]))


def texels_pay(planes: Tensor) -> bool:
    """Whether ``sample_planes`` reads whole texels: three times faster on a CPU with 32 channels, no gain with 16, or on a GPU."""
    return not planes.is_cuda and planes.shape[2] >= 32


def for_sampling(planes: Planes) -> Planes:
    """The same planes, laid out in memory as ``sample_planes`` reads them; saves it the work each time."""
    if isinstance(planes, MovedPlanes):
        inside = None if planes.inside is None else for_sampling(planes.inside)
        return MovedPlanes(for_sampling(planes.planes), planes.motion, inside)
    if isinstance(planes, GatedPlanes):
        return GatedPlanes(for_sampling(planes.base), for_sampling(planes.offset), planes.gate)
    return planes.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) if texels_pay(planes) else planes


def _by_grid(planes: Tensor, grid: Tensor) -> Tensor:
    """``grid [2, B, 3, P]``: horizontal and vertical coordinates on each plane, in [-1, 1]."""
    batch, _, channels = planes.shape[:3]
    parts = 1 if planes.is_cuda else math.gcd(GROUPS, channels)
    grid = grid.permute(1, 2, 3, 0)[:, :, None].expand(-1, -1, parts, -1, -1).flatten(0, 2)[:, None]
    groups = planes.reshape(-1, channels // parts, *planes.shape[3:])
    sampled = F.grid_sample(groups, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    first, second, third = sampled.reshape(batch, 3, channels, -1).unbind(1)
    return ((first + second + third) / 3).transpose(1, 2)


def _by_texel(planes: Tensor, grid: Tensor) -> Tensor:
    """The same as a weighted sum of twelve rows of a table; ``grid_sample`` on a CPU walks the planes channel by channel."""
    batch, _, channels, height, width = planes.shape
    # A rim of zeros is what lies outside: no point has to be asked whether it is inside.
    table = F.pad(planes.permute(0, 1, 3, 4, 2), (0, 0, 1, 1, 1, 1)).reshape(-1, channels)
    (x, right), (y, below) = (_corner(g, size) for g, size in zip(grid, (width, height), strict=True))
    row = width + 2
    first = torch.arange(3 * batch, dtype=torch.int32).reshape(batch, 3, 1) * ((height + 2) * row)
    start = first + y * row + x
    # Twelve long rows, turned at the end: short last dimensions are what made this slow.
    texels = torch.stack([start, start + 1, start + row, start + (row + 1)], 1)
    above, right = (1 - below) / 3, torch.stack([1 - right, right], 1)
    weights = torch.cat([right * above[:, None], right * (below / 3)[:, None]], 1)
    texels, weights = (t.flatten(1, 2).transpose(1, 2).reshape(-1, 12) for t in (texels, weights))
    return F.embedding_bag(texels, table, mode="sum", per_sample_weights=weights.to(table.dtype)).reshape(batch, -1, channels)


def _corner(grid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Number of the texel before each coordinate, counted from a rim of one texel, and the share of the next one."""
    place = (grid * (size / 2) + (size + 1) / 2).clamp(0, size + 1)
    corner = place.detach().floor().clamp(max=size)
    return corner.int(), place - corner


class _InBlocks(torch.autograd.Function):
    """Two linear layers with a softplus between them at points ``[P, Ci]``, as ``[Co, P]``, in blocks whose hidden features stay in the
    processor's cache. Backwards makes them again: that is cheaper than fetching them."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, points: Tensor, *layers: Tensor) -> Tensor:
        """``layers``: weight and bias of the first and of the second."""
        first, shift, second, bias = layers
        ctx.save_for_backward(points, first, shift, second)
        out = points.new_empty(second.shape[0], points.shape[0])
        raw, hidden = (points.new_empty(BLOCK, first.shape[0]) for _ in range(2))
        for rows in _blocks(points):
            count = rows.stop - rows.start
            torch.addmm(shift, points[rows], first.T, out=raw[:count])
            out[:, rows] = torch.addmm(bias[:, None], second, _softplus(raw[:count], hidden[:count]).T)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        points, first, shift, second = ctx.saved_tensors
        to_points = torch.empty_like(points) if ctx.needs_input_grad[0] else None
        to_layers = [torch.zeros_like(x) if any(ctx.needs_input_grad[1:]) else None for x in (first, shift, second)]
        raw, slope, inner = (points.new_empty(BLOCK, first.shape[0]) for _ in range(3))
        for rows in _blocks(points):
            count = rows.stop - rows.start
            torch.addmm(shift, points[rows], first.T, out=raw[:count])
            torch.sigmoid(raw[:count], out=slope[:count])
            torch.mm(gradient[:, rows].T, second, out=inner[:count]).mul_(slope[:count])
            if to_points is not None:
                to_points[rows] = inner[:count] @ first
            if to_layers[0] is not None:
                to_layers[0].addmm_(inner[:count].T, points[rows])
                to_layers[1] += inner[:count].sum(0)
                to_layers[2].addmm_(gradient[:, rows], _softplus(raw[:count], slope[:count]))
        return to_points, *to_layers, gradient.sum(1) if ctx.needs_input_grad[4] else None


def _blocks(points: Tensor) -> list[slice]:
    return [slice(i, min(i + BLOCK, len(points))) for i in range(0, len(points), BLOCK)]


def _softplus(x: Tensor, out: Tensor) -> Tensor:
    """log(1 + exp(x)), from elementary functions: on processors without AVX-512 that is a quarter faster than PyTorch's own."""
    torch.clamp(x, max=80, out=out).exp_().log1p_()  # beyond 80 it is x itself to the last digit, and exp would overflow
    return torch.maximum(out, x, out=out)


class Decoder(nn.Module):
    """Two linear layers from the mean plane feature to raw density and colour features (spec 5.2)."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        m = config.decoder_lr_multiplier
        self.net = nn.Sequential(
            Linear(config.plane_channels, config.decoder_hidden, lr_multiplier=m),
            nn.Softplus(),
            Linear(config.decoder_hidden, 1 + config.feature_channels, lr_multiplier=m))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, P, plane_channels]`` to raw density ``[B, P]`` and features ``[B, C, P]`` in about [0, 1]."""
        if features.is_cuda:
            out = F.linear(self.hidden(features), *self.net[2].scaled()).transpose(1, 2)
        else:
            layers = (*self.net[0].scaled(), *self.net[2].scaled())
            out = torch.stack([_InBlocks.apply(points, *layers) for points in features])
        least = out.new_full((), -0.001)
        return out[:, 0], torch.add(least, torch.sigmoid(out[:, 1:]), alpha=1.002)

    def hidden(self, features: Tensor) -> Tensor:
        """What goes into the last layer, ``[B, P, decoder_hidden]``."""
        return F.softplus(F.linear(features, *self.net[0].scaled()))

    @torch.no_grad()
    def logits_and_slopes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density and the logits of the three colours at points' mean features ``[P, plane_channels]``, as ``[P, 4]``, and how they go
        with each of those, ``[P, 4, plane_channels]``."""
        (first, shift), (second, bias) = (layer.scaled() for layer in (self.net[0], self.net[2]))
        raw, second = F.linear(features, first, shift), second[:4]
        return F.linear(F.softplus(raw), second, bias[:4]), (torch.sigmoid(raw)[:, None] * second) @ first

    @torch.no_grad()
    def add_to_colours(self, weight: Tensor, bias: Tensor) -> None:
        """Add ``weight [3, decoder_hidden]`` and ``bias [3]`` to the effective last layer, where it gives the logits of the colours."""
        last, colours = self.net[2], slice(1, 4)
        last.weight[colours] += weight / last.weight_gain
        last.bias[colours] += bias / last.bias_gain

    @torch.no_grad()
    def make_monochrome(self, bias: Tensor, gain: Tensor) -> None:
        """Have each colour's logit be ``gain [3]`` times the mean of the three, and ``bias [3]`` more."""
        last, colours = self.net[2], slice(1, 4)
        last.weight[colours] = gain[:, None] * last.weight[colours].mean(0)
        last.bias[colours] = gain * last.bias[colours].mean() + bias / last.bias_gain
