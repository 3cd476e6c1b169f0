"""From a picture to a code in one pass: the first guess that stage 1 starts from, and the first head that a user sees."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..weights import read_shipped
from .checkpoint import WEIGHTS
from .config import BUILTIN, GeneratorConfig

INPUT = 128
ENCODER_FILE = WEIGHTS / "encoder.safetensors"
WIDTHS = (24, 48, 64, 96, 128)


class Encoded(NamedTuple):
    """``w [B, w_dim]`` of the built-in generator, ``angles [B, 2]``: yaw and pitch in degrees."""

    w: Tensor
    angles: Tensor


class Encoder(nn.Module):
    """Aligned pictures on white ``[B, 3, H, H]`` in [-1, 1] to an ``Encoded``. A plain convolutional network.

    ``mean`` and ``scale [w_dim]`` take what it computes, standardised numbers, to w.
    """

    def __init__(self, config: GeneratorConfig = BUILTIN):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [_conv(before, after, 2), _conv(after, after, 1)]
        self.features = nn.Sequential(*layers)
        side = INPUT // 2 ** len(WIDTHS)
        self.head = nn.Sequential(nn.Linear(WIDTHS[-1] * side**2, 320), nn.ReLU(inplace=True), nn.Dropout(0.1),
                                  nn.Linear(320, config.w_dim + 2))
        self.register_buffer("mean", torch.zeros(config.w_dim))
        self.register_buffer("scale", torch.ones(config.w_dim))

    def standardised(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, w_dim]`` in standard deviations, and angles over 30 degrees ``[B, 2]``: what training compares."""
        if pictures.shape[-1] != INPUT:
            pictures = F.interpolate(pictures, (INPUT, INPUT), mode="bilinear", antialias=True, align_corners=False)
        out = self.head(self.features(pictures).flatten(1))
        return out[:, :-2], out[:, -2:]

    def forward(self, pictures: Tensor) -> Encoded:
        traits, angles = self.standardised(pictures)
        return Encoded(self.mean + self.scale * traits, angles * 30)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def encoder_for(config: GeneratorConfig) -> Encoder | None:
    """The shipped encoder where the generator is the built-in one, else None."""
    return load_encoder() if config == BUILTIN and ENCODER_FILE.is_file() else None


@lru_cache(maxsize=1)
def load_encoder() -> Encoder:
    """The shipped network, in evaluation mode. Raises CheckpointError if its file is damaged."""
    encoder = Encoder()
    encoder.load_state_dict(read_shipped(ENCODER_FILE))
    return encoder.eval().requires_grad_(False)
