"""Terms that keep the optimisation near what the generator knows."""

from __future__ import annotations

from torch import Tensor


def latent_distance(ws: Tensor, w_avg: Tensor, w_std: Tensor) -> Tensor:
    """Mean squared distance of ``ws [B, L, D]`` from the mean, in standard deviations ``w_std [D]``, plus the spread of the
    rows around their own mean (W+ may leave W, but not for nothing)."""
    offset = (ws - w_avg) / w_std
    return offset.square().mean() + (offset - offset.mean(1, keepdim=True)).square().mean()


def depth_drift(depth: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference of two depth maps, both along the ray (SPI's depth term)."""
    return (depth - reference).square().mean()
