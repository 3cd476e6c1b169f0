"""The mapping of the built-in generator: ``z`` to the standardised traits of the person that it stands for.

No picture is needed, so codes never run out: the choices and thresholds that a trained-along mapping would blur are learned here alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from symgan_core.generator import TriPlaneGenerator
from symgan_core.generator.layers import Linear, normalise_second_moment
from symgan_core.generator.synthesis import MappingNetwork

from .descent import Schedule, descend
from .heads import HeadPack, draw_codes, person_from_code, trait_statistics, traits
from .heads.people import USED

SHIFT = 4.0
"""w is the standardised traits plus this. The mapping ends in a leaky ReLU, whose kink would lie in the middle of each trait's range
without it; ``absorb_shift`` takes it out of what follows."""


def draw_pairs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Codes ``[count, z_dim]`` and their standardised traits ``[count, T]``."""
    pack, codes = HeadPack(), draw_codes(np.random.default_rng(seed), count)
    mean, scale = trait_statistics(pack)
    values = np.stack([traits(pack, person_from_code(pack, z)) for z in codes])
    return torch.from_numpy(codes), torch.from_numpy(((values - mean) / scale).astype(np.float32))


def train_mapping(mapping: MappingNetwork, codes: Tensor, truth: Tensor, steps: int = 10_000, batch: int = 256, rate: float = 3e-2,
                  log: Callable[[str], None] = print) -> MappingNetwork:
    """Fit ``mapping`` in place to ``truth + SHIFT``; ``w_avg`` becomes the mean.

    Args:
        codes: ``[N, z_dim]``; truth: ``[N, w_dim]``.
    """
    layers = [getattr(mapping, f"fc{i}") for i in range(mapping.num_layers)]
    with torch.no_grad():
        mapping.embed.bias.zero_()  # the generator knows no camera here; its label is zero
        for layer in layers[:-1]:  # half of the units start nearly linear, for the many traits that are one number of z
            layer.bias[::2] = 1.5
        layers[-1].bias.fill_(SHIFT / math.sqrt(2))
        mapping.w_avg.copy_(truth.mean(0) + SHIFT)
    weights = [p for layer in layers for p in layer.parameters()]
    for weight in weights:
        weight.requires_grad_(True)

    def loss() -> Tensor:
        chosen = torch.randint(0, len(codes), (batch,))
        z = codes[chosen].clone()
        z[:, USED:] = torch.randn_like(z[:, USED:])  # numbers without a meaning are drawn anew each time
        return (_mapped(layers, z) - truth[chosen] - SHIFT).square().mean()

    descend(weights, loss, Schedule(steps, rate, 200, 0.005), log, "mapping")
    return mapping.requires_grad_(False)


def _mapped(layers: list[Linear], z: Tensor) -> Tensor:
    """``MappingNetwork.forward`` with a zero label, whose columns of the first layer see nothing and need no arithmetic."""
    weight, bias = layers[0].scaled()
    x = F.leaky_relu(F.linear(normalise_second_moment(z), weight[:, : z.shape[1]], bias), 0.2) * math.sqrt(2)
    for layer in layers[1:]:
        x = layer(x)
    return x


@torch.no_grad()
def absorb_shift(generator: TriPlaneGenerator, shift: float = SHIFT) -> None:
    """Change the biases of all affine layers so that ``ws + shift`` gives what ``ws`` gave."""
    for module in generator.modules():
        affine = getattr(module, "affine", None)
        if affine is not None:
            affine.bias -= shift * affine.weight.sum(1) * affine.weight_gain / affine.bias_gain


@torch.no_grad()
def explained(mapping: MappingNetwork, codes: Tensor, truth: Tensor) -> Tensor:
    """``[w_dim]``: share of each trait's variance that the mapping explains (1 is all; traits that never vary count as explained)."""
    left = (mapping(codes, torch.zeros(len(codes), mapping.config.c_dim)) - SHIFT - truth).square().mean(0)
    variance = truth.var(0)
    return torch.where(variance > 1e-4, 1 - left / variance.clamp(min=1e-4), 1.0)
