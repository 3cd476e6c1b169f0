"""Mean and spread of the codes that a generator maps noise to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...generator import TriPlaneGenerator
from ..target.target import Target


@torch.no_grad()
def latent_statistics(generator: TriPlaneGenerator, camera: Tensor, count: int = 600) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[w_dim]`` of w under the photo's camera (SPI: 600 latents); always the same ones."""
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(count, generator.config.z_dim, generator=rng).to(generator.device)
    w = generator.mapping(z, camera.expand(count, -1))[:, 0]
    return w.mean(0), w.std(0).clamp(min=1e-3)


@dataclass(frozen=True)
class MeanStart:
    """Begin at the mean code."""

    def code(self, target: Target, generator: TriPlaneGenerator) -> Tensor | None:
        """None: at the mean."""
        return None
