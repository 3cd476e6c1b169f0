"""The built-in face network: is this square a face, and if so where are its points, its pose, its frame and its silhouette.

A small plain convolutional network, trained on the project's synthetic heads alone (``training/faces.py``).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..weights import read_shipped

INPUT = 96
POINTS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth", "chin")
"""Named from the person: the right eye is on the left of the picture."""
WEIGHTS = Path(__file__).parent / "weights" / "faces.safetensors"
AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


class FaceReading(NamedTuple):
    """What the network says of ``B`` squares; places are in units of the square's side, (0, 0) its top left corner.

    ``score [B]`` (logit), ``points [B, 6, 2]``, ``angles [B, 2]`` (yaw, pitch in degrees), ``frame [B, 4]`` (a, b, x, y: the
    aligned frame's x axis is (a, b), its centre (x, y)), ``mask [B, 1, 48, 48]`` (logit of head against background).
    """

    score: Tensor
    points: Tensor
    angles: Tensor
    frame: Tensor
    mask: Tensor


def conv_block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution 3x3, batch norm, ReLU: what both face networks are made of."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def mix_block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A convolution by channel, then one by pixel: a tenth of the weights where there are many channels."""
    return nn.Sequential(nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs),
                         nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class FaceNetwork(nn.Module):
    """``[B, 3, 96, 96]`` in [-1, 1] to a FaceReading. About one million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(conv_block(3, 24, 2), conv_block(24, 32), conv_block(32, 48, 2), conv_block(48, 64),
                                  conv_block(64, 96, 2), conv_block(96, 96))
        self.coarse = nn.Sequential(conv_block(96, 128, 2), conv_block(128, 128), conv_block(128, 160, 2), conv_block(160, 96))
        self.trunk = nn.Sequential(nn.Linear(96 * 9, 256), nn.ReLU(inplace=True))
        self.out = nn.Linear(256, 1 + 2 * len(POINTS) + 2 + 4)
        self.mask_context = nn.Linear(256, 96)
        self.mask = nn.Sequential(conv_block(96, 64), nn.Conv2d(64, 16, 3, padding=1), nn.PixelShuffle(4))

    def forward(self, x: Tensor) -> FaceReading:
        reading, fine, trunk = self._reading(x)
        return reading._replace(mask=self.mask(fine + self.mask_context(trunk)[:, :, None, None]))

    def without_mask(self, x: Tensor) -> FaceReading:
        """The same with an empty ``mask [B, 1, 0, 0]``, whose layers are a twentieth of the work: only training reads it."""
        return self._reading(x)[0]

    def _reading(self, x: Tensor) -> tuple[FaceReading, Tensor, Tensor]:
        """All but the mask, and what that is made of: features ``[B, 96, 12, 12]`` and their summary ``[B, 256]``."""
        fine = self.fine(x)
        trunk = self.trunk(self.coarse(fine).flatten(1))
        score, points, angles, frame = self.out(trunk).split([1, 2 * len(POINTS), 2, 4], 1)
        frame = frame * 0.5 + frame.new_tensor([0.8, 0, 0.5, 0.5])
        points = points.reshape(-1, len(POINTS), 2) * 0.5 + 0.5
        return FaceReading(score[:, 0], points, angles * 45, frame, x.new_empty(len(x), 1, 0, 0)), fine, trunk


@lru_cache(maxsize=1)
def load_face_network() -> FaceNetwork:
    """The shipped network, in evaluation mode. Raises CheckpointError if its file is damaged."""
    network = FaceNetwork()
    network.load_state_dict(read_shipped(WEIGHTS))
    return for_reading(network)


def for_reading(network: AnyNetwork) -> AnyNetwork:
    """A trained network made ready to answer: the same answers in less time, its batch norms being part of its convolutions."""
    network.eval().requires_grad_(False)
    for row in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        for at, (one, other) in enumerate(zip(row[:-1], row[1:], strict=True)):
            if isinstance(one, nn.Conv2d) and isinstance(other, nn.BatchNorm2d):
                row[at], row[at + 1] = fuse_conv_bn_eval(one, other), nn.Identity()
    return network.to(memory_format=torch.channels_last)
