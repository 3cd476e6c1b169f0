"""Volume rendering along rays, as EG3D does it (``shared/spec/eg3d.md`` 5.3 to 5.6), on plain tensors.

Shapes: B images, M rays an image, S samples a ray, C feature channels. Features are channel-first ``[B, C, M, S]``,
so that the decoder and the sum over samples need no transposition.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Samples = tuple[Tensor, Tensor, Tensor]
"""Raw densities ``[B, M, S]``, features ``[B, C, M, S]``, depths ``[B, M, S]``."""


class Marched(NamedTuple):
    """What a ray collects: ``features [B, C, M]``, ``depth [B, M]``, ``weights [B, M, S-1]``."""

    features: Tensor
    depth: Tensor
    weights: Tensor


def box_points(size: int, side: float, device: torch.device) -> Tensor:
    """``[size, size, size, 3]``: points evenly spread over a cube of ``side`` world units about the origin, x fastest."""
    line = torch.linspace(-side / 2, side / 2, size, device=device)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij")[::-1], -1)


def interval_weights(sigma: Tensor, depths: Tensor) -> Tensor:
    """Weights of the S-1 intervals between samples.

    Args:
        sigma: ``[B, M, S]`` raw densities. They are averaged over the interval *before* ``softplus(x - 1)``.
        depths: ``[B, M, S]``, ascending.

    Returns:
        ``[B, M, S-1]``, non-negative, sum at most 1.
    """
    delta = depths[..., 1:] - depths[..., :-1]
    thickness = F.softplus((sigma[..., 1:] + sigma[..., :-1]) / 2 - 1) * delta
    # The spec's product of 1 - alpha, as an exponential of a sum: the gradient of ``cumprod`` makes a GPU wait for Python.
    before = F.pad(thickness.cumsum(-1)[..., :-1], (1, 0))
    return (1 - torch.exp(-thickness)) * torch.exp(-before)


def march(sigma: Tensor, features: Tensor, depths: Tensor, depth_range: tuple[Tensor, Tensor] | None = None,
          white_back: bool = False) -> Marched:
    """Composite samples along rays.

    Args:
        sigma: ``[B, M, S]`` raw densities.
        features: ``[B, C, M, S]`` in [0, 1].
        depths: ``[B, M, S]``, ascending.
        depth_range: limits of the returned depth; default: the least and greatest of ``depths``.
        white_back: fill what the ray does not meet with 1 instead of 0.

    Returns:
        Features are scaled to [-1, 1]; depth is normalised by the weight sum, and is the upper limit on empty rays.
    """
    weights = interval_weights(sigma, depths)
    return _composite(weights, depths, torch.einsum("bcms,bms->bcm", features, _of_samples(weights)), depth_range, white_back)


def march_both(a: Samples, b: Samples, depth_range: tuple[Tensor, Tensor] | None = None, white_back: bool = False) -> Marched:
    """``march`` over the union of two sets of samples, each (sigma, features, depths) in any order.

    The union is sorted by depth; the features stay where they are and their weights come to them.
    """
    sigma, depths = (torch.cat([a[k], b[k]], -1) for k in (0, 2))
    depths, order = depths.sort(-1)
    weights = interval_weights(sigma.gather(-1, order), depths)
    shares = torch.empty_like(sigma).scatter(-1, order, _of_samples(weights)).split([a[0].shape[-1], b[0].shape[-1]], -1)
    from_a, from_b = (torch.einsum("bcms,bms->bcm", part[1], share) for part, share in zip((a, b), shares, strict=True))
    return _composite(weights, depths, from_a + from_b, depth_range, white_back)


def _of_samples(weights: Tensor) -> Tensor:
    """``[B, M, S]``: averaging the weights of the two intervals beside a sample equals averaging the features of each interval, and
    touches [B, M, S] instead of [B, C, M, S]."""
    return (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2


def _composite(weights: Tensor, depths: Tensor, collected: Tensor, depth_range: tuple[Tensor, Tensor] | None,
               white_back: bool) -> Marched:
    total = weights.sum(-1)
    if white_back:
        collected = collected + (1 - total)[:, None]
    middle = (depths[..., 1:] + depths[..., :-1]) / 2
    low, high = depth_range or (depths.min(), depths.max())
    # A ray that meets nothing gets the upper limit. The division is guarded, not mended afterwards: 0/0 has no gradient.
    depth = (weights * middle).sum(-1) / total.clamp(min=1e-12)
    depth = torch.where(total > 0, depth, high).clamp(low, high)
    return Marched(collected * 2 - 1, depth, weights)


def coarse_depths(start: float, end: float, count: int, rays: tuple[int, int], jitter: torch.Generator | None = None,
                  device: torch.device | None = None) -> Tensor:
    """``[B, M, count]`` evenly spread depths, each moved forwards by a share of one step (one half without ``jitter``)."""
    steps = torch.linspace(start, end, count, device=device)
    shift = uniform((*rays, count), jitter, device) if jitter else 0.5
    return (steps + shift * (end - start) / (count - 1)).expand(*rays, count)


@torch.no_grad()
def importance_depths(weights: Tensor, depths: Tensor, count: int, jitter: torch.Generator | None = None, floor: float = 0.01) -> Tensor:
    """Draw depths where the coarse pass found weight. No gradient flows through them.

    Args:
        weights: ``[B, M, S-1]`` from ``march``; depths: ``[B, M, S]``.
        jitter: one draw in each of ``count`` equal bins; without it, their midpoints.
        floor: what each interval weighs at least (spec 5.5: 0.01).

    Returns:
        ``[B, M, count]``, ascending.
    """
    smooth = F.max_pool1d(weights, 2, 1, padding=1)
    smooth = (smooth[..., :-1] + smooth[..., 1:]) / 2 + floor
    pdf = smooth[..., 1:-1] + 1e-5
    pdf = pdf / pdf.sum(-1, keepdim=True)
    cdf = F.pad(pdf.cumsum(-1), (1, 0))
    bins = ((depths[..., 1:] + depths[..., :-1]) / 2)[..., : cdf.shape[-1]]
    shape = (*weights.shape[:2], count)
    # With jitter, EG3D draws anywhere; one draw in each of equal bins has the same mean and less noise, which counts where draws are few.
    share = uniform(shape, jitter, weights.device) if jitter else 0.5
    u = ((torch.arange(count, device=weights.device) + share) / count).expand(shape)
    above = torch.searchsorted(cdf, u.contiguous(), right=True)
    lo, hi = (above - 1).clamp(min=0), above.clamp(max=cdf.shape[-1] - 1)
    cdf_lo, cdf_hi = cdf.gather(-1, lo), cdf.gather(-1, hi)
    span = cdf_hi - cdf_lo
    span = torch.where(span < 1e-5, torch.ones_like(span), span)
    bin_lo, bin_hi = bins.gather(-1, lo), bins.gather(-1, hi)
    return bin_lo + (u - cdf_lo) / span * (bin_hi - bin_lo)


def dilated(volume: Tensor) -> Tensor:
    """The largest value of each cell and its 26 neighbours, over the last three dimensions. No gradient flows through it.

    ``max_pool3d`` gives the same, ten times slower on a CPU.
    """
    for dim in (-1, -2, -3):
        inner, wide = volume.shape[dim] - 1, volume.clone()
        for source, aim in ((0, 1), (1, 0)):
            part = wide.narrow(dim, aim, inner)
            torch.maximum(part, volume.narrow(dim, source, inner), out=part)
        volume = wide
    return volume


@torch.no_grad()
def largest_component(volume: Tensor, level: float, empty: float, block: int = 8) -> Tensor:
    """The volume ``[1, 1, D, H, W]`` with ``empty`` for all matter (above ``level``) that does not hang together with the bulk of it, and
    for what is beside such pieces and not beside the bulk.

    The bulk is what lies in the fullest blocks, of ``block`` cells a side. What touches it, over edges and corners too, belongs to it.
    """
    matter = (volume > level).to(volume.dtype)
    crowd = F.interpolate(F.avg_pool3d(matter, block, ceil_mode=True), volume.shape[2:])
    held = (crowd > 0.5 * crowd.max()) * matter
    while not torch.equal(grown := dilated(held) * matter, held):
        held = grown
    # With its fringe, which is too thin for the level and still to be seen. What is beside the bulk was held.
    lost = dilated(matter - held) * (1 - dilated(held))
    return volume.masked_fill(lost > 0, empty)


def uniform(shape: tuple[int, ...], generator: torch.Generator, device: torch.device | None) -> Tensor:
    """Random numbers in [0, 1) of the generator's own device, moved to ``device``."""
    return torch.rand(shape, generator=generator, device=generator.device).to(device)
