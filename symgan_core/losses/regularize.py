"""Terms that keep the optimisation near what the generator knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def latent_distance(ws: Tensor, w_avg: Tensor, w_std: Tensor) -> Tensor:
    """Mean squared distance of ``ws [B, L, D]`` from the mean, in standard deviations ``w_std [D]``, plus the spread of the
    rows around their own mean (W+ may leave W, but not for nothing)."""
    offset = (ws - w_avg) / w_std
    return offset.square().mean() + (offset - offset.mean(1, keepdim=True)).square().mean()


def depth_drift(depth: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference of two depth maps, both along the ray (SPI's depth term)."""
    return (depth - reference).square().mean()


class _Variation(torch.autograd.Function):
    """Its gradient is made of signs that forward has at hand; autograd would keep and walk ten pictures for it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        gradient, total = torch.zeros_like(x), x.new_zeros(())
        for dim in (-1, -2):
            inner = x.shape[dim] - 1
            step = x.narrow(dim, 1, inner) - x.narrow(dim, 0, inner)
            total += step.abs().mean()
            step.sign_().div_(step.numel())
            gradient.narrow(dim, 1, inner).add_(step)
            gradient.narrow(dim, 0, inner).sub_(step)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return ctx.saved_tensors[0] * grad_outputs[0]


def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbours along the last two dimensions, the two means added."""
    return _Variation.apply(x)
