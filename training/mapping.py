"""The mapping of the built-in generator: ``z`` to the standardised traits of the person that it stands for.

No picture is needed, so codes never run out: the choices and thresholds that a trained-along mapping would blur are learned here alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from symgan_core.generator.synthesis import MappingNetwork

from .heads import CODE, HeadPack, draw_codes, person_from_code, trait_statistics, traits


def draw_pairs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Codes ``[count, z_dim]`` and their standardised traits ``[count, T]``."""
    pack, codes = HeadPack(), draw_codes(np.random.default_rng(seed), count)
    mean, scale = trait_statistics(pack)
    values = np.stack([traits(pack, person_from_code(pack, z)) for z in codes])
    return torch.from_numpy(codes), torch.from_numpy(((values - mean) / scale).astype(np.float32))


def train_mapping(mapping: MappingNetwork, codes: Tensor, truth: Tensor, steps: int = 8000, batch: int = 512, rate: float = 3e-3,
                  log: Callable[[str], None] = print) -> MappingNetwork:
    """Fit ``mapping`` in place.

    Args:
        codes: ``[N, z_dim]``; truth: ``[N, w_dim]``.
    """
    mapping.requires_grad_(True)
    optimizer = torch.optim.Adam(mapping.parameters(), rate, betas=(0.9, 0.99))
    camera, spare = torch.zeros(1, mapping.config.c_dim), max(s.stop for s in CODE.values())
    begin, total = time.monotonic(), 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        chosen = torch.randint(0, len(codes), (batch,))
        z = codes[chosen].clone()
        z[:, spare:] = torch.randn_like(z[:, spare:])  # numbers without a meaning are drawn anew each time
        loss = (mapping(z, camera.expand(batch, -1)) - truth[chosen]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += float(loss.detach())
        if (step + 1) % 1000 == 0:
            log(f"mapping {step + 1}: {total / 1000:.4f} of the variance left, {time.monotonic() - begin:.0f} s")
            total = 0.0
    return mapping.requires_grad_(False)


@torch.no_grad()
def explained(mapping: MappingNetwork, codes: Tensor, truth: Tensor) -> Tensor:
    """``[w_dim]``: share of each trait's variance that the mapping explains (1 is all)."""
    left = (mapping(codes, torch.zeros(len(codes), mapping.config.c_dim)) - truth).square().mean(0)
    return 1 - left / truth.var(0).clamp(min=1e-6)
